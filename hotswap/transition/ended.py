"""Waits for frames from before a commit to end: what they have made of their old code is led over then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import attrs

from hotswap.frames import Outdated

#: Seconds between two looks at the stacks: at first, and at most.
FIRST, MOST = 0.1, 5.0


@attrs.define(eq=False)
class EndedFrames:
    """A thread that lives as long as something is noted; one for the process, whichever engine it serves.

    Attributes:
        lock: the engine's.
        look: leads over what frames that have ended have made.
    """

    outdated: Outdated = attrs.Factory(Outdated)
    lock: Any = attrs.Factory(threading.RLock)
    look: Callable[[], None] = lambda: None
    _thread: threading.Thread | None = None
    _wake: threading.Event = attrs.Factory(threading.Event)

    def start(self) -> None:
        """Look again, soon."""
        self._wake.set()
        with self.lock:
            if self.outdated and self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="hotswap-frames", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Forget what is noted, and wait for the thread; for who uses several engines, one after the other."""
        with self.lock:
            self.outdated.clear()
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def after_fork(self) -> None:
        """In a child: the thread is gone, and may have held what is inside of the event."""
        self._thread, self._wake = None, threading.Event()
        self.start()

    def _watch(self) -> None:
        pause, due = FIRST, time.monotonic() + FIRST
        while not self._is_over():
            if self._wake.wait(max(0.0, due - time.monotonic())):  # a commit was: its frames may end soon
                self._wake.clear()
                pause, due = FIRST, min(due, time.monotonic() + FIRST)
            else:
                self.look()
                pause = min(pause * 1.5, MOST)
                due = time.monotonic() + pause

    def _is_over(self) -> bool:
        with self.lock:
            if not self.outdated:
                self._thread = None
            return self._thread is None
