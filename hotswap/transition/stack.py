"""Names what still runs old code: functions on stacks, suspended coroutines and generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

from hotswap.frames import Outdated, Place, frame_of, place_of_code, thread_frames
from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft
from hotswap.plan.pairing import walk


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
        if (place := place_of_code(code)) in changed:
            key = (who, f"{changed[place]}.{code.co_qualname}")
            findings.setdefault(key, _finding(who, changed[place], code, frame))
    on_stacks.clear()  # this frame is among them: a cycle through itself
    return list(findings.values())


def changed_codes(draft: Draft) -> dict[Place, str]:
    """Old code of functions whose text changed, with its module."""
    found: dict[Place, str] = {}
    for module, diff in draft.diffs.items():
        names = set(diff.bodies) | {name for old, _ in diff.changed for name in old.names}
        for old in draft.pairings[module].new_of:
            qualname = old.co_qualname.partition(".<locals>")[0]
            if qualname in names or qualname.partition(".")[0] in names:
                found[place_of_code(old)] = module
        for old in draft.pairings[module].removed:
            found[place_of_code(old)] = module
    return found


def added_codes(draft: Draft) -> dict[Place, str]:
    """Code of functions that come, with its module."""
    return {
        place_of_code(code): module
        for module, pairing in draft.pairings.items()
        for code in walk(draft.edited[module].new.code)
        if code not in pairing.old_of and code.co_name != "<module>"
    }


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
