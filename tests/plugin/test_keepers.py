"""Objects that a plugin calls keepers: made aside from their texts, compared with what the old ones make, taken over in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotswap.commit import Swap
from hotswap.plugin import Kept, hookimpl
from hotswap.plugin.keepers import Description, check_registered, is_known, merge_entries, plain
from tests.link.program import Program


class Inner:
    def __init__(self) -> None:
        self.names: list[str] = []


class Registry:
    """A class outside of managed modules, filled by decorators."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.functions: list[Any] = []
        self.inner = Inner()
        self.served = 0

    def __call__(self) -> list[Any]:
        return [function() for function in self.functions]

    def add(self, function: Any) -> Any:
        self.functions.append(function)
        self.inner.names.append(function.__name__)
        return function


class Knows:
    """A plugin for registries."""

    def __init__(self) -> None:
        self.asked = 0

    @hookimpl
    def hotswap_value_kind(self, value: object) -> str | None:
        return "keeper" if isinstance(value, Registry) else None

    @hookimpl
    def hotswap_describe(self, value: Any) -> object | None:
        return Description(made=tuple(value.inner.names), entries={"title": plain(value.title)})

    @hookimpl
    def hotswap_kept_state(self, live: Any, staged: Any, before: object | None, swap: Swap) -> Kept:
        self.asked += 1
        now, new = (self.hotswap_describe(item) for item in (live, staged))
        then = check_registered("the registry", now, before)
        _, kept = merge_entries("the registry", now.entries, then.entries, new.entries, swap)
        return Kept(names=frozenset({"served", *kept}), inside={"inner": Kept()})


HEAD = "from foreign import Registry\nreg = Registry('one')\n"
TEXT = HEAD + "@reg.add\ndef f():\n    return 1\n@reg.add\ndef g():\n    return 2\n"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as one:
        yield one


@pytest.fixture
def plugin(program: Program) -> Knows:
    program.library("foreign", "").__dict__["Registry"] = Registry
    knows = Knows()
    program.engine.plugins.register(knows, "knows")
    return knows


def test_a_keeper_is_filled_in_its_order_and_keeps_itself(program: Program, plugin: Knows) -> None:
    """One comes in front: no other object, nothing is registered twice; what the plugin names stays; a rollback leads back."""
    lib = program.load("lib", TEXT)
    held, inner, f = lib.reg, lib.reg.inner, lib.f
    held.served = 7
    report = program.edit("lib", TEXT.replace("@reg.add\ndef f", "@reg.add\ndef e():\n    return 0\n@reg.add\ndef f"))
    assert report.applied, str(report)
    assert (held is lib.reg, held.inner is inner, held.served) == (True, True, 7)
    assert (held(), inner.names) == ([0, 1, 2], ["e", "f", "g"])
    assert held.functions[1] is f is lib.f
    program.engine.rollback()
    assert (held(), held.inner is inner, inner.names) == ([1, 2], True, ["f", "g"])


def test_a_body_is_no_reason_to_fill_it(program: Program, plugin: Knows) -> None:
    """What a keeper holds it calls later."""
    lib = program.load("lib", TEXT)
    assert program.edit("lib", TEXT.replace("return 2", "return 3")).applied
    assert lib.reg() == [1, 3]
    assert plugin.asked == 0


def test_what_the_program_has_registered_is_not_lost(program: Program, plugin: Knows) -> None:
    """Refused, with its name; nothing is changed."""
    lib = program.load("lib", TEXT)
    lib.reg.add(len)
    report = program.edit("lib", TEXT.replace("def g", "def h"))
    assert [finding.code for finding in report.held] == ["HS206"]
    assert "lose what its text does not make: len" in report.held[0].message
    assert lib.reg.inner.names == ["f", "g", "len"]


def test_settings_go_by_a_merge(program: Program, plugin: Knows) -> None:
    """Changed by the text: taken; by the program: kept; by both: refused."""
    lib = program.load("lib", TEXT)
    text = TEXT.replace("'one'", "'two'")
    assert program.edit("lib", text).applied
    assert lib.reg.title == "two"
    lib.reg.title = "mine"
    assert program.edit("lib", text.replace("def g", "def h")).applied
    assert (lib.reg.title, lib.reg.inner.names) == ("mine", ["f", "h"])
    report = program.edit("lib", text.replace("'two'", "'three'"))
    assert "was changed by the program, and by the text in another way" in report.held[0].message


def test_another_class_cannot_take_its_place(program: Program, plugin: Knows) -> None:
    """Whoever has the one of before would go on with it."""
    lib = program.load("lib", TEXT)
    report = program.edit("lib", TEXT.replace("reg = Registry", "class Other(Registry):\n    pass\nreg = Other"))
    assert [finding.code for finding in report.held] == ["HS205"]
    assert type(lib.reg) is Registry


def test_values_are_told_by_what_is_in_them() -> None:
    """The same text gives the same; what cannot be looked into is said to be unknown."""
    assert plain({"a": [1, (2, {3})], len: Registry}) == plain({"a": [1, (2, {3})], len: Registry})
    assert plain(Registry("x")) != plain(Registry("y"))
    assert is_known(plain(Registry("x")))
    assert not is_known(plain([object()]))
