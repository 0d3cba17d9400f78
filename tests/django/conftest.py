"""One migrated bakery and one installed plugin for all tests here; each server gets a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.django.bakery import install, make_project


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin in it, as an installer makes it."""
    pytest.importorskip("django")
    folder = tmp_path_factory.mktemp("plugin") / "site-packages"
    folder.mkdir()
    install(folder)
    return folder


@pytest.fixture(scope="session")
def fresh_copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    original = make_project(tmp_path_factory.mktemp("bakery") / "project")
    return lambda: Path(shutil.copytree(original, tmp_path_factory.mktemp("copy") / "project"))
