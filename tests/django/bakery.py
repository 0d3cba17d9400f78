"""The bakery as a running process, with the plugin installed as an installer would do it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.examples.shop import PATIENCE, ROOT, Answer, Visitor, environment, free_port

PLUGIN = ROOT / "plugins" / "hotswap-django"
PROJECT = Path(__file__).parent / "project"

#: How the server is started: a person's words, and whether INSTALLED_APPS names the plugin.
WAYS = {"runserver": ("manage.py", True), "hotswap run": ("-m hotswap run manage.py", False)}
#: Pages that a fresh start shows like the running process, whatever was edited.
PAGES = ("/", "/async/", "/forms/", "/command/", "/links/", "/api/pieces/", "/heavier/7/", "/old/rye/", "/extra/",
         "/interface/parts/", "/office/", "/office/bakery/loaf/", "/office/bakery/oven/", "/static/bakery/style.css")  # fmt: skip


def install(site: Path) -> None:
    """Do what an installer does: copy the package, write down its entry point. The folder's name makes it an installed one."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    shutil.copytree(PLUGIN / "hotswap_django", site / "hotswap_django", ignore=shutil.ignore_patterns("__pycache__"))
    info = site / f"hotswap_django-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["hotswap"].items()
    (info / "entry_points.txt").write_text("[hotswap]\n" + "".join(f"{name} = {value}\n" for name, value in points))


def make_project(folder: Path) -> Path:
    """A copy of the bakery with its database."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3"))
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Bakery(Visitor):
    """One running copy."""

    def __init__(self, folder: Path, site: Path, way: str = "runserver", *arguments: str) -> None:
        super().__init__(free_port())
        self.folder, self.site = folder, site
        self.log = folder.parent / f"{folder.name}-{self.port}.log"
        words, listed = WAYS[way]
        kept = environment()
        path = os.pathsep.join([str(site), kept.get("PYTHONPATH", "")])
        env = {**kept, "PYTHONPATH": path, **({"BAKERY_LISTS_HOTSWAP": "1"} if listed else {})}
        command = [sys.executable, *words.split(), "runserver", *arguments, f"127.0.0.1:{self.port}"]
        with self.log.open("wb") as out:
            # A group of its own: Django's child is ended with its parent, as a terminal does.
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    # ---- editing and looking ----

    def get(self, path: str, **headers: str) -> Answer:
        return self._send(urllib.request.Request(self._url(path), headers=headers))

    def read(self, file: str) -> str:
        return (self.folder / file).read_text("utf-8")

    def write(self, file: str, text: str) -> None:
        beside = self.folder / f".{Path(file).name}.swp"
        beside.write_text(text, "utf-8")
        os.replace(beside, self.folder / file)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one passage, which has to be there exactly once."""
        text = self.read(file)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        self.write(file, text.replace(old, new))

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get("/state/").text)
        return answer

    def shows(self, path: str, text: str) -> bool:
        return text in self.get(path).text

    def wait_for(self, path: str, text: str) -> None:
        self.wait_until(lambda: self.shows(path, text), f"{path} shows {text!r}")

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            code = self.process.poll()
            assert code is None, f"the server ended with {code} while waiting until {what}\n{self.story()}"
            assert time.monotonic() < deadline, f"never came true: {what}\n{self.story()}"
            time.sleep(0.02)

    def wait_for_output(self, pattern: str, after: int = 0) -> str:
        self.wait_until(lambda: re.search(pattern, self.output()[after:]), f"the output matches {pattern!r}")
        return self.output()[after:]

    def answers(self) -> dict[str, Any]:
        """The state, empty while nobody answers: a connection that was accepted is reset where a program is started again."""
        try:
            return self.state()
        except (OSError, ValueError, http.client.HTTPException):
            return {}

    def wait_until_started_again(self, before: dict[str, Any]) -> None:
        """Until a program answers that does not have what :meth:`state` gave before."""

        def is_another() -> bool:
            state = self.answers()
            return bool(state) and (state["pid"] != before["pid"] or state["visits"] <= before["visits"])

        self.wait_until(is_another, "the program is started again")

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def story(self) -> str:
        """The output without the lines that Django prints for each request."""
        return re.sub(r'^(\[[^]]*\] "[A-Z]+ |Not Found: ).*\n', "", self.output(), flags=re.MULTILINE)

    # ---- the end ----

    def stop(self) -> None:
        """Ctrl-C for all that was started, then the end for what did not listen."""
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(5)
                break
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def running(folder: Path, site: Path, way: str = "runserver", *arguments: str) -> Iterator[Bakery]:
    """A bakery that serves, and that is stopped at the end whatever happened."""
    bakery = Bakery(folder, site, way, *arguments)
    try:
        bakery.wait_until(bakery.answers, "the server answers")
        yield bakery
    finally:
        bakery.stop()


#: What the plugin puts into pages: with a port and a token of each server.
SCRIPT = r'<script src="http://127\.0\.0\.1:\d+/page\.js"[^>]*></script>'


def show_pages(visitor: Visitor) -> dict[str, tuple[int, str]]:
    """What all pages show, without what differs from server to server and from request to request."""

    def plain(text: str) -> str:
        return re.sub(rf'{SCRIPT}|name="csrfmiddlewaretoken" value="\w+"|:{visitor.port}\b', "", text)

    answers = {page: visitor.get(page) for page in PAGES}
    return {page: (answer.status, plain(answer.text)) for page, answer in answers.items()}
