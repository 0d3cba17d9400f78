"""What abstract base classes remember about other classes: who is registered, and who was found to be a subclass.

    registration that the new text makes and the old one did not      made on the live class
    registration that only the old text made                          taken away
    answers that were given before                                    forgotten, where they may be others now

A class answers ``isinstance`` from what it has found once. What it was *not* is forgotten with every registration
anywhere, by a counter that generic functions (``singledispatch``) also look at; what it *was* has to be reset by class.
"""

from __future__ import annotations

import abc
from _abc import _abc_register, _get_dump, _reset_caches, _reset_registry  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from typing import Any

from hotswap.commit import NOTHING, Swap, Write
from hotswap.link.heap import with_subclasses

#: Methods that decide who is a subclass.
DECIDING = frozenset({"__subclasshook__", "__subclasscheck__", "__instancecheck__"})


class _Counted(abc.ABC):  # noqa: B024 - registering anything with it moves the counter that all of them share
    pass


def move_registrations(
    swap: Swap, live: type, staged: type, resolve: Callable[[Any], Any], may_go: Callable[[type], bool]
) -> None:
    """Give the live class what is registered with the new one.

    Args:
        may_go: True for a registered class that the old text has registered and nobody else.
    """
    if not isinstance(live, abc.ABCMeta) or not isinstance(staged, abc.ABCMeta):
        return
    mine, theirs = _registered(live), [resolve(cls) for cls in _registered(staged)]
    gone = [cls for cls in mine if not any(cls is other for other in theirs) and may_go(cls)]
    kept = [cls for cls in mine if not any(cls is other for other in gone)]
    new = [*kept, *(cls for cls in theirs if not any(cls is other for other in mine))]
    if gone or len(new) > len(kept):
        # There is no call that takes one away: all go, and those that stay come again.
        again = (_reset_caches, live)
        swap.add(*(Write(NOTHING, (_abc_register, live, cls)) for cls in mine))
        swap.add(Write((_reset_registry, live), (_reset_registry, live)), Write(again, again))
        swap.add(*(Write((_abc_register, live, cls), NOTHING) for cls in new))


def forget_answers(swap: Swap, changed: Iterable[type], deciding: Iterable[type]) -> None:
    """Add the writes after which no class answers from what was true before.

    Args:
        changed: classes that have other bases or members now.
        deciding: classes whose own way to decide has changed.
    """
    concerned = {id(sub) for cls in changed for sub in with_subclasses(cls)}
    judges = {id(sub) for cls in deciding for sub in with_subclasses(cls)}
    for cls in with_subclasses(object):
        if not isinstance(cls, abc.ABCMeta):
            continue
        if id(cls) in judges or id(type(cls)) in judges or any(id(ref()) in concerned for ref in _get_dump(cls)[1]):
            swap.add(Write((_reset_caches, cls), (_reset_caches, cls)))
    fresh: tuple[type, ...] = tuple(type("_Fresh", (), {}) for _ in range(2))  # known to nobody, and soon gone
    swap.add(Write((_abc_register, _Counted, fresh[0]), (_abc_register, _Counted, fresh[1])))


def _registered(cls: type) -> list[type]:
    return [found for ref in _get_dump(cls)[0] if (found := ref()) is not None]
