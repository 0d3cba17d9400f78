"""Thousands of swaps in one process; what grows with their number is a failure.

    .venv/bin/python -m tests.load endurance                10,000 swaps, some minutes
    .venv/bin/python -m tests.load endurance --count 300    some seconds; what its test runs
"""

from __future__ import annotations

import ast
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import attrs

from tests.load.gauges import Codes, Sample, take_sample
from tests.load.soak import EDITS, Soak

#: Swaps before the first sample that counts: three times what can be taken back, and each edit in both of its turns.
WARM_UP = 4 * len(EDITS)
PERIOD = 2 * len(EDITS)
GAUGES = ("memory", "objects", "blocks", "codes", "proxies", "trampolines", "barriers", "threads", "files")
#: These must not grow by one.
FIXED = ("proxies", "trampolines", "barriers", "threads", "files")
#: Each migration is remembered as long as the process lives: a copy or a pickle of then may be read at any time, and has to go
#: through all of them. So many objects and bytes for each.
REMEMBERED = {"hotswap.convert.converter.LEAPS[]", "hotswap.convert.converter.SHAPES[]"}
OBJECTS, MEMORY = 16, 8_192
#: Objects by which two moments of one run differ: what can be taken back is of other edits.
NOISE = 1_000
#: So much slower may swaps be in the end, on a machine that others use.
SLOWER = 1.1
#: A text that is parsed and compiled beside each swap.
YARDSTICK = "".join(f"def f{i}(x, y={i}):\n    return [x + y for y in range({i})]\n" for i in range(50))


@attrs.define
class Result:
    """What a run has measured.

    Attributes:
        samples: in their order; the first is taken after the warm-up.
        times: milliseconds of CPU of each swap, by the kind of its edit.
        ratios: the same against a piece of work that is always the same, and is done beside it: CPU time depends on what
            others do to the caches.
    """

    count: int
    samples: list[Sample] = attrs.Factory(list)
    times: dict[str, list[float]] = attrs.Factory(dict)
    ratios: dict[str, list[float]] = attrs.Factory(dict)

    def per_swap(self, name: str) -> float:
        """By how much a gauge has grown for each swap between the first sample and the last."""
        first, last = self.samples[0], self.samples[-1]
        return float((getattr(last, name) - getattr(first, name)) / (last.number - first.number))

    def grown_tables(self) -> dict[str, tuple[int, ...]]:
        """The tables that have become longer, with their lengths."""
        first, last = self.samples[0].tables, self.samples[-1].tables
        grown = [path for path, length in last.items() if length > first.get(path, 0)]
        return {path: tuple(sample.tables.get(path, 0) for sample in self.samples) for path in grown}

    def median(self, kind: str) -> float:
        """Milliseconds of CPU."""
        return statistics.median(self.times[kind])

    def slowdown(self) -> float:
        """The last tenth of the swaps against an early one, each kind against itself."""
        return statistics.geometric_mean(self.slowdowns().values())

    def slowdowns(self) -> dict[str, float]:
        found = {}
        for kind, ratios in self.ratios.items():
            part = max(1, len(ratios) // 10)
            found[kind] = statistics.median(ratios[-part:]) / statistics.median(ratios[part : 2 * part] or ratios)
        return found


def run(count: int, samples: int = 10) -> Result:
    """Make so many swaps or some more, and before them as many as it takes to warm up.

    Between two samples each edit is made in both of its turns, or they would differ by what a turn leaves.
    """
    step = math.ceil(count / samples / PERIOD) * PERIOD
    result = Result(step * samples)
    with tempfile.TemporaryDirectory() as name:
        soak, codes = Soak(Path(name)), Codes()
        for number in range(1, WARM_UP + result.count + 1):
            if number == WARM_UP + 1:
                result.samples.append(take_sample(0, codes))
            _swap_once(soak, number, result, codes)
            if number > WARM_UP and (number - WARM_UP) % step == 0:
                result.samples.append(take_sample(number - WARM_UP, codes))
                print(result.samples[-1], file=sys.stderr, flush=True)
    return result


def _swap_once(soak: Soak, number: int, result: Result, codes: Codes) -> None:
    kind = list(EDITS)[number % len(EDITS)]
    act = soak.prepare(kind, number)
    start = time.thread_time()
    report = act()
    took = (time.thread_time() - start) * 1e3
    start = time.thread_time()
    ast.parse(YARDSTICK)
    compile(YARDSTICK, "yardstick", "exec")
    yard = (time.thread_time() - start) * 1e3
    assert report.applied, f"swap {number}, {kind}: {report}"
    soak.settle()
    found, expected = soak.probe(), soak.expect()
    assert found == expected, f"swap {number}, {kind}:\n{found}\nexpected\n{expected}\n{report}"
    codes.note(soak.modules)
    if number > WARM_UP:
        result.times.setdefault(kind, []).append(took)
        result.ratios.setdefault(kind, []).append(took / yard)


def judge(result: Result) -> list[str]:
    """What grows with the number of swaps."""
    grown = [name for name in FIXED if _at(result, name, -1) > _at(result, name, 0)]
    found = [f"{name} grows: {result.per_swap(name):.3f} per swap" for name in grown]
    found += [f"{path} grows: {lengths}" for path, lengths in result.grown_tables().items() if path not in REMEMBERED]
    migrations = result.count // len(EDITS) + 1
    for path in REMEMBERED & result.grown_tables().keys():
        lengths = result.grown_tables()[path]
        if lengths[-1] - lengths[0] > migrations:
            found.append(f"{path} grows by more than one for each migration: {lengths}")
    allowed = OBJECTS * migrations + NOISE
    if (more := _at(result, "objects", -1) - _at(result, "objects", 0)) > allowed:
        found.append(f"{more} objects more, {allowed} are allowed for {migrations} migrations")
    if _at(result, "codes", -1) > 2 * _at(result, "codes", 0):
        found.append(f"code that is not live any more is not freed: {[sample.codes for sample in result.samples]}")
    return found


def judge_long(result: Result) -> list[str]:
    """What only many swaps can show: memory, which the system gives in pages, and time."""
    found = judge(result)
    allowed = MEMORY * (result.count // len(EDITS) + 1) + (4 << 20)
    if (grown := _at(result, "memory", -1) - _at(result, "memory", 0)) > allowed:
        found.append(f"memory grows by {grown:,} bytes, {allowed:,} are allowed")
    if result.slowdown() > SLOWER:
        found.append(f"the last swaps take {result.slowdown():.2f} times what early ones took")
    return found


def _at(result: Result, name: str, place: int) -> int:
    return int(getattr(result.samples[place], name))
