"""Processes for the tests of the web plugins: the driver of edits, programs that swap, and real servers."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.examples.shop import PATIENCE, ROOT, Visitor, environment, free_port


def drive(framework: str, *arguments: str) -> list[dict[str, Any]]:
    """Run :mod:`tests.web.driving`; gives what has gone wrong.

    Sets have one order in all processes: a method may be the first of a set of methods, and FastAPI shows which one is.
    """
    env = {**environment(), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.web.driving", framework, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    assert "live" in lines[-1], done.stderr
    assert lines[-1]["of"] > 50
    return lines[:-1]


def install(plugin: str, site: Path) -> None:
    """Do what an installer does: copy the package, write down its entry point."""
    source = ROOT / "plugins" / plugin
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    package = plugin.replace("-", "_")
    shutil.copytree(source / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    info = site / f"{package}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["hotswap"].items()
    (info / "entry_points.txt").write_text("[hotswap]\n" + "".join(f"{name} = {value}\n" for name, value in points))


def make_site(plugin: str, folder: Path) -> Path:
    """A folder with one plugin in it; its name makes it an installed one."""
    site = folder / "site-packages"
    site.mkdir()
    install(plugin, site)
    return site


def run_program(folder: Path, site: Path, program: str) -> str:
    """Run a program that swaps when it says so; gives what it prints."""
    env = {**environment(), "PYTHONPATH": os.pathsep.join([str(site), str(folder), environment().get("PYTHONPATH", "")])}
    command = [sys.executable, "-B", "-W", "ignore", "-c", program]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def edit_in(folder: str) -> str:
    """The text of a function for programs that edit themselves: a passage, which is put back when it was said what came of it."""
    return f"""
def edit(file, old, new):
    path = pathlib.Path({folder!r}, file)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    report = hotswap.swap()
    print(report.verdict, *[f"{{f.code}} {{f.message}}" for f in report.held], sep="; ")
    path.write_text(text)
    hotswap.swap()
    return report
"""


class Server(Visitor):
    """A program that serves, on a port of its own."""

    def __init__(self, folder: Path, site: Path, command: str, **variables: str) -> None:
        super().__init__(free_port())
        self.folder = folder
        self.log = folder.parent / f"{folder.name}-{self.port}.log"
        path = os.pathsep.join([str(site), environment().get("PYTHONPATH", "")])
        env = {**environment(), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PORT": str(self.port), **variables}
        words = [sys.executable, "-B", *command.replace("PORT", str(self.port)).split()]
        with self.log.open("wb") as out:  # a group of its own: a child is ended with its parent, as a terminal does
            self.process = subprocess.Popen(
                words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one passage, which has to be there exactly once, as an editor does it."""
        path = self.folder / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        beside = path.with_name(f".{path.name}.swp")
        beside.write_text(text.replace(old, new), "utf-8")
        os.replace(beside, path)

    def text(self, path: str) -> str:
        """What a page shows; nothing while nobody answers: a program may be started again just then."""
        try:
            return self.get(path).text
        except (OSError, http.client.HTTPException):
            return ""

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            code = self.process.poll()
            assert code is None, f"the server ended with {code} while waiting until {what}\n{self.output()}"
            assert time.monotonic() < deadline, f"never came true: {what}\n{self.output()}"
            time.sleep(0.02)

    def wait_for(self, path: str, text: str) -> None:
        self.wait_until(lambda: text in self.text(path), f"{path} shows {text!r}")

    def wait_for_output(self, pattern: str, after: int = 0) -> str:
        self.wait_until(lambda: re.search(pattern, self.output()[after:]), f"the output matches {pattern!r}")
        return self.output()[after:]

    # ---- load ----

    def ask_while(self, path: str, work: Callable[[], None], least: int, threads: int = 3) -> list[str]:
        """Answers that come while something is done, and until there are enough; an error of one is raised.

        Args:
            least: so many answers.
        """
        answers: list[str] = []
        is_over = threading.Event()

        def ask() -> None:
            while not is_over.is_set():
                try:
                    answers.append(self.get(path).text)
                except (OSError, http.client.HTTPException) as error:  # shown with the answers, and of no kind that is expected
                    answers.append(repr(error))

        running = [threading.Thread(target=ask) for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            work()
            self.wait_until(lambda: len(answers) >= least, f"{least} answers")
        finally:
            is_over.set()
            for thread in running:
                thread.join(PATIENCE)
        return answers

    def save_steps(self, file: str, rounds: int) -> None:
        """Save the number of both steps of ``/pair``, each time when the one of before is live."""
        path = self.folder / file
        for number in range(1, rounds + 1):
            path.write_text(re.sub(r'"(one|two) \d+"', rf'"\1 {number}"', path.read_text("utf-8")), "utf-8")
            self.wait_for("/pair", f"one {number}, two {number}")

    @staticmethod
    def mixed(answers: list[str]) -> list[str]:
        """Those that are not of one version."""
        return [answer for answer in answers if not re.fullmatch(r"one (\d+), two \1", answer)]

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def stop(self) -> None:
        """Ctrl-C for all that was started, then the end for what did not listen."""
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(5)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait(5)


@contextmanager
def serving(folder: Path, site: Path, command: str, path: str, **variables: str) -> Iterator[Server]:
    """A server that answers, and that is stopped at the end whatever happened.

    Args:
        path: a page that it has.
    """
    server = Server(folder, site, command, **variables)
    try:
        server.wait_until(lambda: server.text(path), "the server answers")
        yield server
    finally:
        server.stop()
