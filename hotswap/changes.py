"""Reading what is on disk into a change set, for those who ask for a swap by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from hotswap.errors import FileError
from hotswap.model import ChangeSet, SourceFile

__all__ = ["read_changes"]


class _Engine(Protocol):
    @property
    def scope(self) -> Any: ...
    @property
    def world(self) -> Any: ...


def read_changes(engine: _Engine, files: Iterable[str | os.PathLike[str]] | None = None) -> ChangeSet:
    """What is on disk, for the named files or for every managed file that differs from what is live.

    A file that was put back to its live text is among them while a newer text of it is held: that heals it.

    A new file is passed over where others are named with it: the program loads its newest text when it imports it.

    Raises:
        FileError: a named file is not managed, or a file cannot be read.
    """
    live = engine.world.live_texts()
    with engine.world.lock:
        held = set(engine.world.held)
    if files is None:
        found = {file: _read(file) for file in live}
        return _change_set({file: data for file, data in found.items() if data != live[file] or file in held})
    paths = [os.path.abspath(os.fspath(path)) for path in files]
    loaded = [file for path in paths for file in _spell(engine, path, live)]
    if paths and not loaded:
        raise FileError(f"{', '.join(paths)} is not managed: the program has not loaded it")
    return _change_set({file: _read(file) for file in loaded})


def _spell(engine: _Engine, path: str, live: Mapping[str, bytes]) -> list[str]:
    """The spellings under which a file is loaded."""
    if path in live:
        return [path]
    real = os.path.realpath(path)
    loaded = [file for file in live if os.path.realpath(file) == real]
    if loaded:
        return loaded
    if not os.path.exists(path):
        raise FileError(f"{path}: there is no such file, and the program has not loaded it")
    if reason := engine.scope.exclusion(path):
        raise FileError(f"{path} is not managed: {reason}")
    return []


def _read(file: str) -> bytes | None:
    """The bytes of a file; None where it is gone, which is something else than not to be readable."""
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise FileError(f"{file}: {exc.strerror or exc}; make it readable, nothing was changed") from exc


def _change_set(found: Mapping[str, bytes | None]) -> ChangeSet:
    return ChangeSet(files=tuple(SourceFile(path=file, data=data) for file, data in sorted(found.items())))
