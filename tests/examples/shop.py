"""The shop as a running process: a copy of the example, its server, a visitor, and an editor.

The commands are those of README.md (kept by tests/test_readme.py); only the interpreter, the folder and the port differ.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = "examples/django_app"

#: What README.md tells a newcomer to paste, without the environment in front.
MIGRATE = f"python {EXAMPLE}/manage.py migrate"
SERVE = f"hotswap run {EXAMPLE}/manage.py runserver --noreload"

PATIENCE = 20.0  # seconds until a condition that should come true counts as broken; no test waits for it to pass


class Answer:
    """One HTTP answer, read to its end."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text


class Visitor:
    """One person with a browser that keeps cookies."""

    def __init__(self, port: int) -> None:
        self.port = port
        browser = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), browser)
        self._cookies = browser.cookiejar

    def get(self, path: str) -> Answer:
        return self._send(urllib.request.Request(self._url(path)))

    def post(self, path: str, **fields: object) -> Answer:
        """Send a form as a browser does, with the token that Django put into the cookie."""
        token = next((cookie.value for cookie in self._cookies if cookie.name == "csrftoken"), None)
        data = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
        return self._send(urllib.request.Request(self._url(path), data=data, headers={"Referer": self._url("/")}))

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get("/status/").text)
        return answer

    def put_into_cart(self, slug: str, quantity: int) -> None:
        self.get(f"/product/{slug}/")  # the form, and with it the token
        assert self.post(f"/cart/add/{slug}/", quantity=quantity).status == 200

    def place_order(self, name: str) -> None:
        assert self.post("/cart/checkout/", customer=name).status == 200

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())


class Shop(Visitor):
    """One running copy of the example, with its first visitor."""

    def __init__(self, folder: Path, command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        """Start it where README.md does, beside the folder, or in ``cwd``; with ``env`` on top of the caller's environment."""
        super().__init__(free_port())
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"
        self.process = start(localise(f"{command} 127.0.0.1:{self.port}", folder), self.log, cwd or folder.parent, env or {})

    # -- the editor ----------------------------------------------------------------------------------------------

    def read(self, file: str) -> str:
        return (self.folder / file).read_text("utf-8")

    def write(self, file: str, text: str) -> None:
        """Save as many editors do: beside the file first, then renamed over it."""
        beside = self.folder / f".{Path(file).name}.swp"
        beside.write_text(text, "utf-8")
        os.replace(beside, self.folder / file)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one passage, which has to be there exactly once."""
        text = self.read(file)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        self.write(file, text.replace(old, new))

    # -- waiting -------------------------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition is true, or fail with everything that the server has printed."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            code = self.process.poll()
            if code is not None:
                raise AssertionError(f"the server ended with {code} while waiting until {what}\n{self.story()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"never came true: {what}\n{self.story()}")
            time.sleep(0.02)

    def wait_for_output(self, pattern: str, after: int = 0) -> str:
        """Wait until the terminal shows something; returns what it has shown since ``after``."""
        self.wait_until(lambda: re.search(pattern, self.output()[after:]), f"the output matches {pattern!r}")
        return self.output()[after:]

    def wait_until_served(self) -> None:
        self.wait_until(self.answers, "the server answers")

    def answers(self, path: str = "/status/") -> bool:
        """Whether a page is there; no while the server starts, ends or starts again."""
        try:
            return self.get(path).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def story(self) -> str:
        """The output without the lines that Django prints for each request."""
        requests = r'^(\[[^]]*\] "[A-Z]+ |Not Found: |Bad Request: |Method Not Allowed ).*\n'
        return re.sub(requests, "", self.output(), flags=re.MULTILINE)

    # -- the end -------------------------------------------------------------------------------------------------

    def stop(self) -> int:
        """Press Ctrl-C, as a person does, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the server did not end at Ctrl-C\n{self.story()}") from None
        return self.process.returncode


def free_port() -> int:
    """A loopback port that nobody uses; the server binds it a moment later, which is near enough to be its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment() -> dict[str, str]:
    """The caller's, with output written at once and without what would steer Django or hotswap."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "HOTSWAP_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def localise(command: str, folder: Path) -> list[str]:
    """A command of README.md as this machine's: this interpreter, this copy of the example."""
    words = [word.replace(EXAMPLE, str(folder)) for word in command.split()]
    head = {"python": [sys.executable], "hotswap": [sys.executable, "-m", "hotswap"]}[words[0]]
    return [*head, *words[1:]]


def make_copy(target: Path) -> Path:
    """Copy the sources of the example and make its database."""
    shutil.copytree(ROOT / EXAMPLE, target, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3*"))
    done = subprocess.run(
        localise(MIGRATE, target), env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def start(command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server whose terminal is a file."""
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def running(
    folder: Path, command: str = SERVE, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Shop]:
    """A shop that serves, and that is stopped at the end whatever happened."""
    shop = Shop(folder, command, cwd, env)
    try:
        shop.wait_until_served()
        yield shop
    finally:
        if shop.process.poll() is None:
            shop.stop()
