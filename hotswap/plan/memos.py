"""Results that a program keeps by itself: ``if key not in MEMO: MEMO[key] = compute(key)``.

What is in such a table was computed by code that may have changed since. Where the text uses the table for nothing else, what
is in it is dropped as the results of an ``lru_cache`` are (:mod:`hotswap.link.memos`). Else nobody can tell what else stands in
it: it is kept, and named.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import attrs

from hotswap.plan.bindings import dotted
from hotswap.plan.trees import children, walk


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


@attrs.frozen
class StaleMemo:
    """A memo of a function that gives other results now.

    Attributes:
        module: in whose text it is filled.
        is_only_memo: the text does nothing with the table but to keep these results.
        computed: the function, for a person.
    """

    module: str
    memo: Memo
    is_only_memo: bool
    computed: str


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


def is_only_memo(nodes: Iterable[ast.AST], table: str) -> bool:
    """True where a text makes a table empty, asks for keys, takes from it and fills it in one place, and does nothing else with
    what has this name."""
    last = table.rpartition(".")[2]
    every = list(walk(nodes))
    uses = [node for node in every if isinstance(node, (ast.Name, ast.Attribute)) and _last(node) == last]
    stores = [node for node in every if isinstance(node, ast.Subscript) and _last(node.value) == last and not _is_read(node)]
    known: set[int] = {id(node.value) for node in every if isinstance(node, ast.Subscript) and (_is_read(node) or node in stores)}
    for node in every:
        match node:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                known |= {id(target)} if _is_empty(value) else set()
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[asked]):
                known.add(id(asked))
            case ast.Call(func=ast.Attribute(value=owner, attr="get")):
                known.add(id(owner))
    return len(stores) == 1 and isinstance(stores[0].ctx, ast.Store) and all(id(node) in known for node in uses)


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_read(node: ast.Subscript) -> bool:
    return isinstance(node.ctx, ast.Load)


def _is_empty(node: ast.expr) -> bool:
    return (isinstance(node, ast.Dict) and not node.keys) or (
        isinstance(node, ast.Call) and dotted(node.func) == "dict" and not node.args and not node.keywords
    )
