"""What a process of ``hotswap run`` has besides the program: session, watcher, socket and terminal, wired together.

Takes: settings. Gives: one object to start and to stop, which compiles and adopts the main module. Must not: decide
anything about a change.
"""

from __future__ import annotations

import ast
import functools
import time
import traceback
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hotswap.control.channel import ChannelError
from hotswap.control.layout import Outlook
from hotswap.control.server import ControlServer
from hotswap.control.terminal import Reporter
from hotswap.errors import CODES
from hotswap.link.handles import instrument
from hotswap.loader import LoadedModule, bind_calls, compile_source
from hotswap.log import log_finding, log_report
from hotswap.model import Finding, Report, Severity, Verdict
from hotswap.session import make_error, open_session, use
from hotswap.watch import Watcher, wait_for_save

if TYPE_CHECKING:
    from hotswap.config import Settings
    from hotswap.scope import Scope

__all__ = ["Runtime"]


class Runtime:
    """Session, watcher and socket of a process that was started by ``hotswap run``.

    Args:
        scope: what is managed.
        settings: how to watch and what to print.
        restart: starts the program again; None where that is not wanted.
    """

    def __init__(self, scope: Scope, settings: Settings, *, restart: Callable[[], None] | None = None) -> None:
        self.scope = scope
        self._settings = settings
        self._restart = restart
        self._began = time.time()
        self._reporter = Reporter(as_json=settings.json, quiet=settings.quiet)
        self._session = open_session(scope, self._take_report, self._take_finding)
        self._server: ControlServer | None = None
        self.engine = self._session.engine
        self.engine.converter.budget = settings.budget
        self.engine.restarts = restart is not None

    def start(self) -> None:
        """Watch and serve; ``hotswap.swap()`` and its like, called by the program, mean this session."""
        use(self._session)
        self._session.watcher = Watcher(
            self.engine, self.scope, poll=self._settings.poll, on_finding=self._take_finding
        )
        self._session.watcher.start()
        self._serve()

    def stop(self) -> None:
        """Take the hook out and end the threads; what was swapped stays."""
        self._session.close()
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def compile_main(self, module: types.ModuleType, file: str, data: bytes) -> types.CodeType:
        """Compile the text of the main module, so that it tells when its data is as loaded.

        Raises:
            SyntaxError, ValueError: as python's own ``compile`` has it.
        """
        def take_snapshot() -> None:
            try:
                self.engine.world.snapshot(self.engine.world.records["__main__"])
            except Exception as exc:  # noqa: BLE001 - the program goes on, with a main module that has no base
                self._take_error("the data of __main__ has no base to compare with", exc)

        def prepare(tree: Any) -> ast.Module | None:
            functions: dict[str, Callable[..., Any]] = {}
            try:
                prepared = instrument(tree, "__main__", functions, take_snapshot)
            except Exception as exc:  # noqa: BLE001 - as in the import hook
                self._take_error("__main__ is loaded without stable handles", exc)
                return None
            bind_calls(module.__dict__, functions)
            return prepared

        return compile_source(prepare, data, file)

    def adopt_main(self, loaded: LoadedModule) -> None:
        """Adopt the main module: before it executes, since it may never return."""
        self.engine.world.adopt(loaded.module, loaded.file, loaded.data, name=loaded.name, has_run=False)

    def say_failure(self, message: str) -> None:
        """Tell the person and the log that hotswap itself failed at something; the program goes on."""
        self._take_finding(make_error(message))

    def wait_for_save(self, why: BaseException) -> None:
        """Wait, with no program running, until a file of it is written; the watcher's thread is ended for that."""
        self._session.close()
        message = f"the program was started again and ended with {type(why).__name__}"
        told = Finding(code="HS508", severity=Severity.KEPT, message=message, next_step=CODES["HS508"].remedy)
        files = [record.file for record in self.engine.world.records.values()]
        files += [frame.filename for frame in traceback.extract_tb(why.__traceback__)]
        files += [why.filename] if isinstance(why, SyntaxError) and why.filename else []
        files, includes = [file for file in files if self.scope.includes(file)], self.scope.includes
        ready = functools.partial(self._take_finding, told)
        wait_for_save(files, includes, since=self._began, poll=self._settings.poll, on_ready=ready)

    # -- what the parts have to say; any thread ---------------------------------------------------------------------

    def _serve(self) -> None:
        server = ControlServer(self.engine)
        try:
            server.start()
        except (ChannelError, OSError) as exc:  # the program runs without being reachable
            self.say_failure(f"no control socket, so hotswap status and preview cannot reach this process: {exc}")
        else:
            self._server = server

    def _take_report(self, report: Report) -> None:
        needs_restart = report.verdict is Verdict.RESTART and not report.applied
        outlook: Outlook = "none" if not needs_restart else "restarting" if self._restart is not None else "held"
        self._reporter.show(report, outlook)
        log_report(report)
        if needs_restart and self._restart is not None:
            self._restart()

    def _take_finding(self, finding: Finding) -> None:
        if self._reporter is not None:
            self._reporter.notice(finding)
        log_finding(finding)

    def _take_error(self, message: str, exc: BaseException) -> None:
        self._take_finding(make_error(message, exc))
