"""Which defaults objects that exist can be given without asking: what is the same at any time and for any object.

    literal, number, string, None             the value itself
    container of literals, also empty         a fresh copy for each object
    list, dict, set, deque, ... as a factory  called for each object
    lambda that only builds a literal         a fresh copy for each object
    anything else                             asked about: it may count, read a clock, open a file, make a lock

Everything here ends in callables that are implemented in C, because they are called inside the commit.
"""

from __future__ import annotations

import collections
import dis
import functools
import inspect
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any

from hotswap.plugin.values import Field

#: Called without arguments, these give an empty value and do nothing else.
EMPTY_FACTORIES: tuple[Any, ...] = (
    list, dict, set, frozenset, tuple, bytearray, bytes, str, int, float, bool, object,
    collections.deque, collections.OrderedDict, collections.defaultdict, collections.Counter,
)  # fmt: skip
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...))
_LITERAL_OPS = frozenset(
    {"RESUME", "NOP", "LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST", "RETURN_VALUE", "BUILD_LIST", "BUILD_TUPLE", "BUILD_SET",
     "BUILD_MAP", "BUILD_CONST_KEY_MAP", "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE"}
)  # fmt: skip


def is_immutable(value: Any) -> bool:
    """True for atoms and for tuples and frozensets of them: one object may serve everybody."""
    if type(value) in (tuple, frozenset):
        return all(is_immutable(item) for item in value)
    return type(value) in _ATOMS


def copies_of(value: Any) -> Callable[[], Any]:
    """A factory in C that gives a fresh deep copy of a value made of exact builtin containers and atoms."""
    return functools.partial(pickle.loads, pickle.dumps(value, 5))


def field_of_value(value: Any, kind: str = "") -> Field:
    """A field that begins as a literal value."""
    kind = kind or type(value).__name__
    return Field(default=value, kind=kind) if is_immutable(value) else Field(factory=copies_of(value), kind=kind)


def field_of_factory(factory: Any, kind: str = "", why: str = "its factory has to be called") -> Field:
    """A field that begins as what a factory gives; without a default where calling it may do more than that."""
    if any(factory is known for known in EMPTY_FACTORIES):
        return Field(factory=factory, kind=kind or factory.__name__)
    if type(factory) is FunctionType and _builds_literal(factory):
        return field_of_value(factory(), kind)
    return Field(kind=kind, why=why)


def _builds_literal(function: FunctionType) -> bool:
    """True for a function whose code can do nothing but build a value of constants."""
    code = function.__code__
    takes = code.co_argcount or code.co_kwonlyargcount or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    if takes or code.co_names or code.co_freevars or code.co_cellvars:
        return False
    return all(instruction.opname in _LITERAL_OPS for instruction in dis.get_instructions(code))
