"""More objects fail than is allowed: their swap is taken back by itself."""

from __future__ import annotations

import time

import pytest

from hotswap.config import Budget, load_settings
from hotswap.errors import ConfigError
from hotswap.model import Report
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter

OLD = "class Box:\n    def __init__(self, n):\n        self.n = n\n    def show(self):\n        return 'old'\n"
NEW = """
from hotswap import migrate
class Box:
    def __init__(self, n, half):
        self.n = n
        self.half = half
    def show(self):
        return 'new'
@migrate("lib:Box"{options})
def halve(state):
    if state.n % 10 == 3:
        raise ValueError(f"no half of {{state.n}}")
    state.half = state.n / 2
{down}
"""
DOWN = "@halve.down\ndef _(state):\n    del state.half\n"


def wait_for(reports: list[Report], code: str) -> Report:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for report in list(reports):
            if any(finding.code == code for finding in report.findings):
                return report
        time.sleep(0.005)
    raise AssertionError([str(report) for report in reports])


@pytest.mark.parametrize(("budget", "is_back"), [("4", True), (5, False), ("9.9%", True), ("10%", False), (None, False)])
def test_swap_is_taken_back_when_more_objects_fail_than_the_budget_allows(
    program: Program, budget: str | int | None, is_back: bool
) -> None:
    lib = program.load("lib", OLD)
    boxes = [lib.Box(n) for n in range(50)]
    reports: list[Report] = []
    program.engine.on_report = reports.append
    program.engine.converter.budget = Budget.parse(budget) if budget is not None else None
    assert program.edit("lib", NEW.format(options="", down=DOWN)).applied
    boxes[0].n = 100
    if is_back:
        report = wait_for(reports, "HS310")
        assert report.rolled_back and "5 of 50 objects" in str(report) and "no half of" in str(report)
        assert lib.Box.__dict__["show"](boxes[0]) == "old"
        assert [vars(box) for box in boxes] == [{"n": 100 if n == 0 else n} for n in range(50)]
        mended = NEW.format(options="", down=DOWN).replace("== 3", "== 11")
        assert program.edit("lib", mended).applied and boxes[3].half == 1.5
    else:
        assert not program.engine.converter.wait(None, 10), "five have failed and wait"
        time.sleep(0.05)
        assert boxes[1].show() == "new" and len(program.engine.status().swaps) == 1


def test_swap_that_has_no_way_back_stays_and_says_so(program: Program) -> None:
    lib = program.load("lib", OLD)
    boxes = [lib.Box(n) for n in range(50)]
    reports: list[Report] = []
    program.engine.on_report = reports.append
    program.engine.converter.budget = Budget(count=0)
    assert program.edit("lib", NEW.format(options="", down="")).applied
    assert "no way back" in str(wait_for(reports, "HS310"))
    assert boxes[1].half == 0.5 and len(program.engine.status().swaps) == 1


@pytest.mark.parametrize("value", ["many", "-1", "x%", "-3%", ""])
def test_budget_that_cannot_be_read(value: str) -> None:
    with pytest.raises(ConfigError, match="failure-budget"):
        Budget.parse(value)


def test_budget_in_the_environment() -> None:
    assert load_settings(environ={"HOTSWAP_FAILURE_BUDGET": "2%"}).budget == Budget(share=0.02)
    with pytest.raises(ConfigError, match="failure-budget"):
        load_settings(environ={"HOTSWAP_FAILURE_BUDGET": "lots"})
