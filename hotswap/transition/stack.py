"""Names what still runs old code: functions on stacks, suspended coroutines and generators, child processes."""

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
    for who, frame in (*_thread_frames(), *_suspended_frames(suspended)):
        code = frame.f_code
        if code in changed:
            key = (who, code.co_qualname)
            findings.setdefault(key, _finding(who, changed[code], code, frame))
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


def _suspended_frames(suspended: Iterable[Any]) -> Iterator[tuple[str, FrameType]]:
    for item in suspended:
        if (frame := _frame_of(item)) is not None:
            yield f"a suspended {type(item).__name__.replace('_', ' ')}", frame


def _frame_of(item: Any) -> FrameType | None:
    for name in ("gi_frame", "cr_frame", "ag_frame"):
        if (frame := getattr(item, name, None)) is not None:
            running = getattr(item, name.replace("frame", "running"), False)
            return None if running else frame
    return None


def _finding(who: str, module: str, code: CodeType, frame: FrameType) -> Finding:
    return Finding(
        code="HS403",
        severity=Severity.NOTE,
        message=f"{who} is in {module}.{code.co_qualname}, which changed; it is live at its next call",
        file=code.co_filename,
        line=frame.f_lineno or code.co_firstlineno,
    )


def find_children() -> list[Finding]:
    """Processes that multiprocessing started before this swap: they run the code that they started with."""
    multiprocessing = sys.modules.get("multiprocessing")
    children = multiprocessing.active_children() if multiprocessing is not None else []
    return [
        Finding(
            code="HS408",
            severity=Severity.KEPT,
            message=f"child process {child.name} (pid {child.pid}) runs the code that it started with",
            next_step="start it again, or run it under hotswap",
        )
        for child in children
    ]
