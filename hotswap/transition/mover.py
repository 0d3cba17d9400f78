"""Carries a change into the program with the consistency that it needs: who is waited for, how long, and what undoes it.

    begin       the consistency is chosen: what is asked for, or the least that is safe. Of a collective program all ranks are
                ready. ``quiescent``: the door is held, units inside end, stacks are looked at until nobody is in what changes
    run         the writes, once for each attempt:
                ``quiescent``: the stacks are looked at again inside of the commit. Somebody came: :class:`Blocked`, tried again
                until the deadline
                ``task``: see :mod:`hotswap.transition.moving`. What fails there is undone step by step, whatever it was
                more is needed than the plan has said: :class:`Blocked`, tried again with that, and plugins are asked then
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
from hotswap.errors import CODES, RollbackError
from hotswap.frames import Outdated, Place, place_of_code
from hotswap.model import Consistency, Finding, Severity, Wish
from hotswap.requests.gate import GATE, Busy, Gate, Visit, name_streams
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


@attrs.frozen
class Wait:
    """What a change that is under way waits for.

    Attributes:
        consistency: who moves when.
        left: seconds until its deadline.
        blockers: whom it waits for.
    """

    consistency: Consistency
    left: float
    blockers: tuple[str, ...]


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
    _changed: Mapping[Place, str] = attrs.field(factory=dict, init=False)
    _awaited: Callable[[CodeType], bool] | None = attrs.field(default=None, init=False)  # of frames that are waited for just now
    _until: float = attrs.field(default=0.0, init=False)
    _is_chosen: bool = attrs.field(default=False, init=False)  # by the plan, so it may choose more
    _is_forced: bool = attrs.field(default=False, init=False)
    _again: bool = attrs.field(default=False, init=False)
    _needed: Consistency | None = attrs.field(default=None, init=False)  # the least that is safe, as far as it is known
    _turns: float = attrs.field(default=0.0, init=False)  # what the program's switch interval was

    # ---- begin and end ----

    def begin(self, need: Need, changed: Mapping[Place, str]) -> list[Finding]:
        """Choose the consistency and bring the program to rest as far as that asks for it; gives why it cannot be.

        Args:
            need: the least that is safe.
            changed: code of functions that change, with its module.
        """
        if self.wish is None:
            return []
        self.found.clear()
        self._take_short_turns()
        self._changed, self._until = changed, time.monotonic() + self.wish.deadline
        self._is_chosen, self._is_forced = self.wish.consistency is None, False
        self._needed, self.consistency = need.consistency, self.wish.consistency or need.consistency
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

    def go_on(self, need: Need, changed: Mapping[Place, str]) -> list[Finding]:
        """The same where another plan is tried in the place of one that was refused: nobody who waits goes on meanwhile."""
        if self.wish is None:
            return []
        assert self.consistency is not None
        self._changed = changed
        try:
            if need.consistency.rank > self.consistency.rank:
                self._check_or_choose(need)
                self._rest()
        except Blocked as blocked:
            return list(blocked.findings)
        return []

    def look(self) -> Wait | None:
        """Whom the change under way waits for, for another thread that looks; None where there is none."""
        consistency = self.consistency
        if self.wish is None or consistency is None:
            return None
        if consistency is Consistency.IMMEDIATE:
            return Wait(consistency, self._left(), ())
        _, inside = self.gate.look()
        later = self.gate.clock[0] if consistency is Consistency.TASK else None
        units = [visit for visit in inside if self.gate.is_waited_for(visit) and (later is None or visit.generation < later)]
        blockers = [describe_unit(visit) for visit in units]
        awaited = self._awaited or (self._is_changed if later is None else None)
        if not blockers and awaited is not None:
            blockers = find_blockers(awaited, self.points.parked(), suspends=False)
        return Wait(consistency, self._left(), tuple(map(str, blockers)))

    @property
    def asks_plugins(self) -> bool:
        """Whether plugins bring the program to rest, too."""
        return self.wish is None or (self.consistency is Consistency.QUIESCENT and not self._is_forced)

    def end(self) -> None:
        """Nobody is waited for any more, nobody waits."""
        if self.wish is None:
            return
        try:
            self.points.end()
        finally:  # whoever waits goes on, whatever has become of the ranks
            self.gate.open()
            self.forget()

    def forget(self) -> None:
        """No change is under way; for a child too, where nobody carries on what its parent was about to do."""
        self.wish, self.consistency, self._needed, self._changed = None, None, None, {}
        self.found.clear()
        if self._turns and sys.getswitchinterval() == TURN:  # else the program has set it meanwhile
            sys.setswitchinterval(self._turns)
        self._turns = 0.0

    def needed(self, need: Need) -> Consistency:
        """The least consistency that is safe for what was made: more than the plan's where the live objects have said so."""
        return self._needed or need.consistency

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
        self, wish: Wish, need: Need, writes: Sequence[commit.Write], changed: Mapping[Place, str]
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
                self._check_or_choose(Need(consistency=Consistency.QUIESCENT, why=str(unmovable)))
            except Blocked as blocked:
                return list(blocked.findings)
        except Blocked as blocked:
            return list(blocked.findings)
        finally:
            self.wish, self.consistency, self._needed = None, None, None
        return list(self.take_findings())

    def _sort(self, writes: Sequence[commit.Write]) -> Move:
        move = sort_writes(writes, self._is_changed, self.owner_of)
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
            self.gate.hold(self._left())
            inside = self.gate.close(self._left())
        except Busy as busy:
            raise Blocked(_held("HS622", f"{busy} is under way, which does not end")) from busy
        if inside:
            self._give_up([describe_unit(visit) for visit in inside])
        else:
            self._wait_for_frames(self._is_changed)

    def _wait_for_stacks(self, is_awaited: Callable[[CodeType], bool]) -> list[Blocker]:
        pause = _FIRST
        while blockers := find_blockers(is_awaited, self.points.parked()):
            if self._left() <= 0:
                return blockers
            time.sleep(min(pause, self._left()))
            pause = min(pause * 2, _MOST)
        return []

    def _wait_for_frames(self, is_awaited: Callable[[CodeType], bool]) -> None:
        """Wait for calls.

        Args:
            is_awaited: tells their code.

        Raises:
            Blocked: they did not end.
        """
        self._awaited = is_awaited
        try:
            blockers = self._wait_for_stacks(is_awaited)
        finally:
            self._awaited = None
        if blockers:
            self._give_up(blockers)

    def _is_changed(self, code: CodeType) -> bool:
        return place_of_code(self.outdated.now(code)) in self._changed

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
        earlier = {place for place in self.outdated.places() if self._is_changed(place[1])}
        guard = Guard({*self._changed, *earlier}, self.points.parked())
        try:
            return commit.run([guard.write(), *writes])
        except commit.WriteError as error:
            if error.what != AT_WORK:
                raise
        finally:
            guard.end()
        if self._left() > 0:
            raise Blocked(again=True)
        # Who comes and goes may never be there when it is looked, and always when it is written.
        met = find_blockers(self._is_changed, self.points.parked())
        self._give_up(met or [Blocker(who="somebody who comes and goes in what changes")])
        return commit.run(writes)

    def _run_by_task(self, writes: list[commit.Write]) -> float:
        try:
            move = self._sort(writes)
        except Unmovable as unmovable:
            return self._run_at_rest_instead(writes, str(unmovable))
        plain = set(map(id, move.reader_codes()))
        made: list[list[commit.Write]] = []
        try:
            took = self._step(made, move.choosing())
            self._wait_for_readers(move, plain)
            took += self._step(made, move.split(self.gate.clock))
            self.points.move()
            self._wait_for_old(move)
            took += self._step(made, move.plain())
        except BaseException as error:  # raised again: whatever it was, nobody chooses any more
            self._reverse(made, error)
            raise
        later = self.gate.clock[0]
        if streams := [visit for visit in self.gate.streams() if visit.generation < later]:
            self._note("HS415", name_streams(streams), Severity.KEPT)
        return took

    @staticmethod
    def _step(made: list[list[commit.Write]], writes: list[commit.Write]) -> float:
        """Make the writes of a step, and note them among those that are to be taken back where a later one fails."""
        made.append(writes)  # before, as a signal may come just behind the commit
        try:
            return commit.run(writes)
        except commit.WriteError:
            made.pop()
            raise

    def _reverse(self, made: list[list[commit.Write]], error: BaseException) -> None:
        """Undo the steps of a change by ``task``, the last one first.

        Args:
            error: why; is told whom that mixes.

        Raises:
            RollbackError: it is not possible.
        """
        newer: list[Visit] = []
        try:
            if len(made) > 1:
                newer = self._end_newer()
        finally:
            try:
                commit.run([write for writes in reversed(made) for write in commit.take_back(writes)])
            except commit.WriteError as failed:
                message = f"old and new code stay beside each other, neither can take the other's place ({failed.what}); restart"
                raise RollbackError(message) from failed
            finally:
                self.gate.open()
        if newer and isinstance(error, Blocked):
            error.findings += (_mixed(newer),)
        elif newer:
            error.add_note(_mixed(newer).message)

    def _end_newer(self) -> list[Visit]:
        """Let units that take the new code end, with the door held; gives those that have not."""
        later = self.gate.clock[0]
        try:
            self.gate.hold(REVERSAL)
        except Busy:
            pass  # whoever holds it keeps new ones out as well
        return self.gate.wait_left(lambda visit: visit.generation >= later, REVERSAL)

    def _run_at_rest_instead(self, writes: list[commit.Write], why: str) -> float:
        """The live objects say that two versions cannot be there at once."""
        self._check_or_choose(Need(consistency=Consistency.QUIESCENT, why=why))
        if self._is_forced:
            return commit.run(writes)
        raise Blocked(again=True)

    def _check_or_choose(self, need: Need) -> None:
        """More is needed than was thought.

        Raises:
            Blocked: it is more than was asked for.
        """
        self._needed = need.consistency
        if self._is_chosen:
            self.consistency = need.consistency
            self.found.clear()
            self._note("HS620", f"{self.consistency}: {need.why}")
        else:
            self._check_wish(need.consistency, need.why)

    def _wait_for_readers(self, move: Move, plain: set[int]) -> None:
        """Wait for calls that began plain and read a constant.

        Args:
            plain: ids of the code objects that they run. By identity: the copy that is chosen has equal code.

        Raises:
            Blocked: they did not end.
        """
        if not move.constants:
            return
        earlier = {place for place in self.outdated.places() if move.reads(place[1])}  # calls that began before another change
        if plain or earlier:
            self._wait_for_frames(lambda code: id(code) in plain or place_of_code(code) in earlier)

    def _wait_for_old(self, move: Move) -> None:
        """Wait for units of the old generation, and for calls outside of any that began in the old code and use what goes.

        Raises:
            Blocked: they did not end.
        """
        later = self.gate.clock[0]

        def is_old(visit: Visit) -> bool:
            return visit.generation < later and self.gate.is_waited_for(visit)

        if inside := self.gate.wait_left(is_old, self._left()):
            self._give_up([describe_unit(visit) for visit in inside])
        elif move.late:
            self._wait_for_frames(lambda code: self._is_changed(code) and move.uses_late(code))

    def turn_back(self) -> list[Finding]:
        """What is live is taken back before it is told; gives whom that mixes."""
        newer: list[Visit] = []
        if self.consistency is Consistency.TASK and not self._is_forced:
            newer = self._end_newer()  # the door is held until the end
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


def changed_after(swap: commit.Swap) -> dict[Place, str]:
    """The code that changes or goes when a swap is taken back, with its module."""
    found = ((file, swap.codes.get(file, {}).get(old), module) for (file, old), module in swap.changed.items())
    return {(file, now): module for file, now, module in found if now is not None} | swap.added

