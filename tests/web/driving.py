"""Edits in one process that swaps, beside fresh starts: the same answers, or it was told that there are others.

    python -m tests.web.driving FRAMEWORK [--each | --back]    prints what has gone wrong, a line of JSON each, and at the end
                                                               how many edits were live

Without ``--each`` edits that do not touch each other's passages are saved together, six at a time, and the next six replace
them; with it each is saved alone and taken out again. With ``--back`` sixes are taken back by a rollback.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
#: By framework: the plugin's folder, module and class; the package of the tests; the application.
FRAMEWORKS = {
    "asgi": ("hotswap-asgi", "hotswap_asgi.plugin", "AsgiPlugin", "tests.asgi", "shop.main:app"),
    "flask": ("hotswap-flask", "hotswap_flask.plugin", "FlaskPlugin", "tests.flask", "depot.main:app"),
}
Change = tuple[str, str, str]  # file, old passage, new passage; a new file has no old one
Edit = tuple[str, tuple[Change, ...]]
TOGETHER = 6


class Fresh:
    """Answers of programs that are started afresh, by forks of a process that has imported nothing but the framework."""

    def __init__(self, package: str, application: str) -> None:
        file = ROOT.joinpath(*package.split("."), "client.py")
        command = [sys.executable, "-W", "ignore", str(file), application]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def answers(self, folder: Path) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


class Project:
    """The files of a program, with some edits in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._original = {file: file.read_text("utf-8") for file in _texts(folder)}

    def write(self, edits: list[Edit]) -> None:
        """Have exactly these edits in the files."""
        texts = dict(self._original)
        for change in (change for _, changes in edits for change in changes):
            file = self._find(change[0])
            texts[file] = _apply(texts.get(file, ""), change)
        for file in [file for file in _texts(self.folder) if file not in texts]:
            file.unlink()
        for file, text in texts.items():
            if not file.exists() or file.read_text("utf-8") != text:
                file.write_text(text, "utf-8")

    def group(self, edits: list[Edit]) -> Iterator[list[Edit]]:
        """Edits by sixes that can be made together."""
        left = list(edits)
        while left:
            group = [left.pop(0)]
            for edit in [*left]:
                if len(group) < TOGETHER and self._fits([*group, edit]):
                    group.append(edit)
                    left.remove(edit)
            yield group

    def _fits(self, edits: list[Edit]) -> bool:
        spans: dict[Path, list[tuple[int, int]]] = {}
        for name, old, _ in (change for _, changes in edits for change in changes):
            file = self._find(name)
            at = self._original.get(file, "").find(old)
            if at < 0 or not old:
                return False  # a new file, or a passage that the edit itself has made: alone
            spans.setdefault(file, []).append((at, at + len(old)))
        return all(one[1] < other[0] for row in spans.values() for one, other in zip(sorted(row), sorted(row)[1:], strict=False))

    def _find(self, name: str) -> Path:
        return next((file for file in self._original if file.match(name)), self.folder / self._package() / name)

    def _package(self) -> Path:
        return next(file.parent for file in self._original if file.name == "main.py").relative_to(self.folder)


def _is_read_at_each_use(edits: list[Edit]) -> bool:
    """True where only templates are edited, of which hotswap is not told."""
    return not any(change[0].endswith(".py") for _, changes in edits for change in changes)


def _texts(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*.*") if file.suffix in (".py", ".html", ".css")]


def _apply(text: str, change: Change) -> str:
    name, old, new = change
    assert not old or text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
    return text.replace(old, new) if old else new


def differences(mine: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: (mine.get(key), other.get(key)) for key in {**mine, **other} if mine.get(key) != other.get(key)}


class Driver:
    """The process that swaps."""

    def __init__(self, framework: str, folder: Path) -> None:
        plugin, module, cls, package, application = FRAMEWORKS[framework]
        self.fresh = Fresh(package, application)
        self.project = Project(folder)
        self.client = importlib.import_module(f"{package}.client")
        self.edits = importlib.import_module(f"{package}.edits")
        os.chdir(folder)
        sys.path[:0] = [str(folder), str(ROOT / "plugins" / plugin)]
        sys.dont_write_bytecode = True  # a text of the same second and size would be taken for the one before
        import hotswap
        from hotswap.session import current

        hotswap.start(["."], watch=False)
        self.engine = current().engine
        self.plugin = getattr(importlib.import_module(module), cls)()
        self.engine.plugins.register(self.plugin, framework)
        self.plugin.hotswap_attach(self.engine)
        name, _, attribute = application.partition(":")
        self.application = getattr(importlib.import_module(name), attribute)
        self.live = 0

    def answers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(self.client.ask_all(self.application)))
        return found

    def save(self, edits: list[Edit]) -> dict[str, Any]:
        """Save these edits; gives what has gone wrong."""
        import hotswap

        before = self.answers()
        self.project.write(edits)
        report = hotswap.swap()
        shown, wanted = self.answers(), self.fresh.answers(self.project.folder)
        told = [f"{f.code} {f.message}" for f in report.findings if f.severity != "note"]
        if not report.applied and (report.held or not _is_read_at_each_use(edits)):
            return {"refused": told, "changed meanwhile": differences(shown, before)}
        self.live += len(edits)
        kept = [text for text in told if text[:5] not in ("HS412",)]
        return {"told": kept, "differs": differences(shown, wanted)} if kept or shown != wanted else {}


    def take_back(self, before: dict[str, Any]) -> dict[str, Any]:
        """Roll the last save back; gives what has gone wrong."""
        import hotswap

        hotswap.rollback()
        self.project.write([])  # templates are read from there
        shown = self.answers()
        hotswap.swap()  # the texts are what is live again
        return {"left by the rollback": differences(shown, before)} if shown != before else {}


def main(framework: str, *, each: bool, back: bool) -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        package = FRAMEWORKS[framework][3]
        source = ROOT.joinpath(*package.split("."), "project")
        for file in source.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                target = folder / file.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        driver = Driver(framework, folder)
        try:
            edits = list(driver.edits.LIVE)
            random.Random(3).shuffle(edits)
            groups = [[edit] for edit in edits] if each else list(driver.project.group(edits))
            before = driver.answers()
            for group in [step for group in groups for step in ([group, []] if each else [group])]:
                wrong = driver.save(group)
                if back and driver.engine.status().swaps:
                    wrong |= driver.take_back(before)
                if wrong:
                    failed += 1
                    print(json.dumps({"edits": [name for name, _ in group], **wrong}), flush=True)
        finally:
            driver.fresh.stop()
    print(json.dumps({"live": driver.live, "of": len(edits)}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], each="--each" in sys.argv, back="--back" in sys.argv))
