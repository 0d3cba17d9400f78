"""The state of one object: read past all code of the program, changed as a private copy, published in one instant.

Nothing here touches ``__dict__`` where it can be helped. CPython keeps the values of an object inside of the object
until somebody asks for its dict; on 3.11 and 3.12 they move out then, for good, and each read takes several times as long.
So the names that a class is known to have are read one by one, and the collector tells whether these were all.

    the object's dict does not exist and the names are all of them    values, by name
    else                                                              its dict, in place: who holds it sees the new state
"""

from __future__ import annotations

import copy
import operator
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import starmap
from typing import Any, cast

import attrs

from hotswap.commit import MISSING, Call
from hotswap.fingerprint import slot_values
from hotswap.kinds import is_own
from hotswap.peek import Reader, own_dict, static_base
from hotswap.shadow import Shadow, hidden_slots, shadows_of, value_in

_HEAP_TYPE = 1 << 9
_MAPPINGS = frozenset({dict, OrderedDict})
_ROWS = frozenset({list, deque})
#: Copied for a hook, so that what it does to them is seen when the new state is published, and not before.
_HOLDERS = _MAPPINGS | _ROWS | {set, bytearray, tuple}
#: Takes the types of values: True where none of these has to be copied.
are_plain = _HOLDERS.isdisjoint


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


class Layout:
    """How the state of objects of one class is read and written."""

    def __init__(self, cls: type, names: Iterable[str], hidden: Iterable[str] = ()) -> None:
        """Take a class as it is now, the names that it knew before, and those of them that may stand in slots that it lost."""
        self.cls = cls
        self.reader = Reader(cls, names)
        static = static_base(cls)
        # Those of the builtin that the class derives from: the interpreter lets no others by.
        self.set, self.delete = static.__setattr__, static.__delattr__
        self.slots = self.reader.slots
        self.shadows = shadows_of(cls)
        spare = hidden_slots(cls)
        self.hidden = {name: spare[name] for name in hidden if name in spare}
        self.is_beside = bool(self.shadows or self.hidden)  # some values are not where the others are
        self._fast: Callable[[Any], State | None] | None = None  # compiled once, for the names that the first object has
        self.upgrades = is_own(getattr(cls, "__setstate__", None))  # a state that it is given, see ``stamps.py``

    def read(self, item: Any) -> tuple[State, dict[str, Any] | None]:
        """The state of an object, and its dict where the state was read from there."""
        if self._fast is not None and (quick := self._fast(item)) is not None:
            return quick, None
        found = self.reader.read(item, State) if not self.hidden else None
        if found is not None and self._fast is None and not self.is_beside:
            self._fast = cast("Callable[[Any], State | None] | None", self.reader.compile(State))
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

    def write(self, item: Any, own: dict[str, Any] | None, before: dict[str, Any], after: State) -> list[Call]:
        """The calls, all in C, that make one state of an object the other."""
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


@attrs.define(eq=False)
class Copies:
    """The containers in a state and their copies, so that what a hook did to a copy is done to the container itself.

    Who else holds a container sees its new content then; what the hook put in its place is another object.
    """

    _copy_of: dict[int, tuple[Any, Any]] = attrs.Factory(dict)  # by the id of the original: original, copy
    _original_of: dict[int, tuple[Any, Any]] = attrs.Factory(dict)  # by the id of the copy: copy, original
    _calls: list[Call] = attrs.Factory(list)
    _done: set[int] = attrs.Factory(set)

    @classmethod
    def of(cls, state: State) -> Copies:
        """Replace the containers in a state."""
        copies = cls()
        for name, value in list(state.items()):
            state[name] = copies.copy(value)
        return copies

    def copy(self, value: Any) -> Any:
        """A copy of a container with copies of those inside of it; anything else is the same object."""
        kind = type(value)
        if kind not in _HOLDERS:
            return value
        if id(value) in self._copy_of:
            return self._copy_of[id(value)][1]
        if kind is tuple:
            items = tuple(map(self.copy, value))
            twin: Any = value if all(map(operator.is_, value, items)) else items
        else:
            twin = copy.copy(value)
        self._copy_of[id(value)], self._original_of[id(twin)] = (value, twin), (twin, value)
        if kind in _MAPPINGS:
            for key, item in value.items():
                twin[key] = self.copy(item)
        elif kind in _ROWS:
            for index, item in enumerate(value):
                twin[index] = self.copy(item)
        return twin

    def has_changed(self) -> bool:
        """True where somebody changed a copy since it was made."""
        kinds = [(twin, original) for twin, original in self._original_of.values() if type(twin) is not tuple]
        return any(not _has_same_content(original, self._originals_in(twin)) for twin, original in kinds)

    def _originals_in(self, twin: Any) -> Any:
        """The content of a copy, with the originals of the copies in it."""

        def original(item: Any) -> Any:
            return self._original_of[id(item)][1] if id(item) in self._original_of else item

        if type(twin) in _MAPPINGS:
            return {key: original(item) for key, item in twin.items()}
        return list(map(original, twin)) if type(twin) in _ROWS else twin

    def put_back(self, state: State) -> list[Call]:
        """Give a state its containers back; the calls that give these their new content."""
        for name, value in list(state.items()):
            state[name] = self.restore(value)
        return self._calls

    def restore(self, value: Any) -> Any:
        """The container that a copy stands for; it gets the content of the copy with the calls of :meth:`put_back`."""
        kind = type(value)
        if kind not in _HOLDERS:
            return value
        original = self._original_of.get(id(value), (value, None))[1]
        if kind is tuple:
            items = tuple(map(self.restore, value))
            known = original if original is not None else value
            return known if len(known) == len(items) and all(map(operator.is_, known, items)) else items
        if id(value) in self._done:
            return original if original is not None else value
        self._done.add(id(value))
        content = self._content(value)
        if original is None:  # made by the hook: nobody else has it yet
            deque(starmap(operator.call, replace_content(value, content)), maxlen=0)
            return value
        if not _has_same_content(original, content):
            self._calls += replace_content(original, content)
        return original

    def _content(self, value: Any) -> Any:
        kind = type(value)
        if kind in _MAPPINGS:
            return {key: self.restore(item) for key, item in value.items()}
        return list(map(self.restore, value)) if kind in _ROWS else kind(value)


def _has_same_content(container: Any, content: Any) -> bool:
    """True where the same objects are in the same places; no ``__eq__`` of the program is asked."""
    if len(container) != len(content):
        return False
    kind = type(container)
    if kind is bytearray:
        return bool(container == content)
    if kind is set:
        return set(map(id, container)) == set(map(id, content))
    same = all(map(operator.is_, container, content))
    return same and (kind not in _MAPPINGS or all(map(operator.is_, container.values(), content.values())))


def replace_content(container: Any, content: Any) -> list[Call]:
    """Calls in C that give a builtin container another content, in place."""
    kind = type(container)
    if kind in _MAPPINGS:
        return [(kind.clear, container), (kind.update, container, content)]
    if kind in (list, bytearray):
        return [(kind.__setitem__, container, slice(None), content)]
    if kind is set:
        return [(set.clear, container), (set.update, container, content)]
    return [(deque.clear, container), (deque.extend, container, content)]
