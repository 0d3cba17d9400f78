"""How the time of a swap grows with the program: sizes in processes of their own, an exponent for each row, a plot.

A row is milliseconds of CPU by size. Its exponent is the slope in the log-log plot, of the last two sizes: the fixed costs of a
swap hide what grows in the small ones. 1 is linear; above 1.1 is a failure.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1.1
FUNCTIONS = 100  # in each module

#: What is grown: the arguments of a worker, and its sizes.
Sizes = dict[str, tuple[int, ...]]
FULL: Sizes = {
    "modules": (10, 100, 1_000, 10_000),
    "attach": (10, 100, 1_000),
    "objects": (10_000, 100_000, 1_000_000, 10_000_000),
}
QUICK: Sizes = {"modules": (10, 100, 300), "attach": (10, 100, 300), "objects": (10_000, 100_000, 300_000)}
#: Of a worker's figures: those that say what one unit takes, so that they have to stay as they are.
EACH = ("import of a module", "attach to a module", "memory of")


@attrs.frozen
class Row:
    """One figure by size.

    Attributes:
        by: what is grown.
        points: size and figure.
    """

    by: str
    what: str
    points: tuple[tuple[int, float], ...]

    def exponent(self) -> float:
        """The slope between the last two sizes; one more for what is counted for each unit, so that 1 is linear there too."""
        (size, value), (next_size, next_value) = self.points[-2:]
        slope = math.log(next_value / value) / math.log(next_size / size)
        return slope + 1 if self.what.startswith(EACH) else slope


def measure(sizes: Sizes) -> list[Row]:
    """Run the workers, one after the other."""
    rows = []
    for by, counts in sizes.items():
        found = {count: _run(by, count) for count in counts}
        for what in found[counts[0]]:
            if what.endswith(", cpu") or what.startswith("memory of"):
                rows.append(Row(by, what.removesuffix(", cpu"), tuple((count, found[count][what]) for count in counts)))
    return rows


def _run(by: str, count: int) -> dict[str, float]:
    functions = [] if by == "objects" else [str(FUNCTIONS)]
    command = [sys.executable, "-m", "tests.load.growing", by, str(count), *functions]
    print(f"{by} {count:,} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr}")
    return dict(json.loads(done.stdout))


def judge(rows: Iterable[Row]) -> list[str]:
    """What grows faster than the program."""
    return [f"{row.what} grows with the {row.exponent():.2f}th power of {row.by}" for row in rows if row.exponent() > LIMIT]


def draw(rows: Iterable[Row], path: Path) -> None:
    """Write the plot: one picture for each thing that is grown, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams |= {"svg.hashsalt": "growth", "svg.fonttype": "none"}  # the same picture for the same figures, and a small one
    import matplotlib.pyplot as plt

    kinds: dict[str, list[Row]] = {}
    for row in rows:
        if not row.what.startswith(EACH):
            kinds.setdefault(row.by, []).append(row)
    labels = {"modules": f"modules of {FUNCTIONS} functions", "attach": "modules, attached late", "objects": "objects"}
    figure, axes = plt.subplots(1, len(kinds), figsize=(4.5 * len(kinds), 4), squeeze=False)
    for axis, (by, found) in zip(axes[0], kinds.items(), strict=True):
        for row in found:
            axis.loglog(*zip(*row.points, strict=True), marker="o", markersize=3, label=f"{row.what} ({row.exponent():.2f})")
        sizes = [size for size, _ in found[0].points]
        top = max(value for row in found for _, value in row.points)
        axis.loglog(sizes, [top * size / sizes[-1] for size in sizes], color="grey", linestyle=":", label="linear")
        axis.set(xlabel=labels[by], ylabel="milliseconds of CPU")
        axis.legend(fontsize=6)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
