"""What objects of classes hold by the texts of their modules, without a session: for a process that has swapped nothing."""

from __future__ import annotations

import builtins
import functools
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from hotswap.commit import MISSING
from hotswap.convert.leap import Fill
from hotswap.link.names import look_up
from hotswap.link.views import Texts, Views
from hotswap.plan.source import SourceError, parse_source
from hotswap.plan.units import Summary, summarise
from hotswap.plugin.manager import Plugins
from hotswap.plugin.values import Field


def summary_of(module: ModuleType) -> Summary | None:
    """The text of a module, as it is on disk now; None where it has none.

    Raises:
        SourceError: it cannot be parsed.
    """
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        return None
    stat = os.stat(file)
    return _summarise(module.__name__, file, hasattr(module, "__path__"), (stat.st_ino, stat.st_mtime_ns, stat.st_size))


@functools.lru_cache(maxsize=64)  # who reads a table asks for each row
def _summarise(name: str, file: str, is_package: bool, _: tuple[int, ...]) -> Summary:
    with open(file, "rb") as stream:
        source = parse_source(file, stream.read())
    found = summarise(name, source.tree, source.utf8, is_package)
    found.module = name
    return found


@functools.cache
def _plugins() -> Plugins:
    plugins = Plugins()
    plugins.discover()
    return plugins


def views_of(summaries: Mapping[str, Summary]) -> Views:
    """Views by the texts of some modules, which are the same before and after."""
    plugins = _plugins()

    def lookup(module: str, chain: str) -> Any:
        space = sys.modules[module].__dict__
        found = look_up(space, chain)
        return found if found is not None or chain in space else vars(builtins).get(chain, MISSING)

    return Views(
        old=Texts(summaries.get), new=Texts(summaries.get), names={name: name for name in summaries}, staged={},
        resolve=lambda value: value, shape_of=plugins.class_shape, lookup=lookup,
    )  # fmt: skip


def defaults_of(cls: type) -> dict[str, Fill]:
    """The defaults of the fields of a class that need nothing else; nothing where a text cannot be read."""
    return {name: fill_of(field) for name, field in _fields_of(cls).items() if field.is_safe}


def names_of_fields(cls: type) -> frozenset[str]:
    """The names of all fields of a class by its text."""
    return frozenset(_fields_of(cls))


def _fields_of(cls: type) -> dict[str, Field]:
    found = {}
    for name in sorted({base.__module__ for base in cls.__mro__}):
        try:
            if (module := sys.modules.get(name)) is not None and (summary := summary_of(module)) is not None:
                found[name] = summary
        except (OSError, SourceError):
            return {}
    return _views_of(tuple(found.items())).before(cls).fields


@functools.lru_cache(maxsize=64)
def _views_of(summaries: tuple[tuple[str, Summary], ...]) -> Views:
    return views_of(dict(summaries))


def fill_of(field: Field) -> Fill:
    """What a hook's state gets for a field with a default."""
    return Fill(None if field.factory is not None else field.default, field.factory)
