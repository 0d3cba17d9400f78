"""Whether what stands under a name is the function of the text."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from hotswap.hotfix.matching import find_replaced

pytestmark = pytest.mark.once  # much the same on every interpreter

TEXT = """\
import functools

def plain(): pass

@functools.cache
def cached(): pass

def twice(): pass
if hasattr(functools, "wraps"):
    from os import getpid as twice

class Cart:
    def __new__(cls): return object.__new__(cls)
    def method(self): pass
    class Inner:
        def method(self): pass

def wrap(function):
    @functools.wraps(function)
    def wrapper(): return function()
    return wrapper
"""
NAMES = ["plain", "cached", "twice", "Cart.__new__", "Cart.method", "Cart.Inner.method", "wrap", "no.such", "also_none"]


@pytest.fixture
def module(tmp_path: Path) -> types.ModuleType:
    made = types.ModuleType("shop")
    exec(compile(TEXT, str(tmp_path / "shop.py"), "exec"), made.__dict__)
    made.file = str(tmp_path / "shop.py")
    return made


def find(module: types.ModuleType) -> list[str]:
    return find_replaced(module, module.file, TEXT.encode(), NAMES)


def test_what_the_text_says_is_not_replaced(module: types.ModuleType) -> None:
    """Nor is what the text leaves to a decorator or binds twice, whatever stands there."""
    assert find(module) == []
    module.cached = module.twice = len
    assert find(module) == []


def test_what_stands_in_the_place_of_a_function_is_found(module: types.ModuleType) -> None:
    """A builtin, a function of elsewhere or of another name, another class, nothing at all."""
    module.plain = len
    module.Cart.method = lambda self: None
    module.Cart.Inner = object
    del module.wrap
    assert find(module) == ["plain", "Cart.method", "Cart.Inner.method", "wrap"]
    module.plain = module.Cart.__new__
    assert "plain" in find(module)


def test_a_wrapper_around_the_function_is_none(module: types.ModuleType) -> None:
    """What monitoring puts around a function calls the function, which is patched; around another one it does not help."""
    module.plain = module.wrap(module.wrap(module.plain))
    assert find(module) == []
    module.plain = module.wrap(module.wrap(len))
    assert find(module) == ["plain"]
