"""Statements are compared by their text where that is equal: the answer is that of their trees."""

from __future__ import annotations

import ast
from itertools import product

import pytest

from hotswap.plan.diff import diff_units
from hotswap.plan.trees import dump, dump_shape, pair_bodies
from hotswap.plan.units import Summary, index_at, summarise
from hotswap.plan.uses import Uses, analyse, is_inert

TEXTS = (
    "def f(x):\n    return x\n",
    "def f(x):\n    return 1\n",
    "def f(x):\n    return 1.0\n",
    "def f(x):\n    return True\n",
    "def f(x):\n    # said\n    return x  # so\n",
    "def f(x): return x\n",
    "def f(x): pass; return x\n",
    "def f(x):\n    pass; return x\n",
    "def f(x):\n    pass\n    return x\n",
    "def f( x ):\n    return x\n",
    "def f(x, y=1):\n    return x\n",
    "def f(x, y=2):\n    return x\n",
    "def f(x, y=lambda: 1):\n    return x\n",
    "def f(x, y=lambda: 2):\n    return x\n",
    "def f(x, y=lambda: 2):\n    return y\n",
    "@g\ndef f(x):\n    return x\n",
    "@h\ndef f(x):\n    return x\n",
    "@(\n    g\n)\ndef f(x):\n    return x\n",
    "async def f(x):\n    return x\n",
    "def f(x):\n    'said'\n    return x\n",
    "def f(x):\n    'said otherwise'\n    return x\n",
    "def f(x):\n    if x:\n        a = 1\n        b = 2\n    return x\n",
    "def f(x):\n    if x:\n        a = 1\n    b = 2\n    return x\n",
    "def f(x):\n    if x:\n        a = 1\n    else:\n        b = 2\n    return x\n",
    "def f(x):\n    if x:\n        a = 1; b = 2\n    return x\n",
    "def f(x):\n    if x:\n        a = 1; b = 3\n    return x\n",
    "def f(x):\n    while x:\n        a = 1; b = 3\n    return x\n",
    "def f(x):\n    return '''a\n    b'''\n",
    "def f(x):\n    return '''a\n     b'''\n",
    "def f(x):\n    @g\n    def inner(y):\n        return y\n    return inner\n",
    "def f(x):\n    @h\n    def inner(y):\n        return y\n    return inner\n",
    "def f(x):\n    @g\n    def inner(y):\n        return x\n    return inner\n",
    "def f(x):\n    try:\n        a = 1\n    except E:\n        b = 1\n    finally:\n        c = 1\n",
    "def f(x):\n    try:\n        a = 1\n    except E:\n        b = 2\n    finally:\n        c = 1\n",
    "def f(x):\n    try:\n        a = 1\n    except E:\n        b = 1\n    finally:\n        c = 2\n",
    "def f(x):\n    match x:\n        case 1:\n            a = 1\n",
    "def f(x):\n    match x:\n        case 1:\n            a = 2\n",
    "class f:\n    x = lambda: 1\n    def m(self): return 1\n",
    "class f:\n    x = lambda: 2\n    def m(self): return 1\n",
    "class f:\n    x = lambda: 1\n    def m(self): return 2\n",
    "class f:\n    x = lambda: 1\n    def m(self): return 2\n    def m(self): return 3\n",
    "class f:\n    x = lambda: 1\n    def m(self): return 1\n    def m(self): return 3\n",
    "f = lambda: 1\n",
    "f = lambda: 2\n",
    "f = [lambda: 1, lambda: 2]\n",
    "f = [lambda: 1, lambda: 3]\n",
)


def read(text: str) -> Summary:
    return summarise("m", ast.parse(text), text.encode(), is_package=False)


def test_statements_differ_exactly_where_their_trees_do() -> None:
    """Whatever two statements are, and wherever in its text each stands."""
    for old_text, new_text in product(TEXTS, TEXTS):
        old, new = read(old_text), read("import a\n\n\n" + new_text)
        mine, theirs = old.units[0], new.units[1]
        heads_differ = dump_shape(mine.node)[0] != dump_shape(theirs.node)[0]
        bodies = [key for key, body in theirs.bodies.items() if key in mine.bodies and dump(mine.bodies[key]) != dump(body)]
        diff = diff_units(old, new)
        assert [pair == (mine, theirs) for pair in diff.changed] == [True] * heads_differ, (old_text, new_text)
        assert bool(diff.touched) == bool(bodies and not heads_differ), (old_text, new_text)
        assert diff.bodies.keys() == {key.partition("#")[0] for key in bodies}, (old_text, new_text)


def test_bodies_are_paired_by_the_names_that_a_unit_gives_them() -> None:
    """So that a difference is noted under the name under which it is looked up."""
    for text in TEXTS:
        node = read(text).units[0].node
        pairs = pair_bodies(node, node)
        assert pairs is not None
        assert {key: one for key, (one, _) in pairs.items()} == dump_shape(node)[1]


def test_definition_of_an_inert_function_uses_nothing() -> None:
    """What is left out for it is what its analysis would give."""
    for text in TEXTS:
        node = read(text).units[0].node
        if is_inert(node):
            found = analyse(node)
            assert found.now == Uses()
            assert found.function_names == {"f"}
    heads = ("def f(x=g())", "def f(*, x=g)", "def f(x: g)", "def f(*x: g)", "def f() -> g", "@g\ndef f()", "class f")
    assert not any(is_inert(ast.parse(f"{head}: ...").body[0]) for head in heads)
    assert not any(is_inert(ast.parse(text).body[0]) for text in ("f = 1", "import f"))


@pytest.mark.parametrize(("line", "index"), [(1, 0), (2, 1), (4, 1), (5, 2), (6, 2), (7, None), (8, 4), (9, 4), (99, None)])
def test_statement_at_a_line(line: int, index: int | None) -> None:
    """Of several on one line it is the first, and a decorator belongs to its function."""
    summary = read("a = 1\n@g\ndef f():\n    pass\nb = (1,\n    2); c = 3\n\nclass A:\n    x = 1\n")
    assert index_at(summary, line) == index
    assert index_at(read(""), 1) is None


