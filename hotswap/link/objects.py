"""Objects of library classes: those that the library's decorators made around functions of the program, as click commands, and
those that a plugin knows, as applications with their routes.

    a plugin knows it                               it gets the state of the new one, but for what the plugin names
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
from hotswap.model import Finding, Mechanism, Redirect, Severity
from hotswap.peek import own_dict
from hotswap.plan.units import UnitKind
from hotswap.plugin.values import Kept, Refusal


@attrs.frozen(eq=False)
class Made:
    """An object that was made again, and the live one.

    Attributes:
        path: dotted name in the module.
        counts: False where the statement was evaluated only because others needed it.
        kept: attributes that the live object keeps, as a plugin says; None where no plugin knows it.
    """

    module: str
    path: str
    staged: Any
    live: Any
    counts: bool
    kept: frozenset[str] | None = None


_DECORATED = frozenset({UnitKind.FUNCTION, UnitKind.BLOCK})

#: Says whether the live object may be written to.
MayTake = Callable[[Made], bool]
#: Gives, for a live object and the staged one, the attributes that the live one keeps; None where no plugin knows it.
KeptState = Callable[[Made], Kept | None]


def find_known(staging: Staging, kept_state: KeptState) -> Iterator[Made]:
    """Objects that a plugin knows, which stand under a name where an object of the same class stood.

    Raises:
        Refusal: HS205, HS206, one of them cannot become what the text says.
    """
    young = {id(item) for item in staging.young}
    for made in _in_modules(staging, frozenset({UnitKind.ASSIGN, UnitKind.BLOCK})):
        if made.staged is made.live or not staging.draft.graph.is_keeper((made.module, made.path)):
            continue
        if type(made.staged) is not type(made.live):
            raise _refused("HS205", made, f"would be {_kind(made.staged)}, but the one of before serves")
        if id(made.staged) in young:
            if (kept := kept_state(made)) is None:
                raise _refused("HS206", made, "cannot be filled anew: its plugin does not say how")
            yield from _with_inner(made, kept)


def _with_inner(made: Made, kept: Kept) -> Iterator[Made]:
    mine, theirs = own_dict(made.live) or {}, own_dict(made.staged) or {}
    inside = {name: inner for name, inner in kept.inside.items() if name in mine and type(mine[name]) is type(theirs.get(name))}
    yield attrs.evolve(made, kept=kept.names | inside.keys())
    for name, inner in inside.items():
        path = f"{made.path}.{name}"
        yield from _with_inner(attrs.evolve(made, path=path, live=mine[name], staged=theirs[name]), inner)


def _kind(value: Any) -> str:
    return f"an object of {type(value).__module__}.{type(value).__qualname__}"


def _refused(code: str, made: Made, why: str) -> Refusal:
    message = f"{made.module}.{made.path} {why}"
    return Refusal(Finding(code=code, severity=Severity.HELD, message=message, next_step="restart"))


def find_made(staging: Staging, classes: list[tuple[type, type]]) -> Iterator[Made]:
    """Objects that stand where an object of the same class stood, in modules and in paired classes."""
    is_managed = staging.world.is_managed
    young = {id(item) for item in staging.young}
    for made in (*_in_modules(staging, _DECORATED), *_in_classes(classes)):
        same_kind = type(made.staged) is type(made.live) and made.staged is not made.live
        if same_kind and id(made.staged) in young and is_made_of_state(made.staged, is_managed):
            yield made


def _in_modules(staging: Staging, kinds: frozenset[UnitKind]) -> Iterator[Made]:
    dirt = staging.draft.dirt
    for module, index in dirt.evaluated():
        unit = staging.draft.summaries[module].units[index]
        if module not in staging.modules or unit.kind not in kinds:
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
    before, kept = len(swap.writes), made.kept or frozenset()

    def is_same(was: Any, now: Any) -> bool:  # a plugin has told what stays; to compare a hundred routes takes long
        return was is now if made.kept is not None else _equal(was, now, is_managed)

    mine, theirs = own_dict(made.live), own_dict(made.staged)
    if mine is not None and theirs is not None:
        swap.add(*(del_item(mine, key) for key in mine.keys() - theirs.keys() - kept))
        new = {key: value for key, value in theirs.items() if key not in kept}
        swap.add(*(set_item(mine, k, v) for k, v in new.items() if k not in mine or not is_same(mine[k], v)))
    kind = type(made.live)
    was, now = dict(slot_values(kind, made.live)), dict(slot_values(kind, made.staged))
    for name in (was.keys() | now.keys()) - kept:
        if not (name in was and name in now and is_same(was[name], now[name])):
            swap.add(_set_slot(made.live, name, was, now))
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
