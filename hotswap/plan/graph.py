"""Who reads, calls and changes what, across modules: names of a module text resolved to where they are defined.

A *symbol* is ``(module, dotted name)``: ``("shop.cart", "Cart.total")``. The *recipe* of a symbol is the row of
top-level statements that bind it or contribute to it; its value is what the recipe gives. A change of the recipe,
or of something that the recipe reads, is a change of the value: that is all of the derivation logic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from hotswap.plan.bindings import ImportBinding
from hotswap.plan.branches import take_executed
from hotswap.plan.units import Summary, Unit, UnitKind
from hotswap.plan.uses import BINDS_UNSEEN, MUTATORS, Uses, analyse

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
#: Special methods that storing in an object runs.
_STORES = ("__setitem__", "__delitem__", "__setattr__", "__delattr__")
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
        classes_in: the managed classes of all objects that can be reached from what a symbol is bound to; None for too many.
        is_loaded: for a text that has been executed, whether a module has been imported; a text that has not may yet import it.
    """

    summaries: Mapping[str, Summary]
    kind_of: Callable[[Symbol], str]
    type_of: Callable[[Symbol], Symbol | None]
    module_of: Callable[[Symbol], str | None] = lambda symbol: None
    builder_of: Callable[[Symbol], str] = lambda symbol: ""
    builder_of_bases: Callable[[Symbol], str] = lambda symbol: ""
    classes_in: Callable[[Symbol], frozenset[Symbol] | None] = lambda symbol: None
    is_loaded: Callable[[str], bool] = lambda name: True
    _binders: dict[str, dict[str, list[Unit]]] = attrs.field(factory=dict, init=False)
    _imports: dict[str, dict[str, ImportBinding]] = attrs.field(factory=dict, init=False)
    _stars: dict[str, list[str]] = attrs.field(factory=dict, init=False)
    _resolved: dict[tuple[str, str], Symbol | None] = attrs.field(factory=dict, init=False)
    _reach: dict[Symbol, frozenset[Symbol]] = attrs.field(factory=dict, init=False)
    _mutated: dict[tuple[str, int], frozenset[Symbol]] = attrs.field(factory=dict, init=False)
    _functions: dict[Symbol, list[tuple[str, Uses]]] = attrs.field(factory=dict, init=False)
    _used: dict[tuple[str, int], set[Symbol]] = attrs.field(factory=dict, init=False)  # by the id of the uses

    def binders(self, module: str) -> dict[str, list[Unit]]:
        if module not in self._binders:
            summary = self.summaries[module]
            self._binders[module] = summary.binders()
            table: dict[str, ImportBinding] = {}
            stars: list[str] = []
            for unit in summary.units:
                for binding in unit.imports:
                    if binding.local == "*":
                        stars.append(binding.module)
                    elif binding.local:
                        table[binding.local] = binding
            self._imports[module], self._stars[module] = table, stars
        return self._binders[module]

    def stars(self, module: str) -> list[str]:
        """Modules from which a module imports by star."""
        self.binders(module)
        return self._stars[module]

    def is_lasting(self, symbol: Symbol) -> bool:
        """True for an object that is not made anew: what is done to it cannot be done aside."""
        return self.kind_of(symbol) in ("opaque", "shared")

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
        if sub in self.summaries and (binding.module not in self.summaries or binding.attr not in self.binders(binding.module)):
            return self._in_module(sub, rest)
        if binding.module not in self.summaries:
            return None
        chain = f"{binding.attr}.{rest}" if rest else binding.attr
        return self.resolve(binding.module, chain) or (binding.module, chain)

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
            return f"builtins.{chain}"
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

    def uses_symbols(self, module: str, uses: Uses, chains: Iterable[str] | None = None) -> set[Symbol]:
        """Symbols that a piece of code reads or calls."""
        if chains is not None:
            return {symbol for chain in chains if (symbol := self.resolve(module, chain)) is not None and symbol[1]}
        key = (module, id(uses))
        if key not in self._used:
            found = self.uses_symbols(module, uses, uses.reads | uses.calls)
            imported = {self.resolve(target, attr) for target, attr in uses.imports if attr}
            self._used[key] = found | {symbol for symbol in imported if symbol is not None}
        return set(self._used[key])

    def looks_around(self, module: str, unit: Unit) -> bool:
        """True for a statement that reads the module's namespace as a whole: ``globals()``, ``dir()``."""
        return any(chain in _NAMESPACE_CALLS and self.resolve(module, chain) is None for chain in unit.analysis.now.calls)

    def whole_modules(self, module: str, unit: Unit) -> set[str]:
        """Managed modules that a statement reads as objects, so that it may read anything of them."""
        found = set()
        now = unit.analysis.now
        for chain in now.reads:
            symbol = self.resolve(module, chain)
            if symbol is not None and not symbol[1] and (now.calls or now.calls_unknown):
                found.add(symbol[0])
        found |= {target for target, attr in now.imports if not attr and target in self.summaries}
        return found

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

    def calls_of(self, module: str, unit: Unit) -> set[Symbol]:
        """Symbols that are called while a statement is evaluated."""
        now = unit.analysis.now
        chains = set(now.calls)
        if now.calls:  # what is passed to a call may be called by it
            chains |= now.reads
        return self.uses_symbols(module, now, chains)

    def mutated(self, module: str, unit: Unit) -> frozenset[Symbol]:
        """Top-level symbols that evaluating a statement contributes to, through any number of calls."""
        key = (module, unit.index)
        if unit.is_inert:
            return _NOTHING
        if key in self._mutated:
            return self._mutated[key]
        found: set[Symbol] = set()
        now = unit.analysis.now
        chains = set(now.mutates)
        if unit.kind is UnitKind.EFFECT:
            chains |= {chain.rpartition(".")[0] for chain in now.effects if "." in chain}
            chains |= {name for name in now.writes if name not in unit.names}
        self._note_mutations(module, chains, found)
        for owner, name in [kind for symbol in found if (kind := self.type_of(symbol)) is not None]:
            for store in _STORES:
                for place, uses in self.functions((owner, f"{name}.{store}")):
                    self._note_mutations(place, uses.mutates | uses.writes, found)
        if now.calls:
            for symbol in self.reach(self.calls_of(module, unit)):
                for owner, uses in self.functions(symbol):
                    self._note_mutations(owner, uses.mutates | uses.writes, found)
        self._note_mutations(module, self._filled_arguments(module, now), found)
        found |= self._class_registries(module, unit)
        found -= {(module, name) for name in unit.names}
        self._mutated[key] = frozenset(found)
        return self._mutated[key]

    def _filled_arguments(self, module: str, now: Uses) -> Iterator[str]:
        """What is given to a function that mutates it, itself or in a function that it makes: ``@register(TABLE)``."""
        for chain, place, argument in now.gives:
            symbol = self.resolve(module, chain)
            if symbol is None or not any(u.kind is UnitKind.FUNCTION for u in self.binders(symbol[0]).get(symbol[1], ())):
                continue
            for _, uses in self.functions(symbol):
                name = place if isinstance(place, str) else "".join(uses.parameters[place : place + 1])
                if name in uses.fills:
                    yield argument

    def _note_mutations(self, module: str, chains: Iterable[str], found: set[Symbol]) -> None:
        for chain in chains:
            symbol = self.resolve(module, chain)
            if symbol is not None and symbol[1]:
                top = (symbol[0], symbol[1].partition(".")[0])
                if self.kind_of(top) != "module":
                    found.add(top)

    def _class_registries(self, module: str, unit: Unit) -> set[Symbol]:
        """Base classes and metaclasses whose class-level hooks note the classes made from them."""
        found: set[Symbol] = set()
        for chain in unit.analysis.now.calls:
            if not chain.endswith(".__init_subclass__"):
                continue
            symbol = self.resolve(module, chain.removesuffix(".__init_subclass__"))
            for owner in self.ancestors(symbol) if symbol else ():
                for binder in self.binders(owner[0]).get(owner[1], ()):
                    if owner[1] in binder.analysis.class_hooks:
                        found.add(owner)
                    for hook in ("__init_subclass__", "__new__", "__init__", "__prepare__", "__call__"):
                        if hook == "__init_subclass__" or owner[1] in _metaclass_names(binder):
                            uses = binder.analysis.functions.get(f"{owner[1]}.{hook}")
                            if uses is not None:
                                self._note_mutations(owner[0], uses.mutates | uses.writes, found)
        return found

    def ancestors(self, symbol: Symbol) -> list[Symbol]:
        """A class, its managed base classes and its metaclass, as far as the texts tell."""
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
        now = unit.analysis.now
        if unit.kind is UnitKind.BLOCK and (executed := take_executed(unit.node, self.is_loaded)) is not unit.node:
            now = analyse(executed).now
        found = self._foreign(module, now)
        if unit.unseen is not None:
            found = [name for name in found if name != f"builtins.{BINDS_UNSEEN}"]  # what it binds is seen when it is evaluated
        if now.calls:
            for symbol in self.reach(self.uses_symbols(module, now, now.calls)):
                for owner, uses in self.functions(symbol):
                    found += self._foreign(owner, uses)
        return sorted(set(found))

    def _foreign(self, module: str, uses: Uses) -> list[str]:
        found = []
        for chain in uses.effects:
            symbol = self.resolve(module, chain) if chain else None
            if symbol is not None:
                top = (symbol[0], symbol[1].partition(".")[0])
                if self.is_lasting(top) and "." in symbol[1]:
                    found.append(f"{top[0]}.{symbol[1]}")
                continue
            if not chain:
                continue
            name = self.foreign(module, chain)
            owner, _, last = name.rpartition(".")
            if owner == "builtins" and last not in EFFECTFUL_BUILTINS:
                if last in OUTPUT_CALLS:
                    found.append(name)
            elif owner not in HARMLESS_MODULES or owner == "builtins":
                found.append(name)
        for chain in uses.mutates:
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


def _metaclass_names(unit: Unit) -> set[str]:
    import ast

    from hotswap.plan.uses import is_metaclass

    return {unit.node.name} if isinstance(unit.node, ast.ClassDef) and is_metaclass(unit.node) else set()


def is_abstract_registration(effect: str) -> bool:
    """True for ``Mapping.register`` and the like: done again for the same class it changes nothing."""
    return effect.endswith(".register") and effect.startswith(("collections.abc.", "numbers.", "os.PathLike.", "io."))


def is_output_only(effects: Iterable[str]) -> bool:
    """True when all effects print or log."""
    return all(name.rpartition(".")[2] in OUTPUT_CALLS for name in effects)
