"""Classes that are registered with an abstract class (``P.register(X)``), where its recipe is evaluated again.

    registration that the new text makes and the old one did not      made on the live class
    registration that only the old text made                          taken away
    any other                                                         the program's own, kept

What abstract classes have answered before is dropped as other caches are: see ``plugin/builtin/caches.py``.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from hotswap.commit import Swap, set_class
from hotswap.kinds import is_a, vars_of

_get_dump: Callable[[type], Any] = vars(abc)["_get_dump"]


def move_registrations(
    swap: Swap, live: type, staged: type, resolve: Callable[[Any], Any], may_go: Callable[[type], bool]
) -> None:
    """Add the write that gives the live class what is registered with the new one.

    Args:
        may_go: True for a registered class that the old text has registered and nobody else.
    """
    if not is_a(live, abc.ABCMeta) or not is_a(staged, abc.ABCMeta):
        return
    mine, theirs = registered(live), [resolve(cls) for cls in registered(staged)]
    kept = [cls for cls in mine if _is_in(cls, theirs) or not may_go(cls)]
    new = [*kept, *(cls for cls in theirs if not _is_in(cls, mine))]
    if len(new) > len(kept) or len(kept) < len(mine):
        # Registering asks issubclass, and that the program, so it is not done inside of the commit: the registry of
        # another class is filled here, and given to the live one there.
        other = abc.ABCMeta(live.__name__, (), {})
        for cls in new:
            other.register(cls)
        swap.add(set_class(live, "_abc_impl", vars_of(other)["_abc_impl"], f"classes registered with {live.__qualname__}"))


def registered(cls: type) -> list[type]:
    return [found for ref in _get_dump(cls)[0] if (found := ref()) is not None]


def _is_in(cls: type, classes: list[type]) -> bool:
    return any(cls is other for other in classes)  # a metaclass may have an __eq__ of its own
