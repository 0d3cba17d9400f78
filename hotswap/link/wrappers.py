"""Lets wrappers follow what they have copied from the function that they wrap: its name, docstring and annotations.

    functools.wraps, update_wrapper, lru_cache, singledispatch     what ``__wrapped__`` is the function
    staticmethod, classmethod                                      the same
    property, cached_property                                      the docstring of the getter

A body that changes is a jump and makes no wrapper again, so the copies would stay as they were. A copy that somebody has
changed since is left alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from types import FunctionType
from typing import Any

from hotswap.collector import nothing_hidden, referrers
from hotswap.commit import Swap, Write, set_attribute
from hotswap.kinds import PROXY, is_a
from hotswap.link.handles import is_handle

#: What ``functools.update_wrapper`` copies, apart from the dict.
COPIED = frozenset({"__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"})

#: The new value of each copied attribute that changes, beside the old one.
Changes = dict[str, tuple[Any, Any]]


def follow_wrappers(swap: Swap, is_bare: Callable[[FunctionType], bool], staged: Collection[int]) -> None:
    """Add the writes that bring copies up to date.

    Args:
        is_bare: True for a function that stands in its place itself; nobody is asked for its wrappers, which saves a
            pass over the heap for most swaps.
        staged: ids of objects that were made aside; a write would keep them alive.
    """
    changes = {
        owner: found
        for owner, found in _changes_of(swap.writes).items()
        if is_handle(owner.function) or not is_bare(owner.function)
    }
    while changes:
        following: dict[_Key, Changes] = {}
        for wrapper, wrapped in _find_wrappers([key.function for key in changes]):
            if id(wrapper) not in staged and (done := _follow(swap, wrapper, changes[_Key(wrapped)])):
                following[_Key(wrapper)] = done
        changes = following


class _Key:
    """A callable by identity: it may be of a class with an ``__eq__`` of its own."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.function is self.function

    def __hash__(self) -> int:
        return id(self.function)


def _changes_of(writes: Iterable[Write]) -> dict[_Key, Changes]:
    found: dict[_Key, Changes] = {}
    for write in writes:
        if write.do[0] is setattr and type(write.do[1]) is FunctionType and write.do[2] in COPIED:
            found.setdefault(_Key(write.do[1]), {})[write.do[2]] = (write.undo[3], write.do[3])
        elif write.do[0] is setattr and is_handle(write.do[1]):
            found[_Key(write.do[1])] = dict(_differences(write.undo[3], write.do[3]))
    return found


def _differences(old: Any, new: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """What a proxy shows otherwise once it wraps something else."""
    for name in COPIED:
        held, value = getattr(old, name, None), getattr(new, name, None)
        if held is not None and held != value:
            yield name, (held, value)


def _find_wrappers(functions: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Everything that wraps one of some callables, with the callable: one pass over the heap, or two."""
    known = {id(function): function for function in functions}
    with nothing_hidden():
        holders = referrers(*functions)
        # An object's attributes are in the object itself, or in a dict of their own once somebody has asked for it.
        states = [held for held in holders if type(held) is dict and id(held.get("__wrapped__", held.get("func"))) in known]
        owners = referrers(*states) if states else []
    seen = set()
    for holder in (*holders, *owners):
        wrapped = wrapped_by(holder)
        if id(wrapped) in known and id(holder) not in seen:
            seen.add(id(holder))
            yield holder, wrapped


def wrapped_by(holder: Any) -> Any:
    """What an object wraps, without running code of the program; None for nothing."""
    if is_a(holder, property):
        return holder.fget
    if is_a(holder, functools.cached_property):
        return holder.func
    if type(holder) is dict:
        return None
    try:
        return object.__getattribute__(holder, "__wrapped__")
    except AttributeError:
        return None


def _follow(swap: Swap, wrapper: Any, changes: Changes) -> Changes:
    done: Changes = {}
    for name, (old, new) in changes.items():
        if name != "__doc__" and is_a(wrapper, (property, functools.cached_property)):
            continue
        try:
            held = object.__getattribute__(wrapper, name)
        except AttributeError:
            continue
        if held is old or (type(held) is type(old) is str and held == old):
            if not is_a(wrapper, PROXY):  # a proxy has no copy: it shows what it wraps, and passes on what is written
                if (write := _write(wrapper, name, old, new)) is None:
                    continue
                swap.add(write)
            done[name] = (old, new)
    return done


def _write(wrapper: Any, name: str, old: Any, new: Any) -> Write | None:
    if type(wrapper) in (FunctionType, property):  # slots of the interpreter's, not attributes
        return Write((setattr, wrapper, name, new), (setattr, wrapper, name, old))
    return set_attribute(wrapper, name, new)
