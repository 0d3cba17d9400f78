"""The containers in the state that a hook gets: private copies, so that nobody sees what it does until it is published.

    before the hook    each builtin container gets a twin, also inside of others; what it held then is remembered
    after it           a twin that the hook left alone: the container stays as it is, with what others did to it meanwhile
                       a twin that it changed: the container gets that content, if it still is what was copied
    published          in calls in C; the first ones look whether the containers are what they were, and raise where not

Objects of the program's own classes are shared, also those whose class derives from a container.
"""

from __future__ import annotations

import operator
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, starmap
from types import FunctionType
from typing import Any

import attrs

from hotswap.commit import Call

#: Whose methods read and fill a mapping, in C.
_MAPPINGS: dict[type, Any] = {dict: dict, defaultdict: dict, Counter: dict, OrderedDict: OrderedDict}
_ROWS = frozenset({list, deque})
_BLOCKS = frozenset({bytearray, array})  # of numbers
_HOLDERS = frozenset({*_MAPPINGS, *_ROWS, *_BLOCKS, set, tuple})
#: Makes all calls of an iterator, in C.
_make = deque[Any](maxlen=0).extend
#: Raises KeyError where something does not hold.
_demand = {True: True}.__getitem__


#: The most common types of values without content.
ATOMS: frozenset[type] = frozenset({int, str, float, bool, bytes, complex, type(None), type, FunctionType})


def are_plain(kinds: Iterable[type]) -> bool:
    """True for types of values of which none has to be copied."""
    return not any(map(_is_holder, kinds))


def _is_holder(kind: type) -> bool:
    return kind in _HOLDERS or _is_tuple(kind)


def _is_tuple(kind: type) -> bool:
    """A tuple, or a named one: what a class of the program adds to it would not be copied."""
    return kind is tuple or (issubclass(kind, tuple) and not kind.__dictoffset__)


@attrs.frozen(eq=False)
class _Twin:
    """A copy, what it is of, and what that held: keys and values, or items; the bytes of a block."""

    twin: Any
    original: Any
    held: tuple[Any, ...]


@attrs.define(eq=False)
class Copies:
    """The containers in a state, and their twins.

    Who else holds a container sees its new content then; what the hook put in its place is another object.
    """

    _by_original: dict[int, _Twin] = attrs.Factory(dict)
    _by_twin: dict[int, _Twin] = attrs.Factory(dict)
    _guards: list[Call] = attrs.Factory(list)
    _calls: list[Call] = attrs.Factory(list)
    _restored: dict[int, tuple[Any, Any]] = attrs.Factory(dict)  # by id of what a hook left: that, and what stands for it

    @classmethod
    def of(cls, state: dict[str, Any]) -> Copies:
        """Replace the containers in a state."""
        copies = cls()
        for name, value in list(state.items()):
            state[name] = copies._copy(value)
        return copies

    def _copy(self, value: Any) -> Any:
        """A copy of a container with copies of those inside of it; anything else is the same object."""
        kind = type(value)
        if not _is_holder(kind):
            return value
        if (known := self._by_original.get(id(value))) is not None:
            return known.twin
        if _is_tuple(kind):
            items = list(map(self._copy, tuple.__iter__(value)))
            twin = value if _is_row(value, items) else tuple.__new__(kind, items)
            self._note(_Twin(twin, value, ()))
            return twin
        if kind is set:  # its order is its own, which a copy need not have
            held: tuple[Any, ...] = ([*value],)
            twin = set(held[0])
        else:
            twin = _copy_flat(value)
            held = _content(twin)
        self._note(_Twin(twin, value, held))
        if kind in _MAPPINGS:
            for key, item in zip(*held, strict=True):
                if (inner := self._copy(item)) is not item:
                    _MAPPINGS[kind].__setitem__(twin, key, inner)
        elif kind in _ROWS:
            for index, item in enumerate(held[0]):
                twin[index] = self._copy(item)
        return twin

    def _note(self, known: _Twin) -> None:
        self._by_original[id(known.original)] = self._by_twin[id(known.twin)] = known

    def has_changed(self) -> bool:
        """True where somebody changed a copy since it was made."""

        def original(item: Any) -> Any:
            return known.original if (known := self._by_twin.get(id(item))) is not None else item

        twins = [known for known in self._by_twin.values() if known.held]
        return any(
            not _is_same([list(map(original, row)) for row in _content(k.twin)], k.held, in_order=type(k.twin) is not set)
            for k in twins
        )

    def put_back(self, states: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Call], list[Call]]:
        """States with the containers for which the twins in them stand; these are left as they are, and can be put back again.

        Returns:
            The states; calls that raise KeyError, ValueError or RuntimeError where a container that has to change is not
            what was copied; calls that give the containers their new content.
        """
        self._guards, self._calls, self._restored = [], [], {}
        restored = [{name: self._restore(value) for name, value in state.items()} for state in states]
        return restored, self._guards, self._calls

    def _restore(self, value: Any) -> Any:
        kind = type(value)
        if not _is_holder(kind):
            return value
        if id(value) in self._restored:
            return self._restored[id(value)][1]
        known = self._by_twin.get(id(value))
        found = value if known is None else known.original
        if _is_tuple(kind):
            items = list(map(self._restore, tuple.__iter__(value)))
            found = found if _is_row(found, items) else tuple.__new__(kind, items)
            self._restored[id(value)] = (value, found)
            return found
        self._restored[id(value)] = (value, found)
        now = _content(value)
        content = (now[0], list(map(self._restore, now[1]))) if kind in _MAPPINGS else now
        if kind in _ROWS:
            content = (list(map(self._restore, now[0])),)
        if known is None:  # made by the hook
            self._calls += _replacing(value, content) if not _is_same(content, now) else ()
        elif not _is_same(content, known.held, in_order=kind is not set):
            self._guards += _guarding(known)
            self._calls += _replacing(found, content)
        return found

    def undoing(self) -> list[Call]:
        """Calls that give the containers what they held when they were copied."""
        return [call for known in self._by_twin.values() if known.held for call in _replacing(known.original, known.held)]


def _copy_flat(value: Any) -> Any:
    """A container with the same items; no code of the program runs, and no key is hashed again."""
    kind = type(value)
    if kind is Counter:
        twin = Counter.__new__(Counter)
        dict.update(twin, value)
        return twin
    return value[:] if kind in _BLOCKS else value.copy()


def _content(container: Any) -> tuple[Any, ...]:
    """Keys and values, or items, as lists; the bytes of a block."""
    kind = type(container)
    if kind in _MAPPINGS:
        return list(_MAPPINGS[kind].__iter__(container)), list(_MAPPINGS[kind].values(container))
    if kind in _BLOCKS:
        return (bytes(container) if kind is bytearray else container[:],)
    return (list(container),)


def _is_row(value: tuple[Any, ...], items: list[Any]) -> bool:
    return tuple.__len__(value) == len(items) and all(map(operator.is_, tuple.__iter__(value), items))


def _is_same(one: Sequence[Any], other: Sequence[Any], *, in_order: bool = True) -> bool:
    """True where the same objects are in the same places; no ``__eq__`` of the program is asked."""
    if type(one[0]) is not list:
        return bool(one[0] == other[0])
    if not in_order:
        return set(map(id, one[0])) == set(map(id, other[0]))
    return all(len(a) == len(b) and all(map(operator.is_, a, b)) for a, b in zip(one, other, strict=True))


def _guarding(known: _Twin) -> list[Call]:
    """Looks at the container when it is called, in C."""
    kind, container, held = type(known.original), known.original, known.held
    if kind in _BLOCKS:
        return [(_make, map(_demand, map(operator.eq, (container,), held)))]
    rows: list[Any] = [container]
    if kind in _MAPPINGS:
        rows = [_MAPPINGS[kind].keys(container), _MAPPINGS[kind].values(container)]
    pairs = chain.from_iterable(map(_pairs, rows, held))
    return [(_make, map(_demand, starmap(operator.is_, pairs)))]


#: Pairs of two rows of the same length, else ValueError.
_pairs = partial(zip, strict=True)


def _replacing(container: Any, content: Sequence[Any]) -> list[Call]:
    """Calls in C that give a container another content, in place.

    An OrderedDict hashes its keys once more, so with keys that are objects of the program, code of theirs runs.
    """
    kind = type(container)
    if kind in _MAPPINGS:
        base = _MAPPINGS[kind]
        return [(base.clear, container), (base.update, container, base(zip(*content, strict=True)))]
    if kind is list or kind in _BLOCKS:
        return [(kind.__setitem__, container, slice(None), content[0])]
    if kind is set:
        return [(set.clear, container), (set.update, container, set(content[0]))]
    return [(deque.clear, container), (deque.extend, container, content[0])]
