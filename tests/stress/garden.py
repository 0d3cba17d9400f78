"""A broad program in parts of which each has several texts: any choice of texts is a version that runs.

An empty text is a part that is not there. Parts use only what the parts before them bind in each of their texts.
"""

from __future__ import annotations

import random

SOIL: dict[str, tuple[str, ...]] = {
    "rate": ("RATE = 2\n", "RATE = 3\n", "# the rate\n\nRATE = 2 + 5\n"),
    "helper": (
        "def helper(x=1):\n    return x\n",
        "def helper(x=2, *, y=RATE):\n    '''Helps.'''\n    return x, y\n",
        "async def helper(x: int = 3) -> int:\n    return x\n",
        "class helper:\n    def __init__(self, x=0):\n        self.x = x\n",
    ),
    "names": ("NAMES = ['a', 'b']\n", "NAMES = ['a', 'b', 'c']\n", "NAMES = ('a',)\n"),
    "extra": ("", "def extra():\n    return 'extra'\n", "extra = 5\n"),
}

GARDEN: dict[str, tuple[str, ...]] = {
    "imports": (
        "import functools\nimport enum\nimport dataclasses\nimport soil\nfrom soil import RATE, helper, NAMES\n",
        "import math\nimport functools\nimport enum\nimport dataclasses\nimport soil\nfrom soil import RATE, helper, NAMES\nfrom math import floor\n",
    ),
    "doc": ("", "'''A comment in a string.'''\n"),
    "data": (
        "LIMIT: int = 10\nTABLE = {'a': RATE, 'b': [1, 2]}\nROW = [RATE, [1], {'k': 1}]\nBAG = {1, 2}\n",
        "LIMIT: float = 20.5\nTABLE = {'a': RATE * 2, 'c': (3,)}\nROW = [RATE]\nBAG = {2, 3}\n",
        "TABLE = {'z': 26}\nROW = [n * RATE for n in range(4)]\nBAG = frozenset({9})\n",
    ),
    "plain": (
        "def plain(a, b=1, *, c=RATE):\n    '''One.'''\n    return a, b, c\nplain.mark = 1\n",
        "def plain(a: int, b=(2, 3), *, c=RATE, d=None) -> tuple:\n    '''Two.'''\n    return a, b, c, d\nplain.mark = 2\nplain.other = []\n",
        "\n\ndef plain(*args):\n    yield from args\n",
        "plain = functools.partial(dict, one=1)\n",
    ),
    "decorated": (
        "def shout(word):\n    def wrap(f):\n        @functools.wraps(f)\n        def wrapper(*a):\n            return word, f(*a)\n        return wrapper\n    return wrap\n"
        "@shout('hey')\ndef decorated(x=1):\n    return x\n",
        "def shout(word):\n    end = word + '!'\n    def wrap(f):\n        @functools.wraps(f)\n        def wrapper(*a):\n            return end, word, f(*a)\n        return wrapper\n    return wrap\n"
        "@shout('hoo')\ndef decorated(x=2):\n    return x\n",
        "def shout(word):\n    return lambda f: f\n@shout('')\ndef decorated(x=3):\n    return x\n",
    ),
    "counter": (
        "def make_counter(start=0):\n    count = start\n    def step(by=1):\n        nonlocal count\n        count += by\n        return count\n    return step\nstep = make_counter()\n",
        "def make_counter(start=0):\n    count = start\n    def step(by=2):\n        nonlocal count\n        count += by * 10\n        return count\n    return step\nstep = make_counter(5)\n",
    ),
    "base": (
        "class Base:\n    kind = 'base'\n    def who(self):\n        return 'base'\n",
        "class Base:\n    kind = 'basis'\n    rows = []\n    def who(self, loud=False):\n        return 'basis', loud\n    def more(self):\n        return 1\n",
    ),
    "mixin": ("class Mixin:\n    def mixed(self):\n        return 1\n", "class Mixin:\n    def mixed(self):\n        return 2\n    def again(self):\n        return 3\n"),
    "plant": (
        "class Plant(Base):\n    size = 1\n    def __init__(self):\n        self.leaves = []\n    def who(self):\n        return super().who()\n"
        "    @property\n    def big(self):\n        return self.size > 1\n    @staticmethod\n    def s(x=1):\n        return x\n    @classmethod\n    def c(cls):\n        return cls\n"
        "    @functools.cached_property\n    def shape(self):\n        return 'round'\n    class Leaf:\n        green = True\n",
        "class Plant(Base, Mixin):\n    size = 2\n    colour = 'red'\n    def __init__(self):\n        self.leaves = []\n    def who(self, n=2):\n        return n\n"
        "    @property\n    def big(self):\n        return True\n    @big.setter\n    def big(self, value):\n        self.size = value\n    @classmethod\n    def c(cls, y=1):\n        return y\n"
        "    @functools.lru_cache\n    def shape(self):\n        return 'square'\n    class Leaf:\n        green = False\n        def fall(self):\n            return 1\n",
        "class Plant(Base):\n    '''Plain.'''\n    size = 3\n    def __init__(self):\n        self.leaves = []\n    who = lambda self: 'lambda'\n    def grow(self):\n        return super().kind\n",
    ),
    "instance": ("rose = Plant()\n", "rose = Plant()\nrose.leaves.append(RATE)\n"),
    "record": (
        "@dataclasses.dataclass\nclass Record:\n    x: int = 1\n    y: int = 2\n    def total(self):\n        return self.x + self.y\n",
        "@dataclasses.dataclass\nclass Record:\n    x: int = 1\n    y: int = RATE\n    def total(self):\n        return self.x * self.y\n",
        "@dataclasses.dataclass(order=True)\nclass Record:\n    x: int = 7\n    y: int = 2\n",
    ),
    "colour": (
        "class Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\n    def nice(self):\n        return self is Colour.RED\n",
        "class Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\n    def nice(self):\n        return self is Colour.BLUE\n",
    ),
    "registry": (
        "REGISTRY = {}\ndef register(name):\n    def note(f):\n        REGISTRY[name] = f\n        return f\n    return note\n"
        "@register('one')\ndef first():\n    return 1\n@register('two')\ndef second():\n    return 2\n",
        "REGISTRY = {}\ndef register(name):\n    def note(f):\n        REGISTRY[name] = f\n        return f\n    return note\n"
        "@register('uno')\ndef first():\n    return 10\n@register('three')\ndef third():\n    return 3\n",
    ),
    "cached": (
        "@functools.lru_cache\ndef cached(x):\n    return x, RATE\n",
        "@functools.lru_cache(maxsize=5)\ndef cached(x):\n    return x\n",
        "def cached(x):\n    return x\n",
    ),
    "shown": (
        "@functools.singledispatch\ndef shown(x):\n    return 'any'\n@shown.register\ndef _(x: int):\n    return 'int'\n",
        "@functools.singledispatch\ndef shown(x):\n    return 'all'\n@shown.register\ndef _(x: int):\n    return 'integer'\n@shown.register\ndef _(x: str):\n    return 'str'\n",
    ),
    "bound": ("size = len\njoin = ','.join\n", "size = sum\njoin = ','.join\n", "size = plain\n"),
    "derived": ("SUMS = [RATE + n for n in range(3)]\nTEXT = f'{LIMITED}'\n".replace("LIMITED", "RATE"), "SUMS = list(TABLE)\nTEXT = str(NAMES)\n"),
    "getattr": ("", "def __getattr__(name):\n    if name == 'late':\n        return 1\n    raise AttributeError(name)\n"),
    "tail": ("__all__ = ['plain']\n", "__all__ = ['plain', 'rose']\nif RATE > 2:\n    BRANCH = 'big'\nelse:\n    BRANCH = 'small'\n", ""),
}

Choice = dict[str, int]


def choose_first() -> Choice:
    """The version in which each part has its first text."""
    return {part: 0 for part in (*SOIL, *GARDEN)}


def edit(choice: Choice, chance: random.Random, parts: int) -> Choice:
    """Another version: some parts get another text."""
    picked = chance.sample(sorted(choice), parts)
    texts = SOIL | GARDEN
    return choice | {part: chance.choice([n for n in range(len(texts[part])) if n != choice[part]]) for part in picked}


def make_texts(choice: Choice) -> dict[str, str]:
    """The files of a version, by name."""
    return {
        "soil.py": "\n".join(texts[choice[part]] for part, texts in SOIL.items()),
        "garden.py": "\n".join(texts[choice[part]] for part, texts in GARDEN.items()),
    }
