"""Objects of library classes that the library's decorators made around functions of the program: click commands, and the like.

    the live object is as it was when loaded        it gets the state of the new one, and keeps its identity
    changed since, or partly opaque, or not known   the new one takes its place; refused (HS206) where the old one is held

A mixture of old arguments and the new body would be the worst answer of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from hotswap.commit import Swap, Write, del_item, set_item
from hotswap.fingerprint import is_made_of_state, number_of_parts, slot_values
from hotswap.kinds import vars_of
from hotswap.link.staging import Staging
from hotswap.model import Mechanism, Redirect
from hotswap.peek import own_dict
from hotswap.plan.units import UnitKind


@attrs.frozen(eq=False)
class Made:
    """An object that was made again, and the live one.

    Attributes:
        path: dotted name in the module.
        counts: False where the statement was evaluated only because others needed it.
    """

    module: str
    path: str
    staged: Any
    live: Any
    counts: bool


#: Says whether the live object may be written to.
MayTake = Callable[[Made], bool]


def find_made(staging: Staging, classes: list[tuple[type, type]]) -> Iterator[Made]:
    """Objects that stand where an object of the same class stood, in modules and in paired classes."""
    is_managed = staging.world.is_managed
    young = {id(item) for item in staging.young}
    for made in (*_in_modules(staging), *_in_classes(classes)):
        same_kind = type(made.staged) is type(made.live) and made.staged is not made.live
        if same_kind and id(made.staged) in young and is_made_of_state(made.staged, is_managed):
            yield made


def _in_modules(staging: Staging) -> Iterator[Made]:
    dirt = staging.draft.dirt
    for module, index in dirt.evaluated():
        unit = staging.draft.summaries[module].units[index]
        if module not in staging.modules or unit.kind not in (UnitKind.FUNCTION, UnitKind.BLOCK):
            continue
        space, live = staging.modules[module].__dict__, staging.world.records[module].module.__dict__
        for name in unit.names:
            if name in space and name in live:
                yield Made(module, name, space[name], live[name], (module, index) not in dirt.support)


def _in_classes(classes: list[tuple[type, type]]) -> Iterator[Made]:
    for staged, live in classes:
        for name, value in vars_of(staged).items():
            if name in vars_of(live):
                yield Made(live.__module__, f"{live.__qualname__}.{name}", value, vars_of(live)[name], True)


def take_state(swap: Swap, made: Made, is_managed: Callable[[type], bool]) -> None:
    """Give the live object what the new one holds; what is equal in it stays."""
    before = len(swap.writes)
    mine, theirs = own_dict(made.live), own_dict(made.staged)
    if mine is not None and theirs is not None:
        swap.add(*(del_item(mine, key) for key in mine.keys() - theirs.keys()))
        swap.add(*(set_item(mine, k, v) for k, v in theirs.items() if k not in mine or not _equal(mine[k], v, is_managed)))
    kind = type(made.live)
    old, new = dict(slot_values(kind, made.live)), dict(slot_values(kind, made.staged))
    for name in old.keys() | new.keys():
        if not (name in old and name in new and _equal(old[name], new[name], is_managed)):
            swap.add(_set_slot(made.live, name, old, new))
    if len(swap.writes) > before:
        swap.redirects.append(Redirect(module=made.module, qualname=made.path, mechanism=Mechanism.TRANSPLANT))


def _set_slot(live: Any, name: str, old: dict[str, Any], new: dict[str, Any]) -> Write:
    slot = next(vars_of(cls)[name] for cls in type(live).__mro__ if name in vars_of(cls))

    def call(values: dict[str, Any]) -> tuple[Any, ...]:
        return (slot.__set__, live, values[name]) if name in values else (slot.__delete__, live)

    return Write(call(new), call(old))


def _equal(old: Any, new: Any, is_managed: Callable[[type], bool]) -> bool:
    if old is new:
        return True
    number = number_of_parts(old, is_managed)
    return number is not None and number == number_of_parts(new, is_managed)
