"""What the steps of one linking share: the draft, the tables that they fill, and the swap that comes of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from hotswap.commit import MISSING, Swap, take_new
from hotswap.convert.converter import Converter, Request
from hotswap.fingerprint import CONTAINERS, Print, fields_of, fingerprint, home_of
from hotswap.kinds import is_a, vars_of
from hotswap.link.attributes import FunctionData
from hotswap.link.data import Merger, has_hash
from hotswap.link.handles import is_handle
from hotswap.link.heap import Heap
from hotswap.link.holders import runs_code
from hotswap.link.instances import Census
from hotswap.link.left import Left
from hotswap.link.names import look_up_function
from hotswap.link.redirect import can_jump, redirect
from hotswap.link.slots import Slots
from hotswap.link.trampoline import target_of
from hotswap.migrations import Migration
from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft
from hotswap.plan.units import Unit, UnitKind
from hotswap.plugin.manager import Plugins
from hotswap.shadow import forget_coming
from hotswap.world import World

_HEAP_TYPE = 1 << 9


class LinkRefused(Exception):
    """The plan cannot be carried out; nothing was changed."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings[0].message if findings else "refused")
        self.findings = findings


class Linking:
    """One draft on its way to a swap, from the list of the heap to the last prepared write; see ``bind.py`` for the order.

    Attributes:
        owners: names of managed modules by the ids of their namespaces.
        done: ids of live functions whose jump is prepared.
        homeless: definitions that their module loses: what stands elsewhere under their name is their successor.
        rebound: names that get another object: the old and the new one.
        starred: names that are bound by a star import.
        transplanted: ids of live classes whose contents have been exchanged.
        declared: migrations that staged modules declare, with a copy of each as it was before anything was led over.
        made_aside: objects of the new classes.
        bases: what names without a fingerprint from load time had, see ``late.py``.
        alive: opaque values that were made only to be compared.
        fresh: the new container whose contents go into the live one, by name.
        heap, live_functions: filled by the list of the heap; the ids of all functions of edited files.
        staging, twins: filled when the draft has been evaluated and led over.
    """

    def __init__(
        self, draft: Draft, world: World, plugins: Plugins, converter: Converter, look: Callable[[Request], None] | None
    ) -> None:
        self.draft = draft
        self.look = look
        self.converter = converter
        self.world = world
        self.plugins = plugins
        self.swap = Swap(codes={draft.edited[name].file: pairing.new_of for name, pairing in draft.pairings.items()})
        self.slots = Slots(draft, world)
        self.left = Left(self.swap, world.history, [self.slots.kept])
        self.merger = Merger(
            self.swap, world.is_managed, self.may_fill, self.take_closure, self.is_guarded, self.is_late,
            self.left.add_inner, self.left.own,
        )  # fmt: skip
        self.data = FunctionData(draft, world, self.merger, self.base)
        self.swap.merge = self.data.merge
        self.census = Census()
        self.owners = {id(record.module.__dict__): name for name, record in reversed(list(world.records.items()))}
        self.done: set[int] = set()
        self.homeless = {(plan.module, name) for plan in draft.plan.modules for name in plan.removed}
        self.homeless |= {
            (name, old.names[0])
            for name, diff in draft.diffs.items()
            for old, new in diff.changed
            if old.names and old.kind is not new.kind and new.kind is UnitKind.IMPORT
        }
        self.rebound: dict[tuple[str, str], tuple[Any, Any]] = {}
        self.starred: set[tuple[str, str]] = set()
        self.transplanted: set[int] = set()
        self.heap = Heap()
        self.live_functions: set[int] = set()
        self.staging: Any = None
        self.declared: list[tuple[Migration, Migration]] = []
        self.made_aside: list[Any] = []
        self.twins: Any = None
        self.bases: dict[str, dict[str, Print]] = {}
        self.alive: list[Any] = []
        self.fresh: dict[tuple[str, str], Any] = {}

    def may_fill(self, live: Any, new: Any) -> bool:
        """True where what stands inside of a container can become a new one, and is no other name's."""
        if type(live) is FunctionType:
            is_own = self.slots.owner(live) is None and target_of(live) is None and id(new) not in self.live_functions
            is_made_by_call = "<locals>" in live.__qualname__ == new.__qualname__
            return is_own and is_made_by_call and can_jump(live, new)
        is_managed = self.world.is_managed
        if not (self.merger.is_filled(live) and self.merger.is_filled(new)):
            return False
        # A set that it is in would not find it any more.
        if not is_a(live, CONTAINERS) and (has_hash(type(live)) or fingerprint(new, is_managed).opaque):
            return False
        if (fields_of(live) or {}).keys() != (fields_of(new) or {}).keys():
            return False  # its class has changed shape, and converts it
        return self.is_nameless(live)

    def is_nameless(self, live: Any) -> bool:
        """True for an object without a name, or with one that only passes on what is made elsewhere, ``DB = SETTINGS["db"]``,
        and tells that the program has not changed it."""
        module, _, name = home_of(live, self.world.is_managed).rpartition(".")
        if not name:
            return True
        base = self.base(module).get(name)
        is_given = not self.slots.owns(module, name, live)
        return is_given and base is not None and fingerprint(live, self.world.is_managed, f"{module}.{name}").same(base)

    def take_closure(self, live: FunctionType, new: FunctionType) -> None:
        redirect(self.swap, live, new, self.owners.get(id(live.__globals__), ""), live.__qualname__)

    def is_guarded(self, cls: type, name: str) -> bool:
        """True where a property or the like stands before an attribute of objects, in their class as it is or in the new one."""
        staged = self.staged_of
        rows = [(base, *staged.get(id(base), base).__mro__) for base in cls.__mro__]
        return any(runs_code(vars_of(base).get(name)) for row in rows for base in row if base.__flags__ & _HEAP_TYPE)

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

    def note(
        self, code: str, message: str, file: str = "", line: int = 0, severity: Severity = Severity.NOTE, next_step: str = ""
    ) -> None:
        found = Finding(code=code, severity=severity, message=message, file=file, line=line, next_step=next_step)
        self.swap.findings.append(found)

    def is_late(self, file: str) -> bool:
        """True for a file of which a module had been loaded before hotswap came."""
        return any(record.base is None for record in self.world.records_of(file))

    def base(self, module: str) -> dict[str, Print]:
        """What the module's data was when it was loaded, or what its old text gives now."""
        record = self.world.records.get(module)
        base, told = record.base if record is not None else None, self.bases.get(module, {})
        unsure = {name for owner, name in self.draft.filled_later if owner == module}
        if base is None or not unsure:
            return told if base is None else base
        return {key: item for key, item in base.items() if key.partition(".")[0].partition("(")[0] not in unsure} | told

    @functools.cached_property
    def committed(self) -> dict[str, tuple[set[str], list[Unit]]]:
        """The statements whose results count, by module and in the order of the text, with all names that they bind."""
        found: dict[str, tuple[set[str], list[Unit]]] = {}
        for module, index in sorted(self.draft.dirt.changed | set(self.draft.dirt.derived)):
            unit = self.draft.summaries[module].units[index]
            names, units = found.setdefault(module, (set(), []))
            names.update(unit.names)
            units.append(unit)
        return found

    @functools.cached_property
    def staged_of(self) -> dict[int, type]:
        """The staged classes, by the id of the live one."""
        return {id(live): staged for staged, live in self.twins.classes}

    @functools.cached_property
    def pairs_by_head(self) -> dict[tuple[str, str], list[tuple[type, type]]]:
        """Pairs of a staged and a live class, by the place of the outermost class around them."""
        found: dict[tuple[str, str], list[tuple[type, type]]] = {}
        for staged, live in self.twins.classes:
            found.setdefault(head_of(live), []).append((staged, live))
        return found

    def is_data(self, value: Any) -> bool:
        if is_a(value, (type, ModuleType, FunctionType)) or is_handle(value):
            return False
        is_state = not callable(value) or type(value) is functools.partial or self.world.is_managed(type(value))
        return value is not MISSING and is_state

    def is_foreign(self, module: str, name: str, function: FunctionType) -> bool:
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

    def was_replaced(self, module: str, name: str, live: Any) -> bool:
        """True for a function that the program put in the place of the one that the text defines."""
        base = (self.world.records[module].base or {}).get(name)
        return base is not None and base.origin != fingerprint(live, self.world.is_managed).origin

    def is_changed_closure(self, module: str, name: str, live: FunctionType, unit: Unit) -> bool:
        """True for what a call has made, ``handler = make_handler(1)``, where the program made another one or changed what is
        in it: that is data."""
        base = self.base(module).get(name)
        if base is None or unit.kind is UnitKind.FUNCTION or not live.__closure__ or "<locals>" not in live.__qualname__:
            return False
        return not fingerprint(live, self.world.is_managed).same(base)


def head_of(cls: type) -> tuple[str, str]:
    """The module and the name of the outermost class around a class, or of itself."""
    return cls.__module__, cls.__qualname__.partition(".")[0]
