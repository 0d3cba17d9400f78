"""Steps played in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.replay.archives import Release, fetch_release
from tests.replay.packages import Package
from tests.replay.saves import CUTS, Save
from tests.replay.verdicts import Outcomes, Step, Verdict, judge

_PERFORMANCE = Path(__file__).with_name("performance.py")
PATIENCE = 900  # seconds for one process


class ProcessFailed(Exception):
    """A process ended without an answer; its last lines are the text."""


@attrs.define
class Replay:
    """Plays steps in one directory.

    Attributes:
        folder: for archives, programs and logs; what is in it may be deleted.
        seed: of the order of small saves.
    """

    folder: Path
    seed: int = 0
    _fresh: dict[tuple[str, str, str], list[Outcomes]] = attrs.Factory(dict)

    def play(self, package: Package, frm: str, to: str, tool: str, cut: str) -> Step:
        """Lead a process of one release to the next, and judge it."""
        old, new = (fetch_release(package, version, self.folder) for version in (frm, to))
        saves = CUTS[cut](old.sources, new.sources, self.seed)
        common = {"package": package.name, "frm": frm, "to": to, "tool": tool, "cut": cut, "saves": len(saves)}
        try:
            answer = self._run(package, old, old, new, tool=tool, saves=saves)
            # The same tests, in the same order, where nothing is changed; where it is refused, that is the earlier release.
            start = old if answer["refused"] else new
            fresh = self._start_fresh(package, start, old, start)
            if (passed := sum(ended == "passed" for ended in fresh[0].values())) < len(fresh[0]) / 2:
                raise ProcessFailed(f"most tests of {package.name} {start.version} do not pass here by themselves")
            verdict, differing = judge(answer, fresh)
            if differing:  # a test that ends now so, now so, is no difference
                fresh.append(self._run(package, start, None, start)["after"])
                fresh.append(self._run(package, start, old, start)["after"])
                fresh += self._with_data_exchanged(package, old, start)
                verdict, differing = judge(answer, fresh)
        except ProcessFailed as failed:
            return Step(**common, verdict=Verdict.BROKEN, reasons=(str(failed),))
        return Step(
            **common,
            verdict=verdict,
            tests=passed,
            refusals=answer["refusals"],
            seconds=answer["seconds"],
            reasons=self._without_folder(answer["refused"]),
            told=self._without_folder(answer["told"]),
            differing=tuple(differing),
            stale=tuple(answer["stale"]),
        )

    def _with_data_exchanged(self, package: Package, old: Release, start: Release) -> list[Outcomes]:
        """A fresh process of which the files that are no Python source change when they do in the changed one: what a program has
        read of its data is its own."""
        data = {place: _latin(text) for place, text in start.sources.items() if not place.endswith(".py")}
        gone = {place: None for place in old.sources.keys() - start.sources.keys() if not place.endswith(".py")}
        before = {place: text for place, text in old.sources.items() if not place.endswith(".py")}
        if before == {place: start.sources[place] for place in data}:
            return []
        mixed = {place: text for place, text in start.sources.items() if place.endswith(".py")} | before
        return [self._run(package, attrs.evolve(start, sources=mixed), old, start, saves=[{**data, **gone}])["after"]]

    def _without_folder(self, lines: list[str]) -> tuple[str, ...]:
        """What is recorded names no place of the machine that it was played on."""
        return tuple(line.replace(f"{self.folder}/live/", "") for line in lines)

    def _start_fresh(self, package: Package, start: Release, before: Release, after: Release) -> list[Outcomes]:
        key = (package.name, start.version, before.version)
        if key not in self._fresh:
            self._fresh[key] = [self._run(package, start, before, after)["after"]]
        return self._fresh[key]

    def _run(
        self, package: Package, start: Release, before: Release | None, after: Release, *,
        tool: str | None = None, saves: Sequence[Save] = (),
    ) -> dict[str, Any]:  # fmt: skip
        """Play one process that starts on a release, runs the tests of one, and those of another after the saves."""
        live = self.folder / "live"
        shutil.rmtree(live, ignore_errors=True)
        for place, data in start.sources.items():
            (live / place).parent.mkdir(parents=True, exist_ok=True)
            (live / place).write_bytes(data)
        request = {
            "folder": str(live),
            "modules": package.modules,
            "before": before and _tests(package, before),
            "after": _tests(package, after),
            "tool": tool,
            "saves": list(saves),
        }
        asked, answered, log = (self.folder / name for name in ("request.json", "answer.json", "log.txt"))
        asked.write_text(json.dumps(request), encoding="utf-8")
        answered.unlink(missing_ok=True)
        temporary = self.folder / "temporary"  # its own: pytest takes away what earlier runs have left, those of others too
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": "0", "TMPDIR": str(temporary)}
        with log.open("wb") as output:
            command = [sys.executable, str(_PERFORMANCE), str(asked), str(answered)]
            try:
                pipes = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
                subprocess.run(command, cwd=self.folder, env=environment, timeout=PATIENCE, **pipes)
            except subprocess.TimeoutExpired:
                raise ProcessFailed(f"not done after {PATIENCE} s") from None
        if not answered.exists():
            raise ProcessFailed(log.read_text(encoding="utf-8", errors="replace")[-1500:])
        shutil.copy(log, self.folder / f"{package.name}-{tool or 'fresh'}.txt")
        found: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
        if not found.get("after", True):
            raise ProcessFailed(f"no tests were found in {after.root}")
        return found


def _tests(package: Package, release: Release) -> dict[str, Any]:
    """The tests that this release has of those that the package names."""
    args = [*package.args, *(test for test in package.tests if (release.root / test).exists())]
    return {"root": str(release.root), "args": args}


def _latin(data: bytes) -> str:
    return data.decode("latin-1")
