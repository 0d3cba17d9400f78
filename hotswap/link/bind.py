"""Carries a draft of the plan over to live objects: evaluates aside, leads over, prepares every write.

Order: list the heap, evaluate, lead over, jump functions, bind names, remove names, drop stale caches. All that can
fail is here, before the commit.
"""

from __future__ import annotations

import ast
import bisect
import builtins
import functools
import gc
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from inspect import CO_ITERABLE_COROUTINE, CO_OPTIMIZED
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import attrs

from hotswap.commit import MISSING, Swap, Write, change_values, del_item, set_function, set_item, take_new
from hotswap.convert.barrier import reroute
from hotswap.convert.converter import Converter, Request
from hotswap.errors import CODES
from hotswap.fingerprint import (
    CONTAINERS,
    LRU,
    Print,
    fields_of,
    fingerprint,
    gives_the_same,
    has_contents,
    home_of,
    is_untouched,
    kind_of_value,
    numbers_of_state,
    same_value,
)  # fmt: skip
from hotswap.kinds import is_a, namespace_of, vars_of
from hotswap.link.attributes import FunctionData
from hotswap.link.classes import follow_abstract, move_members, transplant
from hotswap.link.data import Merger
from hotswap.link.doubles import find_doubles
from hotswap.link.handles import as_handle, bare, is_handle, names_with_handles, needs_handle, set_wrapped
from hotswap.link.heap import scan_heap
from hotswap.link.instances import Census
from hotswap.link.late import evaluate_bases
from hotswap.link.left import Left
from hotswap.link.limbo import collect_staged
from hotswap.link.memo import Memory
from hotswap.link.migrating import future_own, prepare_migrations
from hotswap.link.names import look_up, look_up_function
from hotswap.link.objects import Made, take_state
from hotswap.link.order import follow_text
from hotswap.link.redirect import (
    can_jump,
    drop_wrapped,
    jump_code,
    lead,
    redirect,
    repoint_partial,
    settle_trampolines,
    take_over,
)
from hotswap.link.registrations import move_registrations
from hotswap.link.rewrap import is_wrapper, lead_wrapper, rewrap, rewrap_bound
from hotswap.link.shape import make_views, prepare_shapes
from hotswap.link.slots import Slots
from hotswap.link.staging import Staging, StagingError, forget_imported
from hotswap.link.stars import star_units
from hotswap.link.trampoline import removed_stub, target_of
from hotswap.link.unstage import EscapeError, exchange, finish_copies, lead_over
from hotswap.link.wrappers import follow_wrappers
from hotswap.migrations import Migration
from hotswap.model import Finding, Mechanism, Redirect, Severity
from hotswap.plan.bindings import bound_names, dotted
from hotswap.plan.build import Draft, import_order
from hotswap.plan.graph import Symbol
from hotswap.plan.pairing import awaitable, walk
from hotswap.plan.trees import dump
from hotswap.plan.units import Summary, Unit, UnitKind
from hotswap.plugin.manager import Plugins
from hotswap.plugin.values import ClassPair, Refusal, Stale
from hotswap.shadow import forget_coming
from hotswap.world import ModuleRecord, World

_ATOMS = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset)
_NO_SUMMARY = Summary("", [], 0)


class LinkRefused(Exception):
    """The plan cannot be carried out; nothing was changed."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings[0].message if findings else "refused")
        self.findings = findings


def link(
    draft: Draft, world: World, plugins: Plugins, converter: Converter, look: Callable[[Request], None] | None = None
) -> Swap:
    """Prepare all writes of a plan.

    Args:
        look: is shown what would be done to objects, while what was evaluated aside can still run.

    Raises:
        LinkRefused: a statement raised, or live objects do not allow it.
    """
    linker = _Linker(draft, world, plugins, converter, look)
    enabled = gc.isenabled()
    gc.disable()  # what is staged stays young until it is let go of, so that it can be collected at once
    try:
        swap = linker.link()
        if look is not None:
            forget_imported(swap.imported, world)
        return swap
    except BaseException:
        forget_imported(linker.swap.imported, world)
        raise
    finally:
        aged = linker.left.collected
        linker.dispose()
        if enabled:
            gc.enable()
        if draft.needs_staging:
            del linker
            collect_staged(aged=aged)  # a class made aside leaves Base.__subclasses__() now, not some day


class _Linker:
    def __init__(
        self, draft: Draft, world: World, plugins: Plugins, converter: Converter, look: Callable[[Request], None] | None
    ) -> None:
        self.draft = draft
        self.look = look
        self.converter = converter
        self.world = world
        self.plugins = plugins
        self.swap = Swap(codes={draft.edited[name].file: pairing.new_of for name, pairing in draft.pairings.items()})
        self.merger = Merger(self.swap, world.is_managed, self._may_fill, self._take_closure)
        self.data = FunctionData(draft, world, self.merger, self._base)
        self.swap.merge = self.data.merge
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
        self.slots = Slots(draft, world)
        self.rebound: dict[tuple[str, str], tuple[Any, Any]] = {}  # names that got another object: the old and the new one
        self.starred: set[tuple[str, str]] = set()  # bound by a star import
        self.transplanted: set[int] = set()
        self.staging: Any = None
        self.declared: list[tuple[Migration, Migration]] = []
        self.made_aside: list[Any] = []  # objects of the new classes
        self.twins: Any = None
        self.left = Left(self.swap, world.history, [self.slots.kept])
        self.bases: dict[str, dict[str, Print]] = {}
        self.alive: list[Any] = []  # opaque values that were made only to be compared
        self.fresh: dict[tuple[str, str], Any] = {}  # the new container whose contents go into the live one, by name

    def link(self) -> Swap:
        files = {self.world.records[name].file for name in self.draft.order}
        self.heap = scan_heap(files, self.world.outdated.now)
        self.left.own += self.heap.functions.values()
        self.swap.suspended, self.swap.trampolines = self.heap.suspended, self.heap.trampolines
        if self.heap.frozen:
            self._note("HS504", f"gc.freeze() hides {self.heap.frozen} objects; they were listed and frozen again")
        self.live_functions = {id(f) for functions in self.heap.functions.values() for f in functions}
        self._check_ambiguous()
        self._check_attached_late()
        self.swap.doubles = find_doubles(self.draft, self.world, self.heap)
        self.bases = evaluate_bases(self.draft, self.world, self.heap, self.alive)
        if self.bases:
            collect_staged()  # before the next staging makes all that is there old
        self.staging = staging = Staging(self.draft, self.world)
        try:
            staging.run()
            # Led over to live functions below; what can run before the commit is the staged ones.
            self.swap.imported = staging.imported
            self.declared = [(migration, attrs.evolve(migration)) for migration in staging.declared]
            self.made_aside = _objects_of_staged_classes(staging.young)
            self.twins = lead_over(staging, self.heap, self.plugins.pair_members, self._may_take)
            self._pair_data(self.draft.dirt.changed | set(self.draft.dirt.derived))
            self._link_functions()
            self._bind_names()
            self._move_members()
            self._transplant_moved()
            follow_abstract(self.swap, self.twins.classes)
            self._rebind_importers()
            self._exchange_objects()
            self._remove_names()
            self._remove_modules()
            self._note_imported()
            self._lead_inner()
            self._prepare_shapes()
            self._finish_functions()
            self._drop_caches()
            self._ask_before_commit()
        except (StagingError, EscapeError, Refusal) as refusal:
            raise LinkRefused(refusal.finding) from refusal
        self.census.frame(self.swap)
        return self.swap

    def _may_fill(self, live: Any, new: Any) -> bool:
        """True where what stands inside of a container can become a new one, and is no other name's."""
        if type(live) is FunctionType:
            is_own = self.slots.owner(live) is None and target_of(live) is None and id(new) not in self.live_functions
            is_made_by_call = "<locals>" in live.__qualname__ == new.__qualname__
            return is_own and is_made_by_call and can_jump(live, new)
        is_managed = self.world.is_managed
        if not (self.merger.is_filled(live) and self.merger.is_filled(new)):
            return False
        hash_of: Any = type(live).__hash__
        is_hashed = hash_of is not None and hash_of is not object.__hash__  # a set that it is in would not find it any more
        if not is_a(live, CONTAINERS) and (is_hashed or fingerprint(new, is_managed).opaque):
            return False
        if (fields_of(live) or {}).keys() != (fields_of(new) or {}).keys():
            return False  # its class has changed shape, and converts it
        return self._is_nameless(live)

    def _is_nameless(self, live: Any) -> bool:
        """True for an object without a name, or with one that only passes on what is made elsewhere, ``DB = SETTINGS["db"]``,
        and tells that the program has not changed it."""
        module, _, name = home_of(live, self.world.is_managed).rpartition(".")
        if not name:
            return True
        base = self._base(module).get(name)
        is_given = not self.slots.owns(module, name, live)
        return is_given and base is not None and fingerprint(live, self.world.is_managed, f"{module}.{name}").same(base)

    def _take_closure(self, live: FunctionType, new: FunctionType) -> None:
        redirect(self.swap, live, new, self.owners.get(id(live.__globals__), ""), live.__qualname__)

    def _lead_inner(self) -> None:
        """A container inside of another one for which a live one is filled: whoever would refer to it means the live one."""
        known = set(self.twins.of)
        for new, live in self.merger.inner.values():
            self.twins.put(new, live)
        if len(self.twins.of) > len(known):
            exchange(self.staging, self.twins)
            finish_copies(self.twins)
            new_ids = self.twins.of.keys() - known
            self.swap.writes[:] = [change_values(write, new_ids, self.twins.resolve) for write in self.swap.writes]

    def _finish_functions(self) -> None:
        # What a frame from before an earlier commit has made is looked at when that has ended: most of it is gone then.
        followed, now = self.swap.led, self.world.outdated.now
        left = [(f, found) for f, found in self.swap.unfollowed if id(f) not in followed and now(f.__code__) is f.__code__]
        self.swap.findings += [finding for _, finding in left]
        rewrap_bound(self.swap)
        settle_trampolines(self.swap)
        follow_wrappers(self.swap, self._is_bare, {id(item) for item in self.staging.young})
        self.left.note()

    def dispose(self) -> None:
        """Let go of what was staged: it stands in cycles, and the next pass over the heap would find it alive."""
        self.swap.trampolines, self.swap.merge = [], take_new  # the swap is kept, so it must not lead here
        forget_coming()
        self.alive.clear()
        if self.staging is not None:
            self.staging.dispose()
        if self.twins is not None:
            self.twins.dispose()
        self.__dict__.clear()  # what it has made leads back to it

    def _prepare_shapes(self) -> None:
        """Live objects of classes that change shape get what they lack, or the swap is held."""
        classes = self.twins.classes
        views = make_views(self.draft, self.world, self.plugins, classes, self.twins.resolve, self._look_up)
        request, found = prepare_migrations(
            self.draft, self.world, self.converter, views, self.declared, self.twins.resolve, self.swap
        )
        if held := [finding for finding in found if finding.severity is Severity.HELD]:
            raise LinkRefused(*held)
        if self.look is not None and request is not None:
            self.look(request)
        migrated = request.aside if request is not None else {}
        lives = [live for _, live in classes]
        found += prepare_shapes(
            self.draft, self.world, self.census, views, lives, migrated, self.swap.lost, self.swap.rehashed, self._made_anew()
        )  # fmt: skip
        held = [finding for finding in found if finding.severity is Severity.HELD]
        if held:
            raise LinkRefused(*held)
        self.swap.findings += found
        for live in [live for _, live in classes]:
            self.swap.add(*reroute(live, future_own(live, views, self.converter), self.converter.barriers))
        if request is not None:
            self.swap.request = request
            made = [self.twins.resolve(item) for item in self.made_aside]
            request.fresh += [item for item in made if type(item) in request.leaps]
            self.converter.arm(request, self.swap, self.census)

    def _made_anew(self) -> set[int]:
        """Ids of the objects that new code has made, and of the live ones that take the contents of such."""
        live = [self.world.records[module].module.__dict__.get(name) for module, name in self.fresh]
        return {id(item) for item in (*self.made_aside, *live, *(kept for _, kept in self.merger.inner.values()))}

    def _look_up(self, module: str, chain: str) -> Any:
        """What a dotted name means in a module after the swap, running no code; MISSING for nothing that is known."""
        space = self.staging.modules.get(module, self.world.records[module].module).__dict__
        head, *rest = chain.split(".")
        value = space.get(head, vars(builtins).get(head, MISSING))
        for name in rest:
            owner = namespace_of(value) if is_a(value, (ModuleType, type)) else {}
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
        for name in self.draft.edited:
            if (record := self.world.records[name]).is_stale:
                message = f"the file of {name} changed after it was imported and before hotswap was attached"
                finding = Finding(code="HS210", severity=Severity.HELD, file=record.file, message=message, next_step="restart")
                raise LinkRefused(finding)
        late = {self.world.records[name].file: name for name in self.draft.edited if self.world.records[name].base is None}
        for (file, code), functions in self.heap.functions.items():
            if file not in late or "<locals>" in code.co_qualname or not code.co_flags & CO_OPTIMIZED:
                continue  # a module that is executing is a function too, of its own code
            name = late[file]
            pairing, namespace = self.draft.pairings[name], self.world.records[name].module.__dict__
            if code in pairing.new_of or code in pairing.removed:
                continue
            if any(f.__globals__ is namespace and target_of(f) is None for f in functions):
                raise LinkRefused(
                    Finding(
                        code="HS210",
                        severity=Severity.HELD,
                        file=file,
                        line=code.co_firstlineno,
                        message=f"{name}.{code.co_qualname} runs code that the file did not have when hotswap was attached",
                        next_step="restart",
                    )
                )

    def _check_ambiguous(self) -> None:
        """Definitions that cannot be paired matter where functions of them are alive: of inner ones mostly none is."""
        for name, pairing in self.draft.pairings.items():
            for code in pairing.ambiguous:
                if self.heap.of(code):
                    message = f"several definitions of {name}.{code.co_qualname} changed at once"
                    found = Finding(code="HS209", severity=Severity.HELD, message=message, file=self.world.records[name].file)
                    raise LinkRefused(attrs.evolve(found, line=code.co_firstlineno, next_step=CODES["HS209"].remedy))

    # ---- functions ----

    def _link_functions(self) -> None:
        """Every function of an edited file gets its new code, the unchanged ones too: their line numbers moved."""
        paired = {id(live): staged for staged, live in self.twins.functions}
        rebound = self._find_rebound()
        for name, pairing in self.draft.pairings.items():
            record = self.world.records[name]
            changed = self._changed_names(name)
            for old, new in pairing.new_of.items():
                functions = self.heap.of(old)
                is_marked = old.co_flags & CO_ITERABLE_COROUTINE  # the other one of a pair
                if not functions and old.co_qualname in self.draft.diffs[name].bodies and not is_marked:
                    self._note_replaced(record, old, new.co_firstlineno)
                for function in functions:
                    if id(function) in rebound:
                        continue  # it is led to another object when its name is bound
                    if function.__globals__ is record.module.__dict__ or not self._belongs_elsewhere(function):
                        self._jump(record, function, new, paired.get(id(function)), changed)
        self._take_over_derived(paired)

    def _note_replaced(self, record: ModuleRecord, old: CodeType, line: int) -> None:
        """A function of the text is not alive any more, and its name stands for something else that goes on being it."""
        qualname = old.co_qualname
        head = qualname.partition(".")[0]
        units = self.draft.summaries[record.name].units
        evaluated = self.draft.dirt.changed | set(self.draft.dirt.derived)
        made_again = any(head in units[index].names for owner, index in evaluated if owner == record.name)
        held = look_up_function(record.module.__dict__, qualname)
        if type(held) is not FunctionType or awaitable(held.__code__) == awaitable(old):
            return
        if "<" not in qualname and not made_again and target_of(held) is None:
            why = "the function of its text is not alive, the program or a decorator has put another one in its place"
            self.merger.keep(f"{record.name}.{qualname}", (record.file, line), why)

    def _find_rebound(self) -> set[int]:
        """Live functions whose name gets another callable, because a decorator made it anew."""
        found = set()
        for module, index in self.draft.dirt.changed | set(self.draft.dirt.derived):
            if module not in self.staging.modules:
                continue
            space, live = self.staging.modules[module].__dict__, self.world.records[module].module.__dict__
            for name in self.draft.summaries[module].units[index].names:
                held = live.get(name)
                if type(held) is not FunctionType or not callable(space.get(name)) or id(held) in self.twins.rounds:
                    continue
                own = not self._is_foreign(module, name, held) and not self._was_replaced(module, name, held)
                own = own and not self._is_changed_closure(module, name, held, self.draft.summaries[module].units[index])
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
        head, line = staged.__code__.co_qualname.partition(".")[0], staged.__code__.co_firstlineno
        names, kept = self._committed.get(module, (set(), []))
        if head in names or (kept and head.startswith("<")):
            return True
        after = bisect.bisect_right(kept, line, key=lambda unit: unit.line)
        return after > 0 and line <= (kept[after - 1].node.end_lineno or line)

    @functools.cached_property
    def _committed(self) -> dict[str, tuple[set[str], list[Unit]]]:
        """The statements whose results count, by module and in the order of the text, with all names that they bind."""
        found: dict[str, tuple[set[str], list[Unit]]] = {}
        for module, index in sorted(self.draft.dirt.changed | set(self.draft.dirt.derived)):
            unit = self.draft.summaries[module].units[index]
            names, units = found.setdefault(module, (set(), []))
            names.update(unit.names)
            units.append(unit)
        return found

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
        if is_a(owner, dict) and owner.get(parts[-1]) is function:
            self.swap.add(set_item(owner, parts[-1], direct))
        elif is_a(owner, type):
            self._replace_method(owner, parts[-1], function, direct)

    def _replace_method(self, owner: type, name: str, function: FunctionType, direct: FunctionType) -> None:
        from hotswap.commit import set_class

        held = vars_of(owner).get(name)
        if held is function:
            self.swap.add(set_class(owner, name, direct))
        elif is_a(held, (staticmethod, classmethod)) and held.__func__ is function:
            self.swap.add(set_class(owner, name, type(held)(direct)))

    # ---- names ----

    def _bind_names(self) -> None:
        kept = self.draft.dirt.changed | set(self.draft.dirt.derived)
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
            self._bind_stars(module)
            self._bind_annotations(module)
        for name, diff in self.draft.diffs.items():
            self._bind_docstring(name, diff)

    def _pair_data(self, kept: set[tuple[str, int]]) -> None:
        """New containers and objects that live ones stand for: whatever refers to the new one means the live one."""
        remade = [self.twins.resolve(item) for item in self.staging.young if id(item) in self.twins.remade]
        young = {id(item) for item in (*self.staging.young, *remade)}
        evaluated, known = self.draft.dirt.evaluated(), len(self.twins.of)
        for module in self.draft.order:
            units = self.draft.summaries[module].units if module in self.staging.modules else ()
            for unit in units:
                for name in unit.names if (module, unit.index) in evaluated and unit.kind is not UnitKind.IMPORT else ():
                    new = self.staging.modules[module].__dict__.get(name, MISSING)
                    new = self.twins.resolve(new) if id(new) in self.twins.remade else new
                    if type(new) is FunctionType and unit.kind is not UnitKind.FUNCTION:
                        self._pair_closure(module, name, self.twins.resolve(new), unit, (module, unit.index) in kept)
                    elif id(new) not in self.twins.of and self._is_made_anew(new, young):
                        self._pair_value(module, name, new, (module, unit.index) in kept)
        self._pair_own_objects(young)
        if len(self.twins.of) > known:
            exchange(self.staging, self.twins)
            finish_copies(self.twins)

    def _pair_own_objects(self, young: set[int]) -> None:
        """Objects of a class that stand in the class itself, as its metaclass has made them: equal ones are the live ones.

        Those that can be filled are, by their name; the others are what a builtin contains, which does not change.
        """
        is_managed = self.world.is_managed
        for staged, live in self.twins.classes:
            for name, new in vars_of(staged).items():
                old = vars_of(live).get(name)
                if type(new) is not live or type(old) is not live or id(new) not in young or id(new) in self.twins.of:
                    continue
                own = home_of(old, is_managed)
                if has_contents(old) and fingerprint(old, is_managed, own).same(fingerprint(new, is_managed, own)):
                    self.twins.put(new, old)

    def _pair_closure(self, module: str, name: str, new: FunctionType, unit: Unit, counts: bool) -> None:
        """Let a live function that a call has made, ``handler = make_handler(1)``, stand for the one made aside."""
        live = self.world.records[module].module.__dict__.get(name)
        if type(live) is not FunctionType or id(new) in self.live_functions or id(live) in self.twins.rounds:
            return
        if "<locals>" not in new.__code__.co_qualname or not can_jump(live, new) or target_of(live) is not None:
            return
        if self._is_foreign(module, name, live) or self._was_replaced(module, name, live):
            return
        if counts and self._is_changed_closure(module, name, live, unit):
            return
        self.twins.put(new, live)
        if counts:
            self.twins.wrappers[module, name] = new

    def _is_made_anew(self, new: Any, young: set[int]) -> bool:
        """True for data that was made aside. The collector does not track a dict of atoms: that no name has it must do."""
        if not self._is_data(new) or self.slots.is_bound(new):
            return False
        return id(new) in young or (is_a(new, CONTAINERS) and not gc.is_tracked(new))

    def _is_data(self, value: Any) -> bool:
        if is_a(value, (type, ModuleType, FunctionType)) or is_handle(value):
            return False
        is_state = not callable(value) or type(value) is functools.partial or self.world.is_managed(type(value))
        return value is not MISSING and is_state

    def _pair_value(self, module: str, name: str, new: Any, counts: bool) -> None:
        """Let the live object of a name stand for the new one.

        Args:
            counts: False for what is made only because others need it, so that the live object stays as it is.
        """
        live = self.world.records[module].module.__dict__.get(name, MISSING)
        if not self._is_data(live) or not self.slots.owns(module, name, live):
            return
        if any(home_of(item, self.world.is_managed) not in ("", f"{module}.{name}") for item in (live, new)):
            return  # it is another name's
        partials = [type(item) is functools.partial for item in (live, new)]
        if any(partials) and not all(partials):
            return
        if not counts:
            self.twins.put(new, live)
        elif all(partials) or self.merger.keeps(live, self._base(module).get(name), new):
            self.twins.put(new, live)
            self.fresh[module, name] = new

    def _bind_name(self, module: str, name: str, unit: Unit) -> None:
        space = self.staging.modules[module].__dict__
        record = self.world.records[module]
        live_space = record.module.__dict__
        if name not in space:
            if name in live_space and (unit.kind is not UnitKind.BLOCK or name in (unit.unseen or ())):
                self._drop_name(record, name, unit.line)
            return
        staged = space[name]
        new = self.twins.resolve(staged)
        live = live_space.get(name, MISSING)
        where = (record.file, unit.line)
        new = self.fresh.get((module, name), self.merger.inner.get(id(new), (None, new))[1])
        bound = self._choose(module, name, live, staged, new, where, unit)
        if unit.kind is UnitKind.FUNCTION and self._carries(live, staged, bound):
            self.data.carry(self.swap, live, staged, bound, self.twins.resolve)
        if bound is not live:
            self.swap.add(set_item(live_space, name, bound, f"{module}.{name}"))
            self.rebound[module, name] = (live, bound)
            if unit.kind is not UnitKind.IMPORT and (self.merger.is_filled(live) or is_a(live, CONTAINERS)):
                self._note_left(module, name, live, bound, where)
            elif live is not MISSING and callable(live) and not self._is_led(module, name, live, bound):
                severity = Severity.NOTE if unit.kind is UnitKind.IMPORT else Severity.KEPT
                self.left.add(live, f"{module}.{name}", where, severity)

    def _carries(self, live: Any, staged: Any, bound: Any) -> bool:
        """True where the attributes of what a name is bound to are not yet seen to: a cache, or an object made anew."""
        if not all(type(value) in (FunctionType, LRU) for value in (live, staged, bound)):
            return False
        if bound is live:
            return is_a(live, LRU)
        is_own = type(bound) is FunctionType and bound.__code__.co_qualname == live.__qualname__
        return id(bound) not in self.live_functions or is_own

    def _note_left(self, module: str, name: str, live: Any, bound: Any, where: tuple[str, int]) -> None:
        """Whoever holds the object that the name had goes on holding it, where a fresh start would give the new one."""
        was, now = type(live).__name__, type(bound).__name__
        what = f"was {was} and is {now} now" if was != now else f"is another {now} now"
        self._note(
            "HS409", f"{module}.{name} {what}: references taken before keep the {was}", *where, severity=Severity.KEPT
        )

    def _is_led(self, module: str, name: str, live: Any, bound: Any) -> bool:
        """True for a callable whose held references are led on, or have been named already."""
        if type(live) is FunctionType:
            own = id(live) in self.done and not self._is_foreign(module, name, live)
            return own or id(live) in self.swap.led
        if is_handle(live):
            return bool(live._self_owner == (module, name))
        if self.world.is_managed(type(live)) and not is_a(live, type):
            return True
        if not self.slots.owns(module, name, live):
            return False
        if is_a(live, type):
            return not is_a(bound, type) and callable(bound)
        return is_wrapper(live) or (is_a(live, functools.partial) and callable(bound)) or type(live) is type(bound) is LRU

    def _rebind_importers(self) -> None:
        """Other names of what a name was bound to follow, where they were not evaluated themselves."""
        places = self.world.places()
        evaluated = self.draft.dirt.changed | set(self.draft.dirt.derived)
        summaries = self.draft.summaries if self.rebound else {}
        for module in import_order(summaries, summaries.__getitem__, lambda name: places.get(name, len(places))):
            record = self.world.records.get(module)
            if record is None:
                continue
            units = self.draft.summaries[module].units
            last = {name: unit.index for unit in units for name in unit.names}
            for unit in units:
                for name, source in self._passed_on(module, unit):
                    is_last = last.get(name, -1) <= unit.index  # else it is what a later statement makes it, equal or not
                    is_told = unit.kind is UnitKind.BLOCK and (module, unit.index) in evaluated  # which branch was taken
                    if is_last and not is_told:
                        self._rebind_importer(record, name, self.rebound.get(source))

    def _passed_on(self, module: str, unit: Unit) -> Iterator[tuple[str, Symbol]]:
        """The names that a statement gives to what another name is bound to, with that name."""
        for binding in unit.imports:
            if binding.local == "*":
                if module not in self.staging.starred:  # else they are read from the texts anew, see _bind_stars
                    yield from [(name, (owner, name)) for owner, name in self.rebound if owner == binding.module]
            elif binding.attr is not None:
                yield binding.local, (binding.module, binding.attr)
        value = unit.node.value if isinstance(unit.node, (ast.Assign, ast.AnnAssign)) else None
        chain = dotted(value) if value is not None else None
        if chain is not None:
            source = self.draft.graph.resolve(module, chain) if "." in chain else (module, chain)
            yield from ((name, source) for name in unit.names if source is not None)

    def _rebind_importer(self, record: ModuleRecord, name: str, found: tuple[Any, Any] | None) -> None:
        key = (record.name, name)
        if found is None or found[0] is MISSING:
            return  # a name that is new is brought by the statement that imports it, if it is, which was evaluated itself
        if key not in self.rebound and record.module.__dict__.get(name, MISSING) is found[0]:
            self.swap.add(set_item(record.module.__dict__, name, found[1], f"{record.name}.{name}"))
            self.rebound[key] = found

    def _transplant_moved(self) -> None:
        """Classes that have another name or module now, so that no name leads from the one to the other."""
        for staged, live in self.twins.classes:
            moved = (staged.__module__, staged.__qualname__) != (live.__module__, live.__qualname__)
            if moved and id(live) not in self.transplanted and "." not in live.__qualname__:
                self._transplant(live, staged, (self.world.file_of(staged.__module__), 0), "", "")

    def _choose(self, module: str, name: str, live: Any, staged: Any, new: Any, where: tuple[str, int], unit: Unit) -> Any:
        """What a name is bound to: the live object led on to the new one where that is possible, else the new one."""
        if (wrapper := self.twins.wrappers.get((module, name))) is not None and new is not wrapper:
            if is_wrapper(new):
                rewrap(self.swap, new, wrapper, module, name)
            else:
                redirect(self.swap, new, wrapper, module, new.__qualname__)
        if (new is live and not is_a(new, type)) or id(live) in self.twins.rounds:
            return new  # the live one is what a table has it for, and not what its name is bound to in the end
        if is_a(live, type) and is_a(staged, type) and new is live:
            if staged is not live:
                self._transplant(live, staged, where, module, name)
            return live
        if is_handle(live):
            return self._repoint(module, name, live, new, unit)
        if needs_handle(live) and new == live:  # bound once more to the same object
            return live
        if needs_handle(live):
            if unit.kind is UnitKind.IMPORT:
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
            return self._into_handle(module, name, live, new)
        own = self.slots.owns(module, name, live)  # what belongs to another name has other users, who must not be led anywhere
        if is_wrapper(live) and own:
            return self._rewrap(module, name, live, new)
        if type(live) is FunctionType:
            if unit.kind is not UnitKind.IMPORT and self._was_replaced(module, name, live):
                self.merger.keep(f"{module}.{name}", where, "the program replaced it since it was loaded")
                return live
            if unit.kind is not UnitKind.IMPORT and self._is_changed_closure(module, name, live, unit):
                if not fingerprint(new, self.world.is_managed).same(self._base(module)[name]):
                    self.merger.keep(f"{module}.{name}", where, "the program changed it since it was loaded")
                return live
            return self._redirect(module, name, live, new, where)
        if type(live) is LRU and type(new) is LRU and own:
            self._lead_cache(module, name, live, new)
            return new
        if is_a(live, functools.partial) and callable(new) and own:
            same_kind = type(live) is type(new)
            return (self._repoint_partial if same_kind else self._lead_partial)(module, name, live, new)
        if is_a(live, type) and not is_a(new, type) and callable(new) and own:
            return self._class_to_callable(module, name, live, new, where)
        if live is not MISSING and unit.kind in (UnitKind.FUNCTION, UnitKind.BLOCK) and self._is_opaque(live):
            return self._replace_object(module, name, live, new, where, unit)
        if live is MISSING or is_a(new, type) or (callable(new) and not self.world.is_managed(type(new))):
            return new
        if unit.kind is UnitKind.IMPORT:
            return self._rebind_import(module, name, live, new, unit)
        return self._choose_data(module, name, live, new, where)

    def _choose_data(self, module: str, name: str, live: Any, new: Any, where: tuple[str, int]) -> Any:
        """The three-way merge, between an object of the name's own and another one; else the name is bound anew."""
        base, own = self._base(module).get(name), f"{module}.{name}"
        owned = self.slots.owns(module, name, live) or not self.merger.is_filled(live)
        taken = (module, name) not in self.fresh and type(new) is type(live) and self.merger.is_filled(new)
        if owned and not taken:  # what has other names may not go into the live object, who reads those would miss it
            return self.merger.merge(own, live, base, new, where)
        # By the name that it belongs to, or, where the base was evaluated aside and belonged to none, by what is in it.
        prints = [fingerprint(live, self.world.is_managed, name) for name in (own, None)] if base is not None else []
        if base is not None and not any(now.same(base) for now in prints):
            self.merger.keep(own, where, "the program changed it since it was loaded")
            return live
        return new

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
        if id(live) in self.left.held_outside([live], managed):
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
        base, told = record.base if record is not None else None, self.bases.get(module, {})
        unsure = {name for owner, name in self.draft.filled_later if owner == module}
        if base is None or not unsure:
            return told if base is None else base
        return {key: item for key, item in base.items() if key.partition(".")[0].partition("(")[0] not in unsure} | told

    def _was_replaced(self, module: str, name: str, live: Any) -> bool:
        """True for a function that the program put in the place of the one that the text defines."""
        base = (self.world.records[module].base or {}).get(name)
        return base is not None and base.origin != fingerprint(live, self.world.is_managed).origin

    def _is_changed_closure(self, module: str, name: str, live: FunctionType, unit: Unit) -> bool:
        """True for what a call has made, ``handler = make_handler(1)``, where the program made another one or changed what is
        in it: that is data."""
        base = self._base(module).get(name)
        if base is None or unit.kind is UnitKind.FUNCTION or not live.__closure__ or "<locals>" not in live.__qualname__:
            return False
        return not fingerprint(live, self.world.is_managed).same(base)

    def _rebind_import(self, module: str, name: str, live: Any, new: Any, unit: Unit) -> Any:
        """An imported value follows unless the program has bound the name to something else since."""
        base = self._base(module)
        unknown = name not in base and self.world.records[module].base is not None
        if unknown or (name in base and fingerprint(live, self.world.is_managed, f"{module}.{name}").same(base[name])):
            return new
        if self.world.records[module].base is None and name in self.staging.starred.get(module, ((), ()))[0]:
            return new  # it is what a star import of the old text brought
        edited = self.draft.edited.get(module)
        old = edited.old_summary if edited else self.draft.summaries[module]
        for binding in (*unit.imports, *(binding for u in old.units for binding in u.imports)):
            origin = getattr(sys.modules.get(binding.module), "__dict__", {})
            if binding.local == "*" and origin.get(name, MISSING) is live:
                return new
            known = binding.module in self.world.records
            if binding.local == name and (not known or origin.get(binding.attr or "", live) is live):
                return new
        self.merger.keep(
            f"{module}.{name}", (self.world.file_of(module), unit.line), "the program changed it since it was loaded"
        )
        return live

    def _rewrap(self, module: str, name: str, live: Any, new: Any) -> Any:
        target = new if callable(new) else removed_stub(module, name)
        return live if lead_wrapper(self.swap, live, target, module, name) else new

    def _redirect(self, module: str, name: str, live: FunctionType, new: Any, where: tuple[str, int]) -> Any:
        if self._is_foreign(module, name, live) or id(live) in self.twins.rounds:
            return new
        if not callable(new):
            if self._lives_on(live):
                return new
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

    def _lives_on(self, function: FunctionType) -> bool:
        """True where the definition of a function is still there, though no name leads to it."""
        pairing = self.draft.pairings.get(self.owners.get(id(function.__globals__), ""))
        return pairing is not None and "<locals>" not in function.__qualname__ and function.__code__ in pairing.new_of

    def _is_foreign(self, module: str, name: str, function: FunctionType) -> bool:
        """A function that is merely bound here, of a library or under another name: its other users must not be led anywhere."""
        name_of_owner = self.owners.get(id(function.__globals__))
        if name_of_owner is None:
            return function.__closure__ is None or not self.slots.owns(module, name, function)
        owner = self.world.records[name_of_owner]
        at_home = look_up_function(owner.module.__dict__, function.__qualname__) is function
        if owner.name in self.draft.gone or (owner.name, function.__qualname__) in self.homeless:
            return function.__qualname__ != name
        if at_home:
            return (owner.name, function.__qualname__) != (module, name)
        return not self.slots.owns(module, name, function)

    def _why_bare(self, module: str) -> str:
        late = self.world.records[module].base is None
        return "before hotswap was attached" if late else "in a statement that makes no proxy around it, or as another name's"

    def _repoint(self, module: str, name: str, live: Any, new: Any, unit: Unit) -> Any:
        """Point the proxy of a name elsewhere; one that belongs to another name is left to that."""
        if new is live or new is live.__wrapped__:
            return live
        if live._self_owner != (module, name):
            if bare(self._after(live)) is bare(new):
                return live
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

    def _into_handle(self, module: str, name: str, live: Any, new: Any) -> Any:
        handle = as_handle(module, name, new)
        if type(live) is FunctionType and not self._is_foreign(module, name, live):
            lead(self.swap, live, handle, module, name)
        elif is_wrapper(live) and self.slots.owns(module, name, live):
            lead_wrapper(self.swap, live, handle, module, name)
        elif type(live) is functools.partial and self.slots.owns(module, name, live):
            self._lead_partial(module, name, live, handle)
        return handle

    def _repoint_partial(self, module: str, name: str, live: Any, new: Any) -> Any:
        if repoint_partial(self.swap, live, new):
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
        self.swap.add(Write((live.cache_clear,), (live.cache_clear,)))
        caches, old = _inside_caches(live.__wrapped__)
        self.swap.add(*(Write((cache.cache_clear,), (cache.cache_clear,)) for cache in caches))
        fresh = _inside_caches(new.__wrapped__)[1]
        if type(old) is FunctionType and type(fresh) is FunctionType and old is not fresh:
            redirect(self.swap, old, fresh, module, name)

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

    def _transplant(self, live: type, staged: type, where: tuple[str, int], module: str, name: str) -> None:
        """Move the contents of a class and of the classes nested in it, from the module where it is now.

        Args:
            module, name: where a module has it under which name; empty where that is not known.
        """
        if id(live) in self.transplanted:
            return  # importers bind the same class: its contents move once
        self.transplanted.add(id(live))
        old_body = self._body_names(live.__module__, live.__qualname__, old=True)
        new_body = self._body_names(staged.__module__, staged.__qualname__, old=False)
        # A class that a call has made is known by the name that a module has for it.
        is_made_by_call = bool(name) and self.world.look_up((live.__module__, live.__qualname__)) is not live
        root = name if is_made_by_call else live.__qualname__
        paths = {id(cls): path for cls, path in _nested_classes(live, root)}
        for mine, theirs in self._pairs_by_head.get(_head(live), ()):
            if id(theirs) in paths:
                pair = ClassPair(
                    module=module if is_made_by_call else staged.__module__,
                    path=paths[id(theirs)],
                    file=where[0],
                    line=where[1],
                    live=theirs,
                    staged=mine,
                    old_body=frozenset(old_body.get(theirs.__qualname__, ())),
                    new_body=frozenset(new_body.get(mine.__qualname__, ())),
                    same_text=self._same_text(old_body.get(theirs.__qualname__, {}), new_body.get(mine.__qualname__, {})),
                    base=self._base(module if is_made_by_call else live.__module__),
                    members=self.twins.members.get(id(theirs), ()),
                )
                transplant(self.swap, pair, self.twins, self.merger, self.plugins.rebuild_class)
                is_unset = (live.__module__, _head(live)[1]) in self.draft.dirt.unset
                may_go = self.world.is_managed if is_unset else lambda cls: False
                move_registrations(self.swap, theirs, mine, self.twins.resolve, may_go)

    @functools.cached_property
    def _pairs_by_head(self) -> dict[tuple[str, str], list[tuple[type, type]]]:
        """Pairs of a staged and a live class, by the place of the outermost class around them."""
        found: dict[tuple[str, str], list[tuple[type, type]]] = {}
        for staged, live in self.twins.classes:
            found.setdefault(_head(live), []).append((staged, live))
        return found

    def _move_members(self) -> None:
        """Members of classes that a library takes part in making."""
        for staged, live, edit in self.staging.reduced:
            module = staged.__module__
            old = self._body_names(module, live.__qualname__, old=True).get(live.__qualname__, {})
            new = self._body_names(module, live.__qualname__, old=False).get(live.__qualname__, {})
            unit = self.draft.summaries[module].binders()[live.__qualname__][0]
            pair = ClassPair(
                module=module,
                path=live.__qualname__,
                file=self.world.file_of(module),
                line=unit.line,
                live=live,
                staged=staged,
                old_body=frozenset(old),
                new_body=frozenset(new),
                base=self._base(module),
            )
            start = len(self.swap.writes)
            move_members(self.swap, pair, self.twins, self.merger, edit)
            follow_text(self.swap, live, list(old), list(new), start)

    def _body_names(self, module: str, name: str, *, old: bool) -> dict[str, dict[str, str]]:
        """Names that class statements bind in their bodies, with what assigns them, by qualified name of the class."""
        edited = self.draft.edited.get(module)
        summary = edited.old_summary if old and edited else self.draft.summaries.get(module, _NO_SUMMARY)
        found: dict[str, dict[str, str]] = {}
        for unit in summary.binders().get(name, ()):
            _note_body_names(ast.Module([unit.node], []), "", found)
        return found

    def _same_text(self, old: Mapping[str, str], new: Mapping[str, str]) -> frozenset[str]:
        """Names that are assigned as before, from nothing that changed."""
        same = {name for name, text in new.items() if text and old.get(name) == text}
        dirt = self.draft.dirt
        marks = dirt.values | dirt.affected | dirt.classes | dirt.rebound
        changed = {part for _, dotted in marks for part in dotted.split(".")} if same else set()
        return frozenset(name for name in same if changed.isdisjoint(re.findall(r"\w+", new[name])))

    # ---- the rest ----

    def _bind_stars(self, module: str) -> None:
        """Names that star imports bring come and go as the texts say."""
        before, after = self.staging.starred.get(module, ((), ()))
        live = self.world.records[module].module.__dict__
        units = [unit for unit, _ in star_units(self.draft.summaries[module])]
        for name in sorted(after):
            self.starred.add((module, name))
            self._bind_name(module, name, units[-1])
        own = {name for unit in self.draft.summaries[module].units for name in unit.names}
        for name in sorted(set(before) - set(after) - own):
            self.swap.add(del_item(live, name))

    def _bind_annotations(self, module: str) -> None:
        live = self.world.records[module].module.__dict__
        staged = self.staging.modules[module].__dict__.get("__annotations__")  # noqa: RUF063 - of the module as it is
        if staged is not None and "__annotations__" in live and not same_value(staged, live["__annotations__"]):
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
                renamed = (diff is not None and name in diff.renamed) or (plan.module, name) in self.draft.renames
                self._drop_name(record, name, 0, renamed=renamed)
        self._lead_removed()

    def _note_imported(self) -> None:
        """Modules that evaluated imports have loaded: they are there already, and leave again with a rollback."""
        for name in self.swap.imported:
            module = sys.modules.get(name)
            parent, _, child = name.rpartition(".")
            package = sys.modules.get(parent) if parent else None
            if module is None or name not in self.world.records:
                continue
            record = self.world.records[name]
            record.base = None  # that of when its text had executed is of objects made aside
            self.world.snapshot(record)
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
            if not renamed and id(live[name]) not in self.twins.places and is_a(live[name], (FunctionType, type)):
                self._note("HS410", f"{record.name}.{name} was removed", record.file, line)

    def _lead_removed(self) -> None:
        """Functions without a successor say so when a held reference is called."""
        for name, pairing in self.draft.pairings.items():
            record = self.world.records[name]
            for code in pairing.removed:
                if "<locals>" in code.co_qualname:
                    self._lead_moved_closures(name, code)
                    continue
                for function in self.heap.of(code):
                    if function.__globals__ is record.module.__dict__ and id(function) not in self.swap.led:
                        self.swap.removed.append((name, function))
                        lead(self.swap, function, removed_stub(name, code.co_qualname), name, code.co_qualname)

    def _lead_moved_closures(self, module: str, code: CodeType) -> None:
        """Live closures go on in the module to which the function that made them has moved."""
        functions = self.heap.of(code)
        home = self._new_home(module, code.co_qualname.partition(".<locals>")[0]) if functions else None
        new = [c for c in walk(self.draft.edited[home].new.code) if c.co_qualname == code.co_qualname] if home else []
        if home is None or len(new) != 1 or new[0] in self.draft.pairings[home].old_of:
            return
        for function in functions:
            if function.__globals__ is self.world.records[module].module.__dict__ and id(function) not in self.swap.led:
                jump_code(self.swap, function, new[0], {}, module, self.world.records[home].module.__dict__)

    def _new_home(self, module: str, name: str) -> str | None:
        """The module to which a definition has moved: the old one imports it from there now, or was imported from."""
        for other, edited in self.draft.edited.items():
            ways = ((other, self.draft.summaries[module]), (module, edited.old_summary))
            for source, summary in ways if other != module else ():
                bindings = [binding for unit in summary.units if name in unit.names for binding in unit.imports]
                if any(binding.local == name == binding.attr and binding.module == source for binding in bindings):
                    return other
        return None

    def _drop_caches(self) -> None:
        """Results computed by code that changed are dropped; last of all writes, since finalisers may run."""
        affected = self.draft.dirt.affected
        names = {record.module.__name__: name for name, record in self.world.records.items()}

        def find(symbol: tuple[str, str]) -> Any:
            record = self.world.records.get(symbol[0])
            return look_up_function(record.module.__dict__, symbol[1]) if record is not None else None

        def find_new(symbol: tuple[str, str]) -> Any:
            module = self.staging.modules.get(symbol[0])
            found = look_up(module.__dict__, symbol[1]) if module is not None else None
            return made_anew.get(id(found), found)  # a live object that gets the state of a new one

        made_anew = {id(made.live): made.staged for made in self.twins.objects}
        pairs = self.twins.classes
        memory = Memory(tuple(self.world.records.values()), self.draft.dirt, pairs, {id(item) for item in self.staging.young})
        stale = Stale(
            functions=frozenset(affected),
            rebuilt=tuple(live for _, live in pairs),
            aside=frozenset(id(staged) for staged, live in pairs if staged is not live),
            rebased=tuple(live for staged, live in pairs if tuple(map(self.twins.resolve, staged.__bases__)) != live.__bases__),
            lru_caches=tuple(self.heap.caches),
            find=find,
            becomes=find_new,
            is_stale=lambda function: _is_affected(affected, names.get(function.__module__, ""), function.__qualname__),
            may_differ=memory.may_differ,
            members=memory.members,
            drop_attribute=self.census.drop_attribute,
            drop_attribute_on_rollback=self.census.drop_attribute_on_rollback,
        )
        self.swap.add(*self.plugins.stale_caches(stale))


def _inside_caches(item: Any) -> tuple[list[Any], Any]:
    """The caches that stand around something, and what they stand around."""
    caches = []
    while type(item) is LRU:
        caches.append(item)
        item = item.__dict__["__wrapped__"]
    return caches, item


def _note_body_names(node: ast.AST, path: str, found: dict[str, dict[str, str]]) -> None:
    """Note what class statements below a node bind, with the dumped assignments."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            own = f"{path}{child.name}"
            found[own] = dict.fromkeys(bound_names(child.body), "")
            for statement in child.body:
                if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                    text = dump(statement)
                    found[own] |= {bound: found[own][bound] + text for bound in bound_names([statement])}
            _note_body_names(child, f"{own}.", found)
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _note_body_names(child, path, found)


def _nested_classes(cls: type, path: str) -> Iterator[tuple[type, str]]:
    """A class and those that are nested in it, with the dotted name of each."""
    yield cls, path
    for name, value in list(vars_of(cls).items()):
        if is_a(value, type) and value.__module__ == cls.__module__ and value.__qualname__.startswith(f"{cls.__qualname__}."):
            yield from _nested_classes(value, f"{path}.{name}")


def _head(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__.partition(".")[0]


def _is_affected(affected: set[tuple[str, str]], module: str, qualname: str) -> bool:
    return (module, qualname) in affected or (module, qualname.partition(".<locals>")[0]) in affected


def _objects_of_staged_classes(young: list[Any]) -> list[Any]:
    """The objects that the new code has made already; others that are young have been made by the program meanwhile."""
    classes = {id(item) for item in young if is_a(item, type)}
    return [item for item in young if id(type(item)) in classes and not is_a(item, type)] if classes else []
