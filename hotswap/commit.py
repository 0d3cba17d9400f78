"""Every write to the live program, each with its inverse, applied in one instant.

Takes: a :class:`Swap`, the prepared writes. Gives: nothing; afterwards all of them are live, or none.
May touch: whatever the writes name. Must not: compute, execute code of the program, or wait.

A loop in C does not let another thread in while it calls C functions, so ``deque(map(setattr, ...))`` over prepared
writes is one instant under the GIL. The collector is off meanwhile, and replaced values are held until it is over, so
that no finaliser runs in between. (The idea of redirecting at the old function's own entry, so that every stored
pointer stays valid, is Linux live patching's.)
"""

from __future__ import annotations

import gc
import operator
import sys
import time
import warnings
import weakref
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import chain, groupby, starmap
from types import CellType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType
from typing import Any

import attrs

from hotswap.collector import consume, with_subclasses
from hotswap.fingerprint import Print
from hotswap.frames import Place
from hotswap.kinds import deleter_of, is_a, is_data_descriptor, setter_of, vars_of
from hotswap.model import Finding, Redirect
from hotswap.peek import class_value, own_dict
from hotswap.versions import count_anew, renumber

#: A call to be made: a function implemented in C and its arguments.
Call = tuple[Any, ...]

_PYTHON = frozenset({FunctionType, MethodType})

#: The side of a write that has nothing to do.
NOTHING: Call = (bool,)
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<missing>", "__slots__": ()})()


@attrs.frozen(slots=True)
class Write:
    """One write with its inverse; both are calls of C functions with ready arguments.

    Attributes:
        do, undo: ``(function, *arguments)``.
        what: for a person who reads the journal.
    """

    do: Call
    undo: Call
    what: str = ""


class WriteError(Exception):
    """A write failed; the ones before it have been taken back. The cause is the write's own exception.

    Attributes:
        what: the write, for a person.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def take_new(function: Any, key: str, old: Any, new: Any) -> Any:
    """What a function carries is replaced, where nobody says otherwise."""
    return new


@attrs.define(eq=False)
class Swap:
    """The plan bound to live objects.

    Attributes:
        writes: in the order in which they are made.
        redirects: callables that references from before are led to, and how.
        findings: what linking found.
        led: ids of functions that are led on to something else than their own new code.
        unfollowed: functions that kept their old code, with the finding to make if nothing leads them on.
        trampolines: live functions that lead to another one, during linking only.
        codes: what each code object of an edited file becomes, by file.
        held: objects that are written to, or made aside, and must not die before the commit is over: what is kept beside them
            goes by their ids.
        suspended: generators and coroutines that were alive, to name what still runs old code.
        removed: functions without a successor, with their module: known from the commit on, so that they can come back.
        request: what the convert stage does to objects that exist; None for nothing.
        imported: modules that were imported while it was linked; given up, it leaves none.
        lost: fields that objects lose without a migration; they have them until the swap is confirmed.
        rehashed: classes whose objects get another hash, and are in no dict or set but those of owners.
        bases: what the text gives now for names whose live value the program has changed, ``module.NAME`` or
            ``module.Class.attr``; None where the base of before goes on.
        doubles: what is alive of other copies of the edited modules, see ``link/doubles.py``.
        replaced: classes in the place of which another one is live, see ``link/replacing.py``.
        changed: old code of functions whose text changes, with its module.
        added: code of functions that have come, with its module.
        merge: chooses between the live and the new value of what a function carries, see ``link/attributes.py``.
    """

    writes: list[Write] = attrs.Factory(list)
    redirects: list[Redirect] = attrs.Factory(list)
    findings: list[Finding] = attrs.Factory(list)
    bases: dict[str, Print | None] = attrs.Factory(dict)
    led: set[int] = attrs.Factory(set)
    unfollowed: list[tuple[FunctionType, Finding]] = attrs.Factory(list)
    trampolines: list[FunctionType] = attrs.Factory(list)
    held: list[Any] = attrs.Factory(list)
    suspended: list[Any] = attrs.Factory(list)
    codes: dict[str, dict[CodeType, CodeType]] = attrs.Factory(dict)
    removed: list[tuple[str, FunctionType]] = attrs.Factory(list)
    request: Any = None
    imported: list[str] = attrs.Factory(list)
    lost: list[tuple[type, tuple[str, ...]]] = attrs.Factory(list)
    rehashed: list[type] = attrs.Factory(list)
    doubles: list[tuple[weakref.ref[Any], Finding]] = attrs.Factory(list)
    replaced: list[Any] = attrs.Factory(list)
    changed: dict[Place, str] = attrs.Factory(dict)
    added: dict[Place, str] = attrs.Factory(dict)
    merge: Callable[[Any, str, Any, Any], Any] = attrs.field(default=take_new, repr=False)

    def add(self, *writes: Write) -> None:
        self.writes.extend(writes)


def apply(swap: Swap, first: Sequence[Write] = (), last: Sequence[Write] = ()) -> float:
    """Make all writes in one instant. Caller holds ``Engine.lock``.

    Args:
        first, last: further writes, made before and behind them in the same instant.

    Returns:
        How long the instant took, in seconds: no other thread runs meanwhile.

    Raises:
        WriteError: a write failed; those made before it have been taken back.
    """
    return run([*first, *swap.writes, *last])


def revert(swap: Swap, then: Swap | None = None, first: Sequence[Write] = ()) -> float:
    """Take all writes back in one instant, the last one first. Caller holds ``Engine.lock``.

    Args:
        then: further writes, made behind them in the same instant.
        first: further ones, made before them.

    Returns:
        How long the instant took, in seconds.

    Raises:
        WriteError: a write cannot be taken back, because the program has changed what it wrote; all is as it was.
    """
    return run(way_back(swap, then, first))


def way_back(swap: Swap, then: Swap | None = None, first: Sequence[Write] = ()) -> list[Write]:
    """What :func:`revert` makes."""
    return [*first, *take_back(swap.writes), *(then.writes if then is not None else ())]


def take_back(writes: Sequence[Write]) -> list[Write]:
    """The inverse of some writes."""
    return [Write(write.undo, write.do, write.what) for write in reversed(writes)]


def run(writes: Sequence[Write]) -> float:
    """Make writes in one instant, see :func:`apply`."""
    calls = [w.do for w in writes]
    wrong = [call[0] for call in calls if type(call[0]) in _PYTHON]
    assert not wrong, f"{wrong[0]} would let other threads run inside of the commit"
    written = {id(call[1]): call[1] for call in calls if call[0] is setattr and type(call[1]) is FunctionType}
    calls += renumber(written.values())
    rows, rest = _in_rows(calls)
    silence, speak = _silent_about_kinds(calls)
    enabled = gc.isenabled()
    gc.disable()
    start = time.perf_counter()
    try:
        deque(chain(silence, rows, speak), maxlen=0)
    except BaseException as error:  # raised again, as what it means: a signal may come in the middle, too
        # What was made before the failure is taken back in order.
        made = max(0, min(len(calls) - sum(map(operator.length_hint, rest)) - 1, len(writes)))
        undo = starmap(operator.call, [w.undo for w in reversed(writes[:made])])
        deque(chain(undo, speak), maxlen=0)
        failed = writes[min(made, len(writes) - 1)]
        raise WriteError(failed.what or getattr(failed.do[0], "__qualname__", "a write")) from error
    finally:
        took = time.perf_counter() - start
        if enabled:
            gc.enable()
        count_anew(chain.from_iterable(map(with_subclasses, _written_classes(calls))))
    return took


def _written_classes(calls: Sequence[Call]) -> list[type]:
    found = {id(call[1]): call[1] for call in calls if len(call) > 1 and is_a(call[1], type)}
    return list(found.values())


_KIND = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_SILENCE = ("ignore", None, DeprecationWarning, None, 0)  # as the entries of warnings.filters are


def _silent_about_kinds(calls: Sequence[Call]) -> tuple[Iterator[Any], Iterator[Any]]:
    """What lets functions become generators and the like without a word, and what ends that.

    CPython 3.13 and newer warn of it. A filter of the program would run code inside of the commit, or make a failure of it.
    """
    codes = [call[1:] for call in calls if call[0] is setattr and call[2] == "__code__"] if sys.version_info >= (3, 13) else []
    if all(function.__code__.co_flags & _KIND == code.co_flags & _KIND for function, _, code in codes):
        return iter(()), iter(())
    # The list is asked for inside of the instant: another thread may exchange it until then, with catch_warnings.
    filters = [map(getattr, [warnings], ["filters"]) for _ in range(2)]
    return map(list.insert, filters[0], [0], [_SILENCE]), map(list.remove, filters[1], [_SILENCE])


def _in_rows(calls: Sequence[Call]) -> tuple[Iterator[Any], list[Iterator[Any]]]:
    """An iterator that makes the calls one by one, in order, and iterators that know how many of them are left.

    Calls of one function in a row are mapped over columns of arguments: half the time of a call through a tuple.
    """
    rows: list[Iterator[Any]] = []
    rest: list[Iterator[Any]] = []
    for (_, size), group in groupby(calls, lambda call: (id(call[0]), len(call))):
        row = list(group)
        columns = [iter(column) for column in list(zip(*row, strict=True))[1:]]
        rest.append(columns[0] if size > 1 else iter([()] * len(row)))
        rows.append(map(row[0][0], *columns) if size > 1 else starmap(row[0][0], rest[-1]))
    return chain.from_iterable(rows), rest


#: Calls that put copies of contents into a container, see :func:`set_contents`.
COPIES: frozenset[Any] = frozenset({dict.update, OrderedDict.update, list.__setitem__, set.update, deque.extend})


def change_values(write: Write, ids: Collection[int], become: Callable[[Any], Any]) -> Write:
    """A write of other values in the place of those with these ids, also in tuples and in contents."""

    def changed(value: Any) -> Any:
        if id(value) in ids:
            return become(value)
        if type(value) is not tuple:
            return value
        items = tuple(map(changed, value))
        return items if any(map(operator.is_not, items, value)) else value

    do = changed(write.do)
    of_function = len(do) == 4 and do[0] is setattr and do[2] in ("__kwdefaults__", "__annotations__")
    if (write.do[0] in COPIES or of_function) and type(do[-1]) is dict:
        do = (*do[:-1], {key: changed(value) for key, value in do[-1].items()})
    elif write.do[0] in COPIES and type(do[-1]) is list:
        do = (*do[:-1], [changed(value) for value in do[-1]])
    return write if do is write.do else attrs.evolve(write, do=do)


# ---- the kinds of writes, each beside its inverse ----


def set_item(mapping: dict[Any, Any], key: Any, value: Any, what: str = "") -> Write:
    """``mapping[key] = value`` in an exact dict."""
    if key in mapping:
        return Write((dict.__setitem__, mapping, key, value), (dict.__setitem__, mapping, key, mapping[key]), what)
    return Write((dict.__setitem__, mapping, key, value), (dict.pop, mapping, key, None), what)


def del_item(mapping: dict[Any, Any], key: Any, what: str = "") -> Write:
    return Write((dict.pop, mapping, key, None), (dict.__setitem__, mapping, key, mapping[key]), what)


def set_function(function: FunctionType, name: str, value: Any) -> Write:
    """Set ``__code__``, ``__defaults__`` and the like of a function."""
    return Write((setattr, function, name, value), (setattr, function, name, getattr(function, name)))


def set_cell(cell: CellType, value: Any) -> Write:
    try:
        old = cell.cell_contents
    except ValueError:
        return Write((setattr, cell, "cell_contents", value), (delattr, cell, "cell_contents"))
    return Write((setattr, cell, "cell_contents", value), (setattr, cell, "cell_contents", old))


def set_class(cls: type, name: str, value: Any, what: str = "") -> Write:
    """Set an attribute of a class, past its metaclass's ``__setattr__``."""
    old = vars_of(cls).get(name, MISSING)
    do = (setter_of(cls), cls, name, value)
    if old is MISSING:
        return Write(do, (deleter_of(cls), cls, name), what)
    return Write(do, (setter_of(cls), cls, name, old), what)


def del_class(cls: type, name: str, what: str = "") -> Write:
    return Write((deleter_of(cls), cls, name), (setter_of(cls), cls, name, vars_of(cls)[name]), what)


def set_attribute(target: Any, name: str, value: Any, what: str = "") -> Write | None:
    """Set an attribute that an instance has, in its dict or a slot; None where a descriptor of the program would have to run.

    ``object.__setattr__`` leads past the class's own, but not past properties and the like.
    """
    state, descriptor = own_dict(target), class_value(type(target), name)
    if state is not None and (name in state or not is_data_descriptor(descriptor)):
        return set_item(state, name, value, what)
    if type(descriptor) not in (MemberDescriptorType, GetSetDescriptorType):
        return None
    put = descriptor.__set__
    return Write((put, target, value), (put, target, descriptor.__get__(target, type(target))), what)


def can_take_contents(container: Any, new: Any) -> bool:
    """False for an array of other numbers, and for memory of another size into which somebody looks by a memoryview."""
    if isinstance(container, array) and container.typecode != new.typecode:
        return False
    if isinstance(container, (array, bytearray)) and len(container) != len(new):
        grow = (container.frombytes, bytes(container.itemsize)) if isinstance(container, array) else (container.append, 0)
        try:  # nothing else tells; in one call in C, so that no other thread sees it
            consume(starmap(operator.call, (grow, (container.pop,))))
        except BufferError:
            return False
    return True


def set_contents(container: Any, new: Any) -> list[Write]:
    """Give a builtin container other contents, in place, so that everybody who holds it sees them."""
    old: Any
    if isinstance(container, dict):
        old = dict(container)
        kind = OrderedDict if isinstance(container, OrderedDict) else dict  # it keeps an order of its own
        return [
            Write((kind.clear, container), (kind.update, container, old)),
            Write((kind.update, container, dict(new)), (kind.clear, container)),
        ]
    if isinstance(container, list):
        old = list(container)
        everything = slice(None)
        return [Write((list.__setitem__, container, everything, list(new)), (list.__setitem__, container, everything, old))]
    if isinstance(container, set):
        old = set(container)
        return [
            Write((set.clear, container), (set.update, container, old)),
            Write((set.update, container, set(new)), (set.clear, container)),
        ]
    if isinstance(container, deque):
        old = list(container)
        return [
            Write((deque.clear, container), (deque.extend, container, old)),
            Write((deque.extend, container, list(new)), (deque.clear, container)),
        ]
    if isinstance(container, bytearray):
        everything = slice(None)
        return [
            Write(
                (bytearray.__setitem__, container, everything, bytes(new)),
                (bytearray.__setitem__, container, everything, bytes(container)),
            )
        ]
    if isinstance(container, array):
        everything = slice(None)
        put = array.__setitem__
        return [Write((put, container, everything, new[:]), (put, container, everything, container[:]))]
    raise TypeError(f"no in-place write for {type(container).__name__}")
