"""The gate of units of work: each request or job is done by the old code or by the new code, never by both.

    open        requests come and go; each that is inside is known
    draining    a swap is coming: those that are inside go on to their end, new ones wait at the gate
    closed      nobody is inside but streams that are let be: the swap is linked and committed, and what frameworks have computed
                is dropped
    open        those that have waited go in and run the new code

                     enter                          close                            open
    open             goes in                        draining, then closed or         -
                                                    (time is over) open again
    draining         waits; inside of a request     - (one swap at a time)           open
    closed           of its own: goes in            -                                open

Interleavings that the tests force:

1. *Somebody is inside*: the swap waits for it, at most ``limit`` seconds. Then the gate is open again, the swap is held and
   says who was in the way; when these have left it is asked for again.
2. *A request asks for a swap itself*, or is served by the thread that does: it would wait for its own end. Held at once.
3. *A request waits for another one*, that waits at the gate: the limit ends it, as in 1.
4. *A streaming response* is inside until its last byte was sent or its client has gone.
   One that is dropped without being closed, as a test client does it, ends with its last reference.
   An endless one must not hold swaps for ever: what has begun to send, and is not over when time is, is let be. It goes on in the
   code that it is suspended in and calls new code, which is said with each swap. A websocket is one from its beginning.
5. *A request inside of a request* (a test client, an application that wraps another one) belongs to the outer one; one inside of
   a stream that is let be is a request like any other, and waits at the gate.
6. *Code that the swap runs* comes in through the gate: it is the swap's own thread, and goes in.
7. *The gate stays closed* (a statement that the swap runs does not return): who has waited :data:`PATIENCE` seconds gets
   :class:`Busy`, which is answered by 503. Nobody waits for ever, and nobody is let into half a swap.
8. *A unit gets to a safe point* (:mod:`hotswap.requests.safe`): there one unit ends and the next one begins, so while the gate
   is closed it is outside and waits like a new one.
9. *The process is forked* meanwhile: in the child nobody is inside but the unit that has forked, and the gate is open.

A *unit of work* is a request that a framework's plugin or :func:`hotswap.wsgi` leads through, or whatever a program calls one
(:class:`hotswap.task`). Each belongs to the *generation* in which it has begun; a swap by ``task`` begins another one
(:mod:`hotswap.transition.moving`). What carries a unit is a context variable: asyncio tasks inherit it, threads do not.

There is one gate in a process, :data:`GATE`: a program may have an application of Flask mounted into one of FastAPI, and what
comes to the outer one is one request then.

Units of work only are known here: threads, tasks and timers that the program starts besides are not waited for.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Collection
from queue import SimpleQueue
from typing import Any

import attrs

#: Seconds that a request waits at a closed gate until it is turned away.
PATIENCE = 30.0
#: Seconds between two looks of a coroutine that waits; its loop must not be held by a lock.
_LOOK = 0.005


class Busy(Exception):
    """The gate has been closed for too long; the request was not begun. Send it again."""


@attrs.define(eq=False)
class Visit:
    """One unit of work that is inside, mostly a request.

    Attributes:
        label: method and path, for a person.
        generation: in which it has begun.
        thread: ident of the thread that serves it; of the event loop's where coroutines do.
        since: ``time.monotonic()`` in seconds.
        carrier: refers to the asyncio task that does it; None where a thread does.
        is_sending: a part of the answer is on its way, and another one is to come.
        is_let_be: a change was made around it, so none waits for it.
        outer: the unit, let be, of which this one is a part.
    """

    label: str
    generation: int = 0
    thread: int = attrs.field(factory=threading.get_ident)
    since: float = attrs.field(factory=time.monotonic)
    carrier: weakref.ref[Any] | None = None
    is_sending: bool = False
    is_let_be: bool = False
    outer: Visit | None = None

    @property
    def thread_name(self) -> str:
        return next((t.name for t in threading.enumerate() if t.ident == self.thread), "a thread that has ended")

    @property
    def seconds(self) -> float:
        """How long it has been inside."""
        return time.monotonic() - self.since

    def __str__(self) -> str:
        return f"{self.label} (for {self.seconds:.1f} s, in {self.thread_name})"


#: The request of which this code is a part. Tasks inherit it, and threads that a framework runs a part of a request in.
_visit: contextvars.ContextVar[Visit | None] = contextvars.ContextVar("hotswap_visit", default=None)


@attrs.define(eq=False)
class Gate:
    """Counts requests in, and keeps them out while a swap is made.

    Attributes:
        limit: seconds that a swap waits for requests to end, where nobody says otherwise.
        patience: seconds that a request waits for a swap to end.
        on_wait: called when a swap begins to wait for requests that are inside.
    """

    limit: float = 3.0
    patience: float = PATIENCE
    on_wait: Callable[[], None] = lambda: None
    # The generation of who goes in; in a list, so that a commit can begin another one by a call in C.
    clock: list[int] = attrs.field(factory=lambda: [1], init=False)
    # Guards the fields below; innermost: nothing is called while it is held.
    _state: threading.Condition = attrs.field(factory=threading.Condition, init=False, repr=False)
    _inside: set[Visit] = attrs.field(factory=set, init=False)
    _keeper: int | None = attrs.field(default=None, init=False)  # the thread that has closed it; None: open
    # Called once each, by the thread that lets the last of these visits out.
    _awaited: list[tuple[set[Visit], Callable[[], None]]] = attrs.field(factory=list, init=False)
    # Those whose response was dropped without being closed; a put from a finalizer takes no lock.
    _lost: SimpleQueue[Visit] = attrs.field(factory=SimpleQueue, init=False, repr=False)

    # ---- requests ----

    def enter(self, label: str) -> Visit | None:
        """Go in, as soon as it is open.

        Returns:
            What :meth:`leave` takes; None where this is a part of a request that is inside.

        Raises:
            Busy: it stayed closed; answer with 503.
        """
        self._look_for_lost()
        if self._is_part():
            return None
        with self._state:
            if not self._state.wait_for(self._is_open, self.patience):
                raise Busy(label)
            return self._let_in(label)

    async def enter_async(self, label: str) -> Visit | None:
        """The same for a coroutine; what it serves is a stream where the caller says so in :attr:`Visit.is_sending`."""
        self._look_for_lost()
        if self._is_part():
            return None
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            with self._state:
                if self._is_open():
                    task = asyncio.current_task() if asyncio._get_running_loop() is not None else None
                    return self._let_in(label, None if task is None else weakref.ref(task))
            if not await _pause():
                break
        raise Busy(label)

    def leave(self, visit: Visit | None) -> None:
        """Go out; a second call does nothing."""
        if visit is None:
            return
        if _visit.get() is visit:  # elsewhere where the server closes a response in another context
            _visit.set(visit.outer)
        visit.outer = None  # contexts of tasks that it has started hold it, and would hold a row of them
        with self._state:
            self._inside.discard(visit)
            self._state.notify_all()
            free = [call for visits, call in self._awaited if visits.isdisjoint(self._inside)]
            self._awaited = [(visits, call) for visits, call in self._awaited if not visits.isdisjoint(self._inside)]
        for call in free:
            call()

    def lose(self, visit: Visit) -> None:
        """Note that a request is over of which nothing is left; from a finalizer."""
        self._lost.put(visit)

    def _look_for_lost(self) -> None:
        """Who comes next in the context of a request that was dropped is no part of that."""
        if not self._lost.empty():
            with self._state:
                self._forget_lost()

    def _forget_lost(self) -> bool:  # caller holds _state
        while not self._lost.empty():
            self._inside.discard(self._lost.get())
        return all(map(self._is_let_be, self._inside))

    def _is_let_be(self, visit: Visit) -> bool:
        """A stream that was waited for already, or has taken as long by itself: to wait again would be of no use."""
        return visit.is_let_be or (visit.is_sending and visit.seconds >= self.limit)

    def _wait(self, is_met: Callable[[], bool], limit: float) -> bool:  # caller holds _state
        """Wait for something to come true; that a stream becomes one that is let be, nobody notifies of."""
        until = time.monotonic() + limit
        while not is_met():
            left = until - time.monotonic()
            if left <= 0:
                return False
            soon = (self.limit - visit.seconds for visit in self._inside if visit.is_sending and not self._is_let_be(visit))
            self._state.wait(max(0.0, min([left, *soon])))
        return True

    def _is_empty(self) -> bool:  # caller holds _state
        """A response may be in a circle with the traceback of an error; finalizers only put into a queue."""
        gc.collect()
        return self._forget_lost()

    def is_inside(self) -> bool:
        """Whether this code is a part of a unit that is inside."""
        return (visit := _visit.get()) is not None and visit in self._inside

    def _is_part(self) -> bool:
        """The same, but not of a stream that is let be: that is no reason to be let into half a swap."""
        return (visit := _visit.get()) is not None and visit in self._inside and not self._is_let_be(visit)

    def _is_open(self) -> bool:
        return self._keeper is None or self._keeper == threading.get_ident()

    def _let_in(self, label: str, carrier: weakref.ref[Any] | None = None) -> Visit:  # caller holds _state
        own = _visit.get()
        visit = Visit(label, self.clock[0], carrier=carrier, outer=own if own in self._inside else None)
        self._inside.add(visit)
        _visit.set(visit)
        return visit

    # ---- swaps, and changed templates: who changes what requests use; one at a time ----

    def find_own(self) -> list[Visit]:
        """The requests that this thread serves, or of which it runs a part: they cannot end while it waits for them."""
        with self._state:
            part = _visit.get()
            if any(v.thread == threading.get_ident() for v in self._inside):
                self._is_empty()
            return [v for v in self._inside if v is part or (v.thread == threading.get_ident() and not self._is_let_be(v))]

    def close(self, limit: float | None = None) -> list[Visit]:
        """Keep new requests out and wait for those that are inside; who keeps them out already goes on to do so.

        Args:
            limit: seconds; by default the gate's own.

        Returns:
            Who is inside still when time is over; the gate is open again then. Empty: it is closed until :meth:`open`, and only
            :meth:`streams` are inside.

        Raises:
            Busy: another thread keeps it closed; try again later.
        """
        self.hold()
        with self._state:
            waits = not self._forget_lost()
        if waits:
            self.on_wait()  # no lock is held; new requests wait at the gate already
        with self._state:
            is_met = self._wait(self._forget_lost, self.limit if limit is None else limit) or self._is_empty()
            blockers = [] if is_met else [visit for visit in self._inside if not visit.is_sending]
            if not blockers:
                for visit in self._inside:
                    visit.is_let_be = True
                return []
            self._keeper = None
            self._state.notify_all()
            return sorted(blockers, key=lambda visit: visit.since)

    def streams(self) -> list[Visit]:
        """Answers that are being sent, longest first."""
        with self._state:
            streams = (visit for visit in self._inside if visit.is_sending or visit.is_let_be)
            return sorted(streams, key=lambda visit: visit.since)

    def is_waited_for(self, visit: Visit) -> bool:
        """False for a stream that is let be."""
        return not self._is_let_be(visit)

    def hold(self, limit: float | None = None) -> None:
        """Keep new requests out until :meth:`open`.

        Args:
            limit: seconds that another thread may keep it closed; by default as long as a request waits.

        Raises:
            Busy: another thread keeps it closed; try again later.
        """
        with self._state:
            if not self._state.wait_for(self._is_open, self.patience if limit is None else limit):
                raise Busy("another change")
            self._keeper = threading.get_ident()

    def look(self) -> tuple[str, list[Visit]]:
        """The state by the names above, and who is inside, longest first."""
        with self._state:
            is_waiting = not all(map(self._is_let_be, self._inside))
            state = "open" if self._keeper is None else "draining" if is_waiting else "closed"
            return state, sorted(self._inside, key=lambda visit: visit.since)

    def open(self) -> None:
        """Let requests in, where this thread keeps them out."""
        with self._state:
            if self._keeper == threading.get_ident():
                self._keeper = None
                self._state.notify_all()

    def wait_left(self, which: Callable[[Visit], bool], limit: float) -> list[Visit]:
        """Wait for some of those that are inside, while others go in.

        Args:
            limit: seconds.

        Returns:
            Those of them that are inside still, longest first.
        """

        def have_left() -> bool:
            self._forget_lost()
            return not any(map(which, self._inside))

        with self._state:
            if not self._wait(have_left, limit):
                self._is_empty()
            return sorted(filter(which, self._inside), key=lambda visit: visit.since)

    def pause(self) -> Visit | None:
        """Go out for a moment with the unit of which this code is a part, and give it for :meth:`resume`."""
        visit = _visit.get()
        with self._state:
            if visit is None or visit not in self._inside:
                return None
            self._inside.discard(visit)
            self._state.notify_all()
            return visit

    def resume(self, visit: Visit | None) -> None:
        """Go in again, in the generation of now, as soon as it is open.

        Raises:
            Busy: it stayed closed; the unit has ended.
        """
        if visit is None:
            return
        with self._state:
            if not self._state.wait_for(self._is_open, self.patience):
                raise Busy(visit.label)
            visit.generation = self.clock[0]
            self._inside.add(visit)

    def after_fork(self) -> None:
        """In a child: other threads are gone, with their units and with what they held."""
        own = _visit.get()
        self._state = threading.Condition()
        self._inside = {own} if own is not None and own in self._inside else set()
        self._keeper, self._awaited, self._lost = None, [], SimpleQueue()

    def when_left(self, visits: list[Visit], call: Callable[[], None]) -> None:
        """Have something called when the last of these requests has ended, by whoever lets it out."""
        with self._state:
            inside = self._inside.intersection(visits)
            if inside:
                self._awaited.append((inside, call))
                return
        call()


async def _pause() -> bool:
    """Let the event loop go on for a moment; False where it is none that is known."""
    if asyncio._get_running_loop() is not None:
        await asyncio.sleep(_LOOK)
    elif is_in_trio():
        await sys.modules["trio"].sleep(_LOOK)
    else:
        return False
    return True


def is_in_trio() -> bool:
    """Whether this is the code of a task of trio, which asyncio knows nothing of."""
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_task()


def current_unit() -> Visit | None:
    """The unit of work of which this code is a part; also where it has just ended."""
    return _visit.get()


def generation_of_unit() -> int | None:
    """In which the unit has begun of which this code is a part; None for code that is a part of none, also behind its end."""
    visit = _visit.get()
    return visit.generation if visit is not None and visit in GATE._inside else None


def name_streams(streams: Collection[Visit]) -> str:
    """What is said of streams for which a change has not waited (HS415)."""
    return f"{len(streams)} stream(s) go on that began before this change: {', '.join(map(str, streams))}"


#: The gate of this process.
GATE = Gate()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=GATE.after_fork)
