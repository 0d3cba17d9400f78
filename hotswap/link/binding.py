"""Names of modules: what statements bind again, what star imports bring, and those that other modules took."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from hotswap.commit import MISSING, del_item, set_item
from hotswap.fingerprint import CONTAINERS, LRU, fingerprint, has_contents, kind_of_value, same_value
from hotswap.kinds import is_a
from hotswap.link.choosing import choose
from hotswap.link.handles import is_handle
from hotswap.link.linking import Linking
from hotswap.link.removing import drop_name
from hotswap.link.rewrap import is_wrapper
from hotswap.link.stars import star_units
from hotswap.model import Severity
from hotswap.plan.bindings import dotted
from hotswap.plan.build import import_order
from hotswap.plan.graph import Symbol
from hotswap.plan.units import Unit, UnitKind
from hotswap.world import ModuleRecord


def bind_names(linking: Linking) -> None:
    kept = linking.draft.dirt.changed | set(linking.draft.dirt.derived)
    for module in linking.draft.order:
        if module not in linking.staging.modules:
            continue
        units = linking.draft.summaries[module].units
        chosen = [unit for unit in units if (module, unit.index) in kept]
        last = {name: unit for unit in chosen for name in unit.names}
        for unit in chosen:
            for name in unit.names:
                if last[name] is unit:
                    _bind_name(linking, module, name, unit)
        _bind_stars(linking, module)
        _bind_annotations(linking, module)
    for name in linking.draft.diffs:
        _bind_docstring(linking, name)


def _bind_name(linking: Linking, module: str, name: str, unit: Unit) -> None:
    space = linking.staging.modules[module].__dict__
    record = linking.world.records[module]
    live_space = record.module.__dict__
    if name not in space:
        may_go = unit.kind is not UnitKind.BLOCK or name in (unit.unseen or ())
        if name in live_space and (may_go or _is_as_loaded(linking, module, name)):
            drop_name(linking, record, name, unit.line)
        return
    staged = space[name]
    new = linking.twins.resolve(staged)
    live = live_space.get(name, MISSING)
    where = (record.file, unit.line)
    new = linking.fresh.get((module, name), linking.merger.inner.get(id(new), (None, new))[1])
    bound = choose(linking, module, name, live, staged, new, where, unit)
    if unit.kind is UnitKind.FUNCTION and _carries(linking, live, staged, bound):
        linking.data.carry(linking.swap, live, staged, bound, linking.twins.resolve)
    if bound is not live:
        linking.swap.add(set_item(live_space, name, bound, f"{module}.{name}"))
        linking.rebound[module, name] = (live, bound)
        is_own = linking.world.is_managed(type(live)) and has_contents(live)  # a tuple of a class of its own, known by identity
        if unit.kind is not UnitKind.IMPORT and (linking.merger.is_filled(live) or is_a(live, CONTAINERS) or is_own):
            _note_left(linking, module, name, live, bound, where)
        elif live is not MISSING and _is_called(linking, live):
            if not _is_led(linking, module, name, live, bound):
                severity = Severity.NOTE if unit.kind is UnitKind.IMPORT else Severity.KEPT
                linking.left.add(live, f"{module}.{name}", where, severity)
            elif type(live) is type(bound) is FunctionType and id(live) in linking.swap.led:
                linking.left.add_led(live, f"{module}.{name}", where)


def _is_as_loaded(linking: Linking, module: str, name: str) -> bool:
    """True for what a branch has bound that is not taken any more; False for what the program has bound since."""
    base, live = linking.base(module).get(name), linking.world.records[module].module.__dict__[name]
    if is_a(live, (FunctionType, type)):
        return (live.__module__, live.__qualname__) == (module, name)
    return base is not None and fingerprint(live, linking.world.is_managed, f"{module}.{name}").same(base)


def _carries(linking: Linking, live: Any, staged: Any, bound: Any) -> bool:
    """True where the attributes of what a name is bound to are not yet seen to: a cache, or an object made anew."""
    if not all(type(value) in (FunctionType, LRU) for value in (live, staged, bound)):
        return False
    if bound is live:
        return is_a(live, LRU)
    is_own = type(bound) is FunctionType and bound.__code__.co_qualname == live.__qualname__
    return id(bound) not in linking.live_functions or is_own


def _note_left(linking: Linking, module: str, name: str, live: Any, bound: Any, where: tuple[str, int]) -> None:
    """Whoever holds the object that the name had goes on holding it, where a fresh start would give the new one."""
    was, now = type(live).__name__, type(bound).__name__
    what = f"was {was} and is {now} now" if was != now else f"is another {now} now"
    linking.note("HS409", f"{module}.{name} {what}: references taken before keep the {was}", *where, severity=Severity.KEPT)


def _is_called(linking: Linking, live: Any) -> bool:
    """True for a callable that is no mere value, as ``Annotated[Item, Depends(page)]``, which nobody holds to call it."""
    return callable(live) and kind_of_value(live, linking.world.is_managed) != "data"


def _is_led(linking: Linking, module: str, name: str, live: Any, bound: Any) -> bool:
    """True for a callable whose held references are led on, or have been named already."""
    if type(live) is FunctionType:
        own = id(live) in linking.done and not linking.is_foreign(module, name, live)
        return own or id(live) in linking.swap.led
    if is_handle(live):
        return bool(live._self_owner == (module, name))
    if linking.world.is_managed(type(live)) and not is_a(live, type):
        return True
    if not linking.slots.owns(module, name, live):
        return False
    if is_a(live, type):
        return not is_a(bound, type) and callable(bound)
    return is_wrapper(live) or (is_a(live, functools.partial) and callable(bound)) or type(live) is type(bound) is LRU


def _bind_stars(linking: Linking, module: str) -> None:
    """Names that star imports bring come and go as the texts say."""
    before, after = linking.staging.starred.get(module, ((), ()))
    live = linking.world.records[module].module.__dict__
    units = [unit for unit, _ in star_units(linking.draft.summaries[module])]
    for name in sorted(after):
        linking.starred.add((module, name))
        _bind_name(linking, module, name, units[-1])
    own = {name for unit in linking.draft.summaries[module].units for name in unit.names}
    for name in sorted(set(before) - set(after) - own):
        linking.swap.add(del_item(live, name))


def _bind_annotations(linking: Linking, module: str) -> None:
    live = linking.world.records[module].module.__dict__
    staged = linking.staging.modules[module].__dict__.get("__annotations__")  # noqa: RUF063 - of the module as it is
    if staged is not None and "__annotations__" in live and not same_value(staged, live["__annotations__"]):
        linking.swap.add(set_item(live, "__annotations__", {k: linking.twins.resolve(v) for k, v in staged.items()}))


def _bind_docstring(linking: Linking, name: str) -> None:
    old = ast.get_docstring(linking.draft.edited[name].old.tree, clean=False)
    new = ast.get_docstring(linking.draft.edited[name].new.tree, clean=False)
    live = linking.world.records[name].module.__dict__
    if old != new and live.get("__doc__") == old:
        linking.swap.add(set_item(live, "__doc__", new))


def rebind_importers(linking: Linking) -> None:
    """Other names of what a name was bound to follow, where they were not evaluated themselves."""
    places = linking.world.places()
    evaluated = linking.draft.dirt.changed | set(linking.draft.dirt.derived)
    summaries = linking.draft.summaries if linking.rebound else {}
    for module in import_order(summaries, summaries.__getitem__, lambda name: places.get(name, len(places))):
        record = linking.world.records.get(module)
        if record is None:
            continue
        units = linking.draft.summaries[module].units
        last = {name: unit.index for unit in units for name in unit.names}
        for unit in units:
            for name, source in _passed_on(linking, module, unit):
                is_last = last.get(name, -1) <= unit.index  # else it is what a later statement makes it, equal or not
                # Which branch was taken; what a name was when another one was bound to it, before it was bound anew.
                is_told = unit.kind in (UnitKind.BLOCK, UnitKind.ASSIGN) and (module, unit.index) in evaluated
                if is_last and not is_told:
                    _rebind_importer(linking, record, name, linking.rebound.get(source))


def _passed_on(linking: Linking, module: str, unit: Unit) -> Iterator[tuple[str, Symbol]]:
    """The names that a statement gives to what another name is bound to, with that name."""
    for binding in unit.imports:
        if binding.local == "*":
            if module not in linking.staging.starred:  # else they are read from the texts anew, see _bind_stars
                yield from [(name, (owner, name)) for owner, name in linking.rebound if owner == binding.module]
        elif binding.attr is not None:
            yield binding.local, (binding.module, binding.attr)
    value = unit.node.value if isinstance(unit.node, (ast.Assign, ast.AnnAssign)) else None
    chain = dotted(value) if value is not None else None
    if chain is not None:
        source = linking.draft.graph.resolve(module, chain) if "." in chain else (module, chain)
        yield from ((name, source) for name in unit.names if source is not None)


def _rebind_importer(linking: Linking, record: ModuleRecord, name: str, found: tuple[Any, Any] | None) -> None:
    key = (record.name, name)
    if found is None or found[0] is MISSING:
        return  # a name that is new is brought by the statement that imports it, if it is, which was evaluated itself
    if key not in linking.rebound and record.module.__dict__.get(name, MISSING) is found[0]:
        linking.swap.add(set_item(record.module.__dict__, name, found[1], f"{record.name}.{name}"))
        linking.rebound[key] = found
