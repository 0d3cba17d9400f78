"""Random edits of the example while it runs: after each, all pages are those of a server started afresh on the same files.

What cannot be had in place may start the program again, or be held with a reason, but is told. By hand, with other seeds too:

    python -m pytest -m slow -s tests/examples/test_random_edits.py
    HOTSWAP_TEST_SEED=7 python -m pytest -m slow -s tests/examples/test_random_edits.py
"""

from __future__ import annotations

import difflib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest

from tests.django.bakery import SCRIPT, install
from tests.examples.edits import FILES, Edit, Texts, make_edit
from tests.examples.shop import PATIENCE, ROOT, Answer, Shop, Visitor, environment, free_port

FreshCopy = Callable[[], Path]
Pages = Mapping[str, tuple[object, ...]]

SERVE = "hotswap run manage.py runserver"
TOLD = re.compile(r"^hotswap +(swap \d+ live|held|restarting|nothing|not applied|waiting).*\n(?:(?: .*)?\n)*", re.MULTILINE)
#: Seconds for a page to become what it should be after the terminal has told of the save; only a failure waits for them.
LATE = 10.0

# ---- what a person sees ----

STAFF = "staffstaffstaffstaffstaffstaff00"
LOG_IN = f"""
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user = User.objects.create_superuser("staff")
session = SessionStore()
session._session_key = {STAFF!r}
session["_auth_user_id"] = str(user.pk)
session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
session["_auth_user_hash"] = user.get_session_auth_hash()
session.save(must_create=True)
"""
HEADERS = ("Content-Type", "X-Frame-Options", "Referrer-Policy", "X-Shop")


class Customer(Visitor):
    """Looks at everything once, buys something, and looks into the office with the staff's key."""

    def look_around(self, folder: Path) -> Pages:
        """What all pages show, without what differs from server to server."""
        try:
            known = _lengths(self.get("/status/").text)
            answers = {name: ask() for name, ask in self._visits()}
        except (OSError, http.client.HTTPException) as error:
            return {"no answer": (type(error).__name__,)}
        return {name: self._comparable(answer, folder, known) for name, answer in answers.items()}

    def _visits(self) -> Iterator[tuple[str, Callable[[], Answer]]]:
        for page in ("/", "/product/bread/", "/nowhere/"):
            yield page, lambda page=page: self.get(page)
        for what, page, fields in (
            ("add", "/cart/add/bread/", {"quantity": 3}), ("buy for nobody", "/cart/checkout/", {"customer": ""}),
            ("buy", "/cart/checkout/", {"customer": " Ada "}), ("add again", "/cart/add/lamp/", {"quantity": 9}),
            ("add too much", "/cart/add/lamp/", {"quantity": 99}), ("sign", "/cart/sign/", {"name": " Ada Lovelace "}),
        ):  # fmt: skip
            yield what, lambda page=page, fields=fields: self.post(page, **fields)
        for page in ("/cart", "/cart/checkout/", "/status/"):
            yield page, lambda page=page: self.get(page)
        for page in ("/admin/shop/product/?q=bread", "/admin/shop/product/1/change/"):
            yield page, lambda page=page: self._get_as_staff(page)

    def _get_as_staff(self, page: str) -> Answer:
        return self._send(urllib.request.Request(self._url(page), headers={"Cookie": f"sessionid={STAFF}"}))

    def _comparable(self, answer: Answer, folder: Path, known: Mapping[str, int]) -> tuple[object, ...]:
        kept = [re.sub(r"tick \d+", "tick", answer.headers.get(name) or "") for name in HEADERS]
        text = answer.text.replace(str(folder), "").replace(f":{self.port}", "")
        if answer.status in (400, 500):  # what Django shows of the error, not of the program around it
            text = "".join(re.findall(r"<title>.*?</title>", text, re.DOTALL)) or text
        text = re.sub(SCRIPT, "", text)
        text = re.sub(r'value="[A-Za-z0-9]{64}"|\b\d+(?= left)|0x[0-9a-f]+|\border \d+', "", text)
        return (answer.status, *kept, _memory(text, known) or text)


def _status(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _lengths(text: str) -> dict[str, int]:
    return {key: len(value) for key, value in _status(text).items() if isinstance(value, list)}


def _memory(text: str, known: Mapping[str, int]) -> dict[str, object]:
    """The status page: of lists that grow what has come in this visit, of what counts only that it does."""

    def steady(key: str, value: object) -> object:
        if isinstance(value, list):
            return value[known.get(key, 0) :]
        return "a number" if isinstance(value, int) else value

    return {key: steady(key, value) for key, value in _status(text).items()}


# ---- servers that are started afresh ----


class Afresh:
    """Starts servers of copies, of a process that has Django imported already."""

    def __init__(self, original: Path, place: Path) -> None:
        self._original, self._place, self._count = original, place, 0
        self.is_checked = True  # what was shown last starts with Django's checks
        self._starter = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fresh.py"))], env=environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def show(self, texts: Texts) -> Pages | None:
        """What a fresh start of these texts shows; None where it does not start.

        Where only Django's checks of the program keep it from that, which nothing repeats at a swap, it starts without them.
        """
        self._count += 1
        folder, log = self._place / f"fresh{self._count}", self._place / f"fresh{self._count}.log"
        shutil.copytree(self._original, folder)
        for file, text in texts.items():
            (folder / file).write_text(text, "utf-8")
        try:
            shown = self._look(folder, log)
            self.is_checked = shown is not None or "SystemCheckError" not in log.read_text()
            return shown if self.is_checked else self._look(folder, log, "--skip-checks")
        finally:
            shutil.rmtree(folder)

    def _look(self, folder: Path, log: Path, *options: str) -> Pages | None:
        assert self._starter.stdin is not None and self._starter.stdout is not None
        port = free_port()
        order = {"folder": str(folder), "options": [f"127.0.0.1:{port}", *options], "log": str(log)}
        self._starter.stdin.write(json.dumps(order) + "\n")
        self._starter.stdin.flush()
        server = int(self._starter.stdout.readline())
        try:
            return Customer(port).look_around(folder) if _wait_for_server(server, port) else None
        finally:
            _kill(server)

    def end(self) -> None:
        assert self._starter.stdin is not None and self._starter.stdout is not None
        self._starter.stdin.close()
        self._starter.wait(PATIENCE)
        self._starter.stdout.close()


def _wait_for_server(server: int, port: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            Visitor(port).get("/status/")
        except (OSError, http.client.HTTPException):
            if not _lives(server):
                return False
            time.sleep(0.02)
        else:
            return True
    raise AssertionError("a fresh server neither answers nor ends")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


# ---- one server that lives ----


@attrs.define
class Day:
    """A working day: one server, many saves, and what became of each.

    Attributes:
        original: the program as it is in the repository.
        shop: the server that lives.
        outcomes: of saves, by name.
        wrong: what was neither as afresh nor told of, with all that is needed to see it again.
    """

    original: Path
    place: Path
    env: Mapping[str, str]
    afresh: Afresh
    texts: dict[str, str]
    shop: Shop = attrs.field(init=False)
    outcomes: Counter[str] = attrs.field(factory=Counter, init=False)
    wrong: list[str] = attrs.field(factory=list, init=False)
    right: Pages = attrs.field(init=False)
    _count: int = attrs.field(default=0, init=False)

    def begin(self) -> None:
        """Start a server on the texts as they are now."""
        self._count += 1
        folder = Path(shutil.copytree(self.original, self.place / f"day{self._count}"))
        for file, text in self.texts.items():
            (folder / file).write_text(text, "utf-8")
        self.shop = Shop(folder, SERVE, folder, self.env)
        self.shop.wait_until_served()

    def play(self, edit: Edit) -> None:
        """Save an edit, and judge it; what breaks the program, or is held, is taken back, and so is some of the rest."""
        before, right = {file: self.texts[file] for file in edit.files}, self.right
        after = {**self.texts, **edit.files}
        expected = self.afresh.show(after)
        outcome, told = self._save(edit.files, expected)
        self.outcomes[outcome] += 1
        if outcome == "wrong":
            self._note(edit, before, expected, told)
        is_sound = expected is not None and self.afresh.is_checked and _errors(expected) <= _errors(right)
        if expected is not None and is_sound and outcome in ("live", "started again"):
            self.texts, self.right = after, expected
            return
        outcome, told = self._save(before, right)
        if outcome == "wrong" and expected is not None and _errors(expected) and self._differs() == ["/status/"]:
            outcome = "broken code has left broken carts"  # which a fresh start does not have
        if outcome == "wrong":
            self._note(Edit(f"taken back: {edit.kind}", before), edit.files, right, told)
        if outcome not in ("live", "started again"):
            self.outcomes[f"taken back: {outcome}"] += 1
            self.shop.stop()
            self.begin()

    def _save(self, files: Texts, expected: Pages | None) -> tuple[str, str]:
        """Write the files, and wait until all pages are as afresh, or it is told why they are not."""
        shown = len(self.shop.output())
        for file, text in files.items():
            self.shop.write(file, text)
        is_code, start = any(file.endswith(".py") for file in files), time.monotonic()
        while True:
            output, waited = self.shop.output()[shown:], time.monotonic() - start
            blocks = [found[0] for found in TOLD.finditer(output)]
            told = "".join(blocks)
            is_over = waited > LATE + (PATIENCE if "restarting" in told else 0.0)
            # Several files may be several saves, of which the last one counts; what waits for requests is tried again.
            is_held = bool(blocks) and _is_held(blocks[-1]) and "HS510" not in blocks[-1] and (len(files) == 1 or waited > 2.0)
            if is_held and expected is not None:
                return "wrong" if self._differs() else "held", told
            if is_held or "HS508" in output:
                return "refused, as by a start", told
            if expected is not None and (blocks or not is_code or is_over):
                if self._look() == expected:
                    return "started again" if "restarting" in told else "live", told
                if is_over and re.search(r"^ +(kept|stale) ", told, re.MULTILINE):
                    return "live but for what is told", told
            if is_over:
                return "wrong", told
            time.sleep(0.02)

    def _look(self) -> Pages:
        return Customer(self.shop.port).look_around(self.shop.folder)

    def _differs(self) -> list[str]:
        """The pages that are not as they were before an edit."""
        live = self._look()
        return [name for name, answer in self.right.items() if live.get(name) != answer]

    def _note(self, edit: Edit, before: Texts, expected: Pages | None, told: str) -> None:
        live = self._look()
        pages = "it does not start" if expected is None else {
            name: (live.get(name), answer) for name, answer in expected.items() if live.get(name) != answer
        }  # fmt: skip
        lines = [_difference(before[file], text) for file, text in edit.files.items()]
        self.wrong.append(f"== {edit.kind}\n{''.join(lines)}\nlive, and afresh: {str(pages)[:3000]}\n{told}")
        print(self.wrong[-1], flush=True)


def _is_held(block: str) -> bool:
    return re.match(r"hotswap +held", block) is not None


def _errors(pages: Pages) -> int:
    return sum(500 in answer for answer in pages.values())


def _difference(before: str, after: str) -> str:
    return "".join(difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), n=0))


@pytest.fixture
def day(fresh_copy: FreshCopy, tmp_path: Path) -> Iterator[Day]:
    site = tmp_path / "site-packages"
    site.mkdir()
    install(site)
    original = fresh_copy()
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", LOG_IN]
    done = subprocess.run(command, cwd=original, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    afresh = Afresh(original, tmp_path)
    texts = {file: (original / file).read_text("utf-8") for file in FILES}
    day = Day(original, tmp_path, {"PYTHONPATH": f"{site}:{ROOT}"}, afresh, texts)
    day.begin()
    shown = afresh.show(texts)
    assert shown is not None and _errors(shown) == 0
    day.right = shown
    try:
        assert day._look() == day.right
        yield day
    finally:
        afresh.end()
        day.shop.stop()


def play(day: Day, seed: int, count: int) -> None:
    random = Random(seed)
    original = dict(day.texts)
    for number in range(count):
        edit = make_edit(random, day.texts)
        day.play(edit)
        if number % 20 == 19:  # so that the program does not end as rubble
            changed = {file: text for file, text in original.items() if text != day.texts[file]}
            if changed:
                day.play(Edit("all back", changed))
        print(f"{number + 1} of {count}, seed {seed}: {dict(day.outcomes.most_common())}", flush=True)
    assert not day.wrong, f"{len(day.wrong)} of {day.outcomes.total()}\n" + "\n".join(day.wrong)


@pytest.mark.slow
def test_pages_after_random_edits_are_those_of_a_fresh_start(day: Day) -> None:
    """A dozen edits: the pages, forms and headers of both are equal, or the terminal says why not."""
    play(day, seed=117, count=12)
    assert day.outcomes["live"] >= 6, day.outcomes


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_pages_after_many_random_edits(day: Day) -> None:
    """The same with three hundred."""
    play(day, seed=int(os.environ.get("HOTSWAP_TEST_SEED", "300")), count=300)
