"""What each process of a judgement does, as the list of steps that ``nursery.py`` performs."""

from __future__ import annotations

import base64
from typing import Any

from hotswap.testing.scenario import Files, Scenario

Step = dict[str, Any]


def fresh_steps(scenario: Scenario, version: int) -> list[Step]:
    """A process started on this version, without hotswap."""
    return [_write(scenario.versions[version]), _take(scenario, version), {"op": "probe", "code": scenario.probe}]


def swapped_steps(scenario: Scenario, *, late: bool) -> list[Step]:
    """A process started on version 1 and led through all versions; probed where a transcript is known."""
    start: Step = {"op": "start"}
    steps = [_write(scenario.versions[0])]
    steps += [_take(scenario, 0), start] if late else [start, _take(scenario, 0)]
    for version in range(1, len(scenario.versions)):
        steps += [_write(scenario.versions[version]), {"op": "swap"}]
        if is_probed(scenario, version):
            steps.append({"op": "probe", "code": scenario.probe})
    return steps


def taken_back_steps(scenario: Scenario) -> list[Step]:
    """A process led to version 2, back to 1, and to 2 again.

    The probe runs each time, so that nothing of it is left behind, unless it may run only once.
    """
    probe: Step = {"op": "probe", "code": scenario.probe}
    forward = [_write(scenario.versions[1]), {"op": "swap"}]
    back = [{"op": "rollback"}, _write(scenario.versions[0])]
    start = [_write(scenario.versions[0]), {"op": "start"}, _take(scenario, 0)]
    if scenario.probe_once:
        return [*start, *forward, *back, probe]
    return [*start, *forward, probe, *back, probe, *forward, probe]


def _write(files: Files) -> Step:
    return {"op": "write", "files": {path: base64.b64encode(data).decode() for path, data in files}}


def _take(scenario: Scenario, version: int) -> Step:
    return {"op": "take", "code": scenario.takes[version]}


def is_probed(scenario: Scenario, version: int) -> bool:
    last = version == scenario.last
    return last or scenario.expects[version] is not None or bool(scenario.must_refuse[version] | scenario.may_refuse[version])
