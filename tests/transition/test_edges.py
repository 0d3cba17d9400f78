"""Changes that meet what is unusual: units inside of units of the other version, tasks that are cancelled, forks."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from typing import Any

import pytest

import hotswap
from hotswap.model import Consistency
from hotswap.requests.gate import GATE
from tests.transition.moving import NEW, NEW_SHOP, OLD, SHOP, Patched, Pause, in_thread, said, wait_until

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")]

IMMEDIATE, TASK, QUIESCENT = Consistency


def ask(shop: Any) -> list[Any]:
    given: list[Any] = shop.two(lambda: None)
    return given


def is_plain(shop: Any) -> bool:
    return [f.__kwdefaults__ for f in (shop.one, shop.two, shop.Cart.size)] == [None] * 3


def test_a_unit_inside_of_one_of_the_other_version_is_a_part_of_it(program: Patched, shop: Any) -> None:
    """1 an old unit, 2 split, 3 it begins others, in its thread and in tasks: they are old, and so is what is left of it."""
    pause = Pause()

    async def parts() -> list[Any]:
        async def part() -> list[Any]:
            async with hotswap.task("part"):
                return ask(shop)

        return await asyncio.gather(part(), asyncio.create_task(part()), asyncio.to_thread(_in_unit, shop))

    def unit() -> list[Any]:
        with hotswap.task("outer"):
            pause()
            return [*asyncio.run(parts()), _in_unit(shop), ask(shop)]

    old, answers = in_thread(unit)
    assert pause.is_there.wait(20)
    switching, _ = in_thread(lambda: program.patch(TASK, shop=NEW_SHOP))
    wait_until(lambda: ask(shop) == NEW)
    pause.may_go.set()
    for thread in (old, switching):
        thread.join(20)
    assert answers == [[OLD] * 5]
    assert is_plain(shop)


def _in_unit(shop: Any) -> list[Any]:
    with hotswap.task("part"):
        return ask(shop)


def test_a_task_that_is_cancelled_ends_what_a_change_waits_for(program: Patched, shop: Any) -> None:
    """1 an old unit in a task, 2 split, 3 the task is cancelled, and asks once more on its way out: old; the change is over."""
    inside, seen, loop = threading.Event(), [], asyncio.new_event_loop()

    async def unit() -> None:
        async with hotswap.task("unit"):
            try:
                inside.set()
                await asyncio.Event().wait()
            finally:
                seen.append(ask(shop))

    runner, _ = in_thread(loop.run_forever)
    task = asyncio.run_coroutine_threadsafe(unit(), loop)
    assert inside.wait(20)
    switching, reports = in_thread(lambda: program.patch(TASK, shop=NEW_SHOP))
    wait_until(lambda: ask(shop) == NEW)
    task.cancel()
    switching.join(20)
    loop.call_soon_threadsafe(loop.stop)
    runner.join(20)
    loop.close()
    assert reports[0].applied
    assert seen == [OLD]
    assert is_plain(shop)


def test_what_goes_on_behind_an_old_unit_takes_the_new_code(program: Patched, shop: Any) -> None:
    """1 a thread in a copy of the context of a unit that has ended, 2 split, with another old unit inside, 3 it asks: new, as for
    all code outside of any unit; nobody waits for it, and what it might be using goes."""
    behind, other, seen = Pause(), Pause(), []

    def go_on() -> None:
        behind()
        seen.append(ask(shop))

    with hotswap.task("ended"):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(go_on,), daemon=True)
        thread.start()
        assert behind.is_there.wait(20)
    old, answers = in_thread(_hold, shop, other)
    assert other.is_there.wait(20)
    switching, _ = in_thread(lambda: program.patch(TASK, shop=NEW_SHOP))
    wait_until(lambda: ask(shop) == NEW)
    behind.may_go.set()
    thread.join(20)
    other.may_go.set()
    for each in (old, switching):
        each.join(20)
    assert (seen, answers) == ([NEW], [OLD])


def _hold(shop: Any, pause: Pause) -> list[Any]:
    with hotswap.task("unit"):
        pause()
        return ask(shop)


def test_another_change_waits_for_the_one_before(program: Patched, shop: Any) -> None:
    """1 an old unit, 2 a change is split, 3 another one is asked for, 4 the unit ends: first the one, then the other."""
    pause = Pause()
    old, answers = in_thread(_hold, shop, pause)
    assert pause.is_there.wait(20)
    first, one = in_thread(lambda: program.patch(TASK, shop=NEW_SHOP))
    wait_until(lambda: ask(shop) == NEW)
    second, two = in_thread(lambda: program.patch(shop=SHOP))
    assert ask(shop) == NEW
    pause.may_go.set()
    for thread in (old, first, second):
        thread.join(20)
    assert answers == [OLD]
    assert [one[0].applied, two[0].applied] == [True, True]
    assert ask(shop) == OLD
    assert is_plain(shop)


def test_force_at_the_deadline_of_a_split_leaves_nothing_behind(program: Patched, shop: Any) -> None:
    """Forth and back: the old unit is named, and goes on in the new code."""
    for make, before, after in ((lambda: program.patch(TASK, deadline=0.1, force=True, shop=NEW_SHOP), OLD, NEW),
                                (lambda: program.back(deadline=0.1, force=True), NEW, OLD)):  # fmt: skip
        pause = Pause()
        old, answers = in_thread(_hold, shop, pause)
        assert pause.is_there.wait(20)
        assert ask(shop) == before
        report = make()
        assert "unit (for " in said(report, "HS623")
        assert (ask(shop), is_plain(shop)) == (after, True)
        pause.may_go.set()
        old.join(20)
        assert answers == [after]


def test_a_child_that_was_forked_in_a_change_makes_its_own(program: Patched, shop: Any) -> None:
    """1 a change waits at rest for a unit, 2 a fork, 3 in the child a change waits
    for the child's own units, whatever the parent's was about to do."""
    pause = Pause()
    old, _ = in_thread(_hold, shop, pause)
    assert pause.is_there.wait(20)
    switching, _ = in_thread(lambda: program.patch(QUIESCENT, shop=NEW_SHOP))
    wait_until(lambda: GATE.look()[0] == "draining")
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _change_in_child(program, shop)
        finally:  # nothing of the parent's test may run on in here; an exception is the code 1
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pause.may_go.set()
    old.join(20)
    switching.join(20)


def _change_in_child(program: Patched, shop: Any) -> int:
    locks: list[Any] = [program.engine.lock, program.engine.world.lock]
    for lock in locks:
        lock._at_fork_reinit()  # what hotswap.fork does
    program.engine.after_fork()
    pause = Pause()
    old, _ = in_thread(_hold, shop, pause)
    assert pause.is_there.wait(20)
    report = program.patch(QUIESCENT, deadline=0.1, shop=NEW_SHOP)
    if report.applied or "unit (for" not in said(report, "HS622"):
        return 2
    pause.may_go.set()
    old.join(20)
    return 0 if program.patch(QUIESCENT, shop=NEW_SHOP).consistency is QUIESCENT and ask(shop) == NEW else 3
