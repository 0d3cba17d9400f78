"""Everything that Python does with an object without calling a name of the text, before the judge.

Each operation runs one method, whose body changes; what an unchanged statement made of it has to follow. The statement
stands in the module of the class, in another one that imports the object, and in a function that is given the object.
Expectations come from a freshly started process.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from textwrap import indent

import attrs
import pytest

from hotswap.testing import Judge, Scenario
from tests.sample import some

pytestmark = pytest.mark.once  # much the same on every interpreter

_ITEMS = "def keys(self):\n    return ['k']\ndef __getitem__(self, key):\n    return VALUE"
_EQ = "__hash__ = object.__hash__\ndef __eq__(self, other):\n    return VALUE == 2"
_GETATTR = "def __getattr__(self, name):\n    if name[0] == '_':\n        raise AttributeError(name)\n    return VALUE"
_VAL = "def val(self):\n    return VALUE"
_STR = "def __str__(self):\n    return str(VALUE)"
_ITER = "def __iter__(self):\n    return iter([VALUE])"
_BOOL = "def __bool__(self):\n    return VALUE == 2"

#: What the class K has, and a statement that makes X with the help of its object a.
OPERATIONS = {
    "add": ("def __add__(self, other):\n    return VALUE", "X = a + a"),
    "radd": ("def __radd__(self, other):\n    return VALUE", "X = 1 + a"),
    "iadd": ("def __iadd__(self, other):\n    return VALUE", "X = K()\nX += 1"),
    "neg": ("def __neg__(self):\n    return VALUE", "X = -a"),
    "matmul": ("def __matmul__(self, other):\n    return VALUE", "X = a @ a"),
    "divmod": ("def __divmod__(self, other):\n    return VALUE", "X = divmod(a, 2)"),
    "getitem": ("def __getitem__(self, key):\n    return VALUE", "X = a[1]"),
    "class_getitem": ("def __class_getitem__(cls, key):\n    return VALUE", "X = K[int]"),
    "missing": ("pass\nclass D(dict):\n    def __missing__(self, key):\n        return VALUE", "X = D()['q']"),
    "mapping": (_ITEMS, "X = {**a}"),
    "dict": (_ITEMS, "X = dict(a)"),
    "setitem": ("def __setitem__(self, key, value):\n    self.n = VALUE", "a[1] = 2\nX = a.n"),
    "setattr": ("def __setattr__(self, key, value):\n    self.__dict__[key] = VALUE", "a.q = 9\nX = a.q"),
    "getattr": (_GETATTR, "X = a.foo"),
    "property": ("@property\ndef foo(self):\n    return VALUE", "X = a.foo"),
    "class_attribute": ("val = VALUE", "X = [a.val]"),
    "str": (_STR, "X = str(a)"),
    "f_string": (_STR, "X = f'{a}'"),
    "join": (_STR, "X = ','.join(map(str, [a, a]))"),
    "format": ("def __format__(self, spec):\n    return str(VALUE)", "X = f'{a:x}'"),
    "str_format": ("def __format__(self, spec):\n    return str(VALUE)", "X = '{}'.format(a)"),
    "format_attribute": ("@property\ndef foo(self):\n    return VALUE", "X = '{0.foo}'.format(a)"),
    "percent": ("def __repr__(self):\n    return str(VALUE)", "X = '%r' % (a,)"),
    "list": (_ITER, "X = list(a)"),
    "comprehension": (_ITER, "X = [i for i in a]"),
    "unpacking": (_ITER, "X, = a"),
    "star": (_ITER, "X = [*a]"),
    "loop": (_ITER, "X = []\nfor i in a:\n    X.append(i)"),
    "reversed": ("def __reversed__(self):\n    return iter([VALUE])", "X = list(reversed(a))"),
    "next": ("def __iter__(self):\n    return self\ndef __next__(self):\n    return VALUE", "X = next(a)"),
    "len": ("def __len__(self):\n    return VALUE", "X = len(a)"),
    "if_expression": (_BOOL, "X = 'y' if a else 'n'"),
    "if_statement": (_BOOL, "if a:\n    X = 1\nelse:\n    X = 0"),
    "not": (_BOOL, "X = not a"),
    "and_or": (_BOOL, "X = (a and 1) and 5 or 7"),
    "contains": ("def __contains__(self, item):\n    return VALUE == 2", "X = 5 in a"),
    "less": ("def __lt__(self, other):\n    return VALUE == 2", "X = a < a"),
    "equal": (_EQ, "X = a == 1"),
    "match": (_EQ, "match a:\n    case 1:\n        X = 'one'\n    case _:\n        X = 'other'"),
    "sort": ("def __lt__(self, other):\n    return self.n * (VALUE - 2.5) < other.n", "X = [k.n for k in sorted([K(3), K(1)])]"),
    "max": ("def __gt__(self, other):\n    return (self.n > other.n) == (VALUE == 2)", "X = max(K(3), K(1)).n"),
    "call": ("def __call__(self):\n    return VALUE", "X = a()"),
    "with": ("def __enter__(self):\n    return VALUE\ndef __exit__(self, *error):\n    pass", "with a as X:\n    pass"),
    "int": ("def __int__(self):\n    return VALUE", "X = int(a)"),
    "index": ("def __index__(self):\n    return VALUE", "X = [9, 8, 7, 6][a]"),
    "hash": ("def __hash__(self):\n    return VALUE", "X = hash(a)"),
    "round": ("def __round__(self):\n    return VALUE", "X = round(a)"),
    "bytes": ("def __bytes__(self):\n    return bytes([VALUE])", "X = bytes(a)"),
    "fspath": ("def __fspath__(self):\n    return f'/p{VALUE}'", "import os\nX = os.fspath(a)"),
    "given_to_json": (_VAL, "import json\nX = json.dumps(a, default=K.val)"),
    "map": (_VAL, "X = list(map(K.val, [a, a]))"),
    "attrgetter": ("@property\ndef val(self):\n    return VALUE", "import operator\nX = operator.attrgetter('val')(a)"),
    "methodcaller": (_VAL, "import operator\nX = operator.methodcaller('val')(a)"),
    "getattr_of_a_string": (_VAL, "X = getattr(a, 'val')()"),
    "getattr_computed": (_VAL, "X = getattr(a, 'v' + 'al')()"),
    "bound_in_a_dict": (_VAL, "H = {'k': a.val}\nX = H['k']()"),
    "dict_of_the_class": (_VAL, "X = K.__dict__['val'](a)"),
    "in_a_generator": (_VAL, "X = [k.val() for k in (K(1), K(2))]"),
    "held_in_a_list": (_VAL, "KS = [K(1), K(2)]\nX = [k.val() for k in KS]"),
    "held_in_a_dict": (_VAL, "KS = {'p': K(1)}\nX = KS['p'].val()"),
    "held_in_an_object": (_VAL, "class H:\n    pass\nh = H()\nh.k = a\nX = h.k.val()"),
    "returned": ("def me(self):\n    return self\n" + _VAL, "X = a.me().me().val()"),
    "lambda": (_VAL, "X = (lambda k: k.val())(a)"),
    "walrus": (_VAL, "X = [y for k in (a,) if (y := k.val())]"),
    "sum": ("def __radd__(self, other):\n    return other + VALUE", "X = sum([a, a])"),
    "new": ("pass\nclass N(int):\n    def __new__(cls, v):\n        return super().__new__(cls, v + VALUE)", "X = int(N(4))"),
    "init": ("pass\nclass N:\n    def __init__(self, v):\n        self.v = v + VALUE", "X = [N(4).v]"),
    "subclass": (_VAL + "\nclass L(K): pass", "X = L(3).val()"),
    "subclass_operator": ("def __add__(self, other):\n    return VALUE\nclass L(K): pass\nl = L(2)", "X = l + l"),
}

_HEAD = "class K:\n    def __init__(self, n=0):\n        self.__dict__['n'] = n\n"


def write_class(members: str, value: int) -> str:
    body, _, rest = members.replace("VALUE", str(value)).partition("\nclass ")
    return _HEAD + indent(body, "    ") + "\n" + (f"class {rest}\n" if rest else "")


def import_of(members: str) -> str:
    others = re.findall(r"^class (\w+)|^(\w+) = \w+\(", members.partition("\n")[2], re.MULTILINE)
    return ", ".join(["K", "a", *(one or other for one, other in others)])


def write(where: str, members: str, statement: str) -> Scenario:
    one, two = (write_class(members, value) + "a = K(5)\n" for value in (2, 3))
    if where == "here":
        versions, module = ({"k.py": one + statement}, {"k.py": two + statement}), "k"
    else:
        if where == "in_a_function":
            statement = f"def compute(a):\n{indent(statement, '    ')}\n    return X\nX = compute(a)"
        user = f"from k import {import_of(members)}\n{statement}"
        versions, module = ({"k.py": one, "b.py": user}, {"k.py": two, "b.py": user}), "b"
    return Scenario.of("operation", *versions, take=f"import {module}", probe=f"print({module}.X)")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with Judge(tmp_path_factory.mktemp("operations")) as one:
        yield one


@pytest.mark.parametrize(
    ("operation", "where"), some(itertools.product(OPERATIONS, ["here", "elsewhere", "in_a_function"]), 4)
)
def test_result_of_an_operation_follows_the_method(operation: str, where: str, judge: Judge) -> None:
    """The process swapped to the other method prints what a fresh process prints; nothing is refused."""
    scenario = attrs.evolve(write(where, *OPERATIONS[operation]), not_late="not asked here", not_reversed="not asked here")
    verdict = judge.judge(scenario)
    assert verdict.ok, str(verdict)
