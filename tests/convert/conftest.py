"""What the tests of the convert stage share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.convert import lineage
from hotswap.migrations import REGISTRY
from tests.link.program import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A small program in this process; what it declares is forgotten with it."""
    before = REGISTRY.table
    with Program(tmp_path) as one:
        yield one
    REGISTRY.table = before
    for table in (lineage.VERSIONS, lineage.SHAPES, lineage.LEAPS, lineage.UNDONE):
        table.clear()
