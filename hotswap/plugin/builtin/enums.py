"""Enum members keep their identity by name; the class takes over the new maps.

    member                                        what is done
    in both texts                                 the live object stays; its value and attributes are updated
    added                                         the new object joins the live class
    removed                                       leaves the maps; who holds the object keeps it
    content of a builtin (IntEnum, StrEnum) new   HS302: the object itself is the value
    was an alias and is none now, or the reverse  HS302: one held object would have to be two, or two one
    a flag's value changed, combinations exist    HS302: their bits would mean something else

The work is done on the maps that ``EnumType`` keeps in the class; they are the same from 3.11 to 3.13, but for names
added in between, so whatever is found in the new class is moved.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any

from hotswap.commit import MISSING, Swap, Write, del_class, set_class, set_contents, set_item
from hotswap.fingerprint import CONTAINERS, same_value
from hotswap.kinds import is_a, vars_of
from hotswap.model import Finding, Severity
from hotswap.plugin.specs import hookimpl
from hotswap.plugin.values import ClassPair, Refusal

#: Bookkeeping of EnumType in a class, in all versions; functions in it are moved like any method.
_MAPS = (
    "_member_names_", "_member_map_", "_value2member_map_", "_unhashable_values_", "_unhashable_values_map_", "_hashable_values_",
)  # fmt: skip
_FACTS = (
    "_member_type_", "_use_args_", "_value_repr_", "_flag_mask_", "_all_bits_", "_singles_mask_", "_boundary_", "_inverted_",
)  # fmt: skip
_HEAP_TYPE = 1 << 9


@hookimpl
def hotswap_pair_members(live: type, staged: type) -> list[tuple[object, object]]:
    if not (is_a(live, enum.EnumType) and is_a(staged, enum.EnumType)):
        return []
    old, new = _members(live), _members(staged)
    twin_of: dict[int, Any] = {}
    for name in new.keys() & old.keys():
        if twin_of.setdefault(id(new[name]), old[name]) is not old[name]:
            raise _refused(live, name, "becomes another name for a member that was apart from it")
    for name in new.keys() & old.keys():
        if sum(twin is old[name] for twin in twin_of.values()) > 1:
            raise _refused(live, name, "was another name for a member and becomes one of its own")
        if _is_builtin_inside(live) and not same_value(old[name]._value_, new[name]._value_):
            raise _refused(live, name, f"is a {live._member_type_.__name__}, whose value cannot change in the object")  # type: ignore[attr-defined]
        if not same_value(old[name]._value_, new[name]._value_) and _combinations(live):
            raise _refused(live, name, "is in combinations that exist, and has another value now")
    return [(member, twin_of[id(member)]) for member in _canonical(staged) if id(member) in twin_of]


@hookimpl
def hotswap_rebuild_class(pair: ClassPair, swap: Swap, resolve: Callable[[Any], Any]) -> set[str]:
    live, staged = pair.live, pair.staged
    if not (is_a(live, enum.EnumType) and is_a(staged, enum.EnumType)):
        return set()
    _note_removed(pair, swap)
    for member, twin in pair.members:
        _update_member(pair, swap, member, twin, resolve)
    if issubclass(live, enum.Flag):
        for member in live._value2member_map_.values():  # computed on first use, from all members
            forget = (dict.pop, member.__dict__, "_inverted_", None)
            swap.add(Write(forget, forget))
    for name in _members(staged):
        if vars_of(live).get(name, MISSING) is not (new := resolve(vars_of(staged)[name])):
            swap.add(set_class(live, name, new))
    for name in _members(live).keys() - vars_of(staged).keys():
        swap.add(del_class(live, name))
    _move_maps(pair, swap, resolve)
    return {*_MAPS, *_FACTS, *_members(staged), *(_members(live).keys() - vars_of(staged).keys())}


# ---- members ----


def _members(cls: type) -> dict[str, Any]:
    """All names of members, aliases too."""
    return cls._member_map_  # type: ignore[attr-defined, no-any-return]  # of enums


def _canonical(cls: type) -> list[Any]:
    """Each member once, aliases left out; a flag's names of several bits are among them."""
    return list({id(member): member for member in _members(cls).values()}.values())


def _combinations(cls: type) -> dict[Any, Any]:
    """Combinations of flags that exist, by value."""
    if not issubclass(cls, enum.Flag):
        return {}
    named = {id(member) for member in _members(cls).values()}
    return {value: member for value, member in cls._value2member_map_.items() if id(member) not in named}


def _is_builtin_inside(cls: type) -> bool:
    """True where a member is a number, a string or the like, and not a plain object with a value."""
    return any(not base.__flags__ & _HEAP_TYPE and base is not object for base in cls.__mro__)


def _update_member(pair: ClassPair, swap: Swap, member: Any, twin: Any, resolve: Callable[[Any], Any]) -> None:
    state = twin.__dict__
    for name, value in member.__dict__.items():
        old, new = state.get(name, MISSING), resolve(value)
        if name in ("__objclass__", "_inverted_") or old is new:
            continue
        if type(old) is type(new) and is_a(old, (int, str)) and old == new:
            continue
        if is_a(old, CONTAINERS) and name != "_value_":
            if not same_value(old, new):
                swap.findings.append(_kept(pair, f"{twin._name_}.{name}"))
            continue
        swap.add(set_item(state, name, new, f"{pair.path}.{twin._name_}.{name}"))


def _note_removed(pair: ClassPair, swap: Swap) -> None:
    for name in _members(pair.live).keys() - _members(pair.staged).keys():
        swap.findings.append(
            Finding(
                code="HS410",
                severity=Severity.NOTE,
                message=f"the member {pair.module}.{pair.path}.{name} was removed; who holds it keeps it",
                file=pair.file,
                line=pair.line,
            )
        )


# ---- maps ----


def _move_maps(pair: ClassPair, swap: Swap, resolve: Callable[[Any], Any]) -> None:
    live, staged = pair.live, pair.staged
    for name in (*_MAPS, *_FACTS):
        if name not in vars_of(staged):
            continue
        new = resolve(vars_of(staged)[name])
        if name == "_value2member_map_":
            new = {**new, **dict(_kept_combinations(pair, swap))}
        old = vars_of(live).get(name, MISSING)
        if is_a(old, (dict, list)) and type(old) is type(new):
            swap.add(*set_contents(old, new))
        elif old is not new:
            swap.add(set_class(live, name, new))


def _kept_combinations(pair: ClassPair, swap: Swap) -> Iterator[tuple[Any, Any]]:
    """Combinations that the new members still give: they stay the objects that they are, under the new names."""
    staged: Any = pair.staged
    for value, member in _combinations(pair.live).items():
        if not is_a(value, int) or value in staged._value2member_map_ or value & ~staged._flag_mask_:
            continue
        names = "|".join(part._name_ for part in staged._iter_member_(value)) or None
        if member.__dict__.get("_name_") != names:
            swap.add(set_item(member.__dict__, "_name_", names))
        yield value, member


def _kept(pair: ClassPair, name: str) -> Finding:
    return Finding(
        code="HS401",
        severity=Severity.KEPT,
        message=f"{pair.module}.{pair.path}.{name} keeps its live value: the program may have changed it",
        file=pair.file,
        line=pair.line,
        next_step="assign it by hand or restart if the new initial value is wanted",
    )


def _refused(cls: type, name: str, why: str) -> Refusal:
    message = f"the member {cls.__module__}.{cls.__qualname__}.{name} {why}"
    return Refusal(Finding(code="HS302", severity=Severity.HELD, message=message, next_step="restart"))
