"""What was told lately: a bounded history of reports.

Takes: each report. Gives: entries, which say of a large swap how much was left out. May touch: nothing. Must not: keep a report
itself, whose plan grows with the swap.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

import attrs

from hotswap.model import Entry, Finding, Report, Verdict

#: So many entries are kept.
ENTRIES = 50
#: So many edits and findings of one report, and characters of a finding's excerpt.
ITEMS = 40
EXCERPT = 4_000


@attrs.define(eq=False)
class Past:
    """The newest reports.

    Attributes:
        clock: seconds since the epoch.
    """

    clock: Callable[[], float] = time.time
    # deque, not a list under a lock: it forgets the oldest by itself, and its append is one instant.
    _entries: deque[Entry] = attrs.field(factory=lambda: deque(maxlen=ENTRIES), init=False)

    def note(self, report: Report) -> None:
        """Keep a report, but for one that says that nothing was to be done."""
        if report.applied or report.findings or report.verdict is not Verdict.NOTHING:
            self._entries.append(_shorten(report, self.clock()))

    def entries(self) -> tuple[Entry, ...]:
        """Oldest first."""
        return tuple(self._entries.copy())


def _shorten(report: Report, at: float) -> Entry:
    edits = report.plan.edits
    files = [module.file for module in report.plan.modules] or [finding.file for finding in report.findings if finding.file]
    counts = Counter(redirect.mechanism for redirect in report.redirects)
    return Entry(
        at=at, number=report.number, applied=report.applied, verdict=report.verdict, rolled_back=report.rolled_back,
        files=tuple(dict.fromkeys(files))[:ITEMS], edits=edits[:ITEMS], more_edits=max(len(edits) - ITEMS, 0),
        findings=tuple(_shorten_excerpts(report.findings[:ITEMS])), more_findings=max(len(report.findings) - ITEMS, 0),
        mechanisms=tuple(counts.most_common()), writes=report.writes, timing=report.timing,
    )  # fmt: skip


def _shorten_excerpts(findings: Iterable[Finding]) -> Iterable[Finding]:
    for finding in findings:
        yield finding if len(finding.excerpt) <= EXCERPT else attrs.evolve(finding, excerpt=finding.excerpt[:EXCERPT] + " …")
