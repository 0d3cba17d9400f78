"""What came of one step, judged against processes that were started on the later release."""

from __future__ import annotations

import enum
from typing import Any

import attrs

Outcomes = dict[str, str]


class Verdict(enum.StrEnum):
    """How a step ended."""

    SAME = "same"
    REFUSED = "refused"  # and the process answers as before
    DIFFERENT = "different"  # without a word: the worst
    BROKEN = "broken"  # the process ended, hung, or raised out of the tool


@attrs.frozen(kw_only=True)
class Step:
    """One release to the next, by one tool, in one way.

    Attributes:
        tests: how many pass in the fresh process.
        saves: into so many the release was cut.
        refusals: so many of them were refused at first.
        seconds: until the tool had answered, all saves together.
        reasons: why it was refused.
        told: what the tool has said besides.
        differing: tests that end otherwise than in a process freshly started on the later release: name, what they should, what
            they do.
        stale: functions and classes taken before that are not the program's any more.
    """

    package: str
    frm: str
    to: str
    tool: str
    cut: str
    verdict: Verdict
    tests: int = 0
    saves: int = 0
    refusals: int = 0
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    differing: tuple[tuple[str, str, str], ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        return self.package, self.frm, self.to, self.tool, self.cut


def compare(found: Outcomes, *fresh: Outcomes) -> list[tuple[str, str, str]]:
    """The tests that end as in none of the fresh processes; what two of those disagree on depends on more than the code."""
    differing = []
    for name in sorted(found.keys() | fresh[0].keys()):
        wanted = [outcomes.get(name, "missing") for outcomes in fresh]
        if (ended := found.get(name, "missing")) not in wanted:
            differing.append((name, " or ".join(dict.fromkeys(wanted)), ended))
    return differing


def judge(answer: dict[str, Any], fresh: list[Outcomes]) -> tuple[Verdict, list[tuple[str, str, str]]]:
    """The verdict of a process that was changed, and the tests by which it differs.

    Args:
        fresh: how the same tests end in processes that are on the same release from their start: the later one, or where the
            change was refused, the earlier one.
    """
    if answer["refused"] and not answer["is_before"]:
        return Verdict.REFUSED, []  # it stands between the releases, where nothing was released to compare it with
    differing = compare(answer["again" if answer["refused"] else "after"], *fresh)
    if differing or answer["stale"]:
        return Verdict.DIFFERENT, differing
    return (Verdict.REFUSED if answer["refused"] else Verdict.SAME), differing
