"""What all tests share: the way to the checkout for the processes that they start, and the summary of generated programs."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

# Here and not beside the generated programs: with workers only this file is read where the summary is printed.
from tests.generated.summary import pytest_terminal_summary as pytest_terminal_summary

ROOT = Path(__file__).resolve().parent.parent


_ALL_LEFT_OUT = re.compile(r"^pytestmark = pytest\.mark\.(once|slow)\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import files of which no test is wanted.

    What they import (Django, browsers, servers) makes the heap three times as large, and each swap of a test looks at the heap.
    """
    wanted = config.option.markexpr
    if collection_path.suffix != ".py" or wanted not in ("", "once"):
        return None
    text = collection_path.read_text()
    left_out = _ALL_LEFT_OUT.search(text) if wanted == "" else "mark.once" not in text
    return True if left_out else None  # None: what others say


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked slow or once, unless ``-m`` says what is wanted; ``-m once`` still leaves out what is slow."""
    unwanted = {"": ("slow", "once"), "once": ("slow",)}.get(config.option.markexpr, ())
    out = [item for item in items if any(map(item.get_closest_marker, unwanted))]
    if out:
        if not hasattr(config, "workerinput"):  # which keeps them for a summary that it never prints
            config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def pytest_configure(config: pytest.Config) -> None:
    """Let every process started by a test import this checkout, whether or not it is installed."""
    inherited = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    if str(ROOT) not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *inherited])
    # Programs under test are read by the tests, not by a person: no colours, whatever the caller's terminal can do.
    os.environ.pop("FORCE_COLOR", None)
    os.environ["NO_COLOR"] = "1"
    # A shell starts background jobs with Ctrl-C ignored, and what is ignored stays so in the programs under test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
