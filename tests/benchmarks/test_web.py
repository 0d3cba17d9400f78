"""What the benchmark of development servers says about figures; it is run by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.benchmarks.web import STYLE, Row, change, judge, tabulate

pytestmark = pytest.mark.once  # it is no part of hotswap


def test_contestants_may_be_measured_without_hotswap() -> None:
    """``--server runserver`` leaves nothing to hold them against."""
    rows = [Row("django", "answer", "a view", name, (1000.0, 1200.0)) for name in ("runserver", "runserver, Watchman")]
    assert [line[-1] for line in tabulate(rows)][1:] == ["", ""]
    assert list(judge(rows)) == []
    rows.append(Row("django", "answer", "a view", "hotswap-django", (10.0,)))
    assert [line[-1] for line in tabulate(rows)][1:] == ["110.0 times", "110.0 times", ""]


@pytest.mark.parametrize(("number", "seen"), [(12, "rgb(0, 0, 12)"), (301, "rgb(0, 1, 45)")])
def test_each_save_has_a_colour_of_its_own(tmp_path: Path, number: int, seen: str) -> None:
    """Also after many: a browser cuts what is beyond 255 off."""
    file = tmp_path / STYLE.file
    file.parent.mkdir(parents=True)
    file.write_text(f"body {{ {STYLE.old} }}")
    server: Any = SimpleNamespace(folder=tmp_path)
    assert change(server, STYLE, number) == seen
    assert seen in file.read_text()
