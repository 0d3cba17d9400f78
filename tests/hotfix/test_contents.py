"""What a patch may carry besides texts that change: files that go, migrations that are found by name, hooks with a veto."""

from __future__ import annotations

import pytest

from tests.hotfix.service import CART, LATER, PRICING, Shop

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")
LATE = "__import__('shop.later').later.late()"


def test_a_file_that_goes(shop: Shop) -> None:
    """Loaded or not, it cannot be imported while the patch is live, though it is on the disk, and comes back with a rollback."""
    loaded, other = shop.serve(), shop.serve()
    assert loaded.ask(LATE) == "old"
    patch = shop.build({"shop/pricing.py": TRIPLE}, gone=("shop/later.py",))
    assert "gone" in shop.done("patch", "show", patch)
    shop.done("apply", patch, "--check")
    shop.done("apply", patch)
    for service in (loaded, other, shop.serve()):
        assert service.ask("(total(5), 'shop.later' in sys.modules)") == [15, False]
        assert "ModuleNotFoundError" in service.ask("__import__('shop.later')")
    assert (shop.deployed / "shop" / "later.py").exists()
    shop.done("rollback")
    for service in (loaded, other):
        assert service.ask(f"(total(5), {LATE})") == [10, "old"]
    shop.done("apply", patch)
    assert "ModuleNotFoundError" in loaded.ask("__import__('shop.later')")


def test_a_file_that_goes_and_is_needed(shop: Shop) -> None:
    """Its base is compared as that of any other file."""
    service = shop.serve()
    patch = shop.build({}, gone=("shop/later.py",))
    (shop.deployed / "shop" / "later.py").write_text("# another one\n")
    shop.refused("HS605", "apply", patch)
    (shop.deployed / "shop" / "later.py").unlink()  # what is deployed is without it already
    shop.done("apply", patch)
    assert "(deployed)" in shop.done("status")
    assert service.ask("total(5)") == 10


MIGRATIONS = """\
from hotswap import migrate
from hotswap.migrations import rename

migrate("shop.cart:Cart", 1, steps=[rename("owner", "name")])
"""


def test_migrations_that_are_found_by_name(shop: Shop) -> None:
    """They come with the patch, convert what lives, are there for old pickles in later processes, and lead back."""
    service = shop.serve()
    service.ask("carts.append(Cart('Ada'))")
    service.ask("globals().update(pickle=__import__('pickle'))")
    pickled = service.ask("pickle.dumps(carts[0]).hex()")
    text = CART.replace("self.owner", "self.name")
    files = {"shop/hotswap_migrations/__init__.py": "", "shop/hotswap_migrations/cart_2.py": MIGRATIONS}
    patch = shop.build({"shop/cart.py": text, **files})
    shop.done("apply", patch, "--check")
    assert service.ask("vars(carts[0])") == {"owner": "Ada"}
    for _ in range(2):
        shop.done("apply", patch)
        assert service.ask("(carts[0].title(), vars(carts[0]))") == ["Ada", {"name": "Ada"}]
        later = shop.serve()
        assert later.ask("hotswap.load_migrations('shop')") == ["shop.hotswap_migrations", "shop.hotswap_migrations.cart_2"]
        assert later.ask(f"__import__('pickle').loads(bytes.fromhex({pickled!r})).title()") == "Ada"
        shop.done("rollback")
        assert service.ask("(carts[0].title(), vars(carts[0]))") == ["Ada", {"owner": "Ada"}]
        assert later.ask("hotswap.load_migrations('shop')") == []
        later.process.kill()
        later.process.wait()


HOOKS = """\
import sys

def told(name):
    main = sys.modules["__main__"]
    main.__dict__.setdefault("asked", []).append((name, main.total(5)))
    return main.__dict__.get("veto") == name and "not now" or None

def before_apply(): return told("before_apply")
def after_apply(): return told("after_apply")
def before_rollback(): return told("before_rollback")
def after_rollback(): return told("after_rollback")
"""


def test_hooks_are_asked_and_may_say_no(shop: Shop) -> None:
    """Before and after, each time; a veto leaves all processes as they were, also where it comes when the patch is live."""
    (shop.root / "hooks.py").write_text(HOOKS)
    service, other = shop.serve(), shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE}, words=("--hooks", str(shop.root / "hooks.py")))
    shop.done("apply", patch, "--check")
    assert service.ask("'asked' in globals()") is False
    shop.done("apply", patch)
    shop.done("rollback")
    assert service.ask("asked") == [["before_apply", 10], ["after_apply", 15], ["before_rollback", 15], ["after_rollback", 10]]

    for veto in ("before_apply", "after_apply"):
        other.ask(f"globals().update(veto={veto!r})")
        text = shop.refused("HS618", "apply", patch)
        assert f"{veto} says: not now" in text
        assert [each.ask("(total(5), hotswap.applied())") for each in (service, other)] == [[10, []]] * 2

    other.ask("globals().update(veto='')")
    shop.done("apply", patch)
    other.ask("globals().update(veto='before_rollback')")
    shop.refused("HS618", "rollback", exit_code=3)  # the order stands, one process does not follow, and says so
    assert [each.ask("total(5)") for each in (service, other)] == [10, 15]
    other.ask("globals().update(veto='')")
    shop.done("apply", patch)  # both have it again
    shop.done("rollback")
    assert [each.ask("total(5)") for each in (service, other)] == [10, 10]


def test_hooks_are_asked_once_for_each_order(shop: Shop) -> None:
    """Who looks, or asks about another patch, has nothing tried again."""
    (shop.root / "hooks.py").write_text(HOOKS)
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE}, words=("--hooks", str(shop.root / "hooks.py")))
    other = shop.build({"shop/later.py": LATER.replace("old", "new")})
    service.ask("globals().update(veto='before_apply')")
    for count in (1, 2):  # ordered twice
        shop.refused("HS618", "apply", patch)
        assert service.ask("len(asked)") == count
    shop.done("top", "--once")
    shop.done("apply", other, "--check")
    assert service.ask("len(asked)") == 2

    service.ask("globals().update(veto='before_rollback')")
    shop.done("apply", patch)
    shop.refused("HS618", "rollback", exit_code=3)
    assert service.ask("len(asked)") == 5
    for _ in range(2):
        shop.done("top", "--once")
        shop.hotswap("apply", other, "--check")
    assert service.ask("len(asked)") == 5


@pytest.mark.parametrize(("text", "says"), [
    ("import nowhere\ndef before_apply(): pass\n", "ModuleNotFoundError"),
    ("def before_apply(): 1 / 0\n", "ZeroDivisionError"),
    ("def after_apply(): raise SystemExit(1)\n", "SystemExit"),
])  # fmt: skip
def test_hooks_that_fail(shop: Shop, text: str, says: str) -> None:
    """Count as a veto; the program goes on."""
    (shop.root / "hooks.py").write_text(text)
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE}, words=("--hooks", str(shop.root / "hooks.py")))
    assert says in shop.refused("HS618", "apply", patch)
    assert service.ask("(total(5), hotswap.applied())") == [10, []]


def test_what_was_forced_is_told_where_a_hook_says_no(shop: Shop) -> None:
    """It was live for a moment against the rules: the answer and the journal have that, also when it is gone again."""
    (shop.root / "hooks.py").write_text("def after_apply(): return 'not now'\n")
    service = shop.serve()
    service.ask("setattr(shop.pricing, 'held', hotswap.task('endless')(lambda: __import__('time').sleep(600)))")
    service.ask("__import__('threading').Thread(target=shop.pricing.held, daemon=True).start()")
    patch = shop.build({"shop/pricing.py": TRIPLE}, words=("--hooks", str(shop.root / "hooks.py")))
    words = ("--consistency", "quiescent", "--deadline", 0.3, "--force")
    text = shop.refused("HS618", "apply", patch, *words)
    assert "HS623" in text
    assert service.ask("(total(5), hotswap.applied())") == [10, []]
    [entry] = [entry for entry in shop.journal() if entry["event"] == "refused"]
    assert all("endless" in forced for forced in entry["forced"])


def test_hooks_that_cannot_be_built(shop: Shop) -> None:
    """A name that is misspelt would never be asked."""
    for text in ("def befor_apply(): pass\n", "def ("):
        (shop.root / "hooks.py").write_text(text)
        trees = ["--from", shop.deployed, "--to", shop.deployed]
        shop.refused("HS613", "patch", "build", *trees, "--number", 1, "--target", "shop", "--hooks", shop.root / "hooks.py")
