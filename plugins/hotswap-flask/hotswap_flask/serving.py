"""Where requests begin and end, and Werkzeug's own reloader.

    who calls                                        begins and ends
    Werkzeug's development server                    ``run_wsgi`` of its handler, so that code of the program around the
                                                     application is inside too, until the last byte
    any other WSGI server, a test client             ``Flask.__call__``, until the body is closed

The inner one of two is a part of the outer one.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from hotswap.requests import Busy, Passage, note_first_byte


def lead_handler(passage: Passage, module: ModuleType) -> None:
    """Lead the requests of the development server through the gate; ``werkzeug.serving`` was imported."""

    def lead(original: Callable[[Any], None]) -> Callable[[Any], None]:
        def run_wsgi(handler: Any) -> None:
            try:
                visit = passage.gate.enter(f"{handler.command} {handler.path}")
            except Busy:
                handler.send_error(503, explain="The server has been taking new code over for too long. See its terminal.")
                return
            try:
                note_first_byte(handler, "send_response", visit)
                original(handler)
            finally:
                vars(handler).pop("send_response", None)
                passage.gate.leave(visit)

        return run_wsgi

    passage.replace(module.WSGIRequestHandler, "run_wsgi", lead)


def lead_application(passage: Passage, module: ModuleType) -> None:
    """Lead the requests of other servers through the gate; ``flask.app`` was imported.

    Templates are looked at when they are used, as with ``TEMPLATES_AUTO_RELOAD``: so they are as they are on disk.
    """
    passage.replace(module.Flask, "__call__", passage.wsgi)

    def look_again(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def create_jinja_environment(app: Any) -> Any:
            environment = original(app)
            environment.auto_reload = True
            return environment

        return create_jinja_environment

    passage.replace(module.Flask, "create_jinja_environment", look_again)


def run_in_place(main_func: Callable[[], None], *args: Any, **kwargs: Any) -> None:
    """Stands for ``run_with_reloader`` in a process that ``hotswap run`` can start again: no child is needed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        main_func()
    except KeyboardInterrupt:
        pass


def never_reload(module: ModuleType) -> Callable[[], None]:
    """Put :func:`run_in_place` into ``werkzeug._reloader``; gives what takes it out again."""
    original = module.run_with_reloader
    module.run_with_reloader = run_in_place  # type: ignore[attr-defined]  # of the module as it is

    def put_back() -> None:
        module.run_with_reloader = original  # type: ignore[attr-defined]  # of the module as it is

    return put_back
