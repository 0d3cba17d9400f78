"""A slot that a class gained while it had objects: CPython cannot make these larger, so the values are kept beside them.

    values     by id of the object: a weak reference to it, and the value; the reference takes the entry out when the object
               dies, before its id can be given again, so no new object inherits a dead one's value
    without    objects that cannot be referred to weakly (``@dataclass(slots=True)``): their class gets a ``__del__`` that does
               the same; a class that has one of its own is refused, as that may let an object live on
    written    also inside of a commit: each write is a call of functions in C

It stands in the class as the slot would, until the next start of the program. A read takes some 100 ns more than one of a
slot. Accepted: a value that leads back to its own object keeps both alive; an object that the collector finds in a cycle
has lost the value when its ``__del__`` runs. One without weak references that another object's ``__del__`` brings back to life
has lost it, too, and takes no new one.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from itertools import repeat
from types import MemberDescriptorType
from typing import Any, TypeGuard

from hotswap.kinds import OWN_CODES, vars_of

#: A function implemented in C and its arguments.
_Call = tuple[Any, ...]
_HEAP_TYPE = 1 << 9


#: The values of all slots whose objects have no weak references, by id; each goes with its slot.
_TABLES: dict[int, dict[int, tuple[Any, Any]]] = {}


def __del__(self: Any) -> None:
    key = id(self)
    for values in list(_TABLES.values()):  # a copy, made in one call: a slot may come or go meanwhile
        values.pop(key, None)


#: What takes the values of an object out when it dies, as the ``__del__`` of its class.
FINALIZER = __del__
OWN_CODES.add(__del__.__code__)


def can_forget(cls: type) -> bool:
    """True where it is known when an object of a class dies, so that what is kept by its id goes in time."""
    return bool(cls.__weakrefoffset__) or getattr(cls, "__del__", None) is FINALIZER


class Shadow:
    """A data descriptor in the place of a slot.

    Attributes:
        values: by id of the object: a reference to it, where there can be one, and the value.
    """

    __slots__ = ("__name__", "__objclass__", "__weakref__", "_has_refs", "_ids", "forget", "values")

    def __init__(self, cls: type, name: str) -> None:
        self.__objclass__, self.__name__ = cls, name
        self.values: dict[int, tuple[Any, Any]] = {}
        self._ids: dict[int, int] = {}  # of objects, by the id of the reference
        self._has_refs = bool(cls.__weakrefoffset__)
        if not self._has_refs:
            _TABLES[id(self.values)] = self.values
            weakref.finalize(self, _TABLES.pop, id(self.values), None).atexit = False
        values, ids = self.values, self._ids

        def forget(ref: Any) -> None:
            values.pop(ids.pop(id(ref), 0), None)

        self.forget = forget

    def __repr__(self) -> str:
        return f"<slot {self.__name__!r} kept beside {self.__objclass__.__qualname__!r} objects>"

    def __get__(self, item: Any, owner: type | None = None) -> Any:
        if item is None:
            return self
        try:
            return self.values[id(item)][1]
        except KeyError:
            raise AttributeError(f"{type(item).__name__!r} object has no attribute {self.__name__!r}") from None

    def __set__(self, item: Any, value: Any) -> None:
        known = self.values.get(id(item))
        if known is not None:
            self.values[id(item)] = (known[0], value)
        else:
            for function, *arguments in self.storing(item, value):
                function(*arguments)

    def __delete__(self, item: Any) -> None:
        try:
            ref, _ = self.values.pop(id(item))
        except KeyError:
            raise AttributeError(self.__name__) from None
        self._ids.pop(id(ref), None)

    def look(self, item: Any, default: Any) -> Any:
        """The value of an object, or the default."""
        found = self.values.get(id(item))
        return default if found is None else found[1]

    def storing(self, item: Any, value: Any) -> list[_Call]:
        """Calls in C that give an object a value."""
        known = self.values.get(id(item))
        if not self._has_refs:
            if known is None and (gc.is_finalized(item) or not (can_forget(type(item)) or self._is_coming(type(item)))):
                raise AttributeError(f"{self!r} cannot be set: it could not be known when the object dies")
            return [(self.values.__setitem__, id(item), (None, value))]
        ref = weakref.ref(item, self.forget) if known is None else known[0]
        return [(self._ids.__setitem__, id(ref), id(item)), (self.values.__setitem__, id(item), (ref, value))]

    def _is_coming(self, cls: type) -> bool:
        """True while a swap is linked that gives the class this slot, and its ``__del__`` with it. Who has made the object holds
        it until the commit is over, as nothing takes its entry out before; given up, the slot itself goes."""
        return any(slot is self for slot in coming_slots(cls).values())

    def emptying(self, item: Any) -> _Call:
        """A call in C that takes an object's value away."""
        return (self.values.pop, id(item), None)

    def storing_all(self, items: list[Any], values: Iterable[Any]) -> list[_Call]:
        """Calls in C that give objects values; the list may be filled by calls before these."""
        if not self._has_refs:
            pairs = zip(repeat(None), values, strict=False)  # both are endless
            return [(self.values.update, zip(map(id, items), pairs, strict=False))]
        refs: list[Any] = []
        return [
            (refs.extend, map(weakref.ref, items, repeat(self.forget))),
            (self._ids.update, zip(map(id, refs), map(id, items), strict=True)),
            (self.values.update, zip(map(id, items), zip(refs, values, strict=False), strict=True)),
            (refs.clear,),
        ]

    def clearing(self) -> list[_Call]:
        """Calls in C that take the values of all objects away."""
        return [(self.values.clear,), (self._ids.clear,)]


#: Slots that a class does not have any more, while its objects have their values still; by name.
_SPARE: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()


def spare_slots(cls: type) -> dict[str, Any]:
    """The slots that were taken from a class and that its objects still have, by name; to be written to by a commit."""
    return _SPARE.setdefault(cls, {})


def forget_spare(cls: type) -> bool:
    """Drop the table of a class that has lost no slot; False where it has."""
    if _SPARE.get(cls):
        return False
    _SPARE.pop(cls, None)
    return True


def hidden_slots(cls: type) -> dict[str, Any]:
    """The same along the row of a class."""
    found: dict[str, Any] = {}
    for base in cls.__mro__ if _SPARE else ():
        for name, slot in _SPARE.get(base, {}).items():
            found.setdefault(name, slot)
    return found


#: Slots that classes get with the swap that is linked just now, by id of the class and by name. Objects that it makes
#: aside have values there already.
_COMING: dict[int, dict[str, Any]] = {}


def announce(cls: type, names: Iterable[str]) -> None:
    """A class will have further slots when the swap is committed that is linked just now. One that it had is the same again,
    with the values that objects have there still, as the attributes of other objects stay."""
    spare = spare_slots(cls)
    _COMING[id(cls)] = {name: spare.get(name) or Shadow(cls, name) for name in names}


def forget_coming() -> None:
    """The swap has been committed, or given up."""
    _COMING.clear()


def coming_slots(cls: type) -> dict[str, Any]:
    """The slots that a class and its bases will have, by name."""
    found: dict[str, Any] = {}
    for base in cls.__mro__ if _COMING else ():
        for name, slot in _COMING.get(id(base), {}).items():
            found.setdefault(name, slot)
    return found


def value_in(slot: Any, item: Any, default: Any) -> Any:
    """The value of an object in a slot of its class or of a class that it had, or the default."""
    try:
        return slot.__get__(item, type(item))
    except AttributeError:
        return default


def is_slot(value: object) -> TypeGuard[Any]:
    """True for a slot of a class, also for one that is kept beside."""
    return issubclass(type(value), (MemberDescriptorType, Shadow))


def shadows_of(cls: type) -> dict[str, Shadow]:
    """The slots of a class and its bases that are kept beside, by name."""
    found: dict[str, Shadow] = {}
    for base in cls.__mro__:
        if base.__flags__ & _HEAP_TYPE:
            for name, value in list(vars_of(base).items()):
                if type(value) is Shadow:
                    found.setdefault(name, value)
    return found
