"""Who reads, calls and changes what, across modules: names of a module text resolved to where they are defined.

A *symbol* is ``(module, dotted name)``: ``("shop.cart", "Cart.total")``. The *recipe* of a symbol is the row of
top-level statements that bind it or contribute to it; its value is what the recipe gives. A change of the recipe,
or of something that the recipe reads, is a change of the value: that is all of the derivation logic.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import attrs

from hotswap.plan.acts import REGISTERING_CALLS, STARTING_METHODS, keeps_arguments
from hotswap.plan.aliases import CALL, PART, Source, find_flows
from hotswap.plan.bindings import ImportBinding
from hotswap.plan.branches import take_executed
from hotswap.plan.mutations import find_mutated
from hotswap.plan.outside import CONSTRUCTORS, find_acts_outside, find_registrations
from hotswap.plan.units import Facts, Summary, Unit, UnitKind
from hotswap.plan.uses import BINDS_UNSEEN, MUTATORS, Uses

Symbol = tuple[str, str]

#: Functions and methods of these modules have no effect outside of their result and their arguments.
HARMLESS_MODULES = frozenset(
    "functools itertools collections operator math cmath string re textwrap copy types typing abc enum dataclasses "
    "contextlib decimal fractions datetime json statistics numbers heapq bisect attr attrs builtins collections.abc "
    "weakref uuid hashlib base64 struct inspect warnings typing_extensions pathlib posixpath os.path "
    "hotswap hotswap.migrations".split()  # what is declared while a swap evaluates counts from its commit on
)
#: Calls that only print or log: they are never repeated, and nothing is wrong when they are left out.
OUTPUT_CALLS = frozenset("print debug info warning error exception critical log warn".split())
#: Calls that keep or look at their arguments and never call them.
PASSIVE_CALLS = frozenset(
    {"functools.partial", "functools.partialmethod", "types.MappingProxyType", "types.SimpleNamespace", "weakref.ref"}
    | {"typing.TypeVar", "typing.ParamSpec", "typing.NewType", "typing.cast", "dataclasses.field"}
    | {
        f"builtins.{n}"
        for n in "list dict tuple set frozenset len type isinstance issubclass zip enumerate id hash range "
        "staticmethod classmethod property getattr hasattr callable bool".split()
    }
    | {f"collections.{n}" for n in "deque defaultdict OrderedDict ChainMap Counter".split()}
)
#: Builtins and the like that call nothing which they find in their arguments, but for special methods and what they are told to.
_NEVER_CALLING = PASSIVE_CALLS | {
    *(f"builtins.{n}" for n in "sorted min max sum any all str repr print format abs round iter next reversed bytes".split()),
    *("json.dumps", "copy.copy", "copy.deepcopy", "pprint.pformat"),
}
_NOTHING: frozenset[Symbol] = frozenset()
_HELD_BY_MODULE = ("module", "function", "class", "data", "shared")
_NAMESPACE_CALLS = frozenset({"globals", "locals", "vars", "dir"})
EFFECTFUL_BUILTINS = frozenset("input open exec eval compile __import__ exit quit breakpoint".split())


@attrs.define(eq=False)
class Graph:
    """The managed modules' summaries with their names resolved.

    Attributes:
        summaries: by module name; the new text for edited modules in one graph, the old text in the other.
        kind_of: what a symbol is bound to in the live program: data, function, class, module, instance, holder, shared,
            opaque, missing.
        type_of: the symbol of the class of a live instance, if that class is managed.
        module_of: the name of the module that a symbol is bound to, if it is managed.
        builder_of: the foreign code that took part in making the class that a symbol is bound to; empty for none.
        builder_of_bases: the same for a class that would have it as a base or metaclass; takes foreign symbols, too.
        stands_alone: whether those who read the class that a symbol is bound to need not be evaluated again when it is.
        copies_bases: whether foreign code that took part in making a class may have copied something from its bases.
        classes_in: the managed classes of all objects that can be reached from what a symbol is bound to; None for too many.
        callables_in: the managed functions and classes themselves that are reached in that way.
        kind_of_object: the type of the object that a symbol is bound to; None where it is bound to nothing.
        is_keeper: whether a symbol is bound to an object that calls what it is filled with only later.
        is_loaded: for a text that has been executed, whether a module has been imported; a text that has not may yet import it.
    """

    summaries: Mapping[str, Summary]
    kind_of: Callable[[Symbol], str]
    type_of: Callable[[Symbol], Symbol | None]
    module_of: Callable[[Symbol], str | None] = lambda symbol: None
    builder_of: Callable[[Symbol], str] = lambda symbol: ""
    builder_of_bases: Callable[[Symbol], str] = lambda symbol: ""
    copies_bases: Callable[[Symbol], bool] = lambda symbol: False
    classes_in: Callable[[Symbol], frozenset[Symbol] | None] = lambda symbol: None
    callables_in: Callable[[Symbol], frozenset[Symbol] | None] = lambda symbol: frozenset()
    kind_of_object: Callable[[Symbol], type | None] = lambda symbol: None
    is_keeper: Callable[[Symbol], bool] = lambda symbol: False
    is_loaded: Callable[[str], bool] = lambda name: True
    stands_alone: Callable[[Symbol], bool] = lambda symbol: False
    _binders: dict[str, dict[str, list[Unit]]] = attrs.field(factory=dict, init=False)
    _imports: dict[str, dict[str, ImportBinding]] = attrs.field(factory=dict, init=False)
    _stars: dict[str, list[str]] = attrs.field(factory=dict, init=False)
    _resolved: dict[tuple[str, str], Symbol | None] = attrs.field(factory=dict, init=False)
    _reach: dict[Symbol, frozenset[Symbol]] = attrs.field(factory=dict, init=False)
    _mutated: dict[tuple[str, int], frozenset[Symbol]] = attrs.field(factory=dict, init=False)
    _flows: dict[tuple[str, int], Mapping[str, set[Source]]] = attrs.field(factory=dict, init=False)
    _functions: dict[Symbol, list[tuple[str, Uses]]] = attrs.field(factory=dict, init=False)
    _used: dict[tuple[str, int], set[Symbol]] = attrs.field(factory=dict, init=False)  # by the id of the uses
    _wholes: dict[tuple[str, int], set[str]] = attrs.field(factory=dict, init=False)  # likewise
    _ancestors: dict[Symbol, Sequence[Symbol]] = attrs.field(factory=dict, init=False)
    _executed: dict[tuple[str, int], Unit] = attrs.field(factory=dict, init=False)
    _methods: frozenset[str] | None = attrs.field(default=None, init=False)

    def binders(self, module: str) -> dict[str, list[Unit]]:
        if module not in self._binders:
            summary = self.summaries[module]
            self._binders[module] = summary.binders()
            self._imports[module], self._stars[module] = {}, []
            for unit in summary.units:
                for binding in unit.imports:
                    if binding.local == "*":
                        self._stars[module].append(binding.module)
                        self._bind_star(module, unit, binding.module)
                    elif binding.local:
                        self._imports[module][binding.local] = binding
        return self._binders[module]

    def _bind_star(self, module: str, unit: Unit, source: str) -> None:
        """Of what a star import brings, it binds what the module binds itself, too: the last of these statements counts."""
        own = self._binders[module]
        for name in own.keys() & self._exported(source) if source in self.summaries and source != module else ():
            self._binders[module] = own = {**own, name: sorted([*own[name], unit], key=lambda each: each.index)}
            self._imports[module][name] = ImportBinding(local=name, module=source, attr=name)

    def _exported(self, module: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """The names that a star import takes of a module, as far as the texts tell."""
        if module not in self.summaries or module in seen:
            return set()
        found = set(self.binders(module)).union(*(self._exported(star, seen | {module}) for star in self.stars(module)))
        match [unit.node for unit in self.binders(module).get("__all__", ())]:
            case [ast.Assign(value=ast.List(elts=items) | ast.Tuple(elts=items))]:
                return found & {item.value for item in items if isinstance(item, ast.Constant)}
        return {name for name in found if not name.startswith("_")}

    def starred(self, module: str, unit: Unit) -> list[str]:
        """Names that a statement binds by a star import, and the module by another statement as well."""
        if all(binding.local != "*" for binding in unit.imports):
            return []
        return [name for name, units in self.binders(module).items() if unit in units and name not in unit.names]

    def stars(self, module: str) -> list[str]:
        """Modules from which a module imports by star."""
        self.binders(module)
        return self._stars[module]

    def is_lasting(self, symbol: Symbol) -> bool:
        """True for an object that is not made anew: what is done to it cannot be done aside."""
        return self.kind_of(symbol) in ("opaque", "shared")

    def registers_opaquely(self, module: str, unit: Unit) -> bool:
        """True for a statement that contributes to an object that is not made anew."""
        return any(map(self.is_lasting, self.mutated(module, unit)))

    # ---- resolving names ----

    def resolve(self, module: str, chain: str) -> Symbol | None:
        """Where a dotted name is defined; None for builtins and modules that are not managed."""
        key = (module, chain)
        if key not in self._resolved:
            self._resolved[key] = None  # a circle of imports ends here
            self._resolved[key] = self._resolve(module, chain)
        return self._resolved[key]

    def _resolve(self, module: str, chain: str) -> Symbol | None:
        if module not in self.summaries:
            return None
        binders = self.binders(module)
        head, _, rest = chain.partition(".")
        binding = self._imports[module].get(head)
        if binding is not None and self._is_import(binders.get(head, ())):
            return self._resolve_import(binding, rest)
        if head in binders:
            if rest and (target := self.module_of((module, head))) is not None and target in self.summaries:
                return self._in_module(target, rest)
            return (module, chain)
        for star in reversed(self._stars[module]):
            if (found := self.resolve(star, chain)) is not None:
                return found
        return None

    @staticmethod
    def _is_import(units: Iterable[Unit]) -> bool:
        found = list(units)
        return not found or bool(found[-1].imports)

    def _resolve_import(self, binding: ImportBinding, rest: str) -> Symbol | None:
        if binding.attr is None:
            return self._in_module(binding.module, rest)
        sub = f"{binding.module}.{binding.attr}"
        if sub in self.summaries and self._is_submodule(binding.module, binding.attr):
            return self._in_module(sub, rest)
        if binding.module not in self.summaries:
            return None
        chain = f"{binding.attr}.{rest}" if rest else binding.attr
        return self.resolve(binding.module, chain) or (binding.module, chain)

    def imported(self, module: str, name: str) -> Symbol | None:
        """Where a name that a module imports is defined; None where it imports no such name."""
        self.binders(module)
        binding = self._imports[module].get(name)
        return self._resolve_import(binding, "") if binding is not None and binding.attr is not None else None

    def _is_submodule(self, package: str, name: str) -> bool:
        """True where a name of a package means its module of that name: it is bound by nothing but an import of that."""
        if package not in self.summaries or name not in self.binders(package):
            return True
        binding = self._imports[package].get(name)
        if binding is None or not self._is_import(self.binders(package)[name]):
            return False
        return (binding.module, binding.attr) in ((package, name), (f"{package}.{name}", None))

    def _in_module(self, module: str, rest: str) -> Symbol | None:
        while rest:
            head, _, tail = rest.partition(".")
            if f"{module}.{head}" not in self.summaries:
                break
            module, rest = f"{module}.{head}", tail
        if module not in self.summaries:
            return None
        return (self.resolve(module, rest) or (module, rest)) if rest else (module, "")

    def foreign(self, module: str, chain: str) -> str:
        """The full dotted name of something that is not managed, aliases undone: ``np.array`` -> ``numpy.array``."""
        if module not in self.summaries:
            return chain
        self.binders(module)
        head, _, rest = chain.partition(".")
        binding = self._imports[module].get(head)
        if binding is None:
            starred = (star for star in reversed(self._stars[module]) if head in getattr(sys.modules.get(star), "__dict__", ()))
            return f"{next(starred, 'builtins')}.{chain}"
        base = binding.module if binding.attr is None else f"{binding.module}.{binding.attr}"
        return f"{base}.{rest}" if rest else base

    # ---- following functions ----

    def functions(self, symbol: Symbol) -> list[tuple[str, Uses]]:
        """The functions that calling or using a symbol may run, with their module: itself, or a class's methods."""
        if symbol not in self._functions:
            self._functions[symbol] = self._find_functions(symbol)
        return self._functions[symbol]

    def _find_functions(self, symbol: Symbol) -> list[tuple[str, Uses]]:
        module, name = symbol
        if module not in self.summaries or not name:
            return []
        head, _, member = name.partition(".")
        found = []
        for unit in self.binders(module).get(head, ()):
            for qualname, uses in unit.analysis.functions.items():
                if (
                    qualname in (name, head)
                    or (not member and qualname.startswith(f"{head}."))
                    or (not member and "<lambda>" in qualname)
                ):
                    found.append((module, uses))
        if not found and member and (kind := self.type_of((module, head))) is not None:
            return self.functions((kind[0], f"{kind[1]}.{member}"))
        return found

    def member_of(self, symbol: Symbol) -> Symbol | None:
        """``UNIT.area`` of a live instance is a member of its class: ``Square.area``."""
        head, _, member = symbol[1].partition(".")
        kind = self.type_of((symbol[0], head)) if member else None
        return (kind[0], f"{kind[1]}.{member}") if kind is not None else None

    def may_call_arguments(self, module: str, chain: str) -> bool:
        """False for calls that are known to keep what they are given without calling it."""
        if chain.rpartition(".")[2] in MUTATORS or chain.endswith((".__init_subclass__", ".__iter__")):
            return False
        return self.foreign(module, chain) not in PASSIVE_CALLS

    def may_call_contents(self, module: str, chain: str) -> bool:
        """True for a call of somebody else's function that may call what it finds in an argument: ``map(operator.call, L)``."""
        return self.resolve(module, chain) is None and self.may_call_arguments(module, chain) and (
            self.foreign(module, chain) not in _NEVER_CALLING
        )

    def uses_symbols(self, module: str, uses: Uses, chains: Iterable[str] | None = None) -> set[Symbol]:
        """Symbols that a piece of code reads or calls."""
        if chains is not None:
            return {symbol for chain in chains if (symbol := self.resolve(module, chain)) is not None and symbol[1]}
        key = (module, id(uses))
        if key not in self._used:
            found = self.uses_symbols(module, uses, uses.reads | uses.calls)
            imported = {self.resolve(target, attr) for target, attr in uses.imports if attr}
            stored = {self.stored(module, chain) for chain in uses.stores}  # who assigns a name has to mean the right module
            self._used[key] = found | {symbol for symbol in imported | stored if symbol is not None}
        return set(self._used[key])

    def looks_around(self, module: str, unit: Unit) -> bool:
        """True for a statement that reads the module's namespace as a whole: ``globals()``, ``dir()``."""
        return any(chain in _NAMESPACE_CALLS and self.resolve(module, chain) is None for chain in unit.analysis.now.calls)

    def whole_modules(self, module: str, unit: Unit) -> set[str]:
        """Managed modules that a statement reads as objects, so that it may read anything of them."""
        return self.modules_of(module, unit.analysis.now)

    def modules_of(self, module: str, uses: Uses) -> set[str]:
        """Managed modules that a piece of code has as objects, with those in them, and may look into by what it calls."""
        key = (module, id(uses))
        if key not in self._wholes:
            symbols = [self.resolve(module, chain) for chain in uses.reads] if uses.calls or uses.calls_unknown else []
            wholes = {symbol[0] for symbol in symbols if symbol is not None and not symbol[1]}
            inside = tuple(f"{name}." for name in wholes)
            self._wholes[key] = wholes | {name for name in self.summaries if wholes and name.startswith(inside)}
        return set(self._wholes[key])

    def got_by_name(self, module: str, uses: Uses) -> set[str]:
        """Managed modules that a piece of code may get by a string: ``import_module("a")``, ``sys.modules[name]``."""
        found: set[str] = set()
        for name in uses.by_name:
            if name.endswith("*"):
                found |= {other for other in self.summaries if other.startswith(name[:-1])}
            elif name in self.summaries:
                found.add(name)
        return found - {module}

    def reach(self, starts: Iterable[Symbol]) -> set[Symbol]:
        """Symbols that may be used when these are called, through any number of calls."""
        seen: set[Symbol] = set()
        pending = list(starts)
        while pending:
            symbol = pending.pop()
            if symbol in seen:
                continue
            seen.add(symbol)
            for module, uses in self.functions(symbol):
                pending += self.uses_symbols(module, uses) - seen
        return seen

    def reach_at_once(self, module: str, unit: Unit) -> set[Symbol]:
        """As :meth:`reach` for what a statement calls, without what is only given to somebody who calls it later."""
        seen: set[Symbol] = set()
        pending = list(self._at_once(module, unit.analysis.now, self.calls_of(module, unit)))
        while pending:
            symbol = pending.pop()
            if symbol in seen:
                continue
            seen.add(symbol)
            for owner, uses in self.functions(symbol):
                pending += self._at_once(owner, uses, self.uses_symbols(owner, uses)) - seen
        return seen

    def _at_once(self, module: str, uses: Uses, symbols: set[Symbol]) -> set[Symbol]:
        later = self._given_later(module, uses)
        if not later:
            return symbols
        found = symbols - self.called_later(module, uses)
        for symbol in self.uses_symbols(module, uses, uses.calls & later):  # ``addHandler(Handler())`` makes one now
            is_class = any(unit.kind is UnitKind.CLASS for unit in self.binders(symbol[0]).get(symbol[1], ()))
            found |= {(symbol[0], f"{symbol[1]}.{name}") for name in CONSTRUCTORS} if is_class else {symbol}
        return found

    def called_later(self, module: str, uses: Uses) -> set[Symbol]:
        """What a piece of code only gives to somebody outside, who calls it later."""
        if not (later := self._given_later(module, uses)):
            return set()
        return self.uses_symbols(module, uses, later) - self.uses_symbols(module, uses, (uses.reads | uses.calls) - later)

    def _given_later(self, module: str, uses: Uses) -> set[str]:
        return {chain for chain, takers in uses.later.items() if all(self._is_taken(module, taker) for taker in takers)}

    def _is_taken(self, module: str, taker: str) -> bool:
        """True where nobody of the program takes what is given: see :func:`hotswap.plan.acts.keeps_for_later`."""
        if taker.startswith("."):
            return taker[1:] not in self.methods()
        inner = taker.startswith("(")  # it gives what it makes of that to somebody who keeps it
        symbol = self.resolve(module, taker.removeprefix("("))
        if symbol is None:
            return inner or keeps_arguments(taker, self.foreign(module, taker))
        return not self.functions(symbol) or self.is_lasting((symbol[0], symbol[1].partition(".")[0]))

    def methods(self) -> frozenset[str]:
        """The names of all methods that managed classes define."""
        if self._methods is None:
            names = (name for summary in self.summaries.values() for unit in summary.units for name in unit.function_names)
            self._methods = frozenset(name.rpartition(".")[2] for name in names if "." in name)
        return self._methods

    def calls_of(self, module: str, unit: Unit) -> set[Symbol]:
        """Symbols that are called while a statement is evaluated."""
        now = unit.analysis.now
        chains = set(now.calls)
        if now.calls:  # what is passed to a call may be called by it
            chains |= now.reads - now.plain
        return self.uses_symbols(module, now, chains)

    def mutated(self, module: str, unit: Unit) -> frozenset[Symbol]:
        """Top-level symbols that evaluating a statement contributes to, through any number of calls."""
        if unit.is_inert:
            return _NOTHING
        key = (module, unit.index)
        if key not in self._mutated:
            self._mutated[key] = find_mutated(self, module, unit)
        return self._mutated[key]

    def flows(self, module: str, unit: Unit) -> Mapping[str, set[Source]]:
        """What the names that a statement binds may be, or be parts of."""
        key = (module, unit.index)
        if key not in self._flows:
            self._flows[key] = find_flows([unit.node])
        return self._flows[key]

    def stored(self, module: str, chain: str) -> Symbol | None:
        """The name of another module that is assigned by ``lib.HOOK = f``."""
        owner, _, name = chain.rpartition(".")
        symbol = self.resolve(module, owner)
        if symbol is None or not symbol[1]:
            return (symbol[0], name) if symbol is not None else None
        target = self.module_of(symbol)  # ``me = sys.modules[__name__]``
        return (target, name) if target is not None and target in self.summaries else None

    def ancestors(self, symbol: Symbol) -> Sequence[Symbol]:
        """A class, its managed base classes and its metaclass, as far as the texts tell."""
        if symbol not in self._ancestors:
            self._ancestors[symbol] = tuple(self._find_ancestors(symbol))
        return self._ancestors[symbol]

    def _find_ancestors(self, symbol: Symbol) -> list[Symbol]:
        seen: list[Symbol] = []
        pending = [symbol]
        while pending:
            current = pending.pop()
            if current in seen or current[0] not in self.summaries:
                continue
            seen.append(current)
            for binder in self.binders(current[0]).get(current[1], ()):
                for chain in binder.analysis.now.calls:
                    if chain.endswith(".__init_subclass__"):
                        found = self.resolve(current[0], chain.removesuffix(".__init_subclass__"))
                        if found is not None:
                            pending.append(found)
        return seen

    def foreign_effects(self, module: str, unit: Unit) -> list[str]:
        """Effects of evaluating a statement that reach outside of managed data, as dotted names."""
        if unit.is_inert:
            return []
        unit = self._as_executed(module, unit)
        now = unit.analysis.now
        found = self._foreign(module, now)
        if unit.unseen is not None:
            found = [name for name in found if name != f"builtins.{BINDS_UNSEEN}"]  # what it binds is seen when it is evaluated
        if now.calls:
            for symbol in self.reach(self.uses_symbols(module, now, now.calls)):
                for owner, uses in self.functions(symbol):
                    found += self._foreign(owner, uses)
        found += [name for name in find_acts_outside(self, module, unit) if not self.is_output(name)]
        return sorted(set(found))

    def _as_executed(self, module: str, unit: Unit) -> Unit:
        """A block without the branches that were certainly not executed."""
        key = (module, unit.index)
        if unit.kind is UnitKind.BLOCK and key not in self._executed:
            node = take_executed(unit.node, self.is_loaded, partial(self.foreign, module))
            self._executed[key] = unit if node is unit.node else attrs.evolve(unit, node=node, facts=Facts())
        return self._executed.get(key, unit)

    def starts(self, symbol: Symbol) -> bool:
        """True for ``THREAD.start`` of a thread that a new statement makes: it would run aside."""
        head, _, last = symbol[1].partition(".")
        return last in STARTING_METHODS and last not in self.methods() and self.kind_of((symbol[0], head)) == "missing"

    def registrations(self, module: str, unit: Unit) -> list[str]:
        """What something outside of the program gets to know when a statement is evaluated, whatever its kind."""
        return find_registrations(self, module, unit)

    @staticmethod
    def is_harmless(module: str) -> bool:
        return module in HARMLESS_MODULES

    @staticmethod
    def is_output(name: str) -> bool:
        return is_output_only([name])

    def _foreign(self, module: str, uses: Uses) -> list[str]:
        found = []
        for chain in uses.effects:
            symbol = self.resolve(module, chain) if chain else None
            if symbol is not None:
                top = (symbol[0], symbol[1].partition(".")[0])
                is_balanced = symbol[1].endswith((".acquire", ".release"))  # as with the lock in a with statement
                if (self.is_lasting(top) or self.starts(symbol)) and "." in symbol[1] and not is_balanced:
                    found.append(f"{top[0]}.{symbol[1]}")
                continue
            if not chain:
                continue
            name = self.foreign(module, chain)
            owner, _, last = name.rpartition(".")
            if owner == "builtins" and last not in EFFECTFUL_BUILTINS:
                if last in OUTPUT_CALLS:
                    found.append(name)
            elif owner not in HARMLESS_MODULES or owner == "builtins" or name in REGISTERING_CALLS:
                found.append(name)
        for chain in uses.stores:
            owner, _, name = chain.rpartition(".")
            if (stored := self.stored(module, chain)) is not None:
                if name not in self.binders(stored[0]):
                    found.append(f"{stored[0]}.{name}")  # no statement of its module gives it another value
            elif self.resolve(module, owner) is None and self.kind_of((module, owner)) == "module":
                found.append(self.foreign(module, chain))
        for chain in {chain.removesuffix(PART) for chain in uses.mutates}:
            if chain.endswith(CALL):
                continue  # what a call has given is its own, as far as anybody knows
            if self.resolve(module, chain) is None:
                name = self.foreign(module, chain)
                head = chain.partition(".")[0]
                held_by_module = head == chain and self.kind_of((module, head)) in _HELD_BY_MODULE
                if (
                    not held_by_module
                    and name.partition(".")[0] != "builtins"
                    and name.rpartition(".")[0] not in HARMLESS_MODULES
                ):
                    found.append(name)
        return found


def is_abstract_registration(effect: str) -> bool:
    """True for ``Mapping.register`` and the like: done again for the same class it changes nothing."""
    return effect.endswith(".register") and effect.startswith(("collections.abc.", "numbers.", "os.PathLike.", "io."))


def is_output_only(effects: Iterable[str]) -> bool:
    """True when all effects print or log."""
    return all(name.rpartition(".")[2] in OUTPUT_CALLS for name in effects)
