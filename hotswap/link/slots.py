"""Which name an object belongs to, where several are bound to it.

    D = {}               the object's own name: it was made here
    from m import D      another name of it
    E = D                another name of it
    F = D if c else {}   either; of several such names the one that was bound first has made it

Only through its own name is an object led on to another one, or filled. What any other name is bound to is a matter of
that name alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from hotswap.plan.bindings import bound_names
from hotswap.plan.build import Draft, import_order
from hotswap.plan.graph import Symbol
from hotswap.plan.units import Summary, Unit, UnitKind
from hotswap.world import World


class Slots:
    """The names that the old texts bind, in the order in which they are bound, and what they are bound to now."""

    def __init__(self, draft: Draft, world: World) -> None:
        old = {name: item.old_summary for name, item in draft.edited.items()}
        summaries: Mapping[str, Summary] = {**draft.summaries, **old}
        places = world.places()
        self._owners: dict[int, Symbol] = {}  # by id of a live object: its own name
        self.kept: list[Any] = []  # these objects, so that an id stays its own
        self._names: dict[int, set[str]] = {}
        self._binders: dict[Symbol, Unit] = {}
        self._given: set[Symbol] = set()  # names that only pass on what is made elsewhere
        for module in import_order(summaries, summaries.__getitem__, lambda name: places.get(name, len(places))):
            record = world.records.get(module)
            if record is None:
                continue
            space = record.module.__dict__
            for name, value in list(space.items()):
                self._names.setdefault(id(value), set()).add(name)
            for name, unit in _last_binders(summaries[module]):
                self._binders[module, name] = unit
                if _passes_on(unit, name):
                    self._given.add((module, name))
                elif name in space:
                    self._owners.setdefault(id(space[name]), (module, name))
                    self.kept.append(space[name])

    def is_bound(self, value: Any) -> bool:
        """True for an object that a managed module has under some name."""
        return id(value) in self._names

    def owner(self, live: Any) -> Symbol | None:
        """The own name of an object; None where no statement of the texts has made it."""
        return self._owners.get(id(live))

    def owns(self, module: str, name: str, live: Any) -> bool:
        """True where an object belongs to the name that it is bound to here, also where only the program bound it."""
        owner = self.owner(live)
        return owner == (module, name) if owner is not None else (module, name) not in self._given


def _last_binders(summary: Summary) -> Iterator[tuple[str, Unit]]:
    """Each name of a text with the statement that binds it last, in the order of these."""
    last = {name: unit for unit in summary.units for name in unit.names}
    for unit in summary.units:
        yield from ((name, unit) for name in unit.names if last[name] is unit)


def _passes_on(unit: Unit, name: str) -> bool:
    """True for a statement that gives a name to something that is there already."""
    if unit.kind is UnitKind.FUNCTION:
        return False
    if any(binding.local == name for binding in unit.imports):
        return True
    if isinstance(unit.node, (ast.For, ast.AsyncFor)):
        return name in bound_names([unit.node.target]) and name not in bound_names([*unit.node.body, *unit.node.orelse])
    value = unit.node.value if isinstance(unit.node, (ast.Assign, ast.AnnAssign)) else None
    return unit.kind is UnitKind.ASSIGN and isinstance(value, (ast.Name, ast.Attribute, ast.Subscript))
