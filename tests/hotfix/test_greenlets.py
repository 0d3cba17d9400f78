"""Services whose threads are greenlets: they take patches as others do, and go on with their requests meanwhile."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.hotfix.service import CART, PRICING, SERVER, Service, Shop, wait_until
from tests.hotfix.test_forks import Gunicorn

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")
GREENED = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
# Waits for a line as the library does, so that other greenlets run; and has one that works.
GREEN_SERVER = SERVER.replace("for line in sys.stdin:\n", """\
import select, threading, time
ticks = []
threading.Thread(target=lambda: [(ticks.append(1), time.sleep(0.005)) for _ in range(100_000)], daemon=True).start()
while select.select([sys.stdin], [], []) and (line := sys.stdin.readline()):
""")  # fmt: skip
MIGRATION = """
from hotswap import migrate

@migrate("shop.cart:Cart", 1)
def add_currency(state):
    state.currency = "EUR"

@add_currency.down
def _(state):
    del state.currency
"""


def serve(shop: Shop, library: str, words: str = "'web'", server: str = GREEN_SERVER) -> Service:
    program = f"{GREENED[library]}\nimport hotswap\nhotswap.agent({words})\n{server}"
    (shop.deployed / "server.py").write_text(program)
    return Service(shop.start_plain("server.py"))


@pytest.mark.parametrize("library", GREENED)
def test_a_service_of_greenlets_takes_a_patch(shop: Shop, library: str) -> None:
    """Other greenlets run while it does, objects are converted in the background, and a confirmation that does not come is
    noticed."""
    service = serve(shop, library)
    service.ask("carts.extend(Cart(str(number)) for number in range(50))")
    new_cart = CART.replace("        self.owner = owner\n", '        self.owner = owner\n        self.currency = "EUR"\n')
    patch = shop.build({"shop/pricing.py": TRIPLE, "shop/cart.py": new_cart + MIGRATION})
    before = service.ask("len(ticks)")
    shop.done("apply", patch)
    assert service.ask("(total(5), hotswap.applied())") == [15, ["shop-1"]]
    wait_until(lambda: service.ask("'__getattribute__' in vars(Cart)") is False, "all objects are converted")
    assert service.ask("[cart.__dict__['currency'] for cart in carts] == ['EUR'] * 50")
    wait_until(lambda: service.ask("len(ticks)") > before, "other greenlets run")
    shop.done("rollback")
    assert service.ask("(total(5), hotswap.applied(), hasattr(carts[0], 'currency'))") == [10, [], False]

    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}), "--confirm-within", 0.3)
    wait_until(lambda: service.ask("hotswap.applied()") == [], "the time to confirm is over")
    assert service.ask("total(5)") == 10


@pytest.mark.slow
def test_a_start_has_what_is_wanted_and_a_child_follows(shop: Shop) -> None:
    """As with threads; the doorbell of a child is its own."""
    serve(shop, "gevent")
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}))
    forking = GREEN_SERVER.replace("import select,", "import gevent\nimport select,")
    service = serve(shop, "gevent", server=forking)
    assert service.ask("(total(5), hotswap.applied())") == [15, ["shop-1"]]
    child = service.ask("os.fork() or [gevent.sleep(0.01) for _ in range(6_000)]")
    try:
        wait_until(lambda: child in {held["pid"] for held in shop.processes_of()}, "the child is known")
        result = shop.ask_json("rollback")
        states = {answer["pid"]: answer["state"] for answer in result["groups"]["web"]["answers"]}
        assert (states[child], states[service.pid]) == ("done", "done")
        assert service.ask("total(5)") == 10
        assert "Traceback" not in shop.errors.read_text()
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_the_door_of_a_service_of_greenlets(shop: Shop) -> None:
    """It answers, and carries out what its own process is asked for."""
    service = serve(shop, "gevent", "'web', door=True")
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}), "--group", "web", "--door")
    assert service.ask("total(5)") == 15


def test_an_idle_agent_of_greenlets_never_wakes_up(shop: Shop) -> None:
    """The loop waits for the program's descriptors, and for one more."""
    (shop.deployed / "idle.py").write_text("\n".join([
        GREENED["gevent"], "import hotswap, os, select, sys", "hotswap.agent('web')",
        "print(os.getpid(), flush=True)", "select.select([sys.stdin], [], [])",
    ]))  # fmt: skip
    pid = Service(shop.start_plain("idle.py")).pid
    began = time.monotonic()
    seen = -1
    while time.monotonic() < began + 60:
        text = Path(f"/proc/{pid}/status").read_text()
        before, seen = seen, int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])
        if seen == before:
            return
        time.sleep(1.0)  # whatever wakes up by itself does so in a second
    raise AssertionError("it never sleeps for a second")


@pytest.mark.slow  # some seconds of real processes; the parts that it puts together have tests of their own
def test_gunicorn_workers_of_greenlets(shop: Shop) -> None:
    """Each has an agent of its own, called behind the patch of the library; one that comes later has what is wanted."""
    conf = "def post_worker_init(worker):\n    import hotswap\n    hotswap.agent('web')\n"
    (shop.deployed / "gunicorn.conf.py").write_text(conf)
    server = Gunicorn(shop, "-k", "gevent", agent=False)
    assert server.answers() == {(10, (), "owner")}
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}))
    assert server.answers() == {(15, ("shop-1",), "owner")}

    killed = server.pids()[0]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in server.pids() and len(server.pids()) == 2, "the master has forked another one")
    assert server.answers() == {(15, ("shop-1",), "owner")}
    shop.done("rollback")
    assert server.answers() == {(10, (), "owner")}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
