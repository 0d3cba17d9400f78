"""Objects of one class at one place converted by the sweep, many at a time: what :meth:`Conversions.convert` does for each, with
one row of calls in C for all of them. Whatever is not the common case is left to it.

    read, hooks       one object after the other, on private states
    publishing        the row ends at the first object that another thread has published; it goes on after that one
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Sequence
from itertools import starmap
from threading import get_ident
from typing import TYPE_CHECKING, Any

from hotswap.commit import MISSING, Call
from hotswap.convert.route import Route
from hotswap.convert.state import State

if TYPE_CHECKING:
    from hotswap.convert.conversions import Conversions

_make = deque[Any](maxlen=0).extend
Entry = tuple[Any, int]


#: One object with its state before and after: where its calls begin in the row, which is where it is taken out; its entry.
_Work = tuple[int, Entry, dict[str, Any], State]  # a tuple, as one is made for each object


def convert_batch(own: Conversions, route: Route, entries: Sequence[tuple[int, Entry]], epoch: int) -> list[Any]:
    """Convert what can be converted together; gives the objects that are left.

    Args:
        entries: of objects of one class that wait at the place of the route, by id.
        epoch: when they were taken from the table.
    """
    layout = route.layout
    read, fit, put, take_out = layout.fast, layout.fit, layout.set, own.take_out
    thread = get_ident()
    if read is None or thread in own.running or own.is_special():
        return [item for _, (item, _) in entries]
    left: list[Any] = []
    calls: list[Call] = []
    works: list[_Work] = []  # holds what the calls drop, so that no finaliser runs in between
    try:
        for key, entry in entries:
            item = entry[0]
            own.running[thread] = (item, None)
            try:
                state = read(item)
                if not state or not layout.is_flat(state):  # without a field it may be one that is just being made
                    left.append(item)
                    continue
                before = dict(state)
                route.run(state)
                if not fit.issuperset(state):
                    layout.check(before, state)
            except BaseException as error:  # noqa: BLE001 - border to the hooks of the program: the sweep goes on with the others
                if own.pending.get(key) is entry:  # else another thread has published it, maybe while it was read
                    own.fail(item, key, error, route)
                continue
            works.append((len(calls), entry, before, state))
            calls.append((take_out, key))
            for name in before:
                if name not in state:
                    route.leaps[0].aside.put(item, {name: before[name] for name in before.keys() - state.keys()})
                    calls += layout.write(item, None, before, state)
                    break
            else:
                get = before.get
                calls += [(put, item, name, value) for name, value in state.items() if get(name, MISSING) is not value]
    finally:
        own.running.pop(thread, None)
    return left + _publish(own, route, (own.is_epoch, epoch), calls, works)


def _publish(own: Conversions, route: Route, check: Call, calls: list[Call], works: list[_Work]) -> list[Any]:
    """Make the calls; gives the objects for which they were not made.

    Args:
        check: raises where the epoch is over; it begins each row, as a swap may come between two of them.
    """
    start = 0
    while True:
        doing = iter([check, *calls[start:]])
        try:
            _make(starmap(operator.call, doing))
        except Exception as error:  # noqa: BLE001 - which call it was decides: the check, one that takes out, or one that writes
            failed = len(calls) - operator.length_hint(doing) - 1
            if failed < start:
                return [entry[0] for begin, entry, _, _ in works if begin >= start]  # a swap was: they are worked out anew
            place = max(index for index, work in enumerate(works) if work[0] <= failed)
            begin, entry, before, after = works[place]
            if begin != failed:  # else another thread has published it, maybe while it was read
                own.put_back(entry, route.layout.write(entry[0], None, after, before), error, route)
            if place + 1 == len(works):
                return []
            start = works[place + 1][0]
        else:
            return []
