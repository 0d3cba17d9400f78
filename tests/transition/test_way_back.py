"""A rollback takes names away that the change had brought: who may use them is waited for, in a unit of work or outside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import hotswap
from hotswap.errors import RollbackError
from hotswap.model import Consistency
from hotswap.requests.gate import GATE
from tests.sample import some
from tests.transition.moving import Patched, Pause, in_thread, said, wait_until

pytestmark = pytest.mark.once

IMMEDIATE, TASK, QUIESCENT = Consistency

OLD_LIB = """
def f(wait):
    wait()
    return "old"

def g():
    return 1
"""
#: The body of one function, and what it uses: a change that is safe at once.
NEW_LIB = """
RATE = 2

def f(wait):
    wait()
    return extra(), RATE, Extra().size

def g():
    return 1

def extra():
    return further()

def further():
    return 2

class Extra:
    size = 2

def work(wait):
    wait()
    return further()
"""
#: The bodies of two.
BOTH = NEW_LIB.replace("return 1", "return RATE")
NEW = (2, 2, 2)


def in_unit(call: Callable[..., Any], wait: Callable[[], None]) -> Any:
    with hotswap.task("unit"):
        return call(wait)


def outside(call: Callable[..., Any], wait: Callable[[], None]) -> Any:
    return call(wait)


@pytest.mark.parametrize("around", [in_unit, outside])
@pytest.mark.parametrize(
    ("text", "wish", "made"), [(NEW_LIB, None, IMMEDIATE), (BOTH, None, TASK), (BOTH, QUIESCENT, QUIESCENT)]
)
@pytest.mark.parametrize("name", some(["f", "work"], 2))
def test_who_runs_new_code_has_the_names_that_came_with_it_to_its_end(
    program: Patched, around: Callable[..., Any], text: str, wish: Consistency | None, made: Consistency, name: str
) -> None:
    """1 a call of the new code is under way, of a function that changed or one that came, 2 the rollback, 3 the call uses a name
    that goes, 4 it ends: the name is gone."""
    lib: Any = program.load("lib", OLD_LIB)
    assert program.patch(wish, lib=text).consistency is made
    pause = Pause()
    running, given = in_thread(around, getattr(lib, name), pause)
    assert pause.is_there.wait(20)
    with pytest.raises(RollbackError, match="HS622"):
        program.back(deadline=0.05)
    assert lib.f(lambda: None) == NEW
    switching, reports = in_thread(program.back)
    wait_until(lambda: GATE.look()[0] != "open" or lib.f(lambda: None) == "old" or not switching.is_alive())
    assert switching.is_alive()
    pause.may_go.set()
    running.join(20)
    switching.join(20)
    assert given == [NEW if name == "f" else 2]
    assert reports[0].rolled_back
    assert [each for each in ("RATE", "extra", "further", "Extra", "work") if hasattr(lib, each)] == []
    assert lib.f(lambda: None) == "old"


def test_a_rollback_at_once_is_refused_where_names_go(program: Patched) -> None:
    """By the wish for it; without one the rollback says why it takes more than the change."""
    lib: Any = program.load("lib", OLD_LIB)
    assert program.patch(lib=NEW_LIB).consistency is IMMEDIATE
    report = program.back()
    assert report.consistency is TASK
    assert "names go that have come with it" in said(report, "HS620")
    assert not hasattr(lib, "extra")


def test_an_endless_call_that_uses_no_such_name_is_not_waited_for(program: Patched) -> None:
    """By task, as before: it ends in the code in which it began."""
    stop = threading.Event()
    loop = "def g(stop):\n    while not stop.wait(0.001): pass\n    return 1"
    text = OLD_LIB.replace("def g():\n    return 1", loop)
    new = text.replace('return "old"', "return extra()").replace("return 1", "return 2") + "\ndef extra():\n    return 'new'\n"
    lib: Any = program.load("lib", text)
    assert program.patch(TASK, lib=new).applied
    running, given = in_thread(lib.g, stop)
    report = program.back()
    assert report.consistency is TASK
    assert (lib.f(lambda: None), hasattr(lib, "extra")) == ("old", False)
    stop.set()
    running.join(20)
    assert given == [2]
