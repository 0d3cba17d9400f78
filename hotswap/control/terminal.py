"""Printing for people, on stderr: one block per batch of saves."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hotswap.control.layout import Layout, Line, Outlook
from hotswap.model import Finding, Report, Severity, Verdict, to_json

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["Reporter", "write_lines"]

_STYLES = {
    "mark": "bold cyan", "good": "bold green", "held": "bold red", "restart": "bold yellow", "kept": "yellow",
    "note": "dim", "code": "bold", "plain": "default", "step": "cyan", "dim": "dim",
}  # fmt: skip


def write_lines(lines: Iterable[Line], stream: TextIO) -> None:
    """Print lines in one write, in colours where the stream shows them."""
    _write(stream, _colour(lines, stream))


def _colour(lines: Iterable[Line], stream: TextIO) -> str:
    plain = "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)
    if stream.closed or not stream.isatty():
        return plain
    try:
        # Late: rich takes longer to import than a swap takes, and only a terminal needs it.
        from rich.console import Console
        from rich.text import Text
    except ImportError:  # a module of the program has the name of one of rich's
        return plain
    buffer = io.StringIO()
    console = Console(file=buffer, force_terminal=True, highlight=False, soft_wrap=True, emoji=False, markup=False)
    for line in lines:
        console.print(Text.assemble(*((text, _STYLES[style]) for text, style in line)))
    return buffer.getvalue()


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError):
        pass  # the program has closed it, or nobody reads any more: there is no other place to say so


class Reporter:
    """Prints reports and findings as the settings want them.

    Args:
        as_json: one line of JSON per report or finding.
        quiet: only what was not applied.
        stream: ``sys.__stderr__``, which stays what it was when the program puts something else into ``sys.stderr``.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._layout = Layout()  # paths relative to where the command was given, wherever the program goes
        self._stream = stream if stream is not None else sys.__stderr__
        # Guards the stream, so that blocks of two threads do not mix; innermost, nothing is called while it is held.
        self._lock = threading.Lock()

    def show(self, report: Report, outlook: Outlook = "none") -> None:
        """Print the block for a report; a change of nothing is not worth one."""
        if not report.applied and report.verdict is Verdict.NOTHING and not report.findings:
            return
        if self._quiet and report.applied:
            return
        if self._as_json:
            self._print(json.dumps(to_json(report)) + "\n")
        elif self._stream is not None:
            self._print(_colour(self._layout.report(report, outlook), self._stream))

    def notice(self, finding: Finding) -> None:
        """Print a finding that belongs to no change."""
        if self._quiet and finding.severity is Severity.NOTE:
            return
        if self._as_json:
            self._print(json.dumps({"finding": to_json(finding)}) + "\n")
        elif self._stream is not None:
            self._print(_colour(self._layout.finding(finding), self._stream))

    def _print(self, text: str) -> None:
        if self._stream is not None:
            with self._lock:
                _write(self._stream, text)
