"""``hotswap makemigrations``: the history of a package's classes, and the migrations that are written for what changed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once  # much the same on every interpreter

CART = """
import dataclasses, enum
@dataclasses.dataclass
class Cart:
    name: str
    n: int = 0
class Kind(enum.Enum):
    A = 1
class Line:
    def __init__(self):
        self.price = 1
        self.count = 2
"""
CART_2 = """
import dataclasses
@dataclasses.dataclass
class Cart:
    title: str
    currency: str
    n: int = 0
    tags: list = dataclasses.field(default_factory=list)
    rates: dict = dataclasses.field(default_factory=lambda: {"a": 1})
class Position:
    def __init__(self):
        self.price = 1
        self.count = 2
        self.notes = "none"
"""
ANSWERS = "y\ny\nstate.title[:3].upper()\n"


class Package:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop").mkdir()
        self.write("__init__", "")

    def write(self, name: str, text: str) -> None:
        (self.folder / "shop" / f"{name}.py").write_text(text)

    def run(self, *args: str, answers: str = "", code: int = 0) -> str:
        command = [sys.executable, "-m", "hotswap", "makemigrations", "shop", *args]
        done = subprocess.run(command, cwd=self.folder, input=answers, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, script: str) -> str:
        done = subprocess.run([sys.executable, "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def written(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.folder / "shop" / "hotswap_migrations").glob("*_*.py")
                if path.name != "__init__.py"}  # fmt: skip

    @property
    def history(self) -> dict[str, dict[str, dict[str, str]]]:
        path = self.folder / "shop" / "hotswap_migrations" / "history.json"
        found: dict[str, dict[str, dict[str, str]]] = json.loads(path.read_text())["classes"]
        return found


@pytest.fixture
def package(tmp_path: Path) -> Package:
    one = Package(tmp_path)
    one.write("cart", CART)
    assert "version 1" in one.run() and not one.written
    return one


def test_changes_are_asked_about_written_and_upgrade_old_pickles(package: Package) -> None:
    blob = package.folder / "old.pickle"
    package.python(f"import pickle, shop.cart as c; open({str(blob)!r}, 'wb').write(pickle.dumps([c.Cart('Ada', 3), c.Line()]))")
    assert package.run() == package.run("--check") == "shop: nothing has changed\n"
    package.write("cart", CART_2)
    assert "+title (value unknown)" in package.run("--check", code=1) and not package.written
    said = package.run(answers=ANSWERS)
    assert "name -> title, +currency, +tags, +rates" in said and "(was shop.cart:Line)" in said
    assert sorted(package.written) == ["cart_cart_2.py", "cart_position_2.py"]
    assert package.history["shop.cart:Cart"].keys() == {"1", "2"} and "shop.cart:Line" not in package.history
    assert package.run("--check") == "shop: nothing has changed\n"
    script = f"""
import pickle, hotswap, shop.cart as c
c.Line = c.Position  # pickles name the class by what it was called
hotswap.load_migrations("shop")
cart, line = pickle.load(open({str(blob)!r}, "rb"))
print(cart, vars(line), hotswap.upgrade({{"title": "x", "n": 1, "currency": "y", "tags": [], "rates": {{}}}}, c.Cart))
"""
    assert package.python(script) == (
        "Cart(title='Ada', currency='ADA', n=3, tags=[], rates={'a': 1}) {'price': 1, 'count': 2, 'notes': 'none'} "
        "{'title': 'x', 'n': 1, 'currency': 'y', 'tags': [], 'rates': {}}\n"
    )
    assert pickle.loads(pickle.dumps(1)) == 1


def test_without_a_person_it_is_said_with_flags_or_a_stub_is_left(package: Package) -> None:
    package.write("cart", CART_2)
    said = package.run("--no-input", code=1)
    assert "put in the values that are ..." in said
    text = package.written["cart_cart_2.py"]
    assert "add('title', ...)" in text and "drop('name')" in text and "add('tags', factory=list)" in text
    assert "add('rates', factory=lambda: {'a': 1})" in text and "rename" not in text
    assert "not finished" in package.run("--check", code=1)
    for path in (package.folder / "shop" / "hotswap_migrations").glob("*"):
        path.unlink() if path.is_file() else None
    package.write("cart", CART)
    package.run("--no-input")
    package.write("cart", CART_2)
    package.run("--no-input", "--rename", "shop.cart:Cart.name=title", "--rename", "shop.cart:Line=shop.cart:Position",
                "--default", "shop.cart:Cart.currency='EUR'")  # fmt: skip
    assert "rename('name', 'title')" in package.written["cart_cart_2.py"]
    assert "add('currency', 'EUR')" in package.written["cart_cart_2.py"]
    assert "renamed_from='shop.cart:Line'" in package.written["cart_position_2.py"]


def test_class_that_is_led_on_by_hand_is_only_recorded(package: Package) -> None:
    package.write("cart", CART.replace("name: str", "title: str"))
    (package.folder / "shop" / "hotswap_migrations" / "mine.py").write_text(
        "from hotswap import migrate\nfrom hotswap.migrations import rename\n"
        "migrate('shop.cart:Cart', 1, steps=[rename('name', 'title')])\n"
    )
    assert "version 2 is recorded" in package.run() and not package.written
    assert package.history["shop.cart:Cart"]["2"].keys() == {"title", "n"}


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("cart", "class Cart(:\n", "shop.cart cannot be imported"),
    ("hotswap_migrations/history", "{", "history.json"),
])
def test_what_cannot_be_read_is_named(package: Package, name: str, text: str, expected: str) -> None:  # fmt: skip
    suffix = ".json" if "history" in name else ".py"
    (package.folder / "shop" / f"{name}{suffix}").write_text(text)
    said = package.run(code=2)
    assert expected in said and "Traceback" not in said
