"""Code that has a module as an object, or gets it by its name, and so does not say what it uses of it.

    functions of a module, found as a whole and called     followed: ``[f() for f in vars(a).values()]``
    a module that is got by its name                       kept and named: ``import_module("a").N`` gives the live module

Which of the modules that a string may mean, and which of their names, is told from the attributes that the code reads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.outside import running
from hotswap.plan.units import Unit, UnitKind
from hotswap.plan.uses import BY_STRING, Uses

if TYPE_CHECKING:
    from hotswap.plan.dirt import Dirt

#: A text that no code can be without which looks into a module as an object.
_LOOKS = re.compile(rb"\b(?:vars|getattr|getmembers|dir|import_module|__import__|resolve_name|modules|__dict__)\b")
_LOOK_INTO_ALL = frozenset({"vars", "dir", "inspect.getmembers", "getmembers"})


@attrs.define(eq=False, slots=False)
class Lookers:
    """Asks what has changed of modules that code looks into."""

    graph: Graph
    dirt: Dirt
    modules: Iterable[str]

    @cached_property
    def functions(self) -> list[tuple[str, Unit]]:
        """Statements with functions that may look into a module."""
        units = [(module, unit) for module in self.modules for unit in self.graph.summaries[module].units]
        return [(module, unit) for module, unit in units if unit.function_names and _LOOKS.search(unit.text)]

    @cached_property
    def _getters(self) -> set[Symbol]:
        """Functions that get modules by their names."""
        named = ((module, name, uses) for module, unit in self.functions for name, uses in unit.analysis.functions.items())
        return {(module, name) for module, name, uses in named if uses.by_name}

    def refuse(self) -> None:
        """Statements that have to be evaluated, and get the live module by its name where it will be another one."""
        for key in self.dirt.derived.keys() | self.dirt.changed:
            unit = self.graph.summaries[key[0]].units[key[1]]
            if (got := self.got_by_running(key[0], unit)) is not None:
                what = f"{got[0]}.{got[1]}, which changes"
                self.dirt.refused[key] = f"{key[0]}.{unit.label} gets {what}, from a module that it gets by its name"

    def got_by_running(self, module: str, unit: Unit, *, of_itself: bool = False) -> Symbol | None:
        """What changes of a module that a statement gets by its name, itself or in a function that it calls.

        Args:
            of_itself: also of the module in which the code stands, ``sys.modules[__name__]``.
        """
        if not self._may_get(module, unit):
            return None
        row = list(running(self.graph, module, unit))
        names = {name for _, uses in row for name in uses.names | uses.called}
        for owner, uses in row:
            if uses.by_name and (found := self._got(owner, uses, unit.names, names, of_itself)) is not None:
                return found
        return None

    def _may_get(self, module: str, unit: Unit) -> bool:
        """False for all statements but those that get modules by their names, or call a function that does."""
        if unit.is_inert or unit.kind is UnitKind.IMPORT:
            return False
        now = unit.analysis.now
        if now.by_name or not self._getters:
            return bool(now.by_name)
        return not self._getters.isdisjoint(self.graph.reach(self.graph.uses_symbols(module, now, now.calls)))

    def look_into(self, module: str, uses: Uses) -> bool:
        """True for code that has a module as an object, or gets it by its name, and may look at what changed of it."""
        if (uses.by_name or uses.imports) and self._got(module, uses) is not None:
            return True
        if not (targets := self.graph.modules_of(module, uses)):
            return False
        changed = (*self.dirt.values, *self.dirt.added, *(self.dirt.affected if uses.calls_unknown else ()))
        return any(symbol[0] in targets for symbol in changed)

    def _got(
        self, module: str, uses: Uses, own: Collection[str] = (), further: Collection[str] = (), of_itself: bool = False
    ) -> Symbol | None:
        """What changed of the modules that are got by their names, or imported in a function.

        Args:
            own: names that the statement binds, which may stand for such a module.
            further: attributes that are read elsewhere, maybe of such a module.
        """
        d = self.dirt
        targets = self.graph.got_by_name(module, uses) | {target for target, attr in uses.imports if not attr}
        targets |= {module} if of_itself and not uses.by_name.isdisjoint(("*", module)) else set()
        chains = [chain.split(".") for chain in uses.reads | uses.calls]
        names = uses.names | set(further) | {part for head, *rest in chains if head in own for part in rest}
        called: set[Symbol] = d.affected if uses.calls or uses.calls_unknown else set()
        is_any = any(name.endswith(("*", BY_STRING)) for name in names) or not uses.calls.isdisjoint(_LOOK_INTO_ALL)
        for target in targets:
            for symbol in (*d.values, *d.added, *d.classes, *called):
                if symbol[0] == target and (is_any or symbol[1].partition(".")[0] in names):
                    return symbol
        return None
