"""Folders of files that are no Python: what is told of them, and how soon that ends the waiting."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotswap.watch import folders, observer
from hotswap.watch.folders import FolderWatch, Heard

LONG = 30.0  # seconds; what is told ends the waiting, so a test that has to see them pass is broken


@pytest.fixture
def make_watch() -> Iterator[Callable[..., FolderWatch]]:
    made: list[FolderWatch] = []

    def make(*covered: Path, known: tuple[Path, ...] = (), wanted: Callable[[str], bool] = bool) -> FolderWatch:
        made.append(FolderWatch({str(path) for path in known}.__contains__, wanted))
        made[0].cover(map(str, covered))
        return made[0]

    yield make
    for each in made:
        each.stop()


def hear_until(watch: FolderWatch, is_heard: Callable[[Heard], bool]) -> Heard:
    """Events of one save may come in two parts on a busy machine."""
    while not is_heard(heard := watch.wait(LONG)):
        assert heard, "nothing was told"
    return heard


def test_a_file_that_is_written_is_told(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """By its name, in a folder below too; whether it was known or not."""
    (tmp_path / "below").mkdir()
    watch = make_watch(tmp_path)
    assert watch.is_complete
    for file in (tmp_path / "page.html", tmp_path / "below/style.css"):
        file.write_text("new")
        heard = hear_until(watch, lambda heard, file=file: str(file) in heard.files)
        assert heard == Heard(frozenset([str(file)]))


def test_a_file_that_is_moved_into_place_is_told_alone(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """What an editor writes beside it is nobody's business, hidden or not."""
    file = tmp_path / "page.html"
    file.write_text("old")
    watch = make_watch(tmp_path, known=(file,))
    for beside in (tmp_path / ".page.html.swp", tmp_path / "page.html~", tmp_path / "page.new"):
        beside.write_text("new")
        os.replace(beside, file)
        assert hear_until(watch, lambda heard: str(file) in heard.files).files <= {str(file), str(tmp_path / "page.new")}


def test_what_nobody_asks_for_is_not_waited_for(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """A log that is written without an end holds a template up no more than one that does not come to rest."""
    page, log = tmp_path / "page.html", tmp_path / "debug.log"
    watch = make_watch(tmp_path, wanted=str(page).__eq__)
    with log.open("w") as writer:  # not closed, so its writer has not finished
        for _ in range(3):
            writer.write("line")
            writer.flush()
        page.write_text("new")
        assert watch.wait(LONG) == Heard(frozenset([str(page)]))
        writer.write("line")
        writer.flush()
        assert watch.wait(0.05) == Heard()


def test_a_file_that_goes_is_told_where_it_was_known(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """1 an unknown file comes and goes, 2 a known one goes: only that one is told."""
    known, unknown = tmp_path / "known.html", tmp_path / "unknown.html"
    for file in (known, unknown):
        file.write_text("")
    watch = make_watch(tmp_path, known=(known,))
    unknown.unlink()
    known.unlink()
    assert watch.wait(LONG) == Heard(frozenset([str(known)]))


def test_a_folder_that_comes_is_told_as_such(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """What is moved in with it has no events of its own; what is written into it later has."""
    source = tmp_path / "elsewhere" / "new"
    source.mkdir(parents=True)
    (source / "page.html").write_text("")
    (tmp_path / "watched").mkdir()
    watch = make_watch(tmp_path / "watched")
    os.replace(source, tmp_path / "watched" / "new")
    assert hear_until(watch, lambda heard: heard.is_folder)
    (tmp_path / "watched" / "new" / "page.html").write_text("later")
    assert hear_until(watch, lambda heard: str(tmp_path / "watched/new/page.html") in heard.files)


def test_a_folder_is_watched_when_it_has_come(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """Asking for one that is not there changes nothing; asking again does."""
    folder = tmp_path / "locale"
    watch = make_watch(folder)
    assert watch.is_complete
    assert not watch._watch.roots
    folder.mkdir()
    watch.cover([str(folder)])
    (folder / "de.mo").write_text("")
    assert hear_until(watch, lambda heard: str(folder / "de.mo") in heard.files)


def test_folders_of_a_package_share_a_watch(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """Also one that does not exist yet; a tree that is too large is watched by its parts."""
    app = tmp_path / "project" / "app"
    (app / "templates").mkdir(parents=True)
    for package in (app.parent, app):
        (package / "__init__.py").touch()
    watch = make_watch(app / "templates", app / "static", app.parent / "locale")
    assert watch._watch.roots == (str(app.parent),)
    (app / "static").mkdir()
    assert hear_until(watch, lambda heard: heard.is_folder)


def test_watches_are_bounded(tmp_path: Path, make_watch: Callable[..., FolderWatch], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a thread: what is beyond is left to looking, and a tree that is too large too; that is said."""
    monkeypatch.setattr(folders, "MOST_TREES", 3)
    rooms = [tmp_path / str(number) for number in range(5)]
    for room in rooms:
        room.mkdir()
    watch = make_watch(*rooms)
    assert len(watch._watch.roots) == 3
    assert not watch.is_complete
    monkeypatch.setattr("hotswap.watch.paths.MAX_TREE", 5)
    large = FolderWatch(lambda path: False)
    large.cover([str(tmp_path)])
    assert not large._watch.roots
    assert not large.is_complete


def test_a_system_that_watches_no_more_leaves_it_to_looking(
    tmp_path: Path, make_watch: Callable[..., FolderWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the limit of the system is reached, watchdog's own polling is not begun beside that of the caller."""

    class Full:
        emitters = ()

        def start(self) -> None: ...
        def stop(self) -> None: ...
        def join(self, timeout: float) -> None: ...
        def schedule(self, *args: object, **kwargs: object) -> None:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(observer, "_make_observer", lambda polling: polled.start() or polled if polling else Full())
    polled = type("Polling", (Full,), {"schedule": lambda self, *args, **kwargs: object()})()
    watch = make_watch(tmp_path)
    assert not watch.is_complete
    assert watch._watch._observer is None
    assert watch.wait(0.01) == Heard()


def test_waiting_can_be_ended(tmp_path: Path, make_watch: Callable[..., FolderWatch]) -> None:
    """From another thread, which nothing is told by."""
    watch = make_watch(tmp_path)
    threading.Thread(target=watch.wake).start()
    assert watch.wait(LONG) == Heard()
