"""Who takes part when a class statement is executed, besides the interpreter and the program.

    made by                                                       foreign
    type, and what only computes (ABCMeta, EnumType, typing)      no
    an __init_subclass__ of the standard library                  no
    a metaclass or __init_subclass__ in managed code              no: the plan follows its registries
    a metaclass or __init_subclass__ of a library                 yes: executing the statement again may register twice

Whether a class may be made of more of its bases than it inherits is another question: it has to be made again where a base
changes. What ``type``, ABCMeta and EnumType take from bases they look up, or swaps lead it on.

Decorators are judged from the text, by the plan stage.
"""

from __future__ import annotations

import abc
import enum
import sys
import typing
from collections.abc import Callable

from hotswap.kinds import vars_of

#: Metaclasses without memory: a class made by them and dropped again leaves nothing behind.
_HARMLESS_METACLASSES: frozenset[type] = frozenset(
    {type, object, abc.ABCMeta, enum.EnumType, type(typing.Protocol), type(typing.TypedDict("_Table", {}))}  # type: ignore[operator]
)

#: Metaclasses, and classes with an ``__init_subclass__``, that copy nothing from the bases of a class.
_INHERITING: frozenset[object] = frozenset({type, object, abc.ABCMeta, enum.EnumType, typing.Generic, typing.Protocol})


def foreign_builder(cls: type, is_managed: Callable[[type], bool]) -> str:
    """The dotted name of the foreign metaclass or base that takes part in making a class; empty for none.

    Args:
        cls: a live class.
        is_managed: True for classes whose module is managed.
    """
    return _foreign_metaclass(type(cls), is_managed) or _foreign_hook(cls.__mro__[1:], is_managed)


def foreign_builder_below(base: type, is_managed: Callable[[type], bool]) -> str:
    """The same for a class that would have ``base`` as a base, or as its metaclass."""
    if issubclass(base, type):
        return _foreign_metaclass(base, is_managed)
    return _foreign_metaclass(type(base), is_managed) or _foreign_hook(base.__mro__, is_managed)


def copies_from_bases(cls: type, is_managed: Callable[[type], bool]) -> bool:
    """True for a live class whose making by somebody else may have copied something from its bases, as form fields."""
    maker: type = type(cls)
    makers = {*maker.__mro__, *(base for base in cls.__mro__[1:] if "__init_subclass__" in vars_of(base))} - _INHERITING
    if vars_of(cls).get("_is_protocol") is not True:
        makers.discard(type(typing.Protocol))  # it notes the members of protocols only
    return not all(map(is_managed, makers))


def _foreign_metaclass(maker: type, is_managed: Callable[[type], bool]) -> str:
    for meta in maker.__mro__:
        if meta not in _HARMLESS_METACLASSES and not is_managed(meta):
            return _name(meta)
    return ""


def _foreign_hook(row: tuple[type, ...], is_managed: Callable[[type], bool]) -> str:
    for base in row:
        harmless = base.__module__.partition(".")[0] in sys.stdlib_module_names or base.__module__ == "typing_extensions"
        if "__init_subclass__" in vars_of(base) and not harmless and not is_managed(base):
            return f"{_name(base)}.__init_subclass__"
    return ""


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
