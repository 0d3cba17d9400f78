"""Saves in a process that swaps, beside a process that starts on the same files: what a program shows is the same in both.

    python -m tests.django.beside < CASES > RESULTS    a line of JSON each

A case is a folder with a copy of the bakery, changes that are made before the start, saves one after the other, and a program
that gives ``shown``. Django is imported once; each process is a fork of that one, in which nothing of the project is loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

#: File, old passage, new passage; with no old one all of the file.
Change = tuple[str, str, str]
ROOT = Path(__file__).parent.parent.parent


@attrs.frozen(kw_only=True)
class Case:
    """What is done, and what is looked at.

    Attributes:
        before: changes that the program starts with.
        saves: live one after the other.
        probe: statements that bind ``shown`` to what ``json.dumps`` takes.
        hold: statements that are run before the first save, in the same names as the probe.
        refused: a word of the reason why the last save is not live; empty where it is.
        told: a word of what the last save says; empty for nothing but notes.
    """

    name: str
    saves: tuple[tuple[Change, ...], ...]
    probe: str
    before: tuple[Change, ...] = ()
    hold: str = ""
    refused: str = ""
    told: str = ""


def look(cases: list[tuple[Case, Path]], site: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What each case shows in the process that has swapped, and in one that has just started."""
    lines = [json.dumps({**attrs.asdict(case), "folder": str(folder)}) for case, folder in cases]
    path = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-B", "-W", "ignore", "-m", "tests.django.beside"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(lines), env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 2 * len(cases), done.stderr
    return list(zip(found[::2], found[1::2], strict=True))


def wrong_in(case: Case, swapped: dict[str, Any], fresh: dict[str, Any]) -> str:
    """What is wrong; empty for nothing."""
    if "failed" in swapped:
        return str(swapped["failed"])
    last = swapped["reports"][-1]
    if case.refused:  # whatever a start makes of it
        return "" if not last["applied"] and case.refused in last["text"] else f"applied, or for another reason: {last['text']}"
    if "failed" in fresh:
        return str(fresh["failed"])
    if not all(each["applied"] for each in swapped["reports"]):
        return f"not applied: {[each['text'] for each in swapped['reports']]}"
    if bool(last["kept"]) != bool(case.told) or case.told not in " ".join(last["kept"]):
        return f"told {last['kept']}"
    return "" if swapped["shown"] == fresh["shown"] else f"{swapped['shown']} is not {fresh['shown']}: {last['text']}"


# ---- in the process that is forked ----


def _main() -> None:
    for name in ("django.contrib.admin", "django.core.management", "django.views.generic", "django.test", "hotswap.session"):
        importlib.import_module(name)
    os.environ["DJANGO_SETTINGS_MODULE"] = "bakery_site.settings"
    for line in sys.stdin.read().splitlines():
        case = json.loads(line)
        os.chdir(case["folder"])
        for change in case["before"]:
            _apply(change)
        for show in (_swap, _start):
            _in_child(show, case)


def _in_child(show: Callable[[dict[str, Any]], dict[str, Any]], case: dict[str, Any]) -> None:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            sys.path.insert(0, case["folder"])
            found = show(case)
        except BaseException:  # what a start cannot do, it says
            found = {"failed": traceback.format_exc()}
        os.write(1, (json.dumps(found) + "\n").encode())
        os._exit(0)
    os.waitpid(child, 0)


def _swap(case: dict[str, Any]) -> dict[str, Any]:
    import hotswap

    hotswap.start(["bakery", "bakery_site"], watch=False)
    _set_up()
    space: dict[str, Any] = {}
    exec(case["hold"], space)
    reports = []
    for save in case["saves"]:
        for change in save:
            _apply(change)
        report = hotswap.swap()
        reports.append({
            "applied": report.applied, "text": str(report),
            "kept": [str(each) for each in report.kept if each.code != "HS414"],  # the database is not what is looked at
        })
    return {"reports": reports, **_probe(case, space)}


def _start(case: dict[str, Any]) -> dict[str, Any]:
    _set_up()
    space: dict[str, Any] = {}
    exec(case["hold"], space)
    return _probe(case, space)


def _set_up() -> None:
    import django

    django.setup()
    importlib.import_module("bakery_site.urls")


def _probe(case: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    exec(case["probe"], space)
    return {"shown": space["shown"]}


def _apply(change: list[str]) -> None:
    file, old, new = change
    path = Path(file)
    text = path.read_text("utf-8") if old else ""
    assert not old or text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    if not old and not new:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else new, "utf-8")


if __name__ == "__main__":
    _main()
