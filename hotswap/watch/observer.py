"""The directories that are watched, through watchdog, with polling as the fallback."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from hotswap.green import patched_by
from hotswap.watch.paths import find_watch_root

if TYPE_CHECKING:
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers.api import BaseObserver

__all__ = ["DirectoryWatch", "RawEvent"]

#: Seconds between two looks of the polling observer.
POLL_INTERVAL = 0.25

_LIMITS = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOSYS})


@attrs.frozen
class RawEvent:
    """What the system said.

    Attributes:
        kind: watchdog's name: modified, closed, created, deleted, moved; or one of the watcher's own.
        path, dest: the file or directory; ``dest`` is where it was moved to.
        at: ``time.monotonic()``.
    """

    kind: str
    path: str = ""
    dest: str = ""
    is_folder: bool = False
    at: float = attrs.field(factory=time.monotonic)


@attrs.define
class _Root:
    """A watched directory: the handle of its watch, None while the directory is away, and which directory it was."""

    recursive: bool
    handle: Any = None
    identity: tuple[int, int] | None = None


class DirectoryWatch:
    """Watches the directories of the paths it is given; used by one thread only.

    Args:
        put: takes each event; called on watchdog's thread, so it does nothing but queue.
        poll: look at the files in intervals instead of asking the system.
        on_limit: told why, when the system cannot watch any more and polling takes over.
    """

    def __init__(self, put: Callable[[RawEvent], None], *, poll: bool, on_limit: Callable[[str], None]) -> None:
        self._put = put
        self._on_limit = on_limit
        self._roots: dict[str, _Root] = {}
        self._observer: BaseObserver | None = None
        self.polling = poll

    @property
    def close_events(self) -> bool:
        """Whether the system says when a writer closes a file."""
        return sys.platform == "linux" and not self.polling

    @property
    def is_complete(self) -> bool:
        """Whether all directories are watched: none is away, and threads could be started for them."""
        return all(root.handle is not None for root in self._roots.values())

    @property
    def roots(self) -> tuple[str, ...]:
        return tuple(self._roots)

    def cover(self, path: str) -> bool:
        """Watch the directory of a path; returns whether that took a new watch."""
        if self.is_covered(os.path.dirname(path)):
            return False
        return self._add(*find_watch_root(path))

    def cover_tree(self, folder: str) -> bool:
        """Watch a directory with all below it; returns whether that took a new watch."""
        return not self.is_covered(folder, recursive=True) and self._add(folder, True)

    def _add(self, folder: str, recursive: bool) -> bool:
        if folder in self._roots and self._roots[folder].recursive >= recursive:
            return False
        self._roots[folder] = root = _Root(recursive)
        self._schedule(folder, root)
        return True

    def renew(self) -> bool:
        """Watch again what was deleted, moved or made anew; returns whether there was any.

        A watch belongs to the directory, not to its name: after ``git checkout`` has removed and restored a
        directory, or a symbolic link points elsewhere, the old watch hears nothing for ever.
        """
        changed = False
        for folder, root in self._roots.items():
            identity = _identify(folder)
            if identity == root.identity and (root.handle is None or self._is_alive(root)):
                continue
            changed = True
            self._unschedule(root)
            if identity is not None:
                self._schedule(folder, root)
        return changed

    def poll_instead(self, why: str) -> None:
        """Give up the system's events and look at the files in intervals."""
        if self.polling:
            return
        self.stop()
        self.polling = True
        self._on_limit(why)
        for folder, root in self._roots.items():
            self._schedule(folder, root)

    def stop(self) -> None:
        """End watchdog's threads; the list of directories is kept."""
        observer, self._observer = self._observer, None
        for root in self._roots.values():
            root.handle = root.identity = None
        if observer is not None:
            observer.stop()
            observer.join(1.0)

    def is_covered(self, folder: str, *, recursive: bool = False) -> bool:
        """Whether a directory is watched, with all below it where that is asked for."""
        if folder in self._roots and self._roots[folder].recursive >= recursive:
            return True
        above = folder
        while (parent := os.path.dirname(above)) != above:
            above = parent
            if above in self._roots and self._roots[above].recursive:
                return True
        return False

    def _is_alive(self, root: _Root) -> bool:
        """Whether the emitter of a watch still runs; it ends when its directory is deleted."""
        if self._observer is None:
            return False
        return any(emitter.watch == root.handle and emitter.is_alive() for emitter in self._observer.emitters)

    def _schedule(self, folder: str, root: _Root) -> None:
        if self._is_green(root, folder):
            return
        try:
            if self._observer is None:
                observer = _make_observer(self.polling)
                observer.start()
                self._observer = observer
            root.identity = _identify(folder)
            if root.identity is not None:
                root.handle = self._observer.schedule(
                    _make_handler(self._put), folder, recursive=root.recursive, event_filter=_list_event_types()
                )
        except OSError as exc:
            root.handle = root.identity = None
            if exc.errno in _LIMITS and not self.polling:
                self.poll_instead(f"{exc.strerror or exc} ({folder})")
            # Anything else (the directory is gone, or not ours to read): the sweep looks again.
        except RuntimeError:
            # The main thread has ended and other threads go on: no new thread can be started from then on (3.12).
            root.handle = None

    def _is_green(self, root: _Root, folder: str) -> bool:
        """True where the threads of watchdog would be greenlets: it waits in C code, which would stop all of them, and its
        queue is none of theirs. The watcher then compares the files by itself."""
        library = patched_by()
        if not library or self._observer is not None:
            return False
        root.handle, root.identity = None, _identify(folder)
        if not self.polling:
            self.polling = True
            self._on_limit(f"{library} has replaced threads by greenlets, which cannot wait for events of the system")
        return True

    def _unschedule(self, root: _Root) -> None:
        handle, root.handle, root.identity = root.handle, None, None
        if handle is not None and self._observer is not None:
            try:
                self._observer.unschedule(handle)
            except (KeyError, OSError):
                pass  # its emitter has ended with its directory


def _identify(folder: str) -> tuple[int, int] | None:
    """Which directory has this name now; None when there is none."""
    try:
        info = os.stat(folder)
    except OSError:
        return None
    return info.st_dev, info.st_ino


# watchdog is imported late: the thread that watches pays for it, not the start of the program.


def _make_observer(polling: bool) -> BaseObserver:
    # A program that logs everything would have a line from watchdog for every event; where it has set a level, it stays.
    logger = logging.getLogger("watchdog")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    if polling:
        from watchdog.observers.polling import PollingObserver

        return PollingObserver(timeout=POLL_INTERVAL)
    from watchdog.observers import Observer

    return Observer(timeout=1.0)


def _make_handler(put: Callable[[RawEvent], None]) -> FileSystemEventHandler:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        """Queues; whatever else would be done here would delay or lose the events behind it."""

        def dispatch(self, event: FileSystemEvent) -> None:
            put(RawEvent(event.event_type, os.fsdecode(event.src_path), os.fsdecode(event.dest_path or ""),
                         event.is_directory))

    return Handler()


def _list_event_types() -> list[Any]:
    """Not among them: opened and closed-without-writing, which every import of a file would cause."""
    from watchdog import events

    return [
        events.FileModifiedEvent, events.FileClosedEvent, events.FileCreatedEvent, events.FileDeletedEvent,
        events.FileMovedEvent, events.DirCreatedEvent, events.DirDeletedEvent, events.DirMovedEvent,
    ]
