"""Which migration is which when texts are saved again, taken back, mended; and what waits meanwhile."""

from __future__ import annotations

import pickle
import sys

import pytest

from hotswap import upgrade
from hotswap.errors import MigrationError
from hotswap.migrations import REGISTRY
from hotswap.model import ChangeSet, Report, SourceFile
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter

FIRST = """
class Box:
    def __init__(self):
        self.x = 1

    def show(self):
        return self.x
"""
TENFOLD = ("state.x *= 10", "state.x //= 10")


def text(number: int, *hooks: str) -> str:
    return "from hotswap import migrate\n" + FIRST.replace("return self.x", f"return self.x, {number}") + "".join(hooks)


def hook(name: str, up: str, down: str = "", options: str = "") -> str:
    found = f"\n@migrate('m:Box'{options})\ndef {name}(state):\n    {up}\n"
    return found + (f"\n@{name}.down\ndef _(state):\n    {down}\n" if down else "")


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_old_text_saved_back_takes_the_data_back(program: Program) -> None:
    m = program.load("m", FIRST)
    box, unread = m.Box(), m.Box()
    tenfold = text(2, hook("up", *TENFOLD))
    for _ in range(3):
        assert program.edit("m", tenfold).applied
        assert box.show() == (10, 2)
        assert program.edit("m", FIRST).applied
        assert box.show() == 1 and program.engine.converter.version_of(box) == 1
    assert unread.x == 1


def test_save_that_went_back_can_be_taken_back_itself(program: Program) -> None:
    m = program.load("m", FIRST)
    box, unread = m.Box(), m.Box()
    assert program.edit("m", text(2, hook("up", *TENFOLD, options=", when='on_access'"))).applied
    assert box.x == 10
    assert program.edit("m", FIRST).applied
    program.engine.rollback()
    assert box.show() == (10, 2) and unread.show() == (10, 2)
    program.engine.rollback()
    assert box.show() == 1 and unread.show() == 1


def test_old_text_without_a_way_back_is_held(program: Program) -> None:
    m = program.load("m", FIRST)
    box = m.Box()
    assert program.edit("m", text(2, hook("up", "state.x *= 10"))).applied
    report = program.edit("m", FIRST)
    assert not report.applied and codes(report) >= {"HS312"} and "no way back" in str(report)
    assert box.show() == (10, 2)


def test_migration_that_goes_while_its_class_changes_is_asked_about(program: Program) -> None:
    m = program.load("m", FIRST)
    box = m.Box()
    assert program.edit("m", text(2, hook("up", *TENFOLD))).applied
    report = program.edit("m", text(3))
    assert not report.applied and codes(report) >= {"HS312"}
    assert program.edit("m", text(2)).applied, "it is tidied away by itself"
    assert program.edit("m", text(3)).applied
    assert box.show() == (10, 3)


def test_migration_that_replaces_another_is_a_new_step(program: Program) -> None:
    m = program.load("m", FIRST)
    box = m.Box()
    assert program.edit("m", text(2, hook("up", *TENFOLD))).applied
    assert box.x == 10
    assert program.edit("m", text(3, hook("more", "state.x += 3", "state.x -= 3"))).applied
    assert box.show() == (13, 3)


def test_migration_with_another_name_is_the_same_step(program: Program) -> None:
    m = program.load("m", FIRST)
    box = m.Box()
    assert program.edit("m", text(2, hook("up", *TENFOLD))).applied
    assert program.edit("m", text(2, hook("tenfold", *TENFOLD))).applied
    assert box.x == 10


def test_migrations_without_a_name_of_their_own(program: Program) -> None:
    """They are told by what they do, wherever their lines move."""
    m = program.load("m", FIRST)
    box = m.Box()
    ten, one, two = hook("_", "state.x *= 10"), hook("_", "state.x += 1"), hook("_", "state.x += 2")
    saves = [((ten,), 10), ((one, ten), 11), ((one, "\n\nZ = 1\n", ten), 11), ((two, one, ten), 13), ((one, two), 13)]
    for hooks, expected in saves:
        assert program.edit("m", text(2, *hooks)).applied
        assert box.x == expected
    assert program.edit("m", text(2, one, hook("_", "state.x += 5"))).applied, "it is mended, and has run"
    assert box.x == 13


def test_statements_with_steps_of_which_it_cannot_be_told_which_is_new(program: Program) -> None:
    def steps(*names: str) -> str:
        rows = "".join(f"migrate('m:Box', steps=[add({name!r}, 1)])\n" for name in names)
        return text(2) + "from hotswap.migrations import add\n" + rows

    m = program.load("m", FIRST)
    box = m.Box()
    assert program.edit("m", steps("a")).applied
    report = program.edit("m", steps("b", "c"))
    assert not report.applied and "HS306" in codes(report) and "number them" in str(report)
    assert program.edit("m", steps("a", "b")).applied
    assert (box.a, box.b) == (1, 1)


def test_migration_without_a_name_that_failed_is_mended(program: Program) -> None:
    m = program.load("m", FIRST)
    box = m.Box()
    assert program.edit("m", text(2, hook("_", "state.y *= 10"))).applied
    with pytest.raises(MigrationError):
        _ = box.x
    assert program.edit("m", text(2, hook("_", "state.x *= 10"))).applied
    assert box.x == 10


def test_way_back_that_failed_is_mended(program: Program) -> None:
    m = program.load("m", FIRST)
    box, fine = m.Box(), m.Box()
    assert program.edit("m", text(2, hook("up", "state.x *= 10", "state.x //= 10 if state.x == 10 else state.none"))).applied
    box.x = 20
    assert fine.x == 10
    program.engine.rollback()
    with pytest.raises(MigrationError, match="stays at version 2.*to 1, the way back of up.*save the version with the migration"):
        _ = box.x
    assert fine.x == 1
    assert program.edit("m", text(2, hook("up", *TENFOLD))).applied
    assert (box.x, fine.x) == (20, 10)
    program.engine.rollback()
    assert (box.x, fine.x) == (2, 1)


def test_field_that_comes_by_itself_while_objects_wait_for_a_migration(program: Program) -> None:
    """The migration makes the state anew; what came later comes after it."""
    m = program.load("m", FIRST)
    boxes = [m.Box(), m.Box()]
    waiting = text(2, hook("up", "x = state.x; state.clear(); state.x = x * 10", "state.x //= 10", ", when='on_access'"))
    assert program.edit("m", waiting).applied
    assert program.edit("m", waiting.replace("self.x = 1", "self.x = 1\n        self.z = []")).applied
    assert (boxes[0].x, boxes[0].z) == (10, [])
    program.engine.rollback()
    assert vars(boxes[0]) == {"x": 10} and boxes[1].x == 10 and vars(boxes[1]) == {"x": 10}


@pytest.mark.parametrize("migrates", [True, False])
def test_object_that_was_made_without_a_field_gets_it_back(program: Program, migrates: bool) -> None:
    m = program.load("m", FIRST.replace("self.x = 1", "self.x = 1\n        self.log = []"))
    old = m.Box()
    old.log.append(1)
    assert program.edit("m", text(2, hook("up", *TENFOLD)) if migrates else text(2)).applied
    new, other = m.Box(), m.Box()
    program.engine.rollback()
    assert (old.log, new.log) == ([1], []) and new.log is not other.log


@pytest.mark.parametrize("migrates", [True, False])
def test_class_whose_objects_differ_by_thread_is_held(program: Program, migrates: bool) -> None:
    local = FIRST.replace("class Box", "import threading\n\nclass Box(threading.local)")
    m = program.load("m", local)
    box = m.Box()
    more = local.replace("self.x = 1", "self.x = 1\n        self.y = []")
    report = program.edit("m", "from hotswap import migrate\n" + local + hook("up", *TENFOLD) if migrates else more)
    assert not report.applied and codes(report) == {"HS302"} and "each thread" in str(report)
    assert box.show() == 1


def test_objects_that_share_one_dict_are_converted_once(program: Program) -> None:
    shared = "ALL = {}\n" + FIRST.replace("self.x = 1", "self.__dict__ = ALL\n        self.x = 1")
    m = program.load("m", shared)
    boxes = [m.Box() for _ in range(5)]
    assert program.edit("m", "from hotswap import migrate\n" + shared + hook("up", *TENFOLD)).applied
    assert program.engine.converter.wait(m.Box, 10)
    assert {box.x for box in boxes} == {10}
    program.engine.rollback()
    assert {box.x for box in boxes} == {1}


def test_ways_back_that_are_all_called_alike_after_one_was_removed(program: Program) -> None:
    m = program.load("m", FIRST)
    box = m.Box()
    one = text(2, hook("up", *TENFOLD))
    two = text(3, hook("up", *TENFOLD), hook("more", "state.x += 3", "state.x -= 3"))
    saves = [(one, (10, 2)), (FIRST, 1), (two, (13, 3)), (FIRST, 1), (two, (13, 3))]
    for number, (save, expected) in enumerate(saves):
        assert program.edit("m", save).applied, number
        assert box.show() == expected, number
    program.engine.rollback()
    assert box.show() == 1


def test_old_text_takes_the_data_back_after_the_migration_was_evaluated_again(program: Program) -> None:
    m = program.load("m", FIRST)
    box = m.Box()
    eager = text(2, hook("up", *TENFOLD, options=", when='eager'"))
    for save in (text(2, hook("up", *TENFOLD)), eager, text(2, hook("up", *TENFOLD))):
        assert program.edit("m", save).applied and box.show() == (10, 2)
    assert program.edit("m", FIRST).applied
    assert box.show() == 1


BASE, SUB = "class Box:\n    def __init__(self): self.x = 1\n", "from m import Box\nclass Sub(Box):\n    y = 1\n"


def test_old_text_of_a_base_class_is_held_where_a_derived_one_has_gone_further(program: Program) -> None:
    m, n = program.load("m", BASE), program.load("n", SUB)
    box, sub = m.Box(), n.Sub()
    assert program.edit("m", "from hotswap import migrate\n" + BASE + "    v = 2\n" + hook("up", *TENFOLD)).applied
    further = hook("more", "state.x += 5", "state.x -= 5").replace("m:Box", "n:Sub")
    assert program.edit("n", "from hotswap import migrate\n" + SUB + "    v = 2\n" + further).applied
    assert (box.x, sub.x) == (10, 15)
    report = program.edit("m", BASE)
    assert not report.applied and codes(report) >= {"HS312"} and (box.x, sub.x) == (10, 15)
    assert program.edit("n", SUB).applied and program.edit("m", BASE).applied
    assert (box.x, sub.x) == (1, 1)


def test_statement_with_steps_in_front_of_another_is_a_step_of_its_own(program: Program) -> None:
    def steps(*rows: str) -> str:
        found = [f"migrate('m:Box', steps=[{row}])\n" for row in rows]
        return text(2) + "from hotswap.migrations import add, convert\n" + "".join(found)

    m = program.load("m", FIRST)
    box = m.Box()
    ten, more = "convert('x', lambda v: v * 10, lambda v: v // 10)", "convert('x', lambda v: v + 3, lambda v: v - 3)"
    for rows, expected in [((ten,), 10), ((more, ten), 13), (("add('a', 5)", more, ten), 13)]:
        assert program.edit("m", steps(*rows)).applied
        assert box.x == expected
    assert box.a == 5
    program.engine.rollback()
    program.engine.rollback()
    assert box.x == 10


def test_migration_that_a_function_declares(program: Program) -> None:
    maker = """
def by(factor):
    @migrate("m:Box")
    def up(state):
        state.x *= factor

"""
    m = program.load("m", "from hotswap import migrate\n" + maker + FIRST)
    box = m.Box()
    assert program.edit("m", "from hotswap import migrate\n" + maker + FIRST + "\nby(10)\n").applied
    assert box.x == 10


@pytest.mark.parametrize("goes", ["to another module", "for good"])
def test_migration_that_objects_wait_for_moves_or_goes(program: Program, goes: str) -> None:
    m, n = program.load("m", FIRST), program.load("n", "from hotswap import migrate\n")
    box = m.Box()
    waiting = hook("up", *TENFOLD, options=", when='on_access'")
    assert program.edit("m", text(2, waiting)).applied
    if goes == "for good":
        report = program.edit("m", text(2))
        assert not report.applied and codes(report) == {"HS312"} and "wait_converted" in str(report)
        assert box.x == 10 and program.edit("m", text(2)).applied
        return
    (program.directory / "n.py").write_text("from hotswap import migrate\n" + waiting)
    files = [SourceFile(path=str(program.directory / "n.py"), data=(program.directory / "n.py").read_bytes())]
    files.append(SourceFile(path=str(program.directory / "m.py"), data=text(2).encode()))
    assert program.engine.swap(ChangeSet(files=tuple(files))).applied
    assert box.x == 10 and n.up is not None


def test_what_a_hook_that_runs_once_has_made_does_not_outlive_its_swap(program: Program) -> None:
    m = program.load("m", FIRST)
    boxes = [m.Box() for _ in range(50)]
    failing = text(2, hook("one", *TENFOLD, options=", 1, once=True"), hook("two", "state.none", "pass", ", 2"))
    assert program.edit("m", failing).applied
    assert program.engine.converter.wait(m.Box, 5) is False
    program.engine.rollback()
    assert {box.x for box in boxes} == {1} and not program.engine.converter.conversions.progress
    for box in boxes:
        box.x = 7
    assert program.edit("m", failing.replace("state.none", "state.x += 1")).applied
    assert {box.x for box in boxes} == {71}


def test_dict_that_is_held_while_another_class_waits(program: Program) -> None:
    other = "\nclass Other:\n    def __init__(self):\n        self.x = 1\n\n"
    other += "@migrate('m:Other', 1, when='on_access')\ndef wait(state): pass\n"
    m = program.load("m", "from hotswap import migrate\n" + FIRST + other.partition("@migrate")[0])
    box, waits = m.Box(), m.Other()
    held = vars(box)
    one = text(2, other, hook("up", *TENFOLD))
    assert program.edit("m", one).applied and box.x == 10
    assert program.engine.converter.wait(m.Box, 5)
    program.engine.converter.finish()
    assert program.edit("m", text(3, other, hook("up", *TENFOLD), hook("more", "state.x += 3", "state.x -= 3"))).applied
    assert box.x == held["x"] == 13
    program.engine.rollback()
    assert box.x == held["x"] == 10 and waits.x == 1


def test_state_that_no_migration_leads_on_any_more(program: Program) -> None:
    m = program.load("m", FIRST)
    m.keep = m.Box()
    assert program.edit("m", text(2, hook("up", *TENFOLD))).applied
    assert program.edit("m", text(2, hook("up", *TENFOLD), hook("more", "state.x += 3", "state.x -= 3"))).applied
    assert program.edit("m", text(2)).applied and m.keep.x == 13
    with pytest.raises(MigrationError, match="has version 2, and no migration leads on"):
        upgrade({"x": 10}, m.Box, version=2)


def test_pickle_of_what_was_taken_back_goes_by_the_ways_back_of_then(program: Program) -> None:
    m = program.load("m", "RATE = 2\n" + FIRST)
    m.keep = m.Box()
    rated = "RATE = 10\n" + text(2, hook("up", "state.x *= RATE", "state.x //= RATE"))
    assert program.edit("m", rated).applied and m.keep.x == 10
    blob = pickle.dumps(m.keep)
    program.engine.rollback()
    assert m.keep.x == pickle.loads(blob).x == 1


def test_text_of_before_is_asked_about_where_its_migration_went_earlier(program: Program) -> None:
    """Two files that are taken back one after the other."""
    m = program.load("m", FIRST)
    program.load("n", "from hotswap import migrate\n")
    box = m.Box()
    migration = "from hotswap import migrate\n" + hook("up", *TENFOLD)
    assert program.edit("m", text(2)).applied and program.edit("n", migration).applied
    assert box.show() == (10, 2)
    program.engine.rollback()
    program.engine.rollback()
    assert program.save(m=text(2), n=migration).applied
    assert box.show() == (10, 2)
    assert program.edit("n", "from hotswap import migrate\n").applied
    report = program.edit("m", FIRST)
    assert not report.applied and codes(report) == {"HS312"} and "had before" in str(report)
    assert box.show() == (10, 2)
    assert program.edit("m", text(3)).applied and box.show() == (10, 3)
    assert program.save(m=text(2), n=migration.replace("'m:Box'", "'m:Box', 1, 2")).applied
    assert program.save(m=FIRST, n="from hotswap import migrate\n").applied
    assert box.show() == 1


@pytest.mark.parametrize("first", ["the old place goes", "the new place comes"])
def test_migration_that_moves_in_two_saves_does_not_run_twice(program: Program, first: str) -> None:
    m, n = program.load("m", FIRST), program.load("n", "from hotswap import migrate\n")
    box = m.Box()
    tenfold = hook("up", *TENFOLD)
    assert program.edit("m", text(2, tenfold)).applied
    assert box.x == 10
    if first == "the old place goes":
        assert program.edit("m", text(2)).applied
        report = program.edit("n", "from hotswap import migrate\n" + tenfold)
        assert not report.applied and codes(report) == {"HS306"} and "does the same as" in str(report)
        assert box.x == 10
        assert program.edit("n", "from hotswap import migrate\n" + hook("up", *TENFOLD, options=", 1, 2")).applied
        assert box.x == 10
        assert program.edit("n", "from hotswap import migrate\n" + hook("up", *TENFOLD, options=", 2, 3")).applied
        assert box.x == 100
    else:
        report = program.edit("n", "from hotswap import migrate\n" + tenfold)
        assert not report.applied and codes(report) == {"HS306"}
        assert box.x == 10
        assert program.edit("m", text(2)).applied  # what was held comes with it
        assert box.x == 10 and n.up is not None


def test_base_class_that_is_exchanged_in_a_save_that_migrates_it(program: Program) -> None:
    bases = """
{head}class A:
    def __init__(self):
        self.x = 1

class B:
    def __init__(self):
        self.x = 2

class C({base}):
    pass
{hooks}
"""
    m = program.load("m", bases.format(head="", base="A", hooks=""))
    c = m.C()
    hooks = hook("a", "state.x += 10").replace("m:Box", "m:A") + hook("b", "state.x += 100").replace("m:Box", "m:B")
    head = "from hotswap import migrate\n"
    report = program.edit("m", bases.format(head=head, base="B", hooks=hooks))
    assert not report.applied and codes(report) >= {"HS305"} and "a save of its own" in str(report)
    assert program.edit("m", bases.format(head=head, base="A", hooks=hooks)).applied
    assert c.x == 11
    assert program.edit("m", bases.format(head=head, base="B", hooks=hooks)).applied
    assert c.x == 11


PRICES = """
{head}class Box:
    def __init__(self):
        self.x = 7

def show(box):
    return box.x{unit}
"""


def test_text_saved_back_takes_the_data_back_where_only_other_code_was_edited(program: Program) -> None:
    """The class itself stays as it is; what reads its objects tells that their data is another one."""
    m = program.load("m", PRICES.format(head="", unit=""))
    box, unread = m.Box(), m.Box()
    cents = PRICES.format(head="from hotswap import migrate\n", unit=" / 100") + hook("up", "state.x *= 100", "state.x //= 100")
    assert program.edit("m", cents).applied and m.show(box) == 7
    assert program.edit("m", PRICES.format(head="", unit="")).applied
    assert (m.show(box), m.show(unread)) == (7, 7)


def test_migration_of_data_alone_is_tidied_away(program: Program) -> None:
    """The code is the same before it and after it, so it takes the data as it is."""
    m = program.load("m", FIRST)
    box = m.Box()
    assert program.edit("m", "from hotswap import migrate\n" + FIRST + hook("up", *TENFOLD)).applied and box.x == 10
    assert program.edit("m", FIRST).applied and box.x == 10


@pytest.mark.parametrize("edit", ["", "state.done", "when='eager'", "after"])
def test_migration_that_goes_while_another_one_is_evaluated_again(program: Program, edit: str) -> None:
    m = program.load("m", "from hotswap import migrate\nDONE = []\n" + FIRST)
    box = m.Box()
    noting = "; DONE.append(1)" if edit == "state.done" else ""
    one = hook("one", "state.x += 1" + noting, "state.x -= 1", ", 1")
    two = hook("two", "state.x *= 100" + noting, "state.x //= 100", ", 2")
    texts = [text(number).replace("migrate\n", "migrate\nDONE = []\n", 1) for number in range(4)]
    assert program.edit("m", texts[1] + one).applied and box.x == 2
    assert program.edit("m", texts[2] + one + two).applied and box.x == 200
    other = one.replace(", 1)", f", 1, {edit})") if edit.startswith("when") else one
    other += "\n@one.after\ndef _(item):\n    pass\n" if edit == "after" else ""
    report = program.edit("m", texts[3] + other)
    assert not report.applied and codes(report) == {"HS312"}, str(report)
    assert box.show() == (200, 2)
    report = program.edit("m", texts[1] + one)
    assert report.applied and box.show() == (2, 1), str(report)


@pytest.mark.parametrize("saves", [1, 2])
def test_file_of_a_migration_is_deleted(program: Program, saves: int) -> None:
    """A checkout of an earlier state."""
    m = program.load("m", FIRST)
    box = m.Box()
    program.load("n", "from hotswap import migrate\n")
    assert program.save(m=text(2), n="from hotswap import migrate\n" + hook("up", *TENFOLD)).applied and box.x == 10
    if saves == 1:
        assert program.save(m=FIRST, n=None).applied
        assert box.show() == 1
    else:
        assert program.save(n=None).applied
        report = program.edit("m", FIRST)
        assert not report.applied and codes(report) == {"HS312"}
        assert box.show() == (10, 2)
    assert not [key for key in REGISTRY.table if key[0] == "m:Box"]


def test_old_text_again_after_rollbacks(program: Program) -> None:
    """There and back, and each of these taken back in turn."""
    m = program.load("m", FIRST)
    box = m.Box()
    tenfold = text(2, hook("up", *TENFOLD))
    for _ in range(2):
        assert program.edit("m", tenfold).applied and box.show() == (10, 2)
        assert program.edit("m", FIRST).applied and box.show() == 1
        program.engine.rollback()
        assert box.show() == (10, 2)
        report = program.edit("m", FIRST)
        assert report.applied and box.show() == 1, str(report)
        program.engine.rollback()
        program.engine.rollback()
        assert box.show() == 1


def test_numbered_migration_of_another_file_is_not_the_one_that_ran(program: Program) -> None:
    """Two branches, each with its migration from version 1."""
    m = program.load("m", FIRST)
    program.load("a", "")
    program.load("b", "")
    box = m.Box()
    migration = "from hotswap import migrate\n" + hook("up", *TENFOLD, options=", 1")
    assert program.save(m=text(2), a=migration).applied and box.show() == (10, 2)
    other = migration.replace("10", "1000")
    report = program.save(m=text(3), a=None, b=other)
    assert not report.applied and codes(report) == {"HS306"} and "takes the place of" in str(report)
    assert box.show() == (10, 2)
    program.engine.rollback()
    assert program.save(m=text(3), b=other).applied and box.show() == (1000, 3)
    assert program.save(m=text(4), b=other.replace("1000", "2000")).applied and box.show() == (1000, 4)  # the same, mended


def test_migration_by_which_nothing_was_converted_goes(program: Program) -> None:
    """It was there when the program started."""
    m = program.load("m", text(2, hook("up", *TENFOLD)))
    box = m.Box()
    assert program.edit("m", text(3)).applied
    assert box.show() == (1, 3)


def test_class_of_a_module_that_was_imported_anew_is_another_one(program: Program) -> None:
    first = program.load("m", FIRST)
    old = first.Box()
    assert program.edit("m", text(2, hook("up", *TENFOLD))).applied and old.x == 10
    del program.engine.world.records["m"], sys.modules["m"]
    for key in [key for key in REGISTRY.table if key[0] == "m:Box"]:
        REGISTRY.table.pop(key)
    again = program.load("m", FIRST)
    box = again.Box()
    report = program.edit("m", text(2, hook("up", *TENFOLD)))
    assert report.applied and box.x == 10, str(report)
