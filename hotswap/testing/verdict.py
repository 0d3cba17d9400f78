"""What the judge found."""

from __future__ import annotations

import difflib
import enum

import attrs


class Outcome(enum.StrEnum):
    """How a change ended; only ``FAILED`` is a fault."""

    EQUAL = "equal"  # the swapped process answers as the fresh one
    REFUSED = "refused"  # with a listed code, and the old code serves on
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class Verdict:
    """The judgement on one scenario.

    Attributes:
        name: of the scenario.
        outcome: the worst of its versions.
        text: for a failure, what differed, readable.
        codes: codes of all findings of all swaps.
    """

    name: str
    outcome: Outcome
    text: str = ""
    codes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return self.outcome is not Outcome.FAILED

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}" + (f"\n{self.text}" if self.text else "")


class Mismatch(Exception):
    """Ends a judgement; the message is the text of the verdict."""


def require_equal(found: str, wanted: str, *, what: str, against: str, report: str = "") -> None:
    """Compare two transcripts.

    Args:
        found: the transcript to judge.
        wanted: what it has to be.
        what: whose transcript ``found`` is.
        against: where ``wanted`` comes from.
        report: shown below the difference.

    Raises:
        Mismatch: they differ; the message holds a readable difference.
    """
    if found.strip() == wanted.strip():
        return
    lines = difflib.unified_diff(
        wanted.strip().splitlines(), found.strip().splitlines(), f"wanted ({against})", f"found ({what})", lineterm="", n=9
    )
    raise Mismatch("\n".join([f"{what} differs from {against}:", *lines, *([report] if report else [])]))
