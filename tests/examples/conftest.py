"""One migrated copy of the example for all tests here; each server gets a copy of that copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.shop import make_copy


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_copy(tmp_path_factory.mktemp("example") / "django_app")


@pytest.fixture(scope="session")
def fresh_copy(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Make one more copy with its own database, as ``migrate`` left it."""
    return lambda: Path(shutil.copytree(migrated, tmp_path_factory.mktemp("shop") / "django_app"))
