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
import functools
from collections.abc import Callable, Collection, Iterable, Iterator

from hotswap.plan.diff import UnitDiff
from hotswap.plan.dirt import ANY, Dirt
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.trees import children
from hotswap.plan.uses import Uses


def find_facts(diff: UnitDiff) -> Iterator[tuple[Symbol, str]]:
    """What the edited texts of functions say: their docstrings, and that their code is another one."""
    for name in diff.bodies:
        yield (diff.module, name), "__code__"
    for old, new in (*diff.touched, *diff.changed):
        mine, theirs = dict(_docstrings(old.node)), dict(_docstrings(new.node))
        for name in mine.keys() & theirs.keys():
            if mine[name] != theirs[name]:
                yield (diff.module, name), "__doc__"


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
    """Says who reads one; asks for what the dirt is at the time.

    Args:
        may_hold: True for a variable in which something may be that changes; what others hold is not looked for.
    """

    def __init__(self, graph: Graph, dirt: Dirt, may_hold: Callable[[Symbol], bool]) -> None:
        self._graph = graph
        self._dirt = dirt
        self._may_hold = may_hold

    def is_one(self, symbol: Symbol) -> bool:
        """True for ``f.__doc__`` where that changes, and for ``f.__code__.co_argcount``."""
        facts, (module, name) = self._dirt.facts, symbol
        parts = name.split(".") if facts and "." in name else ()
        owners = ((parts[end], facts.get((module, ".".join(parts[:end])), ())) for end in range(1, len(parts)))
        return any(attribute in names or ANY in names for attribute, names in owners)

    def read_by(self, module: str, uses: Uses, symbols: Iterable[Symbol]) -> Symbol | None:
        """One that a piece of code reads: by its dotted name, or off what it has from a list or a table.

        Args:
            symbols: what the code reads and calls, names resolved.
        """
        if not self._dirt.facts:
            return None
        wanted = {ANY, *uses.names} if uses.names else set()
        called: set[Symbol] | None = None
        for symbol in symbols:
            if "." in symbol[1]:
                called = self._graph.uses_symbols(module, uses, uses.calls) if called is None else called
                read = (symbol[0], symbol[1].rpartition(".")[0]) if symbol in called else symbol  # ``f.cache_clear()``
                if self.is_one(read):
                    return symbol
            if wanted and self._leads_to(symbol, wanted):
                return symbol
            if self._graph.kind_of_object(symbol) is functools.partial and self._is_given_one(symbol):
                called = self._graph.uses_symbols(module, uses, uses.calls) if called is None else called
                if symbol in called:
                    return symbol
        return None

    def _is_given_one(self, symbol: Symbol) -> bool:
        """True for ``partial(issubclass, Derived)``, whose call reads facts of what it holds."""
        held = self._graph.callables_in(symbol) or ()
        return any(ANY in self._dirt.facts.get(each, ()) for each in held)

    def _leads_to(self, symbol: Symbol, names: Collection[str]) -> bool:
        """True for what has an attribute of these, or holds what has: ``[f.__doc__ for f in (main, other)]``."""
        held: Collection[Symbol] = ()
        if self._may_hold(symbol) and "." not in symbol[1] and self._graph.kind_of(symbol) == "data":
            held = self._graph.callables_in(symbol) or ()
        return any(not own.isdisjoint(names) for each in (symbol, *held) if (own := self._dirt.facts.get(each)) is not None)
