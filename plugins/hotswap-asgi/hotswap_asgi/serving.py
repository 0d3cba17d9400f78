"""Where requests begin and end, and uvicorn's own reloader.

    who calls                          begins and ends
    uvicorn                            its cycle of one request: ``run_asgi``, so that code of the program around the
                                       application is inside too
    any other server, a test client    ``Starlette.__call__``

The inner one of two is a part of the outer one. A websocket is a stream from its beginning: it may stay open for days, and goes
on in the code that it has begun in, which is said with each swap.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from hotswap.requests import Busy, Passage, note_sending, send_busy


def lead_cycle(passage: Passage, module: ModuleType) -> None:
    """Lead uvicorn's requests through the gate; a module of one of its protocols was imported."""
    gate = passage.gate

    def lead(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def run_asgi(cycle: Any, app: Any) -> None:
            try:
                visit = await gate.enter_async(f"{cycle.scope['method']} {cycle.scope['path']}")
            except Busy:
                return await original(cycle, _answer_busy)

            async def noted(scope: Any, receive: Any, send: Any) -> None:
                await app(scope, receive, note_sending(visit, scope, send))

            try:
                await original(cycle, noted)
            finally:
                gate.leave(visit)

        return run_asgi

    passage.replace(module.RequestResponseCycle, "run_asgi", lead)


async def _answer_busy(scope: Any, receive: Any, send: Any) -> None:
    await send_busy(send)


def never_reload(config: Any) -> Callable[[], None]:
    """Have ``reload=True`` start no child that is ended with each save; gives what undoes that."""
    original = vars(config)["should_reload"]
    config.should_reload = property(lambda self: False)

    def put_back() -> None:
        config.should_reload = original

    return put_back
