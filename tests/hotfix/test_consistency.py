"""Patches under load, on real servers: no request fails, and none is answered by a mixture of old and new code.

Two functions, one constant and one class change together. The long series, of a thousand patches and as many rollbacks:

    .venv/bin/python -m pytest -n 2 -m slow tests/hotfix/test_consistency.py
"""

from __future__ import annotations

import collections
import http.client
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from hotswap.hotfix import orders
from hotswap.hotfix.patch import read_sealed
from hotswap.hotfix.spool import Spool
from hotswap.model import Consistency, Wish
from tests.hotfix.service import Shop, wait_until

pytestmark = pytest.mark.once

PRICING = """\
import time

RATE = 1


class Cart:
    def size(self):
        return 1


def one():
    return RATE * 1


def two():
    time.sleep(0.002)
    return [1, RATE, sum(RATE for _ in range(1))]


def answer():
    found = [one(), Cart().size(), *two()]
    time.sleep(0.002)
    return [*found, one(), Cart().size(), *two(), RATE]
"""
NEW = PRICING.replace("RATE = 1", "RATE = 2").replace("return 1", "return 2").replace("RATE * 1", "RATE")
NEW = NEW.replace("[1, RATE", "[2, RATE")
ANSWERS = ([1] * 11, [2] * 11)

WEB = """\
import json
import hotswap
from shop import pricing


@hotswap.wsgi
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(pricing.answer()).encode()]


@hotswap.asgi
async def asgi(scope, receive, send):
    import asyncio

    said = json.dumps(await asyncio.to_thread(pricing.answer)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": said})
"""
CONF = "import gc\npreload_app = True\n\n\ndef when_ready(server):\n    gc.freeze()\n"
SERVERS = {
    "sync": "gunicorn -w 2 -k sync -b 127.0.0.1:0 shop.web:app",
    "gthread": "gunicorn -w 2 -k gthread --threads 3 -c conf.py -b 127.0.0.1:0 shop.web:app",
    "recycling": "gunicorn -w 2 -k sync --max-requests 5 -b 127.0.0.1:0 shop.web:app",
    "recycling, preloaded": "gunicorn -w 2 -k sync --max-requests 5 -c conf.py -b 127.0.0.1:0 shop.web:app",
    "uvicorn": "uvicorn --port 0 --no-access-log shop.web:asgi",  # nobody reads its output
}
PROCESSES = {"sync": 3, "gthread": 3, "recycling": 3, "recycling, preloaded": 3, "uvicorn": 1}


class Load:
    """Clients that ask without a pause, and keep what was not as it has to be."""

    def __init__(self, host: str, count: int = 3) -> None:
        self.host, self.stop = host, False
        self.wrong: list[Any] = []
        self.seen: collections.Counter[int] = collections.Counter()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        while not self.stop:
            try:
                connection = http.client.HTTPConnection(self.host, timeout=60)
                connection.request("GET", "/")
                answer = connection.getresponse()
                said = json.loads(answer.read())
                connection.close()
            except (OSError, ValueError, http.client.HTTPException) as error:  # a request has failed
                self.wrong.append(repr(error))
                continue
            if answer.status == 200 and said in ANSWERS:
                self.seen[said[0]] += 1
            else:
                self.wrong.append((answer.status, said))

    def end(self) -> None:
        self.stop = True
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    for name, text in (("shop/pricing.py", PRICING), ("shop/web.py", WEB), ("conf.py", CONF)):
        (made.deployed / name).write_text(text)
    yield made
    made.close()


def serve(shop: Shop, server: str) -> str:
    """Start a server; gives its address."""
    shop.start("python", "-m", *SERVERS[server].split())
    said = re.compile(r"(?:Listening at:|running on) http://(\S+:[1-9]\d*)")
    wait_until(lambda: said.search(shop.errors.read_text()), f"{server} listens")
    wait_until(lambda: len(shop.processes_of()) == PROCESSES[server], "all processes are there")
    return said.findall(shop.errors.read_text())[0]


def series(shop: Shop, load: Load, consistency: Consistency, count: int) -> None:
    """Patches and rollbacks, each seen by the clients before the next one."""
    spool = Spool("web", str(shop.root / "spool" / "web"))
    patch = read_sealed(shop.build({"shop/pricing.py": NEW}).read_bytes()).open()
    wish = Wish(consistency=consistency, deadline=30.0)
    for _ in range(count):
        for version, outcome in (
            (2, lambda: orders.apply(spool, patch, terms=orders.Terms(wish=wish), timeout=60)),
            (1, lambda: orders.rollback(spool, 60, attrs.evolve(wish, consistency=None))),
        ):
            before = load.seen[version]
            given = outcome()
            assert given.done, given
            wait_until(lambda version=version, before=before: load.seen[version] > before, "the clients see it")
            assert load.wrong == []
            said = {each["consistency"] for held in orders.living(spool).values() for each in held["applied"]}
            # A master of which the workers load the program has nothing to swap.
            assert said - {""} == ({consistency} if version == 2 else set())


@pytest.mark.parametrize(
    ("server", "consistency"),
    [
        pytest.param("sync", Consistency.TASK, marks=pytest.mark.slow),
        ("gthread", Consistency.QUIESCENT),
        ("uvicorn", Consistency.TASK),
    ],
)
def test_no_request_is_answered_by_a_mixture(place: Shop, server: str, consistency: Consistency) -> None:
    """A few patches and rollbacks under load."""
    run_series(place, server, consistency, 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("consistency", [Consistency.TASK, Consistency.QUIESCENT])
@pytest.mark.parametrize("server", ["sync", "gthread", "uvicorn"])
def test_a_thousand_patches(place: Shop, server: str, consistency: Consistency) -> None:
    """All six series together make a thousand patches and a thousand rollbacks."""
    print(run_series(place, server, consistency, 167))


def run_series(place: Shop, server: str, consistency: Consistency, count: int) -> str:
    load = Load(serve(place, server))
    try:
        series(place, load, consistency, count)
    finally:
        load.end()
        place.processes[-1].terminate()  # it ends its workers
        place.processes[-1].wait(60)
    assert load.wrong == []
    return f"{server} {consistency}: {count} patches and rollbacks, {sum(load.seen.values())} requests, none wrong"


@pytest.mark.parametrize("server", [pytest.param("recycling", marks=pytest.mark.slow), "recycling, preloaded"])
def test_workers_that_are_recycled_carry_the_patch(place: Shop, server: str) -> None:
    """Each worker ends after a few requests; those in its place answer by what is wanted, from their first request on."""
    host = serve(place, server)
    patch = place.build({"shop/pricing.py": NEW})
    for words, answer in ((("apply", patch), ANSWERS[1]), (("rollback",), ANSWERS[0])):
        place.done(*words)
        before = {held["pid"] for held in place.processes_of()}
        while not is_replaced(place, before):
            assert ask(host) == answer
    place.processes[-1].terminate()
    place.processes[-1].wait(60)


def ask(host: str) -> Any:
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def is_replaced(place: Shop, before: set[int]) -> bool:
    """Whether none of the workers is there any more; the master stays."""
    return len(before & {held["pid"] for held in place.processes_of()}) == 1


THREADS = """\
import json, sys, threading, time
import hotswap
from shop import pricing

wrong, seen = [], set()
lock, stop = threading.Lock(), threading.Event()


@hotswap.task("work")
def work():
    return pricing.answer() + pricing.answer()


def loop():
    while not stop.is_set():
        found = work()
        (seen.add(found[0]) if len(set(found)) == 1 else wrong.append(found))
        time.sleep(0.001)


threads = [threading.Thread(target=loop) for _ in range(3)]
[thread.start() for thread in threads]
print(json.dumps(0), flush=True)
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
stop.set()
"""


@pytest.mark.slow  # some seconds of real processes; the parts that it puts together have tests of their own
def test_a_program_with_threads(place: Shop) -> None:
    """Units of plain threads; one that never ends is named in the answer of the terminal, and nothing is changed. That a change
    was forced is kept in the journal for ever."""
    service = place.serve(server=THREADS)
    patch = place.build({"shop/pricing.py": NEW})
    for words in (("task",), ("quiescent",)):
        shown = place.done("apply", patch, "--consistency", *words)
        assert f"HS620 {words[0]}: " in shown
        wait_until(lambda: service.ask("2 in seen"), "the threads work with it")
        place.done("rollback")
        service.ask("seen.clear()")
        wait_until(lambda: service.ask("1 in seen"), "and without it")
    assert service.ask("wrong") == []

    service.ask("threading.Thread(target=lambda: pricing.time.sleep(600), name='sleeper', daemon=True).start()")
    service.ask("setattr(pricing, 'held', hotswap.task('endless')(lambda: pricing.time.sleep(600)))")
    service.ask("threading.Thread(target=pricing.held, name='stuck', daemon=True).start()")
    said = place.refused("HS622", "apply", patch, "--consistency", "quiescent", "--deadline", 0.3)
    assert "endless (for " in said
    assert "in stuck) is in" in said
    assert "nothing is changed" in said
    assert "HS621" in place.refused("HS621", "apply", patch, "--check", "--consistency", "immediate")
    assert "HS620 task" in place.done("apply", patch, "--check")
    forced = place.done("apply", patch, "--consistency", "quiescent", "--deadline", 0.3, "--force")
    assert "HS623" in forced
    kept = [entry for entry in place.journal() if entry.get("forced")]
    assert ["endless" in entry["forced"][0] for entry in kept] == [True]
    assert service.ask("pricing.RATE") == 2
    assert "HS622" in place.refused("HS610", "rollback", "--deadline", 0.3, exit_code=3)
    assert service.ask("pricing.RATE") == 2
    assert "HS623" in place.done("rollback", "--deadline", 0.3, "--force")
    assert service.ask("(pricing.RATE, hotswap.applied())") == [1, []]
    assert len([entry for entry in place.journal() if entry.get("forced")]) == 2


RANKS = """\
import hotswap, itertools, json, os, socket, sys, time
from shop import pricing

here, there = socket.socketpair()
child = os.fork()
rank, line = (0, here) if child else (1, there)
stream = line.makefile("rwb")
seen, stop = [], "going on"


def allgather(text):
    stream.write(text.encode() + b"\\n")
    stream.flush()
    return [text, stream.readline().decode()[:-1]]


def agree(text):
    return len(set(allgather(text))) == 1


def step(number):
    if not seen or seen[-1][1] != pricing.one():
        seen.append([number, pricing.one()])


print(json.dumps([rank, os.getpid()]), flush=True) if child else None
for number in itertools.count():
    step(number)
    hotswap.safe_point(barrier=agree)
    time.sleep(0.001)
    if "stop" in allgather("stop" if os.path.exists("stop") else "go"):
        break
with open(f"seen{rank}", "w") as file:
    json.dump(seen, file)
"""


def test_ranks_of_a_computation_switch_at_one_step(place: Shop) -> None:
    """A long numeric loop in two processes that talk at each step: both switch at the same one, forth and back, or none does."""
    service = place.serve(server=RANKS)
    wait_until(lambda: len(place.processes_of()) == 2, "both ranks are there")
    patch = place.build({"shop/pricing.py": NEW})
    assert "HS624" in place.refused("HS624", "apply", patch, "--pid", service.pid[1], "--deadline", 0.3)
    for _ in range(2):
        place.done("apply", patch)
        place.done("rollback")
    (place.deployed / "stop").touch()
    service.process.wait(60)
    wait_until((place.deployed / "seen1").exists, "the other one has ended")
    seen = [json.loads((place.deployed / f"seen{rank}").read_text()) for rank in (0, 1)]
    assert seen[0] == seen[1]
    assert [version for _, version in seen[0]] == [1, 2, 1, 2, 1]
