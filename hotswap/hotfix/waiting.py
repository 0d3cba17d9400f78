"""What goes on while an agent waits: the time in which a patch is to be confirmed, and what is told of a change that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from hotswap.hotfix.spool import Desired

__all__ = ["OrderClock", "repeating"]


@attrs.define(eq=False)
class OrderClock:
    """Unix time, by which orders are judged; while one waits to be confirmed it goes on, however the clock is set.

    A clock that is set back must neither keep a patch nor bring back one that was taken back.
    """

    # What Unix time is ahead of the monotonic clock, and was at most since an order that waits was first seen.
    _offset: float = attrs.field(factory=lambda: time.time() - time.monotonic())
    _offsets: dict[tuple[str, float], float] = attrs.field(factory=dict)

    def note(self, desired: Desired) -> None:
        """Look at the clock while some orders wait."""
        offset = time.time() - time.monotonic()
        waiting = [(order.digest, order.at) for order in desired.orders if order.confirm_by is not None]
        self._offsets = {key: max(offset, self._offsets.get(key, offset)) for key in waiting}
        self._offset = max(self._offsets.values(), default=offset)

    def now(self) -> float:
        """Seconds."""
        return time.monotonic() + self._offset


@contextmanager
def repeating(call: Callable[[float], Any], interval: float, name: str) -> Iterator[None]:
    """Call something again and again in a thread of its own, as long as this thread is inside.

    Args:
        call: gets the seconds since the beginning.
        interval: seconds before each call; where the inside takes less than that, none is made.
        name: of the thread.
    """
    is_over, began = threading.Event(), time.monotonic()

    def run() -> None:
        while not is_over.wait(interval):
            call(time.monotonic() - began)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
