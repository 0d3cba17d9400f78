"""The base of a module that was loaded before hotswap: its old text's initialisers, evaluated aside.

Without a fingerprint from load time nobody knows whether the program changed a value since. What the old text gives
when it is evaluated now is the next best base; it is evaluated in the same way as the new text, and thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from hotswap.fingerprint import Print, fingerprint, is_untouched, numbers_of_state
from hotswap.kinds import is_a
from hotswap.link.heap import Heap
from hotswap.link.objects import Made
from hotswap.link.staging import Staging, StagingError
from hotswap.link.unstage import EscapeError, Twins, exchange, lead_over, pair_objects
from hotswap.plan.build import Draft
from hotswap.plan.depend import Dirt, Follower, Key, index_recipes
from hotswap.plan.graph import Graph
from hotswap.plan.units import UnitKind
from hotswap.world import World, print_class


def evaluate_bases(draft: Draft, world: World, heap: Heap, alive: list[Any]) -> dict[str, dict[str, Print]]:
    """Fingerprints of what the old text gives for the names that a plan evaluates, by module.

    Args:
        alive: gets what is opaque. It counts by its id, which nothing else may get until the swap is prepared.

    Only modules without a base of their own are in the result; where the old text cannot be evaluated any more, a
    name is left out and its live value will be kept.
    """
    late = [name for name in draft.order if world.records[name].base is None]
    if not late or not draft.dirt.evaluated():
        return {}
    old = _old_draft(draft, world)
    staging = Staging(old, world)
    try:
        staging.run()
        twins = lead_over(staging, heap)
        _pair_equal_objects(staging, twins, world)
    except (StagingError, EscapeError):
        return {name: {} for name in late}
    staged = [name for name in late if name in staging.modules]
    found = {name: _print_names(staging, twins, world, name, _names(old, name), alive) for name in staged}
    staging.dispose()
    twins.dispose()
    return found


def _pair_equal_objects(staging: Staging, twins: Twins, world: World) -> None:
    """Live objects that are what the old text makes stand for what it made now, in all that holds them."""

    def is_equal(made: Made) -> bool:
        base = numbers_of_state(made.staged, world.is_managed)
        return is_untouched(numbers_of_state(made.live, world.is_managed), base)

    pair_objects(staging, twins, is_equal)
    exchange(staging, twins)


def _names(draft: Draft, module: str) -> set[str]:
    units = draft.summaries[module].units
    return {name for owner, index in draft.dirt.evaluated() if owner == module for name in units[index].names}


def _old_draft(draft: Draft, world: World) -> Draft:
    """The draft that would evaluate the same names from the old texts."""
    summaries = {
        name: draft.edited[name].old_summary if name in draft.edited else summary for name, summary in draft.summaries.items()
    }
    graph = Graph(summaries, world.kind_of, world.type_of, world.module_of)
    modules = list(draft.order)
    dirt = Dirt(changed=set(_old_units(draft, graph, modules)))
    dirt.values = {(module, name) for module, index in dirt.changed for name in graph.summaries[module].units[index].names}
    Follower(graph, dirt, modules).follow()
    return attrs.evolve(draft, summaries=summaries, graph=graph, dirt=dirt, pairings={}, diffs={}, after=())


def _old_units(draft: Draft, graph: Graph, modules: list[str]) -> Iterable[Key]:
    recipes = index_recipes(graph, modules)
    for module, index in draft.dirt.evaluated():
        unit = draft.summaries[module].units[index]
        for symbol in {(module, name) for name in unit.names} | set(draft.graph.mutated(module, unit)):
            for key in recipes.get(symbol, ()):
                if graph.summaries[key[0]].units[key[1]].kind is not UnitKind.IMPORT:
                    yield key


def _print_names(
    staging: Staging, twins: Twins, world: World, name: str, names: set[str], alive: list[Any]
) -> dict[str, Print]:
    found: dict[str, Print] = {}
    for key, value in staging.modules[name].__dict__.items():
        if key not in names:
            continue
        led = twins.resolve(value)
        found[key] = fingerprint(led, world.is_managed)
        if found[key].opaque:
            alive.append(led)
        if is_a(value, type):
            found.update(print_class(world, key, value))
    return found
