"""Which live function a new one stands for, where a loop has made several from one definition.

They differ in what they carry: defaults and attributes. Where the live ones are, in their order, among the new ones, each
follows to its like. Where they are not, nothing tells which was made in which round.

The collector lists the live ones, mostly in the order in which they were made; a collection may turn that round. A loop that goes
as it went, run again only since it fills an application, needs no order.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import FunctionType
from typing import Any

from hotswap.fingerprint import fingerprint, function_data
from hotswap.plan.build import Draft
from hotswap.plan.units import Summary, index_at

_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def is_in_loop(summary: Summary, line: int) -> bool:
    """True for a line that a loop outside of functions may execute several times."""
    index = index_at(summary, line)
    pending: list[ast.AST] = [summary.units[index].node] if index is not None else []
    for node in pending:
        if isinstance(node, _LOOPS) and node.lineno <= line <= (node.end_lineno or line):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)
    return False


def goes_as_before(draft: Draft, module: str, line: int) -> bool:
    """True for a loop that makes the same in the same order: all that it reads and calls is as it was, but applications."""
    index = index_at(draft.summaries[module], line)
    if index is None or (module, index) in draft.dirt.changed:
        return False
    graph, dirt, unit = draft.graph, draft.dirt, draft.summaries[module].units[index]
    now = unit.analysis.now
    if now.calls_unknown or now.by_name:
        return False
    moved = dirt.values | dirt.classes | dirt.added | dirt.rebound | dirt.affected
    read = graph.reach(graph.uses_symbols(module, now)) - {(module, name) for name in unit.names}
    found = {symbol for owner, name in read for symbol in ((owner, name), (owner, name.partition(".")[0])) if symbol in moved}
    return all(graph.is_keeper(symbol) for symbol in found)


def pair_rounds(
    staged: list[FunctionType], live: list[FunctionType], resolve: Callable[[Any], Any], is_managed: Callable[[type], bool],
    *, in_order: bool = True,
) -> dict[int, FunctionType] | None:  # fmt: skip
    """The live function for each staged one, by the id of that; None where it cannot be known.

    Args:
        staged, live: all of one definition, as they were made.
        resolve: the live twin of a staged object.
        in_order: False where they are told by what they carry alone.
    """

    def number(function: FunctionType) -> int | None:
        return fingerprint({key: resolve(value) for key, value in function_data(function, atoms=True).items()}, is_managed).whole

    held: dict[int | None, FunctionType] = {}
    for function in live:
        held.setdefault(number(function), function)
    made = {number(function): function for function in staged}
    order = iter(made) if in_order else made
    if None in held or None in made or not all(number in order for number in held):
        return None
    return {id(made[number]): function for number, function in held.items()}
