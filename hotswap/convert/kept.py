"""A function as it is now, with what it finds by its global names now.

A way back runs after the rollback that it belongs to, when the functions beside it, the imports and the constants that came
with it are gone from its module. So a rollback takes copies of the ways back before, and of the functions of their modules
that they reach by name; what else they reach is the same object.
"""

from __future__ import annotations

import dis
import weakref
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType
from typing import Any

import attrs

from hotswap.migrations import Migration

#: All copies that are alive.
COPIES: weakref.WeakSet[FunctionType] = weakref.WeakSet()


def migration_as_now(migration: Migration) -> Migration:
    """A migration whose ways back do not change with its module."""
    copies = _Copies()
    steps = tuple(attrs.evolve(step, down=copies.of(step.down)) for step in migration.steps)
    return attrs.evolve(migration, down=copies.of(migration.down), steps=steps)


class _Copies:
    def __init__(self) -> None:
        self._known: dict[int, FunctionType] = {}
        self._spaces: dict[int, dict[str, Any]] = {}  # by id of the globals of a module

    def of(self, value: Any) -> Any:
        """A copy of a function that sets no global names; anything else is the same object."""
        if type(value) is not FunctionType:
            return value
        if id(value) in self._known:
            return self._known[id(value)]
        codes = list(_codes(value.__code__))
        if any(each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") for code in codes for each in dis.get_instructions(code)):
            return value
        live = value.__globals__
        space = self._spaces.setdefault(id(live), {name: live[name] for name in live if name in _MODULE_NAMES})
        cells = tuple(CellType() for _ in value.__closure__ or ())
        twin = FunctionType(value.__code__, space, value.__name__, value.__defaults__, cells or None)
        COPIES.add(twin)
        twin.__kwdefaults__, twin.__qualname__, twin.__dict__ = value.__kwdefaults__, value.__qualname__, {**value.__dict__}
        self._known[id(value)] = twin
        for cell, kept in zip(cells, value.__closure__ or (), strict=True):
            try:
                cell.cell_contents = self.of(kept.cell_contents)
            except ValueError:
                pass  # it is empty
        for name in {name for code in codes for name in code.co_names} & live.keys() - space.keys():
            same_module = type(live[name]) is FunctionType and live[name].__globals__ is live
            space[name] = self.of(live[name]) if same_module else live[name]
        return twin


_MODULE_NAMES = frozenset({"__builtins__", "__name__", "__file__", "__package__", "__spec__"})


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if type(const) is CodeType:
            yield from _codes(const)
