"""Replays real releases, and prints what came of it.

    python -m tests.replay [PACKAGE ...] [--tool hotswap] [--cut whole] [--last 1]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.replay.changers import TOOLS
from tests.replay.packages import BY_NAME, PACKAGES
from tests.replay.replaying import Replay
from tests.replay.saves import CUTS
from tests.replay.verdicts import Step


def describe(step: Step) -> str:
    lines = [
        f"{step.package} {step.frm} -> {step.to}, {step.tool}, {step.cut}: {step.verdict.upper()}"
        f"  ({step.tests} tests, {step.saves} saves, {step.refusals} refused meanwhile, {step.seconds:.2f} s)"
    ]
    lines += [f"    {reason}" for reason in step.reasons[:12]]
    lines += [f"    {name}: {ended} instead of {wanted}" for name, wanted, ended in step.differing[:12]]
    lines += [f"    stale: {name}" for name in step.stale[:12]]
    for what in (step.reasons, step.differing, step.stale):
        lines += [f"    and {len(what) - 12} more"] if len(what) > 12 else []
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description="Replays releases of real packages.")
    parser.add_argument("packages", nargs="*", choices=[*BY_NAME, []], metavar="PACKAGE")
    parser.add_argument("--tool", action="append", choices=TOOLS)
    parser.add_argument("--cut", action="append", choices=CUTS)
    parser.add_argument("--last", type=int, default=0, help="only so many steps of each package, the newest")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "hotswap-replay")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for package in [BY_NAME[name] for name in options.packages] or PACKAGES:
        replay = Replay(options.folder, options.seed)
        for frm, to in package.steps[-options.last :]:
            for tool in options.tool or ["hotswap"]:
                for cut in options.cut or ["whole"]:
                    print(describe(replay.play(package, frm, to, tool, cut)), flush=True)


if __name__ == "__main__":
    main()
