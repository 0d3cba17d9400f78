"""The bakery, edited on disk while ``runserver`` serves it: same process, same memory, and the pages of a fresh start."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.django.bakery import WAYS, Bakery, running, show_pages
from tests.django.edits import RESTARTS, SAVES, Save

pytestmark = pytest.mark.once  # real servers, much the same on every interpreter

FreshCopy = Callable[[], Path]


@pytest.fixture(scope="module")
def server(fresh_copy: FreshCopy, site: Path) -> Iterator[Bakery]:
    with running(fresh_copy(), site) as one:
        yield one


@pytest.fixture
def bakery(server: Bakery) -> Iterator[Bakery]:
    """The shared server; afterwards it is still that process, with all that it remembers."""
    with same_process(server):
        yield server


@contextmanager
def same_process(server: Bakery, doing: str = "") -> Iterator[None]:
    """What is done in here is applied by the process that runs, and nothing of it held."""
    before, shown = server.state(), len(server.output())
    try:
        yield
        after = server.state()
        assert after["pid"] == before["pid"], server.story()
        assert after["visits"] == before["visits"] + 1, server.story()
        story = server.output()[shown:]
        assert not re.search(r"HS503|HS599|HS212|not applied|restarting", story), story
    except Exception as error:
        error.add_note(f"while doing: {doing}")
        raise


def apply(bakery: Bakery, save: Save) -> None:
    for file, old, new in save.changes:
        if old:
            bakery.edit(file, old, new)
        else:
            bakery.write(file, new)
    if save.path.startswith("X-"):
        bakery.wait_until(lambda: bakery.get("/async/").headers[save.path] == save.shows, f"{save.path} is {save.shows}")
    else:
        bakery.wait_for(save.path, save.shows)


@pytest.mark.slow  # the tutorial of the example is such a day, too
def test_a_working_day(fresh_copy: FreshCopy, site: Path) -> None:
    """All saves to one server, each on top of those before it: live in the same process, and at last the pages of a fresh start.

    One test, since a save is nothing without those before it. Then come those that cannot be live and say why: Django's parent
    process starts another child, on the new files.
    """
    with running(fresh_copy(), site) as bakery:
        for save in SAVES:
            with same_process(bakery, save.name):
                apply(bakery, save)
        assert int(bakery.get("/async/").headers["X-Served"]) > len(SAVES), "what middleware has counted is kept"
        with running(bakery.folder, site, "runserver", "--noreload") as fresh:
            assert show_pages(bakery) == show_pages(fresh)
        for _, file, old, new, code, why in RESTARTS:
            before, shown = bakery.state(), len(bakery.output())
            bakery.edit(file, old, new)
            assert why in bakery.wait_for_output(f"restarting(.|\n)*{code}(.|\n)*->", shown)
            bakery.wait_until_started_again(before)


def test_a_catalogue_is_live(bakery: Bakery) -> None:
    """A compiled catalogue that comes, and one that changes; the language is the visitor's."""
    for text in ("Unser Brot", "Frisches Brot"):
        write_catalogue(bakery.folder / "bakery/locale/de/LC_MESSAGES/django.mo", {"Our bread": text})
        bakery.wait_until(lambda: text in bakery.get("/", **{"Accept-Language": "de"}).text, f"the page says {text}")
    assert "Our bread" in bakery.get("/").text


def test_a_broken_save_is_refused_and_the_next_one_heals(bakery: Bakery) -> None:
    """The old code serves on, the terminal names the place, nothing has to be started."""
    shown = len(bakery.output())
    bakery.edit("bakery/recipe.py", "def second():", "def second(:")
    assert "HS101" in bakery.wait_for_output("HS101", shown)
    assert bakery.shows("/slow/?file=manage.py", "flour 1, water 1")
    bakery.edit("bakery/recipe.py", "def second(:", "def second():  # again")
    bakery.wait_for_output("swap [0-9]+ live", shown)


def test_a_save_with_which_the_server_would_not_start_is_told_as_an_error(bakery: Bakery) -> None:
    """It is live, and the terminal has what ``runserver`` would have ended with, until it is mended."""
    shown = len(bakery.output())
    bakery.edit("bakery/admin.py", 'list_display = ("name",)', 'list_display = ("nothing",)')
    story = bakery.wait_for_output("HS417(.|\n)*->", shown)
    assert "runserver would not start with what is live" in story
    assert "(admin.E108) The value of 'list_display[0]' refers to 'nothing'" in story
    bakery.edit("bakery/admin.py", 'list_display = ("nothing",)', 'list_display = ("name",)')
    bakery.wait_for_output("HS417 mended", shown)


def test_middleware_that_cannot_be_made_takes_the_save_back(server: Bakery) -> None:
    """A name that does not exist: the save is refused, the chain of before serves on, the next save is live."""
    before, shown = server.state(), len(server.output())
    sign = '    "bakery_site.middleware.Sign",\n'
    server.edit("bakery_site/settings.py", sign, f'{sign}    "bakery_site.middleware.rude",\n')
    assert 'does not define a "rude" attribute' in server.wait_for_output("HS212(.|\n)*->", shown)
    assert server.get("/async/").headers["X-Polite"] is None
    server.edit("bakery_site/settings.py", "middleware.rude", "middleware.polite")
    server.wait_until(lambda: server.get("/async/").headers["X-Polite"] == "please", "the list is live")
    assert server.state()["pid"] == before["pid"]


@pytest.mark.slow  # half a minute of starts; by -m slow
@pytest.mark.timeout(900)
def test_each_save_shows_what_a_fresh_start_shows(fresh_copy: FreshCopy, site: Path) -> None:
    """The same saves, and after each of them all pages beside those of a server that is started on the files as they are."""
    with running(fresh_copy(), site) as bakery:
        pid = bakery.state()["pid"]
        for save in SAVES:
            apply(bakery, save)
            with running(bakery.folder, site, "runserver", "--noreload") as fresh:
                bakery.wait_until(lambda: show_pages(bakery) == show_pages(fresh), f"pages are equal after: {save.name}")
        assert bakery.state()["pid"] == pid


# ---- the other way in ----


def test_hotswap_run_needs_nothing_in_the_project(fresh_copy: FreshCopy, site: Path) -> None:
    """``hotswap run manage.py runserver``: Python, templates and addresses are live; what is not is started again."""
    assert not WAYS["hotswap run"][1]
    with running(fresh_copy(), site, "hotswap run") as bakery:
        before = bakery.state()
        for save in SAVES:
            if save.name in ("view class", "async view", "template", "new view and its address", "list of middleware"):
                apply(bakery, save)
        after = bakery.state()
        assert (after["pid"], after["visits"]) == (before["pid"], before["visits"] + 1)
        shown = len(bakery.output())
        _, file, old, new, code, why = RESTARTS[0]
        bakery.edit(file, old, new)
        assert why in bakery.wait_for_output(f"restarting(.|\n)*{code}(.|\n)*->", shown)
        bakery.wait_until_started_again(after)
        apply(bakery, next(save for save in SAVES if save.name == "view function"))


@pytest.mark.once
def test_noreload_under_hotswap_run_swaps_too(fresh_copy: FreshCopy, site: Path) -> None:
    """As it was before there was a plugin."""
    with running(fresh_copy(), site, "hotswap run", "--noreload") as bakery:
        before = bakery.state()
        for save in SAVES:
            if save.name in ("view class", "template"):
                apply(bakery, save)
        assert bakery.state()["pid"] == before["pid"]


def write_catalogue(path: Path, texts: dict[str, str]) -> None:
    """A ``.mo`` file, as msgfmt writes it."""
    texts = {"": "Content-Type: text/plain; charset=UTF-8\n", **texts}
    ids = [(key.encode(), text.encode()) for key, text in sorted(texts.items())]
    start = 28 + 16 * len(ids)
    tables, data = [b"", b""], b""
    for table in (0, 1):
        for pair in ids:
            tables[table] += struct.pack("<2I", len(pair[table]), start + len(data))
            data += pair[table] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(ids), 28, 28 + 8 * len(ids), 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + tables[0] + tables[1] + data)
