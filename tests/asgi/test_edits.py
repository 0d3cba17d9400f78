"""Edits of a program of FastAPI and Starlette, all answered as a fresh start answers; they stand in ``edits.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.web.running import drive

FRAMEWORK = "asgi"


@pytest.mark.slow  # a minute; test_saves has some of them with a real server
@pytest.mark.timeout(450)
def test_edits_answer_as_a_fresh_start_does() -> None:
    """All of them, some together: applied, nothing kept or left behind, every answer and the schema are equal."""
    assert drive(FRAMEWORK) == []


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_each_edit_and_its_way_back_answers_as_a_fresh_start_does() -> None:
    """One by one, forth and back."""
    assert drive(FRAMEWORK, "--each") == []


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_a_rollback_leaves_nothing() -> None:
    """All answers are those of before."""
    assert drive(FRAMEWORK, "--back") == []


def test_a_lifespan_is_found_behind_all_that_it_is_merged_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI merges it once more for each router that is included."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "plugins" / "hotswap-asgi"))
    from fastapi import APIRouter, FastAPI
    from hotswap_asgi.judging import _inside

    async def own(app: object) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=asynccontextmanager(own))
    for _ in range(12):
        app.include_router(APIRouter())
    assert own in list(_inside(app.router.lifespan_context))
