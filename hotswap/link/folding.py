"""What an ``__init__`` leaves in some fields, where that follows from known values alone; no code of the program is run.

    what is known at first                        constants, definitions, defaults of parameters that nobody has given
    self.x = a value that follows                 known, until something else is assigned
    if, where the test follows                    that branch alone
    a statement that does not follow              what it may assign is not known any more, nor a container that it mentions
    a function or own method whose text follows   what it returns, where all that it does is to compute that
    a ``return`` or ``raise`` that may be met     nothing is known

Values are atoms, and containers that are made anew each time. One that has a name is not followed further: it may be filled.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, NamedTuple

import attrs

from hotswap.commit import MISSING
from hotswap.link.fields import Code, defaults_of, mangled, names_of_self
from hotswap.plan.bindings import bound_names, dotted
from hotswap.plugin.defaults import is_immutable

_MOST_CALLS = 20  # one in another
_LARGEST = 2000  # parts of a value
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitOr: operator.or_, ast.BitAnd: operator.and_,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_, ast.Invert: operator.invert,
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
#: Called with atoms, these give something that depends on nothing else.
_PURE: tuple[Any, ...] = (
    len, bool, int, float, str, bytes, tuple, list, set, frozenset, dict, min, max, sum, abs, sorted, callable,
)  # fmt: skip
_KINDS = (bool, int, float, complex, str, bytes, tuple, list, set, frozenset, dict, type(None))
_ALONE = (type(None), bool, type(...))  # one object each, so that ``is`` tells something of the value


class NotKnown(Exception):
    """It does not follow."""


class Method(NamedTuple):
    """A method as it is called on an object."""

    code: Code
    is_static: bool


@attrs.define(eq=False)
class Folding:
    """Follows functions of the new texts.

    Attributes:
        lookup: gives what a dotted name of a module means, MISSING for nothing.
        function: gives the function of a text that a dotted name of a module means.
        method: gives the method that is called on the object by a name; None where that is not sure.
        read: the parameters whose defaults were used.
    """

    lookup: Callable[[str, str], Any]
    function: Callable[[str, str], Code | None]
    method: Callable[[str], Method | None]
    read: set[str] = attrs.Factory(set)

    def default(self, code: Code, node: ast.expr) -> Any:
        """The value of a default; MISSING where it does not follow. It is evaluated where no local name is known."""
        where = attrs.evolve(code, node=_NOTHING, outer=code.outer | code.body)
        try:
            return _Frame(self, where, {}, frozenset(), pure=True).atom(node)
        except NotKnown:
            return MISSING

    def fields(self, init: Code, given: Mapping[str, Any]) -> dict[str, Any]:
        """The fields whose values at the end of an ``__init__`` follow.

        Args:
            given: the parameters that are known, with their values.
        """
        frame = _Frame(self, init, dict(given), frozenset(names_of_self(init.node)))
        try:
            frame.run(init.node.body)
        except NotKnown:
            return {}
        return frame.fields


@attrs.define(eq=False)
class _Frame:
    """One call.

    Attributes:
        known: local names whose value is known; parameters of the first function count as used when they are read.
        me: names of the object.
        pure: True for a function that has to be followed whole, and not only as to what it assigns.
        depth: how many calls it is in.
    """

    folding: Folding
    code: Code
    known: dict[str, Any]
    me: frozenset[str]
    pure: bool = False
    depth: int = 0
    fields: dict[str, Any] = attrs.Factory(dict)
    local: frozenset[str] = attrs.field(init=False)
    given: frozenset[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        args = self.code.node.args
        names = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg) if arg is not None]
        self.local = frozenset({*bound_names(self.code.node.body), *names})
        self.given = frozenset(self.known) if not self.pure else frozenset()

    # ---- statements ----

    def run(self, body: list[ast.stmt]) -> tuple[Any] | None:
        """Follow statements; the returned value in a tuple, None where the end was reached."""
        for statement in body:
            if (returned := self._statement(statement)) is not None:
                return returned
        return None

    def _statement(self, node: ast.stmt) -> tuple[Any] | None:
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return None
            case ast.Return(value=value) if self.pure:
                return (self.value(value) if value is not None else None,)
            case ast.Return(value=None | ast.Constant()):
                return (None,)
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(node, target, value)
                return None
            case ast.AnnAssign(target=ast.Name()):
                return None
            case ast.If(test=test, body=body, orelse=orelse) if (truth := self._truth(test)) is not None:
                return self.run(body if truth else orelse)
        self._forget(node)
        return None

    def _truth(self, test: ast.expr) -> bool | None:
        try:
            return bool(self.value(test))  # of an exact builtin kind
        except NotKnown:
            return None

    def _assign(self, node: ast.stmt, target: ast.expr, expression: ast.expr) -> None:
        try:
            value = self.value(expression)
        except NotKnown:
            return self._forget(node)
        match target:
            case ast.Name(id=name):
                self.known[name] = value
            case ast.Attribute(value=ast.Name(id=owner), attr=attr) if owner in self.me and not self.pure:
                self.fields[mangled(attr, self.code.owner)] = value
            case _:
                self._forget(node)

    def _forget(self, node: ast.stmt) -> None:
        """A statement that may do anything to what it names, and nothing else."""
        if self.pure:
            raise NotKnown
        for child in ast.walk(node):
            match child:
                case ast.Return() | ast.Global() | ast.Nonlocal() | ast.Yield() | ast.YieldFrom():
                    raise NotKnown
                case ast.Raise() if child is node:  # under a condition it does not matter: who raises leaves no object behind
                    raise NotKnown
                case ast.Name(id=name, ctx=ctx) if not isinstance(ctx, ast.Load) or not is_immutable(self.known.get(name)):
                    self.known.pop(name, None)
                case ast.Attribute(value=ast.Name(id=owner), attr=attr, ctx=ctx) if owner in self.me:
                    name = mangled(attr, self.code.owner)
                    if not isinstance(ctx, ast.Load) or not is_immutable(self.fields.get(name)):
                        self.fields.pop(name, None)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    self.known.pop(name, None)
                case ast.alias(name=name, asname=asname):
                    self.known.pop(asname or name.partition(".")[0], None)
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    self.known.pop(name, None)
                case ast.MatchMapping(rest=str(name)):
                    self.known.pop(name, None)

    # ---- expressions ----

    def value(self, node: ast.expr) -> Any:
        """The value of an expression.

        Raises:
            NotKnown: it does not follow.
        """
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name() | ast.Attribute():
                return self._named(node)
            case ast.Tuple(elts=elts):
                return tuple(self._all(elts))
            case ast.List(elts=elts):
                return self._all(elts)
            case ast.Set(elts=elts):
                return self._computed(set, self._all(elts))
            case ast.Dict(keys=keys, values=values):
                return self._computed(dict, list(zip(self._all(keys), self._all(values), strict=True)))
            case ast.UnaryOp(op=op, operand=operand):
                return self._computed(_UNARY[type(op)], self.value(operand))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                return self._sized(_BINARY[type(op)], self.atom(left), self.atom(right))
            case ast.BoolOp(op=op, values=values):
                return self._first(values, is_and=isinstance(op, ast.And))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compared([left, *others], ops)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test) else orelse)
            case ast.Call():
                return self._called(node)
        raise NotKnown

    def _all(self, nodes: list[ast.expr] | list[ast.expr | None]) -> list[Any]:
        if any(node is None or isinstance(node, ast.Starred) for node in nodes):
            raise NotKnown
        return [self.value(node) for node in nodes if node is not None]

    def atom(self, node: ast.expr) -> Any:
        value = self.value(node)
        if not is_immutable(value):
            raise NotKnown
        return value

    def _named(self, node: ast.expr) -> Any:
        chain = dotted(node) or ""
        head, _, rest = chain.partition(".")
        if head in self.me:
            value = self.fields.get(mangled(rest, self.code.owner), MISSING)
        elif head in self.local or not chain:
            value = self.known.get(chain, MISSING)
        else:
            value = self._outside(chain)
        if value is MISSING or not is_immutable(value):  # a container that has a name may be filled by it
            raise NotKnown
        if chain in self.given:
            self.folding.read.add(chain)
        return value

    def _outside(self, chain: str) -> Any:
        """What a name that is not local means in the module; MISSING where another scope may lie between."""
        head = chain.partition(".")[0]
        is_hidden = head in self.code.outer or mangled(head, self.code.owner) != head
        return MISSING if is_hidden else self.folding.lookup(self.code.module, chain)

    def _first(self, nodes: list[ast.expr], is_and: bool) -> Any:
        for node in nodes[:-1]:
            if bool(value := self.value(node)) is not is_and:
                return value
        return self.value(nodes[-1])

    def _compared(self, nodes: list[ast.expr], ops: list[ast.cmpop]) -> bool:
        for left, op, right in zip(nodes, ops, nodes[1:], strict=False):
            mine, theirs = self.atom(left), self.atom(right)
            if isinstance(op, (ast.Is, ast.IsNot)) and not (type(mine) in _ALONE or type(theirs) in _ALONE):
                raise NotKnown
            if not self._computed(_COMPARED[type(op)], mine, theirs):
                return False
        return True

    def _computed(self, function: Callable[..., Any], *args: Any) -> Any:
        """What a function in C gives, which calls nothing of the program as its arguments are of exact builtin kinds."""
        try:
            return function(*args)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # as it raises when an object is made
            raise NotKnown from None

    def _sized(self, function: Callable[..., Any], left: Any, right: Any) -> Any:
        row, times = (left, right) if hasattr(left, "__len__") else (right, left)
        if function is operator.mul and hasattr(row, "__len__") and not (type(times) is int and len(row) * times < _LARGEST):
            raise NotKnown
        return self._computed(function, left, right)

    # ---- calls ----

    def _called(self, call: ast.Call) -> Any:
        chain = dotted(call.func) or ""
        head, _, rest = chain.partition(".")
        if head in self.me:
            return self._enter(self.folding.method(rest), call)
        if not chain or head in self.local:
            raise NotKnown
        target = self._outside(chain)
        if target is isinstance and len(call.args) == 2 and not call.keywords:
            return isinstance(self.atom(call.args[0]), self._kinds(call.args[1]))
        if any(target is known for known in _PURE) and not call.keywords:
            return self._computed(target, *map(self.atom, call.args))
        code = self.folding.function(self.code.module, chain) if type(target) is FunctionType else None
        return self._enter(Method(code, is_static=True) if code is not None and is_as_written(target, code) else None, call)

    def _kinds(self, node: ast.expr) -> tuple[type, ...]:
        """Builtin classes by their names."""
        names = [each.id for each in (node.elts if isinstance(node, ast.Tuple) else [node]) if isinstance(each, ast.Name)]
        found = [self._outside(name) for name in names if name not in self.local]
        kinds = tuple(kind for kind in _KINDS if any(kind is each for each in found))
        if len(kinds) != len(node.elts if isinstance(node, ast.Tuple) else [node]):
            raise NotKnown
        return kinds

    def _enter(self, method: Method | None, call: ast.Call) -> Any:
        if method is None or self.depth > _MOST_CALLS or isinstance(method.code.node, ast.AsyncFunctionDef):
            raise NotKnown
        args = method.code.node.args
        names = [arg.arg for arg in (*args.posonlyargs, *args.args)]
        bound = names if method.is_static else names[1:]
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        starred = None in keywords or any(isinstance(arg, ast.Starred) for arg in call.args)
        if starred or args.vararg or args.kwarg or len(call.args) > len(bound):
            raise NotKnown
        inner = _Frame(self.folding, method.code, {}, frozenset(), pure=True, depth=self.depth + 1)
        for name, default in defaults_of(args).items():
            inner.known[name] = self.folding.default(method.code, default)
        for name, node in (*zip(bound, call.args, strict=False), *((name, node) for name, node in keywords.items() if name)):
            if name not in inner.local:
                raise NotKnown
            try:
                inner.known[name] = self.atom(node)
            except NotKnown:
                inner.known.pop(name, None)  # it may not be needed; if it is, this is met again
                if not isinstance(node, (ast.Name, ast.Attribute, ast.Constant)):
                    raise  # to evaluate it may do something
        returned = inner.run(method.code.node.body)
        return returned[0] if returned is not None else None


_NOTHING = ast.FunctionDef(
    name="", args=ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]), body=[], decorator_list=[]
)


def is_as_written(function: FunctionType, code: Code) -> bool:
    """True where a function is the one of a text, and not what a decorator or the program has put in its place."""
    qualname = f"{code.owner}.{code.node.name}" if code.owner else code.node.name
    is_own = function.__module__ == code.module and function.__qualname__.endswith(qualname)
    return is_own and function.__code__.co_name == code.node.name and "__wrapped__" not in vars(function)
