"""When a batch of saves is complete; time is a number here."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hotswap.watch.batch import MAX_WAIT, STALE_LOCK, Batch, FileState, find_git_lock


def ripe(batch: Batch, now: float = 0.0) -> float:
    return round(batch.find_ripe_time(now), 4)


def test_a_closed_file_is_ready_after_a_moment() -> None:
    """One save is offered within 5 ms."""
    batch = Batch()
    batch.add("a", FileState.WHOLE, 10.0)
    assert 10.0 < ripe(batch) <= 10.005


def test_a_file_that_is_being_written_is_waited_for() -> None:
    """A pause of the writer does not make half a file whole; closing it does."""
    batch = Batch()
    batch.add("a", FileState.WRITING, 10.0)
    assert ripe(batch) >= 10.1
    batch.add("a", FileState.WHOLE, 10.05)
    assert ripe(batch) <= 10.06


def test_without_close_events_silence_counts_as_written() -> None:
    """Where the system does not tell of closing, a write is whole after a short silence."""
    batch = Batch(close_events=False)
    batch.add("a", FileState.WRITING, 10.0)
    assert ripe(batch) == 10.03
    batch.add("a", FileState.WRITING, 10.02)
    assert ripe(batch) == 10.05


def test_a_deleted_file_may_come_back() -> None:
    """Editors delete and create: the batch waits, and the new file decides."""
    batch = Batch()
    batch.add("a", FileState.GONE, 10.0)
    assert ripe(batch) == 10.1
    assert batch.may_wait("a", 10.05)
    assert not batch.may_wait("a", 10.11)
    batch.add("a", FileState.WHOLE, 10.02)
    assert ripe(batch) < 10.03


def test_more_files_are_given_more_time() -> None:
    """Two files of one save all, and hundreds of one unpacking, are each one batch."""
    batch = Batch()
    waits = []
    for number in range(10):
        batch.add(str(number), FileState.WHOLE, 10.0)
        waits.append(ripe(batch) - 10.0)
    assert waits == sorted(waits)
    assert waits[0] < 0.005 < 0.01 < waits[1] < waits[-1]


def test_the_first_event_is_the_time_of_the_batch() -> None:
    """Milliseconds to live count from the first event, whatever follows."""
    batch = Batch()
    batch.add("b", FileState.WRITING, 10.0)
    batch.add("a", FileState.WHOLE, 10.01)
    assert (batch.seen_at, batch.files) == (10.0, ("a", "b"))


def test_no_writer_holds_a_batch_for_ever() -> None:
    """A file that is written to without end is taken as it is after some seconds."""
    batch = Batch()
    for step in range(200):
        batch.add("a", FileState.WRITING, 10.0 + step * 0.1)
    assert ripe(batch) == 10.0 + MAX_WAIT
    assert batch.is_overdue(10.0 + MAX_WAIT)
    assert not batch.may_wait("a", 10.0 + MAX_WAIT)


def test_a_locked_repository_holds_the_batch() -> None:
    """While git says that it is at work nothing is taken, up to the same limit."""
    locked = True
    batch = Batch(is_locked=lambda files: locked)
    batch.add("a", FileState.WHOLE, 10.0)
    assert ripe(batch, now=11.0) == 11.005
    assert ripe(batch, now=20.0) == 10.0 + MAX_WAIT
    locked = False
    assert ripe(batch, now=11.0) < 11.0


def test_an_empty_batch_is_false() -> None:
    """Nothing to read, nothing to wait for."""
    batch = Batch()
    assert not batch
    batch.add("a", FileState.MAYBE, 1.0)
    assert batch


@pytest.mark.parametrize("kind", ["repository", "work tree"])
def test_the_lock_of_git_is_found(tmp_path: Path, kind: str) -> None:
    """In the repository above the file, and in the directory that a work tree's .git file names."""
    if kind == "repository":
        git = tmp_path / "project" / ".git"
        git.mkdir(parents=True)
    else:
        git = tmp_path / "elsewhere"
        git.mkdir()
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / ".git").write_text(f"gitdir: {git}\n")
    file = tmp_path / "project" / "pkg" / "a.py"
    file.parent.mkdir()
    assert not find_git_lock([str(file)])
    lock = git / "index.lock"
    lock.touch()
    assert find_git_lock([str(file)])
    left = time.time() - STALE_LOCK - 1
    os.utime(lock, (left, left))
    assert not find_git_lock([str(file)])  # left behind by a crash
