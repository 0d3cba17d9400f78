"""From bytes on disk to a checked syntax tree and code, with the errors that Python itself would show."""

from __future__ import annotations

import ast
import bisect
import io
import tokenize
import traceback
from types import CodeType
from typing import cast

import attrs

from hotswap.model import Finding, Severity


@attrs.frozen(kw_only=True, eq=False)
class Source:
    """A module text that compiles.

    Attributes:
        data: the bytes as read.
        utf8: the decoded text in UTF-8, with ``\\n`` line ends: what column offsets count in.
        tree: the syntax tree.
        code: the compiled module.
    """

    path: str
    data: bytes
    utf8: bytes
    tree: ast.Module
    code: CodeType


class SourceError(Exception):
    """A text that cannot be used; ``finding`` says why, for a person."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def parse_source(path: str, data: bytes, known: Source | None = None) -> Source:
    """Decode, parse and compile a module text, executing nothing.

    Args:
        path: the file name to compile with; it must be the one that the running code carries.
        data: the bytes as read.
        known: an earlier text of the same file, whose statements the new tree shares where they stand unchanged in their place.

    Raises:
        SourceError: it does not decode (HS102) or compile (HS101); its finding is ready to be shown.
    """
    text = decode(path, data)
    utf8 = text.encode("utf-8", "surrogatepass")
    try:
        tree = (_parse_rest(utf8, known) if known is not None else None) or ast.parse(data, path)
        code = compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceError(_refuse("HS101", path, error)) from error
    return Source(path=path, data=data, utf8=utf8, tree=tree, code=code)


def _parse_rest(utf8: bytes, known: Source) -> ast.Module | None:
    """Parse only the lines between the statements that two texts begin and end with; None where that is not possible.

    Statements follow one another, and none begins with a word that could go on with the one before it. So the rows of
    statements of several pieces of a text, cut where lines and statements end, are those of the whole, if each piece is
    valid by itself. A block that gained an ``else`` or another line is not: what was cut off is an error.
    """
    old, new = known.utf8.splitlines(keepends=True), utf8.splitlines(keepends=True)
    body = known.tree.body
    same = _count_equal(old, new)
    first = bisect.bisect_right(body, same, key=_end)  # as many are in equal lines as a whole
    while 0 < first < len(body) and first_line(body[first]) <= _end(body[first - 1]):
        first -= 1  # several share a line
    last = len(body)
    if len(old) == len(new):  # else those at the end stand on other lines
        changed = len(new) - _count_equal(old[::-1], new[::-1])
        last = max(first, bisect.bisect_right(body, changed, key=first_line))
        while last < len(body) and not _begins_line(body, last, new):
            last += 1
    start = _end(body[first - 1]) if first else 0
    end = first_line(body[last]) - 1 if last < len(body) else len(new)
    if not first and last == len(body):
        return None
    try:
        # As a text: none of its lines declares an encoding.
        rest = ast.parse("\n" * start + b"".join(new[start:end]).decode(), known.path)
    except (SyntaxError, ValueError):
        return None
    return ast.Module([*body[:first], *rest.body, *body[last:]], [])


def _count_equal(old: list[bytes], new: list[bytes]) -> int:
    """How many lines are equal from the beginning on."""
    return next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new)))


def _begins_line(body: list[ast.stmt], index: int, lines: list[bytes]) -> bool:
    """True where a statement begins with the line that :func:`first_line` gives: no other one ends there, and the ``@`` of
    its first decorator is not on an earlier one."""
    first = first_line(body[index])
    is_shared = index > 0 and first <= _end(body[index - 1])
    return not is_shared and (first == body[index].lineno or lines[first - 1].startswith(b"@"))


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def first_line(node: ast.stmt) -> int:
    """The line on which a statement begins, with its decorators."""
    decorators = getattr(node, "decorator_list", None)
    return cast(int, decorators[0].lineno) if decorators else node.lineno


def decode(path: str, data: bytes) -> str:
    """Decode as PEP 263 says, with universal line ends.

    Raises:
        SourceError: HS102.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.IncrementalNewlineDecoder(None, translate=True).decode(data.decode(encoding), final=True)
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise SourceError(_refuse("HS102", path, error)) from error


def _refuse(code: str, path: str, error: Exception) -> Finding:
    return Finding(
        code=code,
        severity=Severity.HELD,
        message=f"{type(error).__name__}: {getattr(error, 'msg', None) or error}",
        file=path,
        line=getattr(error, "lineno", None) or 0,
        next_step="the old code serves on; save the file again when it is mended",
        excerpt="".join(traceback.format_exception_only(error)),
    )
