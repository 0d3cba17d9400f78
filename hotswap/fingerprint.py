"""Structural fingerprints of module data: has the program changed a value since it was loaded?

A fingerprint is one integer, made from exact builtin types only: no ``__eq__`` or ``__hash__`` of the program is
ever called, and nothing of the program is kept alive. Objects that cannot be looked into count by identity.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import gc
import logging
import operator
import pathlib
import re
import struct
import traceback
import types
import typing
import uuid
import weakref
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any, cast

import attrs
import wrapt

from hotswap.kinds import PROXY, is_a, vars_of
from hotswap.peek import peek
from hotswap.shadow import coming_slots, hidden_slots, is_slot, value_in

#: A value of more parts than this is not fingerprinted: its state at load time then counts as unknown.
LIMIT = 50_000
#: The same for an object of a library that a decorator of the library made.
OBJECT_LIMIT = 2_000

_ATOMS: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), range, slice}
)
_IMMUTABLE: tuple[type, ...] = (
    # The first that fits gives the text: a datetime is a date too, whose text would lack the time.
    datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo,
    decimal.Decimal, fractions.Fraction, uuid.UUID,
    pathlib.PurePath, re.Pattern, enum.Enum, types.GenericAlias, types.UnionType, types.SimpleNamespace, struct.Struct,
    traceback.FrameSummary,
)  # fmt: skip
#: Bound by name only, so a new one can take its place.
_REBINDABLE: tuple[type, ...] = (logging.Logger, typing.TypeVar, typing.ParamSpec, typing.NewType)
LRU: type = type(functools.lru_cache(lambda: None))
#: What ``functools`` notes in a wrapper's dict.
OF_WRAPPERS = frozenset({*functools.WRAPPER_ASSIGNMENTS, "__type_params__", "__wrapped__", "cache_parameters"})
CONTAINERS: tuple[type, ...] = (dict, list, set, deque, bytearray, array)
_CALLABLES: tuple[type, ...] = (
    FunctionType, types.BuiltinFunctionType, type(re.compile("").sub),
    types.MethodType, types.MethodWrapperType, types.WrapperDescriptorType,
    types.MethodDescriptorType, types.ClassMethodDescriptorType, functools.partial, functools.partialmethod,
    LRU, staticmethod, classmethod, property, functools.cached_property,
    functools.singledispatchmethod, operator.itemgetter, operator.attrgetter, operator.methodcaller,
    wrapt.FunctionWrapper, wrapt.BoundFunctionWrapper,
)  # fmt: skip


#: Functions of modules and bound methods; a builtin method that knows its class has a type of its own.
BOUND_BY_C = frozenset({types.BuiltinFunctionType, type(re.compile("").sub), types.MethodWrapperType})
#: Callables that are nothing but what they were made with.
_OPERATORS = frozenset({operator.itemgetter, operator.attrgetter, operator.methodcaller})


@attrs.frozen(slots=True)
class Print:
    """What a value was when its module had been loaded.

    Attributes:
        whole: one number for all of it; None when it was too large.
        parts: by number of the key (dict, instance), element (set) or place (list): number of the value.
        inner: of an object, the prints of the containers among its attributes, by number of the name; of a dict, those of
            the objects in it, by number of the key.
        origin: for a function, a number of its file and qualified name: which definition made it.
        opaque: True when there is something in it that cannot be looked into.
        state: for an object of a library around a function of the program, a number for each of its attributes; None
            where there is something in it that cannot be looked into.
    """

    whole: int | None
    parts: dict[int, int] | None = None
    opaque: bool = False
    origin: int = 0
    inner: Mapping[int, Print] = attrs.Factory(dict)
    state: dict[str, int] | None = None

    def same(self, other: Print) -> bool:
        return self.whole is not None and self.whole == other.whole


#: Of a larger table each object counts as a whole.
_MOST_INNER = 500


@attrs.define(eq=False)
class Managed:
    """Says which classes are managed, and which objects are a name's own.

    A container or an object that a managed module binds to a name counts as that name wherever else it is met: what
    happens to it is told there, and is no change of the tuple or the class that refers to it.

    Attributes:
        modules: by name, with the module itself in ``module``.
        is_data: True for an object that cannot be looked into, and that a plugin knows to be data: another one does for it.
    """

    modules: Mapping[str, Any]
    is_data: Callable[[Any], bool] = lambda value: False
    _homes: dict[int, tuple[str, str]] = attrs.Factory(dict)
    _aside: dict[int, str] = attrs.Factory(dict)

    def __call__(self, cls: type) -> bool:
        return cls.__module__ in self.modules

    def note(self, name: str, namespace: Mapping[str, Any], *, anew: bool = False) -> None:
        """Note what a module binds; what has a name already keeps it, unless it is noted anew."""
        for key, value in list(namespace.items()):
            if not key.startswith("__") and self.is_object(value) and (anew or not self.home_of(value)):
                self._homes[id(value)] = (name, key)

    def is_object(self, value: Any) -> bool:
        """True for what has an identity and contents: a container, an object of a managed class."""
        return is_a(value, CONTAINERS) or (self(type(value)) and not is_a(value, (type, enum.Enum)))

    def home_of(self, value: Any) -> str:
        """The name that an object belongs to, with its module; empty for none."""
        module, name = self._homes.get(id(value), ("", ""))
        if module not in self.modules or self.modules[module].module.__dict__.get(name) is not value:
            return self._aside.get(id(value), "")  # the id may be another object's by now
        return f"{module}.{name}"

    @contextmanager
    def standing_in(self, spaces: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
        """Let what stands under a name in a copy of a module belong to that name, where the live object does.

        Args:
            spaces: the copies, which stay as they are meanwhile, by the names of the modules.
        """
        for module, space in spaces.items():
            live = self.modules[module].module.__dict__
            for key, value in space.items():
                if self.is_object(value) and (home := f"{module}.{key}") == self.home_of(live.get(key)):
                    self._aside.setdefault(id(value), home)
        try:
            yield
        finally:
            self._aside.clear()


def home_of(value: Any, is_managed: Callable[[type], bool]) -> str:
    return is_managed.home_of(value) if isinstance(is_managed, Managed) else ""


class _TooLarge(Exception):
    pass


class _Printer:
    def __init__(self, is_managed: Callable[[type], bool], own: str = "", *, libraries: bool = False) -> None:
        self.is_managed = is_managed
        self.own = own
        self.libraries = libraries  # look into objects of any class that is plain state
        self.left = OBJECT_LIMIT if libraries else LIMIT
        self.opaque = False
        self.inside: set[int] = set()

    def number(self, value: Any) -> int:
        kind = type(value)
        if kind in _ATOMS:
            return hash((kind.__name__, _text_of(kind, value)))
        if (home := home_of(value, self.is_managed)) and home != self.own:
            return hash(("home", home))
        self.left -= 1
        if self.left < 0:
            raise _TooLarge
        if id(value) in self.inside:
            return hash(("circle", kind.__name__))
        self.inside.add(id(value))
        try:
            return self._compound(kind, value)
        finally:
            self.inside.discard(id(value))

    def _compound(self, kind: type, value: Any) -> int:
        if is_a(value, (list, tuple, deque)) and _is_plain(kind):
            self.left -= len(value)
            return hash((kind.__name__, tuple([self.number(item) for item in value]), self._attributes(kind, value)))
        if is_a(value, dict) and _is_plain(kind):
            self.left -= len(value)
            return hash(
                (
                    kind.__name__,
                    tuple([(self.number(k), self.number(v)) for k, v in dict.items(value)]),
                    self._attributes(kind, value),
                )
            )
        if is_a(value, (set, frozenset)) and _is_plain(kind):
            self.left -= len(value)
            return hash((kind.__name__, tuple(sorted([self.number(item) for item in value]))))
        if is_a(value, bytearray):
            return hash(("bytearray", bytes(value)))
        if is_a(value, array):
            return hash(("array", value.typecode, value.tobytes()))
        if is_a(value, types.SimpleNamespace):
            return hash(("namespace", tuple([(k, self.number(v)) for k, v in vars(value).items()])))
        if is_a(value, functools.partial):
            return hash(("partial", id(value.func), self.number(value.args), self.number(value.keywords)))
        if is_a(value, enum.Enum):
            return hash((kind.__qualname__, value.name))
        if is_a(value, struct.Struct):
            return hash(("Struct", value.format))
        if is_a(value, re.Pattern):
            return hash(("Pattern", self.number(value.pattern), value.flags))
        if (known := next((t for t in _IMMUTABLE if issubclass(kind, t)), None)) is not None:
            # The text that the library's own class gives, not a subclass of the program's.
            text = cast(Callable[[Any], str], known.__repr__)
            return hash((kind.__qualname__, text(value), self._attributes(kind, value)))
        if type(value) is FunctionType and value.__closure__ and "<locals>" in value.__qualname__:
            # Made by a call: another run of the same call makes an equal one.
            return hash(("closure", value.__code__.co_filename, value.__qualname__, tuple(map(self._cell, value.__closure__))))
        if is_a(value, types.MethodType):
            return hash(("method", id(value.__func__), id(value.__self__)))
        if kind in BOUND_BY_C:
            return hash(("method of C", value.__name__, id(value.__self__)))
        if kind in _OPERATORS:
            return hash((kind.__name__, self.number(value.__reduce__())))
        if is_a(value, (type, types.ModuleType, *_CALLABLES, *_REBINDABLE)):
            return hash((kind.__name__, id(value)))
        if is_a(value, _WEAK):
            return hash((kind.__name__, _weak_contents(value, self.number)))
        if self.is_managed(kind) or (self.libraries and has_plain_state(kind)):
            return hash((kind.__qualname__, self._content(value), self._attributes(kind, value)))
        self.opaque = self.opaque or not (isinstance(self.is_managed, Managed) and self.is_managed.is_data(value))
        return hash((kind.__qualname__, id(value)))

    def _content(self, value: Any) -> int:
        """What an object of a program's class is as a builtin: the text of a string, the items of a list."""
        kind = builtin_kind(value)
        if kind is None:
            return 0
        if kind in _ATOMS:
            return hash((kind.__name__, _text_of(kind, value)))
        if kind is BaseException:
            return self.number(BaseException.args.__get__(value))  # type: ignore[attr-defined]  # a descriptor
        if kind is dict:
            return hash(tuple([(self.number(k), self.number(v)) for k, v in dict.items(value)]))
        numbers = [self.number(item) for item in kind.__iter__(value)]  # type: ignore[attr-defined]  # a container
        return hash(tuple(sorted(numbers) if kind in (set, frozenset) else numbers))

    def _cell(self, cell: types.CellType) -> int:
        try:
            return self.number(cell.cell_contents)
        except ValueError:
            return 0

    def _attributes(self, kind: type, value: Any) -> int:
        """The state of an instance, read past any code of its class."""
        if kind in (list, tuple, dict):
            return 0
        found = [(name, self.number(getter(value))) for base, name, getter in _SETTINGS if issubclass(kind, base)]
        state = peek(value)
        if state:
            found += [(name, self.number(item)) for name, item in state.items()]
        for name, item in slot_values(kind, value):
            found.append((name, self.number(item)))
        return hash(tuple(found))


def _text_of(kind: type, value: Any) -> object:
    """A text or number that differs where values of an exact builtin type differ: -1 and -2 have one hash."""
    if kind is int or kind is bool:
        return int.__format__(value, "x")
    return kind.__repr__(value) if kind in (float, complex, range, slice) else value


_BUILTINS = (str, bytes, int, float, complex, list, tuple, dict, set, frozenset, deque, bytearray, array, BaseException)


def builtin_kind(value: Any) -> type | None:
    """The builtin type whose contents an object has besides its attributes; None for a plain object."""
    return next((kind for kind in _BUILTINS if is_a(value, kind)), None)


def has_contents(value: Any) -> bool:
    """True for an object that is more than its attributes, so that it cannot be made equal to another one by them."""
    return builtin_kind(value) is not None or is_a(value, _IMMUTABLE)


#: Filled by the program, never by their initialiser: an empty one is what a fresh start gives.
_WEAK: tuple[type, ...] = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)


def _weak_contents(value: Any, number: Callable[[Any], int]) -> tuple[int, ...]:
    data = value.__dict__["data"]
    if is_a(data, dict):
        return tuple(sorted([hash((_part(k, number), _part(v, number))) for k, v in data.items()]))
    return tuple(sorted([_part(item, number) for item in data]))


def _part(value: Any, number: Callable[[Any], int]) -> int:
    return id(value()) if is_a(value, weakref.ref) else number(value)


def has_plain_state(kind: type) -> bool:
    """True for a class of which all instances are a dict and slots, with nothing else in them that C code knows."""
    size, word = object.__basicsize__, struct.calcsize("P")
    for cls in kind.__mro__[:-1]:
        members = sum(type(item) is types.MemberDescriptorType for item in vars_of(cls).values())
        if not cls.__flags__ & (1 << 9) or (members and "__slots__" not in vars_of(cls)):  # made by C code, as partial is
            return False
        size += word * members
    size += word * sum(type(item) is types.MemberDescriptorType for item in hidden_slots(kind).values())
    return kind.__basicsize__ == size + word * ((kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0))


def is_of_library(value: Any, is_managed: Callable[[type], bool]) -> bool:
    """True for an object of a class of a library, written in Python, that is plain state."""
    kind = type(value)
    if kind.__flags__ & (1 << 9) == 0 or is_managed(kind) or is_a(value, (type, PROXY, *_REBINDABLE, *_IMMUTABLE)):
        return False
    return has_plain_state(kind)


def is_made_of_state(value: Any, is_managed: Callable[[type], bool]) -> bool:
    """True for such an object that holds a function of the program: a decorator has made it."""
    return is_of_library(value, is_managed) and any(_leads_to_function(item, is_managed) for item in _direct(value))


def _direct(value: Any) -> list[Any]:
    """What an object holds in its dict and slots. The collector is asked: reading ``__dict__`` would make one."""
    found = gc.get_referents(value)
    return found + [item for held in found if type(held) is dict for item in held.values()]


def _leads_to_function(value: Any, is_managed: Callable[[Any], bool]) -> bool:
    inner = [value, *_direct(value)] if has_plain_state(type(value)) else [value]  # one wrapper may hold another
    return any(type(item) is FunctionType and is_managed(item) for item in inner)


def numbers_of_state(value: Any, is_managed: Callable[[type], bool]) -> dict[str, int] | None:
    """What an object of a library is made of, by attribute; None where there is something opaque in it."""
    printer = _Printer(is_managed, libraries=True)
    parts = [*(peek(value) or {}).items(), *slot_values(type(value), value)]
    try:
        found = {name: printer.number(item) for name, item in parts}
    except (_TooLarge, RecursionError, RuntimeError):
        return None
    return None if printer.opaque else found


def is_untouched(now: dict[str, int] | None, base: dict[str, int] | None) -> bool:
    """True for an object of a library that the program has not changed since.

    A private attribute that was None or missing is one that the object fills by itself when it is first used.
    """
    if now is None or base is None:
        return False
    nothing = hash(("NoneType", None))
    return all(
        now.get(name) == base.get(name) or (name.startswith("_") and base.get(name, nothing) == nothing)
        for name in now.keys() | base.keys()
    )


def gives_the_same(new: Any, base: Print | None, is_managed: Callable[[type], bool]) -> bool:
    """True for a value, just made, that is what the one before was when it was made."""
    if base is None:
        return False
    then = fingerprint(new, is_managed, in_class=base.state is not None)
    return (then.same(base) and not then.opaque) or (base.state is not None and then.state == base.state)


def number_of_parts(value: Any, is_managed: Callable[[type], bool]) -> int | None:
    """One number for a value, objects of libraries in it looked into; None where there is something opaque in it."""
    printer = _Printer(is_managed, libraries=True)
    try:
        found = printer.number(value)
    except (_TooLarge, RecursionError, RuntimeError):
        return None
    return None if printer.opaque else found


def _is_plain(kind: type) -> bool:
    """True for builtin containers and subclasses that do not change how they are iterated."""
    return kind.__iter__ in _PLAIN_ITERS  # type: ignore[attr-defined]


#: What containers have besides their contents.
_SETTINGS: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
    (defaultdict, "default_factory", vars(defaultdict)["default_factory"].__get__),
    (deque, "maxlen", vars(deque)["maxlen"].__get__),
)
_PLAIN_ITERS = frozenset(t.__iter__ for t in (list, tuple, dict, set, frozenset, deque)) | {
    __import__("collections").OrderedDict.__iter__
}


_NO_VALUE: Any = object()


def slot_values(kind: type, value: Any) -> list[tuple[str, Any]]:
    """Filled slots of an instance, by name, read through the slot descriptors."""
    found = []
    for cls in kind.__mro__:
        for name, item in vars_of(cls).items():
            if is_slot(item) and item.__objclass__ is cls and cls.__flags__ & (1 << 9):
                try:
                    found.append((name, item.__get__(value, kind)))
                except AttributeError:
                    continue
    coming = [(name, value_in(slot, value, _NO_VALUE)) for name, slot in coming_slots(kind).items()]
    return found + [(name, item) for name, item in coming if item is not _NO_VALUE]


def fields_of(value: Any) -> dict[str, Any] | None:
    """The attributes of an object, slots included, by name; None where it has neither a dict nor a filled slot."""
    state, slots = peek(value), slot_values(type(value), value)
    return None if state is None and not slots else {**(state or {}), **dict(slots)}


def fingerprint(
    value: Any, is_managed: Callable[[type], bool], own: str | None = None, *, in_class: bool = False, is_inner: bool = False
) -> Print:
    """Fingerprint a value of module data.

    Args:
        value: any object.
        is_managed: True for classes whose module is managed: their instances are looked into.
        own: the name, with its module, for which it is done; without one the value is looked into whatever name it has.
        in_class: True for a value in a class, whose statement makes all of them again when one changes.
        is_inner: True for an object of a table, which is looked into no further.
    """
    home = home_of(value, is_managed)
    printer = _Printer(is_managed, home if own is None else own)
    try:
        whole = printer.number(value)
        origin = hash((value.__code__.co_filename, value.__qualname__)) if type(value) is FunctionType else 0
        parts = _parts(value, printer) if home in ("", printer.own) else None
        inner = _inner(value, printer) if parts is not None and not is_inner else {}
        looks = is_made_of_state(value, is_managed) or (in_class and is_of_library(value, is_managed))
        state = numbers_of_state(value, is_managed) if looks else None
        return Print(whole, parts, printer.opaque, origin, inner, state)
    except (_TooLarge, RecursionError):
        return Print(None, None, True)
    except RuntimeError:  # changed by another thread while it was read
        return Print(None, None, printer.opaque)


def _parts(value: Any, printer: _Printer) -> dict[int, int] | None:
    printer.left = LIMIT
    if is_a(value, dict):
        return {printer.number(k): printer.number(v) for k, v in dict.items(value)}
    if is_a(value, (list, deque)):
        return {index: printer.number(item) for index, item in enumerate(value)}
    if is_a(value, set):
        return {printer.number(item): 0 for item in value}
    if printer.is_managed(type(value)) and (state := fields_of(value)) is not None:
        return {hash(("str", k)): printer.number(v) for k, v in state.items()}
    return None


def _inner(value: Any, printer: _Printer) -> dict[int, Print]:
    """What in a value can be merged by its own parts: the containers of an object, the objects of a table."""
    is_managed = printer.is_managed
    if is_managed(type(value)):
        state = fields_of(value) or {}
        return {hash(("str", k)): fingerprint(v, is_managed, "") for k, v in state.items() if is_a(v, CONTAINERS)}
    if type(value) is not dict or len(value) > _MOST_INNER:
        return {}
    objects = [(key, item) for key, item in value.items() if is_managed(type(item)) and not is_a(item, type)]
    return {printer.number(key): fingerprint(item, is_managed, "", is_inner=True) for key, item in objects}


def number_of(value: Any, is_managed: Callable[[type], bool]) -> int | None:
    try:
        return _Printer(is_managed).number(value)
    except (_TooLarge, RecursionError, RuntimeError):
        return None


def function_data(value: Any, *, atoms: bool = False) -> dict[str, Any]:
    """What a function or a cache carries beside its code: attributes as ``.name``, defaults as ``(parameter)``.

    Args:
        atoms: with defaults that are plain constants.
    """
    if type(value) not in (FunctionType, LRU):
        return {}
    found = {f".{key}": item for key, item in value.__dict__.items() if key not in OF_WRAPPERS}
    if type(value) is FunctionType:
        names = value.__code__.co_varnames[: value.__code__.co_argcount]
        defaults = dict(zip(reversed(names), reversed(value.__defaults__ or ()), strict=False)) | (value.__kwdefaults__ or {})
        found |= {f"({name})": item for name, item in defaults.items() if atoms or type(item) not in _ATOMS}
    return found


def same_value(one: Any, other: Any) -> bool:
    """True for two values that a program cannot tell apart but by identity: ``1``, ``True`` and ``1.0`` are three.

    No ``__eq__`` is called, so objects of classes are the same only where they are one object.
    """
    if one is other:
        return True
    number = number_of(one, lambda kind: False)
    return number is not None and number == number_of(other, lambda kind: False)


def kind_of_value(value: Any, is_managed: Callable[[type], bool]) -> str:
    """One word for what a name is bound to, as the plan stage wants it.

    ``data`` has contents that can be compared and replaced, ``holder`` is a container with something opaque in it,
    ``shared`` is found by a name of its own: it can be bound to instead of another, and what is done to it lasts,
    ``function`` is any callable that references can be led on from.
    """
    if is_a(value, types.ModuleType):
        return "module"
    if is_a(value, type):
        return "class"
    if is_a(value, _CALLABLES) or getattr(type(value), "__hotswap_handle__", False):
        return "function"
    if is_a(value, logging.Logger):
        return "shared"
    if is_a(value, _REBINDABLE) or type(value).__module__ in ("typing", "typing_extensions"):
        return "data"
    if is_a(value, (*CONTAINERS, tuple, frozenset)):
        return "holder" if fingerprint(value, is_managed).opaque else "data"
    if type(value) in _ATOMS or is_a(value, _IMMUTABLE):
        return "data"
    if is_managed(type(value)) and not fingerprint(value, is_managed).opaque:
        return "instance"
    return "opaque"
