"""Every scenario of this folder, before the judge: attached before the imports, attached late, and the other way round."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotswap.testing import Judge, Scenario, read_scenario

FILES = sorted(Path(__file__).parent.glob("*/*.scenario"))
SCENARIOS = [read_scenario(path) for path in FILES]
LATE = [scenario for scenario in SCENARIOS if not scenario.not_late]
REVERSED = [other for scenario in SCENARIOS if (other := scenario.reversed())]


def third(at: int, scenario: Scenario) -> Any:
    """A third for each interpreter, another one with ``-m once`` on the newest; all by ``-m "slow or not slow"``."""
    place = (at - sys.version_info.minor) % 3
    return scenario if place == 0 else pytest.param(scenario, marks=pytest.mark.once if place == 1 else pytest.mark.slow)


def some(at: int, scenario: Scenario) -> Any:
    """Every sixth is for each run of all, the others for ``pytest -m slow tests/scenarios``."""
    return scenario if at % 6 == 0 else pytest.param(scenario, marks=pytest.mark.slow)


def name_of(scenario: Scenario) -> str:
    return scenario.name


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with Judge(tmp_path_factory.mktemp("scenarios")) as one:
        yield one


@pytest.mark.parametrize("scenario", [third(at, scenario) for at, scenario in enumerate(SCENARIOS)], ids=name_of)
def test_swapped_process_answers_as_fresh_one(scenario: Scenario, judge: Judge) -> None:
    """The process swapped from v1 to v2 prints what a process started on v2 prints, and rollback leads back."""
    verdict = judge.judge(scenario)
    assert verdict.ok, str(verdict)


@pytest.mark.once
@pytest.mark.parametrize("scenario", [some(at, scenario) for at, scenario in enumerate(LATE)], ids=name_of)
def test_attached_late(scenario: Scenario, judge: Judge) -> None:
    """The same holds where hotswap was started after the program had been imported."""
    verdict = judge.judge(scenario, late=True)
    assert verdict.ok, str(verdict)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", REVERSED, ids=name_of)
def test_the_other_way_round(scenario: Scenario, judge: Judge) -> None:
    """A process started on v2 and swapped to v1 prints what a process started on v1 prints.

    By ``pytest -m slow tests/scenarios``, a minute.
    """
    verdict = judge.judge(scenario)
    assert verdict.ok, str(verdict)


def test_every_scenario_says_what_it_expects() -> None:
    """No scenario leaves the judgement to a comparison alone: the whole transcript is written down."""
    assert not [scenario.name for scenario in SCENARIOS if scenario.expects[-1] is None]
    assert len(SCENARIOS) >= 150
