"""Classes that are registered with an abstract class (``P.register(X)``), where its recipe is evaluated again.

    registration that the new text makes and the old one did not      made on the live class
    registration that only the old text made                          taken away
    any other                                                         the program's own, kept

What abstract classes have answered before is dropped as other caches are: see ``plugin/builtin/caches.py``.
"""

from __future__ import annotations

import abc
from _abc import _abc_register, _get_dump, _reset_caches, _reset_registry  # type: ignore[import-not-found]
from collections.abc import Callable
from typing import Any

from hotswap.commit import NOTHING, Swap, Write
from hotswap.kinds import is_a


def move_registrations(
    swap: Swap, live: type, staged: type, resolve: Callable[[Any], Any], may_go: Callable[[type], bool]
) -> None:
    """Give the live class what is registered with the new one.

    Args:
        may_go: True for a registered class that the old text has registered and nobody else.
    """
    if not is_a(live, abc.ABCMeta) or not is_a(staged, abc.ABCMeta):
        return
    mine, theirs = _registered(live), [resolve(cls) for cls in _registered(staged)]
    gone = [cls for cls in mine if not _is_in(cls, theirs) and may_go(cls)]
    kept = [cls for cls in mine if not _is_in(cls, gone)]
    new = [*kept, *(cls for cls in theirs if not _is_in(cls, mine))]
    if gone or len(new) > len(kept):
        # There is no call that takes one away: all go, and those that stay come again.
        again = (_reset_caches, live)
        swap.add(*(Write(NOTHING, (_abc_register, live, cls)) for cls in mine))
        swap.add(Write((_reset_registry, live), (_reset_registry, live)), Write(again, again))
        swap.add(*(Write((_abc_register, live, cls), NOTHING) for cls in new))


def _registered(cls: type) -> list[type]:
    return [found for ref in _get_dump(cls)[0] if (found := ref()) is not None]


def _is_in(cls: type, classes: list[type]) -> bool:
    return any(cls is other for other in classes)  # a metaclass may have an __eq__ of its own
