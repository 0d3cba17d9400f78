"""Branches of a statement that have not been executed, as far as that can be told without executing anything.

``if sys.version_info < (3, 11):`` is decided by this interpreter, and the ``else`` of a ``try`` that imports something by
whether that is loaded.
"""

from __future__ import annotations

import ast
import copy
import os
import sys
from collections.abc import Callable
from typing import Any

from hotswap.plan.bindings import is_for_checkers

_READABLE: dict[str, Any] = {
    "sys.version_info": sys.version_info, "sys.platform": sys.platform, "sys.byteorder": sys.byteorder,
    "sys.maxsize": sys.maxsize, "sys.implementation.name": sys.implementation.name, "os.name": os.name,
}  # fmt: skip
_TESTS = (
    ast.Expression, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Not, ast.And, ast.Or, ast.Constant, ast.Tuple, ast.Name, ast.Load,
    ast.Attribute, ast.Subscript, ast.Slice, ast.cmpop, ast.USub,
)  # fmt: skip
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def take_executed(node: ast.stmt, is_loaded: Callable[[str], bool]) -> ast.stmt:
    """A copy of a statement without the branches that were certainly not executed; the statement itself where it has none.

    Args:
        is_loaded: says whether a module has been imported.
    """
    if not isinstance(node, (ast.If, ast.Try)):
        return node
    taken = copy.copy(node)
    if isinstance(taken, ast.If):
        is_true = _decide(taken.test)
        taken.body = [ast.copy_location(ast.Pass(), node)] if is_true is False else taken.body
        taken.orelse = [] if is_true else taken.orelse
    elif (has_failed := _has_failed(taken, is_loaded)) is not None:
        taken.orelse = [] if has_failed else taken.orelse
        taken.handlers = taken.handlers if has_failed else []
        if not taken.handlers and not taken.finalbody:
            taken.finalbody = [ast.copy_location(ast.Pass(), node)]
    for name in ("body", "orelse", "finalbody"):
        if hasattr(taken, name):
            setattr(taken, name, [take_executed(child, is_loaded) for child in getattr(taken, name)])
    return taken


def _decide(test: ast.expr) -> bool | None:
    """What a test gives that asks for nothing but the interpreter and the system; None for any other."""
    if is_for_checkers(test):
        return False
    if not all(isinstance(node, _TESTS) for node in ast.walk(test)):
        return None
    names = [node for node in ast.walk(test) if isinstance(node, (ast.Name, ast.Attribute))]
    chains = {ast.unparse(node) for node in names}
    if not chains <= {*_READABLE, "sys", "os", "sys.implementation"}:
        return None
    try:
        return bool(eval(compile(ast.Expression(test), "<test>", "eval"), {"__builtins__": {}, "sys": sys, "os": os}))
    except (TypeError, IndexError, ValueError):
        return None


def _has_failed(node: ast.Try, is_loaded: Callable[[str], bool]) -> bool | None:
    """Whether the imports in a ``try`` have raised; None where it does anything else, or where it cannot be told."""
    wanted: list[str] = []
    for child in node.body:
        if isinstance(child, ast.Import):
            wanted += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom) and not child.level and child.module:
            wanted.append(child.module)
        else:
            return None
    if not any(_catches_import(handler) for handler in node.handlers):
        return None
    return True if not all(map(is_loaded, wanted)) else None  # a name may be missing in a module that is loaded


def _catches_import(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _IMPORT_ERRORS) for kind in caught)
