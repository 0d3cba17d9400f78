"""The reloader that swaps, one look at a time."""

from __future__ import annotations

import subprocess
import sys

from tests.django.bakery import PLUGIN, environment

LATE = """
import sys
from django.conf import settings
settings.configure(INSTALLED_APPS=[])
import django
django.setup()
from hotswap.engine import Engine
from hotswap.requests.gate import Gate
from hotswap_django.reloader import SwapReloader

reports = []
reloader = SwapReloader(Engine(scope=None, on_report=reports.append), Gate(), list, modules=True)
reloader.begin()
assert "markupsafe._speedups" not in sys.modules
import markupsafe._speedups
import colorsys
reloader.look()
known = {path.name.partition(".")[0] for path in reloader._known}
assert {"_speedups", "colorsys"} <= known, "they are watched from now on"
assert reports == [], reports
"""


def test_a_module_that_is_imported_late_is_no_changed_file() -> None:
    """Neither one in Python nor an extension in C: the server would be started again by a request that imports it."""
    done = subprocess.run(
        [sys.executable, "-c", LATE], env={**environment(), "PYTHONPATH": f"{PLUGIN}:{environment()['PYTHONPATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
