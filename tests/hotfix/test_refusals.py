"""Whatever is wrong with an order: one clear sentence, an exit code, and nothing is changed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from hotswap.errors import PatchError
from hotswap.hotfix.orders import Terms, _make_order
from hotswap.hotfix.patch import read_sealed
from hotswap.hotfix.spool import Desired, Spool
from tests.hotfix.service import CART, PRICING, Service, Shop, wait_until

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Service]]:
    """A service that all refusals leave as it is; so one is enough."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    yield shop, shop.serve()
    shop.close()


@pytest.fixture
def service(running: tuple[Shop, Service]) -> Iterator[Service]:
    """The service, which has to be as it was when the test is over."""
    shop, service = running
    yield service
    assert service.ask("(total(5), shop.pricing.RATE, hotswap.applied())") == [10, 2, []]
    assert shop.ask_json("status")["groups"][0]["same"]


@pytest.fixture
def shop(running: tuple[Shop, Service]) -> Shop:
    return running[0]


def test_unsigned_and_foreign_signatures(shop: Shop, service: Service) -> None:
    """The terminal says so before anything is put into the spool."""
    patch = shop.build({"shop/pricing.py": TRIPLE}, sign=False)
    assert "is not signed" in shop.refused("HS602", "apply", patch)
    stranger = shop.root / "stranger"
    shop.make_key(stranger)
    assert "is not one of" in shop.refused("HS602", "apply", shop.build({"shop/pricing.py": TRIPLE}, key=stranger))
    assert json.loads(shop.hotswap("apply", patch, "--json").stdout)["error"]["code"] == "HS602"


def test_expired(shop: Shop, service: Service) -> None:
    """It may not be ordered any more."""
    patch = shop.build({"shop/pricing.py": TRIPLE}, words=("--expires", "2020-01-01T00:00:00Z"))
    shop.refused("HS603", "apply", patch)


def test_another_base(shop: Shop, service: Service) -> None:
    """The process compares what is live with what the patch was built from, and names the file."""
    other = shop.root / "other"
    shutil.copytree(shop.deployed, other)
    (other / "shop" / "pricing.py").write_text(PRICING + "\n# another release\n")
    text = shop.refused("HS605", "apply", shop.build({"shop/pricing.py": TRIPLE}, base=other))
    assert "shop/pricing.py" in text
    assert "nothing is changed" in text
    [refused] = [entry for entry in shop.journal() if entry["event"] == "refused"]
    assert (refused["pid"], refused["signer"]) == (service.pid, "ops@example.org")


def test_what_the_engine_refuses(shop: Shop, service: Service) -> None:
    """A text that needs more than a patch is refused with the engine's code; asking first says the same."""
    broken = shop.build({"shop/pricing.py": PRICING.replace("RATE = 2", "RATE = 1 / 0")})
    for words in (("--check",), ()):
        assert "ZeroDivisionError" in shop.refused("HS110", "apply", broken, *words)
    service.ask("carts.append(Cart('Ada'))")
    fields = shop.build({"shop/cart.py": CART.replace("self.owner = owner", "self.owner = owner\n        self.first = owner[0]")})
    shop.refused("HS301", "apply", fields)


def test_version_needs_and_target(shop: Shop, service: Service) -> None:
    """What the manifest asks for and is not there."""
    shop.refused("HS606", "apply", shop.build({"shop/pricing.py": TRIPLE}, words=("--version", "1.0")))
    needed = shop.build({"shop/pricing.py": TRIPLE}, sign=False)
    shop.refused("HS607", "apply", shop.build({"shop/pricing.py": TRIPLE}, words=("--needs", str(needed))))


def test_process_that_is_none(shop: Shop, service: Service) -> None:
    """A number of another process, which the signal would end, is not rung at."""
    patch = shop.build({"shop/pricing.py": TRIPLE})
    shop.refused("HS611", "apply", patch, "--pid", os.getpid())
    shop.refused("HS611", "apply", patch, "--group", "web", "--pid", os.getpid())
    shop.refused("HS611", "apply", patch, "--group", "nobody")


@pytest.mark.parametrize("verb", ["status", "history", "rollback", "pause"])
def test_group_that_is_none(shop: Shop, service: Service, verb: str) -> None:
    """A name that is mistyped is said to be that, with those that there are, and no folder is made for it."""
    assert "no group wbe of this user is known" in (said := shop.refused("HS611", verb, "--group", "wbe"))
    assert "choose one of " in said
    assert not (shop.root / "spool" / "wbe").exists()


def test_second_order_during_the_first(shop: Shop, service: Service) -> None:
    """While an order is carried out another one is not begun."""
    patch = shop.build({"shop/pricing.py": TRIPLE})
    with Spool("web", str(shop.root / "spool" / "web")).ordering():
        shop.refused("HS612", "apply", patch)


def test_spool_that_others_may_write_to(shop: Shop, service: Service) -> None:
    """Neither the terminal nor the process trusts it."""
    patch = shop.build({"shop/pricing.py": TRIPLE})
    folder = shop.root / "spool" / "web"
    for each in (folder, folder / "patches", folder.parent):
        each.chmod(0o777)
        shop.refused("HS608", "apply", patch, "--group", "web")
        os.kill(service.pid, shop_signal(shop))
        wait_until(lambda: str(each) in shop.errors.read_text(), "the process says why it does nothing")
        each.chmod(0o700)


def test_a_full_disk_is_not_kept_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is as it was, and nothing of the new one is left lying about; a deep one is told as any other."""
    spool = Spool("web", str(tmp_path / "web"))
    spool.check(create=True)
    before = sorted(os.listdir(spool.folder))

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        spool.write_desired(Desired(revision=7))
    assert spool.read_desired() == Desired()
    assert sorted(os.listdir(spool.folder)) == before
    monkeypatch.undo()
    (tmp_path / "web" / "desired.json").write_text("[" * 100_000)
    (tmp_path / "web" / "desired.json").chmod(0o600)
    with pytest.raises(PatchError, match="HS608.*is not what hotswap writes"):
        spool.read_desired()


def shop_signal(shop: Shop) -> int:
    results = Spool("web", str(shop.root / "spool" / "web")).read_results()
    return int(next(iter(results.values()))["signal"])


def test_patch_that_was_exchanged_in_the_spool(shop: Shop, service: Service) -> None:
    """The process verifies by itself what it finds: a patch of another, or of nobody."""
    wanted = read_sealed(shop.build({"shop/pricing.py": TRIPLE}).read_bytes()).open()
    spool = Spool("web", str(shop.root / "spool" / "web"))
    order = _make_order(wanted, "test", 0.0, (), Terms())
    for data, code in ((attrs.evolve(wanted, signature=b"").to_bytes(), "HS602"), (b"hello", "HS601")):
        before = spool.read_desired()
        spool.add_patch(wanted.digest, data)
        spool.write_desired(attrs.evolve(before, revision=before.revision + 1, orders=(order,)))
        os.kill(service.pid, shop_signal(shop))
        wait_until(lambda: code in json.dumps(shop.processes_of()), "it is refused")
        spool.write_desired(attrs.evolve(before, revision=before.revision + 2))
        os.kill(service.pid, shop_signal(shop))
        wait_until(lambda: code not in json.dumps(shop.processes_of()), "it is forgotten")


def test_older_number(shop: Shop, service: Service) -> None:
    """An old patch does not come back, though it was signed once; the newest one may."""
    old, new = (shop.build({"shop/pricing.py": TRIPLE}, number=number, words=("-d", str(number))) for number in (70, 71))
    shop.done("apply", new)
    shop.done("rollback")
    shop.refused("HS604", "apply", old)
    shop.done("apply", new)
    shop.done("rollback")


def test_orders_that_are_not_for_one_process(shop: Shop, service: Service) -> None:
    """A way back or a confirmation of one process only would leave the others behind without a word."""
    for verb in ("rollback", "confirm"):
        shop.refused("--group", verb, "--pid", service.pid, exit_code=2)
        shop.refused("HS607", verb, "--group", "web")
