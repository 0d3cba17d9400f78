"""Compares a swapped process with freshly started ones.

    swapped     v1, take, swap to v2 [swap to v3 ...], probe      must print what ``fresh`` prints
    fresh       vN, take, probe, without hotswap                  must print what the scenario expects
    taken back  v1, take, swap to v2, probe, rollback, probe      must print what ``untouched`` prints,
                swap to v2 again, probe                           and then what ``fresh`` prints
    untouched   v1, take, probe, without hotswap

A refused change must have been refused with a listed code, and then the process must answer as on the version before.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import attrs

from hotswap.testing.plays import Step, fresh_steps, is_probed, swapped_steps, taken_back_steps
from hotswap.testing.scenario import Files, Scenario
from hotswap.testing.verdict import Mismatch, Outcome, Verdict, require_equal

Result = dict[str, Any]
_NURSERY = Path(__file__).with_name("nursery.py")


@attrs.define
class Nursery:
    """A running ``nursery.py``, and the pipe to it."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, *, with_hotswap: bool) -> Nursery:
        """Start one; only the processes of a nursery ``with_hotswap`` can be swapped."""
        root = str(Path(__file__).resolve().parents[2])
        args = [sys.executable, str(_NURSERY), *(["--hotswap", root] if with_hotswap else [])]
        return cls(subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def ask(self, directory: Path, steps: list[Step]) -> None:
        """Send a request, do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"directory": str(directory), "steps": steps}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> list[Result]:
        """Wait for the oldest answer that was not fetched."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the nursery ended with {self.process.wait()}")
        return list(json.loads(line))

    def stop(self) -> None:
        """Close the pipe; the nursery ends by itself."""
        self.process.communicate()


class Judge:
    """Compares processes; use it as a context manager, which ends the nurseries that it started."""

    def __init__(self, directory: Path) -> None:
        """Take a directory for the programs' files; each process gets a folder in it, for as long as it lives."""
        self._directory = directory
        self._numbers = itertools.count()
        # What fresh processes answered: a scenario is judged in several ways, and a fresh start is always the same.
        self._fresh: dict[tuple[Files, str, str], list[Result]] = {}
        # One each for processes that are swapped, taken back, fresh: they run at the same time. Started when needed.
        self._nurseries: dict[str, Nursery] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for nursery in self._nurseries.values():
            nursery.stop()

    def judge(self, scenario: Scenario, *, late: bool = False) -> Verdict:
        """Judge one scenario.

        Args:
            scenario: what to perform.
            late: attach hotswap after the program was imported, and leave out the rollback.
        """
        back = not late and not scenario.no_rollback and not any(scenario.must_refuse)
        steps = swapped_steps(scenario, late=late)
        returning = self._ask("taken back", taken_back_steps(scenario)) if back else None
        # Where the one that is taken back begins with the same steps, one process is both.
        is_both = returning is not None and taken_back_steps(scenario)[: len(steps)] == steps
        swapping = None if is_both else self._ask("swapped", steps)
        # A text that must be refused may be broken; nothing is started on it.
        startable = [version for version, codes in enumerate(scenario.must_refuse) if not codes]
        fresh = {version: self._start_fresh(scenario, version) for version in startable}
        taken_back = returning.answer() if returning else None
        swapped = swapping.answer() if swapping is not None else (taken_back or [])[: len(steps)]
        return decide(scenario, fresh=fresh, swapped=swapped, taken_back=taken_back, late=late)

    def check_expectations(self, scenario: Scenario) -> Verdict:
        """Compare only fresh processes with the written transcripts; hotswap takes no part."""
        try:
            for version, expected in enumerate(scenario.expects):
                if expected is not None:
                    _require_expected(scenario, version, self._start_fresh(scenario, scenario.served(version)))
        except Mismatch as mismatch:
            return Verdict(name=scenario.name, outcome=Outcome.FAILED, text=str(mismatch))
        return Verdict(name=scenario.name, outcome=Outcome.EQUAL)

    def _start_fresh(self, scenario: Scenario, version: int) -> list[Result]:
        key = (scenario.versions[version], scenario.takes[version], scenario.probe)
        if key not in self._fresh:
            self._fresh[key] = self._ask("fresh", fresh_steps(scenario, version)).answer()
        return self._fresh[key]

    def _ask(self, role: str, steps: list[Step]) -> Nursery:
        if role not in self._nurseries:
            self._nurseries[role] = Nursery.start(with_hotswap=role != "fresh")
        self._nurseries[role].ask(self._directory / f"process{next(self._numbers)}", steps)
        return self._nurseries[role]


# -- the decision -----------------------------------------------------------------------------------------------


def decide(
    scenario: Scenario,
    *,
    fresh: dict[int, list[Result]],
    swapped: list[Result],
    taken_back: list[Result] | None,
    late: bool = False,
) -> Verdict:
    """Turn what the processes answered into a verdict.

    | swapped process                    | verdict                                                   |
    |------------------------------------|-----------------------------------------------------------|
    | prints what the fresh one prints   | equal, unless the refusal of this version is demanded     |
    | refused, code listed, prints as before | refused                                               |
    | anything else                      | failed                                                    |
    """
    codes = tuple(code for result in [*swapped, *(taken_back or [])] for code in result.get("codes", ()))
    try:
        for version in range(len(scenario.versions)):
            _require_expected(scenario, version, fresh[scenario.served(version)])
        outcome = _judge_swaps(scenario, fresh, swapped, late=late)
        if taken_back is not None:
            _judge_rollback(taken_back, fresh)
    except Mismatch as mismatch:
        return Verdict(name=scenario.name, outcome=Outcome.FAILED, text=str(mismatch), codes=codes)
    return Verdict(name=scenario.name, outcome=outcome, codes=codes)


def _require_expected(scenario: Scenario, version: int, results: list[Result]) -> None:
    printed = _transcript(results, f"fresh process on v{version + 1}")
    expected = scenario.expects[version]
    if expected is not None:
        require_equal(printed, expected, what=f"fresh process on v{version + 1}", against="the scenario")


def _judge_swaps(scenario: Scenario, fresh: dict[int, list[Result]], swapped: list[Result], *, late: bool) -> Outcome:
    _require_done(swapped, "swapped process")
    live, outcome, rest = 0, Outcome.EQUAL, iter(swapped)
    for version in range(1, len(scenario.versions)):
        report = next(result for result in rest if result["op"] == "swap")
        if report["applied"]:
            live = version
            _require_not_demanded(scenario, version, report)
        else:
            outcome = Outcome.REFUSED
            _require_listed(scenario, version, report, late=late)
        if (missing := scenario.says[version] - set(report["codes"])) and report["applied"]:
            raise Mismatch(f"the report on v{version + 1} does not contain {sorted(missing)}\n{report['text']}")
        if is_probed(scenario, version):
            printed = next(result for result in rest if result["op"] == "probe")["out"]
            wanted = _transcript(fresh[live], f"fresh process on v{live + 1}")
            require_equal(printed, wanted, what="swapped process", against=f"fresh process on v{live + 1}", report=report["text"])
    return outcome


def _require_not_demanded(scenario: Scenario, version: int, report: Result) -> None:
    if codes := scenario.must_refuse[version]:
        raise Mismatch(f"v{version + 1} was applied; it has to be refused with {sorted(codes)}\n{report['text']}")


def _require_listed(scenario: Scenario, version: int, report: Result, *, late: bool) -> None:
    listed = scenario.may_refuse[version] | scenario.must_refuse[version] | (scenario.may_refuse_late if late else frozenset())
    if not report["held"] or not set(report["held"]) <= listed:
        raise Mismatch(f"v{version + 1} was refused, which the scenario does not list\n{report['text']}")


def _judge_rollback(results: list[Result], fresh: dict[int, list[Result]]) -> None:
    _require_done(results, "process that was taken back")
    at = next(index for index, result in enumerate(results) if result["op"] == "rollback")
    rollback = results[at]
    if rollback.get("skipped"):
        return  # the swap was refused and judged; there is nothing to take back
    if not rollback["applied"]:
        raise Mismatch(f"the rollback was refused\n{rollback['text']}")
    back, *again = [result["out"] for result in results[at:] if result["op"] == "probe"]
    untouched = _transcript(fresh[0], "untouched process")
    require_equal(back, untouched, what="process that was taken back", against="a process never swapped", report=rollback["text"])
    if again:
        wanted = _transcript(fresh[1], "fresh process on v2")
        report = results[-2]["text"]
        require_equal(
            again[0], wanted, what="process swapped again after a rollback", against="fresh process on v2", report=report
        )


def _transcript(results: list[Result], whose: str) -> str:
    _require_done(results, whose)
    return str(results[-1]["out"])


def _require_done(results: list[Result], whose: str) -> None:
    if error := results[-1].get("error"):
        raise Mismatch(f"{whose}, step {results[-1]['op']}:\n{error}")
