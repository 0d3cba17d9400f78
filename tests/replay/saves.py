"""A release cut into saves: all at once, file by file, or definition by definition in random order."""

from __future__ import annotations

import ast
import difflib
import itertools
import random
from collections.abc import Callable, Iterator

Files = dict[str, bytes]
#: Files by their place; None deletes one. Bytes travel as latin-1, which JSON can carry and nobody decodes.
Save = dict[str, str | None]

#: How many saves a release is cut into at most; what is more goes together, neighbours in their random order.
MOST = 120


def cut_whole(old: Files, new: Files, seed: int) -> list[Save]:
    """One save with all files, as a checkout writes them."""
    return [{place: _text(new.get(place)) for place in changed_places(old, new)}]


def cut_by_file(old: Files, new: Files, seed: int) -> list[Save]:
    """A save for each file, in random order."""
    places = changed_places(old, new)
    random.Random(seed).shuffle(places)
    return [{place: _text(new.get(place))} for place in places]


def cut_by_definition(old: Files, new: Files, seed: int) -> list[Save]:
    """A save for each changed statement of a module or class, in random order; each text that is written can be parsed."""
    draws = random.Random(seed)
    edits: list[tuple[str, int]] = []
    mixes: dict[str, list[tuple[str, str]]] = {}
    for place in changed_places(old, new):
        mixes[place] = _mix(place, old, new)
        edits += [(place, at) for at, (before, after) in enumerate(mixes[place]) if before != after] or [(place, -1)]
    draws.shuffle(edits)
    saves: list[Save] = []
    done: dict[str, set[int]] = {place: set() for place in mixes}
    waiting: set[str] = set()
    for group in _groups(edits):
        for place, at in group:
            done[place].add(at)
            waiting.add(place)
        save: Save = {}
        for place in sorted(waiting):
            text = "".join(after if at in done[place] else before for at, (before, after) in enumerate(mixes[place]))
            if not mixes[place]:
                save[place] = _text(new.get(place))
            elif not place.endswith(".py") or _can_be_parsed(text):
                save[place] = text
        if save:
            saves.append(save)
            waiting -= set(save)
    return saves


def changed_places(old: Files, new: Files) -> list[str]:
    """The files that differ, sorted."""
    return sorted(place for place in old.keys() | new.keys() if old.get(place) != new.get(place))


def _groups(edits: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    size = -(-len(edits) // MOST)
    for start in range(0, len(edits), size or 1):
        yield edits[start : start + size]


def _mix(place: str, old: Files, new: Files) -> list[tuple[str, str]]:
    """Pair what both texts consist of: the old and the new one are the left and the right sides, joined.

    Empty where the file is taken as a whole: it comes, it goes, or it is no Python.
    """
    if place not in old or place not in new or not place.endswith(".py"):
        return []
    befores, afters = _pieces(old[place].decode("latin-1")), _pieces(new[place].decode("latin-1"))
    pairs: list[tuple[str, str]] = []
    heads = [[_head(piece) for piece in pieces] for pieces in (befores, afters)]
    for _, i1, i2, j1, j2 in difflib.SequenceMatcher(None, *heads, autojunk=False).get_opcodes():
        pairs += itertools.zip_longest(befores[i1:i2], afters[j1:j2], fillvalue="")
    return pairs


def _pieces(text: str) -> list[str]:
    """Cut a text where a statement of the module or of a class body ends; comments stay with what follows them."""
    lines = text.splitlines(keepends=True)
    ends = sorted({statement.end_lineno or 0 for statement in _statements(ast.parse(text).body)} | {len(lines)})
    return ["".join(lines[start:end]) for start, end in zip([0, *ends], ends, strict=False) if lines[start:end]]


def _head(piece: str) -> str:
    """By what two versions of a statement are told to be the same one: its first line, without what may change in it."""
    lines = [line.strip() for line in piece.splitlines()]
    first = next((line for line in lines if line and not line.startswith(("#", "@"))), "")
    return first.partition("(")[0].partition("=")[0]


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.ClassDef):
            yield from _statements(statement.body)


def _can_be_parsed(text: str) -> bool:
    try:
        ast.parse(text.encode("latin-1"))
    except SyntaxError:
        return False
    return True


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("latin-1")


CUTS: dict[str, Callable[[Files, Files, int], list[Save]]] = {
    "whole": cut_whole,
    "files": cut_by_file,
    "definitions": cut_by_definition,
}
