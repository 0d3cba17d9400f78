"""A broad program in parts of which each has several texts: any choice of texts is a version that runs.

A part begins with its name in a line of ``####``; ``----`` divides its texts. An empty text is a part that is not
there. Parts use only what the parts before them bind in each of their texts.
"""

from __future__ import annotations

import random

SOIL_TEXT = """\
#### rate
RATE = 2
----
RATE = 3
----
# the rate

RATE = 2 + 5

#### helper
def helper(x=1):
    return x
----
def helper(x=2, *, y=RATE):
    '''Helps.'''
    return x, y
----
async def helper(x: int = 3) -> int:
    return x
----
class helper:
    def __init__(self, x=0):
        self.x = x

#### names
NAMES = ['a', 'b']
----
NAMES = ['a', 'b', 'c']
----
NAMES = ('a',)

#### extra
----
def extra():
    return 'extra'
----
extra = 5
"""

GARDEN_TEXT = """\
#### imports
import functools
import enum
import dataclasses
import soil
from soil import RATE, helper, NAMES
----
import math
import functools
import enum
import dataclasses
import soil
from soil import RATE, helper, NAMES
from math import floor

#### doc
----
'''A comment in a string.'''

#### data
LIMIT: int = 10
TABLE = {'a': RATE, 'b': [1, 2]}
ROW = [RATE, [1], {'k': 1}]
BAG = {1, 2}
----
LIMIT: float = 20.5
TABLE = {'a': RATE * 2, 'c': (3,)}
ROW = [RATE]
BAG = {2, 3}
----
TABLE = {'z': 26}
ROW = [n * RATE for n in range(4)]
BAG = frozenset({9})

#### plain
def plain(a, b=1, *, c=RATE):
    '''One.'''
    return a, b, c
plain.mark = 1
----
def plain(a: int, b=(2, 3), *, c=RATE, d=None) -> tuple:
    '''Two.'''
    return a, b, c, d
plain.mark = 2
plain.other = []
----


def plain(*args):
    yield from args
----
plain = functools.partial(dict, one=1)

#### decorated
def shout(word):
    def wrap(f):
        @functools.wraps(f)
        def wrapper(*a):
            return word, f(*a)
        return wrapper
    return wrap
@shout('hey')
def decorated(x=1):
    return x
----
def shout(word):
    end = word + '!'
    def wrap(f):
        @functools.wraps(f)
        def wrapper(*a):
            return end, word, f(*a)
        return wrapper
    return wrap
@shout('hoo')
def decorated(x=2):
    return x
----
def shout(word):
    return lambda f: f
@shout('')
def decorated(x=3):
    return x

#### counter
def make_counter(start=0):
    count = start
    def step(by=1):
        nonlocal count
        count += by
        return count
    return step
step = make_counter()
----
def make_counter(start=0):
    count = start
    def step(by=2):
        nonlocal count
        count += by * 10
        return count
    return step
step = make_counter(5)

#### base
class Base:
    kind = 'base'
    def who(self):
        return 'base'
----
class Base:
    kind = 'basis'
    rows = []
    def who(self, loud=False):
        return 'basis', loud
    def more(self):
        return 1

#### mixin
class Mixin:
    def mixed(self):
        return 1
----
class Mixin:
    def mixed(self):
        return 2
    def again(self):
        return 3

#### plant
class Plant(Base):
    size = 1
    def __init__(self):
        self.leaves = []
    def who(self):
        return super().who()
    @property
    def big(self):
        return self.size > 1
    @staticmethod
    def s(x=1):
        return x
    @classmethod
    def c(cls):
        return cls
    @functools.cached_property
    def shape(self):
        return 'round'
    class Leaf:
        green = True
----
class Plant(Base, Mixin):
    size = 2
    colour = 'red'
    def __init__(self):
        self.leaves = []
    def who(self, n=2):
        return n
    @property
    def big(self):
        return True
    @big.setter
    def big(self, value):
        self.size = value
    @classmethod
    def c(cls, y=1):
        return y
    @functools.lru_cache
    def shape(self):
        return 'square'
    class Leaf:
        green = False
        def fall(self):
            return 1
----
class Plant(Base):
    '''Plain.'''
    size = 3
    def __init__(self):
        self.leaves = []
    who = lambda self: 'lambda'
    def grow(self):
        return super().kind

#### instance
rose = Plant()
----
rose = Plant()
rose.leaves.append(RATE)

#### record
@dataclasses.dataclass
class Record:
    x: int = 1
    y: int = 2
    def total(self):
        return self.x + self.y
----
@dataclasses.dataclass
class Record:
    x: int = 1
    y: int = RATE
    def total(self):
        return self.x * self.y
----
@dataclasses.dataclass(order=True)
class Record:
    x: int = 7
    y: int = 2

#### colour
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
    def nice(self):
        return self is Colour.RED
----
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
    def nice(self):
        return self is Colour.BLUE

#### registry
REGISTRY = {}
def register(name):
    def note(f):
        REGISTRY[name] = f
        return f
    return note
@register('one')
def first():
    return 1
@register('two')
def second():
    return 2
----
REGISTRY = {}
def register(name):
    def note(f):
        REGISTRY[name] = f
        return f
    return note
@register('uno')
def first():
    return 10
@register('three')
def third():
    return 3

#### cached
@functools.lru_cache
def cached(x):
    return x, RATE
----
@functools.lru_cache(maxsize=5)
def cached(x):
    return x
----
def cached(x):
    return x

#### shown
@functools.singledispatch
def shown(x):
    return 'any'
@shown.register
def _(x: int):
    return 'int'
----
@functools.singledispatch
def shown(x):
    return 'all'
@shown.register
def _(x: int):
    return 'integer'
@shown.register
def _(x: str):
    return 'str'

#### bound
size = len
join = ','.join
----
size = sum
join = ','.join
----
size = plain

#### derived
SUMS = [RATE + n for n in range(3)]
TEXT = f'{RATE}'
----
SUMS = list(TABLE)
TEXT = str(NAMES)

#### getattr
----
def __getattr__(name):
    if name == 'late':
        return 1
    raise AttributeError(name)

#### tail
__all__ = ['plain']
----
__all__ = ['plain', 'rose']
if RATE > 2:
    BRANCH = 'big'
else:
    BRANCH = 'small'
----
"""


def _read_parts(text: str) -> dict[str, tuple[str, ...]]:
    """The texts of each part, by its name."""
    parts = {}
    for block in text.split("#### ")[1:]:
        name, _, texts = block.partition("\n")
        parts[name] = tuple(f"{texts.strip()}\n".split("----\n"))
    return parts


SOIL, GARDEN = _read_parts(SOIL_TEXT), _read_parts(GARDEN_TEXT)

Choice = dict[str, int]


def choose_first() -> Choice:
    """The version in which each part has its first text."""
    return dict.fromkeys((*SOIL, *GARDEN), 0)


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
