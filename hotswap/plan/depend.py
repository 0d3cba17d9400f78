"""From what was edited to what has to be evaluated again: the follower of derived values.

    what changed                    who has to be evaluated again
    a value                         every statement that reads it while it is evaluated
    any code of a function          statements that call it and keep what it gives: data, class bodies, defaults
    what runs at decoration time    statements that call it as a decorator
    a class (body, bases)           statements that read its attributes, subclasses that are decorated or registered, or that
                                    their makers copy into: form fields, typed dicts
    a fact of a function            statements that read it: ``f.__doc__``, see :mod:`hotswap.plan.facts`
    a contribution to a registry    the whole recipe of the registry, aside, from its initialiser on

Functions and classes themselves keep their identity (jump, transplant), so a statement that only names them, as
``CALLBACKS = [f]`` does, is never evaluated again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from hotswap.plan.acts import STARTING_METHODS
from hotswap.plan.alone import cause_in_bases, member_in, spread_alone, stands_alone
from hotswap.plan.bindings import bound_names, dotted
from hotswap.plan.dirt import ANY, Dirt
from hotswap.plan.facts import Facts
from hotswap.plan.graph import Graph, Symbol
from hotswap.plan.lookers import Lookers
from hotswap.plan.makers import calls_own_maker, follow_into_class, shield, spread_members
from hotswap.plan.moved import own_lambdas
from hotswap.plan.mutations import note_mutations
from hotswap.plan.objects import Objects
from hotswap.plan.rebound import Hops
from hotswap.plan.recipes import Key, Recipes
from hotswap.plan.support import Support
from hotswap.plan.trees import class_statements
from hotswap.plan.units import Unit, UnitKind
from hotswap.plan.uses import Uses, decorated_functions


def _takes_apart(node: ast.stmt) -> bool:
    """True for ``LEFT, RIGHT = Side``, which binds names to what the class contains."""
    if not isinstance(node, ast.Assign) or isinstance(node.value, (ast.Tuple, ast.List)):
        return False
    return any(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets)


class Follower:
    """Spreads the dirt until nothing more is added."""

    def __init__(self, recipe: Recipes, dirt: Dirt, modules: list[str]) -> None:
        graph = recipe.graph
        self.graph = graph
        self.dirt = dirt
        self.modules = modules
        self._reads: dict[Key, set[Symbol]] = {}
        self._hops = Hops(graph)
        self.recipe = recipe
        self.objects = Objects(graph, modules, self.recipe)
        self.lookers = Lookers(graph, dirt, modules)
        self.facts = Facts(graph, dirt, self.objects.may_hold)
        self._renamed: dict[str, set[str]] | None = None
        # Classes of which some method behaves differently, with the methods.
        self._affected_of: dict[Symbol, list[str]] = {}
        self._shallow_of: dict[Symbol, list[str]] = {}

    def follow(self) -> None:
        """Run to the fixed point; each round is linear in the units of the modules concerned."""
        before = -1
        while before != (before := self._size()):
            for _ in range(2):  # decorators are followed by the members of their classes, which are found by following functions
                self._affected_of, self._shallow_of = _by_owner(self.dirt.affected), _by_owner(self.dirt.shallow)
                self._spread_functions()
            self._affected_of, self._shallow_of = _by_owner(self.dirt.affected), _by_owner(self.dirt.shallow)
            self.objects.spread({*self.dirt.affected, *self.dirt.values, *self._members_of_classes(), *self._of_other_bases()})
            for module in self.modules:
                for unit in self.graph.summaries[module].units:
                    if unit.is_inert:  # it depends on nothing, but others may depend on it
                        if (module, unit.index) in self.dirt.changed or (module, unit.index) in self.dirt.derived:
                            self._spread(module, unit)
                        continue
                    self._inherit_affected(module, unit)
                    self._follow_registered(module, unit)
                    if unit.kind is not UnitKind.GUARD:
                        self._follow_unit(module, unit)
            self._follow_recipes()
        self.lookers.refuse()
        support = Support(self.recipe, self.dirt, self.objects, self.lookers, self.modules)
        support.find()
        support.refuse()
        shield(self.graph, self.dirt)

    def _members_of_classes(self) -> set[Symbol]:
        """What the statements of changed classes bind in them."""
        return {
            (module, f"{name}.{member}")
            for module, name in self.dirt.classes
            for unit in self.graph.binders(module).get(name, ())
            if isinstance(unit.node, ast.ClassDef)
            for member in bound_names(unit.node.body)
        }

    def _of_other_bases(self) -> set[Symbol]:
        """The facts of classes, which their objects have as well."""
        return {(module, f"{name}.{ANY}") for module, name in self.dirt.classes & self.dirt.facts.keys()}

    def _size(self) -> int:
        d = self.dirt
        marks = (d.values, d.classes, d.alone, d.affected, d.shallow, d.added, d.rebound)
        return sum(map(len, d.facts.values())) + sum(map(len, (d.changed, d.derived, d.kept, d.skipped, *marks)))

    def _spread_functions(self) -> None:
        """Mark all functions that behave differently by what is dirty now: their texts name it, or a function that does."""
        d = self.dirt
        marks = (d.values, d.classes, d.alone, d.affected, d.shallow, d.rebound)
        pending = {part for symbols in marks for _, name in symbols for part in name.split(".")}
        while pending:
            words = {word for name in pending for word in self._words_for(name)}
            pending = set()
            for module, unit in self.objects.mentioning(words):
                before = len(d.affected) + len(d.shallow)
                self._follow_functions(module, unit)
                self._follow_decorators(module, unit)
                if len(d.affected) + len(d.shallow) > before:
                    pending |= {part for qualname in unit.function_names for part in qualname.split(".")}
            if not pending:
                pending = self._follow_lookers()

    def _follow_lookers(self) -> set[str]:
        """Functions that look into modules as a whole, or get them by name, do not say what they use of them."""
        d = self.dirt
        found: set[str] = set()
        for module, unit in self.lookers.functions:
            before = len(d.affected) + len(d.shallow)
            self._follow_functions(module, unit)
            if len(d.affected) + len(d.shallow) > before:
                found |= {part for qualname in unit.function_names for part in qualname.split(".")}
        return found

    def _words_for(self, name: str) -> set[str]:
        """By which a text can name something: its own name, or one that an import gives it."""
        if self._renamed is None:
            self._renamed = {}
            for module in self.modules:
                for binding in (binding for unit in self.graph.summaries[module].units for binding in unit.imports):
                    if binding.attr is not None and binding.attr != binding.local:
                        self._renamed.setdefault(binding.attr, set()).add(binding.local)
        words, pending = {name}, [name]
        while pending:
            new = self._renamed.get(pending.pop(), set()) - words
            words |= new
            pending += new
        return words

    # ---- functions that behave differently ----

    def _follow_functions(self, module: str, unit: Unit) -> None:
        names = unit.function_names
        if all((module, name) in self.dirt.affected and (module, name) in self.dirt.shallow for name in names):
            return
        for table, marked in ((unit.analysis.functions, self.dirt.affected), (unit.analysis.shallow, self.dirt.shallow)):
            for qualname, uses in table.items():
                if (module, qualname) not in marked and (
                    self._touches(module, uses, marked) or self._reads_rebound(module, uses) is not None
                ):
                    marked.add((module, qualname))

    def _follow_decorators(self, module: str, unit: Unit) -> None:
        """What a decorator that behaves differently has made does so when it is called, also in a function of its own."""
        for qualname, node in decorated_functions(unit.node):
            chains = {dotted(item.func if isinstance(item, ast.Call) else item) for item in node.decorator_list} - {None}
            symbols = self.graph.uses_symbols(module, unit.analysis.now, filter(None, chains))
            # A class as a decorator makes an object, whose methods are what is called.
            if not symbols.isdisjoint(self.dirt.affected) or not symbols.isdisjoint(self._affected_of):
                self.dirt.affected.add((module, qualname))
                self.dirt.shallow.add((module, qualname))

    def _inherit_affected(self, module: str, unit: Unit) -> None:
        """A class behaves differently where its base does."""
        if unit.kind is not UnitKind.CLASS:
            return
        for chain in unit.analysis.now.calls:
            base = self.graph.resolve(module, chain.removesuffix(".__init_subclass__")) if "." in chain else None
            if base is None:
                continue
            for marked, members in ((self.dirt.affected, self._affected_of), (self.dirt.shallow, self._shallow_of)):
                inherited = [f"{unit.names[0]}{name[len(base[1]) :]}" for name in members.get(base, ())]
                new = [name for name in inherited if (module, name) not in marked]
                if new:
                    marked |= {(module, name) for name in new}
                    members.setdefault((module, unit.names[0]), []).extend(new)

    def _touches(self, module: str, uses: Uses, marked: set[Symbol]) -> bool:
        later = self.graph.called_later(module, uses) if uses.later else set()  # these are led on, as all functions are
        used = self.graph.uses_symbols(module, uses)
        return self.facts.read_by(module, uses, used) is not None or any(
            (symbol[0], symbol[1].partition(".")[0]) in self.dirt.values
            or (symbol in marked and symbol not in later)
            or (symbol[0], symbol[1].partition(".")[0]) in self.dirt.classes
            or member_in(self.graph, self.dirt, symbol) is not None
            for symbol in used
        ) or self.lookers.look_into(module, uses)

    def _reads_rebound(self, module: str, uses: Uses) -> Symbol | None:
        """A name on the way to something that is read which means another object now."""
        if not self.dirt.rebound:
            return None
        return min(self._hops.of(module, uses.reads | uses.calls) & self.dirt.rebound, default=None)

    def _follow_registered(self, module: str, unit: Unit) -> None:
        """A generic function behaves as the implementations do that are registered with it (``@show.register``)."""
        if unit.kind is UnitKind.FUNCTION and (module, unit.names[0]) in self.dirt.affected:
            for symbol in self.graph.mutated(module, unit):
                if self.graph.kind_of(symbol) == "function":
                    self.dirt.affected.add(symbol)
                    self.dirt.shallow.add(symbol)

    # ---- statements ----

    def _follow_unit(self, module: str, unit: Unit) -> None:
        key = (module, unit.index)
        d = self.dirt
        if key in d.changed or key in d.derived:
            self._spread(module, unit)
        elif key not in d.kept and key not in d.skipped and (cause := self._cause(module, unit)) is not None:
            self._decide(module, unit, cause)

    def _cause(self, module: str, unit: Unit) -> Symbol | None:
        """The changed symbol that makes an unchanged statement give something else, if any."""
        key = (module, unit.index)
        d = self.dirt
        now = unit.analysis.now
        if key not in self._reads:
            self._reads[key] = self._reads_of(module, unit)
        if (maker := calls_own_maker(self.graph, d, module, unit)) is not None:
            return maker
        if (whole := self._cause_by_namespace(module, unit)) is not None:
            return whole
        if (base := cause_in_bases(self.graph, d, module, unit)) is not None:
            return base
        if key in d.lambdas:
            return (module, "<lambda>")
        if (other := self._reads_rebound(module, now) or self._imports_rebound(unit)) is not None:
            return other
        for binding in unit.imports if unit.kind is UnitKind.BLOCK else ():  # ``try: from core import extra``
            if (binding.module, binding.attr) in d.added:
                return (binding.module, binding.attr or "")
        for binding in unit.imports:
            for symbol in (*d.added, *d.values) if binding.attr == "*" else ():
                if symbol[0] == binding.module:
                    return symbol
        for symbol in self._reads[key]:
            top = (symbol[0], symbol[1].partition(".")[0])
            if (top[0], "__getattr__") in d.affected and top[0] != module and top[1] not in self.graph.binders(top[0]):
                return (top[0], "__getattr__")
            if top in d.values and top != (module, unit.names[0] if unit.names else ""):
                return top
            if symbol in d.values:
                return symbol
            if (changed := member_in(self.graph, d, symbol)) is not None:
                return changed
            if top in d.classes and (symbol != top or self._copies_class(module, unit, top)):
                return top
        if (fact := self.facts.read_by(module, now, self._reads[key])) is not None:
            return fact
        if (member := self.objects.cause(module, unit, self._reads[key])) is not None:
            return member
        if not now.calls and not now.calls_unknown:
            return None
        if unit.kind is UnitKind.EFFECT and (started := self._started(module, unit)) is not None:
            return started
        if unit.kind is UnitKind.FUNCTION and (module, unit.names[0]) in d.affected and self._is_inspected(module, unit):
            return (module, unit.names[0])
        if now.kept is not None and now.kept.calls_unknown:  # ``check = staticmethod(check); ok = check(2)`` in a class
            for symbol in self.graph.uses_symbols(module, now.kept):
                if symbol in d.affected:
                    return symbol
        called = self._called(module, unit, now.calls)
        plain = self._keeps_data(module, unit)
        kept = called if plain else self._called(module, unit, now.computes)
        is_definition = unit.kind in (UnitKind.FUNCTION, UnitKind.CLASS)  # a class as a decorator makes an object, too
        if not plain and (is_definition or self._keeps_instance(module, unit)):
            for symbol in called:
                if symbol in d.classes or any(
                    (symbol[0], f"{symbol[1]}.{m}") in d.affected for m in ("__init__", "__new__", "__post_init__")
                ):
                    return symbol
        for symbol in called:
            if symbol in d.shallow:
                return symbol
        for symbol in kept:
            if symbol in d.classes or symbol in d.affected or symbol in self._affected_of:
                return symbol
        if plain and (now.calls_unknown or any(self.graph.may_call_arguments(module, chain) for chain in now.calls)):
            for symbol in self._reads[key]:
                if symbol in d.affected or symbol in d.classes:
                    return symbol
            for name in unit.names:
                if (
                    unit.kind is UnitKind.FUNCTION
                    and (module, name) in d.affected
                    and self.graph.kind_of((module, name)) in ("data", "shared")
                ):
                    return (module, name)
        return None

    def _started(self, module: str, unit: Unit) -> Symbol | None:
        """What changed of a thread or the like that the statement starts: ``t.start()``."""
        for chain in unit.analysis.now.calls:
            owner, _, method = chain.rpartition(".")
            symbol = self.graph.resolve(module, owner) if owner and method in STARTING_METHODS else None
            for home, index in self.recipe(symbol) if symbol is not None else ():
                maker = self.graph.summaries[home].units[index]
                if maker.kind is UnitKind.ASSIGN:
                    used = self.graph.uses_symbols(home, maker.analysis.now) | {(home, name) for name in maker.function_names}
                    if changed := used & self.dirt.affected:
                        return min(changed)
        return None

    def _imports_rebound(self, unit: Unit) -> Symbol | None:
        rebound = self.dirt.rebound
        for binding in unit.imports if rebound else ():
            if (binding.module, binding.attr) in rebound:
                return (binding.module, binding.attr or "")
            if binding.attr == "*" and (found := min((s for s in rebound if s[0] == binding.module), default=None)) is not None:
                return found
        return None

    def _called(self, module: str, unit: Unit, chains: set[str]) -> set[Symbol]:
        called = self.graph.uses_symbols(module, unit.analysis.now, chains)
        return called | {member for symbol in called if (member := self.graph.member_of(symbol)) is not None}

    def _cause_by_namespace(self, module: str, unit: Unit) -> Symbol | None:
        """For statements that read a namespace as a whole, or the subclasses of a class."""
        d = self.dirt
        if self.graph.looks_around(module, unit):
            for symbol in (*d.values, *d.added):
                if symbol[0] == module and symbol[1] not in unit.names:
                    return symbol
        if not unit.analysis.now.calls.isdisjoint(("eval", "exec")) and self._keeps_data(module, unit):
            texts = list(self._texts(module, unit))
            for symbol in (*d.values, *d.added, *d.affected):
                if any(self._says(module, text, symbol) for text in texts):
                    return symbol
        for target in self.graph.whole_modules(module, unit):
            called: set[Symbol] = d.affected if self._keeps_data(module, unit) and self._calls_unknown(module, unit) else set()
            for symbol in (*d.values, *d.added, *called):
                if symbol[0] == target:
                    return symbol
        is_kept = unit.kind is UnitKind.EFFECT or self._keeps_data(module, unit)
        if is_kept and (found := self.lookers.got_by_running(module, unit)) is not None:
            return found
        for chain in unit.analysis.now.calls:
            if chain.endswith(".__subclasses__") and d.classes:
                return min(d.classes, key=lambda symbol: (not self._is_edited(symbol), symbol))
        return None

    def _says(self, module: str, text: Unit, symbol: Symbol) -> bool:
        """True where something stands in a text that may mean a symbol, by any of its names."""
        head = symbol[1].partition(".")[0]
        for word in self._words_for(head).difference(text.names):
            owner, name = self.graph.resolve(module, word) or (module, word)
            if (owner, name.partition(".")[0]) == (symbol[0], head) and text.mentions(frozenset({word.encode()})):
                return True
        return False

    def _texts(self, module: str, unit: Unit) -> Iterator[Unit]:
        """Where the text stands that ``eval`` runs: in the statement, or in what it reads of it, ``eval(RULES["price"])``."""
        yield unit
        for symbol in self.graph.uses_symbols(module, unit.analysis.now, unit.analysis.now.reads):
            yield from (self.graph.summaries[owner].units[index] for owner, index in self.recipe(symbol))

    def _is_edited(self, symbol: Symbol) -> bool:
        return any((symbol[0], unit.index) in self.dirt.changed for unit in self.graph.binders(symbol[0]).get(symbol[1], ()))

    def _calls_unknown(self, module: str, unit: Unit) -> bool:
        """True where the statement, or a function that it calls, calls what it has from elsewhere."""
        now = unit.analysis.now
        called = self.graph.uses_symbols(module, now, now.calls)
        return now.calls_unknown or any(uses.calls_unknown for symbol in called for _, uses in self.graph.functions(symbol))

    def _reads_of(self, module: str, unit: Unit) -> set[Symbol]:
        now = unit.analysis.now
        found = self.graph.uses_symbols(module, now, now.reads)
        if (now.calls or now.calls_unknown) and self._keeps_data(module, unit):  # a lambda that may be called at once
            found |= {symbol for uses in own_lambdas(unit) for symbol in self.graph.uses_symbols(module, uses, uses.reads)}
        for binding in unit.imports:
            if binding.attr and binding.attr != "*":
                found.add((binding.module, binding.attr))
                if (symbol := self.graph.resolve(binding.module, binding.attr)) is not None:
                    found.add(symbol)
            elif binding.attr == "*" and binding.module in self.graph.summaries:
                found |= {(binding.module, name) for name in self.graph.binders(binding.module)}
                found |= {s for s in self.dirt.values if s[0] == binding.module}
        return found

    def _keeps_data(self, module: str, unit: Unit) -> bool:
        """True when the statement keeps plain data, so what it called may have gone into it."""
        return any(
            self.graph.kind_of((module, name)) in ("data", "shared") and self.graph.type_of((module, name)) is None
            for name in unit.names
        )

    def _is_inspected(self, module: str, unit: Unit) -> bool:
        """True where a decorator calls the function at once, or keeps something of it."""
        decorators = set(unit.analysis.now.calls)
        return any(
            uses.inspects_parameter
            for symbol in self.graph.uses_symbols(module, unit.analysis.now, decorators)
            for _, uses in self.graph.functions(symbol)
        )

    def _keeps_instance(self, module: str, unit: Unit) -> bool:
        """True for ``DEFAULT = Server()``: an object whose state can be compared, made without effects elsewhere."""
        return (
            unit.kind is UnitKind.ASSIGN
            and any(self._is_instance((module, name)) for name in unit.names)
            and not self.graph.foreign_effects(module, unit)
        )

    def _is_instance(self, symbol: Symbol) -> bool:
        """True for an object of a class of the program, be that a tuple or a dict besides."""
        kind = self.graph.kind_of(symbol)
        return kind == "instance" or (kind == "data" and self.graph.type_of(symbol) is not None)

    def _copies_class(self, module: str, unit: Unit, base: Symbol) -> bool:
        """True for a class made from ``base`` in a way that copies from it: a decorator, a metaclass, a registry."""
        if unit.kind is UnitKind.IMPORT:
            return False
        for name, node in class_statements(unit.node):
            if node.decorator_list or node.keywords or self.graph.copies_bases((module, name)):
                return True
        if unit.kind is UnitKind.CLASS and unit.analysis.now.calls and stands_alone(self.graph, module, unit):
            return True  # ``Manager.from_queryset(Loaves)()``
        if unit.kind is UnitKind.CLASS:
            return self._has_own_maker(base)
        if _takes_apart(unit.node):
            return True
        if unit.kind is not UnitKind.ASSIGN or not unit.analysis.now.calls:
            return False
        return self._keeps_data(module, unit) or any(self._is_made_class((module, name), base) for name in unit.names)

    def _has_own_maker(self, base: Symbol) -> bool:
        """True for a class with a metaclass or an ``__init_subclass__`` of the program."""
        return any(
            isinstance(binder.node, ast.ClassDef)
            and (binder.node.keywords or f"{name}.__init_subclass__" in binder.analysis.functions)
            for owner, name in self.graph.ancestors(base)
            for binder in self.graph.binders(owner).get(name, ())
        )

    def _is_made_class(self, symbol: Symbol, base: Symbol) -> bool:
        """True for a class that a call has made, ``modelform_factory(Item, form=Base)``, and may make again."""
        if self.graph.kind_of(symbol) != "class" or self.graph.builder_of(symbol):
            return False
        return self.graph.copies_bases(symbol) or self._has_own_maker(base)

    def _decide(self, module: str, unit: Unit, cause: Symbol) -> None:
        """Evaluate again, or keep and name: see the table at the top."""
        key = (module, unit.index)
        if follow_into_class(self.graph, self.dirt, module, unit, cause):
            return
        kinds = {self.graph.kind_of((module, name)) for name in unit.names}
        if any(chain.endswith(".__subclasses__") for chain in unit.analysis.now.calls):
            self.dirt.kept[key] = cause  # staged classes would be among the subclasses
        elif self.lookers.got_by_running(module, unit) is not None:  # it would get the live module, which is not as it will be
            (self.dirt.skipped if unit.kind is UnitKind.EFFECT else self.dirt.kept)[key] = cause
        elif unit.kind is UnitKind.EFFECT or (unit.kind is UnitKind.BLOCK and self.graph.foreign_effects(module, unit)):
            if self._is_contribution(module, unit):
                self.dirt.derived[key] = cause
            else:
                self.dirt.skipped[key] = cause
        elif (unit.kind is UnitKind.ASSIGN and "opaque" in kinds) or self._registers(module, unit):
            self.dirt.kept[key] = cause
        elif unit.kind is not UnitKind.DOCSTRING:
            self.dirt.derived[key] = cause

    def _registers(self, module: str, unit: Unit) -> bool:
        """True for a definition that gives something to an object, or to somebody outside, who would have it twice."""
        if unit.kind not in (UnitKind.FUNCTION, UnitKind.ASSIGN, UnitKind.CLASS):
            return False
        opaquely = unit.kind is not UnitKind.CLASS and self.graph.registers_opaquely(module, unit)
        return opaquely or bool(self.graph.registrations(module, unit))

    def _is_contribution(self, module: str, unit: Unit) -> bool:
        """True for a statement whose whole effect lands in managed data, so it can be evaluated aside."""
        mutated = self.graph.mutated(module, unit)
        return (
            bool(mutated)
            and not any(map(self.graph.is_lasting, mutated))
            and not self.graph.foreign_effects(module, unit)
        )

    def _spread(self, module: str, unit: Unit) -> None:
        """A unit that is evaluated again changes the names that it binds and the data that it contributes to."""
        d = self.dirt
        if (edit := d.reduced.get((module, unit.index))) is not None:
            spread_members(self.graph, d, module, unit, edit)
            return
        for name in unit.names:
            symbol = (module, name)
            kind = self.graph.kind_of(symbol)
            if stands_alone(self.graph, module, unit):
                spread_alone(d, module, unit)
            elif unit.kind is UnitKind.CLASS or kind == "class":
                d.classes.add(symbol)
                d.affected |= {(module, q) for q in unit.analysis.functions}
            elif (unit.kind is UnitKind.FUNCTION and kind in ("function", "missing")) or (
                unit.kind is UnitKind.IMPORT and kind in ("function", "class", "module")
            ):
                d.affected.add(symbol)
                d.shallow.add(symbol)
                if unit.kind is UnitKind.FUNCTION:
                    d.note_fact(symbol, ANY)
            else:
                d.values.add(symbol)
        for binding in unit.imports:
            if (binding.module, binding.attr) in d.rebound:
                d.rebound.add((module, binding.local))
            if unit.kind is UnitKind.BLOCK and (binding.module, binding.attr) in d.added:  # another branch is taken now
                d.rebound |= {(module, name) for name in unit.names}
            if binding.attr == "*":  # what a star import gains, those who import it from here gain too
                d.added |= {(module, name) for owner, name in d.added if owner == binding.module}
                d.values |= {(module, name) for owner, name in d.values if owner == binding.module}
        for symbol in self.graph.mutated(module, unit):
            if self.graph.kind_of(symbol) in ("data", "instance", "missing"):
                d.values.add(symbol)
            elif self.graph.kind_of(symbol) in ("function", "class"):
                d.classes.add(symbol)  # its attributes change

    def _follow_recipes(self) -> None:
        """Where a contribution changed, all of the recipe is evaluated, aside and from its initialiser on."""
        d = self.dirt
        evaluated = d.changed | set(d.derived)
        touched: set[Symbol] = set()
        for module, index in evaluated:
            unit = self.graph.summaries[module].units[index]
            touched |= self.graph.mutated(module, unit)
            if unit.kind in (UnitKind.FUNCTION, UnitKind.CLASS):  # made anew without what other statements set on it
                touched |= {(module, name) for name in unit.names}
        for symbol in touched:
            if self.graph.is_lasting(symbol):
                continue
            for key in self.recipe(symbol):
                if key not in evaluated:
                    d.skipped.pop(key, None)
                    d.derived.setdefault(key, symbol)
        for module in self.modules:  # a name bound by several statements is evaluated as a row
            for name, units in self.graph.binders(module).items():
                row = units if len(units) > 1 and any(unit.may_delete(name) for unit in units) else [
                    unit for unit in units if unit.kind in (UnitKind.ASSIGN, UnitKind.BLOCK, UnitKind.EFFECT)
                ]  # fmt: skip
                keys = {(module, unit.index) for unit in row}
                if len(keys) > 1 and keys & evaluated:
                    for key in keys - evaluated:
                        d.derived.setdefault(key, (module, name))


def _by_owner(marked: set[Symbol]) -> dict[Symbol, list[str]]:
    """The names below each dotted name: ``A.B.f`` stands below ``A`` and below ``A.B``."""
    found: dict[Symbol, list[str]] = {}
    for module, name in marked:
        parts = name.split(".")
        for end in range(1, len(parts)):
            found.setdefault((module, ".".join(parts[:end])), []).append(name)
    return found


def changed_recipes(before: Recipes, after: Recipes, edited: Iterable[str]) -> set[Symbol]:
    """Symbols to which edited modules contribute otherwise than before: other statements, or another order."""
    symbols: set[Symbol] = set()
    for graph in (before.graph, after.graph):
        for module in edited:
            if module in graph.summaries:
                for unit in graph.summaries[module].units:
                    if unit.kind is not UnitKind.GUARD:
                        symbols |= graph.mutated(module, unit)
    for module in edited:  # who calls these functions to fill something may stand in modules that were not edited
        old, new = _fillings(before.graph, module), _fillings(after.graph, module)
        for graph, mine, theirs in ((before.graph, old, new), (after.graph, new, old)):
            for name, chains in mine.items():
                note_mutations(graph, module, chains if chains != theirs.get(name) else (), symbols)
    return {s for s in symbols if _row(before.graph, before(s)) != _row(after.graph, after(s))}


def _fillings(graph: Graph, module: str) -> dict[str, set[str]]:
    """What the functions of a module fill, by their names."""
    units = graph.summaries[module].units if module in graph.summaries else ()
    functions = ((name, uses) for unit in units for name, uses in unit.analysis.functions.items())
    return {name: found for name, uses in functions if (found := uses.mutates | uses.writes)}


def _row(graph: Graph, keys: list[Key]) -> list[tuple[str, str]]:
    return [(module, graph.summaries[module].units[index].skeleton) for module, index in keys]
