"""Other interpreters in the process: asking for the frames of threads would crash CPython; each test in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 all interpreters share one allocator")

PROGRAM = """
import importlib, pathlib, sys, threading
import hotswap

interpreters = importlib.import_module("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
run = getattr(interpreters, "exec", None) or interpreters.run_string
path = pathlib.Path("lib.py")
path.write_text("def f():\\n    return 0\\n")
sys.path.insert(0, ".")
hotswap.start(["."], watch=False)
import lib

other = interpreters.create()
path.write_text("def f():\\n    return 1\\n")
report = hotswap.swap()
print([finding.code for finding in report.held], lib.f())
begun, go_on = threading.Event(), threading.Event()

def look():
    begun.wait()
    hotswap.session.current().engine.ended.outdated.ended()
    go_on.set()

threading.Thread(target=look).start()
begun.set()
run(other, "def f(n):\\n    return n and f(n - 1)\\nfor _ in range(1000): f(50)")
go_on.wait()
interpreters.destroy(other)
print(hotswap.swap().applied, lib.f())

other = interpreters.create()
try:
    hotswap.rollback()
except hotswap.RollbackError:
    print("not now", lib.f())
interpreters.destroy(other)
hotswap.rollback()
print(lib.f())
"""


def test_save_waits_for_other_interpreters(tmp_path: Path) -> None:
    """While there is another interpreter a save is held with the reason, and a rollback too; afterwards both are carried out."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["['HS509'] 0", "True 1", "not now 1", "0"], (done.returncode, done.stderr)
