"""One size of a program, measured in a process of its own: a JSON object on the standard output.

    python -m tests.load.growing modules 1000 100     so many modules of so many functions, imported under hotswap
    python -m tests.load.growing attach 1000 100      the same, imported first
    python -m tests.load.growing objects 1000000      so many objects of a managed class

What is measured is one edited file, several times, by CPU and by the clock; the best counts, since others share the machine.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hotswap
from tests.load.gauges import resident

#: So much memory may a process ask for: the machine is shared.
MOST_MEMORY = 12 << 30
TURNS = 5

BASE = "RATE = 3\n\n\ndef scale(x):\n    return x * {version}\n"
HEAD = "from grown.base import RATE, scale\n\nTABLE = {{'number': {number}, 'version': {version}}}\n"
USER = "\n\ndef f{index}(x, y={index}):\n    return scale(x) + y + {version} * RATE\n"
OTHER = "\n\ndef f{index}(x, y={index}):\n    return (x + y) * {index}\n"
ITEM = '''\
from hotswap import migrate


class Item:
    def __init__(self, number):
        self.number = number
        self.label = "item"
{field}
    def tell(self):
        return {version}


def tell():
    return {version}
{migration}'''
MIGRATION = '''

@migrate("items:Item")
def lead(state):
    state.label = "led"


@lead.down
def _(state):
    state.label = "item"
'''


def module_text(number: int, functions: int, version: int = 0) -> str:
    """A module of functions of which the first one has the version, and so has a table; one in ten uses what all import."""
    first = USER.format(index=0, version=version)
    rest = "".join((OTHER if index % 10 else USER).format(index=index, version=0) for index in range(1, functions))
    return HEAD.format(number=number, version=version) + first + rest


class Clock:
    """The best of several turns, in milliseconds."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}

    def time(self, name: str, action: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = action()
        for unit, took in (("cpu", time.process_time() - cpu), ("wall", time.perf_counter() - wall)):
            key = f"{name}, {unit}"
            self.best[key] = min(self.best.get(key, took * 1e3), took * 1e3)
        return result

    def swap(self, name: str, *files: Path) -> None:
        report = self.time(name, lambda: hotswap.swap(files or None))
        assert report.applied, str(report)


def measure_modules(folder: Path, count: int, functions: int, *, late: bool) -> dict[str, float]:
    """Import a package of modules, and swap in it."""
    package, clock = folder / "grown", Clock()
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "base.py").write_text(BASE.format(version=0))
    files = [package / f"m{number}.py" for number in range(count)]
    for number, file in enumerate(files):
        file.write_text(module_text(number, functions))
    before = resident()
    if not late:
        hotswap.start([folder], watch=False)
    clock.time("import of a module", lambda: [importlib.import_module(f"grown.m{number}") for number in range(count)])
    if late:
        clock.time("attach to a module", lambda: hotswap.start([folder], watch=False))
    found = {name: took / count for name, took in clock.best.items()}
    found["memory of a module, KiB"] = (resident() - before) / count / 1024
    clock.best.clear()
    gc.collect()
    base = sys.modules["grown.base"]
    middle = sys.modules[f"grown.m{count // 2}"]
    for version in range(1, TURNS + 1):
        files[count // 2].write_text(module_text(count // 2, functions, version))
        clock.swap("first swap" if version == 1 else "swap of one function", files[count // 2])
        assert middle.f0(0) == version * 3 and middle.TABLE["version"] == version
    for version in range(TURNS + 1, 2 * TURNS):
        files[count // 2].write_text(module_text(count // 2, functions, version))
        clock.swap("swap of what differs", *())
        assert middle.f0(0) == version * 3
    (package / "base.py").write_text(BASE.format(version=1))
    clock.swap("swap of what all import", package / "base.py")  # once: of a few modules the trees are kept for the next time
    assert base.scale(2) == 2 and middle.scale is base.scale
    return {**found, **clock.best, "memory, MiB": resident() / (1 << 20)}


def measure_objects(folder: Path, count: int) -> dict[str, float]:
    """Swap in a program with many objects of a managed class: a body, a field, and a migration."""
    clock, file = Clock(), folder / "items.py"

    def write(version: int, field: str = "", migration: str = "") -> None:
        file.write_text(ITEM.format(version=version, field=field, migration=migration))

    write(0)
    before = resident()
    hotswap.start([folder], watch=False)
    items = importlib.import_module("items")
    kept = [items.Item(number) for number in range(count)]
    gc.collect()
    memory = resident() - before
    for version in range(1, TURNS + 1):
        write(version)
        clock.swap("swap of one function", file)
        assert items.tell() == version == kept[-1].tell()
    write(TURNS + 1, "        self.added = 1\n")
    clock.swap("swap of a new field", file)
    assert kept[-1].added == kept[0].added == 1
    write(TURNS + 1, "        self.added = 1\n", MIGRATION)
    clock.swap("commit of a migration", file)
    assert clock.time("sweep of a migration", hotswap.wait_converted)
    assert kept[0].label == kept[-1].label == "led"
    return {**clock.best, "memory of an object, bytes": memory / count, "memory, MiB": resident() / (1 << 20)}


def main(what: str, *sizes: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    with tempfile.TemporaryDirectory() as name:
        sys.path.insert(0, name)
        if what == "objects":
            found = measure_objects(Path(name), int(sizes[0]))
        else:
            found = measure_modules(Path(name), int(sizes[0]), int(sizes[1]), late=what == "attach")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
