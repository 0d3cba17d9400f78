"""What a change turns out to need when it is linked: more than its plan has said, which is asked for and never mixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import hotswap
from hotswap.errors import RollbackError
from hotswap.model import Consistency, Finding, Report, Severity
from hotswap.plugin.specs import hookimpl
from hotswap.requests.gate import GATE
from tests.transition.moving import Patched, Pause, in_thread, said, wait_until

pytestmark = pytest.mark.once

IMMEDIATE, TASK, QUIESCENT = Consistency


# ---- plugins ----

ROWS = "ROWS = [1]\n\ndef f():\n    return ROWS[0]\n"
NEW_ROWS = ROWS.replace("1", "2")


class Asked:
    """A plugin that brings something of its own to rest, and leads nothing along."""

    def __init__(self, vote: Callable[[], list[Finding]] = list) -> None:
        self.calls: list[str] = []
        self.vote = vote

    @hookimpl
    def hotswap_quiesce(self) -> list[Finding]:
        self.calls.append("quiesce")
        return self.vote()

    @hookimpl
    def hotswap_prepare(self) -> None:
        self.calls.append("prepare")

    @hookimpl
    def hotswap_release(self) -> None:
        self.calls.append("release")


def no() -> list[Finding]:
    return [Finding(code="HS510", severity=Severity.HELD, message="a job of ours has not ended", next_step="wait")]


def test_plugins_are_asked_when_a_change_turns_out_to_need_rest(program: Patched) -> None:
    """They bring to rest what is theirs, and note once more what they need: what they have noted before is of a busy program."""
    lib: Any = program.load("lib", ROWS)
    plugin = Asked()
    program.engine.plugins.register(plugin, "asked")
    report = program.patch(lib=NEW_ROWS)
    assert (report.consistency, lib.f()) == (QUIESCENT, 2)
    assert plugin.calls == ["prepare", "quiesce", "prepare", "release"]
    plugin.calls.clear()
    program.back()
    assert (plugin.calls, lib.f()) == (["quiesce", "prepare", "release"], 1)


def test_plugins_may_refuse_what_turns_out_to_need_rest(program: Patched) -> None:
    """Nothing is changed then, and their reason is told."""
    lib: Any = program.load("lib", ROWS)
    plugin = Asked(no)
    program.engine.plugins.register(plugin, "asked")
    report = program.patch(lib=NEW_ROWS)
    assert not report.applied
    assert "a job of ours has not ended" in said(report, "HS510")
    assert (plugin.calls, lib.f()) == (["prepare", "quiesce", "release"], 1)


def test_what_was_forced_is_taken_back_with_what_it_has_turned_out_to_need(program: Patched) -> None:
    """The plan has said ``task``, the live objects more; the rollback, which is not forced, asks plugins and waits."""
    lib: Any = program.load("lib", ROWS)
    plugin = Asked()
    program.engine.plugins.register(plugin, "asked")
    assert program.patch(TASK, force=True, lib=NEW_ROWS).consistency is TASK
    assert plugin.calls == ["prepare", "release"]
    assert program.engine.world.history[-1].need is QUIESCENT
    plugin.vote = no
    with pytest.raises(RollbackError, match="a job of ours has not ended"):
        program.back()
    assert lib.f() == 2
    plugin.vote = list
    assert program.back().consistency is QUIESCENT
    assert lib.f() == 1


# ---- what a function has besides its code ----


def both_sides(program: Patched, text: str, ask: Callable[[], str], new: str) -> tuple[Report, list[Any]]:
    """1 an old unit is inside, 2 the change comes as far as it does, 3 the old unit asks; gives what it was answered."""
    pause = Pause()

    def unit() -> list[Any]:
        with hotswap.task("unit"):
            before = ask()
            pause()
            return [before, ask()]

    old, answers = in_thread(unit)
    assert pause.is_there.wait(20)
    switching, reports = in_thread(lambda: program.patch(lib=text))
    wait_until(lambda: GATE.look()[0] == "draining" or ask() == new, "it is live for others, or waits")
    pause.may_go.set()
    old.join(20)
    switching.join(20)
    assert reports[0].applied, reports[0]
    assert ask() == new
    return reports[0], answers[0]


@pytest.mark.parametrize(
    ("text", "consistency"),
    [
        ("TARIFF = 1\n\ndef f(x=TARIFF):\n    return x\n", TASK),
        ("TARIFF = 1\n\ndef f(x=TARIFF):\n    return 1, x\n", TASK),
        ("TARIFF = 1\n\nclass C:\n    def m(self, x=TARIFF):\n        return x\n\ndef f():\n    return C().m()\n", TASK),
        ("TARIFF = 1\n\ndef f(*, x=TARIFF):\n    return x\n", QUIESCENT),
        ("TARIFF = 1\n\ndef f(x: TARIFF = 0):\n    return f.__annotations__['x']\n", QUIESCENT),
        ("def f():\n    '''1'''\n    return f.__doc__\n\ndef g():\n    return 1\n", QUIESCENT),
        ("TARIFF = 1\n\ndef f():\n    return f.rate\n\nf.rate = TARIFF\n", QUIESCENT),
    ],
)  # fmt: skip
def test_a_unit_meets_nothing_of_the_other_version_at_a_function(
    program: Patched, text: str, consistency: Consistency
) -> None:
    """Defaults are chosen with the code; what a function shows of itself is there once, so the change waits, and says so."""
    lib: Any = program.load("lib", text)
    report, answers = both_sides(program, text.replace("1", "2"), lambda: str(lib.f()), str(lib.f()).replace("1", "2"))
    assert answers == [str(lib.f()).replace("2", "1")] * 2
    assert report.consistency is consistency
    assert str(consistency) in said(report, "HS620")


def test_a_docstring_that_nobody_reads_needs_no_rest(program: Patched) -> None:
    """It changes together with what the function does."""
    text = "def f():\n    '''1'''\n    return 1\n\ndef g():\n    return 1\n"
    lib: Any = program.load("lib", text)
    report = program.patch(TASK, lib=text.replace("1", "2"))
    assert (report.consistency, lib.f.__doc__, lib.f()) == (TASK, "2", 2)
