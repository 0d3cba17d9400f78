"""Two edits of any text: one that moves every line, one that changes the code of every function; neither changes what it does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import attrs

#: Stands in ``co_consts`` of each function after the second edit. The expression has no effect, is not folded by the
#: compiler and gives no warning, and it names nothing, so ``locals()`` and the scopes of names stay as they are.
MARK = "hotswap: edited"
_STATEMENT = f"{MARK!r} in ()"


@attrs.frozen
class _Insertion:
    """A text to be put in at a place; columns count bytes, as in ``ast``."""

    line: int
    column: int
    text: str


def comment(source: str) -> str:
    """The text with a blank line and a comment above every statement, and comments in front of nested ones; same tree."""
    lines = source.splitlines(keepends=True)
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            line, column = _begin(node)
            before = lines[line - 2] if line > 1 else ""
            indent = lines[line - 1].encode()[:column].decode()
            if not indent.strip() and not before.rstrip("\r\n").endswith("\\"):
                found[line] = _Insertion(line, 0, f"\n{indent}# line {line} of the text before\n")
    edited = _insert(lines, found.values())
    assert ast.dump(ast.parse(edited)) == ast.dump(ast.parse(source)), "the edit has changed the program"
    return edited


def mark(source: str) -> str:
    """The text with a statement without effect at the beginning of every function, behind its docstring."""
    lines = source.splitlines(keepends=True)
    return _insert(lines, [_mark_one(node, lines) for node in _functions(ast.parse(source))])


EDITS = {"comments": comment, "bodies": mark}


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _mark_one(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> _Insertion:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if body:
        line, column = _begin(body[0])
        indent = lines[line - 1].encode()[:column].decode()
        return _Insertion(line, column, _STATEMENT + ("; " if indent.strip() else f"\n{indent}"))
    only = node.body[0]
    assert only.end_lineno is not None and only.end_col_offset is not None
    return _Insertion(only.end_lineno, only.end_col_offset, f"; {_STATEMENT}")


def _begin(node: ast.stmt) -> tuple[int, int]:
    """Where a statement begins; for a decorated one that is at the ``@``, which no node has."""
    decorators = getattr(node, "decorator_list", [])
    return (decorators[0].lineno if decorators else node.lineno), node.col_offset


def _insert(lines: list[str], insertions: object) -> str:
    lines = list(lines)
    for each in sorted(insertions, key=lambda item: (item.line, item.column), reverse=True):
        line = lines[each.line - 1].encode()
        lines[each.line - 1] = (line[: each.column] + each.text.encode() + line[each.column :]).decode()
    return "".join(lines)


def read(data: bytes) -> str:
    """The text of a source file; all of the standard library's are in UTF-8 or say so in a comment."""
    cookie = re.match(rb"(?:.*\n)?.*coding[:=][ \t]*([-\w.]+)", data)
    return data.decode(cookie[1].decode() if cookie else "utf-8")
