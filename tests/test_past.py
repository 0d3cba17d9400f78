"""The history of reports: bounded, and it says what it has left out."""

from __future__ import annotations

import json
from pathlib import Path

from hotswap.model import Edit, EditKind, Finding, Mechanism, ModulePlan, Plan, Redirect, Report, Severity, Verdict, to_json
from hotswap.past import ENTRIES, EXCERPT, ITEMS, Past
from tests.link.program import Program


def report(number: int, edits: int = 1, **more: object) -> Report:
    items = tuple(Edit(module="m", qualname=f"f{i}", kind=EditKind.BODY, line=i) for i in range(edits))
    plan = Plan(verdict=Verdict.SWAP, modules=(ModulePlan(module="m", file="/w/m.py", edits=items),))
    return Report(number=number, applied=True, plan=plan, verdict=Verdict.SWAP, **more)  # type: ignore[arg-type]


def test_the_newest_are_kept() -> None:
    """However many swaps a process makes."""
    past = Past(clock=lambda: 7.0)
    for number in range(ENTRIES + 5):
        past.note(report(number))
    assert [entry.number for entry in past.entries()] == list(range(5, ENTRIES + 5))
    assert {entry.at for entry in past.entries()} == {7.0}


def test_a_large_swap_is_one_small_entry() -> None:
    """Of a checkout of hundreds of files the first edits and findings are kept, the rest is counted."""
    findings = tuple(Finding(code="HS403", severity=Severity.KEPT, message=str(i), excerpt="x" * 2 * EXCERPT) for i in range(99))
    jumps = tuple(Redirect(module="m", qualname=f"f{i}", mechanism=Mechanism.JUMP) for i in range(900))
    past = Past()
    past.note(report(1, 1000, findings=findings, redirects=jumps, writes=3))
    (entry,) = past.entries()
    assert (len(entry.edits), entry.more_edits, len(entry.findings), entry.more_findings) == (ITEMS, 960, ITEMS, 59)
    assert (entry.mechanisms, entry.writes, entry.files) == (((Mechanism.JUMP, 900),), 3, ("/w/m.py",))
    assert len(json.dumps(to_json(entry))) < ITEMS * (EXCERPT + 500)


def test_a_save_that_changed_nothing_is_no_entry() -> None:
    """Editors write the same text again; that a held file is mended is worth one."""
    past = Past()
    nothing = Report(number=0, applied=False, plan=Plan(verdict=Verdict.NOTHING), verdict=Verdict.NOTHING)
    past.note(nothing)
    assert past.entries() == ()


def test_the_status_tells_what_was_held_mended_and_taken_back(tmp_path: Path) -> None:
    """What ``swaps`` has not, since it lists only what is live."""
    with Program(tmp_path) as program:
        program.load("m", "def f():\n    return 1\n")
        program.edit("m", "def f():\n    return 2\n")
        program.edit("m", "def f(:\n")
        program.engine.rollback()
        past = program.engine.status().past
    assert [(entry.number, entry.rolled_back) for entry in past] == [(1, False), (0, False), (1, True)]
    assert past[1].findings[0].code == "HS101"
