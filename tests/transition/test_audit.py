"""A program that listens to audit events is told that the commit is not one instant; each in a process of its own,
since a hook cannot be removed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on CPython does not tell; see is_audited")

PROGRAM = """
import pathlib, sys
import hotswap

EVENTS = []
path = pathlib.Path("lib.py")
path.write_text("def f():\\n    return 0\\n")


def hook(event, args):
    EVENTS.append(event)


def codes(number):
    path.write_text(f"def f():\\n    return {number}\\n")
    report = hotswap.swap([path])
    assert report.applied and lib.f() == number
    return [finding.code for finding in report.findings]


sys.path.insert(0, ".")
"""


def run(folder: Path, body: str) -> str:
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + body], cwd=folder, env={"PYTHONPATH": root}, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_hook_nothing_is_said(tmp_path: Path) -> None:
    """Nobody listens, so nothing is said."""
    assert run(tmp_path, "hotswap.start(['.'], watch=False)\nimport lib\nprint(codes(1))\n") == "[]\n"


@pytest.mark.parametrize("first", [True, False], ids=["hook first", "hotswap first"])
def test_a_hook_is_said_once(tmp_path: Path, first: bool) -> None:
    """Whether the hook or hotswap came first; it cannot be removed, so the second swap does not repeat it."""
    lines = ["sys.addaudithook(hook)", "hotswap.start(['.'], watch=False)"]
    body = "\n".join([*(lines if first else lines[::-1]), "import lib", "print(codes(1), codes(2))"])
    assert run(tmp_path, body) == "['HS502'] []\n"


def test_looking_for_a_hook_sends_no_event(tmp_path: Path) -> None:
    """A hook of the program sees nothing of the question, and is not called by it."""
    body = """
from hotswap.transition.audit import is_audited
assert not is_audited()
sys.addaudithook(hook)
before = len(EVENTS)
assert is_audited()
print(len(EVENTS) - before)
"""
    assert run(tmp_path, body) == "0\n"


def test_a_hook_does_run_inside_the_commit(tmp_path: Path) -> None:
    """What HS502 says is so: the hook sees the write of the code."""
    body = """
hotswap.start(['.'], watch=False)
import lib
sys.addaudithook(lambda event, args: EVENTS.append((event, args[1])) if event == "object.__setattr__" else None)
codes(1)
print(("object.__setattr__", "__code__") in EVENTS)
"""
    assert run(tmp_path, body) == "True\n"
