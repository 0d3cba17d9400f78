"""Running a program as python would, under hotswap.

Takes: a script or a module's name, and the program's arguments. Gives: the program, run as ``__main__`` of this
process, and its exit. May touch: ``sys.modules["__main__"]``, ``sys.argv``, ``sys.path[0]``, as python sets them.
Must not: be seen by the program; an uncaught exception ends the process as it does without hotswap, and its traceback
has no frame of this package.
"""

from __future__ import annotations

import atexit
import builtins
import errno
import os
import runpy
import sys
import types
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from types import TracebackType
from typing import Any, NoReturn, Protocol

from hotswap.config import RunRequest, load_settings, make_scope
from hotswap.loader import LoadedModule, compile_source, read_bytes
from hotswap.restart import Image, Restarter
from hotswap.runtime import Runtime

__all__ = ["prepare", "run_request"]


class Main(Protocol):
    """What is asked about a main module: :class:`Runtime` answers."""

    @property
    def scope(self) -> Any: ...
    def compile_main(self, module: types.ModuleType, file: str, data: bytes) -> types.CodeType: ...
    def adopt_main(self, loaded: LoadedModule) -> None: ...


def run_request(request: RunRequest, main: Main) -> None:
    """Run a program as python would, until it ends; what its exception shows has no frames of hotswap.

    Args:
        main: asked for the code of the main module where its ``scope`` includes the file.
    """
    try:
        _run_program(request, main)
    except BaseException:  # how the program ended, its exit status among it
        _hide_own_frames()
        raise


def prepare(request: RunRequest) -> Callable[[], None]:
    """Make everything ready for a program.

    Returns:
        What runs it until it ends, and leaves as the program does: by returning or by its exception.

    Raises:
        ConfigError: a setting is wrong; nothing has been run.
        UnsupportedError: this interpreter cannot be served; nothing has been run.
    """
    settings = load_settings(request.given)
    scope = make_scope(settings)
    image = Image.take()
    if request.kind == "script":
        scope.set_program(_absolute(request.target))

    def before_restart() -> None:
        runtime.stop()

    restarter = Restarter(image, before=before_restart, on_failure=lambda why: runtime.say_failure(why))
    runtime = Runtime(scope, settings, restart=restarter.request if settings.restart else None)
    ending = _Ending(runtime)

    def run() -> None:
        atexit.register(ending.finish)  # before the program registers anything, so it runs after all that it registers
        runtime.start()
        _run_until_left(request, runtime, restarter, ending)

    return run


class _Ending:
    """What is left to do when the program has ended."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.is_interrupted = False

    def finish(self) -> None:
        self._runtime.stop()
        if self.is_interrupted:
            # The interpreter ends by SIGINT when a KeyboardInterrupt has left the main module. It remembers that until
            # the next text is executed by any thread, and generating a class executes one: so it is told again.
            try:
                exec("raise KeyboardInterrupt")
            except KeyboardInterrupt:
                pass


def _run_until_left(request: RunRequest, runtime: Runtime, restarter: Restarter, ending: _Ending) -> None:
    try:
        _run_program(request, runtime)
    except BaseException as exc:  # how the program ended, its exit status among it
        must_restart = restarter.leave_main()
        if not must_restart and restarter.is_again and _is_failure(exc):
            # Somebody is editing: what a save has broken the next one mends, as it does where nothing is restarted.
            _show(exc)
            runtime.wait_for_save(exc)
            must_restart = True
        elif not must_restart:
            _hide_own_frames()
            ending.is_interrupted = isinstance(exc, KeyboardInterrupt)
            raise
        elif not isinstance(exc, (KeyboardInterrupt, SystemExit)):
            _show(exc)
    else:
        must_restart = restarter.leave_main()
    if must_restart:
        restarter.finish()


def _is_failure(exc: BaseException) -> bool:
    """True for a program that could not go on, not for one that was ended or has done its work."""
    return exc.code not in (None, 0) if isinstance(exc, SystemExit) else isinstance(exc, Exception)


def _show(exc: BaseException) -> None:
    if isinstance(exc, SystemExit):
        if isinstance(exc.code, str):
            sys.stderr.write(f"{exc.code}\n")  # as the interpreter does
        return
    sys.excepthook(type(exc), exc.with_traceback(_strip(exc.__traceback__)), exc.__traceback__)


def _run_program(request: RunRequest, runtime: Main) -> None:
    if request.kind == "module":
        _run_module(request.target, request.args, runtime)
    elif _is_importer_path(path := _absolute(request.target)):
        _run_folder(request.target, path, request.args, runtime)
    else:
        _run_script(request.target, path, request.args, runtime)


# ---------------------------------------------------------------------------------------------------------------------
# A script
# ---------------------------------------------------------------------------------------------------------------------


def _run_script(target: str, path: str, args: tuple[str, ...], runtime: Main) -> None:
    sys.argv[:] = [target, *args]
    data = read_bytes(path)
    if data is None:
        _fail_to_open(path)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    module = _make_main()
    namespace = module.__dict__
    namespace.update(__file__=path, __cached__=None)
    if path.endswith(".pyc"):
        namespace["__loader__"] = _plain_loader(path, compiled=True)
        code = _read_compiled(path)
    elif runtime.scope.includes(path):
        namespace["__loader__"] = _plain_loader(path)
        code = runtime.compile_main(module, path, data)
        runtime.adopt_main(LoadedModule(module=module, name="__main__", file=path, data=data))
    else:
        namespace["__loader__"] = _plain_loader(path)
        code = compile(data, path, "exec", dont_inherit=True)
    exec(code, namespace)


def _make_main() -> types.ModuleType:
    """A new ``__main__``, as python has it before it runs a script."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = module
    return module


def _read_compiled(path: str) -> types.CodeType:
    from pkgutil import read_code

    with open(path, "rb") as file:
        code: types.CodeType | None = read_code(file)
    if code is None:
        raise RuntimeError("Bad magic number in .pyc file")
    return code


def _plain_loader(path: str, *, compiled: bool = False) -> Any:
    if compiled:
        from importlib.machinery import SourcelessFileLoader

        return SourcelessFileLoader("__main__", path)
    return SourceFileLoader("__main__", path)


def _fail_to_open(path: str) -> NoReturn:
    try:
        with open(path, "rb"):
            code = errno.EIO
    except OSError as exc:
        code = exc.errno or errno.EIO
    sys.stderr.write(f"{sys.executable}: can't open file {path!r}: [Errno {code}] {os.strerror(code)}\n")
    raise SystemExit(2)


# ---------------------------------------------------------------------------------------------------------------------
# A module, a directory, a zip file: through runpy, as python does
# ---------------------------------------------------------------------------------------------------------------------


def _run_module(name: str, args: tuple[str, ...], runtime: Main) -> None:
    sys.argv[:] = ["-m", *args]
    _set_first_path(os.getcwd())
    _intercept_main(_make_main(), runtime)
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]  # what ``python -m`` calls


def _run_folder(target: str, path: str, args: tuple[str, ...], runtime: Main) -> None:
    sys.argv[:] = [target, *args]
    _set_first_path(path)
    _intercept_main(_make_main(), runtime)
    runpy._run_module_as_main("__main__", False)  # type: ignore[attr-defined]  # what ``python`` calls for a folder


def _intercept_main(module: types.ModuleType, runtime: Main) -> None:
    """Have runpy execute our compilation of the main module, and nothing else differently.

    It looks the module up by a function of its own, which is replaced for that one call.
    """
    find_details = runpy._get_module_details  # type: ignore[attr-defined]  # private: what ``python -m`` itself asks

    def find_details_once(name: str, error: type[Exception] = ImportError) -> tuple[str, Any, types.CodeType]:
        runpy._get_module_details = find_details  # type: ignore[attr-defined]  # private: what ``python -m`` itself asks
        found, spec, code = find_details(name, error)
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader.__class__ = SourceFileLoader  # the hook has taken it over, but runpy does not execute through it
            code = _adopt_main(module, spec, runtime) or code
        return found, spec, code

    runpy._get_module_details = find_details_once  # type: ignore[attr-defined]  # private: what ``python -m`` itself asks


def _adopt_main(module: types.ModuleType, spec: Any, runtime: Main) -> types.CodeType | None:
    path: str = spec.origin
    data = read_bytes(path) if runtime.scope.includes(path) else None
    if data is None:
        return None
    code = runtime.compile_main(module, path, data)
    # What runpy is about to set; the engine reads it before the module runs.
    module.__dict__.update(__file__=path, __spec__=spec, __package__=spec.parent, __loader__=spec.loader)
    runtime.adopt_main(LoadedModule(module=module, name="__main__", file=path, data=data))
    return code


# ---------------------------------------------------------------------------------------------------------------------
# Paths and frames
# ---------------------------------------------------------------------------------------------------------------------


def _absolute(target: str) -> str:
    """As python makes it: joined to the working directory, and not tidied up."""
    return target if os.path.isabs(target) else os.path.join(os.getcwd(), target)


def _is_importer_path(path: str) -> bool:
    """Whether python would look for a ``__main__`` inside: a directory or a zip file."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _set_first_path(first: str) -> None:
    # The entry in first place is that of the hotswap command, or the working directory for ``python -m hotswap``.
    if sys.flags.safe_path:
        return
    sys.path[:1] = [first]


_OWN_FILES = frozenset(
    function.__code__.co_filename for function in (_run_script, compile_source, Runtime.compile_main)
)


def _hide_own_frames() -> None:
    """Have the exception that is about to leave shown without the frames of hotswap.

    While it passes through our frames each of them is added to its traceback, so it can be tidied up only when it is
    shown. The interpreter still does all the rest: hooks of the program, exit code, death by SIGINT.
    """
    program_hook = getattr(sys, "excepthook", None)
    if program_hook is None:
        return

    def show(kind: type[BaseException], exc: BaseException, trace: TracebackType | None) -> None:
        sys.excepthook = program_hook
        trace = sys.last_traceback = _strip(trace)
        program_hook(kind, exc.with_traceback(trace), trace)

    sys.excepthook = show


def _strip(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without what is above the program, and without our frames in it."""
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    codes = {_run_script.__code__, _run_module.__code__, _run_folder.__code__}
    first = next((index + 1 for index, entry in enumerate(entries) if entry.tb_frame.f_code in codes), 0)
    kept = [entry for entry in entries[first:] if entry.tb_frame.f_code.co_filename not in _OWN_FILES]
    for entry, following in zip(kept, [*kept, None][1:], strict=True):
        entry.tb_next = following
    return kept[0] if kept else None
