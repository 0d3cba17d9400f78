"""The reloader that swaps, one look at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.django.bakery import PLUGIN, environment

pytestmark = pytest.mark.once  # much the same on every interpreter

LATE = """
import sys
from pathlib import Path
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


TOLD = """
import sys, pathlib, threading
from django.conf import settings
root = pathlib.Path(sys.argv[1])
(root / "templates").mkdir()
(root / "static").mkdir()
page, style, note = root / "templates" / "page.html", root / "static" / "style.css", root / "static" / "note.txt"
for file in (page, style, note):
    file.write_text("old")
backend = "django.template.backends.django.DjangoTemplates"
settings.configure(INSTALLED_APPS=[], TEMPLATES=[{"BACKEND": backend, "DIRS": [root / "templates"]}])
import django
django.setup()
from django.utils import autoreload
from hotswap.engine import Engine
from hotswap.requests.gate import Gate
from hotswap.watch.folders import Heard
from hotswap_django import reloader as module
from hotswap_django.reloader import SwapReloader, _matches

reports, told = [], []
autoreload.file_changed.connect(lambda sender, file_path, **kw: told.append(file_path) or True, weak=False)
reloader = SwapReloader(Engine(scope=None, on_report=reports.append), Gate(), list, modules=False)
reloader.register()
reloader.watch_dir(root / "static", "*.css")
reloader.begin()
reloader.look()
reloader._folders.cover(map(str, reloader._list_folders()))
module.LONG_INTERVAL = 30.0
"""


def run_reloader(folder: Path, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOLD + text, str(folder)],
        env={**environment(), "PYTHONPATH": f"{PLUGIN}:{environment()['PYTHONPATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_saved_file_is_told_by_the_systems_event(tmp_path: Path) -> None:
    """Without a look at all others: what nobody has asked for is not told, and what is as before is not either."""
    run_reloader(tmp_path, """
look, reloader.look = reloader.look, lambda: 1 / 0
for file in (page, style):
    note.write_text("new")
    file.write_text(file.read_text() + "er")
    while told[-1:] != [file]:
        reloader.step()
assert told == [page, style], told
reloader.look_at([page, style, note])
assert told == [page, style], told
assert look() == set() and reports == []
""")


def test_what_the_system_does_not_tell_is_found_by_a_look(tmp_path: Path) -> None:
    """After a long while at first; where the system is deaf it is looked at more often from then on."""
    run_reloader(tmp_path, """
waits = []
reloader._folders.wait = lambda timeout: waits.append(timeout) or Heard()
page.write_text("newer")
reloader.step()
assert told == [page] and reloader._is_deaf
reloader.step()
assert waits == [30.0, module._DELAY, module.INTERVAL], waits
""")


def test_all_is_looked_at_while_something_is_told_without_an_end(tmp_path: Path) -> None:
    """1 an event comes: its file alone is looked at, 2 the interval is over: all are. A log is not waited for."""
    run_reloader(tmp_path, """
reloader._folders.wait = lambda timeout: Heard(frozenset([str(style)]))
page.write_text("newer")
reloader.step()
assert told == [], told
module.LONG_INTERVAL = 0.0
reloader.step()
assert told == [page] and not reloader._is_deaf, told
assert [reloader._folders._is_wanted(str(path)) for path in (page, style, note)] == [True, True, False]
""")


def test_an_event_that_comes_late_does_not_make_the_system_deaf(tmp_path: Path) -> None:
    """1 a look finds a file, 2 the event comes: the file is told once."""
    run_reloader(tmp_path, """
heard = [Heard(), Heard(frozenset([str(page)]))]
reloader._folders.wait = lambda timeout: heard.pop(0)
page.write_text("newer")
reloader.step()
assert told == [page] and not reloader._is_deaf and not heard
""")


def test_patterns_mean_what_glob_means(tmp_path: Path) -> None:
    """Files are held against the patterns that Django and programs give, one by one."""
    run_reloader(tmp_path, """
below = root / "static" / "a" / "b"
below.mkdir(parents=True)
for name in ("x.css", "y.html", "z.mo"):
    for folder in (root / "static", below.parent, below):
        (folder / name).touch()
top = root / "static"
for pattern in ("**/*", "*", "*.css", "**/*.mo", "a/*.css", "a/**/*.html", "**/b/*", "x.css", "**/x.css", "[xy].*"):
    found = {path for path in top.rglob("*") if path.is_file() and _matches(path.relative_to(top), pattern, top)}
    assert found == {path for path in top.glob(pattern) if path.is_file()}, pattern
""")


def test_a_saved_po_file_says_what_has_to_be_done(tmp_path: Path) -> None:
    """Django reads what is compiled of it; a saved source asks for no restart and empties nothing, one that goes is silent."""
    run_reloader(tmp_path, """
findings = []
reloader._engine.on_finding = findings.append
catalogue = root / "locale" / "de" / "LC_MESSAGES" / "django.po"
catalogue.parent.mkdir(parents=True)
catalogue.write_text("")
reloader.watch_dir(root / "locale", "**/*.mo")
reloader.begin()
catalogue.write_text("msgid")
assert reloader.look() == {catalogue}
catalogue.unlink()
assert reloader.look() == {catalogue}
assert [(finding.severity, finding.file) for finding in findings] == [("kept", str(catalogue))], findings
assert "compilemessages" in findings[0].next_step and told == [] and reports == []
""")
