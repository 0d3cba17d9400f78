"""Evaluates statements of the new text aside, in staging modules that the program cannot see.

A staging module starts as a copy of the live namespace in which every function that behaves differently is
replaced by a clone over the staging namespace, and imports of staged modules lead to staged ones. What evaluated
statements contribute to is made anew by its own recipe, so the live data is only read.
"""

from __future__ import annotations

import ast
import builtins
import gc
import importlib
import importlib.util
import sys
import threading
import traceback
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import attrs

from hotswap.collector import objects, tuples_in, young_objects
from hotswap.fingerprint import fingerprint
from hotswap.link.byname import explain
from hotswap.link.limbo import make_all_old
from hotswap.link.redirect import doc_of
from hotswap.link.stars import exported, find_starred
from hotswap.link.unseen import learn_bound
from hotswap.migrations import Migration, collecting
from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft
from hotswap.plan.dirt import by_module
from hotswap.plan.members import MemberEdit, reduce_class
from hotswap.plan.units import Summary, Unit, UnitKind
from hotswap.plugin.manager import Plugins
from hotswap.world import ModuleRecord, World


class StagingError(Exception):
    """A statement raised while it was evaluated aside; ``finding`` shows it as Python would."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@attrs.define(eq=False)
class Staging:
    """Staging modules and what was made in them.

    Attributes:
        modules: staging module by name.
        young: objects that the collector tracks and that were made meanwhile.
        imported: modules that evaluated imports have really loaded.
        starred: by module, the names that star imports bring, in the live module and as the new text says.
        declared: migrations that the statements declare; they count from the commit on.
        reduced: plain classes with members of classes that a library takes part in making, with the live class.
    """

    draft: Draft
    world: World
    plugins: Plugins
    modules: dict[str, ModuleType] = attrs.Factory(dict)
    young: list[Any] = attrs.Factory(list)
    imported: list[str] = attrs.Factory(list)
    starred: dict[str, tuple[set[str], set[str]]] = attrs.Factory(dict)
    reduced: list[tuple[type, type, MemberEdit]] = attrs.Factory(list)
    declared: list[Migration] = attrs.Factory(list)
    _begun: set[str] = attrs.Factory(set)
    _loaded: frozenset[str] = frozenset()  # the modules that were there when it began
    _nested_import: Any = None
    clones: dict[int, tuple[FunctionType, FunctionType]] = attrs.Factory(dict)  # by id of the clone, with the live one
    _runs_nothing: bool = False  # plain functions are made, so nobody can notice which code the others have
    _order: frozenset[str] = frozenset()
    _bystanders: dict[str, list[tuple[str, Unit]]] = attrs.Factory(dict)  # by what they import from
    _deletes: dict[str, set[str]] = attrs.Factory(dict)
    _wanted: dict[str, list[int]] = attrs.Factory(dict)

    def run(self) -> None:
        """Evaluate what the plan says.

        Raises:
            StagingError: a statement raised; modules loaded by it are dropped again.
        """
        if not self.draft.needs_staging:
            return
        before = self._loaded = frozenset(sys.modules)
        self._order, self._wanted = frozenset(self.draft.order), by_module(self.draft.dirt.evaluated())
        evaluated = [self.draft.summaries[name].units[index] for name, indexes in self._wanted.items() for index in indexes]
        self._runs_nothing = not self.draft.hooks and all(unit.is_inert for unit in evaluated)
        with _note_young(self), collecting() as self.declared, self.plugins.aside(self.draft.plan):
            self._make_modules()
            try:
                for name in self.draft.order:
                    self._evaluate(name)
                for name in self.draft.hooks:
                    self._import_hooks(name)
            except BaseException:  # raised again: also where somebody has pressed Ctrl-C meanwhile
                forget_imported(set(sys.modules) - before, self.world)
                raise
            finally:
                self.imported = sorted(set(sys.modules) - before)

    def _import_hooks(self, name: str) -> None:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # border to program code
            file = getattr(importlib.util.find_spec(name), "origin", None) or ""
            raise StagingError(describe_failure(name, file, 0, error)) from error

    def dispose(self) -> None:
        """Empty the staging modules; functions that went into the program were copied over the live namespaces."""
        self.young.clear()
        self.clones.clear()
        for module in self.modules.values():
            module.__dict__.clear()
        self.modules.clear()

    # ---- staging modules ----

    def _make_modules(self) -> None:
        dirt = self.draft.dirt
        names = set(self.draft.order) | {s[0] for s in dirt.affected | dirt.values | dirt.classes | dirt.aside}
        names |= {parent for name in names for parent in _parents(name)}  # ``from package import module``
        for name in names | self._on_the_way(names):
            if (record := self.world.records.get(name)) is not None:
                self.modules[name] = self._make_module(name, record)
        for name, module in self.modules.items():
            parent, _, child = name.rpartition(".")
            if parent in self.modules:
                self.modules[parent].__dict__[child] = module
        staged = {id(self.world.records[name].module): module for name, module in self.modules.items()}
        for module in self.modules.values():  # other names of a module
            for key, value in list(module.__dict__.items()):
                if id(value) in staged:
                    module.__dict__[key] = staged[id(value)]

        for name in self.modules.keys() & self.draft.summaries.keys() - self._order:
            for unit in self.draft.summaries[name].units:
                for source in {binding.module for binding in unit.imports if binding.local != "*"} & self.modules.keys():
                    self._bystanders.setdefault(source, []).append((name, unit))
        for source in self._bystanders:
            self._bind_bystanders(source)

    def _on_the_way(self, names: Collection[str]) -> set[str]:
        """Modules through which staged code comes to staged modules, ``package.module.f()``: in the live ones it would find the
        live module."""
        managed = {id(record.module): name for name, record in list(self.world.records.items())}
        holders: dict[str, set[str]] = {}  # who has a module as an attribute
        seen, pending = set(names), list(names)
        while pending:
            name = pending.pop()
            record = self.world.records.get(name)
            for value in list(record.module.__dict__.values()) if record is not None else ():
                if (inner := managed.get(id(value))) is not None:
                    holders.setdefault(inner, set()).add(name)
                    if inner not in seen:
                        seen.add(inner)
                        pending.append(inner)
        found: set[str] = set()
        pending = list(names)
        while pending:
            new = holders.get(pending.pop(), set()) - found - set(names)
            found |= new
            pending += new
        return found

    def _make_module(self, name: str, record: ModuleRecord) -> ModuleType:
        module = ModuleType(name)
        namespace = module.__dict__
        live = record.module.__dict__
        namespace.update(live)
        namespace["__builtins__"] = {**vars(builtins), "__import__": self._import}
        if "__annotations__" in live:
            namespace["__annotations__"] = dict(live["__annotations__"])
        clones: dict[int, FunctionType] = {}  # an alias of a function becomes an alias of its clone
        for key, value in live.items():
            if type(value) is FunctionType and value.__globals__ is live and self._needs_clone(name, value):
                if id(value) not in clones:
                    clones[id(value)] = clone = self._clone(name, value, namespace)
                    self.clones[id(clone)] = (clone, value)
                namespace[key] = clones[id(value)]
        return module

    def _needs_clone(self, name: str, function: FunctionType) -> bool:
        """True for a function that behaves differently, that uses what is made aside, or whose lines moved: what it
        makes carries its new code."""
        symbol = (name, function.__qualname__)
        if symbol in self.draft.dirt.affected or symbol in self.draft.dirt.aside:
            return True
        if self._runs_nothing:
            return False
        pairing = self.draft.pairings.get(name)
        return pairing is not None and pairing.new_of.get(function.__code__, function.__code__) != function.__code__

    def _clone(self, name: str, function: FunctionType, namespace: dict[str, Any]) -> FunctionType:
        pairing = self.draft.pairings.get(name)
        code = pairing.new_of.get(function.__code__, function.__code__) if pairing else function.__code__
        return _clone(function, code, namespace) if code.co_freevars == function.__code__.co_freevars else function

    def _import(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """``__import__`` of staging code: as usual, but staged modules come first."""
        self._refuse_gone(name, *args, **kwargs)
        with self._new_modules_see_staged():
            return self._staged(builtins.__import__(name, *args, **kwargs))

    def _refuse_gone(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0  # noqa: A002 - as there
    ) -> None:
        """A module whose file was deleted is still loaded until the commit."""
        gone, full = self.draft.gone, name
        if gone and level:
            full = importlib.util.resolve_name("." * level + name, (globals or {}).get("__package__") or "")
        for each in (full, *(f"{full}.{attr}" for attr in fromlist or ())) if gone else ():
            if each in gone:
                raise ModuleNotFoundError(f"No module named {each!r}", name=each)

    def _staged(self, found: Any, *, evaluate: bool = False) -> Any:
        # Not by what it says its name is: that may be another module's.
        name = next((key for key in self.modules if self.world.records[key].module is found), None)
        if name is not None and evaluate:
            self._evaluate(name)
        return found if name is None else self.modules[name]

    @contextmanager
    def _new_modules_see_staged(self) -> Iterator[None]:
        """Modules that are loaded now import what is about to be live, as at a fresh start; what they get is led over.

        Their text is executed by importlib with the builtins of everybody, so nothing but ``builtins.__import__`` can tell
        them. Other threads, and modules that were loaded before, get from it what they get without it.
        """
        if (outer := builtins.__import__) is self._nested_import:
            yield
            return
        thread = threading.get_ident()

        def nested(*args: Any, **kwargs: Any) -> Any:
            found = outer(*args, **kwargs)
            space = kwargs.get("globals", args[1] if len(args) > 1 else None)
            is_new = space is not None and space.get("__name__") not in self._loaded and threading.get_ident() == thread
            return self._staged(found, evaluate=True) if is_new else found

        builtins.__import__ = self._nested_import = nested
        try:
            yield
        finally:
            if builtins.__import__ is nested:  # else the program has replaced it meanwhile
                builtins.__import__ = outer
            self._nested_import = None

    # ---- evaluating ----

    def _evaluate(self, name: str) -> None:
        if name in self._begun:
            return
        if parent := name.rpartition(".")[0]:  # a start imports packages before their modules, and circles depend on it
            self._evaluate(parent)
        if name in self._begun or name not in self._order:
            return
        self._begun.add(name)
        self._evaluate_statements(name)
        self._bind_bystanders(name)

    def _bind_bystanders(self, source: str) -> None:
        """Modules of which nothing is evaluated, and whose functions may be called, have the names that they import from one."""
        for name, unit in self._bystanders.get(source, ()):
            self._bind_imports(name, unit)

    def _evaluate_statements(self, name: str) -> None:
        module = self.modules[name]
        summary = self.draft.summaries[name]
        wanted = set(self._wanted.get(name, ()))
        self._forget(module, summary, wanted)
        for unit in summary.units:
            for binding in unit.imports:  # a circle of imports is entered as a fresh start enters it
                for target in (binding.module, f"{binding.module}.{binding.attr}"):
                    self._evaluate(target)
            self._bind_imports(name, unit)
            has_star = any(binding.local == "*" for binding in unit.imports)
            is_star = has_star and unit.kind is UnitKind.IMPORT
            if unit.index in wanted and not is_star:
                for target in self._late_imports(name, unit):
                    self._evaluate(target)
                later = self._hide_later(name, summary, unit)
                if (edit := self.draft.dirt.reduced.get((name, unit.index))) is not None:
                    self._execute_members(name, summary, unit, edit)
                else:
                    self._execute_unit(name, summary, unit)
                for key, value in later.items():
                    module.__dict__.setdefault(key, value)
            if is_star and unit.index in wanted:
                self._execute(name, summary, unit.node, dict(module.__dict__))
            if has_star:
                self._bind_stars(name, summary, unit, unit.index in wanted)

    def _hide_later(self, name: str, summary: Summary, unit: Unit) -> dict[str, Any]:
        """``globals()`` and ``dir()`` see only what is bound so far."""
        if not self.draft.graph.looks_around(name, unit):
            return {}
        namespace = self.modules[name].__dict__
        so_far = {n for u in summary.units if u.index < unit.index for n in u.names}
        bound = {n for u in summary.units for n in u.names}
        return {key: namespace.pop(key) for key in bound - so_far if key in namespace}

    def _late_imports(self, name: str, unit: Unit) -> set[str]:
        """Modules that functions import when the statement calls them."""
        graph = self.draft.graph
        found = set()
        for symbol in graph.reach(graph.calls_of(name, unit)):
            for _, uses in graph.functions(symbol):
                found |= {target for target, _ in uses.imports}
        return found

    def _bind_imports(self, name: str, unit: Unit) -> None:
        """Names imported from staged modules mean the staged objects."""
        namespace = self.modules[name].__dict__
        live = self.world.records[name].module.__dict__
        for binding in unit.imports:
            source = self.modules.get(binding.module)
            if binding.attr and binding.local not in live and binding.local in self._deleted(name):
                space = self._space(binding.module)  # it is there until the module deletes it
                namespace |= {binding.local: space[binding.attr]} if binding.attr in space else {}
                continue
            if source is None:
                continue
            if binding.attr is None:
                if binding.local and live.get(binding.local) is self.world.records[binding.module].module:
                    namespace[binding.local] = source
                continue
            origin = self.world.records[binding.module].module.__dict__
            if (
                binding.attr in source.__dict__
                and binding.local in namespace
                and live.get(binding.local) is origin.get(binding.attr)
            ):
                namespace[binding.local] = source.__dict__[binding.attr]

    def _deleted(self, module: str) -> set[str]:
        """The names that the text of a module deletes at its top level."""
        if module not in self._deletes:
            nodes = [unit.node for unit in self.draft.summaries[module].units if isinstance(unit.node, ast.Delete)]
            targets = [target for node in nodes for target in node.targets]
            self._deletes[module] = {target.id for target in targets if isinstance(target, ast.Name)}
        return self._deletes[module]

    def _bind_stars(self, name: str, summary: Summary, unit: Unit, has_run: bool) -> None:
        """What a star import brings is read from the texts anew: a name may come from another module than before.

        One in a compound statement need not have run: what it did bring is seen by what the names are bound to.
        """
        later = {n for u in summary.units if u.index > unit.index for n in u.names}
        live, made = self.world.records[name].module.__dict__, self.modules[name].__dict__
        for binding in (binding for binding in unit.imports if binding.local == "*"):
            space = self._space(binding.module)
            text = self._bound_in(binding.module)
            origin = getattr(sys.modules.get(binding.module), "__dict__", {})
            for key in exported(space):
                was = key in live and live[key] is origin.get(key)
                known = text is None or key in text or was
                if unit.kind is not UnitKind.IMPORT:
                    known = key in space and made.get(key) is space[key] if has_run else was
                if key in space and key not in later and known:  # what the program has put there is in no text
                    made[key] = space[key]
                    self.starred[name][1].add(key)

    def _space(self, module: str) -> dict[str, Any]:
        found = self.modules.get(module) or sys.modules.get(module)
        return found.__dict__ if found is not None else {}

    def _bound_in(self, module: str) -> set[str] | None:
        """The names that the text of a module binds; None for a module that is not managed."""
        summary = self.draft.summaries.get(module)
        if summary is None:
            return None
        if module in self.starred:
            brought = self.starred[module][1]
        else:
            brought = find_starred(summary, self._live_space(module), self._live_space, self._is_as_loaded)
        return {n for unit in summary.units for n in unit.names} | brought

    def _forget(self, module: ModuleType, summary: Summary, wanted: set[int]) -> None:
        """A fresh start finds no earlier value of what it is about to bind, nor of what the text binds no more."""
        bound = {name for unit in summary.units for name in unit.names}
        for name in self._forget_starred(summary.module) - bound:
            module.__dict__.pop(name, None)
        for unit in summary.units:
            if unit.index in wanted and unit.kind is not UnitKind.IMPORT:
                for name in unit.names:
                    is_block = unit.kind is UnitKind.BLOCK  # another branch may be taken
                    if type(module.__dict__.get(name)) is not FunctionType or is_block or name in (unit.unseen or ()):
                        module.__dict__.pop(name, None)
        diff = self.draft.diffs.get(summary.module)
        for unit in diff.removed if diff else ():
            for name in unit.names:
                if name not in bound:
                    module.__dict__.pop(name, None)

    def _forget_starred(self, name: str) -> set[str]:
        edited = self.draft.edited.get(name)
        old = edited.old_summary if edited is not None else self.draft.summaries[name]
        self.starred[name] = (find_starred(old, self._live_space(name), self._live_space, self._is_as_loaded), set())
        return self.starred[name][0]

    def _is_as_loaded(self, module: str, name: str, value: Any) -> bool:
        record = self.world.records.get(module)
        base = (record.base or {}).get(name) if record is not None else None
        return base is not None and fingerprint(value, self.world.is_managed, f"{module}.{name}").same(base)

    def _live_space(self, module: str) -> dict[str, Any]:
        record = self.world.records.get(module)
        found = record.module if record is not None else sys.modules.get(module)
        return found.__dict__ if found is not None else {}

    def _execute_unit(self, name: str, summary: Summary, unit: Unit) -> None:
        space = self.modules[name].__dict__
        before = dict(space) if unit.binds_unseen else None
        self._execute(name, summary, unit.node)
        if before is not None and (both := learn_bound(self.world.records[name], summary, unit, before, space)) is not None:
            raise StagingError(both)

    def _execute_members(self, name: str, summary: Summary, unit: Unit, edit: MemberEdit) -> None:
        """Evaluate members of a class in a plain class of its name; what else is evaluated goes on with the live one."""
        assert isinstance(unit.node, ast.ClassDef)
        space = self.modules[name].__dict__
        self._execute(name, summary, reduce_class(unit.node, edit))
        self.reduced.append((space[unit.node.name], self.world.records[name].module.__dict__[unit.node.name], edit))
        space[unit.node.name] = self.reduced[-1][1]

    def _execute(self, name: str, summary: Summary, node: ast.stmt, space: dict[str, Any] | None = None) -> None:
        file, namespace = self.world.records[name].file, self.modules[name].__dict__ if space is None else space
        if isinstance(node, ast.Delete):
            targets = _without_gone(node.targets, summary, node.lineno, namespace)
            if not targets:
                return
            node = ast.copy_location(ast.Delete(targets), node)
        code = compile_statement(summary, node, file)
        try:
            exec(code, namespace)
        except BaseException as error:  # border to program code
            if isinstance(error, (KeyboardInterrupt, StagingError)):  # the latter of what a new module has imported
                raise
            raise StagingError(explain(describe_failure(name, file, node.lineno, error), error, self.modules)) from error


def _without_gone(targets: list[ast.expr], summary: Summary, line: int, space: dict[str, Any]) -> list[ast.expr]:
    """What a ``del`` statement has to delete: names that the text has bound before are gone from the live module already."""
    found: list[ast.expr] = []
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            found += _without_gone(target.elts, summary, line, space)
        elif not isinstance(target, ast.Name) or target.id in space or not _is_bound_before(target.id, summary, line):
            found.append(target)
    return found


def _is_bound_before(name: str, summary: Summary, line: int) -> bool:
    return any(name in unit.names and unit.line < line for unit in summary.units)


def forget_imported(names: Iterable[str], world: World) -> None:
    """A swap that was given up has imported modules: the next one imports those of the program anew, with all that they
    declare. Others stay, as after an import that failed."""
    for name in names:
        module = sys.modules.pop(name, None) if world.discard(name) else None
        parent, _, child = name.rpartition(".")
        space = getattr(sys.modules.get(parent), "__dict__", {})
        if module is not None and space.get(child) is module:
            del space[child]


def compile_statement(summary: Summary, node: ast.stmt, file: str) -> CodeType:
    """Compile one statement as it is compiled with its module, so that code objects of the two can be told to be equal.

    CPython calls an attribute of an imported module in another way than a method of anything else, and knows by the
    imports of the whole text which is which. So they stand beside the statement, where they are never executed.
    """
    imports: list[ast.stmt] = [ast.Import([ast.alias("builtins", name)]) for name in sorted(summary.imported_names())]
    beside = ast.fix_missing_locations(ast.copy_location(ast.If(ast.Constant(False), imports, []), node))
    body = ast.Module([node, beside] if imports else [node], [])
    return cast(CodeType, compile(body, file, "exec", flags=summary.future_flags, dont_inherit=True))


def run_statement(record: ModuleRecord, summary: Summary, index: int) -> Finding | None:
    """Run one statement in the live module; its failure is a value."""
    node = summary.units[index].node
    code = compile_statement(summary, node, record.file)
    space = record.module.__dict__
    before = {name: space[name] for name in summary.units[index].names if name in space}
    try:
        exec(code, space)
    except BaseException as error:  # border to program code
        for name in summary.units[index].names:  # what it had bound before it failed
            space.pop(name, None)
        space.update(before)
        if isinstance(error, KeyboardInterrupt):
            raise
        return describe_failure(record.name, record.file, node.lineno, error, "was run after the commit, which was taken back")
    return None


def describe_failure(
    module: str, file: str, line: int, error: BaseException, when: str = "was evaluated aside"
) -> Finding:
    """Program code raised: show it as Python does, without hotswap's own frames."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
        tb = tb.tb_next
    last = line
    walk = tb
    while walk is not None:
        if walk.tb_frame.f_code.co_filename == file and walk.tb_frame.f_code.co_name == "<module>":
            last = walk.tb_lineno
        walk = walk.tb_next
    text = "".join(traceback.format_exception(type(error), error, tb))
    return Finding(
        code="HS110",
        severity=Severity.HELD,
        message=f"{type(error).__name__}: {error} while {module} line {last} {when}",
        file=file,
        line=last,
        next_step="the old code serves on; mend it and save again",
        excerpt=text,
    )


def _parents(name: str) -> list[str]:
    """The packages that a module is in."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _clone(function: FunctionType, code: Any, namespace: dict[str, Any]) -> FunctionType:
    twin = FunctionType(code, namespace, function.__name__, function.__defaults__, function.__closure__)
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__qualname__ = function.__qualname__
    twin.__module__ = function.__module__
    if function.__doc__ != doc_of(function.__code__):  # else it has the one of its new code
        twin.__doc__ = function.__doc__
    twin.__annotations__ = dict(function.__annotations__)
    twin.__dict__.update(function.__dict__)
    return twin


@contextmanager
def _note_young(staging: Staging) -> Iterator[None]:
    """Note the collector's objects that are made meanwhile: with the collector off they all stay in its first generation."""
    collected: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        collected.append(info.get("generation", 0))

    make_all_old()
    earlier = objects(generation=0)  # held until the end: the id of an object that died would be given again
    known = set(map(id, earlier))
    enabled = gc.isenabled()
    gc.disable()
    gc.callbacks.append(note)
    try:
        yield
    finally:
        gc.callbacks.remove(note)
        # Where the program itself asked for a collection, the young ones have moved on: take all objects then.
        found = [*(every := objects()), *tuples_in(every)] if collected else young_objects()
        staging.young = [item for item in found if id(item) not in known]
        if enabled:
            gc.enable()
