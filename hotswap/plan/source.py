"""From bytes on disk to a checked syntax tree and code, with the errors that Python itself would show."""

from __future__ import annotations

import ast
import io
import tokenize
import traceback
from types import CodeType

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


def parse_source(path: str, data: bytes) -> Source:
    """Decode, parse and compile a module text, executing nothing.

    Args:
        path: the file name to compile with; it must be the one that the running code carries.
        data: the bytes as read.

    Raises:
        SourceError: it does not decode (HS102) or compile (HS101); its finding is ready to be shown.
    """
    text = decode(path, data)
    utf8 = text.encode("utf-8", "surrogatepass")
    try:
        tree = ast.parse(data, path)
        code = compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceError(_refuse("HS101", path, error)) from error
    return Source(path=path, data=data, utf8=utf8, tree=tree, code=code)


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
