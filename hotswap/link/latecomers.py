"""Functions that were made of code that is not that of their text any more: by a frame from before a commit, or by new code
before it was taken back. They are led over as those that the commit found."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Collection, Mapping
from types import CodeType
from typing import Any

from hotswap.commit import Swap
from hotswap.frames import Place
from hotswap.link.heap import scan_heap
from hotswap.link.redirect import jump_code
from hotswap.link.trampoline import target_of
from hotswap.model import Finding
from hotswap.world import World


def lead_latecomers(swap: Swap, world: World, codes: Mapping[Place, CodeType], done: Collection[int] = ()) -> list[Any]:
    """Add the writes that let functions of some code run other code; gives the live generators and the like.

    Args:
        codes: what takes the place of each code object.
        done: ids of functions that are taken care of.
    """
    if not codes:
        return []
    spaces = {id(record.module.__dict__): name for name, record in list(world.records.items())}
    heap = scan_heap({file for file, _ in codes})
    for (file, old), new in codes.items():
        for function in heap.functions.get((file, old), ()):
            name = spaces.get(id(function.__globals__))
            if name is not None and id(function) not in done and target_of(function) is None:
                jump_code(swap, function, new, {}, name)
    led = {id(write.do[1]) for write in swap.writes if write.do[0] is setattr}
    swap.trampolines = [each for each in heap.trampolines if (to := target_of(each)) is not None and id(to.__wrapped__) in led]
    return heap.suspended


def find_left(swap: Swap) -> list[Finding]:
    """Of the functions that keep other code, those that are alive; call it when the swap is made."""
    left = [(weakref.ref(function), finding) for function, finding in swap.unfollowed if id(function) not in swap.led]
    swap.unfollowed.clear()
    if left:
        gc.collect()  # what has died in a circle of references does not count
    return [finding for ref, finding in left if ref() is not None]
