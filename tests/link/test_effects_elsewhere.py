"""Statements with an effect in a module that is not managed: none is had twice, none is forgotten without a word."""

from __future__ import annotations

import sys

import pytest

from tests.link.program import Program

FAR = """
CALLS = []

def act(number):
    CALLS.append(number)

class App:
    level = 0

    def setup_route(self, path):
        CALLS.append(path)

    def set_pair(self, key, value):
        CALLS.append((key, value))

    def set_level(self, level):
        self.level = level

APP = App()

def get_app():
    return APP
"""
OWN_SYS = "import far\nclass sys:\n    platform = 'mine'\n"
TRIED = "import far\ntry:\n    import far_extra\nexcept ImportError:\n    pass\nelse:\n    far.act(far_extra.X)\n"


@pytest.mark.parametrize(
    "before, after",
    [
        ("import far\nfar.get_app().setup_route('a')\n", "import far\nfar.get_app().setup_route('b')\n"),
        ("import far\nfar.get_app().set_pair('a', 1)\n", "import far\nfar.get_app().set_pair('b', 1)\n"),
        ("from far import *\nact(1)\n", "from far import *\nact(2)\n"),
        (OWN_SYS + "if sys.platform == 'mine':\n    far.act(1)\n", OWN_SYS),
        (TRIED, "import far\n"),
    ],
    ids=["adds something", "sets one of several", "starred", "own name like that of the system", "module taken out again"],
)
def test_effect_that_changed_or_went_is_refused(
    program: Program, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.syspath_prepend(str(program.directory))
    far = program.library("far", FAR)
    program.library("far_extra", "X = 1\n")
    program.load("lib", before)
    del sys.modules["far_extra"]
    had = list(far.CALLS)
    report = program.edit("lib", after)
    assert [f.code for f in report.held] == ["HS204"] and far.CALLS == had != []


def test_setter_is_called_with_its_new_argument(program: Program) -> None:
    far = program.library("far", FAR)
    program.load("lib", "import far\nfar.get_app().set_level(1)\n")
    assert program.edit("lib", "import far\nfar.get_app().set_level(2)\n").applied and far.APP.level == 2


def test_branch_behind_an_import_that_failed_has_not_run(program: Program) -> None:
    program.library("far", FAR)
    program.load("lib", TRIED.replace("far_extra", "no_such_module_anywhere"))
    assert program.edit("lib", "import far\n").applied
