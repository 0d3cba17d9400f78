"""What runs when a server starts is named where it changes: the functions of a lifespan, and of startup and shutdown (HS406)."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

from hotswap.model import Edit, EditKind, Finding, Plan, Severity
from hotswap.plugin.keepers import name_of
from hotswap_asgi.refresh import find_live


def judge(plan: Plan) -> Iterator[Finding]:
    """Name those of which a plan changes something."""
    started = dict(_started())
    for edit in plan.edits:
        if edit.kind is EditKind.LINES:
            continue
        if (what := started.get(edit.name)) is not None:
            message = f"{edit.name} is {what}, which ran when the server started and is not run again"
            yield _finding(plan, edit, "HS406", Severity.KEPT, message, "restart when it is wanted now")


def _started() -> Iterator[tuple[str, str]]:
    for router in find_live().routers:
        for function in _inside(getattr(router, "lifespan_context", None)):
            yield name_of(function), "the lifespan of an application"
        for name in ("on_startup", "on_shutdown"):
            yield from ((name_of(function), f"in {name} of an application") for function in getattr(router, name, None) or ())


def _inside(lifespan: Any) -> Iterator[Any]:
    """A lifespan, and those that it has been merged from, as FastAPI does it with that of each router that is included."""
    pending, seen = [lifespan], set[int]()
    while pending:
        function = pending.pop()
        if not isinstance(function, FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        yield function
        pending += [cell.cell_contents for cell in function.__closure__ or ()]
        pending.append(getattr(function, "__wrapped__", None))


def _finding(plan: Plan, edit: Edit, code: str, severity: Severity, message: str, step: str) -> Finding:
    file = next((module.file for module in plan.modules if module.module == edit.module), "")
    return Finding(code=code, severity=severity, message=message, file=file, line=edit.line, next_step=step)
