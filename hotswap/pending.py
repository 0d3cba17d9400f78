"""Texts that were refused: they are tried again together with the next save.

Takes: the files of a save, and what came of it. Gives: what is still held. May touch: ``World.held``.
Must not: decide what is refused.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

import attrs

from hotswap.model import Finding, Report, Severity, SourceFile, Verdict
from hotswap.world import World


@attrs.define(eq=False)
class Pending:
    """Used under ``Engine.lock``."""

    world: World
    _files: dict[str, SourceFile] = attrs.field(factory=dict, init=False)

    def beside(self, fresh: Collection[str]) -> list[SourceFile]:
        """The files that are held, without those that are saved now, and deletions that are undone: the file is there again."""
        for path in [path for path, held in self._files.items() if held.data is None and os.path.exists(path)]:
            self._forget(path)
        return [held for path, held in self._files.items() if path not in fresh]

    def note(self, files: Iterable[SourceFile], others: Iterable[SourceFile], report: Report) -> Report:
        """Note what is held from now on.

        Args:
            files: that were saved.
            others: that were held before.

        Returns:
            The report, which also says what is not held any more because it is what is live.
        """
        live, records_of = self.world.live_texts(), self.world.file_finder()
        healed: list[str] = []
        if report.applied or report.verdict is Verdict.NOTHING:
            for item in (*files, *others):
                known = {record.data for record in records_of(item.path)}
                if item.data in (known or {live.get(item.path, b"")}) or (item.data is None and not known):
                    healed += [item.path] if self._forget(item.path) else []
        else:
            with self.world.lock:
                for item in files:
                    self._files[item.path] = item
                    self.world.held[item.path] = report.held
        if report.applied or not healed:
            return report
        told = [
            Finding(code="HS105", severity=Severity.NOTE, message=f"{os.path.basename(path)} is what is live again", file=path)
            for path in healed
        ]
        return attrs.evolve(report, findings=(*report.findings, *told))

    def drop(self) -> None:
        """Hold nothing any more."""
        for path in list(self._files):
            self._forget(path)

    def _forget(self, path: str) -> bool:
        """Whether it was held for a reason."""
        self._files.pop(path, None)
        with self.world.lock:
            return self.world.held.pop(path, None) is not None


def concerns(findings: Iterable[Finding], paths: Iterable[str]) -> bool:
    """True where one of the findings that hold is about one of the files, however their paths are spelled."""
    real = set(map(os.path.realpath, paths))
    return any(finding.severity is Severity.HELD and os.path.realpath(finding.file) in real for finding in findings)
