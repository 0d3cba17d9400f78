"""Staged objects that are referred to from where the reference cannot be exchanged: nothing may be left behind."""

from __future__ import annotations

import gc
import itertools
import sys
import types
from collections import deque
from types import CellType, FunctionType
from typing import Any

from hotswap.collector import referrers
from hotswap.kinds import is_a
from hotswap.link.staging import Staging
from hotswap.link.twins import EscapeError, Twins, describe, make_escape


def check_escapes(staging: Staging, twins: Twins) -> None:
    """Find staged functions and classes that old objects of the program refer to.

    Counting the references among the young ones first keeps the search off the heap in the normal case.
    """
    pairs = [*twins.functions, *twins.classes, *twins.copies, *((made.staged, made.live) for made in twins.objects)]
    staged = [s for s, _ in pairs]
    if not staged:
        return
    spaces = [module.__dict__ for module in staging.modules.values()]
    own = [staging.young, twins.keep, staged, *pairs, *twins.objects]
    suspects = _held_by_others(staged, [*staging.young, *own])
    if not suspects:
        return
    young = {id(o) for o in (*staging.young, *own, *spaces)}
    wanted = {id(s) for s in suspects}
    for holder in referrers(*suspects):
        if id(holder) in young or holder is suspects or is_a(holder, types.FrameType):
            continue
        if type(holder) in (dict, list, set, deque, CellType, FunctionType) or is_a(holder, type) or hasattr(holder, "__dict__"):
            item = next(r for r in gc.get_referents(holder) if id(r) in wanted)
            raise EscapeError(make_escape(f"{describe(item)} was put into an existing {type(holder).__name__}", item))


def _held_by_others(items: list[Any], holders: list[Any]) -> list[Any]:
    """The items to which something else than these holders refers; the holders include the list of the items."""
    counted = dict.fromkeys(map(id, items), 0)
    # By id: a variable of the loop would be one more reference to what it held last.
    for key in map(id, itertools.chain.from_iterable(map(gc.get_referents, itertools.chain((holders,), holders)))):
        if key in counted:
            counted[key] += 1
    probe = [object()]
    beside = _count_references(probe)[0] - 1  # what counting itself adds
    return [item for item, count in zip(items, _count_references(items), strict=True) if count - beside > counted[id(item)]]


def _count_references(items: list[Any]) -> list[int]:
    return [sys.getrefcount(item) for item in items]
