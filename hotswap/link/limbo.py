"""Classes that were built aside have to be gone when a swap is over: until then ``Base.__subclasses__()`` lists them."""

from __future__ import annotations

import gc
import typing

from hotswap.collector import hidden_objects, thaw_once


def make_all_old() -> None:
    """Leave the younger generations empty, so that what is made aside can be told from all else, and collected alone.

    Frozen and thawed, all objects are in the oldest generation, at the cost of linking two lists; collecting the young
    would walk the syntax trees of the swap, a hundred thousand objects.
    """
    if hidden_objects():  # the program has frozen objects and wants them to stay so
        gc.collect(1)
    else:
        thaw_once()


def collect_staged(*, aged: bool = False) -> None:
    """Free what was made aside. A class is in circles of references, so only the collector frees it; it is young.

    What the standard library may still hold is dropped first: typing remembers ``Base[int]``, with the class.

    Args:
        aged: True where a whole collection has made it old meanwhile.
    """
    for clear in getattr(typing, "_cleanups", ()):
        clear()
    gc.collect(2 if aged else 1)
