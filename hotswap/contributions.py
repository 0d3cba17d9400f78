"""What a module adds to other modules' data while it is imported: part of how the program was loaded.

``@route("/a")`` in one module fills a table in another. Such a contribution belongs to the base of the three-way
merge, while what the program puts there later does not. So the containers of the modules that a module imports are
looked at before and after it executes: by the identities of their elements, which costs next to nothing. So are the names
that its text assigns there (``lib.HOOK = f``).
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any

import attrs

from hotswap.fingerprint import LRU
from hotswap.kinds import is_a
from hotswap.peek import peek
from hotswap.world import ModuleRecord, World

_CONTAINERS = (dict, list, set, deque)
#: Number of elements from which on they are not looked into: a table of handlers is smaller.
_LARGE = 1000


@attrs.frozen
class _Import:
    """A module that is executing: the modules that it imports, the names that it assigns there, and how all was before."""

    targets: frozenset[str] = frozenset()
    before: dict[tuple[str, str], int] = attrs.Factory(dict)
    stored: frozenset[str] = frozenset()
    bound: dict[tuple[str, str], int] = attrs.Factory(dict)
    loaded: frozenset[str] = frozenset()
    passed_on: frozenset[str] = frozenset()


@attrs.define(eq=False)
class Contributions:
    """Keeps the bases of modules up to date while other modules are imported.

    Imports nest and run under importlib's lock of the module, so there is one row of open imports per thread of
    control; an import in another thread at the same time is seen as part of both, which only widens a base.
    """

    world: World
    _open: dict[str, _Import] = attrs.Factory(dict)
    _known: dict[tuple[str, str], int] = attrs.Factory(dict)

    def begin(self, name: str, tree: ast.Module, package: str) -> None:
        """A module is about to execute."""
        targets, stored = frozenset(_targets(tree.body, package)), frozenset(_stored(tree.body))
        closure = self._closure(targets)
        self._open[name] = _Import(
            targets, self._look(closure), stored, self._bound(closure, stored), frozenset(self.world.records),
            frozenset(_imported(tree.body)),
        )  # fmt: skip

    def end(self, name: str) -> None:
        """A module has executed and was adopted."""
        begun = self._open.pop(name, _Import(loaded=frozenset(self.world.records)))
        before = begun.before
        self._look_again(name, begun.loaded, begun.passed_on)
        closure = self._closure(begun.targets) - {name}
        for key, now in self._look(closure).items():
            known = self._known.get(key)
            if now == known:
                continue
            is_new = before.get(key, known) == known
            self._note(name, key, anew=is_new)
            if is_new and self.world.records[key[0]].base is not None:
                self._known[key] = now
        for key, held in self._bound(closure, begun.stored).items():
            if begun.bound.get(key) != held:
                self._note(name, key, anew=True)
        self._known.update(self._look({name}))

    def _note(self, name: str, key: tuple[str, str], *, anew: bool) -> None:
        """A module has changed what a name of another one stands for; ``anew`` where nobody had done so before it."""
        record = self.world.records[key[0]]
        record.contributors.setdefault(key[1], set()).add(name)
        if anew and record.base is not None:
            self.world.snapshot_names(record, [key[1]])

    def _look_again(self, name: str, loaded: frozenset[str], passed_on: frozenset[str]) -> None:
        """In a circle of imports, a module was finished before the one whose objects it refers to."""
        record = self.world.records.get(name)
        circle = [self.world.records[other] for other in self.world.records.keys() - loaded if other != name]
        circle = [other for other in circle if name in other.imports and other.base is not None]
        if record is not None and record.base is not None and circle:
            own = {key: value for key, value in record.module.__dict__.items() if key not in passed_on}
            self.world.is_managed.note(name, own, anew=True)
            for each in (record, *circle):
                self.world.snapshot_names(each, list(each.module.__dict__))

    def _closure(self, targets: Iterable[str]) -> set[str]:
        """Imported managed modules and those that they import: a package often passes names on."""
        records = self.world.records
        direct = {name for name in targets if name in records}
        return direct | {other for name in direct for other in records[name].imports if other in records}

    def _look(self, names: Iterable[str]) -> dict[tuple[str, str], int]:
        found = {}
        for module in names:
            record = self.world.records.get(module)
            for name, value in list(record.module.__dict__.items()) if record is not None else ():
                if not name.startswith("__") and (sign := self._sign(record, value)) is not None:
                    found[module, name] = sign
        return found

    def _bound(self, modules: Iterable[str], names: frozenset[str]) -> dict[tuple[str, str], int]:
        """Which objects some names stand for in some modules, by their ids."""
        records = self.world.records
        spaces = {module: records[module].module.__dict__ for module in modules if names and module in records}
        found = {(module, name): space[name] for module, space in spaces.items() for name in names if name in space}
        return {key: id(value) for key, value in found.items() if not is_a(value, ModuleType)}

    def _sign(self, record: ModuleRecord | None, value: Any) -> int | None:
        if is_a(value, _CONTAINERS):
            return sign_container(value)
        if type(value) in (FunctionType, LRU):
            return sign_container(value.__dict__) if value.__dict__ else None
        if is_a(value, type):
            own = record is not None and value.__module__ == record.module.__name__
            return _sign_all(value.__dict__.values(), self._sign_inner) if own else None
        if self.world.is_managed(type(value)) and (state := peek(value)) is not None:
            return _sign_all(state.values(), self._sign_inner)
        return None

    @staticmethod
    def _sign_inner(value: Any) -> int:
        return sign_container(value) if is_a(value, _CONTAINERS) else id(value)


def _sign_all(values: Iterable[Any], sign: Callable[[Any], int]) -> int:
    return hash(tuple([sign(value) for value in list(values)]))


def sign_container(value: Any, *, is_inner: bool = False) -> int:
    """A number that changes when an element is added, removed or exchanged, or one of a container that is an element."""
    if not is_a(value, dict):
        return hash(tuple(map(id, value)))
    values = list(dict.values(value))
    if is_inner or len(values) > _LARGE:
        return hash((tuple(map(id, dict.keys(value))), tuple(map(id, values))))
    inner = [sign_container(item, is_inner=True) if is_a(item, _CONTAINERS) else id(item) for item in values]
    return hash((tuple(map(id, dict.keys(value))), tuple(inner)))


def _imported(body: Iterable[ast.stmt]) -> Iterable[str]:
    """The names that import statements bind, which belong to the module that they are from."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _imported([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)])


def _stored(body: list[ast.stmt]) -> Iterable[str]:
    """The attributes that statements assign."""
    for node in body:
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)):
            targets = [node.target] if isinstance(node, (ast.AugAssign, ast.AnnAssign)) else node.targets
            yield from (target.attr for target in targets if isinstance(target, ast.Attribute))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            yield from (arg.value for arg in node.value.args[1:2] if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
            called = node.value.func.id
            for other in body:  # ``enable()``, and what that function assigns
                if isinstance(other, ast.FunctionDef) and other.name == called:
                    yield from _stored(other.body)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from _stored([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)])


def _targets(body: Iterable[ast.stmt], package: str) -> Iterable[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            target = ".".join(filter(None, [base, node.module]))
            yield target
            yield from (f"{target}.{alias.name}" for alias in node.names)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _targets([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)], package)
