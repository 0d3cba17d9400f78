"""What the text of a plain class says about its objects: which fields they get when they are made, and their hash.

    read                                       what
    __init__, __post_init__, __new__, ...      ``self.x = expression``, also over ``setattr`` and tuples
    methods that these call on self            the same, also those of another class in the row
    self.__dict__.update(x=expression)         as ``self.x = expression``
    for n in ("x", "y"): setattr(self, n, ..)  that there are such fields
    super().__init__(), Base.__init__(self)    whether the fields of the next class come too

Only what is set without a condition, once, to a value that needs nothing from the caller has a default.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import attrs

from hotswap.link.literals import Lookup, evaluate
from hotswap.plan.units import bound_names, dotted
from hotswap.plugin.values import Field

#: Run for every new object, or by what ``@dataclass`` and attrs write for ``__init__``.
MAKERS = ("__new__", "__init__", "__post_init__", "__attrs_pre_init__", "__attrs_post_init__", "__attrs_init__")
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_CONTAINERS = frozenset(
    {"list", "dict", "set", "tuple", "deque", "defaultdict", "OrderedDict", "Counter", "bytearray", "frozenset"}
)


@attrs.define(eq=False)
class TextField:
    """A field that a class's text sets on new objects.

    Attributes:
        line: of its first assignment.
        expression: the one that is assigned; None where there are several, or a condition.
        arguments: names that the expression may take from the caller or from before.
        annotation: of the parameter that is assigned.
        is_used: read again while the object is made, so a container may not stay as it begins.
        is_shared: assigned together with another name, so a container may be filled through that.
    """

    line: int
    expression: ast.expr | None
    arguments: frozenset[str]
    annotation: str = ""
    is_used: bool = False
    is_shared: bool = False

    def evaluate(self, lookup: Lookup) -> Field:
        """The field with its default, where that can be known from the text."""
        if self.expression is None:
            return Field(kind=self.annotation, why="it is set in several places, or under a condition")
        field = evaluate(self.expression, self.arguments, lookup)
        if field.factory is not None and (self.is_used or self.is_shared):
            return Field(kind=field.kind, why="it is filled while an object is made")
        return field if field.kind else attrs.evolve(field, kind=self.annotation)

    def container(self) -> str:
        """The kind of container that it begins as; ``None`` as a word for None, empty for anything else."""
        match self.expression:
            case ast.Constant(value=None):
                return "NoneType"
            case ast.List() | ast.ListComp():
                return "list"
            case ast.Dict() | ast.DictComp():
                return "dict"
            case ast.Set() | ast.SetComp():
                return "set"
            case ast.Tuple():
                return "tuple"
            case ast.Call(func=function) if (name := (dotted(function) or "").rpartition(".")[2]) in _CONTAINERS:
                return name
        return ""


@attrs.define(eq=False)
class TextClass:
    """What a class statement says about its objects.

    Attributes:
        fields: by name.
        has_init: True where it defines ``__init__``.
        goes_on: True where making an object also runs what the next class in the row says.
        hashing: the text of what ``__hash__`` and ``__eq__`` do, for comparison.
        called: fields that methods set which the making of an object calls from another class.
        calls: methods that making an object calls and that another class has; True for those that it calls for certain.
    """

    fields: dict[str, TextField]
    has_init: bool
    goes_on: bool
    hashing: str
    called: dict[str, TextField]
    calls: dict[str, bool]


def read_class(node: ast.ClassDef, also: Mapping[str, bool] = MappingProxyType({})) -> TextClass:
    """Read a class statement; executes nothing.

    Args:
        also: methods that another class in the row calls while an object is made, as in ``TextClass.calls``.
    """
    methods = {child.name: child for child in node.body if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))}
    reader = _Reader(methods)
    for name in MAKERS:
        if name in methods:
            reader.read(methods[name], is_certain=True)
    other = _Reader(methods)
    for name, is_certain in also.items():
        if name in methods:
            other.read(methods[name], is_certain=is_certain)
    init = methods.get("__init__")
    return TextClass(
        fields=reader.finish(),
        has_init=init is not None,
        goes_on=init is None or _calls_next(init),
        hashing="".join(ast.dump(methods[name]) for name in sorted(_hash_methods(methods))),
        called=other.finish(),
        calls={**other.calls, **reader.calls},
    )


def class_nodes(tree: ast.AST) -> dict[str, ast.ClassDef]:
    """All class statements in a tree, by qualified name, those in functions too."""
    found: dict[str, ast.ClassDef] = {}
    _find_classes(tree, "", found)
    return found


def _find_classes(node: ast.AST, path: str, found: dict[str, ast.ClassDef]) -> None:
    for child in ast.iter_child_nodes(node):
        inner = path
        if isinstance(child, ast.ClassDef):
            found[f"{path}{child.name}"] = child
            inner = f"{path}{child.name}."
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = f"{path}{child.name}.<locals>."
        _find_classes(child, inner, found)


# ---- fields ----


@attrs.frozen(kw_only=True)
class _Scope:
    """Where a statement stands.

    Attributes:
        me: names of the object that is made.
        local: parameters and other local names.
        annotations: of the parameters.
        certain: it is executed for every object.
    """

    me: frozenset[str]
    local: frozenset[str]
    annotations: dict[str, str]
    certain: bool


class _Reader:
    """Collects what functions set on the object that they make."""

    def __init__(self, methods: dict[str, _Function]) -> None:
        self.methods = methods
        self.fields: dict[str, TextField] = {}
        self.loads: set[str] = set()
        self.seen: set[str] = set()
        self.calls: dict[str, bool] = {}
        self.constants: dict[str, list[str]] = {}  # what a loop's variable goes through, where the text tells

    def finish(self) -> dict[str, TextField]:
        for name in self.loads & self.fields.keys():
            self.fields[name].is_used = True
        return self.fields

    def read(self, function: _Function, *, is_certain: bool) -> None:
        if function.name in self.seen:
            return
        self.seen.add(function.name)
        scope = _Scope(
            me=frozenset(_names_of_self(function)),
            local=frozenset({*bound_names(function.body), *(arg.arg for arg in _all_args(function.args))}),
            annotations={a.arg: ast.unparse(a.annotation) for a in _all_args(function.args) if a.annotation is not None},
            certain=is_certain,
        )
        self._block(function.body, scope)

    def _block(self, body: list[ast.stmt], scope: _Scope) -> None:
        for statement in body:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        doubtful = attrs.evolve(scope, certain=False)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._target(target, value, scope, shared=len(targets) > 1)
                self._expressions([*targets, value], scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._target(target, value, scope)
                self._expressions([value], scope)
            case ast.Expr(value=value):
                self._expressions([value], scope)
            case ast.AugAssign(target=target, value=value):
                self._target(target, None, doubtful)
                self._expressions([value], doubtful)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                for item in items:
                    if item.optional_vars is not None:
                        self._target(item.optional_vars, None, scope)
                self._expressions([item.context_expr for item in items], scope)
                self._block(body, scope)
            case _:
                self._compound(node, doubtful)

    def _compound(self, node: ast.AST, scope: _Scope) -> None:
        """A statement whose parts may or may not be executed."""
        if isinstance(node, (ast.For, ast.AsyncFor)):
            self._target(node.target, None, scope)
            self._loop(node.target, node.iter)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self._statement(child, scope)
            elif isinstance(child, ast.expr):
                self._expressions([child], scope)
            else:  # handlers and cases
                self._compound(child, scope)

    def _loop(self, target: ast.expr, source: ast.expr) -> None:
        """``for name in ("a", "b")``, ``for name, value in (("a", 1), ("b", 2))``."""
        items = source.elts if isinstance(source, (ast.Tuple, ast.List, ast.Set)) else []
        if isinstance(target, (ast.Tuple, ast.List)) and target.elts:
            target = target.elts[0]
            items = [item.elts[0] for item in items if isinstance(item, (ast.Tuple, ast.List)) and item.elts]
        if isinstance(target, ast.Name):
            self.constants[target.id] = _strings(items)

    def _target(self, target: ast.expr, value: ast.expr | None, scope: _Scope, shared: bool = False) -> None:
        match target:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in scope.me:
                self._note(attr, value, target.lineno, scope, shared)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                same = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts)
                row = value.elts if same else [None] * len(parts)  # type: ignore[union-attr]
                for part, item in zip(parts, row, strict=True):
                    self._target(part, item, scope)
            case ast.Starred(value=inner):
                self._target(inner, None, scope)

    def _note(self, name: str, value: ast.expr | None, line: int, scope: _Scope, shared: bool = False) -> None:
        if name in self.fields:
            self.fields[name].expression = None
            return
        kind = scope.annotations.get(value.id, "") if isinstance(value, ast.Name) else ""
        self.fields[name] = TextField(line, value if scope.certain else None, scope.local, kind, is_shared=shared)

    def _expressions(self, nodes: list[ast.expr], scope: _Scope) -> None:
        """Reads of fields, calls of own methods and of setattr, anywhere in some expressions."""
        for node in nodes:
            for child in ast.walk(node):
                match child:
                    case ast.Attribute(value=ast.Name(id=name), attr=attr, ctx=ast.Load()) if name in scope.me:
                        self.loads.add(attr)
                        is_certain = scope.certain and _is_call_of(node, child)
                        if attr in self.methods and attr not in MAKERS:
                            self.read(self.methods[attr], is_certain=is_certain)
                        elif attr not in MAKERS:
                            self.calls[attr] = self.calls.get(attr, False) or is_certain
                    case ast.Call(func=function, args=[*_, ast.Constant(value=str(attr)), value]):
                        if _is_setattr(function, child, scope.me):
                            self._note(attr, value, child.lineno, scope)
                    case ast.Call(func=function, args=[*_, ast.Name(id=variable), _]):
                        for attr in self.constants.get(variable, ()) if _is_setattr(function, child, scope.me) else ():
                            self._note(attr, None, child.lineno, scope)
                    case ast.Call(func=ast.Attribute(value=space, attr="update")) if _is_space(space, scope.me):
                        for name, value in _updates(child):
                            self._note(name, value, child.lineno, scope)


def _strings(nodes: Iterable[ast.expr | None]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _is_space(node: ast.expr, me: frozenset[str]) -> bool:
    """True for ``self.__dict__`` and ``vars(self)``."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr="__dict__"):
            return name in me
        case ast.Call(func=ast.Name(id="vars"), args=[ast.Name(id=name)]):
            return name in me
    return False


def _updates(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
    for argument in call.args:
        if isinstance(argument, ast.Dict):
            for key, value in zip(argument.keys, argument.values, strict=True):
                yield from ((name, value) for name in _strings([key]))


def _is_call_of(statement: ast.expr, method: ast.expr) -> bool:
    """True for ``self.method(...)`` that stands by itself: it is called whatever happens."""
    return isinstance(statement, ast.Call) and statement.func is method


def _is_setattr(function: ast.expr, call: ast.Call, me: frozenset[str]) -> bool:
    if isinstance(function, ast.Name) and function.id == "setattr":
        return len(call.args) == 3 and isinstance(call.args[0], ast.Name) and call.args[0].id in me
    if isinstance(function, ast.Attribute) and function.attr == "__setattr__":
        first = call.args[0]
        return len(call.args) == 2 or (isinstance(first, ast.Name) and first.id in me)
    return False


def _names_of_self(function: _Function) -> set[str]:
    if function.name == "__new__":  # the object is what it returns
        returned = {n.value.id for n in ast.walk(function) if isinstance(n, ast.Return) and isinstance(n.value, ast.Name)}
        return returned - {"cls"}
    args = [*function.args.posonlyargs, *function.args.args]
    return {args[0].arg} if args else set()


def _all_args(args: ast.arguments) -> Iterator[ast.arg]:
    yield from (*args.posonlyargs, *args.args, *args.kwonlyargs)
    yield from (arg for arg in (args.vararg, args.kwarg) if arg is not None)


def _calls_next(init: _Function) -> bool:
    """True where ``__init__`` runs another one: ``super().__init__(...)`` or ``Base.__init__(self, ...)``."""
    return any(isinstance(n, ast.Attribute) and n.attr == "__init__" for n in ast.walk(init)) or any(
        isinstance(n, ast.Name) and n.id == "super" for n in ast.walk(init)
    )


def _hash_methods(methods: dict[str, _Function]) -> set[str]:
    """``__hash__``, ``__eq__`` by its presence, and the methods that hashing calls on the object."""
    found: set[str] = set()
    pending = ["__hash__"] if "__hash__" in methods else []
    while pending:
        name = pending.pop()
        if name in methods and name not in found:
            found.add(name)
            pending += [n.attr for n in ast.walk(methods[name]) if isinstance(n, ast.Attribute) and n.attr != "__hash__"]
    return found
