"""Objects that come and go around a commit: none is missed, none is kept alive."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import pytest

from hotswap.model import Verdict
from hotswap.plugin import hookimpl
from tests.link.program import Program

PLAIN = """
class Thing:
    def __init__(self, name):
        self.name = name
"""
COUNTED = """
class Thing:
    def __init__(self, name):
        self.name = name
        self.count = 0
        self.items = []
"""
ASKS = """
class Thing:
    def __init__(self, name, port):
        self.name = name
        self.port = port
"""


class Late:
    """Makes an object after linking, right before the commit, as another thread could."""

    def __init__(self, module: Any, times: int = 1) -> None:
        self.module, self.times = module, times
        self.made: list[Any] = []

    @hookimpl
    def hotswap_before_commit(self) -> None:
        if len(self.made) < self.times:
            self.made.append(self.module.Thing("late"))


def test_object_made_between_linking_and_commit_is_filled(program: Program) -> None:
    """The list is made inside the commit, so an object that linking has not seen has the field as well."""
    lib = program.load("lib", PLAIN)
    early, late = lib.Thing("early"), Late(lib)
    program.engine.plugins.register(late, "late")
    assert program.edit("lib", COUNTED).applied
    assert [vars(thing) for thing in (early, *late.made)] == [
        {"name": "early", "count": 0, "items": []},
        {"name": "late", "count": 0, "items": []},
    ]
    assert early.items is not late.made[0].items


def test_first_object_that_appears_before_the_commit_is_asked_about(program: Program) -> None:
    """Linking found no object and asked nothing; the commit finds one, fails as a whole, and the question comes."""
    lib = program.load("lib", PLAIN)
    late = Late(lib)
    program.engine.plugins.register(late, "late")
    report = program.edit("lib", ASKS)
    assert not report.applied
    assert report.verdict is Verdict.ASK
    assert [finding.code for finding in report.held] == ["HS301"]
    assert lib.Thing.__init__.__code__.co_argcount == 2
    assert vars(late.made[0]) == {"name": "late"}


class Filling:
    """Fills what an object holds after linking, right before the commit, as another thread could."""

    def __init__(self, thing: Any, value: Any) -> None:
        self.thing, self.value = thing, value

    @hookimpl
    def hotswap_before_commit(self) -> None:
        self.thing.messages = self.value


@pytest.mark.parametrize("value", [["text"], 5, None])
def test_field_that_may_have_been_renamed_is_looked_at_again_in_the_commit(program: Program, value: Any) -> None:
    """Linking found all lists empty, and asked nothing; the commit finds something else and fails; it is asked."""
    lib = program.load("lib", PLAIN.replace("self.name = name", "self.name, self.messages = name, []"))
    things = [lib.Thing("a"), lib.Thing("b")]
    program.engine.plugins.register(Filling(things[1], value), "filling")
    report = program.edit("lib", PLAIN.replace("self.name = name", "self.name, self.items = name, []"))
    assert [finding.code for finding in report.held] == ["HS303"] and not report.applied
    assert [vars(thing) for thing in things] == [{"name": "a", "messages": []}, {"name": "b", "messages": value}]


def test_list_that_is_filled_before_the_commit_is_not_lost(program: Program) -> None:
    """The same with the list itself, which is the one that linking has seen."""
    lib = program.load("lib", PLAIN.replace("self.name = name", "self.name, self.messages = name, []"))
    thing = lib.Thing("a")

    class Appending:
        @hookimpl
        def hotswap_before_commit(self) -> None:
            thing.messages.append(1)

    program.engine.plugins.register(Appending(), "appending")
    report = program.edit("lib", PLAIN.replace("self.name = name", "self.name, self.items = name, []"))
    assert [finding.code for finding in report.held] == ["HS303"]
    assert "items" not in vars(thing) and 1 in thing.messages


def test_object_made_between_linking_and_commit_is_looked_at_with_the_others(program: Program) -> None:
    """A swap that nobody has to be asked about is tried again, and made, where an object comes meanwhile."""
    lib = program.load("lib", PLAIN.replace("self.name = name", "self.name, self.messages = name, []"))
    early, late = lib.Thing("early"), Late(lib)
    program.engine.plugins.register(late, "late")
    assert program.edit("lib", PLAIN.replace("self.name = name", "self.name, self.items = name, []")).applied
    assert [thing.items for thing in (early, *late.made)] == [[], []]


def test_question_names_field_class_and_number(program: Program) -> None:
    """Which field, which class, how many objects, why, where, and what to do next."""
    lib = program.load("lib", PLAIN)
    things = [lib.Thing(str(number)) for number in range(3)]
    report = program.edit("lib", ASKS)
    assert len(things) == 3
    assert [str(finding) for finding in report.held] == [
        f"HS301 3 objects of lib.Thing exist without port: it comes from port ({program.directory / 'lib.py'}:5); "
        "save a migration for it, give port a literal default, or restart"
    ]


def test_question_names_the_parameter_that_stood_in_the_place_of_a_new_one(program: Program) -> None:
    """A default alone does not help there: the new parameter has to stand behind the others."""
    lib = program.load("lib", PLAIN.replace("name):", "name, size=1):"))
    thing = lib.Thing("a", 5)
    report = program.edit("lib", PLAIN.replace("name):", "name, limit=10, size=1):") + "        self.limit = limit\n")
    assert vars(thing) == {"name": "a"}
    assert [finding.message for finding in report.held] == [
        "1 object of lib.Thing exists without limit: it comes from limit, in whose place calls of before may have given size"
    ]


def test_kept_fields_are_named(program: Program) -> None:
    """Objects keep what they hold when only the literal in ``__init__`` changed, and the report says so."""
    lib = program.load("lib", COUNTED)
    thing = lib.Thing("a")
    report = program.edit("lib", COUNTED.replace("count = 0", "count = 5"))
    assert report.applied
    assert thing.count == 0
    assert [finding.code for finding in report.kept] == ["HS401"]


def test_history_keeps_no_object_alive(program: Program) -> None:
    """The way back holds objects weakly: a filled object is freed as any other."""
    lib = program.load("lib", PLAIN)
    thing = lib.Thing("a")
    seen = weakref.ref(thing)
    assert program.edit("lib", COUNTED).applied
    assert thing.count == 0
    del thing
    assert seen() is None


def test_rollback_takes_fields_away(program: Program) -> None:
    """Objects that were filled hold what they held; those made since keep what they were made with."""
    lib = program.load("lib", PLAIN)
    gone, thing = lib.Thing("gone"), lib.Thing("a")
    assert program.edit("lib", COUNTED).applied
    del gone
    thing.items.append(1)
    del thing.count
    new = lib.Thing("new")
    program.engine.rollback()
    assert vars(thing) == {"name": "a"}
    assert vars(new) == {"name": "new", "count": 0, "items": []}


def test_objects_without_weak_references_are_filled(program: Program) -> None:
    """There is no way back for them but to keep a field that the old code does not know."""
    text = "class Thing:\n    __slots__ = ('__dict__',)\n    def __init__(self):\n        pass\n"
    lib = program.load("lib", text)
    thing = lib.Thing()
    assert program.edit("lib", text.replace("pass", "self.count = 0")).applied
    assert thing.count == 0


def test_no_object_is_missed_while_threads_make_them(program: Program) -> None:
    """Four threads make objects through the swap; every one of them has the field afterwards."""
    lib = program.load("lib", PLAIN)
    made: list[list[Any]] = [[] for _ in range(4)]
    go, stop = threading.Event(), threading.Event()

    def work(mine: list[Any]) -> None:
        go.wait()
        while not stop.wait(0.0001):  # a pause: without it the heap grows by millions before the swap gets its turns
            mine.extend(lib.Thing("x") for _ in range(100))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        go.set()
        while not all(made):
            pass
        report = program.edit("lib", COUNTED)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert report.applied, str(report)
    assert sum(not hasattr(thing, "count") for mine in made for thing in mine) == 0


def test_classes_of_one_text_share_one_pass(program: Program) -> None:
    """Twenty classes that gain a field cost one listing inside the commit, not twenty."""
    lib = program.load("lib", "".join(PLAIN.replace("Thing", f"Thing{n}") for n in range(20)))
    things = [vars(lib)[f"Thing{n}"]("x") for n in range(20)]
    report = program.edit("lib", "".join(COUNTED.replace("Thing", f"Thing{n}") for n in range(20)))
    assert report.applied
    assert all(thing.count == 0 for thing in things)
    swap = program.engine.world.history[-1].swap
    assert [write.what for write in swap.writes].count("list instances") == 1
    gc.collect()
