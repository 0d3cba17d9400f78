"""The row of classes (the MRO) that a live class will have, without changing it first."""

from __future__ import annotations

from collections.abc import Callable


class NoRow(Exception):
    """The bases cannot be put in a row; the message names those that contradict each other."""


def class_row(cls: type, bases_of: Callable[[type], tuple[type, ...]]) -> tuple[type, ...]:
    """The row that CPython will give a class once some classes have other bases.

    Args:
        bases_of: the bases that a class will have.

    Raises:
        NoRow: there is none.
    """
    if all(bases_of(each) == each.__bases__ for each in cls.__mro__):
        return cls.__mro__
    return tuple(_merge(cls, bases_of))


def _merge(cls: type, bases_of: Callable[[type], tuple[type, ...]]) -> list[type]:
    bases = bases_of(cls)
    rows = [*(list(class_row(base, bases_of)) for base in bases), list(bases)]
    found = [cls]
    while rows := [row for row in rows if row]:
        head = next((row[0] for row in rows if not any(row[0] in other[1:] for other in rows)), None)
        if head is None:
            raise NoRow(", ".join(row[0].__qualname__ for row in rows))
        found.append(head)
        for row in rows:
            if row[0] is head:
                del row[0]
    return found
