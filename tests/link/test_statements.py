"""Statements compiled one by one against the whole module: functions are told to be the same by their code objects."""

from __future__ import annotations

import ast
import importlib.util
from types import CodeType

import pytest

from hotswap.link.staging import compile_statement
from hotswap.plan.units import summarise

MODULES = ["argparse", "asyncio.tasks", "dataclasses", "enum", "fractions", "functools", "inspect", "logging", "zipfile"]


def functions(code: CodeType) -> list[CodeType]:
    """All code objects in one, outermost first."""
    nested = [const for const in code.co_consts if isinstance(const, CodeType)]
    return [item for one in nested for item in (one, *functions(one))]


@pytest.mark.parametrize("name", MODULES)
def test_a_statement_compiles_to_the_code_that_it_has_in_its_module(name: str) -> None:
    """Also where functions call what the module imports, which CPython compiles otherwise than other calls."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    data = open(spec.origin, "rb").read()
    tree = ast.parse(data)
    summary = summarise(name, tree, data, False)
    mine = [code for unit in summary.units for code in functions(compile_statement(summary, unit.node, spec.origin))]
    assert mine == functions(compile(tree, spec.origin, "exec", dont_inherit=True))
    assert mine
