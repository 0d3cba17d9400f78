"""Build the plan: the edited texts compared, the dependents followed, each statement given its action."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

import attrs

from hotswap.model import Edit, EditKind, Finding, ModulePlan, Plan, Severity, Verdict
from hotswap.plan.alone import note_members
from hotswap.plan.bindings import dotted, resolve_relative
from hotswap.plan.branches import asked_for, tries_import
from hotswap.plan.depend import Follower, changed_recipes
from hotswap.plan.diff import UnitDiff, diff_units, find_successor
from hotswap.plan.dirt import ANY, STAR, Dirt, by_module
from hotswap.plan.facts import find_facts
from hotswap.plan.graph import Graph, Symbol, is_abstract_registration, is_output_only
from hotswap.plan.lambdas import uses_changed_lambda
from hotswap.plan.loading import added_by, find_gaps
from hotswap.plan.makers import maker_of, reduce_changed
from hotswap.plan.members import find_alike
from hotswap.plan.memos import StaleMemo, find_memos, is_only_memo
from hotswap.plan.moved import find_moved
from hotswap.plan.outside import effects_of, filled_later, running, sets_only
from hotswap.plan.pairing import Pairing, find_roles, pair_codes
from hotswap.plan.rebound import find_derived, find_rebound
from hotswap.plan.recipes import Key, Recipes
from hotswap.plan.renames import declared_renames, renames_in
from hotswap.plan.source import Source
from hotswap.plan.units import Summary, Unit, UnitKind, is_held_back
from hotswap.plan.users import find_users

#: A text that no statement can be without which asks for a module by its name.
_ASKS = re.compile(rb"find_spec|import_module|__import__")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@attrs.frozen(kw_only=True, eq=False)
class EditedModule:
    """A loaded module whose file has a new text."""

    module: str
    file: str
    is_package: bool
    old: Source
    new: Source
    old_summary: Summary


@attrs.frozen(kw_only=True, eq=False)
class Draft:
    """The plan with what the link stage needs to carry it out; still without any live object.

    Attributes:
        plan: the value for people, journals and tests.
        order: modules in the order of evaluation.
        dirt: what to evaluate and why.
        after: statements that are run after the commit, because their effect leaves managed data.
        graph: the new texts with their names resolved.
        pairings: code objects, by module.
        diffs: by module.
        gone: modules whose file was deleted and that nobody imports any more.
        arrived: modules whose file has come, and that a text tries to import.
        universe: all modules that take part, in the order of a start; ``order`` has those of which something is evaluated.
        renames: classes that are said to be the same under another name or in another module.
        hooks: new modules with migrations, to be imported aside.
        filled_later: evaluated names that threads and the like fill, so that what they were when their module had been loaded
            may be more than their statements made.
        memos: tables in which the program keeps results of what gives others now.
    """

    plan: Plan
    order: tuple[str, ...]
    dirt: Dirt
    after: tuple[Key, ...]
    graph: Graph
    pairings: Mapping[str, Pairing]
    diffs: Mapping[str, UnitDiff]
    summaries: Mapping[str, Summary]
    edited: Mapping[str, EditedModule]
    gone: tuple[str, ...] = ()
    arrived: frozenset[str] = frozenset()
    universe: tuple[str, ...] = ()
    renames: Mapping[Symbol, Symbol] = MappingProxyType({})
    hooks: tuple[str, ...] = ()
    filled_later: frozenset[Symbol] = frozenset()
    memos: tuple[StaleMemo, ...] = ()

    @property
    def needs_staging(self) -> bool:
        """False where nothing but function bodies and lines changed."""
        return bool(self.hooks) or self.dirt.needs_staging()

    @property
    def changes_text(self) -> bool:
        """False where no byte of a file differs."""
        return any(item.old.data != item.new.data for item in self.edited.values())


#: What a graph asks about the live program, under its names there.
_ASKED_BY_GRAPHS = (
    *("kind_of", "type_of", "module_of", "builder_of", "builder_of_bases", "classes_in", "callables_in", "kind_of_object"),
    *("stands_alone", "is_keeper", "copies_bases"),
)


@attrs.frozen(kw_only=True, eq=False)
class Surroundings:
    """What the plan stage may ask about the rest of the program, all in plain words.

    Attributes:
        importers: the managed modules whose text names a module in an import.
        summary: the summary of a managed module's loaded text.
        kind_of, type_of, module_of, builder_of, builder_of_bases, classes_in, callables_in, kind_of_object, stands_alone,
            is_keeper, copies_bases: see :class:`hotswap.plan.graph.Graph`.
        file_of: a module's source file.
        is_loaded: whether a module of that name, managed or not, has been imported.
        begun: modules, counted in the order in which their loading began, where that is known.
        has_arrived: whether a module that is not loaded has a file that is newer than the process.
        coming: the summary of a module that is not loaded and would be managed; None for any other.
        is_package: whether a managed module is one.
        contributors: the modules that have changed what a symbol is bound to while they were imported.
        executing: modules whose top level has not ended, with the index of the executing unit in the loaded text.
    """

    importers: Callable[[str], Iterable[str]]
    summary: Callable[[str], Summary]
    kind_of: Callable[[Symbol], str]
    type_of: Callable[[Symbol], Symbol | None]
    module_of: Callable[[Symbol], str | None]
    file_of: Callable[[str], str]
    place_of: Callable[[str], int] = lambda name: 0
    builder_of: Callable[[Symbol], str] = lambda symbol: ""
    builder_of_bases: Callable[[Symbol], str] = lambda symbol: ""
    copies_bases: Callable[[Symbol], bool] = lambda symbol: False
    classes_in: Callable[[Symbol], frozenset[Symbol] | None] = lambda symbol: None
    callables_in: Callable[[Symbol], frozenset[Symbol] | None] = lambda symbol: frozenset()
    kind_of_object: Callable[[Symbol], type | None] = lambda symbol: None
    stands_alone: Callable[[Symbol], bool] = lambda symbol: False
    is_keeper: Callable[[Symbol], bool] = lambda symbol: False
    contributors: Callable[[Symbol], Iterable[str]] = lambda symbol: ()
    is_loaded: Callable[[str], bool] = lambda name: True
    begun: Mapping[str, int] = MappingProxyType({})
    has_arrived: Callable[[str], bool] = lambda name: False
    coming: Callable[[str], Summary | None] = lambda name: None
    is_package: Callable[[str], bool] = lambda name: False
    executing: Mapping[str, int] = MappingProxyType({})


def build_plan(
    edited: Iterable[EditedModule], around: Surroundings, new_summaries: Mapping[str, Summary], gone: Iterable[str] = (),
    hooks: Mapping[str, Summary] = MappingProxyType({}),
) -> Draft:  # fmt: skip
    """Compare, follow and decide; executes nothing.

    Args:
        edited: the loaded modules with a new text.
        around: the rest of the program.
        new_summaries: the new texts of the edited modules, split into units.
        gone: loaded modules whose file was deleted.
        hooks: new modules with migrations.
    """
    return _Builder({item.module: item for item in edited}, around, new_summaries, tuple(gone), hooks).build()


def _pair(item: EditedModule, diff: UnitDiff) -> Pairing:
    classes = {old.names[0] for old, _ in diff.pairs if old.kind is UnitKind.CLASS}
    renames = {old: new for old, new in diff.renamed.items() if old in classes}
    roles = (find_roles(item.old.tree, item.old.code), find_roles(item.new.tree, item.new.code))
    return pair_codes(item.old.code, item.new.code, *roles, renames)


class _Builder:
    def __init__(
        self, edited: dict[str, EditedModule], around: Surroundings, new_summaries: Mapping[str, Summary], gone: tuple[str, ...],
        hooks: Mapping[str, Summary],
    ) -> None:  # fmt: skip
        self.hooks = tuple(hooks)
        self.gone = gone
        self.edited = edited
        self.around = around
        self.new = new_summaries
        self.renames = {old: new for old, new in declared_renames({**new_summaries, **hooks}).items() if not self._is_class(old)}
        self.diffs = {
            name: diff_units(item.old_summary, self.new[name], renames_in(self.renames, name)) for name, item in edited.items()
        }
        self.pairings = {name: _pair(item, self.diffs[name]) for name, item in edited.items()}
        self.findings: list[Finding] = []
        self.after: list[Key] = []
        self.arrived: set[str] = set()
        self.coming = self._find_coming()
        self.misplaced: set[Key] = set()  # definitions that a registry, which cannot be made anew, has in their old order
        self.restart = False

    def _is_class(self, symbol: Symbol) -> bool:
        """True for a class of the new texts."""
        summary = self._summary(symbol[0]) if symbol[0] in self.new or self.around.file_of(symbol[0]) else None
        return summary is not None and any(u.kind is UnitKind.CLASS for u in summary.binders().get(symbol[1], ()))

    def build(self) -> Draft:
        modules = self._universe([*self.edited, *self._triers()])
        while True:
            self._make_graphs(modules)
            self._note_moved()
            dirt = self._follow(modules)
            others = (self._registries(dirt), self._old_registries(), self._contributors(dirt), {s[0] for s in self._added()})
            wider = self._universe([*modules, *set().union(*others)])
            if set(wider) == set(modules):
                break
            modules = wider
        self._judge(dirt)
        return self._draft(modules, dirt)

    # ---- which modules take part ----

    def _universe(self, start: Iterable[str]) -> list[str]:
        """These modules and all that import them, imported ones first."""
        seen: set[str] = set()
        asked: set[str] = set()
        pending = list(start)
        while pending:
            module = pending.pop()
            if module not in seen:
                seen.add(module)
                for name in _names_in_imports(module) - asked:
                    asked.add(name)
                    pending += self.around.importers(name)
        return import_order(seen, self._summary, self.around.place_of)

    def _importers(self, name: str) -> set[str]:
        return {user for written in _names_in_imports(name) for user in self.around.importers(written)}

    def _triers(self) -> set[str]:
        """Modules that go on without one whose file is gone."""
        return {user for name in self.gone for user in self._importers(name) - set(self.gone) if self._tries(user, name)}

    def _tries(self, module: str, *names: str) -> list[Unit]:
        """The statements of a module that import one of these modules, and go on where that fails."""
        is_package = self.around.is_package(module)

        def resolve(node: ast.ImportFrom) -> str:
            return resolve_relative(node, module, is_package)

        blocks = [unit for unit in self._summary(module).units if unit.kind is UnitKind.BLOCK and unit.imports]
        return [unit for unit in blocks if tries_import(unit.node, names.__contains__, resolve)]

    def _asking(self, module: str) -> Iterator[tuple[Unit, set[str]]]:
        """The statements of a module that ask whether others are there, by their names, with these."""
        for unit in self._summary(module).units:
            if unit.kind not in (UnitKind.FUNCTION, UnitKind.CLASS, UnitKind.GUARD) and _ASKS.search(unit.text):
                yield unit, asked_for(unit.node)

    def _summary(self, module: str) -> Summary:
        return self.new[module] if module in self.new else self.around.summary(module)

    def _registries(self, dirt: Dirt) -> set[str]:
        """Modules whose data evaluated statements contribute to: other importers may contribute as well."""
        found = set()
        for module, index in dirt.evaluated():
            found |= {symbol[0] for symbol in self.graph.mutated(module, self.graph.summaries[module].units[index])}
        return found

    def _contributors(self, dirt: Dirt) -> set[str]:
        """Modules that make and fill what evaluated statements read: later ones have not filled it yet at their line."""
        found: set[str] = set()
        for module, index in dirt.evaluated():
            unit = self.graph.summaries[module].units[index]
            for symbol in self.graph.uses_symbols(module, unit.analysis.now):
                others = self.around.contributors((symbol[0], symbol[1].partition(".")[0]))
                found |= {symbol[0], *others} if others or symbol in self._filled_by(module) else set()
        return {name for name in found if self.around.file_of(name)}

    def _filled_by(self, module: str) -> set[Symbol]:
        """The data of other modules to which a module contributes, whoever else does: where hotswap was attached later."""
        if module not in self._filled:
            units = self.graph.summaries[module].units
            self._filled[module] = {s for unit in units for s in self.graph.mutated(module, unit) if s[0] != module}
        return self._filled[module]

    def _old_registries(self) -> set[str]:
        """Modules whose data the old texts contributed to, though the new ones may not even import them."""
        return {
            symbol[0]
            for name, diff in self.diffs.items()
            for unit in [old for old, _ in diff.changed] + diff.removed
            for symbol in self.before.mutated(name, unit)
        }

    def _make_graphs(self, modules: list[str]) -> None:
        wide = self._with_imported(modules)
        summaries = {module: self._summary(module) for module in wide}
        before = {m: self.edited[m].old_summary if m in self.edited else summaries[m] for m in wide}
        live = {name: getattr(self.around, name) for name in _ASKED_BY_GRAPHS}
        self._filled: dict[str, set[Symbol]] = {}
        self.graph = Graph({**self.coming, **summaries}, **live)
        self.before = Graph(before, **live, is_loaded=self.around.is_loaded)

    def _find_coming(self) -> dict[str, Summary]:
        """The texts of modules that the save imports, and nobody has imported yet."""
        found: dict[str, Summary] = {}
        pending = [
            name for module, item in self.edited.items()
            for name in imported_modules(self.new[module]) - imported_modules(item.old_summary)
        ]  # fmt: skip
        while pending:
            name = pending.pop()
            is_known = name in found or self.around.is_loaded(name) or self.around.file_of(name)
            if not is_known and (summary := self.around.coming(name)) is not None:
                found[name] = summary
                pending += imported_modules(summary)
        return found

    def _added(self) -> set[Symbol]:
        """The data to which modules will have contributed that the save imports."""
        return {symbol for symbol in added_by(self.graph, self.coming) if self.around.file_of(symbol[0])}

    def _with_imported(self, modules: list[str]) -> list[str]:
        """Imported managed modules take part in resolving names, though nothing of them is evaluated."""
        seen = dict.fromkeys(modules)
        pending = list(modules)
        for module in pending:
            before = imported_modules(self.edited[module].old_summary) if module in self.edited else set()
            for target in imported_modules(self._summary(module)) | before:
                if target not in seen and self.around.file_of(target):
                    seen[target] = None
                    pending.append(target)
        return pending

    def _note_moved(self) -> None:
        """Statements that give something else because of their place count as changed."""
        for name, diff in self.diffs.items():
            known = {new.index for _, new in diff.changed}
            for old, new in find_moved(self.before, self.graph, diff):
                if new.index in known:
                    continue
                if new.kind in (UnitKind.FUNCTION, UnitKind.CLASS) and self._opaque_registries(name, new):
                    self.misplaced.add((name, new.index))
                else:
                    diff.note_moved(old, new)

    def _opaque_registries(self, module: str, unit: Unit) -> list[Symbol]:
        return [symbol for symbol in self.graph.mutated(module, unit) if self.graph.is_lasting(symbol)]

    # ---- what has to be evaluated ----

    def _follow(self, modules: list[str]) -> Dirt:
        dirt = Dirt()
        self.after = []
        for name, diff in self.diffs.items():
            for unit, added in [*((new, False) for _, new in diff.changed), *((unit, True) for unit in diff.added)]:
                if self._action(name, unit, added):
                    dirt.changed.add((name, unit.index))
            for qualname, own in diff.bodies.items():
                dirt.affected.add((name, qualname))
                if own:
                    dirt.shallow.add((name, qualname))
            for unit in [new for _, new in diff.touched if new.kind is UnitKind.ASSIGN]:  # a lambda in it changed
                dirt.affected |= {(name, bound) for bound in unit.names}  # who calls the name gets something else
                dirt.shallow |= {(name, bound) for bound in unit.names}
            for node in [new.node for _, new in diff.touched]:
                if isinstance(node, ast.ClassDef):
                    dirt.affected |= {(name, f"{node.name}.{bound}") for bound in _lambdas_in(node)}
            for before, unit in diff.pairs:
                if before.text != unit.text and self._is_read_by_decorator(name, before, unit):
                    dirt.derived[name, unit.index] = (name, unit.names[0])
            for fact in find_facts(diff):
                dirt.note_fact(*fact)
            reduce_changed(self.graph, self.before, dirt, diff)
            note_members(self.graph, dirt, diff)
            self._note_removed(diff, dirt)
            for unit in [old for old, _ in diff.changed] + diff.removed:
                dirt.unset |= self.before.mutated(name, unit)
            if self.before.stars(name) != self.graph.stars(name) or (
                self.graph.stars(name) and _removed_names(diff, self.new[name])  # a star import may bring the name as well
            ):
                dirt.values.add((name, STAR))
            bound = {n for unit in self.edited[name].old_summary.units for n in unit.names}
            dirt.added |= {(name, n) for unit in self.new[name].units for n in unit.names if n not in bound}
        for name, pairing in self.pairings.items():
            for old, new in pairing.new_of.items():
                if "<locals>" in old.co_qualname and old.co_freevars != new.co_freevars:
                    # Live closures cannot take the new code: who made them has to make them again.
                    dirt.shallow.add((name, old.co_qualname.partition(".<locals>")[0]))
        for module in modules:  # what may be imported now, or may not any more, where the text says what is done then
            optional = {binding.module for unit in self._summary(module).units for binding in unit.imports}
            asking = list(self._asking(module))
            optional = optional.union(*(names for _, names in asking)) - set(self.gone)
            arrived = [name for name in sorted(optional) if not self.around.is_loaded(name) and self.around.has_arrived(name)]
            self.arrived.update(arrived)
            following = self._tries(module, *arrived, *self.gone) if arrived or self.gone else []
            for unit in following + [unit for unit, names in asking if names.intersection(arrived)]:
                dirt.derived.setdefault((module, unit.index), ([*arrived, *self.gone][0], ""))
                dirt.rebound |= {(module, name) for name in unit.names}
        dirt.rebound |= find_rebound(self.before, self.graph, self.diffs)
        for derived in find_derived(self.graph, self.diffs):
            if self.graph.stands_alone(derived):
                dirt.alone.add(derived)
                continue
            dirt.classes.add(derived)
            dirt.note_fact(derived, ANY)
        dirt.lambdas = {
            (name, new.index) for name, diff in self.diffs.items() for old, new in diff.touched if uses_changed_lambda(old, new)
        }
        recipe = Recipes(self.graph, modules)
        for symbol in changed_recipes(Recipes(self.before, modules), recipe, self.edited) | self._added():
            if self.graph.kind_of(symbol) in ("data", "instance", "function", "class", "missing"):
                for key in recipe(symbol):
                    if key not in dirt.changed:
                        dirt.derived.setdefault(key, symbol)
        Follower(recipe, dirt, modules).follow()
        self._note_alike(dirt)
        return dirt

    def _note_alike(self, dirt: Dirt) -> None:
        before = {(name, new.index): old for name, diff in self.diffs.items() for old, new in diff.pairs}
        for module, index in dirt.evaluated():
            new = self.graph.summaries[module].units[index]
            old = before.get((module, index)) if module in self.diffs else new
            if old is not None and isinstance(old.node, ast.ClassDef) and isinstance(new.node, ast.ClassDef):
                dirt.alike |= {(module, name) for name in find_alike(old.node, new.node)}

    def _action(self, module: str, unit: Unit, added: bool) -> bool:
        """True when the unit is evaluated aside; else it is run after the commit, or left to :meth:`_judge`."""
        if unit.kind in (UnitKind.GUARD, UnitKind.DOCSTRING):
            return False
        effects = self.graph.foreign_effects(module, unit)
        lasts = bool(self._opaque_registries(module, unit) or effects_of(self.graph, module, unit))
        if not effects and not lasts:
            return True
        if unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK) or lasts:
            if added:
                self.after.append((module, unit.index))
            return False
        return True

    def _is_read_by_decorator(self, module: str, old: Unit, new: Unit) -> bool:
        """True for a function with another docstring of which a library's decorator made an object: it may have read it."""
        if not isinstance(old.node, _FUNCTIONS) or not isinstance(new.node, _FUNCTIONS) or not new.node.decorator_list:
            return False
        return (
            self.graph.kind_of((module, new.names[0])) == "opaque"
            and ast.get_docstring(old.node) != ast.get_docstring(new.node)
            and self._action(module, new, added=False)
        )

    def _note_removed(self, diff: UnitDiff, dirt: Dirt) -> None:
        bound = {name for unit in self.new[diff.module].units for name in unit.names}
        for unit in diff.removed:
            for name in unit.names:
                if name not in bound and name not in diff.renamed:
                    dirt.values.add((diff.module, name))
        gone = [name for unit in diff.removed for name in unit.names]
        gone += [name for old, new in diff.changed for name in old.names if name not in new.names]
        for unit in [old for old, _ in diff.changed] + diff.removed:
            gone += self.before.starred(diff.module, unit)
        for name in gone:  # what an earlier statement has given the name is what it means now
            for binder in self.graph.binders(diff.module).get(name, ()):
                dirt.derived.setdefault((diff.module, binder.index), (diff.module, name))
        for old, new in diff.changed:
            dirt.values |= {(diff.module, name) for name in old.names if name not in bound}
            if old.kind is not new.kind and {old.kind, new.kind} & {UnitKind.ASSIGN, UnitKind.IMPORT}:
                dirt.values |= {(diff.module, name) for name in new.names}

    # ---- what a person has to know ----

    def _judge_gone(self) -> None:
        """A deleted file may go when the new texts import it no more."""
        for name in self.gone:
            users = [
                user
                for user in self._importers(name) - {name, *self.gone}
                if imports(self._summary(user), name, besides={unit.index for unit in self._tries(user, name)})
            ]
            step = "its code serves on; put the file back, or save the importers without it"
            asking = [user for user in self._importers(name) if any(name in names for _, names in self._asking(user))]
            if users:
                what = f"the source of {name} is gone, but {', '.join(sorted(users))} still imports it"
                self._find("HS103", Severity.HELD, name, 0, what, step)
            elif asking:  # where that is evaluated aside, the module is still loaded
                what = f"the source of {name} is gone, but {', '.join(sorted(asking))} has asked for it by its name"
                self._find("HS103", Severity.HELD, name, 0, what, step)

    def _judge(self, dirt: Dirt) -> None:
        self._judge_gone()
        for name, diff in self.diffs.items():
            for unit in diff.removed:
                self._judge_removed(name, unit)
            for old, new in diff.changed:
                if (name, new.index) not in dirt.reduced:
                    self._judge_changed(name, old, new)
        for name, line, why, is_refused in find_gaps(
            self.before, self.graph, self.diffs, self._importers, self.around.begun
        ):
            self.restart |= is_refused
            code, severity = ("HS204", Severity.HELD) if is_refused else ("HS405", Severity.KEPT)
            self._find(code, severity, name, line, why, "restart")
        self._judge_executing(dirt)
        for module, index in sorted(self.misplaced):
            unit = self.graph.summaries[module].units[index]
            owner = _name(self._opaque_registries(module, unit)[0])
            message = f"{module}.{unit.label} stands in another place now; {owner} has it where it was registered first"
            self._find("HS405", Severity.KEPT, module, unit.line, message)
        for (module, index), why in dirt.refused.items():
            self._refuse("HS206", module, self.graph.summaries[module].units[index], why)
        for module, index in sorted(dirt.derived.keys() | dirt.support):
            self._judge_repeated(module, self.graph.summaries[module].units[index], dirt.derived.get((module, index)))
        for (module, index), cause in dirt.kept.items():
            self._stale(module, index, self._changed(dirt, cause))
        for (module, index), cause in dirt.skipped.items():
            unit = self.graph.summaries[module].units[index]
            self._find(
                "HS405",
                Severity.KEPT,
                module,
                unit.line,
                f"{module} line {unit.line} is run for its effect and uses {self._changed(dirt, cause)}; it was not run again",
                "run it again in the program, or restart, if its effect is wanted again",
            )
        for name, diff in self.diffs.items():
            for used, module, unit in find_users(self.graph, diff, _removed_names(diff, self.new[name])):
                what = f"was renamed to {diff.renamed[used]}" if used in diff.renamed else "was removed"
                message = f"{name}.{used} {what}, but {module} line {unit.line} still uses it, and fails when it runs"
                self._find("HS410", Severity.NOTE, module, unit.line, message, "change it there as well")
        for name, diff in self.diffs.items():
            for unit in diff.added:
                if unit.kind is UnitKind.GUARD:
                    what = f"{name} line {unit.line}" if is_held_back(unit) else f"the main block of {name}"
                    self._find("HS406", Severity.KEPT, name, unit.line, f"{what} is new; it runs at the next start")
                if (
                    unit.kind is UnitKind.EFFECT
                    and (name, unit.index) in dirt.changed
                    and unit.analysis.now.effects | unit.analysis.now.mutates
                ):
                    self._find("HS407", Severity.NOTE, name, unit.line, f"{name}.{unit.label} {self._how_run(name, unit)}")
        for module, index in self.after:
            unit = self.graph.summaries[module].units[index]
            what = f"{module}.{unit.label} {self._how_run(module, unit)}, after the commit"
            self._find("HS407", Severity.NOTE, module, unit.line, what)

    def _how_run(self, module: str, unit: Unit) -> str:
        diff = self.diffs[module]
        is_changed = any(find_successor(diff, gone) is unit for gone in diff.removed)
        return "changed and was run again" if is_changed else "is new and was run once"

    def _judge_repeated(self, module: str, unit: Unit, cause: Symbol | None) -> None:
        """A statement that has to follow what is made anew, or makes it, and that does something elsewhere as well."""
        # A registration with an abstract class changes nothing when it is repeated: the live class has it.
        if effects := [name for name in effects_of(self.graph, module, unit) if not is_abstract_registration(name)]:
            why = f"is to follow {_name(cause)}, which is made anew" if cause else "makes what others are computed from anew"
            code = "HS204" if unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK) else "HS206"
            self._refuse(code, module, unit, f"{module} line {unit.line} {why}; {', '.join(effects)} would be called again")

    def _judge_executing(self, dirt: Dirt) -> None:
        """A loop that goes through something goes on through the old one; functions it calls anew by itself."""
        for module, index in self.around.executing.items():
            units = self.before.summaries[module].units if module in self.before.summaries else ()
            for chain in sorted(_taken_once(units[index].node)) if units else ():
                symbol = self.before.resolve(module, chain)
                if symbol is not None and (symbol[0], symbol[1].partition(".")[0]) in dirt.values:
                    message = f"{module} is executing a statement that took {_name(symbol)} before it changed"
                    self._find("HS403", Severity.NOTE, module, units[index].line, message)

    def _stale(self, module: str, index: int, cause: str) -> None:
        unit = self.graph.summaries[module].units[index]
        message = f"{module}.{unit.label} was made from {cause}; {self._why_kept(module, unit)}"
        self._find("HS402", Severity.KEPT, module, unit.line, message, "make it again in the program, or restart")

    def _why_kept(self, module: str, unit: Unit) -> str:
        if registries := self._opaque_registries(module, unit):
            return f"it was kept, as making it again would also change {_name(registries[0])}"
        if effects := effects_of(self.graph, module, unit):
            return f"it was kept, as making it again would also call {effects[0]}"
        if any(uses.by_name for _, uses in running(self.graph, module, unit)):
            return "it was kept, as it comes of a module that is got by its name"
        if any(chain.endswith(".__subclasses__") for chain in unit.analysis.now.calls):
            return "it was kept, as it asks for the subclasses of a class"
        if maker := maker_of(self.graph, module, unit):
            return f"it was kept, as {maker} takes part in making it, and may have copied from it"
        return "it is an opaque object and was kept"

    def _find_memos(self, dirt: Dirt) -> Iterator[StaleMemo]:
        """What the program keeps by itself of results of functions that behave differently."""
        words = frozenset(name.rpartition(".")[2].encode() for _, name in dirt.affected)
        for module, summary in self.graph.summaries.items() if words else ():
            for unit in summary.units:
                for memo in find_memos(unit.node) if b"not in" in unit.text and unit.mentions(words) else ():
                    head, _, rest = memo.computes.partition(".")
                    own = (module, f"{memo.owner}.{rest}") if head in ("self", "cls") and memo.owner else None
                    symbol = own or self.graph.resolve(module, memo.computes)
                    if symbol is not None and symbol in dirt.affected:
                        is_only = is_only_memo([each.node for each in summary.units], memo.table)
                        word = frozenset({memo.table.rpartition(".")[2].encode()})
                        others = (each for name, other in self.graph.summaries.items() if name != module for each in other.units)
                        is_own = not any(each.mentions(word) for each in others)
                        yield StaleMemo(module, memo, is_only and is_own, _name(symbol))

    def _judge_removed(self, module: str, unit: Unit) -> None:
        effects = self.before.foreign_effects(module, unit)
        opaque = [s for s in self.before.mutated(module, unit) if self.before.is_lasting(s)]
        if is_held_back(unit):
            what = f"{module} line {unit.line} was removed, but has not ended, and goes on"
            self._find("HS406", Severity.KEPT, module, unit.line, what)
        elif unit.kind is UnitKind.GUARD:
            self._find("HS406", Severity.KEPT, module, unit.line, f"the main block of {module} was removed; it has run already")
        elif unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK) and effects and is_output_only(effects):
            self._find("HS406", Severity.NOTE, module, unit.line, f"{module} line {unit.line} printed when the module was loaded")
        elif unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK) and (effects or opaque):
            self._judge_undone(module, unit, ", ".join(effects) or _name(opaque[0]))
        elif opaque:
            self._refuse("HS206", module, unit, f"{module}.{unit.label} was removed, but is registered with {_name(opaque[0])}")
        elif outside := effects_of(self.before, module, unit):
            self._refuse("HS206", module, unit, f"{module}.{unit.label} was removed, but {outside[0]} was called with it")
        elif maker := maker_of(self.before, module, unit):
            self._refuse(
                "HS206",
                module,
                unit,
                f"{module}.{unit.label} was removed, but {maker} took part in making it and may still know it",
            )

    def _judge_undone(self, module: str, unit: Unit, what: str) -> None:
        """A statement that has had its effect is gone, or has another text."""
        new = find_successor(self.diffs[module], unit)
        if new is None:
            self._refuse("HS204", module, unit, f"{module} line {unit.line} ({what}) was removed, but has run")
        elif not (sets_only(self.before, module, unit) and sets_only(self.graph, module, new)):
            self._refuse("HS204", module, new, f"{module} line {new.line} ({what}) changed, but its old text has run")

    def _judge_changed(self, module: str, old: Unit, new: Unit) -> None:
        effects = sorted({*self.before.foreign_effects(module, old), *self.graph.foreign_effects(module, new)})
        opaque = [
            s for s in (*self.before.mutated(module, old), *self.graph.mutated(module, new)) if self.graph.is_lasting(s)
        ]
        if new.kind is UnitKind.GUARD:
            what = f"{module} line {new.line}" if is_held_back(new) else f"the main block of {module}"
            self._find("HS406", Severity.KEPT, module, new.line, f"{what} changed; it runs at the next start")
        elif new.kind in (UnitKind.EFFECT, UnitKind.BLOCK) and effects and is_output_only(effects):
            self._find("HS406", Severity.NOTE, module, new.line, f"{module} line {new.line} prints when the module is loaded")
        elif new.kind in (UnitKind.EFFECT, UnitKind.BLOCK) and (effects or opaque):
            self._refuse(
                "HS204",
                module,
                new,
                f"{module} line {new.line} ({', '.join(effects) or _name(opaque[0])}) changed, but its old text has run",
            )
        elif opaque:
            self._refuse(
                "HS206",
                module,
                new,
                f"{module}.{new.label} is registered with {_name(opaque[0])}; doing it again would register twice",
            )
        elif outside := [*effects_of(self.before, module, old), *effects_of(self.graph, module, new)]:
            self._refuse("HS206", module, new, f"{module}.{new.label} changed; {outside[0]} would be called a second time")
        elif new.kind is UnitKind.ASSIGN and any(self.graph.kind_of((module, name)) == "opaque" for name in new.names):
            self._refuse("HS205", module, new, f"{module}.{new.label} is an opaque object and its initialiser changed")

    def _refuse(self, code: str, module: str, unit: Unit, message: str) -> None:
        self.restart = True
        self._find(code, Severity.HELD, module, unit.line, message, "restart")

    def _find(self, code: str, severity: Severity, module: str, line: int, message: str, step: str = "") -> None:
        self.findings.append(
            Finding(code=code, severity=severity, message=message, file=self.around.file_of(module), line=line, next_step=step)
        )

    # ---- the value ----

    def _draft(self, modules: list[str], dirt: Dirt) -> Draft:
        touched = set(self.edited) | {module for module, _ in dirt.evaluated()}
        order = [module for module in modules if module in touched]
        derived, execute = by_module(dirt.derived), by_module(dirt.evaluated())
        plans = tuple(self._module_plan(module, dirt, derived.get(module, []), execute.get(module, [])) for module in order)
        held = any(f.severity is Severity.HELD for f in self.findings)
        plans += tuple(
            ModulePlan(
                module=name,
                file=self.around.file_of(name),
                edits=(Edit(module=name, qualname="", kind=EditKind.REMOVED, line=0, detail="the file is gone"),),
            )
            for name in self.gone
        )
        nothing = not any(plan.edits or plan.execute for plan in plans)
        verdict = Verdict.RESTART if self.restart else Verdict.ASK if held else Verdict.NOTHING if nothing else Verdict.SWAP
        return Draft(
            plan=Plan(verdict=verdict, modules=plans, findings=tuple(self.findings)),
            order=tuple(order),
            dirt=dirt,
            after=tuple(self.after),
            graph=self.graph,
            pairings=self.pairings,
            diffs=self.diffs,
            summaries={name: summary for name, summary in self.graph.summaries.items() if name not in self.coming},
            edited=self.edited,
            gone=self.gone,
            arrived=frozenset(self.arrived),
            universe=tuple(modules),
            renames=self.renames,
            hooks=self.hooks,
            filled_later=frozenset(dirt.values & filled_later(self.before, order)) if dirt.values else frozenset(),
            memos=tuple(self._find_memos(dirt)),
        )

    def _module_plan(self, module: str, dirt: Dirt, derived: list[int], execute: list[int]) -> ModulePlan:
        units = self.graph.summaries[module].units
        edits = list(self.diffs[module].edits) if module in self.diffs else []
        lines = {edit.line for edit in edits}
        for index in derived:
            if units[index].line not in lines:
                lines.add(units[index].line)
                edits.append(
                    Edit(
                        module=module,
                        qualname=units[index].label,
                        kind=EditKind.DERIVED,
                        line=units[index].line,
                        detail=self._why_derived(module, units[index], dirt.derived[module, index]),
                    )
                )
        if module in self.edited and not edits and self.edited[module].old.data != self.edited[module].new.data:
            edits.append(Edit(module=module, qualname="", kind=EditKind.LINES, line=1, detail="lines and comments only"))
        removed = _removed_names(self.diffs[module], self.new[module]) if module in self.diffs else ()
        return ModulePlan(
            module=module,
            file=self.around.file_of(module),
            edits=tuple(edits),
            execute=tuple((index, units[index].line) for index in execute),
            removed=removed,
        )

    def _why_derived(self, module: str, unit: Unit, cause: Symbol) -> str:
        if not unit.names:
            return f"evaluated again, for {_name(cause)}"
        if cause in {(module, name) for name in unit.names}:
            return "made anew, as what is added to it changed"
        return f"computed from {_name(cause)}"

    def _changed(self, dirt: Dirt, symbol: Symbol) -> str:
        """A name with what has become of it: its own text may be as it was."""
        diff = self.diffs.get(symbol[0])
        head = symbol[1].partition(".")[0]
        units = (*diff.added, *diff.removed, *(new for _, new in diff.changed)) if diff is not None else ()
        names = {name for unit in units for name in unit.names}
        own = diff is not None and (symbol[1] in diff.bodies or head in names or symbol[1] == "<lambda>")
        return f"{_name(symbol)}, which changed" if own else f"{_name(symbol)}, which depends on what changed"


def import_order(
    modules: Iterable[str], summary_of: Callable[[str], Summary], place_of: Callable[[str], int]
) -> list[str]:
    """Imported before importing, and else as they were loaded: the order in which a start executes them.

    Args:
        place_of: counts the modules in the order in which they were loaded.
    """
    wanted = sorted(modules, key=lambda name: (place_of(name), name))
    order: dict[str, None] = {}
    begun: set[str] = set()
    for module in wanted:
        _put_in_order(module, wanted, summary_of, begun, order)
    return list(order)


def _put_in_order(
    module: str, wanted: list[str], summary_of: Callable[[str], Summary], begun: set[str], order: dict[str, None]
) -> None:
    if module not in begun:
        begun.add(module)
        imported = imported_modules(summary_of(module))
        for target in [name for name in wanted if name in imported] if imported else ():
            _put_in_order(target, wanted, summary_of, begun, order)
        order[module] = None


def imported_modules(summary: Summary, besides: Collection[int] = ()) -> set[str]:
    """Names of modules that a text imports, with those that may be submodules imported by name.

    Args:
        besides: indexes of statements that do not count.
    """
    found = set()
    for unit in summary.units:
        for binding in unit.imports if unit.index not in besides else ():
            found.add(binding.module)
            if binding.attr and binding.attr != "*":
                found.add(f"{binding.module}.{binding.attr}")
    return found


def _names_in_imports(module: str) -> set[str]:
    """What a text names that imports a module: itself, or its package, from which it is taken by name."""
    return {module, module.rpartition(".")[0]} - {""}


def imports(summary: Summary, name: str, besides: Collection[int] = ()) -> bool:
    """True when a text imports a module, at its top level or in a function; see :func:`imported_modules`."""
    late = {target for unit in summary.units for uses in unit.analysis.functions.values() for target, attr in uses.imports}
    late |= {target for unit in summary.units for uses in unit.analysis.functions.values() for target in uses.by_name}
    late |= {
        f"{target}.{attr}" for unit in summary.units for uses in unit.analysis.functions.values() for target, attr in uses.imports
    }
    return name in imported_modules(summary, besides) | late


def _lambdas_in(node: ast.ClassDef) -> list[str]:
    """The names that a class body gives to lambdas."""
    assigned = [child for child in node.body if isinstance(child, ast.Assign) and isinstance(child.value, ast.Lambda)]
    return [target.id for child in assigned for target in child.targets if isinstance(target, ast.Name)]


def _removed_names(diff: UnitDiff, new: Summary) -> tuple[str, ...]:
    bound = {name for unit in new.units for name in unit.names}
    old = [name for unit, _ in diff.pairs for name in unit.names] + [n for unit in diff.removed for n in unit.names]
    return tuple(dict.fromkeys(name for name in old if name not in bound))


def _name(symbol: Symbol) -> str:
    return f"{symbol[0]}.{symbol[1]}".rstrip(".")


def _taken_once(node: ast.stmt) -> set[str]:
    """Names that a statement reads once and uses while it goes on: what its loops go through, what it enters."""
    heads: list[ast.AST] = []
    for child in ast.walk(node):
        if isinstance(child, (ast.For, ast.AsyncFor)):
            heads.append(child.iter)
        elif isinstance(child, (ast.With, ast.AsyncWith)):
            heads += child.items
    return {chain for head in heads for part in ast.walk(head) if (chain := dotted(part)) is not None}
