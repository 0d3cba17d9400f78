"""The request gate by itself: each interleaving is forced, none is slept for."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hotswap.requests import GATE, Busy, Gate, Passage, Visit, note_first_byte
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run something in a thread of its own; what it gives is in the list afterwards."""
    given: list[Any] = []
    thread = threading.Thread(target=lambda: given.append(call()), daemon=True)
    thread.start()
    return thread, given


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("never came true")


def visit_in_thread(gate: Gate, label: str) -> tuple[threading.Event, threading.Thread]:
    """A request that is inside until the event is set."""
    inside, may_go = threading.Event(), threading.Event()

    def serve() -> None:
        visit = gate.enter(label)
        inside.set()
        may_go.wait(20)
        gate.leave(visit)

    thread, _ = in_thread(serve)
    assert inside.wait(20)
    return may_go, thread


def test_a_swap_waits_for_requests_that_are_inside() -> None:
    """1 a request is inside, 2 the gate is closed, 3 another one comes and waits, 4 the first leaves: closed; 5 opened: in."""
    gate = Gate(limit=20)
    may_go, first = visit_in_thread(gate, "GET /first/")
    closer, blockers = in_thread(gate.close)
    wait_until(lambda: not gate._is_open())
    second, visits = in_thread(lambda: gate.enter("GET /second/"))
    assert closer.is_alive()
    assert second.is_alive()
    may_go.set()
    first.join(20)
    closer.join(20)
    assert blockers == [[]]
    assert second.is_alive()
    gate._keeper = threading.get_ident()  # the swap's thread has ended; this one opens for it
    gate.open()
    second.join(20)
    assert visits[0].label == "GET /second/"


def test_the_limit_opens_the_gate_and_names_who_was_inside() -> None:
    """A request that does not end holds a swap for ``limit`` seconds; others go in afterwards, and its end is told once."""
    gate = Gate(limit=0.05)
    may_go, thread = visit_in_thread(gate, "GET /stream/")
    blockers = gate.close()
    assert [visit.label for visit in blockers] == ["GET /stream/"]
    assert "GET /stream/ (for 0." in str(blockers[0])
    assert gate._is_open()
    told: list[str] = []
    gate.when_left(blockers, lambda: told.append("left"))
    assert told == []
    visit_in_thread(gate, "GET /other/")[0].set()
    assert told == []
    may_go.set()
    thread.join(20)
    assert told == ["left"]
    gate.when_left(blockers, lambda: told.append("had left"))
    assert told == ["left", "had left"]


def test_a_request_that_swaps_is_its_own() -> None:
    """The thread that serves a request, and a thread that works for it, know that they would wait for themselves."""
    gate = Gate()
    visit = gate.enter("GET /swap/")
    assert gate.find_own() == [visit]
    context = contextvars.copy_context()
    thread, found = in_thread(lambda: context.run(gate.find_own))
    thread.join(20)
    assert found == [[visit]]
    thread, found = in_thread(gate.find_own)
    thread.join(20)
    assert found == [[]]
    gate.leave(visit)
    assert gate.find_own() == []


def test_a_request_in_a_request_is_a_part_of_it() -> None:
    """The inner one neither waits nor counts, also while a swap waits for the outer one; when that is over, it is one."""
    gate = Gate(limit=20)
    outer = gate.enter("GET /outer/")
    closer, blockers = in_thread(gate.close)
    wait_until(lambda: not gate._is_open())
    assert gate.enter("GET /inner/") is None
    gate.leave(None)
    gate.leave(outer)
    closer.join(20)
    assert blockers == [[]]


def test_code_that_the_swap_runs_goes_in() -> None:
    """A statement that asks the program's own handler, while the gate is closed by its thread."""
    gate = Gate()
    assert gate.close() == []
    visit = gate.enter("GET /from-the-swap/")
    assert visit is not None
    gate.leave(visit)
    gate.open()


def test_nobody_waits_for_ever_and_nobody_gets_into_half_a_swap() -> None:
    """A gate that stays closed turns requests away, those of coroutines too, and other swaps."""
    gate = Gate(patience=0.05)
    assert gate.close() == []
    for call in (lambda: gate.enter("GET /"), lambda: asyncio.run(gate.enter_async("GET /")), gate.close):
        with pytest.raises(Busy):
            raise_what(call)
    gate.open()
    assert gate.enter("GET /") is not None


def raise_what(call: Callable[[], Any]) -> None:
    """Call in another thread, raise here what it raises."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            caught.append(error)

    thread, _ = in_thread(run)
    thread.join(20)
    raise caught[0]


def test_a_coroutine_waits_without_holding_its_loop() -> None:
    """1 the gate is closed, 2 a coroutine comes and waits, 3 another one of the loop goes on, 4 opened: in."""
    gate = Gate()
    assert gate.close() == []

    async def serve() -> list[str]:
        ticks = []

        async def tick() -> None:
            while len(ticks) < 3:
                ticks.append("tick")
                await asyncio.sleep(0)
            opener.set()

        visit, _ = await asyncio.gather(gate.enter_async("GET /"), tick())
        assert visit is not None
        gate.leave(visit)
        return ticks

    opener = threading.Event()
    thread, given = in_thread(lambda: asyncio.run(serve()))
    assert opener.wait(20)
    gate.open()
    thread.join(20)
    assert given == [["tick"] * 3]


class Body:
    """A body of a response, of a plain class."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"text"])

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("make", [Body, lambda: [b"text"]], ids=["object", "list"])
def test_a_response_is_inside_until_it_is_closed_or_dropped(make: Callable[[], Any]) -> None:
    """Closed: the body's own ``close`` runs too. Dropped without that, as a test client does it: over with the last reference."""

    class Application:
        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            return make()

    gate = Gate(limit=0.01)
    passage = Passage(gate=gate)
    passage.replace(Application, "__call__", passage.wsgi)
    for end in ("close", "drop"):
        response = Application()({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, None)
        assert b"".join(response) == b"text"
        assert gate.close() == []
        gate.open()
        assert [visit.label for visit in gate.streams()] == ["GET /"]
        assert [visit.label for visit in gate.find_own()] == ["GET /"]
        if end == "close":
            response.close()
            assert make is not Body or response.is_closed
        del response
        assert gate.find_own() == []
        assert gate.close() == []
        assert gate.streams() == []
        gate.open()
    passage.stop()
    assert make is Body or type(Application()({}, None)) is list


# ---- streams ----


def test_a_stream_that_outlives_the_limit_is_let_be() -> None:
    """1 a stream has begun to send, 2 the gate is closed although it is inside, once time is over, 3 a request waits as ever,
    4 the next swap does not wait for that stream again: a limit of an hour would be seen."""
    gate = Gate(limit=0.05)
    may_go, thread = visit_in_thread(gate, "GET /events/")
    (stream,) = gate.look()[1]
    stream.is_sending = True
    assert gate.close() == []
    assert gate.look() == ("closed", [stream])
    assert gate.streams() == [stream]
    other, visits = in_thread(lambda: gate.enter("GET /other/"))
    assert other.is_alive()
    gate.open()
    other.join(20)
    gate.leave(visits[0])
    gate.limit = 3600.0
    stream.since -= 7200.0
    assert gate.close() == []
    gate.open()
    may_go.set()
    thread.join(20)
    assert gate.streams() == []


def test_what_a_stream_that_is_let_be_asks_for_waits_at_the_gate() -> None:
    """1 a stream is let be, 2 a swap is being made, 3 the stream asks the program for a page: it waits until the gate is open."""
    gate = Gate(limit=0.01)
    begun, may_ask = threading.Event(), threading.Event()

    def stream() -> Any:
        visit = gate.enter("GET /events/")
        assert visit is not None
        visit.is_sending = True
        begun.set()
        assert may_ask.wait(20)
        return gate.enter("GET /inner/")

    thread, given = in_thread(stream)
    assert begun.wait(20)
    assert gate.close() == []
    may_ask.set()
    thread.join(0.05)
    assert thread.is_alive()
    gate.open()
    thread.join(20)
    assert [visit.label for visit in given] == ["GET /inner/"]


def test_a_swap_goes_on_when_a_stream_becomes_one_that_is_let_be() -> None:
    """Time alone makes it one, and nobody leaves meanwhile. What it asks for later waits, however short the wait was."""
    gate = Gate(limit=3600.0)
    may_go, thread = visit_in_thread(gate, "GET /events/")
    (stream,) = gate.look()[1]
    stream.is_sending, stream.since = True, stream.since - 3599.9
    assert gate.close(1800.0) == []
    gate.open()
    stream.since += 3600.0
    assert gate.close(0.0) == []
    assert not gate.is_waited_for(stream)
    gate.open()
    may_go.set()
    thread.join(20)


def test_a_generator_is_a_stream_from_its_first_part_on() -> None:
    """Before it, all of the work is still to be done."""
    gate = Gate(limit=0.01)

    def application(_: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        yield b"two"

    body: Any = Passage(gate=gate).wsgi(application)(None, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
    (visit,) = gate.look()[1]
    assert [each.label for each in gate.close()] == ["GET /"]
    parts = iter(body)
    assert next(parts) == b"one"
    assert gate.streams() == [visit]
    assert [*parts] == [b"two"]
    body.close()
    assert gate.look()[1] == []


def test_a_swap_and_a_rollback_name_the_streams(tmp_path: Path) -> None:
    """Both are made beside them, and say which they are."""
    with Program(tmp_path) as program:
        program.load("m", "def f():\n    return 1\n")
        may_go, thread = visit_in_thread(GATE, "GET /events/")
        (stream,) = GATE.look()[1]
        stream.is_sending, stream.since = True, stream.since - 3600
        try:
            for report in (program.edit("m", "def f():\n    return 2\n"), program.engine.rollback()):
                (told,) = [finding.message for finding in report.findings if finding.code == "HS415"]
                assert "GET /events/ (for " in told
        finally:
            may_go.set()
            thread.join(20)
        assert [finding.code for finding in program.edit("m", "def f():\n    return 3\n").findings] == []


def test_a_request_beside_a_stream_holds_as_ever() -> None:
    """It alone is named, since it is the only one whose end is waited for; the stream is no request of its thread."""
    gate = Gate(limit=0.05)
    may_go, thread = visit_in_thread(gate, "GET /slow/")
    stream = gate.enter("GET /events/")
    assert stream is not None
    stream.is_sending = True
    stream.since -= 1.0
    assert [visit.label for visit in gate.close()] == ["GET /slow/"]
    assert gate._is_open()
    assert contextvars.Context().run(gate.find_own) == []
    may_go.set()
    thread.join(20)
    assert gate.close() == []
    gate.open()
    gate.leave(stream)


def serve_asgi(gate: Gate, scope: dict[str, Any], application: Any) -> list[dict[str, Any]]:
    """Call a class that is led through the gate; gives what it sends."""
    sent: list[dict[str, Any]] = []

    class Application:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await application(send)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    passage = Passage(gate=gate)
    passage.replace(Application, "__call__", passage.asgi)
    asyncio.run(Application()({"path": "/", **scope}, None, send))
    return sent


class Handler:
    """A server's object, one for each request or connection."""

    def send(self, *args: int) -> tuple[int, ...]:
        return args


def test_a_first_byte_makes_a_stream_and_leaves_nothing_behind() -> None:
    """The object of the server is as before, and goes with the last reference to it; a part of a request notes nothing."""
    handler, visit = Handler(), Visit("GET /")
    note_first_byte(handler, "send", None)
    assert vars(handler) == {}
    note_first_byte(handler, "send", visit)
    assert not visit.is_sending
    assert (handler.send(1, 2), handler.send(3)) == ((1, 2), (3,))
    assert visit.is_sending
    assert vars(handler) == {}
    gone = weakref.ref(handler)
    gc.disable()
    try:
        del handler
        assert gone() is None
    finally:
        gc.enable()


def test_an_asgi_answer_is_a_stream_while_more_is_to_come() -> None:
    """From its first part to its last; what runs behind that, a background task, is waited for."""
    gate, seen = Gate(), []

    async def application(send: Any) -> None:
        for message in ({"type": "http.response.start", "status": 200},
                        {"type": "http.response.body", "body": b"a", "more_body": True},
                        {"type": "http.response.body", "body": b"b"}):  # fmt: skip
            await send(message)
            seen.append([str(visit.label) for visit in gate.streams()])

    sent = serve_asgi(gate, {"type": "http", "method": "GET"}, application)
    assert [message.get("body") for message in sent] == [None, b"a", b"b"]
    assert seen == [[], ["GET /"], []]


def test_a_websocket_is_a_stream_and_waits_at_a_closed_gate() -> None:
    """It is named from its beginning, and turned away where the gate stays closed."""
    gate, seen = Gate(patience=0.05), []

    async def application(send: Any) -> None:
        seen.append([visit.label for visit in gate.streams()])

    assert serve_asgi(gate, {"type": "websocket"}, application) == []
    assert seen == [["WEBSOCKET /"]]
    closer, _ = in_thread(gate.close)
    closer.join(20)
    assert [message["code"] for message in serve_asgi(gate, {"type": "websocket"}, application)] == [1013]
    assert len(seen) == 1
