"""What a program can call a unit of work, and safe points: each interleaving is forced, none is slept for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

import hotswap
from hotswap.requests import safe
from hotswap.requests.gate import GATE, Gate, current_unit
from hotswap.requests.safe import SafePoints
from tests.transition.moving import Pause, in_thread, wait_until

pytestmark = pytest.mark.once  # much the same on every interpreter


def inside() -> list[str]:
    return [visit.label for visit in GATE.look()[1]]


def test_blocks_and_calls_are_units() -> None:
    """Of functions and coroutine functions, under their own name or another; one inside of another is a part of it."""

    @hotswap.task()
    def send(*, to: str) -> list[str]:
        """Send it."""
        with hotswap.task("part"):
            return [to, *inside()]

    @hotswap.task("poll")
    async def poll() -> list[str]:
        async with hotswap.task("part"):
            return inside()

    assert send(to="you") == ["you", f"{__name__}.{send.__qualname__}"]
    assert (send.__name__, send.__doc__) == ("send", "Send it.")
    assert asyncio.run(poll()) == ["poll"]
    with hotswap.task(), hotswap.task("part"):
        assert inside() == ["a unit of work"]
    with pytest.raises(ZeroDivisionError), hotswap.task("fails"):
        raise ZeroDivisionError
    assert inside() == []


def test_parts_of_a_stream_that_is_let_be_are_its_own() -> None:
    """In its event loop none can wait; one that may, is a unit of its own, and the stream is one again behind it."""

    @hotswap.task("price")
    def price() -> list[str]:
        return inside()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        stream = current_unit()
        assert stream is not None
        stream.is_let_be = True
        assert price() == ["WEBSOCKET /ws"]
        async with hotswap.task("poll"):
            assert inside() == ["WEBSOCKET /ws", "poll"]
        assert current_unit() is stream

    asyncio.run(hotswap.asgi(served)({"type": "websocket", "path": "/ws"}, None, None))  # type: ignore[arg-type]  # nothing is sent
    assert inside() == []


def test_what_would_be_no_unit_is_refused() -> None:
    """A generator ends when its caller likes; ``with`` in a coroutine would hold the event loop."""

    def rows() -> Any:
        yield 1

    with pytest.raises(TypeError, match="is a generator"):
        hotswap.task()(rows)

    async def wrong() -> None:
        with hotswap.task("wrong"):
            pass

    with pytest.raises(RuntimeError, match="wrong: in a coroutine a unit of work begins with 'async with'"):
        asyncio.run(wrong())


def test_applications_are_led() -> None:
    """A request of WSGI is inside until its body is closed, one of ASGI, and a websocket, until it returns."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    started: list[str] = []
    body: Any = hotswap.wsgi(application)({"REQUEST_METHOD": "GET", "PATH_INFO": "/a"}, lambda status, _: started.append(status))
    assert (started, list(body), inside()) == (["200 OK"], [b"/a"], ["GET /a"])
    body.close()
    assert inside() == []
    assert hotswap.wsgi(application).__name__ == "application"

    async def served(scope: Any, receive: Any, send: Any) -> None:
        started.append(",".join(inside()))

    for scope in ({"type": "http", "method": "GET", "path": "/b"}, {"type": "websocket", "path": "/c"}, {"type": "lifespan"}):
        asyncio.run(hotswap.asgi(served)(scope, None, None))  # type: ignore[arg-type]  # nothing is received, nothing sent
    assert started[1:] == ["GET /b", "WEBSOCKET /c", ""]


# ---- safe points ----


def make_points() -> SafePoints:
    return SafePoints(gate=Gate())


def test_nobody_stays_where_nothing_is_wanted() -> None:
    """The public one, too."""
    make_points().reach(None)
    hotswap.safe_point()


def test_a_loop_stays_while_a_change_is_made_and_goes_on_afterwards() -> None:
    """1 a change waits, 2 the loop gets to its safe point: it stays, its unit has ended, 3 over: it goes on in a unit of now."""
    points, pause = make_points(), Pause()
    visits = []

    def loop() -> None:
        visits.append(points.gate.enter("loop"))
        pause()
        points.reach(None)
        visits.append(points.gate.look()[1][0])

    thread, _ = in_thread(loop)
    assert pause.is_there.wait(20)
    points.rest()
    pause.may_go.set()
    wait_until(points.parked, "it stays")
    assert points.parked() == {thread.ident}
    assert points.gate.close() == []
    points.gate.clock[0] += 1
    points.end()
    points.gate.open()
    thread.join(20)
    assert visits[0] is visits[1]
    assert visits[0].generation == points.gate.clock[0]


def test_a_unit_moves_on_where_a_change_by_task_waits_for_it() -> None:
    """It does not stay: it is one of the new generation from then on."""
    points = make_points()
    visit = points.gate.enter("loop")
    assert visit is not None
    points.gate.clock[0] += 1
    points.move()
    points.reach(None)
    assert points.gate.wait_left(lambda each: each.generation < points.gate.clock[0], 0) == []
    assert points.gate.look()[1] == [visit]
    points.gate.leave(visit)


class Ranks:
    """Ranks of a computation: each has safe points of its own, all get to a barrier with what they have to say."""

    def __init__(self, count: int) -> None:
        self.points = [make_points() for _ in range(count)]
        self.stop = False
        self.steps = [0] * count
        self._texts = [""] * count
        self._barrier = threading.Barrier(count, timeout=20)
        self.threads = [in_thread(self._loop, rank)[0] for rank in range(count)]

    def _agree(self, rank: int, text: str) -> bool:
        self._texts[rank] = text
        self._barrier.wait()
        same = len(set(self._texts)) == 1
        self._barrier.wait()
        return same

    def _loop(self, rank: int) -> None:
        last = ""
        while not (self._agree(rank, last := "stop" if self.stop else "go on") and last == "stop"):
            self.steps[rank] += 1
            self.points[rank].reach(lambda text: self._agree(rank, text))

    def go(self, rank: int, token: str, limit: float) -> int | None:
        """Get a rank to where it commits; gives the step at which it is."""
        points = self.points[rank]
        points.rest()
        return self.steps[rank] if points.wait_for_go(token, time.monotonic() + limit) else None

    def end(self) -> None:
        self.stop = True
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def ranks() -> Any:
    made = Ranks(2)
    yield made
    made.end()


def test_all_ranks_switch_at_one_step(ranks: Ranks) -> None:
    """1 one rank is ready, others go on, 2 the other one is: both stay at the same step, 3 both have committed: both go on."""
    assert ranks.go(0, "patch", 0.05) is None
    ranks.points[0].end()
    (one, first), (other, second) = (in_thread(ranks.go, rank, "patch", 20.0) for rank in (0, 1))
    one.join(20)
    other.join(20)
    assert first == second != [None]
    (one, first), (other, second) = (in_thread(points.tell_others, True) for points in ranks.points)
    one.join(20)
    other.join(20)
    assert (first, second) == ([True], [True])
    for points in ranks.points:
        points.end()
    before = ranks.steps[0]
    wait_until(lambda: ranks.steps[0] > before, "the loop goes on")


def test_a_rank_that_fails_takes_all_back(ranks: Ranks) -> None:
    """1 both are ready, 2 one cannot commit and ends, 3 the other one hears that it has to take it back."""
    (one, first), (other, second) = (in_thread(ranks.go, rank, "patch", 20.0) for rank in (0, 1))
    one.join(20)
    other.join(20)
    assert None not in (*first, *second)
    failing, _ = in_thread(ranks.points[1].end)
    assert ranks.points[0].tell_others(True) is False
    failing.join(20)
    ranks.points[0].end()


def test_ranks_with_different_changes_do_not_switch(ranks: Ranks) -> None:
    """They say what they are ready for, and it is not the same."""
    (one, first), (other, second) = (in_thread(ranks.go, rank, f"patch {rank}", 0.05) for rank in (0, 1))
    one.join(20)
    other.join(20)
    assert (first, second) == ([None], [None])
    for points in ranks.points:
        points.end()


def test_a_rank_that_comes_late_to_its_commit_is_waited_for(ranks: Ranks, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 both are ready, 2 one has committed, the other one waits for its units, for long, 3 it commits: both stay with it."""
    monkeypatch.setattr(safe, "VOTE", 0.01, raising=False)  # there was a limit, behind which one took back what the other had
    (one, first), (other, second) = (in_thread(ranks.go, rank, "patch", 20.0) for rank in (0, 1))
    one.join(20)
    other.join(20)
    assert None not in (*first, *second)
    waiting, early = in_thread(ranks.points[0].tell_others, True)
    waiting.join(0.1)
    late = ranks.points[1].tell_others(True)
    waiting.join(20)
    assert (early, late) == ([True], True)
    for points in ranks.points:
        points.end()


def test_an_answer_to_an_earlier_change_does_not_count() -> None:
    """1 the ranks are asked about a change, 2 that is given up here, by a signal, 3 another one waits, 4 the answer comes: all
    have agreed to the first one, which has failed here; the second one is not made by that."""
    points, asked = make_points(), Pause()
    said: list[str] = []

    def barrier(text: str) -> bool:
        said.append(text)
        if text == "one":
            asked()
        return text == "one"

    with points._state:
        points._step, points._token = "ready", "one"
    voter, _ = in_thread(points.reach, barrier)
    assert asked.is_there.wait(20)
    points.end()
    points.rest()
    waiting, given = in_thread(points.wait_for_go, "two", time.monotonic() + 0.3)
    wait_until(lambda: points._step == "ready")
    asked.may_go.set()
    waiting.join(20)
    assert given == [False]
    points.end()
    voter.join(20)
    assert said == ["one", "failed"]
    assert points.parked() == frozenset()


def test_a_barrier_that_fails_is_the_loops_own(ranks: Ranks) -> None:
    """The change is not made, and its error is raised in the loop."""
    points = make_points()
    points.rest()
    waiting, given = in_thread(points.wait_for_go, "patch", 1e9)

    def fail(text: str) -> bool:
        raise ConnectionError(text)

    wait_until(lambda: points._step == "ready")
    with pytest.raises(ConnectionError, match="patch"):
        points.reach(fail)
    points.reach(lambda text: len(text) < 0)
    assert waiting.is_alive()
    with points._state:
        points._answer(points._epoch, "go")
    waiting.join(20)
    assert given == [True]


def test_units_of_trio() -> None:
    """Its tasks wait at a closed gate without holding the others; ``with`` in one of them is refused as in asyncio."""
    gone_on: list[str] = []

    async def unit() -> None:
        async with hotswap.task("unit"):
            gone_on.extend(inside())

    async def main() -> None:
        with pytest.raises(RuntimeError, match="async with"), hotswap.task("wrong"):
            pass
        async with trio.open_nursery() as nursery:
            nursery.start_soon(unit)
            while not gone_on:
                await trio.sleep(0.001)
            GATE._keeper = -1  # another thread
            nursery.start_soon(unit)
            await trio.sleep(0.02)
            assert gone_on == ["unit"]
            GATE._keeper = None

    trio.run(main)
    assert gone_on == ["unit", "unit"]
    assert inside() == []
