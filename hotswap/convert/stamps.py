"""States that were written down by an earlier version: pickles, copies in the making, shelves, plain mappings.

A class that has migrations writes its version into the state that it gives to ``pickle`` and ``copy``, and brings a state
of an earlier version to its own when it takes one:

    __getstate__    the usual state, and ``__hotswap_version__``: the versions of the class and its bases, by name
    __setstate__    the hooks from the stamped versions on, base classes first, then as usual

A process without hotswap takes the stamp for one more attribute. Objects with slots only have no place for one more: their
slots are written as a ``defaultdict``, whose factory gives the stamp, and which anybody takes for a dict.

    what attrs and ``@dataclass`` write for classes with slots                    stamped in their own way
    exceptions, and classes of sets, deques and the like, whose ``__reduce__`` is the builtin's      stamped in what that gives
    class with ``__getstate__``, ``__setstate__`` or ``__reduce__`` of its own    it has to call :func:`upgrade_state` itself
    one whose base class is stamped, with a ``__getstate__`` of its own           is given what it wrote, as it is
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType, MethodDescriptorType
from typing import Any

from hotswap.commit import Write, set_class
from hotswap.convert.arrivals import when_imported
from hotswap.convert.lineage import STAMP, moment, stamp_of
from hotswap.convert.upgrade import upgrade_state
from hotswap.errors import MigrationError
from hotswap.kinds import OWN_CODES, is_own, vars_of
from hotswap.migrations import LISTENERS, Migration, find_target, name_of
from hotswap.peek import class_value, own_dict, static_base
from hotswap.shadow import is_slot

_NAMES = "names"  # of the fields, beside a stamp, where the state is a list of values
#: Who defines one of these says itself what its state is.
_OWN = ("__getstate__", "__setstate__", "__reduce__", "__reduce_ex__")


# ---- what classes with migrations have ----


def __getstate__(self: Any) -> Any:
    (fields, slots), stamp = _at_one_version(self, _copy_of_state)
    if not type(self).__dictoffset__:
        return None, defaultdict(partial(dict, stamp), slots or {})
    stamped = {**fields, STAMP: stamp}
    return stamped if slots is None else (stamped, slots)


def _copy_of_state(item: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fields and the slots, which the usual state gives as they are in the object, and past a barrier."""
    item.__getstate__  # noqa: B018 - through the barrier
    state = object.__getstate__(item)
    fields, slots = state if type(state) is tuple else (state, None)
    return dict(fields or {}), slots


def __setstate__(self: Any, state: Any) -> None:
    fields, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    factory = slots.default_factory if type(slots) is defaultdict else None
    stamp = {STAMP: factory()} if type(factory) is partial and factory.func is dict else {}
    _give(self, {**(fields or {}), **(slots or {}), **stamp}, upgrades=_stamps(type(self)))


def _stamps(cls: type) -> bool:
    """True where what is written of an object has a stamp, and not what a class of the program writes."""
    return is_own(getattr(cls, "__getstate__", None)) or is_own(cls.__reduce__)


def _reduce_exception(self: Any) -> Any:
    """For exceptions: what the builtin writes, which asks nobody for the state. Who reads it has run ``__init__`` by then."""
    (maker, args, *rest), stamp = _at_one_version(self, _reduction_of)
    return maker, args, {**((rest[0] if rest else None) or {}), STAMP: stamp}


def _reduction_of(item: Any) -> Any:
    item.__reduce__  # noqa: B018 - through the barrier
    return static_base(type(item)).__reduce__(item)


def _of_attrs(written: Any) -> dict[str, Any]:
    """For what attrs writes for a class with slots: its state is a dict, of which it takes what it knows."""

    def __getstate__(self: Any) -> Any:
        state, stamp = _at_one_version(self, written)
        return {**state, STAMP: stamp}

    def __setstate__(self: Any, state: Any) -> None:
        _give(self, state)

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}


def _of_dataclass(written: Any) -> dict[str, Any]:
    """For what ``@dataclass`` writes for a frozen class with slots: its state is a list, of which it takes the beginning."""

    def __getstate__(self: Any) -> Any:
        (state, names), stamp = _at_one_version(self, lambda item: (written(item), [f.name for f in dataclasses.fields(item)]))
        return [*state, {STAMP: stamp, _NAMES: names}]

    def __setstate__(self: Any, state: Any) -> None:
        *values, last = state if state else [None]
        if type(last) is dict and STAMP in last:
            _give(self, {**dict(zip(last[_NAMES], values, strict=True)), STAMP: last[STAMP]})
            return
        names = [field.name for field in dataclasses.fields(self)]
        if len(state) != len(names):
            raise MigrationError(
                f"a state of {name_of(type(self))} has {len(state)} values without their names, and the class has {len(names)} "
                "fields; read it with the program that wrote it"
            )
        _give(self, dict(zip(names, state, strict=True)))

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}


def _at_one_version(item: Any, write: Callable[[Any], Any]) -> tuple[Any, dict[str, Any]]:
    """What is written of an object, and the stamp that it has: a swap may come in between."""
    while True:
        before = moment()
        stamp = stamp_of(type(item))
        state = write(item)
        if moment() == before:
            return state, stamp


def _give(item: Any, fields: Mapping[str, Any], *, upgrades: bool = True) -> None:
    cls = type(item)
    found: Mapping[str, Any] = fields
    while upgrades:
        before = moment()
        try:
            found = upgrade_state(cls, fields)
        except MigrationError:
            if moment() == before:
                raise
            continue
        item.__setstate__  # noqa: B018 - a swap that has come meanwhile may have listed it: the barrier sees that it needs nothing
        upgrades = moment() != before
    for name, value in found.items():
        held = class_value(cls, name)
        if hasattr(type(held), "__set__") and not is_slot(held) and (own := own_dict(item)) is not None:
            own[name] = value  # a property stands before it
        else:
            object.__setattr__(item, name, value)


#: Who writes the methods for the state of an object, by the module that they are of.
_WRITERS: dict[str, Callable[[Any], dict[str, Any]]] = {"attr._make": _of_attrs, "dataclasses": _of_dataclass}
_METHODS: dict[str, Any] = {"__getstate__": __getstate__, "__setstate__": __setstate__}
_OF_EXCEPTIONS: dict[str, Any] = {"__reduce__": _reduce_exception, "__setstate__": __setstate__}
OWN_CODES.update(
    method.__code__ for methods in (_METHODS, _OF_EXCEPTIONS, _of_attrs(None), _of_dataclass(None)) for method in methods.values()
)  # fmt: skip

#: Builtins with a ``__reduce__`` that asks for ``__getstate__``.
_ASKING = (set, frozenset, deque, OrderedDict, bytearray)


def equipping(cls: type) -> list[Write]:
    """The writes that let a class stamp and upgrade its states; none where it does so, or says itself what its state is."""
    held = [value for base in cls.__mro__ if base is not object for name in _OWN if (value := vars_of(base).get(name))]
    if all(type(value) is MethodDescriptorType for value in held) and (methods := _methods_for(cls, held)):
        return [set_class(cls, name, function) for name, function in methods.items()]
    own = vars_of(cls).get("__getstate__")
    if own is None or any(_writer(value) is None for value in held):
        return []
    return [set_class(cls, name, function) for name, function in _equipped(own).items()]


def _methods_for(cls: type, held: list[Any]) -> dict[str, Any]:
    """The methods for a class that has none of the program's; empty where a builtin says itself what the state is."""
    if issubclass(cls, BaseException):
        return _OF_EXCEPTIONS
    return _METHODS if all(value.__objclass__ in _ASKING for value in held) else {}


def rewritten(name: str, function: Any) -> Any:
    """What stands in a class that stamps its states, where its text or what writes its methods gives another function."""
    return _equipped(function)[name] if _writer(function) is not None else function


def _equipped(written: Any) -> dict[str, Any]:
    writer = _writer(written)
    assert writer is not None, "asked before"
    return writer(written)


def _writer(function: Any) -> Callable[[Any], dict[str, Any]] | None:
    return _WRITERS.get(function.__globals__.get("__name__", "")) if type(function) is FunctionType else None


def equip(migration: Migration) -> None:
    """Let the class of a migration that was just declared stamp and upgrade its states, as soon as it is there."""
    if not _equip(migration.target):
        when_imported(migration.target.partition(":")[0], lambda: _equip(migration.target))


def _equip(target: str) -> bool:
    found = find_target(target)
    if not isinstance(found, type):
        return False
    for write in equipping(found):
        write.do[0](*write.do[1:])
    return True


LISTENERS.append(equip)
