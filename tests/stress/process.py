"""Starts the programs of this folder as processes of their own: a crash or a hang of one is a failure with words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def run_program(name: str, *arguments: object, timeout: float) -> dict[str, Any]:
    """Run ``python -m tests.stress.NAME`` and give the object that it prints.

    Args:
        timeout: seconds; after that it counts as hung, and its threads' stacks are shown.
    """
    command = [sys.executable, "-m", f"tests.stress.{name}", *map(str, arguments), "--give-up", str(timeout)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout + 30)
    assert done.returncode == 0, f"{name} ended with status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return dict(json.loads(done.stdout.splitlines()[-1]))
