"""What evaluating a statement contributes to: top-level symbols whose values it changes, by whatever name.

    TABLE["a"] = 1                        the symbol itself
    setup()                               what the functions that run change
    for bp in ALL: app.register(bp)       an application, in blocks and functions: it is filled by methods of any name
    row.append(1), in for row in ROWS     what the name is a part of, see :mod:`hotswap.plan.aliases`
    ALIAS += [1], after ALIAS = BASE      likewise, where the object is one that is changed in place
    get().append(1)                       what the function returns
    add(1), after add = ROWS.append       what the method belongs to
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hotswap.plan.aliases import CALL, PART, follow_flows
from hotswap.plan.units import Unit, UnitKind
from hotswap.plan.uses import MUTATORS, Uses, is_metaclass

if TYPE_CHECKING:
    from hotswap.plan.graph import Graph, Symbol

#: Special methods that storing in an object runs.
_STORES = ("__setitem__", "__delitem__", "__setattr__", "__delattr__")
_CLASS_HOOKS = ("__init_subclass__", "__new__", "__init__", "__prepare__", "__call__")
#: ``N += 1`` binds another object: nobody else who has the old one sees it.
_REPLACED = frozenset({int, float, complex, bool, str, bytes, tuple, frozenset, range, type(None)})
#: What cannot have parts that change.
_ATOMIC = _REPLACED - {tuple, frozenset}


def find_mutated(graph: Graph, module: str, unit: Unit) -> frozenset[Symbol]:
    """Top-level symbols that evaluating a statement contributes to, through any number of calls."""
    found: set[Symbol] = set()
    now = unit.analysis.now
    chains = set(now.mutates)
    if now.fills:  # in a comprehension
        chains |= follow_flows(now.fills, graph.flows(module, unit))
    if unit.kind is UnitKind.EFFECT:
        called = ((chain, graph.resolve(module, chain)) for chain in _called(graph, module, now) if "." in chain)
        chains |= {chain.rpartition(".")[0] for chain, at in called if at is None or not graph.starts(at)}
        chains |= {name for name in now.writes if name not in unit.names}
    if unit.kind is UnitKind.BLOCK:
        chains |= _filled_keepers(graph, module, now)
    note_mutations(graph, module, chains, found)
    _note_stores(graph, module, now.stores, found)
    for owner, name in [kind for symbol in found if (kind := graph.type_of(symbol)) is not None]:
        for store in _STORES:
            for place, uses in graph.functions((owner, f"{name}.{store}")):
                note_mutations(graph, place, uses.mutates | uses.writes, found)
    if now.calls:
        for symbol in graph.reach_at_once(module, unit):
            for owner, uses in graph.functions(symbol):
                note_mutations(graph, owner, uses.mutates | uses.writes | _filled_keepers(graph, owner, uses), found)
                _note_stores(graph, owner, uses.stores, found)
    note_mutations(graph, module, _filled_arguments(graph, module, now, unit.kind), found)
    note_mutations(graph, module, _filled_elsewhere(graph, module, unit), found)
    _note_added(graph, module, unit, found)
    _note_class_registries(graph, module, unit, found)
    return frozenset(found - {(module, name) for name in unit.names})


def note_mutations(graph: Graph, module: str, chains: Iterable[str], found: set[Symbol]) -> None:
    """Note what these chains of a module mean, and all that changes with it."""
    seen: set[tuple[str, str]] = set()
    for chain in chains:
        _note(graph, module, chain, found, seen)


def _note(graph: Graph, module: str, chain: str, found: set[Symbol], seen: set[tuple[str, str]]) -> None:
    if (module, chain) in seen:
        return
    seen.add((module, chain))
    is_part = chain.endswith(PART)
    called = chain.removesuffix(PART)
    symbol = graph.resolve(module, called.removesuffix(CALL))
    if symbol is None or not symbol[1]:
        return
    if called.endswith(CALL):
        for owner, uses in graph.functions(symbol):
            for source, is_contained in uses.returned:
                if is_part or not is_contained:
                    _note(graph, owner, source if is_contained or not is_part else _part(source), found, seen)
        return
    name, _, rest = symbol[1].partition(".")
    top = (symbol[0], name)
    if graph.kind_of(top) == "module":
        return
    found.add(top)
    if graph.kind_of_object(top) in _ATOMIC:
        return
    for unit in graph.binders(top[0]).get(name, ()):
        for source, is_contained in () if unit.is_inert else graph.flows(top[0], unit).get(name, ()):
            if rest or is_part or not is_contained:
                other = source if is_contained or not (rest or is_part) else _part(source)
                _note(graph, top[0], other, found, seen)


def _part(chain: str) -> str:
    return chain if chain.endswith(PART) else chain + PART


def _called(graph: Graph, module: str, now: Uses) -> Iterator[str]:
    """What is called for its effect; a method that has got a name is what it is: ``add = ROWS.append``."""
    for chain in now.effects:
        yield chain
        for unit in graph.binders(module).get(chain, ()):
            for source, is_contained in graph.flows(module, unit).get(chain, ()):
                if not is_contained and source.rpartition(".")[2] in MUTATORS | graph.methods():
                    yield source


def _filled_keepers(graph: Graph, module: str, uses: Uses) -> set[str]:
    """Applications of which methods are called for their effect."""
    owners = {chain.rpartition(".")[0] for chain in uses.effects if "." in chain}
    return {owner for owner in owners if (symbol := graph.resolve(module, owner)) is not None and graph.is_keeper(symbol)}


def _note_added(graph: Graph, module: str, unit: Unit, found: set[Symbol]) -> None:
    """``APPS += [...]`` changes the object in place that has got the name, wherever that is from."""
    target = unit.node.target if isinstance(unit.node, ast.AugAssign) else None
    if not isinstance(target, ast.Name) or graph.kind_of_object((module, target.id)) in _REPLACED:
        return
    binders = graph.binders(module).get(target.id, ())
    before = [binder for binder in binders if binder.index < unit.index and not isinstance(binder.node, ast.AugAssign)]
    if not before:
        return
    if before[-1].imports:
        source = graph.imported(module, target.id)
        found |= {(source[0], source[1].partition(".")[0])} if source is not None and source[1] else set()
    for source_chain, is_contained in graph.flows(module, before[-1]).get(target.id, ()):
        if not is_contained:
            _note(graph, module, source_chain, found, set())


def _filled_arguments(graph: Graph, module: str, now: Uses, kind: UnitKind) -> Iterator[str]:
    """What is given to a function that mutates it, itself or in a function that it makes: ``@register(TABLE)``; and a
    lasting object of which the function calls methods for their effect: ``set_up(APP)``."""
    is_effect = kind in (UnitKind.EFFECT, UnitKind.BLOCK)
    for chain, place, argument in now.gives:
        symbol = graph.resolve(module, chain)
        if symbol is None or not any(u.kind is UnitKind.FUNCTION for u in graph.binders(symbol[0]).get(symbol[1], ())):
            continue
        for _, uses in graph.functions(symbol):
            name = place if isinstance(place, str) else "".join(uses.parameters[place : place + 1])
            given = graph.resolve(module, argument) if is_effect and name in uses.touches else None
            if name in uses.fills or (given is not None and graph.is_lasting((given[0], given[1].partition(".")[0]))):
                yield argument


def _filled_elsewhere(graph: Graph, module: str, unit: Unit) -> Iterator[str]:
    """What somebody else's function gives to one that changes its argument: ``map(fill, ROWS)``."""
    gives = [(chain, argument) for chain, _, argument in unit.analysis.now.gives if graph.resolve(module, chain) is None]
    if not gives:
        return
    functions = unit.analysis.functions.items()
    by_lambda = any(_fills_parameter(uses) for name, uses in functions if "<lambda>" in name)
    fillers = {chain for chain, argument in gives if by_lambda or _is_filler(graph, module, argument)}
    yield from (argument for chain, argument in gives if chain in fillers and not _is_filler(graph, module, argument))


def _is_filler(graph: Graph, module: str, chain: str) -> bool:
    symbol = graph.resolve(module, chain)
    is_function = symbol is not None and any(
        unit.kind is UnitKind.FUNCTION for unit in graph.binders(symbol[0]).get(symbol[1], ())
    )
    return symbol is not None and is_function and any(_fills_parameter(uses) for _, uses in graph.functions(symbol))


def _fills_parameter(uses: Uses) -> bool:
    return not uses.fills.isdisjoint(uses.parameters)


def _note_stores(graph: Graph, module: str, chains: Iterable[str], found: set[Symbol]) -> None:
    """``lib.HOOK = f`` contributes to a name of another module, if that one's text binds it."""
    for chain in chains:
        symbol = graph.stored(module, chain)
        if symbol is not None and symbol[1] in graph.binders(symbol[0]):
            found.add(symbol)


def _note_class_registries(graph: Graph, module: str, unit: Unit, found: set[Symbol]) -> None:
    """Base classes and metaclasses whose class-level hooks note the classes made from them."""
    for chain in unit.analysis.now.calls:
        if not chain.endswith(".__init_subclass__"):
            continue
        symbol = graph.resolve(module, chain.removesuffix(".__init_subclass__"))
        for owner in graph.ancestors(symbol) if symbol else ():
            for binder in graph.binders(owner[0]).get(owner[1], ()):
                if owner[1] in binder.analysis.class_hooks:
                    found.add(owner)
                for hook in _CLASS_HOOKS:
                    if hook == "__init_subclass__" or owner[1] in _metaclass_names(binder):
                        uses = binder.analysis.functions.get(f"{owner[1]}.{hook}")
                        if uses is not None:
                            note_mutations(graph, owner[0], uses.mutates | uses.writes, found)


def _metaclass_names(unit: Unit) -> set[str]:
    return {unit.node.name} if isinstance(unit.node, ast.ClassDef) and is_metaclass(unit.node) else set()
