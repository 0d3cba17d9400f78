"""Names that a piece of code binds, by assignments, definitions and imports, and names as dotted chains."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import attrs

from hotswap.plan.trees import children, walk


@attrs.frozen(kw_only=True)
class ImportBinding:
    """``local`` is bound to attribute ``attr`` of ``module``; to the module itself where attr is None; ``*`` stars."""

    local: str
    module: str
    attr: str | None


def import_bindings(node: ast.AST, module: str, is_package: bool) -> Iterator[ImportBinding]:
    """Imports made while a statement is evaluated (those in function bodies are found by :func:`analyse`)."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield ImportBinding(local=alias.asname or top, module=alias.name if alias.asname else top, attr=None)
            if not alias.asname and alias.name != top:  # the submodule is loaded too
                yield ImportBinding(local="", module=alias.name, attr=None)
    elif isinstance(node, ast.ImportFrom):
        base = resolve_relative(node, module, is_package)
        for alias in node.names:
            yield ImportBinding(local="*" if alias.name == "*" else alias.asname or alias.name, module=base, attr=alias.name)
    elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        executed = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and is_for_checkers(node.test):
            executed = iter(node.orelse)
        for child in executed:
            if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                yield from import_bindings(child, module, is_package)


def is_for_checkers(test: ast.expr) -> bool:
    """True for the test of ``if TYPE_CHECKING:``, whose body is never executed."""
    return (dotted(test) or "").rpartition(".")[2] == "TYPE_CHECKING"


def resolve_relative(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    drop = node.level - 1 if is_package else node.level
    base = ".".join(parts[: len(parts) - drop])
    return f"{base}.{node.module}" if node.module else base


def deleted_names(node: ast.stmt) -> list[str]:
    """Names that a compound statement may take away from its own scope: whether it does depends on what it is told."""
    found: list[str] = []
    pending: list[ast.AST] = [] if isinstance(node, ast.Delete) else [node]
    while pending:
        each = pending.pop()
        if isinstance(each, ast.Delete):
            found += [target.id for target in each.targets if isinstance(target, ast.Name)]
        elif not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            pending += children(each)
    return found


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CAPTURES = frozenset({ast.MatchAs, ast.MatchStar})


def bound_names(nodes: Iterable[ast.AST]) -> list[str]:
    """Names that these statements bind in their own scope, in the order of the text; one may stand there twice."""
    found: list[str] = []
    pending = [*nodes][::-1]
    while pending:
        node = pending.pop()
        kind = type(node)
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                found.append(node.id)
        elif kind is ast.Constant:
            continue
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, COMPREHENSIONS):
            found += walrus_names(node)
        elif isinstance(node, ast.Import):
            found += [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [alias.asname or alias.name for alias in node.names if alias.name != "*"]
        elif kind is not ast.Lambda:
            # The name of an exception handler is unbound again when the handler ends: it is no global to care for.
            name = node.rest if isinstance(node, ast.MatchMapping) else getattr(node, "name", None) if kind in _CAPTURES else None
            if name is not None:
                found.append(name)
            pending += children(node)[::-1]
    return found


def walrus_names(comprehension: ast.AST) -> list[str]:
    """What ``:=`` in a comprehension binds in the scope around it."""
    walruses = [node for node in walk([comprehension]) if isinstance(node, ast.NamedExpr)]
    return [node.target.id for node in walruses]


def dotted(node: ast.AST) -> str | None:
    """``a.b.c`` for a chain of attributes that starts at a name, else None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call):  # ``route("/a")`` as a decorator: what is called first is what counts
        return None
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def names_in_globals(node: ast.stmt) -> list[str]:
    """The names that ``globals()["RATE"] = 1`` or ``globals().update(RATE=1)`` spells out; empty where a statement binds others
    by it, too."""
    if isinstance(node, ast.Expr):
        return _names_in_call(node.value)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    found: list[str] = []
    for target in targets:
        match target:
            case ast.Subscript(value=ast.Call(func=ast.Name(id="globals")), slice=ast.Constant(value=str() as name)):
                found.append(name)
            case _:
                return []
    return found


def _names_in_call(node: ast.expr) -> list[str]:
    match node:
        case ast.Call(func=ast.Lambda(body=body)):
            return _names_in_call(body)
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="globals")), attr=method), args=args, keywords=keywords):
            if method == "__setitem__":
                return [name for name in map(_text, args[:1]) if name is not None]
            given = [key for arg in args if isinstance(arg, ast.Dict) for key in arg.keys]
            names = [*(_text(key) for key in given), *(keyword.arg for keyword in keywords)]
            is_spelled = method == "update" and all(isinstance(arg, ast.Dict) for arg in args)
            return [name for name in names if name is not None] if is_spelled and None not in names else []
    return []


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
