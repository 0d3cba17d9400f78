"""Objects converted by a migration, among others: a process of its own that prints its figures as JSON.

    python -m tests.benchmarks.converting 1000000       so many objects of the class, among twice as many of another
"""

from __future__ import annotations

import gc
import importlib
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hotswap
from hotswap.session import current

OLD = """
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y


class Other:
    def __init__(self, n):
        self.n = n
"""
NEW = """
from hotswap import migrate


class Point:
    def __init__(self, x, y, label):
        self.x = x
        self.y = y
        self.label = label


class Other:
    def __init__(self, n):
        self.n = n


@migrate("points:Point"{options})
def give_label(state):
    state["label"] = None


@give_label.down
def _(state):
    del state["label"]
"""


def timed(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def swap(folder: Path, text: str) -> hotswap.Report:
    (folder / "points.py").write_text(text)
    report = hotswap.swap()
    assert report.applied, str(report)
    return report


def read_all(points: list[Any]) -> None:
    for point in points:
        point.y  # noqa: B018


def convert_by_hand(points: list[Any]) -> None:
    """What somebody would write who owns the program: copy, call, publish."""

    def give(state: dict[str, Any]) -> None:
        state["label"] = None

    for point in points:
        state = dict(point.__dict__)
        give(state)
        point.__dict__.update(state)


def sweep_all() -> None:
    assert hotswap.wait_converted(timeout=300)


def measure_first_access(folder: Path, module: Any, count: int) -> float:
    """Seconds for one access that converts, without those of the hook and of a read."""
    points = [module.Point(n, n) for n in range(count)]
    swap(folder, NEW.format(options=', when="on_access"'))
    first = timed(lambda: read_all(points))
    after = timed(lambda: read_all(points))
    hook: Callable[[dict[str, Any]], None] = module.give_label
    state: dict[str, Any] = {}
    calls = timed(lambda: [hook(state) for _ in points])
    hotswap.rollback()
    read_all(points)
    return (first - after - calls) / count


def measure_requests(points: list[Any], seconds: float) -> list[float]:
    """How long requests take that look at some objects, one after the other, in seconds."""
    found = []
    end = time.perf_counter() + seconds
    at = 0
    while time.perf_counter() < end:
        start = time.perf_counter()
        for point in points[at : at + 200]:
            point.y  # noqa: B018
        found.append(time.perf_counter() - start)
        at = (at + 200) % len(points)
        time.sleep(0.001)
    return found


def percentiles(times: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=100)
    return cuts[49] * 1e6, cuts[98] * 1e6


def measure(count: int) -> dict[str, float]:
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.path.insert(0, name)
        (folder / "points.py").write_text(OLD)
        hotswap.start([name], watch=False)
        module = importlib.import_module("points")
        found["first_access"] = measure_first_access(folder, module, min(count, 50_000))
        others = [module.Other(n) for n in range(2 * count)]
        by_hand = [module.Other(n) for n in range(count)]
        points = [module.Point(n, n) for n in range(count)]
        seconds = 0.1 if count < 100_000 else 0.5
        quiet = percentiles(measure_requests(points, seconds))
        gc.collect()
        listing = min(timed(lambda: gc.get_referrers(module.Point)) for _ in range(3))
        report = swap(folder, NEW.format(options=""))
        found["commit_ms"] = report.timing.commit
        found["commit"] = report.timing.commit / 1e3 / listing
        busy: list[float] = []
        thread = threading.Thread(target=lambda: busy.extend(measure_requests(points, seconds)))
        thread.start()
        sweep_all()
        thread.join()
        found["p50_quiet"], found["p99_quiet"] = quiet
        found["p50_busy"], found["p99_busy"] = percentiles(busy)
        hotswap.rollback()
        sweep_all()
        start = time.perf_counter()
        swap(folder, NEW.format(options=""))
        sweep_all()
        took = time.perf_counter() - start
        found["sweep_s"] = took
        found["sweep"] = took / timed(lambda: convert_by_hand(by_hand))
        while current().engine.converter.barriers:
            time.sleep(0.01)
        never = [module.Point(n, n, None) for n in range(count)]
        reads = [(timed(lambda: read_all(points)), timed(lambda: read_all(never))) for _ in range(7)]
        found["reads"] = min(a for a, _ in reads) / min(b for _, b in reads)
        found["memory"] = sum(map(sys.getsizeof, points)) / sum(map(sys.getsizeof, never))
        found["inside"] = len(gc.get_referents(points[count // 2])) / len(gc.get_referents(never[count // 2]))
        del others
        hotswap.stop()
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
