"""Events for the application's own logging, through structlog.

Takes: reports and findings. Gives: events ``hotswap.swap``, ``hotswap.held``, ``hotswap.restart``, ``hotswap.notice``
to the loggers that the program has configured. Must not: configure structlog, nor print.
"""

from __future__ import annotations

import sys
from typing import Any

from hotswap.model import Finding, Report, Severity, Verdict, to_json

__all__ = ["log_finding", "log_report"]


def log_report(report: Report) -> None:
    """Tell the program's log what was done with a change, or why nothing was."""
    if not report.applied and report.verdict is Verdict.NOTHING:
        return
    fields: dict[str, Any] = {
        "verdict": report.verdict.value,
        "files": [module.file for module in report.plan.modules],
        "edits": len(report.plan.edits),
        "codes": sorted({finding.code for finding in report.findings}),
        "ms": round(report.timing.total, 3),
    }
    if report.applied:
        _emit("info", "hotswap.swap", number=report.number, writes=report.writes, live_ms=report.timing.live, **fields)
    else:
        event = "hotswap.restart" if report.verdict is Verdict.RESTART else "hotswap.held"
        _emit("warning", event, reasons=[str(finding) for finding in report.held], **fields)


def log_finding(finding: Finding) -> None:
    """Tell the program's log something that belongs to no change (the watcher fell back to polling, say)."""
    level = {Severity.NOTE: "info", Severity.ERROR: "error"}.get(finding.severity, "warning")
    _emit(level, "hotswap.notice", **to_json(finding))


def _emit(level: str, event: str, **fields: Any) -> None:
    # Only where the program has configured structlog. Unconfigured, structlog prints to stdout, which belongs to the
    # program; and a program that has not imported it cannot have configured it, so it is never imported from here.
    structlog = sys.modules.get("structlog")
    if structlog is None or not structlog.is_configured():
        return
    try:
        getattr(structlog.get_logger("hotswap"), level)(event, **fields)
    except Exception as exc:  # noqa: BLE001 - a processor of the program raised: border to program code
        print(f"hotswap: the program's structlog configuration raised {type(exc).__name__}: {exc}", file=sys.__stderr__)
