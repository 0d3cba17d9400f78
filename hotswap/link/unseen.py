"""Names that a statement binds by ``globals()``: they stand in no text, so they are learned from the namespace."""

from __future__ import annotations

import sys
from typing import Any

import attrs

from hotswap.link.stars import star_units
from hotswap.model import Finding, Severity
from hotswap.plan.units import Summary, Unit
from hotswap.world import ModuleRecord

_MISSING = object()


def find_unseen(summary: Summary, record: ModuleRecord) -> None:
    """Note what the one statement that binds by ``globals()`` has bound when the module was executed."""
    unit = summary.binder_of_unseen() if record.bound is not None else None
    if unit is None:
        return
    own = {name for other in summary.units for name in other.names}
    for _, module in star_units(summary):
        own |= vars(sys.modules[module]).keys() if module in sys.modules else set()
    unit.learn(name for name in (record.bound or frozenset()) - own if not _is_made_by_import(record.name, name))


def learned(summary: Summary) -> frozenset[str]:
    """What is known by now to be bound by ``globals()``."""
    return frozenset().union(*(unit.unseen or () for unit in summary.units))


def keep_unseen(old: Summary, new: Summary) -> None:
    """Until it is evaluated, a changed statement counts as binding what the old one did."""
    before, after = old.binder_of_unseen(), new.binder_of_unseen()
    if before is not None and before.unseen is not None and after is not None:
        bound = {name for unit in new.units for name in unit.names}
        after.learn(before.unseen - bound)


def learn_bound(
    record: ModuleRecord, summary: Summary, unit: Unit, before: dict[str, Any], space: dict[str, Any]
) -> Finding | None:
    """Learn what a statement has bound while it was evaluated.

    Args:
        before: the namespace as it was when the statement began.

    Returns:
        The refusal, where it has bound what another statement binds too: nobody can tell whose value counts.
    """
    new = {key for key, value in space.items() if before.get(key, _MISSING) is not value}.difference(unit.names)
    if both := sorted(new & {name for other in summary.units for name in other.names}):
        message = f"{record.name} line {unit.line} binds {', '.join(both)} by globals(), which another statement binds too"
        held = Finding(code="HS204", severity=Severity.HELD, message=message, file=record.file, line=unit.line)
        return attrs.evolve(held, next_step="restart")
    unit.learn(new)
    return None


def _is_made_by_import(module: str, name: str) -> bool:
    return (name.startswith("__") and name.endswith("__")) or f"{module}.{name}" in sys.modules
