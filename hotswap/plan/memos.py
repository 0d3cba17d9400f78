"""Results that a program keeps by itself: ``if key not in MEMO: MEMO[key] = compute(key)``.

What is in such a table was computed by code that may have changed since. Whether nothing else stands in it nobody can tell,
so it is kept, and named.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import attrs

from hotswap.plan.bindings import dotted
from hotswap.plan.trees import children


@attrs.frozen
class Memo:
    """One place where a result is kept.

    Attributes:
        owner: the class around the function, or empty.
        table: in what it is kept, as the text calls it.
        computes: what is called for it, as a dotted name; ``self.f`` for a method of the same object.
    """

    owner: str
    table: str
    computes: str
    line: int


def find_memos(node: ast.stmt) -> Iterator[Memo]:
    """The places in a statement and the functions in it."""
    pending: list[tuple[ast.AST, str]] = [(node, "")]
    while pending:
        item, owner = pending.pop()
        if isinstance(item, ast.ClassDef):
            owner = f"{owner}.{item.name}".lstrip(".")
        if isinstance(item, ast.If) and (table := _asked_for(item.test)) is not None:
            yield from (memo for child in item.body for memo in _kept_in(child, table, owner))
        pending += [(child, owner) for child in children(item)]


def _asked_for(test: ast.expr) -> str | None:
    """The table of ``key not in table``."""
    match test:
        case ast.Compare(ops=[ast.NotIn()], comparators=[table]):
            return dotted(table)
    return None


def _kept_in(node: ast.stmt, table: str, owner: str) -> Iterator[Memo]:
    match node:
        case ast.Assign(targets=[*targets], value=ast.Call(func=function)):
            subscripted = [dotted(target.value) for target in targets if isinstance(target, ast.Subscript)]
            if table in subscripted and (chain := dotted(function)) is not None:
                yield Memo(owner, table, chain, node.lineno)
