"""Replays real releases, and shows what came of it.

    python -m tests.replay                       every step, all at once and in small saves, by all tools: hours
    python -m tests.replay flask --last 2        some of it; --tool and --cut choose more closely
    python -m tests.replay --show                the table and the plot of what is recorded
    python -m tests.replay --sample              the small fixed part that is checked with each change

What is recorded already is not played again, but for --again, and --retry for what was not the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.replay.changers import TOOLS
from tests.replay.packages import BY_NAME, PACKAGES, Package
from tests.replay.replaying import Replay
from tests.replay.results import draw_plot, read_results, record, write_table
from tests.replay.saves import CUTS
from tests.replay.verdicts import Step, Verdict

#: Steps that take some seconds each, of packages that need nothing else to be installed; with the verdict that is expected.
SAMPLE = (
    ("semver", "3.1.0", "3.1.1", "whole"),
    ("boltons", "26.1.0", "26.2.0", "whole"),
    ("simpleeval", "1.0.6", "1.0.7", "definitions"),
    ("xmltodict", "1.0.1", "1.0.2", "files"),
)


def describe(step: Step, most: int = 12) -> str:
    """Some lines for a person."""
    lines = [
        f"{step.package} {step.frm} -> {step.to}, {step.tool}, {step.cut}: {step.verdict.upper()}"
        f"  ({step.tests} tests, {step.saves} saves, {step.refusals} refused meanwhile, {step.seconds:.2f} s)"
    ]
    differing = [f"{name}: {ended} instead of {wanted}" for name, wanted, ended in step.differing]
    for what in (step.reasons, differing, [f"earlier code: {name}" for name in step.stale]):
        lines += [f"    {line}" for line in what[:most]]
        lines += [f"    and {len(what) - most} more"] if len(what) > most else []
    return "\n".join(lines)


def choose(options: argparse.Namespace) -> Iterator[tuple[Package, str, str, str, str]]:
    """The steps that were asked for."""
    for package in [BY_NAME[name] for name in options.packages] or PACKAGES:
        for frm, to in package.steps[-options.last :]:
            if options.start and frm not in options.start:
                continue
            for tool in options.tool or TOOLS:
                for cut in options.cut or (CUTS if tool == "hotswap" else ["whole"]):
                    yield package, frm, to, tool, cut


def main() -> int:
    """Run the command line; the exit status is 1 where a step differs without a word, or failed."""
    layout = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__, formatter_class=layout)
    add = parser.add_argument
    add("packages", nargs="*", choices=[*BY_NAME, []], metavar="PACKAGE", help="of those in packages.py; all if none")
    add("--tool", action="append", choices=TOOLS)
    add("--cut", action="append", choices=CUTS, help="how a release is cut into saves")
    add("--last", type=int, default=0, metavar="N", help="only the newest N steps of each package")
    add("--from", action="append", dest="start", metavar="VERSION", help="only the steps that begin on this release")
    add("--folder", type=Path, default=Path(tempfile.gettempdir()) / "hotswap-replay", help="for archives and programs")
    add("--seed", type=int, default=0, help="of the order of small saves")
    add("--again", action="store_true", help="also what is recorded")
    add("--retry", action="store_true", help="also what is recorded as anything but the same, after something was mended")
    add("--show", action="store_true", help="only write the table and the plot")
    add("--sample", action="store_true", help="the fixed part; nothing is recorded")
    options = parser.parse_args()
    options.folder = options.folder.resolve()  # its processes run elsewhere
    options.folder.mkdir(parents=True, exist_ok=True)
    bad = 0
    if options.sample:
        chosen = [(BY_NAME[name], frm, to, "hotswap", cut) for name, frm, to, cut in SAMPLE]
    else:
        chosen = [] if options.show else list(choose(options))
    known = read_results()
    replay = Replay(options.folder, options.seed)
    for package, frm, to, tool, cut in chosen:
        recorded = known.get((package.name, frm, to, tool, cut))
        is_open = recorded is None or (options.retry and recorded.verdict is not Verdict.SAME)
        if not (is_open or options.again or options.sample):
            continue
        step = replay.play(package, frm, to, tool, cut)
        print(describe(step), flush=True)
        bad += tool == "hotswap" and step.verdict in (Verdict.DIFFERENT, Verdict.BROKEN)
        if not options.sample:
            record(step)
    if not options.sample:
        steps = list(read_results().values())
        write_table(steps)
        draw_plot(steps)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
