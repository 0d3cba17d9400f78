"""Whether CPython lets objects of one class become objects of another, asked of classes that nobody sees."""

from __future__ import annotations

import functools
from typing import Any

from hotswap.collector import objects_of
from hotswap.kinds import vars_of
from hotswap.peek import static_base

_HEAP_TYPE = 1 << 9


def why_not_exchanged(old: tuple[type, ...], new: tuple[type, ...]) -> str:
    """Why a class with some bases cannot get others, in CPython's words; empty where it can.

    The rule is the one by which an object may get another class. No code of the program runs: a class that is made has
    ``type`` for its metaclass, and ``__init_subclass__`` is only asked when one is made.
    """
    why = "its objects are laid out in a way of their own"
    for neutral in _neutrals(_solid(old)):
        trial: Any = type.__new__(type, "Trial", (neutral,), {"__slots__": ()})
        try:
            trial.__bases__ = old
        except TypeError:
            continue  # another one may do
        try:
            trial.__bases__ = new
        except TypeError as error:
            why = str(error).rpartition("assignment: ")[2]
        else:
            return ""
        finally:
            trial.__bases__ = (neutral,)
    return why


def why_not_converted(old: type, new: type) -> str:
    """Why the objects of a class cannot get another one; empty where they can, or where there are none."""
    if not (count := len(objects_of([old]))) or not (why := why_not_exchanged((old,), (new,))):
        return ""
    return f"{'1 object of it exists' if count == 1 else f'{count:,} objects of it exist'}, and {why}"


def bases_aside(cls: type) -> tuple[type, ...] | None:
    """Bases that a class can get so that no class of the program lists it any more; None where only classes written in C
    do, which list all the same.

    Raises:
        TypeError: there are none.
    """
    if not any(base.__flags__ & _HEAP_TYPE for base in cls.__bases__):
        return None
    why = ""
    for neutral in _neutrals(_solid(cls.__bases__)):
        if not (why := why_not_exchanged(cls.__bases__, (neutral,))):
            return (neutral,)
    raise TypeError(why)


def mro_is_plain(cls: type) -> bool:
    """True where no metaclass has a say in how bases are lined up."""
    metas: tuple[type, ...] = type.__dict__["__mro__"].__get__(type(cls))
    return next(vars_of(meta)["mro"] for meta in metas if "mro" in vars_of(meta)) is vars_of(type)["mro"]


def _solid(bases: tuple[type, ...]) -> type:
    return next((static for base in bases if (static := static_base(base)) is not object), object)


@functools.cache
def _neutrals(static: type) -> tuple[type, type]:
    """Classes that are nobody's, with a dict and weak references, and without."""
    open_one: type = type.__new__(type, "Aside", (static,), {})
    closed: type = type.__new__(type, "Aside", (static,), {"__slots__": ()})
    return open_one, closed
