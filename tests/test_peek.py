"""Attributes read without bringing the dict of an object into being."""

from __future__ import annotations

import pytest

from hotswap.peek import Reader, peek


class One:
    def __init__(self, x: object) -> None:
        self.x = x


class Slotted:
    __slots__ = ("__dict__", "s")

    def __init__(self, x: object, s: object) -> None:
        self.x, self.s = x, s


@pytest.mark.parametrize("value", [0, None, "text"])
def test_object_with_a_dict_of_its_own_is_not_taken_for_a_smaller_one(value: object) -> None:
    """The collector then visits the dict in the place of the values."""
    reader = Reader(One)
    assert reader.read(One(value)) == {"x": value}
    more = One(value)
    vars(more)["y"] = value
    found = reader.read(more)
    assert found is None or found == {"x": value, "y": value}
    assert peek(more) == {"x": value, "y": value}
    reader = Reader(Slotted)
    assert reader.read(Slotted(value, value)) in (None, {"x": value, "s": value})
    both = Slotted(value, value)
    vars(both)["y"] = value
    assert reader.read(both) in (None, {"x": value, "s": value, "y": value})


def test_names_in_another_order_are_read_as_well() -> None:
    reader = Reader(One, ["a", "b"])
    first, second = One(1), One(2)
    del second.x
    for item, fields in ((first, {"a": 3, "b": 4}), (second, {"b": 5, "a": 6, "x": 7})):
        for name, value in fields.items():
            setattr(item, name, value)
    for _ in range(2):
        assert reader.read(first) in (None, {"x": 1, "a": 3, "b": 4})
        assert reader.read(second) in (None, {"x": 7, "a": 6, "b": 5})


@pytest.mark.parametrize("value", [0, None, "text"])
def test_compiled_reader_gives_the_same_or_nothing(value: object) -> None:
    reader = Reader(One, ["a", "odd name"])
    assert reader.compile(dict) is None
    first = One(value)
    setattr(first, "odd name", 2)
    assert reader.read(first) == {"x": value, "odd name": 2}
    compiled = reader.compile(dict)
    assert compiled is not None and compiled(first) == {"x": value, "odd name": 2}
    others = [One(value), One(value), One(value)]
    others[1].__dict__.update({"odd name": value, "more": 1})
    setattr(others[2], "a", value)
    assert [compiled(other) for other in others] == [None] * 3
