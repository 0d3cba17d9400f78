"""Which version a class has, and how it came to it in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hotswap.convert.leap import Leap
from hotswap.kinds import vars_of
from hotswap.migrations import REGISTRY, name_of

#: In the state that an object gives to ``pickle`` and ``copy``: the versions of its class and bases, by name.
STAMP = "__hotswap_version__"
#: In a stamp: the swap that led there, as a rollback and another swap may lead to the same number.
SWAP = "swap"
#: In a stamp: the names of the migrations without numbers that led to its versions, by class.
BY = "by"

#: Versions of classes that a swap has changed, by qualified name; others have what their text or migrations say.
VERSIONS: dict[str, int] = {}
#: The names of the fields that a version of a class had, as far as a swap has seen it.
SHAPES: dict[str, dict[int, frozenset[str]]] = {}
#: What the swaps of this process did to the objects of a class, oldest first.
LEAPS: dict[type, list[Leap]] = {}
#: What took some of them back, with the ways back as they were then.
UNDONE: dict[type, list[Leap]] = {}


_changes = [0]  # odd while these tables are being changed


@contextmanager
def changing() -> Iterator[None]:
    """The tables are changed, which others must not read in parts; see :func:`moment`."""
    _changes[0] += 1
    try:
        yield
    finally:
        _changes[0] += 1


def moment() -> int:
    """A number that is another one after each change. What was read is of one moment where it is the same before and after."""
    for _ in range(1000):  # a change takes microseconds; a finaliser that runs in the middle of one must not wait for ever
        if _changes[0] % 2 == 0:
            break
        time.sleep(0)
    return _changes[0]


def version_of_class(cls: type) -> int:
    """The version of a class: counted while the program runs, else what its text or its migrations say."""
    name = name_of(cls)
    if (known := VERSIONS.get(name)) is not None:
        return known
    declared = vars_of(cls).get("__schema_version__")
    return declared if type(declared) is int else REGISTRY.newest(name)


def has_migrations(cls: type) -> bool:
    return bool(REGISTRY.of(name_of(cls)))


def stamp_of(cls: type) -> dict[str, Any]:
    """The versions of a class and of its bases, as far as they have migrations."""
    stamp: dict[str, Any] = {name_of(base): version_of_class(base) for base in cls.__mro__ if has_migrations(base)}
    steps = {name: REGISTRY.of(name).get(version - 1) for name, version in stamp.items()}
    if by := {name: step.name for name, step in steps.items() if step is not None and not step.is_numbered}:
        stamp[BY] = by
    return {**stamp, SWAP: row[-1].token} if (row := LEAPS.get(cls)) else stamp
