"""Results kept in a file, and shown as a table and as a plot."""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from tests.replay.packages import BY_NAME
from tests.replay.saves import CUTS
from tests.replay.verdicts import Step, Verdict

_HERE = Path(__file__).parent
RECORDED = _HERE / "results.json"
TABLE = _HERE / "results.md"
PLOT = _HERE / "results.svg"
_COLOURS = {Verdict.SAME: "#2e8b57", Verdict.REFUSED: "#d9a441", Verdict.DIFFERENT: "#c0392b", Verdict.BROKEN: "#7f8c8d"}
_MEANINGS = {
    Verdict.SAME: "as freshly started",
    Verdict.REFUSED: "refused, as before",
    Verdict.DIFFERENT: "different without a word",
    Verdict.BROKEN: "process or tool failed",
}


def read_results(path: Path = RECORDED) -> dict[tuple[str, ...], Step]:
    """The steps that were recorded."""
    if not path.exists():
        return {}
    steps = [_step(item) for item in json.loads(path.read_text(encoding="utf-8"))]
    return {step.key: step for step in steps}


def record(step: Step, path: Path = RECORDED) -> None:
    """Keep a step; an earlier result of the same step is replaced. Several processes may record at the same time."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        steps = read_results(path)
        steps[step.key] = step
        known = [one for _, one in sorted(steps.items()) if one.package in BY_NAME]
        path.write_text(json.dumps([attrs.asdict(one) for one in known], indent=1) + "\n", encoding="utf-8")


def _step(item: dict[str, Any]) -> Step:
    item["verdict"] = Verdict(item["verdict"])
    for key in ("reasons", "told", "stale"):
        item[key] = tuple(item[key])
    item["differing"] = tuple(tuple(one) for one in item["differing"])
    return Step(**item)


def write_table(steps: Iterable[Step], path: Path = TABLE) -> None:
    """A table of how many steps ended how, and a row for each step of this project's that is not the same."""
    steps = list(steps)
    lines = ["# Results", "", "Made by `python -m tests.replay --show`.", ""]
    lines += _header("tool", "saves", "steps", *(verdict.value for verdict in Verdict), "tests compared")
    for tool, cut in sorted({(step.tool, step.cut) for step in steps}, key=_order):
        chosen = [step for step in steps if (step.tool, step.cut) == (tool, cut)]
        count = Counter(step.verdict for step in chosen)
        shares = " | ".join(f"{count[verdict]} ({count[verdict] / len(chosen):.0%})" for verdict in Verdict)
        lines.append(f"| {tool} | {cut} | {len(chosen)} | {shares} | {sum(step.tests for step in chosen):,} |")
    own = [step for step in steps if step.tool == "hotswap"]
    packages = sorted({step.package for step in own}, key=lambda name: (BY_NAME[name].kind, name))
    lines += ["", *_header("program", "kind", "same, all at once", "file by file", "by definition")]
    for name in packages:
        chosen = [[step for step in own if (step.package, step.cut) == (name, cut)] for cut in CUTS]
        lines.append(f"| {name} | {BY_NAME[name].kind} | {' | '.join(map(_share, chosen))} |")
    lines += ["", *_header("step", "saves", "verdict", "why")]
    for step in own:
        if step.verdict is not Verdict.SAME:
            lines.append(f"| {step.package} {step.frm} → {step.to} | {step.cut} | {step.verdict} | {_why(step)} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _header(*titles: str) -> list[str]:
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]


def _share(steps: list[Step]) -> str:
    return f"{sum(step.verdict is Verdict.SAME for step in steps)} of {len(steps)}" if steps else ""


def _why(step: Step) -> str:
    if step.verdict is Verdict.REFUSED:
        more = f" (and {len(step.reasons) - 1} more)" if len(step.reasons) > 1 else ""
        return _cell(step.reasons[0]) + more
    if step.verdict is Verdict.BROKEN:
        return _cell((step.reasons[0].strip() or "ended without a word").splitlines()[-1])
    tests = [f"{name}: {ended} instead of {wanted}" for name, wanted, ended in step.differing[:2]]
    return _cell("; ".join([*tests, *(f"earlier code: {name}" for name in step.stale[:2])]))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")[:200]


def _order(pair: tuple[str, str]) -> tuple[int, str, str]:
    return (["hotswap", "jurigged", "autoreload"].index(pair[0]), pair[1] != "whole" and pair[1] or "", pair[1])


def draw_plot(steps: Iterable[Step], path: Path = PLOT) -> None:
    """A bar for each tool and kind of saves, with the shares of the verdicts."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "hotswap"  # the same results give the same file
    from matplotlib import pyplot

    steps = list(steps)
    rows = sorted({(step.tool, step.cut) for step in steps}, key=_order)[::-1]
    figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(rows) + 1.2))
    for at, row in enumerate(rows):
        chosen = [step for step in steps if (step.tool, step.cut) == row]
        left = 0.0
        for verdict, colour in _COLOURS.items():
            share = 100 * sum(step.verdict is verdict for step in chosen) / len(chosen)
            axes.barh(at, share, left=left, color=colour, label=_MEANINGS[verdict] if at == 0 else None)
            if share >= 4:
                axes.text(left + share / 2, at, f"{share:.0f}", ha="center", va="center", color="white", fontsize=9)
            left += share
    counts = Counter((step.tool, step.cut) for step in steps)
    axes.set_yticks(range(len(rows)), [f"{tool}, {cut} ({counts[tool, cut]})" for tool, cut in rows])
    axes.set_xlabel("% of the steps from one release to the next")
    axes.set_xlim(0, 100)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.35), ncol=4, frameon=False, fontsize=8)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
