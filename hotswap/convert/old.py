"""The class as it was, for objects that could not be converted and whose migration says ``on_failure="serve_old"``.

Each attribute of such an object is looked up as before the swap: methods with their old code, old properties and class
attributes, the object's own state. Functions change in place with a swap, so copies of them are kept, and of the functions
in their closures. What the interpreter looks up on the class itself goes on with the new code: ``len(o)``, ``o == other``,
``super()``; so do bound methods that were taken before, and what old methods call elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import CellType, FunctionType
from typing import Any

import attrs

from hotswap.commit import MISSING
from hotswap.kinds import is_a, is_own, vars_of

_HEAP_TYPE = 1 << 9


@attrs.frozen(eq=False)
class OldClass:
    """What the classes along a row had.

    Attributes:
        row: of each class its attributes; copies for those of the program.
        read: gives the state of an object, past its class.
    """

    cls: type
    row: tuple[Mapping[str, Any], ...]
    read: Callable[[Any], Mapping[str, Any]]

    @classmethod
    def of(cls, live: type, is_managed: Callable[[type], bool], read: Callable[[Any], Mapping[str, Any]]) -> OldClass | None:
        """Take a class before it changes; None where its own ``__getattribute__`` says what attributes are."""
        if any(not is_own(item) for base in live.__mro__[:-1] if (item := vars_of(base).get("__getattribute__"))):
            return None
        copied: dict[int, Any] = {}
        row = [
            {name: _copy(value, copied) for name, value in vars_of(base).items() if not is_own(value)} if is_managed(base)
            else vars_of(base)
            for base in live.__mro__
        ]  # fmt: skip
        return cls(live, tuple(row), read)

    def find(self, name: str) -> Any:
        return next((held[name] for held in self.row if name in held), MISSING)

    def get(self, item: Any, name: str) -> Any:
        """``getattr(item, name)``, as it was."""
        held = self.find(name)
        kind = type(held)
        if hasattr(kind, "__get__") and hasattr(kind, "__set__"):
            return kind.__get__(held, item, self.cls)
        value = self.read(item).get(name, MISSING)
        if value is not MISSING:
            return value
        if held is not MISSING:
            return kind.__get__(held, item, self.cls) if hasattr(kind, "__get__") else held
        if (asked := self.find("__getattr__")) is not MISSING:
            return asked(item, name)
        raise AttributeError(f"{self.cls.__name__!r} object has no attribute {name!r}")

    def set(self, item: Any, name: str, value: Any) -> None:
        """``setattr(item, name, value)``, as it was."""
        self._change("__setattr__", "__set__", item, name, value)

    def delete(self, item: Any, name: str) -> None:
        """``delattr(item, name)``, as it was."""
        self._change("__delattr__", "__delete__", item, name)

    def _change(self, method: str, of_descriptor: str, item: Any, name: str, *value: Any) -> None:
        if type(own := self.find(method)) is FunctionType:
            own(item, name, *value)
        elif (held := self.find(name)) is not MISSING and hasattr(type(held), of_descriptor):
            getattr(type(held), of_descriptor)(held, item, *value)
        else:
            static: Any = next(base for base in self.cls.__mro__ if not base.__flags__ & _HEAP_TYPE)
            getattr(static, method)(item, name, *value)


def _copy(value: Any, copied: dict[int, Any]) -> Any:
    """A copy that does not follow a swap, of what has code; anything else is the same object."""
    if id(value) in copied:
        return copied[id(value)]
    if type(value) is FunctionType:
        copied[id(value)] = value  # where it leads back to itself
        closure = tuple(_copy_cell(cell, copied) for cell in value.__closure__) if value.__closure__ else None
        twin = copied[id(value)] = FunctionType(
            value.__code__, value.__globals__, value.__name__, value.__defaults__, closure
        )  # fmt: skip
        twin.__kwdefaults__, twin.__qualname__, twin.__dict__ = value.__kwdefaults__, value.__qualname__, {**value.__dict__}
        return twin
    if type(value) in (staticmethod, classmethod):
        return type(value)(_copy(value.__func__, copied))
    if type(value) is property:
        getter, setter, deleter = (_copy(each, copied) for each in (value.fget, value.fset, value.fdel))
        return property(getter, setter, deleter, value.__doc__)
    if is_a(value, functools.cached_property):
        twin_of_property: Any = functools.cached_property(_copy(value.func, copied))
        twin_of_property.attrname = value.attrname
        return twin_of_property
    return value


def _copy_cell(cell: CellType, copied: dict[int, Any]) -> CellType:
    try:
        held = cell.cell_contents
    except ValueError:
        return cell
    twin = _copy(held, copied)
    return cell if twin is held else CellType(twin)
