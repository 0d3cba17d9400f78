"""What only linking can see of the live program, and says or refuses."""

from __future__ import annotations

import sys

from hotswap.model import Verdict
from tests.link.program import Program

V1 = "def f():\n    return 'old'\n"
V2 = "def f():\n    return 'new'\n"


def load_late(program: Program, name: str, live: str, text: str) -> None:
    """A module that runs one text, while its file had another when hotswap came."""
    module = program.library(name, live)
    path = program.directory / f"{name}.py"
    path.write_text(text)
    program.engine.world.adopt(module, str(path), path.read_bytes(), name=name, fresh=False)


def test_code_that_the_file_does_not_have_is_refused(program: Program) -> None:
    """The file was edited after the import and before hotswap: nothing can be told from its text (HS210)."""
    load_late(program, "early", "def f():\n    return 'older still'\n", V1)
    report = program.edit("early", V2)
    assert not report.applied
    assert report.verdict is Verdict.RESTART
    assert [finding.code for finding in report.held] == ["HS210"]
    assert "early.f" in report.held[0].message
    assert sys.modules["early"].f() == "older still"


def test_code_that_the_file_has_is_swapped(program: Program) -> None:
    """The same where the text is that of the running code."""
    load_late(program, "late", V1, V1)
    assert program.edit("late", V2).applied
    assert sys.modules["late"].f() == "new"


def test_results_that_the_program_keeps_by_itself_are_named(program: Program) -> None:
    """They were computed by what changed; nobody can tell what else is in the table: something is added, an object is in it."""
    text = """
    MEMO = {{}}

    def add(n):
        MEMO[n] = n

    def compute(n):
        return n * {0}

    def get(n):
        if n not in MEMO:
            MEMO[n] = compute(n)
        return MEMO[n]

    class Maker:
        def __init__(self):
            self.made = {{}}

        def make(self, n):
            return [n + {0}]

        def __call__(self, n):
            if n not in self.made:
                self.made[n] = self.make(n)
            return self.made[n]
    """
    one = program.load("m", text.format(1))
    maker = one.Maker()
    assert (one.get(3), maker(3)) == (3, [4])
    report = program.edit("m", text.format(10))
    told = [finding.message for finding in report.findings if finding.code == "HS402"]
    assert report.applied and len(told) == 2 and "MEMO" in str(told) and "self.made" in str(told)
    assert (one.get(3), one.get(4), maker(3), maker(4)) == (3, 40, [4], [14])
    assert not [f for f in program.edit("m", text.format(10) + "\n    X = 1\n").findings if f.code == "HS402"]


def test_what_comes_of_a_name_that_is_resolved_is_named(program: Program) -> None:
    """``pkgutil.resolve_name`` gives the live module, so nothing of it can be made aside."""
    text = "def f():\n    return {0}\ndef g():\n    return 0\n"
    program.load("lib", text.format(1))
    one = program.load("m", "import pkgutil\nY = pkgutil.resolve_name('lib:f')()\nZ = pkgutil.resolve_name('lib.g')()\n")
    report = program.edit("lib", text.format(2))
    told = [finding.message for finding in report.findings if finding.code == "HS402"]
    assert report.applied and len(told) == 1 and told[0].startswith("m.Y was made from lib.f")
    assert one.Y == 1


def test_a_value_of_before_hotswap_is_not_said_to_be_changed_by_the_program(program: Program) -> None:
    """An opaque value differs from what the old text gives now, whoever made that so."""
    text = "import zlib\nclass K:\n    made = [zlib.compressobj(1), {}]\n"
    load_late(program, "late", text.format(1), text.format(1))
    report = program.edit("late", text.format(2))
    assert [finding.code for finding in report.findings] == ["HS401"]
    assert "hotswap was attached later" in report.findings[0].message
    program.load("early", text.format(1)).K.made.insert(0, 3)
    report = program.edit("early", text.format(2))
    assert [finding.code for finding in report.findings] == ["HS401"]
    assert "the program changed it since it was loaded" in report.findings[0].message


def test_an_edited_receiver_does_not_name_the_statements_that_connect_others(program: Program) -> None:
    """A signal keeps what it is given: what receivers fill is nothing that their connections have filled."""
    text = """
    from django.core.signals import setting_changed
    SEEN = []
    def one(sender, **found): SEEN.append("one")
    setting_changed.connect(one)
    def two(sender, **found): SEEN.append("{}")
    setting_changed.connect(two)
    """
    signals = program.load("signals", text.format("two"))
    report = program.edit("signals", text.format("2"))
    assert (report.applied, report.findings) == (True, ())
    signals.setting_changed.send(None, setting="NOTHING", value=1, enter=True)
    assert signals.SEEN == ["one", "2"]
    for receiver in (signals.one, signals.two):
        signals.setting_changed.disconnect(receiver)
