"""A module whose top level has not ended: what is executing, and what comes behind it, is not evaluated aside.

Each test is a program that edits its own main module from the statement in which it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HEAD = """
import pathlib, sys
import hotswap, tools

def early():
    return "old"

"""
TOOLS = """
import pathlib
import hotswap

path = pathlib.Path("main.py")

def edit(old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    report = hotswap.swap([path])
    print(report.applied, sorted((f.code, f.line) for f in report.findings))
"""
START = 'hotswap.start(["main.py"], watch=False)\n'


def run(folder: Path, body: str, edits: str) -> list[str]:
    """A main module with ``body``; ``edits`` are done in ``tools.work``, which it calls."""
    work = "\ndef work(turn=0):\n" + "".join(f"    {line}\n" for line in edits.strip().splitlines())
    (folder / "main.py").write_text(HEAD + START + body)
    (folder / "tools.py").write_text(TOOLS + work)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "main.py"], cwd=folder, env=env, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_running_loop_itself_is_edited(tmp_path: Path) -> None:
    """Its new text runs at the next start; it is not evaluated aside, where it would never end."""
    body = "count = 0\nwhile count < 3:\n    count += 1\n    print(count)\n    tools.work(count)\n"
    edits = """if turn == 1: edit("while count < 3:", "while True:")"""
    assert run(tmp_path, body, edits) == ["1", "True [('HS406', 10)]", "2", "3"]


def test_a_function_above_the_loop_is_live_at_once(tmp_path: Path) -> None:
    """The loop calls it by itself, and nothing is said."""
    body = "for turn in range(2):\n    tools.work(turn)\n    print(early())\n"
    edits = """if turn == 0: edit('return "old"', 'return "new"')"""
    assert run(tmp_path, body, edits) == ["True []", "new", "new"]


def test_what_stands_behind_the_loop_comes_as_it_was(tmp_path: Path) -> None:
    """A changed, an added and a removed statement that the program has not come to yet are named, and not run now."""
    body = "for turn in range(1):\n    tools.work(turn)\nprint('end')\nlast = print('last')\n"
    edits = """
edit("print('end')", "print('other end')")
edit("last = print('last')", "last = print('another')")
edit("print('other end')\\n", "print('other end')\\nprint('added')\\n")
edit("print('added')\\n", "")
"""
    said = run(tmp_path, body, edits)
    assert said == ["True [('HS406', 11)]", "True [('HS406', 12)]", "True [('HS406', 12)]", "True [('HS406', 12)]", "end", "last"]


def test_a_new_definition_behind_the_loop_is_there(tmp_path: Path) -> None:
    """A function, a class or a value that the old text does not have can be used as soon as it is saved."""
    body = "for turn in range(2):\n    tools.work(turn)\n    print(early())\n"
    edits = r"""
if turn == 0:
    path.write_text(path.read_text() + "def late():\n    return LATE\nLATE = 'late'\n")
    edit('return "old"', 'return late()')
"""
    assert run(tmp_path, body, edits) == ["True []", "late", "late"]


def test_when_it_has_ended_it_is_past(tmp_path: Path) -> None:
    """The same statement is named as one that was not repeated once the program is beyond it."""
    body = "for turn in range(1):\n    print(early())\ntools.work()\n"
    edits = """edit('return "old"', 'return "new"')"""
    assert run(tmp_path, body, edits) == ["old", "True [('HS405', 9)]"]
