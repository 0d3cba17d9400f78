"""Three-way merge of module data: what it was when loaded, what it is now, what the new text gives.

    live == base                 take new (in place for containers, so that everybody who holds it follows)
    new == base                  keep live: the initialiser gives what it gave
    both changed, same kind      merge by key (dict, set, instance) or keep what was appended (list)
    both changed otherwise       keep live and say so (HS401)

This was 7 of the 8 hard cases in the study of Ksplice: data whose initialiser changed.
"""

from __future__ import annotations

import contextvars
import operator
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

import attrs

from hotswap.commit import MISSING, NOTHING, Call, Swap, Write, can_take_contents, del_item, set_contents, set_item
from hotswap.fingerprint import CONTAINERS, Managed, Print, fields_of, fingerprint, has_contents, home_of, number_of
from hotswap.kinds import is_a
from hotswap.link.holders import class_attribute
from hotswap.model import Finding, Severity
from hotswap.peek import own_dict
from hotswap.plugin.defaults import is_immutable
from hotswap.shadow import Shadow, coming_slots, is_slot

#: Initialisers make them without arguments, so a new one is like any other; a live one may be in use.
_PLAIN_SYNCHRONISERS = (type(threading.Lock()), type(threading.RLock()), threading.Event)
_SYNCHRONISERS = (
    *_PLAIN_SYNCHRONISERS, threading.Condition, threading.Semaphore, threading.Barrier, threading.local, contextvars.ContextVar
)  # fmt: skip


def is_synchroniser(value: Any) -> bool:
    """True for what threads may be in, so that it must not be exchanged."""
    return is_a(value, _SYNCHRONISERS)


def is_same_synchroniser(live: Any, new: Any) -> bool:
    return type(live) is type(new) and type(live) in _PLAIN_SYNCHRONISERS


#: Why a value is kept.
CHANGED = "the program changed it since it was loaded"
REPLACED = "the program replaced it since it was loaded"
GONE = "the program has set it since it was loaded, and its text has it no more"


@attrs.define(eq=False)
class Merger:
    """Merges values for one swap.

    Attributes:
        swap: gets the in-place writes and the findings.
        is_managed: see :func:`hotswap.fingerprint.fingerprint`.
        may_fill: True where what stands inside of a container can become a new one, and is no other name's.
        take_closure: makes a live function, which a call has made, the new one.
        is_late: True for a file whose modules had been loaded before hotswap came: what they were is what the old text gives now.
        is_guarded: True where a property or the like stands before an attribute of objects, in their class or in the new one.
        leave: notes a live object of a container in whose place a new one is put, with its name and where that is written.
        holders: takes the live containers, which hold what is left until the commit.
        taken: live objects that take all that the new ones hold, by id.
        partly: live objects that the program has changed, by id, with the writes that give them fields which come.
        inner: what stands in new values, by its id, with what stands for it in the live ones.
    """

    swap: Swap
    is_managed: Callable[[type], bool]
    may_fill: Callable[[Any, Any], bool]
    take_closure: Callable[[FunctionType, FunctionType], None]
    is_guarded: Callable[[type, str], bool]
    is_late: Callable[[str], bool]
    leave: Callable[[Any, str, tuple[str, int]], None]
    holders: list[Any]
    taken: dict[int, Any] = attrs.Factory(dict)
    partly: dict[int, tuple[Any, list[Write]]] = attrs.Factory(dict)
    inner: dict[int, tuple[Any, Any]] = attrs.Factory(dict)
    _filled: dict[int, Any] = attrs.Factory(dict)  # the live ones of these: each stands for one new container

    def merge(self, name: str, live: Any, base: Print | None, new: Any, where: tuple[str, int]) -> Any:
        """Give what the name is to be bound to; in-place writes are added to the swap.

        Args:
            name: for a person, ``module.NAME``.
            base: fingerprint when loaded, or None where hotswap came later.
            where: file and line of the initialiser.
        """
        if live is MISSING or live is new:
            return new
        now, then = fingerprint(live, self.is_managed, name), fingerprint(new, self.is_managed, name)
        if now.same(then) or is_same_synchroniser(live, new):
            return live
        if base is None:
            self.keep(name, where, "it is not known whether the program changed it (hotswap was attached later)")
            return live
        if not now.same(base):  # the next save asks what the program has changed since this text
            self.swap.bases[name] = base if then.opaque or base.state is not None else then
        if then.same(base):
            return live
        if now.same(base):
            return self._take(name, live, new, where)
        return self._merge_parts(name, live, base, now, new, then, where)

    def keeps(self, live: Any, base: Print | None, new: Any) -> bool:
        """True where :meth:`merge` will give the live object, filled or as it is."""
        if type(live) is type(new) and self.is_filled(live):
            return True
        now, then = fingerprint(live, self.is_managed), fingerprint(new, self.is_managed)
        return base is None or now.same(then) or then.same(base) or not now.same(base)

    def is_filled(self, value: Any) -> bool:
        return is_filled(value, self.is_managed)

    def _take(self, name: str, live: Any, new: Any, where: tuple[str, int]) -> Any:
        """Take the new value, in place where others may hold the old one and it is no other name's."""
        if type(live) is type(new) is tuple:
            return self._inside(name, live, new, where)
        if type(live) is not type(new) or not self.is_filled(live):
            return new
        if any(home_of(item, self.is_managed) not in ("", name) for item in (live, new)):
            return new
        if (is_a(live, deque) and live.maxlen != new.maxlen) or not can_take_contents(live, new):
            return new
        if is_a(live, CONTAINERS):
            self.swap.add(*set_contents(live, self._contents(name, live, new, where)))
            self._take_factory(live, new)
        else:
            self._take_state(name, live, new, where)
        return live

    def _contents(self, name: str, live: Any, new: Any, where: tuple[str, int]) -> Any:
        """What goes into a live container: the new contents, but for what others may hold of the live ones."""
        self.holders.append(live)
        if is_a(new, dict):
            return {
                key: self._inside(f"{name}[{key!r}]", live[key], value, where)
                if type(key) in (str, int) and key in live else value
                for key, value in dict.items(new)
            }  # fmt: skip
        if not is_a(new, (list, deque)):
            return new
        items = list(new)
        for at, old in self._pair_items(live, new):
            items[at] = self._inside(f"{name}[{at}]", old, items[at], where)
        return items

    def _pair_items(self, live: Any, new: Any) -> Iterator[tuple[int, Any]]:
        """Places in a new row, with what stood there in the live one: what is equal first, the rest in order if it is as many."""
        if all(item is None or type(item) in (str, int, float, bool, bytes) for item in new):
            return
        waiting: dict[int | None, deque[Any]] = {}
        for item in live:
            waiting.setdefault(number_of(item, self.is_managed), deque()).append(item)
        rest = []
        for at, item in enumerate(new):
            if same := waiting.get(number_of(item, self.is_managed)):
                yield at, same.popleft()
            else:
                rest.append(at)
        left = {id(item) for items in waiting.values() for item in items}
        if len(rest) == sum(map(len, waiting.values())):
            yield from zip(rest, (item for item in live if id(item) in left), strict=False)

    def _inside(self, name: str, live: Any, new: Any, where: tuple[str, int]) -> Any:
        """What stands for an item of a new container: the live item, filled, so that everybody who holds it follows."""
        if id(new) in self.inner:
            return self.inner[id(new)][1]
        if type(live) is not type(new) or live is new:
            return new
        if type(new) is tuple:
            self.holders.append(live)
            pairs = zip(live, new, strict=False) if len(live) == len(new) else ()
            items = tuple([self._inside(f"{name}[{at}]", old, item, where) for at, (old, item) in enumerate(pairs)])
            return items if any(map(operator.is_not, items, new)) else new
        if id(live) in self._filled or home_of(new, self.is_managed):
            return new
        if not self.may_fill(live, new):
            if self._is_hashed(live) and not fingerprint(live, self.is_managed).same(fingerprint(new, self.is_managed)):
                self.leave(live, name, where)
            return new
        self.inner[id(new)] = (new, live)
        self._filled[id(live)] = live
        if fingerprint(live, self.is_managed).same(fingerprint(new, self.is_managed)):
            for old, item in _pair_equal(live, new):  # nothing to write, but who refers to what is in it means the live ones
                self._inside(name, old, item, where)
            return live
        if type(new) is FunctionType:
            self.take_closure(live, new)
        elif self._take(home_of(live, self.is_managed) or name, live, new, where) is not live:
            del self.inner[id(new)]
            return new
        return live

    def _is_hashed(self, live: Any) -> bool:
        """True for an object of the program that has a hash of its own: changed in place, no set would find it any more."""
        return self.is_filled(live) and not is_a(live, CONTAINERS) and has_hash(type(live))

    def _take_factory(self, live: Any, new: Any) -> None:
        if is_a(live, defaultdict) and live.default_factory is not new.default_factory:
            write = vars(defaultdict)["default_factory"].__set__
            self.swap.add(Write((write, live, new.default_factory), (write, live, live.default_factory)))

    def _take_state(self, name: str, live: Any, new: Any, where: tuple[str, int]) -> None:
        mine, theirs = fields_of(live) or {}, fields_of(new) or {}
        self.taken[id(live)] = live
        for key, value in theirs.items():
            if mine.get(key, MISSING) is not value:
                self._set(f"{name}.{key}", live, key, mine.get(key, MISSING), value, where)
        for key in mine.keys() - theirs.keys():
            self._write(live, key, MISSING)

    def _set(self, name: str, target: Any, key: str, live: Any, new: Any, where: tuple[str, int]) -> None:
        kept = new if live is MISSING else self._inner(name, live, new, where)
        if kept is not live:
            self._write(target, key, kept)

    def _write(self, target: Any, key: str, value: Any) -> None:
        self.swap.held.append(target)
        self.swap.add(*set_field(target, key, value, past=self.is_guarded(type(target), key)))

    def _inner(self, name: str, live: Any, new: Any, where: tuple[str, int]) -> Any:
        now = fingerprint(live, self.is_managed)
        if now.same(fingerprint(new, self.is_managed)) or is_same_synchroniser(live, new):
            return live
        if now.opaque and type(live) is type(new) and not is_a(live, CONTAINERS):
            self.keep(name, where, "it is opaque, and may be in use")
            return live
        return self._inside(name, live, new, where) if is_a(new, CONTAINERS) else self._take(name, live, new, where)

    def _merge_parts(self, name: str, live: Any, base: Print, now: Print, new: Any, then: Print, where: tuple[str, int]) -> Any:
        if type(live) is not type(new) or base.parts is None or now.parts is None or then.parts is None:
            self.keep(name, where, CHANGED)
            return live
        if is_a(live, dict):
            return self._merge_dict(name, live, base, new, where)
        if is_a(live, set):
            return self._merge_set(live, base.parts, new)
        if is_a(live, (list, deque)):
            return self._merge_row(name, live, base, new, then, where)
        return self._merge_state(name, live, base, new, where)

    def _merge_dict(self, name: str, live: dict[Any, Any], loaded: Print, new: dict[Any, Any], where: tuple[str, int]) -> Any:
        merged: dict[Any, Any] = {}
        conflicts = []
        base = loaded.parts or {}
        new_by_number = {number_of(k, self.is_managed): (k, v) for k, v in new.items()}
        for key, value in live.items():
            number = number_of(key, self.is_managed)
            old = base.get(number) if number is not None else None
            untouched = old is not None and number_of(value, self.is_managed) == old
            fresh = new_by_number.pop(number, None)
            if fresh is not None:
                same_as_base = number_of(fresh[1], self.is_managed) == old
                is_new = untouched and not same_as_base
                merged[key] = self._inside(f"{name}[...]", value, fresh[1], where) if is_new else value
                if (
                    not untouched
                    and not same_as_base
                    and number_of(value, self.is_managed) != number_of(fresh[1], self.is_managed)
                    and not self._merge_inner(f"{name}[{key!r}]", value, loaded.inner.get(number or 0), fresh[1], where)
                ):
                    conflicts.append(repr(key))
            elif not untouched:
                merged[key] = value  # added or changed by the program
        for number, (key, value) in new_by_number.items():
            if number not in base or number_of(value, self.is_managed) != base[number or 0]:
                merged[key] = value
        if conflicts:
            self.keep(f"{name}[{', '.join(conflicts[:3])}]", where, CHANGED)
        keys = {number_of(key, self.is_managed): key for key in merged}
        places = [keys[number] for key in new if (number := number_of(key, self.is_managed)) in keys]
        self.swap.add(*set_contents(live, {key: merged[key] for key in places} | merged))  # the program's own come last
        self._take_factory(live, new)
        return live

    def _merge_inner(self, name: str, live: Any, base: Print | None, new: Any, where: tuple[str, int]) -> bool:
        """Merge an object that stands in a table by its attributes; False where it is taken or kept as a whole."""
        if base is None or type(live) is not type(new) or not self.is_filled(live) or not self.may_fill(live, new):
            return False
        now, then = fingerprint(live, self.is_managed, ""), fingerprint(new, self.is_managed, "")
        if now.parts is None or then.parts is None or base.parts is None:
            return False
        self._merge_parts(name, live, base, now, new, then, where)
        return True

    def _merge_set(self, live: set[Any], base: dict[int, int], new: set[Any]) -> Any:
        fresh = {number_of(item, self.is_managed): item for item in new}
        mine = {number_of(item, self.is_managed): item for item in live}
        merged = {item for number, item in mine.items() if number not in base or number in fresh}
        merged |= {item for number, item in fresh.items() if number in mine or number not in base}
        self.swap.add(*set_contents(live, merged))
        return live

    def _merge_row(self, name: str, live: Any, base: Print, new: Any, then: Print, where: tuple[str, int]) -> Any:
        """A list to which the program has only appended gets the new beginning and keeps what was appended."""
        assert base.parts is not None
        length = len(base.parts)
        head = [number_of(item, self.is_managed) for item in list(live)[:length]]
        if len(live) >= length and head == list(base.parts.values()):
            begin = self._contents(name, list(live)[:length], new, where)
            self.swap.add(*set_contents(live, [*begin, *list(live)[length:]]))
        else:
            self.keep(name, where, CHANGED)
        return live

    def _merge_state(self, name: str, live: Any, base: Print, new: Any, where: tuple[str, int]) -> Any:
        assert base.parts is not None
        mine, theirs = fields_of(live), fields_of(new)
        if mine is None or theirs is None or has_contents(live):
            self.keep(name, where, CHANGED)
            return live
        _, coming = self.partly[id(live)] = live, []
        for key, value in theirs.items():
            old = base.parts.get(hash(("str", key)))
            if number_of(value, self.is_managed) == old:
                continue
            current = mine.get(key, MISSING)
            before = len(self.swap.writes)
            if current is MISSING and old is None:
                self._set(f"{name}.{key}", live, key, current, value, where)
                coming += self.swap.writes[before:]
            elif number_of(current, self.is_managed) == old:
                self._set(f"{name}.{key}", live, key, current, value, where)
            elif number_of(current, self.is_managed) == number_of(value, self.is_managed):
                continue
            elif self.is_filled(current) and (inner := base.inner.get(hash(("str", key)))) is not None:
                prints = [fingerprint(item, self.is_managed, "") for item in (current, value)]
                self._merge_parts(f"{name}.{key}", current, inner, prints[0], value, prints[1], where)
            else:
                self.keep(f"{name}.{key}", where, CHANGED)
        return live

    def stays(self, name: str, live: Any, base: Print | None, where: tuple[str, int]) -> bool:
        """True where a value whose name goes from the text is not the text's, but one that the program has set.

        What the program has put into a container of the text goes with that, and is named.
        """
        if base is None or callable(live):
            return False
        now = fingerprint(live, self.is_managed, name)
        if now.opaque or base.opaque or now.same(base):
            return False
        if is_immutable(live):
            self.keep(name, where, GONE)
            return True
        message = f"{name} was removed, with what the program has put into it; a rollback brings it back"
        self.swap.findings.append(Finding(code="HS410", severity=Severity.NOTE, message=message, file=where[0], line=where[1]))
        return False

    def keep(self, name: str, where: tuple[str, int], why: str) -> None:
        if why in (CHANGED, REPLACED) and self.is_late(where[0]):
            why = "it is not what its old text gives now, and hotswap was attached later, so the program may have changed it"
        self.swap.bases.setdefault(name, None)
        self.swap.findings.append(
            Finding(
                code="HS401",
                severity=Severity.KEPT,
                message=f"{name} keeps its live value: {why}",
                file=where[0],
                line=where[1],
                next_step="delete it by hand where nothing sets it any more" if why is GONE
                else "assign it by hand or restart if the new initial value is wanted",
            )
        )


def _pair_equal(live: Any, new: Any) -> Iterable[tuple[Any, Any]]:
    """What stands in the same places of two equal containers."""
    if is_a(live, dict):
        return zip(dict.values(live), dict.values(new), strict=True)
    return zip(live, new, strict=True) if is_a(live, (list, deque)) else ()


def has_hash(cls: type) -> bool:
    """True for a class whose objects are hashed by what is in them."""
    hash_of: Any = cls.__hash__
    return hash_of is not None and hash_of is not object.__hash__


def is_filled(value: Any, is_managed: Callable[[type], bool]) -> bool:
    """True for a container or object that can be given other contents; who holds it sees them."""
    if is_a(value, CONTAINERS):
        state = own_dict(value)
        return state is None or not (state or is_managed(type(value)))  # OrderedDict and Counter have an empty one
    state = None if is_a(value, type) or has_contents(value) else fields_of(value)
    return state is not None and is_managed(type(value))


def pair_objects(
    managed: Managed, module: str, names: Iterable[str], space: Mapping[str, Any], live: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """The new objects of a module whose contents a merge puts into the live ones, as (name, new, live)."""
    for name in names:
        new, held = space.get(name), live.get(name)
        if new is held or type(new) is not type(held) or not managed.is_object(new):
            continue
        own = managed.home_of(held) in ("", f"{module}.{name}") and not managed.home_of(new)
        if own and is_filled(held, managed):
            yield name, new, held


def set_field(target: Any, name: str, value: Any, *, past: bool) -> list[Write]:
    """Set an attribute of an object past its class, in its dict, in a slot, or beside it; MISSING takes it away.

    Args:
        past: a descriptor of the program stands before it, whose code is not to run: the dict itself is written to. Others are
            not asked for their dict, which would make reading them slower for good.
    """
    slot = coming_slots(type(target)).get(name) or class_attribute(type(target), name)
    if type(slot) is Shadow:
        old = slot.look(target, MISSING)
        there, back = ([slot.emptying(target)] if new is MISSING else slot.storing(target, new) for new in (value, old))
        return [*(Write(call, NOTHING) for call in there), *(Write(NOTHING, call) for call in reversed(back))]
    state = own_dict(target) if past else None
    if state is not None and not is_slot(slot):
        return _change_item(state, name, value)
    old = (fields_of(target) or {}).get(name, MISSING)
    return [Write(_change(slot, target, name, value), _change(slot, target, name, old))]


def _change_item(state: dict[str, Any], name: str, value: Any) -> list[Write]:
    if value is not MISSING:
        return [set_item(state, name, value)]
    return [del_item(state, name)] if name in state else []


def _change(slot: Any, target: Any, name: str, value: Any) -> Call:
    if is_slot(slot):  # itself: its class may lose it in the same instant
        return (slot.__delete__, target) if value is MISSING else (slot.__set__, target, value)
    return (object.__delattr__, target, name) if value is MISSING else (object.__setattr__, target, name, value)
