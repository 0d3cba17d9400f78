"""Addresses that cannot be evaluated aside: those whose converter is registered by the same save.

A statement that is new and reaches outside runs after the commit, ``register_converter(...)`` too; a list of addresses is evaluated
before it. So an address with that converter would fail, for no fault of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from hotswap.model import EditKind, Finding, Plan, Severity

_EVALUATED = frozenset({EditKind.DATA, EditKind.DERIVED, EditKind.ADDED})


def check_converters(plan: Plan) -> Iterator[Finding]:
    """Why a plan cannot be made live because of a converter that it registers."""
    evaluates = any(edit.kind in _EVALUATED and edit.qualname[:1] != "<" and _makes_routes(edit.module, plan) for edit in plan.edits)
    for module in plan.modules if evaluates else ():
        for edit in module.edits:
            if edit.kind is EditKind.ADDED and edit.qualname.startswith("<line") and _registers(module.file, edit.line):
                yield Finding(
                    code="HS213", severity=Severity.HELD, file=module.file, line=edit.line, next_step="restart",
                    message="a converter is registered together with a change of addresses, which may use it and are evaluated first",
                )  # fmt: skip


def _makes_routes(module: str, plan: Plan) -> bool:
    return any("path(" in _read(part.file) for part in plan.modules if part.module == module)


def _registers(file: str, line: int) -> bool:
    return "register_converter" in "".join(_read(file).splitlines()[line - 1 : line])


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""  # gone since it was read: its next event tells of that
