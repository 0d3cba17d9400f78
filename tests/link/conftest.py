"""What the tests of the link stage share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.testing import Judge
from tests.link.program import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with Judge(tmp_path_factory.mktemp("judge")) as one:
        yield one
