"""What only texts that are held bring: a save that uses such a thing cannot be live without them.

    a name          ``a.new()``, ``from a import new``       the live text does not bind it, the held one does
    an attribute    ``.new()``                               a class of the live text lacks it, that of the held one has it
    a field         ``.new``                                 methods of the held text give it to their objects, no live one does
    a parameter     ``a.f(x, mode=1)``                       the call fits the function of the held text, and not the live one

A held text that is no Python is said to bring each word in it.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import attrs

from hotswap.plan.bindings import bound_names, dotted
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.units import Summary, Unit

_Definition = TypeVar("_Definition", ast.ClassDef, ast.FunctionDef)


#: Attributes of builtins: who uses one need not mean a class of the program.
_COMMON = frozenset(name for kind in (list, dict, set, str, bytes, int, float, tuple) for name in dir(kind))


@attrs.frozen(eq=False)
class HeldText:
    """A text that is not live.

    Attributes:
        live: of the same module.
        new: the text itself; None where it cannot be read.
        data: its bytes.
    """

    live: Summary
    new: Summary | None
    data: bytes

    def brings(self, name: str) -> bool:
        if self.new is None:
            return re.search(rb"\b%s\b" % re.escape(name.encode()), self.data) is not None
        return name in self.new.binders()


@attrs.frozen
class Brought:
    """A use of what a held text brings.

    Attributes:
        line: of the statement.
        what: for a person.
        module: whose text is held.
    """

    line: int
    what: str
    module: str


def find_brought(
    graph: Graph, module: str, old: Summary, held: Mapping[str, HeldText], exists: Callable[[Symbol], bool]
) -> Brought | None:
    """The first thing in a new text that only held texts bring.

    Args:
        graph: the live texts, and the new one of the module that was saved.
        old: the live text of the module.
        exists: True for a name that the program has now.
    """
    known = {unit.text for unit in old.units}
    for unit in graph.summaries[module].units:
        for found in _used_in(graph, module, unit, held, exists) if unit.text not in known else ():
            return found
    return None


def _used_in(
    graph: Graph, module: str, unit: Unit, held: Mapping[str, HeldText], exists: Callable[[Symbol], bool]
) -> Iterator[Brought]:
    for symbol in sorted(_symbols(graph, module, unit)):
        head = symbol[1].partition(".")[0]
        if not exists((symbol[0], head)) and (by := _bringer(graph, symbol[0], head, held, frozenset())):
            yield Brought(unit.line, f"uses {symbol[0]}.{head}, which only the held text of {by} brings", by)
    near = {module, *(binding.module for each in graph.summaries[module].units for binding in each.imports)}
    for name, text in held.items() if near & held.keys() else ():
        read = [node for node in ast.walk(unit.node) if isinstance(node, ast.Attribute)]
        own = _given(unit.node)
        attributes = {node.attr for node in read if not (node.attr in own and dotted(node.value) == "self")}
        for cls, member in _members(text):
            if name in near and member in attributes - _COMMON and not exists((name, f"{cls}.{member}")):
                yield Brought(unit.line, f"uses an attribute {member}, which {name}.{cls} gets with its held text", name)
    for symbol, call in _calls(graph, module, unit):
        if symbol[0] in held and _needs(held[symbol[0]], symbol[1], call):
            yield Brought(unit.line, f"calls {'.'.join(symbol)} as only the held text of {symbol[0]} allows", symbol[0])


def _symbols(graph: Graph, module: str, unit: Unit) -> set[Symbol]:
    """The names of other modules that a statement uses, and its own where a star may bring them."""
    found = {(binding.module, binding.attr) for binding in unit.imports if binding.attr and binding.attr != "*"}
    for uses in (unit.analysis.now, *unit.analysis.functions.values()):
        for chain in uses.reads | uses.calls:
            symbol = graph.resolve(module, chain) or ((module, chain) if graph.stars(module) else None)
            if symbol is not None and symbol[1]:
                found.add(symbol)
        found |= {(target, attr) for target, attr in uses.imports if attr}
    return {(owner, name) for owner, name in found if owner in graph.summaries}


def _bringer(graph: Graph, module: str, name: str, held: Mapping[str, HeldText], seen: frozenset[str]) -> str:
    """The held module by which a module gets a name, itself or over star imports; empty for none."""
    if module in seen or name in graph.binders(module):
        return ""
    if module in held and held[module].brings(name):
        return module
    stars = (star for star in graph.stars(module) if star in graph.summaries)
    return next(filter(None, (_bringer(graph, star, name, held, seen | {module}) for star in stars)), "")


def _members(text: HeldText) -> Iterator[tuple[str, str]]:
    """What classes of a held text define and those of the live one do not."""
    for name, node in _definitions(text.new, ast.ClassDef).items():
        was = _definitions(text.live, ast.ClassDef).get(name)
        if was is not None:
            before = {*bound_names(was.body), *_given(was)}
            yield from ((name, member) for member in (*bound_names(node.body), *sorted(_given(node))) if member not in before)


def _given(node: ast.AST) -> set[str]:
    """The fields that methods give to their objects, as ``self.x = ...``."""
    stored = (each for each in ast.walk(node) if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store))
    return {each.attr for each in stored if dotted(each.value) == "self"}


def _calls(graph: Graph, module: str, unit: Unit) -> Iterator[tuple[Symbol, ast.Call]]:
    for node in ast.walk(unit.node):
        if isinstance(node, ast.Call) and (chain := dotted(node.func)) and (symbol := graph.resolve(module, chain)):
            yield symbol, node


def _needs(text: HeldText, name: str, call: ast.Call) -> bool:
    """True where a call fits what a held text defines, and not what is live."""
    live, new = _parameters(text.live, name), _parameters(text.new, name)
    return live is not None and new is not None and not _fits(call, live) and _fits(call, new)


def _parameters(summary: Summary | None, name: str) -> ast.arguments | None:
    """What a function, or the ``__init__`` of a class, takes from who calls it."""
    if (function := _definitions(summary, ast.FunctionDef).get(name)) is not None:
        return None if function.decorator_list else function.args
    cls = _definitions(summary, ast.ClassDef).get(name)
    body = cls.body if cls is not None and not cls.decorator_list else []
    init = next((each for each in body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if init is None or not init.args.args:
        return None
    taken = copy.copy(init.args)
    taken.args = taken.args[1:]
    return taken


def _fits(call: ast.Call, args: ast.arguments) -> bool:
    """True where a call with these arguments does not fail, as far as its text tells."""
    if any(isinstance(arg, ast.Starred) for arg in call.args) or any(keyword.arg is None for keyword in call.keywords):
        return True
    places = [arg.arg for arg in (*args.posonlyargs, *args.args)]
    named = {keyword.arg for keyword in call.keywords}
    if len(call.args) > len(places) and args.vararg is None:
        return False
    if args.kwarg is None and not named <= {arg.arg for arg in (*args.args, *args.kwonlyargs)}:
        return False
    required = places[: len(places) - len(args.defaults)] if args.defaults else places
    required = required[len(call.args) :]
    required += [arg.arg for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    return named.issuperset(required)


def _definitions(summary: Summary | None, kind: type[_Definition]) -> dict[str, _Definition]:
    nodes = [unit.node for unit in summary.units] if summary is not None else []
    return {node.name: node for node in nodes if isinstance(node, kind)}
