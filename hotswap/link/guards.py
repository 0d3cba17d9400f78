"""Properties and other descriptors of the program that stand before a field: who reads it gets what their code gives.

    one comes    what objects hold under that name is in them still, and only code that looks into their dict finds it
    one goes     objects hold what its code has kept under another name, and nothing under this one
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any

import attrs

from hotswap.kinds import is_a, vars_of
from hotswap.peek import peek
from hotswap.shadow import is_slot

_INSIDE = frozenset({"__dict__", "vars"})


@attrs.frozen(eq=False)
class Guard:
    """A descriptor that stands before a field.

    Attributes:
        looks_inside: it reads the object's dict under the name of the field.
    """

    looks_inside: bool


def find_guards(row: Iterable[type], names: Iterable[str], twin_of: Callable[[type], type]) -> dict[str, Guard]:
    """The guards of some names along a row of classes.

    Args:
        twin_of: the class that tells what objects of a class do; the class of a descriptor may change with the swap, too.
    """
    spaces = [vars_of(cls) for cls in row]
    found: dict[str, Guard] = {}
    for name in names:
        value = next((space[name] for space in spaces if name in space), None)
        kinds = [vars_of(twin_of(base)) for base in type(value).__mro__]
        if not is_slot(value) and any("__set__" in kind or "__delete__" in kind for kind in kinds):
            found[name] = Guard(_looks_inside(value, name, kinds))
    return found


def _looks_inside(value: Any, name: str, kinds: list[Mapping[str, Any]]) -> bool:
    """True where the code that reads names the dict of the object, and no other name than this one is in reach."""
    getter = value.fget if is_a(value, property) else next((kind["__get__"] for kind in kinds if "__get__" in kind), None)
    if type(getter) is not FunctionType or _INSIDE.isdisjoint(getter.__code__.co_names):
        return False
    words = {word for word in getter.__code__.co_consts[1:] if type(word) is str}  # the first is the docstring
    words |= {word for word in (peek(value) or {}).values() if type(word) is str} if not is_a(value, property) else set()
    return words == {name}
