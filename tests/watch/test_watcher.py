"""One step of the watcher, driven without its thread: events in, change sets out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hotswap.model import ChangeSet, Finding, Plan, Report, Verdict
from hotswap.watch.observer import DirectoryWatch, RawEvent
from hotswap.watch.watcher import Watcher


class FakeEngine:
    """Takes what it is given, unless told to refuse; what it takes becomes live."""

    def __init__(self) -> None:
        self.world = SimpleNamespace(records={}, on_adopt=[])
        self.seen: list[ChangeSet] = []
        self.verdict = Verdict.SWAP

    def adopt(self, path: Path) -> str:
        name = path.stem
        self.world.records[name] = SimpleNamespace(file=str(path), data=path.read_bytes(), name=name)
        for listener in self.world.on_adopt:
            listener(self.world.records[name])
        return str(path)

    def swap(self, changes: ChangeSet) -> Report:
        self.seen.append(changes)
        applied = self.verdict is Verdict.SWAP
        for record in self.world.records.values():
            for file in changes.files:
                if applied and file.path == record.file and file.data is not None:
                    record.data = file.data
        return Report(number=len(self.seen), applied=applied, plan=Plan(verdict=self.verdict), verdict=self.verdict)

    def texts(self) -> list[dict[str, bytes | None]]:
        return [{os.path.basename(file.path): file.data for file in changes.files} for changes in self.seen]


class Stage:
    """A watcher whose events a test makes itself: nothing is watched, nothing waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = FakeEngine()
        self.findings: list[Finding] = []
        self.scope = SimpleNamespace(includes=lambda path: "ignored" not in path)
        self.watcher = Watcher(self.engine, self.scope, on_finding=self.findings.append)
        self.watcher._watch.cover = lambda path: False

    def load(self, name: str, text: str = "one\n") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.engine.adopt(path)
        self.watcher.note_loaded(str(path))
        assert self.watcher.step(0) is None
        return path

    def event(self, kind: str, path: Path, dest: Path | None = None, folder: bool = False) -> None:
        self.watcher._events.put(RawEvent(kind, str(path), str(dest or ""), folder))

    def step(self) -> Report | None:
        return self.watcher.step(0)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_save_is_one_change_set_with_its_time(stage: Stage) -> None:
    """The bytes on disk, under the loaded spelling, with the time of the event."""
    path = stage.load("a.py")
    path.write_text("two\n")
    before = time.monotonic()
    stage.event("modified", path)
    stage.event("closed", path)
    report = stage.step()
    assert report is not None
    assert stage.engine.texts() == [{"a.py": b"two\n"}]
    assert stage.engine.seen[0].files[0].path == str(path)
    assert before <= stage.engine.seen[0].seen_at <= time.monotonic()


def test_a_save_without_a_change_is_nothing(stage: Stage) -> None:
    """touch, or saving the same text."""
    path = stage.load("a.py")
    stage.event("closed", path)
    assert stage.step() is None
    assert stage.engine.seen == []


def test_files_saved_together_are_one_batch(stage: Stage) -> None:
    """Events that are there before the batch is ripe belong to it."""
    paths = [stage.load(f"m{number}.py") for number in range(50)]
    for path in paths:
        path.write_text("two\n")
        stage.event("closed", path)
    stage.step()
    assert [len(changes.files) for changes in stage.engine.seen] == [50]


def test_a_save_between_loading_and_watching_is_not_lost(stage: Stage) -> None:
    """The file is compared with what was executed when it is first heard of."""
    path = stage.folder / "a.py"
    path.write_text("one\n")
    stage.engine.adopt(path)
    path.write_text("two\n")
    stage.watcher.note_loaded(str(path))
    stage.step()
    assert stage.engine.texts() == [{"a.py": b"two\n"}]


def test_a_refused_text_is_offered_once(stage: Stage) -> None:
    """The same broken text is not reported again with each event; a new one is, and so is the way back."""
    path = stage.load("a.py")
    stage.engine.verdict = Verdict.ASK
    path.write_text("(\n")
    for _ in range(3):
        stage.event("closed", path)
        stage.step()
    assert stage.engine.texts() == [{"a.py": b"(\n"}]
    path.write_text("one\n")  # what is live
    stage.engine.verdict = Verdict.NOTHING
    stage.event("closed", path)
    stage.step()
    assert stage.engine.texts()[1:] == [{"a.py": b"one\n"}]


def test_a_text_that_was_taken_back_is_offered_again_when_saved(stage: Stage) -> None:
    """After a rollback the same text may be saved once more."""
    path = stage.load("a.py")
    path.write_text("two\n")
    stage.event("closed", path)
    stage.step()
    stage.engine.world.records["a"].data = b"one\n"
    stage.event("closed", path)
    stage.step()
    assert stage.engine.texts() == [{"a.py": b"two\n"}] * 2


def test_a_deleted_file_is_offered_as_gone_after_a_moment(stage: Stage) -> None:
    """data is None."""
    path = stage.load("a.py")
    path.unlink()
    stage.event("deleted", path)
    start = time.monotonic()
    stage.step()
    assert stage.engine.texts() == [{"a.py": None}]
    assert time.monotonic() - start >= 0.1


def test_a_file_that_comes_back_was_never_gone(stage: Stage) -> None:
    """Deleted and created, and truncated and written: one save, no report of a missing file."""
    path = stage.load("a.py")
    path.unlink()
    stage.event("deleted", path)
    path.write_text("two\n")
    stage.event("created", path)
    stage.event("closed", path)
    stage.step()
    path.write_text("")
    stage.event("closed", path)
    reads = []

    def clock() -> float:
        reads.append(1)
        if len(reads) == 4:
            path.write_text("three\n")
        return time.monotonic()

    stage.watcher._clock = clock
    stage.step()
    assert stage.engine.texts() == [{"a.py": b"two\n"}, {"a.py": b"three\n"}]


def test_a_rename_onto_a_file_is_a_save_of_it(stage: Stage) -> None:
    """And the temporary name is not worth a word."""
    path = stage.load("a.py")
    other = stage.folder / "a.py.tmp"
    other.write_text("two\n")
    os.replace(other, path)
    stage.event("moved", other, path)
    stage.step()
    assert stage.engine.texts() == [{"a.py": b"two\n"}]


def test_a_renamed_module_is_gone_and_its_new_name_is_new(stage: Stage) -> None:
    """mv a.py b.py."""
    path = stage.load("a.py")
    path.rename(stage.folder / "b.py")
    stage.event("moved", path, stage.folder / "b.py")
    stage.step()
    assert stage.engine.texts() == [{"a.py": None, "b.py": b"one\n"}]


def test_a_new_module_can_be_imported_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the change set, and importers forget what they knew of the folder."""
    forgotten = []
    monkeypatch.setattr("importlib.invalidate_caches", lambda: forgotten.append(len(stage.engine.seen)))
    path = stage.load("a.py", "import b\n")
    (stage.folder / "b.py").write_text("new\n")
    stage.event("created", stage.folder / "b.py")
    path.write_text("import b, c\n")
    stage.event("closed", path)
    stage.step()
    assert stage.engine.texts() == [{"a.py": b"import b, c\n", "b.py": b"new\n"}]
    assert forgotten == [0]


@pytest.mark.parametrize("name", [".#a.py", "4913", "a.py~", ".a.py.swp", "#a.py#", "ignored.py", "not-a-module.py", "data.json"])
def test_what_editors_leave_and_what_is_out_of_scope_is_not_offered(stage: Stage, name: str) -> None:
    """No batch, no report."""
    stage.load("a.py")
    (stage.folder / name).write_text("x")
    stage.event("created", stage.folder / name)
    stage.event("closed", stage.folder / name)
    assert stage.step() is None
    assert stage.engine.seen == []


def test_an_unreadable_file_is_named_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """HS104, and the other files of the batch go on."""
    path, other = stage.load("a.py"), stage.load("b.py")
    import hotswap.watch.watcher as module

    real = module.read_source

    def read(file: str) -> Any:
        if file == str(path):
            raise PermissionError(13, "Permission denied")
        return real(file)

    monkeypatch.setattr(module, "read_source", read)
    for text in ("two\n", "three\n"):
        other.write_text(text)
        stage.event("closed", path)
        stage.event("closed", other)
        stage.step()
    assert stage.engine.texts() == [{"b.py": b"two\n"}, {"b.py": b"three\n"}]
    assert [(found.code, found.file) for found in stage.findings] == [("HS104", str(path))]


def test_a_writer_that_never_stops_does_not_stop_the_watcher(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is left for the next sweep, the batch ends."""
    import hotswap.watch.batch as batch
    import hotswap.watch.watcher as module

    path = stage.load("a.py")

    def read(file: str) -> Any:
        raise module.Unstable(file)

    monkeypatch.setattr(module, "read_source", read)
    monkeypatch.setattr(batch, "MAX_WAIT", 0.05)
    stage.event("closed", path)
    assert stage.step() is None


def test_the_sweep_finds_what_no_event_told(stage: Stage) -> None:
    """The kernel's queue overflowed, or the file system sends nothing: late, but not lost; then polling, and HS501."""
    path = stage.load("a.py")
    path.write_text("two, and longer\n")
    stage.watcher._watch._roots.clear()
    stage.step()  # no event: a sweep
    assert stage.engine.texts() == [{"a.py": b"two, and longer\n"}]
    assert [found.code for found in stage.findings] == ["HS501"]
    assert stage.watcher.describe()["polling"] is True


def test_the_sweep_notices_modules_that_nobody_announced(stage: Stage) -> None:
    """Adopted before the watcher was there."""
    path = stage.folder / "a.py"
    path.write_text("one\n")
    stage.engine.adopt(path)
    stage.step()
    path.write_text("two\n")
    stage.event("closed", path)
    stage.step()
    assert stage.engine.texts() == [{"a.py": b"two\n"}]


def test_the_engines_failure_does_not_end_the_thread(stage: Stage) -> None:
    """HS599 with the traceback, and the next save is taken."""
    path = stage.load("a.py")
    calls = []

    def swap(changes: ChangeSet) -> Report:
        calls.append(changes)
        if len(calls) == 1:
            raise RuntimeError("bug")
        stage.watcher._stopping = True
        return FakeEngine.swap(stage.engine, changes)

    stage.engine.swap = swap
    path.write_text("two\n")
    stage.event("closed", path)
    say = stage.findings.append

    def react(finding: Finding) -> None:
        say(finding)
        path.write_text("three\n")
        stage.event("closed", path)

    stage.watcher._on_finding = react
    stage.watcher._run()
    assert [found.code for found in stage.findings] == ["HS599"]
    assert "RuntimeError: bug" in stage.findings[0].excerpt
    assert len(calls) == 2


# -- with the system's own events -------------------------------------------------------------------------------------


def drive(watcher: Watcher, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        watcher.step(0.1)


@pytest.mark.parametrize("poll", [False, True], ids=["events", "poll"])
def test_the_system_tells_of_a_save(tmp_path: Path, poll: bool) -> None:
    """watchdog's observer, or its polling one."""
    engine = FakeEngine()
    path = tmp_path / "a.py"
    path.write_text("one\n")
    engine.adopt(path)
    findings: list[Finding] = []
    watcher = Watcher(engine, SimpleNamespace(includes=lambda path: True), poll=poll, on_finding=findings.append)
    try:
        watcher.note_loaded(str(path))
        watcher.step(0)
        path.write_text("two\n")
        drive(watcher, lambda: bool(engine.seen))
        assert engine.texts() == [{"a.py": b"two\n"}]
        assert watcher.describe() == {"files": 1, "roots": [str(tmp_path)], "polling": poll}
        assert findings == []
    finally:
        watcher._watch.stop()


@pytest.mark.parametrize("number", [28, 24], ids=["ENOSPC", "EMFILE"])
def test_the_systems_limit_leads_to_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """HS501, and saves are seen all the same."""
    import watchdog.observers

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, "inotify limit reached")

    monkeypatch.setattr(watchdog.observers, "Observer", refuse)
    engine = FakeEngine()
    path = tmp_path / "a.py"
    path.write_text("one\n")
    engine.adopt(path)
    findings: list[Finding] = []
    watcher = Watcher(engine, SimpleNamespace(includes=lambda path: True), on_finding=findings.append)
    try:
        watcher.note_loaded(str(path))
        watcher.step(0)
        path.write_text("two\n")
        drive(watcher, lambda: bool(engine.seen))
        assert engine.texts() == [{"a.py": b"two\n"}]
        assert [found.code for found in findings] == ["HS501"]
        assert "limit reached" in findings[0].message
    finally:
        watcher._watch.stop()


def test_a_folder_that_was_exchanged_is_watched_again(tmp_path: Path) -> None:
    """Its old watch hears nothing any more."""
    heard: list[RawEvent] = []
    watch = DirectoryWatch(heard.append, poll=False, on_limit=lambda why: None)
    folder = tmp_path / "p"
    folder.mkdir()
    try:
        assert watch.cover(str(folder / "a.py"))
        assert not watch.cover(str(folder / "b.py"))
        assert not watch.renew()
        folder.rename(tmp_path / "away")
        assert watch.renew()
        assert not watch.is_complete
        folder.mkdir()
        assert watch.renew()
        assert watch.is_complete
        (folder / "a.py").write_text("x")
        deadline = time.monotonic() + 30
        while not any(event.path == str(folder / "a.py") for event in heard):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        watch.stop()


def test_the_thread_starts_and_ends(tmp_path: Path) -> None:
    """After stop() no thread of the watcher is left, and adoptions are not noted any more."""
    import threading

    before = set(threading.enumerate())
    engine = FakeEngine()
    watcher = Watcher(engine, SimpleNamespace(includes=lambda path: True))
    watcher.start()
    path = tmp_path / "a.py"
    path.write_text("one\n")
    engine.adopt(path)
    deadline = time.monotonic() + 30
    while not watcher.describe()["roots"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watcher.stop()
    assert engine.world.on_adopt == []
    assert set(threading.enumerate()) - before == set()
