"""The state of one object: read past all code of the program, changed as a private copy, published in one instant.

Nothing here touches ``__dict__`` where it can be helped. CPython keeps the values of an object inside of the object
until somebody asks for its dict; on 3.11 and 3.12 they move out then, for good, and each read takes several times as long.
So the names that a class is known to have are read one by one, and the collector tells whether these were all.

    the object's dict does not exist and the names are all of them    values, by name
    else                                                              its dict, in place: who holds it sees the new state
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import GetSetDescriptorType
from typing import Any, cast

from hotswap.commit import MISSING, Call
from hotswap.convert.copies import ATOMS, are_plain
from hotswap.fingerprint import slot_values
from hotswap.kinds import is_a, is_own
from hotswap.peek import Reader, class_value, own_dict, static_base
from hotswap.shadow import Shadow, hidden_slots, shadows_of, value_in


class State(dict[str, Any]):
    """The fields of an object, by name; ``state.total`` and ``state["total"]`` are the same.

    A field that has the name of a method of dict is only reached by ``state["items"]``.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the state has no field {name!r}; it has {', '.join(map(repr, self)) or 'none'}") from None

    __setattr__ = dict.__setitem__

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"the state has no field {name!r}") from None


class PlaceError(Exception):
    """A state has what an object of the class cannot have."""


class Layout:
    """How the state of objects of one class is read and written."""

    def __init__(
        self, cls: type, names: Iterable[str], hidden: Iterable[str] = (), sure: Collection[str] | None = None
    ) -> None:  # fmt: skip
        """Take a class as it is now, the names that it knew before, those of them that may stand in slots that it lost, and
        those that it had at all times; None for all that it has now."""
        self.cls = cls
        self.reader = Reader(cls, names, sure)
        static = static_base(cls)
        # Those of the builtin that the class derives from: the interpreter lets no others by.
        self.set, self.delete = static.__setattr__, static.__delattr__
        self.slots = self.reader.slots
        self.shadows = shadows_of(cls)
        spare = hidden_slots(cls)
        self.hidden = {name: spare[name] for name in hidden if name in spare}
        self.is_beside = bool(self.shadows or self.hidden)  # some values are not where the others are
        self.fast: Callable[[Any], State | None] | None = None  # compiled once, for the names that the first object has
        self.upgrades = is_own(getattr(cls, "__setstate__", None))  # a state that it is given, see ``stamps.py``
        self.flat: set[type] = {*ATOMS}  # types of values that are not copied for a hook; more are learned
        self.fit: set[str] = {*self.slots, *self.shadows}  # names for which there is a place
        self.inner: set[str] = set()  # those that a descriptor of the class stands before: only the dict itself has them

    def read(self, item: Any) -> tuple[State, dict[str, Any] | None]:
        """The state of an object, and its dict where the state was read from there."""
        if self.fast is not None and (quick := self.fast(item)) is not None:
            return quick, None
        found = self.reader.read(item, State) if not self.hidden else None
        if found is not None and self.fast is None and not self.is_beside:
            self.fast = cast("Callable[[Any], State | None] | None", self.reader.compile(State))
        own = None
        if found is None:
            found = State(slot_values(self.cls, item))
            own = own_dict(item) if self.reader.has_dict else None
            if own is not None:
                found.update(own)
                self.reader.learn(own)
        if self.is_beside:
            for name, shadow in self.shadows.items():
                if (value := shadow.look(item, MISSING)) is not MISSING:
                    found[name] = value
            for name, slot in self.hidden.items():
                if (value := value_in(slot, item, MISSING)) is not MISSING:
                    found.setdefault(name, value)
        return cast(State, found), own

    def is_flat(self, state: Mapping[str, Any]) -> bool:
        """True for a state without containers that a hook must not get themselves."""
        if self.flat.issuperset(map(type, state.values())):
            return True
        kinds = {*map(type, state.values())}
        if found := are_plain(kinds):
            self.flat |= kinds
        return found

    def check(self, before: Mapping[str, Any], after: Mapping[Any, Any]) -> None:
        """Nothing of a state that has no place in an object is published.

        Raises:
            PlaceError: a name cannot be a field of an object of the class.
        """
        for name in after.keys() - self.fit:
            if type(name) is not str:
                raise PlaceError(f"set {name!r}, and {name!r} is no name of a field")
            held = class_value(self.cls, name)
            if not self.reader.has_dict:
                raise PlaceError(f"set {name!r}, and an object of the new class has no place for {name!r}")
            if hasattr(type(held), "__set__") or hasattr(type(held), "__delete__"):
                if name not in before and is_a(held, GetSetDescriptorType):
                    raise PlaceError(f"set {name!r}, which is no field of an object")
                if name not in before and is_a(held, property):
                    raise PlaceError(f"set {name!r}, and {name!r} is a property of the class; set what it takes its value from")
                self.inner.add(name)
            self.fit.add(name)

    def write(
        self, item: Any, own: dict[str, Any] | None, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> list[Call]:  # fmt: skip
        """The calls, all in C, that make one state of an object the other, which is checked."""
        get, put = before.get, self.set
        changed = [(name, value) for name, value in after.items() if get(name, MISSING) is not value]
        gone = before.keys() - after.keys()
        calls: list[Call] = []
        if self.is_beside:
            for name in [name for name in self.hidden if name in before]:
                slot = self.hidden[name]
                calls.append(slot.emptying(item) if type(slot) is Shadow else (slot.__delete__, item))
                if name in after and after[name] is before[name]:
                    changed.append((name, after[name]))  # it has another place now
            for name, value in [(name, value) for name, value in changed if name in self.shadows]:
                calls += self.shadows[name].storing(item, value)
            calls += [self.shadows[name].emptying(item) for name in gone if name in self.shadows]
            changed = [(name, value) for name, value in changed if name not in self.shadows]
            gone = {name for name in gone if name not in self.shadows and name not in self.hidden}
        if own is None and self.inner and any(name in self.inner for name, _ in changed):
            own = own_dict(item)
        if own is None:
            calls += [(put, item, name, value) for name, value in changed]
            return calls + [(self.delete, item, name) for name in gone]
        if self.slots:
            calls += [(put, item, name, value) for name, value in changed if name in self.slots]
            calls += [(self.delete, item, name) for name in gone if name in self.slots]
            calls += [(dict.__setitem__, own, name, value) for name, value in changed if name not in self.slots]
            return calls + [(dict.pop, own, name, None) for name in gone if name not in self.slots]
        calls += [(dict.update, own, dict(changed))] if changed else []
        return calls + [(dict.pop, own, name, None) for name in gone]
