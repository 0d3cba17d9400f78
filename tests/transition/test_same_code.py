"""Functions of different files that have equal code: who is in one of them is not in the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hotswap.model import Consistency
from tests.transition.moving import Patched, in_thread, said

pytestmark = pytest.mark.once

TEXT = """
import threading
stop = threading.Event()

def work(ready):
    ready.set()
    assert stop.wait(60)
    return "old"

class Kind:
    label = "old"
"""
NEW = TEXT.replace('"old"', '"new"')


@pytest.fixture
def two(program: Patched) -> Iterator[tuple[Any, Any]]:
    """Two modules with the same text; a thread is in the second one."""
    first, second = program.load("first", TEXT), program.load("second", TEXT)
    ready = threading.Event()
    thread, _ = in_thread(second.work, ready, name="worker")
    assert ready.wait(20)
    assert first.work.__code__ == second.work.__code__
    yield first, second
    second.stop.set()
    thread.join(20)


def test_who_is_in_the_other_file_does_not_block(program: Patched, two: Any) -> None:
    """Nor is it named as running code that changed."""
    report = program.patch(Consistency.QUIESCENT, deadline=0.5, first=NEW)
    assert report.applied, report
    assert not [finding for finding in report.findings if finding.code == "HS403"]
    assert (two[0].Kind.label, two[1].Kind.label) == ("new", "old")


@pytest.mark.parametrize("names", [("first", "second"), ("second", "first")])
def test_who_is_in_one_of_two_files_that_change_blocks(program: Patched, two: Any, names: tuple[str, str]) -> None:
    """Whichever comes first; and where the change is made all the same it is named by the module that it is in."""
    texts = dict.fromkeys(names, NEW)
    report = program.patch(Consistency.QUIESCENT, deadline=0.1, **texts)
    assert not report.applied
    assert "thread worker is in second.work" in said(report, "HS622")
    report = program.patch(Consistency.IMMEDIATE, force=True, **texts)
    assert "second.work" in said(report, "HS403")


@pytest.mark.parametrize("names", [("first", "second"), ("second", "first")])
def test_who_comes_in_between_is_met_in_either_file(
    program: Patched, two: Any, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look inside of the commit, where the one before it has seen nobody."""
    from hotswap.transition import mover

    monkeypatch.setattr(mover, "find_blockers", lambda *args, **kwargs: [])
    report = program.patch(Consistency.QUIESCENT, deadline=0.0, **dict.fromkeys(names, NEW))
    assert not report.applied
    assert (two[0].Kind.label, two[1].Kind.label) == ("old", "old")
