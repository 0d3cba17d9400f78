"""Load, time and memory: two runs, each ends with 1 where something grows that must not.

    python -m tests.load endurance [--count 10000]    thousands of swaps in one process
    python -m tests.load growth [--quick]             the time of a swap by the size of the program, with a plot
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.load import endurance, growth

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.load", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    lasting = kinds.add_parser("endurance")
    lasting.add_argument("--count", type=int, default=10_000)
    growing = kinds.add_parser("growth")
    growing.add_argument("--quick", action="store_true", help="small sizes, less than a minute")
    growing.add_argument("--plot", type=Path, default=HERE / "growth.svg")
    arguments = parser.parse_args()
    print(f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}")
    return show_endurance(arguments.count) if arguments.kind == "endurance" else show_growth(arguments.quick, arguments.plot)


def show_endurance(count: int) -> int:
    result = endurance.run(count)
    first, last = result.samples[0], result.samples[-1]
    table = Table("gauge", "after the warm-up", f"after {count:,} more", "per swap")
    for name in endurance.GAUGES:
        table.add_row(name, f"{getattr(first, name):,}", f"{getattr(last, name):,}", f"{result.per_swap(name):.3f}")
    Console().print(table)
    times = Table("edit", "milliseconds of CPU", "last tenth against the second")
    for kind, ratio in result.slowdowns().items():
        times.add_row(kind, f"{result.median(kind):.1f}", f"{ratio:.2f}")
    Console().print(times)
    print(f"latency, all kinds: {result.slowdown():.2f} times that of the second tenth")
    return _judge(endurance.judge_long(result))


def show_growth(quick: bool, plot: Path) -> int:
    rows = growth.measure(growth.QUICK if quick else growth.FULL)
    table = Table("by", "what", *("",) * max(len(row.points) for row in rows), "exponent")
    for row in rows:
        cells = [f"{size:,.0f}: {value:,.1f}" for size, value in row.points]
        table.add_row(row.by, row.what, *cells, *("",) * (len(table.columns) - 3 - len(cells)), f"{row.exponent():.2f}")
    Console(width=200).print(table)
    growth.draw(rows, plot)
    print(f"plot: {plot}")
    return _judge(growth.judge(rows))


def _judge(failures: list[str]) -> int:
    for failure in failures:
        print(f"FAIL  {failure}")
    if not failures:
        print("pass")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
