"""A module's text as a row of units, its top-level statements: what each binds, imports and is for."""

from __future__ import annotations

import ast
import bisect
import enum
import re
from collections.abc import Collection, Iterable
from copy import copy

import attrs

from hotswap.plan.bindings import ImportBinding, bound_names, deleted_names, import_bindings, names_in_globals
from hotswap.plan.source import first_line
from hotswap.plan.trees import dump, dump_shape
from hotswap.plan.uses import BINDS_UNSEEN, Analysis, analyse, is_inert

_WORD = re.compile(rb"[A-Za-z_]\w*")


class UnitKind(enum.StrEnum):
    """What a top-level statement is for."""

    IMPORT = "import"
    FUNCTION = "function"
    CLASS = "class"
    ASSIGN = "assign"
    EFFECT = "effect"
    BLOCK = "block"
    GUARD = "guard"  # if __name__ == "__main__", and what of a module that still executes has not ended: see hold_back
    DOCSTRING = "docstring"


@attrs.define(slots=True, eq=False)
class Facts:
    """What is found out about a statement, shared by all units of its text and found for the first that is asked."""

    analysis: Analysis | None = None
    is_inert: bool | None = None
    words: frozenset[bytes] | None = None
    shape: tuple[str, dict[str, object]] | None = None


@attrs.define(slots=True, eq=False)
class Unit:
    """One top-level statement.

    Attributes:
        text: the exact source of the statement; equal text means an equal unit.
        names: module globals that it binds, those that were seen to come by ``globals()`` included.
        unseen: those of them that stand in no text; None where that is not known.
        imports: what it imports, for import statements anywhere in it.
    """

    index: int
    kind: UnitKind
    node: ast.stmt
    text: bytes
    line: int
    names: tuple[str, ...]
    imports: tuple[ImportBinding, ...]
    facts: Facts = attrs.Factory(Facts)
    unseen: frozenset[str] | None = None

    @property
    def analysis(self) -> Analysis:
        if self.facts.analysis is None:
            self.facts.analysis = analyse(self.node)
        return self.facts.analysis

    @property
    def is_inert(self) -> bool:
        """True for a plain function: nothing that can be told without walking its body reads, calls or changes anything."""
        if self.facts.is_inert is None:
            self.facts.is_inert = is_inert(self.node)
        return self.facts.is_inert

    @property
    def function_names(self) -> Collection[str]:
        """The keys of ``analysis.functions``."""
        return self.names if self.is_inert else self.analysis.function_names

    def mentions(self, names: frozenset[bytes]) -> bool:
        """False only where no code of the statement can read any of these names, as its text does not contain them."""
        return (words := self.words) is None or not words.isdisjoint(names)

    @property
    def words(self) -> frozenset[bytes] | None:
        """All that may be a name in the text; None where that is not certain, as Python normalises other letters."""
        if self.facts.words is None and self.text.isascii():
            self.facts.words = frozenset(_WORD.findall(self.text))
        return self.facts.words

    @property
    def skeleton(self) -> str:
        """The statement's tree without positions and function bodies: equal means that nothing is evaluated anew."""
        return self.shape[0]

    @property
    def bodies(self) -> dict[str, object]:
        """The trees of the function bodies in it, by qualified name (with a number where a name repeats)."""
        return self.shape[1]

    @property
    def dumped(self) -> tuple[object, ...]:
        """The whole statement without positions: equal for statements that do the same."""
        return (self.skeleton, *((name, dump(body)) for name, body in self.bodies.items()))

    @property
    def shape(self) -> tuple[str, dict[str, object]]:
        if self.facts.shape is None:
            self.facts.shape = dump_shape(self.node)
        return self.facts.shape

    @property
    def binds_unseen(self) -> bool:
        """True for a statement that puts names into the module by ``globals()``."""
        return b"globals" in self.text and BINDS_UNSEEN in self.analysis.now.effects

    def learn(self, names: Iterable[str]) -> None:
        """Note names that the statement was seen to bind, though it does not spell them out."""
        new = frozenset(names).difference(self.names)
        self.names, self.unseen = (*self.names, *sorted(new)), (self.unseen or frozenset()) | new

    def may_delete(self, name: str) -> bool:
        return b"del" in self.text and name in deleted_names(self.node)

    @property
    def label(self) -> str:
        return ", ".join(self.names) if self.names else f"<line {self.line}>"


@attrs.define(slots=True, eq=False)
class Summary:
    """A parsed module text."""

    module: str
    units: list[Unit]
    future_flags: int
    _binders: dict[str, list[Unit]] | None = None
    _imported: frozenset[str] | None = None

    def binder_of_unseen(self) -> Unit | None:
        """The statement that binds names by ``globals()``; None where there is none, or several that nobody can tell apart."""
        found = [unit for unit in self.units if unit.binds_unseen]
        return found[0] if len(found) == 1 else None

    def imported_names(self) -> frozenset[str]:
        """Globals that the text imports, executed or not."""
        if self._imported is None:
            pending: list[ast.AST] = [unit.node for unit in self.units if b"import" in unit.text]
            found: set[str] = set()
            while pending:
                node = pending.pop()
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
                elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
                    pending += ast.iter_child_nodes(node)
            self._imported = frozenset(found - {"*"})
        return self._imported

    def binders(self) -> dict[str, list[Unit]]:
        """Which units bind a name, in order."""
        if self._binders is None:
            self._binders = {}
            for unit in self.units:
                for name in unit.names:
                    self._binders.setdefault(name, []).append(unit)
        return self._binders


# ---- a module that is still executing -------------------------------------------------------------------------


def unit_at(summary: Summary, line: int) -> Unit | None:
    """The unit that stands at a line."""
    found = None
    for at in range(bisect.bisect_right(summary.units, line, key=lambda unit: unit.line) - 1, -1, -1):
        unit = summary.units[at]
        if line > (unit.node.end_lineno or unit.line):
            break
        found = unit  # of several on a line the first
    return found


def index_at(summary: Summary, line: int) -> int | None:
    """Which unit stands at a line."""
    unit = unit_at(summary, line)
    return unit.index if unit is not None else None


def find_again(old: Summary, index: int, new: Summary) -> int:
    """Where a unit stands in another text: by its text, by what it binds, or counted from the end."""
    wanted = old.units[index]
    nth = sum(unit.text == wanted.text for unit in old.units[:index])
    same = [unit.index for unit in new.units if unit.text == wanted.text]
    if same:
        return same[min(nth, len(same) - 1)]
    bound = [unit.index for unit in new.units if wanted.names and unit.names == wanted.names]
    return bound[-1] if bound else max(0, len(new.units) - (len(old.units) - index))


def hold_back(summary: Summary, first: int, bound: Collection[str]) -> Summary:
    """The summary of a module whose execution stands at a unit: that one and the statements behind it are no past.

    They call new functions by themselves, so nothing about them is evaluated again, or asks for it; what their text
    says runs at the next start, as that of the main block does. Definitions and imports stay what they are.

    Args:
        first: index of the unit that is executing.
        bound: names that the text which executes binds; others are new, and their assignments are evaluated.
    """
    units = []
    for unit in summary.units:
        is_data = unit.kind is UnitKind.ASSIGN and (unit.index == first or bool(set(unit.names) & set(bound)))
        if unit.index >= first and (is_data or unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK)):
            unit = copy(unit)
            unit.kind = UnitKind.GUARD
        units.append(unit)
    return Summary(summary.module, units, summary.future_flags)


def let_go(summary: Summary) -> Summary:
    """The inverse of :func:`hold_back`."""
    for unit in summary.units:
        if unit.kind is UnitKind.GUARD:
            unit.kind = kind_of(unit.node, unit.index)
    return summary


def is_held_back(unit: Unit) -> bool:
    """True for a unit that counts as main block only while its module executes."""
    return unit.kind is UnitKind.GUARD and kind_of(unit.node, unit.index) is not UnitKind.GUARD


# ---- splitting a text into units ------------------------------------------------------------------------------


def summarise(module: str, tree: ast.Module, source: bytes, is_package: bool, known: Summary | None = None) -> Summary:
    """Split a parsed text into units, sharing the facts of units that also stand in ``known``.

    A statement that also stands in the same place there keeps its tree, also in ``tree``: what is known of it refers to
    that one, and two trees of the same would be there for ever.

    Args:
        module: the module's name in ``sys.modules``, to resolve relative imports.
        tree: the parsed text.
        source: the same text in UTF-8, which is what column offsets count.
        is_package: True for an ``__init__`` file.
        known: an earlier summary of the same module.
    """
    lines = source.splitlines(keepends=True)
    earlier: dict[bytes, Unit] = {unit.text: unit for unit in known.units} if known else {}
    units = []
    for index, node in enumerate(tree.body):
        text = segment(lines, node)
        if (same := earlier.get(text)) is None:
            deleted = deleted_names(node) if b"del" in text else []
            names, imports = tuple(dict.fromkeys(bound_names([node]) + deleted)), tuple(import_bindings(node, module, is_package))
            units.append(Unit(index, kind_of(node, index), node, text, first_line(node), names, imports))
            if b"globals" in text and (spelled := names_in_globals(node)):
                units[-1].learn(spelled)
            continue
        if (node.lineno, node.col_offset) == (same.node.lineno, same.node.col_offset):
            node = tree.body[index] = same.node
        known_of_it = (same.names, same.imports, same.facts, same.unseen)
        units.append(Unit(index, kind_of(node, index), node, text, first_line(node), *known_of_it))
    return Summary(module, units, future_flags(tree))


def segment(lines: list[bytes], node: ast.stmt) -> bytes:
    start, end = first_line(node), node.end_lineno or node.lineno
    part = lines[start - 1 : end]
    if not part:
        return b""
    part[-1] = part[-1][: node.end_col_offset]
    if start == node.lineno:
        part[0] = part[0][node.col_offset :]
    return b"".join(part)


def future_flags(tree: ast.Module) -> int:
    import __future__

    flags = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags


def kind_of(node: ast.stmt, index: int) -> UnitKind:
    match node:
        case ast.Import() | ast.ImportFrom():
            return UnitKind.IMPORT
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return UnitKind.FUNCTION
        case ast.ClassDef():
            return UnitKind.CLASS
        case ast.Assign(targets=targets) if any(isinstance(t, (ast.Subscript, ast.Attribute)) for t in targets):
            return UnitKind.EFFECT
        case (
            ast.AnnAssign(target=(ast.Subscript() | ast.Attribute())) | ast.AugAssign(target=(ast.Subscript() | ast.Attribute()))
        ):
            return UnitKind.EFFECT
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            return UnitKind.ASSIGN
        case ast.If() if is_main_guard(node.test):
            return UnitKind.GUARD
        case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try() | ast.TryStar() | ast.Match():
            return UnitKind.BLOCK
        case ast.Expr(value=ast.Constant(value=str())) if index == 0:
            return UnitKind.DOCSTRING
    if type(node).__name__ == "TypeAlias":
        return UnitKind.ASSIGN
    return UnitKind.EFFECT


def is_main_guard(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
        case ast.Compare(left=ast.Constant(value="__main__"), ops=[ast.Eq()], comparators=[ast.Name(id="__name__")]):
            return True
        case ast.BoolOp(op=ast.And(), values=values):
            return any(map(is_main_guard, values))
    return False
