"""The value that an expression gives at any time and for any object, where there is one; no code of the program is run."""

from __future__ import annotations

import ast
import collections
import enum
import functools
import types
from collections.abc import Callable
from typing import Any

from hotswap.commit import MISSING
from hotswap.kinds import is_a
from hotswap.plan.bindings import dotted
from hotswap.plugin.defaults import field_of_factory, field_of_value, is_immutable
from hotswap.plugin.values import Field

#: Gives what a dotted name means in the module, MISSING where it means nothing yet.
Lookup = Callable[[str], Any]


def evaluate(node: ast.expr, arguments: frozenset[str], lookup: Lookup) -> Field:
    """The default that an expression gives, where it is the same at any time and for any object."""
    if (value := _constant(node)) is not MISSING:
        return field_of_value(value)
    used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    if used & arguments:
        return Field(why=f"it comes from {', '.join(sorted(used & arguments))}")
    if isinstance(node, ast.Call) and not node.args and not node.keywords and (chain := dotted(node.func)):
        return field_of_factory(lookup(chain), why=f"{chain}() has to be called")
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords and (chain := dotted(node.func)):
        return _default_dict(lookup(chain), node.args[0], lookup, chain)
    if (chain := dotted(node)) is not None and (value := lookup(chain)) is not MISSING and _is_settled(value):
        return Field(default=value, kind=type(value).__name__)
    return Field(why=f"{ast.unparse(node)} has to be evaluated")


def _default_dict(factory: Any, argument: ast.expr, lookup: Lookup, chain: str) -> Field:
    inner = lookup(chain_) if (chain_ := dotted(argument)) is not None else MISSING
    if factory is collections.defaultdict and any(inner is known for known in (list, dict, set, int, float, str, tuple)):
        return Field(factory=functools.partial(collections.defaultdict, inner), kind="defaultdict")
    return Field(why=f"{chain}() has to be called")


def _is_settled(value: Any) -> bool:
    """True for what a name can mean at any time: constants, enum members, definitions."""
    return is_immutable(value) or is_a(value, (enum.Enum, type, types.FunctionType, types.BuiltinFunctionType))


_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.UAdd, ast.USub, ast.Not, ast.Invert)
_PLAIN_NODES = (
    ast.Constant, ast.UnaryOp, ast.BinOp, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Load, ast.expr_context, *_ARITHMETIC,
)  # fmt: skip


def _constant(node: ast.expr) -> Any:
    """The value of an expression of literals and arithmetic alone, else MISSING."""
    nodes = list(ast.walk(node))
    if len(nodes) > 2000 or not all(isinstance(n, _PLAIN_NODES) for n in nodes):
        return MISSING
    if any(isinstance(n, ast.Dict) and None in n.keys for n in nodes):
        return MISSING
    try:
        return eval(compile(ast.Expression(node), "<default>", "eval"), {"__builtins__": {}})
    except Exception:  # noqa: BLE001 - border to program text: 1 / 0 raises when an object is made, too
        return MISSING
