"""Migrations tried on copies: what would go wrong is said, and nothing happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotswap.model import ChangeSet, Preflight, SourceFile
from tests.convert.test_hooks import BODY, CART, SPLIT
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter


def preflight(program: Program, name: str, text: str) -> Preflight:
    path = program.directory / f"{name}.py"
    assert isinstance(path, Path)
    return program.engine.preflight(ChangeSet(files=(SourceFile(path=str(path), data=text.encode()),)))


def test_failures_are_counted_and_nothing_is_changed(program: Program) -> None:
    shop = program.load("shop", CART)
    carts = [shop.Cart("Ada Lovelace") for _ in range(5)] + [shop.Cart("Plato")]
    before = [dict(vars(cart)) for cart in carts]
    result = preflight(program, "shop", SPLIT)
    (found,) = result.classes
    assert not result.ok and (found.name, found.frm, found.to) == ("shop.Cart", 1, 2)
    assert (found.population, found.tried) == (6, 6)
    ((why, count),) = found.failures
    assert count == 1 and "split_name" in why and "ValueError" in why
    assert [vars(cart) for cart in carts] == before and "__getattribute__" not in vars(shop.Cart)
    assert carts[0].label() == "Ada Lovelace" and not hasattr(shop, "split_name")
    assert program.edit("shop", SPLIT).applied and carts[0].label() == "Lovelace, Ada"


def test_lossy_way_back_and_shared_containers_are_named(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    helper = "\n\ndef shorten(name):\n    return name[:3]\n"
    lossy = SPLIT.replace("{state.pop('first')} {state.pop('last')}", "{shorten(state.pop('first'))} {state.pop('last')}")
    result = preflight(program, "shop", lossy.replace(BODY, f"{BODY}\n    state['items'].append(1)") + helper)
    assert result.ok, str(result)
    (found,) = result.classes
    assert [name for name, _ in found.lossy] == ["items"] or dict(found.lossy).keys() >= {"items"}
    assert found.shared == 1 and cart.items == []
    cart.name = "Augusta Lovelace"
    assert "name" in dict(preflight(program, "shop", lossy + helper).classes[0].lossy)


def test_running_function_that_names_a_field_which_goes(program: Program) -> None:
    text = CART + "\n\ndef watch(cart):\n    yield\n    print(cart.name)\n"
    shop = program.load("shop", text)
    watching = shop.watch(shop.Cart("Ada Lovelace"))
    next(watching)
    (found,) = preflight(program, "shop", SPLIT + "\n\ndef watch(cart):\n    yield\n").classes
    assert any("watch name" in place for place in found.frames)
    watching.close()


def test_hooks_with_effects_are_not_run(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    (found,) = preflight(program, "shop", SPLIT.replace('"shop:Cart"', '"shop:Cart", once=True')).classes
    assert (found.population, found.tried) == (1, 0) and "split_name" in found.untried
    assert cart.name == "Ada Lovelace"


def test_change_that_would_be_held_says_so(program: Program) -> None:
    shop = program.load("shop", CART)
    shop.keep = shop.Cart("Ada Lovelace")
    result = preflight(program, "shop", SPLIT[: SPLIT.index("@migrate")])
    assert not result.ok and {finding.code for finding in result.findings} >= {"HS301"}


KEY = """
import dataclasses

@dataclasses.dataclass(frozen=True)
class Key:
    name: str
"""
UPPER = """
from hotswap import migrate

@migrate("keys:Key")
def upper(state):
    state.name = state.name.upper()

@upper.down
def _(state):
    state.name = state.name.lower()
"""


def test_changed_hashes_are_named_where_something_is_found_by_them(program: Program) -> None:
    """An object whose hash changes would not be found any more in the dict that has it for a key."""
    keys = program.load("keys", KEY)
    keys.table = {keys.Key("a"): 1}
    result = preflight(program, "keys", KEY + UPPER)
    assert not result.ok
    assert [finding.message for finding in result.findings if finding.code == "HS302" and "hash" in finding.message]
    assert keys.table[keys.Key("a")] == 1
    keys.table = [keys.Key("a")]
    result = preflight(program, "keys", KEY + UPPER)
    assert result.ok and result.classes[0].population == 1, str(result)
