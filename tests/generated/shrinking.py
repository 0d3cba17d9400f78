"""Make a failing example small: leave out and simplify in all versions at once, while the same problem remains.

Hypothesis would do this on what was drawn; here it is done on the programs themselves, which is several times faster
and ends with smaller ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from tests.generated.judging import Example, Judgement
from tests.generated.program import (
    Class,
    Data,
    Decorator,
    Field,
    Function,
    Lit,
    Many,
    Param,
    Program,
    Ref,
    Step,
    rewrite,
    walk,
)
from tests.generated.scope import EXPRESSIONS, settle

Programs = list[Program]
ZERO = Lit("0")
PLAIN: dict[type, dict[str, Any]] = {
    Function: {"doc": "", "flavour": "func"}, Class: {"doc": "", "style": "plain", "base": None}, Data: {"form": "plain"},
}  # fmt: skip


def signature(judgement: Judgement) -> tuple[str, ...]:
    """What makes two failures the same: the problem, and the form of the first line that is wrong."""
    problem = re.sub(r"\d+", "#", judgement.problem)
    first = judgement.difference[0] if judgement.difference else ""
    if " differs " not in problem:
        raised = re.findall(r"^\s*(\w+Error\b.*)$", "\n".join([judgement.report, *judgement.difference]), re.MULTILINE)
        return problem, re.sub(r"\d+", "#", raised[-1] if raised else "")[:60]
    asked = re.sub(r"([a-zA-Z]+)\d+(_n)*", r"\1", first.partition(" = ")[0])
    errors = _errors(judgement, "+") - _errors(judgement, "-")
    return problem, asked, min(errors, default="") or _divergence(first, judgement.difference[1:2])


def _divergence(wanted: str, found: tuple[str, ...]) -> str:
    """The first words at which two answers to one question part."""
    pair = [re.split(r"[,()]+", re.sub(r"\d+", "#", line[1:])) for line in (wanted, *found)]
    return next((f"{a.strip()} / {b.strip()}"[:40] for a, b in zip(*pair, strict=False) if a != b), "") if found else ""


def _errors(judgement: Judgement, sign: str) -> set[str]:
    lines = " ".join(line for line in judgement.difference if line[0] == sign)
    return {re.sub(r"\d+(_n)*", "#", error)[:40] for error in re.findall(r"\w+Error: [^'\"]*", lines)}


def shrink(
    judge: Callable[[Example], Judgement], example: Example, judgement: Judgement, seconds: float = 60
) -> tuple[Example, Judgement]:
    """A smaller example with the same signature, as small as the time allows."""
    wanted, end = signature(judgement), time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(example):
            if time.monotonic() > end:
                return example, judgement
            found = judge(smaller)
            if found.problem and signature(found) == wanted:
                example, judgement, progress = smaller, found, True
                break
    return example, judgement


def _smaller(example: Example) -> Iterator[Example]:
    for drawn in _without_one(example.drawn):
        yield example.again(list(example.programs), drawn=drawn)
    size = _size(example.programs)
    for variant in _variants(list(example.programs)):
        candidate = example.again([settle(program) for program in variant])
        if len(candidate.programs) > 1 and _size(candidate.programs) < size:
            yield candidate


def _size(programs: tuple[Program, ...]) -> int:
    return len(repr(programs))


def _without_one(items: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    for index in range(len(items)):
        yield (*items[:index], *items[index + 1 :])


def _variants(programs: Programs) -> Iterator[Programs]:
    names = dict.fromkeys(statement.name for program in programs for _, _, statement in program.statements())
    for name in names:
        yield [_with(program, name, None) for program in programs]
    for index in range(1, len(programs)) if len(programs) > 2 else ():
        yield programs[:index] + programs[index + 1 :]
    yield programs[1:]
    for index in range(1, len(programs)):
        for name in names:  # one difference less
            before = programs[index - 1].find(name)
            if before is not None:
                yield [*programs[:index], _with(programs[index], name, before), *programs[index + 1 :]]
        yield [*programs[:index], attrs.evolve(programs[index], styles=programs[index - 1].styles), *programs[index + 1 :]]
    yield [attrs.evolve(program, styles=()) for program in programs]
    yield [attrs.evolve(program, modules=tuple(m for m in program.modules if any(p.module(m.name).statements for p in programs)))
           for program in programs]  # fmt: skip
    for node in dict.fromkeys(node for program in programs for _, _, s in program.statements() for node in walk(s)):
        for simpler in _simpler(node):
            yield [_replace(program, node, simpler) for program in programs]


def _with(program: Program, name: str, new: Any) -> Program:
    modules = []
    for module in program.modules:
        statements = [new if statement.name == name else statement for statement in module.statements]
        modules.append(attrs.evolve(module, statements=tuple(statement for statement in statements if statement is not None)))
    return attrs.evolve(program, modules=tuple(modules))


def _replace(program: Program, node: Any, simpler: Any) -> Program:
    return rewrite(program, lambda found: simpler if found == node else found)


def _simpler(node: Any) -> Iterator[Any]:
    """Simpler things that may stand where a node stands; None takes it out."""
    if isinstance(node, (Decorator, Param, Step, Field)) or (isinstance(node, Function) and node.name in "abc"):
        yield None
    if isinstance(node, EXPRESSIONS) and not isinstance(node, (Ref, Lit)):
        yield ZERO
    if isinstance(node, Many):
        for items in _without_one(node.items):
            yield attrs.evolve(node, items=items)
    if isinstance(node, Lit) and node.text not in "01789":
        yield Lit("1")
    for field, value in PLAIN.get(type(node), {}).items():
        if getattr(node, field) != value:
            yield attrs.evolve(node, **{field: value})
