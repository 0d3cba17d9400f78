"""Safe points: places where a loop that never returns lets a change in.

    idle        nothing is wanted: a safe point costs the look at one attribute
    resting     a change waits for threads: who gets to a safe point stays there until it is over, and counts as at rest;
                its unit of work, if it is in one, has ended and begins anew behind it
    moving      a change by ``task`` is live and old units end: the unit of who gets there is one of the new generation

The function that has the loop goes on in its old code in any case; what it calls is new.

With a barrier the safe point is *collective*: the ranks of a parallel computation switch at one step, or none does. A barrier is
called at each step with what this rank is ready to do, and tells whether all ranks have said the same. All ranks have to get to
the same safe points, as with any collective operation.

    rank A    ready ─agree("…1f")─ all said the same ─► commit ─agree("done …1f")─ the same ─► goes on with the new code
    rank B    ready ─agree("…1f")─ all said the same ─► fails  ─agree("failed")─── not the same ─► A takes it back
    rank C    has nothing yet: agree("") ─ not the same ─► nobody commits; asked again at the next step

1. A change that a rank has said to be ready for does not withdraw until the answer is there, deadline or not. So with what it has
   become: the others may come to it late, and must not stay with what this rank has given up.
2. The thread of the loop only votes and waits; the change is committed by the thread that carries it out, which is why no lock of
   hotswap is held while the barrier, which is code of the program, runs.
3. Where the barrier raises, the change is not committed, or taken back, and the loop gets the exception.
4. An answer counts for the change that was asked about. Where that was given up meanwhile (a signal, a failure of ours) and the
   ranks agree on it, this one says that it has failed.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable

import attrs

from hotswap.requests.gate import GATE, Gate

__all__ = ["POINTS", "SafePoints", "safe_point"]

Barrier = Callable[[str], bool]


@attrs.define(eq=False)
class SafePoints:
    """The safe points of a process, and who stays at them.

    Attributes:
        mode: ``""`` while idle, else ``resting`` or ``moving``; read without a lock, since a point that misses it comes again.
        voter: the thread that has reached a safe point with a barrier.
    """

    gate: Gate = attrs.field(default=GATE)
    mode: str = ""
    voter: threading.Thread | None = None
    # Guards the fields below; innermost, like the gate's: nothing is called while it is held.
    _state: threading.Condition = attrs.field(factory=threading.Condition, init=False, repr=False)
    _parked: set[int] = attrs.field(factory=set, init=False)
    _epoch: int = attrs.field(default=0, init=False)  # counts changes, so that nobody stays for two
    # The one collective step: "", "ready", "asked", "last" (asked, and withdrawn with the answer), "go", "done", "failed",
    # "stay", "back"; see the picture above.
    _step: str = attrs.field(default="", init=False)
    _token: str = attrs.field(default="", init=False)

    @property
    def is_collective(self) -> bool:
        """True where changes are made at collective safe points alone: as long as the thread lives that has reached one."""
        return self.voter is not None and self.voter.is_alive()

    # ---- threads of the program ----

    def reach(self, barrier: Barrier | None) -> None:
        """What a safe point does; see :func:`safe_point`."""
        if barrier is not None:
            self._vote(barrier)
        elif self.mode == "moving":
            self.gate.resume(self.gate.pause())
        elif self.mode == "resting" and asyncio._get_running_loop() is None and not self.is_collective:
            self._park()

    def _park(self) -> None:
        visit = self.gate.pause()
        try:
            with self._state:
                self._stay(self._epoch)
        finally:  # what an interrupted unit does on its way out is a part of it still
            self.gate.resume(visit)

    def _stay(self, epoch: int) -> None:  # caller holds _state
        self._parked.add(threading.get_ident())
        try:
            self._state.wait_for(lambda: self.mode != "resting" or self._epoch != epoch)
        finally:
            self._parked.discard(threading.get_ident())

    def _vote(self, barrier: Barrier) -> None:
        self.voter = threading.current_thread()
        with self._state:
            epoch, token = self._epoch, self._token if self._step == "ready" else ""
            if token:
                self._step = "asked"
        agreed = False
        try:
            agreed = barrier(token)
        finally:
            if token and not agreed:
                with self._state:
                    self._answer(epoch, "ready" if self._step == "asked" else "")
        if not token or not agreed:
            return
        visit = self.gate.pause()
        with self._state:
            self._parked.add(threading.get_ident())
            self._answer(epoch, "go")
            self._state.wait_for(lambda: self._epoch != epoch or self._step in ("done", "failed"))
            said = f"done {token}" if self._epoch == epoch and self._step == "done" else "failed"
        agreed = False
        try:
            agreed = barrier(said)
        finally:
            with self._state:
                self._answer(epoch, "stay" if agreed else "back")
                self._state.wait_for(lambda: self._epoch != epoch)  # it is told, or taken back, before the loop goes on
                self._parked.discard(threading.get_ident())
            self.gate.resume(visit)

    def _answer(self, epoch: int, step: str) -> None:  # caller holds _state
        """Go on to another step of the change that was asked about, see 4."""
        if self._epoch == epoch:
            self._step = step
            self._state.notify_all()

    # ---- the thread that carries a change out ----

    def rest(self) -> None:
        """Let threads stay at their next safe point from now on."""
        with self._state:
            self.mode, self._epoch = "resting", self._epoch + 1

    def move(self) -> None:
        """Let who stays go on, and units change over at their next safe point."""
        with self._state:
            self.mode = "moving"
            self._state.notify_all()

    def end(self) -> None:
        """Let who stays go on; nothing is wanted any more. Whoever waits for what becomes of a commit hears that it failed."""
        try:
            self.tell_others(done=False)
        finally:
            with self._state:
                self.mode, self._step, self._token, self._epoch = "", "", "", self._epoch + 1
                self._state.notify_all()

    def parked(self) -> frozenset[int]:
        """The threads that stay at a safe point; none of them goes on before :meth:`move` or :meth:`end`."""
        with self._state:
            return frozenset(self._parked)

    def wait_for_go(self, token: str, until: float) -> bool:
        """Wait for all ranks to be ready.

        Args:
            token: says what for; equal for equal changes.
            until: ``time.monotonic()`` in seconds.

        Returns:
            True: they are, and this one has to commit now; False: time is over.
        """
        with self._state:
            self._step, self._token = "ready", token
            self._state.notify_all()
            self._state.wait_for(lambda: self._step == "go", max(until - time.monotonic(), 0.0))
            if self._step == "asked":  # see 1.
                self._step = "last"
                self._state.wait_for(lambda: self._step != "last")
            if self._step == "go":
                return True
            self._step = ""
            return False

    def tell_others(self, done: bool) -> bool:
        """Say how the commit went here.

        Returns:
            True where it went well for all ranks.
        """
        with self._state:
            if self._step != "go":
                return True  # no collective step is under way
            self._step = "done" if done else "failed"
            self._state.notify_all()
            self._state.wait_for(lambda: self._step in ("stay", "back"))  # see 1.
            return self._step == "stay" and done

    def after_fork(self) -> None:
        """In a child: whoever carries a change out is gone."""
        self._state = threading.Condition()
        self.mode, self._step, self._token, self._parked = "", "", "", set()


#: The safe points of this process.
POINTS = SafePoints()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POINTS.after_fork)


def safe_point(barrier: Barrier | None = None) -> None:
    """Let a change in, where one waits: for loops that never leave their function.

    What the caller has in its local variables is from before, so a safe point stands where nothing of the old code is needed any
    more, mostly at the end of the body of a loop. The loop itself goes on in its old code; put its body into another function.
    In a coroutine it never waits: there it ends the unit of work of before and begins the next one, in a change by ``task``.

    Args:
        barrier: makes all ranks of a parallel computation switch at one step, or none. It is called at each safe point, with a
            text, and gives True where all ranks have given it the same one: ``lambda text: len(set(comm.allgather(text))) == 1``.

    Raises:
        hotswap.requests.Busy: the caller was in a unit of work, and the change did not end for half a minute.
    """
    if POINTS.mode or barrier is not None:
        POINTS.reach(barrier)
