"""Ways in of a framework, led through the gate: a WSGI or an ASGI application's ``__call__``.

    application    a request begins      it ends
    WSGI           when it is called     at ``close()`` of what it gives, as PEP 3333 demands
    ASGI, http     when it is called     when it returns
    ASGI, ws       when it is called     when it returns; nobody waits for that, since it may stay open for days
    ASGI, else     is not led through

An answer of which a part is sent and another one is to come is a stream (:attr:`hotswap.requests.gate.Visit.is_sending`).

The inner one of two is a part of the outer one (:meth:`hotswap.requests.gate.Gate.enter` gives None).
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import closing
from typing import Any, cast

import attrs

from hotswap.requests.gate import GATE, Busy, Gate, Visit

#: What a request gets that has waited at the gate for too long.
_BUSY = b"The server has been taking new code over for too long; this request was not begun. See the server's terminal.\n"


@attrs.define(eq=False)
class Passage:
    """Leads calls through a gate, until it is told to stop.

    Attributes:
        on_begin: called inside of each request that begins.
        gate: counts them.
    """

    on_begin: Callable[[Visit | None], None] = lambda visit: None
    gate: Gate = attrs.field(default=GATE)
    _replaced: list[tuple[type, str, Any]] = attrs.field(factory=list, init=False)

    def replace(self, cls: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Put another method into a class.

        Args:
            make: gives it; takes the one that is there.
        """
        original = getattr(cls, name)
        self.put(cls, name, functools.wraps(original)(make(original)))

    def put(self, cls: type, name: str, value: Any) -> None:
        """Put another attribute into a class."""
        self._replaced.append((cls, name, vars(cls).get(name)))
        setattr(cls, name, value)

    def stop(self) -> None:
        """Put back what was replaced; requests that are inside go on."""
        while self._replaced:
            cls, name, original = self._replaced.pop()
            if original is None:
                delattr(cls, name)
            else:
                setattr(cls, name, original)

    # ---- for ``replace`` ----

    def wsgi(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The ``__call__`` of a WSGI application, led through the gate."""

        def call(application: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            try:
                visit = self.gate.enter(label(environ))
            except Busy:
                return answer_busy(environ, start_response)
            try:
                self.on_begin(visit)
                response = original(application, environ, start_response)
            except BaseException:  # raised again: whatever it was, the request is over
                self.gate.leave(visit)
                raise
            if visit is None:
                return response
            if inspect.isgenerator(response):  # nothing of it has run
                response = _note_parts(cast(Generator[bytes], response), visit)
            else:
                visit.is_sending = True  # the program has answered, and what is left of it is in the body
            return _leave_at_close(response, self.gate, visit)

        return call

    def asgi(self, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """The ``__call__`` of an ASGI application, led through the gate."""

        async def call(application: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] not in ("http", "websocket"):
                return await original(application, scope, receive, send)
            try:
                visit = await self.gate.enter_async(f"{scope.get('method', 'WEBSOCKET')} {scope['path']}")
            except Busy:
                return await send_busy(send, scope["type"])
            try:
                self.on_begin(visit)
                await original(application, scope, receive, note_sending(visit, scope, send))
            finally:
                self.gate.leave(visit)

        return call


def _note_parts(parts: Generator[bytes], visit: Visit) -> Generator[bytes]:
    """A body, whose request is a stream from its first part on."""
    with closing(parts):
        for part in parts:
            visit.is_sending = True
            yield part


def label(environ: dict[str, Any]) -> str:
    """A WSGI request, for a person."""
    return f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}"


def answer_busy(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application that says that the gate stayed closed."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(_BUSY))), ("Retry-After", "1")]
    start_response("503 Service Unavailable", headers)
    return [_BUSY]


Send = Callable[[dict[str, Any]], Awaitable[None]]


def note_sending(visit: Visit | None, scope: Mapping[str, Any], send: Send) -> Send:
    """What an ASGI application is to send with, so that its visit knows whether it is a stream."""
    if visit is None:
        return send
    if scope["type"] == "websocket":
        visit.is_sending = True
        return send

    async def note_and_send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            visit.is_sending = message.get("more_body", False)
            visit.is_let_be &= visit.is_sending  # what it does in the background afterwards is waited for
        await send(message)

    return note_and_send


async def send_busy(send: Send, kind: str = "http") -> None:
    """Say so to an ASGI server.

    Args:
        kind: of the scope.
    """
    if kind == "websocket":
        return await send({"type": "websocket.close", "code": 1013, "reason": "taking new code over"})  # "try again later"
    headers = [(b"content-type", b"text/plain"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _BUSY})


def note_first_byte(handler: Any, name: str, visit: Visit | None) -> None:
    """Have a visit be known as a stream from the first byte on, for a server's object that serves a request.

    What is put there goes at its first call: it is in a circle with the object. Where nothing may have been sent, whoever calls
    this takes it out of ``vars(handler)``.

    Args:
        name: of its method that sends the first byte.
    """
    if visit is None:
        return

    def note_and_send(*args: Any) -> Any:
        del vars(handler)[name]
        visit.is_sending = True
        return getattr(handler, name)(*args)

    setattr(handler, name, note_and_send)


class _Body:
    """A body whose class does not let its ``close`` be replaced: a file wrapper of a server that is written in C, a list."""

    def __init__(self, body: Any, close: Callable[[], None]) -> None:
        self._body, self.close = body, close

    def __iter__(self) -> Any:
        return iter(self._body)


def _leave_at_close(body: Any, gate: Gate, visit: Visit) -> Any:
    close_own = getattr(body, "__dict__", {}).get("close")
    close_kind = getattr(type(body), "close", None)

    def close_and_leave(item: Any) -> None:
        try:
            if close_own is not None:
                close_own()
            elif close_kind is not None and item is not None:
                close_kind(item)
        finally:
            gate.leave(visit)

    try:
        ref = weakref.ref(body)  # or the body would be in a circle of references, and not end with the last one to it
        body.close = lambda: close_and_leave(ref())  # of this one object: its class, and what a server knows it by, stay
    except (AttributeError, TypeError):
        body = _Body(body, functools.partial(close_and_leave, body))
    weakref.finalize(body, gate.lose, visit)
    return body
