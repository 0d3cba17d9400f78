"""The judge must be able to find fault: each way to be wrong is played to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hotswap.testing import Judge, Outcome, Scenario, parse_scenario
from hotswap.testing.judge import decide

pytestmark = pytest.mark.once  # much the same on every interpreter

TEXT = """A function changes.

=== v1/a.py
def f():
    return 1

=== v2/a.py
def f():
    return 2

=== take
import a

=== probe
print(a.f())

=== expect
2
"""
SCENARIO = parse_scenario(TEXT, name="area/one")
FRESH = {0: [{"op": "probe", "out": "1\n"}], 1: [{"op": "probe", "out": "2\n"}]}


def swapped(out: str, *held: str, codes: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    swap = {"op": "swap", "applied": not held, "held": list(held), "codes": [*held, *codes], "text": "the report"}
    return [{"op": "start"}, {"op": "take"}, swap, {"op": "probe", "out": out}]


def decided(scenario: Scenario, results: list[dict[str, Any]], back: str | None = None) -> tuple[Outcome, str]:
    rollback = {"op": "rollback", "applied": True, "text": "", "codes": []}
    taken_back = None if back is None else [*results, rollback, {"op": "probe", "out": back}]
    verdict = decide(scenario, fresh=FRESH, swapped=results, taken_back=taken_back)
    return verdict.outcome, verdict.text


def with_section(section: str) -> Scenario:
    return parse_scenario(f"{TEXT}\n=== {section}\n", name="area/one")


def test_equal() -> None:
    """The swapped process prints what the fresh one prints, and goes back."""
    assert decided(SCENARIO, swapped("2\n"), back="1\n") == (Outcome.EQUAL, "")


def test_another_answer_fails_with_a_difference() -> None:
    """A swapped process that still answers as before has not followed."""
    outcome, text = decided(SCENARIO, swapped("1\n"))
    assert outcome is Outcome.FAILED
    assert "-2\n+1" in text
    assert "the report" in text


def test_a_refusal_that_is_not_listed_fails() -> None:
    """Refusing is no way out: the scenario has to allow it."""
    assert decided(SCENARIO, swapped("1\n", "HS201"))[0] is Outcome.FAILED
    assert decided(with_section("may refuse\nHS202 other"), swapped("1\n", "HS201"))[0] is Outcome.FAILED


def test_a_listed_refusal_must_leave_the_old_code() -> None:
    """Refused means that everything answers as before."""
    listed = with_section("may refuse\nHS201 layout")
    assert decided(listed, swapped("1\n", "HS201"))[0] is Outcome.REFUSED
    assert decided(listed, swapped("2\n", "HS201"))[0] is Outcome.FAILED


def test_what_must_be_refused_may_not_be_applied() -> None:
    """An applied change fails where a refusal is demanded."""
    demanded = parse_scenario(TEXT.replace("\n2\n", "\n1\n") + "\n=== must refuse\nHS201 layout\n", name="n")
    assert decided(demanded, swapped("1\n", "HS201"))[0] is Outcome.REFUSED
    assert "has to be refused" in decided(demanded, swapped("1\n"))[1]


def test_a_finding_that_the_scenario_demands_must_be_reported() -> None:
    """``says`` lists codes that the report has to contain."""
    saying = with_section("says\nHS401 kept")
    assert decided(saying, swapped("2\n", codes=("HS401",)))[0] is Outcome.EQUAL
    assert "HS401" in decided(saying, swapped("2\n"))[1]


def test_rollback_must_lead_back() -> None:
    """After the rollback the answer is that of a process never swapped."""
    assert decided(SCENARIO, swapped("2\n"), back="2\n")[0] is Outcome.FAILED


def test_a_wrong_expectation_fails_even_if_both_processes_agree() -> None:
    """The written transcript is checked against the fresh process too."""
    wrong = parse_scenario(TEXT.replace("=== expect\n2", "=== expect\n3"), name="n")
    assert "fresh process on v2 differs from the scenario" in decided(wrong, swapped("2\n"))[1]


def test_an_error_in_a_step_fails() -> None:
    """A process that does not come to its end is a failure with its traceback."""
    assert "boom" in decided(SCENARIO, [{"op": "take", "error": "boom"}])[1]


@pytest.fixture
def judge(tmp_path: Path) -> Any:
    with Judge(tmp_path) as one:
        yield one


def test_fresh_processes_are_real(judge: Judge) -> None:
    """An expectation is compared with what a started process prints; a wrong one is found."""
    assert judge.check_expectations(SCENARIO).ok
    wrong = parse_scenario(TEXT.replace("=== expect\n2", "=== expect\n3"), name="n")
    assert not judge.check_expectations(wrong).ok


def test_a_process_that_dies_is_a_failure_and_the_next_one_is_served(judge: Judge) -> None:
    """A crash in one scenario neither passes nor takes the judge along."""
    dying = parse_scenario(TEXT.replace("print(a.f())", "import os; os._exit(3)"), name="n")
    assert "died with status 3" in judge.check_expectations(dying).text
    assert judge.check_expectations(SCENARIO).ok


def test_a_fresh_process_has_no_hotswap_in_it(judge: Judge) -> None:
    """What is compared with must not be touched by what is judged."""
    probe = "import sys; print([name for name in sys.modules if name.startswith('hotswap')])"
    clean = parse_scenario(TEXT.replace("print(a.f())", probe).replace("\n2\n", "\n[]\n"), name="n")
    verdict = judge.check_expectations(clean)
    assert verdict.ok, str(verdict)
