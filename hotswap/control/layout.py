"""From values to lines: how a report, a plan, a finding and a status look. Nothing here prints."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

import attrs

from hotswap.model import Edit, Finding, Plan, Preflight, Report, Severity, Status, Verdict

__all__ = ["Layout", "Line", "Outlook", "Span"]

#: Text with the name of a style; a line is several of them.
Span = tuple[str, str]
Line = tuple[Span, ...]

#: What happens to a change that needs a restart: it is done, or held because of ``--no-restart``.
Outlook = Literal["restarting", "held", "none"]

#: Edits listed one by one; a checkout of hundreds is summed up.
MAX_EDITS = 15

#: Files named in a headline; of more the number is given.
MAX_FILES = 4

_MARGIN = " " * 9
_SEVERITY_STYLES = {Severity.HELD: "held", Severity.ERROR: "held", Severity.KEPT: "kept", Severity.NOTE: "code"}


@attrs.frozen
class Layout:
    """Lays values out for a reader in one working directory.

    Attributes:
        base: paths are shown relative to it where that is shorter.
    """

    base: str = attrs.field(factory=os.getcwd)

    # -- blocks -------------------------------------------------------------------------------------------------------

    def report(self, report: Report, outlook: Outlook = "none") -> list[Line]:
        """What was done with one batch of saves, or why nothing was."""
        lines = [self._headline(report, outlook), *self._edits(report.plan.edits)]
        if report.applied and not report.rolled_back:
            lines += _mechanisms(report)
        lines += self._findings(report.findings)
        if not report.applied and outlook == "held":
            lines.append(_row("", ("held by --no-restart; the old code serves on", "plain")))
        return lines

    def finding(self, finding: Finding) -> list[Line]:
        """A finding that belongs to no change."""
        return [(("hotswap  ", "mark"), *self._sentence(finding)), *_details(finding)]

    def plan(self, plan: Plan) -> list[Line]:
        """What saving would do."""
        lines: list[Line] = [(("verdict: ", "code"), (str(plan.verdict), _verdict_style(plan.verdict)))]
        for module in plan.modules:
            lines.append(((self._shorten(module.file), "code"), (f" ({module.module})", "dim")))
            lines += self._edits(module.edits)
            if module.execute:
                places = ", ".join(str(line) for _, line in module.execute)
                lines.append(_row("evaluates", (f"line {places}", "plain")))
        return [*lines, *self._findings(plan.findings)]

    def preflight(self, result: Preflight) -> list[Line]:
        """How the migrations went with copies."""
        word, style = ("ok", "good") if result.ok else ("not ok", "held")
        lines: list[Line] = [(("preflight: ", "code"), (word, style))]
        for each in result.classes:
            lines += [(("  " + text, "plain"),) for text in str(each).splitlines()]
        if not result.classes and not result.findings:
            lines.append((("  nothing to convert", "plain"),))
        return [*lines, *self._findings(result.findings)]

    def status(self, status: Status) -> list[Line]:
        """What is managed, swapped and held."""
        lines = _section("modules", [f"{name}  {self._shorten(file)}" for name, file in status.modules])
        lines += _section("swaps", [self._swap_in_short(report) for report in status.swaps])
        lines += _section("redirected", [f"{mechanism:<10} {module}.{name}" for module, name, mechanism in status.mechanisms])
        if status.classes:
            lines += _section("converting", list(map(str, status.classes)))
        lines += _section("held", [])[:1] if not status.held else [(("held: ", "code"), (str(len(status.held)), "held"))]
        return [*lines, *self._findings(status.held)]

    # -- parts --------------------------------------------------------------------------------------------------------

    def _headline(self, report: Report, outlook: Outlook) -> Line:
        files = list(dict.fromkeys(self._shorten(module.file) for module in report.plan.modules))
        files = files or list(dict.fromkeys(self._shorten(found.file) for found in report.findings if found.file))
        tail = "" if not files else f": {', '.join(files)}" if len(files) <= MAX_FILES else f": {len(files)} files"
        word, style, more = _outcome(report, outlook)
        return ("hotswap  ", "mark"), (word, style), (more + tail, "plain")

    def _swap_in_short(self, report: Report) -> str:
        files = ", ".join(dict.fromkeys(self._shorten(module.file) for module in report.plan.modules))
        return f"{report.number}  {files}  {_count(len(report.plan.edits), 'edit')}, {report.timing.total:.1f} ms"

    def _edits(self, edits: tuple[Edit, ...]) -> Iterator[Line]:
        for edit in edits[:MAX_EDITS]:
            where = ", ".join(filter(None, (f"line {edit.line}" if edit.line and edit.qualname else "", edit.detail)))
            yield _row(str(edit.kind), (edit.name, "plain"), (f" ({where})" if where else "", "dim"))
        if len(edits) > MAX_EDITS:
            counts = Counter(str(edit.kind) for edit in edits[MAX_EDITS:])
            yield _row("...", ("and " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()), "dim"))

    def _findings(self, findings: Iterable[Finding]) -> Iterator[Line]:
        order = list(Severity)[::-1]
        for finding in sorted(findings, key=lambda found: order.index(found.severity)):
            yield _row(str(finding.severity), *self._sentence(finding))
            yield from _details(finding)

    def _sentence(self, finding: Finding) -> Line:
        line = f":{finding.line}" if finding.line else ""
        where = f" ({self._shorten(finding.file)}{line})" if finding.file else ""
        return (finding.code + " ", _SEVERITY_STYLES[finding.severity]), (finding.message, "plain"), (where, "dim")

    def _shorten(self, path: str) -> str:
        try:
            relative = os.path.relpath(path, self.base)
        except ValueError:  # another drive
            return path
        return relative if len(relative) < len(path) else path


def _outcome(report: Report, outlook: Outlook) -> tuple[str, str, str]:
    if report.rolled_back:
        return f"swap {report.number} taken back", "good", ""
    if report.applied:
        live = report.timing.live
        return f"swap {report.number}", "good", f" live after {live:.1f} ms" if live is not None else \
            f" done in {report.timing.total:.1f} ms"
    if report.verdict is Verdict.RESTART and outlook == "restarting":
        return "restarting", "restart", ""
    if report.verdict is Verdict.NOTHING:
        return "nothing to swap", "dim", ""
    return "held", "held", ", the old code serves on"


def _verdict_style(verdict: Verdict) -> str:
    return {Verdict.NOTHING: "dim", Verdict.SWAP: "good", Verdict.ASK: "held", Verdict.RESTART: "restart"}[verdict]


def _mechanisms(report: Report) -> Iterator[Line]:
    counts = Counter(str(redirect.mechanism) for redirect in report.redirects)
    parts = [f"{count} {mechanism}" for mechanism, count in counts.most_common()]
    if parts or report.writes:
        yield _row("by", (", ".join([*parts, _count(report.writes, "write")]), "plain"))


def _details(finding: Finding) -> Iterator[Line]:
    for text in finding.excerpt.rstrip().splitlines():
        yield ((_MARGIN + "  " + text, "plain"),)
    if finding.next_step and finding.severity is not Severity.NOTE:
        yield ((_MARGIN + "  -> " + finding.next_step, "step"),)


def _row(label: str, *spans: Span) -> Line:
    style = {"error": "held"}.get(label, label if label in ("held", "kept", "note") else "dim")
    return ((_MARGIN, "plain"), (f"{label:<9} ", style), *spans)


def _section(title: str, items: list[str]) -> list[Line]:
    return [((f"{title}: ", "code"), (str(len(items)), "plain")), *((("  " + item, "plain"),) for item in items)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
