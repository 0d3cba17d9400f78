"""Writes on all instances of some classes, listed inside the commit: none that is made until then is missed.

The list and all that is done with it is one row of calls in C: ``gc.get_referrers`` of the classes, filtered by exact
type with ``compress``. A list made while linking would lack what other threads make between it and the commit.
(Measured with 8 threads that create objects meanwhile: none of millions was missed.)

Accepted: a subclass that is defined between linking and commit, and that has instances by then, is not seen.
"""

from __future__ import annotations

import functools
import gc
import operator
import weakref
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, compress, filterfalse, repeat
from types import MemberDescriptorType
from typing import Any

import attrs

from hotswap.collector import hidden_objects, list_instances, with_subclasses
from hotswap.commit import MISSING, NOTHING, Call, Swap, Write
from hotswap.kinds import is_a, vars_of
from hotswap.link.holders import own_attribute
from hotswap.peek import reader_of, static_base
from hotswap.plugin.values import Field
from hotswap.shadow import Shadow, coming_slots, hidden_slots, value_in

#: The write that fails where an object was made of a class that had none when it was linked, or holds something else since.
NO_INSTANCES = "no instances"


@attrs.define(eq=False)
class Census:
    """The instances of all classes that one swap asks for: one pass over the heap, inside the commit.

    Attributes:
        classes: whose instances are listed, exactly these.
        found: holds the listed objects (and other referrers of the classes) while the commit runs, else empty.
        first: writes to be made before all others, while the classes are still what they were.
    """

    classes: set[type] = attrs.Factory(set)
    found: list[Any] = attrs.Factory(list)
    first: list[Write] = attrs.Factory(list)
    _lists: list[list[Any]] = attrs.field(factory=list, init=False)

    def pick(self, classes: Iterable[type]) -> Iterator[Any]:
        """The instances of some classes, not of their subclasses; to be consumed inside the commit, once."""
        exact = list(classes)
        self.classes.update(exact)
        ids = {id(cls) for cls in exact}  # by id: a metaclass may have an __eq__ of its own
        return compress(self.found, map(ids.__contains__, map(id, map(type, self.found))))

    def frame(self, swap: Swap) -> None:
        """Put the listing before all writes of a swap, and the letting go after them; in reverse for the way back."""
        if not self.classes:
            return
        thaw = [Write((gc.unfreeze,), (gc.freeze,)), Write((gc.freeze,), (gc.unfreeze,))] if hidden_objects() else []
        swap.writes[:0] = [*thaw[:1], Write(self._listing(), (list.clear, self.found), "list instances"), *self.first]
        swap.add(Write((list.clear, self.found), self._listing()), *thaw[1:])
        swap.add(*(Write((list.clear, item), NOTHING) for item in self._lists))

    def _listing(self) -> Call:
        one_each = [[cls] for cls in self.classes]
        return (self.found.extend, chain.from_iterable(map(gc.get_referrers, *one_each)))

    def _new_list(self, items: Iterable[Any] = ()) -> list[Any]:
        """A list of objects that is emptied by the commit, so that the history of swaps keeps nothing alive."""
        self._lists.append(list(items))
        return self._lists[-1]

    # ---- what is done with them ----

    def drop_attribute(self, cls: type, name: str) -> list[Write]:
        """Remove an attribute from all instances of a class that have it; the way back removes it again."""
        exact = with_subclasses(cls)
        what = f"{cls.__qualname__}.{name} of all objects"
        if type(slot := vars_of(cls).get(name)) is Shadow:
            return [Write(call, call, what) for call in slot.clearing()]
        if is_a(slot, MemberDescriptorType):
            return [Write(self._empty_slots(exact, slot), self._empty_slots(exact, slot), what)]
        if not cls.__dictoffset__:
            return []
        return [Write(self._pop(exact, name), self._pop(exact, name), what)]

    def drop_attribute_on_rollback(self, cls: type, name: str) -> list[Write]:
        """Remove an attribute that objects get while the swap is live, when it is taken back.

        Where an object has the attribute already, by an assignment of the program, nothing is removed.
        """
        exact = with_subclasses(cls)
        held = list_instances([cls]) if cls.__dictoffset__ else {}
        if not cls.__dictoffset__ or any(own_attribute(item, name) is not MISSING for items in held.values() for item in items):
            return []
        return [Write(NOTHING, self._pop(exact, name), f"{cls.__qualname__}.{name} of all objects")]

    def _pop(self, exact: list[type], name: str) -> Call:
        states = map(object.__getattribute__, self.pick(exact), repeat("__dict__"))
        return batch(map(dict.pop, states, repeat(name), repeat(None)))

    def _empty_slots(self, exact: list[type], slot: Any) -> Call:
        # Set before deleted: deleting an empty slot raises. The slot itself: a derived class may have a property of its name.
        return batch(chain(
            map(slot.__set__, self.pick(exact), repeat(None)),
            map(slot.__delete__, self.pick(exact)),
        ))  # fmt: skip

    def demand_none(self, exact: Collection[type]) -> None:
        """Let the commit fail if there is an instance of one of the classes: the linker has found none."""
        nobody: dict[int, None] = {}
        self.first.append(Write(batch(map(nobody.__getitem__, map(id, self.pick(exact)))), NOTHING, NO_INSTANCES))

    def demand_held(self, cls: type, name: str, values: Iterable[Any], *, is_empty: bool) -> None:
        """Let the commit fail if an instance of exactly one class holds anything but one of these, or one that was filled since.

        For attributes that are read without running code of the program.
        """
        objects, kept = self._new_list(), self._new_list(values)  # an id is only good while its object lives
        held = map(getattr, objects, repeat(name), repeat(MISSING))
        known = dict.fromkeys([id(MISSING), *map(id, kept)])
        self.first += [
            Write((objects.extend, self.pick([cls])), (list.clear, kept)),  # another attempt counts who refers to them
            Write(batch(map(known.__getitem__, map(id, held))), NOTHING, NO_INSTANCES),
        ]
        if is_empty:  # those of builtin kinds, as they are known
            empty = map(operator.not_, map(getattr, objects, repeat(name), repeat(())))
            self.first.append(Write(batch(map({True: None}.__getitem__, empty)), NOTHING, NO_INSTANCES))

    def fill(self, cls: type, name: str, field: Field, owners: Collection[Any] | None, slot: Any = None) -> None:
        """Give all instances of exactly one class a field that they lack; the way back takes it from them.

        Args:
            slot: that the class will have, or one that is kept beside the objects; None for an attribute like others.
            owners: objects that have the field already, where that cannot be asked of the object in C; None where
                reading the attribute runs no code of the program.
        """
        candidates, lacking = self._new_list(), self._new_list()
        if owners is None:
            lacks = map(operator.is_, map(getattr, candidates, repeat(name), repeat(MISSING)), repeat(MISSING))
        else:
            kept = self._new_list(owners)  # an id is only good while its object lives
            lacks = map(operator.not_, map({id(item) for item in kept}.__contains__, map(id, candidates)))
        values = repeat(field.default) if field.factory is None else map(operator.call, repeat(field.factory))
        what = f"{cls.__qualname__}.{name} of objects"
        self.first += [
            Write((candidates.extend, self.pick([cls])), NOTHING),
            Write((lacking.extend, compress(candidates, lacks)), NOTHING),
        ]
        if type(slot) is Shadow:
            # Not by its values: objects that were made aside have theirs already.
            is_new = coming_slots(cls).get(name) is slot and all(slot is not spare for spare in hidden_slots(cls).values())
            self.first += [Write(call, NOTHING, what) for call in slot.storing_all(lacking, values)]
            self.first += [Write(NOTHING, call) for call in slot.clearing()] if is_new else ()
        elif slot is not None:
            self.first.append(Write(batch(map(slot.__set__, lacking, values)), NOTHING, what))
        else:
            put = static_base(cls).__setattr__
            self.first += [
                *self._take_back(cls, name, lacking),
                Write(batch(map(put, lacking, repeat(name), values)), NOTHING, what),
            ]

    def fill_on_rollback(self, cls: type, name: str, field: Field) -> None:
        """When the swap is taken back, give instances of exactly one class a field that they lack: they were made without it.

        For a class whose objects are read without running its code.
        """
        candidates, lacking = self._new_list(), self._new_list()
        lacks = map(operator.is_, map(getattr, candidates, repeat(name), repeat(MISSING)), repeat(MISSING))
        values = repeat(field.default) if field.factory is None else map(operator.call, repeat(field.factory))
        put = static_base(cls).__setattr__
        self.first += [  # made from the last to the first
            Write(NOTHING, batch(map(put, lacking, repeat(name), values)), f"{cls.__qualname__}.{name} of objects"),
            Write(NOTHING, (lacking.extend, compress(candidates, lacks))),
            Write(NOTHING, (candidates.extend, self.pick([cls]))),
        ]

    def _take_back(self, cls: type, name: str, lacking: list[Any]) -> list[Write]:
        """The way back, made ready before the way there. It holds the objects weakly; without weak references there is
        none, and the objects keep a field that the old code does not know."""
        if not cls.__weakrefoffset__:
            return []
        refs: list[Any] = []
        static = static_base(cls)
        return [
            Write((refs.extend, map(weakref.ref, lacking)), batch(map(static.__delattr__, _alive(refs), repeat(name)))),
            Write(NOTHING, batch(map(static.__setattr__, _alive(refs), repeat(name), repeat(None)))),
        ]


def drop_fields(cls: type, names: Iterable[str]) -> int:
    """Take fields from the objects of exactly one class; gives how many had one.

    One that the class has again, or that its functions name, stays: they may set it later than others.
    """
    known = {*reader_of(cls).candidates(), *(name for base in cls.__mro__ for name in vars_of(base))}
    gone = [name for name in names if name not in known]
    count = 0
    hidden = hidden_slots(cls)
    for item in list_instances([cls]).get(cls, ()) if gone else ():
        had = [name for name in gone if name not in hidden and own_attribute(item, name) is not MISSING]
        for name in had:
            static_base(cls).__delattr__(item, name)
        slots = [slot for name, slot in hidden.items() if name in gone and value_in(slot, item, MISSING) is not MISSING]
        for slot in slots:
            slot.__delete__(item)
        count += bool(had or slots)
    return count


def _alive(refs: list[Any]) -> Iterator[Any]:
    return filterfalse(functools.partial(operator.is_, None), map(operator.call, refs))


def batch(calls: Iterable[Any]) -> Call:
    """A call that consumes an iterator of calls, in C."""
    return (deque[Any](maxlen=0).extend, calls)
