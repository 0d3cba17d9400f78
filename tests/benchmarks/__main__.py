"""Measure hotswap against plain Python, against restarting, and against its peers where they are installed.

    .venv/bin/python -m tests.benchmarks              the whole table, some minutes
    .venv/bin/python -m tests.benchmarks --quick      small sizes, some seconds
    .venv/bin/python -m tests.benchmarks --json       one JSON object
    .venv/bin/python -m tests.benchmarks --markdown   the table for README.md

jurigged, IPython and Django are measured when they can be imported (``pip install -e '.[bench]'``). Candidates take turns in
each round. Of calls the smallest CPU time of all rounds counts, since the machine is shared; of saves and swaps the median by
the clock, which the goals mean.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

import hotswap
from tests.benchmarks.django_example import measure_example
from tests.benchmarks.hotfix import measure_hotfix
from tests.benchmarks.saving import TOOLS

CALLS = {
    "function": "f()",
    "function with defaults": "g(1)",
    "method": "obj.m()",
    "closure": "closure()",
    "decorated": "decorated()",
}
SOURCE = """
import functools
def plain(fn):
    @functools.wraps(fn)
    def wrapper():
        return fn()
    return wrapper
def f(): pass
def g(a, b=2, *, c=3): return a
class K:
    def m(self): pass
obj = K()
def make(n):
    def inner(): return n
    return inner
closure = make(1)
@plain
def decorated(): pass
"""


NOISE = 1.05  # two runs of the same call differ by so much on a shared machine


@attrs.frozen(kw_only=True)
class Row:
    """One measured ratio.

    Attributes:
        what: the thing measured.
        value: with its unit.
        ratio: against ``against``; below 1 is faster.
        goal: as written down before measuring, or empty.
        met: whether it was reached; None without a goal.
    """

    what: str
    value: str
    ratio: float | None = None
    against: str = ""
    goal: str = ""
    met: bool | None = None


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")


def best(rounds: int, **candidates: Callable[[], float]) -> dict[str, float]:
    """The smallest time of each candidate, in seconds; they take turns."""
    times: dict[str, float] = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, run in candidates.items():
            times[name] = min(times[name], run())
    return times


def timed(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def big_module(functions: int, version: int, *, changed: int | None = None, added: bool = False) -> str:
    """A module of many functions; all of them change with the version, or only one does, or one is added at the top."""
    lines = ["def added():\n    return 0\n\n"] if added else []
    for index in range(functions):
        number = version if changed is None or changed == index else 0
        lines.append(
            f"def f{index}(x, y=1):\n    total = x\n    for i in range(3):\n        total += i * {number}\n    return total\n\n"
        )
    return "".join(lines)


# ---- calls ----


def measure_calls(folder: Path, rounds: int, number: int) -> list[Row]:
    """Cost per call of managed code, before and after a swap, against the same text as an unmanaged module."""
    write(folder, "bench_calls", SOURCE)
    spec = importlib.util.spec_from_loader("bench_plain", loader=None)
    assert spec is not None
    plain = importlib.util.module_from_spec(spec)
    exec(SOURCE, plain.__dict__)
    managed = importlib.import_module("bench_calls")
    rows = []
    for phase in ("before a swap", "after a swap"):
        if phase == "after a swap":
            write(folder, "bench_calls", SOURCE.replace("pass", "return None").replace("return a", "return b"))
            exec(compile(SOURCE.replace("pass", "return None").replace("return a", "return b"), "p", "exec"), plain.__dict__)
            assert hotswap.swap().applied
        for name, statement in CALLS.items():
            found = best(
                rounds,
                plain=_timer(statement, plain, number),
                managed=_timer(statement, managed, number),
            )
            ratio = found["managed"] / found["plain"]
            # Measured on 3.13, and not to be had otherwise: it does not specialise calls of a swapped function again.
            limit = 1.25 if name == "function" and phase == "after a swap" and sys.version_info >= (3, 13) else 1.0
            rows.append(
                Row(
                    what=f"call of a {name}, {phase}",
                    value=f"{found['managed'] / number * 1e9:.1f} ns",
                    ratio=ratio,
                    against="plain",
                    goal=f"{limit:.2f}, within {NOISE - 1:.0%}",
                    met=ratio <= limit * NOISE,
                )
            )
    return rows


def _timer(statement: str, module: Any, number: int) -> Callable[[], float]:
    # CPU time: a call waits for nothing, and on a shared machine the clock counts what others do.
    timer = timeit.Timer(statement, timer=time.process_time, globals=module.__dict__)
    return lambda: timer.timeit(number)


# ---- swaps ----


def measure_swaps(folder: Path, functions: int, repeats: int) -> list[Row]:
    """A large module: one function changed, all changed, one added at the top; the last of many swaps against the first."""
    write(folder, "bench_big", big_module(functions, 0))
    module = importlib.import_module("bench_big")
    timings, cpu = [], []  # not the reports: a program need not keep them, and they would fill the heap
    for version in range(1, repeats + 1):
        write(folder, "bench_big", big_module(functions, version))
        start = time.thread_time()
        report = hotswap.swap()
        cpu.append((time.thread_time() - start) * 1e3)
        assert report.applied, str(report)
        timings.append(report.timing)
        assert module.f0(0) == 3 * version == module.__dict__[f"f{functions - 1}"](0)
    totals = [timing.total for timing in timings]
    last, used = statistics.median(totals[-7:]), statistics.median(cpu[-7:])
    commits = sorted(timing.commit * 1e3 for timing in timings)
    rows = [
        in_ms(f"first swap of {functions} functions, all changed", totals[0], 100, cpu[0]),
        in_ms(f"swap number {repeats} (median of the last 7)", last, 100, used),
        _against(f"swap number {repeats} against the first, by CPU", used, cpu[0], "first"),
        _against(f"swap number {repeats} against numbers 2 to 8, by CPU", used, statistics.median(cpu[1:8]), "early ones"),
        Row(
            what=f"commit of {functions} functions (stopped world)",
            value=f"{statistics.median(commits):.0f} µs (best {commits[0]:.0f})",
            goal="under 100 µs", met=statistics.median(commits) < 100,
        ),
    ]  # fmt: skip
    number = repeats
    ones, added = [], []
    for turn in range(5):
        text = big_module(functions, number)
        write(folder, "bench_big", text.replace(f"* {number}", f"* {number + turn + 1}", 1))
        ones.append(_swap_timed())
        assert module.f0(0) == 3 * (number + turn + 1)
    for turn in range(5):
        write(folder, "bench_big", big_module(functions, number))
        hotswap.swap()
        write(folder, "bench_big", big_module(functions, number, added=True))
        added.append(_swap_timed())
        assert module.added() == 0
    for what, times in ((f"one of {functions} functions changed", ones), (f"one function added on top of {functions}", added)):
        wall, used = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append(in_ms(what, wall, 100, used))
    return rows


def _against(what: str, value: float, other: float, name: str) -> Row:
    """One time against another of the same run; by CPU, since what others do on the machine changes meanwhile."""
    return Row(
        what=what, value=f"{value:.0f} ms", ratio=value / other, against=f"{name} ({other:.0f} ms)",
        goal="as fast, within 10%", met=value <= other * 1.1,
    )  # fmt: skip


def _swap_timed() -> tuple[float, float]:
    """One swap: milliseconds by the clock, and of the CPU."""
    start = time.thread_time()
    report = hotswap.swap()
    return report.timing.total, (time.thread_time() - start) * 1e3


def in_ms(what: str, value: float, limit: float, cpu: float | None = None) -> Row:
    used = f" ({cpu:.0f} ms of CPU)" if cpu is not None else ""
    return Row(what=what, value=f"{value:.1f} ms{used}", goal=f"under {limit:.0f} ms", met=value < limit)


# ---- from a save to live ----


def measure_saves(objects: int, rounds: int) -> list[Row]:
    """From a file's write to the new value, for a small module, each tool in a process of its own; they take turns."""
    rows = []
    for count in (0, objects):
        times = _ask_in_turns([tool for tool, package in TOOLS.items() if importlib.util.find_spec(package)], count, rounds)
        found = {tool: statistics.median(kinds["save"]) for tool, kinds in times.items()}
        size = f", {count:,} objects" if count else ""
        rows.append(in_ms(f"save to live{size}", found["hotswap"], 50))
        rows.append(in_ms(f"file event to live{size}", statistics.median(times["hotswap"]["event"]), 50))
        rows += [
            Row(
                what=f"{what}{size}", value=f"{found[mine]:.1f} ms", ratio=found[mine] / found[tool],
                against=f"{label} ({found[tool]:.1f} ms)", goal="at least as fast", met=found[mine] <= found[tool],
            )
            for mine, what, tool, label in PAIRS if tool in found
        ]  # fmt: skip
    return rows


PAIRS = (
    ("hotswap", "save to live", "jurigged", "jurigged"),
    ("hotswap", "save to live", "autoreload", "autoreload, which is called"),
    ("called", "save to live by swap(), unwatched", "autoreload", "autoreload"),
)


def _ask_in_turns(tools: list[str], objects: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {tool: {} for tool in tools}
    with tempfile.TemporaryDirectory() as name:
        workers = {}
        for tool in tools:
            (Path(name) / tool).mkdir()
            command = [sys.executable, "-m", "tests.benchmarks.saving", tool, str(Path(name) / tool), str(objects)]
            workers[tool] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            for worker in workers.values():
                _read(worker)
            for _ in range(rounds):
                for tool, worker in workers.items():
                    assert worker.stdin is not None
                    worker.stdin.write("save\n")
                    worker.stdin.flush()
                    for key, value in json.loads(_read(worker)).items():
                        found[tool].setdefault(key, []).append(value)
        finally:
            for worker in workers.values():
                worker.kill()
                worker.communicate()
    return found


def _read(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"{worker.args} ended with {worker.wait()}")  # it has said why on stderr
    return line


def measure_django(rounds: int) -> list[Row]:
    """The example's server: from a save to the first answer that shows it."""
    if importlib.util.find_spec("django") is None:
        return []
    swapped, restarted, _ = measure_example(rounds)
    return [
        Row(
            what="save to an answer of the Django example", value=f"{swapped * 1e3:.0f} ms", ratio=swapped / restarted,
            against=f"killing and starting it ({restarted * 1e3:.0f} ms)", goal="faster", met=swapped < restarted,
        )
    ]  # fmt: skip


# ---- objects ----


def measure_conversions(objects: int) -> list[Row]:
    """Objects of a class that is migrated, among twice as many others, in a process of their own."""
    command = [sys.executable, "-m", "tests.benchmarks.converting", str(objects)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found: dict[str, float] = json.loads(done.stdout)
    many = f"{objects:,} objects"
    first = found["first_access"] * 1e6
    return [
        Row(what=f"commit that converts {many}", value=f"{found['commit_ms']:.1f} ms", ratio=found["commit"],
            against="gc.get_referrers of the class", goal="at most 1.50", met=found["commit"] <= 1.5),
        Row(what="first access that converts, beyond hook and read", value=f"{first:.1f} µs",
            goal="under 1.5 µs", met=first < 1.5),
        Row(what=f"swap and sweep of {many}", value=f"{found['sweep_s']:.2f} s", ratio=found["sweep"],
            against="copy, call, update by hand", goal="at most 4.00", met=found["sweep"] <= 4),
        Row(what="read of a converted object", value="", ratio=found["reads"], against="one that was never converted",
            goal="at most 1.05", met=found["reads"] <= 1.05),
        Row(what="memory of a converted object", value="", ratio=found["memory"], against="one that was never converted",
            goal="1.00", met=found["memory"] <= 1 and found["inside"] == 1),
        *(
            Row(what=f"request that reads 200 objects during a sweep, p{p}", value=f"{found[f'p{p}_busy']:.0f} µs",
                ratio=found[f"p{p}_busy"] / found[f"p{p}_quiet"], against=f"without one ({found[f'p{p}_quiet']:.0f} µs)")
            for p in (50, 99)
        ),
    ]  # fmt: skip


def measure_moving(rounds: int) -> list[Row]:
    """Units of work while a change comes in by ``task``, in a process of their own."""
    command = [sys.executable, "-m", "tests.benchmarks.moving", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found: dict[str, Any] = json.loads(done.stdout)
    alone = found["undisturbed"]
    return [
        Row(what=f"unit of work {what}, p99", value=f"{found[key]:.1f} ms", ratio=found[key] / alone,
            against=f"undisturbed ({alone:.1f} ms)", goal="at most 1.10", met=found[key] / alone <= 1.1)
        for key, what in (("side by side", "while old and new live side by side"), ("across", "across a whole change by task"))
    ]  # fmt: skip


# ---- services ----


def measure_services(folder: Path, quick: bool) -> list[Row]:
    """What an idle agent costs, and how long a patch takes in a group of workers."""
    workers = 2 if quick else 8
    found = measure_hotfix(folder, workers=workers, rounds=1 if quick else 9, number=20_000 if quick else 2_000_000)
    ratio = found["agent"] / found["plain"]
    return [
        Row(what="call in a service with an idle agent", value=f"{found['agent'] * 1e9:.1f} ns", ratio=ratio,
            against=f"without one ({found['plain'] * 1e9:.1f} ns)", goal="1.00, within 5%", met=ratio <= NOISE),
        Row(what="wake-ups of an idle agent in a second", value=f"{found['wakes']:.0f}", goal="none", met=found["wakes"] == 0),
        Row(what=f"patch of 10 functions, from the order to the last answer of {workers} workers and their master",
            value=f"{found['apply'] * 1e3:.0f} ms"),
        Row(what="the same, taken back", value=f"{found['rollback'] * 1e3:.0f} ms"),
    ]  # fmt: skip


# ---- memory ----


def measure_memory(folder: Path, modules: int) -> list[Row]:
    """Memory that management adds to a module of 20 functions."""
    text = big_module(20, 0)
    for index in range(modules):
        write(folder, f"bench_mem{index}", text)
    tracemalloc.start()
    for index in range(modules):
        importlib.import_module(f"bench_mem{index}")
    managed = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    kept = [dict(exec_plain(text)) for _ in range(modules)]
    plain = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del kept
    return [
        Row(
            what="memory added for a watched module of 20 functions",
            value=f"{(managed - plain) / modules / 1024:.1f} KiB",
            ratio=managed / plain,
            against="plain",
        )
    ]


def exec_plain(text: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(text, space)
    return space


# ---- the command ----


def measure(quick: bool) -> list[Row]:
    """All rows, in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.path.insert(0, name)
        try:
            hotswap.start([name], watch=False)
            rows = measure_calls(folder, rounds=3 if quick else 15, number=20_000 if quick else 500_000)
            rows += measure_swaps(folder, functions=30 if quick else 1000, repeats=15 if quick else 100)
            rows += measure_memory(folder, modules=5 if quick else 100)
        finally:
            hotswap.stop()
            sys.path.remove(name)
    rows += measure_saves(objects=10_000 if quick else 1_000_000, rounds=2 if quick else 15)
    rows += measure_conversions(5_000 if quick else 1_000_000)
    rows += measure_moving(rounds=1 if quick else 20)
    rows += measure_django(rounds=1 if quick else 5)
    with tempfile.TemporaryDirectory() as name:
        rows += measure_services(Path(name), quick)
    return rows


def describe_machine() -> str:
    """Where the numbers come from, and how busy it is there."""
    peers = {"jurigged": "jurigged", "ipython": "IPython", "django": "django"}
    versions = [f"{name} {version_of(name)}" for name, module in peers.items() if importlib.util.find_spec(module)]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{load}"
    return f"CPython {', '.join([platform.python_version(), *versions])}; {machine}"


MARKS = {True: "pass", False: "MISS", None: ""}
COLUMNS = ("what", "measured", "ratio", "against", "goal", "")


def cells(row: Row) -> tuple[str, ...]:
    return (row.what, row.value, f"{row.ratio:.2f}" if row.ratio is not None else "", row.against, row.goal, MARKS[row.met])


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="speed as ratios measured in one run")
    parser.add_argument("--quick", action="store_true", help="small sizes, some seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--markdown", action="store_true", help="print the table for README.md")
    options = parser.parse_args(arguments)
    machine = describe_machine()  # before it is busy with this
    rows = measure(options.quick)
    if options.json:
        print(json.dumps({"machine": machine, "rows": [attrs.asdict(row) for row in rows]}))
    elif options.markdown:
        lines = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, rows)]
        print(machine, "", *(f"| {' | '.join(line)} |" for line in lines), sep="\n")
    else:
        table = Table(*COLUMNS, title=machine)
        for row in rows:
            table.add_row(*cells(row))
        Console(width=170).print(table)


if __name__ == "__main__":
    main()
