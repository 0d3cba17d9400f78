"""The base of a module that was loaded before hotswap: its old text's initialisers, evaluated aside.

Without a fingerprint from load time nobody knows whether the program changed a value since. What the old text gives
when it is evaluated now is the next best base; it is evaluated in the same way as the new text, and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import attrs

from hotswap.fingerprint import Print, fingerprint, function_data, is_untouched, numbers_of_state
from hotswap.kinds import is_a, vars_of
from hotswap.link.data import pair_objects
from hotswap.link.exchanging import exchange
from hotswap.link.heap import Heap
from hotswap.link.objects import Made
from hotswap.link.staging import Staging, StagingError
from hotswap.link.twins import EscapeError, Twins
from hotswap.link.unstage import lead_over, pair_made
from hotswap.plan.branches import asked_for
from hotswap.plan.build import Draft
from hotswap.plan.depend import Follower
from hotswap.plan.dirt import Dirt
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.outside import effects_of
from hotswap.plan.recipes import Key, Recipes
from hotswap.plan.units import UnitKind
from hotswap.plugin.manager import Plugins
from hotswap.world import World, print_value


def evaluate_bases(
    draft: Draft, world: World, plugins: Plugins, heap: Heap, alive: list[Any]
) -> dict[str, dict[str, Print]]:
    """Fingerprints of what the old text gives for the names that a plan evaluates, by module.

    Args:
        alive: gets what is opaque. It counts by its id, which nothing else may get until the swap is prepared.

    Only modules without a base of their own are in the result, and names that others fill; where the old text cannot be
    evaluated any more, a name is left out and its live value will be kept.
    """
    late = [name for name in draft.order if world.records[name].base is None]
    late += [name for name in draft.order if name not in late and any(module == name for module, _ in draft.filled_later)]
    if not late or not draft.dirt.needs_staging():
        return {}
    old = _old_draft(draft, world, partial(_old_units, draft, world=world))
    staging = Staging(old, world, plugins)
    try:
        staging.run()
        twins = lead_over(staging, heap)
        _pair_objects(staging, twins, world)
    except (StagingError, EscapeError):
        return {name: {} for name in late}
    staged = [name for name in late if name in staging.modules]
    with world.is_managed.standing_in({name: module.__dict__ for name, module in staging.modules.items()}):
        found = {name: _print_names(staging, twins, world, name, _names(old, name), alive) for name in staged}
    for name in staged:
        if world.records[name].base is not None:  # all else is known better
            wanted = {own for module, own in draft.filled_later if module == name}
            found[name] = {key: item for key, item in found[name].items() if key.partition(".")[0].partition("(")[0] in wanted}
    staging.dispose()
    twins.dispose()
    return found


def _pair_objects(staging: Staging, twins: Twins, world: World) -> None:
    """What refers to an object of another name refers to the live one, as it does in the program; so does what refers to an
    object of a library that is what the old text makes.
    """

    def is_equal(made: Made) -> bool:
        base = numbers_of_state(made.staged, world.is_managed)
        return is_untouched(numbers_of_state(made.live, world.is_managed), base)

    for name, module in staging.modules.items():
        live = world.records[name].module.__dict__
        for _, made, held in pair_objects(world.is_managed, name, module.__dict__, module.__dict__, live):
            twins.put(made, held)
    pair_made(staging, twins, is_equal)
    exchange(staging, twins)


def _names(draft: Draft, module: str) -> set[str]:
    units = draft.summaries[module].units
    own = [units[index] for owner, index in draft.dirt.evaluated() if owner == module]
    # Who asked for a module that has come since is answered otherwise now, whatever text asks.
    known = [unit for unit in own if not draft.arrived or asked_for(unit.node).isdisjoint(draft.arrived)]
    return {name for unit in known for name in unit.names}


def describe_known(draft: Draft, world: World, plugins: Plugins) -> dict[Symbol, object]:
    """What plugins say of the objects that they know, as the old texts make them, for those that the plan makes anew.

    What a live one has besides, the program has given it; where the old texts cannot be evaluated any more, nothing is known.
    """
    units = ((module, draft.summaries[module].units[index]) for module, index in draft.dirt.evaluated() - draft.dirt.support)
    wanted = {(module, name) for module, unit in units for name in unit.names if draft.graph.is_keeper((module, name))}
    if not wanted:
        return {}
    old = _old_draft(draft, world, lambda recipe: {key for symbol in wanted for key in recipe(symbol)})
    staging = Staging(old, world, plugins)
    try:
        staging.run()
        spaces = {name: module.__dict__ for name, module in staging.modules.items()}
        return {(module, name): plugins.describe(spaces[module].get(name)) for module, name in wanted if module in spaces}
    except StagingError:
        return {}
    finally:
        staging.dispose()


def _old_draft(draft: Draft, world: World, choose: Callable[[Recipes], Iterable[Key]]) -> Draft:
    """The draft that would evaluate the same names from the old texts.

    Args:
        choose: gives the statements to begin with.
    """
    summaries = {
        name: draft.edited[name].old_summary if name in draft.edited else summary for name, summary in draft.summaries.items()
    }
    graph = Graph(summaries, world.kind_of, world.type_of, world.module_of, is_keeper=world.is_keeper)
    modules = list(draft.universe)
    recipe = Recipes(graph, modules)
    dirt = Dirt(changed=set(choose(recipe)))
    dirt.values = {(module, name) for module, index in dirt.changed for name in graph.summaries[module].units[index].names}
    Follower(recipe, dirt, modules).follow()
    needed = {module for module, _ in dirt.evaluated()}.union(draft.order)
    return attrs.evolve(
        draft,
        summaries=summaries,
        graph=graph,
        dirt=dirt,
        order=tuple(module for module in modules if module in needed),
        gone=tuple(draft.arrived),  # were not there yet
        pairings={},
        diffs={},
        after=(),
        hooks=(),
    )


def _old_units(draft: Draft, recipe: Recipes, *, world: World) -> Iterable[Key]:
    for module, index in draft.dirt.evaluated():
        unit = draft.summaries[module].units[index]
        symbols = {(module, name) for name in unit.names} | set(draft.graph.mutated(module, unit))
        for symbol in symbols if world.records[module].base is None else symbols & draft.filled_later:
            for key in recipe(symbol):
                told = recipe.graph.summaries[key[0]].units[key[1]]
                if told.kind is not UnitKind.IMPORT and not effects_of(recipe.graph, key[0], told):
                    yield key


def _print_names(
    staging: Staging, twins: Twins, world: World, name: str, names: set[str], alive: list[Any]
) -> dict[str, Print]:
    found: dict[str, Print] = {}
    space, record = staging.modules[name].__dict__, world.records[name]
    classes = {id(live): made for made, live in twins.classes}
    for key, value in space.items():
        if key in names:
            found.update(printed := print_value(world, record, key, value, classes))
            members = vars_of(value) if is_a(value, type) else {}
            alive.extend(item for own, item in members.items() if f"{key}.{own}" in printed and printed[f"{key}.{own}"].opaque)
            same = value if world.is_managed.is_object(value) else twins.resolve(value)
            found[key] = fingerprint(same, world.is_managed, f"{name}.{key}")
            if found[key].opaque:
                alive.append(same)
    for made, live in twins.functions:  # the dict of a class made aside refers to the live methods by now
        if made.__globals__ is space and made.__qualname__ in found:
            for key in function_data(live):
                found.pop(f"{made.__qualname__}{key}", None)
            for key, item in function_data(made).items():
                own = f"{made.__qualname__}{key}"
                found[own] = fingerprint(item, world.is_managed, f"{name}.{own}")
    return found
