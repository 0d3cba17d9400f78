"""Statements that may run a changed method through an object which they read: ``URL = conf.url``, ``X = compute()``.

A text names the variable, not the class of what it holds, so both questions are answered on the safe side:

    which variables may hold an object of a class      those whose statements use the class, or a variable that may
    by which names may a changed member be run         its own, those of functions that use this name, and so on

A statement that reads such a variable and such a name may give something else. Special methods are run without being
named (``conf + 1``), so with one of them any operation on such a variable counts. The idea is that of class hierarchy
analysis, with names in place of types.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.units import ANY_NAME, READ_BY_STRING, Unit, UnitKind, Uses

_ANY_WORD = b""  # of units that may contain any
#: Members that are run where a class is called.
_CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__", "__attrs_post_init__", "__call__"})
#: Special methods that any attribute may run.
_LOOKUPS = frozenset({"__getattr__", "__getattribute__", "__get__", "__set__", "__setattr__"})
_Place = tuple[str, Unit]  # the module of a unit, and the unit


@attrs.define(eq=False)
class Objects:
    """What the affected members of classes reach.

    Attributes:
        carriers: top-level symbols that may hold, give or be an object of a class with affected members, and such classes.
        names: attributes and functions by which affected members may be run.
        members: the affected members.
    """

    graph: Graph
    modules: Collection[str]
    carriers: set[Symbol] = attrs.Factory(set)
    names: set[str] = attrs.Factory(set)
    members: set[Symbol] = attrs.Factory(set)
    _has_special: bool = False
    _by_word: dict[bytes, list[_Place]] | None = None

    def spread(self, affected: Iterable[Symbol]) -> None:
        """Take more affected functions into account; those that are no members of a class concern nobody here."""
        members = {symbol for symbol in affected if "." in symbol[1] and "<" not in symbol[1]} - self.members
        if members:
            self.members |= members
            self._spread_names({part for _, name in members for part in _run_by(name)})
            self._spread_carriers({(module, name.partition(".")[0]) for module, name in members})

    def cause(self, module: str, unit: Unit, reads: Iterable[Symbol]) -> Symbol | None:
        """An affected member that an unchanged statement may run while it is evaluated, of which its result depends.

        Args:
            reads: what the statement reads and calls.
        """
        if not self.members or unit.kind is UnitKind.IMPORT:
            return None
        carried = {(symbol[0], symbol[1].partition(".")[0]) for symbol in reads} & self.carriers
        return min(self.members) if carried and self._may_run(module, unit) else None

    def _may_run(self, module: str, unit: Unit) -> bool:
        now = unit.analysis.now
        called = now.called | {part for chain in now.calls for part in chain.split(".")}
        if not called.isdisjoint(self.names):
            return True
        if unit.kind in (UnitKind.FUNCTION, UnitKind.CLASS):
            return _may_name(now, self.names) or (now.keeps and self._has_special)
        if not self._follows_operations(module, unit):
            return False
        lambdas = unit.analysis.functions.values()  # that stand in it, and may be called at once
        operates = now.operates or bool(now.calls) or now.calls_unknown
        return any(_may_name(uses, self.names) for uses in (now, *lambdas)) or (
            self._has_special and (operates or (bool(now.names) and not self.names.isdisjoint(_LOOKUPS)))
        )

    def _follows_operations(self, module: str, unit: Unit) -> bool:
        """An object that is made, or an effect, depends on what it is made by, not on what may be done with it."""
        mutated = self.graph.mutated(module, unit)
        kinds = {self.graph.kind_of(symbol) for symbol in (*mutated, *((module, name) for name in unit.names))}
        if unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK):
            return bool(kinds) and "opaque" not in kinds
        return bool(kinds & {"data", "missing"})

    # ---- by which names ----

    def _spread_names(self, found: set[str]) -> None:
        if not self.names:
            found |= self._computing_names()
        pending = found - self.names
        while pending:
            self.names |= pending
            self._has_special = self._has_special or any(map(_is_special, pending))
            users = [place for name in pending for place in self._mentioning(name)]
            pending = {
                qualname.rpartition(".")[2]
                for _, unit in users
                for qualname, uses in unit.analysis.functions.items()
                if _may_name(uses, pending)
            } - self.names

    def _computing_names(self) -> set[str]:
        """Functions that read attributes whose names no text has."""
        return {
            qualname.rpartition(".")[2]
            for word in READ_BY_STRING
            for _, unit in self._mentioning(word)
            for qualname, uses in unit.analysis.functions.items()
            if ANY_NAME in uses.names
        }

    # ---- which variables ----

    def _spread_carriers(self, found: set[Symbol]) -> None:
        for module in self.modules:
            for name in self.graph.binders(module):
                kind = self.graph.type_of((module, name))
                if kind is not None and (kind[0], kind[1].partition(".")[0]) in found:
                    found.add((module, name))
        pending = found - self.carriers
        while pending:
            self.carriers |= pending
            words = {symbol[1] for symbol in pending}
            pending = set()
            for word in words:
                for module, unit in self._mentioning(word):
                    if self._uses_carrier(module, unit):
                        pending |= self._given(module, unit)
            pending -= self.carriers

    def _uses_carrier(self, module: str, unit: Unit) -> bool:
        parts = (unit.analysis.now, *unit.analysis.functions.values())
        tops = {(s[0], s[1].partition(".")[0]) for uses in parts for s in self.graph.uses_symbols(module, uses)}
        tops |= {(binding.module, binding.attr) for binding in unit.imports if binding.attr is not None}
        return not tops.isdisjoint(self.carriers)

    def _given(self, module: str, unit: Unit) -> set[Symbol]:
        return {(module, name) for name in unit.names} | self.graph.mutated(module, unit)

    def _mentioning(self, word: str) -> list[_Place]:
        """The units whose text may contain a word."""
        if self._by_word is None:
            self._by_word = {}
            for module in self.modules:
                for unit in self.graph.summaries[module].units:
                    for each in (_ANY_WORD,) if unit.words is None else unit.words:
                        self._by_word.setdefault(each, []).append((module, unit))
        return [*self._by_word.get(word.encode(), ()), *self._by_word.get(_ANY_WORD, ())]


def _may_name(uses: Uses, names: set[str]) -> bool:
    chains = {part for chain in uses.calls for part in chain.split(".")}
    return ANY_NAME in uses.names or not uses.names.isdisjoint(names) or not chains.isdisjoint(names)


def _run_by(member: str) -> tuple[str, ...]:
    owner, _, name = member.rpartition(".")
    return (name, owner.rpartition(".")[2]) if name in _CONSTRUCTORS else (name,)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
