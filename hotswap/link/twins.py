"""Staged objects with the live ones that stand for them, and why some have none."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import attrs

from hotswap.link.objects import Made
from hotswap.model import Finding, Severity


class EscapeError(Exception):
    """A staged object is referred to from somewhere where the reference cannot be exchanged."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@attrs.define(eq=False)
class Twins:
    """Staged objects and their live twins.

    Attributes:
        functions: staged function, live function, for definitions that were there before.
        classes: staged class, live class.
        lasting: ids of the live functions in ``functions``: each goes on as a definition of the new text, maybe of another name.
        places: where a live class stands in ``classes``, by its id. (The staged class itself would have one holder more.)
        inner: ids of live classes that are in ``classes`` only as an attribute of another one.
        wrappers: by module and name, what a decorator made anew: the live wrapper will be jumped to it.
    """

    of: dict[int, Any] = attrs.Factory(dict)
    keep: list[Any] = attrs.Factory(list)
    functions: list[tuple[FunctionType, FunctionType]] = attrs.Factory(list)
    lasting: set[int] = attrs.Factory(set)
    classes: list[tuple[type, type]] = attrs.Factory(list)
    places: dict[int, int] = attrs.Factory(dict)
    inner: set[int] = attrs.Factory(set)
    copies: list[tuple[FunctionType, FunctionType]] = attrs.Factory(list)
    made: list[Any] = attrs.Factory(list)
    wrappers: dict[tuple[str, str], Any] = attrs.Factory(dict)
    objects: list[Made] = attrs.Factory(list)
    members: dict[int, tuple[tuple[object, object], ...]] = attrs.Factory(dict)  # by id of the live class
    remade: set[int] = attrs.Factory(set)  # ids of staged objects that the live class cannot have: a copy stands for each
    # Live classes that what was made aside could not be led to, with what is to be raised where they stay.
    left: list[tuple[type, EscapeError]] = attrs.Factory(list)
    rounds: set[int] = attrs.Factory(set)  # ids of live functions that are one of several, whatever name they have

    def dispose(self) -> None:
        for table in (self.keep, self.functions, self.classes, self.copies, self.made, self.objects, self.left):
            table.clear()
        self.wrappers.clear()
        self.remade.clear()
        self.lasting.clear()
        self.places.clear()
        self.inner.clear()
        self.of.clear()

    def put(self, staged: Any, live: Any) -> None:
        self.of[id(staged)] = live
        self.keep.append(staged)  # an id is only good while its object lives

    def put_made(self, staged: Any, made: Any) -> None:
        """A copy of something immutable stands for it; what gets a twin later is exchanged in the copy as well."""
        self.put(staged, made)
        self.made.append(made)

    def resolve(self, value: Any) -> Any:
        """The live twin of a value, or the value itself."""
        seen = 0
        while id(value) in self.of and seen < 10:
            value, seen = self.of[id(value)], seen + 1
        return value


def describe(item: Any) -> str:
    return f"{getattr(item, '__module__', '?')}.{getattr(item, '__qualname__', item)}"


def make_escape(message: str, item: Any) -> Finding:
    code = item.__code__ if type(item) is FunctionType else None
    return Finding(
        code="HS207",
        severity=Severity.HELD,
        message=message,
        file=code.co_filename if code is not None else "",
        line=code.co_firstlineno if code is not None else 0,
        next_step="restart",
    )
