"""The benchmark command runs and prints ratios; how fast anything is, is no test."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # half a minute, and it breaks loudly; by hand with what it measures

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_prints_ratios() -> None:
    """``--quick --json`` gives a row for each thing that is measured, with a positive ratio where there is one, and says of
    each goal whether it was met."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    rows = json.loads(done.stdout)["rows"]
    what = " ".join(row["what"] for row in rows)
    wanted = ["call of a function", "commit of", "save to live", "file event", "memory added", "on top", "against the first",
              "first access", "sweep of", "read of a converted", "side by side", "across a whole change", "idle agent",
              "patch of 10 functions"]
    assert [words for words in wanted if words not in what] == []
    assert "Django" in what or find_spec("django") is None
    assert all(row["ratio"] is None or row["ratio"] > 0 for row in rows)
    assert all((row["met"] is None) == (row["goal"] == "") for row in rows)
