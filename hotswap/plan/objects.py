"""Statements that run a changed method through an object which they read: ``URL = conf.url``, ``X = compute()``.

A text names variables, not the classes of what they hold. So a statement is followed forward, on the safe side, through
all that it may run:

    a function that it reads              its body
    a class that is read on the way       its constructors, and from now on its members by their names
    a variable                            the classes of all that it holds; the functions and classes in it, where anything
                                          is called that has no name
    an attribute of anything, ``x.val``   every member of that name, of the classes met so far
    an operation, a call of a builtin     all special methods of the classes met so far

The idea is that of rapid type analysis (Bacon and Sweeney, 1996), with one statement as the program.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

import attrs

from hotswap.plan.bindings import dotted
from hotswap.plan.dirt import ANY
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.recipes import Key, Recipes
from hotswap.plan.units import Unit, UnitKind
from hotswap.plan.uses import BY_STRING, Uses, decorated_functions, is_metaclass

#: Members that run while a class or an object of it is made.
_CONSTRUCTORS = frozenset(
    "__init__ __new__ __post_init__ __attrs_post_init__ __attrs_pre_init__ __init_subclass__ __set_name__ __prepare__ "
    "__call__ __class_getitem__ _generate_next_value_ _missing_".split()
)
#: Members that any attribute may run.
_LOOKUPS = frozenset({"__getattr__", "__getattribute__", "__get__"})
_RUN_TEXT = frozenset({"eval", "exec"})
_Place = tuple[str, Unit]  # the module of a unit, and the unit


@attrs.frozen
class _Member:
    """A function of a class.

    Attributes:
        name: in the class.
        is_decorated: reading it may run it, as with a property.
        is_of_class: operations on the class itself run it, without any object.
    """

    symbol: Symbol
    name: str
    uses: Uses
    is_decorated: bool
    is_of_class: bool


@attrs.frozen
class _Read:
    """Something that a piece of code reads or calls.

    Attributes:
        names: the attributes on the way.
        is_called, is_subscripted: in that code.
        is_definition: a function or a class.
        has_code: calling it runs functions of the program's texts.
    """

    symbol: Symbol
    top: Symbol
    names: tuple[str, ...]
    is_called: bool
    is_subscripted: bool
    is_definition: bool
    has_code: bool


@attrs.frozen
class _Part:
    """A piece of code, with its names resolved.

    Attributes:
        makes: objects of the classes that it reads; what calls nothing, or only what keeps its arguments, makes none.
        calls_values: it may call what it finds somewhere.
    """

    reads: tuple[_Read, ...]
    beginnings: frozenset[str]
    operates: bool
    makes: bool
    calls_values: bool


@attrs.define(eq=False)
class Objects:
    """Finds the statements that may run affected members of classes.

    Attributes:
        carriers: top-level symbols that may hold, give or be an object of a class with affected members, and such classes;
            a statement that reads none of them needs not be followed.
        holders: what affected functions were put into, and the functions that use that.
        affected: functions, and members of classes, that behave differently.
        met: by the place of a statement that runs one, the variables on the way there.
    """

    graph: Graph
    modules: Collection[str]
    recipe: Recipes
    carriers: set[Symbol] = attrs.Factory(set)
    holders: set[Symbol] = attrs.Factory(set)
    affected: set[Symbol] = attrs.Factory(set)
    met: dict[Key, set[Symbol]] = attrs.Factory(dict)
    _members: dict[Symbol, list[_Member]] = attrs.Factory(dict)
    _parts: dict[tuple[str, int], _Part] = attrs.Factory(dict)  # by the id of the uses
    _affected_names: dict[Symbol, set[str]] = attrs.Factory(dict)  # of members, by their class

    def spread(self, affected: Iterable[Symbol]) -> None:
        """Take more into account that behaves differently."""
        new = set(affected) - self.affected
        self.affected |= new
        for module, name in new:
            owner, _, last = name.rpartition(".")
            self._affected_names.setdefault((module, owner), set()).add(last)
        named = [symbol for symbol in new if not symbol[1].startswith("<")]
        owners = {_top(symbol) for symbol in named if "." in symbol[1]}
        if owners:
            self._spread_carriers(owners)
        if functions := {symbol for symbol in named if "." not in symbol[1]}:
            self._spread_holders(functions)

    def cause(self, module: str, unit: Unit, reads: Iterable[Symbol]) -> Symbol | None:
        """An affected member that an unchanged statement may run while it is evaluated.

        Args:
            reads: what the statement reads and calls.
        """
        if unit.kind is UnitKind.IMPORT or not self._is_concerned(reads):
            return None
        walk = _Walk(self, is_plain=self._is_plain(module, unit))
        if unit.kind in (UnitKind.FUNCTION, UnitKind.CLASS):
            kept = unit.analysis.now.kept
            walk.start(module, [kept] if kept is not None else [])
            if unit.kind is UnitKind.CLASS:
                walk.make_class((module, unit.names[0]))
        else:  # a lambda in it may be called at once
            walk.start(module, [unit.analysis.now, *unit.analysis.functions.values()])
        found = walk.run()
        if found is not None:
            self.met[module, unit.index] = {symbol for symbol in walk.variables if self.may_hold(symbol)}
        return found

    def may_hold(self, symbol: Symbol) -> bool:
        """True for a variable in which something may be that behaves differently."""
        return symbol in self.carriers or symbol in self.holders

    def _is_concerned(self, reads: Iterable[Symbol]) -> bool:
        return bool(self.carriers or self.holders) and any(self.may_hold(_top(symbol)) for symbol in reads)

    def variables(self, module: str, unit: Unit) -> set[Symbol]:
        """The variables that a statement may come across while it is evaluated, and in which something changed may be."""
        now = unit.analysis.now
        reads = self.graph.uses_symbols(module, now)
        if not (now.calls or now.calls_unknown) or not self._is_concerned(reads):
            return set()
        walk = _Walk(self, is_plain=True, is_whole=True)
        walk.start(module, [now, *unit.analysis.functions.values()] if unit.kind is not UnitKind.FUNCTION else [now])
        walk.run()
        return {symbol for symbol in walk.variables if self.may_hold(symbol)}

    def _is_plain(self, module: str, unit: Unit) -> bool:
        """False for an object that is made, or an effect: that depends on what makes it, not on what can be done with it."""
        kinds = {self.graph.kind_of((module, name)) for name in unit.names}
        if unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK):
            mutated = self.graph.mutated(module, unit)
            return "opaque" not in kinds and not any(map(self.graph.is_lasting, mutated)) and bool(mutated or "data" in kinds)
        if isinstance(unit.node, ast.AugAssign):  # ``total += 1`` runs what it adds to
            return True
        is_made = bool(unit.names) and all(self.graph.type_of((module, name)) is not None for name in unit.names)  # maybe a tuple
        return (bool(kinds & {"data", "shared"}) and not is_made) or unit.kind in (UnitKind.FUNCTION, UnitKind.CLASS)

    def members(self, owner: Symbol) -> list[_Member]:
        """The functions in a class statement."""
        if owner not in self._members:
            module, name = owner
            found = self._members[owner] = []
            for unit in self.graph.binders(module).get(name.partition(".")[0], ()) if module in self.graph.summaries else ():
                decorated = {qualname for qualname, _ in decorated_functions(unit.node)}
                is_meta = isinstance(unit.node, ast.ClassDef) and is_metaclass(unit.node)
                for qualname, uses in unit.analysis.functions.items():
                    head, _, last = qualname.rpartition(".")
                    if head == name or head.startswith(f"{name}."):
                        of_class = is_meta or last == "__class_getitem__"
                        found.append(_Member((module, qualname), last, uses, qualname in decorated, of_class))
        return self._members[owner]

    def affected_beside(self, owner: Symbol) -> Collection[str]:
        """The affected members of a class that are none of its functions."""
        found = self._affected_names.get(owner)
        return found - {member.name for member in self.members(owner)} if found else ()

    def part(self, module: str, uses: Uses) -> _Part:
        """What a piece of code reads; found once."""
        key = (module, id(uses))
        if key not in self._parts:
            self._parts[key] = self._resolve(module, uses)
        return self._parts[key]

    def _resolve(self, module: str, uses: Uses) -> _Part:
        graph = self.graph
        reads: list[_Read] = []
        calls_values = uses.calls_unknown or any(graph.may_call_contents(module, chain) for chain in uses.calls)
        for chain in uses.reads | uses.calls:
            symbol = graph.resolve(module, chain)
            if symbol is None or not symbol[1]:
                continue
            is_called, has_code = chain in uses.calls, bool(graph.functions(symbol))
            calls_values |= is_called and not has_code  # ``P()`` of a partial, ``NS.f()``
            reads.append(
                _Read(
                    symbol, _top(symbol), tuple(symbol[1].split(".")[1:]), is_called, chain in uses.subscripts,
                    graph.kind_of(_top(symbol)) in ("function", "class"), has_code,
                )
            )  # fmt: skip
        for target, attr in uses.imports:
            if attr and (symbol := graph.resolve(target, attr)) is not None and symbol[1]:
                reads.append(_Read(symbol, _top(symbol), (), True, False, False, True))
        return _Part(
            reads=tuple(reads),
            beginnings=frozenset(name[:-1] for name in uses.names if name.endswith("*")),
            operates=uses.operates or bool(uses.calls) or uses.calls_unknown or bool(uses.names),
            makes=uses.calls_unknown or any(graph.may_call_arguments(module, chain) for chain in uses.calls),
            calls_values=calls_values,
        )

    # ---- which variables ----

    def _spread_carriers(self, found: set[Symbol]) -> None:
        for module in self.modules:
            for name in self.graph.binders(module):
                kind = self.graph.type_of((module, name))
                if kind is not None and _top(kind) in found:
                    found.add((module, name))
        asks_for_subclasses = any(self.mentioning(["__subclasses__"]))
        pending = found - self.carriers
        while pending:
            if asks_for_subclasses:
                pending |= {base for symbol in pending for base in self.graph.ancestors(symbol)}
            self.carriers |= pending
            words = {symbol[1] for symbol in pending}
            pending = set()
            for module, unit in self.mentioning(words):
                names = {(module, name) for name in unit.names}
                if not names.isdisjoint(self.carriers) or self._uses_carrier(module, unit):
                    pending |= names | self.graph.mutated(module, unit)
            pending -= self.carriers

    def _spread_holders(self, functions: set[Symbol]) -> None:
        """Find what functions are put into, and who reads that; who only calls them by their names has no part in it."""
        homes = {module for module, _ in functions}
        pending = {
            (module, name)
            for module, unit in self.mentioning(["globals", "vars", "eval", "exec"])
            if module in homes and self._looks_around(module, unit)
            for name in unit.names
        }
        for module, unit in self.mentioning({name for _, name in functions}):
            names = {(module, name) for name in unit.names}
            if not names.isdisjoint(functions):
                pending |= self.graph.mutated(module, unit)  # a decorator may have put it there
            pending |= self._put(module, unit, functions, values_only=True)
        pending -= self.holders | self._keepers(pending)
        while pending:
            self.holders |= pending
            words = {name for _, name in pending}
            found: set[Symbol] = set()
            for module, unit in self.mentioning(words):
                found |= self._put(module, unit, pending)
            pending = found - self.holders - self._keepers(found)

    def _keepers(self, symbols: set[Symbol]) -> set[Symbol]:
        """Those that run nothing of what is in them while statements are evaluated."""
        return {symbol for symbol in symbols if self.graph.is_keeper(symbol)}

    def _put(self, module: str, unit: Unit, things: set[Symbol], *, values_only: bool = False) -> set[Symbol]:
        """The names that a statement gives to things or to what it makes with them, and the functions that use them.

        Args:
            values_only: a call by its name does not count.
        """
        found: set[Symbol] = set()

        def uses_them(uses: Uses, values_only: bool = values_only) -> bool:
            chains = uses.reads - uses.calls if values_only else uses.reads | uses.calls
            return not things.isdisjoint(map(_top, self.graph.uses_symbols(module, uses, chains)))

        if uses_them(unit.analysis.now) or any((b.module, b.attr) in things for b in unit.imports):
            found |= {(module, name) for name in unit.names} | self.graph.mutated(module, unit)
        is_kept = unit.kind not in (UnitKind.FUNCTION, UnitKind.CLASS)
        for name, uses in unit.analysis.functions.items():
            if is_kept and "<lambda>" in name and uses_them(uses, values_only=False):  # nobody calls it by its name
                found |= {(module, bound) for bound in unit.names} | self.graph.mutated(module, unit)
            elif uses_them(uses):
                found.add((module, name.partition(".")[0]))
        return found

    def _looks_around(self, module: str, unit: Unit) -> bool:
        return self.graph.looks_around(module, unit) or not unit.analysis.now.calls.isdisjoint(_RUN_TEXT)

    def _uses_carrier(self, module: str, unit: Unit) -> bool:
        parts = (unit.analysis.now, *unit.analysis.functions.values())
        tops = {_top(symbol) for uses in parts for symbol in self.graph.uses_symbols(module, uses)}
        tops |= {(binding.module, binding.attr) for binding in unit.imports if binding.attr is not None}
        return not tops.isdisjoint(self.carriers)

    def mentioning(self, words: Iterable[str]) -> Iterator[_Place]:
        """The units whose text may contain one of some words."""
        # No table of all words: it takes longer to make than all the searches of a swap, which are few.
        wanted = frozenset(word.encode() for word in words)
        for module in self.modules:
            for unit in self.graph.summaries[module].units:
                if unit.mentions(wanted):
                    yield module, unit


@attrs.define(eq=False)
class _Walk:
    """One statement followed.

    Attributes:
        is_plain: operations count; else only what makes an object.
        variables: data and objects that were met.
        classes: classes that were met; True where there may be objects of them.
        metaclasses: those that run where the class of the statement is made.
        called, read: names of attributes; those that were only read run a member where it is a property or the like.
        strings, beginnings: of names that are computed.
        values: functions and classes that were met in variables.
        calls_values: something is called that has no name, so it may be one of these.
        is_whole: go on behind what behaves differently.
        operates: special methods may run; where it only looks up attributes, those that do that.
    """

    objects: Objects
    is_plain: bool
    is_whole: bool = False
    variables: set[Symbol] = attrs.Factory(set)
    classes: dict[Symbol, bool] = attrs.Factory(dict)
    metaclasses: set[Symbol] = attrs.Factory(set)
    called: set[str] = attrs.Factory(set)
    read: set[str] = attrs.Factory(set)
    strings: set[str] = attrs.Factory(set)
    beginnings: set[str] = attrs.Factory(set)
    values: set[Symbol] = attrs.Factory(set)
    operates: bool = False
    looks_up: bool = False
    calls_values: bool = False
    _seen: set[Symbol] = attrs.Factory(set)
    _units: set[Key] = attrs.Factory(set)
    _left: dict[Symbol, list[_Member]] = attrs.Factory(dict)  # members that have not run yet
    _pending: list[tuple[str, Uses]] = attrs.Factory(list)

    def start(self, module: str, parts: Iterable[Uses]) -> None:
        for uses in parts:
            if self.is_plain:
                self._pending.append((module, uses))
            else:
                self._take(module, uses, is_start=True)

    def make_class(self, owner: Symbol) -> None:
        """A class statement runs its metaclass; its bases only do that with their own statements."""
        graph = self.objects.graph
        for module, name in graph.ancestors(owner):
            for node in [binder.node for binder in graph.binders(module).get(name, ())]:
                for keyword in node.keywords if isinstance(node, ast.ClassDef) else ():
                    chain = dotted(keyword.value) if keyword.arg == "metaclass" else None
                    if chain is not None and (meta := graph.resolve(module, chain)) is not None:
                        self.metaclasses.update(graph.ancestors(meta))
        for meta in self.metaclasses:
            self.classes.setdefault(meta, False)

    def run(self) -> Symbol | None:
        """The first affected member that is met."""
        while True:
            while self._pending:
                self._take(*self._pending.pop())
            before = len(self._seen)
            for owner in list(self.classes):
                if (found := self._enter(owner)) is not None:
                    return found
            if (found := self._call_values()) is not None:
                return found
            if not self._pending and len(self._seen) == before:
                return None

    def _call_values(self) -> Symbol | None:
        """Follow what is held somewhere and may be called from there, ``[handler() for handler in HANDLERS]``."""
        graph = self.objects.graph
        for symbol in self.values - self._seen if self.is_plain and self.calls_values else ():
            if symbol in self.objects.affected and not self.is_whole:
                return symbol
            self._seen.add(symbol)
            if graph.kind_of(symbol) == "class":
                self._meet_class(symbol)
            self._pending += graph.functions(symbol)
        return None

    def _enter(self, owner: Symbol) -> Symbol | None:
        """Follow the members of a class that may run by now."""
        affected = self.objects.affected
        if owner in self.objects.carriers and not self.is_whole:
            for name in self.objects.affected_beside(owner):
                if name in self.called or name in self.read or (name == ANY and (self.called or self.read)):
                    return (owner[0], f"{owner[1]}.{name}")
        left: list[_Member] = []
        for member in self._left[owner] if owner in self._left else self.objects.members(owner):
            has_objects = self.classes[owner] or member.is_of_class or owner in self.metaclasses
            if not has_objects or not self._may_run(member):
                left.append(member)
            elif member.symbol not in self._seen:
                if member.symbol in affected and not self.is_whole:
                    return member.symbol
                self._seen.add(member.symbol)
                self._pending.append((owner[0], member.uses))
        self._left[owner] = left
        return None

    def _may_run(self, member: _Member) -> bool:
        if member.name in _CONSTRUCTORS or member.name in self.called or self._is_computed(member.name):
            return True
        if member.is_decorated and member.name in self.read:
            return True
        is_special = member.name.startswith("__") and member.name.endswith("__")
        if self.looks_up and member.name in _LOOKUPS:
            return True
        return self.operates and self.is_plain and (is_special or member.name == "<lambda>")

    def _is_computed(self, name: str) -> bool:
        """True for a name that a string may have."""
        if BY_STRING in self.called and name in self.strings:
            return True
        return any(name.startswith(beginning) for beginning in self.beginnings)

    def _take(self, module: str, uses: Uses, is_start: bool = False) -> None:
        """What a piece of code reads."""
        part = self.objects.part(module, uses)
        (self.read if is_start else self.called).update(uses.names)
        self.called |= uses.called
        self.strings |= uses.strings
        self.beginnings |= part.beginnings
        self.operates |= part.operates
        self.calls_values |= part.calls_values
        for read in part.reads:
            if is_start and not read.is_called and not read.is_subscripted and read.is_definition:
                continue  # ``path("cart/", views.cart)``: what takes it keeps it
            (self.read if is_start and not read.is_called else self.called).update(read.names)
            self.looks_up |= bool(read.names)
            # ``Color.RED.label``: a class may hold objects, too
            self._meet(read.top, read.symbol, part.makes or bool(read.names))

    def _meet(self, top: Symbol, symbol: Symbol, makes: bool) -> None:
        graph = self.objects.graph
        kind = graph.kind_of(top)
        if kind == "class":
            self._meet_class(top, makes)
        elif kind == "function":
            if symbol not in self._seen:
                self._seen.add(symbol)
                self._pending += (found := graph.functions(symbol))
                if not found:  # ``g = traced(f)``
                    self.variables.add(top)
                    self._meet_variable(top)
        elif kind != "module" and top not in self.variables:
            self.variables.add(top)
            self._meet_variable(top)

    def _meet_variable(self, top: Symbol) -> None:
        """Of what a variable holds the live program knows more than the texts; where it is too much, they have to do."""
        graph = self.objects.graph
        classes, callables = graph.classes_in(top), graph.callables_in(top)
        for cls in classes or ():
            self._meet_class(_top(cls))
        self.values |= callables or set()
        for module, index in self.objects.recipe(top):  # what was taken out of it since, or cannot be seen in it
            self._meet_values(module, graph.summaries[module].units[index])
        for module, index in self.objects.recipe(top) if classes is None or callables is None else ():
            self._meet_unit(module, graph.summaries[module].units[index])

    def _meet_values(self, module: str, unit: Unit) -> None:
        """Functions and classes that a statement puts somewhere."""
        graph, now = self.objects.graph, unit.analysis.now
        held = graph.uses_symbols(module, now, now.reads - now.calls)
        self.values |= {symbol for symbol in held if graph.kind_of(_top(symbol)) in ("function", "class")}
        self.calls_values |= any(graph.foreign(module, chain) == "collections.defaultdict" for chain in now.calls)

    def _meet_unit(self, module: str, unit: Unit) -> None:
        if (module, unit.index) not in self._units:
            self._units.add((module, unit.index))
            self._pending.append((module, unit.analysis.now))

    def _meet_class(self, owner: Symbol, makes: bool = True) -> None:
        graph = self.objects.graph
        for each in graph.ancestors(owner):
            is_new = each not in self.classes and self.objects.may_hold(each)
            held: Collection[Symbol] = graph.callables_in(each) or () if is_new else ()
            if held := frozenset(held) - {each}:
                self.variables.add(each)  # ``f = staticmethod(other)`` in its body
                self.values |= held
            self.classes[each] = makes or self.classes.get(each, False)


def _top(symbol: Symbol) -> Symbol:
    return symbol[0], symbol[1].partition(".")[0]
