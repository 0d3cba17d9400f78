"""``"hotswap_django"`` in ``INSTALLED_APPS``: plain ``python manage.py runserver`` swaps.

Django runs ``runserver`` in two processes. The parent does nothing but start the child again when it ends with 3; in the child a
reloader decides when that is. So in the child, and only there, hotswap is started and Django's reloader replaced. This happens
when the application's configuration is made, not when it is ready: modules of applications that stand behind it in
``INSTALLED_APPS`` are then loaded under hotswap from the beginning.
"""

from __future__ import annotations

import atexit
import os
import sys
from types import ModuleType
from typing import Any

from django.apps import AppConfig
from django.utils import autoreload

from hotswap.config import load_settings, make_scope
from hotswap.errors import HotswapError
from hotswap.runtime import Runtime
from hotswap_django.plugin import DjangoPlugin
from hotswap_django.reloader import SwapReloader
from hotswap_django.versions import why_unknown


class HotswapConfig(AppConfig):  # type: ignore[misc]  # Django has no types
    """Starts hotswap in the process that serves."""

    name = "hotswap_django"
    verbose_name = "hotswap"

    def __init__(self, app_name: str, app_module: ModuleType) -> None:
        super().__init__(app_name, app_module)
        if not _is_served_here():
            return
        if why := why_unknown():
            _say(f"{why}; a save restarts, as without it. Next step: a newer hotswap-django, or another Django")
            return
        try:
            _start()
        except HotswapError as error:  # a wrong setting, an interpreter that cannot be served
            _say(f"hotswap was not started, so a save restarts: {error}")


def _is_served_here() -> bool:
    """True in the child of Django's reloader; its children inherit the variable, but run other commands."""
    is_child = os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true"
    return is_child and "runserver" in sys.argv[1:] and "--noreload" not in sys.argv


def _start() -> None:
    settings = load_settings()
    scope = make_scope(settings)
    if os.path.isfile(sys.argv[0]):
        scope.set_program(os.path.abspath(sys.argv[0]))
    reloaders: list[SwapReloader] = []

    def restart() -> None:
        for reloader in reloaders:
            reloader.request_restart()

    runtime = Runtime(scope, settings, restart=restart if settings.restart else None)
    plugin = _find_plugin(runtime.engine)

    def list_managed() -> list[str]:
        return [record.file for record in list(runtime.engine.world.records.values())]

    reloaders.append(SwapReloader(runtime.engine, plugin.gate, list_managed, modules=True))
    plugin.watches_files = True
    autoreload.get_reloader = lambda: reloaders[0]
    atexit.register(runtime.stop)
    runtime.start()


def _find_plugin(engine: Any) -> DjangoPlugin:
    """The plugin as its entry point has brought it; where the distribution is not installed, only on the path, a new one."""
    for plugin in engine.plugins.manager.get_plugins():
        if isinstance(plugin, DjangoPlugin):
            return plugin
    plugin = DjangoPlugin()
    engine.plugins.register(plugin, "django")
    plugin.hotswap_attach(engine)
    return plugin


def _say(message: str) -> None:
    print(f"hotswap  {message}.", file=sys.stderr)
