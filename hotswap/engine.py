"""The order of the stages: a batch of saves in, a report out.

    ChangeSet -> read -> plan -> link -> commit -> report

One swap at a time holds ``Engine.lock``. Everything that can fail comes before the commit; a refusal at any stage
leaves the program as it was, and the text is kept as pending: it is tried again together with the next save.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import attrs

from hotswap import commit
from hotswap.collector import list_instances
from hotswap.convert.converter import Converter, Request
from hotswap.convert.owners import Holding, OwnerError
from hotswap.convert.preflight import try_out
from hotswap.errors import CODES, MigrationError, RollbackError
from hotswap.fingerprint import Print
from hotswap.frames import Changes
from hotswap.hooks import new_hook_modules
from hotswap.link.bind import LinkRefused, link
from hotswap.link.instances import NO_INSTANCES, Census, drop_fields
from hotswap.link.latecomers import find_left, lead_latecomers
from hotswap.link.limbo import make_all_old
from hotswap.link.redirect import settle_trampolines
from hotswap.link.staging import forget_imported, run_statement
from hotswap.link.unseen import find_unseen, keep_unseen
from hotswap.model import (
    ChangeSet,
    ClassPreflight,
    Finding,
    Plan,
    Preflight,
    Report,
    Severity,
    SourceFile,
    Status,
    Timing,
    Verdict,
)
from hotswap.peek import forget_readers
from hotswap.plan.build import Draft, EditedModule, Surroundings, build_plan
from hotswap.plan.source import Source, SourceError, parse_source
from hotswap.plan.units import Summary, find_again, hold_back, index_at, let_go, summarise
from hotswap.plugin.manager import Plugins
from hotswap.transition.audit import find_audit_hook
from hotswap.transition.children import find_children
from hotswap.transition.ended import EndedFrames
from hotswap.transition.stack import find_running, find_top_levels
from hotswap.world import AppliedSwap, Before, ModuleRecord, World

#: So many swaps can be taken back. Each keeps the code and the data that it replaced, so the number has to end somewhere.
HISTORY = 20
#: So often a swap is linked while the program makes objects meanwhile.
TRIES = 3


class _Refused(Exception):
    """Ends a swap before the commit."""

    def __init__(self, plan: Plan, verdict: Verdict, findings: Iterable[Finding]) -> None:
        super().__init__(str(verdict))
        self.plan, self.verdict, self.findings = plan, verdict, tuple(findings)


@attrs.define(eq=False)
class Engine:
    """Applies changes of source files to the running program.

    Attributes:
        scope: says which files are managed.
        on_report: called with each report, after the swap lock has been released.
        on_finding: called with what belongs to no swap.
        world: everything known about the program.
        list_forks: gives the pids that forks of this process have had.
        converter: converts the objects of classes that changed.
        ended: waits for frames from before a commit to end.
    """

    scope: object
    on_report: Callable[[Report], None] | None = None
    on_finding: Callable[[Finding], None] = lambda finding: None
    world: World = attrs.Factory(World)
    plugins: Plugins = attrs.Factory(Plugins)
    list_forks: Callable[[], Iterable[int]] = tuple
    converter: Converter = attrs.Factory(Converter)
    ended: EndedFrames = attrs.Factory(EndedFrames)
    # Serialises swaps and rollbacks; taken before World.lock, held while statements are evaluated aside.
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)
    _pending: dict[str, SourceFile] = attrs.field(factory=dict, init=False)
    _number: int = attrs.field(default=0, init=False)
    # Statements that were run for their effect by a swap that was taken back afterwards, as (module, text).
    _ran: set[tuple[str, bytes]] = attrs.field(factory=set, init=False)
    # The thread that swaps just now: program code that it runs must not start another swap inside of it.
    _swapping: int | None = attrs.field(default=None, init=False)
    _is_audit_named: bool = attrs.field(default=False, init=False)  # a hook cannot be removed, so it is named once

    def __attrs_post_init__(self) -> None:
        self.world.outdated = self.ended.outdated
        self.ended.lock, self.ended.look = self.lock, self._lead_latecomers
        self.world.ask_kind = self.plugins.value_kind
        self.converter.lock = self.lock
        self.converter.on_exhausted = self._give_up

    # ---- the pipeline ----

    def swap(self, changes: ChangeSet) -> Report:
        """Apply a batch of saves, whole or not at all.

        Args:
            changes: the edited files with the bytes that were read.

        Returns:
            The report; never raises for what is in the files.
        """
        start = time.perf_counter()
        if self._swapping == threading.get_ident():
            return self._refuse_nested(start)
        with self.lock, self._mark_swapping():
            self.world.forget_lost()
            fresh = {f.path for f in changes.files}
            pending = [f for path, f in self._pending.items() if path not in fresh]
            report = self._attempt((*changes.files, *pending), start, changes.seen_at)
            if not report.applied and pending and not any(f.file in fresh for f in report.held):
                report = self._attempt(changes.files, start, changes.seen_at)  # an older refusal must not hold this save
            report = self._note_held(changes.files, pending, report)
            if report.applied:
                self.plugins.after_commit(report)
            report = self._with_broken_plugins(report)
            eager = self.converter.take_eager()
        report = self._with_eager(report, eager)
        self._tell(report)
        return report

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

    def _refuse_nested(self, start: float) -> Report:
        message = "a swap was asked for by code that a swap is running"
        finding = Finding(code="HS505", severity=Severity.HELD, message=message, next_step=CODES["HS505"].remedy)
        return self._report(Plan(verdict=Verdict.ASK), Verdict.ASK, [finding], _Clock(start), None)

    def _tell(self, report: Report) -> None:
        """Hand a report on; no lock is held. What the receiver raises is shown as an uncaught exception is."""
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
            return self._try_swap(files, _Clock(start), seen_at)
        finally:
            if enabled:
                make_all_old()  # or the collector would walk them at once, while the program waits
                gc.enable()

    def _try_swap(self, files: Iterable[SourceFile], clock: _Clock, seen_at: float | None) -> Report:
        try:
            draft = self._plan(*self._read(files))
            clock.mark("plan")
            if draft.plan.verdict is Verdict.NOTHING and not draft.hooks and not self._texts_differ(draft):
                return self._report(draft.plan, Verdict.NOTHING, draft.plan.findings, clock, seen_at)
            if draft.plan.verdict in (Verdict.RESTART, Verdict.ASK):
                raise _Refused(draft.plan, draft.plan.verdict, draft.plan.findings)
            return self._carry_out(draft, clock, seen_at)
        except _Refused as refusal:
            return self._report(refusal.plan, refusal.verdict, refusal.findings, clock, seen_at)
        except Exception:  # noqa: BLE001 - border: a bug of ours must not end the program
            finding = Finding(
                code="HS599",
                severity=Severity.HELD,
                message="hotswap failed in itself; nothing was applied",
                next_step="please report this",
                excerpt=traceback.format_exc(),
            )
            return self._report(Plan(verdict=Verdict.RESTART), Verdict.RESTART, [finding], clock, seen_at)

    def _link(self, draft: Draft, look: Callable[[Request], None] | None = None) -> commit.Swap:
        forget_readers()
        try:
            return link(draft, self.world, self.plugins, self.converter, look)
        except LinkRefused as refusal:
            restart = any(f.code.startswith("HS2") for f in refusal.findings)
            verdict = Verdict.RESTART if restart else Verdict.ASK
            raise _Refused(draft.plan, verdict, (*draft.plan.findings, *refusal.findings)) from refusal

    def _carry_out(self, draft: Draft, clock: _Clock, seen_at: float | None) -> Report:
        swap = self._commit(draft, clock)
        before, gone = self._remember(draft)
        try:
            findings = [*draft.plan.findings, *swap.findings, *self._look_around(draft, swap)]
            failure = self._follow_up(draft, swap.bases)
        except BaseException:  # whatever it was, what is live and what is noted must agree
            self._take_back(swap, before, gone)
            raise
        if failure is not None:
            self._take_back(swap, before, gone)
            raise _Refused(draft.plan, Verdict.ASK, (*findings, failure))
        self._number += 1
        report = self._report(draft.plan, Verdict.SWAP, findings, clock, seen_at, swap)
        with self.world.lock:
            ran = self._left_by_rollback(draft)
            self.world.history.append(AppliedSwap(report, swap, before, gone, dict(self.world.mechanisms), ran))
            for ended in self.world.history[:-HISTORY]:
                if ended.swap.request is not None:
                    self.converter.let_go(ended.swap.request)
            del self.world.history[:-HISTORY]
            self.world.mechanisms.update({(r.module, r.qualname): r.mechanism for r in swap.redirects})
        self.world.note_removed(swap.removed)
        self.converter.watch(swap.request)
        self.converter.retry(None)  # what failed may be mended
        self._follow_frames(swap.codes, swap.suspended)
        return report

    def _follow_frames(self, codes: Changes, suspended: list[Any]) -> None:
        """Frames that have begun before a commit may go on to make functions of their old code."""
        self.world.outdated.follow(codes, suspended)
        suspended.clear()
        self.ended.start()

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
            self._tell_finding(finding)

    def _tell_finding(self, finding: Finding) -> None:
        try:
            self.on_finding(finding)
        except Exception:  # noqa: BLE001 - border to program code: the thread that waits for frames goes on
            sys.excepthook(*sys.exc_info())

    def after_fork(self) -> None:
        """In a child: the threads are gone."""
        self.converter.after_fork()
        self.ended.after_fork()

    def _look_around(self, draft: Draft, swap: commit.Swap) -> list[Finding]:
        """Who runs old code still, in this process and in its children, and who listens to the commit."""
        findings = [*find_running(draft, swap.suspended, self.world.outdated), *find_children(self.list_forks())]
        if not self._is_audit_named:
            findings += (audited := find_audit_hook())
            self._is_audit_named = bool(audited)
        return findings

    def _commit(self, draft: Draft, clock: _Clock) -> commit.Swap:
        """Link and commit; again where the program has made an object meanwhile that linking has not seen."""
        for _ in range(TRIES):
            swap = self._link(draft)
            clock.mark("link")
            try:
                clock.note("commit", self._apply(swap))
            except OwnerError as error:
                forget_imported(swap.imported, self.world)
                finding = Finding(
                    code="HS311", severity=Severity.HELD, message=str(error), file=error.owner.file, line=error.owner.line,
                    next_step="mend the migration, or give it more time, and save again",
                )  # fmt: skip
                raise _Refused(draft.plan, Verdict.ASK, (*draft.plan.findings, *swap.findings, finding)) from error
            except commit.WriteError as error:
                forget_imported(swap.imported, self.world)
                if error.what != NO_INSTANCES:
                    raise
                last = swap
            else:
                return swap
        message = "objects of a class that needs new fields were made faster than the swap could look at them"
        finding = Finding(code="HS301", severity=Severity.HELD, message=message, next_step="save again, or restart")
        raise _Refused(draft.plan, Verdict.ASK, (*draft.plan.findings, *last.findings, finding))

    def _apply(self, swap: commit.Swap) -> float:
        """Commit, and hand the objects that have to be converted on; what owners hold is converted before anybody gets at it.

        Raises:
            OwnerError: that is not possible; nothing was changed.
        """
        holding = Holding()
        holding.take(swap.request.aside if swap.request is not None else {}, swap.rehashed)
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
        if swap.request is None:
            return commit.apply(swap)
        forget_readers()
        self.converter.before_commit(swap.request)
        try:
            took = commit.apply(swap)
        except BaseException:
            self.converter.cancel(swap.request)
            raise
        self.converter.after_commit(swap.request, swap)
        return took

    def _revert(self, swap: commit.Swap) -> tuple[float, list[Finding]]:
        """The same for the way back. What owners hold has been tried before; where it fails all the same the swap is taken
        back, and that is named.

        Raises:
            OwnerError: nothing was changed.
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
        took = self._revert_with(swap, then)
        self._follow_frames({file: {new: old for old, new in pairs.items()} for file, pairs in swap.codes.items()}, suspended)
        return took

    def _revert_with(self, swap: commit.Swap, then: commit.Swap) -> float:
        if swap.request is None:
            return commit.revert(swap, then)
        forget_readers()  # what was learned is of the classes before the swap
        request, census = self.converter.back(swap.request), Census()
        self.converter.arm(request, then, census)
        census.frame(then)
        self.converter.before_commit(request)
        try:
            took = commit.revert(swap, then)
        except BaseException:
            self.converter.cancel(request)
            raise
        self.converter.after_commit(request, then, swap)
        return took

    def _take_back(self, swap: commit.Swap, before: dict[str, Before], gone: list[ModuleRecord]) -> None:
        self._revert(swap)
        self._restore_texts(before, gone)

    # ---- reading ----

    def _read(self, files: Iterable[SourceFile]) -> tuple[list[tuple[ModuleRecord, Source]], list[str]]:
        found: list[tuple[ModuleRecord, Source]] = []
        gone: list[str] = []
        findings: list[Finding] = []
        records_of = self.world.file_finder()
        for item in files:
            for record in records_of(item.path):
                if item.data is None:
                    gone.append(record.name)
                    continue
                if item.data == record.data:
                    continue
                known = self._source(record)
                try:
                    found.append((record, parse_source(record.file, item.data, known)))
                except SourceError as error:
                    findings.append(error.finding)
        if findings:
            raise _Refused(Plan(verdict=Verdict.ASK, findings=tuple(findings)), Verdict.ASK, findings)
        return found, gone

    # ---- planning ----

    def _plan(self, texts: list[tuple[ModuleRecord, Source]], gone: list[str]) -> Draft:
        edited, summaries = [], {}
        executing = self._find_executing()
        for record, source in texts:
            old = self._summary(record)
            summary = summarise(record.package_name, source.tree, source.utf8, record.is_package, old)
            summary.module = record.name
            keep_unseen(old, summary)
            if (at := executing.get(record.name)) is not None:
                bound = old.binders()
                summary, old = hold_back(summary, find_again(old, at, summary), bound), hold_back(old, at, bound)
            summaries[record.name] = summary
            edited.append(
                EditedModule(
                    module=record.name,
                    file=record.file,
                    is_package=record.is_package,
                    old=self._source(record),
                    new=source,
                    old_summary=old,
                )
            )
        draft = build_plan(edited, self._surroundings(executing), summaries, gone, self._new_hooks())
        return attrs.evolve(draft, plan=self.plugins.check_plan(draft.plan))

    def _new_hooks(self) -> dict[str, Summary]:
        """Modules with migrations that are found by name and not loaded yet."""
        with self.world.lock:
            packages = [(record.name, record.file) for record in self.world.records.values() if record.is_package]
        found = {}
        for name, file in new_hook_modules(packages).items():
            try:
                with open(file, "rb") as stream:
                    source = parse_source(file, stream.read())
            except SourceError as error:
                raise _Refused(Plan(verdict=Verdict.ASK, findings=(error.finding,)), Verdict.ASK, [error.finding]) from error
            except OSError:
                continue  # gone meanwhile
            found[name] = summarise(name, source.tree, source.utf8, False)
        return found

    def _find_executing(self) -> dict[str, int]:
        """Modules whose top level has not ended, with the index of the unit in the live text that is executing."""
        found = {}
        frames = find_top_levels()
        with self.world.lock:
            records = [record for record in self.world.records.values() if id(record.module.__dict__) in frames]
        for record in records:
            file, line = frames[id(record.module.__dict__)]
            live = self._summary(record)
            loaded = live
            if record.loaded != record.data:
                source = parse_source(record.file, record.loaded)
                loaded = summarise(record.package_name, source.tree, source.utf8, record.is_package)
            if file == record.file and (at := index_at(loaded, line)) is not None:
                found[record.name] = at if loaded is live else find_again(loaded, at, live)
        return found

    def _surroundings(self, executing: Mapping[str, int]) -> Surroundings:
        world, places = self.world, self.world.places()

        @functools.cache
        def summarised(name: str) -> Summary:
            summary = self._summary(world.records[name])
            return hold_back(summary, executing[name], summary.binders()) if name in executing else summary

        return Surroundings(
            importers=world.importer_finder(),
            summary=summarised,
            kind_of=functools.cache(world.kind_of),  # which goes through all that a container holds
            type_of=functools.cache(world.type_of),
            classes_in=functools.cache(world.classes_in),
            contributors=world.contributors,
            is_loaded=sys.modules.__contains__,
            module_of=world.module_of,
            file_of=world.file_of,
            place_of=lambda name: places.get(name, len(places)),
            executing=executing,
            builder_of=functools.cache(lambda symbol: self.plugins.builder_of(world.look_up(symbol), world.is_managed)),
            builder_of_bases=functools.cache(
                lambda symbol: self.plugins.builder_of_bases(world.look_up(symbol), world.is_managed)
            ),
        )

    def _source(self, record: ModuleRecord) -> Source:
        if record.source is None:
            record.source = parse_source(record.file, record.data)
        return cast(Source, record.source)

    def _summary(self, record: ModuleRecord) -> Summary:
        if record.summary is None:
            source = self._source(record)
            record.summary = summarise(record.package_name, source.tree, source.utf8, record.is_package)
            record.summary.module = record.name
            find_unseen(record.summary, record)
        return cast(Summary, record.summary)

    @staticmethod
    def _texts_differ(draft: Draft) -> bool:
        return any(item.old.data != item.new.data for item in draft.edited.values())

    def preview(self, changes: ChangeSet) -> Plan:
        """The plan for some texts, by the same code as a swap, stopped before anything is executed.

        Args:
            changes: the files with their bytes.
        """
        with self.lock:
            self.world.forget_lost()
            try:
                return self._plan(*self._read(changes.files)).plan
            except _Refused as refusal:
                return refusal.plan

    def preflight(self, changes: ChangeSet, limit: int = 10_000) -> Preflight:
        """Try what a swap would do to live objects, on copies of their states; nothing is changed.

        Statements are evaluated aside, as for a swap; hooks that may run only once are left out.

        Args:
            changes: the files with their bytes.
            limit: so many objects of a class are tried at most.
        """
        found: list[ClassPreflight] = []

        def look(request: Request) -> None:
            found.extend(try_out(request.aside, list_instances(list(request.aside)), limit))

        with self.lock, self._mark_swapping():
            self.world.forget_lost()
            try:
                draft = self._plan(*self._read(changes.files))
                if draft.plan.verdict in (Verdict.RESTART, Verdict.ASK):
                    return Preflight(plan=draft.plan, findings=draft.plan.findings)
                findings = [*draft.plan.findings, *self._link(draft, look).findings]
            except _Refused as refusal:
                return Preflight(plan=refusal.plan, findings=refusal.findings, classes=tuple(found))
            return Preflight(plan=draft.plan, findings=tuple(findings), classes=tuple(found))

    # ---- after the commit ----

    def _remember(self, draft: Draft) -> tuple[dict[str, Before], list[ModuleRecord]]:
        """What the records are before their texts are set, and those that go."""
        with self.world.lock:
            touched = [self.world.records[name] for name in draft.order]
            before = {r.name: Before(r.data, None if r.base is None else dict(r.base)) for r in touched}
            return before, [self.world.records[name] for name in dict.fromkeys(draft.gone)]

    def _follow_up(self, draft: Draft, kept: Mapping[str, Print | None]) -> Finding | None:
        """Note what is live now, and run what was added for its effect; gives why that failed."""
        with self.world.lock:
            for name, item in draft.edited.items():
                self.world.records[name].set_text(item.new.data, item.new, let_go(draft.summaries[name]))
        self._renew_base(draft, kept)
        refresh_lines(item.file for item in draft.edited.values())
        with self.world.lock:
            for name in draft.gone:
                self.world.records.pop(name, None)
        return self._run_after(draft)

    def _renew_base(self, draft: Draft, kept: Mapping[str, Print | None]) -> None:
        """What was evaluated anew has a new base; what the program changed keeps its old one."""
        names: dict[str, list[str]] = {}
        for module, index in (*draft.dirt.changed, *draft.dirt.derived, *draft.after):
            names.setdefault(module, []).extend(draft.summaries[module].units[index].names)
        for module, bound in names.items():
            if self.world.records[module].base is not None:
                self.world.snapshot_names(self.world.records[module], bound, kept)

    def _restore_texts(self, before: dict[str, Before], gone: list[ModuleRecord]) -> None:
        with self.world.lock:
            self.world.records.update({record.name: record for record in gone})
            for name, was in before.items():
                if name in self.world.records:
                    self.world.records[name].set_text(was.data, None, None)
                    self.world.records[name].base = was.base
        refresh_lines(self.world.file_of(name) for name in before)

    def _run_after(self, draft: Draft) -> Finding | None:
        """Run statements that were added for an effect outside of managed data; no lock of the world is held.

        Where one fails the swap is taken back, but what has run has run: it is named, and not run again by the next save.
        """
        ran: list[str] = []
        for module, index in draft.after:
            record, unit = self.world.records[module], draft.summaries[module].units[index]
            key = (module, unit.text)
            if key in self._ran:
                continue
            failure = run_statement(record, draft.summaries[module], index)
            if failure is not None:
                done = f"; {', '.join(ran)} had run before and is not taken back" if ran else ""
                return attrs.evolve(failure, message=f"{failure.message}{done}")
            if not unit.names:
                self._ran.add(key)
            ran.append(f"{module} line {unit.line}")
        self._ran -= {(module, draft.summaries[module].units[index].text) for module, index in draft.after}
        return None

    def _left_by_rollback(self, draft: Draft) -> list[tuple[Finding, tuple[str, bytes] | None]]:
        """The effects of a swap that its rollback will not take back, see :class:`hotswap.world.AppliedSwap`."""
        found: list[tuple[Finding, tuple[str, bytes] | None]] = []
        for module, index in draft.after:
            unit = draft.summaries[module].units[index]
            message = f"{module}.{unit.label} has run for its effect, which is not taken back"
            finding = Finding(
                code="HS411", severity=Severity.KEPT, message=message, file=self.world.file_of(module), line=unit.line,
                next_step="undo it by hand, or restart",
            )  # fmt: skip
            found.append((finding, None if unit.names else (module, unit.text)))
        return found

    # ---- the way back and the state ----

    def rollback(self, because: str = "", only: Request | None = None) -> Report:
        """Take back the newest swap: code, module data and classes are as before it.

        Args:
            because: why, where nobody has asked for it.
            only: what the swap did to objects that is meant; None for whatever is the newest.

        Raises:
            RollbackError: there is nothing to take back.
        """
        clock = _Clock(time.perf_counter())
        if self._swapping == threading.get_ident():
            raise RollbackError("a swap is running this code; ask for the rollback when it is over")
        if self.converter.conversions.is_running():
            raise RollbackError("a migration is running this code; ask for the rollback when it has returned")
        with self.lock, self._mark_swapping():
            if not self.world.history:
                raise RollbackError("there is no swap to take back")
            applied = self.world.history[-1]
            if only is not None and applied.swap.request is not only:
                raise RollbackError("another swap was made meanwhile")
            self._check_way_back(applied)
            try:
                took, unfinished = self._revert(applied.swap)
                clock.note("commit", took)
            except OwnerError as error:
                raise RollbackError(f"swap {applied.report.number} cannot be taken back: {error}") from error
            except commit.WriteError as error:
                raise RollbackError(
                    f"swap {applied.report.number} cannot be taken back: the program has changed what it wrote "
                    f"({error.what}: {error.__cause__!r}); nothing was changed, restart to leave it"
                ) from error
            self.world.history.pop()
            self.world.forget_removed(applied.swap.removed)
            self._restore_texts(applied.records, applied.gone)
            self.converter.retry(None)
            with self.world.lock:
                self.world.mechanisms = applied.mechanisms
            self._ran |= {key for _, key in applied.ran if key is not None}  # done again it would be done twice
            plan, left = applied.report.plan, [*unfinished, *(finding for finding, _ in applied.ran)]
            if because:
                step = CODES["HS310"].remedy
                left.insert(0, Finding(code="HS310", severity=Severity.KEPT, message=because, next_step=step))
            report = attrs.evolve(
                self._report(plan, Verdict.SWAP, left, clock, None, applied.swap), number=applied.report.number, rolled_back=True
            )
            self.plugins.after_rollback(report)
            report = self._with_broken_plugins(report)
            eager = self.converter.take_eager()
        report = self._with_eager(report, eager)
        self._tell(report)
        return report

    def _give_up(self, request: Request, why: str) -> None:
        """Too many objects could not be converted: take their swap back, if it is still the newest."""
        applied = next((each for each in list(self.world.history) if each.swap.request is request), None)
        if applied is None:
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

    @staticmethod
    def _check_way_back(applied: AppliedSwap) -> None:
        leaps = applied.swap.request.leaps.values() if applied.swap.request is not None else ()
        lacking = {step.migration.describe() for leap in leaps for step in leap.irreversible}
        if lacking:
            raise RollbackError(
                f"swap {applied.report.number} cannot be taken back: {', '.join(sorted(lacking))} has no way back; nothing was "
                "changed. Save the old text with a migration that leads on from the live version instead"
            )

    def status(self) -> Status:
        """What is managed, what was swapped, what is redirected and how, what is held."""
        world = self.world
        with world.lock:
            return Status(
                modules=tuple(sorted((r.name, r.file) for r in world.records.values())),
                swaps=tuple(applied.report for applied in world.history),
                mechanisms=tuple((module, name, mechanism) for (module, name), mechanism in sorted(world.mechanisms.items())),
                held=tuple(finding for findings in world.held.values() for finding in findings),
                classes=self.converter.status(),
            )

    def _note_held(self, files: Iterable[SourceFile], pending: Iterable[SourceFile], report: Report) -> Report:
        records_of = self.world.file_finder()
        healed = []
        with self.world.lock:
            if report.applied or report.verdict is Verdict.NOTHING:
                for item in (*files, *pending):
                    if any(record.data == item.data for record in records_of(item.path)):
                        self._pending.pop(item.path, None)
                        healed += [item.path] if self.world.held.pop(item.path, None) is not None else []
            else:
                for item in files:
                    self._pending[item.path] = item
                    self.world.held[item.path] = report.held
        if report.applied or not healed:
            return report
        told = [
            Finding(code="HS105", severity=Severity.NOTE, message=f"{os.path.basename(path)} is what is live again", file=path)
            for path in healed
        ]
        return attrs.evolve(report, findings=(*report.findings, *told))

    def _report(
        self,
        plan: Plan,
        verdict: Verdict,
        findings: Iterable[Finding],
        clock: _Clock,
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
        )


class _Clock:
    """Milliseconds per stage."""

    def __init__(self, start: float) -> None:
        self.start = self.last = start
        self.stages: dict[str, float] = {}

    def mark(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = (now - self.last) * 1e3
        self.last = now

    def note(self, stage: str, seconds: float) -> None:
        self.stages[stage] = seconds * 1e3

    def timing(self, seen_at: float | None) -> Timing:
        live = None if seen_at is None else (time.monotonic() - seen_at) * 1e3
        return Timing(total=(time.perf_counter() - self.start) * 1e3, live=live, **self.stages)


def refresh_lines(files: Iterable[str]) -> None:
    """Tracebacks and ``inspect.getsource`` read through linecache: let it look at the files again."""
    import linecache

    for file in files:
        linecache.checkcache(file)
