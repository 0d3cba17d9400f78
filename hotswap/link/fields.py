"""What the text of a plain class says about its objects: which fields they get when they are made, and their hash.

    read                                       what
    __init__, __post_init__, __new__, ...      ``self.x = expression``, also over tuples, ``setattr``, the object's dict
    methods that these call on self            the same, also where another class of the row defines them
    functions that get self                    the same
    super().__init__(), Base.__init__(self)    whether the fields of the next class come too

Only what is set without a condition, once, to a value that needs nothing from the caller has a default here; where a new
parameter or a condition decides, see ``folding.py``.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from hotswap.link.literals import Lookup, evaluate
from hotswap.plan.bindings import bound_names, dotted
from hotswap.plugin.values import Field

#: Run for every new object, or by what ``@dataclass`` and attrs write for ``__init__``.
MAKERS = ("__new__", "__init__", "__post_init__", "__attrs_pre_init__", "__attrs_post_init__", "__attrs_init__")
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_CONTAINERS = frozenset(
    {"list", "dict", "set", "tuple", "deque", "defaultdict", "OrderedDict", "Counter", "bytearray", "frozenset"}
)


@attrs.frozen(eq=False)
class Code:
    """A function of a text.

    Attributes:
        module: whose text it is in.
        owner: the name of the class that defines it; empty for none.
        outer: names that functions around it bind; they do not mean what they mean in the module.
        body: names that the class's body binds, which defaults may mean.
    """

    module: str
    node: _Function
    owner: str = ""
    outer: frozenset[str] = frozenset()
    body: frozenset[str] = frozenset()


@attrs.define(eq=False)
class TextField:
    """A field that a class's text sets on new objects.

    Attributes:
        module, line: of its first assignment.
        expression: the one that is assigned; None where there are several, or a condition.
        arguments: names that the expression may take from the caller or from before.
        annotation: of the parameter that is assigned.
        is_used: read again while the object is made, so a container may not stay as it begins.
        is_shared: assigned together with another name, so a container may be filled through that.
        sources: gives the text of all by which an object gets its value.
        default: of the parameter of the class's ``__init__`` that is assigned as it comes; None where it is anything else.
        code: the function that assigns it; None where there are several, or where it is assigned by its name as a text.
        is_early: the ``__init__`` of the next class may run after it.
    """

    module: str
    line: int
    expression: ast.expr | None
    arguments: frozenset[str]
    annotation: str = ""
    is_used: bool = False
    is_shared: bool = False
    sources: Callable[[], str] = str
    default: ast.expr | None = None
    code: Code | None = None
    is_early: bool = False

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
        unknown: the texts of what sets fields whose names cannot be known, with module and line.
    """

    fields: dict[str, TextField]
    has_init: bool
    goes_on: bool
    hashing: str
    unknown: dict[str, tuple[str, int]]


def own_methods(node: ast.ClassDef, module: str, outer: frozenset[str] = frozenset()) -> dict[str, Code]:
    """The methods that a class statement defines.

    Args:
        outer: names that functions around the class bind.
    """
    body = frozenset(bound_names(node.body))
    return {
        child.name: Code(module, child, node.name, outer, body)
        for child in node.body
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def read_class(own: Mapping[str, Code], row: Mapping[str, Sequence[Code]], find: Callable[[str, str], Code | None]) -> TextClass:
    """Read what the methods of a class statement say about an object; executes nothing.

    Args:
        own: the methods of the class.
        row: the methods of all classes of the object, in their order.
        find: gives the function that a dotted name of a module means.
    """
    methods = {name: code.node for name, code in own.items()}
    reader = _Reader(row, find)
    for name in MAKERS:
        if name in own:
            reader.read(own[name], frozenset(names_of_self(own[name].node)), is_certain=True)
    init = methods.get("__init__")
    return TextClass(
        fields=reader.finish(),
        unknown=reader.unknown,
        has_init=init is not None,
        goes_on=init is None or _calls_next(init),
        hashing="".join(ast.dump(methods[name]) for name in sorted(_hash_methods(methods))),
    )


def read_factories(tree: ast.AST, module: str, find: Callable[[str, str], Code | None]) -> dict[tuple[str, str], dict[str, int]]:
    """What functions set on objects that they make themselves.

    Returns:
        For each function, by qualified name, and each class, by the dotted name or ``cls``: the fields with their lines.
    """
    found: dict[tuple[str, str], dict[str, int]] = {}
    for qualname, code in _functions(tree, module, ""):
        for chain, names in _made_in(code.node).items():
            reader = _Reader({}, find)
            reader.read(code, frozenset(names), is_certain=False)
            found[qualname, chain] = {name: field.line for name, field in reader.fields.items()}
    return found


def _functions(node: ast.AST, module: str, path: str) -> Iterator[tuple[str, Code]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{path}{child.name}", Code(module, child)
        elif not isinstance(child, ast.expr):
            yield from _functions(child, module, f"{path}{child.name}." if isinstance(child, ast.ClassDef) else path)


def _made_in(function: _Function) -> dict[str, set[str]]:
    """The names that hold an object which a function makes, by what names its class."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=maker, args=args)):
                chain = dotted(maker) or ""
                if chain.endswith("__new__") or (isinstance(maker, ast.Attribute) and maker.attr == "__new__"):
                    chain = (dotted(args[0]) or "") if args else ""
                if chain and function.name not in MAKERS:
                    found.setdefault(chain, set()).add(name)
    return found


def class_nodes(tree: ast.AST) -> dict[str, ast.ClassDef]:
    """All class statements in a tree, by qualified name, those in functions too."""
    return {qualname: node for qualname, (node, _) in placed_classes(tree).items()}


def placed_classes(tree: ast.AST) -> dict[str, tuple[ast.ClassDef, frozenset[str]]]:
    """The same, with the names that functions around them bind."""
    found: dict[str, tuple[ast.ClassDef, frozenset[str]]] = {}
    _find_classes(tree, "", frozenset(), found)
    return found


def _find_classes(
    node: ast.AST, path: str, outer: frozenset[str], found: dict[str, tuple[ast.ClassDef, frozenset[str]]]
) -> None:
    for child in ast.iter_child_nodes(node):
        inner, names = path, outer
        if isinstance(child, ast.ClassDef):
            found[f"{path}{child.name}"] = child, outer
            inner = f"{path}{child.name}."
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = f"{path}{child.name}.<locals>."
            names = outer | _locals_of(child)
        _find_classes(child, inner, names, found)


def _locals_of(function: _Function) -> frozenset[str]:
    return frozenset({*bound_names(function.body), *(arg.arg for arg in _all_args(function.args))})


# ---- fields ----


@attrs.frozen(kw_only=True)
class _Scope:
    """Where a statement stands.

    Attributes:
        code: the function.
        me: names of the object that is made.
        local: parameters and other local names.
        annotations: of the parameters.
        certain: it is executed for every object.
        rounds: what the names of the loop around it are, each time; empty where that is not known.
    """

    code: Code
    me: frozenset[str]
    local: frozenset[str]
    annotations: dict[str, str]
    certain: bool
    rounds: tuple[dict[str, ast.expr], ...] = ()


class _Reader:
    """Collects what functions set on the object that they make."""

    def __init__(self, row: Mapping[str, Sequence[Code]], find: Callable[[str, str], Code | None]) -> None:
        self.row = row
        self.find = find
        self.fields: dict[str, TextField] = {}
        self.unknown: dict[str, tuple[str, int]] = {}
        self.loads: set[str] = set()
        self.seen: set[int] = set()

    def finish(self) -> dict[str, TextField]:
        for name in self.loads & self.fields.keys():
            self.fields[name].is_used = True
        return self.fields

    def read(self, code: Code, me: frozenset[str], *, is_certain: bool) -> None:
        function = code.node
        if id(function) in self.seen:
            return
        self.seen.add(id(function))
        scope = _Scope(
            code=code,
            me=me,
            local=_locals_of(function) | code.outer,
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
            case ast.AugAssign(target=target, value=value) if _is_state(target, scope.me):
                self._mapping(value, scope)
            case ast.AugAssign(target=target, value=value):
                self._target(target, None, doubtful)
                self._expressions([value], doubtful)
            case ast.For(target=target, iter=items, body=body, orelse=[]) if (rounds := _rounds(target, items, body)):
                self._block(body, attrs.evolve(scope, rounds=rounds))
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
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self._statement(child, scope)
            elif isinstance(child, ast.expr):
                self._expressions([child], scope)
            else:  # handlers and cases
                self._compound(child, scope)

    def _target(self, target: ast.expr, value: ast.expr | None, scope: _Scope, shared: bool = False) -> None:
        match target:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in scope.me:
                self._note(mangled(attr, scope.code.owner), value, target.lineno, scope, shared)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                same = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts)
                row = value.elts if same else [None] * len(parts)  # type: ignore[union-attr]  # ``same`` says that it has elements
                for part, item in zip(parts, row, strict=True):
                    self._target(part, item, scope)
            case ast.Subscript(value=state, slice=key) if _is_state(state, scope.me):
                self._item(key, value, target, scope)
            case ast.Starred(value=inner):
                self._target(inner, None, scope)

    def _note(self, name: str, value: ast.expr | None, line: int, scope: _Scope, shared: bool = False) -> None:
        if (known := self.fields.get(name)) is not None:
            known.expression = None
            if known.code is not None and known.code.node is not scope.code.node:
                known.code = None
            return
        kind = scope.annotations.get(value.id, "") if isinstance(value, ast.Name) else ""
        expression = value if scope.certain else None
        sources = functools.partial(_with_defaults, expression, scope) if expression is not None else str
        default = _default_of(expression, scope) if isinstance(expression, ast.Name) else None
        self.fields[name] = TextField(
            scope.code.module, line, expression, scope.local, kind, is_shared=shared, sources=sources, default=default,
            code=scope.code, is_early=scope.code.node.name != "__init__" or _calls_next(scope.code.node, line),
        )  # fmt: skip

    def _item(self, key: ast.expr, value: ast.expr | None, whole: ast.expr, scope: _Scope) -> None:
        """A field whose name is an expression: a constant, or what a loop goes through."""
        for each in scope.rounds or ({},):
            match each.get(key.id, key) if isinstance(key, ast.Name) else key:
                case ast.Constant(value=str(name)):
                    self._note(name, each.get(value.id, value) if isinstance(value, ast.Name) else value, whole.lineno, scope)
                    self.fields[name].code = None
                case _:
                    self._not_known(whole, scope)

    def _mapping(self, value: ast.expr, scope: _Scope) -> None:
        """Fields that are given as a dict."""
        match value:
            case ast.Dict(keys=keys, values=values):
                for key, item in zip(keys, values, strict=True):
                    self._item(key, item, value, scope) if key is not None else self._mapping(item, scope)
            case ast.Call(func=ast.Name(id="dict"), args=args, keywords=keywords):
                for item in args:
                    self._mapping(item, scope)
                self._keywords(keywords, value, scope)
            case _:
                self._not_known(value, scope)

    def _keywords(self, keywords: list[ast.keyword], whole: ast.expr, scope: _Scope) -> None:
        for keyword in keywords:
            if keyword.arg is None:
                self._mapping(keyword.value, scope)
            else:
                self._note(keyword.arg, keyword.value, whole.lineno, scope)
                self.fields[keyword.arg].code = None

    def _not_known(self, whole: ast.expr, scope: _Scope) -> None:
        self.unknown.setdefault(_with_sources(whole, scope), (scope.code.module, whole.lineno))

    def _expressions(self, nodes: list[ast.expr], scope: _Scope) -> None:
        """Reads of fields, calls of own methods and of setattr, anywhere in some expressions."""
        for node in nodes:
            for child in ast.walk(node):
                match child:
                    case ast.Attribute(value=ast.Name(id=name), attr=attr, ctx=ast.Load()) if name in scope.me:
                        self.loads.add(mangled(attr, scope.code.owner))
                        if attr in self.row and attr not in MAKERS:
                            self._method(self.row[attr][0], scope.certain and _is_call_of(node, child))
                    case ast.Call(func=function, args=[*_, key, value]) if _is_setattr(function, child, scope.me):
                        self._item(key, value, child, scope)
                    case ast.Call(func=ast.Attribute(value=state, attr="update"), args=args, keywords=keywords) if _is_state(
                        state, scope.me
                    ):
                        for item in args:
                            self._mapping(item, scope)
                        self._keywords(keywords, child, scope)
                    case ast.Call():
                        self._call(child, attrs.evolve(scope, certain=scope.certain and child is node))

    def _method(self, code: Code, is_certain: bool) -> None:
        self.read(code, frozenset(names_of_self(code.node)), is_certain=is_certain)

    def _call(self, call: ast.Call, scope: _Scope) -> None:
        """``super().prepare()``, ``Base.prepare(self)``, and functions that get the object."""
        chain = dotted(call.func)
        owner, _, name = (chain or "").rpartition(".")
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
            if dotted(call.func.value.func) == "super" and call.func.attr not in MAKERS:
                row = [code for code in self.row.get(call.func.attr, ()) if id(code.node) not in self.seen]
                if row:
                    self._method(row[0], scope.certain)
            return
        places = [place for place, arg in enumerate(call.args) if isinstance(arg, ast.Name) and arg.id in scope.me]
        if chain is None or not places or owner in scope.me or name in MAKERS:
            return
        for code in self.row.get(name, ()):
            if code.owner == owner.rpartition(".")[2] and owner:
                return self._method(code, scope.certain)
        if chain.partition(".")[0] not in scope.local and (found := self.find(scope.code.module, chain)) is not None:
            args = [*found.node.args.posonlyargs, *found.node.args.args]
            me = frozenset(args[place].arg for place in places if place < len(args))
            self.read(found, me, is_certain=scope.certain)


def mangled(name: str, owner: str) -> str:
    """The name that an attribute has: those with two underscores in front are a class's own."""
    private = owner.lstrip("_") and name.startswith("__") and not name.endswith("__")
    return f"_{owner.lstrip('_')}{name}" if private else name


def _with_sources(whole: ast.expr, scope: _Scope) -> str:
    """The text of an expression with that of all by which its local names get what they are."""
    sources = [(names, part) for node in ast.walk(scope.code.node) for names, part in _fillings(node)]
    found: dict[str, None] = {ast.dump(whole): None}
    wanted = _names_in(whole) & scope.local
    before = -1
    while before != (before := len(found)):
        for names, part in sources:
            if names & wanted:
                found.setdefault(ast.dump(part))
                wanted |= _names_in(part) & scope.local
        wanted -= scope.me
    return " ".join(sorted(found))


def _with_defaults(whole: ast.expr, scope: _Scope) -> str:
    """The same with the defaults of the parameters that stand in it."""
    found = _with_sources(whole, scope)
    pairs = defaults_of(scope.code.node.args).items()
    return " ".join([found, *(ast.dump(default) for name, default in pairs if f"Name(id='{name}'" in found)])


def defaults_of(args: ast.arguments) -> dict[str, ast.expr]:
    """The parameters that have a default."""
    positional = [*args.posonlyargs, *args.args]
    pairs = [*zip(positional[len(positional) - len(args.defaults) :], args.defaults, strict=True)]
    pairs += [(arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is not None]
    return {arg.arg: default for arg, default in pairs}


def _default_of(name: ast.Name, scope: _Scope) -> ast.expr | None:
    """The default of a parameter of ``__init__`` that nothing in the function gives another value."""
    function = scope.code.node
    is_parameter = function.name == "__init__" and name.id not in bound_names(function.body)
    return defaults_of(function.args).get(name.id) if is_parameter else None


def cannot_be_given(earlier: Code, init: Code, parameter: str) -> bool:
    """True where no call of an earlier ``__init__`` can give a parameter of this one, by its name or by its place."""
    if earlier.node.args.vararg is not None or earlier.node.args.kwarg is not None:
        return False
    names = [arg.arg for arg in (*init.node.args.posonlyargs, *init.node.args.args)]
    place = names.index(parameter) if parameter in names else None
    is_behind = place is None or place >= len([*earlier.node.args.posonlyargs, *earlier.node.args.args])
    return is_behind and parameter not in {arg.arg for arg in _all_args(earlier.node.args)}


def _fillings(node: ast.AST) -> Iterator[tuple[set[str], ast.AST]]:
    """The names that a statement gives something, with what it gives them."""
    match node:
        case ast.Assign(targets=targets):
            yield set().union(*map(_names_in, targets)), node
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target) | ast.NamedExpr(target=target):
            yield _names_in(target), node
        case ast.For(target=target, iter=items) | ast.comprehension(target=target, iter=items):
            yield _names_in(target), items
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner))):
            yield _names_in(owner), node


def _names_in(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _is_state(node: ast.expr, me: frozenset[str]) -> bool:
    """True for ``self.__dict__`` and ``vars(self)``."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr="__dict__"):
            return name in me
        case ast.Call(func=ast.Name(id="vars"), args=[ast.Name(id=name)]):
            return name in me
    return False


def _rounds(target: ast.expr, items: ast.expr, body: list[ast.stmt]) -> tuple[dict[str, ast.expr], ...]:
    """What the names of a loop are, each time, where it goes through a literal to its end."""
    if any(isinstance(node, (ast.Break, ast.Continue, ast.Return)) for each in body for node in ast.walk(each)):
        return ()
    match items:
        case ast.Call(func=ast.Attribute(value=ast.Dict(keys=keys, values=values), attr="items"), args=[]) if None not in keys:
            rows: list[list[ast.expr]] = [[key, value] for key, value in zip(keys, values, strict=True) if key is not None]
        case ast.Tuple(elts=elts) | ast.List(elts=elts) | ast.Set(elts=elts):
            rows = [list(e.elts) if isinstance(target, ast.Tuple) and isinstance(e, (ast.Tuple, ast.List)) else [e] for e in elts]
        case _:
            return ()
    names = [part.id for part in (target.elts if isinstance(target, ast.Tuple) else [target]) if isinstance(part, ast.Name)]
    return tuple(dict(zip(names, row, strict=True)) for row in rows) if all(len(row) == len(names) for row in rows) else ()


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


def names_of_self(function: _Function) -> set[str]:
    if function.name == "__new__":  # the object is what it returns
        returned = {n.value.id for n in ast.walk(function) if isinstance(n, ast.Return) and isinstance(n.value, ast.Name)}
        return returned - {"cls"}
    args = [*function.args.posonlyargs, *function.args.args]
    return {args[0].arg} if args else set()


def _all_args(args: ast.arguments) -> Iterator[ast.arg]:
    yield from (*args.posonlyargs, *args.args, *args.kwonlyargs)
    yield from (arg for arg in (args.vararg, args.kwarg) if arg is not None)


def _calls_next(init: _Function, line: int = 0) -> bool:
    """True where ``__init__`` runs another one, behind a line: ``super().__init__(...)`` or ``Base.__init__(self, ...)``."""
    later = [node for node in ast.walk(init) if getattr(node, "lineno", 0) >= line]
    return any(isinstance(n, ast.Attribute) and n.attr == "__init__" for n in later) or any(
        isinstance(n, ast.Name) and n.id == "super" for n in later
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
