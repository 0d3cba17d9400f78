"""Walking syntax trees: as ``ast.walk`` does, but only through nodes that say something, and several times faster."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from typing import cast

#: Whether a name is read or written, and which operator stands there, is asked of the node above.
_MUTE = frozenset({"ctx", "op", "ops"})
FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_FIELDS: dict[type, tuple[str, ...]] = {}
_DUMPED: dict[type, tuple[str, ...]] = {}


def children(node: ast.AST) -> list[ast.AST]:
    """The direct child nodes, in the order of the text."""
    kind = type(node)
    if (fields := _FIELDS.get(kind)) is None:
        fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _MUTE)
    found: list[ast.AST] = []
    for name in fields:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of some trees, in no particular order."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        pending += children(node)


def class_statements(node: ast.AST, path: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    """The class statements that are executed with a statement, itself and those in its classes, by qualified name."""
    if isinstance(node, FUNCTION_NODES):
        return
    if isinstance(node, ast.ClassDef):
        yield path + node.name, node
        path = f"{path}{node.name}."
    for child in children(node) if isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)) else ():
        yield from class_statements(child, path)


def node_fields(kind: type) -> tuple[str, ...]:
    """The fields of a kind of node that say what it is; none for what is no node."""
    if (fields := _DUMPED.get(kind)) is None:
        all_fields = kind._fields if issubclass(kind, ast.AST) else ()
        fields = _DUMPED[kind] = tuple(name for name in all_fields if name not in ("type_comment", "type_ignores"))
    return fields


def same(one: object, other: object) -> bool:
    """True where :func:`dump` gives equal text for both, found without making any text."""
    if one is other:
        return True
    kind = one.__class__
    if kind is not other.__class__:
        return False
    if kind is list:
        mine, theirs = cast(list[object], one), cast(list[object], other)
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if kind is str or kind is int:
        return one == other
    if (fields := _DUMPED.get(kind)) is None:
        fields = node_fields(kind)
    if not isinstance(one, ast.AST):
        return repr(one) == repr(other)
    for name in fields:  # noqa: SIM110 - as a generator it takes half as long again, and it is called for each node
        if not same(getattr(one, name, None), getattr(other, name, None)):
            return False
    return True


def dump(node: object) -> str:
    """A tree as text, without positions: two trees of equal text mean the same (``1``, ``True`` and ``1.0`` differ)."""
    kind = node.__class__
    if kind is list:
        return "[" + ",".join([dump(item) for item in node]) + "]"  # type: ignore[attr-defined]  # a list
    if isinstance(node, ast.AST):
        return f"{kind.__name__}({','.join([dump(getattr(node, name, None)) for name in node_fields(kind)])})"
    return repr(node)


def pair_bodies(one: ast.AST, other: ast.AST) -> dict[str, tuple[object, object]] | None:
    """The bodies of the functions in two statements, in pairs by qualified name; None where the two differ in anything
    else, so that :func:`dump_shape` gives another text for each."""
    bodies: dict[str, tuple[object, object]] = {}
    return bodies if _same_head(one, other, "", bodies) else None


def _same_head(one: object, other: object, path: str, bodies: dict[str, tuple[object, object]]) -> bool:
    kind = one.__class__
    if kind is not other.__class__:
        return False
    if kind is list:
        mine, theirs = cast(list[object], one), cast(list[object], other)
        return len(mine) == len(theirs) and all(_same_head(a, b, path, bodies) for a, b in zip(mine, theirs, strict=True))
    if not isinstance(one, ast.AST) or kind is ast.Name or kind is ast.Constant:
        return same(one, other)
    inner = _path_in(one, path)
    for name in node_fields(kind):
        pair = getattr(one, name, None), getattr(other, name, None)
        if name == "body" and isinstance(one, FUNCTION_NODES):
            bodies[_key_of(one, inner, bodies)] = pair
        elif not _same_head(*pair, inner, bodies):
            return False
    return True


def dump_shape(node: ast.AST) -> tuple[str, dict[str, object]]:
    """A statement in two parts: a dump of all that is evaluated with it, and the bodies of its functions."""
    bodies: dict[str, object] = {}
    return _dump_head(node, "", bodies), bodies


def _dump_head(node: object, path: str, bodies: dict[str, object]) -> str:
    kind = node.__class__
    if kind is list:
        return "[" + ",".join([_dump_head(item, path, bodies) for item in cast(list[object], node)]) + "]"
    if not isinstance(node, ast.AST) or kind is ast.Name or kind is ast.Constant:
        return dump(node)
    inner = _path_in(node, path)
    parts = []
    for name in node_fields(kind):
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, FUNCTION_NODES):
            bodies[_key_of(node, inner, bodies)] = value
        else:
            parts.append(_dump_head(value, inner, bodies))
    return f"{kind.__name__}({','.join(parts)})"


def _path_in(node: ast.AST, path: str) -> str:
    """The qualified name that what stands in a node begins with."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return path
    return f"{path}.{node.name}" if path else node.name


def _key_of(node: ast.AST, inner: str, bodies: Collection[str]) -> str:
    """The name of a function's body, with a number where it repeats."""
    own = inner if not isinstance(node, ast.Lambda) else f"{inner}.<lambda>" if inner else "<lambda>"
    key, number = own, 1
    while key in bodies:
        number += 1
        key = f"{own}#{number}"
    return key
