"""Waits for frames from before a commit to end: what they have made of their old code is led over then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import attrs

from hotswap.frames import Outdated

#: Seconds between two looks at the stacks: at first, and at most.
FIRST, MOST = 0.1, 5.0


@attrs.define(eq=False)
class EndedFrames:
    """A thread that lives as long as something is noted.

    Attributes:
        look: leads over what frames that have ended have made.
    """

    outdated: Outdated
    look: Callable[[], None]
    _thread: threading.Thread | None = None
    _wake: threading.Event = attrs.Factory(threading.Event)

    def start(self) -> None:
        """Look again, soon."""
        self._wake.set()
        if self.outdated and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._watch, name="hotswap-frames", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        pause = FIRST
        while self.outdated:
            if self._wake.wait(pause):  # a commit was: its frames may end soon
                self._wake.clear()
                pause = FIRST
                time.sleep(FIRST)
            self.look()
            pause = min(pause * 1.5, MOST)
