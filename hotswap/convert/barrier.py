"""What stands before the attributes of a class while objects of it wait: each access converts first.

    ``__getattribute__``, ``__setattr__``, ``__delattr__`` of the class, and of each subclass that has one of its own

They are put up inside of the commit and taken away when nothing waits any more; afterwards the class is as it was, and
costs what it did. What the class itself defines under these names goes on inside of the barrier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any

import attrs

from hotswap.commit import MISSING, Write, set_cell, set_item
from hotswap.convert.conversions import Conversions
from hotswap.kinds import OWN_CODES, deleter_of, is_own, setter_of, vars_of

NAMES = ("__getattribute__", "__setattr__", "__delattr__")
#: Reading it must not convert: ``isinstance`` asks for it.
_CLASS = "__class__"


@attrs.define(eq=False)
class Barrier:
    """The barrier of one class.

    Attributes:
        own: what the class itself has under a name; MISSING where it inherits it.
        inner: what the barrier goes on to.
        functions: what stands in the class.
    """

    cls: type
    own: dict[str, Any]
    inner: dict[str, Any]
    functions: dict[str, FunctionType]

    def writes_up(self) -> list[Write]:
        """Put it up; the way back takes it away."""
        return [Write((setter_of(self.cls), self.cls, name, new), self._away(name)) for name, new in self.functions.items()]

    def writes_down(self) -> list[Write]:
        """Take it away, where it still stands; the way back puts it up."""
        return [
            Write(self._away(name), (setter_of(self.cls), self.cls, name, function))
            for name, function in self.functions.items()
            if vars_of(self.cls).get(name) is function
        ]

    def _away(self, name: str) -> tuple[Any, ...]:
        if self.own[name] is MISSING:
            return (deleter_of(self.cls), self.cls, name)
        return (setter_of(self.cls), self.cls, name, self.own[name])


def make_barriers(owns: Mapping[type, dict[str, Any]], conversions: Conversions) -> list[Barrier]:
    """The barriers that some classes need so that no access to an object of exactly these goes around.

    Args:
        owns: by class: what it itself will have under the three names after the commit; MISSING for nothing.
    """
    found: dict[type, Barrier] = {}
    for cls in sorted(owns, key=lambda each: len(each.__mro__)):  # base classes first
        own = owns[cls]
        functions, inner = {}, {}
        for name, make in _MAKERS.items():
            if own[name] is MISSING and _is_guarded(cls, name, found):
                continue
            inner[name] = _inherited(cls, name) if own[name] is MISSING else own[name]
            functions[name] = make(inner[name], conversions)
        if functions:
            found[cls] = Barrier(cls, own, inner, functions)
    return list(found.values())


def _is_guarded(cls: type, name: str, found: Mapping[type, Barrier]) -> bool:
    """True where what a class inherits under a name is a barrier."""
    for base in cls.__mro__[1:]:
        if base in found and name in found[base].functions:
            return True
        if name in vars_of(base):
            return is_own(vars_of(base)[name])
    return False


def _inherited(cls: type, name: str) -> Any:
    return next(vars_of(base)[name] for base in cls.__mro__[1:] if name in vars_of(base))


def _reading(inner: Any, conversions: Conversions) -> Any:
    pending, unsettled, convert = conversions.pending, conversions.unsettled, conversions.convert
    restore = conversions.restore

    def __getattribute__(self: Any, name: str) -> Any:
        if (id(self) in pending or unsettled) and name != _CLASS:
            if name == "__setstate__":
                restore(self)
            elif (old := convert(self)) is not None:
                return old.get(self, name)
        return inner(self, name)

    return __getattribute__


def _setting(inner: Any, conversions: Conversions) -> Any:
    pending, unsettled, convert = conversions.pending, conversions.unsettled, conversions.convert

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if (id(self) in pending or unsettled) and (old := convert(self)) is not None:
            old.set(self, name, value)
        else:
            inner(self, name, value)

    return __setattr__


def _deleting(inner: Any, conversions: Conversions) -> Any:
    pending, unsettled, convert = conversions.pending, conversions.unsettled, conversions.convert

    def __delattr__(self: Any, name: str) -> None:
        if (id(self) in pending or unsettled) and (old := convert(self)) is not None:
            old.delete(self, name)
        else:
            inner(self, name)

    return __delattr__


_MAKERS: dict[str, Callable[[Any, Conversions], Any]] = {
    "__getattribute__": _reading, "__setattr__": _setting, "__delattr__": _deleting
}  # fmt: skip
OWN_CODES.update(make(None, Conversions()).__code__ for make in _MAKERS.values())


def own_of(cls: type, barriers: Iterable[Barrier]) -> dict[str, Any]:
    """What a class itself has under the three names, seen past a barrier that stands."""
    known = next((barrier.own for barrier in barriers if barrier.cls is cls), {})
    found = {name: vars_of(cls).get(name, MISSING) for name in NAMES}
    return {name: known.get(name, MISSING) if is_own(value) else value for name, value in found.items()}


def reroute(cls: type, own: dict[str, Any], barriers: Iterable[Barrier]) -> list[Write]:
    """What lets a barrier that stands go on to what its class will have under the three names after the commit."""
    writes = []
    for barrier in barriers:
        if barrier.cls is cls:
            for name, function in barrier.functions.items():
                target = _inherited(cls, name) if own[name] is MISSING else own[name]
                cell = (function.__closure__ or ())[function.__code__.co_freevars.index("inner")]
                writes += [set_cell(cell, target), set_item(barrier.own, name, own[name])]
    return writes
