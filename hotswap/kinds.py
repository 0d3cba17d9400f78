"""What a value really is. ``isinstance`` believes a ``__class__`` that lies, as the one of a proxy does; a write that is
meant for a function would then go through the proxy to the function inside.
"""

from __future__ import annotations

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
