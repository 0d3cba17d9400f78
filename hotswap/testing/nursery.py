"""A clean, single-threaded process that forks one child for each performance of a scenario.

Run by path, never imported by the judge: a child for a fresh start must not have hotswap in it at all. One request is
a line of JSON, a list of steps; the answer is a line of JSON, one outcome for each step. Forking costs a few
milliseconds where starting an interpreter and importing hotswap costs hundreds.

Steps, by ``op``:
    ``write``     makes the program's directory hold exactly these files
    ``start``     ``hotswap.start(paths=[directory], watch=False)``
    ``take``      runs code in the scenario's namespace
    ``probe``     runs code there and gives what it printed
    ``swap``      ``hotswap.swap(files)``; gives the report
    ``rollback``  ``hotswap.rollback()``; gives the report
"""

from __future__ import annotations

import base64
import contextlib
import functools
import gc
import importlib.metadata
import io
import json
import os
import select
import shutil
import signal
import sys
import sysconfig
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WARM = ("asyncio", "attrs", "ctypes", "dataclasses", "enum", "functools", "inspect", "pickle", "sqlite3", "typing", "weakref")
LIMIT = 30.0  # seconds for one child; a scenario takes some hundredths of one

Step = dict[str, Any]


class Performance:
    """The life of one child: a directory, a namespace, and the steps in order."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # A real module, so that what a scenario defines can be pickled, and found by those who search modules.
        self.namespace = types.ModuleType("scenario")
        self.namespace.__dict__.update(call=call, trace=self.trace, directory=str(directory))
        self.output = io.StringIO()
        self.changed: list[str] = []  # files that the last write touched
        self.applied = False  # the last swap was

    def play(self, steps: list[Step]) -> list[dict[str, Any]]:
        """Perform the steps; a step that raises ends the play, and its outcome says so."""
        gc.disable()  # what a swap leaves behind for the collector must be found each time, not now and then
        sys.dont_write_bytecode = True  # two versions of one size in one tick of the clock would share a cache file
        sys.path.insert(0, str(self.directory))
        os.chdir(self.directory)  # the settings of the project that runs the tests are not the scenario's
        sys.modules["scenario"] = self.namespace
        sys.unraisablehook = self.unraisable
        threading.excepthook = self.thread_failed
        outcomes: list[dict[str, Any]] = []
        for step in steps:
            try:
                outcomes.append(getattr(self, f"do_{step['op']}")(step))
            except BaseException:  # noqa: BLE001 the border to the scenario's code and to the engine under test
                outcomes.append({"op": step["op"], "error": traceback.format_exc()})
                break
        return outcomes

    # -- steps ----------------------------------------------------------------------------------------------

    def do_write(self, step: Step) -> dict[str, Any]:
        wanted = {self.directory / path: base64.b64decode(data) for path, data in step["files"].items()}
        changed = []
        for path in [p for p in self.directory.rglob("*") if p.is_file() and p not in wanted]:
            path.unlink()
            changed.append(str(path))
        for path, data in wanted.items():
            if not path.exists() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                changed.append(str(path))
        self.changed = sorted(changed)
        return {"op": "write"}

    def do_start(self, step: Step) -> dict[str, Any]:
        import hotswap

        hotswap.start(paths=[str(self.directory)], watch=False)
        return {"op": "start"}

    def do_take(self, step: Step) -> dict[str, Any]:
        with self.capture():
            exec(compile(step["code"], "<take>", "exec"), self.namespace.__dict__)
        return {"op": "take"}

    def do_probe(self, step: Step) -> dict[str, Any]:
        with self.capture() as output:
            try:
                exec(compile(step["code"], "<probe>", "exec"), self.namespace.__dict__)
            except Exception as error:  # noqa: BLE001 the scenario's code: its failure belongs to the transcript
                print(f"uncaught {type(error).__name__}: {error}")
                print(*self.frames(error), sep="\n")
        return {"op": "probe", "out": output.getvalue()}

    def do_swap(self, step: Step) -> dict[str, Any]:
        import hotswap

        loaded = {file for _, file in hotswap.status().modules}
        report = hotswap.swap([file for file in self.changed if file in loaded])
        self.applied = report.applied
        return self.reported("swap", report)

    def do_rollback(self, step: Step) -> dict[str, Any]:
        import hotswap

        if not self.applied:
            return {"op": "rollback", "skipped": True}
        return self.reported("rollback", hotswap.rollback())

    @staticmethod
    def reported(op: str, report: Any) -> dict[str, Any]:
        return {
            "op": op, "applied": report.applied, "verdict": str(report.verdict), "text": str(report),
            "held": [finding.code for finding in report.held], "codes": [finding.code for finding in report.findings],
        }  # fmt: skip

    # -- what a transcript is made of -----------------------------------------------------------------------

    @contextlib.contextmanager
    def capture(self) -> Iterator[io.StringIO]:
        self.output = io.StringIO()
        with contextlib.redirect_stdout(self.output):
            yield self.output

    def trace(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Print what a call raises: one line for each frame in the program's files, then the exception."""
        try:
            print(f"returned {function(*args, **kwargs)!r}")
        except Exception as error:  # noqa: BLE001 the scenario's code
            print(*self.frames(error), f"{type(error).__name__}: {error}", sep="\n")

    def frames(self, error: BaseException) -> list[str]:
        inside = str(self.directory)
        found = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(inside)]
        return [f"  {os.path.relpath(f.filename, inside)}:{f.lineno} in {f.name}: {f.line}" for f in found]

    def unraisable(self, problem: Any) -> None:
        print(f"unraisable {type(problem.exc_value).__name__}: {problem.exc_value}", file=self.output)

    def thread_failed(self, problem: Any) -> None:
        print(f"thread raised {type(problem.exc_value).__name__}: {problem.exc_value}", file=self.output)


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print the result of a call, or the exception that it raises."""
    try:
        print(repr(function(*args, **kwargs)))
    except Exception as error:  # noqa: BLE001 the scenario's code
        print(f"{type(error).__name__}: {error}")


# -- the server -------------------------------------------------------------------------------------------------


def serve(requests: io.TextIOBase, answers: io.TextIOBase) -> None:
    """Answer one line with one line, until the other side closes."""
    for line in requests:
        request = json.loads(line)
        directory = Path(request["directory"])
        answers.write(json.dumps(perform(directory, request["steps"])) + "\n")
        answers.flush()
        shutil.rmtree(directory)  # hundreds of scenarios leave no trace


def perform(directory: Path, steps: list[Step]) -> list[dict[str, Any]]:
    """Fork, let the child play, and give its outcomes; a child that dies or hangs is an outcome too."""
    directory.mkdir(parents=True)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        outcomes = Performance(directory).play(steps)
        with open(writer, "w", encoding="utf-8") as pipe:
            json.dump(outcomes, pipe)
        os._exit(0)  # not sys.exit: threads and atexit functions of the scenario must not delay or speak
    os.close(writer)
    text, hung = _read_all(reader)
    if hung:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if hung or status or not text:
        why = f"hung for {LIMIT:.0f} s" if hung else f"died with status {os.waitstatus_to_exitcode(status)}"
        return [{"op": "process", "error": f"the process {why}"}]
    outcomes = json.loads(text)
    return list(outcomes)


def _read_all(reader: int) -> tuple[str, bool]:
    chunks: list[bytes] = []
    with open(reader, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], LIMIT)[0]:
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                return b"".join(chunks).decode(), False
            chunks.append(chunk)
    return "", True


def warm_up() -> None:
    """Look once for the installed plugins: to read what all packages say of themselves is most of what a start takes."""
    from hotswap.plugin.manager import Plugins

    vars(importlib.metadata)["entry_points"] = functools.cache(importlib.metadata.entry_points)
    Plugins().discover()
    sysconfig.get_config_vars()


def main() -> None:
    """Import what children will need, then serve; ``--hotswap ROOT`` also imports hotswap from that directory."""
    sys.path.pop(0)  # this file's own folder
    if sys.argv[1:2] == ["--hotswap"]:
        sys.path.insert(0, sys.argv[2])
    for name in (*WARM, *(["hotswap.session"] if sys.argv[1:] else [])):
        importlib.import_module(name)
    if sys.argv[1:]:
        warm_up()
    gc.collect()  # not gc.freeze(): that would hide the program's objects from the engine
    with open(os.dup(0), encoding="utf-8") as requests, open(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # what C code prints must not mix with the answers
        serve(requests, answers)


if __name__ == "__main__":
    main()
