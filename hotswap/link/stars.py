"""The names that star imports bring, which no text spells out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hotswap.plan.units import Summary, Unit

Namespace = dict[str, Any]


def exported(namespace: Namespace) -> list[str]:
    """The names that a star import takes."""
    names = namespace.get("__all__")
    return list(names) if names is not None else [name for name in namespace if not name.startswith("_")]


def star_units(summary: Summary) -> Iterator[tuple[Unit, str]]:
    """The statements that import by star, with the module that they import from."""
    for unit in summary.units:
        yield from ((unit, binding.module) for binding in unit.imports if binding.local == "*")


def find_starred(
    summary: Summary, live: Namespace, space_of: Callable[[str], Namespace], is_as_loaded: Callable[[str, str, Any], bool]
) -> set[str]:
    """The names that a live module has from star imports.

    Args:
        is_as_loaded: True where a name of a module had a value when that was loaded; the program may have bound another since.
    """
    own = {name for unit in summary.units for name in unit.names}
    found = set()
    for _, source in star_units(summary):
        space = space_of(source)
        both = [name for name in exported(space) if name in live and name in space and name not in own]
        found |= {name for name in both if live[name] is space[name] or is_as_loaded(source, name, live[name])}
    return found
