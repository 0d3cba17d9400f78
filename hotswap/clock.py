"""Where the time of a swap goes."""

from __future__ import annotations

import time

from hotswap.model import Timing


class Clock:
    """Milliseconds per stage."""

    def __init__(self, start: float) -> None:
        self.start = self.last = start
        self.stages: dict[str, float] = {}

    def mark(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = (now - self.last) * 1e3
        self.last = now

    def skip(self) -> None:
        """What was waited for until now belongs to no stage."""
        self.last = time.perf_counter()

    def note(self, stage: str, seconds: float) -> None:
        self.stages[stage] = seconds * 1e3

    def timing(self, seen_at: float | None) -> Timing:
        live = None if seen_at is None else (time.monotonic() - seen_at) * 1e3
        return Timing(total=(time.perf_counter() - self.start) * 1e3, live=live, **self.stages)
