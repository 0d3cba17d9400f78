"""Where Django's requests begin and end: the handlers of WSGI and ASGI, and the server of ``runserver``, lead through the gate.

    who calls                             begins                          ends
    runserver (django.core.servers)       ServerHandler.run               when it returns: all bytes are sent, all is closed
    any other WSGI server                 WSGIHandler.__call__            at close() of what it gives, as PEP 3333 demands
    any ASGI server                       ASGIHandler.__call__            when it returns

A request for the status page is answered before it gets to the gate; into other pages the script of ``pages.py`` is put at their
handler's ``get_response``, which is inside of it.

The inner one of two is a part of the outer one (:meth:`hotswap.requests.gate.Gate.enter` gives None).
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import attrs

from hotswap.requests.gate import Busy, Gate, Visit
from hotswap.requests.serving import Passage, answer_busy, label, note_first_byte
from hotswap_django.pages import Pages


@attrs.define(eq=False)
class Serving:
    """Leads requests through a gate, until it is told to stop.

    Attributes:
        gate: counts them.
        on_first: called once, inside of the first request.
        pages: the page beside the program.
    """

    gate: Gate
    on_first: Callable[[], None]
    pages: Pages
    _passage: Passage = attrs.field(init=False)
    _began: bool = attrs.field(default=False, init=False)
    # Guards _began, for a moment; innermost.
    _first: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._passage = Passage(self._begin, self.gate)

    def take_server(self, module: ModuleType) -> None:
        """``django.core.servers.basehttp`` was imported."""
        self._passage.replace(module.ServerHandler, "run", self._gated_run)
        # It sends an answer in pieces. On a connection that is kept open the system holds the second one back for 40 ms until the
        # browser has acknowledged the first: longer than all the rest from a save to a page takes.
        self._passage.put(module.WSGIRequestHandler, "disable_nagle_algorithm", True)

    def take_wsgi(self, module: ModuleType) -> None:
        """``django.core.handlers.wsgi`` was imported."""
        self._passage.replace(module.WSGIHandler, "__call__", self._paged_wsgi)
        self._passage.replace(module.WSGIHandler, "get_response", self._with_script)

    def take_asgi(self, module: ModuleType) -> None:
        """``django.core.handlers.asgi`` was imported."""
        self._passage.replace(module.ASGIHandler, "__call__", self._paged_asgi)
        self._passage.replace(module.ASGIHandler, "get_response_async", self._with_script_async)

    def stop(self) -> None:
        """Put back what was replaced; requests that are inside go on."""
        self._passage.stop()

    def _begin(self, visit: Visit | None) -> None:
        if visit is None or self._began:
            return
        with self._first:
            begins, self._began = not self._began, True
        if begins:
            self.on_first()

    # ---- the way in that runserver has of its own ----

    def _gated_run(self, original: Callable[..., None]) -> Callable[..., None]:
        def run(handler: Any, application: Any) -> None:
            if (own := self.pages.answer_wsgi(handler.base_env)) is not None:
                return original(handler, own)
            visit = None
            try:
                visit = self.gate.enter(label(handler.base_env))
            except Busy:
                application = answer_busy
            try:
                self._begin(visit)
                note_first_byte(handler, "send_headers", visit)
                original(handler, application)
            finally:
                vars(handler).pop("send_headers", None)
                self.gate.leave(visit)

        return run

    # ---- the page beside the program, and the script in its pages ----

    def _paged_wsgi(self, original: Callable[..., Any]) -> Callable[..., Any]:
        gated = self._passage.wsgi(original)

        def call(handler: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            own = self.pages.answer_wsgi(environ)
            return gated(handler, environ, start_response) if own is None else own(environ, start_response)

        return call

    def _paged_asgi(self, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        gated = self._passage.asgi(original)

        async def call(handler: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
            own = self.pages.answer_asgi(scope) if scope["type"] == "http" else None
            if own is None:
                return await gated(handler, scope, receive, send)
            for message in own:
                await send(message)

        return call

    def _with_script(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def get_response(handler: Any, request: Any) -> Any:
            return self.pages.take_response(request, original(handler, request))

        return get_response

    def _with_script_async(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def get_response_async(handler: Any, request: Any) -> Any:
            return self.pages.take_response(request, await original(handler, request))

        return get_response_async
