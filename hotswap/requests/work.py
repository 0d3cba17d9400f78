"""What a program says is a unit of work: it is done by the old code or by the new code, to its end.

    with hotswap.task("import of orders"):          @hotswap.task("mail")             hotswap.wsgi(application)
    async with hotswap.task("poll"):                def send_mail(to): ...            hotswap.asgi(application)

All are one concept, a visit at the gate (:mod:`hotswap.requests.gate`). A unit inside of a unit is a part of it.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

import attrs

from hotswap.requests.gate import GATE, Visit, is_in_trio
from hotswap.requests.serving import Passage

__all__ = ["asgi", "task", "wsgi"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


@attrs.define(eq=False)
class _Begun:
    """A block that a context is in, and the one around it."""

    visit: Visit | None
    outer: _Begun | None


_begun: contextvars.ContextVar[_Begun | None] = contextvars.ContextVar("hotswap_begun", default=None)


class task:
    """A unit of work: a block, or each call of a function that is decorated with it, that of a coroutine function too.

    A change that is applied by ``task`` lets a unit that has begun end in the old code; one by ``quiescent`` waits for it, and
    lets new ones wait. asyncio tasks that a unit starts belong to it, threads that it starts do not, unless they run in a copy of
    its context; what goes on after the end of its unit belongs to none.

    Args:
        label: for the person who is told for whom a change waits; by default the name of the function.

    Raises:
        hotswap.requests.Busy: when it begins: a change has not ended for half a minute, and the unit was not begun.
        RuntimeError: ``with`` in a coroutine, whose event loop must not wait; use ``async with``.
    """

    def __init__(self, label: str = "") -> None:
        self._label = label
        self._begun: list[_Begun] = []

    def __enter__(self) -> None:
        self._note(_enter(self._label or "a unit of work"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        GATE.leave(self._end())

    async def __aenter__(self) -> None:
        self._note(await GATE.enter_async(self._label or "a unit of work"))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        GATE.leave(self._end())

    def _note(self, visit: Visit | None) -> None:
        begun = _Begun(visit, _begun.get())
        self._begun.append(begun)
        _begun.set(begun)

    def _end(self) -> Visit | None:
        """What is to be left: of this context the newest, since one object may be in use in several threads and tasks."""
        begun = _begun.get()
        while begun is not None and begun not in self._begun:
            begun = begun.outer
        if begun is None:
            return self._begun.pop().visit  # it ends in another context than it has begun in
        self._begun.remove(begun)
        if _begun.get() is begun:
            _begun.set(begun.outer)
        begun.outer = None  # contexts of tasks that were started inside hold it, and would hold a row of them
        return begun.visit

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        label = self._label or f"{function.__module__}.{getattr(function, '__qualname__', function)}"
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{label} is a generator, whose caller decides when it ends: make what goes through it the unit")
        if inspect.iscoroutinefunction(function):
            as_coroutine = cast(Callable[_P, Awaitable[Any]], function)

            @functools.wraps(function)
            async def do_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                async with task(label):
                    return await as_coroutine(*args, **kwargs)

            return cast(Callable[_P, _R], do_async)

        @functools.wraps(function)
        def do(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with task(label):
                return function(*args, **kwargs)

        return do


def _enter(label: str) -> Visit | None:
    if asyncio._get_running_loop() is None and not is_in_trio():
        return GATE.enter(label)
    if GATE.is_inside():  # a part of that, also of a stream that is let be: nothing in a coroutine may wait
        return None
    raise RuntimeError(f"{label}: in a coroutine a unit of work begins with 'async with', or its event loop would wait")


def wsgi(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Make each request of a WSGI application a unit of work, from its call to the ``close()`` of its body."""

    def original(_: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return application(environ, start_response)

    call = Passage().wsgi(original)

    @functools.wraps(application, updated=())
    def lead(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return call(None, environ, start_response)

    return lead


def asgi(application: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Make each HTTP request of an ASGI application a unit of work, and each websocket, for which no change waits."""

    async def original(_: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await application(scope, receive, send)

    call = Passage().asgi(original)

    @functools.wraps(application, updated=())
    async def lead(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await call(None, scope, receive, send)

    return lead
