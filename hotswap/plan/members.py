"""Edits of a class that need no class statement: methods and simple attributes that can be moved one by one.

Where a metaclass, an ``__init_subclass__`` or a decorator of a library makes the class, executing its statement again
may register it a second time. So only the members concerned are evaluated, aside, in a plain class of the same name.

    statement in the body                          member
    method, also static, class and property        yes, if its decorators only wrap it
    name = literals, names, operators              yes
    name: ClassVar = the same                      yes
    docstring                                      yes
    name = call(...), name: annotation = ...       no: what makes the class may have taken it
    class, if, for, with, try                      no
    dunder attribute, model_config, Meta, ...      no: these are read when the class is made

Whatever uses a member while the class is made (``kind = CharField(choices=KINDS)``) has to be a member too.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

import attrs

from hotswap.plan.bindings import bound_names, dotted
from hotswap.plan.trees import dump

#: Decorators that make of a function what its name says, and note it nowhere.
_WRAPPERS = frozenset(
    "staticmethod classmethod property functools.cached_property cached_property functools.lru_cache lru_cache "
    "functools.cache cache functools.wraps wraps functools.singledispatchmethod singledispatchmethod abc.abstractmethod "
    "abstractmethod typing.override override typing.final final typing.overload overload contextlib.contextmanager "
    "contextmanager contextlib.asynccontextmanager asynccontextmanager".split()
)
_ACCESSORS = frozenset({"setter", "getter", "deleter"})
#: Attributes that frameworks read while they make a class: setting them afterwards would do nothing.
_READ_WHEN_MADE = frozenset({"model_config", "Config", "Meta", "Media", "_fields_", "_layout_", "_pack_", "_anonymous_"})
_PLAIN_CALLS = frozenset("property staticmethod classmethod frozenset set dict list tuple range len sorted".split())
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@attrs.frozen(kw_only=True)
class MemberEdit:
    """What of a class is evaluated, and moved.

    Attributes:
        names: attributes that get a new value.
        removed: attributes that go.
        statements: places in the new class's body that are evaluated, in order.
        values: those of the names that are data: what makes the class may have read them.
        methods: bare methods of the old text; where one is not a plain function in the live class, what made the class
            wraps methods, and moving one would lose that.
        docstring: the docstring changed.
    """

    names: frozenset[str]
    removed: frozenset[str] = frozenset()
    statements: tuple[int, ...] = ()
    values: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    docstring: bool = False


def compare_members(old: ast.ClassDef, new: ast.ClassDef) -> MemberEdit | str:
    """Find the members that differ.

    Returns:
        The edit, or what in the new text (or the old one) goes beyond members, for a person.
    """
    if _dump_head(old) != _dump_head(new):
        return f"the head of class {new.name}"
    mine, theirs = _body(old), _body(new)
    if [dump_bare(n) for n in mine if not _is_member(n)] != [dump_bare(n) for n in theirs if not _is_member(n)]:
        return _first_difference(mine, theirs)
    gone = Counter(dump_bare(node) for node in mine)
    gone.subtract(Counter(dump_bare(node) for node in theirs))
    touched = {name for node in (*mine, *theirs) if gone[dump_bare(node)] for name in bound_names([node])}
    bound = set(bound_names(theirs))
    edit = take_members(new, touched & bound)
    if isinstance(edit, str):
        return edit
    removed = touched - bound
    if wrong := [name for node in mine if not _is_member(node) for name in bound_names([node]) if name in removed]:
        return wrong[0]
    return attrs.evolve(
        edit, removed=frozenset(removed), methods=_bare_methods(old), docstring=ast.get_docstring(old) != ast.get_docstring(new)
    )


def find_alike(old: ast.ClassDef, new: ast.ClassDef, path: str = "") -> set[str]:
    """The members that give the same in both class statements, whatever their class derives from, by qualified name.

    These are functions with the same text, in wrappers only, and constants.
    """
    path = f"{path}{new.name}."
    mine, theirs = _by_name(old), _by_name(new)
    found: set[str] = set()
    for name, nodes in theirs.items():
        before = mine.get(name, [])
        match (before, nodes):
            case ([ast.ClassDef() as one], [ast.ClassDef() as other]):
                found |= find_alike(one, other, path)
            case _ if all(map(_is_fixed, nodes)) and list(map(dump, before)) == list(map(dump, nodes)):
                found.add(path + name)
    return found


def _by_name(node: ast.ClassDef) -> dict[str, list[ast.stmt]]:
    found: dict[str, list[ast.stmt]] = {}
    for statement in node.body:
        for name in bound_names([statement]):
            found.setdefault(name, []).append(statement)
    return found


def _is_fixed(node: ast.stmt) -> bool:
    if isinstance(node, _Function):
        return all(map(_only_wraps, node.decorator_list)) and all(
            isinstance(default, ast.Constant) for default in (*node.args.defaults, *filter(None, node.args.kw_defaults))
        )
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Constant)


def take_members(node: ast.ClassDef, names: Collection[str]) -> MemberEdit | str:
    """The edit that evaluates some members of a class again, with all that has to be evaluated with them.

    Returns:
        The edit, or a statement that would have to be evaluated and is no member.
    """
    wanted = set(names)
    before = -1
    while before != (before := len(wanted)):
        for statement in _body(node):
            binds, reads = set(bound_names([statement])), set(_reads(statement))
            if binds & wanted or reads & wanted:
                if not _is_member(statement):
                    return ast.unparse(statement).splitlines()[0]
                wanted |= binds | (reads & _own_names(node))
    places = [i for i, statement in enumerate(node.body) if set(bound_names([statement])) & wanted]
    functions = {name for s in _body(node) if isinstance(s, _Function) for name in bound_names([s])}
    return MemberEdit(
        names=frozenset(wanted), statements=tuple(places), values=frozenset(wanted - functions), methods=_bare_methods(node)
    )


def reduce_class(node: ast.ClassDef, edit: MemberEdit) -> ast.ClassDef:
    """The class statement with nothing in it but the members of an edit: no bases, no metaclass, no decorators."""
    docstring = node.body[:1] if edit.docstring and ast.get_docstring(node, clean=False) is not None else []
    body: list[ast.stmt] = [*docstring, *(node.body[place] for place in edit.statements)]
    reduced = copy.copy(node)
    reduced.bases, reduced.keywords, reduced.decorator_list, reduced.body = [], [], [], body or [ast.Pass()]
    return ast.fix_missing_locations(reduced)


# ---- statements ----


def _body(node: ast.ClassDef) -> list[ast.stmt]:
    """The statements that count: without docstring and ``pass``."""
    first = 1 if ast.get_docstring(node, clean=False) is not None else 0
    return [n for n in node.body[first:] if not isinstance(n, ast.Pass) and not _is_bare_constant(n)]


def _is_bare_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _own_names(node: ast.ClassDef) -> set[str]:
    return set(bound_names(node.body))


def _bare_methods(node: ast.ClassDef) -> frozenset[str]:
    return frozenset(n.name for n in node.body if isinstance(n, _Function) and not n.decorator_list)


def _is_member(node: ast.stmt) -> bool:
    if isinstance(node, _Function):
        return all(_only_wraps(decorator) for decorator in node.decorator_list)
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None and "ClassVar" in dump(node.annotation):
        targets, value = [node.target], node.value
    else:
        return False
    names = set(bound_names(targets))
    if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in targets):
        return False
    return _is_simple(value) and not any(n in _READ_WHEN_MADE or (n.startswith("__") and n.endswith("__")) for n in names)


def _only_wraps(decorator: ast.expr) -> bool:
    chain = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
    return chain is not None and (chain in _WRAPPERS or ("." in chain and chain.rpartition(".")[2] in _ACCESSORS))


def _is_simple(value: ast.expr) -> bool:
    """True for an expression that computes from literals and names, and can note itself nowhere."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _PLAIN_CALLS):
            return False
        if isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)):
            return False
    return True


def _reads(node: ast.stmt) -> Iterator[str]:
    """Names that are read while the statement is evaluated, function bodies left out."""
    pending: list[ast.AST] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load):
            yield item.id
        skipped: Iterable[ast.AST] = ()
        if isinstance(item, _Function):
            skipped = item.body
        elif isinstance(item, ast.Lambda):
            skipped = [item.body]
        inside = {id(part) for part in skipped}
        pending += [child for child in ast.iter_child_nodes(item) if id(child) not in inside]


def dump_bare(node: ast.AST) -> str:
    """The tree of a statement without positions; of functions without their bodies, which are jumped to."""
    if isinstance(node, _Function):
        parts = [(name, getattr(node, name, None)) for name in node._fields if name not in ("body", "type_comment")]
        return f"{type(node).__name__}{[(n, _dump(v)) for n, v in parts]}"
    return dump(node)


def _dump(value: object) -> object:
    if isinstance(value, list):
        return [_dump(item) for item in value]
    return dump(value) if isinstance(value, ast.AST) else value


def _dump_head(node: ast.ClassDef) -> str:
    return repr([_dump(getattr(node, name, None)) for name in node._fields if name != "body"])


def _first_difference(mine: list[ast.stmt], theirs: list[ast.stmt]) -> str:
    old = [n for n in mine if not _is_member(n)]
    new = [n for n in theirs if not _is_member(n)]
    known = {dump_bare(n) for n in old}
    added = next((n for n in new if dump_bare(n) not in known), None)
    known = {dump_bare(n) for n in new}
    gone = next((n for n in old if dump_bare(n) not in known), None)
    node = added or gone or next(n for n, o in zip(new, old, strict=False) if dump_bare(n) != dump_bare(o))
    return ast.unparse(node).splitlines()[0]
