"""Known defects: what a swap should give and does not yet, each as a scenario with its true expectation.

They run every time and have to fail. One that is mended turns this red: move it to ``tests/scenarios`` then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.testing import Judge, Scenario, read_scenario

SCENARIOS = [read_scenario(path) for path in sorted(Path(__file__).parent.glob("*.scenario"))]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with Judge(tmp_path_factory.mktemp("open")) as one:
        yield one


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="known defect; its scenario says what is right")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_swapped_process_does_not_answer_as_fresh_one_yet(scenario: Scenario, judge: Judge) -> None:
    """In one direction or the other, or attached late."""
    reversed_one = scenario.reversed()
    verdicts = [judge.judge(scenario), judge.judge(scenario, late=True), *([judge.judge(reversed_one)] if reversed_one else [])]
    assert all(verdict.ok for verdict in verdicts), "\n".join(str(verdict) for verdict in verdicts if not verdict.ok)
