"""A part of many cases for each run of all tests; the others are run by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], every: int = 3) -> list[Any]:
    """Cases for ``pytest.mark.parametrize``: one of so many is run with all tests, the others by ``pytest -m slow FOLDER``."""
    found = []
    for at, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        found.append(case if at % every == 0 else pytest.param(*values, marks=pytest.mark.slow))
    return found
