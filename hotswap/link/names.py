"""What a dotted name leads to in a namespace, read past descriptors and without running code of the program."""

from __future__ import annotations

from typing import Any

from hotswap.kinds import is_a, namespace_of


def look_up(namespace: dict[str, Any], qualname: str) -> Any:
    """The object that stands under a dotted name; None where there is none."""
    value: Any = None
    for index, part in enumerate(qualname.split(".")):
        value = namespace.get(part) if index == 0 else namespace_of(value).get(part)
    return value


def look_up_function(namespace: dict[str, Any], qualname: str) -> Any:
    """The same; for a static or class method the function in it."""
    value = look_up(namespace, qualname)
    return value.__func__ if is_a(value, (staticmethod, classmethod)) else value


def kind_of_method(value: Any) -> type | None:
    """What an attribute of a class is to the function in it: staticmethod, classmethod, or None for neither."""
    return next((kind for kind in (staticmethod, classmethod) if is_a(value, kind)), None)
