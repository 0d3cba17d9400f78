"""Swapping leaves nothing behind: what 200 swaps made is gone, but for what can still be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stress.process import run_program

pytestmark = pytest.mark.slow


def test_counts_are_flat_after_two_hundred_swaps(tmp_path: Path) -> None:
    """Functions, classes, code objects, subclasses, threads, files and the way of a call are as many at 140 swaps as at 200."""
    rows = run_program("census", tmp_path, "--at", "80,140,200", timeout=150)["rows"]
    grown = {name: (rows[0][name], rows[1][name], rows[2][name]) for name in rows[0] if rows[2][name] > rows[1][name]}
    assert not grown, f"still growing at 80, 140 and 200 swaps: {grown}"
    assert rows[2]["code objects"] > 0
    assert rows[2]["functions"] > 25
