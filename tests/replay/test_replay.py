"""The instrument itself: how releases are cut into saves, and how outcomes are judged."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.replay.results import read_results, record, write_table
from tests.replay.saves import CUTS
from tests.replay.verdicts import Step, Verdict, compare, judge

pytestmark = pytest.mark.once  # much the same on every interpreter

OLD = {
    "lib/__init__.py": b"from lib.a import f\n\nVERSION = 1\n",
    "lib/a.py": b"import os\n\n\ndef f():\n    return 1\n\n\nclass C:\n    x = 1\n\n    def g(self):\n        return 1\n",
    "lib/gone.py": b"x = 1\n",
    "lib/data.txt": b"old \xe9\n",
}
NEW = {
    "lib/__init__.py": b"from lib.a import f, h\n\nVERSION = 2\n",
    "lib/a.py": b"import os\n\n\ndef f():\n    return 2\n\n\n# about h\ndef h():\n    return 2\n\n\nclass C:\n    x = 2\n\n"
    b"    def g(self):\n        return 2\n\n    def more(self):\n        return 2\n",
    "lib/new.py": b"y = 2\n",
    "lib/data.txt": b"new \xe9\n",
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("seed", range(5))
def test_the_saves_of_a_release_end_in_the_release(cut: str, seed: int) -> None:
    """However it is cut: all files are as released, in between each text can be parsed, and no save is empty."""
    files = {place: data.decode("latin-1") for place, data in OLD.items()}
    saves = CUTS[cut](OLD, NEW, seed)
    for save in saves:
        assert save
        for place, text in save.items():
            if text is None:
                del files[place]
            else:
                assert files.get(place) != text
                files[place] = text
                if place.endswith(".py"):
                    ast.parse(text)
    assert {place: text.encode("latin-1") for place, text in files.items()} == NEW
    assert len(saves) == {"whole": 1, "files": 5, "definitions": 10}[cut]


def test_a_test_counts_where_it_ends_as_in_no_fresh_process() -> None:
    """What two fresh processes disagree on depends on something else, and a test may be missing."""
    fresh = [{"a": "passed", "b": "passed", "c": "failed"}, {"a": "passed", "b": "failed", "c": "failed"}]
    assert compare({"a": "passed", "b": "failed", "c": "failed"}, *fresh) == []
    assert compare({"a": "failed", "c": "failed", "d": "passed"}, *fresh) == [
        ("a", "passed", "failed"),
        ("b", "passed or failed", "missing"),
        ("d", "missing", "passed"),
    ]


@pytest.mark.parametrize(
    ("refused", "after", "stale", "verdict"),
    [
        ([], "passed", [], Verdict.SAME),
        ([], "failed", [], Verdict.DIFFERENT),
        ([], "passed", ["lib.f"], Verdict.DIFFERENT),
        (["HS202 no"], "passed", [], Verdict.REFUSED),
        (["HS202 no"], "failed", [], Verdict.DIFFERENT),
    ],
)
def test_a_refusal_counts_only_where_everything_is_as_before(
    refused: list[str], after: str, stale: list[str], verdict: Verdict
) -> None:
    """Refused and changed all the same is as bad as changed wrongly."""
    answer = {"refused": refused, "is_before": True, "stale": stale, "again" if refused else "after": {"test": after}}
    assert judge(answer, [{"test": "passed"}])[0] is verdict


def test_results_are_kept_and_shown(tmp_path: Path) -> None:
    """A step that is played again replaces what was recorded of it; the table is made of the file."""
    common = {"package": "flask", "frm": "1", "to": "2", "tool": "hotswap", "cut": "whole"}
    file = tmp_path / "results.json"
    record(Step(**common, verdict=Verdict.REFUSED, reasons=("HS202 bases | more",)), file)
    record(Step(**common, verdict=Verdict.SAME, tests=7), file)
    record(Step(**{**common, "tool": "jurigged"}, verdict=Verdict.DIFFERENT, differing=(("t", "passed", "failed"),)), file)
    steps = list(read_results(file).values())
    assert [(step.tool, step.verdict) for step in steps] == [("hotswap", "same"), ("jurigged", "different")]
    write_table(steps, tmp_path / "results.md")
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| hotswap | whole | 1 | 1 (100%) | 0 (0%) | 0 (0%) | 0 (0%) | 7 |" in text
