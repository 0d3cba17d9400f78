"""Greenlets have stacks of their own: what waits on one is named, and is waited for, as what is on the stack of a thread."""

from __future__ import annotations

import functools
import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gevent.event import Event

from hotswap.model import Verdict
from tests.link.program import Program
from tests.transition import reports
from tests.transition.green import gevent, greenlet


@pytest.fixture(autouse=True)
def _has_greenlets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", greenlet)


V1 = """
def work(wait):
    made = []
    def inner():
        return "old"
    inside(wait)
    made.append(inner)
    return "old", made[0]

def inside(wait):
    wait()
    return "old"

class Cart:
    def __init__(self, wait):
        self.owner = "Ada"
        wait()
        self.count = 1
"""
V2 = V1.replace('"old"', '"new"')
FIELD = V1.replace("self.count = 1", "self.count = 1\n        self.total = 0")
MIGRATED = "from hotswap import migrate\n" + FIELD + """
@migrate("green:Cart")
def _(state):
    state.total = state.count
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as one:
        yield one


said = functools.partial(reports.said, file="green.py")


@pytest.fixture
def lib(program: Program) -> ModuleType:
    return program.load("green", V1)


def give_way() -> Any:
    return greenlet.getcurrent().parent.switch()


def message(name: str) -> str:
    return f"a suspended greenlet is in green.{name}, which changed; it is live at its next call"


def test_what_a_suspended_greenlet_is_in_is_named(program: Program, lib: ModuleType) -> None:
    """All functions on its stack, with the line where each waits; it ends in the old code, the next call is new."""
    waiting = greenlet.greenlet(lib.work)
    waiting.switch(give_way)
    assert set(said(program.edit("green", V2))) == {(message("inside"), 11), (message("work"), 6)}
    assert waiting.switch()[0] == "old"
    assert lib.work(lambda: None)[0] == "new"


def test_what_the_main_greenlet_is_in_is_named(program: Program, lib: ModuleType) -> None:
    """A swap that is made in a greenlet suspends the one that the thread began with."""
    swapping = greenlet.greenlet(lambda: program.edit("green", V2))
    reports: list[Any] = []
    assert lib.work(lambda: reports.append(swapping.switch()))[0] == "old"
    assert set(said(reports[0])) == {(message("inside"), 11), (message("work"), 6)}


def test_a_greenlet_of_gevent_is_one(program: Program, lib: ModuleType) -> None:
    """By whichever subclass; and one that has ended is named no more."""
    go = Event()
    waiting = gevent.spawn(lib.inside, go.wait)
    gevent.sleep(0)
    assert said(program.edit("green", V2)) == [(message("inside"), 11)]
    go.set()
    assert waiting.get(timeout=10) == "old"
    assert said(program.edit("green", V1)) == []


def test_a_function_that_it_makes_afterwards_follows(program: Program, lib: ModuleType) -> None:
    """1. A greenlet waits in a function; 2. the swap; 3. it makes a function of its old code, which the next swap leads over."""
    waiting = greenlet.greenlet(lib.work)
    waiting.switch(give_way)
    program.edit("green", V2)
    _, made = waiting.switch()
    program.edit("green", V2.replace('"new"', '"newer"'))
    assert made() == "newer"


def test_an_object_that_it_is_making_is_converted_when_it_is_made(program: Program, lib: ModuleType) -> None:
    """Its old ``__init__`` waits in the middle: the hook has to see all fields."""
    kept: list[Any] = []
    making = greenlet.greenlet(lambda: kept.append(lib.Cart(give_way)))
    making.switch()
    (half,) = [item for item in gc.get_objects() if type(item) is lib.Cart]
    report = program.edit("green", MIGRATED)
    assert report.applied, str(report)
    making.switch()
    assert program.engine.converter.wait(None, 10)
    assert kept == [half]
    assert vars(half) == {"owner": "Ada", "count": 1, "total": 1}


def test_a_module_that_executes_in_a_suspended_greenlet_is_executing(program: Program) -> None:
    """What stands behind the statement in which it waits has not run, and is not run aside by a swap."""
    text = "import sys\nRAN = []\nsys.hook()\nRAN.append({version})\n"
    import sys

    sys.hook = give_way
    try:
        executing = greenlet.greenlet(lambda: program.load("slow", text.format(version=1)))
        executing.switch()
        module = sys.modules["slow"]
        path = program.directory / "slow.py"
        program.engine.world.adopt(module, str(path), path.read_bytes(), name="slow", has_run=False)
        report = program.edit("slow", text.format(version=2))
        assert report.verdict is not Verdict.RESTART, str(report)
        assert [f.code for f in report.findings] == ["HS406"]
        executing.switch()
        assert module.RAN == [1]
    finally:
        del sys.hook


LOADED_ONLY = """
import greenlet
from hotswap import frames
asked = []
look = frames.objects_of
frames.objects_of = lambda *args, **kwargs: (asked.append(1), look(*args, **kwargs))[1]
first = len(frames._stacks()), len(asked)
greenlet.getcurrent()  # from now on there may be some
print(first, len(frames._stacks()), len(asked))
"""


def test_a_library_that_is_loaded_and_not_used_costs_no_look_at_the_heap() -> None:
    """As under SQLAlchemy, which loads it in programs that never use it."""
    done = subprocess.run([sys.executable, "-c", LOADED_ONLY], capture_output=True, text=True, timeout=60)
    assert done.stdout == "(1, 0) 1 1\n", done.stdout + done.stderr
