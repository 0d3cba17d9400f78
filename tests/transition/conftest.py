"""The program into which changes come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotswap.requests.gate import GATE
from tests.transition.moving import SHOP, Patched


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Patched]:
    with Patched(tmp_path) as one:
        yield one
    assert GATE.look() == ("open", [])


@pytest.fixture
def shop(program: Patched) -> Any:
    return program.load("shop", SHOP)
