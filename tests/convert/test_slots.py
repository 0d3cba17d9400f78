"""Classes with slots, which CPython cannot make larger: what comes is kept beside the objects, what goes stays in them."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import re
import threading
import weakref
from pathlib import Path
from typing import Any

import attrs
import pytest

from hotswap.errors import MigrationError
from hotswap.shadow import shadows_of
from tests.link.program import Program

TASK = """
import attrs
@attrs.define
class Task:
    name: str
"""
TASK_2 = """
import attrs
@attrs.define
class Task:
    name: str
    done: bool = False
    tags: list = attrs.Factory(list)
"""
SPLIT = """
import attrs
from hotswap import migrate
@attrs.define
class Task:
    first: str
    last: str
    tags: list = attrs.Factory(list)

@migrate("jobs:Task")
def split(state):
    state.first, state.last = state.pop("name").split(" ")

@split.down
def _(state):
    state["name"] = f'{state.pop("first")} {state.pop("last")}'
"""


@pytest.fixture(params=["weak references", pytest.param("none", marks=pytest.mark.slow)])
def program(program: Program, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The same texts, with objects that can be referred to weakly and with such that cannot."""
    write = program._write

    def strip(name: str, text: str) -> tuple[Path, bytes]:
        text = re.sub(r"@attrs\.(define|frozen)\n", r"@attrs.\1(weakref_slot=False)\n", text.replace(", weakref_slot=True", ""))
        return write(name, re.sub(r'"__weakref__",?', "", text))

    if request.param == "none":
        monkeypatch.setattr(program, "_write", strip)
    return program


def test_field_of_an_attrs_class_is_given_to_objects(program: Program) -> None:
    jobs = program.load("jobs", TASK)
    old = jobs.Task("a")
    assert program.edit("jobs", TASK_2).applied
    new = jobs.Task("a")
    assert old == new and repr(old) == "Task(name='a', done=False, tags=[])" and old.tags is not new.tags
    old.tags.append(1)
    old.done = True
    for twin in (copy.copy(old), copy.deepcopy(old), pickle.loads(pickle.dumps(old)), attrs.evolve(old)):
        assert twin == old and attrs.asdict(twin) == {"name": "a", "done": True, "tags": [1]}
    del old.done
    with pytest.raises(AttributeError):
        assert old.done
    program.engine.rollback()
    assert repr(old) == "Task(name='a')" and not hasattr(old, "tags") and old == jobs.Task("a")
    with pytest.raises(AttributeError):
        old.done = True


@pytest.mark.parametrize("again", ["rollback", "save"])
def test_slot_that_goes_and_returns(program: Program, again: str) -> None:
    jobs = program.load("jobs", TASK_2)
    task = jobs.Task("a", tags=[1])
    tags = task.tags
    assert program.edit("jobs", TASK).applied
    assert not hasattr(task, "tags") and task == jobs.Task("a")
    if again == "rollback":
        program.engine.rollback()
        assert task.tags is tags
    else:
        assert program.edit("jobs", TASK_2).applied
        assert task.tags is tags, "as an attribute in a dict would be"


def test_plain_classes_with_slots_and_those_that_derive_from_them(program: Program) -> None:
    text = """
class Base:
    __slots__ = ("x", {new}"__weakref__")
    def __init__(self):
        self.x = 1{line}
class Slotted(Base):
    __slots__ = ("y",)
class Open(Base):
    pass
"""
    m = program.load("m", text.format(new="", line=""))
    items = [m.Base(), m.Slotted(), m.Open()]
    assert program.edit("m", text.format(new='"z", ', line="; self.z = {}")).applied
    for item in items:
        item.z["k"] = item
        assert copy.copy(item).z is item.z and pickle.loads(pickle.dumps(item)).z.keys() == {"k"}
    assert vars(items[2]) == {} and m.Base.__slots__[:2] == ("x", "z")
    del item
    twin = m.Base()
    assert twin.z == {}


def test_frozen_classes(program: Program) -> None:
    text = """
import attrs, dataclasses
@attrs.frozen
class A:
    x: int{line}
@dataclasses.dataclass(frozen=True, slots=True, weakref_slot=True)
class D:
    x: int{line}
"""
    m = program.load("m", text.format(line=""))
    items = {m.A(1), m.D(1)}
    held = list(items)
    report = program.edit("m", text.format(line="\n    port: int = 80"))
    assert not report.applied and {finding.code for finding in report.held} == {"HS302"}, "they would get another hash"
    items.clear()
    assert program.edit("m", text.format(line="\n    port: int = 80\n")).applied
    assert {*held} == {m.A(1), m.D(1, 80)}
    for item in held:
        assert pickle.loads(pickle.dumps(item)) == copy.deepcopy(item) == item
        with pytest.raises((attrs.exceptions.FrozenInstanceError, dataclasses.FrozenInstanceError)):
            item.port = 81


@pytest.mark.parametrize("whose", ["its own", "of a base class", "of a derived class", "a new one"])
def test_finalizer_of_the_program_where_there_are_no_weak_references(program: Program, whose: str) -> None:
    """It might let an object live on, and need not call another: it would not be known when the object dies."""
    text = """
class Base:
    __slots__ = ()
    {base}
class P(Base):
    __slots__ = ("x"{more})
    def __init__(self):
        self.x = 1{line}
    {own}
class Sub(P):
    __slots__ = ()
    {sub}
"""
    places = {"its own": "own", "of a base class": "base", "of a derived class": "sub", "a new one": ""}
    ways = dict.fromkeys(("base", "own", "sub"), "pass") | {places[whose]: "def __del__(self): pass"}
    m = program.load("m", text.format(more=",", line="", **ways))
    m.keep = m.P()
    if whose == "a new one":
        ways["own"] = "def __del__(self): pass"
    report = program.edit("m", text.format(more=", 'y'", line="; self.y = 2", **ways))
    assert not report.applied and [finding.code for finding in report.held] == ["HS201"] and "__del__" in str(report)


def test_ids_that_are_given_again(program: Program) -> None:
    """No new object inherits the value of a dead one, also after a rollback, and where a derived class is defined later."""
    jobs = program.load("jobs", TASK)
    tasks = [jobs.Task("a") for _ in range(50)]
    assert program.edit("jobs", TASK_2).applied
    program.engine.rollback()
    tasks.clear()
    gc.collect()
    found = [jobs.Task("b") for _ in range(200)]  # at the same places
    assert program.edit("jobs", TASK_2.replace("= False", "= 5")).applied
    assert all((task.done, task.tags) == (5, []) for task in found)
    del found
    gc.collect()
    assert not any(shadow.values for shadow in shadows_of(jobs.Task).values())
    if not jobs.Task.__weakrefoffset__:
        late = type("Late", (jobs.Task,), {"__slots__": (), "__del__": lambda self: None})
        with pytest.raises(AttributeError, match="when the object dies"):
            late("x")


def test_values_kept_beside_die_with_their_object(program: Program) -> None:
    jobs = program.load("jobs", TASK)
    tasks = [jobs.Task("a") for _ in range(100)]
    assert program.edit("jobs", TASK_2).applied

    class Witness:
        pass

    witness = Witness()
    tasks[0].tags = witness
    gone = weakref.ref(witness)
    del witness
    shadow = shadows_of(jobs.Task)["tags"]
    assert len(shadow.values) == 100 and len(shadows_of(jobs.Task)["done"].values) == 100
    tasks.clear()
    gc.collect()
    assert gone() is None and not shadow.values
    assert jobs.Task("new").tags == []


def test_values_kept_beside_in_many_threads(program: Program) -> None:
    jobs = program.load("jobs", TASK)
    assert program.edit("jobs", TASK_2).applied
    wrong: list[Any] = []

    def make(number: int) -> None:
        for count in range(2000):
            task = jobs.Task(f"{number}", False, [number, count])
            if task.tags != [number, count]:
                wrong.append(task)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and not shadows_of(jobs.Task)["tags"].values


def test_hooks_on_slots_forth_and_back(program: Program) -> None:
    jobs = program.load("jobs", TASK)
    tasks = [jobs.Task(f"a b{n}") for n in range(100)]
    blob = pickle.dumps(tasks[5])
    assert program.edit("jobs", SPLIT).applied
    assert (tasks[3].first, tasks[3].last, tasks[3].tags) == ("a", "b3", [])
    assert not hasattr(tasks[3], "name")
    assert program.engine.converter.wait(None, 30)
    assert tasks[99] == jobs.Task("a", "b99") and pickle.loads(blob) == tasks[5]
    assert pickle.loads(pickle.dumps(tasks[4])) == tasks[4]
    tasks[3].last = "changed"
    program.engine.rollback()
    assert program.engine.converter.wait(None, 30)
    assert tasks[3] == jobs.Task("a changed") and tasks[99] == jobs.Task("a b99")
    assert pickle.loads(pickle.dumps(tasks[4])) == tasks[4]
    assert program.edit("jobs", SPLIT).applied
    assert [task.last for task in tasks[2:5]] == ["b2", "changed", "b4"]


def test_failing_hook_leaves_slots_alone(program: Program) -> None:
    jobs = program.load("jobs", TASK)
    good, bad = jobs.Task("a b"), jobs.Task("none")
    assert program.edit("jobs", SPLIT).applied
    assert good.first == "a"
    with pytest.raises(MigrationError, match="split"):
        assert bad.first
    mended = SPLIT.replace('state.pop("name").split(" ")', 'state.pop("name").rjust(9).rsplit(" ", 1)')
    assert program.edit("jobs", mended).applied
    assert (bad.first, bad.last) == ("    ", "none")


def test_frozen_dataclass_with_slots_keeps_the_versions_of_its_states(program: Program) -> None:
    text = """
import dataclasses
from hotswap import migrate
@dataclasses.dataclass(frozen=True, slots=True, weakref_slot=True)
class D:
    x: int{fields}
{hooks}
"""
    m = program.load("m", text.format(fields="", hooks=""))
    first = m.D(1)
    old = pickle.dumps(first)
    hook = "@migrate('m:D')\ndef hook(s):\n    s.y = s.x * 2\n@hook.down\ndef _(s):\n    del s.y\n"
    assert program.edit("m", text.format(fields="\n    y: int", hooks=hook)).applied
    assert first == m.D(1, 2)
    second = pickle.dumps(m.D(5, 6))
    assert pickle.loads(second) == m.D(5, 6)
    more = "@migrate('m:D')\ndef again(s):\n    s.z = s.y + 1\n@again.down\ndef _(s):\n    del s.z\n"
    assert program.edit("m", text.format(fields="\n    z: int\n    y: int", hooks=hook + more)).applied
    assert pickle.loads(second) == m.D(5, 7, 6) and pickle.loads(pickle.dumps(first)) == first == m.D(1, 3, 2)
    with pytest.raises(MigrationError, match="1 value"):
        pickle.loads(old)  # written before its class had migrations, without the names of its fields


def test_slot_that_goes_is_emptied_when_the_change_is_confirmed(program: Program) -> None:
    jobs = program.load("jobs", TASK_2)
    task = jobs.Task("a", tags=[1])
    gone = jobs.Task("b", tags={weakref.ref}).tags
    assert program.edit("jobs", TASK).applied
    assert program.engine.confirm() == 1
    assert program.edit("jobs", TASK_2).applied
    assert task == jobs.Task("a") and gone


def test_base_and_derived_class_change_in_one_save_after_they_were_copied(program: Program) -> None:
    """``copyreg`` remembers the slots of both then; one write each, so that the way back finds what it takes away."""
    text = """
class S:
    __slots__ = ("a", {one}"__weakref__")
    def __init__(self):
        self.a = 1{first}
class T(S):
    __slots__ = ("b", {two}"d")
    def __init__(self):
        super().__init__()
        self.d = 4{second}
"""
    m = program.load("m", text.format(one="", two="", first="", second=""))
    item = m.T()
    copy.copy(item)
    new = text.format(one="'c', ", two="'e', ", first="; self.c = 3", second="; self.e = 5")
    for _ in range(2):
        assert program.edit("m", new).applied
        twin = copy.copy(item)
        assert (twin.a, twin.c, twin.d, twin.e) == (1, 3, 4, 5)
        assert program.edit("m", text.format(one="", two="", first="", second="")).applied
        twin = pickle.loads(pickle.dumps(item))
        assert (twin.a, twin.d) == (1, 4) and not hasattr(twin, "c") and copy.copy(m.T()).d == 4
    fewer = text.replace('("b", {two}"d")', "()").replace("self.d = 4", "pass").format(one="", two="", first="", second="")
    assert program.edit("m", fewer).applied
    assert copy.deepcopy(item).a == 1 and not hasattr(item, "d")
    for _ in range(5):
        program.engine.rollback()
        assert copy.copy(item).a == 1
    assert item.d == 4
