"""One program with its page, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.page import Page
from hotswap.plugin import hookimpl
from tests.link.program import Program


class Teller:
    """Tells a page what a plugin for a framework tells it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @hookimpl
    def hotswap_after_commit(self) -> None:
        self.page.board.note_code()

    @hookimpl
    def hotswap_after_rollback(self) -> None:
        self.page.board.note_code()

    @hookimpl
    def hotswap_told(self, report: object) -> None:
        self.page.note_report(report)  # type: ignore[arg-type]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as one:
        one.load("m", "def f():\n    return 1\n")
        yield one


@pytest.fixture
def page(program: Program) -> Iterator[Page]:
    one = Page.of_engine(program.engine, title=lambda: "a program")
    program.engine.plugins.register(Teller(one), "teller")
    one.start()
    yield one
    one.stop()
