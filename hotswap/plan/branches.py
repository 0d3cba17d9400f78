"""Branches of a statement that have not been executed, as far as that can be told without executing anything.

``if sys.version_info < (3, 11):`` is decided by this interpreter, and the ``else`` of a ``try`` that imports something by
whether that is loaded, or could be.
"""

from __future__ import annotations

import ast
import copy
import operator
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from hotswap.plan.bindings import dotted, is_for_checkers

_READABLE: dict[str, Any] = {
    "sys.version_info": sys.version_info, "sys.platform": sys.platform, "sys.byteorder": sys.byteorder,
    "sys.maxsize": sys.maxsize, "sys.implementation.name": sys.implementation.name, "os.name": os.name,
}  # fmt: skip
_TESTS = (
    ast.Expression, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Not, ast.And, ast.Or, ast.Constant, ast.Tuple, ast.Name, ast.Load,
    ast.Attribute, ast.Subscript, ast.Slice, ast.cmpop, ast.USub,
)  # fmt: skip
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


#: Says whether a module has been imported.
IsLoaded = Callable[[str], bool]
#: Gives the full dotted name of something that a module has by this one.
Means = Callable[[str], str]


def take_executed(node: ast.stmt, is_loaded: IsLoaded, means: Means) -> ast.stmt:
    """A copy of a statement without the branches that were certainly not executed; the statement itself where it has none."""
    if not isinstance(node, (ast.If, ast.Try)):
        return node
    taken = copy.copy(node)
    if isinstance(taken, ast.If) and (is_true := _decide(taken.test, means)) is not None:
        taken.body = taken.body if is_true else [ast.copy_location(ast.Pass(), node)]
        taken.orelse = [] if is_true else taken.orelse
    elif isinstance(taken, ast.Try) and _has_failed(taken, is_loaded):
        taken.orelse = []
    for name in ("body", "orelse", "finalbody"):
        before = getattr(taken, name, [])
        after = [take_executed(child, is_loaded, means) for child in before]
        if any(map(operator.is_not, before, after)):
            setattr(taken, name, after)
    is_same = all(getattr(taken, name, None) is getattr(node, name, None) for name in ("body", "orelse", "finalbody"))
    return node if is_same else taken


def _decide(test: ast.expr, means: Means) -> bool | None:
    """What a test gives that asks for nothing but the interpreter and the system; None for any other."""
    if is_for_checkers(test):
        return False
    if not all(isinstance(node, _TESTS) for node in ast.walk(test)):
        return None
    names = [node for node in ast.walk(test) if isinstance(node, (ast.Name, ast.Attribute))]
    chains = {ast.unparse(node) for node in names}
    if not chains <= {*_READABLE, "sys", "os", "sys.implementation"} or any(means(chain) != chain for chain in chains):
        return None
    try:
        return bool(eval(compile(ast.Expression(test), "<test>", "eval"), {"__builtins__": {}, "sys": sys, "os": os}))
    except (TypeError, IndexError, ValueError):
        return None


def _has_failed(node: ast.Try, is_loaded: IsLoaded) -> bool:
    """True where the imports in a ``try`` have certainly raised; it does nothing else."""
    wanted: list[str] = []
    for child in node.body:
        if isinstance(child, ast.Import):
            wanted += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom) and not child.level and child.module:
            wanted.append(child.module)
        else:
            return False
    if not any(_catches_import(handler) for handler in node.handlers):
        return False
    return not all(is_loaded(name) or _can_be_found(name, is_loaded) for name in wanted)


def _can_be_found(name: str, is_loaded: IsLoaded) -> bool:
    """True for a module that may have been loaded and taken out again; nothing is imported to know."""
    parent = name.rpartition(".")[0]
    if parent and not is_loaded(parent):
        return _can_be_found(parent, is_loaded)
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # the parent is no package, or what stands for it has no spec
        return False


def _catches_import(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or _is_import_error(kind) for kind in caught)


def _is_import_error(kind: ast.expr) -> bool:
    return isinstance(kind, ast.Name) and kind.id in _IMPORT_ERRORS


def _suppresses_import(item: ast.withitem) -> bool:
    call = item.context_expr
    if not isinstance(call, ast.Call) or (dotted(call.func) or "").rpartition(".")[2] != "suppress":
        return False
    return any(map(_is_import_error, call.args))


def _tried(node: ast.stmt) -> Iterator[ast.AST]:
    """What stands where an import may fail and the statement goes on."""
    for child in ast.walk(node):
        is_try = isinstance(child, ast.Try) and any(map(_catches_import, child.handlers))
        is_with = isinstance(child, ast.With) and any(map(_suppresses_import, child.items))
        if isinstance(child, (ast.Try, ast.With)) and (is_try or is_with):
            yield from (each for statement in child.body for each in ast.walk(statement))


def tries_import(node: ast.stmt, wanted: Callable[[str], bool], resolve: Callable[[ast.ImportFrom], str]) -> bool:
    """True where a statement imports a module, and goes on where that fails.

    Args:
        wanted: says which modules are meant.
        resolve: gives the full name of the module of a relative import.
    """
    for child in _tried(node):
        if isinstance(child, ast.Import) and any(wanted(alias.name) for alias in child.names):
            return True
        if isinstance(child, ast.ImportFrom):
            module = resolve(child)
            if wanted(module) or any(wanted(f"{module}.{alias.name}") for alias in child.names):
                return True
    return False


def asked_for(node: ast.stmt) -> set[str]:
    """Modules of which a statement asks by name whether they are there: ``find_spec("x")``, a tried ``import_module("x")``."""
    tried = {id(child) for child in _tried(node)}
    found: set[str] = set()
    for child in ast.walk(node):
        match child:
            case ast.Call(func=func, args=[ast.Constant(value=str() as name), *_]):
                last = (dotted(func) or "").rpartition(".")[2]
                if last == "find_spec" or (last in ("import_module", "__import__") and id(child) in tried):
                    found.add(name)
    return found
