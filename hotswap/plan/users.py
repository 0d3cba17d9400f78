"""Names that a text binds no more while another one, or its own functions, still use them.

A call that uses one fails, as it would in a fresh process; an import of one fails at the next start.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterator

from hotswap.plan.diff import UnitDiff
from hotswap.plan.graph import Graph
from hotswap.plan.units import Unit


def find_users(graph: Graph, diff: UnitDiff, removed: Collection[str]) -> Iterator[tuple[str, str, Unit]]:
    """Each name with a module that still uses it, and the first statement there that does.

    Args:
        graph: of the new texts.
        diff: of the module whose names went.
        removed: these names.
    """
    own = graph.summaries[diff.module]
    may_come_unseen = graph.stars(diff.module) or any(unit.binds_unseen for unit in own.units) or "__getattr__" in own.binders()
    names = frozenset() if may_come_unseen else frozenset(removed)
    words = frozenset(name.encode() for name in names)
    for module in graph.summaries if names else ():
        first: dict[str, Unit] = {}
        for unit in graph.summaries[module].units:
            for name in names & _used(graph, diff.module, module, unit) if unit.mentions(words) else ():
                first.setdefault(name, unit)
        yield from ((name, module, first[name]) for name in sorted(first))


def _used(graph: Graph, owner: str, module: str, unit: Unit) -> set[str]:
    """The names of a module that a statement imports or uses, in its functions too."""
    found = {binding.attr for binding in unit.imports if binding.module == owner and binding.attr}
    for uses in (unit.analysis.now, *unit.analysis.functions.values()):
        for chain in uses.reads | uses.calls:
            symbol = graph.resolve(module, chain)
            if symbol is not None and symbol[0] == owner and module != owner:
                found.add(symbol[1].partition(".")[0])
            elif symbol is None and module == owner:
                found.add(chain.partition(".")[0])
    return found - set(vars(builtins))
