"""Live objects by their class."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any


def instances(cls: type) -> Iterator[Any]:
    """All objects of a class and of its subclasses; one pass over the heap for each of these."""
    for kind in {cls, *_below(cls)}:
        yield from (item for item in gc.get_referrers(kind) if type(item) is kind)


def _below(cls: type) -> Iterator[type]:
    below: list[type] = type.__subclasses__(cls)
    for kind in below:
        yield kind
        yield from _below(kind)
