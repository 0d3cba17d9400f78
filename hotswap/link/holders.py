"""What objects hold and who holds them, read past all code of the program."""

from __future__ import annotations

import weakref
from collections.abc import Collection
from types import FunctionType
from typing import Any

from hotswap.collector import nothing_hidden, referrers_through_rows
from hotswap.commit import MISSING
from hotswap.kinds import is_a, is_data_descriptor, vars_of
from hotswap.peek import peek
from hotswap.shadow import coming_slots, is_slot


def class_attribute(cls: type, name: str) -> Any:
    """An attribute along the row of classes, as it stands there; MISSING where there is none."""
    return next((vars_of(base)[name] for base in cls.__mro__ if name in vars_of(base)), MISSING)


def runs_code(value: Any) -> bool:
    """True for a descriptor of a class that stands before an object's own attributes, and is no slot: a property and the like."""
    return is_data_descriptor(value) and not is_slot(value)


def own_attribute(item: Any, name: str) -> Any:
    """An attribute of the object itself, from its dict or a slot; MISSING where there is none."""
    state = peek(item)
    if state is not None and name in state:
        return state[name]
    slot = class_attribute(type(item), name)
    if slot is MISSING:
        slot = coming_slots(type(item)).get(name)
    if not is_slot(slot):
        return MISSING
    try:
        return slot.__get__(item, type(item))
    except AttributeError:
        return MISSING


def reads_bare(cls: type, name: str) -> bool:
    """True where reading an attribute that an object lacks runs no code and finds nothing in the class."""
    reader: Any = cls.__getattribute__
    return reader is object.__getattribute__ and not hasattr(cls, "__getattr__") and class_attribute(cls, name) is MISSING


def hash_names(cls: type) -> frozenset[str]:
    """The names that the ``__hash__`` of a class and what it calls on the object mention; empty where it hashes by identity."""
    found: set[str] = set()
    pending = ["__hash__"]
    while pending:
        function = class_attribute(cls, pending.pop())
        function = function.fget if is_a(function, property) else function
        if type(function) is FunctionType:
            new = set(function.__code__.co_names) - found
            found |= new
            pending += new
    return frozenset(found)


def without(items: list[Any], others: list[Any]) -> list[Any]:
    """Items that are not among others, by identity."""
    ids = {id(item) for item in others}
    return [item for item in items if id(item) not in ids]


def in_hash_containers(items: list[Any], owned: Collection[int] = ()) -> list[Any]:
    """Those objects that are keys or members of something: by themselves, in tuples, or as weak keys.

    Args:
        owned: ids of containers that do not count.
    """
    by_id = {id(item): item for item in items}
    seekers: list[Any] = [*items, *(ref for item in items for ref in weakref.getweakrefs(item))]
    with nothing_hidden():
        holders, rows = referrers_through_rows(*seekers)
    wanted = rows.union(map(id, seekers))
    found: dict[int, Any] = {}
    for holder in holders:
        for key in _keys(holder) if id(holder) not in owned else ():
            if id(key) in wanted:
                inside = list(key) if is_a(key, (tuple, frozenset)) else [key() if is_a(key, weakref.ref) else key]
                found.update({id(item): item for item in inside if id(item) in by_id})
    return list(found.values())


def _keys(holder: Any) -> list[Any]:
    if is_a(holder, dict):
        return list(dict.keys(holder))
    if is_a(holder, (set, frozenset)):
        return list(set.__iter__(holder) if is_a(holder, set) else frozenset.__iter__(holder))
    return []
