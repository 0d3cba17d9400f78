"""A page cache as many a house has one: what a function gave is kept by its arguments, until somebody forgets it.

It knows nothing of hotswap. (It stands in this distribution so that the example is complete; yours is in your program.)
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

#: All pages of the program.
ALL: weakref.WeakSet[Page] = weakref.WeakSet()
#: Sent with every page; a browser that polls for it reloads when it changes.
generation = 1


class Page:
    """A function whose results are kept."""

    def __init__(self, function: Callable[..., str]) -> None:
        self.function = function
        self.kept: dict[tuple[Hashable, ...], str] = {}
        ALL.add(self)

    def __call__(self, *args: Hashable) -> str:
        if args not in self.kept:
            self.kept[args] = self.function(*args)
        return self.kept[args]


def page(function: Callable[..., Any]) -> Page:
    """Keep what a function gives: ``@page`` above a view."""
    return Page(function)
