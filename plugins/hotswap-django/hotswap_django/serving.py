"""Where Django's requests begin and end: the handlers of WSGI and ASGI, and the server of ``runserver``, lead through the gate.

    who calls                             begins                          ends
    runserver (django.core.servers)       ServerHandler.run               when it returns: all bytes are sent, all is closed
    any other WSGI server                 WSGIHandler.__call__            at close() of what it gives, as PEP 3333 demands
    any ASGI server                       ASGIHandler.__call__            when it returns

The inner one of two is a part of the outer one (:meth:`hotswap.requests.gate.Gate.enter` gives None).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import attrs

from hotswap.requests.gate import Busy, Gate, Visit
from hotswap.requests.serving import Passage, answer_busy, label


@attrs.define(eq=False)
class Serving:
    """Leads requests through a gate, until it is told to stop.

    Attributes:
        gate: counts them.
        on_first: called once, inside of the first request.
    """

    gate: Gate
    on_first: Callable[[], None]
    _passage: Passage = attrs.field(init=False)
    _began: bool = attrs.field(default=False, init=False)
    # Guards _began, for a moment; innermost.
    _first: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._passage = Passage(self._begin, self.gate)

    def take_server(self, module: ModuleType) -> None:
        """``django.core.servers.basehttp`` was imported."""
        self._passage.replace(module.ServerHandler, "run", self._gated_run)

    def take_wsgi(self, module: ModuleType) -> None:
        """``django.core.handlers.wsgi`` was imported."""
        self._passage.replace(module.WSGIHandler, "__call__", self._passage.wsgi)

    def take_asgi(self, module: ModuleType) -> None:
        """``django.core.handlers.asgi`` was imported."""
        self._passage.replace(module.ASGIHandler, "__call__", self._passage.asgi)

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
            visit = None
            try:
                visit = self.gate.enter(label(handler.base_env))
            except Busy:
                application = answer_busy
            try:
                self._begin(visit)
                original(handler, application)
            finally:
                self.gate.leave(visit)

        return run
