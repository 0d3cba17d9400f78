"""The import hook: what it takes over, what it leaves, and what is left of it."""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hotswap.loader import ImportHook, LoadedModule


class World:
    """Records what the hook tells, and counts what executing modules call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.adopted: list[LoadedModule] = []
        self.errors: list[tuple[str, BaseException]] = []
        self.called: list[tuple[str, str]] = []
        self.hook = ImportHook(
            includes=lambda path: path.startswith(str(folder)) and "out" not in path,
            instrument=self.instrument, adopt=self.adopted.append, on_error=lambda *error: self.errors.append(error),
        )  # fmt: skip

    def instrument(self, tree: ast.Module, name: str, namespace: dict[str, Any]) -> ast.Module:
        """Each module calls ``__probe__`` first and last."""
        if name == "bad_tree":
            raise RuntimeError("cannot")
        namespace["__probe__"] = lambda where: self.called.append((name, where))
        for index, where in ((0, "start"), (len(tree.body) + 1, "end")):
            tree.body.insert(index, ast.parse(f"__probe__({where!r})").body[0])
        return ast.fix_missing_locations(tree)

    def write(self, name: str, text: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        importlib.invalidate_caches()
        return str(path)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    world.hook.install()
    yield world
    world.hook.uninstall()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_module_is_adopted_with_the_bytes_that_it_ran(world: World) -> None:
    """After it has executed; name, file and bytes."""
    path = world.write("mod_a.py", "x = 1\n")
    module = importlib.import_module("mod_a")
    assert world.adopted == [LoadedModule(module=module, name="mod_a", file=path, data=b"x = 1\n")]
    assert world.called == [("mod_a", "start"), ("mod_a", "end")]


def test_nothing_is_left_in_the_module(world: World) -> None:
    """Its loader and spec are what they are without the hook, its namespace has no name more, while it runs and after."""
    world.write("mod_a.py", "during = set(globals())\nkind = type(__loader__), type(__spec__.loader)\n")
    module = importlib.import_module("mod_a")
    plain = PathFinder.find_spec("mod_a", [str(world.folder)])
    assert plain is not None
    assert plain.loader is not None
    assert module.kind == (SourceFileLoader, SourceFileLoader)
    assert (module.__loader__, module.__spec__.origin, module.__cached__) == (plain.loader, plain.origin, plain.cached)
    assert module.__loader__ is module.__spec__.loader
    assert vars(module.__loader__) == vars(plain.loader)
    assert "__probe__" not in module.during
    assert set(vars(module)) == module.during | {"during", "kind"}


def test_nested_imports_each_call_their_own(world: World) -> None:
    """The functions that instrumented modules call do not mix."""
    world.write("mod_a.py", "import mod_b\n")
    world.write("mod_b.py", "import mod_c\n")
    world.write("mod_c.py", "")
    importlib.import_module("mod_a")
    names = ["mod_a", "mod_b", "mod_c"]
    assert world.called == [(n, "start") for n in names] + [(n, "end") for n in reversed(names)]
    assert [loaded.name for loaded in world.adopted] == ["mod_c", "mod_b", "mod_a"]
    assert "__probe__" in vars(builtins)


def test_files_out_of_scope_and_other_loaders_are_left(world: World) -> None:
    """Another class of loader has its own way to load."""
    world.write("mod_out.py", "")
    world.write("mod_a.py", "")

    class Other(SourceFileLoader):
        pass

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
            file = str(world.folder / "mod_a.py")
            return importlib.util.spec_from_file_location(name, file, loader=Other(name, file)) if name == "mod_a" else None

    sys.meta_path.append(Finder)
    sys.meta_path.insert(1, Finder)
    try:
        importlib.import_module("mod_out")
        assert type(importlib.import_module("mod_a").__loader__) is Other
    finally:
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not Finder]
    assert world.adopted == []


def test_a_finder_of_an_editable_install_is_asked(world: World) -> None:
    """They stand behind the one for sys.path, and give plain loaders."""
    path = world.write("elsewhere/mod_editable.py", "")

    class Finder:
        @staticmethod
        def find_spec(name: str, path_: Any = None, target: Any = None) -> ModuleSpec | None:
            return importlib.util.spec_from_file_location(name, path) if name == "mod_editable" else None

    sys.meta_path.append(Finder)
    try:
        importlib.import_module("mod_editable")
    finally:
        sys.meta_path.remove(Finder)
    assert [loaded.file for loaded in world.adopted] == [path]


def test_builtin_modules_keep_their_precedence(world: World) -> None:
    """A file of the name of a builtin module is not found first."""
    world.write("time.py", "")
    saved = sys.modules.pop("time")
    try:
        assert not hasattr(importlib.import_module("time"), "__file__")
    finally:
        sys.modules["time"] = saved


def test_a_reload_is_adopted_anew(world: World) -> None:
    """With the bytes of that time."""
    world.write("mod_a.py", "n = 1\n")
    module = importlib.import_module("mod_a")
    world.write("mod_a.py", "n = 22\n")
    importlib.reload(module)
    assert [loaded.data for loaded in world.adopted] == [b"n = 1\n", b"n = 22\n"]
    assert type(module.__loader__) is SourceFileLoader


def test_a_module_that_fails_is_not_adopted(world: World) -> None:
    """The exception is its own."""
    world.write("mod_a.py", "1 / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module("mod_a")
    assert world.adopted == []
    assert [str(entry.path) for entry in caught.traceback if str(entry.path).endswith("hotswap/loader.py")] == []


@pytest.mark.parametrize("data", [b"x = (\n", b"# coding: nonsense\n", b"x = '\xff'\n", b"return 1\n", b"x = 1\0\n"])
def test_text_that_does_not_compile_raises_what_python_raises(world: World, data: bytes) -> None:
    """Same class, same words, same place."""
    path = world.write("mod_a.py", data)
    with pytest.raises((SyntaxError, ValueError)) as caught:
        importlib.import_module("mod_a")
    with pytest.raises((SyntaxError, ValueError)) as plain:
        SourceFileLoader("mod_a", path).get_code("mod_a")
    assert (type(caught.value), str(caught.value)) == (type(plain.value), str(plain.value))


def test_an_encoding_is_respected(world: World) -> None:
    """PEP 263 and the byte order mark."""
    world.write("mod_a.py", "# coding: latin-1\nx = 'ü'\n".encode("latin-1"))
    world.write("mod_b.py", b"\xef\xbb\xbfx = '\xc3\xbc'\n")
    assert importlib.import_module("mod_a").x == importlib.import_module("mod_b").x == "ü"


def test_an_error_of_the_instrumentation_is_not_the_programs(world: World) -> None:
    """The module is loaded as it is, and the error is told."""
    world.write("bad_tree.py", "x = 1\n")
    assert importlib.import_module("bad_tree").x == 1
    assert [message for message, _ in world.errors] == ["bad_tree is loaded without stable handles"]
    assert [loaded.name for loaded in world.adopted] == ["bad_tree"]


def test_an_error_of_the_adoption_is_not_the_programs(world: World) -> None:
    """It goes on unmanaged, and that is told."""

    def fail(loaded: LoadedModule) -> None:
        raise RuntimeError("cannot")

    world.hook.adopt = fail
    world.write("mod_a.py", "x = 1\n")
    assert importlib.import_module("mod_a").x == 1
    assert [message for message, _ in world.errors] == ["mod_a is not managed"]


def test_finding_is_not_loading(world: World) -> None:
    """A spec that is never executed behaves like any: source, code, file name; nothing is adopted."""
    path = world.write("mod_a.py", "x = 1\n")
    spec = importlib.util.find_spec("mod_a")
    assert spec is not None
    assert isinstance(spec.loader, SourceFileLoader)
    assert spec.loader.get_source("mod_a") == "x = 1\n"
    assert spec.loader.get_code("mod_a").co_filename == path
    module = ModuleType("mod_a")
    exec(spec.loader.get_code("mod_a"), module.__dict__)
    assert (module.x, world.adopted) == (1, [])


def test_install_twice_is_once_and_uninstall_is_whole(world: World) -> None:
    """sys.meta_path is as before."""
    world.hook.install()
    assert sys.meta_path.count(world.hook) == 1
    world.hook.uninstall()
    assert world.hook not in sys.meta_path
    world.hook.uninstall()
    world.write("mod_a.py", "")
    importlib.import_module("mod_a")
    assert world.adopted == []
