"""One example before the judge: a process led through the versions and back, and a fresh process for each version.

    swapped: v1, take, swap to v2, probe [swap to v3, probe], rollback, probe [rollback, probe]
    fresh:   vN, take, probe                                                          for each N

After each step the swapped process must print what the fresh one of the live version prints. A refused swap leaves
the version before live. The legitimate differences, all of them:

    a closure that never captured what its new code needs    named by HS404; lines about its factory may differ
    an object made by a class used as a decorator            named by HS409; lines about the held object may differ
    data that the program changed, with a new initialiser    named by HS401; lines about it and what reads it may differ
    what reads data that the program changed                 evaluated again, it may see the value of now or of the start
    a version on which a fresh process cannot start          has to be refused
"""

from __future__ import annotations

import base64
import difflib
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from hotswap.testing.judge import Nursery
from tests.generated.changing import make_changes
from tests.generated.probing import probe, take
from tests.generated.program import Program, names_in
from tests.generated.render import render

Result = dict[str, Any]
_KEPT = re.compile(r"^  kept: (HS\d+) (.*)$", re.MULTILINE)
#: Refusals that no valid program deserves: an error inside of hotswap, and "the new text raised" where it does not.
NEVER = frozenset({"HS599", "HS110", "HS101", "HS102"})


@attrs.frozen(kw_only=True)
class Example:
    """Versions of a program, what is taken on each, and which names the program itself changes.

    Attributes:
        programs: the versions; those of the same text count once.
        warm: call everything before references are taken, so that caches are full.
        drawn: the changes that the program makes, see :mod:`changing`.
        takes: for each version what is run after its start.
        changed: names that ``drawn`` comes to.
    """

    programs: tuple[Program, ...]
    warm: bool
    drawn: tuple[tuple[str, int], ...]
    takes: tuple[str, ...]
    changed: frozenset[str]

    @classmethod
    def of(cls, programs: list[Program], *, warm: bool = True, drawn: Iterable[tuple[str, int]] = ()) -> Example:
        distinct = tuple(p for i, p in enumerate(programs) if not i or render(p) != render(programs[i - 1]))
        done = make_changes(distinct, drawn)
        takes = tuple(take(program, distinct[0], warm=warm) + done.text for program in distinct)
        return cls(programs=distinct, warm=warm, drawn=tuple(drawn), takes=takes, changed=done.names)

    def again(self, programs: list[Program], *, drawn: tuple[tuple[str, int], ...] | None = None) -> Example:
        """The same with other programs, or with other changes."""
        return self.of(programs, warm=self.warm, drawn=self.drawn if drawn is None else drawn)

    @property
    def probe(self) -> str:
        return probe(list(self.programs))


@attrs.frozen(kw_only=True)
class Judgement:
    """How an example ended: ``problem`` is empty where nothing is wrong."""

    problem: str = ""
    difference: tuple[str, ...] = ()
    report: str = ""
    refused: tuple[str, ...] = ()  # one entry for each refused swap: its first code
    swaps: int = 0
    broken: int = 0
    kept: tuple[str, ...] = ()
    fresh: tuple[Any, ...] = ()


class Court:
    """Two nurseries and a directory; use it as a context manager."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = itertools.count()

    def __enter__(self) -> Court:
        self.swapping, self.plain = Nursery.start(with_hotswap=True), Nursery.start(with_hotswap=False)
        return self

    def __exit__(self, *exc: object) -> None:
        self.swapping.stop()
        self.plain.stop()

    def judge(self, example: Example) -> Judgement:
        texts = [render(program) for program in example.programs]
        folders = [self.directory / f"p{next(self.numbers)}" for _ in range(len(texts) + 1)]
        question = {"op": "probe", "code": example.probe}
        self.swapping.ask(folders[0], _swapped(texts, example, question))
        for folder, text, taking in zip(folders[1:], texts, example.takes, strict=True):
            self.plain.ask(folder, [_write(text), {"op": "take", "code": taking}, question])
        fresh = [self.plain.answer()[-1] for _ in texts]
        swapped = self.swapping.answer()
        return decide(example, fresh, swapped)


def _write(files: dict[str, str]) -> Result:
    return {"op": "write", "files": {path: base64.b64encode(text.encode()).decode() for path, text in files.items()}}


def _swapped(texts: list[dict[str, str]], example: Example, question: Result) -> list[Result]:
    steps = [_write(texts[0]), {"op": "start"}, {"op": "take", "code": example.takes[0]}]
    for text in texts[1:]:
        steps += [_write(text), {"op": "swap"}, question]
    for text in reversed(texts[:-1]):
        steps += [{"op": "rollback"}, _write(text), question]
    return steps


# -- the decision -----------------------------------------------------------------------------------------------


class _Problem(Exception):
    def __init__(self, problem: str, *difference: str) -> None:
        super().__init__(problem)
        self.difference = difference


@attrs.define
class _Course:
    """Where the swapped process is while its answers are read."""

    example: Example
    fresh: list[Result]
    answers: Iterator[Result]
    live: int = 0
    before: list[tuple[int, frozenset[str]]] = attrs.Factory(list)  # what each applied swap started from
    kept: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()  # that could not follow; only what is held of them differs
    kept_codes: list[str] = attrs.Factory(list)
    refused: list[str] = attrs.Factory(list)
    broken: int = 0
    report: str = ""
    when: str = "swapped process"

    def read(self) -> None:
        for op in ("write", "start", "take"):
            self.next(op)
        for version in range(1, len(self.fresh)):
            self.next("write")
            done = self.take_swap(version, self.next("swap"))
            self.compare(self.next("probe"))
            if not done:
                return  # what follows a refused save is a mixture of texts, file by file
        self.when = "process taken back"
        while self.before and self.take_back(self.next("rollback")):
            self.next("write")
            self.compare(self.next("probe"))

    def next(self, op: str) -> Result:
        answer = next(self.answers)
        if "error" in answer:
            raise _Problem(f"step {answer['op']} raised", *answer["error"].splitlines()[-12:])
        assert answer["op"] == op, answer
        return answer

    def take_swap(self, version: int, answer: Result) -> bool:
        self.report = answer["text"]
        starts = "error" not in self.fresh[version]
        if answer["applied"]:
            if not starts:
                raise _Problem("applied a text that cannot be started", *self.fresh[version]["error"].splitlines()[-3:])
            self.before.append((self.live, self.kept))
            self.live = version
            self.note_kept()
        elif answer["held"]:
            if starts and (wrong := NEVER & set(answer["held"])):
                raise _Problem(f"refused with {', '.join(sorted(wrong))}")
            self.broken += not starts
            self.refused += [answer["held"][0]] * starts
            return False
        elif starts:
            self.live = version  # nothing to do: the texts mean the same
        return True

    def note_kept(self) -> None:
        for code, message in _KEPT.findall(self.report):
            names = {name for name in re.findall(r"\w+", message) if any(p.find(name) for p in self.example.programs)}
            self.kept_codes.append(code)
            if code == "HS404" or (code == "HS401" and names & (self.example.changed | self.dependents())):
                self.kept |= names
            elif code == "HS409":
                self.objects |= names
            else:
                raise _Problem(f"{code} without cause: {message}")

    def take_back(self, answer: Result) -> bool:
        """False where the newest swap was refused: the nursery then takes nothing back."""
        if answer.get("skipped"):
            return False
        self.report = answer["text"]
        if not answer["applied"]:
            raise _Problem("the rollback was refused")
        self.live, self.kept = self.before.pop()
        return True

    def compare(self, answer: Result) -> None:
        wanted, found = self.fresh[self.live]["out"].splitlines(), answer["out"].splitlines()
        if wanted == found:
            return
        excused = self.dependents()
        lines = [line for line in difflib.ndiff(wanted, found) if line[0] in "+-"]
        left = [line for line in lines if not self.is_excused(line.partition(" = ")[0], excused)]
        if left:
            raise _Problem(f"{self.when} differs from a fresh v{self.live + 1}", *left)

    def is_excused(self, asked: str, excused: set[str]) -> bool:
        words = set(re.findall(r"\w+", asked))
        return bool(words & excused) or ("held" in words and bool(words & self.objects))

    def dependents(self) -> set[str]:
        """Names whose value may depend on what was kept, or on what the program changed."""
        found = set(self.kept | self.example.changed)
        for _ in range(10 * bool(found)):
            for program in self.example.programs:
                for _, _, statement in program.statements():
                    if names_in(statement) & found:
                        found.add(statement.name)
        return found - (self.example.changed - self.kept)


def decide(example: Example, fresh: list[Result], swapped: list[Result]) -> Judgement:
    """Read the answers of all processes."""
    if "error" in fresh[0]:
        return Judgement(broken=1, fresh=(fresh[0]["error"],))  # version 1 does not start; nothing can be learned
    course = _Course(example, fresh, iter(swapped))
    problem, difference = "", ()
    try:
        course.read()
    except _Problem as found:
        problem, difference = str(found), found.difference
    outs = tuple(answer.get("out", answer.get("error")) for answer in fresh)
    return Judgement(
        problem=problem, difference=tuple(difference), report=course.report, refused=tuple(course.refused),
        swaps=len(fresh) - 1, broken=course.broken, kept=tuple(course.kept_codes), fresh=outs,
    )  # fmt: skip
