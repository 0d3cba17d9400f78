"""``hotswap wait`` in a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hotswap.control import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def looks() -> Iterator[list[Mapping[str, Any]]]:
    for left in (30_000, 10_000, 0):
        yield [{"name": "shop.Cart", "converted": 30_000 - left, "left": [[1, left]], "failed": 0}]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_bar_shows_how_far_it_is_where_there_is_a_terminal(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream := Terminal() if is_terminal else io.StringIO())
    assert len(list(progress._show(looks()))) == 3
    shown = stream.getvalue()
    assert ("shop.Cart" in shown and "30000/30000" in shown) if is_terminal else shown.strip() == ""
