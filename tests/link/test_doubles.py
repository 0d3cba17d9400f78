"""Modules that are imported twice, taken out of ``sys.modules``, reloaded, or gone: they follow, or are named."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from hotswap.model import Report, Verdict
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter

ONE = "RATE = 1\n\ndef total(n):\n    return n * RATE\n"
OTHER_CODE = "RATE = 1\n\ndef total(n):\n    return [n * RATE]\n"
OTHER_DATA = "RATE = 2\n\ndef total(n):\n    return [n * RATE]\n"


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_a_module_that_nobody_has_any_more_is_forgotten(program: Program) -> None:
    """A save of its file is nothing, and its objects have been freed."""
    program.load("lib", ONE)
    del sys.modules["lib"]
    report = program.edit("lib", OTHER_DATA)
    assert (report.verdict, codes(report)) == (Verdict.NOTHING, [])
    assert not program.engine.status().modules


def test_a_module_that_only_other_names_lead_to_goes_on_being_managed(program: Program) -> None:
    """Whatever stands in its place in ``sys.modules``, as long as that is not managed."""
    lib = program.load("lib", ONE)
    sys.modules["lib"] = ModuleType("lib")
    assert program.edit("lib", OTHER_DATA).applied
    assert (lib.total(3), lib.RATE) == ([6], 2)
    program.engine.rollback()
    assert (lib.total(3), lib.RATE) == (3, 1)


def test_a_module_that_has_died_with_a_function_in_use_is_refused(program: Program) -> None:
    """Nothing is left that its data could be changed in; when the function goes as well, nothing is held any more."""
    total = program.load("lib", ONE).total
    del sys.modules["lib"]
    report = program.edit("lib", OTHER_DATA)
    assert (report.verdict, codes(report)) == (Verdict.RESTART, ["HS214"])
    assert "function total" in report.findings[0].message
    assert total(3) == 3
    del total
    assert codes(program.edit("lib", OTHER_CODE)) == []


def test_a_method_of_a_module_that_has_died_is_in_use_while_an_object_is(program: Program) -> None:
    """Its class has a place in no other module; what only a swap that can be taken back still has does not count."""
    text = "class Piece:\n    n = {}\n\n    def get(self):\n        return super().__init__() or {}\n"
    piece = program.load("lib", text.format(1, 1)).Piece()
    assert program.edit("lib", text.format(2, 2)).applied
    del sys.modules["lib"]
    report = program.edit("lib", text.format(3, 3))
    assert codes(report) == ["HS214"] and "Piece.get" in report.findings[0].message
    assert (piece.get(), piece.n) == (2, 2)
    del piece
    assert codes(program.edit("lib", text.format(4, 4))) == []


def test_a_module_that_has_died_and_is_imported_from_is_refused(program: Program) -> None:
    """A value that was taken from it does not tell where it comes from."""
    program.load("rates", "RATE = 1\n")
    app = program.load("app", "from rates import RATE\n")
    del sys.modules["rates"]
    report = program.edit("rates", "RATE = 2\n")
    assert codes(report) == ["HS214"]
    assert "what app imports of it" in report.findings[0].message
    assert app.RATE == 1


def test_a_refused_file_that_is_put_back_is_healed(program: Program) -> None:
    """The text that the module was let go of with is what is live."""
    total = program.load("lib", ONE).total
    del sys.modules["lib"]
    assert codes(program.edit("lib", OTHER_CODE)) == ["HS214"]
    assert program.engine.status().held
    assert codes(program.edit("lib", ONE)) == ["HS105"]
    assert not program.engine.status().held
    assert total(3) == 3


def test_a_module_whose_name_another_file_has_is_refused_until_it_is_back(program: Program, tmp_path: Path) -> None:
    """Two files of one name cannot both be managed; the one in ``sys.modules`` is."""
    first = program.load("lib", ONE)
    elsewhere = Program(tmp_path / "elsewhere")
    elsewhere.directory.mkdir()
    elsewhere.engine = program.engine
    second = elsewhere.load("lib", ONE)

    report = program.edit("lib", OTHER_DATA)
    assert codes(report) == ["HS214"] and str(elsewhere.directory) in report.findings[0].message
    assert elsewhere.edit("lib", OTHER_CODE).applied
    assert (first.total(3), second.total(3)) == (3, [3])

    sys.modules["lib"] = first
    assert program.edit("lib", OTHER_DATA).applied
    assert (first.total(3), second.total(3)) == ([6], [3])
    assert codes(elsewhere.edit("lib", ONE)) == ["HS214"]
    assert second.total(3) == [3]
    program.engine.world.check_invariants()


def test_another_copy_is_named_where_more_changes_than_functions(program: Program) -> None:
    """Its functions have the new code; when nobody has it any more, nothing is said."""
    kept = program.load("lib", ONE)
    lib = program.load("lib", ONE)
    report = program.edit("lib", OTHER_CODE)
    assert report.applied and codes(report) == []
    assert (kept.total(3), lib.total(3)) == ([3], [3])

    report = program.edit("lib", OTHER_DATA)
    assert report.applied and codes(report) == ["HS412"]
    assert (kept.total(3), lib.total(3), kept.RATE, lib.RATE) == ([3], [6], 1, 2)

    total = kept.total
    del kept
    assert codes(program.edit("lib", OTHER_CODE)) == ["HS412"]
    assert (total(3), lib.total(3)) == ([3], [3])

    del total
    assert codes(program.edit("lib", OTHER_DATA)) == []


def test_another_copy_from_before_hotswap_is_named(program: Program) -> None:
    """Nobody knows its module, but it has the namespace of its functions."""
    kept = program.library("lib", ONE)
    program.load("lib", ONE)
    assert codes(program.edit("lib", OTHER_DATA)) == ["HS412"]
    assert (kept.total(3), kept.RATE) == ([3], 1)
    assert codes(program.edit("lib", ONE)) == ["HS412"]
    del kept
    assert codes(program.edit("lib", OTHER_DATA)) == []


def test_another_copy_without_functions_is_named(program: Program) -> None:
    """It is known as long as it lives."""
    kept = program.load("lib", "RATE = 1\n")
    lib = program.load("lib", "RATE = 1\n")
    assert codes(program.edit("lib", "RATE = 2\n")) == ["HS412"]
    assert (kept.RATE, lib.RATE) == (1, 2)


def test_functions_from_before_a_reload_are_named(program: Program) -> None:
    """They have code of a text that is not known any more, as after any reload."""
    lib = program.load("lib", ONE)
    total = lib.total
    (program.directory / "lib.py").write_text(OTHER_CODE)
    exec(compile(OTHER_CODE, str(lib.__file__), "exec", dont_inherit=True), lib.__dict__)
    program.engine.world.adopt(lib, str(lib.__file__), OTHER_CODE.encode(), name="lib")
    report = program.edit("lib", OTHER_DATA)
    assert report.applied and codes(report) == ["HS412"]
    assert "lib.total" in report.findings[0].message
    assert (lib.total(3), total(3)) == ([6], 6)
    del total
    assert codes(program.edit("lib", OTHER_CODE)) == []


BASE = "import abc\n\nclass Plugin(abc.ABC):\n    def __init_subclass__(cls):\n        REG[cls.__name__] = cls\n\nREG = {}\n"
NEG = "from base import Plugin\n\nclass Neg(Plugin):\n    def run(self):\n        return 1\n"
EXTRA = NEG + "\nclass Extra(Plugin):\n    def run(self):\n        return 2\n"


def test_what_only_a_swap_that_was_taken_back_has_made_is_not_in_use(program: Program) -> None:
    """A class that came with it, and comes again; one of which the program has an object is."""
    base = program.load("base", BASE)
    impl = program.load("impl", NEG)
    assert program.edit("impl", EXTRA).applied
    program.engine.rollback()
    assert codes(program.edit("impl", EXTRA + "\n")) == []
    extra = impl.Extra()
    program.engine.rollback()
    report = program.edit("impl", EXTRA.replace("return 2", "return 3"))
    assert codes(report) == ["HS412"] and extra.run() == 2 and base.REG["Extra"]().run() == 3


def test_ways_back_that_a_rollback_keeps_are_no_copies_of_a_module(program: Program) -> None:
    one = "class A:\n    def __init__(self):\n        self.a = 1\n"
    two = (
        "from hotswap import migrate\nclass A:\n    def __init__(self):\n        self.x = 1\n@migrate('m:A', 1)\n"
        "def up(s): s.x = s.pop('a')\n@up.down\ndef _(s): s.a = s.pop('x')\n"
    )
    m = program.load("m", one)
    held = m.A()
    for _ in range(2):
        assert program.edit("m", two).applied and held.x == 1
        program.engine.rollback()
        assert held.a == 1
    assert program.edit("m", two).applied
    assert "HS412" not in codes(program.edit("m", one)) and held.a == 1


def test_what_other_calls_have_made_is_no_copy_from_before_a_reload(program: Program) -> None:
    """One function makes a class for each of two names: an edit of the one says nothing of the other."""
    text = "def make(rate):\n    return type('Rate', (), {{'rate': rate}})\n\nLow = make({})\nHigh = make(9)\n"
    lib = program.load("lib", text.format(1))
    report = program.edit("lib", text.format(2))
    assert (report.applied, codes(report)) == (True, [])
    assert (lib.Low.rate, lib.High.rate) == (2, 9)
