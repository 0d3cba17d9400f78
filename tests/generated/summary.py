"""Prints at the end how many generated swaps were wrong, how many were refused, and with which codes."""

from __future__ import annotations

from collections import Counter

import pytest

GOAL = 5.0  # per cent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sum up over all tests; the figures come with the reports, so that they arrive from xdist's workers as well."""
    total: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "teardown":
                for name, value in report.user_properties:
                    if name == "generated":
                        total.update(dict(value))  # type: ignore[arg-type]
    if swaps := total["swaps"]:
        refused = {name: count for name, count in sorted(total.items()) if name.startswith("HS")}
        rate = 100 * sum(refused.values()) / swaps
        codes = ", ".join(f"{code} {count}" for code, count in refused.items()) or "none"
        terminalreporter.section("generated programs")
        terminalreporter.write_line(
            f"{total['examples']} programs, {swaps} swaps, {total['cannot start']} to a text that cannot start; "
            f"{total['wrong']} wrong ({100 * total['wrong'] / swaps:.1f} %, goal none); "
            f"refused {rate:.1f} % (goal under {GOAL:.0f} %): {codes}"
        )
