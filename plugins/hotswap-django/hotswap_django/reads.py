"""Who reads a setting, and when: while the program is loaded, or later in functions.

Told from the texts, by names alone, and too often rather than too seldom: a function that mentions the name of a function which
reads the setting counts as one that reads it. What is called outside of functions, or runs once in an object's life, reads early.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path

import attrs

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: Methods that run when an object is made or the program begins: what they have read is kept.
_EARLY = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "ready", "contribute_to_class"})
#: Decorators that keep what a function has given.
_KEEPING = frozenset({"cache", "lru_cache", "cached_property", "lazy"})


@attrs.frozen(kw_only=True)
class Reads:
    """Where a setting is read.

    Attributes:
        at_import: a place that has read it and keeps what came of it, as ``file:line``; empty where there is none.
        in_functions: somebody reads it each time.
    """

    at_import: str = ""
    in_functions: bool = False


def mentions(name: str, file: str) -> bool:
    """True where a text has the name, whatever it does with it."""
    try:
        return name.encode() in Path(file).read_bytes()
    except OSError:
        return False


def find_reads(name: str, files: Iterable[str]) -> Reads:
    """Look for readers of ``settings.NAME`` in source files; those that cannot be read or parsed have no readers that run."""
    trees = [(file, tree) for file in sorted(set(files)) if (tree := _parse(file)) is not None]
    readers: set[str] = set()
    early = ""
    for file, tree in trees:
        for function, node in _mentions(tree):
            if _reads(node, name):
                early = early or (f"{file}:{node.lineno}" if _is_early(function) else "")
                readers |= {_name_of(function)} if function is not None else set()
    if not early:
        early = _find_early_callers(readers, trees)
    return Reads(at_import=early, in_functions=bool(readers))


def find_early_calls(names: Iterable[str], files: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """Calls of methods of these names that run while modules are loaded: file, line, name of the method."""
    wanted = frozenset(names)
    for file in sorted(set(files)) if wanted else ():
        if not any(mentions(name, file) for name in wanted) or (tree := _parse(file)) is None:
            continue
        for function, node in _mentions(tree):
            called = node.func if isinstance(node, ast.Call) and function is None else None
            if isinstance(called, ast.Attribute) and called.attr in wanted:
                yield file, node.lineno, called.attr


def find_imported(file: str) -> set[str]:
    """The names of all modules that a text may import, wherever in it: of ``from a import b`` both ``a`` and ``a.b``."""
    modules = list(sys.modules.values())
    package = next((module.__package__ for module in modules if getattr(module, "__file__", None) == file), None)
    found: set[str] = set()
    for node in ast.walk(_parse(file) or ast.Module(body=[], type_ignores=[])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (not node.level or package):
            name = resolve_name("." * node.level + (node.module or ""), package or "")
            found |= {name, *(f"{name}.{alias.name}" for alias in node.names)}
    return found


def _parse(file: str) -> ast.Module | None:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _find_early_callers(readers: set[str], trees: list[tuple[str, ast.Module]]) -> str:
    """Follow the readers' names to those who mention them, until a place is found that runs while the program is loaded."""
    known = set(readers) - {"<lambda>"}
    while True:
        more = set(known)
        for file, tree in trees:
            for function, node in _mentions(tree):
                if _called_name(node) in known and _is_early(function):
                    return f"{file}:{node.lineno}"
                if _mentioned_name(node) in known and function is not None:
                    if _is_early(function):
                        return f"{file}:{node.lineno}"
                    more |= {_name_of(function)} - {"<lambda>"}
        if more == known:
            return ""
        known = more


def _mentions(tree: ast.Module) -> Iterator[tuple[ast.AST | None, ast.expr | ast.Constant]]:
    """All names, attributes, calls and texts, with the outermost function that runs them; None: the module itself."""
    pending: list[tuple[ast.AST, ast.AST | None]] = [(tree, None)]
    while pending:
        node, function = pending.pop()
        if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Constant)):
            yield function, node
        for child, inside in _children(node):
            pending.append((child, function or (node if inside else None)))


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """The parts of a node, and whether they run when the function that it is runs; decorators and defaults run before."""
    for field, value in ast.iter_fields(node):
        inside = isinstance(node, _FUNCTIONS) and field == "body"
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child, inside


def _reads(node: ast.AST, name: str) -> bool:
    """``settings.NAME`` by whatever name the settings go, and ``getattr(settings, "NAME")``."""
    return (isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load)) or (
        isinstance(node, ast.Constant) and node.value == name
    )


def _is_early(function: ast.AST | None) -> bool:
    if function is None:
        return True
    decorators = getattr(function, "decorator_list", [])
    return _name_of(function) in _EARLY or any(_mentioned_name(part) in _KEEPING for d in decorators for part in ast.walk(d))


def _name_of(function: ast.AST) -> str:
    return str(getattr(function, "name", "<lambda>"))


def _called_name(node: ast.AST) -> str:
    return _mentioned_name(node.func) if isinstance(node, ast.Call) else ""


def _mentioned_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
