"""Waiting for a save where no program runs that could follow it."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Sequence

from hotswap.watch.observer import DirectoryWatch, RawEvent
from hotswap.watch.paths import list_hops

__all__ = ["wait_for_save"]

#: Seconds of silence after which a save counts as complete.
_QUIET = 0.2


def wait_for_save(
    files: Sequence[str], includes: Callable[[str], bool], *, since: float, poll: bool, on_ready: Callable[[], None]
) -> str:
    """Wait until a source file is written beside one of these files, or below.

    Args:
        files: whose directories are watched.
        includes: says whether a file is one of the program's.
        since: ``time.time()``; one of the files that was written after that counts already.
        poll: look at the files in intervals instead of asking the system.
        on_ready: called when no save can be missed any more.

    Returns:
        The file that was written first.
    """
    events: queue.SimpleQueue[RawEvent] = queue.SimpleQueue()
    watch = DirectoryWatch(events.put, poll=poll, on_limit=lambda why: None)
    try:
        for file in files:
            for hop in list_hops(file):
                watch.cover(hop)
        on_ready()
        found = next((file for file in files if _written(file) > since), "")
        quiet_from = time.monotonic()
        while True:
            try:
                event = events.get(timeout=max(0.0, quiet_from + _QUIET - time.monotonic()) if found else None)
            except queue.Empty:
                return found
            path = event.dest or event.path
            if not event.is_folder and path.endswith(".py") and os.path.exists(path) and includes(path):
                found, quiet_from = found or path, time.monotonic()
            elif found and time.monotonic() > quiet_from + _QUIET:  # what else is written there, a log, need not end
                return found
    finally:
        watch.stop()


def _written(file: str) -> float:
    try:
        return os.stat(file).st_mtime
    except OSError:  # deleted
        return 0.0
