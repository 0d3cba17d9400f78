"""Carries a draft of the plan over to live objects: evaluates aside, leads over, prepares every write.

Order: list the heap, evaluate, lead over, jump functions, bind names, remove names, drop stale caches. All that can
fail is here, before the commit.
"""

from __future__ import annotations

import ast
import builtins
import functools
import gc
import sys
from types import CellType, FunctionType, ModuleType
from typing import Any

from hotswap.commit import MISSING, Swap, Write, del_item, set_function, set_item
from hotswap.fingerprint import CONTAINERS, Print, fingerprint, gives_the_same, is_untouched, kind_of_value, numbers_of_state
from hotswap.kinds import is_a
from hotswap.link.classes import move_members, transplant
from hotswap.link.data import Merger
from hotswap.link.handles import as_handle, bare, is_handle, names_with_handles, needs_handle, set_wrapped
from hotswap.link.heap import LRU, scan_heap
from hotswap.link.instances import Census
from hotswap.link.late import evaluate_bases
from hotswap.link.left import Left, held_outside
from hotswap.link.limbo import collect_staged
from hotswap.link.names import look_up, look_up_function
from hotswap.link.objects import Made, take_state
from hotswap.link.redirect import drop_wrapped, jump_code, lead, redirect, take_over
from hotswap.link.rewrap import is_wrapper, pass_on, rewrap, rewrap_bound
from hotswap.link.shape import prepare_shapes
from hotswap.link.staging import Staging, StagingError
from hotswap.link.trampoline import removed_stub, target_of
from hotswap.link.unstage import EscapeError, exchange, lead_over
from hotswap.link.wrappers import follow_wrappers
from hotswap.model import Finding, Mechanism, Redirect, Severity
from hotswap.plan.build import Draft
from hotswap.plan.units import Summary, Unit, UnitKind, bound_names
from hotswap.plugin.manager import Plugins
from hotswap.plugin.values import ClassPair, Refusal, Stale
from hotswap.world import ModuleRecord, World

_ATOMS = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset)
_NO_SUMMARY = Summary("", [], 0)


class LinkRefused(Exception):
    """The plan cannot be carried out; nothing was changed."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings[0].message if findings else "refused")
        self.findings = findings


def link(draft: Draft, world: World, plugins: Plugins) -> Swap:
    """Prepare all writes of a plan.

    Raises:
        LinkRefused: a statement raised, or live objects do not allow it.
    """
    linker = _Linker(draft, world, plugins)
    enabled = gc.isenabled()
    gc.disable()  # what is staged stays young until it is let go of, so that it can be collected at once
    try:
        return linker.link()
    finally:
        linker.dispose()
        if enabled:
            gc.enable()
        if draft.dirt.evaluated():
            del linker
            collect_staged()  # a class made aside leaves Base.__subclasses__() now, not some day


class _Linker:
    def __init__(self, draft: Draft, world: World, plugins: Plugins) -> None:
        self.draft = draft
        self.world = world
        self.plugins = plugins
        self.swap = Swap()
        self.merger = Merger(self.swap, world.is_managed)
        self.census = Census()
        self.owners = {id(record.module.__dict__): name for name, record in reversed(list(world.records.items()))}
        self.done: set[int] = set()  # ids of live functions whose jump is prepared
        # Definitions that their module loses: what stands elsewhere under their name is their successor.
        self.homeless = {(plan.module, name) for plan in draft.plan.modules for name in plan.removed}
        self.homeless |= {
            (name, old.names[0])
            for name, diff in draft.diffs.items()
            for old, new in diff.changed
            if old.names and old.kind is not new.kind and new.kind is UnitKind.IMPORT
        }
        self.rebound: dict[int, tuple[Any, Any, str]] = {}  # objects whose name got another one, with the new one
        self.bound: set[tuple[str, str]] = set()
        self.starred: set[tuple[str, str]] = set()  # bound by a star import
        self.transplanted: set[int] = set()
        self.staging: Any = None
        self.twins: Any = None
        self.left = Left(self.swap)
        self.alive: list[Any] = []  # opaque values that were made only to be compared
        self.fresh: dict[tuple[str, str], Any] = {}  # the new container whose contents go into the live one, by name

    def link(self) -> Swap:
        files = {self.world.records[name].file for name in self.draft.order}
        self.heap = scan_heap(files)
        self.swap.suspended, self.swap.trampolines = self.heap.suspended, self.heap.trampolines
        if self.heap.frozen:
            self._note("HS504", f"gc.freeze() hides {self.heap.frozen} objects; they were listed and frozen again")
        self.live_functions = {id(f) for functions in self.heap.functions.values() for f in functions}
        self._check_attached_late()
        self.bases = evaluate_bases(self.draft, self.world, self.heap, self.alive)
        if self.bases:
            collect_staged()  # before the next staging makes all that is there old
        self.staging = staging = Staging(self.draft, self.world)
        try:
            staging.run()
            self.twins = lead_over(staging, self.heap, self.plugins.pair_members, self._may_take)
            self._link_functions()
            self._bind_names()
            self._move_members()
            self._transplant_moved()
            self._rebind_importers()
            self._exchange_objects()
            self._remove_names()
            self._remove_modules()
            self._note_imported()
            self._prepare_shapes()
        except (StagingError, EscapeError, Refusal) as refusal:
            raise LinkRefused(refusal.finding) from refusal
        self.swap.findings += [finding for function, finding in self.swap.unfollowed if id(function) not in self.swap.led]
        rewrap_bound(self.swap)
        follow_wrappers(self.swap, self._is_bare, {id(item) for item in staging.young})
        self.left.note(self.heap, self.world.history)
        self._drop_caches()
        self._ask_before_commit()
        self.census.frame(self.swap)
        return self.swap

    def dispose(self) -> None:
        """Let go of what was staged: it stands in cycles, and the next pass over the heap would find it alive."""
        self.swap.trampolines = []
        self.alive.clear()
        if self.staging is not None:
            self.staging.dispose()
        if self.twins is not None:
            self.twins.dispose()

    def _prepare_shapes(self) -> None:
        """Live objects of classes that change shape get what they lack, or the swap is held."""
        found = prepare_shapes(
            self.draft, self.world, self.plugins, self.census, self.twins.classes, self.twins.resolve, self._look_up
        )
        held = [finding for finding in found if finding.severity is Severity.HELD]
        if held:
            raise LinkRefused(*held)
        self.swap.findings += found

    def _look_up(self, module: str, chain: str) -> Any:
        """What a dotted name means in a module after the swap, running no code; MISSING for nothing that is known."""
        space = self.staging.modules.get(module, self.world.records[module].module).__dict__
        head, *rest = chain.split(".")
        value = space.get(head, vars(builtins).get(head, MISSING))
        for name in rest:
            owner = value.__dict__ if is_a(value, (ModuleType, type)) else {}
            value = owner.get(name, MISSING)
        return self.twins.resolve(value)

    def _ask_before_commit(self) -> None:
        """Plugins look at all prepared writes; a held finding of theirs stops the swap."""
        found = self.plugins.before_commit(self.swap)
        if any(finding.severity is Severity.HELD for finding in found):
            raise LinkRefused(*found)
        self.swap.findings += found

    def _note(self, code: str, message: str, file: str = "", line: int = 0, severity: Severity = Severity.NOTE) -> None:
        self.swap.findings.append(Finding(code=code, severity=severity, message=message, file=file, line=line))

    def _check_attached_late(self) -> None:
        """A module that was loaded earlier must run what its text says, or nothing can be told from its text."""
        for name, edited in self.draft.edited.items():
            record = self.world.records[name]
            known = set(self.draft.pairings[name].new_of) | set(self.draft.pairings[name].removed)
            for unit in edited.old_summary.units if record.base is None else ():
                function = record.module.__dict__.get(unit.names[0]) if unit.kind is UnitKind.FUNCTION else None
                if (
                    type(function) is FunctionType
                    and function.__globals__ is record.module.__dict__
                    and function.__code__.co_qualname == unit.names[0]
                    and function.__code__ not in known
                ):
                    raise LinkRefused(
                        Finding(
                            code="HS210",
                            severity=Severity.HELD,
                            file=record.file,
                            line=function.__code__.co_firstlineno,
                            message=f"{name}.{unit.names[0]} runs code that the file did not have when hotswap was attached",
                            next_step="restart",
                        )
                    )

    # ---- functions ----

    def _link_functions(self) -> None:
        """Every function of an edited file gets its new code, the unchanged ones too: their line numbers moved."""
        paired = {id(live): staged for staged, live in self.twins.functions}
        rebound = self._find_rebound()
        for name, pairing in self.draft.pairings.items():
            record = self.world.records[name]
            changed = self._changed_names(name)
            for old, new in pairing.new_of.items():
                for function in self.heap.of(old):
                    if id(function) in rebound:
                        continue  # it is led to another object when its name is bound
                    if function.__globals__ is record.module.__dict__ or not self._belongs_elsewhere(function):
                        self._jump(record, function, new, paired.get(id(function)), changed)
        self._take_over_derived(paired)

    def _find_rebound(self) -> set[int]:
        """Live functions whose name gets another callable, because a decorator made it anew."""
        found = set()
        for module, index in self.draft.dirt.changed | set(self.draft.dirt.derived):
            if module not in self.staging.modules:
                continue
            space, live = self.staging.modules[module].__dict__, self.world.records[module].module.__dict__
            for name in self.draft.summaries[module].units[index].names:
                held = live.get(name)
                if type(held) is not FunctionType or not callable(space.get(name)):
                    continue
                own = not self._is_foreign(module, name, held) and not self._was_replaced(module, name, held)
                if own and (self.twins.resolve(space[name]) is not held or (module, name) in self.twins.wrappers):
                    found.add(id(held))
        return found

    def _belongs_elsewhere(self, function: FunctionType) -> bool:
        """A file that is loaded twice (as main and by name) has functions of the same code in two namespaces."""
        return id(function.__globals__) in self.owners

    def _changed_names(self, name: str) -> set[str]:
        diff = self.draft.diffs[name]
        return set(diff.bodies) | {unit.names[0] for _, unit in diff.changed if unit.kind is UnitKind.FUNCTION and unit.names}

    def _jump(
        self, record: ModuleRecord, function: FunctionType, code: Any, staged: FunctionType | None, changed: set[str]
    ) -> None:
        qualname = function.__code__.co_qualname
        heir = function  # what runs the new code and so needs the new defaults
        if function.__code__ != code or qualname != code.co_qualname:  # equal code may have another qualified name
            cells = self._class_cell(record, function, code)
            direct = jump_code(self.swap, function, code, cells, record.name)
            if direct is not function:
                heir = direct
                self._replace_in_place(record, function, direct)
                self.twins.put(staged, direct) if staged is not None else None
            elif qualname.partition(".<locals>")[0] in changed:
                self.swap.redirects.append(Redirect(module=record.name, qualname=qualname, mechanism=Mechanism.JUMP))
        if staged is not None and id(function) not in self.done:
            self.done.add(id(function))
            if self._is_committed(record.name, staged):
                take_over(self.swap, heir, self._resolved(staged, record))

    def _take_over_derived(self, paired: dict[int, FunctionType]) -> None:
        """Functions whose text did not change but whose defaults or decorators did (DERIVED)."""
        for staged, live in self.twins.functions:
            if id(live) in self.done:
                continue
            if live.__code__ != staged.__code__ and target_of(live) is not None:  # it was removed once and is back
                self.swap.add(set_function(live, "__code__", staged.__code__), *drop_wrapped(live))
                self.swap.led.add(id(live))
            name = self.owners.get(id(live.__globals__))
            if name is not None and self._is_committed(name, staged):
                self.done.add(id(live))
                take_over(self.swap, live, self._resolved(staged, self.world.records[name]))

    def _is_committed(self, module: str, staged: FunctionType) -> bool:
        """True for functions of statements whose results count, not of those evaluated as support."""
        head = staged.__code__.co_qualname.partition(".")[0]
        kept = self.draft.dirt.changed | set(self.draft.dirt.derived)
        units = self.draft.summaries[module].units
        for owner, index in kept:
            if owner == module and (head in units[index].names or head.startswith("<")):
                return True
        line = staged.__code__.co_firstlineno
        return any(
            owner == module and units[index].line <= line <= (units[index].node.end_lineno or line) for owner, index in kept
        )

    def _resolved(self, staged: FunctionType, record: ModuleRecord) -> FunctionType:
        """The staged function with everything that it refers to led over."""
        resolve = self.twins.resolve
        twin = FunctionType(staged.__code__, record.module.__dict__, staged.__name__, None, staged.__closure__)
        twin.__defaults__ = tuple(map(resolve, staged.__defaults__)) if staged.__defaults__ else staged.__defaults__
        if staged.__kwdefaults__:
            twin.__kwdefaults__ = {k: resolve(v) for k, v in staged.__kwdefaults__.items()}
        twin.__doc__ = staged.__doc__
        twin.__annotations__ = {k: resolve(v) for k, v in staged.__annotations__.items()}
        twin.__dict__.update({k: resolve(v) for k, v in staged.__dict__.items()})
        if hasattr(staged, "__type_params__"):
            setattr(twin, "__type_params__", staged.__type_params__)  # noqa: B010 - 3.12 and newer
        return twin

    def _is_bare(self, function: FunctionType) -> bool:
        """True for a function that its module or class holds itself, and not in a wrapper."""
        return look_up(function.__globals__, function.__qualname__) is function

    def _class_cell(self, record: ModuleRecord, function: FunctionType, code: Any) -> dict[str, CellType]:
        """A method that gains ``super()`` needs the cell that holds its class."""
        if "__class__" not in code.co_freevars or "__class__" in function.__code__.co_freevars:
            return {}
        owner: Any = record.module.__dict__
        for part in code.co_qualname.split(".")[:-1]:
            owner = owner.get(part) if is_a(owner, dict) else getattr(owner, "__dict__", {}).get(part)
        return {"__class__": CellType(owner)} if is_a(owner, type) else {}

    def _replace_in_place(self, record: ModuleRecord, function: FunctionType, direct: FunctionType) -> None:
        """The name that was bound to the function gets the direct one; held references pass the trampoline."""
        parts = function.__qualname__.split(".")
        owner: Any = record.module.__dict__
        for part in parts[:-1]:
            owner = owner.get(part) if is_a(owner, dict) else getattr(owner, "__dict__", {}).get(part)
        if isinstance(owner, dict) and owner.get(parts[-1]) is function:
            self.swap.add(set_item(owner, parts[-1], direct))
        elif is_a(owner, type):
            self._replace_method(owner, parts[-1], function, direct)

    def _replace_method(self, owner: type, name: str, function: FunctionType, direct: FunctionType) -> None:
        from hotswap.commit import set_class

        held = owner.__dict__.get(name)
        if held is function:
            self.swap.add(set_class(owner, name, direct))
        elif is_a(held, (staticmethod, classmethod)) and held.__func__ is function:
            self.swap.add(set_class(owner, name, type(held)(direct)))

    # ---- names ----

    def _bind_names(self) -> None:
        kept = self.draft.dirt.changed | set(self.draft.dirt.derived)
        self._pair_containers(kept)
        for module in self.draft.order:
            if module not in self.staging.modules:
                continue
            units = self.draft.summaries[module].units
            chosen = [unit for unit in units if (module, unit.index) in kept]
            last = {name: unit for unit in chosen for name in unit.names}
            for unit in chosen:
                for name in unit.names:
                    if last[name] is unit:
                        self._bind_name(module, name, unit)
                for binding in unit.imports:
                    if binding.local == "*":
                        self._bind_star(module, binding.module, {name for u in units for name in u.names}, unit)
            self._bind_annotations(module)
        for name, diff in self.draft.diffs.items():
            self._bind_docstring(name, diff)

    def _pair_containers(self, kept: set[tuple[str, int]]) -> None:
        """New containers whose contents will go into live ones: whatever refers to the new one means the live one."""
        for module, index in kept:
            unit = self.draft.summaries[module].units[index]
            if module not in self.staging.modules or unit.kind is UnitKind.IMPORT or self._is_alias(module, unit):
                continue
            space, live = self.staging.modules[module].__dict__, self.world.records[module].module.__dict__
            for name in unit.names:
                new, held = space.get(name), live.get(name)
                if is_a(new, CONTAINERS) and type(new) is type(held) and new is not held and id(new) not in self.twins.of:
                    self.twins.put(new, held)
                    self.fresh[module, name] = new
        if self.fresh:
            exchange(self.staging, self.twins)

    def _is_alias(self, module: str, unit: Unit) -> bool:
        """True for ``D = other.R`` in the old or the new text: what is bound is another name's object."""
        edited = self.draft.edited.get(module)
        old = [u for u in edited.old_summary.units if set(u.names) & set(unit.names)] if edited else []
        return any(
            isinstance(u.node, (ast.Assign, ast.AnnAssign)) and isinstance(u.node.value, (ast.Name, ast.Attribute))
            for u in (unit, *old)
        )

    def _bind_name(self, module: str, name: str, unit: Unit) -> None:
        space = self.staging.modules[module].__dict__
        record = self.world.records[module]
        live_space = record.module.__dict__
        if name not in space:
            if name in live_space and unit.kind is not UnitKind.BLOCK:
                self._drop_name(record, name, unit.line)
            return
        staged = space[name]
        new = self.twins.resolve(staged)
        live = live_space.get(name, MISSING)
        where = (record.file, unit.line)
        new = self.fresh.get((module, name), new)
        bound = self._choose(module, name, live, staged, new, where, unit)
        if bound is not live:
            self.swap.add(set_item(live_space, name, bound, f"{module}.{name}"))
            if live is not MISSING and not is_a(live, _ATOMS):
                self.rebound[id(live)] = (live, bound, module)
        self.bound.add((module, name))

    def _rebind_importers(self) -> None:
        """Other modules' imports of an object that could not be led on in place follow by name."""
        for record in list(self.world.records.values()) if self.rebound else ():
            for name, value in list(record.module.__dict__.items()):
                found = self.rebound.get(id(value))
                if found is not None and (record.name, name) not in self.bound and self._is_imported(record.name, name, found[2]):
                    self.swap.add(set_item(record.module.__dict__, name, found[1], f"{record.name}.{name}"))

    def _is_imported(self, module: str, name: str, origin: str) -> bool:
        """True for a name that the module's text does not bind itself."""
        summary = self.draft.summaries.get(module)
        if summary is None:
            return origin in self.world.records[module].imports
        return not any(name in unit.names and unit.kind is not UnitKind.IMPORT for unit in summary.units)

    def _transplant_moved(self) -> None:
        """Classes that have another name or module now, so that no name leads from the one to the other."""
        for staged, live in self.twins.classes:
            moved = (staged.__module__, staged.__qualname__) != (live.__module__, live.__qualname__)
            if moved and id(live) not in self.transplanted and "." not in live.__qualname__:
                self._transplant(live, staged, (self.world.file_of(staged.__module__), 0))

    def _choose(self, module: str, name: str, live: Any, staged: Any, new: Any, where: tuple[str, int], unit: Unit) -> Any:
        """What a name is bound to: the live object led on to the new one where that is possible, else the new one."""
        if new is live and not is_a(new, type):
            if (wrapper := self.twins.wrappers.get((module, name))) is not None:
                if is_wrapper(live):
                    rewrap(self.swap, live, wrapper, module, name)
                else:
                    redirect(self.swap, live, wrapper, module, live.__qualname__)
            return live
        if is_a(live, type) and is_a(staged, type) and new is live:
            if staged is not live:
                self._transplant(live, staged, where)
            return live
        if is_handle(live):
            return self._repoint(module, name, live, new, where, unit)
        if needs_handle(live) and new is not live and new != live:
            if unit.kind is UnitKind.IMPORT:
                self.left.add(live, f"{module}.{name}", where)
                return new
            raise LinkRefused(
                Finding(
                    code="HS208",
                    severity=Severity.HELD,
                    file=where[0],
                    line=where[1],
                    next_step="restart",
                    message=f"{module}.{name} was bound bare, {self._why_bare(module)}, so references to it cannot follow",
                )
            )
        if needs_handle(new) and name in names_with_handles(unit.node):
            return self._into_handle(module, name, live, new, unit)
        if is_wrapper(live) and self._is_its_own(module, name, unit):
            return self._rewrap(module, name, live, new)
        if type(live) is FunctionType:
            if unit.kind is not UnitKind.IMPORT and self._was_replaced(module, name, live):
                self.merger.keep(f"{module}.{name}", where, "the program replaced it since it was loaded")
                return live
            return self._redirect(module, name, live, new, where)
        if type(live) is LRU and type(new) is LRU:
            self._lead_cache(module, name, live, new)
            return new
        if is_a(live, functools.partial) and is_a(new, functools.partial) and type(live) is type(new):
            return self._repoint_partial(module, name, live, new)
        if type(live) is functools.partial and callable(new) and self._is_its_own(module, name, unit):
            return self._lead_partial(module, name, live, new)
        if is_a(live, type) and is_a(new, type):
            self.left.add(live, f"{module}.{name}", where)
            return new
        if is_a(live, type) and callable(new):
            return self._class_to_callable(module, name, live, new, where)
        if live is not MISSING and unit.kind in (UnitKind.FUNCTION, UnitKind.BLOCK) and self._is_opaque(live):
            return self._replace_object(module, name, live, new, where, unit)
        if (
            live is not MISSING
            and callable(live)
            and self.world.is_managed(type(live))
            and callable(new)
            and type(new) is not type(live)
        ):
            self._note(
                "HS409",
                f"{module}.{name} was an object and is another kind of callable now: references taken before keep the object",
                *where,
                severity=Severity.KEPT,
            )
        if live is not MISSING and callable(live) and self._keeps_another(live):
            self.left.add(live, f"{module}.{name}", where)
        if live is MISSING or is_a(new, type) or (callable(new) and not self.world.is_managed(type(new))):
            return new
        if unit.kind is UnitKind.ASSIGN and self._is_alias(module, unit):
            return new
        if unit.kind is UnitKind.IMPORT:
            return self._rebind_import(module, name, live, new, unit)
        return self.merger.merge(f"{module}.{name}", live, self._base(module).get(name), new, where)

    def _is_its_own(self, module: str, name: str, unit: Unit) -> bool:
        """True where the statement that made the live object made it for this name, and did not take it from elsewhere."""
        edited = self.draft.edited.get(module)
        before = [u for u in edited.old_summary.units if name in u.names] if edited else [unit]
        return not any(
            u.kind is UnitKind.IMPORT
            or (isinstance(u.node, (ast.Assign, ast.AnnAssign)) and isinstance(u.node.value, (ast.Name, ast.Attribute)))
            for u in before
        )

    def _keeps_another(self, live: Any) -> bool:
        """True for a callable that is led nowhere, so that who holds it goes on with it."""
        known = is_a(live, type) or self.world.is_managed(type(live)) or kind_of_value(live, self.world.is_managed) == "data"
        return not known

    def _is_opaque(self, value: Any) -> bool:
        return kind_of_value(value, self.world.is_managed) == "opaque" and not self.world.is_managed(type(value))

    def _may_take(self, made: Made) -> bool:
        """True for an object of a library that is as it was when it was made."""
        base = self._base(made.module).get(made.path)
        return base is not None and is_untouched(numbers_of_state(made.live, self.world.is_managed), base.state)

    def _exchange_objects(self) -> None:
        for made in self.twins.objects:
            if made.counts:
                take_state(self.swap, made, self.world.is_managed)

    def _replace_object(self, module: str, name: str, live: Any, new: Any, where: tuple[str, int], unit: Unit) -> Any:
        """An object of a library that cannot take over: the new one goes where modules hold the old one."""
        if gives_the_same(new, self._base(module).get(name), self.world.is_managed):
            return live
        if self.draft.dirt.derived.get((module, unit.index)) == (module, name):
            message = f"{module}.{name} was made from a function whose docstring changed; it is an opaque object and was kept"
            self._note("HS402", message, *where, severity=Severity.KEPT)
            return live
        managed = [record.module for record in self.world.records.values()]
        if id(live) in held_outside([live], self.heap, self.world.history, managed):
            message = (
                f"{module}.{name} would be another {type(new).__qualname__}, but references taken before hold the one of before"
            )
            raise LinkRefused(
                Finding(
                    code="HS206",
                    severity=Severity.HELD,
                    message=f"{message}, which cannot take over: {self._why_not(module, name)}",
                    file=where[0],
                    line=where[1],
                    next_step="restart",
                )
            )
        return new

    def _why_not(self, module: str, name: str) -> str:
        base = self._base(module).get(name)
        known = base is not None and base.state is not None
        return "the program changed it" if known else "there is something in it that cannot be looked into"

    def _base(self, module: str) -> dict[str, Print]:
        """What the module's data was when it was loaded, or what its old text gives now."""
        record = self.world.records.get(module)
        return record.base if record is not None and record.base is not None else self.bases.get(module, {})

    def _was_replaced(self, module: str, name: str, live: Any) -> bool:
        """True for a function that the program put in the place of the one that the text defines."""
        base = (self.world.records[module].base or {}).get(name)
        return base is not None and base.origin != fingerprint(live, self.world.is_managed).origin

    def _rebind_import(self, module: str, name: str, live: Any, new: Any, unit: Unit) -> Any:
        """An imported value follows unless the program has bound the name to something else since."""
        base = self._base(module)
        unknown = name not in base and self.world.records[module].base is not None
        if unknown or (name in base and fingerprint(live, self.world.is_managed).same(base[name])):
            return new
        edited = self.draft.edited.get(module)
        before = [old for u in edited.old_summary.units if name in u.names for old in u.imports] if edited else []
        for binding in (*unit.imports, *before):
            origin = self.world.records.get(binding.module)
            attr = name if binding.attr == "*" else binding.attr or ""
            if binding.local in (name, "*") and (origin is None or origin.module.__dict__.get(attr, live) is live):
                return new
        self.merger.keep(
            f"{module}.{name}", (self.world.file_of(module), unit.line), "the program changed it since it was loaded"
        )
        return live

    def _rewrap(self, module: str, name: str, live: Any, new: Any) -> Any:
        if type(new) is type(live):
            rewrap(self.swap, live, new, module, name)
            return live
        pass_on(self.swap, live, new if callable(new) else removed_stub(module, name), module, name)
        return new

    def _redirect(self, module: str, name: str, live: FunctionType, new: Any, where: tuple[str, int]) -> Any:
        if self._is_foreign(module, name, live):
            self.left.add(live, f"{module}.{name}", where)
            return new
        if not callable(new):
            lead(self.swap, live, removed_stub(module, live.__qualname__), module, live.__qualname__)
            return new
        if id(new) in self.live_functions:  # its own jump is prepared, not done: its code is still the old one
            lead(self.swap, live, new, module, live.__qualname__)
            return new
        if redirect(self.swap, live, new, module, live.__qualname__):
            return live
        if is_a(new, type):
            self._note(
                "HS409",
                f"{module}.{name} was a function and is a class now: calls follow, isinstance with held references does not",
                *where,
                severity=Severity.NOTE,
            )
        return new

    def _is_foreign(self, module: str, name: str, function: FunctionType) -> bool:
        """A function that is merely bound here, of a library or under another name: its other users must not be led anywhere."""
        name_of_owner = self.owners.get(id(function.__globals__))
        if name_of_owner is None:
            return function.__closure__ is None
        owner = self.world.records[name_of_owner]
        at_home = look_up_function(owner.module.__dict__, function.__qualname__) is function
        if owner.name in self.draft.gone or (owner.name, function.__qualname__) in self.homeless:
            return function.__qualname__ != name
        return at_home and (owner.name, function.__qualname__) != (module, name)

    def _why_bare(self, module: str) -> str:
        late = self.world.records[module].base is None
        return "before hotswap was attached" if late else "in a statement that makes no proxy around it"

    def _repoint(self, module: str, name: str, live: Any, new: Any, where: tuple[str, int], unit: Unit) -> Any:
        """Point the proxy of a name elsewhere; one that belongs to another name is left to that."""
        if new is live or new is live.__wrapped__:
            return live
        if live._self_owner != (module, name):
            if bare(self._after(live)) is bare(new):
                return live
            self.left.add(live, f"{module}.{name}", where)
            return as_handle(module, name, new) if name in names_with_handles(unit.node) else new
        target = new if callable(new) else removed_stub(module, name)
        self.swap.add(set_wrapped(live, target))
        self.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.PROXY))
        return live if needs_handle(new) else new

    def _after(self, handle: Any) -> Any:
        """What the name that a proxy belongs to means after the swap."""
        owner, name = handle._self_owner
        record = self.world.records.get(owner)
        space = self.staging.modules.get(owner, record.module if record is not None else None)
        return self.twins.resolve(getattr(space, "__dict__", {}).get(name, handle))

    def _into_handle(self, module: str, name: str, live: Any, new: Any, unit: Unit) -> Any:
        handle = as_handle(module, name, new)
        if type(live) is FunctionType and not self._is_foreign(module, name, live):
            lead(self.swap, live, handle, module, name)
        elif is_wrapper(live) and self._is_its_own(module, name, unit):
            pass_on(self.swap, live, handle, module, name)
        elif type(live) is functools.partial and self._is_its_own(module, name, unit):
            self._lead_partial(module, name, live, handle)
        return handle

    def _repoint_partial(self, module: str, name: str, live: Any, new: Any) -> Any:
        state = (live.func, live.args, live.keywords, live.__dict__ or None)
        fresh = (new.func, new.args, new.keywords, new.__dict__ or None)
        if state[0] is fresh[0] and state[1] == fresh[1] and state[2] == fresh[2]:
            return live
        self.swap.add(Write((live.__setstate__, fresh), (live.__setstate__, state)))
        self.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.JUMP))
        return live

    def _lead_partial(self, module: str, name: str, live: Any, new: Any) -> Any:
        """A partial became another callable: held references to it pass all arguments on."""
        state = (live.func, live.args, live.keywords, live.__dict__ or None)
        self.swap.add(Write((live.__setstate__, (new, (), {}, live.__dict__ or None)), (live.__setstate__, state)))
        self.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.TRAMPOLINE))
        return new

    def _lead_cache(self, module: str, name: str, live: Any, new: Any) -> None:
        """A cache made with other arguments: held references to the old one reach the new code without its results."""
        old, fresh = live.__wrapped__, new.__wrapped__
        if type(old) is FunctionType and type(fresh) is FunctionType and old is not fresh:
            redirect(self.swap, old, fresh, module, name)
        self.swap.add(Write((live.cache_clear,), (live.cache_clear,)))

    def _class_to_callable(self, module: str, name: str, live: type, new: Any, where: tuple[str, int]) -> Any:
        """A class became a function: calls of the held class are led on by its ``__new__``."""
        if type(live) is not type:
            raise LinkRefused(
                Finding(
                    code="HS208",
                    severity=Severity.HELD,
                    message=f"{module}.{name} was a class with a metaclass",
                    file=where[0],
                    line=where[1],
                    next_step="restart",
                )
            )

        def led(cls: type, *args: Any, **kwargs: Any) -> Any:
            return new(*args, **kwargs)

        def plain(cls: type, *args: Any, **kwargs: Any) -> Any:
            return object.__new__(cls)

        # A deleted __new__ leaves a trace in CPython's slots: object.__new__ then rejects arguments. So the way back is
        # one that does what object.__new__ did before.
        before = live.__dict__.get("__new__") or staticmethod(plain)
        self.swap.add(Write((type.__setattr__, live, "__new__", staticmethod(led)), (type.__setattr__, live, "__new__", before)))
        self.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.TRAMPOLINE))
        self._note(
            "HS409",
            f"{module}.{name} was a class and is a function now: calls of the held class follow, isinstance with it does not",
            *where,
        )
        return new

    # ---- classes ----

    def _transplant(self, live: type, staged: type, where: tuple[str, int]) -> None:
        """Move the contents of a class and of the classes nested in it, from the module where it is now."""
        if id(live) in self.transplanted:
            return  # importers bind the same class: its contents move once
        self.transplanted.add(id(live))
        old_body = self._body_names(live.__module__, live.__qualname__, old=True)
        new_body = self._body_names(staged.__module__, staged.__qualname__, old=False)
        for mine, theirs in self.twins.classes:
            nested = theirs.__qualname__.startswith(f"{live.__qualname__}.") and theirs.__module__ == live.__module__
            if theirs is live or nested:
                pair = ClassPair(
                    module=staged.__module__,
                    path=theirs.__qualname__,
                    file=where[0],
                    line=where[1],
                    live=theirs,
                    staged=mine,
                    old_body=old_body.get(theirs.__qualname__, frozenset()),
                    new_body=new_body.get(mine.__qualname__, frozenset()),
                    base=self._base(live.__module__),
                    members=self.twins.members.get(id(theirs), ()),
                )
                transplant(self.swap, pair, self.twins, self.merger, self.plugins.rebuild_class)

    def _move_members(self) -> None:
        """Members of classes that a library takes part in making."""
        for staged, live, edit in self.staging.reduced:
            module = staged.__module__
            old = self._body_names(module, live.__qualname__, old=True).get(live.__qualname__, frozenset())
            new = self._body_names(module, live.__qualname__, old=False).get(live.__qualname__, frozenset())
            unit = next(u for u in self.draft.summaries[module].units if live.__qualname__ in u.names)
            pair = ClassPair(
                module=module,
                path=live.__qualname__,
                file=self.world.file_of(module),
                line=unit.line,
                live=live,
                staged=staged,
                old_body=old,
                new_body=new,
                base=self._base(module),
            )
            move_members(self.swap, pair, self.twins, self.merger, edit)

    def _body_names(self, module: str, name: str, *, old: bool) -> dict[str, frozenset[str]]:
        """Names that class statements bind in their bodies, by qualified name of the class."""
        edited = self.draft.edited.get(module)
        summary = edited.old_summary if old and edited else self.draft.summaries.get(module, _NO_SUMMARY)
        found: dict[str, frozenset[str]] = {}

        def note(node: ast.AST, path: str) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef):
                    own = f"{path}{child.name}"
                    found[own] = frozenset(bound_names(child.body))
                    note(child, f"{own}.")
                elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    note(child, path)

        for unit in summary.units:
            if name in unit.names:
                note(ast.Module([unit.node], []), "")
        return found

    # ---- the rest ----

    def _bind_star(self, module: str, source: str, own: set[str], unit: Unit) -> None:
        live = self.world.records[module].module.__dict__
        if source in self.staging.modules:
            origin = self.world.records[source].module.__dict__
            gone = set(exported(origin)) - set(exported(self.staging.modules[source].__dict__))
            for name in gone - own:
                if name in live and live[name] is origin.get(name):
                    self.swap.add(del_item(live, name))
                    self.staging.modules[module].__dict__.pop(name, None)
        for name in list(self.staging.modules[module].__dict__):
            if name.startswith("__") or name in own:
                continue
            self.starred.add((module, name))
            self._bind_name(module, name, unit)

    def _bind_annotations(self, module: str) -> None:
        live = self.world.records[module].module.__dict__
        staged = self.staging.modules[module].__dict__.get("__annotations__")  # noqa: RUF063 - of the module as it is
        if staged is not None and "__annotations__" in live and staged != live["__annotations__"]:
            self.swap.add(set_item(live, "__annotations__", {k: self.twins.resolve(v) for k, v in staged.items()}))

    def _bind_docstring(self, name: str, diff: Any) -> None:
        old = ast.get_docstring(self.draft.edited[name].old.tree, clean=False)
        new = ast.get_docstring(self.draft.edited[name].new.tree, clean=False)
        live = self.world.records[name].module.__dict__
        if old != new and live.get("__doc__") == old:
            self.swap.add(set_item(live, "__doc__", new))

    def _remove_names(self) -> None:
        for plan in self.draft.plan.modules:
            record = self.world.records[plan.module]
            diff = self.draft.diffs.get(plan.module)
            for name in plan.removed:
                if (plan.module, name) in self.starred:
                    continue
                self._drop_name(record, name, 0, renamed=diff is not None and name in diff.renamed)
            for unit in diff.removed if diff is not None else ():
                for binding in unit.imports:
                    if binding.local == "*":
                        self._drop_star(plan.module, binding.module)
        self._lead_removed()

    def _drop_star(self, module: str, source: str) -> None:
        """Names that a star import bound go with it."""
        live = self.world.records[module].module.__dict__
        origin = getattr(sys.modules.get(source), "__dict__", {})
        own = {name for unit in self.draft.summaries[module].units for name in unit.names}
        for name in exported(origin):
            if name in live and live[name] is origin.get(name) and name not in own and (module, name) not in self.starred:
                self.swap.add(del_item(live, name))

    def _note_imported(self) -> None:
        """Modules that evaluated imports have loaded: they are there already, and leave again with a rollback."""
        for name in self.staging.imported:
            module = sys.modules.get(name)
            parent, _, child = name.rpartition(".")
            package = sys.modules.get(parent) if parent else None
            if module is None or name not in self.world.records:
                continue
            self.swap.add(
                Write((dict.__setitem__, sys.modules, name, module), (dict.pop, sys.modules, name, None), f"module {name}")
            )
            if package is not None and package.__dict__.get(child) is module:
                self.swap.add(
                    Write((dict.__setitem__, package.__dict__, child, module), (dict.pop, package.__dict__, child, None))
                )

    def _remove_modules(self) -> None:
        """A module whose file is gone leaves ``sys.modules`` and its package."""
        for name in self.draft.gone:
            module = self.world.records[name].module
            if sys.modules.get(name) is module:
                self.swap.add(del_item(sys.modules, name, f"module {name}"))
            parent, _, child = name.rpartition(".")
            package = sys.modules.get(parent) if parent else None
            if package is not None and package.__dict__.get(child) is module:
                self.swap.add(del_item(package.__dict__, child))

    def _drop_name(self, record: ModuleRecord, name: str, line: int, renamed: bool = False) -> None:
        live = record.module.__dict__
        if name in live:
            self.swap.add(del_item(live, name, f"{record.name}.{name} removed"))
            if is_handle(live[name]) and live[name]._self_owner == (record.name, name):
                self.swap.add(set_wrapped(live[name], removed_stub(record.name, name)))
            if not renamed and is_a(live[name], (FunctionType, type)):
                self._note("HS410", f"{record.name}.{name} was removed", record.file, line)

    def _lead_removed(self) -> None:
        """Functions without a successor say so when a held reference is called."""
        for name, pairing in self.draft.pairings.items():
            record = self.world.records[name]
            for code in pairing.removed:
                if "<locals>" in code.co_qualname:
                    continue
                for function in self.heap.of(code):
                    if function.__globals__ is record.module.__dict__ and id(function) not in self.swap.led:
                        self.world.note_removed(name, function)
                        lead(self.swap, function, removed_stub(name, code.co_qualname), name, code.co_qualname)

    def _drop_caches(self) -> None:
        """Results computed by code that changed are dropped; last of all writes, since finalisers may run."""
        affected = self.draft.dirt.affected
        names = {record.module.__name__: name for name, record in self.world.records.items()}

        def find(symbol: tuple[str, str]) -> Any:
            record = self.world.records.get(symbol[0])
            return look_up_function(record.module.__dict__, symbol[1]) if record is not None else None

        def find_new(symbol: tuple[str, str]) -> Any:
            module = self.staging.modules.get(symbol[0])
            return look_up(module.__dict__, symbol[1]) if module is not None else None

        pairs = self.twins.classes
        stale = Stale(
            functions=frozenset(affected),
            rebuilt=tuple(live for _, live in pairs),
            rebased=tuple(live for staged, live in pairs if tuple(map(self.twins.resolve, staged.__bases__)) != live.__bases__),
            lru_caches=tuple(self.heap.caches),
            find=find,
            becomes=find_new,
            is_stale=lambda function: _is_affected(affected, names.get(function.__module__, ""), function.__qualname__),
            drop_attribute=self.census.drop_attribute,
            drop_attribute_on_rollback=self.census.drop_attribute_on_rollback,
        )
        self.swap.add(*self.plugins.stale_caches(stale))


def exported(namespace: dict[str, Any]) -> list[str]:
    """The names that a star import takes."""
    names = namespace.get("__all__")
    return list(names) if names is not None else [name for name in namespace if not name.startswith("_")]


def _is_affected(affected: set[tuple[str, str]], module: str, qualname: str) -> bool:
    return (module, qualname) in affected or (module, qualname.partition(".<locals>")[0]) in affected
