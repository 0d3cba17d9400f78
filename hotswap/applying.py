"""A prepared swap committed, and taken back, with all that it does to objects.

Takes: swaps. Gives: how long the program stood still. May touch: the program, through ``commit``; the converter's tables.
Must not: decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from hotswap import commit
from hotswap.convert.converter import Converter
from hotswap.convert.owners import Holding, OwnerError
from hotswap.errors import MigrationError
from hotswap.frames import Changes
from hotswap.link.instances import Census
from hotswap.link.latecomers import lead_latecomers
from hotswap.link.references import HELD, Exchange
from hotswap.link.replacing import exchange, exchange_back
from hotswap.model import Finding, Severity
from hotswap.peek import forget_readers
from hotswap.world import World

#: So often it is tried again to replace a class while other threads use it.
TRIES = 5


@attrs.define(eq=False)
class Applier:
    """Commits swaps; used under ``Engine.lock``.

    Attributes:
        world: for functions that frames make later.
        converter: takes in the objects that have to be converted.
        follow_frames: told which code took which's place, with suspended frames.
        run: makes the writes, when the program is at rest as far as it has to be; gives for how many seconds it stood still.
    """

    world: World
    converter: Converter
    follow_frames: Callable[[Changes, list[Any]], None]
    run: Callable[[list[commit.Write]], float] = commit.run
    # What the newest way back has written, where that can be turned round.
    _back: list[commit.Write] = attrs.field(factory=list, init=False)

    @staticmethod
    def hold(holding: Holding, swap: commit.Swap) -> None:
        """Take the locks of owners for a swap that is about to be made, and try on copies what they hold.

        Raises:
            OwnerError: that is not possible; no lock is taken.
        """
        holding.take(swap.request.aside if swap.request is not None else {}, swap.rehashed)

    def apply(self, swap: commit.Swap, holding: Holding) -> float:
        """Commit, and hand the objects that have to be converted on; what owners hold is converted before anybody gets at it.

        Args:
            holding: what ``hold`` has taken; let go of whatever happens.

        Raises:
            OwnerError: that is not possible; nothing was changed.
            ReplaceError: a class cannot be replaced; nothing was changed.
        """
        try:
            took = self._apply_now(swap)
            try:
                self._convert_held(holding)
            except BaseException:  # whatever it was, what is live and what is noted must agree
                self._revert_now(swap)
                for item, state in holding.states_before():
                    self.converter.conversions.give(item, state)
                holding.fill_anew()  # it may have been by the new hashes
                raise
            return took
        finally:
            holding.release()

    def look(self, swap: commit.Swap) -> Exchange:
        """What lets classes take the places of others, for a swap that is about to be made.

        Raises:
            ReplaceError: one cannot.
        """
        return exchange(swap, [applied.swap for applied in self.world.history])

    def _convert_held(self, holding: Holding) -> None:
        """Convert what owners hold, while their locks are held.

        Raises:
            OwnerError: an object cannot be converted, or its containers cannot take it.
        """
        for owner, items, _ in holding.found:
            for item in items:
                try:
                    self.converter.conversions.convert(item)
                except MigrationError as error:
                    raise OwnerError(owner, str(error)) from error
        holding.fill_anew()

    def _apply_now(self, swap: commit.Swap) -> float:
        for _ in range(TRIES if swap.replaced else 0):
            try:
                return self._apply_once(swap, self.look(swap))
            except commit.WriteError as error:
                if error.what != HELD:
                    raise
        return self._apply_once(swap, self.look(swap))

    def _apply_once(self, swap: commit.Swap, around: Exchange) -> float:
        if swap.request is None:
            if self.converter.conversions.pending:  # their hooks, or what these call, may be others from now on
                swap.add(*self.converter.conversions.looking_anew())
            return self.run([*around.first, *swap.writes, *around.last])
        forget_readers()
        self.converter.before_commit(swap.request)
        try:
            took = self.run([*around.first, *swap.writes, *around.last])
        except BaseException:  # raised again: nothing was written, so nothing may be noted as waiting
            self.converter.cancel(swap.request)
            raise
        self.converter.after_commit(swap.request, swap)
        return took

    def revert(self, swap: commit.Swap) -> tuple[float, list[Finding]]:
        """The same for the way back. What owners hold has been tried before; where it fails all the same the swap is taken
        back, and that is named.

        Raises:
            OwnerError: nothing was changed.
            ReplaceError: a class that was replaced cannot come back; nothing was changed.
        """
        holding = Holding()
        leaps = {cls: leap.back() for cls, leap in swap.request.leaps.items()} if swap.request is not None else {}
        holding.take(leaps, swap.rehashed)
        try:
            took = self._revert_now(swap)
            try:
                self._convert_held(holding)
            except OwnerError as error:
                message = f"the swap was taken back, but not all that an owner holds: {error}"
                return took, [Finding(code="HS311", severity=Severity.KEPT, message=message, file=error.owner.file,
                                      line=error.owner.line, next_step="look at what it holds, and fill it anew")]  # fmt: skip
            return took, []
        finally:
            holding.release()

    def _revert_now(self, swap: commit.Swap) -> float:
        then = commit.Swap()
        back = {(file, new): old for file, pairs in swap.codes.items() for old, new in pairs.items() if old != new}
        done = {id(write.do[1]) for write in swap.writes if write.do[0] is setattr}
        suspended = lead_latecomers(then, self.world, back, done)
        took = self._revert_with(swap, then, self._exchange_back(swap))
        self.follow_frames({file: {new: old for old, new in pairs.items()} for file, pairs in swap.codes.items()}, suspended)
        return took

    def restore(self, swap: commit.Swap) -> bool:
        """Make a swap live again that was taken back just before, which nobody was told of; False where it stays taken back, as
        objects have begun to go back, too.

        Raises:
            WriteError: the program has changed meanwhile what was written; it stays taken back.
        """
        back, self._back = self._back, []
        if not back:
            return False
        then = commit.Swap()
        forth = {(file, old): new for file, pairs in swap.codes.items() for old, new in pairs.items() if old != new}
        suspended = lead_latecomers(then, self.world, forth, {id(write.do[1]) for write in back if write.do[0] is setattr})
        self.run([*commit.take_back(back), *then.writes])
        self.follow_frames(swap.codes, suspended)
        return True

    def let_go(self) -> None:
        """Forget how the newest way back could be turned round: it would keep what the swap had made."""
        self._back = []

    def _exchange_back(self, swap: commit.Swap) -> list[commit.Write]:
        around = exchange_back(swap, [applied.swap for applied in self.world.history])
        return [*around.first, *around.last]

    def _revert_with(self, swap: commit.Swap, then: commit.Swap, first: list[commit.Write]) -> float:
        self._back = []
        if swap.request is None:
            took = self.run(back := commit.way_back(swap, then, first))
            self._back = back if not swap.replaced and not swap.rehashed else []
            return took
        forget_readers()  # what was learned is of the classes before the swap
        request, census = self.converter.back(swap.request), Census()
        self.converter.arm(request, then, census)
        census.frame(then)
        self.converter.before_commit(request)
        try:
            took = self.run(commit.way_back(swap, then, first))
        except BaseException:  # raised again: nothing was written, so nothing may be noted as waiting
            self.converter.cancel(request)
            raise
        self.converter.after_commit(request, then, swap)
        return took
