"""Objects that module statements have made, of a class that migrates: what is merged, what is converted, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.link.program import Program
from tests.sample import some

PLAIN = """
class Cart:
    def __init__(self, name="a b"):
        self.name = name
"""
SPLIT = PLAIN.replace("self.name = name", "self.first, self.last = name.split()")
DATACLASS = """
import dataclasses
@dataclasses.dataclass
class Cart:
    name: str = "a b"
"""
KINDS = {
    "plain": (PLAIN, SPLIT),
    "slots": tuple(
        text.replace("class Cart:", f"class Cart:\n    __slots__ = {names}")
        for text, names in ((PLAIN, "('name',)"), (SPLIT, "('first', 'last')"))
    ),
    "dataclass": (DATACLASS, DATACLASS.replace('name: str = "a b"', 'first: str = "a"\n    last: str = "b"')),
}
MIGRATION = """
from hotswap import migrate
@migrate("{module}:Cart", 1)
def up(state):
    state.first, state.last = state.pop("name").split(" ")
@up.down
def _(state):
    state.name = state.pop("first") + " " + state.pop("last")
"""
#: How a statement makes one, and how it is reached.
PLACES = {
    "name": ("CART = Cart()\n", "CART"),
    "list": ("CARTS = [Cart()]\n", "CARTS[0]"),
    "dict": ("CARTS = {'a': Cart()}\n", "CARTS['a']"),
    "attribute": ("class Box:\n    pass\nBOX = Box()\nBOX.cart = Cart()\n", "BOX.cart"),
}


@pytest.mark.once  # much the same on every interpreter
@pytest.mark.parametrize("changed", [False, True], ids=["as made", "changed by the program"])
@pytest.mark.parametrize("place", some(PLACES, 2))
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_converted_where_the_program_has_changed_them(program: Program, kind: str, place: str, changed: bool) -> None:
    """Else they hold what their statement gives; a rollback leads all back, those included that somebody has held."""
    module = f"lib_{kind}_{place}_{changed}"  # versions are known by name, in the whole process
    (before, after), (statement, path) = KINDS[kind], PLACES[place]

    def cart() -> Any:
        return eval(path, vars(lib))

    lib = program.load(module, before + statement)
    held = cart()
    if changed:
        held.name = "p q"
    report = program.edit(module, MIGRATION.format(module=module) + after + statement)
    assert report.applied, str(report)
    now = cart()
    assert (now.first, now.last) == (("p", "q") if changed else ("a", "b"))
    assert (held.first, held.last) == (now.first, now.last)
    program.engine.rollback()
    assert cart() is held
    assert held.name == ("p q" if changed else "a b")
    assert now.name == held.name
    assert not hasattr(held, "first")


TABLE = """
TABLE = {"a": [1]}
class Cart:
    def __init__(self):
        self.name = "a b"
CART = Cart()
"""
ROWS = TABLE.replace("[1]", "[2]").replace('"a b"', '"a b"\n        self.rows = TABLE["a"]')


def test_a_field_that_comes_is_the_migrations_where_a_live_container_stands_for_its_value(program: Program) -> None:
    """What is written is exchanged for the live container in between, and left out all the same."""
    lib = program.load("lib_rows", TABLE)
    lib.CART.name = "p q"
    rows = lib.TABLE["a"]
    migration = MIGRATION[: MIGRATION.index("    state.first")].format(module="lib_rows")
    migration += "    assert not hasattr(state, 'rows')\n    state.rows = TABLE['a']\n"
    migration += "@up.down\ndef _(state):\n    del state.rows\n"
    report = program.edit("lib_rows", migration + ROWS)
    assert report.applied, str(report)
    assert lib.CART.rows is rows is lib.TABLE["a"]
    assert (lib.CART.name, rows) == ("p q", [2])
    program.engine.rollback()
    assert (vars(lib.CART), rows) == ({"name": "p q"}, [1])
