"""Classes whose readers need not be evaluated again: who reads them does so each time, or a plugin leads it to what is live.

    the statement of such a class is evaluated again      who else is
    it inherits from it                                   yes: it was made of what that was
    it reads an attribute, ``Loaf.objects.all()``         yes, if the statement assigns that or does not have it at all: then what
                                                          makes the class has put it there, or a base
    it reads, calls or is decorated with the class        no: the class is the same, and nothing is kept of it

A Django model is one: ``@admin.register(Loaf)`` would register a second time, and the admin asks the model at each request.
"""

from __future__ import annotations

import ast

from hotswap.plan.bindings import bound_names, dotted
from hotswap.plan.diff import UnitDiff
from hotswap.plan.dirt import Dirt
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.members import dump_bare
from hotswap.plan.units import Unit


def stands_alone(graph: Graph, module: str, unit: Unit) -> bool:
    """True for the statement of such a class."""
    return isinstance(unit.node, ast.ClassDef) and graph.stands_alone((module, unit.node.name))


def note_members(graph: Graph, dirt: Dirt, diff: UnitDiff) -> None:
    """Note which members of such classes have another text, or are gone."""
    for old, new in diff.changed:
        if stands_alone(graph, diff.module, new) and isinstance(old.node, ast.ClassDef) and isinstance(new.node, ast.ClassDef):
            mine, theirs = ({dump_bare(node): node for node in each.body} for each in (old.node, new.node))
            differing = [node for text, node in (mine | theirs).items() if (text in mine) is not (text in theirs)]
            dirt.values |= {(diff.module, f"{new.node.name}.{name}") for name in bound_names(differing)}
            added = bound_names(theirs.values())
            functions = {q for q in new.analysis.functions if q.split(".")[1:2] and q.split(".")[1] in added}
            dirt.affected |= {(diff.module, qualname) for qualname in functions.difference(old.analysis.functions)}


def spread_alone(dirt: Dirt, module: str, unit: Unit) -> None:
    """What its statement assigns is made anew with the class; what it defines is led on as all functions are."""
    assert isinstance(unit.node, ast.ClassDef)
    dirt.alone.add((module, unit.node.name))
    assigned = [node for node in unit.node.body if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    dirt.values |= {(module, f"{unit.node.name}.{name}") for name in bound_names(assigned)}


def cause_in_bases(graph: Graph, dirt: Dirt, module: str, unit: Unit) -> Symbol | None:
    """The base of a class statement, or that of a class in it, that is evaluated again."""
    if not dirt.alone or not isinstance(unit.node, ast.ClassDef):
        return None
    for node in (node for node in ast.walk(unit.node) if isinstance(node, ast.ClassDef)):
        for chain in filter(None, map(dotted, node.bases)):
            if (symbol := graph.resolve(module, chain)) in dirt.alone:
                return symbol
    return None


def member_in(graph: Graph, dirt: Dirt, symbol: Symbol) -> Symbol | None:
    """The member of such a class that a dotted name leads through, if that is made anew."""
    if "." not in symbol[1] or (symbol[0], symbol[1].partition(".")[0]) not in dirt.alone:
        return None
    head, name = symbol[1].split(".")[:2]
    member = (symbol[0], f"{head}.{name}")
    return member if member in dirt.values or not (name.startswith("__") or _has(graph, symbol[0], head, name)) else None


def _has(graph: Graph, module: str, head: str, name: str) -> bool:
    """True for what the statement of a class binds in its body."""
    statements = [unit.node for unit in graph.binders(module).get(head, ()) if isinstance(unit.node, ast.ClassDef)]
    return any(name in bound_names(node.body) for node in statements)
