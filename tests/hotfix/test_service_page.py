"""The status page of a service: what a process has, and the way back for the whole group."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.hotfix.service import PRICING, Shop, wait_until
from tests.hotfix.test_health import MIGRATION

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")


def addresses(shop: Shop) -> list[str]:
    return [held["page"] for held in shop.processes_of()]


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode()


def give(address: str, verb: str, **fields: object) -> Any:
    """Give a command as the page's own script does."""
    parts = urllib.parse.urlsplit(address)
    origin = f"{parts.scheme}://{parts.netloc}"
    token = urllib.parse.parse_qs(parts.query)["token"][0]
    data = urllib.parse.urlencode({"token": token, **fields}).encode()
    asked = urllib.request.Request(f"{origin}/do/{verb}", data, {"Origin": origin, "Accept": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read())


def test_what_a_process_has_and_the_way_back(shop: Shop) -> None:
    """Patches as a timeline with their stages, classes with what is left; a rollback here is an order for all processes."""
    services = [shop.serve(page=True) for _ in range(2)]
    services[0].ask("carts.extend(Cart(str(number)) for number in range(7770, 7780))")
    address, other = addresses(shop)
    assert "web: no patch" in read(address)
    assert "What is wanted is live" in read(address)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        read(address[:-4])

    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}))
    shop.done("apply", shop.build({"shop/cart.py": MIGRATION}), "--failure-budget", 5)
    for each in (address, other):
        text = read(each)
        assert "web: shop-1, shop-2" in text
        assert "Swap 2" in text
        assert "shop.cart.Cart" in text
        assert "disk" not in text  # patches are no files that are saved
    assert address in shop.done("status")

    assert give(address, "swap")["said"] == "patches come from the terminal: hotswap apply"
    assert "not the newest any more; nothing was taken back" in give(address, "rollback", swap=1)["said"]
    assert "objects of process" in give(address, "retry")["said"]
    for at, left in ((2, ["shop-1"]), (1, [])):
        assert give(other, "rollback", swap=at) == {"done": True, "said": f"shop-{at} is taken back in 2 processes"}
        assert [each.ask("hotswap.applied()") for each in services] == [left, left]
    assert "at the status page of process" in [entry for entry in shop.journal() if entry["event"] == "ordered"][-1]["by"]


def test_the_page_shows_whom_a_change_waits_for(shop: Shop) -> None:
    """While it waits."""
    service = shop.serve(page=True)
    service.ask("globals().update(over=__import__('threading').Event())")
    service.ask("setattr(shop.pricing, 'held', hotswap.task('long one')(over.wait))")
    service.ask("__import__('threading').Thread(target=shop.pricing.held, name='busy', daemon=True).start()")
    [address] = addresses(shop)
    patch = shop.build({"shop/pricing.py": TRIPLE})
    words = ["-m", "hotswap", "apply", patch, "--consistency", "quiescent", "--deadline", "60"]
    with subprocess.Popen([sys.executable, *words], env=shop.environment, stdout=subprocess.PIPE, text=True) as terminal:
        try:
            wait_until(lambda: "Waiting for 1 task to end" in (text := read(address)) and "long one" in text, "the page names it")
        finally:
            service.ask("over.set()")
        terminal.communicate(timeout=60)
    wait_until(lambda: "What is wanted is live" in read(address), "it is live")
    shop.refused("HS602", "apply", shop.build({"shop/later.py": "def late():\n    return 'new'\n"}, sign=False))


def test_each_forked_process_has_a_page_of_its_own(shop: Shop) -> None:
    """The parent's port stays the parent's."""
    service = shop.serve(page=True)
    service.ask("globals().update(child=__import__('os').fork()) or child or __import__('time').sleep(600)")
    wait_until(lambda: len(shop.processes_of()) == 2, "the child has an agent")
    try:
        ports = {urllib.parse.urlsplit(each).port for each in addresses(shop)}
        assert len(ports) == 2
        shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}))
        assert all("web: shop-1" in read(each) for each in addresses(shop))
    finally:
        service.ask("__import__('os').kill(child, 9)")
