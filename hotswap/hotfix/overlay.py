"""The texts of live patches, where the interpreter would read files: for imports, tracebacks and ``inspect``.

Nothing is written to the disk of the program, which may be read-only. A module of a patch that is imported later is executed
from the patch's text, also in children that were forked. Names that no patch has are looked up in a dict and left to the other
finders.
"""

from __future__ import annotations

import importlib.util
import linecache
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

import attrs

from hotswap.hooks import set_brought

__all__ = ["Overlay", "loaded_text"]


class PatchLoader(SourceFileLoader):
    """Loads a module from the text of a patch, as if that stood in its file."""

    def __init__(self, fullname: str, path: str, text: bytes, adopt: Callable[[ModuleType], None]) -> None:
        super().__init__(fullname, path)
        self.text, self._adopt = text, adopt

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, and have the engine know it, where there is one."""
        super().exec_module(module)
        self._adopt(module)

    def get_data(self, path: str) -> bytes:
        """The text of the patch; what else lies beside the module comes from the disk."""
        return self.text if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Say that there is no file: compiled code on the disk is that of the other text."""
        raise OSError


def loaded_text(module: ModuleType) -> bytes | None:
    """The text that a module was executed from, where that was a patch's."""
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return loader.text if isinstance(loader, PatchLoader) else None


@attrs.define(eq=False)
class Overlay:
    """A finder that stands before the others.

    Attributes:
        texts: by the path of the file; None for one that a patch takes away.
        paths: by the name of the module.
        say: tells a person what cannot be as the patch has it.
        adopt: told of each module that was executed from a text.
    """

    say: Callable[[str], None]
    adopt: Callable[[ModuleType], None]
    # Both are replaced and never changed, so that a thread which imports sees the ones of one moment.
    texts: Mapping[str, bytes | None] = attrs.field(factory=dict)
    paths: Mapping[str, str] = attrs.field(factory=dict)

    def put(self, texts: Mapping[str, bytes | None], paths: Mapping[str, str]) -> None:
        """Set all texts.

        Args:
            texts: by the path of the file; None for one that goes.
            paths: by the name of the module.
        """
        gone = self.texts.keys() - texts.keys()
        set_brought({name: (path, texts[path]) for name, path in paths.items()})
        self.texts, self.paths = dict(texts), dict(paths)
        if texts and self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        elif not texts and self in sys.meta_path:
            sys.meta_path.remove(self)
        importlib.invalidate_caches()
        self.show(gone)

    def show(self, gone: Iterable[str] = ()) -> None:
        """Let tracebacks and ``inspect.getsource`` show these texts, and what is on disk for those that are gone."""
        for path in gone:
            linecache.cache.pop(path, None)
        for path, text in self.texts.items():
            if text is None:
                linecache.cache.pop(path, None)
                continue
            lines = [line + "\n" for line in importlib.util.decode_source(text).splitlines()]
            linecache.cache[path] = (len(text), None, lines, path)  # without a time: checkcache() leaves it alone

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Load a module of a patch from its text."""
        file = self.paths.get(name)
        if file is None:
            return None
        text = self.texts[file]
        if text is None:  # the finders behind would find it on the disk
            raise ModuleNotFoundError(f"No module named {name!r}: a patch has taken it away", name=name)
        spec = self._find_behind(name, path, target)
        if spec is None:  # a file that the patch brings
            folder = [os.path.dirname(file)] if os.path.basename(file) == "__init__.py" else None
            loader = PatchLoader(name, file, text, self.adopt)
            return importlib.util.spec_from_file_location(name, file, loader=loader, submodule_search_locations=folder)
        if spec.origin is not None and os.path.realpath(spec.origin) == os.path.realpath(file):
            spec.loader = PatchLoader(name, spec.origin, text, self.adopt)
        else:
            self.say(f"{name} is imported from {spec.origin}, and not from {file}, for which there is a patch")
        return spec

    def _find_behind(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        finders: list[Any] = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :] if self in finders else finders:
            find_spec = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec is not None else None
            if spec is not None:
                return spec
        return None
