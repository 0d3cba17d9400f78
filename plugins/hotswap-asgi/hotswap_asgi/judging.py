"""What a change would leave behind without a word, told from the plan before anything is executed.

    the function of a lifespan, of a startup handler        named: it ran when the server started (HS406)
    an application that goes                                restart: the server has it
    a function that has made or filled an application       restart, where no name of a module leads to that application
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from hotswap.model import Edit, EditKind, Finding, Plan, Severity
from hotswap.plugin.keepers import name_of
from hotswap_asgi.refresh import find_live


def judge(plan: Plan) -> Iterator[Finding]:
    """All of these."""
    started = dict(_started())
    for edit in plan.edits:
        if edit.kind is EditKind.LINES:
            continue
        if (what := started.get(edit.name)) is not None:
            message = f"{edit.name} is {what}: what runs at the start has run, and what runs at the end will be the new code"
            yield _finding(plan, edit, "HS406", Severity.KEPT, message, "restart when it is wanted now")
        if edit.kind is EditKind.REMOVED and _is_application(edit):
            message = f"{edit.name} goes, and the server may have been given it"
            yield _finding(plan, edit, "HS213", Severity.HELD, message, "restart")


def _started() -> Iterator[tuple[str, str]]:
    for router in find_live().routers:
        lifespan = getattr(router, "lifespan_context", None)
        yield name_of(getattr(lifespan, "__wrapped__", lifespan)), "the lifespan of an application"
        for name in ("on_startup", "on_shutdown"):
            yield from ((name_of(function), f"in {name} of an application") for function in getattr(router, name, None) or ())


def _is_application(edit: Edit) -> bool:
    starlette = getattr(sys.modules.get("starlette.applications"), "Starlette", None)
    value: Any = getattr(sys.modules.get(edit.module), "__dict__", {}).get(edit.qualname)
    return starlette is not None and isinstance(value, starlette)


def _finding(plan: Plan, edit: Edit, code: str, severity: Severity, message: str, step: str) -> Finding:
    file = next((module.file for module in plan.modules if module.module == edit.module), "")
    return Finding(code=code, severity=severity, message=message, file=file, line=edit.line, next_step=step)
