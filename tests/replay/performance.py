"""One process of a replay: a program on one release, its tests, the saves that lead to the next, the tests of that.

    python tests/replay/performance.py REQUEST ANSWER

Run by path: the program's tests are called ``tests`` too. Both are files of JSON. A request says:

    folder    where the program's files are, written already; first on ``sys.path``
    modules   its top-level modules and packages
    before    the root of the earlier release's tests, and what pytest is given; run first, to warm the process
    after     the same of the later release
    tool      who follows the saves; null for a process that is on the later release from its start
    saves     a list of saves, each a mapping of places to texts; null deletes the file. Without a tool they are only written
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import pkgutil
import re
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from changers import TOOLS, Answer

#: What a project asks of pytest in its own settings is meant for its own runs; that it is run twice in one process is not.
_OPTIONS = """-q -p no:cacheprovider -p no:xdist --continue-on-collection-errors -o addopts= -o timeout=60
    -o asyncio_default_fixture_loop_scope=function
    -W ignore::pytest.PytestAssertRewriteWarning -W ignore::pytest.PytestCollectionWarning""".split()
#: Some tests have the time of day in their name.
_TIME = re.compile(r"\b\d\d:\d\d:\d\d\b")


class Recorder:
    """Notes how each test ends."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        ended = report.outcome if not hasattr(report, "wasxfail") else f"x{report.outcome}"
        if report.when == "call" or ended != "passed":
            name = _TIME.sub("TIME", report.nodeid)
            self.outcomes[name] = ended if report.when == "call" else f"{report.when} {ended}"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.outcomes[f"{report.nodeid} (collected)"] = "failed"


class Held:
    """References to everything that a program defines, taken before it changes."""

    def __init__(self, folder: Path) -> None:
        self.functions: list[tuple[str, str, types.FunctionType, types.CodeType]] = []
        self.classes: list[tuple[str, str, type]] = []
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                self._take(name, module.__dict__, file, set())

    def _take(self, module: str, namespace: Any, file: str, seen: set[int]) -> None:
        for value in list(namespace.values()):
            for function in _functions_in(value):
                if function.__code__.co_filename == file:
                    self.functions.append((module, function.__qualname__, function, function.__code__))
            if isinstance(value, type) and value.__module__ == module and id(value) not in seen:
                seen.add(id(value))
                self.classes.append((module, value.__qualname__, value))
                self._take(module, vars(value), file, seen)

    def list_stale(self, changed: set[str]) -> list[str]:
        """The functions of changed files that run their earlier code, and the classes that are not the module's any more."""
        # A function that is the same, and in the same line, has nothing to follow.
        codes = {file: set(_codes_in(file)) for file in changed if file.endswith(".py") and Path(file).exists()}
        stale = [
            f"{module}.{name}"
            for module, name, function, code in self.functions
            if function.__code__ is code and code not in codes.get(code.co_filename, {code})
        ]
        for module, name, cls in self.classes:
            now = _look_up(module, name)
            if isinstance(now, type) and now is not cls and now.__module__ == module and now.__qualname__ == name:
                stale.append(f"class {module}.{name}")
        return sorted(set(stale))


def _codes_in(file: str) -> Iterator[types.CodeType]:
    """All code that the text of a file compiles to. Equal code is of equal lines too."""
    codes = [compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)]
    while codes:
        yield (code := codes.pop())
        codes += [value for value in code.co_consts if isinstance(value, types.CodeType)]


def _functions_in(value: Any) -> Iterator[types.FunctionType]:
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    accessors = [value.fget, value.fset, value.fdel] if isinstance(value, property) else [value]
    for accessor in accessors:
        with contextlib.suppress(Exception):  # whatever a program's objects raise when they are asked
            if isinstance(found := inspect.unwrap(accessor), types.FunctionType):
                yield found


def _look_up(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def import_all(modules: list[str]) -> None:
    """Import every module of the program that can be imported here."""
    for name in modules:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}.", onerror=lambda name: None):
            if not found.name.endswith("__main__"):
                with contextlib.suppress(BaseException):  # what needs something that is not there
                    importlib.import_module(found.name)


def run_tests(request: dict[str, Any], kept: list[Any]) -> dict[str, str]:
    """Run one release's tests and return how each ended; what they have made lives on in ``kept``."""
    recorder = Recorder()
    path, known = list(sys.path), set(sys.modules)
    os.chdir(request["root"])
    pytest.main([*_OPTIONS, f"--rootdir={request['root']}", *request["args"]], plugins=[recorder])
    sys.path[:] = path
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(request["root"]) or name == "conftest":
            kept.append(sys.modules.pop(name))  # the next release has modules of the same name
    return recorder.outcomes


def write(folder: Path, save: dict[str, str | None]) -> list[Path]:
    """Write one save; returns what it touched."""
    for place, text in save.items():
        path = folder / place
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1"))
    return [folder / place for place in save]


def play(request: dict[str, Any]) -> dict[str, Any]:
    """Play one request."""
    sys.dont_write_bytecode = True  # two texts of one size in one tick of the clock would share a cache file
    folder = Path(request["folder"])
    sys.path.insert(0, str(folder))
    tool = TOOLS[request["tool"]]() if request["tool"] else None
    if tool is not None:
        tool.start(folder)
    os.chdir((request["before"] or request["after"])["root"])
    import_all(request["modules"])
    if tool is not None:
        tool.look()
    kept: list[Any] = []
    found: dict[str, Any] = {}
    if request["before"]:
        found["before"] = run_tests(request["before"], kept)
    if tool is not None:
        held = Held(folder)
        answers = []
        changed = set()
        for save in request["saves"]:
            paths = write(folder, save)
            changed |= {str(path) for path in paths}
            answers.append(tool.change(paths))
        last = answers[-1] if answers else Answer()
        found["refused"] = last.refused
        found["told"] = sorted({line for answer in answers for line in answer.told})
        found["is_before"] = not any(answer.applied for answer in answers)
        found["refusals"] = sum(bool(answer.refused) for answer in answers)
        found["seconds"] = sum(answer.seconds for answer in answers)
        found["stale"] = [] if last.refused else held.list_stale(changed)
        if last.refused:
            found["again"] = run_tests(request["before"], kept)
            return found
    else:
        for save in request["saves"]:
            write(folder, save)
    import_all(request["modules"])
    found["after"] = run_tests(request["after"], kept)
    return found


def main() -> None:
    """Play the request of the first file, write the answer to the second."""
    del sys.path[0]  # the directory of this file: nothing in it is the program's
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    start = time.perf_counter()
    found = play(request)
    found["lasted"] = time.perf_counter() - start
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # threads that a test left running are none of ours


if __name__ == "__main__":
    main()
