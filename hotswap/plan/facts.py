"""Attributes of functions and classes that are others now, though the functions and classes are the same objects.

    what changed                                    what may be another one
    the docstring of a function                     its ``__doc__``
    other code of a function                        its ``__code__``
    decorators, arguments, defaults, annotations,   any attribute
      what other statements have set on it
    the bases of a class, or of one of its bases    any attribute, of objects too

Who only names a function or calls it has nothing to do with that.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

from hotswap.plan.diff import UnitDiff
from hotswap.plan.dirt import ANY, Dirt
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.trees import children
from hotswap.plan.uses import Uses


def find_facts(diff: UnitDiff) -> set[Symbol]:
    """What the edited texts of functions say: their docstrings, and that their code is another one."""
    found = {(diff.module, f"{name}.__code__") for name in diff.bodies}
    for old, new in (*diff.touched, *diff.changed):
        mine, theirs = dict(_docstrings(old.node)), dict(_docstrings(new.node))
        found |= {(diff.module, f"{name}.__doc__") for name in mine.keys() & theirs.keys() if mine[name] != theirs[name]}
    return found


def _docstrings(node: ast.AST, path: str = "") -> Iterator[tuple[str, str | None]]:
    """The docstrings of the functions that a statement makes, by qualified name."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield path + node.name, ast.get_docstring(node, clean=False)
        return
    if isinstance(node, ast.ClassDef):
        path = f"{path}{node.name}."
    for child in children(node) if isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)) else ():
        yield from _docstrings(child, path)


class Facts:
    """Says who reads one; asks for what the dirt is at the time."""

    def __init__(self, graph: Graph, dirt: Dirt) -> None:
        self._graph = graph
        self._dirt = dirt
        self._known = 0
        self._of: dict[Symbol, set[str]] = {}  # by the function or class, the names of its attributes
        self._heads: set[Symbol] = set()

    def is_one(self, symbol: Symbol) -> bool:
        """True for ``f.__doc__`` where that changes, and for ``f.__code__.co_argcount``."""
        self._take_new()
        module, parts = symbol[0], symbol[1].split(".")
        if len(parts) < 2 or (module, parts[0]) not in self._heads:
            return False
        owners = ((parts[end], self._of.get((module, ".".join(parts[:end])), ())) for end in range(1, len(parts)))
        return any(name in names or ANY in names for name, names in owners)

    def read_by(self, module: str, uses: Uses, symbols: Iterable[Symbol]) -> Symbol | None:
        """One that a piece of code reads: by its dotted name, or off what it has from a list or a table.

        Args:
            symbols: what the code reads and calls, names resolved.
        """
        self._take_new()
        wanted = {ANY, *uses.names} if uses.names else set()
        owners = {owner for owner, names in self._of.items() if not names.isdisjoint(wanted)}
        called: set[Symbol] | None = None
        for symbol in symbols:
            if (symbol[0], symbol[1].partition(".")[0]) in self._heads and "." in symbol[1]:
                called = self._graph.uses_symbols(module, uses, uses.calls) if called is None else called
                read = (symbol[0], symbol[1].rpartition(".")[0]) if symbol in called else symbol  # ``f.cache_clear()``
                if self.is_one(read):
                    return symbol
            if owners and self._may_be(symbol, owners):
                return symbol
        return None

    def _may_be(self, symbol: Symbol, owners: Collection[Symbol]) -> bool:
        """True for what is one of these, or holds one: ``[f.__doc__ for f in (main, other)]``, ``for f in COMMANDS``."""
        if symbol in owners:
            return True
        is_table = "." not in symbol[1] and self._graph.kind_of(symbol) == "data"
        return is_table and not (self._graph.callables_in(symbol) or frozenset()).isdisjoint(owners)

    def _take_new(self) -> None:
        if len(self._dirt.facts) != self._known:
            self._known = len(self._dirt.facts)
            for module, name in self._dirt.facts:
                owner, _, attribute = name.rpartition(".")
                self._of.setdefault((module, owner), set()).add(attribute)
                self._heads.add((module, owner.partition(".")[0]))
