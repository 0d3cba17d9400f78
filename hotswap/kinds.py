"""What a value really is. ``isinstance`` believes a ``__class__`` that lies, as the one of a proxy does; a write that is
meant for a function would then go through the proxy to the function inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, WrapperDescriptorType
from typing import Any, TypeGuard, TypeVar, overload

import wrapt

#: The base of all proxies of wrapt; what is read from one and written to one goes through to what it wraps.
PROXY: Any = wrapt.CallableObjectProxy.__mro__[-2]

_T = TypeVar("_T")


@overload
def is_a(value: object, kind: type[_T]) -> TypeGuard[_T]: ...
@overload
def is_a(value: object, kind: tuple[type, ...]) -> TypeGuard[Any]: ...
def is_a(value: object, kind: Any) -> bool:
    """``isinstance`` by the type that the interpreter sees; the value itself is not asked."""
    return issubclass(type(value), kind)


#: The code of the functions that hotswap puts into classes of the program: they are no part of what the class is.
OWN_CODES: set[CodeType] = set()


def is_own(value: object) -> bool:
    """True for a function that hotswap has put into a class."""
    return type(value) is FunctionType and value.__code__ in OWN_CODES


#: The namespace of a class, read past a metaclass that gives another one.
vars_of: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__


def namespace_of(value: Any) -> Mapping[str, Any]:
    """What a value holds by name; nothing where it has no dict. A class is read as :data:`vars_of` does."""
    found: Mapping[str, Any] = vars_of(value) if is_a(value, type) else getattr(value, "__dict__", {})
    return found


def is_data_descriptor(value: object) -> bool:
    """True for what a class holds that an object is asked through before its own dict is, as a property and a slot are."""
    rows = [vars_of(base) for base in type(value).__mro__]
    return any("__set__" in row or "__delete__" in row for row in rows)


def setter_of(cls: type) -> Callable[[type, str, Any], None]:
    """``type.__setattr__``, which runs no code of a metaclass written in Python; a metaclass written in C lets only its
    own by, as that of ctypes structures does."""
    found: Callable[[type, str, Any], None] = _slot_of(cls, "__setattr__")
    return found


def deleter_of(cls: type) -> Callable[[type, str], None]:
    """The same for ``type.__delattr__``."""
    found: Callable[[type, str], None] = _slot_of(cls, "__delattr__")
    return found


def _slot_of(cls: type, name: str) -> Any:
    metaclass: type = type(cls)
    slots = (vars_of(base).get(name) for base in metaclass.__mro__)
    return next(slot for slot in slots if type(slot) is WrapperDescriptorType)
