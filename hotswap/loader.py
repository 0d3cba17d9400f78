"""The import hook: a managed module is executed from bytes that are known, and is adopted afterwards.

Takes: the specs that the program's own finders give. Gives: the same modules, loaded as they would have been, and to
the engine the text that each was executed from. May touch: ``sys.meta_path``. Must not: hold a lock of its own (all of
it runs under the lock that importlib holds for the module), nor leave a trace: afterwards the loader is a plain
``SourceFileLoader``, and a traceback shows the frames that it shows without hotswap.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Sequence
from importlib import _bootstrap
from importlib.machinery import ModuleSpec, SourceFileLoader
from typing import Any

import attrs

__all__ = ["ImportHook", "LoadedModule", "bind_calls", "compile_source", "read_bytes", "release_calls"]

_call: Callable[..., Any] = getattr(_bootstrap, "_call_with_frames_removed")  # noqa: B009 - not in its stub


@attrs.frozen(kw_only=True)
class LoadedModule:
    """A managed module, and what it was executed from.

    Attributes:
        module: the module object.
        name: its key in ``sys.modules``.
        file: the path, spelled as its code objects have it.
        data: the bytes.
    """

    module: types.ModuleType
    name: str
    file: str
    data: bytes = attrs.field(repr=False)


#: Takes the tree, the module's name and its namespace, to which it adds the functions that the tree calls; gives the tree.
Instrument = Callable[[ast.Module, str, dict[str, Any]], ast.Module]

# The functions that the trees of modules which are executing just now call, by the id of the module's namespace.
# They are found through builtins and not put into that namespace: the program would see them in globals().
_calls: dict[int, dict[str, Callable[..., Any]]] = {}


def bind_calls(namespace: dict[str, Any], functions: dict[str, Callable[..., Any]]) -> None:
    """Let a module call these functions by name while it executes."""
    _calls[id(namespace)] = functions
    for name in functions:
        builtins.__dict__.setdefault(name, _make_dispatcher(name))


def release_calls(namespace: dict[str, Any]) -> None:
    """The module has executed."""
    _calls.pop(id(namespace), None)


def _make_dispatcher(name: str) -> Callable[..., Any]:
    return lambda *args: _calls[id(sys._getframe(1).f_globals)][name](*args)


def differs_from_loaded(module: types.ModuleType, file: str, data: bytes) -> bool:
    """True where a file is known to have changed since its module was imported: by what Python notes in its cache.

    Where there is no cache, or another process has written it anew, nothing is known.
    """
    cached = getattr(module, "__cached__", None)
    try:
        with open(cached or "", "rb") as stream:
            head = stream.read(16)
        found = os.stat(file)
    except (OSError, TypeError, ValueError):
        return False
    if len(head) < 16 or head[:4] != importlib.util.MAGIC_NUMBER:
        return False
    if head[4] & 1:  # PEP 552: by the hash of the source
        return head[8:16] != importlib.util.source_hash(data)
    written = int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")
    return written != (int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF)


@attrs.define(eq=False)
class ImportHook:
    """A finder that stands before the others, asks them, and takes over the loading of files in scope.

    Attributes:
        includes: whether a file is managed.
        instrument: prepares a module's tree before it is compiled.
        adopt: told of each managed module after it was executed.
        on_error: told of an exception of ``instrument`` or ``adopt``; the program's import goes on.
    """

    includes: Callable[[str], bool]
    instrument: Instrument
    adopt: Callable[[LoadedModule], None]
    on_error: Callable[[str, BaseException], None]
    _loader_class: type[SourceFileLoader] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # The hook is on the class and not on the loader: a loader's attributes are compared, and stay as they are.
        self._loader_class = type("SourceFileLoader", (_ManagedLoader,), {"hook": self})

    def install(self) -> None:
        """Stand in front of the program's finders; twice is once."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        """Leave the finders as they were; modules that were loaded stay adopted."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None = None,
                  target: types.ModuleType | None = None) -> ModuleSpec | None:
        """Ask the finders behind this one, in their order, and take the loading over where the file is in scope.

        All of them and not only the one for ``sys.path``: built-in modules keep their precedence, and editable
        installs bring a finder of their own.
        """
        for finder in self._finders_behind():
            find_spec = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec is not None else None
            if spec is not None:
                self._take_over(spec)
                return spec
        return None

    def _finders_behind(self) -> list[Any]:
        finders: list[Any] = list(sys.meta_path)
        return finders[finders.index(self) + 1 :] if self in finders else finders

    def _take_over(self, spec: ModuleSpec) -> None:
        # Exactly this class: a subclass (pytest's rewriting, a compiler of another language) has its own way to load.
        loader = spec.loader
        if type(loader) is SourceFileLoader and spec.origin == loader.path and self.includes(loader.path):
            loader.__class__ = self._loader_class

    def prepare(self, tree: Any, name: str, namespace: dict[str, Any]) -> ast.Module | None:
        """The tree to compile, or None when instrumenting it failed; :func:`release_calls` follows."""
        scratch = dict(namespace)  # the functions that the tree calls are added to it, and not to the program's own
        try:
            prepared = self.instrument(tree, name, scratch)
        except Exception as exc:  # noqa: BLE001 - an error of hotswap must not become one of the program's import
            self.on_error(f"{name} is loaded without stable handles", exc)
            return None
        bind_calls(namespace, {key: scratch[key] for key in scratch.keys() - namespace.keys()})
        return prepared

    def finish(self, loaded: LoadedModule) -> None:
        """Hand an executed module to the engine."""
        try:
            self.adopt(loaded)
        except Exception as exc:  # noqa: BLE001 - as above
            self.on_error(f"{loaded.name} is not managed", exc)


def read_bytes(path: str) -> bytes | None:
    """The bytes of a file; None where it cannot be read (the plain loader then says why)."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def compile_source(prepare: Callable[[Any], ast.Module | None], data: bytes, path: str) -> types.CodeType:
    """Compile a main module as python does, with instrumentation.

    Args:
        prepare: gives the tree to compile, or None where it cannot.

    Raises:
        SyntaxError, ValueError: as python's own ``compile`` has it.
    """
    try:
        tree = compile(data, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        if (prepared := prepare(tree)) is not None:
            return compile(prepared, path, "exec", dont_inherit=True)
    except RecursionError:
        pass  # a tree of Python objects may be less deep than what python itself compiles: then without instrumentation
    return compile(data, path, "exec", dont_inherit=True)


class _ManagedLoader(SourceFileLoader):
    """A loader until it executes its module; from then on it is the plain loader again, the same object."""

    hook: ImportHook


# The body of _ManagedLoader.exec_module. importlib removes its own frames from the tracebacks of imports, by the name of
# their file and by the call that ends in _call_with_frames_removed; warnings skip them when they look for the importer.
# This frame stands among them, so it takes their file name; everything that can raise in the program's name is
# called the way importlib calls it. Otherwise each traceback of an import would show hotswap, and a warning with a
# stack level would name this file.
def _exec_module(self: _ManagedLoader, module: types.ModuleType) -> None:
    hook, path, name = self.hook, self.path, module.__name__
    self.__class__ = SourceFileLoader  # type: ignore[assignment]  # it derives from that
    data = read_bytes(path)
    if data is None:
        return self.exec_module(module)
    try:
        tree = _call(compile, data, path, "exec", 0x400, True)  # 0x400: ast.PyCF_ONLY_AST
        prepared = hook.prepare(tree, name, module.__dict__) or data
        code = _call(compile, prepared, path, "exec", 0, True)
    except RecursionError:
        code = _call(compile, data, path, "exec", 0, True)
    try:
        _call(exec, code, module.__dict__)
    finally:
        release_calls(module.__dict__)
    hook.finish(LoadedModule(module=module, name=name, file=path, data=data))
    return None


_exec_module.__code__ = _exec_module.__code__.replace(
    co_filename="<frozen importlib._bootstrap_external>", co_name="exec_module"
)
_ManagedLoader.exec_module = _exec_module  # type: ignore[assignment,method-assign]  # set late, so that tracebacks show no frame of it
