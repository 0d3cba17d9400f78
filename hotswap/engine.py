"""The order of the stages: a batch of saves in, a report out.

    ChangeSet -> read -> plan -> (at rest as far as it has to be: link -> commit) -> report

One swap at a time holds ``Engine.lock``. While it is linked and committed no request of a program whose plugin knows them is
inside (:meth:`Engine._quiesce`). Everything that can fail comes before the commit; a refusal at any stage
leaves the program as it was, and the text is kept as pending: it is tried again together with the next save.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs

from hotswap import commit
from hotswap.applying import Applier
from hotswap.clock import Clock
from hotswap.collector import list_instances
from hotswap.convert.converter import Converter, Request
from hotswap.convert.lineage import VERSIONS
from hotswap.convert.owners import Holding, OwnerError
from hotswap.convert.preflight import try_out
from hotswap.effects import Effects
from hotswap.errors import CODES, RollbackError
from hotswap.frames import Changes, Place, has_other_interpreters
from hotswap.green import patched_by
from hotswap.link.bind import link
from hotswap.link.doubles import find_alive
from hotswap.link.instances import NO_INSTANCES, drop_fields
from hotswap.link.latecomers import find_left, lead_latecomers
from hotswap.link.limbo import collect_staged, make_all_old
from hotswap.link.linking import LinkRefused
from hotswap.link.redirect import settle_trampolines
from hotswap.link.references import HELD
from hotswap.link.replacing import ReplaceError
from hotswap.link.staging import forget_imported
from hotswap.model import (
    ChangeSet,
    ClassPreflight,
    Consistency,
    Finding,
    Plan,
    Preflight,
    Report,
    Severity,
    SourceFile,
    Status,
    Verdict,
    Wish,
)
from hotswap.past import Past
from hotswap.peek import forget_readers
from hotswap.pending import Pending, concerns
from hotswap.plan.build import Draft
from hotswap.plan.pairing import walk
from hotswap.plugin.manager import Plugins
from hotswap.scope import Scope
from hotswap.texts import Refused, Texts
from hotswap.transition.audit import find_audit_hook
from hotswap.transition.children import find_children
from hotswap.transition.consistency import Need, find_need
from hotswap.transition.ended import EndedFrames
from hotswap.transition.mover import Blocked, Mover, changed_after
from hotswap.transition.stack import added_codes, changed_codes, find_running
from hotswap.world import AppliedSwap, Before, ModuleRecord, World

#: So many swaps can be taken back. Each keeps the code and the data that it replaced, so the number has to end somewhere.
HISTORY = 20
#: So many bytes of text have their trees kept between swaps. A tree takes two hundred times the memory of its text, and each
#: pass over the heap walks it; to parse a text again takes about as long as three such passes.
TREES = 500_000
#: So often a swap is linked while the program makes objects meanwhile.
TRIES = 3


def _before_running(findings: Iterable[Finding]) -> list[Finding]:
    """The findings of a plan that is not carried out: nothing was run."""
    return [finding for finding in findings if finding.code != "HS407"]


def _before_replacing(swap: commit.Swap) -> list[Finding]:
    """The findings of a swap of which a class could not be replaced."""
    return [finding for finding in swap.findings if finding.code != "HS413"]


@attrs.define(eq=False)
class Engine:
    """Applies changes of source files to the running program.

    Attributes:
        scope: says which files are managed; None where no new one is.
        on_report: called with each report, after the swap lock has been released.
        on_finding: called with what belongs to no swap.
        world: everything known about the program.
        list_forks: gives the pids that forks of this process have had.
        converter: converts the objects of classes that changed.
        ended: waits for frames from before a commit to end.
        texts: of the managed modules.
        applier: commits.
        pending: texts that were refused.
        effects: runs what was added for its effect.
        mover: who moves when, where that is asked for.
        past: the newest reports.
        restarts: whether a change that needs a restart has the program started again; whoever takes the reports does that.
    """

    scope: Scope | None
    on_report: Callable[[Report], None] | None = None
    on_finding: Callable[[Finding], None] = lambda finding: None
    world: World = attrs.Factory(World)
    plugins: Plugins = attrs.Factory(Plugins)
    list_forks: Callable[[], Iterable[int]] = tuple
    converter: Converter = attrs.Factory(Converter)
    ended: EndedFrames = attrs.Factory(EndedFrames)
    past: Past = attrs.Factory(Past)
    restarts: bool = False
    # Serialises swaps and rollbacks; taken before World.lock, held while statements are evaluated aside.
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)
    texts: Texts = attrs.field(init=False)
    applier: Applier = attrs.field(init=False)
    pending: Pending = attrs.field(init=False)
    effects: Effects = attrs.field(init=False)
    mover: Mover = attrs.field(init=False)
    _number: int = attrs.field(default=0, init=False)
    # The thread that swaps just now: program code that it runs must not start another swap inside of it.
    _swapping: int | None = attrs.field(default=None, init=False)
    # Whose threads the locks are made for: see :func:`hotswap.green.patched_by`.
    _made_under: str = attrs.field(factory=patched_by, init=False)
    # What plugins have said when they were to bring the program to rest; None while it need not be at rest.
    _at_rest: list[Finding] | None = attrs.field(default=None, init=False)
    _are_asked: bool = attrs.field(default=False, init=False)  # plugins were, for the swap that is under way
    _is_audit_named: bool = attrs.field(default=False, init=False)  # a hook cannot be removed, so it is named once

    def __attrs_post_init__(self) -> None:
        self.texts = Texts(self.world, self.plugins, self.scope.includes if self.scope is not None else lambda file: False)
        self.pending, self.effects = Pending(self.world), Effects(self.world)
        self.mover = Mover(self.ended.outdated, self.world.owner_of)
        self.applier = Applier(self.world, self.converter, self._follow_frames, self.mover.run)
        self.world.outdated = self.ended.outdated
        self.ended.lock, self.ended.look = self.lock, self._look_at_ended
        self.world.ask_kind = self.plugins.value_kind
        self.converter.lock = self.lock
        self.converter.on_exhausted = self._give_up

    # ---- the pipeline ----

    def swap(self, changes: ChangeSet, wish: Wish | None = None) -> Report:
        """Apply a batch of saves, whole or not at all.

        Args:
            changes: the edited files with the bytes that were read.
            wish: who is to move when; None where changes follow saves.

        Returns:
            The report; never raises for what is in the files.
        """
        start = time.perf_counter()
        if self._swapping == threading.get_ident():
            return self._refuse_nested(start)
        wish = _named(wish, "swap", [(os.path.basename(file.path), file.data) for file in changes.files])
        with self.lock, self._mark_swapping(), self._release_after(wish):
            self.world.forget_lost()
            fresh = {f.path for f in changes.files}
            pending = self.pending.beside(fresh)
            report = self._attempt((*changes.files, *pending), start, changes.seen_at)
            if not report.applied and pending and not concerns(report.held, fresh):
                if waits := self.texts.wait_for_held(changes.files, pending):
                    report = attrs.evolve(report, findings=(*report.findings, *waits))
                else:  # an older refusal must not hold this save
                    report = self._attempt(changes.files, start, changes.seen_at)
            report = self.pending.note(changes.files, pending, report)
            if report.applied:
                self.plugins.after_commit(report)
            report = self._with_broken_plugins(report)
            self._fell_trees(fresh)
            eager = self.converter.take_eager()
        report = self._with_eager(report, eager)
        self._tell(report)
        return report

    def _fell_trees(self, fresh: Collection[str] = ()) -> None:
        """Let go of the trees of most texts, those of files that were just saved last: who is edited is edited again."""
        with self.world.lock:
            records = [record for record in self.world.records.values() if record.source is not None]
        records.sort(key=lambda record: record.file not in fresh)
        total = 0
        for record in records:
            total += len(record.data)
            if total > TREES and record.file not in fresh:
                record.source = record.summary = None

    def _with_eager(self, report: Report, items: list[Any]) -> Report:
        """Convert what wants to be converted before the swap returns; no lock is held, since program code runs."""
        found = [Finding(code="HS308", severity=Severity.KEPT, message=str(e)) for e in self.converter.convert_each(items)]
        return attrs.evolve(report, findings=(*report.findings, *found)) if found else report

    @contextmanager
    def _mark_swapping(self) -> Iterator[None]:
        before, self._swapping = self._swapping, threading.get_ident()
        try:
            yield
        finally:
            self._swapping = before

    @contextmanager
    def _release_after(self, wish: Wish | None) -> Iterator[None]:
        """Let the program go on at the end, where it was brought to rest."""
        self.mover.wish = wish
        try:
            yield
        finally:
            try:
                if self._at_rest is not None:
                    self._at_rest, self._are_asked = None, False
                    self.plugins.release()
            finally:
                self.applier.let_go()
                self.mover.end()

    def _find_need(self, draft: Draft) -> Need:
        return find_need(draft, self.plugins.find_settler())

    def _quiesce(self, plan: Plan, need: Need, changed: Mapping[Place, str]) -> list[Finding]:
        """Bring the program to rest as far as it has to be, once for all attempts of a swap; gives why it cannot be."""
        if self._at_rest is None:
            self._at_rest = []  # from here on there is something to release
            self._at_rest = self.mover.begin(need, changed) or self._ask_plugins(plan)
        elif not _held(self._at_rest):
            self._at_rest += self.mover.go_on(need, changed) or self._ask_plugins(plan)
        if not (why := _held(self._at_rest)):
            self.plugins.prepare(plan)  # noting is no waiting: a change that is forced needs it, too
        return why

    def _ask_plugins(self, plan: Plan) -> list[Finding]:
        """Have plugins bring the program to rest where it has to be, once for all attempts of a swap."""
        if self._are_asked or not self.mover.asks_plugins:
            return []
        self._are_asked = True
        return self.plugins.quiesce(plan)

    def refuse(self, finding: Finding) -> Report:
        """Tell of a change that is none of a managed text and that counts from the next start on: a report that asks for it.

        Args:
            finding: why, with severity ``held``.
        """
        plan = Plan(verdict=Verdict.RESTART, findings=(finding,))
        report = self._report(plan, Verdict.RESTART, [finding], Clock(time.perf_counter()), None)
        self._tell(report)
        return report

    def _refuse_nested(self, start: float) -> Report:
        message = "a swap was asked for by code that a swap is running"
        finding = Finding(code="HS505", severity=Severity.HELD, message=message, next_step=CODES["HS505"].remedy)
        return self._report(Plan(verdict=Verdict.ASK), Verdict.ASK, [finding], Clock(start), None)

    def _tell(self, report: Report) -> None:
        """Hand a report on; no lock is held. What the receiver raises is shown as an uncaught exception is.

        Plugins are told first: the receiver may end the program, to start it again.
        """
        self.past.note(report)
        self.plugins.told(report)
        if self.on_report is not None:
            try:
                self.on_report(report)
            except Exception:  # noqa: BLE001 - border to program code: what is live stays live
                sys.excepthook(*sys.exc_info())

    def _with_broken_plugins(self, report: Report) -> Report:
        found = self.plugins.take_findings()
        return attrs.evolve(report, findings=(*report.findings, *found)) if found else report

    def _attempt(self, files: Iterable[SourceFile], start: float, seen_at: float | None) -> Report:
        # Syntax trees are many objects at once: the collector would walk the heap again and again while they are made.
        enabled = gc.isenabled()
        gc.disable()
        try:
            return self._try_swap(files, Clock(start), seen_at)
        finally:
            if enabled:
                make_all_old()  # or the collector would walk them at once, while the program waits
                gc.enable()

    def _try_swap(self, files: Iterable[SourceFile], clock: Clock, seen_at: float | None) -> Report:
        try:
            self._check_threads()
            self._ask_for_frames()
            draft = self.texts.plan(*self.texts.read(files))
            clock.mark("plan")
            if draft.plan.verdict is Verdict.NOTHING and not draft.hooks and not draft.changes_text:
                return self._report(draft.plan, Verdict.NOTHING, draft.plan.findings, clock, seen_at)
            if draft.plan.verdict in (Verdict.RESTART, Verdict.ASK):
                raise Refused(draft.plan, draft.plan.verdict, _before_running(draft.plan.findings))
            changed = changed_codes(draft)
            need = self._find_need(draft)
            if why := self._quiesce(draft.plan, need, changed):
                raise Refused(draft.plan, Verdict.ASK, (*_before_running(draft.plan.findings), *why))
            clock.skip()  # requests have been waited for
            return self._carry_out(draft, need, clock, seen_at, changed)
        except Refused as refusal:
            return self._report(refusal.plan, refusal.verdict, refusal.findings, clock, seen_at)
        except Exception as error:  # noqa: BLE001 - border: a bug of ours must not end the program
            finding = Finding(
                code="HS599",
                severity=Severity.HELD,
                message=f"hotswap failed in itself; {error if isinstance(error, RollbackError) else 'nothing was applied'}",
                next_step="please report this",
                excerpt=traceback.format_exc(),
            )
            return self._report(Plan(verdict=Verdict.RESTART), Verdict.RESTART, [finding], clock, seen_at)

    @staticmethod
    def _ask_for_frames() -> None:
        if has_other_interpreters():
            message = "there are other interpreters in this process, so the frames of its threads cannot be asked for"
            finding = Finding(code="HS509", severity=Severity.HELD, message=message, next_step=CODES["HS509"].remedy)
            raise Refused(Plan(verdict=Verdict.ASK, findings=(finding,)), Verdict.ASK, [finding])

    def _check_threads(self) -> None:
        library = patched_by()
        if library == self._made_under:
            return
        message = f"{library or self._made_under} has replaced threads by greenlets since hotswap was started"
        finding = Finding(code="HS506", severity=Severity.HELD, message=message, next_step=CODES["HS506"].remedy)
        raise Refused(Plan(verdict=Verdict.RESTART, findings=(finding,)), Verdict.RESTART, [finding])

    def _link(
        self, draft: Draft, look: Callable[[Request], None] | None = None, last: Callable[[commit.Swap], None] | None = None
    ) -> commit.Swap:
        forget_readers()
        try:
            return link(draft, self.world, self.plugins, self.converter, look, last)
        except LinkRefused as refusal:
            restart = any(f.code.startswith("HS2") for f in refusal.findings)
            verdict = Verdict.RESTART if restart else Verdict.ASK
            raise Refused(draft.plan, verdict, (*_before_running(draft.plan.findings), *refusal.findings)) from refusal
        except OwnerError as error:
            raise Refused(draft.plan, Verdict.ASK, (*_before_running(draft.plan.findings), _not_converted(error))) from error

    def _link_and_hold(self, draft: Draft) -> tuple[commit.Swap, Holding]:
        """Link; what owners hold is tried at the end of it, while that can run which was evaluated aside."""
        holding = Holding()
        with ExitStack() as undoing:
            undoing.callback(holding.release)  # no lock of the program may stay taken
            swap = self._link(draft, last=functools.partial(self.applier.hold, holding))
            undoing.pop_all()
        return swap, holding

    def _carry_out(
        self, draft: Draft, need: Need, clock: Clock, seen_at: float | None, changed: dict[Place, str]
    ) -> Report:
        swap = self._commit(draft, clock)
        swap.changed, swap.added = changed, added_codes(draft)
        before, gone = self.texts.remember(draft)
        try:
            findings = [*draft.plan.findings, *(self._at_rest or ()), *swap.findings, *self._look_around(draft, swap)]
            self.texts.note_live(draft, swap.bases)
            failure, ran = self.effects.run(draft)
            settled = self.plugins.settle(draft.plan) if failure is None else []
            refused = next((ran.tell(finding) for finding in settled if finding.severity is Severity.HELD), None)
            failure = failure or refused or self.mover.confirm()
        except BaseException:  # whatever it was, what is live and what is noted must agree
            self._take_back(swap, before, gone)
            raise
        findings += [finding for finding in settled if finding.severity is not Severity.HELD]
        if failure is not None:
            findings += self._after_failure(failure, swap, before, gone)
            if settled:
                findings[-1:-1] = self._settle_back(draft.plan)
            if findings[-1].severity is Severity.HELD:
                self.effects.note_taken_back(ran.done)
                verdict = Verdict.RESTART if failure.next_step == "restart" else Verdict.ASK
                raise Refused(draft.plan, verdict, findings)
        findings = [*self.mover.take_findings(), *self.effects.note_live(ran, findings)]
        self._number += 1
        report = self._report(draft.plan, Verdict.SWAP, findings, clock, seen_at, swap)
        self.world.note_removed(swap.removed)
        with self.world.lock:
            known = self.world.note_mechanisms(swap.redirects, functools.partial(_names_of, draft), draft.edited)
            left = self.effects.left_by_rollback(draft)
            self.world.history.append(AppliedSwap(report, swap, before, gone, known, left, self.mover.needed(need)))
            for ended in self.world.history[:-HISTORY]:
                if ended.swap.request is not None:
                    self.converter.let_go(ended.swap.request)
            del self.world.history[:-HISTORY]
        if swap.request is not None:
            self.converter.watch(swap.request)
        self.converter.retry(None)  # what failed may be mended
        self._follow_frames(swap.codes, swap.suspended)
        return report

    def _follow_frames(self, codes: Changes, suspended: list[Any]) -> None:
        """Frames that have begun before a commit may go on to make functions of their old code."""
        self.world.outdated.follow(codes, suspended)
        suspended.clear()
        self.ended.start()

    def _look_at_ended(self) -> None:
        """What the thread that waits for frames does; an error of ours must not end it."""
        try:
            self._lead_latecomers()
        except Exception:  # noqa: BLE001 - border: what is live stays live
            self.world.outdated.clear()  # or it would fail again at each look
            message = "hotswap failed in itself; functions that were made by code from before a swap may keep that code"
            self.tell(Finding(
                code="HS599", severity=Severity.KEPT, message=message, excerpt=traceback.format_exc(),
                next_step="please report this, and restart to be sure",
            ))  # fmt: skip

    def _lead_latecomers(self) -> None:
        """Functions that frames from before a commit have made, and that have ended since."""
        with self.lock:
            outdated, swap = self.world.outdated, commit.Swap()
            codes = outdated.ended()
            outdated.note_suspended(lead_latecomers(swap, self.world, codes))
            settle_trampolines(swap)
            try:
                commit.apply(swap)
            except commit.WriteError as error:
                message = f"a function that an old frame has made cannot be led over ({error.what}: {error.__cause__!r})"
                swap.findings.append(Finding(code="HS404", severity=Severity.KEPT, message=message, next_step="make it again"))
            outdated.forget(codes.keys() & outdated.ended().keys())
            swap.findings += find_left(swap)  # it may collect, which would make the young objects of a swap old
        for finding in swap.findings:
            self.tell(finding)

    def tell(self, finding: Finding) -> None:
        """Tell the person something that belongs to no swap."""
        try:
            self.on_finding(finding)
        except Exception:  # noqa: BLE001 - border to program code: the thread that waits for frames goes on
            sys.excepthook(*sys.exc_info())

    def after_fork(self) -> None:
        """In a child: the threads are gone, and with them a change that one of them was carrying out."""
        if self._swapping is not None and self._swapping != threading.get_ident():  # else it is the change itself that has forked
            self._swapping, self._at_rest, self._are_asked = None, None, False
            self.mover.forget()
        self.converter.after_fork()
        self.ended.after_fork()

    def _look_around(self, draft: Draft, swap: commit.Swap) -> list[Finding]:
        """Who runs old code still, in this process and in its children, and who listens to the commit."""
        findings = [*find_running(draft, swap.suspended, self.world.outdated), *find_children(self.list_forks())]
        findings += find_alive(swap, self.world)
        swap.doubles.clear()
        if not self._is_audit_named:
            findings += (audited := find_audit_hook())
            self._is_audit_named = bool(audited)
        return findings

    def _commit(self, draft: Draft, clock: Clock) -> commit.Swap:
        """Link and commit; again where the program has made an object meanwhile that linking has not seen."""
        for _ in self.mover.tries(TRIES):
            swap, holding = self._link_and_hold(draft)
            clock.mark("link")
            try:
                clock.note("commit", self.applier.apply(swap, holding))
            except Blocked as error:
                forget_imported(swap.imported, self.world)
                del swap
                last = self._try_again(error.alone(), draft.plan)
                collect_staged(aged=True)  # or what was made aside would be met by the next attempt
            except OwnerError as error:
                forget_imported(swap.imported, self.world)
                raise Refused(draft.plan, Verdict.ASK, (*draft.plan.findings, *swap.findings, _not_converted(error))) from error
            except ReplaceError as error:
                forget_imported(swap.imported, self.world)
                findings = (*_before_running(draft.plan.findings), *_before_replacing(swap), error.finding)
                raise Refused(draft.plan, Verdict.RESTART, findings) from error
            except commit.WriteError as error:
                forget_imported(swap.imported, self.world)
                if error.what not in (NO_INSTANCES, HELD):
                    raise
                last = self._give_in(swap, error.what)
            else:
                swap.held.clear()
                return swap
        raise Refused(draft.plan, Verdict.ASK, (*draft.plan.findings, *last))

    def _try_again(self, blocked: Blocked, plan: Plan) -> list[Finding]:
        """Wait for somebody whom a commit has met, or for all where more is needed than the plan has said; gives why there is
        to be no other attempt.

        Raises:
            Refused: it did not end in time, or there is no use in another attempt.
        """
        try:
            if not self.mover.try_again(blocked):
                found = blocked.findings
            elif self._are_asked or not self.mover.asks_plugins:
                return []
            else:  # nobody was to be at rest when they noted what they need
                assert self._at_rest is not None
                self._at_rest += self._ask_plugins(plan)
                if not (found := tuple(_held(self._at_rest))):
                    self.plugins.prepare(plan)
                    return []
        except Blocked as error:
            found = error.findings
        raise Refused(plan, Verdict.ASK, (*_before_running(plan.findings), *found))

    @staticmethod
    def _give_in(swap: commit.Swap, what: str) -> list[Finding]:
        """What is to be said where a swap was tried in vain as often as this."""
        if what == HELD:
            found = swap.replaced[0].refuse("references to it came and went faster than they could be looked at")
            return [*_before_replacing(swap), attrs.evolve(found, next_step="save again, or restart")]
        message = "objects of a class that needs new fields were made faster than the swap could look at them"
        asked = Finding(code="HS301", severity=Severity.HELD, message=message, next_step="save again, or restart")
        return [*swap.findings, asked]

    def _after_failure(
        self, failure: Finding, swap: commit.Swap, before: dict[str, Before], gone: list[ModuleRecord]
    ) -> list[Finding]:
        """Take a swap back of which a statement has failed; where the program has changed what it wrote, it stands."""
        try:
            return [*self._take_back(swap, before, gone), failure]
        except RollbackError as error:
            message, step = f"{failure.message}. {error}, so it stands", "mend the statement, or restart"
            return [attrs.evolve(failure, severity=Severity.KEPT, message=message, next_step=step)]

    def _settle_back(self, plan: Plan) -> list[Finding]:
        """Plugins follow what was taken back; what they cannot do is named."""
        return [
            attrs.evolve(finding, severity=Severity.KEPT) if finding.severity is Severity.HELD else finding
            for finding in self.plugins.settle(plan)
        ]

    def _take_back(self, swap: commit.Swap, before: dict[str, Before], gone: list[ModuleRecord]) -> list[Finding]:
        """Undo a commit before it is told.

        Raises:
            RollbackError: the program has changed meanwhile what was written; all is as it was.
        """
        unfinished = self.mover.turn_back()
        try:
            unfinished += self.applier.revert(swap)[1]
        except (commit.WriteError, OwnerError, ReplaceError) as error:
            what = f"{error.what}: {error.__cause__!r}" if isinstance(error, commit.WriteError) else str(error)
            raise RollbackError(f"what was applied cannot be taken back, the program has changed it ({what})") from error
        self.texts.restore(before, gone)
        return unfinished

    def _look_ahead(self, changes: ChangeSet) -> Draft:
        """What a swap would begin with: these files with those that are held, or alone where that is refused for the others.

        Raises:
            Refused: before there is a plan.
        """
        self.world.forget_lost()
        self._check_threads()
        self._ask_for_frames()
        fresh = {file.path for file in changes.files}
        if pending := self.pending.beside(fresh):
            try:
                draft = self.texts.plan(*self.texts.read((*changes.files, *pending)))
                if draft.plan.verdict in (Verdict.SWAP, Verdict.NOTHING) or concerns(draft.plan.findings, fresh):
                    return draft
                refused = Refused(draft.plan, draft.plan.verdict, draft.plan.findings)
            except Refused as refusal:
                if concerns(refusal.findings, fresh):
                    raise
                refused = refusal
            if waits := self.texts.wait_for_held(changes.files, pending):
                findings = (*refused.findings, *waits)
                raise Refused(attrs.evolve(refused.plan, findings=findings), refused.verdict, findings)
        return self.texts.plan(*self.texts.read(changes.files))

    def forget_held(self) -> None:
        """Let go of the texts that were refused: the next swap is not to try them again."""
        with self.lock:
            self.pending.drop()

    def preview(self, changes: ChangeSet) -> Plan:
        """The plan for some texts, by the same code as a swap, stopped before anything is executed.

        Args:
            changes: the files with their bytes.
        """
        with self.lock:
            try:
                return self._look_ahead(changes).plan
            except Refused as refusal:
                return refusal.plan
            finally:
                self._fell_trees({file.path for file in changes.files})

    def preflight(self, changes: ChangeSet, limit: int = 10_000, wish: Wish | None = None) -> Preflight:
        """Try what a swap would do to live objects, on copies of their states; nothing is changed.

        Statements are evaluated aside, as for a swap; hooks that may run only once are left out.

        Args:
            changes: the files with their bytes.
            limit: so many objects of a class are tried at most.
            wish: who is to move when; what would be chosen is told.
        """
        found: list[ClassPreflight] = []

        def look(request: Request) -> None:
            found.extend(try_out(request.aside, list_instances(list(request.aside)), limit))

        with self.lock, self._mark_swapping():
            try:
                draft = self._look_ahead(changes)
                if draft.plan.verdict in (Verdict.RESTART, Verdict.ASK):
                    return Preflight(plan=draft.plan, findings=draft.plan.findings)
                swap = self._link(draft, look)
                findings = [*draft.plan.findings, *swap.findings]
                forget_imported(swap.imported, self.world)
                self.applier.look(swap)
                if wish is not None:
                    findings += self.mover.foresee(wish, self._find_need(draft), swap.writes, changed_codes(draft))
            except ReplaceError as error:
                held = (*draft.plan.findings, *_before_replacing(swap), error.finding)
                return Preflight(plan=draft.plan, findings=held, classes=tuple(found))
            except Refused as refusal:
                return Preflight(plan=refusal.plan, findings=refusal.findings, classes=tuple(found))
            finally:
                self._fell_trees({file.path for file in changes.files})
            return Preflight(plan=draft.plan, findings=tuple(findings), classes=tuple(found))

    # ---- the way back and the state ----

    def rollback(self, because: str = "", only: Request | None = None, wish: Wish | None = None) -> Report:
        """Take back the newest swap: code, module data and classes are as before it.

        Args:
            because: why, where nobody has asked for it.
            only: what the swap did to objects that is meant; None for whatever is the newest.
            wish: who is to move when; None where changes follow saves.

        Raises:
            RollbackError: there is nothing to take back.
        """
        clock = Clock(time.perf_counter())
        if self._swapping == threading.get_ident():
            raise RollbackError("a swap is running this code; ask for the rollback when it is over")
        if self.converter.conversions.is_running():
            raise RollbackError("a migration is running this code; ask for the rollback when it has returned")
        with self.lock, self._mark_swapping(), self._release_after(wish):
            if not self.world.history:
                raise RollbackError("there is no swap to take back")
            if has_other_interpreters():
                raise RollbackError("there are other interpreters in this process; ask for the rollback when they have ended")
            applied = self.world.history[-1]
            if only is not None and applied.swap.request is not only:
                raise RollbackError("another swap was made meanwhile")
            self._check_way_back(applied)
            self.mover.wish = _named(wish, "rollback", [(name, before.data) for name, before in applied.records.items()])
            if why := self._quiesce(applied.report.plan, self._need_of_way_back(applied), changed_after(applied.swap)):
                raise RollbackError(f"swap {applied.report.number} cannot be taken back now: {why[0]}")
            try:
                took, unfinished = self._revert(applied)
                clock.note("commit", took)
                unfinished += self._confirm_way_back(applied)
            except (OwnerError, ReplaceError) as error:
                raise RollbackError(f"swap {applied.report.number} cannot be taken back: {error}") from error
            except commit.WriteError as error:
                raise RollbackError(
                    f"swap {applied.report.number} cannot be taken back: the program has changed what it wrote "
                    f"({error.what}: {error.__cause__!r}); nothing was changed, restart to leave it"
                ) from error
            self.world.history.pop()
            self.world.forget_removed(applied.swap.removed)
            self.texts.restore(applied.records, applied.gone)
            self.converter.retry(None)
            self.world.restore_mechanisms(applied.mechanisms)
            self.effects.note_taken_back(key for _, key in applied.ran if key is not None)
            plan, told = applied.report.plan, [*(self._at_rest or ()), *self.mover.take_findings()]
            left = [*told, *unfinished, *(found for found, _ in applied.ran)]
            if because:
                step = CODES["HS310"].remedy
                left.insert(0, Finding(code="HS310", severity=Severity.KEPT, message=because, next_step=step))
            report = attrs.evolve(
                self._report(plan, Verdict.SWAP, left, clock, None, applied.swap), number=applied.report.number, rolled_back=True
            )
            report = attrs.evolve(report, findings=(*report.findings, *self._settle_back(plan)))
            self.plugins.after_rollback(report)
            report = self._with_broken_plugins(report)
            eager = self.converter.take_eager()
        report = self._with_eager(report, eager)
        self._tell(report)
        return report

    def _revert(self, applied: AppliedSwap) -> tuple[float, list[Finding]]:
        """Take a swap back, again where somebody was met in what changes."""
        while True:
            try:
                return self.applier.revert(applied.swap)
            except Blocked as error:
                try:
                    self._try_again(error, applied.report.plan)
                except Refused as refusal:
                    number, why = applied.report.number, refusal.findings[-1]
                    raise RollbackError(f"swap {number} cannot be taken back now: {why}") from refusal

    def _confirm_way_back(self, applied: AppliedSwap) -> list[Finding]:
        """Take a swap back with all ranks or with none; gives what is to be said where it was taken back here alone.

        Raises:
            RollbackError: another rank could not, so it is live here again.
        """
        if (failed := self.mover.confirm()) is None:
            self.applier.let_go()
            return []
        found = self.mover.turn_back()
        try:
            is_live = self.applier.restore(applied.swap)
        except commit.WriteError:
            is_live = False
        if is_live:
            names = "".join(f"; {finding}" for finding in found)
            why = "another rank could not, so it is live here, too"
            raise RollbackError(f"swap {applied.report.number} was not taken back: {why}{names}")
        return [*found, attrs.evolve(failed, severity=Severity.KEPT, message="not all ranks have taken the change back")]

    def _give_up(self, request: Request, why: str) -> None:
        """Too many objects could not be converted: take their swap back, if it is still the newest."""
        history = list(self.world.history)
        if not history or (applied := history[-1]).swap.request is not request:
            return
        try:
            self.rollback(because=why, only=request)
        except RollbackError as error:
            finding = Finding(code="HS310", severity=Severity.KEPT, message=f"{why}. {error}", next_step="mend the migration")
            self._tell(attrs.evolve(applied.report, findings=(*applied.report.findings, finding)))

    def confirm(self) -> int:
        """Let go of what was kept aside for a rollback; gives of how many objects."""
        with self.lock:
            count = self.converter.confirm()
            for applied in self.world.history:
                count += sum(drop_fields(cls, names) for cls, names in applied.swap.lost)
                applied.swap.lost.clear()
            return count

    def _need_of_way_back(self, applied: AppliedSwap) -> Need:
        """What a rollback needs: what the swap has needed, also where it was forced, and no less than what it was made with."""
        made = applied.report.consistency or Consistency.QUIESCENT
        if made.rank < applied.need.rank:
            return Need(consistency=applied.need, why=f"it was forced by {made}, and needs more")
        comes = (write for write in applied.swap.writes if write.undo[0] is dict.pop)
        if made is Consistency.IMMEDIATE and any(self.world.owner_of(write.undo[1]) is not None for write in comes):
            return Need(consistency=Consistency.TASK, why="names go that have come with it")
        return Need(consistency=made, why="as it was applied")

    @staticmethod
    def _check_way_back(applied: AppliedSwap) -> None:
        leaps = applied.swap.request.leaps.values() if applied.swap.request is not None else ()
        lacking = {step.migration.describe() for leap in leaps for step in leap.irreversible}
        if lacking:
            raise RollbackError(
                f"swap {applied.report.number} cannot be taken back: {', '.join(sorted(lacking))} has no way back; nothing was "
                "changed. Save the old text with a migration that leads on from the live version instead"
            )

    def held(self) -> tuple[Finding, ...]:
        """Why newer texts on disk are not live."""
        with self.world.lock:
            return tuple(dict.fromkeys(finding for findings in self.world.held.values() for finding in findings))

    def status(self) -> Status:
        """What is managed, what was swapped, what is redirected and how, what is held."""
        world = self.world
        with world.lock:
            return Status(
                modules=tuple(sorted((r.name, r.file) for r in world.records.values())),
                swaps=tuple(applied.report for applied in world.history),
                mechanisms=tuple(
                    (module, name, mechanism)
                    for module, known in sorted(world.mechanisms.items())
                    for name, mechanism in sorted(known.items())
                ),
                held=self.held(),
                classes=self.converter.status(),
                versions=tuple(sorted(VERSIONS.items())),
                past=self.past.entries(),
                restarts=self.restarts,
            )

    def _report(
        self,
        plan: Plan,
        verdict: Verdict,
        findings: Iterable[Finding],
        clock: Clock,
        seen_at: float | None,
        swap: commit.Swap | None = None,
    ) -> Report:
        return Report(
            number=self._number if swap is not None else 0,
            applied=swap is not None,
            plan=plan,
            verdict=verdict,
            findings=tuple(findings),
            redirects=tuple(swap.redirects) if swap is not None else (),
            writes=len(swap.writes) if swap is not None else 0,
            timing=clock.timing(seen_at),
            consistency=self.mover.consistency if swap is not None else None,
        )


def _named(wish: Wish | None, verb: str, texts: Iterable[tuple[str, bytes | None]]) -> Wish | None:
    """A wish that says which change is wished for, so that ranks which wish different ones notice it."""
    if wish is None or wish.token:
        return wish
    digest = hashlib.sha256(repr(sorted((name, text or b"", text is None) for name, text in texts)).encode())
    return attrs.evolve(wish, token=f"{verb} {digest.hexdigest()}")


def _not_converted(error: OwnerError) -> Finding:
    return Finding(
        code="HS311", severity=Severity.HELD, message=str(error), file=error.owner.file, line=error.owner.line,
        next_step="mend the migration, or give it more time, and save again",
    )  # fmt: skip


def _held(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.HELD]


def _names_of(draft: Draft, module: str) -> set[str]:
    """The qualified names of all code in the new text of a module."""
    return {code.co_qualname for code in walk(draft.edited[module].new.code)}
