"""Files that hotswap does not manage, by the system's events: for a plugin that takes care of templates and style sheets.

    a file is written, moved into place     told as soon as its writer has finished
    a file goes                             told if it was known, after the time in which editors put a new one there
    a folder comes, goes or moves           told as such: what is below has to be looked at
    what editors leave (``.a.swp``, ``a~``) not told
    what nobody asks for (a log)            not told, nor waited for: it may never be finished

Events get lost, and not all folders are watched: whoever uses this looks at the files in intervals as well.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from hotswap.green import patched_by
from hotswap.watch.batch import MAX_WAIT, Batch, FileState, find_git_lock
from hotswap.watch.observer import DirectoryWatch, RawEvent
from hotswap.watch.paths import is_small_tree

__all__ = ["FolderWatch", "Heard", "is_left_by_editor"]

#: So many trees are watched, each with a thread of watchdog's; what is in others is found by looking.
MOST_TREES = 12

_STATE_AFTER = {"modified": FileState.WRITING, "closed": FileState.WHOLE, "created": FileState.MAYBE, "deleted": FileState.GONE}
_WAKE = "wake"


@attrs.frozen
class Heard:
    """What came of waiting; false where nothing was heard.

    Attributes:
        files: whose content or existence may have changed.
        is_folder: whether a whole folder may be another one.
    """

    files: frozenset[str] = frozenset()
    is_folder: bool = False

    def __bool__(self) -> bool:
        return bool(self.files) or self.is_folder


class FolderWatch:
    """Watches folders with all that is below them; used by one thread, but for :meth:`wake`.

    Args:
        is_known: whether there was such a file; one that goes is told only then.
        is_wanted: whether a file is asked for, as a folder has others, too; asked for each event.
    """

    def __init__(self, is_known: Callable[[str], bool], is_wanted: Callable[[str], bool] = lambda path: True) -> None:
        self._is_known, self._is_wanted = is_known, is_wanted
        # As the watcher of Python files has it: SimpleQueue stops all greenlets of eventlet.
        self._events: queue.SimpleQueue[RawEvent] | queue.Queue[RawEvent]
        self._events = queue.Queue() if patched_by() == "eventlet" else queue.SimpleQueue()
        self._limits: list[str] = []  # why the system watches no more
        self._watch = DirectoryWatch(self._events.put, poll=False, on_limit=self._limits.append)
        self._seen: set[str] = set()  # folders that were asked for
        self._is_cut = False  # one of them is not watched

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for is watched."""
        return not self._is_cut and not self._is_over and self._watch.is_complete

    def cover(self, folders: Iterable[str]) -> None:
        """Watch these too, as far as the number of watches goes: each in the tree of its package, if there is one.

        One that is not there is watched when it has come, and this is called again.
        """
        for folder in set(folders) - self._seen:
            package = _find_package(folder)
            if self._is_over or not (package or os.path.isdir(folder)):
                continue
            self._seen.add(folder)
            root = next((each for each in (package, folder) if each and os.path.isdir(each) and is_small_tree(each)), "")
            if self._watch.is_covered(root, recursive=True) or (root and len(self._watch.roots) < MOST_TREES):
                self._watch.cover_tree(root)
            else:
                self._is_cut = True
        if self._is_over:  # watchdog would look at all files in intervals, and whoever uses this does so already
            self._watch.stop()

    def wait(self, timeout: float) -> Heard:
        """Wait for events, and until the writers of their files have finished.

        Args:
            timeout: seconds to wait for the first event.
        """
        batch, folders = Batch(close_events=self._watch.close_events, is_locked=find_git_lock), False
        until = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            ripe = batch.find_ripe_time(now) if batch else until
            if batch.is_overdue(now) if batch else now > until + MAX_WAIT:  # a log may be written faster than it is passed over
                break
            try:
                event = self._events.get(ripe > now, max(ripe - now, 0.0))
            except queue.Empty:
                break
            if event.kind == _WAKE:
                break
            if event.is_folder:
                folders = True
                until = min(until, event.at + 0.02)  # what is written into a new folder comes in a moment
            else:
                self._take(event, batch)
        if folders or not batch:
            self._watch.renew()
        return Heard(frozenset(batch.files), folders)

    def _take(self, event: RawEvent, batch: Batch) -> None:
        if event.kind == "moved":
            self._add(event.path, FileState.GONE, event.at, batch)
            self._add(event.dest, FileState.WHOLE, event.at, batch)
        elif event.kind in _STATE_AFTER:
            self._add(event.path, _STATE_AFTER[event.kind], event.at, batch)

    def _add(self, path: str, state: FileState, at: float, batch: Batch) -> None:
        if is_left_by_editor(path) or not self._is_wanted(path):
            return
        if state is not FileState.GONE or self._is_known(path):
            batch.add(path, state, at)
        else:
            batch.discard(path)  # it came and went

    def wake(self) -> None:
        """End the waiting, from any thread or a signal handler."""
        self._events.put(RawEvent(_WAKE))

    def stop(self) -> None:
        """End watchdog's threads."""
        self._watch.stop()

    @property
    def _is_over(self) -> bool:
        return bool(self._limits)


def is_left_by_editor(path: str) -> bool:
    """Whether a file is one that editors and tools write for themselves, by its name."""
    name = os.path.basename(path)
    return name.startswith(".") or name.endswith("~") or name == "4913"  # vim asks with that name whether it may write


def _find_package(folder: str) -> str:
    """The outermost package in which a folder is, which need not be there; empty where it is in none."""
    package = ""
    for above in (Path(folder), *Path(folder).parents):
        if (above / "__init__.py").exists():
            package = str(above)
        elif package:
            break
    return package
