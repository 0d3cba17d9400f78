"""Requests in flight while a save is made live: each is answered by the old or by the new code."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.django.bakery import Bakery, running

pytestmark = pytest.mark.once  # real servers, much the same on every interpreter

FreshCopy = Callable[[], Path]

LIMIT = 0.3  # seconds; so that a test that has to see it pass does not take long


@pytest.fixture(scope="module")
def bakery(fresh_copy: FreshCopy, site: Path) -> Iterator[Bakery]:
    folder = fresh_copy()
    with (folder / "bakery_site" / "settings.py").open("a") as settings:
        settings.write(f'HOTSWAP = {{"REQUEST_LIMIT": {LIMIT}}}\n')
    with running(folder, site) as one:
        yield one


def begin(bakery: Bakery, path: str) -> tuple[threading.Thread, list[str], Path]:
    """Send a request that is inside until the file appears; gives it when it has run its first step."""
    marker = bakery.folder / f"go-{path.strip('/')}-{threading.get_native_id()}"
    marker.unlink(missing_ok=True)
    given: list[str] = []
    thread = threading.Thread(target=lambda: given.append(bakery.get(f"{path}?file={marker}").text))
    thread.start()
    inside = marker.with_name(f"{marker.name}.inside")
    bakery.wait_until(inside.exists, "the request is inside")
    inside.unlink()
    return thread, given, marker


def change_recipe(bakery: Bakery) -> tuple[int, int]:
    """Both steps in one save; gives the version of before and the one that was saved."""
    text = bakery.read("bakery/recipe.py")
    old = int(re.findall(r"flour (\d+)", text)[0])
    for word in ("flour", "water"):
        text = text.replace(f"{word} {old}", f"{word} {old + 1}")
    bakery.write("bakery/recipe.py", text)
    return old, old + 1


def test_a_request_that_does_not_end_holds_the_swap(bakery: Bakery) -> None:
    """1 a request has run the first step, 2 both are saved, 3 the swap waits, is held and says for whom, 4 the request ends, all
    in the old code, 5 the swap is made without another save."""
    before = bakery.state()
    thread, given, marker = begin(bakery, "/slow/")
    shown = len(bakery.output())
    was, version = change_recipe(bakery)
    story = bakery.wait_for_output("HS510", shown)
    assert "GET /slow/ (for " in story
    old = bakery.get(f"/slow/?file={bakery.folder}").text  # others are served meanwhile
    assert old == f"flour {was}, water {was}"
    marker.touch()
    thread.join(20)
    assert given == [f"flour {was}, water {was}"]
    done = f"flour {version}, water {version}"
    bakery.wait_until(lambda: bakery.get(f"/slow/?file={bakery.folder}").text == done, "the swap is made by itself")
    assert bakery.state()["pid"] == before["pid"]
    assert bakery.state()["visits"] > before["visits"]


def test_a_stream_does_not_hold_the_swap_and_is_named(bakery: Bakery) -> None:
    """1 a stream has sent its first step, 2 both are saved, 3 the swap waits for its limit and is made, with the stream's name,
    4 a second save does not wait, 5 the stream ends: what it called later was new, as was said."""
    before = bakery.state()
    thread, given, marker = begin(bakery, "/stream/")
    shown = len(bakery.output())
    was, _ = change_recipe(bakery)
    story = bakery.wait_for_output("HS415(.|\n)*->", shown)
    assert "1 stream(s) go on" in story
    assert "GET /stream/ (for " in story
    assert "HS510" not in story
    version = change_recipe(bakery)[1]
    bakery.wait_for(f"/slow/?file={bakery.folder}", f"flour {version}, water {version}")
    marker.touch()
    thread.join(20)
    assert given == [f"flour {was}, water {version}"]
    assert bakery.state()["pid"] == before["pid"]
    shown = len(bakery.output())
    version = change_recipe(bakery)[1]
    bakery.wait_for(f"/slow/?file={bakery.folder}", f"flour {version}, water {version}")
    assert "HS415" not in bakery.output()[shown:]


def test_a_request_that_waits_for_another_one_does_not_stop_the_server(bakery: Bakery) -> None:
    """1 a request has run the first step, 2 both are saved and the gate closes, 3 the request asks its own server for a page,
    which waits at the gate, 4 the limit opens it: both are answered by the old code, 5 the swap is made by itself."""
    thread, given, marker = begin(bakery, "/asks/")
    shown = len(bakery.output())
    was, version = change_recipe(bakery)
    threading.Event().wait(LIMIT / 2)  # the save is seen after some 0.1 s; earlier or later, no answer may be mixed
    marker.touch()
    thread.join(20)
    assert given == [f"flour {was}, flour {was}, water {was}, water {was}"]
    done = f"flour {version}, water {version}"
    bakery.wait_until(lambda: bakery.get(f"/slow/?file={bakery.folder}").text == done, "the swap is made by itself")
    assert "HS503" not in bakery.output()[shown:]


def test_no_answer_is_mixed_under_load(bakery: Bakery) -> None:
    """Requests that run two steps with a pause between them, while these are saved again and again."""
    answers: list[str] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            answers.append(bakery.get("/slow/?file=" + str(bakery.folder)).text)

    before = bakery.state()
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            version = change_recipe(bakery)[1]
            bakery.wait_until(lambda: answers and answers[-1] == f"flour {version}, water {version}", f"version {version}")
    finally:
        is_over.set()
        for thread in threads:
            thread.join(20)
    mixed = [answer for answer in answers if answer.split(", ")[0].split()[1] != answer.split()[-1]]
    assert mixed == []
    assert bakery.state()["pid"] == before["pid"]
