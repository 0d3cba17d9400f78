"""The recipe of a symbol: the statements that bind it or contribute to it, in order."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.units import UnitKind

Key = tuple[str, int]  # module, index of the unit in the new text


@attrs.define(eq=False)
class Recipes:
    """The recipes of all symbols of some modules, found in one pass when the first is asked for."""

    graph: Graph
    modules: Collection[str]
    _table: dict[Symbol, list[Key]] | None = None

    def __call__(self, symbol: Symbol) -> list[Key]:
        if self._table is None:
            self._table = {}
            for module in self.modules:
                for unit in self.graph.summaries[module].units:
                    if unit.kind is not UnitKind.GUARD:
                        for each in {(module, name) for name in unit.names} | self.graph.mutated(module, unit):
                            self._table.setdefault(each, []).append((module, unit.index))
        return self._table.get(symbol, [])
