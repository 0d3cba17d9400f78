"""Tells when a module has been imported: a migration may be declared before its class is there.

importlib sets ``_initializing`` of a module's spec back when the module has executed, whoever loads it. So the spec of a
module that is waited for watches that attribute, until then; it is found by a finder that stands before the others, or in
``sys.modules`` where the import has begun.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_waiting: dict[str, list[Callable[[], object]]] = {}


class _WatchedSpec(ModuleSpec):
    """A spec until its module has executed; from then on it is a plain one again, the same object."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "_initializing" and not value:
            object.__setattr__(self, "__class__", ModuleSpec)
            if self.name in sys.modules:  # else its import has failed
                for call in _waiting.pop(self.name, []):
                    call()
                if not _waiting and _FINDER in sys.meta_path:
                    sys.meta_path.remove(_FINDER)


class _Finder:
    """Asks the finders behind it, in their order."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _waiting:
            return None
        finders: list[Any] = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :] if self in finders else finders:
            find_spec = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec is not None else None
            if spec is not None:
                _watch(spec)
                return spec
        return None


_FINDER = _Finder()


def _watch(spec: Any) -> None:
    if type(spec) is ModuleSpec:
        spec.__class__ = _WatchedSpec


def when_imported(name: str, call: Callable[[], object]) -> None:
    """Call when a module has been imported; at once where it has been."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if module is not None and not getattr(spec, "_initializing", False):
        call()
        return
    _waiting.setdefault(name, []).append(call)
    if spec is not None:
        _watch(spec)
    elif _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
