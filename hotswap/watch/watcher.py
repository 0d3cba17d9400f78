"""The thread that turns events into swaps: one step takes one batch, the loop takes them for ever."""

from __future__ import annotations

import importlib
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from hotswap.errors import CODES
from hotswap.green import patched_by
from hotswap.hooks import NAME as HOOKS
from hotswap.model import ChangeSet, Finding, Report, Severity, SourceFile, Verdict
from hotswap.watch.batch import Batch, FileState, find_git_lock
from hotswap.watch.observer import POLL_INTERVAL, DirectoryWatch, RawEvent
from hotswap.watch.paths import Interest
from hotswap.watch.source import Signature, Unstable, read_source, sign

__all__ = ["SwapEngine", "Watcher"]

#: Seconds without an event until the files are compared with what is known of them. The system can lose events (its
#: queue overflows, a directory is exchanged, a network file system sends none): a save may then be late, never lost.
SWEEP_INTERVAL = 2.0


class _World(Protocol):
    @property
    def records(self) -> Mapping[str, Any]: ...
    @property
    def on_adopt(self) -> list[Callable[[Any], None]]: ...


class SwapEngine(Protocol):
    """What the watcher needs of the engine."""

    @property
    def world(self) -> _World: ...
    def swap(self, changes: ChangeSet) -> Report: ...


class _Events(Protocol):
    def put(self, event: RawEvent) -> None: ...
    def get(self, block: bool = True, timeout: float | None = None) -> RawEvent: ...
    def get_nowait(self) -> RawEvent: ...


class _Scope(Protocol):
    def includes(self, path: str) -> bool: ...


@attrs.frozen
class _Batch:
    """What was read for one batch.

    Attributes:
        fresh: the files with a content that the engine has not seen.
        appeared: whether one of them is new to the program, or gone.
    """

    fresh: dict[str, bytes | None]
    appeared: bool


class Watcher:
    """Watches the files of managed modules and hands each batch of saves to the engine.

    Args:
        engine: takes the change sets.
        scope: says whether a file that appears is worth a batch.
        poll: look at the files in intervals instead of asking the system.
        on_finding: told what belongs to no change (polling took over, a file cannot be read).
        clock: ``time.monotonic``, or a test's own.

    Reports go where the engine sends them. All state belongs to the watcher's thread; other threads only put into
    the queue, so there is no lock, and :meth:`note_loaded` may be called while the import lock is held.
    """

    def __init__(self, engine: SwapEngine, scope: _Scope, *, poll: bool = False,
                 on_finding: Callable[[Finding], None] = lambda finding: None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._scope = scope
        self._on_finding = on_finding
        self._clock = clock
        # SimpleQueue, not Queue: put() takes no Python lock, so the import hook and watchdog's thread never wait here.
        # But eventlet leaves SimpleQueue as it is: waiting for it, this greenlet would stop all others for ever.
        self._events: _Events = queue.Queue() if patched_by() == "eventlet" else queue.SimpleQueue()
        self._interest = Interest()
        self._watch = DirectoryWatch(self._events.put, poll=poll, on_limit=self._say_polling)
        self._signatures: dict[str, Signature | None] = {}
        # Files whose newest content was refused, with that content: it is not offered again before it changes (the
        # engine keeps it, and tries it together with the next save).
        self._refused: dict[str, bytes | None] = {}
        self._unreadable: dict[str, Signature | None] = {}
        self._swept: set[str] = set()
        self._thread: threading.Thread | None = None
        self._stopping = False

    # -- any thread ---------------------------------------------------------------------------------------------------

    def note_loaded(self, file: str) -> None:
        """A managed module was loaded from this file."""
        if not self._stopping:
            self._events.put(RawEvent("loaded", file, at=self._clock()))

    def start(self) -> None:
        """Watch what is managed and what will be, on a thread of its own; a forked child does not have it."""
        self._stopping = False
        for record in list(self._engine.world.records.values()):
            self.note_loaded(record.file)
        self._engine.world.on_adopt.append(self._note_adopted)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.abandon)
        self._thread = threading.Thread(target=self._run, name="hotswap-watch", daemon=True)
        self._thread.start()

    def _note_adopted(self, record: Any) -> None:
        self.note_loaded(record.file)

    def stop(self) -> None:
        """End the thread and watchdog's; returns when they have ended or after two seconds."""
        thread, self._thread = self._thread, None
        self._stopping = True
        if self._note_adopted in self._engine.world.on_adopt:
            self._engine.world.on_adopt.remove(self._note_adopted)
        self._events.put(RawEvent("stop"))
        if thread is not None and thread is not threading.current_thread():
            thread.join(2.0)

    def abandon(self) -> None:
        """Forget the threads, in a forked child that does not have them; a child does not watch."""
        self._thread = None
        self._stopping = True
        self._events = queue.SimpleQueue()

    def describe(self) -> dict[str, Any]:
        """What is watched and how, for status."""
        return {"files": len(self._signatures), "roots": sorted(self._watch.roots), "polling": self._watch.polling}

    # -- the watcher's thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_over():
            try:
                self.step(SWEEP_INTERVAL if self._watch.is_complete else POLL_INTERVAL)
            except Exception:  # noqa: BLE001 - an error in here must not end hot reload without a word
                if self._is_over():
                    break  # threads cannot be started any more, modules are being cleared: nothing is wrong
                self._say("HS599", "the watcher failed on one batch and goes on", excerpt=traceback.format_exc())
        self._watch.stop()

    def _is_over(self) -> bool:
        return self._stopping or sys.is_finalizing()

    def step(self, timeout: float | None = None) -> Report | None:
        """Wait for events, take one batch in, swap it.

        Args:
            timeout: seconds to wait for the first event; after that the files are compared instead.

        Returns:
            The engine's report, or None when there was nothing to swap.
        """
        batch = Batch(close_events=self._watch.close_events, is_locked=find_git_lock)
        self._swept.clear()
        try:
            self._take(self._events.get(timeout=timeout), batch)
        except queue.Empty:
            self._sweep(batch)
        while batch and not self._stopping:
            self._collect(batch)
            content = self._read(batch)
            if content is not None:
                return self._swap(content, batch.seen_at)
        return None

    def _collect(self, batch: Batch) -> None:
        """Take events in until the batch is complete and the queue is empty."""
        while not batch.is_overdue(self._clock()):
            self._drain(batch)  # before asking for the time, which takes a look at each file of the batch
            now = self._clock()
            wait = batch.find_ripe_time(now) - now
            try:
                self._take(self._events.get(wait > 0, max(wait, 0.0)), batch)
            except queue.Empty:
                if wait <= 0:
                    return

    def _drain(self, batch: Batch) -> None:
        """Take in the events that are there."""
        try:
            while not batch.is_overdue(self._clock()):
                self._take(self._events.get_nowait(), batch)
        except queue.Empty:
            return

    def _take(self, event: RawEvent, batch: Batch) -> None:
        if event.kind == "loaded":
            self._add_file(event.path, batch)
        elif event.is_folder:
            state = FileState.MAYBE if event.kind == "created" else FileState.GONE
            for file in self._interest.find_below(event.path) | self._interest.find_below(event.dest or event.path):
                batch.add(file, state, event.at)
            self._watch.renew()
            self._note_hooks(event.dest or event.path, event.at, batch)
        elif event.kind == "moved":
            self._add_change(event.path, FileState.GONE, event.at, batch)
            self._add_change(event.dest, FileState.WHOLE, event.at, batch)
        elif event.kind in _STATE_AFTER:
            self._add_change(event.path, _STATE_AFTER[event.kind], event.at, batch)

    def _note_hooks(self, folder: str, at: float, batch: Batch) -> None:
        """A package gets its first migrations: nothing of that folder is loaded, so nobody has asked for it to be watched."""
        if os.path.basename(folder) == HOOKS and os.path.isdir(folder):
            self._watch.cover(os.path.join(folder, "__init__.py"))
            for entry in os.listdir(folder):
                self._add_change(os.path.join(folder, entry), FileState.MAYBE, at, batch)

    def _add_change(self, path: str, state: FileState, at: float, batch: Batch) -> None:
        files = self._interest.find(path)
        for file in files:
            batch.add(file, state, at)
            self._swept.discard(file)
        if not files and state is not FileState.GONE and _is_importable(path) and self._scope.includes(path):
            batch.add(path, state, at)

    def _add_file(self, file: str, batch: Batch) -> None:
        if file not in self._interest:
            for hop in self._interest.add(file):
                self._watch.cover(hop)
            # It may have been saved after it was executed and before it was watched.
            batch.add(file, FileState.MAYBE, self._clock())

    def _sweep(self, batch: Batch) -> None:
        """Find what the system did not tell: compare each file's signature, and the watched directories."""
        for record in list(self._engine.world.records.values()):
            self._add_file(record.file, batch)
        renewed = self._watch.renew()
        for file in list(self._interest.files):
            if file in self._signatures and sign(file) != self._signatures[file]:
                batch.add(file, FileState.MAYBE, self._clock())
                if not renewed:
                    self._swept.add(file)

    # -- reading and handing over -------------------------------------------------------------------------------------

    def _read(self, batch: Batch) -> _Batch | None:
        """Read the batch; None when a file is still being written."""
        loaded = {record.file: record.data for record in list(self._engine.world.records.values())}
        fresh: dict[str, bytes | None] = {}
        for file in batch.files:
            try:
                data, signature = read_source(file)
            except Unstable:
                if batch.is_overdue(self._clock()):
                    self._signatures[file] = None  # its writer does not stop: the sweep comes back to it
                    continue
                batch.add(file, FileState.WRITING, self._clock())
                return None
            except OSError as exc:
                self._say_unreadable(file, exc)
                continue
            if not data and loaded.get(file) and batch.may_wait(file, self._clock()):
                batch.mark_gone(file)
                return None
            self._signatures[file] = signature
            if file in self._interest:
                self._interest.add(file)
            if self._is_fresh(file, data, loaded.get(file)):
                fresh[file] = data
        return _Batch(fresh, any(data is None or file not in loaded for file, data in fresh.items()))

    def _is_fresh(self, file: str, data: bytes | None, live: bytes | None) -> bool:
        """Whether the engine has not seen this content yet; going back to the live text ends a refusal, so it is news."""
        if file in self._refused and self._refused[file] != live:
            return data != self._refused[file]
        return data != live

    def _swap(self, content: _Batch, seen_at: float) -> Report | None:
        if not content.fresh:
            return None
        silent = [file for file, data in content.fresh.items() if file in self._swept and data is not None]
        if silent and self._watch.is_complete:
            self._watch.poll_instead("the file system sends no events for " + silent[0])
        if content.appeared:
            importlib.invalidate_caches()  # importers remember the names in a directory
        sources = tuple(SourceFile(path=file, data=data) for file, data in content.fresh.items())
        report = self._engine.swap(ChangeSet(files=sources, seen_at=seen_at))
        for file, data in content.fresh.items():
            self._refused.pop(file, None)
            if not report.applied and report.verdict is not Verdict.NOTHING:
                self._refused[file] = data
        return report

    # -- saying -------------------------------------------------------------------------------------------------------

    def _say_polling(self, why: str) -> None:
        self._say("HS501", f"watching by polling: {why}", severity=Severity.NOTE)

    def _say_unreadable(self, file: str, exc: OSError) -> None:
        signature = self._signatures[file] = sign(file)
        if self._unreadable.get(file, ()) != signature:  # said once for each state that the file is in
            self._unreadable[file] = signature
            self._say("HS104", f"{exc.strerror or exc}; the old code serves on", file=file)

    def _say(self, code: str, message: str, *, severity: Severity = Severity.HELD, file: str = "", excerpt: str = "") -> None:
        self._on_finding(Finding(code=code, severity=severity, message=message, file=file,
                                 next_step=CODES[code].remedy, excerpt=excerpt))


_STATE_AFTER = {
    "modified": FileState.WRITING,
    "closed": FileState.WHOLE,
    "created": FileState.MAYBE,
    "deleted": FileState.GONE,
}


def _is_importable(path: str) -> bool:
    """Whether a new file can be a module; what editors leave (``.#a.py``, ``4913``, ``a.py~``) cannot."""
    stem, suffix = os.path.splitext(os.path.basename(path))
    return suffix == ".py" and stem.isidentifier()
