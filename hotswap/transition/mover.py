"""Carries a change into the program with the consistency that it needs: who is waited for, how long, and what undoes it.

    begin       the consistency is chosen: what is asked for, or the least that is safe. Of a collective program all ranks are
                ready. ``quiescent``: the door is held, units inside end, stacks are looked at until nobody is in what changes
    run         the writes, once for each attempt:
                ``quiescent``: the stacks are looked at again inside of the commit. Somebody came: :class:`Blocked`, tried again
                ``task``: see :mod:`hotswap.transition.moving`
    confirm     the ranks have all committed, or this one takes it back
    end         the door is open, who stays at a safe point goes on

The order of undoing is the reverse; ``end`` is called whatever has happened. At the deadline a change that waits is reversed:
nothing of it was live, or no old unit has seen anything of it. With ``force`` it is made instead, and says who was in the way.

Used by one thread at a time, under ``Engine.lock``. While it waits, the lock of the gate or of the safe points is held for
moments only, and units of work, which may call anything, are waited for by nobody who holds what they need: they never take
``Engine.lock``, unless they ask for a change themselves, which is refused at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

import attrs

from hotswap import commit
from hotswap.errors import CODES
from hotswap.frames import Outdated
from hotswap.model import Consistency, Finding, Severity, Wish
from hotswap.requests.gate import GATE, Busy, Gate, Visit
from hotswap.requests.safe import POINTS, SafePoints
from hotswap.transition.consistency import Need
from hotswap.transition.moving import Move, Unmovable, sort_writes
from hotswap.transition.rest import AT_WORK, Blocker, Guard, describe_unit, find_blockers

#: Seconds between two looks at the stacks: at first, and at most.
_FIRST, _MOST = 0.001, 0.05
#: Seconds of a thread's turn while a change comes in.
TURN = 0.0005
#: Seconds that units of the new generation have to end when a change by ``task`` is reversed.
REVERSAL = 5.0


class Blocked(Exception):
    """The change is not made, at least not now; nothing of it is live.

    Attributes:
        findings: why.
        again: True where another attempt makes sense.
    """

    def __init__(self, *findings: Finding, again: bool = False) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings, self.again = findings, again

    def alone(self) -> Blocked:
        """The same without the frames that it came through, and what these hold."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


@attrs.define(eq=False)
class Mover:
    """Who moves when, for the change that is under way.

    Attributes:
        outdated: what code of earlier texts is now.
        owner_of: gives the managed module of which a dict is the namespace, else None.
        wish: what was asked for; None where changes follow saves, and plugins alone say who is waited for.
        consistency: what was chosen.
        found: what is to be told with the change.
    """

    outdated: Outdated
    owner_of: Callable[[dict[Any, Any]], str | None]
    gate: Gate = attrs.field(default=GATE)
    points: SafePoints = attrs.field(default=POINTS)
    wish: Wish | None = None
    consistency: Consistency | None = None
    found: list[Finding] = attrs.Factory(list)
    _changed: Mapping[CodeType, str] = attrs.field(factory=dict, init=False)
    _until: float = attrs.field(default=0.0, init=False)
    _is_chosen: bool = attrs.field(default=False, init=False)  # by the plan, so it may choose more
    _is_forced: bool = attrs.field(default=False, init=False)
    _again: bool = attrs.field(default=False, init=False)
    _turns: float = attrs.field(default=0.0, init=False)  # what the program's switch interval was

    # ---- begin and end ----

    def begin(self, need: Need, changed: Mapping[CodeType, str]) -> list[Finding]:
        """Choose the consistency and bring the program to rest as far as that asks for it; gives why it cannot be.

        Args:
            need: the least that is safe.
            changed: code objects of functions that change, with their module.
        """
        if self.wish is None:
            return []
        self.found.clear()
        self._take_short_turns()
        self._changed, self._until = changed, time.monotonic() + self.wish.deadline
        self._is_chosen, self._is_forced = self.wish.consistency is None, False
        self.consistency = self.wish.consistency or need.consistency
        self.points.rest()
        try:
            self._check_wish(need.consistency, need.why)
            if self.points.is_collective and not self.points.wait_for_go(self.wish.token, self._until):
                raise Blocked(_held("HS624", f"not all ranks were ready at one safe point within {self.wish.deadline:g} s"))
            self._rest()
        except Blocked as blocked:
            return list(blocked.findings)
        asked = f"asked for, where {need.consistency} would do: " if self.consistency.rank > need.consistency.rank else ""
        self._note("HS620", f"{self.consistency}: {asked}{need.why}")
        return []

    @property
    def asks_plugins(self) -> bool:
        """Whether plugins bring the program to rest, too."""
        return self.wish is None or (self.consistency is Consistency.QUIESCENT and not self._is_forced)

    def end(self) -> None:
        """Nobody is waited for any more, nobody waits."""
        if self.wish is not None:
            self.points.end()
            self.gate.open()
            self.wish, self.consistency, self._changed = None, None, {}
            if self._turns and sys.getswitchinterval() == TURN:  # else the program has set it meanwhile
                sys.setswitchinterval(self._turns)
            self._turns = 0.0

    def _take_short_turns(self) -> None:
        """Let threads take turns more often: work that waits for input would stand behind ours for a whole turn each time."""
        if (turns := sys.getswitchinterval()) > TURN:
            sys.setswitchinterval(TURN)
            self._turns = turns

    def _check_wish(self, needed: Consistency, why: str) -> None:
        """Refuse a wish that is too weak.

        Raises:
            Blocked: it is.
        """
        assert self.consistency is not None
        assert self.wish is not None
        if self.consistency.rank >= needed.rank:
            return
        message = f"{self.consistency} is not safe, {needed} is needed: {why}"
        if not self.wish.force:
            raise Blocked(_held("HS621", message))
        self._is_forced = True
        self._note("HS623", message, Severity.KEPT)

    def tries(self, count: int) -> Iterator[None]:
        """Each attempt to link and commit: so many, and more where somebody has come in between and time is left."""
        made = 0
        while made < count:
            self._again = False
            yield
            made += not self._again

    def try_again(self, blocked: Blocked) -> bool:
        """Wait for what an attempt has met; False where there is to be no other attempt.

        Raises:
            Blocked: it did not end in time.
        """
        if not blocked.again:
            return False
        self._again = True
        self._rest()
        return True

    def foresee(
        self, wish: Wish, need: Need, writes: Sequence[commit.Write], changed: Mapping[CodeType, str]
    ) -> list[Finding]:
        """What would be chosen for a swap that is linked, and is not going to be made; nobody is waited for."""
        self.wish, self._changed, self.consistency = wish, changed, wish.consistency or need.consistency
        self._is_chosen, self._is_forced = wish.consistency is None, False
        try:
            self._check_wish(need.consistency, need.why)
            self._note("HS620", f"{self.consistency}: {need.why}")
            if self.consistency is Consistency.TASK:
                self._sort(writes)
        except Unmovable as unmovable:
            try:
                self._check_or_choose(str(unmovable))
            except Blocked as blocked:
                return list(blocked.findings)
        except Blocked as blocked:
            return list(blocked.findings)
        finally:
            self.wish, self.consistency = None, None
        return list(self.take_findings())

    def _sort(self, writes: Sequence[commit.Write]) -> Move:
        move = sort_writes(writes, self._changed, self.owner_of)
        move.find_readers()
        return move

    # ---- quiescent ----

    def _rest(self) -> None:
        """Bring the program to rest, where that is wanted.

        Raises:
            Blocked: it did not come to rest by the deadline.
        """
        if self.consistency is not Consistency.QUIESCENT or self._is_forced:
            return
        if own := self.gate.find_own():
            raise Blocked(_held("HS622", f"the unit of work {own[0]} asks for the change itself, and would wait for its own end"))
        try:
            inside = self.gate.close(self._left())
        except Busy as busy:
            raise Blocked(_held("HS622", f"{busy} is under way, which does not end")) from busy
        blockers = [describe_unit(visit) for visit in inside] or self._wait_for_stacks()
        if blockers:
            self._give_up(blockers)

    def _wait_for_stacks(self) -> list[Blocker]:
        pause = _FIRST
        while blockers := find_blockers(self._is_changed, self.points.parked()):
            if self._left() <= 0:
                return blockers
            time.sleep(min(pause, self._left()))
            pause = min(pause * 2, _MOST)
        return []

    def _is_changed(self, code: CodeType) -> bool:
        now = self.outdated.now(code)
        # Equal functions of different files have equal code.
        return now in self._changed and any(code.co_filename == each.co_filename for each in self._changed if each == now)

    def _left(self) -> float:
        return max(self._until - time.monotonic(), 0.0)

    def _give_up(self, blockers: Sequence[Blocker]) -> None:
        """The deadline is there.

        Raises:
            Blocked: the change is reversed, unless it is forced.
        """
        assert self.wish is not None
        names = "; ".join(map(str, blockers[:5])) + (f"; and {len(blockers) - 5} more" if len(blockers) > 5 else "")
        first = blockers[0]
        if not self.wish.force:
            message = f"{names}, after {self.wish.deadline:g} s"
            raise Blocked(attrs.evolve(_held("HS622", message), file=first.file, line=first.line))
        self._is_forced = True
        self._note("HS623", f"the change did not wait any longer than {self.wish.deadline:g} s: {names}", Severity.KEPT)

    # ---- the commit ----

    def run(self, writes: list[commit.Write]) -> float:
        """Make the writes of a swap, or of its way back.

        Returns:
            For how many seconds the program stood still.

        Raises:
            Blocked: not now; nothing is written.
            WriteError: a write failed; nothing is written.
        """
        if self.consistency is Consistency.QUIESCENT and not self._is_forced:
            return self._run_at_rest(writes)
        if self.consistency is Consistency.TASK and not self._is_forced:
            return self._run_by_task(writes)
        return commit.run(writes)

    def _run_at_rest(self, writes: list[commit.Write]) -> float:
        earlier = [code for _, code in self.outdated.places()]
        guard = Guard({*self._changed, *filter(self._is_changed, earlier)}, self.points.parked())
        try:
            return commit.run([guard.write(), *writes])
        except commit.WriteError as error:
            if error.what == AT_WORK:
                raise Blocked(again=True) from error
            raise
        finally:
            guard.end()

    def _run_by_task(self, writes: list[commit.Write]) -> float:
        try:
            move = self._sort(writes)
        except Unmovable as unmovable:
            return self._run_at_rest_instead(writes, str(unmovable))
        plain = set(map(id, move.reader_codes()))
        took = commit.run(move.choosing())
        try:
            self._wait_for_readers(plain)
            split = move.split(self.gate.clock)
            took += commit.run(split)
        except BaseException:  # raised again: whatever it was, nobody chooses any more
            commit.run(commit.take_back(move.made))
            raise
        self.points.move()
        later = self.gate.clock[0]

        def is_old(visit: Visit) -> bool:
            return visit.generation < later and self.gate.is_waited_for(visit)

        if inside := self.gate.wait_left(is_old, self._left()):
            self._reverse_or_force(move, split, inside)
        if streams := [visit for visit in self.gate.streams() if visit.generation < later]:
            names = ", ".join(map(str, streams))
            self._note("HS415", f"{len(streams)} stream(s) go on that began before this change: {names}", Severity.KEPT)
        return took + commit.run(move.plain())

    def _run_at_rest_instead(self, writes: list[commit.Write], why: str) -> float:
        """The live objects say that two versions cannot be there at once."""
        self._check_or_choose(why)
        if self._is_forced:
            return commit.run(writes)
        raise Blocked(again=True)

    def _check_or_choose(self, why: str) -> None:
        if self._is_chosen:
            self.consistency = Consistency.QUIESCENT
            self.found.clear()
            self._note("HS620", f"{self.consistency}: {why}")
        else:
            self._check_wish(Consistency.QUIESCENT, why)

    def _wait_for_readers(self, plain: set[int]) -> None:
        """Wait for calls that began plain and read a constant.

        Args:
            plain: ids of the code objects that they run.

        Raises:
            Blocked: they did not end.
        """
        pause = _FIRST
        while plain and (blockers := find_blockers(lambda code: id(code) in plain, self.points.parked())):
            if self._left() <= 0:
                self._give_up(blockers)
                return
            time.sleep(min(pause, self._left()))
            pause = min(pause * 2, _MOST)

    def _reverse_or_force(self, move: Move, split: list[commit.Write], inside: list[Visit]) -> None:
        """Old units have not ended.

        Raises:
            Blocked: all is as it was, unless the change is forced.
        """
        try:
            self._give_up([describe_unit(visit) for visit in inside])
        except Blocked as blocked:
            later = self.gate.clock[0]
            self.gate.hold()
            try:
                newer = self.gate.wait_left(lambda visit: visit.generation >= later, REVERSAL)
                commit.run([*commit.take_back(split), *commit.take_back(move.made)])
            finally:
                self.gate.open()
            if newer:
                raise Blocked(*blocked.findings, _mixed(newer)) from blocked
            raise

    def turn_back(self) -> list[Finding]:
        """What is live is taken back before it is told; gives whom that mixes."""
        newer: list[Visit] = []
        if self.consistency is Consistency.TASK and not self._is_forced:
            later = self.gate.clock[0]
            self.gate.hold()  # until the end
            newer = self.gate.wait_left(lambda visit: visit.generation >= later, REVERSAL)
        self._is_forced = True  # all that can be waited for has been
        return [_mixed(newer)] if newer else []

    # ---- ranks, and what is told ----

    def confirm(self) -> Finding | None:
        """Say to the other ranks that it is live here; gives why it has to be taken back."""
        if self.wish is None or self.points.tell_others(done=True):
            return None
        return _held("HS624", "another rank could not make the change, so it was taken back here")

    def take_findings(self) -> tuple[Finding, ...]:
        """What is to be told with the change."""
        found = tuple(self.found)
        self.found.clear()
        return found

    def _note(self, code: str, message: str, severity: Severity = Severity.NOTE) -> None:
        self.found.append(Finding(code=code, severity=severity, message=message, next_step=CODES[code].remedy))


def _mixed(newer: Sequence[Visit]) -> Finding:
    names = "; ".join(str(describe_unit(visit)) for visit in newer)
    message = f"the change was taken back, and units of work that had begun in the new code end in the old: {names}"
    return Finding(code="HS623", severity=Severity.KEPT, message=message, next_step=CODES["HS623"].remedy)


def _held(code: str, message: str) -> Finding:
    return Finding(code=code, severity=Severity.HELD, message=message, next_step=CODES[code].remedy)


def changed_after(changed: Mapping[CodeType, str], codes: Mapping[str, Mapping[CodeType, CodeType]]) -> dict[CodeType, str]:
    """What functions that changed run now, with their module: what changes when it is taken back."""
    return {now: module for old, module in changed.items() if (now := codes.get(old.co_filename, {}).get(old)) is not None}

