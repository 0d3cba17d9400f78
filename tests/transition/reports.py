"""What reports say of code that still runs."""

from __future__ import annotations

from pathlib import Path

from hotswap.model import Report, Severity


def said(report: Report, file: str) -> list[tuple[str, int]]:
    """The notes about running code (HS403), with their lines; all of them are about this file."""
    assert report.applied, str(report)
    found = [finding for finding in report.findings if finding.code == "HS403"]
    assert all(f.severity is Severity.NOTE and Path(f.file).name == file for f in found)
    return [(f.message, f.line) for f in found]
