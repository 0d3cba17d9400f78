"""What is told of an ``__init__`` without running it, against what it leaves when it is run."""

from __future__ import annotations

import ast
from textwrap import dedent, indent
from typing import Any

import pytest

from hotswap.commit import MISSING
from hotswap.link.fields import Code, class_nodes, own_methods
from hotswap.link.folding import Folding, Method

MODULE = '''
LIMIT = 3
ROWS = [1, 2]


def double(value, times=2):
    return value * times


def count(seen=[]):
    seen.append(1)
    return len(seen)


def made(value):
    if value is None:
        return {"a": [1]}
    return value
'''


def fold(init: str, module: str = MODULE) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that follow, and those that an object has which is made without arguments."""
    text = module + "\n\nclass Thing:\n" + indent(dedent(init).strip(), "    ") + "\n"
    tree = ast.parse(text)
    functions = {node.name: Code("m", node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    methods = own_methods(class_nodes(tree)["Thing"], "m")
    space: dict[str, Any] = {"__name__": "m"}
    exec(compile(tree, "m", "exec"), space)

    def lookup(module: str, chain: str) -> Any:
        return space.get(chain, getattr(__import__("builtins"), chain, MISSING))

    def method(name: str) -> Method | None:
        return Method(methods[name], bool(methods[name].node.decorator_list)) if name in methods else None

    folding = Folding(lookup, lambda module, chain: functions.get(chain), method)
    code = methods["__init__"]
    defaults = zip(code.node.args.args[1:], code.node.args.defaults, strict=True)
    found = folding.fields(code, {arg.arg: folding.default(code, node) for arg, node in defaults})
    return found, vars(space["Thing"]())


FOLLOWS = {
    "as it comes": "def __init__(self, a=1):\n    self.a = a",
    "arithmetic": "def __init__(self, a=2):\n    b = a * 3 + LIMIT\n    self.a = -b // 2",
    "other text": "def __init__(self, a=None):\n    a = a or 'x'\n    self.a = a + 'y'",
    "branch": (
        "def __init__(self, a=None):\n    if a is None:\n        self.a = []\n    elif a:\n"
        "        self.a = [a]\n    else:\n        self.b = 1"
    ),
    "one of two": "def __init__(self, a=None, b=5):\n    self.a = 1 if a is not None and a > 2 else b in (5, 6)",
    "function": "def __init__(self, a=2):\n    self.a = double(a)\n    self.b = double(times=3, value=a)",
    "fresh": "def __init__(self, a=None):\n    self.a = made(a)",
    "own method": "def __init__(self, a=2):\n    self.a = self.m(a, b=1)\ndef m(self, a, b=7, c=9):\n    return (a, b, c)",
    "static": "def __init__(self, a=2):\n    self.a = self.m(a)\n@staticmethod\ndef m(a):\n    return {a}",
    "kinds": (
        "def __init__(self, a='x'):\n    self.a = isinstance(a, (str, int))\n"
        "    self.b = isinstance(a, int)\n    self.c = callable(a)"
    ),
    "ends": "def __init__(self, a=None):\n    self.a = 1\n    if a is None:\n        return\n    self.b = 2",
    "field of before": "def __init__(self, a=2):\n    self.a = a\n    self.b = self.a + 1",
    "raise that is not met": "def __init__(self, a=2):\n    if a < 0:\n        raise ValueError(a)\n    self.a = a",
    "private": "def __init__(self, a=2):\n    self.__a = a",
}


@pytest.mark.parametrize("init", FOLLOWS.values(), ids=list(FOLLOWS))
def test_what_follows_is_what_an_object_gets(init: str) -> None:
    """All fields are told, each with the value that an object has."""
    found, had = fold(init)
    assert found == had
    assert [type(value) for value in found.values()] == [type(value) for value in had.values()]


DOES_NOT = {
    "filled by its name": "def __init__(self, a=2):\n    row = [a]\n    self.x = row\n    row.append(3)",
    "held by two": "def __init__(self, a=2):\n    self.x = self.y = [a]\n    self.x.append(1)",
    "from what is not known": "def __init__(self, a=2):\n    self.x = id(self) + a",
    "a branch that is not known": "def __init__(self, a=2):\n    self.x = a\n    if id(self):\n        self.x = 7",
    "in a loop": "def __init__(self, a=2):\n    self.x = a\n    for self.x in range(a + 3):\n        pass",
    "in a try": (
        "def __init__(self, a=2):\n    self.x = a\n    try:\n        self.x = a // 0\n"
        "    except ZeroDivisionError:\n        self.x = 9"
    ),
    "its parameter again": "def __init__(self, a=2):\n    for a in (4, 5):\n        pass\n    self.x = a",
    "handed on": "def __init__(self, a=2):\n    def f():\n        nonlocal a\n        a = 8\n    f()\n    self.x = a",
    "walrus": "def __init__(self, a=2):\n    print(end=str((a := 6))[:0])\n    self.x = a",
    "with": "def __init__(self, a=2):\n    import contextlib\n    with contextlib.nullcontext(5) as a:\n        self.x = a",
    "match": "def __init__(self, a=2):\n    match [id(self)]:\n        case [a]:\n            pass\n    self.x = a",
    "import": "def __init__(self, a=2):\n    import sys as a\n    self.x = a",
    "a function with an effect": "def __init__(self, a=2):\n    self.x = count()",
    "a container of the module": "def __init__(self, a=2):\n    self.x = ROWS",
    "may end before": "def __init__(self, a=2):\n    if id(self):\n        return\n    self.x = a",
    "identity": "def __init__(self, a=1000):\n    self.x = a is 1000",
    "starred": "def __init__(self, a=2):\n    self.x, *self.y = a, 1, 2",
    "deleted": "def __init__(self, a=2):\n    self.x = a\n    del self.x",
    "added to": "def __init__(self, a=2):\n    self.x = a\n    self.x += 1",
    "an own method that changes it": (
        "def __init__(self, a=2):\n    self.x = self.m()\ndef m(self):\n    self.z = 1\n"
        "    return 2"
    ),
    "a method that is no function": "def __init__(self, a=2):\n    self.x = self.m(a)\nm = double",
}


@pytest.mark.filterwarnings("ignore:.*is.*:SyntaxWarning")
@pytest.mark.parametrize("init", DOES_NOT.values(), ids=list(DOES_NOT))
def test_what_does_not_follow_is_not_told(init: str) -> None:
    """A field that may have another value than what can be seen is left out."""
    if "m = double" in init:  # stands in the class, and gets the object
        init = init.replace("double", "lambda self, a: a")
    found, _ = fold(init)
    assert "x" not in found


def test_names_of_a_function_around_and_of_the_body_are_not_those_of_the_module() -> None:
    """``LIMIT`` of the module is not what a function around the class, or the class's body, calls so."""
    tree = ast.parse("def __init__(self, a=LIMIT):\n    self.x = a\n    self.y = LIMIT").body[0]
    assert isinstance(tree, ast.FunctionDef)
    folding = Folding(lambda module, chain: 3, lambda module, chain: None, lambda name: None)
    for code, known in ((Code("m", tree), {"x": 3, "y": 3}), (Code("m", tree, body=frozenset({"LIMIT"})), {"y": 3}),
                        (Code("m", tree, outer=frozenset({"LIMIT"})), {})):  # fmt: skip
        assert folding.fields(code, {"a": folding.default(code, tree.args.defaults[0])}) == known
