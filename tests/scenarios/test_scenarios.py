"""Every scenario of this folder, before the judge: attached before the imports, and attached late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.testing import Judge, read_scenario

FILES = sorted(Path(__file__).parent.glob("*/*.scenario"))
IDS = [f"{path.parent.name}/{path.stem}" for path in FILES]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as one:
        yield one


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_swapped_process_answers_as_fresh_one(path: Path, judge: Judge, tmp_path: Path) -> None:
    """The process swapped from v1 to v2 prints what a process started on v2 prints, and rollback leads back."""
    verdict = judge.judge(read_scenario(path), tmp_path)
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_attached_late(path: Path, judge: Judge, tmp_path: Path) -> None:
    """The same holds where hotswap was started after the program had been imported."""
    scenario = read_scenario(path)
    if scenario.not_late:
        pytest.skip(scenario.not_late)
    verdict = judge.judge(scenario, tmp_path, late=True)
    assert verdict.ok, str(verdict)


def test_every_scenario_says_what_it_expects() -> None:
    """No scenario leaves the judgement to a comparison alone: the whole transcript is written down."""
    silent = [name for path, name in zip(FILES, IDS, strict=True) if read_scenario(path).expects[-1] is None]
    assert not silent
    assert len(FILES) >= 150
