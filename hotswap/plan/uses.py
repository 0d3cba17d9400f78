"""What a piece of code reads, calls and mutates, while it is evaluated and in the functions that it defines.

The analysis is static and never looks at live objects. It errs on the side of seeing a dependency that is
not there; the price of that is one more evaluation aside, never a wrong value.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import attrs

from hotswap.plan.acts import REGISTERING_METHODS, Act, Makers, find_acts, keeps_for_later
from hotswap.plan.aliases import CALL, PART, Source, find_flows, find_returned, find_sources, follow_flows
from hotswap.plan.bindings import COMPREHENSIONS, bound_names, dotted, import_bindings
from hotswap.plan.nested import find_running, first_node
from hotswap.plan.trees import children, walk

#: Methods of builtin containers that change them. A call of one of these on a global counts as a contribution to it.
MUTATORS = frozenset(
    "append add update setdefault pop popitem clear extend insert remove discard sort reverse appendleft "
    "extendleft rotate move_to_end subtract register connect route unregister __setitem__ __delitem__".split()
)

#: Decorators of modules, written with a dot, that note nothing anywhere.
PURE_DECORATORS = frozenset(
    "functools.wraps functools.lru_cache functools.cache functools.cached_property functools.singledispatch "
    "functools.total_ordering functools.singledispatchmethod dataclasses.dataclass contextlib.contextmanager "
    "contextlib.asynccontextmanager abc.abstractmethod enum.unique attr.s attrs.define attrs.frozen attr.define "
    "attr.frozen attrs.mutable typing.final typing.overload typing.runtime_checkable types.coroutine "
    "django.utils.decorators.method_decorator".split()
)


#: In ``Uses.names`` for an attribute whose name is a string from elsewhere; one that is computed is ``beginning*``.
BY_STRING = "?"

#: The effect of ``globals()[name] = value`` and ``globals().update(…)``.
BINDS_UNSEEN = "globals.__setitem__"


@attrs.define(slots=True)
class Uses:
    """Names used by a piece of code, as dotted chains that start at a module global (``config.RATE``)."""

    reads: set[str] = attrs.Factory(set)
    calls: set[str] = attrs.Factory(set)
    computes: set[str] = attrs.Factory(set)  # those of the calls whose result may stay somewhere as it is, where nothing jumps
    mutates: set[str] = attrs.Factory(set)
    stores: set[str] = attrs.Factory(set)  # attributes that are assigned or deleted, which may be names of another module
    acts: set[Act] = attrs.Factory(set)  # methods called on what has no name
    later: dict[str, set[str]] = attrs.Factory(dict)  # those of the reads that are only given to what calls them later
    plain: set[str] = attrs.Factory(set)  # those of the reads that only get another name, which nothing reads meanwhile
    writes: set[str] = attrs.Factory(set)  # assigned through ``global``
    imports: set[tuple[str, str]] = attrs.Factory(set)  # (module, attribute) imported inside a function
    by_name: set[str] = attrs.Factory(set)  # modules that are got by a string; one that is computed is ``beginning*``
    effects: set[str] = attrs.Factory(set)  # called as a statement of its own: nobody takes the result
    names: set[str] = attrs.Factory(set)  # attributes of anything but globals, also those read by strings, see BY_STRING
    strings: set[str] = attrs.Factory(set)  # constants that may be such a string
    called: set[str] = attrs.Factory(set)  # those of the attributes that are called, whatever they are taken from
    subscripts: set[str] = attrs.Factory(set)  # those of the reads that are subscripted, which may make a class
    gives: set[tuple[str, int | str, str]] = attrs.Factory(set)  # (call, place or keyword, global that is given there)
    fills: set[str] = attrs.Factory(set)  # local names whose values are mutated, and chains of them
    touches: set[str] = attrs.Factory(set)  # local names of which a method is called whose result nobody takes
    parameters: tuple[str, ...] = ()  # of a function: the names of its parameters
    returned: frozenset[Source] = frozenset()  # of a function: what it gives back
    calls_unknown: bool = False
    operates: bool = False  # with operators, subscripts, loops and the like, which run special methods
    kept: Uses | None = None  # of these, what is used where the result stays in a default, an argument or an attribute
    inspects_parameter: bool = False  # calls what it is given, or reads its docstring and the like

    def merge(self, other: Uses) -> None:
        if self.later or other.later:
            self._merge_later(other)
        if self.plain or other.plain:
            used = (self.reads - self.plain) | (other.reads - other.plain)
            self.plain = (self.plain | other.plain) - used
        self.reads |= other.reads
        self.calls |= other.calls
        self.computes |= other.computes
        self.mutates |= other.mutates
        self.stores |= other.stores
        self.acts |= other.acts
        self.writes |= other.writes
        self.imports |= other.imports
        self.by_name |= other.by_name
        self.effects |= other.effects
        self.names |= other.names
        self.strings |= other.strings
        self.called |= other.called
        self.subscripts |= other.subscripts
        self.gives |= other.gives
        self.fills |= other.fills
        self.touches |= other.touches
        self.calls_unknown |= other.calls_unknown
        self.operates |= other.operates
        self.inspects_parameter |= other.inspects_parameter

    def read(self, chain: str, later: tuple[str, ...]) -> None:
        """Note that something is read; ``later`` says to whom it is only given, to be called later, and who has it before."""
        if not later:
            self.later.pop(chain, None)
        elif chain in self.later or chain not in self.reads:
            self.later.setdefault(chain, set()).update(later)
        self.plain.discard(chain)
        self.reads.add(chain)

    def read_plainly(self, chain: str) -> None:
        """Note that something gets another name."""
        if chain not in self.reads:
            self.plain.add(chain)
        self.later.pop(chain, None)
        self.reads.add(chain)

    def _merge_later(self, other: Uses) -> None:
        at_once = (self.reads - self.later.keys()) | (other.reads - other.later.keys())
        names = (self.later.keys() | other.later.keys()) - at_once
        self.later = {name: self.later.get(name, set()) | other.later.get(name, set()) for name in names}


@attrs.define(slots=True, eq=False)
class Analysis:
    """What a unit does. What happens now is found at once, the bodies of functions are walked when they are asked for:
    most statements of most swaps have nothing to do with what changed.

    Attributes:
        now: used while the statement itself is evaluated (decorators, defaults, class bodies, right-hand sides).
        later: walks that are still to be made, in the order of the text, with the name of the function.
    """

    now: Uses = attrs.Factory(Uses)
    # They get their walker when they are made: one that they held would hold them, and be left to the collector.
    later: deque[tuple[str, Callable[[_Walker], None]]] = attrs.Factory(deque)
    _functions: dict[str, Uses] = attrs.Factory(dict)
    _shallow: dict[str, Uses] = attrs.Factory(dict)
    _class_hooks: set[str] = attrs.Factory(set)

    @property
    def function_names(self) -> set[str]:
        """The keys of ``functions``; asks for no walk."""
        return {*self._functions, *(name for name, _ in self.later)}

    @property
    def functions(self) -> dict[str, Uses]:
        """Used by each function that the statement defines and by what is nested in it, by qualified name."""
        self._finish()
        return self._functions

    @property
    def shallow(self) -> dict[str, Uses]:
        """The same without what it only makes: used while the function itself runs."""
        self._finish()
        return self._shallow

    @property
    def class_hooks(self) -> set[str]:
        """Class names whose ``__init_subclass__``, class methods or metaclass methods mutate class state."""
        self._finish()
        return self._class_hooks

    def note_function(self, name: str, shallow: Uses, nested: Uses) -> None:
        nested.merge(shallow)
        found = self._functions.setdefault(name, Uses())
        found.merge(nested)
        found.parameters, found.returned = nested.parameters, nested.returned
        self._shallow.setdefault(name, Uses()).merge(shallow)

    def note_class_hook(self, name: str) -> None:
        self._class_hooks.add(name)

    def _finish(self) -> None:
        while self.later:
            self.later.popleft()[1](_Walker(self))


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Statements after which a name that they bind may still be unbound.
_MAY_NOT_BIND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match, ast.Expr)
#: What runs special methods of its operands and has no name for them.
_OPERATIONS = (
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Subscript, ast.JoinedStr, ast.Starred, ast.Dict, ast.Set),
    *(ast.With, ast.AsyncWith, ast.Await, ast.YieldFrom, ast.Assert, ast.Delete, ast.MatchClass),
)
_DISPLAYS = (ast.List, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)
#: Words with which attributes are read by strings: calls that take their names, and the namespace itself.
READ_BY_STRING = frozenset({"getattr", "attrgetter", "methodcaller", "format", "format_map", "__dict__", "vars"})


@contextmanager
def computed(uses: Uses, is_kept: bool = False) -> Iterator[Uses]:
    """Where code is walked whose results stay somewhere as they are."""
    made = Uses()
    yield made
    made.computes |= made.calls
    uses.merge(made)
    if is_kept:
        uses.kept = uses.kept or Uses()
        uses.kept.merge(made)


def _parameters(args: ast.arguments) -> set[str]:
    every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
    return {arg.arg for arg in every if arg is not None}


def _unpacks(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets)


def _name_in_globals(node: ast.AST) -> str | None:
    """What ``globals()["rate"]`` reads."""
    match node:
        case ast.Subscript(value=ast.Call(func=ast.Name(id="globals")), slice=ast.Constant(value=str() as name)):
            return name
    return None


def _is_namespace(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return dotted(node.func) == "vars"
    return isinstance(node, ast.Attribute) and node.attr == "__dict__"


def stores_inside(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> bool:
    """True for ``TABLE[key] = value`` and ``f.mark = value``."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, (ast.Subscript, ast.Attribute)) for target in targets)


def analyse(node: ast.stmt) -> Analysis:
    """Find what a top-level statement uses, now and in the functions that it defines."""
    found = Analysis()
    walker = _Walker(found)
    walker.visit(node, found.now, frozenset(), "", None)
    return found


def is_inert(node: ast.stmt) -> bool:
    """True for a function whose definition uses nothing, so that ``analyse(node).now`` is empty: most are such."""
    if not isinstance(node, _FUNCTIONS) or node.decorator_list or node.returns is not None:
        return False
    args = node.args
    if not all(default is None or type(default) is ast.Constant for default in (*args.defaults, *args.kw_defaults)):
        return False
    every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
    return all(arg is None or arg.annotation is None for arg in every)


class _Walker:
    """Walks a tree; ``local`` are the names of enclosing function scopes, which are no globals."""

    def __init__(self, found: Analysis) -> None:
        self.found = found
        self.me = ("", "")  # the first parameter of the method that is walked, and its class
        self.of_class: frozenset[str] = frozenset()  # those of the local names that only the class body itself sees
        self.later: tuple[str, ...] = ()  # in the arguments of a call that keeps them for later: which call, and those inside
        self.makers = Makers()  # what has made what local names are bound to
        self.running: set[int] = set()  # ids of the first nodes of nested functions that run with the one around them

    def visit(self, node: ast.AST, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        """Visit one node.

        Args:
            uses: where what is evaluated now is noted.
            path: qualified name of the enclosing class, with a dot, or empty.
            deferred: set inside a function: where the functions nested in it are noted.
        """
        kind = type(node)
        if kind is ast.Name:
            self._name(cast(ast.Name, node), uses, local)
        elif kind is ast.Attribute:
            self._attribute(cast(ast.Attribute, node), uses, local, path, deferred)
        elif kind is ast.Call:
            self._call(cast(ast.Call, node), uses, local, path, deferred)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and node.value.isidentifier():
                uses.strings.add(node.value)
        elif isinstance(node, _FUNCTIONS):
            self._function(node, uses, local, path, deferred)
        elif isinstance(node, ast.Lambda):
            self._arguments(node.args, uses, local, path, deferred)
            self._body([node.body], node.args, uses, local - self.of_class, f"{path}<lambda>", deferred)
        elif isinstance(node, ast.ClassDef):
            self._class(node, uses, local, path, deferred)
        elif isinstance(node, COMPREHENSIONS):
            uses.operates = True
            self._comprehension(node, uses, local, path, deferred)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            if deferred is not None:
                for binding in import_bindings(node, "", False):
                    uses.imports.add((binding.module, binding.attr or ""))
        elif isinstance(node, (ast.Subscript,)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            uses.operates = True
            self._mutation(node.value, uses, local)
            self._children(node, uses, local, path, deferred)
        elif isinstance(node, (ast.If, ast.IfExp, ast.While, ast.For, ast.AsyncFor, ast.Match)):
            uses.operates = True
            self._branch(node, uses, local, path, deferred)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and stores_inside(node):
            if isinstance(node, ast.AugAssign) and not isinstance(node.value, ast.Constant):
                self._mutation(node.target, uses, local)  # ``ROWS[0] += [1]``
            with computed(uses) as made:
                self._children(node, made, local, path, deferred)
        elif kind is ast.Expr:
            self._effect(cast(ast.Expr, node), uses, local)
            self._children(node, uses, local, path, deferred)
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Name) and node.target.id not in local:
                uses.read(node.target.id, ())
            uses.operates = True
            if isinstance(node.value, _DISPLAYS):  # ``row += [1]``; a number would be another object
                self._mutation(node.target, uses, local)
            self._children(node, uses, local, path, deferred)
        else:
            uses.operates |= isinstance(node, _OPERATIONS) or _unpacks(node)
            if isinstance(node, ast.Subscript) and (chain := dotted(node.value)) is not None:
                uses.subscripts |= {chain} if chain.partition(".")[0] not in local else set()
            if isinstance(node, ast.Subscript) and dotted(node.value) == "sys.modules":
                uses.by_name.add(_beginning(node.slice))
            if (name := _name_in_globals(node)) is not None:
                uses.read(name, self.later)
            if isinstance(node, ast.Raise) and node.exc is not None and (chain := dotted(node.exc)) is not None:
                uses.calls |= {chain} if chain.partition(".")[0] not in local else set()  # a class is called
            if isinstance(node, ast.Subscript) and _is_namespace(node.value):
                uses.names |= _names_in_key(node.slice)
            if isinstance(node, ast.MatchClass):  # by position it reads what the class names in __match_args__
                uses.names.update(node.kwd_attrs, "*" if node.patterns else ())
            self._children(node, uses, local, path, deferred)

    def _comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        uses: Uses,
        local: frozenset[str],
        path: str,
        deferred: Uses | None,
    ) -> None:
        """What a comprehension goes through first is read in the scope around it, all else in its own."""
        first, *others = node.generators
        inner = (local - self.of_class) | {n for gen in node.generators for n in bound_names([gen.target])}
        self._iteration(first.iter, uses, local)
        self.visit(first.iter, uses, local, path, deferred)
        with self._out_of_class():
            for gen in others:
                self._iteration(gen.iter, uses, inner)
                self.visit(gen.iter, uses, inner, path, deferred)
            results = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
            for part in (*results, *(part for gen in node.generators for part in (gen.target, *gen.ifs))):
                self.visit(part, uses, inner, path, deferred)

    @contextmanager
    def _out_of_class(self) -> Iterator[None]:
        """Where a scope begins that does not see the names of the class around it."""
        before, self.of_class = self.of_class, frozenset()
        yield
        self.of_class = before

    def _children(self, node: ast.AST, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        for child in children(node):
            self.visit(child, uses, local, path, deferred)

    def _branch(self, node: ast.AST, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        """What decides which way is taken is computed, not kept."""
        if isinstance(node, (ast.For, ast.AsyncFor)):
            self._iteration(node.iter, uses, local)
        for name, value in ast.iter_fields(node):
            if name in ("test", "iter", "subject"):
                with computed(uses) as made:
                    self.visit(value, made, local, path, deferred)
            else:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.visit(child, uses, local, path, deferred)

    def _name(self, node: ast.Name, uses: Uses, local: frozenset[str]) -> None:
        if node.id in local:
            return
        if type(node.ctx) is ast.Load:
            uses.read(node.id, self.later)
        else:
            uses.writes.add(node.id)

    def _attribute(self, node: ast.Attribute, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        chain = dotted(node)
        if chain is None:
            uses.names.add(node.attr)
            self.visit(node.value, uses, local, path, deferred)
            return
        head, _, rest = chain.partition(".")
        if head in local:  # of a global, the graph knows whose attribute it is
            uses.names.update(rest.split("."))
        if head == self.me[0]:
            if type(node.ctx) is ast.Load:
                uses.read(f"{self.me[1]}.{rest.partition('.')[0]}", self.later)  # another method of its own class
        elif head not in local:
            if type(node.ctx) is ast.Load:
                uses.read(chain, self.later)
            else:
                self._mutation(node.value, uses, local)
                uses.stores.add(chain)
                uses.read(chain.rpartition(".")[0], self.later)

    def _call(self, node: ast.Call, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        self._called(node, uses, local, path)
        if isinstance(node.func, ast.Call):  # what is made by a call and called at once
            with computed(uses) as made:
                self._call(node.func, made, local, path, deferred)
        elif isinstance(node.func, ast.Lambda):  # it runs now
            self.visit(node.func, uses, local, path, deferred)
            self.visit(node.func.body, uses, (local - self.of_class) | _parameters(node.func.args), path, deferred)
        else:
            self.visit(node.func, uses, local, path, deferred)
        for argument in node.args:  # who is given it may call it
            self._called_of_class(argument.id if isinstance(argument, ast.Name) else None, uses, path)
        # ``sorted(rows, key=KEYS["size"])``: it calls what it is told to, and that has no name.
        uses.calls_unknown |= any(keyword.arg == "key" and isinstance(keyword.value, ast.Subscript) for keyword in node.keywords)
        before, self.later = self.later, self._takers(node)
        for child in (*node.args, *node.keywords):
            self.visit(child, uses, local, path, deferred)
        self.later = before

    def _takers(self, node: ast.Call) -> tuple[str, ...]:
        """Who takes what stands in the arguments of a call: ``path("cart/", logged(cart))``."""
        if not self.later:
            return tuple(filter(None, [keeps_for_later(node)]))
        inner = dotted(node.func)
        return (*self.later, f"({inner}") if inner is not None else self.later

    def _called_of_class(self, chain: str | None, uses: Uses, path: str) -> None:
        """``LIMIT = _scale(1)`` in a class body: a function of the class, which is none of its objects' methods yet."""
        if chain is not None and chain.partition(".")[0] in self.of_class:
            uses.calls.add(f"{path}{chain}")

    def _called(self, node: ast.Call, uses: Uses, local: frozenset[str], path: str) -> None:
        chain = _name_in_globals(node.func) or dotted(node.func)
        self._called_of_class(chain, uses, path)
        if isinstance(node.func, ast.Attribute) and (chain is None or chain.partition(".")[0] in local):
            uses.called.add(node.func.attr)
        if (node.func.attr if isinstance(node.func, ast.Attribute) else chain) in READ_BY_STRING - {"__dict__", "vars"}:
            uses.names |= _names_in_strings(node)
        if chain is None or chain.partition(".")[0] in local:
            uses.calls_unknown = True
        else:
            uses.calls.add(chain)
            given: list[tuple[int | str, ast.expr]] = list(enumerate(node.args))
            given += [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg]
            for place, value in given:
                if (argument := dotted(value)) is not None and argument.partition(".")[0] not in local:
                    uses.gives.add((chain, place, argument))
            if chain.endswith(("import_module", "__import__")) or chain in ("sys.modules.get", "sys.modules.__getitem__"):
                names = {_beginning(argument) for argument in node.args[:1]}
                uses.by_name |= names
                uses.imports |= {(name, "") for name in names if chain.endswith("import_module") and not name.endswith("*")}
            if chain.rpartition(".")[2] == "resolve_name" and node.args:
                self._resolved_by_name(node.args[0], uses)
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            self._mutation(node.func.value, uses, local)
        if isinstance(node.func, ast.Attribute) and node.func.attr in REGISTERING_METHODS:
            uses.acts |= set(find_acts(node, local, self.makers, is_statement=False))
        if isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr", "next") and node.args:
            self._mutation(node.args[0], uses, local)
            self._store_by_name(node, uses, local)

    def _resolved_by_name(self, node: ast.expr, uses: Uses) -> None:
        """``pkgutil.resolve_name("pkg.mod:Class.method")``; without a colon it may end being a module's name anywhere."""
        text = _beginning(node)
        module, colon, names = text.partition(":")
        parts = module.split(".")
        uses.by_name |= {module} if colon or text.endswith("*") else {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
        uses.names |= set(names.split(".")) - {""} if colon else set(parts[1:]) or {BY_STRING}

    def _iteration(self, node: ast.expr, uses: Uses, local: frozenset[str]) -> None:
        """Going through something asks it for its elements: an enum class gives its members."""
        if (chain := dotted(node)) is not None and chain.partition(".")[0] not in local:
            uses.calls.add(f"{chain}.__iter__")

    def _store_by_name(self, node: ast.Call, uses: Uses, local: frozenset[str]) -> None:
        """``setattr(lib, "HOOK", f)`` is ``lib.HOOK = f``; where the name is computed, it is any."""
        if dotted(node.func) == "next" or len(node.args) < 2:
            return
        chain, name = dotted(node.args[0]), node.args[1]
        if chain is not None and chain.partition(".")[0] not in local:
            uses.stores.add(f"{chain}.{name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else '*'}")

    def _effect(self, node: ast.Expr, uses: Uses, local: frozenset[str]) -> None:
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, COMPREHENSIONS) and not isinstance(value, ast.DictComp):  # a loop written in one line
            local |= {name for generator in value.generators for name in bound_names([generator.target])}
            value = value.elt
        if isinstance(value, ast.Call):
            chain = dotted(value.func)
            if chain is None or chain.partition(".")[0] in local:
                uses.acts |= set(find_acts(value, local, self.makers, is_statement=True))
            if chain is not None and "." in chain and chain.partition(".")[0] in local:
                uses.touches.add(chain.partition(".")[0])
            match value.func:
                case ast.Lambda(args=args, body=body):
                    self._effect(ast.Expr(body), uses, (local - self.of_class) | _parameters(args))
                case ast.Call(func=ast.Attribute(value=owner) as maker) if dotted(maker) not in PURE_DECORATORS:
                    self._mutation(owner, uses, local)  # ``app.route("/")(f)`` is a decorator, written out
            if chain is None:
                uses.effects.add("")
            elif chain.partition(".")[0] not in local:
                uses.effects.add(chain)

    def _mutation(self, node: ast.expr, uses: Uses, local: frozenset[str]) -> None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("globals", "vars", "locals"):
            uses.effects.add(f"{node.func.id}.__setitem__")  # names that nobody can see in the text: see BINDS_UNSEEN
        for chain, is_contained in find_sources(node):
            called = chain.removesuffix(PART).removesuffix(CALL)  # ``app.route("/")(f)`` changes the app
            head = called.partition(".")[0]
            if not is_contained and head in local:
                uses.fills |= {head, chain}
            elif not is_contained:
                uses.mutates |= {called, chain} if called + CALL in (chain, chain.removesuffix(PART)) else {chain}

    def _decorator(self, node: ast.expr, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        """A decorator is called; one that is a method (``@app.route("/")``) may note the function in its object."""
        if isinstance(node, ast.Call):
            self._called(node, uses, local, path)
            self.visit(node.func, uses, local, path, deferred)
            with computed(uses, is_kept=True) as made:
                for child in (*node.args, *node.keywords):
                    self.visit(child, made, local, path, deferred)
        else:
            self.visit(node, uses, local, path, deferred)
        chain = dotted(node.func if isinstance(node, ast.Call) else node)
        self._called_of_class(chain, uses, path)
        if chain is None or chain.partition(".")[0] in local:
            return
        uses.calls.add(chain)
        if (head := chain.rpartition(".")[0]) and chain not in PURE_DECORATORS:
            uses.mutates.add(head)

    def _arguments(self, args: ast.arguments, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        if defaults := [d for d in (*args.defaults, *args.kw_defaults) if d is not None and type(d) is not ast.Constant]:
            with computed(uses, is_kept=True) as made:
                for default in defaults:
                    self.visit(default, made, local, path, deferred)
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None and arg.annotation is not None:
                self._annotation(arg.annotation, uses, local, path, deferred)

    def _annotation(self, node: ast.expr, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        """What a parameter is said to be is evaluated with the definition, and called by nobody."""
        made = Uses()
        self.visit(node, made, local, path, deferred)
        if not made.calls and not made.calls_unknown:
            made.plain = set(made.reads)
        uses.merge(made)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None
    ) -> None:
        self._head(node, uses, local, path, deferred)
        self._body(node.body, node.args, uses, local - self.of_class, path + node.name, deferred)

    def _head(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None
    ) -> None:
        for decorator in node.decorator_list:
            self._decorator(decorator, uses, local, path, deferred)
        self._arguments(node.args, uses, local, path, deferred)
        if node.returns is not None:
            self._annotation(node.returns, uses, local, path, deferred)

    def _body(
        self, body: Sequence[ast.AST], args: ast.arguments, uses: Uses, local: frozenset[str], name: str, deferred: Uses | None
    ) -> None:
        if deferred is None:
            self.found.later.append((name, lambda walker: walker._walk_outermost(body, args, local, name)))
        else:  # a function in a function: noted with the outermost one
            self._walk_body(body, args, uses if id(body[0]) in self.running else deferred, local, deferred)

    def _walk_outermost(self, body: Sequence[ast.AST], args: ast.arguments, local: frozenset[str], name: str) -> None:
        shallow, nested = Uses(), Uses()
        self._walk_body(body, args, shallow, local, nested)
        nested.parameters = tuple(arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs))
        nested.returned = find_returned(body)
        self.found.note_function(name, shallow, nested)

    def _walk_body(
        self, body: Sequence[ast.AST], args: ast.arguments, uses: Uses, local: frozenset[str], deferred: Uses
    ) -> None:
        self.running |= {id(first_node(function)) for function in find_running(body)}
        own = set(bound_names(body)) | _parameters(args)
        declared: set[str] = set()
        for child in walk(body):
            if isinstance(child, ast.ExceptHandler) and child.name:
                own.add(child.name)
            elif isinstance(child, ast.Global):
                declared.update(child.names)
        own -= declared
        inner = local | own
        before, self.makers = self.makers, Makers(body, inner, self.makers)
        for node in body:
            self.visit(node, uses, inner, "", deferred)
        self.makers = before
        if uses.fills:  # what they are parts of changes, too
            for chain in follow_flows(uses.fills, find_flows(body)):
                head = chain.partition(".")[0].removesuffix(CALL)
                (uses.fills if head in inner else uses.mutates).add(head if head in inner else chain)
        uses.inspects_parameter |= inspects_parameter(body, args)

    def _class(self, node: ast.ClassDef, uses: Uses, local: frozenset[str], path: str, deferred: Uses | None) -> None:
        for decorator in node.decorator_list:
            self._decorator(decorator, uses, local, path, deferred)
        for base in [*node.bases, *(keyword.value for keyword in node.keywords)]:
            with computed(uses, is_kept=dotted(base) is None) as made:  # ``Repo[User]`` may make a class
                self.visit(base, made, local, path, deferred)
                if (chain := dotted(base)) is not None and chain.partition(".")[0] not in local:
                    uses.calls.add(f"{chain}.__init_subclass__")
        outer = local - self.of_class  # a class does not see the names of the one around it
        before, self.makers = self.makers, Makers(node.body, outer, self.makers)
        with computed(uses, is_kept=True) as made, self._out_of_class():
            self._class_body(node, uses, made, outer, path, deferred)
            made.writes -= set(bound_names(node.body)) - _declared(node.body, ast.Global)
        self.makers = before

    def _class_body(
        self, node: ast.ClassDef, uses: Uses, made: Uses, outer: frozenset[str], path: str, deferred: Uses | None
    ) -> None:
        """A name that the body has not bound for sure yet is that of the scope around it, in ``timeout = timeout`` too."""
        bound: set[str] = set()
        is_bare = not (node.bases or node.keywords or node.decorator_list)  # nobody looks into the body but the interpreter
        renamed = _renamed(node) if is_bare else {}
        elsewhere = _declared(node.body, ast.Global, ast.Nonlocal)
        inner = f"{path}{node.name}."
        for child in node.body:
            own = outer | bound
            self.of_class = frozenset(bound - outer)
            if isinstance(child, _FUNCTIONS):
                self._head(child, uses, own, inner, deferred)
                # Functions in a class body do not see the names of the class.
                self._method(node, child, uses, outer, path + node.name, deferred)
            elif is_bare and isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
                self._annotation(child.annotation, made, own, inner, deferred)
                if (chain := renamed.get(id(child))) is not None and chain.partition(".")[0] not in own:
                    made.read_plainly(chain)
                elif child.value is not None:
                    self.visit(child.value, made, own, inner, deferred)
            elif (chain := renamed.get(id(child))) is not None and chain.partition(".")[0] not in own:
                made.read_plainly(chain)
            else:
                self.visit(child, made, own, inner, deferred)
            if not isinstance(child, _MAY_NOT_BIND):
                bound |= set(bound_names([child])) - elsewhere
            if isinstance(child, ast.Delete):
                bound -= {target.id for target in child.targets if isinstance(target, ast.Name)}

    def _method(
        self,
        owner: ast.ClassDef,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        uses: Uses,
        local: frozenset[str],
        path: str,
        deferred: Uses | None,
    ) -> None:
        if deferred is not None:
            self._body(node.body, node.args, uses, local, f"{path}.{node.name}", deferred)
            return
        first = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)][:1]
        makers = self.makers  # what another method has made
        me = (first[0], path) if first and not any(dotted(d) == "staticmethod" for d in node.decorator_list) else ("", "")

        def walk_method(walker: _Walker) -> None:
            walker.me = me
            walker.makers = makers
            walker._walk_outermost(node.body, node.args, local, f"{path}.{node.name}")
            walker._class_method(owner, node, path)

        self.found.later.append((f"{path}.{node.name}", walk_method))

    def _class_method(self, owner: ast.ClassDef, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> None:
        decorators = {dotted(d) for d in node.decorator_list}
        of_class = node.name == "__init_subclass__" or "classmethod" in decorators
        if (of_class or is_metaclass(owner)) and mutates_parameter(node):
            self.found.note_class_hook(name)


def _renamed(node: ast.ClassDef) -> dict[int, str]:
    """What only gets a name in a class body, ``environment_class = Environment``, that nothing in the body reads: by the id of
    the statement."""
    found: dict[int, tuple[str, str]] = {}
    for child in node.body:
        target = child.target if isinstance(child, ast.AnnAssign) else child.targets[0] if isinstance(child, ast.Assign) else None
        is_single = not isinstance(child, ast.Assign) or len(child.targets) == 1
        if isinstance(target, ast.Name) and is_single and isinstance(child, (ast.Assign, ast.AnnAssign)) and child.value:
            chain = dotted(child.value)
            found |= {id(child): (target.id, chain)} if chain is not None else {}
    if not found:
        return {}
    read = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    return {place: chain for place, (name, chain) in found.items() if name not in read}


def _declared(body: list[ast.stmt], *kinds: type[ast.Global | ast.Nonlocal]) -> set[str]:
    """Names that a class body takes from elsewhere by a statement of its own."""
    return {name for child in body if isinstance(child, kinds) for name in child.names}


def _names_in_strings(node: ast.Call) -> set[str]:
    """Attributes that a call reads by strings: ``getattr(x, "rate")``, ``attrgetter("a.b")``, ``"{0.rate}".format(x)``."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "format_map"):
        strings: list[ast.expr] = [node.func.value]
    else:
        strings = node.args[1:2] if dotted(node.func) == "getattr" else node.args
    return {name for part in strings for name in _names_in_key(part)}


def _names_in_key(node: ast.expr) -> set[str]:
    """What a string that names an attribute may be: ``"rate"``, ``f"visit_{kind}"``, or one from elsewhere."""
    match node:
        case ast.Constant(value=str() as text):
            return set(re.findall(r"\w+", text))
        case ast.JoinedStr(values=[ast.Constant(value=str() as text), *_]) | ast.BinOp(left=ast.Constant(value=str() as text)):
            return {text.partition("%")[0] + "*"}
        case ast.JoinedStr() | ast.BinOp():
            return {"*"}
    return {BY_STRING}


def _beginning(node: ast.expr) -> str:
    """What is known of a string: all of it, or how it begins, with a star."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str() as text), *_]) | ast.BinOp(left=ast.Constant(value=str() as text)):
            return text.partition("%")[0].lstrip(".") + "*"
    return "*"


_FACTS = frozenset({"__doc__", "__code__", "__annotations__", "__defaults__", "__kwdefaults__", "__dict__"})


def inspects_parameter(body: Iterable[ast.AST], args: ast.arguments) -> bool:
    """True for a function that calls a parameter of its own while it runs, or looks at what a function is made of."""
    names = {arg.arg for arg in (*args.posonlyargs, *args.args)}
    pending = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in names:
                return True
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in names and attr in _FACTS:
                return True
            case ast.Call(func=func, args=[ast.Name(id=name), *_]) if name in names and (dotted(func) or "").startswith(
                "inspect."
            ):
                return True
        pending += children(node)
    return False


def decorated_functions(node: ast.stmt) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The functions with decorators in a statement, and in a class statement its methods, by qualified name."""
    pending: list[tuple[ast.stmt, str]] = [(node, "")]
    while pending:
        item, path = pending.pop()
        if isinstance(item, ast.ClassDef):
            pending += [(child, f"{path}{item.name}.") for child in item.body]
        elif isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.decorator_list:
            yield path + item.name, item


def is_metaclass(node: ast.ClassDef) -> bool:
    return any((dotted(base) or "").endswith(("type", "Meta", "EnumType")) for base in node.bases)


def mutates_parameter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    params = {arg.arg for arg in (*node.args.posonlyargs, *node.args.args)}
    uses = Uses()
    _Walker(Analysis()).visit(ast.Module(body=node.body, type_ignores=[]), uses, frozenset(), "", uses)
    return any(chain.partition(".")[0].removesuffix(CALL) in params for chain in uses.mutates)
