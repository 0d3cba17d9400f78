"""Statements with an unchanged text that stand in another order, where the order makes a difference.

Each name that statements bind, delete or contribute to has a *version*: the row of statements that have written to it
so far. A statement whose names have other versions before it than they had in the old text gives something else, as if
its text had changed: ``LIMIT = BASE * 10`` behind another assignment of BASE. Definitions that merely change places write
to names that nobody else writes to, and read none.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from hotswap.plan.diff import UnitDiff
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.units import Unit, UnitKind
from hotswap.plan.uses import Uses

_Pair = tuple[Unit, Unit]

#: Stands for all that is not managed, and may see in which order statements had an effect on it.
_OUTSIDE = ("", "")


def find_moved(before: Graph, after: Graph, diff: UnitDiff) -> list[_Pair]:
    """The pairs that have to count as changed, also where their texts are equal."""
    if all(one.index < other.index for (one, _), (other, _) in zip(diff.pairs, diff.pairs[1:], strict=False)):
        return []
    versions = _Versions()
    in_old_order = sorted(diff.pairs, key=lambda pair: pair[0].index)
    mine = versions.number(before, diff.module, ((id(new), old) for old, new in in_old_order))
    theirs = versions.number(after, diff.module, ((id(new), new) for _, new in diff.pairs))
    return [
        (old, new)
        for old, new in diff.pairs
        if new.kind not in (UnitKind.GUARD, UnitKind.DOCSTRING) and mine[id(new)] != theirs[id(new)]
    ]


@attrs.define(eq=False)
class _Versions:
    """Numbers of rows of statements; equal rows have one number in both texts."""

    _numbers: dict[tuple[int, int], int] = attrs.Factory(dict)

    def number(self, graph: Graph, module: str, units: Iterable[tuple[int, Unit]]) -> dict[int, dict[Symbol, int]]:
        """The versions that each statement finds of the names that it uses, by the statement's key."""
        touches = [(key, _Touched.by(graph, module, unit)) for key, unit in units]
        written: dict[Symbol, int] = {}
        for _, touched in touches:
            for symbol in touched.writes:
                written[symbol] = written.get(symbol, 0) + 1
        # What begins in another module is written to there before.
        several = {symbol for symbol, count in written.items() if count > 1 or (symbol[0] != module and symbol != _OUTSIDE)}
        found: dict[int, dict[Symbol, int]] = {}
        now: dict[Symbol, int] = {}
        for key, touched in touches:
            symbols = touched.reads | (touched.writes | touched.reached) & several
            found[key] = {symbol: now[symbol] for symbol in symbols if symbol in now}
            for symbol in touched.writes:
                now[symbol] = self._numbers.setdefault((now.get(symbol, 0), key), len(self._numbers) + 1)
        return found


@attrs.frozen
class _Touched:
    """The top-level symbols that a statement uses while it is evaluated.

    Attributes:
        reads: those that stand in its text.
        reached: those that it may read through what it calls.
        writes: those that it binds, deletes or contributes to.
    """

    reads: frozenset[Symbol]
    reached: frozenset[Symbol]
    writes: frozenset[Symbol]

    @classmethod
    def by(cls, graph: Graph, module: str, unit: Unit) -> _Touched:
        now = unit.analysis.now
        reads = {(module, chain.partition(".")[0]) for chain in now.reads | now.calls}
        writes = {(module, name) for name in (*unit.names, *now.writes)} | graph.mutated(module, unit)
        for binding in unit.imports:
            if binding.attr == "*":
                names = graph.binders(binding.module) if binding.module in graph.summaries else ()
                writes |= {(module, name) for name in (*names, "*")}
        if unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK) and graph.foreign_effects(module, unit):
            writes.add(_OUTSIDE)
        reached = {_top(symbol) for symbol in graph.reach(graph.calls_of(module, unit))} if now.calls else set()
        reached |= {_top(symbol) for uses in (now, *own_lambdas(unit)) for symbol in graph.uses_symbols(module, uses)}
        return cls(frozenset(reads), frozenset(reached), frozenset(writes))


def own_lambdas(unit: Unit) -> list[Uses]:
    """Lambdas in a statement that keeps data, which may be called at once."""
    if unit.is_inert or unit.kind in (UnitKind.FUNCTION, UnitKind.CLASS):
        return []
    return [uses for name, uses in unit.analysis.functions.items() if "<lambda>" in name]


def _top(symbol: Symbol) -> Symbol:
    return symbol[0], symbol[1].partition(".")[0]
