"""All references to some classes exchanged for references to others, or the reason why one of them cannot be.

    value of a dict, item of a list, set or deque, attribute, cell       a write, and a check that it still stands there
    attribute of a class, default of a function, argument of a partial   the same
    key of a dict                                                        all of the dict is written anew, in its order
    tuple, frozenset, bound method, ``list[C]``, ``C | D``               made again, and exchanged where it is held itself
    base of a class                                                      ``__bases__`` is assigned
    frame, generator, weak reference, C code, anything else              the reason

Nothing is believed that cannot be counted: a class has exactly so many references as were found, and as it has objects. That,
and that each place still holds what it did, is asked once more inside of the commit, where no other thread runs; there it
fails before anything is written, and is tried again.
"""

from __future__ import annotations

import abc
import functools
import gc
import operator
import os
import sys
import time
import types
import typing
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain, compress, filterfalse, repeat, starmap
from types import CellType, FrameType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType
from typing import Any

import attrs

from hotswap.collector import consume, hidden_objects, nothing_hidden, objects_of, referrers_through_rows, with_subclasses
from hotswap.commit import COPIES, NOTHING, Call, Swap, Write, change_values, set_cell, set_class, set_function
from hotswap.fingerprint import BOUND_BY_C, slot_values
from hotswap.frames import stack_tops
from hotswap.kinds import PROXY, is_a, vars_of
from hotswap.link.exchanging import bind_again
from hotswap.link.handles import set_wrapped
from hotswap.link.instances import batch
from hotswap.link.layout import mro_is_plain, why_not_converted, why_not_exchanged
from hotswap.link.rows import NoRow, class_row
from hotswap.peek import forget_readers, own_dict
from hotswap.shadow import forget_spare, is_slot

#: The write that fails where references came or went since they were looked for.
HELD = "the references to a class that is replaced"

_OWN = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_RUNNING = (FrameType, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
#: What cannot be changed in place.
MADE_AGAIN = frozenset({tuple, frozenset, MethodType, types.GenericAlias, types.UnionType, *BOUND_BY_C})
#: What the calls of writes consist of, besides what they are about.
_ITERATORS = frozenset({map, chain, compress, starmap, repeat, filterfalse, zip, type(iter([])), type(iter(()))})
_PLAIN_KEYS = frozenset({str, int, float, bool, bytes, type(None)})
_HEAP_TYPE = 1 << 9
#: So often, and after so many seconds, it is asked again whether all references are known.
_TRIES, _PAUSE = 10, 0.001
#: From 3.14 on, annotations are evaluated when somebody asks for them, and are no tuple before.
_ANNOTATIONS_RUN = hasattr(FunctionType, "__annotate__")
#: Past a ``__class__`` that a class of the program defines.
_set_class_of: Callable[[Any, type], None] = vars(object)["__class__"].__set__
_bases_of: Callable[[type], tuple[type, ...]] = vars(type)["__bases__"].__get__
_get_dump: Callable[[type], Any] = vars(abc)["_get_dump"]
_reset_caches: Callable[[type], None] = vars(abc)["_reset_caches"]


_IS_WEAK = "something refers to it weakly (a WeakKeyDictionary, a WeakSet, a weakref)"


class UnfollowedError(Exception):
    """A reference cannot be exchanged; the message says who has it."""


@attrs.frozen(eq=False)
class Move:
    """A class that takes the place of another one.

    Attributes:
        old, new: the classes.
        aside: bases of the old one afterwards, by which no class of the program lists it; None for those that it has.
        back: bases that the new one gets back; None for those that it has.
        stay: ids of classes that go on deriving from the old one: they came with it.
    """

    old: type
    new: type
    aside: tuple[type, ...] | None = None
    back: tuple[type, ...] | None = None
    stay: frozenset[int] = frozenset()


@attrs.frozen(eq=False)
class Exchange:
    """Writes around those of a swap.

    Attributes:
        first: the checks, then the references, while objects have still their class.
        last: objects get the other class, and the one of before is put aside.
    """

    first: list[Write]
    last: list[Write]


def prepare_exchange(moves: Iterable[Move], swaps: Iterable[Swap], coming: Swap | None = None) -> Exchange:
    """Find all references and prepare the writes; nothing is changed.

    Args:
        moves: which nobody else has.
        swaps: whose writes are kept, and refer to the classes as they were then.
        coming: the one that is about to be made.

    Raises:
        UnfollowedError: a reference cannot be exchanged.
    """
    search = _Search(list(moves), list(swaps), bool(hidden_objects()))
    search.settle()
    with nothing_hidden():
        search.run()
        return search.prepare(coming)


@attrs.frozen(eq=False)
class _Place:
    """Where a reference stands.

    Attributes:
        make: gives the call that reads the place and the writes to it, from the old and the new value.
        item: the id of the old value.
        reads: the id of what the call gives while the old value stands there.
        table: the id of the dict whose value it is.
    """

    make: Callable[[Any, Any], tuple[Call, list[Write]]]
    item: int
    reads: int
    table: int = 0


@attrs.define(eq=False)
class _Search:
    """Looks for references.

    Invariant: no variable of a method that measures has one of the classes, which would be counted. They are in the lists.

    Attributes:
        watched: an object that nobody else has, the old classes, what only they may have, and what is made again.
        known: places in it, by id.
        counts: how often what is watched stands in places, by its id.
        keyed: dicts that have something watched for a key, by id.
        derived: classes that have an old one for a base, by id.
        own: ids of what is kept for a rollback, and of what is in here.
        others: what has a reference that cannot be exchanged, in words.
    """

    moves: list[Move]
    swaps: list[Swap]
    hides: bool  # objects are frozen
    watched: list[Any] = attrs.Factory(lambda: [object()])
    olds: list[type] = attrs.Factory(list)
    known: dict[int, int] = attrs.Factory(dict)
    places: list[_Place] = attrs.Factory(list)
    counts: Counter[int] = attrs.Factory(Counter)
    keyed: dict[int, Any] = attrs.Factory(dict)
    derived: dict[int, type] = attrs.Factory(dict)
    own: set[int] = attrs.Factory(set)
    others: list[str] = attrs.Factory(list)
    rows: list[Any] = attrs.Factory(list)  # tuples in the calls of writes
    classes: dict[int, type] = attrs.Factory(dict)  # by the id of the dict that is theirs

    def __attrs_post_init__(self) -> None:
        self.olds += [move.old for move in self.moves]
        for item in (*self.olds, *(part for cls in self.olds for part in _own_descriptors(cls))):
            self._watch(item)

    def _watch(self, item: Any) -> None:
        if id(item) not in self.known:
            self.known[id(item)] = len(self.watched)
            self.watched.append(item)

    # ---- what can be let go of ----

    def settle(self) -> None:
        """Let caches go, and let objects have the dicts that they keep inside of themselves."""
        for cls in self.olds:
            if not forget_spare(cls):
                raise UnfollowedError("it has lost slots whose values are kept beside its objects")
        with nothing_hidden():
            _forget_answers(self._all_classes())
            self._read_annotations()
        forget_readers()
        gc.collect()  # what has died in a circle of references does not count
        for cls in self.olds:
            self._watch_weak(cls)

    def _all_classes(self) -> set[int]:
        """Ids of the classes about which answers change, with those that derive from them."""
        return {id(cls) for move in self.moves for cls in (*with_subclasses(move.old), *with_subclasses(move.new))}

    def _read_annotations(self) -> None:
        """Those of a function are a tuple until somebody asks for them (before 3.14)."""
        holders, rows = referrers_through_rows(*self.olds)
        for holder in holders:
            inside = gc.get_referents(holder) if type(holder) is FunctionType and not _ANNOTATIONS_RUN else ()
            if any(id(part) in rows and part is not holder.__defaults__ for part in inside):
                holder.__annotations__  # noqa: B018 - that is the asking

    def _watch_weak(self, cls: type) -> None:
        """Watch the one weak reference by which its bases list a class.

        Raises:
            UnfollowedError: there are others.
        """
        for ref in weakref.getweakrefs(cls):
            if type(ref) is not weakref.ref or getattr(ref, "__callback__", None) is not None:
                raise UnfollowedError(_describe_weak(cls))
            self._watch(ref)
            self.counts[id(ref)] = len(cls.__bases__)

    # ---- looking ----

    def run(self) -> None:
        """Find all places, also of what is made again."""
        for move in self.moves:
            if why := why_not_converted(move.old, move.new):
                raise UnfollowedError(why)
        self.classes = {id(_dict_of(cls)): cls for cls in with_subclasses(object) if cls.__flags__ & _HEAP_TYPE}
        self.own.update(map(id, _parts(self.swaps)))
        self.rows += _rows_in(self.swaps)
        self.own.update(map(id, (self, *self.moves, self.moves, self.watched, self.olds)))
        for cls in self.olds:
            self.own.update(map(id, (cls, cls.__mro__, cls.__bases__, _dict_of(cls))))
        begin, end, rest = 1, 1 + len(self.olds), len(self.watched)
        while begin < end:  # what stands between the two is counted, but nobody may have it
            self._look(begin, end)
            begin, end, rest = rest, len(self.watched), len(self.watched)

    def _look(self, begin: int, end: int) -> None:
        ids = set(map(id, self.watched[begin:end]))
        done: set[int] = set()
        found, rows = referrers_through_rows(*self.watched[begin:end])
        holders = {id(holder): holder for holder in found}  # who has one of them, and a tuple with another, is listed twice
        for key, holder in holders.items():
            if key in self.own or is_a(holder, Write) or holder is self.classes:
                continue
            inside = gc.get_referents(holder)
            is_direct = not ids.isdisjoint(map(id, inside))
            if is_a(holder, _RUNNING):
                self._check_running(holder, is_direct or not rows.isdisjoint(map(id, inside)))
            elif is_a(holder, type):
                self._note_derived(holder)
            else:
                for part in inside:
                    self._watch_row(part, rows)
                if is_direct and type(holder) in MADE_AGAIN:
                    self._watch(holder)
                elif is_direct:
                    self._note_places(holder, ids, inside, done)
        for row in self.rows:  # what is written back holds it, and nobody else may
            if id(row) not in self.own and not ids.isdisjoint(map(id, row)):
                self._watch(row)

    def _watch_row(self, part: Any, rows: set[int]) -> None:
        """Watch a tuple that has one of what is looked for, with those that are in it."""
        if id(part) in rows and type(part) in (tuple, frozenset) and id(part) not in self.own and id(part) not in self.known:
            self._watch(part)
            for inner in part:
                self._watch_row(inner, rows)

    def _check_running(self, holder: Any, has_it: bool) -> None:
        is_ours = is_a(holder, FrameType) and holder.f_code.co_filename.startswith(_OWN)
        if has_it and not is_ours:
            raise UnfollowedError(_describe_running(holder))

    def _note_derived(self, cls: type) -> None:
        if id(cls) not in self.derived and any(base is old for base in cls.__mro__ for old in self.olds):
            self.derived[id(cls)] = cls
            self.own.update(map(id, (cls, cls.__mro__, cls.__bases__)))

    def _note_places(self, holder: Any, ids: set[int], inside: list[Any], done: set[int]) -> None:
        """Note where a holder has what is looked for.

        Args:
            inside: all that it refers to.
            done: ids of the dicts that have been gone through for this.
        """
        own = sum(id(part) in ids for part in inside) == 1 and id(type(holder)) in ids
        if own:
            return  # an object of a class has no more of it than that; its dict is not to be made for this
        state = own_dict(holder) if type(holder).__flags__ & _HEAP_TYPE or is_a(holder, dict) else None
        found = [] if id(holder) in done else list(self._places(holder, ids))
        if state is not None and id(state) not in done:  # on 3.13 it has what is inside of its object, too
            found += self._places_in_dict(state, ids)
        done.update((id(holder), id(state)))
        self.places += found
        self.counts.update(place.item for place in found)
        if not found and state is None and id(holder) not in self.keyed and id(holder) not in self.known:
            self.others.append(f"a {type(holder).__qualname__}")

    def _places(self, holder: Any, ids: set[int]) -> Iterator[_Place]:
        if (cls := self.classes.get(id(holder))) is not None:
            for name, value in list(vars_of(cls).items()):
                if id(value) in ids:
                    yield _Place(functools.partial(_in_class, cls, name), id(value), id(value))
            return
        if is_a(holder, dict):
            yield from self._places_in_dict(holder, ids)
        elif is_a(holder, (list, deque)):
            for at, value in enumerate(list.__iter__(holder) if is_a(holder, list) else deque.__iter__(holder)):
                if id(value) in ids:
                    yield _Place(functools.partial(_in_row, holder, at), id(value), id(value))
        elif type(holder) is set:
            for value in [value for value in holder if id(value) in ids and _is_plain_key(value)]:
                yield _Place(functools.partial(_in_set, holder), id(value), id(True))
        elif type(holder) in _READ_BY_NAME:
            for name in _READ_BY_NAME[type(holder)]:
                if id(value := getattr(holder, name)) in ids:
                    yield _Place(functools.partial(_in_attribute, holder, name), id(value), id(value))
        elif is_a(holder, PROXY) and id(holder.__wrapped__) in ids:
            yield _Place(functools.partial(_in_attribute, holder, "__wrapped__"), id(holder.__wrapped__), id(holder.__wrapped__))
        for name, value in slot_values(type(holder), holder) if not is_a(holder, PROXY) else ():
            slot = next((vars_of(base)[name] for base in type(holder).__mro__ if is_slot(vars_of(base).get(name))), None)
            # Members of classes written in C may be read only, and lead to what is found above.
            if id(value) in ids and type(slot) is MemberDescriptorType and "__slots__" in vars_of(slot.__objclass__):
                yield _Place(functools.partial(_in_slot, slot, holder), id(value), id(value))

    def _places_in_dict(self, holder: Any, ids: set[int]) -> Iterator[_Place]:
        keys = list(dict.keys(holder))
        if any(id(key) in ids for key in keys):
            if type(holder) not in (dict, defaultdict, OrderedDict) or not all(map(_is_plain_key, keys)):
                raise UnfollowedError("it is a key of a table whose keys have a hash of their own")
            self.keyed[id(holder)] = holder
            # Not by keys and values: an OrderedDict has each key twice.
            self.counts.update(id(part) for part in gc.get_referents(holder) if id(part) in ids)
            if type(holder) is defaultdict and id(holder.default_factory) in ids:
                raise UnfollowedError("a table makes its values by it, and has it for a key")
            return
        for key, value in list(dict.items(holder)):
            if id(value) in ids and not _is_plain_key(key):
                raise UnfollowedError("a table has it under a key with a hash of its own")
            if id(value) in ids:
                yield _Place(functools.partial(_in_dict, holder, key), id(value), id(value), id(holder))
        if type(holder) is defaultdict and id(holder.default_factory) in ids:
            made = id(holder.default_factory)
            yield _Place(functools.partial(_in_attribute, holder, "default_factory"), made, made)

    # ---- what is written ----

    def _lead_coming(self, swap: Swap, become: dict[int, Any]) -> None:
        """What a swap writes comes after the references have been exchanged, so it is to have none of what is exchanged.

        Raises:
            UnfollowedError: it has, where that cannot be changed.
        """
        for at, write in enumerate(swap.writes):
            if any(id(part) in self.known for part in _given(write)):
                swap.writes[at] = lead_write(write, become)
            if any(id(part) in self.known for part in _given(swap.writes[at])):
                raise UnfollowedError(f"what is written has it: {write.what or 'a value'}")
        self.rows[:] = _rows_in(self.swaps)

    def prepare(self, coming: Swap | None) -> Exchange:
        """The writes, and the check that nothing else refers to what they exchange.

        Raises:
            UnfollowedError: something does.
        """
        become = self._make_again()
        if coming is not None:
            self._lead_coming(coming, become)
        reads: list[Call] = []
        writes: list[Write] = []
        expected: dict[tuple[int, int], None] = {}
        for place in self.places:
            if place.table in self.keyed:
                continue  # a later look has found that its keys change, so it is written anew
            read, found = place.make(self.watched[self.known[place.item]], become[place.item])
            expected[len(reads), place.reads] = None
            reads.append(read)
            writes += found
        for cls in self.derived.values():
            if any(id(cls) in move.stay for move in self.moves):
                continue
            expected[len(reads), id(cls.__bases__)] = None
            reads.append((_bases_of, cls))
            writes += self._derive(cls, become)
        lazily = [map(id, chain.from_iterable(map(gc.get_referents, [keyed]))) for keyed in self.keyed.values()]
        contents = {tuple(map(id, gc.get_referents(keyed))): None for keyed in self.keyed.values()}
        writes += chain.from_iterable(_write_anew(keyed, become) for keyed in self.keyed.values())
        objects: list[list[Any]] = [[] for _ in self.olds]
        gate: dict[tuple[int, ...], None] = {}
        weak = {tuple(map(weakref.getweakrefcount, self.olds)): None}
        checks = [  # the first before the others: an iterator that is used up lets go of what it has
            map(gate.__getitem__, map(tuple, [self._counts(objects)])),
            map(expected.__getitem__, zip(range(len(reads)), map(id, starmap(operator.call, reads)), strict=True)),
            map(contents.__getitem__, map(tuple, lazily)),
            map(weak.__getitem__, map(tuple, [map(weakref.getweakrefcount, self.olds)])),
        ]
        first = [*self._list_objects(objects), *(Write(batch(calls), NOTHING, HELD) for calls in checks)]
        first += [_set_bases(move.new, move.back) for move in self.moves if move.back is not None]
        first += writes
        last = list(self._convert(objects))
        # Others may ask until then, also about classes that derive from these.
        first += [Write((_reset_caches, known), (_reset_caches, known)) for known in self._judges()]
        self._measure([*first, *last], gate)
        return Exchange(first, last)

    def _judges(self) -> list[type]:
        """Abstract classes, each of which may have noted what is no longer so; but for those that change places."""
        places = {id(cls) for move in self.moves for cls in (move.old, move.new)}
        return [cls for cls in with_subclasses(object) if is_a(cls, abc.ABCMeta) and id(cls) not in places]

    def _make_again(self) -> dict[int, Any]:
        """What takes the place of each watched object, by its id."""
        become: dict[int, Any] = {id(move.old): move.new for move in self.moves}
        for item in self.watched:
            self._become(item, become)
        return become

    def _become(self, value: Any, become: dict[int, Any]) -> Any:
        # A method, and no function in a function: that would be in a circle of references, with all that is in here.
        if id(value) in self.known and type(value) in MADE_AGAIN and id(value) not in become:
            become[id(value)] = _made_again(value, functools.partial(self._become, become=become))
        return become.get(id(value), value)

    def _derive(self, cls: type, become: dict[int, Any]) -> Iterator[Write]:
        bases = tuple(become.get(id(base), base) for base in cls.__bases__)
        for move in self.moves:
            if type(move.old) is not type(move.new) and any(base is move.old for base in cls.__mro__):
                raise UnfollowedError(f"{cls.__qualname__} derives from it, and would get its metaclass")
        if not mro_is_plain(cls):
            raise UnfollowedError(f"{cls.__qualname__} derives from it, and its metaclass lines bases up in a way of its own")
        try:
            class_row(cls, lambda each: tuple(become.get(id(base), base) for base in each.__bases__))
        except NoRow as error:
            raise UnfollowedError(f"{cls.__qualname__} derives from it, and its bases contradict each other: {error}") from None
        if any(mine is not base for mine, base in zip(bases, cls.__bases__, strict=True)):
            if why := why_not_exchanged(cls.__bases__, bases):
                raise UnfollowedError(f"{cls.__qualname__} derives from it: {why}")
            yield _set_bases(cls, bases)

    def _list_objects(self, objects: list[list[Any]]) -> Iterator[Write]:
        """Inside of the commit: the objects of each old class."""
        found: list[Any] = []
        twice: list[list[Any]] = [[] for _ in objects]  # who refers to two of the classes is listed twice
        each: list[dict[int, Any]] = [{} for _ in objects]
        if self.hides:
            yield Write((gc.unfreeze,), (gc.freeze,))
        yield Write((found.extend, chain.from_iterable(map(gc.get_referrers, self.olds))), NOTHING)
        for at in range(len(self.olds)):
            yield Write((twice[at].extend, compress(found, map(operator.is_, map(type, found), repeat(self.olds[at])))), NOTHING)
        yield Write((found.clear,), NOTHING)
        for at in range(len(self.olds)):
            yield Write((each[at].update, zip(map(id, twice[at]), twice[at], strict=True)), NOTHING)
            once = chain.from_iterable(map(dict.values, [each[at]]))
            yield Write((objects[at].extend, once), (objects[at].clear,))
        yield Write(batch(map(operator.call, [*(row.clear for row in twice), *(table.clear for table in each)])), NOTHING)
        if self.hides:
            yield Write((gc.freeze,), (gc.unfreeze,))

    def _counts(self, objects: list[list[Any]]) -> Iterator[int]:
        """How many references there are to each watched object, those that its own objects have left out."""
        return map(operator.sub, map(sys.getrefcount, self.watched), chain([0], map(len, objects), repeat(0)))

    def _convert(self, objects: list[list[Any]]) -> Iterator[Write]:
        for move, items in zip(self.moves, objects, strict=True):
            # Made ready before: all of them get their class back also where one of them fails.
            yield Write(NOTHING, batch(map(_set_class_of, items, repeat(move.old))))
            # It fails for an object that was made meanwhile of a class of which there may be none: then it is tried again.
            yield Write(batch(map(_set_class_of, items, repeat(move.new))), NOTHING, HELD)
        yield from (_set_bases(move.old, move.aside) for move in self.moves if move.aside is not None)
        yield Write(batch(map(operator.call, [items.clear for items in objects])), NOTHING)
        yield Write((len, self.olds), NOTHING)  # an iterator that is used up lets go of its list, and that of the classes

    def _measure(self, writes: list[Write], gate: dict[tuple[int, ...], None]) -> None:
        """Say how many references there have to be inside of the commit.

        Raises:
            UnfollowedError: there are others now.
        """
        self.classes.clear()
        lasting = {id(part): part for part in (*_parts(self.swaps), *_parts([Swap(writes=writes)], are_ours=True))}
        for row in (self.olds, self.derived.values()):
            lasting |= {id(part): part for part in map(_bases_of, row)}
            lasting |= {id(part): part for part in map(_mro_of, row)}
        lasting |= {id(part): part for part in map(_dict_of, self.olds)}
        lasting |= {id(part): part for part in chain.from_iterable(map(_own_descriptors, self.olds))}
        lasting.pop(id(self.watched), None)  # which counts as the one reference that everything here has
        lasting |= {id(part): part for part in self.watched if type(part) in MADE_AGAIN}
        lasting |= {id(row): row for row in self.rows}
        # A tuple that is no old value has been made for the call; what is in old values is watched, or it is not counted.
        calls = chain.from_iterable((write.do, write.undo) for write in writes)
        lasting |= {id(part): part for call in calls for part in call[1:] if type(part) is tuple}
        holders = (lasting.values(), self.olds, self.derived.values())
        known: Counter[int] = sum(map(self._count_in, holders), Counter())
        lasting.clear()
        for _ in range(_TRIES):
            now, passing = self._count_now()
            wanted = [now[0], *(now[0] + known[key] + self.counts[key] for key in self.known)]
            wrong = {key for key, at in self.known.items() if now[at] != wanted[at] + passing[key]}
            if not wrong:
                gate[tuple(wanted)] = None
                return
            time.sleep(_PAUSE)  # other threads may have been in a call
        raise UnfollowedError(self._who_has(wrong))

    def _count_now(self) -> tuple[list[int], Counter[int]]:
        """What :meth:`_counts` gives now, and how many references are only there to find that out."""
        now: list[int] = []
        objects: list[list[Any]] = [[] for _ in self.olds]
        looks = [*self._list_objects(objects), Write((now.extend, self._counts(objects)), NOTHING)]
        there = {id(self.olds), id(self.watched), *self.known}
        parts = {id(part): part for part in _parts([Swap(writes=looks)], are_ours=True) if id(part) not in there}
        passing = self._count_in((*parts.values(), *self.moves))
        parts.clear()
        consume(starmap(operator.call, [look.do for look in looks]))  # in one call: others make objects meanwhile
        return now, passing

    def _count_in(self, holders: Iterable[Any]) -> Counter[int]:
        return Counter(key for key in map(id, chain.from_iterable(map(gc.get_referents, holders))) if key in self.known)

    def _who_has(self, ids: Collection[int]) -> str:
        if any(type(item) is weakref.ref and id(item) in ids for item in self.watched):
            return _IS_WEAK
        names = {cls.__name__ for cls in self.olds}
        for frame in _running_frames():
            if sys.version_info >= (3, 13):
                if any(id(part) in ids for part in frame.f_locals.values()):
                    return _describe_running(frame)
            # Before, asking for the variables makes a copy of them, which the frame would keep.
            elif not names.isdisjoint((*frame.f_code.co_names, *frame.f_code.co_freevars)):
                return f"a running call or code in C has it, perhaps {_place_of(frame)}"
        return f"{self.others[0]} has it" if self.others else "a running call or code in C has it"


def _own_descriptors(cls: type) -> Iterator[Any]:
    for value in vars_of(cls).values():
        if type(value) in (GetSetDescriptorType, MemberDescriptorType) and value.__objclass__ is cls:
            yield value


def _dict_of(cls: type) -> Any:
    """The dict inside of the proxy that a class gives."""
    return next(part for part in gc.get_referents(vars_of(cls)) if is_a(part, dict))  # that of ctypes is a dict of its own kind


def _mro_of(cls: type) -> tuple[type, ...]:
    return cls.__mro__


def _parts(swaps: Iterable[Swap], *, are_ours: bool = False) -> Iterator[Any]:
    """What is kept of swaps: writes and their calls, and what only these have.

    Args:
        are_ours: they are writes of this file, whose iterators go through lists of calls.
    """
    for swap in swaps:
        yield from (swap, swap.replaced, *swap.replaced, swap.lost, *swap.lost, swap.rehashed)
        for write in swap.writes:
            yield write
            for call in (write.do, write.undo):
                yield call
                if call[0] in COPIES and not is_a(call[-2], int):  # which is where one item goes
                    yield call[-1]
                for part in call[1:]:
                    if type(part) in _ITERATORS:
                        inside = list(_inside(part))
                        yield from inside
                        lists = (each for each in inside if type(each) is list and are_ours)
                        yield from (row for each in lists for row in each if type(row) is tuple)


def _rows_in(swaps: Iterable[Swap]) -> list[Any]:
    """The tuples in the calls of writes, which the program may have as well: a default from before."""
    pending = [part for swap in swaps for write in swap.writes for part in (*write.do[1:], *write.undo[1:])]
    found: dict[int, Any] = {}
    while pending := [part for part in pending if type(part) is tuple and id(part) not in found]:
        found.update((id(part), part) for part in pending)
        pending = [part for row in pending for part in row]
    return list(found.values())


def lead_write(write: Write, become: Mapping[int, Any]) -> Write:
    """A write of other values in the place of some, by the ids of these; also of keys and members of contents."""
    write = change_values(write, become.keys(), lambda value: become[id(value)])
    if write.do[0] not in COPIES or all(id(part) not in become for part in gc.get_referents(write.do[-1])):
        return write
    copy = write.do[-1]
    if type(copy) is dict:
        return attrs.evolve(write, do=(*write.do[:-1], {become.get(id(key), key): value for key, value in copy.items()}))
    return attrs.evolve(write, do=(*write.do[:-1], type(copy)(become.get(id(item), item) for item in copy)))


def _given(write: Write) -> Iterator[Any]:
    """What a write puts somewhere: arguments, what is in tuples and copies of contents, what iterators repeat."""
    pending = list(write.do[1:])
    copies = pending[-1:] if write.do[0] in COPIES else []
    while pending:
        part = pending.pop()
        yield part
        if type(part) in (tuple, frozenset) or (type(part) in (dict, list, set) and any(part is copy for copy in copies)):
            pending += gc.get_referents(part)
        elif type(part) in _ITERATORS:
            pending += [each for inner in _inside(part) if type(inner) is repeat for each in gc.get_referents(inner)]


def _inside(iterator: Any) -> Iterator[Any]:
    yield iterator
    for part in gc.get_referents(iterator):
        if type(part) in _ITERATORS:
            yield from _inside(part)
        elif type(part) is tuple:  # the iterators of a map
            yield part
            for each in part:
                if type(each) in _ITERATORS:
                    yield from _inside(each)
        elif type(part) is list and type(iterator) is type(iter([])):
            yield part


# ---- places, each with the call that reads it and the writes to it ----


def _in_dict(holder: Any, key: Any, old: Any, new: Any) -> tuple[Call, list[Write]]:
    return (dict.get, holder, key), [Write((dict.__setitem__, holder, key, new), (dict.__setitem__, holder, key, old))]


def _in_class(cls: type, name: str, old: Any, new: Any) -> tuple[Call, list[Write]]:
    return (types.MappingProxyType.get, vars_of(cls), name), [set_class(cls, name, new)]


def _in_row(holder: Any, at: int, old: Any, new: Any) -> tuple[Call, list[Write]]:
    kind: Any = list if is_a(holder, list) else deque
    return (kind.__getitem__, holder, at), [Write((kind.__setitem__, holder, at, new), (kind.__setitem__, holder, at, old))]


def _in_set(holder: set[Any], old: Any, new: Any) -> tuple[Call, list[Write]]:
    # In iterators: what a call to be made has itself is referred to once more while the commit makes it ready.
    return (set.__contains__, holder, old), [
        Write(batch(map(set.remove, [holder], [old])), (set.add, holder, old)),
        Write((set.add, holder, new), batch(map(set.remove, [holder], [new]))),
    ]


def _in_attribute(holder: Any, name: str, old: Any, new: Any) -> tuple[Call, list[Write]]:
    read: Call = (getattr, holder, name)
    if type(holder) is CellType:
        return read, [set_cell(holder, new)]
    if type(holder) is FunctionType:
        return read, [set_function(holder, name, new)]
    if type(holder) is defaultdict:
        return read, [Write((setattr, holder, name, new), (setattr, holder, name, old))]
    if type(holder) is functools.partial:
        state = (holder.func, holder.args, holder.keywords, holder.__dict__ or None)
        at = ("func", "args").index(name)
        fresh = (*state[:at], new, *state[at + 1 :])
        return read, [Write((holder.__setstate__, fresh), (holder.__setstate__, state))]  # type: ignore[attr-defined]  # typeshed lacks it
    return read, [set_wrapped(holder, new)]


def _in_slot(slot: Any, holder: Any, old: Any, new: Any) -> tuple[Call, list[Write]]:
    return (slot.__get__, holder), [Write((slot.__set__, holder, new), (slot.__set__, holder, old))]


#: Where these have what they refer to, besides in dicts of their own.
_READ_BY_NAME = {CellType: ("cell_contents",), FunctionType: ("__defaults__",), functools.partial: ("func", "args")}


def _write_anew(holder: Any, become: dict[int, Any]) -> Iterator[Write]:
    """A dict whose keys change, in its order."""
    old = dict(dict.items(holder))
    new = {become.get(id(key), key): become.get(id(value), value) for key, value in old.items()}
    kind: Any = OrderedDict if is_a(holder, OrderedDict) else dict
    yield Write((kind.clear, holder), (kind.update, holder, old))
    yield Write((kind.update, holder, new), (kind.clear, holder))


def _set_bases(cls: type, bases: tuple[type, ...] | None) -> Write:
    def assign(to: Any) -> Call:
        return batch(map(type.__setattr__, [cls], ["__bases__"], [to]))

    return Write(assign(bases), assign(cls.__bases__), f"bases of {cls.__qualname__}")


def _made_again(value: Any, new: Callable[[Any], Any]) -> Any:
    kind = type(value)
    if kind is tuple:
        return tuple(map(new, value))
    if kind is frozenset:
        if not all(map(_is_plain_key, value)):
            raise UnfollowedError("it is in a frozenset whose members have a hash of their own")
        return frozenset(map(new, value))
    if kind is MethodType:
        return MethodType(new(value.__func__), new(value.__self__))
    if kind is types.GenericAlias:
        made = types.GenericAlias(new(value.__origin__), tuple(map(new, value.__args__)))
        return next(iter(made)) if value.__unpacked__ else made
    if kind is types.UnionType:
        return functools.reduce(operator.or_, map(new, value.__args__))
    if (bound := bind_again(value, new(value.__self__))) is None:
        raise UnfollowedError(f"{value!r} has it")
    return bound


def _is_plain_key(key: Any) -> bool:
    """True for a key that is hashed and compared without any code of the program."""
    kind = type(key)
    if kind in _PLAIN_KEYS:
        return True
    if kind in (tuple, frozenset):
        return all(map(_is_plain_key, key))
    static: Any = type if is_a(key, type) else object
    return kind.__hash__ is static.__hash__ and kind.__eq__ is static.__eq__


# ---- caches ----


def _forget_answers(classes: Collection[int]) -> None:
    """Drop what is remembered of classes and can be asked for again."""
    for clear in getattr(typing, "_cleanups", ()):
        clear()
    looked_up = getattr(sys.modules.get("inspect"), "_shadowed_dict_from_weakref_mro_tuple", None)
    if looked_up is not None:
        looked_up.cache_clear()
    for known in with_subclasses(object):
        if is_a(known, abc.ABCMeta) and any(id(ref()) in classes for answers in _get_dump(known)[1:3] for ref in answers):
            _reset_caches(known)
    for item in objects_of([FunctionType]):
        if "dispatch" in item.__dict__ and "_clear_cache" in item.__dict__:  # a generic function, with its choices by class
            item.__dict__["_clear_cache"].__self__.data.clear()


# ---- words ----


def _describe_weak(cls: type) -> str:
    for known in with_subclasses(object):
        if is_a(known, abc.ABCMeta) and any(ref() is cls for ref in _get_dump(known)[0]):
            return f"it is registered with {known.__qualname__}"
    return _IS_WEAK


def _describe_running(item: Any) -> str:
    frame = item
    for name in ("gi_frame", "cr_frame", "ag_frame"):
        frame = getattr(item, name, frame)
    if frame is None:
        return "a generator that has ended has it"
    return f"{_place_of(frame)} has it in a variable"


def _place_of(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({os.path.basename(code.co_filename)}:{frame.f_lineno})"


def _running_frames() -> Iterator[FrameType]:
    for top in stack_tops():
        frame: FrameType | None = top
        while frame is not None:
            if not frame.f_code.co_filename.startswith(_OWN):
                yield frame
            frame = frame.f_back

