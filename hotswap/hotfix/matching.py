"""Whether the functions that a patch changes are those that run: the program, or a library, may have put others in their place.

A patch of a function that nobody calls any more would be applied and mend nothing. Ksplice calls this run-pre matching
(Arnold and Kaashoek, 2009). The engine itself compares the code of all live functions of a file with the file's text; here is
looked at what stands under the names.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from hotswap.kinds import is_a, vars_of

__all__ = ["find_replaced"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.Lambda, ast.ClassDef)


def find_replaced(module: ModuleType, file: str, base: bytes, qualnames: Iterable[str]) -> list[str]:
    """The functions in whose place something else stands.

    Those with decorators are left out, since these decide what stands there, and so are names that the text itself binds again.

    Args:
        module: live.
        file: as the module's code carries it.
        base: its text.
        qualnames: of the functions, dotted.
    """
    plain = dict(_plain_functions(ast.parse(base), ""))
    return [name for name in qualnames if plain.get(name) and not _is_live(module, file, name)]


def _plain_functions(scope: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, bool]]:
    """The functions of a scope by qualified name; False for those of which the text does not say what stands there."""
    bound = Counter(_bound_in(scope.body))
    for node in scope.body:
        if isinstance(node, _FUNCTIONS):
            yield prefix + node.name, bound[node.name] == 1 and not node.decorator_list
        elif isinstance(node, ast.ClassDef) and bound[node.name] == 1 and not node.decorator_list:
            yield from _plain_functions(node, f"{prefix}{node.name}.")


def _bound_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Each name that is bound, as often as it is."""
    for node in nodes:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        if not isinstance(node, _SCOPES):
            yield from _bound_in(ast.iter_child_nodes(node))


def _is_live(module: ModuleType, file: str, qualname: str) -> bool:
    space: Mapping[str, Any] | None = module.__dict__
    found: Any = None
    for name in qualname.split("."):
        if space is None or name not in space:
            return False
        found = space[name]
        space = vars_of(found) if is_a(found, type) else None
    for _ in range(100):  # wrappers of a monitoring library, each around the next
        if is_a(found, (staticmethod, classmethod)):  # __new__ and the like are made such
            found = found.__func__
        elif is_a(found, FunctionType) and (found.__code__.co_filename, found.__code__.co_qualname) == (file, qualname):
            return True
        elif (wrapped := getattr(found, "__wrapped__", None)) is not None:
            found = wrapped
        else:
            return False
    return False
