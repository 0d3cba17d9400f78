"""Running a program twice, by python and by ``hotswap run``, and running one that is edited meanwhile."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

PATIENCE = 30.0  # seconds until something that should come counts as broken; no test waits for it to pass

HOTSWAP = (sys.executable, "-m", "hotswap")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The caller's, with sockets in a folder of the test's own and without settings of hotswap."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOTSWAP_")}
    return {**kept, "HOTSWAP_RUNTIME_DIR": str(folder), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


class Ending:
    """How a program ended: exit code, what it wrote."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ending) and (self.code, self.out, self.err) == (other.code, other.out, other.err)

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- out\n{self.out}--- err\n{self.err}"


def run(folder: Path, runtime: Path, command: Iterable[str], stdin: str = "", **more: str) -> Ending:
    """Run a command to its end; addresses of objects are made alike."""
    done = subprocess.run(
        list(command), cwd=folder, input=stdin, text=True, capture_output=True, env=environment(runtime, **more), timeout=PATIENCE
    )
    return Ending(done.returncode, *(re.sub(r"0x[0-9a-f]{8,}", "0x…", text) for text in (done.stdout, done.stderr)))


class Running:
    """A program under ``hotswap run`` whose two outputs are read line by line."""

    def __init__(self, folder: Path, runtime: Path, *args: str, launcher: Iterable[str] = HOTSWAP, **more: str) -> None:
        self.folder = folder
        self.env = environment(runtime, **more)
        self.process = subprocess.Popen(
            [*launcher, "run", *args], cwd=folder, env=self.env, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )
        self.out: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.err: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.seen: list[str] = []
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    def _read(self, stream, lines) -> None:
        for line in stream:
            self.seen.append(line)
            lines.put(line.rstrip("\n"))
        lines.put(None)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # with its children: they hold the pipes open
        except ProcessLookupError:
            pass
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    def wait_out(self, pattern: str) -> str:
        """Wait for a line on stdout that matches as a whole."""
        return self._wait(self.out, pattern)

    def wait_err(self, pattern: str) -> str:
        """Wait for a line on stderr that contains the pattern."""
        return self._wait(self.err, f".*(?:{pattern}).*")

    def _wait(self, lines: queue.SimpleQueue[str | None], pattern: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"no line matched {pattern!r}:\n{''.join(self.seen)}") from None
            if line is None:
                raise AssertionError(f"the program ended before a line matched {pattern!r}:\n{''.join(self.seen)}")
            if re.fullmatch(pattern, line):
                return line
            if time.monotonic() > deadline:
                raise AssertionError(f"no line matched {pattern!r} in time:\n{''.join(self.seen[-50:])}")

    def ask(self, *words: str) -> Ending:
        """Run another hotswap command."""
        done = subprocess.run([*HOTSWAP, *words], cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=PATIENCE)
        return Ending(done.returncode, done.stdout, done.stderr)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)
