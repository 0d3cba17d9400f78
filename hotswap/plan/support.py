"""What is evaluated only because evaluated statements need it: definitions and data that are other objects aside.

What is evaluated may not come across the functions, classes and objects of the program, which are as they were. So whatever
it calls, reads or comes across is evaluated as well where it holds something that changes; the results are dropped.
"""

from __future__ import annotations

from collections.abc import Collection

from hotswap.plan.dirt import Dirt
from hotswap.plan.facts import Facts
from hotswap.plan.graph import Symbol
from hotswap.plan.lookers import Lookers
from hotswap.plan.moved import own_lambdas
from hotswap.plan.objects import Objects
from hotswap.plan.recipes import Key, Recipes
from hotswap.plan.units import Unit, UnitKind


class Support:
    """Finds it for what the follower has found; used once."""

    def __init__(self, recipe: Recipes, dirt: Dirt, objects: Objects, lookers: Lookers, modules: list[str]) -> None:
        self.graph, self.recipe, self.dirt, self.objects, self.lookers = recipe.graph, recipe, dirt, objects, lookers
        self.facts = Facts(self.graph, dirt, objects.may_hold)
        self._order = {module: place for place, module in enumerate(modules)}
        self._variables: dict[Key, set[Symbol]] = {}
        self._holding: dict[Symbol, bool] = {}  # in this round
        self._reached: dict[Key, tuple[set[Symbol], set[Symbol], set[Symbol]]] = {}
        self._heads: set[Symbol] = set()  # functions and classes that have to be other objects aside

    def find(self) -> None:
        """Definitions that evaluated statements use and that must be there in their new version."""
        d = self.dirt
        before = -1
        while before != (before := len(d.support) + len(d.aside)):
            made, anew = self._made_by(d.support), self._made_by(d.evaluated())
            classes = self._classes_aside()
            self._holding.clear()
            self._heads = {(m, name.partition(".")[0]) for m, name in d.affected | d.classes | d.aside}
            wide = classes | d.affected
            reached, read, places, mets = self._read_by_evaluated()
            for symbol in reached:
                self._note_aside(symbol, made, anew)
                self._support(symbol)
            for symbol in read:
                if self.facts.is_one(symbol):
                    self._support(symbol)
                self._support_missing(symbol)
                self._support_read(symbol)
            for symbol in reached | read:
                self._support_table(symbol, classes, wide)
                self._support_instance(symbol, mets)
            for symbol, place in places.items():
                self._support_row(symbol, place)
            for module, index in d.evaluated():
                unit = self.graph.summaries[module].units[index]
                self._support_earlier(module, unit)
                for symbol in self.graph.mutated(module, unit):
                    if not self.graph.is_lasting(symbol):
                        d.support |= {key for key in self.recipe(symbol) if key not in d.changed and key not in d.derived}

    def _read_by_evaluated(self) -> tuple[set[Symbol], set[Symbol], dict[Symbol, tuple[int, int]], set[Symbol]]:
        """What evaluated statements call or come across, what they read themselves, where each of these is read first, and the
        variables that they come across in which something changed may be."""
        reached: set[Symbol] = set()
        read: set[Symbol] = set()
        mets: set[Symbol] = set()
        places: dict[Symbol, tuple[int, int]] = {}
        for key in sorted(self.dirt.evaluated(), key=self._place, reverse=True):
            module, unit = key[0], self.graph.summaries[key[0]].units[key[1]]
            if key not in self._reached:
                lambdas = {each for uses in own_lambdas(unit) for each in self.graph.uses_symbols(module, uses)}
                now = self.graph.uses_symbols(module, unit.analysis.now)
                self._reached[key] = self.graph.reach(self.graph.calls_of(module, unit)), now, lambdas
            called, now, lambdas = self._reached[key]
            met = self._met(module, unit)
            reached |= called | met
            read |= now
            mets |= met
            places |= dict.fromkeys(called | met | now | lambdas, self._place(key))
        return reached, read, places, mets

    def refuse(self) -> None:
        """What others are computed from may find the classes and modules of the program aside, in place of the new ones."""
        d = self.dirt
        for module, index in d.support:
            unit = self.graph.summaries[module].units[index]
            what = f"{module}.{unit.label}, from which others are computed,"
            if any(chain.endswith(".__subclasses__") for chain in unit.analysis.now.calls) and d.classes | d.affected:
                d.refused[module, index] = f"{what} asks for the subclasses of a class"
            elif (got := self.lookers.got_by_running(module, unit, of_itself=True)) is not None:
                d.refused[module, index] = f"{what} gets {got[0]}.{got[1]}, which changes, from a module that it gets by its name"

    def _met(self, module: str, unit: Unit) -> set[Symbol]:
        """The variables that an evaluated statement comes across, and in which something changed may be."""
        key = (module, unit.index)
        if key not in self._variables:
            self._variables[key] = self.objects.variables(module, unit) | self.objects.met.get(key, set())
        return set(filter(self._holds_other, self._variables[key]))

    def _holds_other(self, top: Symbol) -> bool:
        """True where a variable may hold a function, a class or an object that is another one aside."""
        if top not in self._holding:
            self._holding[top] = self._may_hold_other(top)
        return self._holding[top]

    def _may_hold_other(self, top: Symbol) -> bool:
        d, graph = self.dirt, self.graph
        objects, callables = graph.classes_in(top), graph.callables_in(top)
        if objects is None or callables is None:
            return True
        if not self._heads.isdisjoint(objects) or not self._heads.isdisjoint(callables):
            return True
        if any((owner, name.partition(".")[0]) in self._heads for owner, name in objects | callables):
            return True
        row = [(module, graph.summaries[module].units[index]) for module, index in self.recipe(top)]
        put = {symbol for module, unit in row for symbol in graph.uses_symbols(module, unit.analysis.now)}
        return not d.affected.isdisjoint(put) or not d.classes.isdisjoint(put) or not d.aside.isdisjoint(put)

    def _made_by(self, keys: Collection[Key]) -> set[Symbol]:
        """The data and classes that statements make, in copies that the program does not see."""
        units = [(module, self.graph.summaries[module].units[index]) for module, index in keys]
        kinds = (UnitKind.ASSIGN, UnitKind.BLOCK, UnitKind.CLASS)
        return {(module, name) for module, unit in units if unit.kind in kinds for name in unit.names}

    def _classes_aside(self) -> set[Symbol]:
        """The classes that are other objects aside than in the program."""
        units = ((module, self.graph.summaries[module].units[index]) for module, index in self.dirt.evaluated())
        return {(module, name) for module, unit in units if unit.kind is UnitKind.CLASS for name in unit.names}

    def _note_aside(self, symbol: Symbol, made: set[Symbol], anew: set[Symbol]) -> None:
        """A function that uses what is made as support, or binds what is made anew, over the live module would find, or
        leave, that of the program."""
        for module, uses in self.graph.functions(symbol) if anew and symbol not in self.dirt.aside else ():
            used = self.graph.uses_symbols(module, uses, uses.reads | uses.calls | uses.mutates | uses.writes)
            bound = self.graph.uses_symbols(module, uses, uses.writes)
            if not bound.isdisjoint(anew) or any(s in self.dirt.aside or (s[0], s[1].partition(".")[0]) in made for s in used):
                self.dirt.aside.add(symbol)

    def _support_row(self, symbol: Symbol, place: tuple[int, int]) -> None:
        """A name that is bound or filled by several statements is read as it was at the reader's line."""
        d = self.dirt
        top = (symbol[0], symbol[1].partition(".")[0])
        if top[0] not in self.graph.summaries:
            return
        kind, is_attribute = self.graph.kind_of(top), symbol != top
        is_filled = kind in ("data", "instance") or (kind == "class" and is_attribute)  # ``Base.registered``
        if not is_filled and len(self.graph.binders(top[0]).get(top[1], ())) < 2:
            return
        row = self.recipe(top)
        if len(row) > 1 and any(self._place(key) > place for key in row):
            d.support |= {key for key in row if key not in d.changed and key not in d.derived}

    def _support_table(self, symbol: Symbol, classes: set[Symbol], wide: set[Symbol]) -> None:
        """``SIGNALS = [Low, High]`` is read with the classes and functions that are there aside, not those of the program."""
        d = self.dirt
        top = (symbol[0], symbol[1].partition(".")[0])
        others = wide if self.objects.may_hold(top) else classes
        if not others or top[0] not in self.graph.summaries or self.graph.kind_of(top) not in ("data", "holder"):
            return
        row = self.recipe(top)
        units = [(module, self.graph.summaries[module].units[index]) for module, index in row]
        if any(not others.isdisjoint(self.graph.uses_symbols(module, unit.analysis.now)) for module, unit in units):
            d.support |= {key for key in row if key not in d.changed and key not in d.derived}

    def _support_earlier(self, module: str, unit: Unit) -> None:
        """``f = traced(f)`` is evaluated on what the statements before it bind to the name, not on what it is in the end."""
        d = self.dirt
        for name in {chain.partition(".")[0] for chain in unit.analysis.now.reads} & set(unit.names):
            for earlier in self.graph.binders(module)[name]:
                key = (module, earlier.index)
                if earlier.index < unit.index and key not in d.changed and key not in d.derived:
                    d.support.add(key)

    def _place(self, key: Key) -> tuple[int, int]:
        """When a statement is evaluated at the start: what is imported comes first."""
        return (self._order.get(key[0], 0), key[1])

    def _support_instance(self, symbol: Symbol, met: Collection[Symbol]) -> None:
        """``UNIT.area()`` is evaluated on an object of the new class, made by its own statement."""
        d = self.dirt
        top = (symbol[0], symbol[1].partition(".")[0])
        if top[0] not in self.graph.summaries or (kind := self.graph.kind_of(top)) not in ("data", "instance"):
            if top in met:
                self._support_holder(top)
            return
        cls = self.graph.type_of(top) if kind == "instance" else None
        if (cls is not None and cls in self._heads) or top in met:
            rows = (top, cls) if cls is not None else (top,)
            d.support |= {key for row in rows for key in self.recipe(row) if key not in d.changed and key not in d.derived}

    def _support_holder(self, top: Symbol) -> None:
        """``g = traced(f)``, or a class with ``f = staticmethod(other)``: what is called is held in it."""
        d = self.dirt
        units = [(top[0], unit) for unit in self.graph.binders(top[0]).get(top[1], ())]
        registers = any(self.graph.registers_opaquely(*each) for each in units)
        if registers or all(unit.kind is UnitKind.FUNCTION for _, unit in units):
            return
        d.support |= {key for key in self.recipe(top) if key not in d.changed and key not in d.derived}

    def _support_read(self, symbol: Symbol) -> None:
        """``K[int]``, ``len(K)`` and ``K.x`` run code of a class, or of its metaclass, and call nothing."""
        top = (symbol[0], symbol[1].partition(".")[0])
        if self.graph.kind_of(top) == "function" and self.objects.may_hold(top) and self._holds_other(top):
            self._support_holder(top)  # ``go = Robot().go``
        if top in self.objects.carriers:
            if self.graph.kind_of(top) == "class" and not self._heads.isdisjoint(self.graph.ancestors(top)):
                self.dirt.aside.add(top)
            self._support(top)

    def _support_missing(self, symbol: Symbol) -> None:
        """A helper that the module deletes at its end is there again while what it builds is evaluated."""
        d = self.dirt
        top = (symbol[0], symbol[1].partition(".")[0])
        if top[0] in self.graph.summaries and self.graph.kind_of(top) == "missing":
            for key in self.recipe(top):
                if key not in d.changed and key not in d.derived:
                    d.support.add(key)

    def _support(self, symbol: Symbol) -> None:
        d = self.dirt
        module, head = symbol[0], symbol[1].partition(".")[0]
        if module not in self.graph.summaries:
            return
        if (module, head) not in self._heads:
            return
        for unit in self.graph.binders(module).get(head, ()):
            key = (module, unit.index)
            if unit.kind in (UnitKind.FUNCTION, UnitKind.CLASS) and key not in d.changed and key not in d.derived:
                if unit.kind is UnitKind.FUNCTION and not unit.node.decorator_list:  # type: ignore[attr-defined]  # a function's node has one
                    continue  # plain functions are cloned into the staging namespace, which costs nothing
                if not self.graph.registers_opaquely(module, unit):
                    d.support.add(key)
                    d.support |= {k for k in self.recipe((module, head)) if k not in d.changed and k not in d.derived}
