"""Names what still runs old code: functions on stacks, suspended coroutines and generators."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft


def find_running(draft: Draft, suspended: Iterable[Any]) -> list[Finding]:
    """Changed functions that are on a stack or suspended: they are live at their next call (HS403).

    Args:
        suspended: the live generators, coroutines and async generators.
    """
    changed = changed_codes(draft)
    if not changed:
        return []
    findings: dict[tuple[str, str], Finding] = {}
    on_stacks = list(_thread_frames())
    running = {id(frame) for _, frame in on_stacks}
    for who, frame in (*on_stacks, *_suspended_frames(suspended, running)):
        code = frame.f_code
        if code in changed:
            key = (who, code.co_qualname)
            findings.setdefault(key, _finding(who, changed[code], code, frame))
    on_stacks.clear()  # this frame is among them: a cycle through itself
    return list(findings.values())


def changed_codes(draft: Draft) -> dict[CodeType, str]:
    """Old code objects of functions whose text changed, with their module."""
    found: dict[CodeType, str] = {}
    for module, diff in draft.diffs.items():
        names = set(diff.bodies) | {name for old, _ in diff.changed for name in old.names}
        for old in draft.pairings[module].new_of:
            qualname = old.co_qualname.partition(".<locals>")[0]
            if qualname in names or qualname.partition(".")[0] in names:
                found[old] = module
        for old in draft.pairings[module].removed:
            found[old] = module
    return found


def find_top_levels() -> dict[int, tuple[str, int]]:
    """File and line of modules whose top level is executing, by the id of their namespace."""
    return {
        id(frame.f_globals): (frame.f_code.co_filename, frame.f_lineno or 0)
        for _, frame in _thread_frames()
        if frame.f_code.co_name == "<module>" and frame.f_locals is frame.f_globals
    }


def _thread_frames() -> Iterator[tuple[str, FrameType]]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    # This frame is among them: as long as it refers to one of them it is a cycle through itself, and those that called it
    # would keep the whole plan for the collector. At the end of the loop it refers to none.
    while frames:
        ident, frame = frames.popitem()
        while frame is not None:
            yield f"thread {names.get(ident, ident)}", frame
            frame = frame.f_back  # type: ignore[assignment]


def _suspended_frames(suspended: Iterable[Any], running: set[int]) -> Iterator[tuple[str, FrameType]]:
    for item in suspended:
        frame = _frame_of(item)
        # Not by ``ag_running``: an async generator says that it runs while who asked it waits.
        if frame is not None and id(frame) not in running:
            yield f"a suspended {type(item).__name__.replace('_', ' ')}", frame


def _frame_of(item: Any) -> FrameType | None:
    """The frame of a generator, coroutine or async generator; None where it has ended."""
    found = (getattr(item, name, None) for name in ("gi_frame", "cr_frame", "ag_frame"))
    return next((frame for frame in found if frame is not None), None)


def _finding(who: str, module: str, code: CodeType, frame: FrameType) -> Finding:
    return Finding(
        code="HS403",
        severity=Severity.NOTE,
        message=f"{who} is in {module}.{code.co_qualname}, which changed; it is live at its next call",
        file=code.co_filename,
        line=frame.f_lineno or code.co_firstlineno,
    )
