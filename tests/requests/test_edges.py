"""Units of work that are used in unusual ways: one object in several places, ended elsewhere, interrupted, dropped."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

import hotswap
from hotswap.requests.gate import GATE, Gate, current_unit
from hotswap.requests.safe import SafePoints
from hotswap.requests.serving import Passage
from tests.transition.moving import Pause, in_thread, wait_until

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    yield
    assert GATE.look() == ("open", [])


def test_one_unit_object_in_two_threads() -> None:
    """1 one thread is in a unit, 2 another one in one of the same object, 3 the first one ends: it is that one that has."""
    shared, first, second = hotswap.task("shared"), Pause(), Pause()

    def unit(pause: Pause) -> Any:
        with shared:
            pause()
        return GATE.is_inside()

    one, _ = in_thread(unit, first, name="one")
    assert first.is_there.wait(20)
    other, _ = in_thread(unit, second, name="other")
    assert second.is_there.wait(20)
    first.may_go.set()
    one.join(20)
    assert [visit.thread_name for visit in GATE.look()[1]] == ["other"]
    second.may_go.set()
    other.join(20)


def test_one_unit_object_in_two_tasks() -> None:
    """And inside of itself."""
    shared = hotswap.task("shared")

    async def unit(inside: asyncio.Event, may_go: asyncio.Event) -> None:
        async with shared, shared:
            inside.set()
            await may_go.wait()

    async def main() -> None:
        events = [(asyncio.Event(), asyncio.Event()) for _ in range(2)]
        tasks = [asyncio.create_task(unit(*each)) for each in events]
        for inside, _ in events:
            await inside.wait()
        second = GATE.look()[1][1]
        events[0][1].set()
        await tasks[0]
        assert GATE.look()[1] == [second]
        events[1][1].set()
        await tasks[1]

    asyncio.run(main())


def test_a_unit_that_ends_in_another_thread() -> None:
    """As where a generator is closed there: it is over, and what the first thread does then is none of it."""

    def rows() -> Generator[int, None, None]:
        with hotswap.task("rows"):
            yield 1

    items = rows()
    next(items)
    assert [visit.label for visit in GATE.look()[1]] == ["rows"]
    in_thread(items.close)[0].join(20)
    assert not GATE.is_inside()
    with hotswap.task("next"):
        assert [visit.label for visit in GATE.look()[1]] == ["next"]


def test_a_cancelled_task_ends_its_unit_and_one_that_waits_begins_none() -> None:
    """1 one is inside, another one waits at the closed door, 2 both are cancelled: nobody is left."""

    async def unit(inside: asyncio.Event) -> None:
        async with hotswap.task("unit"):
            inside.set()
            await asyncio.Event().wait()

    async def main() -> None:
        inside = asyncio.Event()
        first = asyncio.create_task(unit(inside))
        await inside.wait()
        holder, _ = in_thread(_hold, held := Pause())
        assert await asyncio.to_thread(held.is_there.wait, 20)
        second = asyncio.create_task(unit(asyncio.Event()))
        await asyncio.sleep(0)
        for task in (first, second):
            task.cancel()
        ended = await asyncio.gather(first, second, return_exceptions=True)
        assert list(map(type, ended)) == [asyncio.CancelledError] * 2
        assert GATE.look()[1] == []
        held.may_go.set()
        await asyncio.to_thread(holder.join, 20)

    asyncio.run(main())


def _hold(pause: Pause) -> None:
    GATE.hold()
    pause()
    GATE.open()


class Limit(Exception):
    """What a program raises in a thread from outside, as Celery's soft time limit."""


def test_a_unit_that_is_interrupted_at_a_safe_point_is_one_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 it stays at a safe point, 2 an exception comes there, 3 the unit goes on in a handler: it is waited for."""
    points = SafePoints(gate=GATE)
    points.rest()

    def stay(_: Any, epoch: int) -> None:
        raise Limit

    monkeypatch.setattr(SafePoints, "_stay", stay)
    with hotswap.task("unit"):
        with pytest.raises(Limit):
            points.reach(None)
        assert [visit.label for visit in GATE.look()[1]] == ["unit"]
    points.end()


def test_a_request_behind_a_dropped_one_is_one_of_its_own() -> None:
    """1 an answer is dropped without being closed, 2 the next request of this thread begins, 3 a swap comes: it is waited for."""
    gate = Gate(limit=0.05)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        return [b"x"]

    def serve() -> None:
        call = Passage(gate=gate).wsgi(lambda _, *args: application(*args))
        call(None, {"REQUEST_METHOD": "GET", "PATH_INFO": "/dropped"}, lambda *_: None)
        visit = gate.enter("GET /next")
        assert visit is not None
        closing, given = in_thread(gate.close)
        closing.join(20)
        assert [each.label for each in given[0]] == ["GET /next"]
        gate.leave(visit)

    contextvars.Context().run(serve)


def test_what_goes_on_behind_its_unit_belongs_to_none() -> None:
    """A thread in a copy of its context, and a task that it has started."""
    inside, seen = Pause(), []

    def behind() -> None:
        inside()
        seen.append(GATE.is_inside())

    with hotswap.task("unit"):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(behind,), daemon=True)
        thread.start()
        assert inside.is_there.wait(20)
        assert current_unit() is not None
    inside.may_go.set()
    thread.join(20)
    assert seen == [False]
    wait_until(lambda: not GATE.look()[1])
