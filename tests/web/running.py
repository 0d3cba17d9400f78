"""Processes for the tests of the web plugins: the driver of edits, and real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.examples.shop import ROOT, environment


def drive(framework: str, *arguments: str) -> list[dict[str, Any]]:
    """Run :mod:`tests.web.driving`; gives what has gone wrong.

    Sets have one order in all processes: a method may be the first of a set of methods, and FastAPI shows which one is.
    """
    env = {**environment(), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.web.driving", framework, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=150)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    assert "live" in lines[-1], done.stderr
    assert lines[-1]["of"] > 50
    return lines[:-1]
