"""How many objects are left to convert, looked at while there are some: the points of the status page's charts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import attrs

from hotswap.model import ClassStatus

#: Seconds between two looks, at least; counting a million objects takes a good part of one, so it is also that many times as
#: long as the look took.
INTERVAL = 0.5
SHARE = 20
#: So many points a class; when they are used up every second one goes, and looks come half as often.
POINTS = 120
#: So many classes are remembered.
CLASSES = 12

#: Seconds since the class began to be looked at, and objects left.
Point = tuple[float, int]


@attrs.define(eq=False)
class Sampler:
    """Counts in a thread that lives while objects wait.

    Attributes:
        read: gives the classes that are being converted.
        tell: called after each look.
    """

    read: Callable[[], tuple[ClassStatus, ...]]
    tell: Callable[[], None]
    # Guards the fields below; innermost.
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)
    _points: dict[str, list[tuple[float, int]]] = attrs.field(factory=dict, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)
    _end: threading.Event = attrs.field(factory=threading.Event, init=False)
    _factor: float = attrs.field(default=1.0, init=False)

    def start(self) -> None:
        """Look until nothing is left; does nothing where that is so already, or a thread looks."""
        if not self.look():
            return
        with self._lock:
            if self._thread is None and not self._end.is_set():
                self._thread = threading.Thread(target=self._run, name="hotswap-page-sampler", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        self._end.set()

    def after_fork(self) -> None:
        """In a child: the thread is gone."""
        self._end.set()

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            goes_on = self.look()
            self.tell()
            pause = max(INTERVAL, SHARE * (time.monotonic() - began)) * self._factor
            if not goes_on or self._end.wait(pause):
                with self._lock:
                    self._thread = None
                return

    def look(self) -> bool:
        """Take one point of each class; gives whether something is left that is not held up by failures alone."""
        classes, now = self.read(), time.monotonic()
        left = {each.name: sum(count for _, count in each.left) for each in classes}
        with self._lock:
            for name, points in self._points.items():
                if name not in left and points[-1][1]:
                    points.append((now, 0))
            for name, count in left.items():
                points = self._points.setdefault(name, [])
                if points and not points[-1][1] and count:  # another conversion of the same class
                    points.clear()
                points.append((now, count))
                if len(points) > POINTS:
                    del points[1:-1:2]
                    self._factor = min(self._factor * 2, 16.0)
            while len(self._points) > CLASSES:
                del self._points[next(iter(self._points))]
        if not any(left.values()):
            self._factor = 1.0
        return any(left[each.name] > each.failed for each in classes)

    def samples(self) -> Mapping[str, tuple[Point, ...]]:
        """The points by class, oldest first, with times counted from the first."""
        with self._lock:
            return {name: tuple((at - points[0][0], count) for at, count in points) for name, points in self._points.items()}
