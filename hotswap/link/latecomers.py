"""Functions that were made of code that is not that of their text any more: by a frame from before a commit, or by new code
before it was taken back. They are led over as those that the commit found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import CodeType

from hotswap.commit import Swap
from hotswap.frames import Place
from hotswap.link.heap import scan_heap
from hotswap.link.redirect import jump_code
from hotswap.link.trampoline import target_of
from hotswap.world import World


def lead_latecomers(swap: Swap, world: World, codes: Mapping[Place, CodeType], done: Collection[int] = ()) -> None:
    """Add the writes that let functions of some code run other code.

    Args:
        codes: what takes the place of each code object.
        done: ids of functions that are taken care of.
    """
    if not codes:
        return
    spaces = {id(record.module.__dict__): name for name, record in list(world.records.items())}
    heap = scan_heap({file for file, _ in codes})
    for (file, old), new in codes.items():
        for function in heap.functions.get((file, old), ()):
            name = spaces.get(id(function.__globals__))
            if name is not None and id(function) not in done and target_of(function) is None:
                jump_code(swap, function, new, {}, name)
    swap.findings += [finding for function, finding in swap.unfollowed if id(function) not in swap.led]
