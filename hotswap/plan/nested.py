"""Which of the functions nested in a function run while it runs itself, and which are only made by it.

A wrapper that a decorator returns runs when it is called, long after; live wrappers take new code by a jump. A helper that
the decorator calls, or the middle layer of ``@tagged("x")``, runs at once: what was made with it has to be made again.

    a nested function, lambda or class is                counts as
    called, a decorator, given to some call              running
    given to a call that keeps it (``REG.append(f)``)    made
    bound to another name                                running
    returned, and makes a function or gives back what    running: a layer of a decorator
      it is given
    returned otherwise, put anywhere, not used           made
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from hotswap.plan.trees import children, walk

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

#: Calls that keep a function that they are given, or wrap it, and do not call it; by their last name.
_KEEPING = frozenset(
    "append add update setdefault insert appendleft extend register connect setattr wraps update_wrapper staticmethod "
    "classmethod property partial partialmethod cached_property lru_cache cache contextmanager asynccontextmanager "
    "singledispatch list dict tuple set frozenset len type isinstance callable id hash".split()
)


def first_node(function: FunctionNode) -> ast.AST:
    return function.body[0] if isinstance(function.body, list) else function.body


def find_running(body: Iterable[ast.AST]) -> list[FunctionNode]:
    """The functions in the body of one, not those in functions in it, that run whenever it does."""
    return _Search(list(body)).found


class _Search:
    def __init__(self, body: list[ast.AST]) -> None:
        self.own = list(_own_functions(body))
        self.named: dict[str, list[FunctionNode]] = {}
        for owner, node in self.own:
            if name := owner or getattr(node, "name", ""):
                self.named.setdefault(name, []).append(node)
        self.lambdas = {id(node) for _, node in self.own}
        self.found: list[FunctionNode] = []
        for statement in body if self.own else ():
            self.look(statement, "made")

    def look(self, node: ast.AST, how: str) -> None:
        """Look at one node; ``how``: what becomes of its value."""
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                for function in self.named.get(name, ()):
                    self.note(function, how)
            case ast.Lambda():
                self.note(node, how)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.look_all(node.decorator_list, "run")
                self.look_all(node.body if isinstance(node, ast.ClassDef) else [node.args], "made")
            case ast.Call(func=func, args=args, keywords=keywords):
                self.look(func, "run")
                self.look_all([*args, *(keyword.value for keyword in keywords)], "made" if _keeps(func) else "run")
            case ast.Return(value=ast.expr() as value):
                self.look(value, "returned")
            case ast.Assign(targets=[ast.Name()], value=value) | ast.NamedExpr(value=value):
                self.look(value, "run")
            case ast.IfExp(body=one, orelse=other, test=test):
                self.look(test, "made")
                self.look_all([one, other], how)
            case _:
                self.look_all(children(node), "made")

    def look_all(self, nodes: Iterable[ast.AST], how: str) -> None:
        for node in nodes:
            self.look(node, how)

    def note(self, function: FunctionNode, how: str) -> None:
        runs = how == "run" or (how == "returned" and _is_layer(function))
        if runs and function not in self.found and id(function) in self.lambdas:
            self.found.append(function)
            self.look_all(function.body if isinstance(function.body, list) else [function.body], "made")


def _own_functions(body: Iterable[ast.AST]) -> Iterator[tuple[str, FunctionNode]]:
    """Functions right in a body; for methods, with the name of their class."""
    pending: list[tuple[str, ast.AST]] = [("", node) for node in body]
    while pending:
        owner, node = pending.pop()
        if isinstance(node, FUNCTION_NODES):
            yield owner, node
            inside = {id(part) for part in (node.body if isinstance(node.body, list) else [node.body])}
            pending += [(owner, child) for child in children(node) if id(child) not in inside]
        else:
            owner = owner or (node.name if isinstance(node, ast.ClassDef) else "")
            pending += [(owner, child) for child in children(node)]


def _keeps(func: ast.expr) -> bool:
    while isinstance(func, ast.Call):  # ``wraps(f)(inner)``
        func = func.func
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    return name in _KEEPING


def _is_layer(function: FunctionNode) -> bool:
    """True for what a decorator with arguments returns: it makes the wrapper, or gives the function back."""
    if isinstance(function, ast.Lambda):
        return isinstance(function.body, ast.Lambda)
    if any(True for _ in _own_functions(function.body)):
        return True
    given = {arg.arg for arg in (*function.args.posonlyargs, *function.args.args)[:1]}
    return any(isinstance(n, ast.Return) and isinstance(n.value, ast.Name) and n.value.id in given for n in walk([function]))
