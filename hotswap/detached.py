"""Modules that are not managed any more: another one has their name, or their object is gone.

What was known of one is kept, for when it is put back in ``sys.modules``, and so that a save of its file is not taken for
a save of a file that the program never had. The module itself is not kept alive.
"""

from __future__ import annotations

import weakref
from types import ModuleType
from typing import Any

import attrs


@attrs.frozen(eq=False)
class Detached:
    """What a record was when it was let go of.

    Attributes:
        module: None from it where the module has died.
        record: as it was, but for its module.
    """

    module: weakref.ref[ModuleType]
    record: Any = attrs.field(repr=False)


@attrs.define(eq=False)
class DetachedModules:
    """By file; of those that have died the newest, whose functions may live on."""

    _found: dict[str, list[Detached]] = attrs.Factory(dict)

    def add(self, record: Any) -> None:
        """Let go of a record that is not in the tables any more."""
        known = [each for each in self.of(record.file) if each.module() not in (None, record.module)]
        bare = attrs.evolve(record, module=ModuleType(record.name), source=None, summary=None)
        self._found[record.file] = [*known, Detached(weakref.ref(record.module), bare)]

    def of(self, file: str) -> list[Detached]:
        """Those of a file, the oldest first."""
        return list(self._found.get(file, ()))

    def of_module(self, module: ModuleType) -> Detached | None:
        """What a module was that is alive."""
        found = (each for known in list(self._found.values()) for each in known if each.module() is module)
        return next(found, None)

    def texts(self) -> dict[str, bytes]:
        """The text that each file had when its newest module was let go of."""
        return {file: known[-1].record.data for file, known in list(self._found.items())}

    def forget(self, file: str) -> None:
        """Nothing of a file is in use any more."""
        self._found.pop(file, None)
