"""Modules that a save imports for the first time, no more, or in another order: what they add to others while they are imported.

    imported for the first time                         what it adds to is made anew, and it adds to that aside
    no more, by no managed module                       HS204 where it has added to data of others, or has done something outside
    before another one instead of behind it             HS204 where both add to the same data, or one reads what the other adds
                                                        to; HS405 where that is an object that is not made anew
    either, and what they add to is a class             HS405: whether that notes classes that derive from it cannot be told
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.outside import effects_of
from hotswap.plan.units import Summary, Unit, UnitKind

#: The module and the line of an import, what it does not lead to, and whether that is refused.
Gap = tuple[str, int, str, bool]


def in_order(summary: Summary) -> dict[str, int]:
    """The modules that a text imports at its top level, in order, with their lines."""
    found: dict[str, int] = {}
    for unit in summary.units:
        for binding in unit.imports:
            found.setdefault(binding.module, unit.line)
            if binding.attr and binding.attr != "*":
                found.setdefault(f"{binding.module}.{binding.attr}", unit.line)
    return found


def added_by(graph: Graph, modules: Iterable[str]) -> set[Symbol]:
    """The data of other modules to which these contribute while they are imported."""
    own = set(modules)
    added = (symbol for module in own for unit in _units(graph, module) for symbol in graph.mutated(module, unit))
    return {symbol for symbol in added if symbol[0] not in own}


def find_gaps(
    before: Graph, after: Graph, edited: Collection[str], importers: Callable[[str], Iterable[str]], begun: Mapping[str, int]
) -> Iterator[Gap]:
    """What cannot be led to where a fresh start would be.

    Args:
        edited: the modules with a new text.
        importers: the managed modules whose text, old or new, may import a module.
        begun: modules, counted in the order in which their loading began, where that is known: what began before a module was
            not loaded for its imports.
    """
    for module in edited:
        old, new = in_order(before.summaries[module]), in_order(after.summaries[module])
        if list(old) == list(new):
            continue
        start = begun.get(module, -1)
        since = {name for name in before.summaries if begun.get(name, start + 1) > start}
        for name in _dropped(before, after, [name for name in old if name not in new and name in since], importers):
            for what, is_certain in _left_by(before, name):
                yield module, 0, f"{module} imports {name} no more, which {what}", is_certain
                break
        line = next((new[now] for was, now in zip(old, new, strict=False) if was != now), 0)
        for first, second, shared in _find_reordered(before, _loaded(before, module, since), _loaded(after, module, since)):
            what = f"{shared[0]}.{shared[1]} may have the order in which {first} and {second} were imported"
            yield module, line, f"{module} imports {second} before {first} now; {what}", not _is_uncertain(before, shared)


def _dropped(
    before: Graph, after: Graph, names: Iterable[str], importers: Callable[[str], Iterable[str]]
) -> list[str]:
    """Of modules that one text imports no more those that no other does, with what only they import."""
    found: list[str] = []
    pending = [name for name in names if name in before.summaries]
    while pending:
        name = pending.pop(0)
        users = {user for user in importers(name) if user != name and user not in found}
        if name not in found and not any(may_import(after.summaries.get(user), name) for user in users):
            found.append(name)
            pending += [other for other in in_order(before.summaries[name]) if other in before.summaries]
    return found


def may_import(summary: Summary | None, name: str) -> bool:
    """True where a text may import a module, at its top level or in a function, or get it by its name."""
    if summary is None or name in in_order(summary):
        return True
    for unit in summary.units:
        for uses in (unit.analysis.now, *unit.analysis.functions.values()):
            late = {target for target, _ in uses.imports} | {f"{target}.{attr}" for target, attr in uses.imports} | uses.by_name
            if name in late or any(each.endswith("*") and name.startswith(each[:-1]) for each in late):
                return True
    return False


def _left_by(graph: Graph, module: str) -> Iterator[tuple[str, bool]]:
    """What a module has left elsewhere, the certain things first."""
    added = sorted(added_by(graph, [module]))
    yield from ((f"has added to {owner}.{name}", True) for owner, name in added if not _is_head(graph, (owner, name)))
    done = (effects_of(graph, module, unit) for unit in _units(graph, module) if unit.kind is not UnitKind.IMPORT)
    yield from ((f"has called {effects[0]}", True) for effects in done if effects)
    yield from ((f"may have added to {owner}.{name}", False) for owner, name in added)


def _is_head(graph: Graph, symbol: Symbol) -> bool:
    """True for a class or a function: whether a class notes those that derive from it cannot be told for sure."""
    return graph.kind_of(symbol) in ("class", "function")


def _loaded(graph: Graph, module: str, since: Collection[str]) -> list[str]:
    """The managed modules that are loaded for a text that is imported, in the order in which they end."""
    found: dict[str, None] = {}
    begun: set[str] = set()

    def load(name: str) -> None:
        begun.add(name)
        for other in in_order(graph.summaries[name]):
            if other in since and other in graph.summaries and other not in begun:
                load(other)
        found[name] = None

    load(module)
    return list(found)


def _find_reordered(graph: Graph, old: list[str], new: list[str]) -> Iterator[tuple[str, str, Symbol]]:
    """Modules that are loaded the other way round, where one adds to what the other uses while it is imported."""
    place = {name: at for at, name in enumerate(new)}
    old = [name for name in old if name in place]
    moved = [at for at, (was, now) in enumerate(zip(old, sorted(old, key=place.__getitem__), strict=True)) if was != now]
    old = old[moved[0] : moved[-1] + 1] if moved else []  # what is in front of them, and behind, may be most of the program
    added = {name: added_by(graph, [name]) for name in old}
    for at, first in enumerate(old):
        for second in old[at + 1 :]:
            one, other = added[first], added[second]
            if place[second] < place[first] and (one or other):
                shared = (one & (other | _read_by(graph, second))) | (other & _read_by(graph, first))
                if shared:
                    yield first, second, min(shared, key=lambda symbol: (_is_uncertain(graph, symbol), symbol))


def _is_uncertain(graph: Graph, symbol: Symbol) -> bool:
    """True where the order may be of no account, or cannot be told."""
    return graph.is_lasting(symbol) or _is_head(graph, symbol)


def _read_by(graph: Graph, module: str) -> set[Symbol]:
    """What is used while a module is imported, through any number of calls."""
    found: set[Symbol] = set()
    for unit in _units(graph, module):
        if not unit.is_inert:
            found |= graph.uses_symbols(module, unit.analysis.now) | graph.reach(graph.calls_of(module, unit))
    return found


def _units(graph: Graph, module: str) -> Iterator[Unit]:
    return (unit for unit in graph.summaries[module].units if unit.kind is not UnitKind.GUARD)
