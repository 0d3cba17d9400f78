"""Edits of a program of Flask, all answered as a fresh start answers; they stand in ``edits.py``."""

from __future__ import annotations

import pytest

from tests.web.running import drive

FRAMEWORK = "flask"


@pytest.mark.once
def test_edits_answer_as_a_fresh_start_does() -> None:
    """All of them, some together: applied, nothing kept or left behind, every answer and all rules in order are equal."""
    assert drive(FRAMEWORK) == []


@pytest.mark.slow
def test_each_edit_and_its_way_back_answers_as_a_fresh_start_does() -> None:
    """One by one, forth and back."""
    assert drive(FRAMEWORK, "--each") == []


@pytest.mark.slow
@pytest.mark.once
def test_a_rollback_leaves_nothing() -> None:
    """All answers are those of before."""
    assert drive(FRAMEWORK, "--back") == []
