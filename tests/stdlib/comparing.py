"""What an untouched process found against what a swapped one found."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Row:
    """One swap and how the tests went after it.

    Attributes:
        verdict: ``same``, ``refused`` (and the tests went as without it), ``DIFFERENT``, or ``ERROR`` where a process failed.
        tests: how many outcomes were compared.
        functions, classes: how many were held from before.
        left: of the functions, those with another code than they should have.
        reasons: why the swap was refused, or the codes of what accompanies it.
        differences: what differs, in words.
    """

    module: str
    edit: str
    attach: str
    verdict: str
    tests: int = 0
    functions: int = 0
    classes: int = 0
    left: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    codes: str = ""
    differences: tuple[str, ...] = ()
    seconds: float = 0.0
    milliseconds: float = 0.0

    @property
    def refusals(self) -> str:
        """The codes of the reasons why the swap was refused."""
        return ", ".join(sorted({reason[:5] for reason in self.reasons}))

    def __str__(self) -> str:
        head = (
            f"{self.verdict:9} {self.module:18} {self.edit:8} {self.attach:6} {self.tests:5} tests {self.functions:4} functions"
            f" {self.classes:4} classes {self.seconds:5.1f} s, swap {self.milliseconds:5.0f} ms {self.codes}"
        )
        return "\n    ".join([head, *self.reasons, *(f"left: {name}" for name in self.left[:20]), *self.differences[:40]])


def compare(module: str, edit: str, attach: str, untouched: dict[str, Any], swapped: dict[str, Any]) -> Row:
    """The row of one swap."""
    both = {"untouched": untouched, "swapped": swapped}
    if errors := tuple(f"{which}: {found['error']}" for which, found in both.items() if "error" in found):
        return Row(module=module, edit=edit, attach=attach, verdict="ERROR", differences=errors, seconds=swapped["seconds"])
    differences = [*_differences(untouched["outcomes"], swapped["outcomes"])]
    differences += [f"another class object: {name}" for name in swapped["exchanged"]]
    if swapped["left"]:
        differences.append(f"{len(swapped['left'])} functions do not have the code that they should")
    if not swapped["applied"] and not swapped["held"]:
        differences.append("the swap was not applied, and nothing says why")
    codes = Counter(finding[:5] for finding in swapped["findings"])
    return Row(
        module=module, edit=edit, attach=attach,
        verdict="DIFFERENT" if differences else "same" if swapped["applied"] else "refused",
        tests=sum(map(len, swapped["outcomes"].values())),
        functions=swapped["functions"], classes=swapped["classes"], left=tuple(swapped["left"]),
        reasons=tuple(swapped["held"]), differences=tuple(differences), seconds=swapped["seconds"],
        codes=", ".join(f"{code} {count}" for code, count in sorted(codes.items())), milliseconds=swapped["milliseconds"],
    )  # fmt: skip


def _differences(untouched: dict[str, Any], swapped: dict[str, Any]) -> list[str]:
    found = []
    for name in untouched | swapped:
        one, other = untouched.get(name, []), swapped.get(name, [])
        if [_bare(outcome) for outcome in one] != [_bare(outcome) for outcome in other]:
            found.append(f"{name}: untouched {_say(one)}, swapped {_say(other)}")
    return found


def _bare(outcome: list[str]) -> str:
    return outcome[0]


def _say(outcomes: list[list[str]]) -> str:
    return ", ".join(re.sub(r"\s+", " ", " ".join(outcome))[:200] for outcome in outcomes) or "not run"
