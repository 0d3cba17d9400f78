"""``hotswap_flask.start()`` in a program: ``flask --debug run`` and ``app.run(debug=True)`` swap.

Werkzeug runs a program with a reloader in two processes. The parent does nothing but start the child again when it ends with 3;
in the child a loop decides when that is. So in the child, and only there, hotswap is started and the loop replaced: Werkzeug's
``reloader_type="auto"``, which is what both ask for if nothing else is said.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import Any

from hotswap.config import load_settings, make_scope
from hotswap.errors import HotswapError
from hotswap.runtime import Runtime
from hotswap_flask.versions import why_unknown


def start() -> None:
    """Swap in this process, where it is the one that Werkzeug's reloader has started to serve; elsewhere this does nothing.

    Call it before the program's own modules are imported, so that all of them are known from their beginning.
    """
    if os.environ.get("WERKZEUG_RUN_MAIN") != "true" or "hotswap.runner" in sys.modules:
        return
    if why := why_unknown():
        _say(f"{why}; a save restarts, as without it. Next step: a newer hotswap-flask, or another Flask")
        return
    try:
        _start()
    except HotswapError as error:  # a wrong setting, an interpreter that cannot be served
        _say(f"hotswap was not started, so a save restarts: {error}")


def _start() -> None:
    from werkzeug import _reloader

    settings = load_settings()
    scope = make_scope(settings)
    must_restart = threading.Event()

    class SwapLoop(_reloader.ReloaderLoop):
        """Waits until hotswap asks for a restart; hotswap watches the files."""

        name = "hotswap"

        def run(self) -> None:
            must_restart.wait()
            sys.exit(3)  # Werkzeug's word to the parent for: start me again

        def run_step(self) -> None:
            """Nothing to look at."""

    runtime = Runtime(scope, settings, restart=must_restart.set if settings.restart else None)
    loops: dict[str, Any] = _reloader.reloader_loops
    loops["auto"] = SwapLoop
    atexit.register(runtime.stop)
    runtime.start()


def _say(message: str) -> None:
    print(f"hotswap  {message}.", file=sys.stderr)
