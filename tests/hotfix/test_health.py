"""A patch that does not do well is taken back: by what is asked from outside, and by what the program itself says."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hotswap.hotfix.health import Health, parse_share, read_error_rate
from tests.hotfix.service import CART, LATER, PRICING, Shop, wait_until

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")


@contextmanager
def answering(status: Callable[[], int]) -> Iterator[str]:
    """An address that answers with a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status())
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_address_that_fails_takes_the_patch_back(shop: Shop) -> None:
    """All have the old code again at once, the reason is said; where the address is well the patch stays, and is confirmed."""
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE})
    with answering(lambda: 500 if service.ask("total(5)") == 15 else 200) as url:
        text = shop.refused("HS615", "apply", patch, "--health-url", url, "--watch", 60)
    assert "answers 500" in text
    assert "nothing is changed" in text
    assert service.ask("(total(5), hotswap.applied())") == [10, []]

    command = f"{sys.executable} -c 'raise SystemExit(0)'"
    with answering(lambda: 200 if service.ask("total(5)") else 500) as url:
        shop.done("apply", patch, "--health-url", url, "--health-command", command, "--watch", 0.1)
    assert service.ask("total(5)") == 15
    assert [order["confirm_by"] for order in shop.ask_json("status")["groups"][0]["wanted"]] == [None]


def test_one_that_was_withdrawn_gets_another_chance(shop: Shop) -> None:
    """Ordered again it is watched as if nothing had been, and taken back where it fails again."""
    service = shop.serve_by_itself("'web', error_rate=lambda: rate[0]", "rate = [0.01]")
    patch = shop.build({"shop/pricing.py": TRIPLE})
    for _ in range(2):
        service.ask("rate.__setitem__(0, 0.01)")
        fails_more = "rate.__setitem__(0, 0.5 if total(5) == 15 else 0.01)"
        with answering(lambda: 200 if service.ask(fails_more) is None else 500) as url:
            text = shop.refused("HS615", "apply", patch, "--max-errors", "5%", "--health-url", url, "--watch", 60)
        assert "the error rate is 50.0%" in text
        wait_until(lambda: service.ask("(total(5), hotswap.applied())") == [10, []], "it is taken back")
    service.ask("rate.__setitem__(0, 0.01)")
    shop.done("apply", patch, "--max-errors", "5%", "--watch", 0.1)
    assert service.ask("total(5)") == 15


def test_who_watches_speaks_for_one_patch_only(shop: Shop) -> None:
    """What waits for a person waits on; what others have ordered meanwhile goes with what it stands on, and nothing else does."""
    service = shop.serve()
    first = shop.build({"shop/pricing.py": TRIPLE})
    second = shop.build({"shop/later.py": LATER.replace("old", "new")})
    shop.done("apply", first, "--confirm-within", 3600)
    shop.done("apply", second, "--health-command", "true", "--watch", 0.1)
    waits = [order["confirm_by"] is not None for order in shop.ask_json("status")["groups"][0]["wanted"]]
    assert waits == [True, False]
    shop.refused("HS607", "apply", first)
    shop.done("rollback")

    third = shop.build({"shop/cart.py": CART + "\n\nEND = 1\n"})
    ordered = []

    def answer() -> int:
        if service.ask("hotswap.applied()") == ["shop-1", "shop-2"] and not ordered:
            ordered.append(shop.hotswap("apply", third).exit_code)
            return 500
        return 500 if ordered else 200

    with answering(answer) as url:
        shop.refused("HS615", "apply", second, "--health-url", url, "--watch", 60)
    assert ordered == [0]
    assert service.ask("hotswap.applied()") == ["shop-1"]


def test_a_service_that_is_not_well_before_gets_no_patch(shop: Shop) -> None:
    """Nobody could tell afterwards whether the patch has done it; it is not even ordered."""
    service = shop.serve()
    words = ["--health-command", "false", "--watch", 60]
    assert "before it has the patch" in shop.refused("HS615", "apply", shop.build({"shop/pricing.py": TRIPLE}), *words)
    assert service.ask("hotswap.applied()") == []
    assert shop.journal() == []


@pytest.mark.slow
def test_killed_while_it_watches(shop: Shop) -> None:
    """Nobody confirms then, so the process takes the patch back by itself."""
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE})
    words = ["-m", "hotswap", "apply", patch, "--health-command", "true", "--watch", "2", "--timeout", "0.5"]
    terminal = subprocess.Popen([sys.executable, *words], env=shop.environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: service.ask("total(5)") == 15, "the patch is live")
    finally:
        terminal.send_signal(signal.SIGKILL)
        terminal.wait()
    wait_until(lambda: service.ask("total(5)") == 10, "the patch is taken back")
    assert any("HS609" in entry.get("because", "") for entry in shop.journal())


def test_the_error_rate_of_the_program(shop: Shop) -> None:
    """One process that fails too often takes the patch from all of its group; nobody has to watch for it."""
    first, other = (shop.serve_by_itself("'web', error_rate=lambda: rate[0]", "rate = [0.01]") for _ in range(2))
    patch = shop.build({"shop/pricing.py": TRIPLE})
    shop.done("apply", patch, "--max-errors", "5%", "--watch", 0.1)
    assert [each.ask("total(5)") for each in (first, other)] == [15, 15]
    shop.done("rollback")

    # The terminal that has ordered it is killed, as it were: an order with these terms, and nobody who looks.
    from hotswap.hotfix import orders
    from hotswap.hotfix.patch import read_sealed
    from hotswap.hotfix.spool import Spool

    made = read_sealed(patch.read_bytes()).open()
    spool = Spool("web", str(shop.root / "spool" / "web"))
    assert orders.apply(spool, made, terms=orders.Terms(confirm_within=3600, max_errors=0.05)).done
    assert [each.ask("total(5)") for each in (first, other)] == [15, 15]
    other.ask("rate.__setitem__(0, 0.5)")
    for each in (first, other):
        wait_until(lambda each=each: each.ask("(total(5), hotswap.applied())") == [10, []], "both have taken it back")
    [entry] = [entry for entry in shop.journal() if entry["event"] == "withdrawn"]
    assert "the error rate is 50.0%, where 5.0% is good" in entry["because"]
    assert str(other.pid) in entry["because"]


def test_error_rate_of_a_program_that_gives_none(shop: Shop) -> None:
    """What is asked for and is not there refuses; it does not count as good."""
    service = shop.serve()
    shop.refused("HS615", "apply", shop.build({"shop/pricing.py": TRIPLE}), "--max-errors", "5%", "--watch", 60)
    assert service.ask("hotswap.applied()") == []


MIGRATION = """
from hotswap import migrate

class Cart:
    def __init__(self, name):
        self.name = name

    def title(self):
        return self.name


@migrate("shop.cart:Cart")
def rename(state):
    if state.owner == "7777":
        raise ValueError("not this one")
    state.name = state.pop("owner")


@rename.down
def _(state):
    state.owner = state.pop("name")
"""


def test_one_object_in_ten_thousand_that_cannot_be_converted(shop: Shop) -> None:
    """The patch rolls back by itself in all processes, and no object has lost anything; with a larger budget it stays."""
    assert "owner" in CART
    one, other = shop.serve(), shop.serve()
    one.ask("carts.extend(Cart(str(number)) for number in range(10_000))")
    patch = shop.build({"shop/cart.py": MIGRATION})
    assert shop.hotswap("apply", patch).exit_code in (0, 1)  # 1 where the sweep was faster than the answer
    for each in (one, other):
        wait_until(lambda each=each: each.ask("hotswap.applied()") == [], "it is taken back")
    assert one.ask("[vars(cart) for cart in carts] == [{'owner': str(number)} for number in range(10_000)]")
    assert one.ask("carts[7777].title()") == "7777"
    [entry] = [entry for entry in shop.journal() if entry["event"] == "withdrawn"]
    assert "1 of 10,000 objects could not be converted, where the budget is 0" in entry["because"]
    assert "ValueError: not this one" in entry["because"]

    shop.done("apply", patch, "--failure-budget", 1)
    wait_until(lambda: one.ask("sum(type(cart).title(cart) == str(at) for at, cart in enumerate(carts) if at != 7777)") == 9_999,
               "all others are converted")  # fmt: skip
    assert one.ask("hotswap.applied()") == ["shop-1"]
    shop.done("rollback")
    assert one.ask("[vars(cart) for cart in carts] == [{'owner': str(number)} for number in range(10_000)]")


def test_each_patch_has_its_own_budget(shop: Shop) -> None:
    """A later patch changes nothing of what an earlier one may lose; during a pause it is remembered, and acted upon after it."""
    service = shop.serve()
    service.ask("carts.extend(Cart(str(number)) for number in range(7770, 7780))")
    on_access = MIGRATION.replace('@migrate("shop.cart:Cart")', '@migrate("shop.cart:Cart", when="on_access")')
    shop.done("apply", shop.build({"shop/cart.py": on_access}))
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}), "--failure-budget", 5)
    shop.done("pause")
    assert "not this one" in service.ask("carts[7].title()")
    assert service.ask("hotswap.applied()") == ["shop-1", "shop-2"]
    shop.done("resume")
    wait_until(lambda: service.ask("hotswap.applied()") == [], "both are taken back")
    [entry] = [entry for entry in shop.journal() if entry["event"] == "withdrawn"]
    assert (entry["id"], "1 of 10 objects" in entry["because"]) == ("shop-1", True)


def test_what_a_check_makes_of_answers() -> None:
    """Whatever is there in the place of a service, it is one sentence."""
    assert Health().find_failure() == ""
    quick = {"patience": 5.0}
    with answering(lambda: 404) as url:
        assert "answers 404" in Health(urls=(url,), **quick).find_failure()
    assert "does not answer" in Health(urls=(url,), **quick).find_failure()
    assert "does not answer" in Health(urls=("no address",), **quick).find_failure()
    assert "ends with 1" in Health(commands=("false",), **quick).find_failure()
    assert "cannot be run" in Health(commands=("/no/such/command",), **quick).find_failure()
    assert "within 0.01 s" in Health(commands=("sleep 60",), patience=0.01).find_failure()


def test_what_a_program_gives_as_its_error_rate() -> None:
    """A number is compared; what is none counts as bad."""
    assert read_error_rate(lambda: 0.05, 0.05) == ""
    for bad in (lambda: 0.06, lambda: float("nan"), lambda: 1 / 0, lambda: "much"):
        assert read_error_rate(bad, 0.05) != ""
    assert [parse_share(text) for text in ("5%", "0.05", "0")] == [0.05, 0.05, 0.0]
    for text in ("much", "-1%", "101%", "nan"):
        with pytest.raises(ValueError):
            parse_share(text)


