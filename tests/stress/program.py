"""The program under stress: two modules of which each version carries its number wherever a number can stand.

A call that gives two different numbers has seen two versions at once. Versions differ in structure too: which free
variables a wrapper has, whether a method uses ``super()``, in which order the definitions stand, on which lines.
"""

from __future__ import annotations

from pathlib import Path

#: Versions count from here, so that no other number in the program's code is taken for one.
FIRST = 1000

BASE = '''\
{blank}RATE = {v}


def helper(tag={v}):
    return {v}, tag


def pair():
    return {v}, RATE
'''

HEAD = '''\
import asyncio
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial, singledispatch, wraps
{blank}
import base
from base import RATE, helper

VERSION = {v}
TABLE = {{"version": {v}, "rate": RATE}}
ROW = [{v}, {v}, {v}]
WORDS = {{{v}, "word"}}
index = VERSION.__index__
other = VERSION.{method}
'''

PARTS = (
    '''
def plain(tag={v}, *, kw={v}):
    return {v}, tag, kw
''',
    '''
def rated(tag={v}, rate=RATE):
    return {v}, tag, rate
''',
    '''
def spanning():
    return {v}, RATE, VERSION, *helper(), *base.pair(), TABLE["version"], TABLE["rate"], *ROW
''',
    '''
def tagged(tag):
    extra = tag

    def wrap(function):
        @wraps(function)
        def wrapper(*args):
            return {wrapped}, *function(*args)

        return wrapper

    return wrap


@tagged({v})
def decorated(tag={v}):
    return {v}, tag
''',
    '''
def labelled(label):
    def wrap(function):
        @wraps(function)
        def labeller():
            return label, *function()

        return labeller

    return wrap


@labelled({v})
def with_label(tag={v}):
    return {v}, tag
''',
    '''
@tagged({v})
def deep(function):
    return (function(),)
''',
    '''
def make(size):
    def inner(tag={v}):
        return {v}, size

    return inner
''',
    '''
@lru_cache
def cached(size=0):
    return {v}, helper()[0]
''',
    '''
@singledispatch
def show(value, tag={v}):
    return {v}, tag


@show.register
def show_int(value: int, tag={v}):
    return {v}, tag
''',
    '''
@contextmanager
def opened(tag={v}):
    yield {v}, tag
''',
    '''
def produce(tag={v}):
    for _ in range(3):
        yield {v}, tag


async def wait(tag={v}):
    first = {v}, tag
    await asyncio.sleep(0)
    return *first, {v}, tag


async def stream(tag={v}):
    for _ in range(3):
        await asyncio.sleep(0)
        yield {v}, tag
''',
    '''
class Root:
    def who(self):
        return {v},


class Shape(Root):
    number = {v}

    def method(self, tag={v}):
        return ({v}, tag){parent}

    @classmethod
    def of_class(cls, tag={v}):
        return {v}, tag

    @staticmethod
    def of_nothing(tag={v}):
        return {v}, tag

    @property
    def size(self):
        return {v}, self.number

    @cached_property
    def kept(self):
        return {v},

    def __call__(self, tag={v}):
        return {v}, tag
''',
    '''
class Jumper:
    """Only bodies of its methods change: no transplant."""

    def method(self):
        return {v},

    @classmethod
    def of_class(cls):
        return {v},

    @staticmethod
    def of_nothing():
        return {v},
''',
    '''
part = partial(plain, kw={v})
''',
)


def make_texts(version: int) -> dict[str, str]:
    """The two files of a version, by name."""
    fields = {
        "v": version,
        "blank": "\n" * (version % 2),
        "method": "conjugate" if version % 2 else "__int__",
        "wrapped": f"{version}, tag, extra" if version % 4 in (2, 3) else f"{version}, tag",
        "parent": "[: 1 + len(super().who())]" if version % 3 == 0 else "",
    }
    parts = [*PARTS[:-1]]
    if version % 5 == 0:  # other order: the bottom definitions come first
        parts = [*parts[3:], *parts[:3]]
    text = HEAD + "\n".join([*parts, PARTS[-1]])
    return {"base.py": BASE.format(**fields), "stage.py": text.format(**fields)}


def write_version(directory: Path, version: int) -> None:
    """Put the files of a version on disk."""
    for name, text in make_texts(version).items():
        (directory / name).write_text(text)
