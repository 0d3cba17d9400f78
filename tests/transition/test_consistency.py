"""Who moves when: what the plan chooses, what a unit of work is answered by, who blocks a change and what becomes of it then.

Each interleaving is forced by events; nothing is slept for.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import hotswap
from hotswap.errors import RollbackError
from hotswap.model import ChangeSet, Consistency, Report, SourceFile, Wish
from hotswap.plugin.specs import hookimpl
from hotswap.requests.gate import GATE
from hotswap.transition import mover, rest
from hotswap.transition.consistency import find_need
from hotswap.transition.moving import Choice, OldNames
from tests.transition.green import greenlet
from tests.transition.moving import NEW, NEW_SHOP, OLD, SHOP, Patched, Pause, in_thread, said, wait_until

# What relies on the interpreter is in test_moving.py.
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")]

IMMEDIATE, TASK, QUIESCENT = Consistency


def no_wait() -> None:
    pass


def answer(shop: Any, *waits: Callable[[], None]) -> list[Any]:
    """What one unit of work is answered."""
    with hotswap.task("answer"):
        return [shop.two(wait) for wait in waits or (no_wait,)]


def is_plain(shop: Any) -> bool:
    """Whether each function runs code of its text, and nothing is left of a transition."""
    gc.collect()
    left = [item for item in gc.get_objects() if type(item) in (Choice, OldNames)]
    plain = [is_plain_code(f) and "__wrapped__" not in vars(f) for f in (shop.one, shop.two, shop.Cart.size)]
    return all(plain) and not left


# ---- what the plan chooses ----

BASE = """
RATE = 1
ROWS = [1]

def one():
    return RATE

def two(a=1):
    return one()

class Cart:
    size = 1
    def count(self):
        return 1
"""


@pytest.mark.parametrize(
    ("old", "new", "chosen", "why"),
    [
        ("return RATE", "return RATE + 1", IMMEDIATE, "the body of shop.one alone changes"),
        ("\ndef one", "\n# said\ndef one", IMMEDIATE, "nothing that runs already changes"),
        ("ROWS = [1]", "ROWS = [1]\ndef three(): pass", IMMEDIATE, "nothing that runs already changes"),
        ("return one()", "return one() + RATE - RATE", IMMEDIATE, "the body of shop.two alone changes"),
        ("RATE = 1", "RATE = 2", TASK, "shop.RATE change together"),
        ("RATE\n\ndef two(a=1):\n    return one()", "-RATE\n\ndef two(a=1):\n    return -one()", TASK, "shop.one, shop.two"),
        ("two(a=1)", "two(a=1, b=2)", QUIESCENT, "the parameters of shop.two change"),
        ("size = 1", "size = 2", QUIESCENT, "the body of class shop.Cart changes"),
        ("RATE = 1\n", "", QUIESCENT, "shop.RATE goes"),
        ("ROWS = [1]", "ROWS = [1]\nprint(end='')", QUIESCENT, "a statement is run for its effect"),
    ],
)
def test_the_plan_chooses_the_least_that_is_safe(program: Patched, old: str, new: str, chosen: Consistency, why: str) -> None:
    """And says why; told from the plan alone."""
    assert old in BASE
    program.load("shop", BASE)
    path, data = program._write("shop", BASE.replace(old, new))
    texts = program.engine.texts
    need = find_need(texts.plan(*texts.read([SourceFile(path=str(path), data=data)])))
    assert need.consistency is chosen
    assert why in need.why


def test_a_wish_that_is_too_weak_is_refused(program: Patched) -> None:
    """Nothing is changed. Without a wish the change is made as the plan chooses, and taken back as it was made."""
    shop = program.load("shop", BASE)
    new = BASE.replace("size = 1", "size = 2")
    for weak in (IMMEDIATE, TASK):
        report = program.patch(weak, shop=new)
        assert f"{weak} is not safe, quiescent is needed: the body of class shop.Cart changes" in said(report, "HS621")
        assert (report.applied, shop.Cart.size) == (False, 1)
    assert program.patch(shop=new).consistency is QUIESCENT
    assert shop.Cart.size == 2
    assert program.back().consistency is QUIESCENT
    assert shop.Cart.size == 1


class Settler:
    """A plugin that leads a framework to what is live."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl
    def hotswap_quiesce(self) -> None:
        self.calls.append("quiesce")

    @hookimpl
    def hotswap_prepare(self) -> None:
        self.calls.append("prepare")

    @hookimpl
    def hotswap_settle(self) -> None:
        self.calls.append("settle")


def test_a_plugin_that_leads_a_framework_along_counts_on_rest(program: Patched, shop: ModuleType) -> None:
    """No request may be inside then, however small the change is."""
    program.engine.plugins.register(Settler(), "frame")
    report = program.patch(shop=SHOP.replace("RATE * 1", "RATE + 0"))
    assert report.consistency is QUIESCENT
    assert "plugin frame leads its framework" in said(report, "HS620")


def test_a_plugin_whose_framework_is_not_there(program: Patched, shop: ModuleType) -> None:
    """It is installed and has nothing to lead in this service: nobody waits for it."""

    class Idle(Settler):
        @hookimpl
        def hotswap_leads(self) -> bool:
            return False

    program.engine.plugins.register(idle := Idle(), "frame")
    report = program.patch(shop=SHOP.replace("RATE * 1", "RATE + 0"))
    assert report.consistency is IMMEDIATE
    assert idle.calls == ["prepare", "settle"]


def test_a_forced_change_is_prepared_by_plugins_and_its_way_back_waits(program: Patched, shop: ModuleType) -> None:
    """Nobody is waited for, what is to be led along is noted all the same; the rollback, not forced, needs what the change has
    needed."""
    settler = Settler()
    program.engine.plugins.register(settler, "frame")
    report = program.patch(IMMEDIATE, force=True, shop=SHOP.replace("RATE * 1", "RATE + 0"))
    assert (report.consistency, settler.calls) == (IMMEDIATE, ["prepare", "settle"])
    report = program.back()
    assert (report.consistency, settler.calls[2:]) == (QUIESCENT, ["quiesce", "prepare", "settle"])
    assert "it was forced by immediate" in said(report, "HS620")


def test_more_than_is_needed_may_be_asked_for(program: Patched, shop: ModuleType) -> None:
    """A change that would be safe at once waits, and says what would do."""
    report = program.patch(QUIESCENT, shop=SHOP.replace("RATE * 1", "RATE + 0"))
    assert report.consistency is QUIESCENT
    assert "asked for, where immediate would do" in said(report, "HS620")


# ---- units of work ----


def test_by_task_old_units_end_in_the_old_code_and_new_ones_take_the_new(program: Patched) -> None:
    """1 an old unit is inside, 2 the change is live, 3 a new unit and code outside of any are new, 4 the old one calls on: old,
    5 it ends: all functions are plain again. The way back is the same."""
    program.load("shop", SHOP)
    import shop  # type: ignore[import-not-found]  # the fixture has just written it

    for make, before, after in ((lambda: program.patch(shop=NEW_SHOP), OLD, NEW), (program.back, NEW, OLD)):
        pause = Pause()
        old, answers = in_thread(lambda pause: _in_unit(shop, pause), pause)
        assert pause.is_there.wait(20)
        switching, reports = in_thread(make)
        wait_until(lambda: answer(shop) == [after], "new units are answered by the new code")
        assert shop.two(no_wait) == after
        assert inspect.signature(shop.two).parameters.keys() == {"wait"}
        assert switching.is_alive()
        pause.may_go.set()
        old.join(20)
        assert answers == [[before, before]]
        switching.join(20)
        assert reports[0].consistency is TASK
        assert is_plain(shop)
        assert answer(shop) == [after]


def test_a_stream_holds_no_change_by_task(program: Patched, shop: Any) -> None:
    """It is named, as with any other change, and what it calls afterwards is new."""
    pause = Pause()
    old, _ = in_thread(lambda pause: _in_unit(shop, pause), pause)
    assert pause.is_there.wait(20)
    (stream,) = GATE.look()[1]
    stream.is_sending, stream.since = True, stream.since - 3600
    report = program.patch(TASK, shop=NEW_SHOP)
    assert report.consistency is TASK
    assert "old unit (for " in said(report, "HS415")
    assert is_plain(shop)
    pause.may_go.set()
    old.join(20)


def _in_unit(shop: Any, pause: Pause) -> list[Any]:
    with hotswap.task("old unit"):
        pause()
        return [shop.two(no_wait), shop.two(no_wait)]


def test_a_call_that_reads_a_constant_is_waited_for(program: Patched, shop: Any) -> None:
    """1 a call has read a constant and will read it again, 2 the change comes: not live, nobody waits, 3 the call ends: live."""
    pause = Pause()
    old, answers = in_thread(answer, shop, pause)
    assert pause.is_there.wait(20)
    switching, reports = in_thread(lambda: program.patch(shop=NEW_SHOP))
    wait_until(lambda: not is_plain_code(shop.one), "functions choose")
    assert answer(shop) == [OLD]
    pause.may_go.set()
    old.join(20)
    switching.join(20)
    assert answers == [[OLD]]
    assert reports[0].consistency is TASK
    assert answer(shop) == [NEW]
    assert is_plain(shop)


def is_plain_code(function: Any) -> bool:
    return function.__kwdefaults__ is None and function.__code__.co_filename == function.__globals__["__file__"]


def test_at_rest_units_are_waited_for_and_new_ones_wait(program: Patched, shop: Any) -> None:
    """1 an old unit is inside, 2 the change comes, 3 a new unit waits at the door, 4 the old one ends: one is old, one is new."""
    pause = Pause()
    old, answers = in_thread(answer, shop, pause, no_wait)
    assert pause.is_there.wait(20)
    switching, reports = in_thread(lambda: program.patch(QUIESCENT, shop=NEW_SHOP))
    wait_until(lambda: GATE.look()[0] == "draining", "the door is held")
    new, later = in_thread(answer, shop)
    assert shop.one() == 1
    pause.may_go.set()
    for thread in (old, switching, new):
        thread.join(20)
    assert (answers, later) == ([[OLD, OLD]], [[NEW]])
    assert reports[0].applied
    assert is_plain(shop)


def test_asyncio_tasks_of_a_unit_belong_to_it_and_threads_do_not(program: Patched, shop: Any) -> None:
    """A task that an old unit starts is answered by the old code, a plain thread by the new, one in a copy of its context by the
    old."""
    inside, may_go, found = threading.Event(), threading.Event(), {}

    async def unit() -> None:
        async with hotswap.task("unit"):
            inside.set()
            await asyncio.to_thread(may_go.wait, 20)

            async def part() -> Any:
                return shop.two(no_wait)

            found["task"] = await asyncio.create_task(part())
            found["in a copy"] = await asyncio.to_thread(shop.two, no_wait)
            thread, given = in_thread(shop.two, no_wait)
            await asyncio.to_thread(thread.join, 20)
            found["thread"] = given[0]

    old, _ = in_thread(lambda: asyncio.run(unit()))
    assert inside.wait(20)
    switching, _ = in_thread(lambda: program.patch(TASK, shop=NEW_SHOP))
    wait_until(lambda: answer(shop) == [NEW])
    may_go.set()
    old.join(20)
    switching.join(20)
    assert found == {"task": OLD, "in a copy": OLD, "thread": NEW}


def test_coroutines_and_generators_choose_too(program: Patched) -> None:
    """Functions that change keep their kind meanwhile, and each body is of one version."""
    text = "async def fetch():\n    return 1\n\ndef rows():\n    yield 1\n\nasync def stream():\n    yield 1\n"
    lib = program.load("lib", text)

    async def ask() -> list[Any]:
        kinds = [inspect.iscoroutinefunction(lib.fetch), inspect.isgeneratorfunction(lib.rows)]
        return [await lib.fetch(), *lib.rows(), *[item async for item in lib.stream()], *kinds]

    pause = Pause()

    def unit() -> list[Any]:
        with hotswap.task("unit"):
            pause()
            return asyncio.run(ask())

    old, answers = in_thread(unit)
    assert pause.is_there.wait(20)
    switching, reports = in_thread(lambda: program.patch(lib=text.replace("1", "2")))
    wait_until(lambda: asyncio.run(ask())[:3] == [2, 2, 2])
    pause.may_go.set()
    old.join(20)
    switching.join(20)
    assert answers == [[1, 1, 1, True, True]]
    assert reports[0].consistency is TASK
    assert asyncio.run(ask()) == [2, 2, 2, True, True]


# ---- what has no two versions ----


@pytest.mark.parametrize(
    ("shop", "views", "why"),
    [
        ("RATE = 1\ndef f(): return RATE", "import shop\ndef g(): return shop.RATE", "may read RATE of another module"),
        ("RATE = 1\ndef f(): return RATE", "def g():\n    from shop import RATE", "may read RATE of another module"),
        ("RATE = 1\ndef f(): return globals()['RATE']", "", "by its text"),
        ("RATE = 1\nSEEN = 0\ndef f():\n    global SEEN\n    SEEN += RATE", "", "assigns globals"),
        ("RATE = 1\ndef f(): return lambda: RATE", "", "may outlive the old code"),
        ("RATE = 1\ndef f(): return eval('1') + RATE", "", "calls eval"),
        ("RATE = [1]\ndef f(): return RATE", "", "one for old and new code"),
        ("import functools\nRATE = 1\n@functools.lru_cache\ndef g(): return RATE\ndef f(): g()", "", "one for old and new"),
    ],
)  # fmt: skip
def test_what_cannot_be_in_two_versions_needs_rest(program: Patched, shop: str, views: str, why: str) -> None:
    """The wish for ``task`` is refused with the reason, and nothing is changed."""
    gc.collect()  # functions of other cases read a constant of the same name
    lib = program.load("shop", shop)
    program.load("views", views)
    before = lib.f.__code__
    report = program.patch(TASK, shop=shop.replace("1", "2"))
    assert why in said(report, "HS621")
    assert lib.f.__code__ is before
    assert lib.RATE in (1, [1])


def test_a_change_that_turns_out_to_need_rest_waits_for_it(program: Patched) -> None:
    """Where nothing else is asked for: what the plan took for a constant is none, and the report says so; --check foresees it."""
    lib = program.load("shop", "RATE = [1]\ndef f(): return RATE[0]")
    path, data = program._write("shop", "RATE = [2]\ndef f(): return RATE[0]")
    changes = ChangeSet(files=(SourceFile(path=str(path), data=data),))
    found = program.engine.preflight(changes, wish=Wish()).findings
    assert ["quiescent: " in finding.message for finding in found if finding.code == "HS620"] == [True]
    [refused] = [f for f in program.engine.preflight(changes, wish=Wish(consistency=TASK)).findings if f.code == "HS621"]
    pause = Pause()
    old, _ = in_thread(lambda: _hold(pause))
    assert pause.is_there.wait(20)
    switching, reports = in_thread(lambda: program.patch(shop="RATE = [2]\ndef f(): return RATE[0]"))
    wait_until(lambda: GATE.look()[0] == "draining", "the unit is waited for")
    assert lib.f() == 1
    pause.may_go.set()
    old.join(20)
    switching.join(20)
    assert reports[0].consistency is QUIESCENT
    assert said(reports[0], "HS620").startswith("HS620 quiescent: ")
    assert refused.message.endswith(said(reports[0], "HS620").removeprefix("HS620 quiescent: ").rstrip("; "))
    assert lib.f() == 2


def _hold(pause: Pause) -> None:
    with hotswap.task("held"):
        pause()


# ---- blockers, reversal, force ----

LOOPS = """
import asyncio, threading
stop = threading.Event()

def spin(ready):
    while not stop.wait(0.001):
        ready.set()
    return "old"

async def wait_for_ever(ready):
    ready.set()
    await asyncio.get_running_loop().create_future()
    return "old"

def generate():
    yield "old"
    yield "old"

def deep(switch):
    switch()
    return "old"

class Kind:
    label = "old"
"""
NEW_LOOPS = LOOPS.replace('"old"', '"new"')


@pytest.fixture
def loops(program: Patched) -> Iterator[Any]:
    made: Any = program.load("loops", LOOPS)
    yield made
    made.stop.set()


def line_of(text: str) -> int:
    return LOOPS[: LOOPS.index(text)].count("\n") + 1


def check_reversed(program: Patched, loops: Any, report: Report, *parts: str) -> None:
    assert not report.applied
    message = said(report, "HS622")
    for part in parts:
        assert part in message, message
    assert report.held[0].next_step
    assert (loops.Kind.label, GATE.look()) == ("old", ("open", []))
    assert next(loops.generate()) == "old"


def test_an_endless_loop_is_named_and_the_change_reversed(program: Patched, loops: Any) -> None:
    """A thread in a function that changes, by thread, function, file and line; when it has ended the change is possible."""
    ready = threading.Event()
    thread, _ = in_thread(loops.spin, ready, name="spinner")
    assert ready.wait(20)
    report = program.patch(deadline=0.05, loops=NEW_LOOPS)
    check_reversed(program, loops, report, "thread spinner is in loops.spin", f"{loops.__file__}:", "after 0.05 s", "safe_point")
    assert report.held[0].line in (line_of("while not"), line_of("ready.set()"))
    loops.stop.set()
    thread.join(20)
    assert program.patch(deadline=20, loops=NEW_LOOPS).applied


def test_a_coroutine_that_waits_for_ever_is_named(program: Patched, loops: Any) -> None:
    """By its task and the line where it waits; and so is a generator."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    thread, _ = in_thread(loop.run_forever)
    task = asyncio.run_coroutine_threadsafe(_named(loops, ready), loop)
    assert ready.wait(20)
    report = program.patch(deadline=0.05, loops=NEW_LOOPS)
    place = f"task poller is in loops.wait_for_ever ({loops.__file__}:{line_of('await asyncio')})"
    check_reversed(program, loops, report, place)
    loop.call_soon_threadsafe(lambda: [each.cancel() for each in asyncio.all_tasks(loop)])
    with pytest.raises(concurrent.futures.CancelledError):
        task.result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()
    running = loops.generate()
    next(running)
    report = program.patch(deadline=0.05, loops=NEW_LOOPS)
    check_reversed(program, loops, report, f"a suspended generator is in loops.generate ({loops.__file__}:{line_of('yield')})")
    running.close()
    assert program.patch(loops=NEW_LOOPS).applied


async def _named(loops: Any, ready: threading.Event) -> None:
    await asyncio.create_task(loops.wait_for_ever(ready), name="poller")


def test_a_suspended_greenlet_is_named(program: Patched, loops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is loaded, the stacks of greenlets that wait are looked at, too, and once more inside of the commit."""
    monkeypatch.setitem(sys.modules, "greenlet", greenlet)
    main = greenlet.getcurrent()
    waiting = greenlet.greenlet(loops.deep)
    waiting.switch(main.switch)
    report = program.patch(deadline=0.05, loops=NEW_LOOPS)
    check_reversed(program, loops, report, f"a suspended greenlet is in loops.deep ({loops.__file__}:{line_of('switch()')})")
    assert waiting.switch() == "old"
    assert program.patch(loops=NEW_LOOPS).applied


def test_a_unit_that_does_not_end_is_named_and_the_change_reversed(program: Patched, shop: Any) -> None:
    """At rest and by task: with its label, its thread and where it is. By task new units have been answered by the new code
    meanwhile; all that begin afterwards get the old."""
    for consistency in (QUIESCENT, TASK):
        pause = Pause()
        old, answers = in_thread(lambda pause: _in_unit(shop, pause), pause, name="sleeper")
        assert pause.is_there.wait(20)
        report = program.patch(consistency, deadline=0.1, shop=NEW_SHOP)
        message = said(report, "HS622")
        assert "old unit (for " in message
        assert "in sleeper) is in" in message
        assert f"{__file__}:" in message or "moving.py:" in message
        assert is_plain(shop)
        assert answer(shop) == [OLD]
        assert shop.RATE == 1
        pause.may_go.set()
        old.join(20)
        assert answers == [[OLD, OLD]]


def test_new_units_end_before_a_change_by_task_is_reversed(
    program: Patched, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 an old unit stays, 2 a new one begins, 3 the deadline: others wait at the door, 4 the new unit ends: reversed."""
    stuck, inside = Pause(), Pause()
    old, first = in_thread(lambda: _in_unit(shop, stuck))
    assert stuck.is_there.wait(20)
    before = GATE.clock[0]

    def left(_: mover.Mover) -> float:
        """The deadline is there when the new unit is."""
        return 20.0 if GATE.clock[0] == before else 0.0 if inside.is_there.wait(20) else 0.0

    monkeypatch.setattr(mover.Mover, "_left", left)
    switching, reports = in_thread(lambda: program.patch(TASK, shop=NEW_SHOP))
    wait_until(lambda: shop.one() == 2)
    new, second = in_thread(lambda: _in_unit(shop, inside))
    assert inside.is_there.wait(20)
    wait_until(lambda: GATE.look()[0] == "draining", "the deadline")
    inside.may_go.set()
    switching.join(20)
    assert said(reports[0], "HS622")
    stuck.may_go.set()
    for thread in (old, new):
        thread.join(20)
    assert (first, second) == ([[OLD, OLD]], [[NEW, NEW]])
    assert is_plain(shop)


def test_force_ends_the_waiting_and_says_who_was_in_the_way(program: Patched, loops: Any) -> None:
    """At the deadline the change is made, and a finding names the blocker; so with the rollback, and a wish that is too weak."""
    ready = threading.Event()
    thread, _ = in_thread(loops.spin, ready, name="spinner")
    assert ready.wait(20)
    report = program.patch(deadline=0.05, force=True, loops=NEW_LOOPS)
    assert report.applied
    assert "thread spinner is in loops.spin" in said(report, "HS623")
    assert loops.Kind.label == "new"
    loops.stop.set()
    thread.join(20)
    loops.stop.clear()
    again, _ = in_thread(loops.spin, threading.Event(), name="again")
    with pytest.raises(RollbackError, match="HS622 thread again is in loops.spin"):
        program.back(deadline=0.05)
    assert loops.Kind.label == "new"
    report = program.back(deadline=0.05, force=True)
    assert "thread again is in loops.spin" in said(report, "HS623")
    assert loops.Kind.label == "old"
    report = program.patch(IMMEDIATE, force=True, loops=NEW_LOOPS)
    assert "quiescent is needed" in said(report, "HS623")
    loops.stop.set()
    again.join(20)


def test_who_comes_between_the_look_and_the_commit_is_met(
    program: Patched, loops: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 the stacks are looked at: nobody, 2 a thread goes in, 3 the commit meets it and writes nothing, 4 it ends: live."""
    ready, looks = threading.Event(), []

    def look(*args: Any, **kwargs: Any) -> list[Any]:
        looks.append(1)
        if len(looks) == 1:
            in_thread(loops.spin, ready)
            assert ready.wait(20)
            return []
        assert loops.Kind.label == "old"
        loops.stop.set()
        return rest.find_blockers(*args, **kwargs)

    monkeypatch.setattr(mover, "find_blockers", look)
    report = program.patch(loops=NEW_LOOPS)
    assert report.applied, report
    assert len(looks) > 1
    assert loops.Kind.label == "new"


def test_a_generator_that_is_made_between_is_met(program: Patched, loops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for what is suspended, of which only the collector knows; frozen objects are frozen again."""
    kept, looks = [], []

    def look(*args: Any, **kwargs: Any) -> list[Any]:
        looks.append(1)
        if len(looks) == 1:
            kept.append(loops.generate())
            next(kept[0])
            return []
        kept.clear()
        return rest.find_blockers(*args, **kwargs)

    monkeypatch.setattr(mover, "find_blockers", look)
    gc.freeze()
    try:
        assert program.patch(loops=NEW_LOOPS).applied
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
    assert len(looks) > 1


def test_a_unit_that_asks_for_a_change_itself_is_refused(program: Patched, shop: Any) -> None:
    """It would wait for its own end."""
    with hotswap.task("asks"):
        report = program.patch(QUIESCENT, shop=NEW_SHOP)
    assert "asks for the change itself" in said(report, "HS622")


def test_a_child_that_is_forked_meanwhile_has_an_open_door(program: Patched, shop: Any) -> None:
    """1 an old unit is inside, 2 the change waits for it, 3 a fork: in the child nobody is inside, and units go in."""
    pause = Pause()
    old, _ = in_thread(answer, shop, pause)
    assert pause.is_there.wait(20)
    switching, _ = in_thread(lambda: program.patch(QUIESCENT, shop=NEW_SHOP))
    wait_until(lambda: GATE.look()[0] == "draining")
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if GATE.look() == ("open", []) and answer(shop) == [OLD] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pause.may_go.set()
    old.join(20)
    switching.join(20)


def test_threads_take_turns_as_before_afterwards(program: Patched, shop: Any) -> None:
    """The switch interval of the program is its own again, whatever has become of the change."""
    before = sys.getswitchinterval()
    program.patch(shop=NEW_SHOP)
    program.patch(IMMEDIATE, shop=SHOP)
    assert sys.getswitchinterval() == before


def test_a_loop_with_a_safe_point_lets_a_change_in(program: Patched) -> None:
    """It goes on in its own old code and calls what is new; in a unit it begins a new one there, at rest and by task."""
    text = """
import hotswap
import threading
seen = [0]
stop = threading.Event()

def step():
    if seen[-1] != 1:
        seen.append(1)

def other():
    return 1

def loop(label):
    with hotswap.task(label):
        while not stop.wait(0.001):
            step()
            hotswap.safe_point()
"""
    lib = program.load("lib", text)
    thread, _ = in_thread(lib.loop, "loop")
    wait_until(lambda: lib.seen[-1] == 1)
    for version, consistency in ((2, QUIESCENT), (3, TASK), (4, None)):
        if consistency is QUIESCENT:
            text = text.replace("while not", "while label and not")  # the loop itself changes
        new = text.replace("!= 1", f"!= {version}").replace("append(1)", f"append({version})")
        new = new.replace("return 1", f"return {version}")
        report = program.patch(consistency, lib=new)
        assert report.applied, report
        wait_until(lambda version=version: lib.seen[-1] == version, "the loop calls the new code")
    lib.stop.set()
    thread.join(20)
    assert lib.seen == [0, 1, 2, 3, 4]


def test_who_looks_meanwhile_is_told_of_calls_that_read_what_changes(program: Patched) -> None:
    """`task` waits for calls that began before anybody could choose for them: `status` and `top` name these."""
    text = "RATE = 1\ndef f(wait):\n    wait()\n    return RATE\ndef g(): return 1\n"
    lib = program.load("shop", text)
    pause = Pause()
    calling, found = in_thread(lambda: lib.f(pause))
    assert pause.is_there.wait(20)
    new = text.replace("RATE = 1", "RATE = 2").replace("g(): return 1", "g(): return 2")
    switching, reports = in_thread(lambda: program.patch(TASK, shop=new))
    wait_until(lambda: (look := program.engine.mover.look()) is not None and "shop.f" in str(look.blockers), "it is named")
    pause.may_go.set()
    calling.join(20)
    switching.join(20)
    assert found == [1] and reports[0].applied and reports[0].consistency is TASK
    assert program.engine.mover.look() is None and lib.f(no_wait) == 2
