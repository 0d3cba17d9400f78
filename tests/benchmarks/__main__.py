"""Measure hotswap against plain Python, against restarting, and against its peers where they are installed.

    .venv/bin/python -m tests.benchmarks            the whole table, some minutes
    .venv/bin/python -m tests.benchmarks --quick    small sizes, some seconds
    .venv/bin/python -m tests.benchmarks --json     one JSON object

jurigged and IPython are compared when they can be imported (``pip install -e '.[bench]'``). Candidates take turns in each round
and the smallest time of all rounds counts, since the machine is shared.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import timeit
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

import hotswap

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


@attrs.frozen(kw_only=True)
class Row:
    """One measured ratio.

    Attributes:
        what: the thing measured.
        value: with its unit.
        ratio: against ``against``; below 1 is faster.
        goal: as written down before measuring, or empty.
    """

    what: str
    value: str
    ratio: float | None = None
    against: str = ""
    goal: str = ""


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
            goal = "1.00 (3.13 after a swap: 1.25)" if name == "function" else "1.00"
            rows.append(
                Row(
                    what=f"call of a {name}, {phase}",
                    value=f"{found['managed'] / number * 1e9:.1f} ns",
                    ratio=ratio,
                    against="plain",
                    goal=goal,
                )
            )
    return rows


def _timer(statement: str, module: Any, number: int) -> Callable[[], float]:
    timer = timeit.Timer(statement, globals=module.__dict__)
    return lambda: timer.timeit(number)


# ---- swaps ----


def measure_swaps(folder: Path, functions: int, repeats: int) -> list[Row]:
    """A large module: one function changed, all changed, one added at the top; the last of many swaps against the first."""
    write(folder, "bench_big", big_module(functions, 0))
    importlib.import_module("bench_big")
    rows = []
    reports = []
    for version in range(1, repeats + 1):
        write(folder, "bench_big", big_module(functions, version))
        reports.append(hotswap.swap())
        assert reports[-1].applied, str(reports[-1])
    first = reports[0].timing
    middle = sorted(r.timing.total for r in reports[1 : len(reports) // 2])[len(reports) // 4]
    last = sorted(r.timing.total for r in reports[len(reports) // 2 :])[len(reports) // 4]
    commits = min(r.timing.commit for r in reports)
    rows.append(Row(what=f"first swap of {functions} functions, all changed", value=f"{first.total:.1f} ms", goal="under 100 ms"))
    rows.append(Row(what=f"later swaps of {functions} functions, all changed", value=f"{middle:.1f} ms", goal="under 100 ms"))
    rows.append(
        Row(
            what=f"swaps {repeats // 2} to {repeats}",
            value=f"{last:.1f} ms",
            ratio=last / middle,
            against="swaps before",
            goal="as fast as the first",
        )
    )
    rows.append(
        Row(what=f"commit of {functions} functions (stopped world)", value=f"{commits * 1e3:.0f} µs", goal="under 100 µs")
    )
    write(folder, "bench_big", big_module(functions, repeats, changed=None).replace(f"* {repeats}", f"* {repeats + 1}", 1))
    rows.append(
        Row(what=f"one of {functions} functions changed", value=f"{hotswap.swap().timing.total:.1f} ms", goal="under 100 ms")
    )
    write(folder, "bench_big", big_module(functions, repeats, added=True))
    rows.append(
        Row(what=f"one function added on top of {functions}", value=f"{hotswap.swap().timing.total:.1f} ms", goal="under 100 ms")
    )
    return rows


def measure_save(folder: Path, objects: int, rounds: int) -> list[Row]:
    """From bytes on disk to live for a small module, without and with a large heap, against a restart and the peers."""
    write(folder, "bench_small", "def f():\n    return 0\n")
    small = importlib.import_module("bench_small")
    count = iter(range(1, 10_000_000))

    def save() -> float:
        version = next(count)
        write(folder, "bench_small", f"def f():\n    return {version}\n")
        elapsed = timed(lambda: hotswap.swap([folder / "bench_small.py"]))
        assert small.f() == version
        return elapsed

    def restart() -> float:
        return timed(lambda: subprocess.run([sys.executable, "-c", "import bench_small"], check=True, cwd=folder))

    candidates: dict[str, Callable[[], float]] = {"hotswap": save, "restart": restart, **peers(folder)}
    rows = []
    for label in ("", f" with {objects:,} objects"):
        heap = [[index] for index in range(objects)] if label else []
        found = best(rounds, **candidates)
        for peer in (name for name in found if name != "hotswap"):
            rows.append(
                Row(
                    what=f"save to live{label}",
                    value=f"{found['hotswap'] * 1e3:.1f} ms",
                    ratio=found["hotswap"] / found[peer],
                    against=f"{peer} ({found[peer] * 1e3:.1f} ms)",
                    goal="under 50 ms, at least as fast as peers",
                )  # fmt: skip
            )
        del heap
        gc.collect()
    return rows


def peers(folder: Path) -> dict[str, Callable[[], float]]:
    """jurigged and IPython's autoreload doing the same edit, where they are installed."""
    found: dict[str, Callable[[], float]] = {}
    count = iter(range(1, 10_000_000))
    if importlib.util.find_spec("jurigged") is not None:
        importlib.import_module("jurigged")
        write(folder, "bench_jurigged", "def f():\n    return 0\n")
        module = importlib.import_module("bench_jurigged")
        registry = importlib.import_module("jurigged.register").registry
        registry.prepare("bench_jurigged", str(folder / "bench_jurigged.py"))
        code_file = registry.find("bench_jurigged", str(folder / "bench_jurigged.py"))

        def jurig() -> float:
            version = next(count)
            write(folder, "bench_jurigged", f"def f():\n    return {version}\n")
            elapsed = timed(code_file.refresh)
            assert module.f() == version
            return elapsed

        found["jurigged"] = jurig
    if importlib.util.find_spec("IPython") is not None:
        autoreload = importlib.import_module("IPython.extensions.autoreload")
        write(folder, "bench_autoreload", "def f():\n    return 0\n")
        other = importlib.import_module("bench_autoreload")
        old: dict[Any, Any] = {}

        def reload() -> float:
            version = next(count)
            write(folder, "bench_autoreload", f"def f():\n    return {version}  #{'x' * (version % 7)}\n")
            importlib.invalidate_caches()
            return timed(lambda: autoreload.superreload(other, old_objects=old))

        found["autoreload"] = reload
    return found


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
            rows += measure_swaps(folder, functions=100 if quick else 1000, repeats=8 if quick else 100)
            rows += measure_save(folder, objects=10_000 if quick else 1_000_000, rounds=3 if quick else 10)
            rows += measure_memory(folder, modules=5 if quick else 100)
        finally:
            hotswap.stop()
            sys.path.remove(name)
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="speed as ratios measured in one run")
    parser.add_argument("--quick", action="store_true", help="small sizes, some seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    rows = measure(options.quick)
    if options.json:
        print(json.dumps({"python": sys.version.split()[0], "rows": [attrs.asdict(row) for row in rows]}))
        return
    table = Table("what", "measured", "ratio", "against", "goal", title=f"CPython {sys.version.split()[0]}")
    for row in rows:
        table.add_row(row.what, row.value, f"{row.ratio:.2f}" if row.ratio is not None else "", row.against, row.goal)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
