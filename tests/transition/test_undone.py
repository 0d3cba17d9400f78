"""What becomes of a change that fails or is blocked on its way: it is undone in reverse order, and ends at its deadline."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import hotswap
from hotswap import commit
from hotswap.errors import RollbackError
from hotswap.model import Consistency, Report
from hotswap.requests.gate import GATE, Gate
from hotswap.transition import mover
from hotswap.transition.moving import Choice, OldNames
from tests.transition.moving import NEW, NEW_SHOP, OLD, SHOP, Patched, Pause, in_thread, said, wait_until

pytestmark = pytest.mark.once  # much the same on every interpreter

_, TASK, QUIESCENT = Consistency


def unit(shop: Any, pause: Pause) -> list[Any]:
    """A unit that waits, and then asks twice."""
    with hotswap.task("unit"):
        pause()
        return [shop.two(lambda: None), shop.two(lambda: None)]


def check_undone(shop: Any) -> None:
    """Nothing of the change is left: no choices, no new names, no new values; nobody is kept out."""
    gc.collect()
    assert [item for item in gc.get_objects() if type(item) in (Choice, OldNames)] == []
    assert [f.__kwdefaults__ for f in (shop.one, shop.two, shop.Cart.size)] == [None] * 3
    assert (shop.RATE, hasattr(shop, "extra"), shop.two(lambda: None)) == (1, False, OLD)
    assert GATE.look()[0] == "open"


def old_unit(shop: Any) -> tuple[Pause, threading.Thread, list[Any]]:
    pause = Pause()
    thread, answers = in_thread(unit, shop, pause)
    assert pause.is_there.wait(20)
    return pause, thread, answers


# ---- a failure behind the split ----


def test_what_fails_when_a_blocker_is_described_is_undone(
    program: Patched, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 split, 2 the deadline, 3 a fault of ours: old and new code do not stay beside each other, the old unit ends in it."""
    pause, thread, answers = old_unit(shop)
    monkeypatch.setattr(mover, "describe_unit", lambda visit: 1 / 0)
    report = program.patch(TASK, deadline=0.05, shop=NEW_SHOP)
    assert "ZeroDivisionError" in [finding.excerpt for finding in report.held if finding.code == "HS599"][0]
    check_undone(shop)
    pause.may_go.set()
    thread.join(20)
    assert answers == [[OLD, OLD]]


def test_a_signal_while_old_units_are_waited_for_undoes_the_change(
    program: Patched, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised on, and the next change finds a program as before."""
    waits = Gate.wait_left
    interrupts = iter([True])

    def wait_left(*args: Any) -> Any:
        if next(interrupts, False):
            raise KeyboardInterrupt
        return waits(*args)

    monkeypatch.setattr(Gate, "wait_left", wait_left)
    with pytest.raises(KeyboardInterrupt):
        program.patch(TASK, shop=NEW_SHOP)
    check_undone(shop)
    assert program.patch(TASK, shop=NEW_SHOP).applied
    assert shop.two(lambda: None) == NEW


def failing_at(count: int, monkeypatch: pytest.MonkeyPatch, *, for_ever: bool = False) -> None:
    """Let one of the commits of a change fail."""
    run, calls = commit.run, [0]

    def failing(writes: Any) -> float:
        calls[0] += 1
        if calls[0] == count or (for_ever and calls[0] > count):
            raise commit.WriteError("a write that an audit hook refuses") from PermissionError()
        return run(writes)

    monkeypatch.setattr(commit, "run", failing)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_each_step_that_fails_undoes_those_before(
    program: Patched, shop: Any, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Choosing, split and plain."""
    with monkeypatch.context() as patched:
        failing_at(step, patched)
        report = program.patch(TASK, shop=NEW_SHOP)
    assert [finding.code for finding in report.held] == ["HS599"]
    check_undone(shop)
    assert program.patch(TASK, shop=NEW_SHOP).applied


def test_what_cannot_be_undone_is_said(program: Patched, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written any more the report does not say that nothing was applied."""
    with monkeypatch.context() as patched:
        failing_at(3, patched, for_ever=True)
        report = program.patch(TASK, shop=NEW_SHOP)
    assert "stay beside each other" in said(report, "HS599")
    assert "nothing was applied" not in said(report, "HS599")


def test_a_door_that_somebody_else_holds_does_not_keep_a_change_split(
    program: Patched, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 split, 2 another thread holds the door, as for changed templates, 3 the deadline: reversed all the same."""
    pause, thread, answers = old_unit(shop)
    monkeypatch.setattr(mover, "REVERSAL", 0.1)
    monkeypatch.setattr(GATE, "patience", 0.1)
    give_up = mover.Mover._give_up
    held, may_open = threading.Event(), threading.Event()

    def hold() -> None:
        GATE.hold()
        held.set()
        assert may_open.wait(20)
        GATE.open()

    def meanwhile(*args: Any) -> None:
        in_thread(hold)
        assert held.wait(20)
        give_up(*args)

    monkeypatch.setattr(mover.Mover, "_give_up", meanwhile)
    report = program.patch(TASK, deadline=0.05, shop=NEW_SHOP)
    assert "unit (for" in said(report, "HS622")
    may_open.set()
    wait_until(lambda: GATE.look()[0] == "open")
    check_undone(shop)
    pause.may_go.set()
    thread.join(20)
    assert answers == [[OLD, OLD]]


def test_the_door_is_open_whatever_becomes_of_the_safe_points(
    program: Patched, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal while the ranks are told."""

    def end(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(program.engine.mover.points), "end", end)
        with pytest.raises(KeyboardInterrupt):
            program.patch(QUIESCENT, shop=NEW_SHOP)
    program.engine.mover.points.end()
    assert GATE.look()[0] == "open"
    assert program.patch(QUIESCENT, shop=SHOP).applied


def test_another_thread_that_holds_the_door_is_waited_for_until_the_deadline_only(program: Patched, shop: Any) -> None:
    """Not as long as a request would wait."""
    held, may_open = threading.Event(), threading.Event()

    def hold() -> None:
        GATE.hold()
        held.set()
        assert may_open.wait(60)
        GATE.open()

    holder, _ = in_thread(hold)
    assert held.wait(20)
    switching, reports = in_thread(lambda: program.patch(QUIESCENT, deadline=0.05, shop=NEW_SHOP))
    switching.join(15)
    may_open.set()
    holder.join(20)
    assert "is under way, which does not end" in said(reports[0], "HS622")


# ---- no end ----

BUSY = """
import threading
stop = threading.Event()

def work(ready):
    ready.set()
    assert stop.wait(60)
    return "old"

class Kind:
    label = "old"
"""


@pytest.fixture
def busy(program: Patched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function in which somebody is whenever the change is written, and nobody whenever it is looked."""
    lib: Any = program.load("busy", BUSY)
    ready = threading.Event()
    thread, _ = in_thread(lib.work, ready)
    assert ready.wait(20)
    monkeypatch.setattr(mover, "find_blockers", lambda *args, **kwargs: [])
    yield lib
    lib.stop.set()
    thread.join(20)


def test_who_is_met_at_each_attempt_is_waited_for_until_the_deadline_only(program: Patched, busy: Any) -> None:
    """A thread that comes and goes; the change is reversed, and so is a rollback."""
    switching, reports = in_thread(lambda: program.patch(QUIESCENT, deadline=0.2, busy=BUSY.replace('"old"', '"new"')))
    switching.join(15)
    assert not switching.is_alive()
    assert "who comes and goes" in said(reports[0], "HS622")
    assert busy.Kind.label == "old"


def test_who_is_met_at_each_attempt_is_overruled_by_force(program: Patched, busy: Any) -> None:
    """At the deadline, and named; the rollback is held in the same way, and forced."""
    switching, reports = in_thread(
        lambda: program.patch(QUIESCENT, deadline=0.2, force=True, busy=BUSY.replace('"old"', '"new"'))
    )
    switching.join(15)
    assert not switching.is_alive()
    assert "who comes and goes" in said(reports[0], "HS623")
    assert busy.Kind.label == "new"


def test_a_rollback_that_meets_somebody_at_each_attempt_ends(
    program: Patched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its deadline, with the reason."""
    lib: Any = program.load("busy", BUSY)
    assert program.patch(QUIESCENT, busy=BUSY.replace('"old"', '"new"')).applied
    ready = threading.Event()
    thread, _ = in_thread(lib.work, ready)
    assert ready.wait(20)
    monkeypatch.setattr(mover, "find_blockers", lambda *args, **kwargs: [])

    def back() -> Report | str:
        try:
            return program.back(deadline=0.2)
        except RollbackError as error:
            return str(error)

    switching, given = in_thread(back)
    switching.join(15)
    assert not switching.is_alive()
    assert "HS622" in given[0]
    lib.stop.set()
    thread.join(20)
    assert lib.Kind.label == "new"
