"""Short scenarios written in a test, before the judge of ``tests/scenarios``."""

from __future__ import annotations

import textwrap

from hotswap.testing import Judge, Outcome, Scenario, parse_scenario


def scenario(v1: str, v2: str, take: str, probe: str, *, name: str = "test", **sections: str) -> Scenario:
    """A program of one module ``lib`` in two versions.

    Args:
        sections: more of them, ``must_refuse="HS301 why"`` for ``=== must refuse``.
    """
    parts = [name.replace("_", " ").capitalize() + "."]
    for header, body in (("v1/lib.py", v1), ("v2/lib.py", v2), ("take", take), ("probe", probe)):
        parts.append(f"=== {header}\n{textwrap.dedent(body).strip()}\n")
    for header, body in sections.items():
        parts.append(f"=== {header.replace('_', ' ')}\n{textwrap.dedent(body).strip()}\n")
    return parse_scenario("\n".join(parts), name=name)


def require(judge: Judge, case: Scenario, outcome: Outcome) -> None:
    """The swapped process answers as the fresh one, or the change is refused with a listed code, whichever is expected."""
    verdict = judge.judge(case)
    assert verdict.outcome is outcome, str(verdict)
