"""Classes in whose place another one is put, and who must not notice or has to be asked first."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from hotswap.errors import RollbackError
from hotswap.model import Mechanism, Report
from tests.link.program import Program
from tests.sample import some

V1 = """
class Base:
    def who(self):
        return "base"

class Plain:
    def __init__(self):
        self.x = 1
    def who(self):
        return "plain"

HELD = [Plain]
"""
V2 = V1.replace("class Plain:", "class Plain(Base):").replace('"plain"', '"plain on " + super().who()')


@pytest.fixture
def often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def reason(report: Report) -> str:
    assert not report.applied
    assert [finding.code for finding in report.held] == ["HS202"]
    assert not any(finding.code == "HS413" for finding in report.findings)
    return report.held[0].message


def test_the_report_names_the_class(program: Program) -> None:
    """A note, and the mechanism."""
    program.load("lib", V1)
    report = program.edit("lib", V2)
    assert "HS413" in [finding.code for finding in report.findings]
    assert ("lib", "Plain", Mechanism.REPLACEMENT) in program.engine.status().mechanisms
    program.engine.rollback()
    assert not program.engine.status().mechanisms


@pytest.mark.once  # much the same on every interpreter
def test_subclasses_of_its_bases_show_the_class_once(program: Program) -> None:
    """The class before is kept for a rollback, and is in no list of the program's classes meanwhile."""
    lib = program.load("lib", V1.replace("class Plain:", "class Other:\n    pass\n\nclass Plain(Other):"))
    assert program.edit("lib", V2.replace("class Plain(Base)", "class Other:\n    pass\n\nclass Plain(Base)")).applied
    assert lib.Other.__subclasses__() == []
    assert lib.Base.__subclasses__() == [lib.Plain]
    program.engine.rollback()
    assert lib.Other.__subclasses__() == [lib.Plain]
    assert lib.Base.__subclasses__() == []


@pytest.mark.once  # much the same on every interpreter
def test_texts_that_ask_for_subclasses_hold_the_change(program: Program) -> None:
    """The new class would be the last in the list, where a fresh start has it in its place."""
    program.load("lib", V1 + "\ndef all_of_them():\n    return Base.__subclasses__()\n")
    assert "subclasses" in reason(program.edit("lib", V2 + "\ndef all_of_them():\n    return Base.__subclasses__()\n"))


@pytest.mark.once  # much the same on every interpreter
def test_references_made_after_the_swap_come_back_with_a_rollback(program: Program) -> None:
    """They are looked for again: nobody has listed them."""
    lib = program.load("lib", V1)
    first = id(lib.Plain)
    assert program.edit("lib", V2).applied
    assert id(lib.Plain) != first
    later, made = {"k": lib.Plain}, lib.Plain()
    program.engine.rollback()
    assert later["k"] is lib.Plain is type(made) is lib.HELD[0]
    assert made.who() == "plain"


def test_a_reference_in_a_frame_holds_the_change(program: Program) -> None:
    """The message names the function."""
    lib = program.load("lib", V1)
    mine = lib.Plain
    assert "test_a_reference_in_a_frame_holds_the_change (test_replacing.py" in reason(program.edit("lib", V2))
    assert mine is lib.Plain
    del mine
    assert program.edit("lib", V2).applied


@pytest.mark.once  # much the same on every interpreter
def test_a_reference_in_a_frame_holds_the_rollback(program: Program) -> None:
    """Nothing is changed then."""
    lib = program.load("lib", V1)
    item = lib.Plain()
    assert program.edit("lib", V2).applied
    mine = lib.Plain
    with pytest.raises(RollbackError, match=r"test_a_reference_in_a_frame_holds_the_rollback \(test_replacing.py"):
        program.engine.rollback()
    assert mine is lib.Plain is type(item)
    del mine
    program.engine.rollback()
    assert item.who() == "plain"


class _Slotted:
    __slots__ = ("kept",)


class _Row(tuple[Any, ...]):
    pass


HOLDERS = {
    "weak reference": lambda cls: weakref.ref(cls),
    "weak reference with a callback": lambda cls: weakref.ref(cls, print),
    "weak key": lambda cls: weakref.WeakKeyDictionary({cls: 1}),
    "weak set": lambda cls: weakref.WeakSet([cls]),
    "tuple of a class of its own": lambda cls: _Row([cls]),
    "exception": lambda cls: ValueError(cls),
    "super": lambda cls: super(cls, cls),
    "descriptor": lambda cls: vars(cls)["__weakref__"],
    "tuple in a tuple of others": lambda cls: (1, (cls,)),
    "static method": lambda cls: staticmethod(cls),
}


@pytest.mark.once  # much the same on every interpreter
@pytest.mark.parametrize("name", some(HOLDERS, 4))
def test_what_cannot_be_exchanged_holds_the_change(program: Program, name: str) -> None:
    """All is as before, and the change is made once it is gone."""
    lib = program.load("lib", V1)
    held = [HOLDERS[name](lib.Plain)]
    before = id(lib.Plain)
    assert reason(program.edit("lib", V2))
    assert id(lib.Plain) == before
    assert lib.Plain().who() == "plain"
    held.clear()
    assert program.edit("lib", V2 + "\n").applied
    assert lib.Plain().who() == "plain on base"


def test_what_can_be_exchanged_is(program: Program) -> None:
    """Containers, slots, cells, methods and generic aliases, forth and back."""
    import collections
    import functools
    import types

    lib = program.load("lib", V1)
    slotted, space = _Slotted(), types.SimpleNamespace(kept=lib.Plain)
    slotted.kept = lib.Plain  # type: ignore[attr-defined]
    held: dict[str, Any] = {
        "list": [1, lib.Plain, lib.Plain],
        "tuples": (lib.Plain, (2, lib.Plain), frozenset([lib.Plain, 3])),
        "factory": collections.defaultdict(lib.Plain),
        "ordered": collections.OrderedDict([("a", 1), (lib.Plain, 2), ("b", lib.Plain)]),
        "partial": functools.partial(isinstance, 1, lib.Plain),
        "alias": dict[str, lib.Plain],
        "union": lib.Plain | None,
        "method": lib.Plain.mro,
        "nested": [{"deep": [lib.Plain]}],
    }

    def check() -> None:
        now = lib.Plain
        assert held["list"] == [1, now, now]
        assert held["tuples"] == (now, (2, now), frozenset([now, 3]))
        assert type(held["factory"]["new"]) is now
        assert list(held["ordered"].items()) == [("a", 1), (now, 2), ("b", now)]
        assert held["partial"].args[1] is now
        assert held["alias"].__args__[1] is now
        assert held["union"].__args__[0] is now
        assert held["method"]()[0] is now
        assert held["nested"][0]["deep"][0] is now
        assert slotted.kept is space.kept is now  # type: ignore[attr-defined]

    for _ in range(2):
        assert program.edit("lib", V2).applied
        check()
        program.engine.rollback()
        check()


@pytest.mark.once  # much the same on every interpreter
def test_frozen_objects_go_along(program: Program) -> None:
    """``gc.freeze()`` hides objects and references from the collector."""
    lib = program.load("lib", V1)
    items, table = [lib.Plain() for _ in range(5)], {"k": (lib.Plain,)}
    gc.freeze()
    try:
        assert program.edit("lib", V2).applied
        assert table["k"][0] is lib.Plain
        assert {type(item) is lib.Plain for item in items} == {True}
        program.engine.rollback()
        assert table["k"][0] is lib.Plain
        assert {type(item) is lib.Plain for item in items} == {True}
    finally:
        gc.unfreeze()


@pytest.mark.slow
def test_objects_made_by_other_threads_meanwhile(program: Program, often: None) -> None:
    """None of them is left with the class of before; a swap that meets a thread inside of a call is refused, or tried again."""
    lib = program.load("lib", V1)
    done, made, wrong = threading.Event(), [], []

    def make() -> None:
        while not done.is_set():
            item = lib.Plain()
            made.append(item)
            if item.who() not in ("plain", "plain on base"):
                wrong.append(item)
            if len(made) > 20_000:
                del made[:10_000]
            done.wait(1e-4)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    applied = 0
    try:
        for text in (V2, V1) * 5:
            report = program.edit("lib", text)
            applied += report.applied
            assert report.applied or {finding.code for finding in report.held} <= {"HS202"}, str(report)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert applied
    assert not wrong
    assert {type(item) is lib.Plain for item in made} == {True}
    assert lib.HELD[0] is lib.Plain


@pytest.mark.slow
def test_two_classes_of_which_one_derives_from_the_other(program: Program) -> None:
    """Both get a metaclass; the references that they have to each other go along."""
    text = """
class Meta(type):
    def tag(cls):
        return cls.__name__

class One{}:
    other = None

class Two(One):
    pass

One.other = Two
"""
    lib = program.load("lib", text.format(""))
    one, two = lib.One(), lib.Two()
    both = [(lib.One, lib.Two)]
    report = program.edit("lib", text.format("(metaclass=Meta)"))
    if not report.applied:
        assert {finding.code for finding in report.held} == {"HS203"}
        return
    assert both[0] == (lib.One, lib.Two)
    assert type(lib.Two) is type(lib.One) is lib.Meta
    assert (type(one), type(two)) == (lib.One, lib.Two)
    assert lib.One.other is lib.Two
    program.engine.rollback()
    assert both[0] == (lib.One, lib.Two)
    assert type(lib.Two) is type


@pytest.mark.slow
def test_two_classes_that_get_a_base_at_once(program: Program) -> None:
    """Neither is left in the row of the other."""
    text = """
class Base:
    pass

class One{}:
    pass

class Two{}:
    pass

class Both(One, Two):
    pass
"""
    lib = program.load("lib", text.format("", ""))
    items = [lib.One(), lib.Two(), lib.Both()]
    assert program.edit("lib", text.format("(Base)", "(Base)")).applied
    assert lib.Both.__mro__ == (lib.Both, lib.One, lib.Two, lib.Base, object)
    assert all(isinstance(item, lib.Base) for item in items)
    program.engine.rollback()
    assert lib.Both.__mro__ == (lib.Both, lib.One, lib.Two, object)
    assert [type(item) for item in items] == [lib.One, lib.Two, lib.Both]


@pytest.mark.once  # much the same on every interpreter
def test_a_base_that_is_told_of_subclasses(program: Program) -> None:
    """A fresh start would tell it of a class that derives from the one that gets it, too."""
    text = """
TOLD = []

class Base:
    def __init_subclass__(cls):
        TOLD.append(cls.__name__)

class One{}:
    pass
{}"""
    program.load("lib", text.format("", "\nclass Two(One):\n    pass\n"))
    report = program.edit("lib", text.format("(Base)", "\nclass Two(One):\n    pass\n"))
    assert "__init_subclass__" in reason(report)


@pytest.mark.slow
def test_an_edit_later_names_no_other_class(program: Program) -> None:
    """The class that is kept for a rollback is none from before a reload (HS412)."""
    text = "class Meta(type):\n    pass\n\nclass One{}:\n    size = {}\n"
    lib = program.load("lib", text.format("", 1))
    assert program.edit("lib", text.format("(metaclass=Meta)", 2)).applied
    report = program.edit("lib", text.format("(metaclass=Meta)", 3))
    assert report.applied
    assert not report.findings
    assert lib.One.size == 3
    for size in (2, 1):
        program.engine.rollback()
        assert lib.One.size == size
    assert type(lib.One) is type


@pytest.mark.slow
def test_attributes_set_after_the_swap_stay_with_a_rollback(program: Program) -> None:
    """As they would where the contents of the class had been exchanged in place."""
    lib = program.load("lib", V1.replace("    def who", "    count = 0\n    limit = 5\n    def who", 2))
    assert program.edit("lib", V2.replace("    def who", "    count = 0\n    limit = 6\n    def who", 2)).applied
    lib.Plain.count += 3
    lib.Plain.extra = "extra"
    lib.Plain.limit = 7
    program.engine.rollback()
    assert (lib.Plain.count, lib.Plain.extra, lib.Plain.limit) == (3, "extra", 5)


@pytest.mark.slow
def test_new_data_and_fields_have_the_new_class(program: Program) -> None:
    """What the same save makes of it: containers that are filled in place, methods in tables, defaults, fields of objects."""
    more = """
TABLE = {{"make": Plain.make, "kind": Plain, {0}}}
KINDS = {{Plain{1}}}
ORDER = [1{1}, (Plain, {2})]

def build(cls=Plain, number={2}):
    return cls, number
"""
    body = "    @classmethod\n    def make(cls):\n        return cls()\n    def who"
    old = V1.replace("    def who", body, 2) + more.format('"a": 1', ", int", 1)
    new = V2.replace("    def who", body, 2) + more.format('"b": (Plain, 2), Plain: 3', ", str", 2)
    lib = program.load("lib", old)
    table, kinds, order, item = lib.TABLE, lib.KINDS, lib.ORDER, lib.Plain()
    report = program.edit("lib", new)
    assert report.applied
    if report.applied:
        now = lib.Plain
        assert (table, kinds, order) == (lib.TABLE, lib.KINDS, lib.ORDER)
        assert type(table["make"]()) is table["kind"] is table["b"][0] is type(item) is now
        assert table[now] == 3
        assert kinds == {now, str}
        assert order[2][0] is lib.build()[0] is now
        del now
        program.engine.rollback()
    assert table["kind"] is type(table["make"]()) is type(item) is lib.Plain
    assert kinds == {lib.Plain, int}
    assert order == [1, int, (lib.Plain, 1)]
    assert report.applied or "what is written has it" in reason(report)


@pytest.mark.once  # much the same on every interpreter
def test_a_field_that_refers_to_the_class(program: Program) -> None:
    """Objects get it inside of the commit: the new class, or the change is held."""
    lib = program.load("lib", V1)
    item = lib.Plain()
    report = program.edit("lib", V2.replace("self.x = 1", "self.x = 1\n        self.kind = Plain", 1))
    assert not report.applied or item.kind is lib.Plain


@pytest.mark.slow
def test_frozen_objects_that_cannot_change_over_hold_the_change(program: Program) -> None:
    """Also such objects are counted, and a rollback counts those that were made meanwhile."""
    text = "import dataclasses\n\n@dataclasses.dataclass{}\nclass Point:\n    x: int = 0\n"
    lib = program.load("lib", text.format(""))
    items = [lib.Point()]
    gc.freeze()
    try:
        report = program.edit("lib", text.format("(slots=True)"))
        assert [finding.code for finding in report.held] == ["HS201"]
        assert "1 object of it exists" in report.held[0].message
    finally:
        gc.unfreeze()
    items.clear()
    assert program.edit("lib", text.format("(slots=True)\n")).applied
    items.append(lib.Point())
    with pytest.raises(RollbackError, match="1 object of it exists"):
        program.engine.rollback()
    items.clear()
    program.engine.rollback()
    assert vars(lib.Point(1)) == {"x": 1}
