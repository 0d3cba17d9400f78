"""Lambdas that a statement uses while it is evaluated, and those that it only keeps.

    kept      bound to a name, in a list or dict, a default, an argument of a call that only keeps it: a jump is enough
    used      called, an argument of any other call, in a decorator, a base: the statement gives something else now
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hotswap.plan.bindings import dotted
from hotswap.plan.trees import dump
from hotswap.plan.units import Unit
from hotswap.plan.uses import MUTATORS

#: Calls, by the last part of their name, that keep a function and do not call it before they return.
_KEEPING = MUTATORS | frozenset("partial partialmethod property staticmethod classmethod defaultdict cached_property".split())
#: Arguments that are called later, whoever takes them.
_LATER = frozenset({"default_factory"})


def uses_changed_lambda(old: Unit, new: Unit) -> bool:
    """True where two statements that only differ in bodies differ in a lambda which they use while they are evaluated."""
    if b"lambda" not in old.text and b"lambda" not in new.text:
        return False
    mine, theirs = (sorted(map(dump, used_lambdas(unit.node))) for unit in (old, new))
    return mine != theirs


def used_lambdas(node: ast.AST) -> Iterator[ast.Lambda]:
    """The lambdas in a statement that are used while it is evaluated, none of those in function bodies."""
    match node:
        case ast.Lambda():
            yield node
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            for decorator in node.decorator_list:
                yield from used_lambdas(decorator)
            yield from _in_defaults(node.args)
        case ast.ClassDef():
            for part in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords), *node.body):
                yield from used_lambdas(part)
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
            yield from _in_kept(value)
        case ast.Call():
            yield from _in_call(node)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from used_lambdas(child)


def _in_kept(value: ast.expr) -> Iterator[ast.Lambda]:
    """Of an expression whose value is kept: a lambda that is the value, or an item of it, is not used."""
    match value:
        case ast.Lambda():
            yield from _in_defaults(value.args)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            for item in items:
                yield from _in_kept(item)
        case ast.Dict(keys=keys, values=values):
            for part in (*keys, *values):
                if part is not None:
                    yield from _in_kept(part)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield from used_lambdas(test)
            yield from _in_kept(body)
            yield from _in_kept(orelse)
        case ast.NamedExpr(value=inner) | ast.Starred(value=inner):
            yield from _in_kept(inner)
        case _:
            yield from used_lambdas(value)


def _in_call(node: ast.Call) -> Iterator[ast.Lambda]:
    yield from used_lambdas(node.func)
    last = node.func.attr if isinstance(node.func, ast.Attribute) else (dotted(node.func) or "")
    for keyword in node.keywords:
        kept = last in _KEEPING or keyword.arg in _LATER
        yield from _in_kept(keyword.value) if kept else used_lambdas(keyword.value)
    for argument in node.args:
        yield from _in_kept(argument) if last in _KEEPING else used_lambdas(argument)


def _in_defaults(args: ast.arguments) -> Iterator[ast.Lambda]:
    for default in (*args.defaults, *args.kw_defaults):
        if default is not None:
            yield from _in_kept(default)
