"""Migrations in a package that is found by its name, and in modules that come with a save."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hotswap
from hotswap.convert import lineage
from hotswap.migrations import REGISTRY
from hotswap.model import Finding

pytestmark = pytest.mark.once  # much the same on every interpreter

CART = "class Cart:\n    def __init__(self, {0}):\n        self.{0} = {0}\n"
HOOKS = """
from hotswap import migrate
@migrate("shop_{0}.cart:Cart"{1})
def counted(state):
    state.count = state.pop("n")
@counted.down
def _(state):
    state.n = state.pop("count")
"""


class Shop:
    """A package on disk."""

    def __init__(self, folder: Path, number: int) -> None:
        self.name, self.number = f"shop_{number}", number
        self.folder = folder / self.name
        self.findings: list[Finding] = []
        self.write("__init__", "")

    def write(self, name: str, text: str) -> None:
        path = self.folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()

    def start(self) -> Any:
        hotswap.start([str(self.folder)], watch=False, on_finding=self.findings.append)
        return importlib.import_module(f"{self.name}.cart")


_numbers = iter(range(1000))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = REGISTRY.table
    one = Shop(tmp_path, next(_numbers))
    yield one
    hotswap.stop()
    REGISTRY.table = before
    for table in (lineage.VERSIONS, lineage.SHAPES, lineage.LEAPS, lineage.UNDONE):
        table.clear()


@pytest.mark.parametrize("place", ["hotswap_migrations", "hotswap_migrations.cart_2"])
def test_new_file_counts_with_the_save_that_brings_it(shop: Shop, place: str) -> None:
    shop.write("cart", CART.format("n"))
    if "." in place:
        shop.write("hotswap_migrations.__init__", "")
    cart = shop.start()
    item = cart.Cart(3)
    shop.write("cart", CART.format("count"))
    assert not hotswap.swap().applied, "nobody has said yet what count is"
    shop.write(place, HOOKS.format(shop.number, ""))
    assert hotswap.preflight().ok
    report = hotswap.swap()
    assert report.applied, str(report)
    assert vars(item) == {"count": 3} and hotswap.version_of(item) == 2 and f"{shop.name}.{place}" in sys.modules
    hotswap.rollback()
    assert vars(item) == {"n": 3} and f"{shop.name}.{place}" not in sys.modules
    assert hotswap.swap().applied and vars(item) == {"count": 3}
    shop.write(place, HOOKS.format(shop.number, "") + "\nassert hasattr(counted, 'down')\n")
    assert hotswap.swap().applied and hotswap.version_of(item) == 2, "like any module, it follows its text"


def test_files_that_are_there_are_imported_with_their_package(shop: Shop) -> None:
    shop.write("cart", CART.format("count"))
    shop.write("hotswap_migrations", HOOKS.format(shop.number, ", 1"))
    cart = shop.start()
    item = cart.Cart.__new__(cart.Cart)
    item.__setstate__({"n": 5})
    assert vars(item) == {"count": 5} and not shop.findings


def test_file_that_fails_is_named_and_tried_again(shop: Shop) -> None:
    shop.write("cart", CART.format("n"))
    shop.write("hotswap_migrations", "1 / 0\n")
    cart = shop.start()
    assert [f.code for f in shop.findings] == ["HS110"] and "ZeroDivisionError" in str(shop.findings[0])
    item = cart.Cart(3)
    shop.write("cart", CART.format("count"))
    report = hotswap.swap()
    assert not report.applied and [f.code for f in report.held] == ["HS110"] and vars(item) == {"n": 3}
    shop.write("hotswap_migrations", HOOKS.format(shop.number, ""))
    assert hotswap.swap().applied and vars(item) == {"count": 3}


@pytest.mark.parametrize("is_there", [False, True])
def test_file_that_exits_ends_neither_the_program_nor_the_swap(shop: Shop, is_there: bool) -> None:
    shop.write("cart", CART.format("n"))
    shop.write("extra", "X = 1\n")
    leaving = f"from {shop.name} import extra\nimport sys\nsys.exit(3)\n"
    if is_there:
        shop.write("hotswap_migrations", leaving)
    shop.start()
    assert [f.code for f in shop.findings] == ["HS110"] * is_there
    shop.write("hotswap_migrations", leaving)
    shop.write("cart", CART.format("count"))
    report = hotswap.swap()
    assert [f.code for f in report.held] == ["HS110"] and "SystemExit" in str(report)
    assert is_there or f"{shop.name}.extra" not in sys.modules


def test_module_with_migrations_that_a_save_imports(shop: Shop) -> None:
    shop.write("cart", CART.format("n"))
    cart = shop.start()
    item = cart.Cart(3)
    shop.write("own_hooks", HOOKS.format(shop.number, "") + "1 / 0\n")
    shop.write("cart", f"from {shop.name} import own_hooks\n{CART.format('count')}")
    assert [f.code for f in hotswap.swap().held] == ["HS110"]
    shop.write("own_hooks", HOOKS.format(shop.number, ""))
    assert hotswap.swap().applied and vars(item) == {"count": 3}


def test_processes_without_a_session_ask_for_them(shop: Shop, tmp_path: Path) -> None:
    shop.write("cart", CART.format("count"))
    shop.write("hotswap_migrations.__init__", "")
    shop.write("hotswap_migrations.cart_2", HOOKS.format(shop.number, ", 1"))
    script = f"import hotswap; print(hotswap.load_migrations('{shop.name}')); from {shop.name}.cart import Cart; "
    script += "c = Cart.__new__(Cart); c.__setstate__({'n': 5}); print(vars(c))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    names = [f"{shop.name}.hotswap_migrations", f"{shop.name}.hotswap_migrations.cart_2"]
    assert done.stdout == f"{names}\n{{'count': 5}}\n", done.stderr
