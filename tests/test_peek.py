"""Attributes read without bringing the dict of an object into being."""

from __future__ import annotations

import pytest

from hotswap.peek import Reader, own_dict, peek


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
    own_dict(more)["y"] = value  # type: ignore[index]
    found = reader.read(more)
    assert found is None or found == {"x": value, "y": value}
    assert peek(more) == {"x": value, "y": value}
    reader = Reader(Slotted)
    assert reader.read(Slotted(value, value)) in (None, {"x": value, "s": value})
    both = Slotted(value, value)
    own_dict(both)["y"] = value  # type: ignore[index]
    assert reader.read(both) in (None, {"x": value, "s": value, "y": value})


def test_names_in_another_order_are_read_as_well() -> None:
    reader = Reader(One, ["a", "b"])
    first, second = One(1), One(2)
    first.a, first.b = 3, 4  # type: ignore[attr-defined]
    del second.x
    second.b, second.a, second.x = 5, 6, 7  # type: ignore[attr-defined]
    for _ in range(2):
        assert reader.read(first) in (None, {"x": 1, "a": 3, "b": 4})
        assert reader.read(second) in (None, {"x": 7, "a": 6, "b": 5})
