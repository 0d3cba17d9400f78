"""Classes that a migration says to be the same under another name: ``@migrate("shop:Basket", renamed_from="shop:Cart")``."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from hotswap.plan.bindings import dotted
from hotswap.plan.graph import Symbol
from hotswap.plan.units import Summary


def declared_renames(summaries: Mapping[str, Summary]) -> dict[Symbol, Symbol]:
    """What the texts of some modules declare, old module and name -> new ones; executes nothing.

    Args:
        summaries: of the texts, by module.
    """
    found: dict[Symbol, Symbol] = {}
    for module, summary in summaries.items():
        for unit in summary.units:
            for node in ast.walk(unit.node) if b"renamed_from" in unit.text else ():
                if isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] == "migrate" and node.args:
                    new = _symbol(node.args[0], module)
                    for keyword in node.keywords:
                        old = _symbol(keyword.value, module) if keyword.arg == "renamed_from" else None
                        if old is not None and new is not None and old != new:
                            found[old] = new
    return found


def renames_in(renames: Mapping[Symbol, Symbol], module: str) -> dict[str, str]:
    """Those of them that stay in a module."""
    return {old[1]: new[1] for old, new in renames.items() if old[0] == new[0] == module}


def _symbol(node: ast.expr, module: str) -> Symbol | None:
    """A class named by a text or, in its own module, by its name."""
    match node:
        case ast.Constant(value=str(text)) if text.count(":") == 1:
            module, _, name = text.partition(":")
            return module, name
        case ast.Name(id=name):
            return module, name
    return None
