"""The texts of the managed modules: read, summarised, compared with the live ones into a draft, and noted as live.

Takes: files with their bytes. Gives: drafts. May touch: what the records of the world know of their texts. Must not:
change the program.
"""

from __future__ import annotations

import functools
import linecache
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import cast

import attrs

from hotswap.fingerprint import Print
from hotswap.hooks import new_hook_modules, read_module
from hotswap.kinds import is_a, vars_of
from hotswap.link.doubles import find_unmanaged
from hotswap.link.unseen import find_unseen, keep_unseen, learned
from hotswap.model import Finding, Plan, Severity, SourceFile, Verdict
from hotswap.plan.brought import HeldText, find_brought
from hotswap.plan.build import Draft, EditedModule, Surroundings, build_plan, imported_modules
from hotswap.plan.graph import Graph
from hotswap.plan.source import Source, SourceError, parse_source
from hotswap.plan.units import Summary, find_again, hold_back, index_at, let_go, summarise
from hotswap.plugin.manager import Plugins
from hotswap.transition.stack import find_top_levels
from hotswap.world import Before, ModuleRecord, World


class Refused(Exception):
    """Ends a swap before the commit."""

    def __init__(self, plan: Plan, verdict: Verdict, findings: Iterable[Finding]) -> None:
        super().__init__(str(verdict))
        self.plan, self.verdict, self.findings = plan, verdict, tuple(findings)


@attrs.define(eq=False)
class Texts:
    """What is known of the managed modules' texts.

    Attributes:
        world: where the records are.
        plugins: asked about plans, and for what builds classes.
        includes: says whether a file is managed.
        began: ``time.time()``; what was not there by then may be imported by now.
    """

    world: World
    plugins: Plugins
    includes: Callable[[str], bool]
    began: float = attrs.Factory(time.time)

    def read(self, files: Iterable[SourceFile]) -> tuple[list[tuple[ModuleRecord, Source]], list[str]]:
        """The loaded modules with a new text, and the names of those whose file is gone.

        Raises:
            Refused: a text is none, or nothing that it could be applied to is managed any more.
        """
        found: list[tuple[ModuleRecord, Source]] = []
        gone: list[str] = []
        findings: list[Finding] = []
        records_of = self.world.file_finder()
        for item in files:
            records = records_of(item.path)
            if not records and (lost := find_unmanaged(self.world, item.path, item.data)) is not None:
                findings.append(lost)
            for record in records:
                if item.data is None:
                    gone.append(record.name)
                    continue
                if item.data == record.data:
                    continue
                known = self.source(record)
                try:
                    found.append((record, parse_source(record.file, item.data, known)))
                except SourceError as error:
                    findings.append(error.finding)
        if findings:
            verdict = Verdict.RESTART if any(finding.code.startswith("HS2") for finding in findings) else Verdict.ASK
            raise Refused(Plan(verdict=verdict, findings=tuple(findings)), verdict, findings)
        return found, gone

    def plan(self, texts: list[tuple[ModuleRecord, Source]], gone: list[str]) -> Draft:
        """What :meth:`read` gave, compared with what is live."""
        edited, summaries = [], {}
        executing = self._find_executing()
        for record, source in texts:
            old = self.summary(record)
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
                    old=self.source(record),
                    new=source,
                    old_summary=old,
                )
            )
        draft = build_plan(edited, self._surroundings(executing), summaries, gone, self._new_hooks())
        return attrs.evolve(draft, plan=self.plugins.check_plan(draft.plan))

    def wait_for_held(self, files: Iterable[SourceFile], held: Iterable[SourceFile]) -> list[Finding]:
        """Why some files cannot be live without others that are held, a finding for each; empty where they can."""
        others: dict[str, HeldText] = {}
        new: dict[str, Summary] = {}
        for record, source, data in self._summaries_of(held):
            others[record.name] = HeldText(self.summary(record), source, data)
        saved = [(record, summary) for record, summary, _ in self._summaries_of(files) if summary is not None]
        new.update((record.name, summary) for record, summary in saved)
        around = self._surroundings({})
        summaries = {name: new.get(name) or self.summary(record) for name, record in self._near(new, others).items()}
        graph = Graph(summaries, around.kind_of, around.type_of, around.module_of)
        findings = []
        for record, _ in saved:
            found = find_brought(graph, record.name, self.summary(record), others, self._exists)
            if found is not None:
                path = self.world.file_of(found.module)
                message = f"{record.name} line {found.line} {found.what}: it waits for that"
                step = f"save {path} so that it can be applied: both are tried together; or restart"
                findings.append(Finding(
                    code="HS106", severity=Severity.HELD, message=message, file=record.file, line=found.line, next_step=step
                ))  # fmt: skip
        return findings

    def _summaries_of(self, files: Iterable[SourceFile]) -> Iterator[tuple[ModuleRecord, Summary | None, bytes]]:
        """The modules of some files with their new texts, None for one that cannot be read."""
        records_of = self.world.file_finder()
        for item in files:
            if item.data is None:
                continue
            for record in records_of(item.path):
                try:
                    source = parse_source(record.file, item.data, self.source(record))
                except SourceError:
                    yield record, None, item.data
                    continue
                summary = summarise(record.package_name, source.tree, source.utf8, record.is_package, self.summary(record))
                summary.module = record.name
                yield record, summary, item.data

    def _near(self, new: Mapping[str, Summary], held: Iterable[str]) -> dict[str, ModuleRecord]:
        """The managed modules by which names of some texts are resolved: what they import, and what that imports."""
        records = self.world.records
        found = {name: records[name] for name in (*new, *held)}
        pending = list(found)
        for name in pending:
            for target in imported_modules(new.get(name) or self.summary(records[name])) & records.keys():
                if target not in found:
                    found[target] = records[target]
                    pending.append(target)
        return found

    def _exists(self, symbol: tuple[str, str]) -> bool:
        space, (head, _, member) = self.world.records[symbol[0]].module.__dict__, symbol[1].partition(".")
        if not member:
            return head in space
        cls = space.get(head)
        return not is_a(cls, type) or any(member in vars_of(base) for base in cls.__mro__)

    def _new_hooks(self) -> dict[str, Summary]:
        """Modules with migrations that are found by name and not loaded yet."""
        with self.world.lock:
            packages = [(record.name, record.file) for record in self.world.records.values() if record.is_package]
        found = {}
        for name, file in new_hook_modules(packages).items():
            try:
                source = parse_source(file, read_module(name, file))
            except SourceError as error:
                raise Refused(Plan(verdict=Verdict.ASK, findings=(error.finding,)), Verdict.ASK, [error.finding]) from error
            except OSError:
                continue  # gone meanwhile
            found[name] = summarise(name, source.tree, source.utf8, False)
        return found

    def _coming(self, name: str) -> Summary | None:
        parent = name.rpartition(".")[0]
        if parent and parent not in sys.modules:
            return None
        try:
            spec = find_spec(name)
            if spec is None or spec.origin is None or not spec.origin.endswith(".py") or not self.includes(spec.origin):
                return None
            with open(spec.origin, "rb") as stream:
                source = parse_source(spec.origin, stream.read())
        except (ImportError, ValueError, OSError, SourceError):  # its import tells
            return None
        return summarise(name, source.tree, source.utf8, spec.submodule_search_locations is not None)

    def _has_arrived(self, name: str) -> bool:
        parent = name.rpartition(".")[0]
        if parent and parent not in sys.modules:
            return False
        try:
            spec = find_spec(name)
            return spec is not None and spec.origin is not None and os.stat(spec.origin).st_ctime > self.began
        except (ImportError, ValueError, OSError):  # a parent that is no package, a file that has just gone
            return False

    def _find_executing(self) -> dict[str, int]:
        """Modules whose top level has not ended, with the index of the unit in the live text that is executing."""
        found = {}
        frames = find_top_levels()
        with self.world.lock:
            records = [record for record in self.world.records.values() if id(record.module.__dict__) in frames]
        for record in records:
            file, line = frames[id(record.module.__dict__)]
            live = self.summary(record)
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
            summary = self.summary(world.records[name])
            return hold_back(summary, executing[name], summary.binders()) if name in executing else summary

        return Surroundings(
            importers=world.importer_finder(),
            summary=summarised,
            kind_of=functools.cache(world.kind_of),  # which goes through all that a container holds
            type_of=functools.cache(world.type_of),
            classes_in=functools.cache(world.classes_in),
            callables_in=functools.cache(world.callables_in),
            kind_of_object=world.kind_of_object,
            is_keeper=functools.cache(world.is_keeper),
            contributors=world.contributors,
            is_loaded=sys.modules.__contains__,
            begun={name: place for place, name in enumerate(list(world.begun))},
            has_arrived=functools.cache(self._has_arrived),
            coming=functools.cache(self._coming),
            is_package=lambda name: world.records[name].is_package if name in world.records else False,
            module_of=world.module_of,
            file_of=world.file_of,
            place_of=lambda name: places.get(name, len(places)),
            executing=executing,
            stands_alone=functools.cache(lambda symbol: self.plugins.stands_alone(world.look_up(symbol))),
            builder_of=functools.cache(lambda symbol: self.plugins.builder_of(world.look_up(symbol), world.is_managed)),
            builder_of_bases=functools.cache(
                lambda symbol: self.plugins.builder_of_bases(world.look_up(symbol), world.is_managed)
            ),
            copies_bases=functools.cache(lambda symbol: self.plugins.copies_bases(world.look_up(symbol), world.is_managed)),
        )

    def source(self, record: ModuleRecord) -> Source:
        """The live text, parsed."""
        if record.source is None:
            record.source = parse_source(record.file, record.data)
        return cast(Source, record.source)

    def summary(self, record: ModuleRecord) -> Summary:
        """The live text, split into units."""
        if record.summary is None:
            source = self.source(record)
            record.summary = summarise(record.package_name, source.tree, source.utf8, record.is_package)
            record.summary.module = record.name
            find_unseen(record.summary, record)
        return cast(Summary, record.summary)

    def remember(self, draft: Draft) -> tuple[dict[str, Before], list[ModuleRecord]]:
        """What the records are before their texts are set, and those that go."""
        with self.world.lock:
            touched = [self.world.records[name] for name in draft.order]
            before = {r.name: Before(r.data, None if r.base is None else dict(r.base), r.bound) for r in touched}
            return before, [self.world.records[name] for name in dict.fromkeys(draft.gone)]

    def note_live(self, draft: Draft, kept: Mapping[str, Print | None]) -> None:
        """Note that a draft's texts are what is live now.

        Args:
            kept: see ``Swap.bases``.
        """
        with self.world.lock:
            for name, item in draft.edited.items():
                self.world.records[name].set_text(item.new.data, item.new, let_go(draft.summaries[name]))
            for name in draft.order:
                if (record := self.world.records[name]).bound is not None:
                    record.bound = learned(draft.summaries[name])
        self._renew_base(draft, kept)
        refresh_lines(item.file for item in draft.edited.values())
        with self.world.lock:
            for name in draft.gone:
                self.world.records.pop(name, None)

    def _renew_base(self, draft: Draft, kept: Mapping[str, Print | None]) -> None:
        """What was evaluated anew has a new base; what the program changed keeps its old one."""
        names: dict[str, list[str]] = {}
        for module, index in (*draft.dirt.changed, *draft.dirt.derived, *draft.after):
            names.setdefault(module, []).extend(draft.summaries[module].units[index].names)
        for module, bound in names.items():
            if self.world.records[module].base is not None:
                self.world.snapshot_names(self.world.records[module], bound, kept)

    def restore(self, before: dict[str, Before], gone: list[ModuleRecord]) -> None:
        """The inverse of :meth:`note_live`, with what :meth:`remember` gave."""
        with self.world.lock:
            self.world.records.update({record.name: record for record in gone})
            for name, was in before.items():
                if name in self.world.records:
                    record = self.world.records[name]
                    record.taken_back.add(record.data)
                    record.set_text(was.data, None, None)
                    record.base, record.bound = was.base, was.bound
        refresh_lines(self.world.file_of(name) for name in before)


def refresh_lines(files: Iterable[str]) -> None:
    """Tracebacks and ``inspect.getsource`` read through linecache: let it look at the files again."""
    for file in files:
        linecache.checkcache(file)
