"""What a report says of a change: no more than has happened, and of what it happened to."""

from __future__ import annotations

import os

import pytest

from hotswap.model import Report
from tests.link.program import Program


def said(report: Report) -> list[str]:
    return [f"{finding.code} {finding.message}" for finding in report.findings]


def test_object_that_is_made_anew_is_not_said_to_keep_anything(program: Program) -> None:
    """One object is made again by its statement, and has the new value; the other one keeps its own."""
    text = "class A:\n    def __init__(self):\n        self.lit = 'a'\n"
    program.load("made", text)
    user = program.load("user", "from made import A\none = A()\n")
    report = program.edit("made", text.replace("'a'", "'b'"))
    assert (said(report), user.one.lit) == ([], "b")
    held = user.A()
    report = program.edit("made", text.replace("'a'", "'c'"))
    assert said(report) == ["HS401 1 object of made.A keeps its lit; a new one begins with 'c'"]
    assert (held.lit, user.one.lit) == ("b", "c")


def test_changed_effect_that_is_refused_was_neither_removed_nor_run(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new text of the statement was not run, and the old one was not taken away."""
    monkeypatch.setenv("HOTSWAP_MODE", "")
    program.load("told", "import os\nos.environ['HOTSWAP_MODE'] = 'x'\n")
    report = program.edit("told", "import os\nos.environ['HOTSWAP_MODE'] = 'y'\n")
    assert said(report) == ["HS204 told line 2 (os.environ) changed, but its old text has run"]
    assert os.environ["HOTSWAP_MODE"] == "x"


def test_cause_whose_own_text_is_as_before_is_not_said_to_have_changed(program: Program) -> None:
    """What is kept was made by a function that calls another one, which changed."""
    text = "import threading\ndef inner():\n    return 1\ndef make():\n    inner()\n    return threading.Lock()\nLOCK = make()\n"
    program.load("deep", text)
    report = program.edit("deep", text.replace("return 1", "return 2"))
    assert said(report) == [
        "HS402 deep.LOCK was made from deep.make, which depends on what changed; it is an opaque object and was kept"
    ]


def test_edit_of_a_whole_module_has_the_name_of_the_module(program: Program) -> None:
    """A comment that was added belongs to nothing in it."""
    program.load("whole", "A = 1\n")
    report = program.edit("whole", "# one\nA = 1\n")
    assert [str(edit) for edit in report.plan.edits] == ["lines      whole (line 1)  lines and comments only"]


def test_registry_that_is_made_anew_is_not_computed_from_itself(program: Program) -> None:
    """Its initialiser is evaluated again because something is added to it."""
    text = "ALL = []\ndef add(f):\n    ALL.append(f)\n    return f\n@add\ndef one():\n    return 1\n"
    program.load("registry", text)
    report = program.edit("registry", text + "@add\ndef two():\n    return 2\n")
    assert "derived    registry.ALL (line 1)  made anew, as what is added to it changed" in map(str, report.plan.edits)
