"""The command: for each module untouched and swapped processes, and how their tests ended."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.stdlib.comparing import Row, compare
from tests.stdlib.editing import EDITS, read
from tests.stdlib.subjects import SUBJECTS, Subject

LIB = Path(os.__file__).parent
ATTACHES = ("late", "import")


def play(name: str, edits: list[str], attach: str, folder: Path, limit: float) -> Iterator[Row]:
    """The rows of one subject: an untouched process, and one for each edit."""
    subject = SUBJECTS[name]
    plain = folder / "plain"
    _copy(subject, plain)
    untouched = _run(subject, plain, None, attach, limit)
    for edit in edits:
        edited = folder / edit
        _copy(subject, edited, edit)
        copy = folder / f"swapped-{edit}"
        _copy(subject, copy)
        swapped = _run(subject, copy, edited, attach, limit)
        row = compare(name, edit, attach, untouched, swapped)
        if row.differences:
            # What the edit itself makes of the tests is no difference: a process that starts on the edited text says so.
            row = compare(name, edit, attach, _run(subject, edited, None, attach, limit), swapped)
        yield row


def _copy(subject: Subject, folder: Path, edit: str = "") -> None:
    """The files of a subject, as they are or edited."""
    for name in subject.files:
        for path in sorted((LIB / name).rglob("*.py")) if (LIB / name).is_dir() else [LIB / name]:
            to = folder / path.relative_to(LIB)
            to.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes()
            to.write_bytes(EDITS[edit](read(data)).encode() if edit else data)


def _run(subject: Subject, folder: Path, edited: Path | None, attach: str, limit: float) -> dict[str, Any]:
    """One process; what it has found, with its time, or an error."""
    with tempfile.TemporaryDirectory() as name:
        result = Path(name, "result.json")
        (place := Path(name, "cwd")).mkdir()
        modules = ",".join(file.removesuffix(".py").replace("/", ".") for file in subject.files)
        worker = str(Path(__file__).with_name("worker.py"))
        command = [
            sys.executable, worker, str(folder), str(result), attach, str(edited or ""), modules,
            ",".join(subject.tests), ",".join(subject.leave_out),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "TMPDIR": str(place)}
        began = time.monotonic()
        log = Path(folder.parent, f"{folder.name}.{attach}.log")
        with log.open("wb") as stream:
            error = _wait(command, environment, place, stream, limit)
        found: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {"error": error or _tail(log)}
    return {**found, "seconds": time.monotonic() - began, "log": str(log)}


def _wait(command: list[str], environment: dict[str, str], place: Path, stream: Any, limit: float) -> str:
    with subprocess.Popen(
        command, env=environment, cwd=place, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
    ) as process:
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            return f"not done in {limit:.0f} s"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # what the tests have left behind, too
            except ProcessLookupError:
                pass
    return ""


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def main(arguments: list[str] | None = None) -> int:
    """Run, print a line for each process and a table at the end; 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.stdlib", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="module", help=f"by default all: {', '.join(SUBJECTS)}")
    parser.add_argument("--edit", choices=[*EDITS], action="append", help="by default both")
    parser.add_argument("--attach", choices=ATTACHES, action="append", help="by default both")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one process")
    parser.add_argument("--keep", type=Path, help="a folder for texts and logs, which stay there")
    parser.add_argument("--markdown", action="store_true", help="print the table for README.md")
    options = parser.parse_args(arguments)
    if unknown := set(options.modules) - SUBJECTS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for module in options.modules or SUBJECTS:
            for attach in options.attach or ATTACHES:
                folder = (options.keep or Path(name)).resolve() / attach / module
                for row in play(module, options.edit or [*EDITS], attach, folder, options.limit):
                    rows.append(row)
                    print(row, flush=True)
    if options.markdown:
        print_markdown(rows)
    print(f"\nCPython {platform.python_version()}: {summarise(rows)}")
    return int(any(row.verdict in ("DIFFERENT", "ERROR") for row in rows))


def print_markdown(rows: list[Row]) -> None:
    """A line for each module."""
    ways = sorted({(row.edit, row.attach) for row in rows}, key=lambda way: (way[1] != "import", way[0] != "comments"))
    print("", "| module | tests | functions | classes |", *(f"{edit}, {attach} |" for edit, attach in ways), sep=" ")
    print("|" + " --- |" * (4 + len(ways)))
    for module in dict.fromkeys(row.module for row in rows):
        own = {(row.edit, row.attach): row for row in rows if row.module == module}
        most = max(own.values(), key=lambda row: row.functions)
        cells = [f"{own[way].verdict} {own[way].refusals}".strip() if way in own else "" for way in ways]
        print("|", " | ".join([module, str(most.tests), str(most.functions), str(most.classes), *cells]), "|")


def summarise(rows: list[Row]) -> str:
    """How many of each verdict."""
    verdicts = [row.verdict for row in rows]
    modules = len({row.module for row in rows})
    tests = sum(row.tests for row in rows)
    counted = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return f"{modules} modules, {len(rows)} swaps, {tests} outcomes: {counted}"


if __name__ == "__main__":
    sys.exit(main())
