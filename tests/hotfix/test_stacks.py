"""Patches that stand on others, that take their place in one instant, and that a deployment has caught up with."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotswap.hotfix.patch import read_sealed
from tests.hotfix.service import LATER, PRICING, Service, Shop, write_tree

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")
FOUR, FIVE = (PRICING.replace("pieces * 2", f"pieces * {number}") for number in (4, 5))
NEW = LATER.replace("old", "new")
LATE = "__import__('shop.later').later.late()"


def state(service: Service) -> tuple[int, str, list[str]]:
    total, late, applied = service.ask(f"(total(5), {LATE}, hotswap.applied())")
    return total, late, applied


def stack(shop: Shop) -> tuple[Path, Path]:
    """Two patches, of which the second one stands on the first."""
    first = shop.build({"shop/pricing.py": TRIPLE})
    second = shop.build({"shop/pricing.py": FOUR, "shop/later.py": NEW}, base=shop.root / "new1", words=("--needs", str(first)))
    return first, second


def test_a_cumulative_patch_replaces_others_in_one_instant(shop: Shop) -> None:
    """One swap leads from both to the new one, also where that does not have a file any more; and back to both."""
    service = shop.serve()
    first, second = stack(shop)
    shop.done("apply", first)
    shop.done("apply", second)
    both = (20, "new", ["shop-1", "shop-2"])
    assert state(service) == both

    words = ("--supersedes", str(first), "--supersedes", str(second))
    all_in_one = shop.build({"shop/pricing.py": FIVE}, words=words)
    shop.done("apply", all_in_one, "--check")
    assert state(service) == both
    shop.done("apply", all_in_one)
    replaced = (25, "old", ["shop-3"])
    assert state(service) == replaced
    assert [entry["event"] for entry in shop.journal()][-4:] == ["ordered", "began", "applied", "carried out"]
    assert shop.journal()[-2]["replaces"] == ["shop-1", "shop-2"]
    assert "in place of shop-1, shop-2" in shop.done("status")

    other = shop.serve()  # has never had the ones that it replaces
    assert state(other) == replaced
    shop.done("rollback")
    assert [state(service), state(other)] == [both, both]
    shop.done("rollback")
    assert [state(service), state(other)] == [(15, "old", ["shop-1"])] * 2


def test_a_cumulative_patch_that_does_not_fit(shop: Shop) -> None:
    """What stands on a patch that is to be replaced is not lost without a word, and a base is a base."""
    service = shop.serve()
    first, second = stack(shop)
    shop.done("apply", first)
    shop.done("apply", second)
    before = state(service)
    text = shop.refused("HS607", "apply", shop.build({"shop/pricing.py": FIVE}, words=("--supersedes", str(first))))
    assert "shop-2 stands" in text
    # Of what is live, and not of what was before the patches.
    wrong = shop.build({"shop/pricing.py": FIVE}, base=shop.root / "new2", words=("--supersedes", str(second)))
    shop.refused("HS605", "apply", wrong)
    assert state(service) == before
    text = shop.refused("HS613", "patch", "build", "--from", shop.deployed, "--to", shop.root / "new1", "--number", 9, "--target",
                        "shop", "--needs", first, "--supersedes", first, exit_code=1)  # fmt: skip
    assert "cannot need" in text


def test_one_that_refuses_leaves_all_with_the_old_ones(shop: Shop) -> None:
    """A process that cannot take the cumulative patch keeps the others, and so do all."""
    one, other = shop.serve(), shop.serve()
    first, _ = stack(shop)
    shop.done("apply", first)
    other.ask("setattr(shop.pricing.__spec__, '_initializing', True)")  # as while another thread imports it
    shop.refused("HS606", "apply", shop.build({"shop/pricing.py": FIVE}, words=("--supersedes", str(first))))
    assert [each.ask("(total(5), hotswap.applied())") for each in (one, other)] == [[15, ["shop-1"]]] * 2


def test_a_deployment_that_has_the_patches(shop: Shop) -> None:
    """They count as live, one upon the other, are dropped with the next order, and what needs them can still be applied."""
    shop.serve()
    first, second = stack(shop)
    shop.done("apply", first)
    shop.done("apply", second)
    for process in shop.processes:
        process.kill()
        process.wait()

    write_tree(shop.deployed, {"shop/pricing.py": FOUR, "shop/later.py": NEW})  # released, with what both have mended
    service = shop.serve()
    assert state(service) == (20, "new", ["shop-1", "shop-2"])
    assert "shop-1 (deployed), shop-2 (deployed)" in shop.done("status")
    assert shop.hotswap("rollback").exit_code == 1  # there is nothing to take back
    third = shop.build({"shop/pricing.py": FIVE}, words=("--needs", str(second)))
    assert read_sealed(third.read_bytes()).open().manifest.needs
    shop.done("apply", third)
    assert state(service) == (25, "new", ["shop-3"])
    assert [entry["id"] for entry in shop.journal() if entry["event"] == "dropped"][-2:] == ["shop-1", "shop-2"]
    assert state(shop.serve()) == (25, "new", ["shop-3"])


def test_nothing_changes_during_a_pause(shop: Shop) -> None:
    """Orders are refused, times to confirm stand still, and who starts has what the others have."""
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE})
    shop.done("apply", patch, "--confirm-within", 3600)
    shop.done("pause")
    for words in (("apply", patch), ("apply", patch, "--check"), ("rollback",), ("confirm",), ("pause",)):
        shop.refused("HS616", *words)
    assert "paused" in shop.done("status")
    other = shop.serve()
    assert [each.ask("total(5)") for each in (service, other)] == [15, 15]
    shop.done("resume")
    shop.refused("HS607", "resume")
    shop.done("rollback")
    assert [each.ask("total(5)") for each in (service, other)] == [10, 10]


def test_what_became_due_during_a_pause(shop: Shop) -> None:
    """Is taken back when that ends, and not before."""
    service = shop.serve()
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}), "--confirm-within", 2)
    shop.done("pause")
    confirm_by = shop.ask_json("status")["groups"][0]["wanted"][0]["confirm_by"]
    while service.ask("__import__('time').time()") < confirm_by:
        service.ask("__import__('time').sleep(0.05)")
    assert service.ask("total(5)") == 15
    shop.done("resume")
    assert service.ask("total(5)") == 10
