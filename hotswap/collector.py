"""The collector's objects, listed so that nobody notices.

A tuple that another thread is just filling (``tuple(x for x in ...)``, ``itertools.batched``) is tracked from its beginning.
CPython raises SystemError in that thread where anybody else has a reference to it when it is resized. So what the collector
lists is filtered in the same row of calls in C, in between which no other thread runs, and exact tuples are in no list that
is given back. One that is complete is found through what refers to it.
"""

from __future__ import annotations

import functools
import gc
import operator
import sys
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, compress, repeat, starmap
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

import attrs

_OWN_FROZEN = 1000  # more than the interpreter freezes by itself, less than the smallest program has

#: A function and its arguments.
Call = tuple[Any, ...]
_FRAMES = {FrameType, GeneratorType, CoroutineType, AsyncGeneratorType}
#: Of a class, read past a metaclass that gives others.
_mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_vars_of: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
#: So many objects are noted at most, see :func:`objects_beside`.
MOST_NOTED = 10_000
#: Makes all calls of an iterator, in C.
consume = deque[Any](maxlen=0).extend
#: Before 3.12 the collector runs in the middle of C functions that make objects, with finalisers, and other threads in these.
COLLECTS_WITHIN_CALLS = sys.version_info < (3, 12)


def hidden_objects() -> int:
    """How many objects ``gc.freeze()`` hides from the collector, those of the interpreter itself left out.

    CPython 3.12 starts with 375 frozen ones of its own; thawing and freezing for these would freeze the whole program.
    """
    count = gc.get_freeze_count()
    return count if count > _OWN_FROZEN else 0


@contextmanager
def nothing_hidden() -> Iterator[None]:
    """Bring frozen objects back for a look at the heap, and freeze again."""
    hidden = hidden_objects()
    if hidden:
        gc.unfreeze()
    try:
        yield
    finally:
        if hidden:
            gc.freeze()


def thaw_once() -> None:
    """Freeze all objects and thaw them, which makes them old.

    In one call, so that a ``gc.freeze()`` of the program comes before or after it; one that came just before is made again.
    """
    hidden: list[int] = []
    _in_one_call(*_thawing(hidden))
    _freeze_again(hidden)


def _thawing(hidden: list[int]) -> tuple[Call, ...]:
    forget_noted()
    return (hidden.extend, starmap(gc.get_freeze_count, [()])), (gc.freeze,), (gc.unfreeze,)


def _freeze_again(hidden: list[int]) -> None:
    if hidden[0] > _OWN_FROZEN:
        gc.freeze()


def objects_of(kinds: Collection[type], *then: Call, found: list[Any] | None = None) -> list[Any]:
    """The objects of exactly some types.

    Args:
        then: calls of C functions that are made in the same instant.
        found: an empty list that takes the objects, where those calls refer to it.
    """
    wanted = [kind for kind in kinds if kind is not tuple]
    found = [] if found is None else found
    lists: list[list[Any]] = []  # the one list that the collector gives: to copy all of it takes as long as to filter it
    types = map(type, chain.from_iterable(lists))
    if _hash_by_identity():
        are_wanted = map(frozenset(wanted).__contains__, types)
    else:  # twice as slow
        are_wanted = map(set(map(id, wanted)).__contains__, map(id, types))
    filtered = compress(chain.from_iterable(lists), are_wanted)
    # The list itself is cleared: these iterators are in it, and the one of the types still refers to it.
    _in_one_call((lists.extend, starmap(gc.get_objects, [()])), (found.extend, filtered), (any, map(list.clear, lists)), *then)
    return found


def objects_beside(kinds: Collection[type]) -> tuple[list[Any], Callable[[list[Any]], None], frozenset[int]]:
    """The objects of exactly some types, and those that :func:`list_objects` was asked for before.

    Most swaps ask for the same ones again, and a pass over the heap is most of what a small swap takes. What is made after it is
    young, as long as nothing is collected.

    Returns:
        All of them; what notes those that are there for later, when it is given them; and the ids of their types.
    """
    beside = {sub for cls in list(_asked) for sub in with_subclasses(cls)}.difference(kinds)
    if not beside or hidden_objects():  # to make all others old would cost a collection then
        with nothing_hidden():
            return objects_of(kinds), lambda items: None, frozenset()
    hidden: list[int] = []
    found = objects_of({*kinds, *beside}, *_thawing(hidden))
    _freeze_again(hidden)
    return found, functools.partial(_note, weakref.WeakSet(_asked), _collections()), frozenset(map(id, beside))


def _note(classes: weakref.WeakSet[type], collections: int, items: list[Any]) -> None:
    global _noted
    if len(items) > MOST_NOTED:
        _asked.clear()
        return
    try:
        _noted = _Noted(list(map(weakref.ref, items)), classes, collections)
    except TypeError:  # objects with slots, of which nothing can be noted without keeping them
        pass


@attrs.frozen
class _Noted:
    """Objects that a pass has found.

    Attributes:
        items: weak references.
        classes: of which they are objects; those of their subclasses are there, too.
        collections: how many there had been.
    """

    items: list[weakref.ref[Any]]
    classes: weakref.WeakSet[type]
    collections: int


#: Classes whose objects were asked for, and what the newest pass has found of them.
_asked: weakref.WeakSet[type] = weakref.WeakSet()
_noted: _Noted | None = None


def forget_noted() -> None:
    """Have :func:`list_objects` look through the heap: young objects become old, or objects get another class."""
    global _noted
    _noted = None


def _collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def _recall(classes: Collection[type], kinds: Collection[int]) -> list[Any] | None:
    """The objects of some classes, and others: what the newest pass has noted and what is young. None where that does not tell.

    Args:
        kinds: ids of the classes and their subclasses, as they are now.
    """
    noted = _noted
    if noted is None or hidden_objects() or not noted.classes.issuperset(classes):
        return None
    known = [item for ref in noted.items if (item := ref()) is not None]
    listed: list[Any] = []
    young = _listed(gc.get_objects, [0], listed, map(set(kinds).__contains__, map(id, map(type, listed))))
    if _noted is not noted or _collections() != noted.collections:
        return None
    # A subclass that was not there has come later, and so have its objects.
    return list({id(item): item for item in (*known, *young)}.values())


def _hash_by_identity() -> bool:
    """True where types can be looked up in a set, as no metaclass has a hash or an equality of its own.

    Another thread may make such a metaclass right afterwards. Then its method is called, as by any set of types; where that
    raises, the swap is held.
    """
    bases = {id(base): base for meta in with_subclasses(type) for base in _mro_of(meta)}
    own = [base for base in bases.values() if base is not type and base is not object]
    return not any(name in _vars_of(base) for base in own for name in ("__hash__", "__eq__"))


def objects(generation: int | None = None) -> list[Any]:
    """All objects, or those of a generation, without tuples."""
    listed: list[Any] = []
    found = _listed(gc.get_objects, [generation], listed, _are_no_tuples(listed))
    _take_out(found, listed)
    return found


def _take_out(found: list[Any], listed: list[Any]) -> None:
    """Take lists out of the one that lists all: what is in itself holds all the others until the next collection."""
    own = {id(found), id(listed)}
    found[:] = [item for item in found if id(item) not in own]


def young_objects() -> list[Any]:
    """The objects of the youngest generation; tuples where others of them refer to these."""
    listed: list[Any] = []
    tuples: set[int] = set()
    noting = (tuples.update, compress(map(id, listed), map(operator.is_, map(type, listed), repeat(tuple))))
    found = _listed(gc.get_objects, [0], listed, _are_no_tuples(listed), noting)
    _take_out(found, listed)
    return found + [item for item in tuples_in(found) if id(item) in tuples]


def young_ids() -> set[int]:
    """The ids of the objects of the youngest generation."""
    found: set[int] = set()
    _in_one_call((found.update, map(id, _lazily(gc.get_objects, [0]))))
    return found


def tuples_in(items: Iterable[Any]) -> list[Any]:
    """The tracked tuples that some objects refer to, directly or through other tuples."""
    found: dict[int, Any] = {}
    pending = list(items)
    while pending:
        inside = {id(one): one for one in gc.get_referents(*pending) if type(one) is tuple and gc.is_tracked(one)}
        pending = [one for key, one in inside.items() if key not in found]
        found.update(inside)
    return list(found.values())


def referrers(*items: Any) -> list[Any]:
    """What refers to some objects, without tuples."""
    listed: list[Any] = []
    return _listed(gc.get_referrers, items, listed, _are_no_tuples(listed))


def referrers_through_rows(*items: Any) -> tuple[list[Any], set[int]]:
    """What refers to some objects, directly or through a tuple or frozenset, without tuples; the ids of these rows."""
    rows: list[Any] = []
    ids: set[int] = set()
    listed: list[Any] = []
    noting = (
        (rows.extend, compress(listed, map((tuple, frozenset).__contains__, map(type, listed)))),
        (ids.update, map(id, rows)),
        (listed.extend, _lazily(gc.get_referrers, rows)),
        (rows.clear,),
    )
    return _listed(gc.get_referrers, items, listed, _are_no_tuples(listed), *noting), ids


def held_by_program(items: list[Any], besides: Collection[Any]) -> set[int]:
    """The ids of those objects that the program has put somewhere: into something that something else than a frame has. What
    only a frame has, or a bound method that is being called, may be just being made.

    Args:
        besides: tables that do not count.
    """
    holders, rows = referrers_through_rows(*items)
    known = {id(items), *map(id, besides)}
    holders = [holder for holder in holders if id(holder) not in known and _is_of_program(holder)]
    above = [each for each in referrers(*holders) if each is not holders and _is_of_program(each)]
    placed = set(map(id, gc.get_referents(*above)))
    inside = gc.get_referents(*(holder for holder in holders if id(holder) in placed))
    found = {*map(id, inside), *map(id, gc.get_referents(*(row for row in inside if id(row) in rows)))}
    return found.intersection(map(id, items))


def _is_of_program(holder: Any) -> bool:
    return type(holder) not in _FRAMES and not type(holder).__module__.startswith(("_pickle", "hotswap."))


def referred_by_tuples(*items: Any, besides: Collection[int]) -> set[int]:
    """The ids of all to which tuples refer that refer to one of some objects.

    Args:
        besides: ids of tuples that do not count.
    """
    listed: list[Any] = []
    tuples: list[Any] = []
    found: set[int] = set()
    count = map(operator.not_, map(set(besides).__contains__, map(id, tuples)))
    _in_one_call(
        (listed.extend, _lazily(gc.get_referrers, items)),
        (tuples.extend, compress(listed, map(operator.is_, map(type, listed), repeat(tuple)))),
        (listed.clear,),
        (found.update, map(id, chain.from_iterable(map(gc.get_referents, compress(tuples, count))))),
        (tuples.clear,),
    )
    return found


def list_instances(classes: Collection[type]) -> dict[type, list[Any]]:
    """List the live instances of some classes and of their subclasses, by exact class."""
    wanted = [sub for cls in classes for sub in with_subclasses(cls)]
    if not wanted:
        return {}
    with nothing_hidden():
        found = objects_of(wanted)
    grouped: dict[type, list[Any]] = {}
    for item in found:
        grouped.setdefault(type(item), []).append(item)
    return grouped


def list_objects(*classes: type) -> list[list[Any]]:
    """List the live instances of some classes that were written in Python, and of their subclasses, in one list for each.

    An object of such a class refers to it: to ask for that takes half as long as to list the objects of the program.
    """
    kinds = [{id(kind): kind for kind in with_subclasses(cls)} for cls in classes]
    every = {key: kind for row in kinds for key, kind in row.items()}
    found = _recall(classes, every.keys())
    if found is None:
        _asked.update(classes)
        with nothing_hidden():
            found = referrers(*every.values())
    return [[item for item in found if id(type(item)) in row] for row in kinds]


def with_subclasses(cls: type) -> list[type]:
    found: dict[int, type] = {id(cls): cls}  # by id: a metaclass may have an __eq__ of its own
    pending: Iterable[type] = [cls]
    while pending:  # a whole level at once: a program has thousands of classes below object
        below: list[type] = list(chain.from_iterable(map(type.__subclasses__, pending)))
        level = dict(zip(map(id, below), below, strict=True))
        for known in level.keys() & found.keys():
            del level[known]
        found.update(level)
        pending = level.values()
    return list(found.values())


def _listed(
    function: Callable[..., list[Any]], args: Collection[Any], listed: list[Any], wanted: Iterator[bool], *noting: Call
) -> list[Any]:
    """What a function of the collector lists, as far as it is wanted.

    Args:
        listed: an empty list, to which ``wanted`` and the calls between listing and filtering refer; it is empty again.
    """
    found: list[Any] = []
    # Not found.extend, which would be listed, and refers to the list.
    filtered = compress(listed, wanted)
    _in_one_call((listed.extend, _lazily(function, args)), *noting, (list.extend, found, filtered), (listed.clear,))
    return found


def _lazily(function: Callable[..., list[Any]], args: Collection[Any]) -> Iterator[Any]:
    """What a function gives, called when the first is taken; its list is gone with the last."""
    return chain.from_iterable(starmap(function, [args]))


def _are_no_tuples(listed: list[Any]) -> Iterator[bool]:
    return map(operator.is_not, map(type, listed), repeat(tuple))


def _in_one_call(*calls: Call) -> None:
    quiet = COLLECTS_WITHIN_CALLS and gc.isenabled()
    try:
        consume(starmap(operator.call, ((gc.disable,), *calls, (gc.enable,)) if quiet else calls))
    finally:
        if quiet:
            gc.enable()
