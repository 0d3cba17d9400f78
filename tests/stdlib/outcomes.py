"""Runs a suite and says how each test ended, in values that two processes can compare."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Iterator
from typing import Any

#: How a test ended, and for those that did not pass the last line of why.
Outcome = tuple[str, str]


class _Recorder(unittest.TestResult):
    """Notes for each id how its tests ended, in their order: an id may stand for several tests."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, list[Outcome]] = {}

    def _note(self, test: Any, outcome: str, why: str = "") -> None:
        self.outcomes.setdefault(test.id(), []).append((outcome, why))

    def addSuccess(self, test: Any) -> None:
        self._note(test, "ok")

    def addError(self, test: Any, err: Any) -> None:
        self._note(test, "error", _describe(self, err, test))

    def addFailure(self, test: Any, err: Any) -> None:
        self._note(test, "failure", _describe(self, err, test))

    def addSkip(self, test: Any, reason: str) -> None:
        self._note(test, "skip", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self._note(test, "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:
        self._note(test, "unexpected success")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self._note(test, "failure", f"{subtest}: {_describe(self, err, test)}")


def _describe(result: unittest.TestResult, err: Any, test: Any) -> str:
    text: str = result._exc_info_to_string(err, test)
    sys.stderr.write(f"{test.id()}\n{text}\n")
    return text.strip().rpartition("\n")[2]


def run(suite: unittest.TestSuite, leave_out: list[str]) -> dict[str, list[Outcome]]:
    """Run all but those tests whose id has one of the given parts."""
    chosen = unittest.TestSuite(_choose(suite, leave_out))
    recorder = _Recorder()
    chosen.run(recorder)
    return recorder.outcomes


def _choose(suite: unittest.TestSuite, leave_out: list[str]) -> Iterator[Any]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield type(test)(_choose(test, leave_out))
        elif not any(part in test.id() for part in leave_out):
            yield test
