"""When a batch of saves is complete: a value of times, without a thread and without a clock of its own."""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Callable, Iterable

import attrs

__all__ = ["Batch", "FileState", "find_git_lock"]

#: No batch waits longer than this for writers, in seconds; what is there then is taken.
MAX_WAIT = 3.0

#: A git lock older than this was left behind by a crash, in seconds.
STALE_LOCK = 10.0


class FileState(enum.Enum):
    """What the last event said about a file."""

    WHOLE = "whole"  # closed after writing, or moved into place
    MAYBE = "maybe"  # appeared: by a rename from elsewhere (whole) or by a creation (writing follows)
    WRITING = "writing"  # written to, and not closed yet
    GONE = "gone"  # deleted, moved away or empty; editors do that a moment before they write


# How long to wait after the last event of a file, in seconds. On Linux a write is followed by a close, which makes the
# file whole at once; the long wait is for a writer that pauses in the middle. Elsewhere there is no close event, and
# a file counts as written when nothing was heard for a moment.
_SETTLE = {FileState.WHOLE: 0.0, FileState.MAYBE: 0.015, FileState.WRITING: 0.2, FileState.GONE: 0.1}
_SETTLE_WITHOUT_CLOSE = {**_SETTLE, FileState.WHOLE: 0.02, FileState.WRITING: 0.03}

# How long nothing at all may be heard, by the number of files: one save is live at once, and the more files a tool
# writes the longer it may take between two of them.
_QUIET = ((1, 0.003), (4, 0.015), (1 << 62, 0.05))


@attrs.define
class _Change:
    state: FileState
    at: float


@attrs.define
class Batch:
    """The files of one batch and the instant at which it is complete.

    Attributes:
        close_events: whether the system says when a writer closes a file.
        is_locked: whether a tool says that it is still at work on these files (git holds a lock while it checks out).
    """

    close_events: bool = True
    is_locked: Callable[[Iterable[str]], bool] = lambda files: False
    _changes: dict[str, _Change] = attrs.field(factory=dict, init=False)
    _first: float = attrs.field(default=0.0, init=False)
    _last: float = attrs.field(default=0.0, init=False)

    def __bool__(self) -> bool:
        return bool(self._changes)

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(sorted(self._changes))

    @property
    def seen_at(self) -> float:
        """``time.monotonic()`` of the first event."""
        return self._first

    def add(self, file: str, state: FileState, at: float) -> None:
        """Take in an event; the last one about a file decides its state."""
        if not self._changes:
            self._first = at
        self._last = max(self._last, at)
        self._changes[file] = _Change(state, at)

    def discard(self, file: str) -> None:
        """Forget what was heard of a file."""
        self._changes.pop(file, None)

    def find_ripe_time(self, now: float) -> float:
        """When to read the files, as ``time.monotonic()`` has it; not later than ``now`` means at once."""
        settle = _SETTLE if self.close_events else _SETTLE_WITHOUT_CLOSE
        quiet = next(seconds for count, seconds in _QUIET if len(self._changes) <= count)
        ripe = max([self._last + quiet, *(change.at + settle[change.state] for change in self._changes.values())])
        if ripe <= now and self.is_locked(self._changes):
            ripe = now + 0.005
        return min(ripe, self._first + MAX_WAIT)

    def is_overdue(self, now: float) -> bool:
        """Whether writers had all the time that a batch gives them."""
        return now >= self._first + MAX_WAIT

    def mark_gone(self, file: str) -> None:
        """The file was found missing or empty: give its writer the time that a deletion gets."""
        self._changes[file].state = FileState.GONE

    def may_wait(self, file: str, now: float) -> bool:
        """Whether a file that reads as missing or empty may still be in the hands of a writer."""
        change = self._changes[file]
        return now < min(change.at + _SETTLE[FileState.GONE], self._first + MAX_WAIT)


def find_git_lock(files: Iterable[str]) -> bool:
    """Whether git is writing to the repository of one of the files.

    git holds ``index.lock`` from before the first file of a checkout until after the last: a checkout of any number
    of files is one batch.
    """
    for folder in {os.path.dirname(file) for file in files}:
        git = _find_git_folder(folder)
        if not git:
            continue
        try:
            taken = os.stat(os.path.join(git, "index.lock")).st_mtime
        except OSError:
            continue
        if time.time() - taken < STALE_LOCK:
            return True
    return False


def _find_git_folder(folder: str) -> str:
    while True:
        candidate = os.path.join(folder, ".git")
        if os.path.isdir(candidate):
            return candidate
        if os.path.isfile(candidate):  # a work tree or a submodule: the file names the directory
            try:
                with open(candidate, encoding="utf-8") as file:
                    return os.path.join(folder, file.read().removeprefix("gitdir:").strip())
            except OSError:
                return ""
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above
