"""Costs grow with what is changed and not with its square; counted in lines that run, so no clock takes part."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sample import some

pytestmark = pytest.mark.once  # how it grows is much the same on every interpreter

COUNT = """
import importlib, pathlib, sys
sys.path.insert(0, ".")
import hotswap

def write(texts):
    for name, text in texts.items():
        path = pathlib.Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

def trace(frame, event, argument):
    global lines
    lines += event == "line"
    return trace

write(OLD)
hotswap.start(["."], watch=False)
for name in OLD:
    importlib.import_module(name.removesuffix(".py").replace("/", "."))
write(NEW)
lines = 0
sys.settrace(trace)
report = hotswap.swap()
sys.settrace(None)
assert report.applied, report
print(lines)
"""

GARBAGE = """
report = hotswap.swap()
assert report.applied, report
del report
gc.collect()
write(OLD)
hotswap.swap()
print(gc.collect())
"""


def _module(version: int, number: int) -> str:
    functions = "".join(f"def f{i}(a, b={i}):\n    return a + {i} * {version}\n" for i in range(3))
    bases = "(base.Base)" if number % 2 else ""
    return (
        f"from p import base\nX = {version}\nT = {{'x': X}}\nclass C{bases}:\n    a = {version}\n"
        f"    def m(self):\n        return X, {version}\n{functions}"
    )


def many_files(size: int, version: int) -> dict[str, str]:
    """A checkout: a class, data and functions in each file."""
    modules = {f"p/m{number}.py": _module(version, number) for number in range(size)}
    return {"p/__init__.py": "", "p/base.py": f"class Base:\n    def b(self):\n        return {version}\n", **modules}


def many_definitions(size: int, version: int) -> dict[str, str]:
    """One file of functions, classes and data, all of which change."""
    parts = [
        f"def f{i}(a):\n    return a * {version}\nV{i} = [{version}]\n"
        f"class C{i}:\n    a = {version}\n    def m(self):\n        return {i}\n"
        for i in range(size)
    ]
    return {"big.py": "".join(parts)}


def one_of_many(size: int, version: int) -> dict[str, str]:
    """One line changes, at the top, and all that follows moves."""
    head = "".join(f"def new{i}():\n    return {i}\n" for i in range(version))
    return {"big.py": head + "".join(f"def f{i}(a):\n    return a * {i}\n" for i in range(size))}


def all_renamed(size: int, version: int) -> dict[str, str]:
    """Each function goes and another one like it comes."""
    return {"big.py": "".join(f"def f{version}_{i}(a):\n    return a * {i}\n" for i in range(size))}


def all_replaced(size: int, version: int) -> dict[str, str]:
    """Each function goes, and others come that are unlike it."""
    return {"big.py": "".join(f"def f{version}_{i}(a):\n    return a * {version}, {i}\n" for i in range(size))}


def _run(folder: Path, program: str) -> int:
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


CASES = [many_files, many_definitions, one_of_many, all_renamed, all_replaced]


@pytest.mark.parametrize("texts", some(CASES, 3))
def test_four_times_as_much_costs_about_four_times(texts: Callable[[int, int], dict[str, str]], tmp_path: Path) -> None:
    """A search through a list for each item of it would make it up to sixteen times."""
    lines = []
    for size in (50, 200):
        folder = tmp_path / str(size)
        folder.mkdir()
        lines.append(_run(folder, f"OLD, NEW = {texts(size, 1)!r}, {texts(size, 2)!r}\n{COUNT}"))
    assert lines[1] < 5 * lines[0], f"{lines[0]:,} lines run for 50, {lines[1]:,} for 200"


@pytest.mark.parametrize("texts", some(CASES, 2))
def test_a_swap_leaves_little_to_the_collector(texts: Callable[[int, int], dict[str, str]], tmp_path: Path) -> None:
    """Trees and plans in circles of references would stay until the collector walks the whole heap, and slow each look at it."""
    begin = COUNT.partition("lines = 0")[0]
    garbage = _run(tmp_path, f"import gc\nOLD, NEW = {texts(200, 1)!r}, {texts(200, 2)!r}\n{begin}{GARBAGE}")
    assert garbage < 200, f"{garbage} objects in circles"
