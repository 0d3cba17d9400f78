"""Statements that were added for an effect outside of managed data: they run after the commit, each once.

Takes: drafts that are live. Gives: why a statement failed; what a rollback leaves. May touch: what the statements touch.
Must not: take anything back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import attrs

from hotswap.link.staging import run_statement
from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft
from hotswap.plan.units import Unit
from hotswap.world import ModuleRecord, World

#: A statement: its module and its text.
Key = tuple[str, bytes]
_MISSING: Final = object()


@attrs.define(eq=False)
class Ran:
    """What was run for one swap.

    Attributes:
        credit: what is left of :attr:`Effects.credit` when that is live.
        done: the statements that were run now, without definitions.
        places: all of them, for a person.
        skipped: file and line of those that were left out.
    """

    credit: Counter[Key]
    done: list[Key] = attrs.Factory(list)
    places: list[str] = attrs.Factory(list)
    skipped: set[tuple[str, int]] = attrs.Factory(set)

    def tell(self, failure: Finding) -> Finding:
        """Why the swap is taken back, with what has run and is not."""
        done = f"; {', '.join(self.places)} had run before and is not taken back" if self.places else ""
        return attrs.evolve(failure, message=f"{failure.message}{done}")


@attrs.define(eq=False)
class Effects:
    """Used under ``Engine.lock``; no lock of the world is held while statements run.

    Attributes:
        credit: how often statements were run by swaps that were taken back afterwards: run again they would do it twice.
    """

    world: World
    credit: Counter[Key] = attrs.Factory(Counter)

    def run(self, draft: Draft) -> tuple[Finding | None, Ran]:
        """Run the statements, until one fails.

        Returns:
            Why it failed, and what was run.
        """
        ran = Ran(credit=Counter(self.credit))
        for module, index in draft.after:
            record, unit = self.world.records[module], draft.summaries[module].units[index]
            key = (module, unit.text)
            if ran.credit[key]:
                ran.credit[key] -= 1
                ran.skipped.add((record.file, unit.line))
                continue
            space = record.module.__dict__
            before = dict(space)
            failure = run_statement(record, draft.summaries[module], index)
            if failure is None and (failure := _find_reader(draft, record, unit, before)) is not None:
                space.update(before)
                for name in space.keys() - before.keys():
                    del space[name]
            if failure is not None:
                return ran.tell(failure), ran
            if not unit.names:
                ran.done.append(key)
            ran.places.append(f"{module} line {unit.line}")
        return None, ran

    def note_live(self, ran: Ran, findings: Iterable[Finding]) -> list[Finding]:
        """The swap stands; gives what the plan has found, by what was done."""
        self.credit = +ran.credit
        message = "this has run before a rollback, which did not undo it, and was not run again"
        return [
            attrs.evolve(finding, message=message)
            if finding.code == "HS407" and (finding.file, finding.line) in ran.skipped
            else finding
            for finding in findings
        ]

    def note_taken_back(self, keys: Iterable[Key]) -> None:
        """The swap that has run these was taken back, which does not undo them."""
        self.credit.update(keys)

    def left_by_rollback(self, draft: Draft) -> list[tuple[Finding, Key | None]]:
        """The effects of a swap that its rollback will not take back, see :class:`hotswap.world.AppliedSwap`."""
        found: list[tuple[Finding, Key | None]] = []
        for module, index in draft.after:
            unit = draft.summaries[module].units[index]
            message = f"{module}.{unit.label} has run for its effect, which is not taken back"
            finding = Finding(
                code="HS411", severity=Severity.KEPT, message=message, file=self.world.file_of(module), line=unit.line,
                next_step="undo it by hand, or restart",
            )  # fmt: skip
            found.append((finding, None if unit.names else (module, unit.text)))
        return found


def _find_reader(draft: Draft, record: ModuleRecord, unit: Unit, before: dict[str, Any]) -> Finding | None:
    """The refusal, where a statement has bound a name of which others, which a start executes after it, have read the value of
    before: they have been evaluated already."""
    space = record.module.__dict__
    bound = {(record.name, name) for name in space if before.get(name, _MISSING) is not space[name]}
    for module in draft.universe if bound else ():
        for other in draft.summaries[module].units:
            is_later = module != record.name or other.index > unit.index
            if is_later and (module, other.index) not in draft.after and (read := bound & _read_by(draft, module, other)):
                message = f"{record.name} line {unit.line} binds {min(read)[1]}, which {module} line {other.line} has read before"
                finding = Finding(code="HS204", severity=Severity.HELD, message=message, file=record.file, line=unit.line)
                return attrs.evolve(finding, next_step="restart")
    return None


def _read_by(draft: Draft, module: str, unit: Unit) -> set[tuple[str, str]]:
    """What is read while a statement is evaluated, through any number of calls."""
    if unit.is_inert:
        return set()
    graph = draft.graph
    imported = {(binding.module, binding.attr or "") for binding in unit.imports}
    return imported | graph.uses_symbols(module, unit.analysis.now) | graph.reach(graph.calls_of(module, unit))
