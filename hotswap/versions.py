"""The numbers by which CPython remembers functions and classes that are written to.

Functions: numbers of their own, on the interpreter where those given by itself collide. A call site of CPython remembers a
function by its number and then calls it unchecked. CPython 3.12 counts numbers in two places: a code object's from one counter,
taken over by each function that is made from it, and from another counter, which begins at 1 as well, those of functions
whose code or defaults were assigned. Two functions of one number and of different signatures end in a segmentation fault
(python/cpython gh-116916; 3.11 and 3.13 have one counter).
So the commit gives each function that it wrote a number from the first counter: that of a fresh copy of a code object.

The places of the numbers in memory are found by looking and not taken from a header file: the word of a function
that becomes 0 when its code is assigned, and the word of a code object that equals it and counts up with each copy.

Classes: a lookup in a class that was written to gives it a new number. From 3.13 on a class gets 1,000 of them, and after that
each read through it is three times slower for ever. So the commit lets the classes that it wrote to, and those below them,
count from 0 again; the numbers themselves are of a counter of the whole process, which has four billion.
"""

from __future__ import annotations

import ctypes
import operator
import sys
from collections.abc import Iterable
from itertools import pairwise
from types import CodeType, FunctionType
from typing import Any

_WORD, _HALF = 4, 2


def renumber(functions: Iterable[FunctionType]) -> list[tuple[Any, ...]]:
    """Calls of C functions that give each function a number of its own; to be made after its other writes."""
    if _PLACES is None:
        return []
    in_function, in_code = _PLACES
    places = [memoryview(ctypes.c_uint32.from_address(id(f) + in_function)).cast("B").cast("I") for f in functions]
    return [(operator.setitem, place, 0, _number_of(_blank.__code__.replace(), in_code)) for place in places]


def _blank() -> None: ...


def _number_of(code: CodeType, place: int) -> int:
    return ctypes.c_uint32.from_address(id(code) + place).value


def _words(item: Any) -> list[int]:
    return list((ctypes.c_uint32 * (type(item).__basicsize__ // _WORD)).from_address(id(item)))


def find_places() -> tuple[int, int] | None:
    """Where in a function and in a code object its number stands, in bytes; None where this is not certain."""
    made: dict[str, Any] = {}
    exec("def probe(): ...", made)
    probe: FunctionType = made["probe"]
    before, codes = _words(probe), [probe.__code__.replace() for _ in range(3)]
    probe.__code__ = probe.__code__
    numbers = [i for i, (one, other) in enumerate(zip(before, _words(probe), strict=True)) if one != other]
    if len(numbers) != 1 or _words(probe)[numbers[0]]:
        return None
    copies = [_words(code) for code in codes]
    counted = [
        i
        for i, word in enumerate(_words(probe.__code__))
        if word == before[numbers[0]] and all(b[i] - a[i] == 1 for a, b in pairwise(copies))
    ]
    return (numbers[0] * _WORD, counted[0] * _WORD) if len(counted) == 1 else None


def count_anew(classes: Iterable[type]) -> None:
    """Let classes have as many numbers as new ones."""
    if _COUNT is not None:
        for cls in classes:
            ctypes.c_uint16.from_address(id(cls) + _COUNT).value = 0


def find_count() -> int | None:
    """Where in a class it is counted how many numbers it has had, in bytes; None where this is not certain, or not counted."""
    probe = type("probe", (), {})
    seen = [_after_write(probe, turn) for turn in range(4)]
    counting = [i for i, values in enumerate(zip(*seen, strict=True)) if values == (1, 2, 3, 4)]
    if len(counting) != 1:
        return None
    place = counting[0] * _HALF
    ctypes.c_uint16.from_address(id(probe) + place).value = 0
    return place if _after_write(probe, 4)[counting[0]] == 1 else None


def _after_write(cls: Any, value: int) -> list[int]:
    cls.value = value
    getattr(cls, "value")  # noqa: B009 - the lookup gives the number
    return list((ctypes.c_uint16 * (type(cls).__basicsize__ // _HALF)).from_address(id(cls)))


_COUNT = find_count() if sys.version_info >= (3, 13) else None
_PLACES = find_places() if sys.version_info[:2] == (3, 12) else None
