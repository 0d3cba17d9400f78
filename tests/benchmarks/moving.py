"""Units of work while a change comes in by ``task``: a process of its own that prints its figures as JSON.

    python -m tests.benchmarks.moving 10        so many rounds

A unit takes some 25 ms and waits most of that, as a request does that asks a database a few times. Three kinds take turns in each
round, in one run: undisturbed; while old and new code live side by side, since an old unit has not ended; and overlapping with a
whole change, its plan, its passes over the heap and its commits.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import hotswap
from hotswap.model import ChangeSet, Consistency, SourceFile, Wish
from hotswap.session import current

TEXT = """
RATE = {0}


class Cart:
    def size(self):
        return {0}


def one():
    return RATE * {0}


def two(wait):
    found = []
    for _ in range(6):
        found.append(one() * {0} + Cart().size())
        wait(0.004)
    return found
"""
#: Seconds of each kind in a round, and threads that work.
SPAN, THREADS = 1.0, 4


class Units:
    """Threads that do one unit after the other, and how long each took."""

    def __init__(self, module: Any) -> None:
        self.module, self.stop = module, False
        self.took: list[tuple[float, float]] = []
        self.threads = [threading.Thread(target=self._work) for _ in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        while not self.stop:
            began = time.perf_counter()
            with hotswap.task("unit"):
                self.module.two(time.sleep)
            self.took.append((began, time.perf_counter()))

    def within(self, begin: float, end: float) -> list[float]:
        """Of units that lie within a span."""
        return [until - since for since, until in self.took if since >= begin and until <= end]

    def across(self, begin: float, end: float) -> list[float]:
        """Of units that overlap with a span."""
        return [until - since for since, until in self.took if since < end and until > begin]


def change(path: Path, version: int) -> Any:
    """Make a version live by ``task``."""
    files = (SourceFile(path=str(path), data=TEXT.format(version).encode()),)
    report = current().engine.swap(ChangeSet(files=files), Wish(consistency=Consistency.TASK, deadline=60.0))
    assert report.consistency is Consistency.TASK, str(report)


def hold_old(path: Path, version: int) -> tuple[float, float]:
    """Have old and new code live side by side for a while; gives from when to when."""
    inside, may_go = threading.Event(), threading.Event()

    def old() -> None:
        with hotswap.task("old unit"):
            inside.set()
            may_go.wait(60)

    holder, changer = threading.Thread(target=old), threading.Thread(target=change, args=(path, version))
    holder.start()
    inside.wait(60)
    changer.start()
    module = sys.modules["bench_moving"]
    while module.one() != version * version:
        time.sleep(0.01)
    begin = time.perf_counter()
    time.sleep(SPAN)
    end = time.perf_counter()
    may_go.set()
    changer.join()
    holder.join()
    return begin, end


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] * 1000


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench_moving.py"
        path.write_text(TEXT.format(1))
        sys.path.insert(0, folder)
        hotswap.start([folder], watch=False)
        units = Units(importlib.import_module("bench_moving"))
        alone: list[float] = []
        both: list[float] = []
        across: list[float] = []
        for number in range(rounds):
            begin = time.perf_counter()
            time.sleep(SPAN)
            alone += units.within(begin, time.perf_counter())
            both += units.within(*hold_old(path, 2 * number + 2))
            begin = time.perf_counter()
            change(path, 2 * number + 3)
            end = time.perf_counter()
            time.sleep(0.1)
            across += units.across(begin, end)
        units.stop = True
        for thread in units.threads:
            thread.join()
        hotswap.stop()
    found = {"undisturbed": p99(alone), "side by side": p99(both), "across": p99(across)}
    print(json.dumps({**found, "units": [len(alone), len(both), len(across)]}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
