"""States that were written down by an earlier version: pickles, copies in the making, shelves, plain mappings.

A class that has migrations writes its version into the state that it gives to ``pickle`` and ``copy``, and brings a state
of an earlier version to its own when it takes one:

    __getstate__    the usual state, and ``__hotswap_version__``: the versions of the class and its bases, by name
    __setstate__    the hooks from the stamped versions on, base classes first, then as usual

A class with slots only has no place for a stamp. A state without one was written before the class had migrations: it has the
version whose recorded fields fit it best, and where none are recorded the first one. A process without hotswap takes the
stamp for one more attribute.

    what attrs and ``@dataclass`` write for classes with slots                    stamped in their own way
    class with ``__getstate__``, ``__setstate__`` or ``__reduce__`` of its own    it has to call :func:`upgrade_state` itself
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from hotswap.commit import Write, set_class
from hotswap.convert.arrivals import when_imported
from hotswap.convert.leap import HookError, Leap, Step
from hotswap.convert.state import State
from hotswap.errors import MigrationError
from hotswap.history import RECORDED
from hotswap.kinds import OWN_CODES, vars_of
from hotswap.migrations import LISTENERS, REGISTRY, Migration, find_target, name_of

STAMP = "__hotswap_version__"
_NAMES = "names"  # of the fields, beside a stamp, where the state is a list of values
#: Who defines one of these says itself what its state is.
_OWN = ("__getstate__", "__setstate__", "__reduce__", "__reduce_ex__")

#: Versions of classes that a swap has changed, by qualified name; others have what their text or migrations say.
VERSIONS: dict[str, int] = {}
#: The names of the fields that a version of a class had, as far as a swap has seen it.
SHAPES: dict[str, dict[int, frozenset[str]]] = {}
#: What the swaps of this process did to the objects of a class, oldest first.
LEAPS: dict[type, list[Leap]] = {}
#: Those of them that were taken back.
UNDONE: dict[type, list[Leap]] = {}


def version_of_class(cls: type) -> int:
    """The version of a class: counted while the program runs, else what its text or its migrations say."""
    name = name_of(cls)
    if (known := VERSIONS.get(name)) is not None:
        return known
    declared = vars_of(cls).get("__schema_version__")
    return declared if type(declared) is int else REGISTRY.newest(name)


def has_migrations(cls: type) -> bool:
    return bool(REGISTRY.of(name_of(cls)))


def stamp_of(cls: type) -> dict[str, int]:
    """The versions of a class and of its bases, as far as they have migrations."""
    return {name_of(base): version_of_class(base) for base in cls.__mro__ if has_migrations(base)}


# ---- what classes with migrations have ----


def __getstate__(self: Any) -> Any:
    state = object.__getstate__(self)
    if not type(self).__dictoffset__:
        return state  # there is no place for one: a process without hotswap could not load it
    fields, slots = state if type(state) is tuple else (state, None)
    stamped = {**(fields or {}), STAMP: stamp_of(type(self))}
    return stamped if slots is None else (stamped, slots)


def __setstate__(self: Any, state: Any) -> None:
    fields, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    _give(self, {**(fields or {}), **(slots or {})})


def _of_attrs(written: Any) -> dict[str, Any]:
    """For what attrs writes for a class with slots: its state is a dict, of which it takes what it knows."""

    def __getstate__(self: Any) -> Any:
        return {**written(self), STAMP: stamp_of(type(self))}

    def __setstate__(self: Any, state: Any) -> None:
        _give(self, state)

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}


def _of_dataclass(written: Any) -> dict[str, Any]:
    """For what ``@dataclass`` writes for a frozen class with slots: its state is a list, of which it takes the beginning."""

    def __getstate__(self: Any) -> Any:
        names = [field.name for field in dataclasses.fields(self)]
        return [*written(self), {STAMP: stamp_of(type(self)), _NAMES: names}]

    def __setstate__(self: Any, state: Any) -> None:
        *values, last = state if state else [None]
        if type(last) is dict and STAMP in last:
            _give(self, {**dict(zip(last[_NAMES], values, strict=True)), STAMP: last[STAMP]})
            return
        names = [field.name for field in dataclasses.fields(self)]
        if len(state) != len(names):
            raise MigrationError(
                f"a state of {name_of(type(self))} has {len(state)} values without their names, and the class has {len(names)} "
                "fields; read it with the program that wrote it"
            )
        _give(self, dict(zip(names, state, strict=True)))

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}


def _give(item: Any, fields: Mapping[str, Any]) -> None:
    for name, value in upgrade_state(type(item), fields).items():
        object.__setattr__(item, name, value)


#: Who writes the methods for the state of an object, by the module that they are of.
_WRITERS: dict[str, Callable[[Any], dict[str, Any]]] = {"attr._make": _of_attrs, "dataclasses": _of_dataclass}
_METHODS: dict[str, Any] = {"__getstate__": __getstate__, "__setstate__": __setstate__}
OWN_CODES.update(
    method.__code__ for methods in (_METHODS, _of_attrs(None), _of_dataclass(None)) for method in methods.values()
)  # fmt: skip


def equipping(cls: type) -> list[Write]:
    """The writes that let a class stamp and upgrade its states; none where it does so, or says itself what its state is."""
    held = [value for base in cls.__mro__ if base is not object for name in _OWN if (value := vars_of(base).get(name))]
    if not held:
        return [set_class(cls, name, function) for name, function in _METHODS.items()]
    own = vars_of(cls).get("__getstate__")
    if own is None or any(_writer(value) is None for value in held):
        return []
    return [set_class(cls, name, function) for name, function in _equipped(own).items()]


def rewritten(name: str, function: Any) -> Any:
    """What stands in a class that stamps its states, where its text or what writes its methods gives another function."""
    return _equipped(function)[name] if _writer(function) is not None else function


def _equipped(written: Any) -> dict[str, Any]:
    writer = _writer(written)
    assert writer is not None, "asked before"
    return writer(written)


def _writer(function: Any) -> Callable[[Any], dict[str, Any]] | None:
    return _WRITERS.get(function.__globals__.get("__name__", "")) if type(function) is FunctionType else None


def equip(migration: Migration) -> None:
    """Let the class of a migration that was just declared stamp and upgrade its states, as soon as it is there."""
    if not _equip(migration.target):
        when_imported(migration.target.partition(":")[0], lambda: _equip(migration.target))


def _equip(target: str) -> bool:
    found = find_target(target)
    if not isinstance(found, type):
        return False
    for write in equipping(found):
        write.do[0](*write.do[1:])
    return True


# ---- upgrading ----


def upgrade(state: Mapping[str, Any], cls: type, version: int | None = None) -> dict[str, Any]:
    """Bring the fields of an object that were written down by an earlier version of its class to the present one.

    Args:
        state: names and values, as in a JSON file or a row of a table; it is not changed. A stamp in it counts.
        cls: the class.
        version: of the state; by default what its stamp says, or the version whose recorded fields fit.

    Returns:
        The fields of the present version.

    Raises:
        MigrationError: a migration failed, or none leads on from the version of the state, or it is newer than the class.
    """
    known = {**state}
    if version is not None:
        known[STAMP] = {**known.get(STAMP, {}), name_of(cls): version}
    return dict(upgrade_state(cls, known))


def upgrade_state(cls: type, fields: Mapping[str, Any]) -> State:
    """The same for what :meth:`__setstate__` of a class of its own takes."""
    state = State(fields)
    stamp = state.pop(STAMP, None)
    _go_back(cls, state, stamp)
    steps = [step for base in reversed(cls.__mro__) for step in _steps(cls, base, state, stamp)]
    if not steps:
        return state
    taken = {(step.cls, step.frm) for step in steps}
    by_itself = [leap for leap in LEAPS.get(cls, ()) if any((step.cls, step.frm) in taken for step in leap.steps)]
    try:
        Leap(tuple(steps)).run(state, None)
        for leap in by_itself:
            attrs_only = Leap((), fills=leap.fills, gone=leap.gone)
            attrs_only.run(state, None)
    except HookError as error:
        step = error.step
        raise MigrationError(
            f"a state of {step.name} cannot be brought from version {step.frm} to {step.to}: {step.migration.describe()} {error}"
        ) from error.__cause__
    return state


def _go_back(cls: type, state: State, stamp: Any) -> None:
    """A state of a swap that was taken back is brought to what was before it."""
    for name, version in stamp.items() if isinstance(stamp, Mapping) else ():
        base = next((each for each in cls.__mro__ if name in REGISTRY.names_of(name_of(each))), None)
        while base is not None and version > version_of_class(base):
            undone = reversed(UNDONE.get(cls, []))
            leap = next((each for each in undone if any(step.cls is base and step.to == version for step in each.steps)), None)
            if leap is None:
                raise MigrationError(
                    f"a state of {name} has version {version}, and the class is at {version_of_class(base)}; "
                    "read it with the program that wrote it, or one that is newer"
                )
            leap.back().run(state, None)
            version -= sum(step.cls is base for step in leap.steps)


def _steps(cls: type, base: type, state: State, stamp: Any) -> list[Step]:
    migrations = REGISTRY.of(name_of(base))
    if not migrations:
        return []
    name, goal = name_of(base), version_of_class(base)
    version = _stamped(stamp, name)
    if version is None:
        version = _guess(base, state, goal) if base is cls else min(migrations)
    found = []
    while version < goal:
        migration = migrations.get(version)
        if migration is None:
            raise MigrationError(f"a state of {name} has version {version}, and no migration leads on from there to {goal}")
        found.append(Step(base, version, version + 1, migration))
        version += 1
    return found


def _stamped(stamp: Any, name: str) -> int | None:
    """The version of a class in a stamp, by its name or by one that it had."""
    if not isinstance(stamp, Mapping):
        return None
    return next((stamp[each] for each in (name, *REGISTRY.names_of(name)) if each in stamp), None)


def _guess(cls: type, state: State, goal: int) -> int:
    """The version of a state without a stamp."""
    shapes = {**RECORDED.get(name_of(cls), {}), **SHAPES.get(name_of(cls), {})}
    first = min(REGISTRY.of(name_of(cls)), default=goal)
    if not shapes:
        return first
    same = [version for version, names in shapes.items() if names == state.keys()]
    if len(same) == 1:
        return same[0]
    fits = {version: len(names) for version, names in shapes.items() if names <= state.keys()}
    best = [version for version, size in fits.items() if size == max(fits.values())]
    if len(best) != 1:
        known = "; ".join(f"version {v}: {', '.join(sorted(names)) or 'none'}" for v, names in sorted(shapes.items()))
        raise MigrationError(
            f"a state of {name_of(cls)} with the fields {', '.join(sorted(state)) or 'none'} has no stamp and fits "
            f"{'several versions' if best else 'no version'} ({known}); give its version to hotswap.upgrade()"
        )
    return best[0]


LISTENERS.append(equip)
