"""Two rows of units compared: what was edited, in a person's words and as seeds for the follower."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

import attrs

from hotswap.model import Edit, EditKind
from hotswap.plan.nested import find_running
from hotswap.plan.source import first_line
from hotswap.plan.trees import dump, dump_shape, node_fields, pair_bodies, same, walk
from hotswap.plan.units import Summary, Unit, UnitKind


@attrs.define(eq=False)
class UnitDiff:
    """What differs between the loaded and the new text of one module.

    Attributes:
        pairs: units on both sides, old and new.
        added, removed: units on one side only.
        bodies: qualified names of functions with another body; True where the change is not only in nested functions.
        renamed: old name -> new name of functions and classes that are equal but for their name.
        changed: pairs that differ in what is evaluated with the statement.
        touched: pairs that only differ in the bodies of functions.
    """

    module: str
    pairs: list[tuple[Unit, Unit]] = attrs.Factory(list)
    added: list[Unit] = attrs.Factory(list)
    removed: list[Unit] = attrs.Factory(list)
    bodies: dict[str, bool] = attrs.Factory(dict)
    edits: list[Edit] = attrs.Factory(list)
    renamed: dict[str, str] = attrs.Factory(dict)
    changed: list[tuple[Unit, Unit]] = attrs.Factory(list)
    touched: list[tuple[Unit, Unit]] = attrs.Factory(list)

    def note_moved(self, old: Unit, new: Unit) -> None:
        """Count a pair of equal text as changed, because of its place."""
        self.changed.append((old, new))
        self.edits.append(
            Edit(module=self.module, qualname=new.label, kind=_edit_kind(old, new), line=new.line, detail="moved")
        )


def diff_units(old: Summary, new: Summary, renames: Mapping[str, str] = MappingProxyType({})) -> UnitDiff:
    """Pair the units of two texts and describe what differs.

    Args:
        renames: old name -> new name of classes that are said to be the same.
    """
    diff = UnitDiff(new.module)
    left, right = _pair_declared(old.units, new.units, renames, diff)
    left, right = _pair_by(left, right, lambda unit: unit.text, diff)
    left, right = _pair_by(left, right, lambda unit: unit.names or None, diff)
    left, right = _pair_by(left, right, lambda unit: unit.dumped, diff)
    left, right = _pair_by(left, right, lambda unit: unit.kind if unit.kind in _SINGLE else None, diff)
    diff.removed, diff.added = left, right
    diff.pairs.sort(key=lambda pair: pair[1].index)
    _find_renamed(diff)
    for mine, theirs in diff.pairs:
        _describe(diff, mine, theirs)
    renamed_to = set(diff.renamed.values())
    for unit in diff.added:
        kind = EditKind.RENAMED if unit.names and unit.names[0] in renamed_to else EditKind.ADDED
        diff.edits.append(Edit(module=new.module, qualname=unit.label, kind=kind, line=unit.line))
    for unit in diff.removed:
        if unit.label not in diff.renamed:
            diff.edits.append(Edit(module=new.module, qualname=unit.label, kind=EditKind.REMOVED, line=unit.line))
    return diff


def _pair_declared(
    olds: list[Unit], news: list[Unit], renames: Mapping[str, str], diff: UnitDiff
) -> tuple[list[Unit], list[Unit]]:
    taken: set[int] = set()
    for name, other in renames.items():
        mine = [unit for unit in olds if unit.kind is UnitKind.CLASS and unit.names == (name,)]
        theirs = [unit for unit in news if unit.kind is UnitKind.CLASS and unit.names == (other,)]
        still = any(unit.kind is UnitKind.CLASS and unit.names == (name,) for unit in news)
        if len(mine) == len(theirs) == 1 and not still:
            diff.pairs.append((mine[0], theirs[0]))
            diff.renamed[name] = other
            taken |= {id(mine[0]), id(theirs[0])}
    return [unit for unit in olds if id(unit) not in taken], [unit for unit in news if id(unit) not in taken]


_SINGLE = (UnitKind.DOCSTRING, UnitKind.GUARD)


def _pair_by(olds: list[Unit], news: list[Unit], key: Callable[[Unit], object], diff: UnitDiff) -> tuple[list[Unit], list[Unit]]:
    if not olds or not news:
        return olds, news
    waiting: dict[object, deque[Unit]] = {}
    for unit in olds:
        if (value := key(unit)) is not None:
            waiting.setdefault(value, deque()).append(unit)
    rest, taken = [], set()
    for unit in news:
        value = key(unit)
        if value is not None and (queue := waiting.get(value)):
            mine = queue.popleft()
            taken.add(id(mine))
            diff.pairs.append((mine, unit))
        else:
            rest.append(unit)
    return [unit for unit in olds if id(unit) not in taken], rest


def find_successor(diff: UnitDiff, gone: Unit) -> Unit | None:
    """The new statement that calls what a removed one called, or assigns what it assigned: it is that one, changed."""
    target = _target(gone.node)
    return next((unit for unit in diff.added if target and _target(unit.node) == target), None)


def _target(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Call(func=function)):
            return dump(function)
        case ast.Assign(targets=targets):
            return " ".join(map(dump, targets))
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return dump(target)
    return ""


_NAMED = (UnitKind.FUNCTION, UnitKind.CLASS)


def _find_renamed(diff: UnitDiff) -> None:
    waiting: dict[tuple[UnitKind, str], deque[Unit]] = {}
    for unit in diff.added if any(gone.kind in _NAMED for gone in diff.removed) else ():
        if unit.kind in _NAMED:
            waiting.setdefault((unit.kind, _anonymous(unit)), deque()).append(unit)
    taken: set[str] = set()
    for gone in diff.removed if waiting else ():
        queue = waiting.get((gone.kind, _anonymous(gone))) if gone.kind in _NAMED else None
        while queue:
            name = queue.popleft().names[0]
            if name not in taken:
                taken.add(name)
                diff.renamed[gone.names[0]] = name
                break


def _anonymous(unit: Unit) -> str:
    """The unit's tree with its own name taken out wherever it stands."""
    dumped = dump(unit.node)
    for kind in ("FunctionDef", "ClassDef", "Name"):
        dumped = dumped.replace(f"{kind}({unit.names[0]!r}", f"{kind}(?")
    return dumped


def _describe(diff: UnitDiff, old: Unit, new: Unit) -> None:
    if old.text == new.text:
        return
    differing = _find_differing(old, new)
    if differing is None:
        diff.changed.append((old, new))
        diff.edits.append(
            Edit(module=diff.module, qualname=new.label, kind=_edit_kind(old, new), line=new.line, detail=_detail(old, new))
        )
        differing = [key for key, body in new.bodies.items() if key in old.bodies and not same(old.bodies[key], body)]
    elif differing:
        diff.touched.append((old, new))
    if differing:
        _note_bodies(diff, old, new, differing)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Fields of statements that hold statements.
_BLOCKS = frozenset({"body", "orelse", "finalbody"})

_KINDS = {
    UnitKind.CLASS: EditKind.CLASS,
    UnitKind.ASSIGN: EditKind.DATA,
    UnitKind.IMPORT: EditKind.IMPORT,
    UnitKind.BLOCK: EditKind.BLOCK,
}


def _edit_kind(old: Unit, new: Unit) -> EditKind:
    if new.kind is UnitKind.FUNCTION and old.kind is UnitKind.FUNCTION:
        mine, theirs = getattr(old.node, "decorator_list", []), getattr(new.node, "decorator_list", [])
        return EditKind.SIGNATURE if same(mine, theirs) else EditKind.DECORATOR
    if new.kind is UnitKind.FUNCTION:
        return EditKind.SIGNATURE
    return _KINDS.get(new.kind, EditKind.EFFECT)


def _detail(old: Unit, new: Unit) -> str:
    if old.names != new.names and old.kind is new.kind is UnitKind.CLASS:
        return f"was {old.names[0]}"
    if old.kind is not new.kind:
        return f"was {old.kind}, is {new.kind}"
    if type(old.node) is not type(new.node):
        return f"was {type(old.node).__name__}, is {type(new.node).__name__}"
    return ""


def _find_differing(old: Unit, new: Unit) -> list[str] | None:
    """The functions with another body, as ``Unit.bodies`` names them; None where something else differs as well."""
    if isinstance(old.node, _FUNCTIONS) and isinstance(new.node, _FUNCTIONS):
        mine, theirs = _Lines(old), _Lines(new)
        if mine.before(old.node.body[0]) == theirs.before(new.node.body[0]):
            return [] if _same_block(old.node.body, new.node.body, mine, theirs) else [old.node.name]
    bodies = pair_bodies(old.node, new.node)
    return None if bodies is None else [key for key, pair in bodies.items() if not same(*pair)]


class _Lines:
    """The text of a definition by lines: where two texts are equal the trees are, and need not be compared."""

    def __init__(self, unit: Unit) -> None:
        self._lines = unit.text.splitlines(keepends=True)
        self._first = unit.line

    def of(self, node: ast.stmt) -> tuple[int, int | None, list[bytes]]:
        """The whole lines on which a statement stands, and the columns between which it does."""
        start, end = first_line(node) - self._first, (node.end_lineno or node.lineno) - self._first
        return node.col_offset, node.end_col_offset, self._lines[start : end + 1]

    def before(self, node: ast.stmt) -> bytes:
        """All that stands before a statement."""
        row = first_line(node) - self._first
        column = node.col_offset if first_line(node) == node.lineno else 0
        return b"".join(self._lines[:row]) + self._lines[row][:column]


def _same_block(olds: list[ast.stmt], news: list[ast.stmt], mine: _Lines, theirs: _Lines) -> bool:
    """As :func:`same`, by the text as far as that is equal."""
    return len(olds) == len(news) and all(_same_statement(old, new, mine, theirs) for old, new in zip(olds, news, strict=True))


def _same_statement(old: ast.stmt, new: ast.stmt, mine: _Lines, theirs: _Lines) -> bool:
    if mine.of(old) == theirs.of(new):
        return True
    if type(old) is not type(new):
        return False
    for name in node_fields(type(old)):
        one, other = getattr(old, name, None), getattr(new, name, None)
        if name in _BLOCKS:
            if not _same_block(cast(list[ast.stmt], one), cast(list[ast.stmt], other), mine, theirs):
                return False
        elif not same(one, other):
            return False
    return True


def _note_bodies(diff: UnitDiff, old: Unit, new: Unit, differing: list[str]) -> None:
    mine, theirs = function_nodes(old.node), function_nodes(new.node)
    for key in differing:
        qualname = key.partition("#")[0]
        if "." in key and qualname not in theirs and "<lambda>" not in qualname:
            continue
        one, two = mine.get(key), theirs.get(key)
        nested = one is not None and two is not None and all(map(_may_have_nested, (old, new), (one, two)))
        own = one is None or two is None or not nested or _shallow(one) != _shallow(two)
        diff.bodies[qualname] = own or diff.bodies.get(qualname, False)
        line = two.body[0].lineno if isinstance(two, (ast.FunctionDef, ast.AsyncFunctionDef)) else new.line
        if isinstance(two, (ast.FunctionDef, ast.AsyncFunctionDef)):
            line = two.lineno
        diff.edits.append(Edit(module=diff.module, qualname=qualname, kind=EditKind.BODY, line=line))


def function_nodes(node: ast.AST) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    """Functions of a statement that are not nested in a function, by the keys that ``Unit.bodies`` has."""
    found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda] = {}
    pending: list[tuple[ast.AST, str]] = [(node, "")]
    while pending:
        item, path = pending.pop()
        name = "<lambda>" if isinstance(item, ast.Lambda) else getattr(item, "name", "")
        own = f"{path}.{name}" if path else name
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            key, number = own, 1
            while key in found:
                number += 1
                key = f"{own}#{number}"
            found[key] = item
        else:
            inner = own if isinstance(item, ast.ClassDef) else path
            pending += [(child, inner) for child in ast.iter_child_nodes(item)][::-1]
    return found


def _may_have_nested(unit: Unit, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    if unit.kind is UnitKind.FUNCTION and unit.text.count(b"def") + unit.text.count(b"lambda") < 2:
        return False  # its own
    body = node.body if isinstance(node.body, list) else [node.body]
    return any(isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) for item in walk(body))


def _shallow(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> str:
    """What a function does while it runs itself: its body, and the bodies of those functions in it that run with it."""
    body = node.body if isinstance(node.body, list) else [node.body]
    return "".join([*(dump_shape(item)[0] for item in body), *map(_shallow, find_running(body))])
