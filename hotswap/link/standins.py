"""Live data stands for what was made aside: whoever refers to the new container or object means the live one."""

from __future__ import annotations

import functools
import gc
from types import FunctionType
from typing import Any

from hotswap.commit import MISSING, change_values
from hotswap.fingerprint import CONTAINERS, fingerprint, has_contents, home_of
from hotswap.kinds import is_a, vars_of
from hotswap.link.exchanging import exchange, finish_copies
from hotswap.link.linking import Linking
from hotswap.link.redirect import can_jump
from hotswap.link.trampoline import target_of
from hotswap.plan.units import Unit, UnitKind


def pair_data(linking: Linking, kept: set[tuple[str, int]]) -> None:
    """New containers and objects that live ones stand for: whatever refers to the new one means the live one."""
    remade = [linking.twins.resolve(item) for item in linking.staging.young if id(item) in linking.twins.remade]
    young = {id(item) for item in (*linking.staging.young, *remade)}
    evaluated, known = linking.draft.dirt.evaluated(), len(linking.twins.of)
    for module in linking.draft.order:
        units = linking.draft.summaries[module].units if module in linking.staging.modules else ()
        for unit in units:
            for name in unit.names if (module, unit.index) in evaluated and unit.kind is not UnitKind.IMPORT else ():
                new = linking.staging.modules[module].__dict__.get(name, MISSING)
                new = linking.twins.resolve(new) if id(new) in linking.twins.remade else new
                if type(new) is FunctionType and unit.kind is not UnitKind.FUNCTION:
                    _pair_closure(linking, module, name, linking.twins.resolve(new), unit, (module, unit.index) in kept)
                elif id(new) not in linking.twins.of and _is_made_anew(linking, new, young):
                    _pair_value(linking, module, name, new, (module, unit.index) in kept)
    _pair_own_objects(linking, young)
    if len(linking.twins.of) > known:
        exchange(linking.staging, linking.twins)
        finish_copies(linking.twins)


def _pair_own_objects(linking: Linking, young: set[int]) -> None:
    """Objects of a class that stand in the class itself, as its metaclass has made them: equal ones are the live ones.

    Those that can be filled are, by their name; the others are what a builtin contains, which does not change.
    """
    is_managed = linking.world.is_managed
    for staged, live in linking.twins.classes:
        for name, new in vars_of(staged).items():
            old = vars_of(live).get(name)
            if type(new) is not live or type(old) is not live or id(new) not in young or id(new) in linking.twins.of:
                continue
            own = home_of(old, is_managed)
            if has_contents(old) and fingerprint(old, is_managed, own).same(fingerprint(new, is_managed, own)):
                linking.twins.put(new, old)


def _pair_closure(linking: Linking, module: str, name: str, new: FunctionType, unit: Unit, counts: bool) -> None:
    """Let a live function that a call has made, ``handler = make_handler(1)``, stand for the one made aside."""
    live = linking.world.records[module].module.__dict__.get(name)
    if type(live) is not FunctionType or id(new) in linking.live_functions or id(live) in linking.twins.rounds:
        return
    if "<locals>" not in new.__code__.co_qualname or not can_jump(live, new) or target_of(live) is not None:
        return
    if linking.is_foreign(module, name, live) or linking.was_replaced(module, name, live):
        return
    if counts and linking.is_changed_closure(module, name, live, unit):
        return
    linking.twins.put(new, live)
    if counts:
        linking.twins.wrappers[module, name] = new


def _is_made_anew(linking: Linking, new: Any, young: set[int]) -> bool:
    """True for data that was made aside. The collector does not track a dict of atoms: that no name has it must do."""
    if not linking.is_data(new) or linking.slots.is_bound(new):
        return False
    return id(new) in young or (is_a(new, CONTAINERS) and not gc.is_tracked(new))


def _pair_value(linking: Linking, module: str, name: str, new: Any, counts: bool) -> None:
    """Let the live object of a name stand for the new one.

    Args:
        counts: False for what is made only because others need it, so that the live object stays as it is.
    """
    live = linking.world.records[module].module.__dict__.get(name, MISSING)
    if not linking.is_data(live) or not linking.slots.owns(module, name, live):
        return
    if any(home_of(item, linking.world.is_managed) not in ("", f"{module}.{name}") for item in (live, new)):
        return  # it is another name's
    partials = [type(item) is functools.partial for item in (live, new)]
    if any(partials) and not all(partials):
        return
    if not counts:
        linking.twins.put(new, live)
    elif all(partials) or linking.merger.keeps(live, linking.base(module).get(name), new):
        linking.twins.put(new, live)
        linking.fresh[module, name] = new


def lead_inner(linking: Linking) -> None:
    """A container inside of another one for which a live one is filled: whoever would refer to it means the live one."""
    known = set(linking.twins.of)
    for new, live in linking.merger.inner.values():
        linking.twins.put(new, live)
    if len(linking.twins.of) > len(known):
        exchange(linking.staging, linking.twins)
        finish_copies(linking.twins)
        new_ids = linking.twins.of.keys() - known
        changed = {id(write): change_values(write, new_ids, linking.twins.resolve) for write in linking.swap.writes}
        for _, coming in linking.merger.partly.values():
            coming[:] = [changed[id(write)] for write in coming]
        linking.swap.writes[:] = [changed[id(write)] for write in linking.swap.writes]
