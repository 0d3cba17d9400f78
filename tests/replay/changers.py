"""The tools that are compared: each is started in a process, and told that files were written."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any, Protocol

import attrs


@attrs.define
class Answer:
    """What a tool says of one save.

    Attributes:
        refused: why something is not applied, of this save or of an earlier one, a line each.
        applied: it has changed the program.
        told: what it says of things that it left as they were.
        seconds: until it had answered.
    """

    refused: list[str] = attrs.Factory(list)
    applied: bool = True
    told: list[str] = attrs.Factory(list)
    seconds: float = 0.0


class Changer(Protocol):
    """One tool."""

    def start(self, folder: Path) -> None:
        """Begin; called before the program is imported."""

    def look(self) -> None:
        """Called when the program is imported."""

    def change(self, paths: list[Path]) -> Answer:
        """Take over what was written to these files; returns when it is done."""


class Hotswap(Changer):
    """This project."""

    def start(self, folder: Path) -> None:
        self.hotswap = importlib.import_module("hotswap")
        self.hotswap.start([str(folder)], watch=False, on_finding=lambda finding: None)

    def change(self, paths: list[Path]) -> Answer:
        start = time.perf_counter()
        report = self.hotswap.swap()
        seconds = time.perf_counter() - start
        told = [_line(finding) for finding in report.findings]
        # What an earlier save could not do yet is tried again with each later one, and stays held until it is done.
        held = list(dict.fromkeys(_line(finding) for finding in self.hotswap.status().held))
        if not report.applied and not held and report.verdict != "nothing":
            held = [str(report)]
        return Answer(refused=held, applied=report.applied, told=told, seconds=seconds)


class Jurigged(Changer):
    """Patches definitions; it is asked for each file, as its watcher would."""

    def start(self, folder: Path) -> None:
        self.failed: list[str] = []
        self.jurigged = importlib.import_module("jurigged")
        self.watcher = self.jurigged.watch(str(folder), autostart=False, logger=self._note)

    def _note(self, event: Any) -> None:
        if isinstance(event, Exception):
            self.failed.append(f"{type(event).__name__}: {event}")

    def change(self, paths: list[Path]) -> Answer:
        start = time.perf_counter()
        self.failed.clear()
        for path in paths:
            if path.suffix == ".py" and path.exists():
                self.watcher.refresh(str(path))
        return Answer(refused=list(self.failed), applied=not self.failed, seconds=time.perf_counter() - start)


class Autoreload(Changer):
    """Runs modules anew and patches what they had; ``%autoreload 2`` looks at all of them."""

    def start(self, folder: Path) -> None:
        self.reloader: Any = importlib.import_module("IPython.extensions.autoreload").ModuleReloader()
        self.reloader.enabled = True

    def look(self) -> None:
        self.reloader.check(check_all=True)  # a file that it sees for the first time is only noted

    def change(self, paths: list[Path]) -> Answer:
        start = time.perf_counter()
        self.reloader.check(check_all=True)
        refused = [f"{path} was not reloaded" for path in self.reloader.failed]
        return Answer(refused=refused, applied=not refused, seconds=time.perf_counter() - start)


def _line(finding: Any) -> str:
    return f"{finding.code} {finding.message}".splitlines()[0]


TOOLS: dict[str, type[Changer]] = {"hotswap": Hotswap, "jurigged": Jurigged, "autoreload": Autoreload}
