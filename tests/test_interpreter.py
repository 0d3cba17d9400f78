"""What cannot be served is refused at the start, with a sentence, a code and what to do; nothing is started."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import hotswap
from hotswap.errors import NotStartedError, UnsupportedError
from hotswap.session import check_interpreter

FREE_THREADED = """
import sysconfig
sysconfig.get_config_vars()["Py_GIL_DISABLED"] = 1
"""


def test_this_interpreter_is_served() -> None:
    check_interpreter()


@pytest.mark.parametrize("has_gil", [True, False])
def test_a_free_threaded_build_is_refused(has_gil: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PYTHON_GIL=1 too: it lists objects and counts references otherwise, so a swap would miss some without a word."""
    monkeypatch.setitem(sysconfig.get_config_vars(), "Py_GIL_DISABLED", 1)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: has_gil, raising=False)
    with pytest.raises(UnsupportedError, match=r"HS507: hotswap needs CPython with the GIL.* free-threaded .*; run"):
        hotswap.start()
    with pytest.raises(NotStartedError):
        hotswap.status()


def test_another_interpreter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    with pytest.raises(UnsupportedError, match=r"HS507: hotswap needs CPython with the GIL, this is pypy; run the program"):
        hotswap.start()


def test_the_command_line_says_the_sentence(tmp_path: Path) -> None:
    """Without a traceback, and without running the program."""
    (tmp_path / "program.py").write_text("print('it ran')\n")
    done = subprocess.run(
        [sys.executable, "-c", f"{FREE_THREADED}\nfrom hotswap.control.cli import main\nmain()", "run", "program.py"],
        cwd=tmp_path, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "HS507" in done.stderr
    assert "Traceback" not in done.stderr
    assert "it ran" not in done.stdout
