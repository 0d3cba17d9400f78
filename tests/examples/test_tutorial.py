"""The tutorial is tried: what examples/django_app/README.md tells a reader to paste, type and see is read from it, and done.

Its sentences have a form, so that they can be followed: commands stand in ``sh`` blocks, what the terminal of the server shows in
``text`` blocks, what to do and to see in lists.
"""

from __future__ import annotations

import html
import http.client
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.django.bakery import install
from tests.examples.shop import EXAMPLE, ROOT, Shop, environment, running

pytestmark = pytest.mark.once  # a real server, much the same on every interpreter

README = (ROOT / EXAMPLE / "README.md").read_text("utf-8")

LINK = r"\[(?P<{0}>/[^\]]*)\]\(http://127\.0\.0\.1:8000(?P={0})\)"
#: What a reader is told, in the order of the page; the name of the group that has a value says what it is.
TOLD = re.compile(
    r"^```sh\n(?P<paste>.*?)^```$"
    r"|^```text\n(?P<terminal>.*?)^```$"
    rf"|^\d\. On {LINK.format('form')} type `(?P<value>[^`]+)` and press \*\*(?P<button>[^*]+)\*\*"
    rf"|^- {LINK.format('page')} shows `(?P<shows>[^`]+)`"
    rf"|^- {LINK.format('gone')} is not found any more",
    re.DOTALL | re.MULTILINE,
)


@attrs.frozen
class Section:
    """A part of README.md between two headings."""

    title: str
    text: str

    def told(self) -> list[dict[str, str]]:
        return [{name: text for name, text in found.groupdict().items() if text} for found in TOLD.finditer(self.text)]


def read_sections() -> dict[str, Section]:
    parts = [part.split("\n", 1) for part in re.split(r"^## ", README, flags=re.MULTILINE)[1:]]
    return {title: Section(title, text) for title, text in parts}


SECTIONS = read_sections()
*STEPS, HOTFIX = [section for title, section in SECTIONS.items() if re.match(r"\d+\. ", title)]


# ---- the reader ----


@attrs.frozen
class Reader:
    """Somebody who does what the page says, in a checkout under version control.

    Attributes:
        folder: the example in that checkout, from which all commands are given.
        env: the environment in which ``python``, ``hotswap`` and the plugin are found, as after an activation.
    """

    folder: Path
    env: dict[str, str]

    def paste(self, command: str) -> str:
        """Give a block of commands to a shell; gives what it printed."""
        done = subprocess.run(
            ["bash", "-euc", command], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def follow(self, section: Section, shop: Shop) -> None:
        """Paste, fill in forms, look at the terminal and at pages, in order; each look waits until it is as promised."""
        for told in section.told():
            match told:
                case {"paste": command}:
                    self.paste(command)
                case {"form": page, "value": value, "button": button}:
                    fill_in(shop, page, value, button)
                case {"terminal": block}:
                    wait_for_block(shop, section, block)
                case {"page": page, "shows": text}:
                    wait_for_page(shop, section, page, text)
                case {"gone": page}:
                    wait_until_gone(shop, section, page)
                case _:
                    raise AssertionError(f"{section.title}: nobody knows how to follow {told}")


def wait_for_block(shop: Shop, section: Section, block: str) -> None:
    shop.wait_until(lambda: timeless(block) in timeless(shop.story()), f"{section.title}: the terminal shows\n{block}")


def wait_until_gone(shop: Shop, section: Section, page: str) -> None:
    shop.wait_until(lambda: shop.get(page).status == 404, f"{section.title}: {page} is gone")


def wait_for_page(shop: Shop, section: Section, page: str, text: str) -> None:
    def shows() -> bool:
        try:
            return text in html.unescape(shop.get(page).text)
        except (OSError, http.client.HTTPException):  # it is started again
            return False

    shop.wait_until(shows, f"{section.title}: {page} shows {text!r}")


def fill_in(shop: Shop, page: str, value: str, button: str) -> None:
    """Type into the one field of the form that has this button, and press it."""
    forms = re.findall(r"<form.*?</form>", shop.get(page).text, re.DOTALL)
    (form,) = [form for form in forms if f"<button>{button}</button>" in form]
    (field,) = re.findall(r'<input type="(?:text|number)" name="(\w+)"', form)
    action = re.search(r'action="([^"]+)"', form)
    assert shop.post(action[1] if action else page, **{field: value}).status == 200


def timeless(block: str) -> str:
    """Without times and folders, and without the number of the swap: a slow copy of two files may be two saves."""
    block = re.sub(r"swap \d+ live after \d+\.\d ms", "swap live", block)
    return re.sub(rf'"[^"]*/{EXAMPLE}/', f'"{EXAMPLE}/', block)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A checkout with the example, committed, and what the first commands of the page install."""
    folder = tmp_path / "checkout" / EXAMPLE
    shutil.copytree(ROOT / EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3*"))
    shutil.copy(ROOT / ".gitignore", tmp_path / "checkout")
    site, scripts = tmp_path / "site-packages", tmp_path / "bin"
    site.mkdir()
    scripts.mkdir()
    install(site)
    for name, words in (("python", ""), ("hotswap", "-m hotswap ")):
        script = scripts / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        script.chmod(0o755)
    kept = environment()
    env = {**kept, "PATH": f"{scripts}:{kept['PATH']}", "PYTHONPATH": f"{site}:{ROOT}", "GIT_CONFIG_GLOBAL": "/dev/null"}
    reader = Reader(folder, env)
    reader.paste("cd ../..; git init -q; git add .; git -c user.name=reader -c user.email=reader@localhost commit -qm start")
    return reader


# ---- the promises ----

#: What the page says of a step where this process cannot follow.
STARTS_AGAIN = "starts again"


def test_the_tutorial_holds(reader: Reader) -> None:
    """Each step shows what the page says, in the process that was started first, with the carts and the feed that it had.

    Where the page says that the program starts again, that is what has to happen.
    """
    *_, migrate, serve = SECTIONS["Start it"].told()[0]["paste"].splitlines()
    reader.paste(migrate)
    with running(reader.folder, serve, reader.folder, reader.env) as shop:
        reader.follow(SECTIONS["Put something into a cart"], shop)
        before = shop.status()
        for section in STEPS:
            reader.follow(section, shop)
            check_memory(shop, section, before)
            before = shop.status()
        assert reader.paste("git status --porcelain .") == ""


def check_memory(shop: Shop, section: Section, before: dict[str, Any]) -> None:
    """The process is the one from before the step, with its carts and its counter, or an announced new one without them."""
    after = shop.status()
    if STARTS_AGAIN in section.text:
        assert after["in_memory"] == [], f"{section.title}: it did not start again\n{shop.story()}"
        return
    assert (after["pid"], after["carts"]) == (before["pid"], before["carts"]), f"{section.title}\n{shop.story()}"
    assert after["carts"] > 0
    shop.wait_until(lambda: shop.status()["ticks"] > before["ticks"], f"{section.title}: the feed goes on from where it was")


def test_the_hotfix_holds(reader: Reader) -> None:
    """The last step has a server of its own: what is live under gunicorn is mended with its cart, and led back."""
    *_, migrate, _ = SECTIONS["Start it"].told()[0]["paste"].splitlines()
    start, *told = HOTFIX.told()
    *before, serve = start["paste"].splitlines()
    reader.paste("\n".join([migrate, *before]))
    address = "127.0.0.1:8000"
    assert serve.endswith(f" {address}")
    trust = reader.folder / "hotfix" / "allowed_signers"
    assert before[-1] == 'export HOTSWAP_TRUST="$PWD/hotfix/allowed_signers"'
    env = {**reader.env, "HOTSWAP_SPOOL": str(reader.folder.parent / "spool"), "HOTSWAP_RUNTIME_DIR": str(reader.folder.parent)}
    with running(reader.folder, serve.removesuffix(f" {address}"), reader.folder, {**env, "HOTSWAP_TRUST": str(trust)}) as shop:
        pid = shop.status()["pid"]
        text = HOTFIX.text.replace(f"-health-url http://{address}", f"-health-url http://127.0.0.1:{shop.port}")
        attrs.evolve(reader, env=env).follow(attrs.evolve(HOTFIX, text=text.split("```sh\n", 1)[1]), shop)
        assert shop.status()["pid"] == pid
        assert told
    assert reader.paste("git status --porcelain .") == ""


def test_every_step_is_told() -> None:
    """Each folder in ``steps`` is copied by a command of the page, and each line of a list is one that the test can follow."""
    folders = {folder.name for folder in (ROOT / EXAMPLE / "steps").iterdir()}
    assert set(re.findall(r"cp -r steps/([^/]+)/\. (?:\.|hotfix/mended)(?: |$)", README, re.MULTILINE)) == folders
    for section in [SECTIONS["Put something into a cart"], *STEPS, HOTFIX]:
        lines = re.findall(r"^(?:-|\d\.) .*", section.text, re.MULTILINE)
        assert [line for line in lines if not TOLD.match(line)] == []
