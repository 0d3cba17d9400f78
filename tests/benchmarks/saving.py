"""One tool in a process of its own, which measures the time from a save to the new value, as often as it is told.

    python -m tests.benchmarks.saving TOOL FOLDER OBJECTS

Each line on stdin asks for one save, and is answered with milliseconds; ``event`` is what the tool itself reports where
it does. The value is asked for until it is there, so a tool that misses a change never answers: that is a failure.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME = "bench_small"
PATIENCE = 30.0  # seconds until a change counts as missed
#: Each with the package that it needs; ``called`` is hotswap without its watcher, as autoreload has none.
TOOLS = {"hotswap": "hotswap", "called": "hotswap", "jurigged": "jurigged", "autoreload": "IPython"}


class Tool:
    """A tool that has been started.

    Attributes:
        check: what has to be called for a change to be looked at; None where the tool watches by itself.
        reports: milliseconds from the file event to live, as the tool counts them.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.check: Callable[[], object] | None = None
        self.reports: list[float] = []
        self.told = threading.Event()
        getattr(self, f"_start_{name}")(folder)

    def _start_hotswap(self, folder: Path) -> None:
        import hotswap

        def note(report: Any) -> None:
            if report.applied:
                self.reports.append(report.timing.live)
                self.told.set()

        hotswap.start([folder], on_report=note)

    def _start_called(self, folder: Path) -> None:
        import hotswap

        hotswap.start([folder], watch=False)
        self.check = hotswap.swap  # it looks at all managed files, too

    def _start_jurigged(self, folder: Path) -> None:
        importlib.import_module("jurigged").watch(str(folder), logger=lambda event: None)

    def _start_autoreload(self, folder: Path) -> None:
        # Without a watcher: it looks at the files when a cell is run, with ``%autoreload 2`` at all of them.
        reloader = importlib.import_module("IPython.extensions.autoreload").ModuleReloader()
        reloader.enabled = True
        reloader.check(check_all=True)
        self.check = lambda: reloader.check(check_all=True)


def save(tool: Tool, path: Path, module: Any, version: int) -> dict[str, float]:
    """One save; returns when a call gives what was saved."""
    tool.told.clear()
    # Of another length each time: a cached compilation is told by time and size.
    text = f"def f():\n    return {version}\n#{'x' * (version % 7)}\n"
    start = time.perf_counter()
    path.write_text(text, encoding="utf-8")
    if tool.check is not None:
        tool.check()
    while module.f() != version:
        if time.perf_counter() - start > PATIENCE:
            raise SystemExit(f"the change was never live: {module.f()} instead of {version}")
        time.sleep(0.0002)
    elapsed = (time.perf_counter() - start) * 1e3
    if tool.reports:
        tool.told.wait(PATIENCE)
        return {"save": elapsed, "event": tool.reports[-1]}
    return {"save": elapsed}


def main() -> None:
    """Serve until stdin is closed."""
    name, folder, objects = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    path = folder / f"{NAME}.py"
    path.write_text("def f():\n    return 0\n", encoding="utf-8")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    if name == "autoreload":
        module = importlib.import_module(NAME)
        tool = Tool(name, folder)
    else:
        tool = Tool(name, folder)
        module = importlib.import_module(NAME)
    heap = [[index] for index in range(objects)]
    save(tool, path, module, 1)  # the first one loads what the tool needs
    print("ready", flush=True)
    for version, _ in enumerate(sys.stdin, 2):
        time.sleep(0.3)  # saves are apart, as a person's are: nobody is to be caught in the batch before
        print(json.dumps(save(tool, path, module, version)), flush=True)
    del heap


if __name__ == "__main__":
    main()
