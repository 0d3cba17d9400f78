"""Which declared migration is which step: those without numbers are told from each other when their text is saved again.

    the same name in the same module         the same step, mended
    the same body                            the same step, renamed or moved
    both without a name of their own (`_`)   the same step where as many are left on both sides; else HS306
    anything else                            a new step, from the version that is live
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import CellType, FunctionType
from typing import Any

from hotswap.errors import DeclarationError
from hotswap.migrations import Migration
from hotswap.plan.pairing import content

#: Names that tell nothing: of functions, and of statements with declarative steps.
_NAMELESS = frozenset({"_", "steps"})
_PLAIN = frozenset({int, str, float, bool, bytes, tuple, type(None), type})


def same_steps(
    declared: Iterable[Migration], going: Iterable[Migration], aside: Mapping[int, Migration]
) -> dict[int, Migration]:  # fmt: skip
    """Of the migrations whose statements go or are evaluated again, those that declared ones stand for.

    Args:
        aside: by id of the declared ones: with functions that have the new code already.

    Returns:
        By id of the declared one.

    Raises:
        DeclarationError: that cannot be told.
    """
    found: dict[int, Migration] = {}
    new, old = list(declared), list(going)

    def pair(is_same: Callable[[Migration, Migration], bool]) -> None:
        for migration in list(new):
            other = next((each for each in old if each.target == migration.target and is_same(migration, each)), None)
            if other is not None:
                found[id(migration)] = other
                new.remove(migration)
                old.remove(other)

    pair(lambda one, other: one.module == other.module and one.name == other.name and one.name not in _NAMELESS)
    pair(lambda one, other: has_same_body(aside.get(id(one), one), other))
    for target in {migration.target for migration in new if migration.name in _NAMELESS}:
        mine = [each for each in new if each.target == target and each.name in _NAMELESS]
        theirs = [each for each in old if each.target == target and each.name in _NAMELESS]
        if theirs and len(mine) != len(theirs):
            raise DeclarationError(
                f"{mine[0].describe()}: it cannot be told which of the migrations without a name of their own is new; "
                "name them, or number them"
            )
        found.update((id(one), other) for one, other in zip(mine, theirs, strict=False))
    return found


def has_same_body(one: Migration, other: Migration) -> bool:
    """True for migrations that do the same on their way forth, as far as the texts tell."""
    done = [each.digest or digest(each) for each in (one, other)]
    return bool(done[0] == done[1])


def digest(migration: Migration) -> Any:
    """What a migration does on its way forth."""
    return _digest(migration.up), [(step.text, _digest(step.up)) for step in migration.steps]


def _digest(value: Any, depth: int = 4) -> Any:
    """What a function does, with what it has from around it; of other values what they look like."""
    if type(value) is not FunctionType or not depth:
        return repr(value) if type(value) in _PLAIN else type(value).__qualname__ if depth else None
    inside = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
    return content(value.__code__), [_digest(each, depth - 1) for each in inside]
