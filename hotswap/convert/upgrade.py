"""States of earlier versions, brought to the present one: the hooks of each version and what comes by itself, in order.

A state without a stamp was written before the class had migrations, so it has the first version, unless it has fields that
the first one lacks: then the version whose recorded fields fit it best. A row of a table has no stamp in any version: it has
the one whose fields fit.

    what this process has swapped itself    as its objects were converted
    earlier versions                        the declared migrations, then the defaults that the text gives
    a swap that was taken back              its way back
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Set
from typing import Any

import attrs

from hotswap.convert.leap import Fill, HookError, Leap, Step, fill
from hotswap.convert.lineage import BY, LEAPS, SHAPES, STAMP, SWAP, UNDONE, version_of_class
from hotswap.convert.state import State
from hotswap.errors import MigrationError
from hotswap.history import RECORDED
from hotswap.migrations import REGISTRY, name_of


def _texts() -> Any:
    """What the texts say of classes: ``link/defaults.py``, which stands above this, and which few processes need."""
    return importlib.import_module("hotswap.link.defaults")


def upgrade(state: Mapping[str, Any], cls: type, version: int | None = None) -> dict[str, Any]:
    """Bring the fields of an object that were written down by an earlier version of its class to the present one.

    Args:
        state: names and values, as in a JSON file or a row of a table; it is not changed. A stamp in it counts.
        cls: the class.
        version: of the state; by default what its stamp says, or the version whose recorded fields fit.

    Returns:
        The fields of the present version, with those that have a default and were not there, but for a state that is said to
        have that version.

    Raises:
        MigrationError: a migration failed, or none leads on from the version of the state, or it is newer than the class.
    """
    known = {**state}
    if version is not None:
        stamp = {key: value for key, value in known.get(STAMP, {}).items() if key not in (SWAP, BY)}
        known[STAMP] = {**stamp, name_of(cls): version}
    elif STAMP not in known and REGISTRY.of(name_of(cls)):
        known[STAMP] = {name_of(cls): _guess(cls, known.keys(), version_of_class(cls))}
    found = upgrade_state(cls, known)
    if version != version_of_class(cls):
        fill(found, _defaults(cls))  # as an object of the class would have them
    return dict(found)


def upgrade_state(cls: type, fields: Mapping[str, Any]) -> State:
    """The same for what :meth:`__setstate__` of a class of its own takes."""
    state = State(fields)
    stamp = state.pop(STAMP, None)
    stamp = {**stamp} if isinstance(stamp, Mapping) else {}
    try:
        _go_back(cls, state, stamp)
        steps = {(step.cls, step.frm): step for base in reversed(cls.__mro__) for step in _steps(cls, base, state, stamp)}
        for leap in _leaps(cls, steps):
            leap.run(state, None)
    except HookError as error:
        step = error.step
        frm, to = (step.frm, step.to) if error.is_forth else (step.to, step.frm)
        raise MigrationError(
            f"a state of {step.name} cannot be brought from version {frm} to {to}: {step.migration.describe()} {error}"
        ) from error.__cause__
    return state


def _defaults(cls: type) -> Mapping[str, Fill]:
    found: Mapping[str, Fill] = _texts().defaults_of(cls)
    return found


def _leaps(cls: type, steps: dict[tuple[type, int], Step]) -> Iterable[Leap]:
    """The leaps with some steps, in order."""
    known = []
    for leap in LEAPS.get(cls, ()):
        if mine := tuple(steps[step.cls, step.frm] for step in leap.steps if (step.cls, step.frm) in steps):
            known.append(attrs.evolve(leap, steps=mine))
    covered = {(step.cls, step.frm) for leap in known for step in leap.steps}
    first = {base: min(frm for cls, frm in covered if cls is base) for base, _ in covered}
    others = [step for key, step in steps.items() if key not in covered]
    early = tuple(step for step in others if step.frm < first.get(step.cls, step.to))
    late = tuple(step for step in others if step not in early)
    last = Leap(late, fills=_defaults(cls)) if others else None
    return [each for each in (Leap(early) if early else None, *known, last) if each is not None]


def _go_back(cls: type, state: State, stamp: dict[str, Any]) -> None:
    """A state of a swap that was taken back is brought to what was before it."""
    by = stamp.pop(BY, {})
    undone = {each.undoes.token: each for each in UNDONE.get(cls, ()) if each.undoes is not None}
    swap = stamp.pop(SWAP, "")
    back = undone.get(swap)
    if back is None and all(leap.token != swap for leap in LEAPS.get(cls, ())):
        _check_numbers(stamp, by)
    while back is not None and back.undoes is not None:
        back.run(state, None)
        for step in reversed(back.steps):
            stamp[next((each for each in REGISTRY.names_of(name_of(step.cls)) if each in stamp), name_of(step.cls))] = step.frm
        previous = back.undoes.previous
        back = undone.get(previous.token) if previous is not None else None
    for name, version in stamp.items():
        base = next((each for each in cls.__mro__ if name in REGISTRY.names_of(name_of(each))), None)
        if base is not None and version > version_of_class(base):
            raise MigrationError(
                f"a state of {name} has version {version}, and the class is at {version_of_class(base)}; "
                "read it with the program that wrote it, or one that is newer"
            )


def _steps(cls: type, base: type, state: State, stamp: Mapping[str, Any]) -> list[Step]:
    migrations = REGISTRY.of(name_of(base))
    name, goal = name_of(base), version_of_class(base)
    version = _stamped(stamp, name)
    if not migrations and (version is None or version == goal):
        return []
    if version is None:
        first = min(migrations)
        before = _shapes(base).get(first)
        is_first = base is not cls or before is None or state.keys() <= before
        version = first if is_first else _guess(base, state.keys(), goal)
    found = []
    while version < goal:
        migration = migrations.get(version)
        if migration is None:
            raise MigrationError(f"a state of {name} has version {version}, and no migration leads on from there to {goal}")
        found.append(Step(base, version, version + 1, migration))
        version += 1
    return found


def _check_numbers(stamp: Mapping[str, Any], by: Mapping[str, str]) -> None:
    """A migration without numbers may lead to another version than in the process that wrote a state."""
    for name, hook in by.items():
        version = stamp.get(name, 0)
        step = REGISTRY.of(name).get(version - 1)
        if step is not None and step.name != hook and not step.is_numbered:
            raise MigrationError(
                f"a state of {name} was written when {hook} led to version {version}, and now {step.name} does: number the "
                f"migrations that outlive a process, as in @migrate({name!r}, {step.frm}, {step.to})"
            )


def _stamped(stamp: Mapping[str, Any], name: str) -> int | None:
    """The version of a class in a stamp, by its name or by one that it had."""
    return next((stamp[each] for each in (name, *REGISTRY.names_of(name)) if each in stamp), None)


def _shapes(cls: type) -> dict[int, frozenset[str]]:
    return {**RECORDED.get(name_of(cls), {}), **SHAPES.get(name_of(cls), {})}


def _guess(cls: type, found: Set[str], goal: int) -> int:
    """The version of a state by the fields that it has."""
    shapes = _shapes(cls)
    first = min(REGISTRY.of(name_of(cls)), default=goal)
    if not shapes:
        if _texts().names_of_fields(cls) == found:  # nobody knows whether those of the first version are others
            raise MigrationError(
                f"a state of {name_of(cls)} has the fields that the class has now, and those of earlier versions are not known: "
                "give it as hotswap.upgrade(..., version=...), or let hotswap makemigrations record them"
            )
        return first
    same = [version for version, names in shapes.items() if names == found]
    if len(same) == 1:
        return same[0]
    fits = {version: len(names) for version, names in shapes.items() if names <= found}
    best = [version for version, size in fits.items() if size == max(fits.values())]
    if len(best) != 1:
        known = "; ".join(f"version {v}: {', '.join(sorted(names)) or 'none'}" for v, names in sorted(shapes.items()))
        raise MigrationError(
            f"a state of {name_of(cls)} with the fields {', '.join(sorted(found)) or 'none'} has no stamp and fits "
            f"{'several versions' if best else 'no version'} ({known}); give its version to hotswap.upgrade()"
        )
    return best[0]
