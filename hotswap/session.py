"""The one engine of this process: started, stopped and asked through the public functions.

Takes: calls of the program. Gives: reports. May touch: ``sys.meta_path`` (the import hook). Must not: print, or
configure logging.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import attrs

from hotswap.changes import read_changes
from hotswap.config import load_settings, make_scope
from hotswap.contributions import Contributions
from hotswap.convert.converter import Converter
from hotswap.engine import Engine
from hotswap.errors import CODES, FileError, NotStartedError, UnsupportedError
from hotswap.fork import guard_forks, list_forks, note_forks
from hotswap.hooks import new_hook_modules, read_recorded
from hotswap.link.handles import instrument, uninstrument
from hotswap.loader import ImportHook, LoadedModule, differs_from_loaded
from hotswap.model import Finding, Plan, Preflight, Report, Severity, Status
from hotswap.transition.ended import EndedFrames
from hotswap.world import ModuleRecord

# Guards _current; outermost lock, held for moments only.
_lock = threading.Lock()
_current: Session | None = None
#: Objects go on waiting for their conversion when hotswap is stopped, and their versions are known when it is started again.
_converter = Converter()
_ended = EndedFrames()
#: What was known of the modules when hotswap was stopped, for when it is started again, with the spec that they had:
#: a module that is reloaded meanwhile gets another one.
_left: dict[str, tuple[ModuleRecord, Any]] = {}


@attrs.define(eq=False)
class Session:
    """An engine with its import hook and, if wanted, its watcher."""

    engine: Engine
    scope: Any
    hook: ImportHook
    watcher: Any = None
    on_finding: Callable[[Finding], None] = lambda finding: None
    text_of: Callable[[ModuleType], bytes | None] = lambda module: None

    def adopt_loaded(self) -> None:
        """Take modules under management that were loaded before, or without the import hook."""
        for name, module in list(sys.modules.items()):
            _adopt_loaded(self, name, module)

    def close(self) -> None:
        """Stop watching and hooking imports; swaps that were made stay."""
        self.hook.uninstall()
        if self.watcher is not None:
            self.watcher.stop()
            self.watcher = None
        self.engine.plugins.detach()


def check_interpreter() -> None:
    """Refuse interpreters on which the mechanisms do not hold (HS507).

    A free-threaded build is one also where its GIL is on: it collects and counts references in other ways, and objects that
    need a new field were missed in tests.

    Raises:
        UnsupportedError: not CPython 3.11 or newer with the GIL.
    """
    needs = "HS507: hotswap needs CPython with the GIL, this is"
    if sys.implementation.name != "cpython":
        raise UnsupportedError(f"{needs} {sys.implementation.name}; run the program without hotswap")
    if sysconfig.get_config_var("Py_GIL_DISABLED") or not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise UnsupportedError(f"{needs} a free-threaded build (whatever PYTHON_GIL says); run the program with the usual one")


def open_session(
    scope: Any,
    on_report: Callable[[Report], None] | None = None,
    on_finding: Callable[[Finding], None] = lambda finding: None,
    *,
    hook_imports: bool = True,
    text_of: Callable[[ModuleType], bytes | None] = lambda module: None,
) -> Session:
    """Make an engine, hook imports, and take loaded modules under management.

    Args:
        scope: says which files are managed.
        on_report: called with each report.
        on_finding: told of what belongs to no swap, as a module that could not be taken under management.
        hook_imports: take modules under management as they are imported, too; else :meth:`Session.adopt_loaded` does it.
        text_of: what a loaded module was executed from, where that is not what is on disk.

    Raises:
        UnsupportedError: this interpreter cannot be served.
    """
    check_interpreter()
    engine = Engine(scope, on_report=on_report, on_finding=on_finding, list_forks=list_forks, converter=_converter, ended=_ended)
    engine.ended.start()  # frames that an earlier session has noted
    note_forks()
    contributions = Contributions(engine.world)

    def prepare(tree: ast.Module, name: str, namespace: dict[str, Any]) -> ast.Module:
        engine.world.begin(name)
        contributions.begin(name, tree, namespace.get("__package__") or "")
        return instrument(tree, name, namespace)

    def adopt(loaded: LoadedModule) -> None:
        _adopt(engine, loaded)
        contributions.end(loaded.name)
        if hasattr(loaded.module, "__path__"):
            _load_hooks(loaded.name, loaded.file, on_finding)

    hook = ImportHook(
        includes=scope.includes,
        instrument=prepare,
        adopt=adopt,
        on_error=lambda message, error: on_finding(make_error(message, error)),
    )
    session = Session(engine, scope, hook, on_finding=on_finding, text_of=text_of)
    if hook_imports:
        hook.install()
    session.adopt_loaded()
    for record in list(engine.world.records.values()):
        if record.is_package:
            _load_hooks(record.name, record.file, on_finding)
    engine.plugins.discover()
    engine.plugins.attach(engine)
    guard_forks(engine.lock, engine.world.lock, engine.after_fork)
    return session


def _load_hooks(package: str, file: str, on_finding: Callable[[Finding], None]) -> None:
    """Import the migrations of a package that are found by name; one that fails does not end the program."""
    try:
        read_recorded(file)
    except FileError as error:
        on_finding(Finding(code="HS104", severity=Severity.KEPT, message=str(error), file=os.path.dirname(file)))
    for name in new_hook_modules([(package, file)]):
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - border to program code
            excerpt = "".join(traceback.format_exception(error))
            message = f"{name} could not be imported, so its migrations do not count: {type(error).__name__}: {error}"
            on_finding(Finding(
                code="HS110", severity=Severity.KEPT, message=message, file=os.path.dirname(file), excerpt=excerpt,
                next_step="mend it and save it again",
            ))  # fmt: skip


def _adopt(engine: Engine, loaded: LoadedModule) -> None:
    uninstrument(loaded.module.__dict__)
    engine.world.adopt(loaded.module, loaded.file, loaded.data, name=loaded.name)


def make_error(message: str, error: BaseException | None = None) -> Finding:
    """Something went wrong in hotswap itself; the program goes on."""
    excerpt = "".join(traceback.format_exception(error)) if error is not None else ""
    return Finding(code="HS599", severity=Severity.KEPT, message=message, excerpt=excerpt, next_step=CODES["HS599"].remedy)


def _adopt_loaded(session: Session, name: str, module: ModuleType | None) -> None:
    """Take a module under management that was loaded before; its text is what is on disk now, unless that is known better."""
    file = getattr(module, "__file__", None)
    if (
        not isinstance(module, ModuleType)
        or not isinstance(file, str)
        or not file.endswith(".py")
        or name in session.engine.world.records
    ):
        return
    if name == "__mp_main__" or not session.scope.includes(file):
        return
    if (text := session.text_of(module)) is not None:
        session.engine.world.adopt(module, file, text, name=name, fresh=False)
        return
    try:
        with open(file, "rb") as source:
            data = source.read()
    except OSError as error:
        message = f"{name} is not managed: {error.strerror or error}"
        step = "make it readable and start hotswap again"
        session.on_finding(Finding(code="HS104", severity=Severity.KEPT, message=message, file=file, next_step=step))
        return
    left, spec = _left.get(name, (None, None))
    if left is not None and left.module is module and left.file == file and module.__spec__ is spec:
        session.engine.world.readopt(left)  # what is live is known from before, whatever the file has become since
        return
    # Main carries the file as it was given on the command line in its code; others the absolute path.
    session.engine.world.adopt(module, file, data, name=name, fresh=False, is_stale=differs_from_loaded(module, file, data))


# ---- the public functions ----


def start(
    paths: Iterable[str | os.PathLike[str]] | None = None,
    *,
    watch: bool = True,
    poll: bool = False,
    ignore: Iterable[str] = (),
    failure_budget: int | str | None = None,
    on_report: Callable[[Report], None] | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> None:
    """Take the program's modules under management, those loaded already and those to come.

    A session that is running is stopped first.

    Args:
        paths: files and directories whose modules are managed; by default all outside of installed packages.
        watch: swap on save, from a thread; without it only :func:`swap` swaps.
        poll: look at the files in intervals instead of asking the operating system.
        ignore: patterns of files to leave alone.
        failure_budget: how many objects, or with ``"1%"`` which share, may fail to be converted before their swap is taken
            back by itself; by default it never is.
        on_report: called with each report, in the thread that swapped. What it raises is shown and changes nothing.
        on_finding: called with what belongs to no swap: a file that cannot be read, polling that took over, an error in
            hotswap itself; by default it is printed to stderr.

    Raises:
        UnsupportedError: this interpreter cannot be served; use CPython 3.11 or newer with the GIL.
        ConfigError: a path does not exist, or a setting is wrong; the message says which and what it takes.
    """
    global _current
    tell = on_finding or _print_finding
    given: dict[str, Any] = {"ignore": tuple(ignore), "poll": poll}
    if failure_budget is not None:
        given["failure_budget"] = str(failure_budget)
    if paths is not None:
        given["watch"] = tuple(os.fspath(path) for path in paths)
    settings = load_settings(given)
    with _lock:
        if _current is not None:
            _close(_current)
        _current = open_session(make_scope(settings), on_report, tell)
        _current.engine.converter.budget = settings.budget
        if watch:
            _current.watcher = _start_watcher(_current, settings.poll, tell)
        files = _left_files(_current.engine)
        _left.clear()
    if watch and files:
        swap(files)  # edited while hotswap was stopped: no event will tell of them


def _print_finding(finding: Finding) -> None:
    print(f"hotswap  {finding}", *filter(None, [finding.excerpt]), sep="\n", file=sys.stderr)


def _start_watcher(session: Session, poll: bool, on_finding: Callable[[Finding], None]) -> Any:
    from hotswap.watch.watcher import Watcher

    watcher = Watcher(session.engine, session.scope, poll=poll, on_finding=on_finding)
    watcher.start()
    return watcher


def stop() -> None:
    """Stop watching and managing; the code that is live stays live."""
    global _current
    with _lock:
        session, _current = _current, None
    if session is not None:
        _close(session)


def _close(session: Session) -> None:
    """What is live in its modules is known, and will be where hotswap is started again."""
    with session.engine.world.lock:
        _left.update({name: (record, record.module.__spec__) for name, record in session.engine.world.records.items()})
    session.close()


def _left_files(engine: Engine) -> list[str]:
    with engine.world.lock:
        return [record.file for name, record in engine.world.records.items() if name in _left and os.path.exists(record.file)]


def current() -> Session:
    """The session of this process.

    Raises:
        NotStartedError: call :func:`start` first.
    """
    session = _current
    if session is None:
        raise NotStartedError("hotswap is not running in this process; call hotswap.start() first")
    return session


def is_started() -> bool:
    """Whether this process has a session."""
    return _current is not None


def use(session: Session) -> None:
    """Make a session that was opened elsewhere (``hotswap run``) the one that the public functions ask."""
    global _current
    with _lock:
        _current = session


def swap(files: Iterable[str | os.PathLike[str]] | None = None) -> Report:
    """Apply what is on disk now; done when it returns.

    Args:
        files: the edited files; by default all managed files that differ from what is live.

    Returns:
        The report. ``report.applied`` says whether all of it is live; if not, ``report.held`` says why. Where nothing
        differs from what is live, ``report.verdict`` is ``Verdict.NOTHING`` and ``report.applied`` is False.

    Raises:
        NotStartedError: call :func:`start` first.
        FileError: a named file is not managed, or a file cannot be read.
    """
    session = current()
    return session.engine.swap(read_changes(session.engine, files))


def preview(*files: str | os.PathLike[str]) -> Plan:
    """The plan for what is on disk against what is live; nothing is changed or executed.

    Args:
        files: the files; by default all managed files that differ.

    Raises:
        NotStartedError: call :func:`start` first.
        FileError: a named file is not managed, or a file cannot be read.
    """
    session = current()
    return session.engine.preview(read_changes(session.engine, files or None))


def preflight(*files: str | os.PathLike[str], limit: int = 10_000) -> Preflight:
    """Try what saving would do to live objects: the migrations run on copies of their states, and nothing is changed.

    Changed statements are evaluated aside, as for a swap. Hooks that may run only once for an object are not run.

    Args:
        files: the files; by default all managed files that differ.
        limit: so many objects of a class are tried at most.

    Raises:
        NotStartedError: call :func:`start` first.
        FileError: a named file is not managed, or a file cannot be read.
    """
    session = current()
    return session.engine.preflight(read_changes(session.engine, files or None), limit)


def rollback() -> Report:
    """Take back the newest swap.

    Raises:
        NotStartedError: call :func:`start` first.
        RollbackError: there is no swap to take back.
    """
    return current().engine.rollback()


def version_of(obj: object) -> int:
    """The version that an object has; asking does not convert it.

    Versions are counted from 1 for each class: by ``__schema_version__`` in the class or by its migrations, and on by each
    swap that migrates its objects. A class without migrations has the version of its nearest base with some.

    Raises:
        NotStartedError: call :func:`start` first.
    """
    return current().engine.converter.version_of(obj)


def wait_converted(cls: type | None = None, timeout: float | None = None) -> bool:
    """Wait until no object waits for its conversion any more.

    Args:
        cls: of this class and its subclasses; by default of any class.
        timeout: seconds; by default as long as it takes.

    Returns:
        False where time is over, or where all that is left could not be converted (``status().classes`` counts them).

    Raises:
        NotStartedError: call :func:`start` first.
    """
    return current().engine.converter.wait(cls, timeout)


def retry(cls: type | None = None) -> int:
    """Try objects again whose migration has failed.

    Args:
        cls: of this class and its subclasses; by default of any class.

    Returns:
        How many are tried again, at their next access or by the sweep.

    Raises:
        NotStartedError: call :func:`start` first.
    """
    return current().engine.converter.retry(cls)


def confirm() -> int:
    """Let go of the fields that objects have lost and that were kept for a rollback, which then cannot bring them back.

    Returns:
        Of how many objects fields were kept.

    Raises:
        NotStartedError: call :func:`start` first.
    """
    return current().engine.confirm()


def status() -> Status:
    """What is managed, what was swapped and by which mechanism, and what is held.

    Raises:
        NotStartedError: call :func:`start` first.
    """
    return current().engine.status()
