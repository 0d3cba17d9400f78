"""A small program in this process: modules from text, an engine that manages them, edits."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from types import ModuleType, TracebackType

from hotswap.engine import Engine
from hotswap.model import ChangeSet, Report, SourceFile


class Program:
    """Modules of a test; use it as a context manager, which takes them out of ``sys.modules`` again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.engine = Engine(scope=None)
        self.names: list[str] = []

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        for name in self.names:
            sys.modules.pop(name, None)
        self.engine.ended.stop()  # its look at the heap holds, for a moment, what the swap of another engine makes aside

    def load(self, name: str, text: str) -> ModuleType:
        """Execute a module from text and let the engine manage it."""
        module, path, data = self._execute(name, text)
        self.engine.world.adopt(module, str(path), data, name=name)
        return module

    def library(self, name: str, text: str) -> ModuleType:
        """Execute a module that the engine does not manage."""
        return self._execute(name, text)[0]

    def _execute(self, name: str, text: str) -> tuple[ModuleType, Path, bytes]:
        path, data = self._write(name, text)
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module
        self.names.append(name)
        exec(compile(data, str(path), "exec", dont_inherit=True), module.__dict__)
        return module, path, data

    def edit(self, name: str, text: str) -> Report:
        """Save another text and swap."""
        return self.save(**{name: text})

    def save(self, **texts: str | None) -> Report:
        """Save several modules at once, or delete them, and swap."""
        files = [self._write(name, text) for name, text in texts.items() if text is not None]
        gone = [self.directory / f"{name}.py" for name, text in texts.items() if text is None]
        for path in gone:
            path.unlink()
        found = [SourceFile(path=str(path), data=data) for path, data in [*files, *((path, None) for path in gone)]]
        report = self.engine.swap(ChangeSet(files=tuple(found)))
        if not report.applied:
            print(report)  # shown where the test expected something else
        return report

    def _write(self, name: str, text: str) -> tuple[Path, bytes]:
        path = self.directory / f"{name}.py"
        data = textwrap.dedent(text).encode()
        path.write_bytes(data)
        return path, data
