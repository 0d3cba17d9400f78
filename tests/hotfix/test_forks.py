"""A master and the workers that it forks are one service: each is patched and reported, and so are workers that come later."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request

import pytest

from tests.hotfix.service import CART, FILES, PRICING, Shop, wait_until

pytestmark = pytest.mark.once

WEB = """\
import gc, json, os
import hotswap
from shop.cart import Cart
from shop.pricing import total

held, cart = [total], Cart("Ada")
{last}

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([os.getpid(), held[0](5), list(hotswap.applied()), vars(cart)]).encode()]
"""

BODIES = {"shop/pricing.py": PRICING.replace("pieces * 2", "pieces * 3")}
MENDED = {
    **BODIES,
    "shop/cart.py": "from hotswap import migrate\nfrom hotswap.migrations import rename\n"
    + CART.replace("self.owner", "self.name")
    + '\n\nmigrate("shop.cart:Cart", 1, steps=[rename("owner", "name")])\n',
}


class Gunicorn:
    """A real gunicorn with two workers, and an agent around it unless its workers call one themselves."""

    def __init__(self, shop: Shop, *options: str, last: str = "", agent: bool = True) -> None:
        self.shop = shop
        (shop.deployed / "shop" / "web.py").write_text(WEB.format(last=last))
        command = ["-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:0", *options, "shop.web:app"]
        self.process = shop.start("python", *command) if agent else shop.start_plain(*command)
        wait_until(lambda: b"Listening at: " in shop.errors.read_bytes(), "gunicorn listens")
        [self.url] = set(re.findall(r"Listening at: (\S+)", shop.errors.read_text()))
        wait_until(lambda: len(self.pids()) == 2 + agent, "master and workers are there")

    def pids(self) -> list[int]:
        return sorted(held["pid"] for held in self.shop.processes_of())

    def workers(self) -> list[int]:
        return [pid for pid in self.pids() if pid != self.process.pid]

    def answers(self) -> set[tuple[int, tuple[str, ...], str]]:
        """What both workers answer."""
        seen: dict[int, tuple[int, tuple[str, ...], str]] = {}

        def ask() -> bool:
            with urllib.request.urlopen(self.url, timeout=30) as answer:
                pid, total, applied, cart = json.load(answer)
            seen[pid] = total, tuple(applied), *cart
            return set(self.workers()) <= seen.keys()

        wait_until(ask, "both workers have answered")
        return set(seen.values())


@pytest.mark.parametrize(
    ("options", "last", "changes"),
    [(("-k", "sync"), "", BODIES), (("-k", "gthread", "--threads", "2", "--preload"), "gc.freeze()", MENDED)],
    ids=["sync", "preload"],
)
def test_gunicorn_is_patched_as_a_whole(
    shop: Shop, options: tuple[str, ...], last: str, changes: dict[str, str]
) -> None:
    """One command reaches master and workers, a worker that is killed comes back with the patch, and a rollback reaches all.

    References and objects from before follow, also where the master has frozen them for its workers.
    """
    server = Gunicorn(shop, *options, last=last)
    assert server.answers() == {(10, (), "owner")}
    field = "owner" if changes is BODIES else "name"
    result = shop.ask_json("apply", shop.build(changes))
    answers = result["groups"]["web"]["answers"]
    assert sorted(answer["pid"] for answer in answers) == server.pids()
    assert {answer["state"] for answer in answers} == {"done"}
    assert server.answers() == {(15, ("shop-1",), field)}

    killed = server.workers()[0]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in server.pids() and len(server.pids()) == 3, "the master has forked another one")
    assert server.answers() == {(15, ("shop-1",), field)}
    assert shop.hotswap("status").exit_code == 0

    shop.done("rollback")
    assert server.answers() == {(10, (), "owner")}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    assert shop.hotswap("status").exit_code == 1  # nobody is left


@pytest.mark.slow  # some seconds of real processes; the parts that it puts together have tests of their own
def test_a_worker_that_has_started_with_another_shape(shop: Shop) -> None:
    """Its objects were made by the patch, so nobody knows how to lead them back: it says so, and its successor has no patch."""
    shop.serve()
    shop.done("apply", shop.build(MENDED))
    later = shop.serve()
    later.ask("carts.append(Cart('Ada'))")
    text = shop.refused("HS610", "rollback", exit_code=3)
    assert "HS301" in text
    assert later.ask("(vars(carts[0]), hotswap.applied())") == [{"name": "Ada"}, ["shop-1"]]
    later.process.kill()
    later.process.wait()
    assert shop.hotswap("status").exit_code == 0
    assert shop.serve().ask("hotswap.applied()") == []


def test_workers_whose_threads_are_greenlets(shop: Shop) -> None:
    """Around all of gunicorn an agent comes too early. They say so, nobody has the patch, and their agents leave nothing behind:
    gevent forks in its own way. See ``test_greenlets`` for those that have it in time."""
    server = Gunicorn(shop, "-k", "gevent")
    assert server.answers() == {(10, (), "owner")}
    before = server.pids()
    patch = shop.build(MENDED)
    for words in (("--check",), ()):
        assert "gevent has replaced threads by greenlets" in shop.refused("HS619", "apply", patch, *words)
    assert server.answers() == {(10, (), "owner")}
    assert server.pids() == before
    assert shop.hotswap("status").exit_code == 0


def test_one_worker_that_refuses_holds_all(shop: Shop) -> None:
    """A process that cannot follow now refuses, and the patch is taken back where it was live."""
    one, other = shop.serve(), shop.serve()
    patch = shop.build({"shop/pricing.py": PRICING.replace("RATE = 2", "RATE = 5")})
    other.ask("setattr(shop.pricing.__spec__, '_initializing', True)")  # as while another thread imports it
    text = shop.refused("HS606", "apply", patch)
    assert "nothing is changed" in text
    assert one.ask("(shop.pricing.RATE, hotswap.applied())") == [2, []]
    assert FILES["shop/pricing.py"] == one.ask("__import__('inspect').getsource(shop.pricing)")


def test_children_that_are_forked_and_that_execute_something_else(shop: Shop) -> None:
    """A forked child is a process of the service; one that has executed another program is none any more."""
    service = shop.serve()
    service.ask("globals().update(subprocess=__import__('subprocess'), signal=__import__('signal'))")
    child = service.ask("os.fork() or signal.pause()")
    other = service.ask("subprocess.Popen(['sleep', '600'], preexec_fn=lambda: None).pid")
    try:
        wait_until(lambda: child in {held["pid"] for held in shop.processes_of()}, "the child is known")
        result = shop.ask_json("apply", shop.build({"shop/pricing.py": PRICING.replace("pieces * 2", "pieces * 3")}))
        assert {(answer["pid"], answer["state"]) for answer in result["groups"]["web"]["answers"]} == {
            (service.pid, "done"), (child, "done"),
        }  # fmt: skip
        assert service.ask("total(5)") == 15
    finally:
        for pid in (child, other):
            os.kill(pid, signal.SIGKILL)


def test_one_process_first_and_then_all(shop: Shop) -> None:
    """Ordered for one process the others are passed over; ordered again for all, these follow, and so does who starts later."""
    one, other = shop.serve(), shop.serve()
    patch = shop.build({"shop/pricing.py": PRICING.replace("pieces * 2", "pieces * 3")})
    assert "passed over" in shop.done("apply", patch, "--pid", one.pid)
    assert [one.ask("total(5)"), other.ask("total(5)")] == [15, 10]
    shop.done("apply", patch)
    assert [one.ask("total(5)"), other.ask("total(5)")] == [15, 15]
    shop.done("rollback")
    assert [one.ask("total(5)"), other.ask("total(5)")] == [10, 10]


def test_a_canary_that_ends_keeps_the_others_from_the_patch(shop: Shop) -> None:
    """A patch that ends the process which has it first reaches no other one; one that does not reaches all."""
    one, other = shop.serve(), shop.serve()
    deadly = PRICING.replace("RATE = 2", "import os, threading\nRATE = 2\nthreading.Timer(0.2, os._exit, [9]).start()")
    text = shop.refused("HS614", "apply", shop.build({"shop/pricing.py": deadly}), "--canary", 1, "--watch", 60)
    assert "nothing is changed" in text
    [left] = [each for each in (one, other) if each.pid in {held["pid"] for held in shop.processes_of()}]
    assert left.ask("(total(5), hotswap.applied())") == [10, []]

    third = shop.serve()
    harmless = shop.build({"shop/pricing.py": PRICING.replace("pieces * 2", "pieces * 3")})
    shop.done("apply", harmless, "--canary", 1, "--watch", 0.1)
    assert [each.ask("total(5)") for each in (left, third)] == [15, 15]
