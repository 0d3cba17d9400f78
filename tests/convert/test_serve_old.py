"""Objects that could not be converted go on with the old methods, where their migration says so."""

from __future__ import annotations

import pytest

from hotswap.errors import DeclarationError, MigrationError
from hotswap.migrations import migrate
from tests.link.program import Program

OLD = """
import functools

def doubled(function):
    @functools.wraps(function)
    def inner(self):
        return function(self) * 2
    return inner

class Base:
    def greet(self):
        return f"old {self.name}"

class Cart(Base):
    rate = 3
    def __init__(self, name):
        self.name = name
        self._size = 1

    def label(self):
        return f"{self.greet()}, {self.size}"

    @doubled
    def wrapped(self):
        return self.rate

    @property
    def size(self):
        return self._size

    @size.setter
    def size(self, value):
        self._size = value

    @classmethod
    def kind(cls):
        return f"old {cls.__name__}"

    @functools.cached_property
    def cached(self):
        return f"cached {self.name}"

    def __getattr__(self, name):
        return f"no {name}"
"""
NEW = """
import functools
from hotswap import migrate

def doubled(function):
    @functools.wraps(function)
    def inner(self):
        return function(self) * 200
    return inner

class Base:
    def greet(self):
        return f"new {self.first}"

class Cart(Base):
    rate = 4
    def __init__(self, first, last):
        self.first, self.last = first, last
        self.count = 1

    def label(self):
        return f"{self.greet()} {self.last} {self.count}"

    @doubled
    def wrapped(self):
        return self.rate + 1

    @classmethod
    def kind(cls):
        return f"new {cls.__name__}"

@migrate("shop:Cart", on_failure="serve_old")
def split(state):
    state.first, state.last = state.pop("name").split(" ")
    state.count = state.pop("_size")

@split.down
def _(state):
    state.name = state.pop("first") + " " + state.pop("last")
    state._size = state.pop("count")
"""


def test_old_methods_on_old_data(program: Program) -> None:
    shop = program.load("shop", OLD)
    good, bad = shop.Cart("Ada Lovelace"), shop.Cart("Plato")
    assert program.edit("shop", NEW).applied
    assert good.label() == "new Ada Lovelace 1" and good.wrapped() == 1000 and good.kind() == "new Cart"
    assert bad.label() == "old Plato, 1" and bad.wrapped() == 6 and bad.rate == 3
    assert bad.cached == "cached Plato" and bad.other == "no other" and bad.kind() == "old Cart"
    bad.size = 5
    bad.note = "kept"
    assert bad.label() == "old Plato, 5" and bad._size == 5 and bad.note == "kept"
    del bad.note
    assert bad.note == "no note" and type(bad) is shop.Cart and not hasattr(shop.Cart, "size")
    assert program.engine.converter.version_of(bad) == 1
    assert [(each.failed, each.left) for each in program.engine.status().classes] == [(1, ((1, 1),))]
    mended = NEW.replace('.split(" ")', '.ljust(9).split(" ", 1)')
    assert program.edit("shop", mended).applied
    assert bad.label() == "new Plato     5" and bad.wrapped() == 1000


def test_slots_and_a_rollback(program: Program) -> None:
    text = """
import attrs
{head}
@attrs.define
class Task:
    {field}
    def show(self):
        return f"{kind} {{self.{name}}}"
{hook}
"""
    hook = """
@migrate("jobs:Task", on_failure="serve_old")
def up(state):
    state.title = {"a": "b"}[state.pop("name")]
@up.down
def _(state):
    state.name = state.pop("title")
"""
    jobs = program.load("jobs", text.format(head="", field="name: str", kind="old", name="name", hook=""))
    good, bad = jobs.Task("a"), jobs.Task("c")
    new = text.format(head="from hotswap import migrate", field="title: str", kind="new", name="title", hook=hook)
    assert program.edit("jobs", new).applied
    assert good.show() == "new b" and bad.show() == "old c" and bad.name == "c"
    bad.name = "d"
    assert bad.show() == "old d"
    program.engine.rollback()
    assert bad.show() == "old d" and good.show() == "old b"


def test_who_says_itself_what_attributes_are_raises(program: Program) -> None:
    text = """
class A:
    def __init__(self):
        self.x = 1
    def __getattribute__(self, name):
        return object.__getattribute__(self, name)
"""
    hook = "from hotswap import migrate\n@migrate('m:A', on_failure='serve_old')\ndef up(state):\n    state.nothing\n"
    m = program.load("m", text)
    item = m.A()
    assert program.edit("m", text + hook).applied
    with pytest.raises(MigrationError):
        assert item.x


def test_what_it_can_be(program: Program) -> None:
    with pytest.raises(DeclarationError, match="on_failure is one of raise, serve_old"):
        migrate("m:A", 1, on_failure="ignore")
