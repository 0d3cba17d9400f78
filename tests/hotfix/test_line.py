"""The whole line on a real process: built, signed, ordered, live, taken back."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from hotswap.hotfix.orders import withdraw
from hotswap.hotfix.patch import read_sealed
from hotswap.hotfix.spool import Spool
from tests.hotfix.service import CART, LATER, PRICING, Shop, wait_until

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")


def test_a_patch_goes_live_and_is_taken_back(shop: Shop) -> None:
    """References taken before run the new code, data that is computed follows, and a rollback leads back."""
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE.replace("RATE = 2", "RATE = 3")}, words=("-d", "three for each"))
    assert "nothing is changed" not in shop.done("apply", patch, "--check")
    assert service.ask("total(5)") == 10

    shop.done("apply", patch)
    assert service.ask("(total(5), shop.pricing.TABLE[3], hotswap.applied())") == [15, 9, ["shop-1"]]
    assert service.ask("__import__('inspect').getsource(total)").endswith("pieces * 3\n")

    shop.done("rollback")
    assert service.ask("(total(5), shop.pricing.TABLE[3], hotswap.applied())") == [10, 6, []]
    assert service.ask("__import__('inspect').getsource(total)").endswith("pieces * 2\n")
    events = [(entry["event"], entry["pid"] == service.pid) for entry in shop.journal()]
    assert events == [
        ("ordered", False), ("began", True), ("applied", True), ("carried out", False),
        ("ordered", False), ("takes back", True), ("taken back", True), ("carried out", False),
    ]  # fmt: skip


def test_patches_stack_and_a_start_carries_them(shop: Shop) -> None:
    """A second patch is built from the first one's text; a process that starts later has both, and takes them back in turn."""
    first = shop.build({"shop/pricing.py": TRIPLE, "shop/later.py": LATER.replace("old", "new")})
    service = shop.serve()
    shop.done("apply", first)
    assert service.ask("__import__('shop.later').later.late()") == "new"  # imported now, from the text of the patch

    newer = TRIPLE.replace("pieces * 3", "pieces * 4")
    second = shop.build({"shop/pricing.py": newer}, base=shop.root / "new1", words=("--needs", str(first)))
    shop.done("apply", second)
    assert service.ask("(total(5), hotswap.applied())") == [20, ["shop-1", "shop-2"]]

    other = shop.serve()
    assert other.ask("(total(5), hotswap.applied(), __import__('shop.later').later.late())") == [20, ["shop-1", "shop-2"], "new"]
    shop.done("rollback")
    assert [each.ask("total(5)") for each in (service, other)] == [15, 15]
    shop.done("rollback")
    for each in (service, other):
        assert each.ask("(total(5), hotswap.applied(), __import__('shop.later').later.late())") == [10, [], "old"]


def test_objects_are_converted_by_the_migration_of_a_patch(shop: Shop) -> None:
    """A class that changes shape takes its objects along, both ways."""
    text = "from hotswap import migrate\n" + CART.replace("self.owner", "self.name")
    text += "\n\n@migrate('shop.cart:Cart')\ndef rename(state):\n    state.name = state.pop('owner')\n"
    text += "\n\n@rename.down\ndef _(state):\n    state.owner = state.pop('name')\n"
    service = shop.serve()
    service.ask("carts.append(Cart('Ada'))")
    shop.done("apply", shop.build({"shop/cart.py": text}))
    assert service.ask("(carts[0].title(), vars(carts[0]))") == ["Ada", {"name": "Ada"}]
    shop.done("rollback")
    assert service.ask("(carts[0].title(), vars(carts[0]))") == ["Ada", {"owner": "Ada"}]


def test_unconfirmed_patch_is_taken_back_by_itself(shop: Shop) -> None:
    """Without a confirmation in time the old code is back, and a confirmed one stays."""
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE})
    shop.done("apply", patch, "--confirm-within", 1)
    wait_until(lambda: service.ask("total(5)") == 10, "the patch is taken back")
    assert any("HS609" in entry.get("because", "") for entry in shop.journal())
    shop.refused("HS609", "confirm")
    assert shop.ask_json("status")["groups"][0]["wanted"] == []

    shop.done("apply", patch, "--confirm-within", 3600)
    shop.done("confirm")
    wanted = shop.ask_json("status")["groups"][0]["wanted"]
    assert [order["confirm_by"] for order in wanted] == [None]
    assert service.ask("total(5)") == 15


@pytest.mark.slow
def test_a_clock_that_is_set_back_neither_keeps_nor_returns_a_patch(shop: Shop) -> None:
    """1 it is applied for four seconds, 2 the clock goes back by an hour, 3 it is taken back in time all the same, 4 what rings
    then does not bring it back, though by that clock its time is not over, 5 another one can be asked about."""
    service = shop.serve()
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}), "--confirm-within", 4)
    service.ask("setattr(__import__('time'), 'time', lambda now=__import__('time').time: now() - 3600)")
    wait_until(lambda: service.ask("total(5)") == 10, "the patch is taken back")
    result = shop.root / "spool" / "web" / "results" / f"{service.pid}.json"
    wait_until(lambda: json.loads(result.read_text())["applied"] == [], "the process says so")
    before = result.stat().st_mtime_ns
    os.kill(service.pid, json.loads(result.read_text())["signal"])
    wait_until(lambda: result.stat().st_mtime_ns != before, "the process has looked again")
    assert service.ask("total(5)") == 10
    shop.done("apply", shop.build({"shop/cart.py": CART.replace("return self.owner", "return self.owner * 2")}), "--check")


@pytest.mark.slow  # a long series, by hand
def test_the_way_back_needs_no_spool(shop: Shop) -> None:
    """A process that cannot read or write its spool any more takes an unconfirmed patch back all the same."""
    service = shop.serve()
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}), "--confirm-within", 4)
    shutil.rmtree(shop.root / "spool")
    (shop.root / "spool").write_text("no folder")
    wait_until(lambda: service.ask("total(5)") == 10, "the patch is taken back")
    assert "HS608" in shop.errors.read_text()


def test_killed_process_starts_with_what_is_wanted(shop: Shop) -> None:
    """After kill -9 the next start has the state of the spool, and says which."""
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE})
    shop.done("apply", patch)
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    assert shop.serve().ask("(total(5), hotswap.applied())") == [15, ["shop-1"]]
    [group] = shop.ask_json("status")["groups"]
    assert [[each["id"] for each in held["applied"]] for held in group["processes"]] == [["shop-1"]]
    assert group["same"]


def test_files_that_come_with_a_patch(shop: Shop) -> None:
    """A module and a package that are on no disk are imported from the patch, and are gone when it is taken back."""
    service = shop.serve()
    text = TRIPLE.replace("RATE = 2", "from shop.tax import RATE\nfrom shop.rules.more import EXTRA")
    text = text.replace("pieces * 3", "pieces * RATE + EXTRA")
    files = {"shop/tax.py": "RATE = 4\n", "shop/rules/__init__.py": "", "shop/rules/more.py": "EXTRA = 1\n"}
    patch = shop.build({"shop/pricing.py": text, **files})
    shop.done("apply", patch, "--check")
    assert service.ask("(total(5), 'shop.tax' in sys.modules)") == [10, False]
    shop.done("apply", patch)
    assert service.ask("(total(5), shop.tax.RATE, __import__('inspect').getsource(shop.tax))") == [21, 4, "RATE = 4\n"]
    assert not (shop.deployed / "shop" / "tax.py").exists()
    shop.done("rollback")
    assert service.ask("(total(5), shop.pricing.RATE)") == [10, 2]
    assert "ModuleNotFoundError" in service.ask("__import__('shop.tax')")
    shop.done("apply", patch)
    assert service.ask("(total(5), shop.tax.RATE)") == [21, 4]


def test_what_is_installed_or_ignored_can_be_patched(tmp_path: Path) -> None:
    """What a patch names counts, wherever it lies. A function in whose place the program has put another one is not patched."""
    shop = Shop(tmp_path, "lib/site-packages")
    try:
        (shop.deployed / ".gitignore").write_text("*\n")
        service = shop.serve()
        patch = shop.build({"shop/pricing.py": TRIPLE})
        shop.done("apply", patch)
        assert service.ask("total(5)") == 15
        shop.done("rollback")
        service.ask("setattr(shop.pricing, 'wrapped', __import__('functools').wraps(total)(lambda pieces: total(pieces)))")
        service.ask("setattr(shop.pricing, 'total', shop.pricing.wrapped)")  # as monitoring does: what is inside is patched
        shop.done("apply", patch)
        assert service.ask("shop.pricing.total(5)") == 15
        shop.done("rollback")
        for replace in ("setattr(shop.pricing, 'total', len)", "setattr(total, '__code__', (lambda pieces: 7).__code__)"):
            service.ask(replace)
            for words in (("--check",), ()):
                assert "shop.pricing.total" in shop.refused("HS605", "apply", patch, *words)
            assert service.ask("shop.pricing.RATE") == 2
            service.ask("setattr(shop.pricing, 'total', total)")
    finally:
        shop.close()


def test_what_each_group_has_made_of_it_is_told(shop: Shop) -> None:
    """Where one group follows and another does not, not all have the same; the exit code and the answer have that."""
    one = shop.serve(group="one")
    other = shop.serve(group="two")
    other.ask("setattr(shop.pricing.__spec__, '_initializing', True)")  # as while another thread imports it
    patch = shop.build({"shop/pricing.py": TRIPLE})
    text = shop.refused("HS606", "apply", patch, "--all", exit_code=3)
    assert "each process of two is as it was before" in text
    assert [each.ask("total(5)") for each in (one, other)] == [15, 10]
    shop.done("pause", "--group", "one")
    assert shop.hotswap("apply", patch, "--all").exit_code == 1
    assert "HS616" in shop.hotswap("apply", patch, "--all").stdout
    other.ask("setattr(shop.pricing.__spec__, '_initializing', False)")
    told = shop.hotswap("apply", patch, "--all", "--json")
    assert (told.exit_code, [each["done"] for each in json.loads(told.stdout)["groups"].values()]) == (3, [False, True])


def test_force_is_for_one_order(shop: Shop) -> None:
    """After something was taken back by force, another one that is taken back by itself waits for what is in its way."""
    service = shop.serve()
    first, second = shop.build({"shop/pricing.py": TRIPLE}), shop.build({"shop/later.py": LATER.replace("old", "new")})
    shop.done("apply", first, "--consistency", "quiescent", "--deadline", 0.3)
    service.ask("setattr(shop.pricing, 'held', hotswap.task('endless')(lambda: __import__('time').sleep(600)))")
    service.ask("__import__('threading').Thread(target=shop.pricing.held, daemon=True).start()")
    shop.done("apply", second)
    shop.done("rollback", "--force", "--deadline", 0)
    assert withdraw(Spool("web", str(shop.root / "spool" / "web")), read_sealed(first.read_bytes()).open().digest, "a test")
    wait_until(lambda: shop.journal()[-1]["event"] == "stays", "it is blocked")
    assert "endless" in shop.journal()[-1]["reasons"][0]
    assert service.ask("total(5)") == 15
    assert [entry["id"] for entry in shop.journal() if entry.get("forced")] == []
