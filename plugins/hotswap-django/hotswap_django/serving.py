"""Where Django's requests begin and end: the handlers of WSGI and ASGI, and the server of ``runserver``, lead through the gate.

    who calls                             begins                          ends
    runserver (django.core.servers)       ServerHandler.run               when it returns: all bytes are sent, all is closed
    any other WSGI server                 WSGIHandler.__call__            at close() of what it gives, as PEP 3333 demands
    any ASGI server                       ASGIHandler.__call__            when it returns

The inner one of two is a part of the outer one (:meth:`hotswap_django.gate.Gate.enter` gives None).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Awaitable, Callable, Iterable
from types import ModuleType
from typing import Any

import attrs

from hotswap_django.gate import Busy, Gate, Visit

#: What a request gets that has waited at the gate for too long.
_BUSY = b"The server has been taking new code over for too long; this request was not begun. See the server's terminal.\n"


@attrs.define(eq=False)
class Serving:
    """Leads requests through a gate, until it is told to stop.

    Attributes:
        gate: counts them.
        on_first: called once, inside of the first request.
    """

    gate: Gate
    on_first: Callable[[], None]
    _replaced: list[tuple[type, str, Any]] = attrs.field(factory=list, init=False)
    _began: bool = attrs.field(default=False, init=False)
    # Guards _began, for a moment; innermost.
    _first: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def take_server(self, module: ModuleType) -> None:
        """``django.core.servers.basehttp`` was imported."""
        self._replace(module.ServerHandler, "run", self._gated_run)

    def take_wsgi(self, module: ModuleType) -> None:
        """``django.core.handlers.wsgi`` was imported."""
        self._replace(module.WSGIHandler, "__call__", self._gated_wsgi)

    def take_asgi(self, module: ModuleType) -> None:
        """``django.core.handlers.asgi`` was imported."""
        self._replace(module.ASGIHandler, "__call__", self._gated_asgi)

    def stop(self) -> None:
        """Put back what was replaced; requests that are inside go on."""
        while self._replaced:
            cls, name, original = self._replaced.pop()
            if original is None:
                delattr(cls, name)
            else:
                setattr(cls, name, original)

    def _replace(self, cls: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._replaced.append((cls, name, vars(cls).get(name)))
        original = getattr(cls, name)
        setattr(cls, name, functools.wraps(original)(make(original)))

    def _begin(self, visit: Visit | None) -> None:
        if visit is None or self._began:
            return
        with self._first:
            begins, self._began = not self._began, True
        if begins:
            self.on_first()

    # ---- the three ways in ----

    def _gated_run(self, original: Callable[..., None]) -> Callable[..., None]:
        def run(handler: Any, application: Any) -> None:
            visit = None
            try:
                visit = self.gate.enter(_label(handler.base_env))
            except Busy:
                application = _answer_busy
            try:
                self._begin(visit)
                original(handler, application)
            finally:
                self.gate.leave(visit)

        return run

    def _gated_wsgi(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(handler: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            try:
                visit = self.gate.enter(_label(environ))
            except Busy:
                return _answer_busy(environ, start_response)
            try:
                self._begin(visit)
                response = original(handler, environ, start_response)
            except BaseException:  # raised again: whatever it was, the request is over
                self.gate.leave(visit)
                raise
            return response if visit is None else _leave_at_close(response, functools.partial(self.gate.leave, visit))

        return call

    def _gated_asgi(self, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def call(handler: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] != "http":  # which Django refuses
                return await original(handler, scope, receive, send)
            try:
                visit = await self.gate.enter_async(f"{scope['method']} {scope['path']}")
            except Busy:
                return await _send_busy(send)
            try:
                self._begin(visit)
                await original(handler, scope, receive, send)
            finally:
                self.gate.leave(visit)

        return call


def _label(environ: dict[str, Any]) -> str:
    return f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}"


def _answer_busy(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(_BUSY))), ("Retry-After", "1")]
    start_response("503 Service Unavailable", headers)
    return [_BUSY]


async def _send_busy(send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    headers = [(b"content-type", b"text/plain"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _BUSY})


class _Body:
    """A body whose class does not let its ``close`` be replaced: a file wrapper of a server that is written in C."""

    def __init__(self, body: Any, close: Callable[[], None]) -> None:
        self._body, self.close = body, close

    def __iter__(self) -> Any:
        return iter(self._body)


def _leave_at_close(body: Any, leave: Callable[[], None]) -> Any:
    close_body = getattr(body, "close", None)

    def close() -> None:
        try:
            if close_body is not None:
                close_body()
        finally:
            leave()

    try:
        body.close = close  # of this one object: its class, and what a server knows it by, stay
    except AttributeError:
        return _Body(body, close)
    return body
