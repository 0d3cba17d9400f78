"""Events for the program's own log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from hotswap.log import log_finding, log_report
from hotswap.model import Finding, ModulePlan, Plan, Report, Severity, Timing, Verdict

HELD = Finding(code="HS101", severity=Severity.HELD, message="invalid syntax", file="/w/m.py", line=2)


def report(verdict: Verdict, *, applied: bool = False) -> Report:
    plan = Plan(verdict=verdict, modules=(ModulePlan(module="m", file="/w/m.py"),))
    return Report(number=3 if applied else 0, applied=applied, plan=plan, verdict=verdict, writes=5 if applied else 0,
                  findings=() if applied else (HELD,), timing=Timing(total=1.5, live=9.0))  # fmt: skip


@pytest.fixture
def events() -> Iterator[list[Any]]:
    logger = CapturingLogger()
    structlog.configure(processors=[lambda _, name, event: ((name, event), {})], logger_factory=lambda *args: logger)
    yield logger.calls
    structlog.reset_defaults()


def test_each_outcome_has_its_event(events: list[Any]) -> None:
    """Swapped, held, restart; nothing is said about nothing."""
    log_report(report(Verdict.SWAP, applied=True))
    log_report(report(Verdict.ASK))
    log_report(report(Verdict.RESTART))
    log_report(report(Verdict.NOTHING))
    log_finding(HELD)
    assert [(call.method_name, call.args[1]["event"]) for call in events] == [
        ("info", "hotswap.swap"),
        ("warning", "hotswap.held"),
        ("warning", "hotswap.restart"),
        ("warning", "hotswap.notice"),
    ]
    swap, held = events[0].args[1], events[1].args[1]
    assert (swap["number"], swap["writes"], swap["live_ms"], swap["files"]) == (3, 5, 9.0, ["/w/m.py"])
    assert (held["codes"], held["reasons"]) == (["HS101"], ["HS101 invalid syntax (/w/m.py:2)"])


def test_an_unconfigured_structlog_is_not_used(capfd: pytest.CaptureFixture[str]) -> None:
    """It would print to stdout, and it stays unconfigured."""
    structlog.reset_defaults()
    log_report(report(Verdict.SWAP, applied=True))
    assert (capfd.readouterr().out, structlog.is_configured()) == ("", False)


def test_a_broken_configuration_of_the_program_does_not_break_the_swap(capfd: pytest.CaptureFixture[str]) -> None:
    """A processor that raises is told on stderr."""

    def fail(*args: object) -> None:
        raise KeyError("request")

    structlog.configure(processors=[fail])
    try:
        log_report(report(Verdict.SWAP, applied=True))
    finally:
        structlog.reset_defaults()
    assert capfd.readouterr().out == ""
