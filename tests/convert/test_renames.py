"""Classes that get another name or module, with what a migration says about it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from hotswap.model import ChangeSet, Report, SourceFile
from tests.link.program import Program

CART = """
class Cart:
    def __init__(self, n):
        self.items = []
        self.n = n
    def add(self, item):
        self.items.append(item)
        return len(self.items)
    @classmethod
    def new(cls):
        return cls(1)

def make():
    return Cart(1)
"""
BASKET = """
from hotswap import migrate

class Basket:
    def __init__(self, n):
        self.items = []
        self.count = n
    def add(self, item):
        self.items.append(item)
        return 100 + len(self.items)
    @classmethod
    def new(cls):
        return cls(2)

def make():
    return Basket(1)
{alias}
@migrate("shop:Basket", renamed_from="shop:Cart")
def counted(state):
    state.count = state.pop("n")

@counted.down
def _(state):
    state.n = state.pop("count")
"""
USER = "from shop import {name}\nclass Sub({name}):\n    pass\nKEEP = [{name}(5)]\n"


def save(program: Program, **texts: str) -> Report:
    """Save several modules at once."""
    files = []
    for name, text in texts.items():
        path = Path(program.directory) / f"{name}.py"
        path.write_text(text)
        files.append(SourceFile(path=str(path), data=text.encode()))
    return program.engine.swap(ChangeSet(files=tuple(files)))


def test_live_class_gets_the_new_name_with_its_objects(program: Program) -> None:
    shop = program.load("shop", CART)
    user = program.load("user", USER.format(name="Cart"))
    cls, cart, sub, new = shop.Cart, shop.Cart(3), user.Sub(4), shop.Cart.new
    add = cart.add
    report = save(program, shop=BASKET.format(alias=""), user=USER.format(name="Basket"))
    assert report.applied and not [f for f in report.findings if f.code == "HS410"]
    assert shop.Basket is cls is type(cart) is user.Basket and not hasattr(shop, "Cart")
    assert (cls.__name__, cls.__qualname__) == ("Basket", "Basket")
    assert cart.add(1) == 101 and add(2) == 102 and new().count == 2 and cls(7).count == 7
    assert vars(cart) == {"items": [1, 2], "count": 3} and sub.count == 4 and user.KEEP[0].count == 5
    assert pickle.loads(pickle.dumps(cart)).count == 3
    cart.count = 30
    program.engine.rollback()
    assert shop.Cart is cls is type(cart) and not hasattr(shop, "Basket") and cls.__name__ == "Cart"
    assert cart.add(3) == 3 and add(4) == 4 and vars(cart) == {"items": [1, 2, 3, 4], "n": 30} and sub.n == 4


def test_class_that_goes_to_another_module(program: Program) -> None:
    text, hooks = BASKET.format(alias="").split("\n@migrate")
    basket = text[: text.index("def make")]
    old, new = program.load("old", CART), program.load("shop", "")
    program.load("hooks", "")
    cls, cart = old.Cart, old.Cart(3)
    add = cart.add
    hooks = f"from hotswap import migrate\n@migrate{hooks}".replace("shop:Cart", "old:Cart")
    report = save(program, shop=basket, hooks=hooks, old="from shop import Basket\ndef make():\n    return Basket(1)\n")
    assert report.applied, str(report)
    assert new.Basket is cls is type(cart) is type(old.make()) and cls.__module__ == "shop"
    assert add(1) == 101 and vars(cart) == {"items": [1], "count": 3}
    program.engine.rollback()
    assert old.Cart is cls and cls.__module__ == "old" and add(1) == 2 and vars(cart) == {"items": [1, 1], "n": 3}


def test_states_with_the_old_name_are_upgraded_where_the_name_leads_to_the_class(program: Program) -> None:
    shop = program.load("shop", CART)
    before = "from hotswap import migrate\n@migrate('shop:Cart', 1)\ndef first(state):\n    state.n += 10\n"
    assert program.edit("shop", CART + before).applied
    first = pickle.dumps(shop.Cart(3))
    assert program.edit("shop", BASKET.format(alias="Cart = Basket") + before.partition("\n")[2]).applied
    assert vars(pickle.loads(first)) == {"items": [], "count": 3}
    unstamped = shop.Basket.__new__(shop.Basket)
    unstamped.__setstate__({"items": [], "n": 3})
    assert vars(unstamped) == {"items": [], "count": 13}


@pytest.mark.parametrize(("alias", "name"), [("class Cart:\n    pass", "shop:Cart"), ("", "shop:No")])
def test_rename_of_what_is_not_there_or_stays_is_held(program: Program, alias: str, name: str) -> None:
    text = BASKET.format(alias=alias).replace("shop:Cart", name)
    shop = program.load("shop", CART)
    cart = shop.Cart(1)
    report = program.edit("shop", text)
    assert not report.applied and [finding.code for finding in report.held] == ["HS305"] and cart.add(1) == 1
