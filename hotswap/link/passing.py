"""Functions that begin to pass a new parameter to a class: what they made before would have that value, and not the default."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

import attrs

from hotswap.commit import MISSING
from hotswap.plan.bindings import dotted
from hotswap.plan.units import Unit

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@attrs.frozen(eq=False)
class Parameter:
    """A parameter of an ``__init__``.

    Attributes:
        place: among those that need no name, without the object itself; -1 for none.
        default: as text, or the value where a library has written the function.
    """

    name: str
    place: int
    default: Any

    @classmethod
    def of_text(cls, init: ast.arguments, name: str, default: ast.expr) -> Parameter:
        names = [arg.arg for arg in (*init.posonlyargs, *init.args)][1:]
        return cls(name, names.index(name) if name in names else -1, default)

    @classmethod
    def of_function(cls, init: Any, name: str) -> Parameter:
        if type(init) is not FunctionType:
            return cls(name, -1, MISSING)
        names = init.__code__.co_varnames[1 : init.__code__.co_argcount]
        defaults = {**dict(zip(reversed(names), reversed(init.__defaults__ or ()), strict=False)), **(init.__kwdefaults__ or {})}
        return cls(name, names.index(name) if name in names else -1, defaults.get(name, MISSING))

    def is_default(self, given: ast.expr) -> bool:
        if isinstance(self.default, ast.expr):
            return ast.dump(given) == ast.dump(self.default)
        return isinstance(given, ast.Constant) and type(given.value) is type(self.default) and given.value == self.default


def find_passing(
    pairs: Iterable[tuple[Unit, Unit]], is_class: Callable[[Unit, str], bool], parameter: Parameter
) -> tuple[Unit, int] | None:
    """A statement that defines something and makes objects of a class otherwise from now on, with the line of the call.

    Args:
        pairs: statements of the old text and of the new one.
        is_class: True where a dotted name in a statement means the class.
        parameter: that is new, and has a default.
    """
    for old, new in pairs:
        if old.text == new.text or not all(isinstance(unit.node, _DEFINITIONS) for unit in (old, new)):
            continue  # what is made outside of functions is made anew
        if not any(True for _ in _calls(old, is_class)):
            continue
        for call in _calls(new, is_class):
            given = _argument(call, parameter)
            if given is not None and not parameter.is_default(given):
                return new, call.lineno
    return None


def _calls(unit: Unit, is_class: Callable[[Unit, str], bool]) -> Iterator[ast.Call]:
    for node in ast.walk(unit.node):
        if isinstance(node, ast.Call) and (chain := dotted(node.func)) and is_class(unit, chain):
            yield node


def _argument(call: ast.Call, parameter: Parameter) -> ast.expr | None:
    """What a call gives for a parameter; None where it leaves it out, or nobody can tell."""
    for keyword in call.keywords:
        if keyword.arg == parameter.name:
            return keyword.value
    place = parameter.place
    before = call.args[: place + 1]
    if place < 0 or len(before) <= place or any(isinstance(arg, ast.Starred) for arg in before):
        return None
    return before[place]
