"""Some hundred swaps leave nothing behind, and an edit of what all import costs nothing afterwards; by counts, not seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import hotswap.engine
from tests.link.program import Program
from tests.load import growth

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import json
from tests.load.endurance import judge, run
result = run(120, samples=1)
print(json.dumps([judge(result), {kind: len(times) for kind, times in result.times.items()}, result.samples[-1].number]))
"""


@pytest.mark.once
def test_hundreds_of_swaps_leave_nothing() -> None:
    """No code, table, proxy, trampoline, barrier, thread or file more than before them; objects for each migration only."""
    done = subprocess.run([sys.executable, "-c", RUN], cwd=ROOT, text=True, capture_output=True, timeout=150)
    assert done.returncode == 0, done.stderr
    failures, kinds, last = json.loads(done.stdout)
    assert failures == []
    assert set(kinds.values()) == {8}
    assert last == 120


@pytest.mark.slow
def test_what_is_gone_is_not_in_the_status(tmp_path: Path) -> None:
    """A function with another name in each save is known as long as it lives, or can come back by a rollback."""
    with Program(tmp_path) as program:
        program.load("names", "def f0():\n    return 0\n")
        for number in range(1, 30):
            assert program.edit("names", f"def f{number}():\n    return {number} * {number}\n").applied
            program.edit("names", f"def f{number}():\n    return {number}\n")
        world = program.engine.world
        known = {name for _, name, _ in program.engine.status().mechanisms}
        assert "f29" in known
        assert len(known) <= hotswap.engine.HISTORY
        assert len(world.removed) <= hotswap.engine.HISTORY
        while world.history:
            program.engine.rollback()
        assert not {name for _, name, _ in program.engine.status().mechanisms} & {"f29", "f28"}


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(hotswap.engine, "TREES", 1_000)
    return [f"user{number}" for number in range(20)]


@pytest.mark.once
def test_trees_of_modules_that_were_looked_at_once_are_let_go(tmp_path: Path, users: list[str]) -> None:
    """An edit of what all import reads all texts; each later swap would walk their trees."""
    with Program(tmp_path) as program:
        base = "def scale(x):\n    return x * {}\n"
        program.load("base", base.format(1))
        text = "from base import scale\nVALUE = scale(2)\n" + "# a comment that makes the text longer\n" * 8
        loaded: list[ModuleType] = [program.load(name, text) for name in users]
        for version in (2, 3):
            assert program.edit("base", base.format(version)).applied
            assert {module.VALUE for module in loaded} == {2 * version}
            kept = [record for record in program.engine.world.records.values() if record.source is not None]
            assert program.engine.world.records["base"] in kept
            assert sum(len(record.data) for record in kept) <= 1_000
            assert [record for record in kept if record.summary is None] == []


@pytest.mark.once
def test_the_exponent_of_what_grows() -> None:
    """Linear is 1, for a whole and for a part of it; what grows with the square is named."""
    rows = [
        growth.Row("modules", "swap", ((1, 10.0), (10, 20.0), (100, 200.0))),
        growth.Row("modules", "import of a module", ((1, 5.0), (10, 5.0), (100, 5.0))),
        growth.Row("objects", "sweep", ((1, 1.0), (10, 100.0), (100, 10_000.0))),
    ]
    assert [round(row.exponent(), 6) for row in rows] == [1, 1, 2]
    assert growth.judge(rows) == ["sweep grows with the 2.00th power of objects"]
