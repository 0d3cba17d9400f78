"""A text of which an earlier version is known gives the tree that it gives by itself, though only a part of it is parsed."""

from __future__ import annotations

import ast
import random

import pytest

from hotswap.plan.source import SourceError, parse_source

TEXT = '''# -*- coding: latin-1 -*-
"""Says what it is."""
from __future__ import annotations
import a; import b
x = 1; y = (2,
    3); z = 4

@(
    deco
)
@deco(1)
def f(q):
    """Döc."""
    if q:
        return 1
    else:
        return 2

if x:
    y = 1
elif y:
    y = 2
else:
    y = 3
try:
    pass
except E:
    pass
finally:
    pass
class A:
    s = """
def not_one(): pass
"""
    @property
    def p(self): return "é"  # said

match x:
    case 1:
        case = 2
case = [
    1,

    2,
]
for i in x: pass
else: pass
long = 1 + \\
    2
'''
#: What may be put anywhere: much of it is no text by itself, or goes on with what stands around it.
PIECES = (
    "", "\n", "x = 5\n", "    x = 5\n", "else:\n    pass\n", "elif q:\n    pass\n", "except F:\n    pass\n", '"""\n', "(\n",
    ")\n", "\\\n", "x = 1 \\\n", "@deco\n", "if x:\n", "    case 2: pass\n", "case 2: pass\n", "# said\n", "    # said\n",
    "; w = 1\n", "'''\n", "\f\n", "\tx = 1\n", "# coding: utf-8\n", "def g(): return 1\n", "import c; import d\n",
    "finally:\n    pass\n", "x = '\u00e9'; y = 2\n", "\0",
)  # fmt: skip


def dump(text: str, known: str | None = None) -> str | None:
    """The tree with its positions; None for a text that is none."""
    try:
        earlier = parse_source("p.py", known.encode("latin-1")) if known is not None else None
        tree = parse_source("p.py", text.encode("latin-1"), earlier).tree
    except SourceError:
        return None
    return ast.dump(tree, include_attributes=True)


@pytest.mark.parametrize("seed", range(4))
def test_tree_is_that_of_the_whole_text(seed: int) -> None:
    """Wherever lines come, go and change, several times in a row."""
    chance = random.Random(seed)
    valid = 0
    for _ in range(100):
        lines, known = TEXT.splitlines(keepends=True), TEXT
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(lines) + 1)
            gone = chance.choice((0, 1, 1, 1, 2))
            piece = chance.choice(PIECES) if chance.random() < 0.7 else chance.choice(lines)
            lines[at : at + gone] = [piece]
            text = "".join(lines)
            whole = dump(text)
            assert dump(text, known) == whole, text
            if whole is not None:
                known, valid = text, valid + 1
    assert valid > 20


def test_unchanged_statements_keep_their_trees() -> None:
    """In front of what changed, and behind it where their lines stay the same."""
    old = parse_source("p.py", b"a = 1\nb = 2\nc = 3\n")
    same_lines = parse_source("p.py", b"a = 1\nb = 4\nc = 3\n", old)
    assert [one is other for one, other in zip(old.tree.body, same_lines.tree.body, strict=True)] == [True, False, True]
    moved = parse_source("p.py", b"a = 1\n\nb = 2\nc = 3\n", old)
    assert [one is other for one, other in zip(old.tree.body, moved.tree.body, strict=True)] == [True, False, False]


def test_statements_on_one_line_are_parsed_together() -> None:
    """A line is cut nowhere."""
    old = parse_source("p.py", b"a = 1; b = [\n2]; c = 3\nd = 4\n")
    new = parse_source("p.py", b"a = 1; b = [\n5]; c = 3\nd = 4\n", old)
    assert [one is other for one, other in zip(old.tree.body, new.tree.body, strict=True)] == [False, False, False, True]
