"""Names what still runs old code: functions on stacks, suspended coroutines and generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

from hotswap.frames import Outdated, frame_of, thread_frames
from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft


def find_running(draft: Draft, suspended: Iterable[Any], outdated: Outdated) -> list[Finding]:
    """Changed functions that are on a stack or suspended: they are live at their next call (HS403).

    Args:
        suspended: the live generators, coroutines and async generators.
        outdated: what code of earlier texts was before this swap.
    """
    changed = changed_codes(draft)
    if not changed:
        return []
    findings: dict[tuple[str, str], Finding] = {}
    on_stacks = list(thread_frames())
    running = {id(frame) for _, frame in on_stacks}
    for who, frame in (*on_stacks, *_suspended_frames(suspended, running)):
        code = outdated.now(frame.f_code)
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
        for _, frame in thread_frames()
        if frame.f_code.co_name == "<module>" and frame.f_locals is frame.f_globals
    }


def _suspended_frames(suspended: Iterable[Any], running: set[int]) -> Iterator[tuple[str, FrameType]]:
    for item in suspended:
        frame = frame_of(item)
        # Not by ``ag_running``: an async generator says that it runs while who asked it waits.
        if frame is not None and id(frame) not in running:
            yield f"a suspended {type(item).__name__.replace('_', ' ')}", frame


def _finding(who: str, module: str, code: CodeType, frame: FrameType) -> Finding:
    return Finding(
        code="HS403",
        severity=Severity.NOTE,
        message=f"{who} is in {module}.{code.co_qualname}, which changed; it is live at its next call",
        file=code.co_filename,
        line=frame.f_lineno or code.co_firstlineno,
    )
