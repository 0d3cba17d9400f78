"""A failure as the text of a scenario, in the form that ``tests/scenarios`` takes."""

from __future__ import annotations

import re

from tests.generated.judging import Example, Judgement
from tests.generated.render import render


def tell(example: Example, judgement: Judgement) -> str:
    """What was found, and below it a scenario: the probe asks only what was answered wrongly."""
    head = [judgement.problem, *judgement.difference, judgement.report]
    return "\n".join([*head, "", "-" * 40 + " scenario", *_sections(example, judgement)])


def _sections(example: Example, judgement: Judgement) -> list[str]:
    asked = {match[1] for line in judgement.difference if (match := re.match(r"[+-] (.*?) = ", line))}
    probe = [line for line in example.probe.splitlines() if not asked or any(f'"{text}"' in line for text in asked)]
    parts = [f"TODO one sentence: {judgement.problem}.\n"]
    for number, program in enumerate(example.programs, start=1):
        parts += [f"=== v{number}/{path}\n{text}" for path, text in render(program).items()]
    same = len(set(example.takes)) == 1
    for number, text in enumerate(example.takes[:1] if same else example.takes, start=1):
        parts.append(f"=== take{'' if same else f' v{number}'}{text}")
    parts.append("=== probe\n" + "\n".join(probe) + "\n")
    for number, out in enumerate(judgement.fresh, start=1):
        wanted = [line for line in str(out).splitlines() if not asked or line.partition(" = ")[0] in asked]
        parts.append(f"=== expect v{number}\n" + "\n".join(wanted) + "\n")
    return parts
