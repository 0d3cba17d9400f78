"""Puts barriers up with a commit and takes them away when nothing waits; the versions of classes; the sweep.

    commit                           the barrier is up, and lets nobody through; the old objects are listed
    settle                           the old objects are entered; from now on each access converts
    sweep                            converts what nobody accesses, in small slices
    nothing of a class waits         its barrier is taken away under the engine's lock: the class is as it was

Called with ``Engine.lock`` held, but for the sweep, which takes it without waiting, to take barriers away.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import compress
from types import CodeType, FunctionType
from typing import Any, Protocol

import attrs

from hotswap.commit import NOTHING, Call, Swap, Write
from hotswap.commit import apply as commit_swap
from hotswap.config import Budget
from hotswap.convert.barrier import Barrier, make_barriers, own_of
from hotswap.convert.conversions import Conversions, Failure
from hotswap.convert.leap import Leap, cancel
from hotswap.convert.lineage import LEAPS, SHAPES, UNDONE, VERSIONS, changing, has_migrations, version_of_class
from hotswap.convert.stamps import equipping
from hotswap.errors import MigrationError
from hotswap.migrations import When, name_of
from hotswap.model import ClassStatus

#: Seconds of work before other threads get a turn, and how long they get.
SLICE, REST = 0.001, 0.0
#: So many objects are published at once, which takes some hundred microseconds.
BATCH = 64


class Listing(Protocol):
    """Lists instances inside of the commit; what ``link/instances.py`` gives."""

    classes: set[type]
    found: list[Any]
    first: list[Write]


@attrs.define(eq=False)
class Request:
    """What a swap does to objects that exist.

    Attributes:
        leaps: by exact class.
        versions: of the classes after the swap, by qualified name.
        owns: what the classes themselves will have under the names of a barrier; what they have now in ``owns_before``.
        fresh: objects that the new code has made aside already, or whose contents it has made: they need nothing.
        exchanged: those that lived before. With a rollback they get their old contents, and need nothing then either.
        up: the writes that put the barriers up, and let the classes upgrade states.
        items: takes the objects, in the instant of the commit.
        aside: the same leaps, with hooks that can run before the commit.
        further: for classes whose objects wait already, what these need after that.
        shapes: the names of the fields of a class, before the swap and after it, by its name and version.
    """

    leaps: dict[type, Leap]
    versions: dict[str, int]
    owns: dict[type, dict[str, Any]]
    owns_before: dict[type, dict[str, Any]] = attrs.Factory(dict)
    fresh: list[Any] = attrs.Factory(list)
    exchanged: list[Any] = attrs.Factory(list)
    up: list[Write] = attrs.Factory(list)
    barriers: list[Barrier] = attrs.Factory(list)
    items: list[Any] = attrs.Factory(list)
    shapes: dict[str, dict[int, frozenset[str]]] = attrs.Factory(dict)
    aside: dict[type, Leap] = attrs.Factory(dict)
    further: dict[type, Leap] = attrs.Factory(dict)


@attrs.define(eq=False)
class Converter:
    """The convert stage.

    Attributes:
        lock: the engine's.
        budget: how many objects of the next swap may fail before it is taken back by itself; None for any number.
        on_exhausted: told when there are more, with what the swap did and why.
        barriers: those that stand.
    """

    lock: Any = attrs.Factory(threading.RLock)
    conversions: Conversions = attrs.Factory(Conversions)
    barriers: list[Barrier] = attrs.Factory(list)
    kept: list[Leap] = attrs.Factory(list)  # leaps that keep lost fields aside
    budget: Budget | None = None
    on_exhausted: Callable[[Request, str], None] = lambda request, why: None
    _eager: list[Any] = attrs.Factory(list)
    # Swaps of which objects are left, the oldest first, and how many of these may fail.
    _watched: list[tuple[Request, Budget]] = attrs.Factory(list)
    _thread: threading.Thread | None = None
    _wake: threading.Event = attrs.Factory(threading.Event)

    # ---- versions ----

    def version_of_class(self, cls: type) -> int:
        """The version of a class, see ``lineage.py``."""
        return version_of_class(cls)

    def version_of(self, item: Any) -> int:
        """The version that an object has; it is not converted by asking."""
        cls = type(item)
        at = self.conversions.position(item)
        row = self.conversions.leaps.get(cls)
        return self.version_of_class(_versioned(cls)) if at is None or row is None else self._version_at(cls, row, at)

    def _version_at(self, cls: type, row: list[Leap], at: int) -> int:
        """The version of objects that need the leaps from a place on."""
        cls = _versioned(cls)
        for leap in cancel(row[at:]):
            for step in leap.steps:
                if step.cls is cls:
                    return step.frm if leap.undoes is None else step.to
        return self.version_of_class(cls)

    # ---- with a commit ----

    def arm(self, request: Request, swap: Swap, listing: Listing) -> None:
        """Before the commit: add the writes that list the objects and put the barriers up."""
        classes = list(request.leaps)
        # All that refers to the classes, to be looked through when the world goes on.
        listing.classes.update(classes)
        listing.first.append(Write((request.items.extend, listing.found), NOTHING, "list old objects"))
        swap.add(Write((self.conversions.epoch.clear,), NOTHING))
        standing = {barrier.cls for barrier in self.barriers}
        request.owns_before = {cls: own_of(cls, self.barriers) for cls in classes}
        owns = {cls: request.owns[cls] for cls in classes if cls not in standing}
        request.barriers = make_barriers(owns, self.conversions)
        request.up = [write for barrier in request.barriers for write in barrier.writes_up()]
        for cls in {step.cls for leap in request.leaps.values() for step in leap.steps}:
            request.up += equipping(cls)  # it stays: who has looked for these methods may be about to call them
        swap.add(*request.up)

    def before_commit(self, request: Request) -> None:
        """Let nobody through from the commit on, until the objects are entered."""
        self.conversions.begin(request.leaps)

    def cancel(self, request: Request) -> None:
        """The commit failed, and has been taken back."""
        request.items.clear()
        request.fresh.clear()
        self.conversions.release()

    def after_commit(self, request: Request, swap: Swap, taken_back: Swap | None = None) -> None:
        """Enter the objects; those that want to be converted at once are for :meth:`take_eager`.

        Args:
            taken_back: what was taken back in the same instant.
        """
        kinds = {id(cls) for cls in request.leaps}  # by id: a metaclass may have an __eq__ of its own
        items = list(compress(request.items, map(kinds.__contains__, map(id, map(type, request.items)))))
        if fresh := set(map(id, request.fresh)):
            items = [item for item in items if id(item) not in fresh]
        request.items.clear()
        request.fresh.clear()
        taken = set(map(id, request.up))
        swap.writes = [write for write in swap.writes if id(write) not in taken]  # a rollback leaves them
        request.up.clear()
        self.barriers += request.barriers
        self._record(request)
        request.aside.clear()
        self.kept += [leap for leap in request.leaps.values() if all(leap is not each for each in self.kept)]
        calls = [write.do for write in swap.writes] + [write.undo for write in (taken_back.writes if taken_back else ())]
        self.conversions.settle(items, request.leaps, _codes_in(calls), request.further)
        eager = {cls for cls, leap in request.leaps.items() if leap.when is When.EAGER}
        self._eager += [item for item in items if type(item) in eager] if eager else ()
        self.start()

    def watch(self, request: Request) -> None:
        """Have a swap taken back where more of its objects fail than ``budget`` allows now, until all are converted."""
        if self.budget is not None:
            self._watched.append((request, self.budget))

    def take_eager(self) -> list[Any]:
        """The objects that want to be converted before the swap returns, once."""
        found, self._eager = self._eager, []
        return found

    def convert_each(self, items: Iterable[Any]) -> list[MigrationError]:
        """Convert objects now; no lock is held. Gives what they raised."""
        raised = []
        for item in items:
            try:
                self.conversions.convert(item)
            except MigrationError as error:
                raised.append(error)
        return raised

    def _record(self, request: Request) -> None:
        """What stands for the states that were written down: versions, shapes, leaps."""
        with changing():
            for cls, leap in request.leaps.items():
                if leap.undoes is None:
                    LEAPS.setdefault(cls, []).append(leap)
                    if cls in UNDONE:  # it may be made once more
                        UNDONE[cls] = [each for each in UNDONE[cls] if each.undoes is not leap]
                elif leap.undoes in LEAPS.get(cls, ()):
                    LEAPS[cls].remove(leap.undoes)
                    UNDONE.setdefault(cls, []).append(leap)
            for name, version in request.versions.items():
                VERSIONS[name] = version
                for number, names in request.shapes.get(name, {}).items():
                    SHAPES.setdefault(name, {})[number] = names

    def back(self, request: Request) -> Request:
        """What the way back of a swap does to objects."""
        versions: dict[str, int] = {}
        for leap in request.leaps.values():
            for step in leap.steps:
                name, one = name_of(step.cls), step.frm if leap.undoes is None else step.to
                versions[name] = (min if leap.undoes is None else max)(one, versions.get(name, one))
        leaps = {cls: leap.back() for cls, leap in request.leaps.items()}
        further = {cls: leap.back() for cls, leap in request.further.items() if cls in self.conversions.leaps}
        return Request(leaps, versions, dict(request.owns_before), fresh=[*request.exchanged], further=further)

    # ---- the sweep ----

    def start(self) -> None:
        """Let the sweep run, where something waits for it."""
        self._wake.set()
        if not self.barriers and not self.conversions.pending:
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._sweep, name="hotswap-sweep", daemon=True)
            self._thread.start()

    def after_fork(self) -> None:
        """In a child: the other threads are gone, and what they had begun."""
        self.conversions.forget_threads()
        self.start()

    def _sweep(self) -> None:
        while self.barriers or self.conversions.pending:
            self._wake.clear()
            converted = self._convert_all()
            self._check_budget()
            if not self.finish():
                # What is left waits for its access, has failed, or is being made; or a swap holds the lock.
                self._wake.wait(0.002 if converted else 1.0 if self.conversions.pending else 0.01)

    def _convert_all(self) -> int:
        """Convert what can be converted; gives how many were tried."""
        conversions = self.conversions
        deadline = time.perf_counter() + SLICE
        tried = 0
        keys = list(conversions.pending)
        for start in range(0, len(keys), BATCH):
            tried += conversions.sweep(keys[start : start + BATCH])
            if time.perf_counter() > deadline:
                time.sleep(REST)
                deadline = time.perf_counter() + SLICE
        return tried

    def _check_budget(self) -> None:
        """Have swaps taken back of which too many objects have failed."""
        conversions = self.conversions
        for watched in list(self._watched):
            request, budget = watched
            if not any(cls in conversions.leaps for cls in request.leaps):
                self._watched.remove(watched)  # all are converted
                continue
            failed = self._find_failed(request)
            total = sum(conversions.entered[cls] for cls in request.leaps)
            if failed and budget.is_exceeded(len(failed), total):
                self._watched.remove(watched)
                message = f"{len(failed):,} of {total:,} objects could not be converted, where the budget is {budget}"
                self.on_exhausted(request, f"{message}: {failed[0].message}")

    def _find_failed(self, request: Request) -> list[Failure]:
        """What has kept objects from being converted by a swap; what has no step of one is the newest one's."""
        conversions = self.conversions
        steps = {id(step) for leap in (*request.leaps.values(), *request.further.values()) for step in leap.steps}
        newest = {cls: each for each, _ in self._watched for cls in each.leaps}
        found = []
        for key, failure in list(conversions.failures.items()):
            entry = conversions.pending.get(key)
            if entry is None or (cls := type(entry[0])) not in request.leaps:
                continue
            if id(failure.step) in steps if failure.step is not None else newest[cls] is request:
                found.append(failure)
        return found

    def finish(self) -> bool:
        """Take away the barriers that nobody waits behind; True where none is left."""
        if not self.barriers:
            return True
        if not self.lock.acquire(blocking=False):
            return False
        try:
            waiting = set(self.conversions.left())
            needed = {base for cls in waiting for base in cls.__mro__}
            done = [barrier for barrier in self.barriers if barrier.cls not in needed]
            if done:
                commit_swap(Swap(writes=[write for barrier in done for write in barrier.writes_down()]))
                self.barriers = [barrier for barrier in self.barriers if barrier not in done]
            for cls in [cls for cls in self.conversions.leaps if cls not in waiting]:
                self.conversions.forget(cls)
            return not self.barriers
        finally:
            self.lock.release()

    def status(self) -> tuple[ClassStatus, ...]:
        """The classes whose objects wait, or whose barrier stands."""
        conversions = self.conversions
        waiting: dict[type, Counter[int]] = {}
        for item, at in list(conversions.pending.values()):
            waiting.setdefault(type(item), Counter())[at] += 1
        failed = Counter(type(entry[0]) for key in list(conversions.failures) if (entry := conversions.pending.get(key)))
        standing = {barrier.cls for barrier in self.barriers}
        found = []
        for cls, row in list(conversions.leaps.items()):
            places = waiting.get(cls, Counter())
            left = Counter[int]()
            for at, count in places.items():
                left[self._version_at(cls, row, at)] += count
            done = conversions.entered[cls] - places.total()
            found.append(
                ClassStatus(
                    name=f"{cls.__module__}.{cls.__qualname__}",
                    version=self.version_of_class(_versioned(cls)),
                    left=tuple(sorted(left.items())),
                    converted=done,
                    failed=failed[cls],
                    rate=done / max(time.perf_counter() - conversions.began.get(cls, 0.0), 1e-6),
                    barrier=any(base in standing for base in cls.__mro__),
                )
            )
        return tuple(sorted(found, key=lambda status: status.name))

    def wait(self, cls: type | None, timeout: float | None) -> bool:
        """Wait until nothing of a class and its subclasses is left; False where time is over or what is left has failed."""
        conversions = self.conversions
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.001
        while True:
            if not conversions.pending:
                if not conversions.is_telling() or over(deadline):
                    return True
                time.sleep(pause)
                continue
            if len(conversions.failures) < len(conversions.pending) and cls is None and not over(deadline):
                time.sleep(pause)  # looking at them all takes time from those who convert
                pause = min(pause * 1.5, 0.02)
                continue
            waiting = [item for item, _ in list(conversions.pending.values())]
            left = [id(item) for item in waiting if cls is None or issubclass(type(item), cls)]
            waiting.clear()
            if not left:
                return True
            if all(key in conversions.failures for key in left) or over(deadline):
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def retry(self, cls: type | None) -> int:
        """Try objects again that could not be converted; gives how many."""
        count = self.conversions.retry(lambda each: cls is None or issubclass(each, cls))
        self.start()
        return count

    def let_go(self, request: Request) -> None:
        """A swap cannot be taken back any more: nothing is kept for it."""
        gone = {id(leap) for leap in request.leaps.values()}
        for leap in request.leaps.values():
            leap.aside.clear()
        request.exchanged.clear()
        self.kept = [leap for leap in self.kept if id(leap) not in gone]

    def confirm(self) -> int:
        """Let go of the fields that were kept aside; gives of how many objects."""
        count = sum(len(leap.aside) for leap in self.kept)
        for leap in self.kept:
            leap.aside.clear()
        self.kept.clear()
        return count


def _versioned(cls: type) -> type:
    """The class whose version objects of a class have: itself, or the nearest base that has migrations."""
    return next((base for base in cls.__mro__ if has_migrations(base) or name_of(base) in VERSIONS), cls)


def over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _codes_in(calls: Iterable[Call]) -> frozenset[CodeType]:
    """The code objects that a commit has put in place."""
    found = []
    for call in calls:
        match call:
            case (_, FunctionType(), "__code__", CodeType() as code):
                found.append(code)
            case (_, type(), str(), FunctionType() as function):
                found.append(function.__code__)
    return frozenset(found)
