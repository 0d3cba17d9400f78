"""Nothing is torn, stale or refused while threads and tasks call through every kind of reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stress.process import run_program


def test_no_call_is_torn_by_swaps_and_rollbacks(tmp_path: Path) -> None:
    """8 threads and 1,000 tasks see whole versions only, and after each swap the new one, through all references."""
    _check(run_program("storm", tmp_path, "--swaps", 12, "--seed", 1, timeout=120), 12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2))
def test_no_call_is_torn_by_two_thousand_swaps(tmp_path: Path, seed: int) -> None:
    """The same for 2,000 swaps and rollbacks: ``python -m pytest tests/stress -m slow``."""
    _check(run_program("storm", tmp_path, "--swaps", 2000, "--seed", seed, timeout=3000), 2000)


def _check(result: dict[str, Any], swaps: int) -> None:
    assert not result["failures"], "\n".join(dict.fromkeys(result["failures"]))
    assert sum(result["done"].values()) >= swaps
    assert result["done"]["rollbacks"] >= swaps // 8
    # A kind of reference that was hardly called, or never while a swap ran, has proved nothing.
    idle = {name: calls for name, calls in result["calls"].items() if calls < swaps or not result["mixed"].get(name)}
    assert not idle, f"hardly called: {idle}"
    assert len(result["calls"]) >= 40
