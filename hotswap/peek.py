"""The attributes of an object, read past all code of the program and without bringing its dict into being.

CPython keeps the values of an object inside of the object until somebody asks for its ``__dict__``. On 3.11 and 3.12 they
move out then, for good: the object takes more memory, and each read of an attribute several times as long. On 3.13 the
dict itself stays. So the names that a class is known to set are read one by one, and the collector, which visits what is
inside of an object, tells whether these were all. Where that does not come out even, the dict is asked for after all.

A value that the class has under the same name may be the class's and not the object's: then the dict is asked for, too.
Fields of dataclasses are an exception, whose ``__init__`` has set them; not those that the class got later. (Where somebody
deletes one, and sets another attribute that nobody knows to the very object that is the default of the first, that is taken
for the first.)
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Collection, Iterable
from operator import is_
from types import FunctionType, MemberDescriptorType
from typing import Any

from hotswap.kinds import PROXY, is_a, vars_of

_HEAP_TYPE = 1 << 9
_NONE: Any = object()
_MOST = 8  # so many rows of names are remembered for a class


class Reader:
    """Reads objects of exactly one class.

    Attributes:
        get: reads an attribute past the class's own ``__getattribute__``.
        slots: names of the slots that the class and its bases define.
        has_dict: objects can have further attributes.
    """

    __slots__ = ("_fields", "_further", "_known", "_stored", "cls", "get", "has_dict", "slots")

    def __init__(self, cls: type, names: Iterable[str] = (), sure: Collection[str] | None = None) -> None:
        """Take a class, further names that its objects may have, and those that it had whenever they were made; None for all."""
        self.cls = cls
        self.get = static_base(cls).__getattribute__
        self.has_dict = bool(cls.__dictoffset__)
        self.slots = frozenset(
            name for base in cls.__mro__ if base.__flags__ & _HEAP_TYPE
            for name, item in dict(vars_of(base)).items() if is_a(item, MemberDescriptorType)
        )  # fmt: skip
        # Names in the order in which the collector visits their values, and what the class has under them; the newest first.
        self._known: list[tuple[tuple[str, ...], list[tuple[str, Any]]]] = []
        fields = frozenset(getattr(cls, "__dataclass_fields__", ()))
        self._fields = fields if sure is None else fields.intersection(sure)
        self._stored: tuple[str, ...] | None = None
        self._further = tuple(names)

    def read(self, item: Any, make: Callable[[], dict[str, Any]] = dict) -> dict[str, Any] | None:
        """The attributes of an object; None where only the object's own dict can tell.

        Args:
            make: gives the empty dict to fill.
        """
        get = self.get
        inside = gc.get_referents(item)
        count = len(inside) - 1  # its class is among them
        for names, unsure in self._known:
            if len(names) == count:
                found = make()
                try:
                    for name in names:
                        found[name] = get(item, name)
                except AttributeError:
                    continue
                # One by one: a value that the class gives is not inside of the object, nor is what stands in a dict of its
                # own. One that the class has and that is inside cannot be told from another one.
                if all(map(is_, found.values(), inside)) and not (unsure and any(found[n] is value for n, value in unsure)):
                    return found
        if count == 0:
            return make()
        ids = set(map(id, inside))
        found = make()
        for name in self.candidates():
            try:
                value = get(item, name)
            except AttributeError:
                continue
            if id(value) in ids and self._default(name) is not value:
                found[name] = value
        if sorted([id(type(item)), *map(id, found.values())]) != sorted(map(id, inside)):
            return None
        places = [id(value) for value in inside]
        self.learn(sorted(found, key=lambda name: places.index(id(found[name]))))
        return found

    def compile(self, make: Callable[[], dict[str, Any]]) -> Callable[[Any], dict[str, Any] | None] | None:
        """A function that does the same as :meth:`read` for objects with the names that were learned last, in half of the time;
        for others it gives None. None where nothing was learned."""
        if (reading := self.reading("return None")) is None:
            return None
        names, lines, space = reading
        text = ["def read(item):", *(f" {line}" for line in lines), " found = make()"]
        text += [*(f" found[{name!r}] = v{at}" for at, name in enumerate(names)), " return found"]
        space["make"] = make
        exec(compile("\n".join(text), f"{__file__}:{self.cls.__qualname__}", "exec"), space)
        found: Callable[[Any], dict[str, Any] | None] = space["read"]
        return found

    def reading(self, otherwise: str) -> tuple[tuple[str, ...], list[str], dict[str, Any]] | None:
        """The names that were learned last; statements that bind their values in ``item`` to v0, v1, ...; what these need.

        Args:
            otherwise: a statement for an object that has other names.
        """
        if not self._known:
            return None
        names, unsure = self._known[0]
        same = [f"v{at} is inside[{at}]" for at in range(len(names))]
        same += [f"v{names.index(name)} is not d{at}" for at, (name, _) in enumerate(unsure)]
        lines = [
            "inside = referents(item)",
            f"if len(inside) != {len(names) + 1}: {otherwise}",
            "try:",
            *(f" v{at} = get(item, {name!r})" for at, name in enumerate(names)),
            " pass",
            f"except AttributeError: {otherwise}",
            f"if not ({' and '.join(same) or True}): {otherwise}",
        ]
        space = {"referents": gc.get_referents, "get": self.get} | {f"d{at}": value for at, (_, value) in enumerate(unsure)}
        return names, lines, space

    def learn(self, names: Iterable[str]) -> None:
        """Remember the names that an object has."""
        row = tuple(names)
        if len(self._known) < _MOST and all(map(self._is_plain, row)) and all(known[0] != row for known in self._known):
            unsure = [(name, default) for name in row if (default := self._default(name)) is not _NONE]
            self._known.insert(0, (row, unsure))

    def _default(self, name: str) -> Any:
        """What the class gives where an object lacks an attribute."""
        return _NONE if name in self.slots or name in self._fields else class_value(self.cls, name, _NONE)

    def _is_plain(self, name: Any) -> bool:
        """True for a name whose reading runs no code."""
        if type(name) is not str:
            return False
        held = class_value(self.cls, name)
        return name in self.slots or not hasattr(type(held), "__get__") or type(held) is FunctionType

    def candidates(self) -> tuple[str, ...]:
        """Names that functions of the class mention, and that are annotated in it."""
        if self._stored is None:
            names = dict.fromkeys([*sorted(self.slots), *self._further])
            for base in reversed(self.cls.__mro__):
                if base.__flags__ & _HEAP_TYPE:
                    for value in list(vars_of(base).values()):
                        if type(value) is FunctionType:
                            names.update(dict.fromkeys(value.__code__.co_names))
                    held = vars_of(base).get("__annotations__")
                    names.update(dict.fromkeys(held) if type(held) is dict else {})
            self._stored = tuple(filter(self._is_plain, names))
        return self._stored


_readers: weakref.WeakKeyDictionary[type, Reader] = weakref.WeakKeyDictionary()


def static_base(cls: type) -> Any:
    """The nearest class that is written in C: its functions, and no others, may be called on objects of the class."""
    return next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)


def class_value(cls: type, name: str, default: Any = None) -> Any:
    """What stands in a class or its bases under a name, not asking it."""
    return next((held[name] for base in cls.__mro__ if name in (held := vars_of(base))), default)


def reader_of(cls: type) -> Reader:
    """The reader of a class; what it has learned is kept as long as the class lives."""
    try:
        return _readers[cls]
    except (KeyError, TypeError):
        reader = Reader(cls)
    try:
        _readers[cls] = reader
    except TypeError:  # a metaclass whose classes cannot be hashed
        pass
    return reader


def forget_readers() -> None:
    """Classes change in place with a commit: what was known of them may be wrong."""
    _readers.clear()


def peek(item: Any) -> dict[str, Any] | None:
    """The attributes of an object, without its slots, by name in alphabetical order; None where it has none, or is a proxy.

    The order in which they were set is not known where there is no dict.
    """
    cls = type(item)
    if issubclass(cls, PROXY) or not cls.__dictoffset__:
        return None
    reader = reader_of(cls)
    found = reader.read(item)
    if found is None:
        found = own_dict(item)
        if found is None:
            return None
        reader.learn(found)
    names = [name for name in found if name not in reader.slots]
    if len(names) > 1:
        names.sort(key=str)
    return {name: found[name] for name in names}


def own_dict(item: Any) -> dict[str, Any] | None:
    """The object's dict itself, not asking ``__getattribute__``; None where there is none, or that of what a proxy wraps."""
    if is_a(item, PROXY):
        return None
    try:
        found = object.__getattribute__(item, "__dict__")
    except AttributeError:
        return None
    return found if is_a(found, dict) else None
