"""Tells hotswap about the page cache: which pages are stale after a swap, and what to do when one is live.

Without this plugin an edited view would run its new code, and visitors would go on seeing what the old code gave.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from hotswap.commit import Write
from hotswap.model import Report
from hotswap.plugin import Stale, hookimpl


@hookimpl
def hotswap_value_kind(value: object) -> str | None:
    """A page holds what visitors have caused: never make it again behind the program's back."""
    pagecache = sys.modules.get("pagecache")  # never imported from here: a program without it pays nothing
    return "opaque" if pagecache is not None and isinstance(value, pagecache.Page) else None


@hookimpl
def hotswap_stale_caches(stale: Stale) -> Iterator[Write]:
    """Empty the pages whose function behaves differently, be it through ten other functions."""
    pagecache = sys.modules.get("pagecache")
    for page in list(pagecache.ALL) if pagecache is not None else ():
        if isinstance(page.function, FunctionType) and stale.is_stale(page.function):
            # A write is a call with its inverse, both of C functions with ready arguments: all writes of a swap are
            # made in one instant. After a rollback the pages hold results of the new code, so they are emptied again.
            yield Write((dict.clear, page.kept), (dict.clear, page.kept), f"pages of {page.function.__qualname__}")


@hookimpl
def hotswap_after_commit(report: Report) -> None:
    """Let open browsers reload. This runs after the commit, so it may do what it likes."""
    pagecache: Any = sys.modules.get("pagecache")
    if pagecache is not None:
        pagecache.generation += 1


@hookimpl
def hotswap_after_rollback(report: Report) -> None:
    hotswap_after_commit(report)
