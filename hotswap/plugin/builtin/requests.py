"""Has the request gate closed while a swap is made, in a program of which a plugin leads requests through it.

Without such a plugin nobody is ever inside, and the gate closes and opens at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from hotswap.errors import CODES
from hotswap.model import ChangeSet, EditKind, Finding, Plan, Severity, SourceFile
from hotswap.plugin.specs import EngineView, hookimpl
from hotswap.requests.gate import GATE, Busy, name_streams

#: Who is asked to swap again when requests have ended; one engine manages a process.
_engines: list[EngineView] = []


@hookimpl
def hotswap_attach(engine: EngineView) -> None:
    _engines[:] = [engine]


@hookimpl
def hotswap_detach() -> None:
    _engines.clear()


@hookimpl
def hotswap_quiesce(plan: Plan) -> Iterable[Finding]:
    if own := GATE.find_own():
        return [_held(
            f"the request {own[0]} asks for the swap itself, and would be answered by old and new code",
            "ask from elsewhere: save again, or hotswap swap in a terminal",
        )]  # fmt: skip
    try:
        blockers = GATE.close()
    except Busy:
        return [_held("other changed files are being taken over, which does not end", "save again")]
    if not blockers:
        return _name_streams()
    GATE.when_left(blockers, _swap_again(_edited_files(plan)))
    names = ", ".join(map(str, blockers))
    return [_held(
        f"{len(blockers)} request(s) have not ended within {GATE.limit:g} s: {names}",
        "the old code serves on; the swap is tried again by itself when they have ended",
    )]  # fmt: skip


def _name_streams() -> list[Finding]:
    """Answers that nobody waits for any more."""
    if not (streams := GATE.streams()):
        return []
    return [Finding(code="HS415", severity=Severity.KEPT, message=name_streams(streams), next_step=CODES["HS415"].remedy)]


@hookimpl
def hotswap_release() -> None:
    GATE.open()


def _swap_again(files: list[str]) -> Callable[[], None]:
    def swap() -> None:
        for engine in list(_engines):
            engine.swap(_read(files))

    # A thread of its own: whoever lets the last request out still has to close its connection.
    return lambda: threading.Thread(target=swap, name="hotswap-again", daemon=True).start()


def _edited_files(plan: Plan) -> list[str]:
    """Those whose text has changed; others take part because they are computed from them."""
    return [module.file for module in plan.modules if any(edit.kind is not EditKind.DERIVED for edit in module.edits)]


def _held(message: str, step: str) -> Finding:
    return Finding(code="HS510", severity=Severity.HELD, message=message, next_step=step)


def _read(files: Iterable[str]) -> ChangeSet:
    """The files as they are on disk now, which is what a person wants to be live."""
    sources = []
    for path in sorted(files):
        try:
            with open(path, "rb") as file:
                sources.append(SourceFile(path=path, data=file.read()))
        except OSError:
            continue  # it went meanwhile: its next event tells of that
    return ChangeSet(files=tuple(sources))
