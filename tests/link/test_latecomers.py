"""Functions that are made of old code after a commit, or of new code before it is taken back."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.link.program import Program

LOOP = '''
def make():
    def inner():
        return "one"
    return inner


def loop(turns):
    while True:
        turns()
        yield lambda: "one"
'''


class Turns:
    """Lets a generator run in a thread of its own, one round at a time."""

    def __init__(self, make: Callable[[Callable[[], None]], Iterator[Any]]) -> None:
        self.made: list[Any] = []
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._ends = False
        self.thread = threading.Thread(target=self._run, args=(make,))
        self.thread.start()

    def _run(self, make: Callable[[Callable[[], None]], Iterator[Any]]) -> None:
        for item in make(self._wait):
            self.made.append(item)
            self._done.release()
            if self._ends:
                return

    def _wait(self) -> None:
        self._go.acquire()

    def next(self) -> Any:
        self._go.release()
        self._done.acquire()
        return self.made[-1]

    def end(self) -> Any:
        self._ends = True
        last = self.next()
        self.thread.join()
        return last


def comes_true(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def turns() -> Iterator[list[Turns]]:
    """Those that the test begins; they are ended."""
    begun: list[Turns] = []
    yield begun
    for each in begun:
        if each.thread.is_alive():
            each.end()


def test_frame_from_before_is_known_after_its_lines_have_moved(program: Program, turns: list[Turns]) -> None:
    """A main loop runs through many saves; only the last of them changes it."""
    m = program.load("m", LOOP)
    turns.append(running := Turns(m.loop))
    first = running.next()
    for count in range(1, 4):
        assert program.edit("m", "\n" * count + LOOP).applied
        between = running.next()
    report = program.edit("m", LOOP.replace('"one"', '"two"'))
    assert [finding.code for finding in report.findings] == ["HS403"] and "m.loop" in str(report)
    assert (first(), between()) == ("two", "two")
    late = running.next()
    assert late() == "one"  # its frame is named
    assert program.edit("m", LOOP.replace('"one"', '"three"')).applied
    assert (first(), between(), late()) == ("three", "three", "three")


def test_what_a_frame_has_made_is_led_over_when_it_has_ended(program: Program, turns: list[Turns]) -> None:
    m = program.load("m", LOOP)
    turns.append(running := Turns(m.loop))
    running.next()
    assert program.edit("m", LOOP.replace('"one"', '"two"')).applied
    late, last = running.next(), running.end()
    assert comes_true(lambda: (late(), last()) == ("two", "two"))
    assert comes_true(lambda: not program.engine.world.outdated)
    program.engine.rollback()
    assert (late(), last()) == ("one", "one")


def test_suspended_generator_that_goes_on_after_a_commit(program: Program) -> None:
    m = program.load("m", LOOP)
    running = m.loop(int)
    next(running)
    assert program.edit("m", LOOP.replace('"one"', '"two"')).applied
    late = next(running)
    time.sleep(0.3)
    assert late() == "one"
    running.close()
    assert comes_true(lambda: late() == "two")


def test_what_new_code_has_made_goes_back_with_it(program: Program) -> None:
    m = program.load("m", LOOP)
    before = m.make()
    assert program.edit("m", LOOP.replace('"one"', '"two"')).applied
    between = m.make()
    assert (before(), between()) == ("two", "two")
    program.engine.rollback()
    assert (before(), between(), m.make()()) == ("one", "one", "one")
    assert program.edit("m", LOOP.replace('"one"', '"three"')).applied
    assert (before(), between(), m.make()()) == ("three", "three", "three")


def test_frame_of_new_code_goes_on_after_a_rollback(program: Program, turns: list[Turns]) -> None:
    m = program.load("m", LOOP)
    assert program.edit("m", LOOP.replace('"one"', '"two"')).applied
    turns.append(running := Turns(m.loop))
    running.next()
    program.engine.rollback()
    late, last = running.next(), running.end()
    assert comes_true(lambda: (late(), last()) == ("one", "one"))


def test_frame_is_known_across_stop_and_start(tmp_path: Path) -> None:
    script = '''
import pathlib, sys, time
import hotswap
sys.path.insert(0, ".")
hotswap.start(["."], watch=False)
import m
running = m.loop(int)
next(running)
pathlib.Path("m.py").write_text("\\n" + pathlib.Path("m.py").read_text())
assert hotswap.swap().applied
hotswap.stop()
hotswap.start(["."], watch=False)
late = next(running)
pathlib.Path("m.py").write_text(pathlib.Path("m.py").read_text().replace("one", "two"))
report = hotswap.swap()
assert [finding.code for finding in report.findings] == ["HS403"], str(report)
assert late() == "two"
last = next(running)
running.close()
end = time.monotonic() + 20
while last() != "two" and time.monotonic() < end:
    time.sleep(0.02)
assert last() == "two"
'''
    (tmp_path / "m.py").write_text(LOOP)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)


def test_closure_that_cannot_go_back_is_named(program: Program) -> None:
    text = "def make(a, b):\n    def inner():\n        return a{more}\n    return inner\n"
    m = program.load("m", text.format(more=", b"))
    told: list[Any] = []
    program.engine.on_finding = told.append
    assert program.edit("m", text.format(more="")).applied
    between = m.make(1, 2)
    program.engine.rollback()
    assert comes_true(lambda: [finding.code for finding in told] == ["HS404"]), told
    assert between() == 1 and m.make(1, 2)() == (1, 2)
    assert not program.engine.world.outdated


def test_frame_that_an_old_frame_begins_is_waited_for(program: Program, turns: list[Turns]) -> None:
    """What encloses a function may make it, also where it has only begun after the commit."""
    text = """
def outer(commit, begin):
    commit()
    def middle(turns):
        while True:
            turns()
            yield lambda: "one"
    begin(middle)
"""
    m = program.load("m", text)
    m.outer(
        lambda: program.edit("m", text.replace('"one"', '"two"')),
        lambda middle: turns.append(Turns(middle)),
    )
    time.sleep(0.5)  # some looks
    late, last = turns[0].next(), turns[0].end()
    assert comes_true(lambda: (late(), last()) == ("two", "two"))
    assert comes_true(lambda: not program.engine.world.outdated)
