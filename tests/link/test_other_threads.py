"""What other threads do while a swap looks at the whole heap."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.link.program import Program

OLD = """
import functools

class Point:
    def __init__(self):
        self.x = 1

def double(x):
    return 2 * x

@functools.lru_cache
def cached(x):
    return double(x)

ALL = (double, cached, Point)
POINTS = [Point() for _ in range(10)]
"""
NEW = OLD.replace("self.x = 1", "self.x = 1\n        self.y = 2").replace("2 * x", "3 * x")


@pytest.fixture
def often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_tuples_that_are_being_filled_can_grow_and_shrink(program: Program, often: None) -> None:
    """CPython resizes only a tuple to which nobody else refers: one that a swap had listed raised SystemError."""
    lib = program.load("lib", OLD)
    done = threading.Event()
    raised: list[BaseException] = []
    made = [0, 0]

    def fill(at: int) -> None:
        parts: list[Any] = [lib.double, lib.cached, lib.Point] * 9
        while not done.is_set():
            try:
                made[at] += len(tuple(part for part in parts)) == len(parts)
            except SystemError as error:
                raised.append(error)

    threads = [threading.Thread(target=fill, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    try:
        for text in (NEW, OLD) * 5:
            assert program.edit("lib", text).applied
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not raised
    assert all(made)
