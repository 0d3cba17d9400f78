"""Data that one structure holds, converted whole under the structure's own lock.

    before the commit    the lock is taken, within a time limit; what the structure holds is found; each object's migrations
                         are tried on a copy of its state
    commit               as always
    after it             each object is converted; dicts and sets with such keys are filled anew, by the new hashes
    then                 the lock is released

Who takes the lock sees all of it before or all of it after. Whatever fails until the commit leaves everything as it was;
afterwards the swap is taken back. Declared by :func:`hotswap.owner`.
"""

from __future__ import annotations

import operator
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import starmap
from types import ModuleType
from typing import Any

import attrs

from hotswap.collector import referrers, with_subclasses
from hotswap.commit import Call
from hotswap.convert.copies import Copies
from hotswap.convert.leap import HookError, Leap
from hotswap.convert.state import Layout, State
from hotswap.fingerprint import fields_of
from hotswap.kinds import is_a
from hotswap.migrations import OWNERS, Owner, find_target
from hotswap.peek import reader_of

_ROWS = (list, tuple, deque)
_CONTAINERS = (dict, set, frozenset, *_ROWS)


class OwnerError(Exception):
    """What a structure holds cannot be converted whole; nothing was changed, or all of it was taken back."""

    def __init__(self, owner: Owner, message: str) -> None:
        super().__init__(f"{owner.target}: {message}")
        self.owner = owner


@attrs.define(eq=False)
class Holding:
    """The structures that are held during one commit.

    Attributes:
        found: each structure with the objects of classes that change, and the dicts and sets with such keys.
        before: the state of each object before the commit, in copies.
    """

    found: list[tuple[Owner, list[Any], list[Any]]] = attrs.Factory(list)
    before: list[tuple[Any, State, Copies]] = attrs.Factory(list)
    _locks: list[Any] = attrs.Factory(list)
    _ends: dict[int, float] = attrs.Factory(dict)  # by id of the declaration: time.monotonic() when its limit is over

    def take(self, leaps: Mapping[type, Leap], rehashed: Iterable[type]) -> None:
        """Take the locks of all structures that hold objects of some classes, and find these.

        Args:
            leaps: what is done to objects, by exact class, with hooks that can run before the commit.
            rehashed: further classes whose objects get another hash.

        Raises:
            OwnerError: a lock cannot be had in time, or a migration fails; all locks are released.
        """
        ids = {id(cls) for cls in (*leaps, *rehashed)}
        try:
            for owner in list(OWNERS.values()) if ids else ():
                self._ends[id(owner)] = time.monotonic() + owner.limit
                for structure in structures_of(owner):
                    if not contents_of(structure, ids)[0]:
                        continue
                    self._lock(owner, structure)
                    items, hashed = contents_of(structure, ids)
                    self.found.append((owner, items, hashed))
                    self._try(owner, items, leaps)
        except BaseException:  # raised again: no lock of the program may stay taken
            self.release()
            raise

    def _lock(self, owner: Owner, structure: Any) -> None:
        lock = lock_of(owner, structure)
        if lock is None:
            return
        if not lock.acquire(timeout=max(self._ends[id(owner)] - time.monotonic(), 0.0)):
            raise OwnerError(owner, f"its lock could not be had within {owner.limit:g} s; nothing was changed")
        self._locks.append(lock)

    def _try(self, owner: Owner, items: list[Any], leaps: Mapping[type, Leap]) -> None:
        layouts = {cls: Layout(cls, reader_of(cls).candidates(), leap.lost) for cls, leap in leaps.items()}
        for item in items:
            if (leap := leaps.get(type(item))) is None:
                continue
            if leap.is_once:
                raise OwnerError(owner, f"{leap.steps[0].migration.describe()} runs once for each object, so it cannot be tried")
            before = layouts[type(item)].read(item)[0]
            state = State(before)
            Copies.of(state)
            self.before.append((item, before, Copies.of(before)))
            try:
                leap.run(state, item)
            except HookError as error:
                message = f"an object of {error.step.name} cannot be converted: {error.step.migration.describe()} {error}"
                raise OwnerError(owner, message) from error.__cause__
            self._check_time(owner)

    def _check_time(self, owner: Owner) -> None:
        if time.monotonic() > self._ends[id(owner)]:
            raise OwnerError(owner, f"converting what it holds takes longer than {owner.limit:g} s")

    def fill_anew(self) -> None:
        """After the objects are converted: let them be found by their new hashes.

        Raises:
            OwnerError: a hash cannot be had, or two keys are equal now; no container was changed.
        """
        calls: list[Call] = []
        for owner, _, hashed in self.found:
            for container in hashed:
                calls += _refilling(owner, container)
        deque(starmap(operator.call, calls), maxlen=0)

    def states_before(self) -> Iterator[tuple[Any, State]]:
        """The objects with their states before the commit; the containers in these get their content back."""
        for item, state, copies in self.before:
            deque(starmap(operator.call, copies.undoing()), maxlen=0)
            yield item, State(copies.put_back([state])[0][0])

    def release(self) -> None:
        """Let go of the locks, the last one first."""
        self.found.clear()
        self.before.clear()
        while self._locks:
            self._locks.pop().release()


def structures_of(owner: Owner) -> list[Any]:
    """What a declaration names: an object of a module, or all objects of a class."""
    found = find_target(owner.target)
    if found is None:
        return []
    if not is_a(found, type):
        return [found]
    return [item for item in referrers(*with_subclasses(found)) if isinstance(item, found)]


def lock_of(owner: Owner, structure: Any) -> Any:
    """The lock of a structure; None where the declaration names none.

    Raises:
        OwnerError: there is no such lock, or it cannot be waited for within a limit.
    """
    if owner.lock is None:
        return None
    if callable(owner.lock):
        found = owner.lock(structure)
    elif ":" in owner.lock:
        found = find_target(owner.lock)
    else:
        found = getattr(structure, owner.lock, None)
    if not hasattr(found, "acquire") or not hasattr(found, "release"):
        raise OwnerError(owner, f"{owner.lock!r} gives {found!r}, which is no lock with acquire(timeout=...) and release()")
    return found


def contents_of(structure: Any, ids: set[int]) -> tuple[list[Any], list[Any]]:
    """The objects of some classes that a structure holds, in its fields, in builtin containers and in each other; and the
    dicts and sets that have such objects for keys.

    Args:
        ids: of the classes.
    """
    items: list[Any] = []
    hashed: list[Any] = []
    seen: set[int] = set()
    pending = [structure]
    while pending:
        value = pending.pop()
        if id(value) in seen or value is None or is_a(value, (str, bytes, int, float, ModuleType)):
            continue
        seen.add(id(value))
        if id(type(value)) in ids:
            items.append(value)
        elif not is_a(value, _CONTAINERS) and value is not structure:
            continue
        if is_a(value, (dict, set, frozenset)) and any(_is_keyed(key, ids) for key in _keys(value)):
            hashed.append(value)
        pending += _inside(value)
    return items, hashed


def _keys(value: Any) -> Iterator[Any]:
    kind: Any = dict if is_a(value, dict) else set if is_a(value, set) else frozenset
    return iter(list(kind.__iter__(value)))


def _is_keyed(key: Any, ids: set[int]) -> bool:
    if is_a(key, (tuple, frozenset)):
        return any(_is_keyed(each, ids) for each in key)
    return id(type(key)) in ids


def _inside(value: Any) -> list[Any]:
    found: list[Any] = list((fields_of(value) or {}).values())
    if is_a(value, dict):
        found += [each for pair in list(dict.items(value)) for each in pair]
    elif is_a(value, (set, frozenset)):
        found += _keys(value)
    elif is_a(value, _ROWS):
        found += list(value)
    return found


def _refilling(owner: Owner, container: Any) -> list[Call]:
    """Calls that give a container the same content by the hashes that its keys have now; program code runs here and not in
    them, but for an OrderedDict, which hashes once more."""
    try:
        if is_a(container, dict):
            pairs = list(dict.items(container))
            fresh: Any = dict(pairs)
            kind: Any = OrderedDict if is_a(container, OrderedDict) else dict
        else:
            pairs, fresh, kind = list(_keys(container)), set(_keys(container)), set
    except Exception as error:  # border to hashes of the program
        raise OwnerError(owner, f"a key has no hash any more: {type(error).__name__}: {error}") from error
    if len(fresh) != len(pairs):
        raise OwnerError(owner, f"{len(pairs) - len(fresh)} keys of a {type(container).__name__} are equal to others now")
    if is_a(container, frozenset):
        raise OwnerError(owner, "a frozenset cannot be filled anew")
    return [(kind.clear, container), (kind.update, container, fresh)]
