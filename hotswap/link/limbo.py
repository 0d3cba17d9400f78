"""Classes that were built aside have to be gone when a swap is over: until then ``Base.__subclasses__()`` lists them."""

from __future__ import annotations

import gc
import typing


def collect_staged() -> None:
    """Free what was made aside. A class is in circles of references, so only the collector frees it; it is young.

    What the standard library may still hold is dropped first: typing remembers ``Base[int]``, with the class.
    """
    for clear in getattr(typing, "_cleanups", ()):
        clear()
    gc.collect(1)
