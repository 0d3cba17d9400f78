"""A small sample of the whole, and the instrument itself: it has to see what it is there for."""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from tests.stdlib.__main__ import LIB, main, play
from tests.stdlib.comparing import compare
from tests.stdlib.editing import EDITS, MARK, comment, mark, read

#: Aliases of what is written in C; a module that its tests import three times; helpers that are deleted; a plain module.
SAMPLE = [
    ("operator", "import", ["bodies"]), ("heapq", "import", ["bodies"]), ("types", "late", ["bodies"]),
    ("textwrap", "late", [*EDITS]),
]  # fmt: skip


@pytest.mark.once
@pytest.mark.skipif(find_spec("test.test_textwrap") is None, reason="this interpreter comes without CPython's tests")
@pytest.mark.parametrize(("name", "attach", "edits"), SAMPLE)
def test_swapped_module_passes_its_tests(name: str, attach: str, edits: list[str], tmp_path: Path) -> None:
    """After each edit all tests end as in an untouched process, and all that was held runs the new text."""
    rows = list(play(name, edits, attach, tmp_path, 120))
    assert [row.verdict for row in rows] == ["same"] * len(edits), "\n".join(map(str, rows))
    assert all(row.tests and row.functions for row in rows)


@pytest.mark.parametrize("name", ["dataclasses.py", "enum.py", "textwrap.py", "typing.py"])
def test_edits_are_harmless_and_real(name: str) -> None:
    """Comments move each statement and leave the tree; marks change the code of each function that is written with def."""
    text = read((LIB / name).read_bytes())
    written = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    marked = [code.co_name for code in _codes(compile(mark(text), name, "exec")) if _is_marked(code)]
    assert sorted(marked) == sorted(node.name for node in written)
    lines = [(code.co_name, code.co_firstlineno) for code in _codes(compile(text, name, "exec"))]
    moved = [(code.co_name, code.co_firstlineno) for code in _codes(compile(comment(text), name, "exec"))]
    assert [name for name, _ in lines] == [name for name, _ in moved]
    assert all(before < after for (_, before), (_, after) in zip(lines, moved, strict=True))


def _codes(code: CodeType) -> Iterator[CodeType]:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from _codes(const)


def _is_marked(code: CodeType) -> bool:
    return any(step.argval == MARK for step in dis.get_instructions(code))


def test_unknown_module_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is not in the table ends the command with a message."""
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "unknown: nothing" in capsys.readouterr().err


_FINE: dict[str, Any] = {
    "outcomes": {"a": [["ok", ""]], "b": [["skip", "why"]]}, "applied": True, "held": [], "findings": [], "left": [],
    "exchanged": [], "functions": 1, "classes": 1, "seconds": 1.0, "milliseconds": 1.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "same"),
        ({"outcomes": {"a": [["failure", "AssertionError"]], "b": [["skip", "why"]]}}, "DIFFERENT"),
        ({"outcomes": {"a": [["ok", ""]]}}, "DIFFERENT"),
        ({"left": ["m.f (line 1)"]}, "DIFFERENT"),
        ({"exchanged": ["m.C"]}, "DIFFERENT"),
        ({"applied": False, "held": ["HS210 why"]}, "refused"),
        ({"applied": False}, "DIFFERENT"),
        ({"error": "not done in 1 s"}, "ERROR"),
    ],
)
def test_what_differs_is_seen(change: dict[str, Any], verdict: str) -> None:
    """Another outcome, a test that is gone, old code, another class and a refusal without a reason are told."""
    assert compare("m", "bodies", "late", _FINE, {**_FINE, **change}).verdict == verdict


def test_worker_needs_nothing_before_its_path() -> None:
    """The worker imports nothing but sys before the copied modules are first on the path."""
    text = Path(__file__).with_name("worker.py").read_text().splitlines()
    imports = [line.strip() for line in text if line.strip().startswith(("import ", "from "))]
    assert imports[0] == "import sys"
    assert [line for line in text if line.startswith(("import ", "from "))] == ["import sys"]
