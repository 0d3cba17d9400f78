"""Names that mean another object in the new text, though who reads them does not say so: ``from a import f`` becomes
``from b import f``, ``D = collections.OrderedDict`` becomes ``D = collections.Counter``.

Functions and classes keep their identity in a swap, so who only names one needs no evaluation. That ends where the name
is led to another function or class: then all who read the name read something else.

    bound before by      bound now by
    an import            an import of something else          another object
    a statement          an import                            another object, unless the definition went where it is from
    an alias of a class  an alias of another class            another object
    a star import        a star import of another module      another object
    a function           one in a cache, or the reverse       another object: the cache is none that a function can be
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from hotswap.plan.bindings import dotted
from hotswap.plan.diff import UnitDiff
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.trees import dump
from hotswap.plan.units import Unit, UnitKind

#: What a name stands for: a symbol of a managed module, or the dotted name of something else.
Target = Symbol | str

_CACHES = frozenset({"functools.lru_cache", "functools.cache"})
_ALIASES = (ast.Name, ast.Attribute, ast.IfExp, ast.BoolOp, ast.Subscript)


def find_rebound(before: Graph, after: Graph, diffs: Mapping[str, UnitDiff]) -> set[Symbol]:
    """The names of edited modules, as (module, name), that mean another object now."""
    found: set[Symbol] = set()
    for module, diff in diffs.items():
        for name in {*_imported_anew(diff), *_bound_in_turn(before, module), *_bound_in_turn(after, module)}:
            old, new = _target(before, module, name), _target(after, module, name)
            if name in before.binders(module) and old != new and not _has_moved(before, after, diffs, old, new):
                found.add((module, name))
        for name in _starred(before, module) & _starred(after, module) if before.stars(module) != after.stars(module) else ():
            old, new = _target(before, module, name), _target(after, module, name)
            if old != new and not _has_moved(before, after, diffs, old, new):
                found.add((module, name))
        for was, now in diff.changed:
            if _is_other_alias(after, module, was, now) or _cache(before, module, was) != _cache(after, module, now):
                found |= {(module, name) for name in now.names}
    return found


def _imported_anew(diff: UnitDiff) -> Iterator[str]:
    for unit in [new for _, new in diff.changed] + diff.added:
        for binding in unit.imports:
            if binding.local and binding.local != "*":
                yield binding.local


def find_derived(graph: Graph, diffs: Mapping[str, UnitDiff]) -> set[Symbol]:
    """Classes that derive from one whose bases change: they are of other classes now, though their texts do not say so."""
    pairs = ((module, old.node, new.node) for module, diff in diffs.items() for old, new in diff.changed)
    changed = {
        (module, new.name)
        for module, old, new in pairs
        if isinstance(old, ast.ClassDef) and isinstance(new, ast.ClassDef)
        if [*map(dump, old.bases), *map(dump, old.keywords)] != [*map(dump, new.bases), *map(dump, new.keywords)]
    }
    units = ((module, unit) for module in graph.summaries for unit in graph.summaries[module].units) if changed else ()
    classes = ((module, unit.names[0]) for module, unit in units if unit.kind is UnitKind.CLASS)
    return {symbol for symbol in classes if not changed.isdisjoint(graph.ancestors(symbol))}


def _bound_in_turn(graph: Graph, module: str) -> Iterator[str]:
    """Names that several statements bind, one of them by an import: the last one counts, and may be another than before."""
    for name, units in graph.binders(module).items():
        if len(units) > 1 and any(unit.imports for unit in units):
            yield name


def _starred(graph: Graph, module: str) -> set[str]:
    """Names that a module has from star imports of managed modules, or could have."""
    found: set[str] = set()
    pending, seen = list(graph.stars(module)), {module}
    while pending:
        source = pending.pop()
        if source in graph.summaries and source not in seen:
            seen.add(source)
            found |= graph.binders(source).keys()
            pending += graph.stars(source)
    return found - graph.binders(module).keys()


def _target(graph: Graph, module: str, name: str) -> Target:
    return graph.resolve(module, name) or graph.foreign(module, name)


def _has_moved(before: Graph, after: Graph, diffs: Mapping[str, UnitDiff], old: Target, new: Target) -> bool:
    """True where the definition itself went from one module to the other: it is the same object."""
    if isinstance(old, str) or isinstance(new, str) or not {old[0], new[0]} <= diffs.keys():
        return False
    was, now = _definition(before, old), _definition(after, new)
    if was is None or now is None or _definition(after, old) is not None or _definition(before, new) is not None:
        return False
    return was.kind is now.kind and (was.kind in (UnitKind.FUNCTION, UnitKind.CLASS) or was.skeleton == now.skeleton)


def _definition(graph: Graph, symbol: Symbol) -> Unit | None:
    """The last statement that binds a name in its own module, if it is not an import."""
    units = graph.binders(symbol[0]).get(symbol[1], ()) if symbol[0] in graph.summaries else ()
    return next((unit for unit in reversed(list(units)) if not unit.imports), None)


def _is_other_alias(graph: Graph, module: str, old: Unit, new: Unit) -> bool:
    """True for ``D = one.Class`` that is ``D = another.Class`` now; a call would make a new class, which is led over."""
    values = [unit.node.value for unit in (old, new) if isinstance(unit.node, (ast.Assign, ast.AnnAssign))]
    return (
        len(values) == 2
        and isinstance(values[1], _ALIASES)
        and any(graph.kind_of((module, name)) in ("class", "function") for name in new.names)
    )


def _cache(graph: Graph, module: str, unit: Unit) -> str:
    """The decorator that puts a function into a cache, with its arguments; empty for none."""
    if not isinstance(unit.node, (ast.FunctionDef, ast.AsyncFunctionDef)) or not unit.node.decorator_list:
        return ""
    outermost = unit.node.decorator_list[0]
    chain = dotted(outermost.func if isinstance(outermost, ast.Call) else outermost)
    return dump(outermost) if chain is not None and graph.foreign(module, chain) in _CACHES else ""


class Hops:
    """On the way from a name to what it means: the names of the modules that it was imported through."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[Symbol, frozenset[Symbol]] = {}

    def of(self, module: str, chains: Iterable[str]) -> set[Symbol]:
        """All names, as (module, name), that are read with these dotted names."""
        found: set[Symbol] = set()
        for chain in chains:
            found |= self._of_chain(module, chain)
        return found

    def _of_chain(self, module: str, chain: str) -> frozenset[Symbol]:
        key = (module, chain)
        if key not in self._known:
            self._known[key] = frozenset()  # a circle of imports ends here
            self._known[key] = frozenset(self._walk(module, chain))
        return self._known[key]

    def _walk(self, module: str, chain: str) -> Iterator[Symbol]:
        head, _, rest = chain.partition(".")
        if module not in self._graph.summaries:
            return
        yield module, head
        for unit in self._graph.binders(module).get(head, ()):
            for binding in unit.imports:
                if binding.local != head:
                    continue
                if binding.attr is not None:
                    yield from self._of_chain(binding.module, binding.attr)
                    if f"{binding.module}.{binding.attr}" in self._graph.summaries and rest:
                        yield from self._of_chain(f"{binding.module}.{binding.attr}", rest)
                elif rest:
                    yield from self._of_chain(binding.module, rest)
        if head not in self._graph.binders(module):
            for star in self._graph.stars(module):
                yield from self._of_chain(star, chain)
