"""The mutable state of the engine, all in one place.

States of a module record: adopted (its text has executed), swapped (a newer text is live). Lock order:
``World.lock`` is the only lock of the engine besides the engine's own swap lock, which is taken first. No code of
the program runs while ``World.lock`` is held.
"""

from __future__ import annotations

import functools
import gc
import os
import re
import sys
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import CodeType, FrameType, FunctionType, MappingProxyType, ModuleType
from typing import Any

import attrs

from hotswap.commit import Swap
from hotswap.detached import DetachedModules
from hotswap.fingerprint import CONTAINERS, Managed, Print, fingerprint, function_data, kind_of_value
from hotswap.frames import Outdated
from hotswap.kinds import is_a, is_own, namespace_of, vars_of
from hotswap.model import Consistency, Finding, Mechanism, Redirect, Report

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import\b|import[ \t]+([^\n#;]+))|;[ \t]*(?:from|import)\b", re.MULTILINE
)

_BY_NAME = re.compile(rb"import_module|__import__|find_spec|resolve_name|sys\.modules\b")
_BY_COMPUTED_NAME = re.compile(
    rb"(?:import_module|__import__|resolve_name|sys\.modules\.get)\(\s*(?![\s\"'])|sys\.modules\[\s*(?![\s\"'])"
)
_NAME_IN_STRING = re.compile(rb"[\"']([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::[\w.]*)?[\"']")
#: Stands for all modules, among those that a text may import.
ANY_MODULE = "*"

#: ``(module, dotted name)``.
Symbol = tuple[str, str]


#: References that lead to something though they do not hold it; exactly these: calling them runs no code of the program.
_WEAK = (weakref.ref, weakref.WeakMethod)
#: How many objects are gone through to find out what a variable holds.
_MOST_OBJECTS = 20_000
#: How deep classes that calls have made are looked for in each other.
_DEEPEST = 4


def _led_to(value: Any) -> list[Any]:
    return [*gc.get_referents(value), value()] if type(value) in _WEAK else gc.get_referents(value)


@attrs.define(eq=False)
class ModuleRecord:
    """One managed module.

    Attributes:
        name: in ``sys.modules``.
        file: as its code carries it in ``co_filename``.
        data: the bytes that are live.
        loaded: the bytes that it was executed from, which the frame of its top level still counts its lines by.
        base: fingerprints of its data when the text had executed, by name (also ``Class.attr``, ``function.attr`` and
            ``function(default)``); None for a module that hotswap was attached to later.
        has_run: False for a main module that is still executing.
        is_stale: the file is known to have changed between its import and its adoption, so ``data`` is not what is live.
        contributors: by what it binds, the modules that have changed that while they were imported.
        bound: the names that it had when the text had executed, where some may have come by ``globals()``; else None.
        taken_back: texts that were live and were taken back: functions of theirs may be held.
    """

    name: str
    file: str
    module: ModuleType
    data: bytes = attrs.field(repr=False)
    base: dict[str, Print] | None = attrs.field(default=None, repr=False)
    has_run: bool = True
    is_stale: bool = False
    contributors: dict[str, set[str]] = attrs.field(factory=dict, repr=False)
    bound: frozenset[str] | None = None
    taken_back: set[bytes] = attrs.field(factory=set, repr=False)
    basename: str = attrs.field(init=False, repr=False)
    # Kept by the engine so that a text is parsed once; opaque here, since the world lies below the plan stage.
    source: Any = attrs.field(default=None, repr=False)
    summary: Any = attrs.field(default=None, repr=False)
    loaded: bytes = attrs.field(default=attrs.Factory(lambda self: self.data, takes_self=True), repr=False)
    _imports: frozenset[str] | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        self.basename = os.path.basename(self.file)

    @property
    def is_package(self) -> bool:
        return hasattr(self.module, "__path__")

    @property
    def package_name(self) -> str:
        """The name that relative imports count from; differs from ``name`` for ``__main__`` started with ``-m``."""
        if self.name != "__main__":
            return self.name
        spec = getattr(self.module, "__spec__", None)
        return spec.name if spec is not None else self.name

    @property
    def imports(self) -> frozenset[str]:
        """Names of modules that the text may import; a superset, found without parsing."""
        if self._imports is None:
            named = _scan_names(self.data)
            self._imports = frozenset({*_scan_imports(self.data, self.package_name, self.is_package), *named})
        return self._imports

    def set_text(self, data: bytes, source: Any, summary: Any) -> None:
        self.data, self.source, self.summary, self._imports = data, source, summary, None


def _scan_names(data: bytes) -> Iterable[str]:
    """Strings that may be a module's name, in a text that gets modules by their names."""
    if _BY_NAME.search(data):
        if _BY_COMPUTED_NAME.search(data):
            yield ANY_MODULE
        for match in _NAME_IN_STRING.finditer(data):
            name = match[1].decode("ascii")
            while name:  # of ``resolve_name("pkg.mod.Class")`` a part may be the module
                yield name
                name = name.rpartition(".")[0]


def _scan_imports(data: bytes, module: str, is_package: bool) -> Iterable[str]:
    for match in _IMPORT.finditer(data):
        if match[1]:
            target = match[1].decode("ascii", "replace")
            level = len(target) - len(target.lstrip("."))
            if level:
                parts = module.split(".")
                drop = level - 1 if is_package else level
                target = ".".join([*parts[: len(parts) - drop], *filter(None, [target[level:]])])
            yield target
        elif match[2]:
            for name in match[2].decode("ascii", "replace").split(","):
                if words := name.split():
                    yield words[0]


@attrs.frozen(eq=False)
class Before:
    """What a record was before a swap."""

    # The bytes only: a syntax tree is tens of thousands of objects, which every pass over the heap would walk.
    data: bytes = attrs.field(repr=False)
    base: dict[str, Print] | None = attrs.field(repr=False)
    bound: frozenset[str] | None = None


@attrs.define(eq=False)
class AppliedSwap:
    """A swap that is live, with what is needed to take it back.

    Attributes:
        ran: what a rollback has to say about each statement that was run for an effect outside of managed data, with the
            module and the text of those that must not be run again.
        need: the least consistency that was safe for it, whatever it was made with.
    """

    report: Report
    swap: Swap
    records: dict[str, Before]
    gone: list[ModuleRecord] = attrs.Factory(list)
    # Of the callables that it redirected or that went: what the world had of them before.
    mechanisms: dict[tuple[str, str], Mechanism | None] = attrs.Factory(dict)
    ran: list[tuple[Finding, tuple[str, bytes] | None]] = attrs.Factory(list)
    need: Consistency = Consistency.QUIESCENT


@attrs.define(eq=False)
class World:
    """All that the engine knows about the running program.

    Attributes:
        records: managed modules by name. Invariant: each one's ``data`` is the text that is live in it.
        history: applied swaps, oldest first.
        held: findings of files whose newest text was not applied, by path.
        mechanisms: how each redirected callable is redirected, by module and qualified name; of those that the text has, and
            of those without a definition that are alive.
        outdated: code of earlier texts that frames still run.
        detached: what modules were that are not managed any more.
        begun: the modules that were loaded under management, in the order in which their loading began; those that they import
            are adopted before them.
    """

    # Guards the three tables; innermost lock, held for look-ups only, never while code of the program runs.
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)
    records: dict[str, ModuleRecord] = attrs.Factory(dict)
    history: list[AppliedSwap] = attrs.Factory(list)
    held: dict[str, tuple[Finding, ...]] = attrs.Factory(dict)
    mechanisms: dict[str, dict[str, Mechanism]] = attrs.Factory(dict)
    outdated: Outdated = attrs.Factory(Outdated)
    removed: dict[tuple[str, str], list[weakref.ref[FunctionType]]] = attrs.Factory(dict)
    # What plugins say about a value of a module: "data", "keeper", "opaque", or None.
    ask_kind: Callable[[Any], str | None] = lambda value: None
    on_adopt: list[Callable[[ModuleRecord], None]] = attrs.Factory(list)
    is_managed: Managed = attrs.field(init=False, repr=False)
    detached: DetachedModules = attrs.Factory(DetachedModules)
    begun: dict[str, None] = attrs.Factory(dict)

    def __attrs_post_init__(self) -> None:
        self.is_managed = Managed(self.records, lambda value: self.ask_kind(value) == "data")

    # ---- modules ----

    def begin(self, name: str) -> None:
        """Note that a module begins to be loaded; anew where it was before."""
        with self.lock:
            self.begun.pop(name, None)
            self.begun[name] = None

    def adopt(
        self, module: ModuleType, file: str, data: bytes, *, name: str, has_run: bool = True, fresh: bool = True,
        is_stale: bool = False,
    ) -> ModuleRecord:  # fmt: skip
        """Take a module under management.

        Args:
            file: the file name that its code carries.
            data: the bytes that it was executed from.
            name: in ``sys.modules``.
            has_run: False for a main module that is about to execute; :meth:`snapshot` follows.
            fresh: False for a module that was loaded before hotswap: its data may have been changed since.
            is_stale: see :class:`ModuleRecord`.
        """
        record = ModuleRecord(name, file, module, data, has_run=has_run, is_stale=is_stale)
        return self._enter(record, fresh=fresh)

    def readopt(self, left: ModuleRecord) -> ModuleRecord:
        """Take a module under management again, with what an earlier world knew of it."""
        return self._enter(attrs.evolve(left, source=None, summary=None), fresh=False)

    def _enter(self, record: ModuleRecord, *, fresh: bool) -> ModuleRecord:
        with self.lock:
            if (before := self.records.get(record.name)) is not None and before.module is not record.module:
                self.detached.add(before)
                self.mechanisms.pop(record.name, None)
            self.records[record.name] = record
        if record.has_run:
            self.is_managed.note(record.name, record.module.__dict__)
        if record.has_run and fresh:
            self.snapshot(record)
        for listener in self.on_adopt:
            listener(record)
        return record

    def snapshot(self, record: ModuleRecord) -> None:
        """Fingerprint a module's data as it is now: the base of later three-way merges."""
        self.is_managed.note(record.name, record.module.__dict__)
        record.base = {**print_namespace(self, record), **(record.base or {})}
        record.has_run = True
        if b"globals" in record.data:
            record.bound = frozenset(record.module.__dict__)

    def snapshot_names(self, record: ModuleRecord, names: Iterable[str], kept: Mapping[str, Print | None] | None = None) -> None:
        """Fingerprint some names anew, after their initialisers were evaluated again.

        Args:
            kept: see ``Swap.bases``.
        """
        assert record.base is not None, f"{record.name} has no base to renew"
        self.is_managed.note(record.name, record.module.__dict__)
        renewed, before = set(names), record.base.copy()
        for key in [k for k in record.base if k.partition(".")[0].partition("(")[0] in renewed]:
            del record.base[key]
        for name in renewed:
            if name in record.module.__dict__:
                record.base.update(print_value(self, record, name, record.module.__dict__[name]))
        for key, then in (kept or {}).items():
            own = key.removeprefix(f"{record.name}.")
            if own != key and own in before and own.partition(".")[0].partition("(")[0] in renewed:
                record.base[own] = then if then is not None else before[own]

    def note_removed(self, removed: Iterable[tuple[str, FunctionType]]) -> None:
        """Remember functions that lost their definition, so that the definition can come back to them."""
        with self.lock:
            for module, function in removed:
                refs = self.removed.setdefault((module, function.__qualname__), [])
                refs[:] = [ref for ref in refs if ref() is not None and ref() is not function]
                refs.append(weakref.ref(function))
            self._forget_dead()

    def _forget_dead(self) -> None:
        # Caller holds World.lock. Each name that ever went would stay otherwise.
        for key in [key for key, refs in self.removed.items() if all(ref() is None for ref in refs)]:
            del self.removed[key]

    def forget_removed(self, removed: Iterable[tuple[str, FunctionType]]) -> None:
        """The inverse of :meth:`note_removed`."""
        with self.lock:
            for module, function in removed:
                refs = self.removed.get((module, function.__qualname__), [])
                refs[:] = [ref for ref in refs if ref() is not function]

    def removed_function(self, module: str, qualname: str) -> FunctionType | None:
        """The one live function that had this definition before it was removed."""
        found = [f for ref in self.removed.get((module, qualname), ()) if (f := ref()) is not None]
        return found[0] if len(found) == 1 else None

    def note_mechanisms(
        self, redirects: Iterable[Redirect], names: Callable[[str], Collection[str]], edited: Iterable[str]
    ) -> dict[tuple[str, str], Mechanism | None]:
        """Note how a swap redirects, and forget what is gone; gives what was noted before of all that changes.

        Args:
            names: the qualified names of the code of a module.
            edited: the modules with a new text.
        """
        before: dict[tuple[str, str], Mechanism | None] = {}
        with self.lock:
            for module in edited:
                before |= {(module, name): self.mechanisms[module].pop(name) for name in self._without_callable(module, names)}
            for each in redirects:
                known = self.mechanisms.setdefault(each.module, {})
                before.setdefault((each.module, each.qualname), known.get(each.qualname))
                known[each.qualname] = each.mechanism
        return before

    def _without_callable(self, module: str, names: Callable[[str], Collection[str]]) -> list[str]:
        held = {name for name in self.mechanisms.get(module, ()) if self.look_up((module, name)) is None}
        if held:
            held.difference_update(names(module))
        return [name for name in held if not any(ref() is not None for ref in self.removed.get((module, name), ()))]

    def restore_mechanisms(self, before: Mapping[tuple[str, str], Mechanism | None]) -> None:
        """The inverse of :meth:`note_mechanisms`."""
        with self.lock:
            for (module, name), mechanism in before.items():
                known = self.mechanisms.setdefault(module, {})
                if mechanism is None:
                    known.pop(name, None)
                else:
                    known[name] = mechanism

    def records_of(self, path: str) -> list[ModuleRecord]:
        """The records of a file; a file run as main and imported by name has two."""
        return self.file_finder()(path)

    def file_finder(self) -> Callable[[str], list[ModuleRecord]]:
        """:meth:`records_of` as things stand now, for many files."""
        named: dict[str, list[ModuleRecord]] = {}
        with self.lock:
            for record in self.records.values():
                named.setdefault(record.basename, []).append(record)

        def find(path: str) -> list[ModuleRecord]:
            records = named.get(os.path.basename(path), [])
            real = os.path.realpath(path) if any(r.file != path for r in records) else path
            return [r for r in records if r.file == path or os.path.realpath(r.file) == real]

        return find

    def forget_lost(self) -> None:
        """Let go of records whose module is gone, or whose name another managed module has; one that is back has its own again.

        Tests of modules with accelerators import them once more and put the first one back. A module that was only taken out
        of ``sys.modules`` is still what the program uses: it goes on being managed.
        """
        with self.lock:
            moved = [record for name, record in self.records.items() if sys.modules.get(name) is not record.module]
        for record in moved:
            # Two references to the module are its record's and this call's. One in a circle counts as alive.
            if not self._take_up(record) and sys.getrefcount(record.module) <= 2:
                with self.lock:
                    if self.records.get(record.name) is record:  # else a new one was loaded meanwhile
                        del self.records[record.name]
                        self.mechanisms.pop(record.name, None)
                    self.detached.add(record)

    def _take_up(self, before: ModuleRecord) -> bool:
        """Manage the module that now has the name of a record, if it was managed before or is of the same file."""
        module = sys.modules.get(before.name)
        if not is_a(module, ModuleType) or getattr(module.__dict__.get("__spec__"), "_initializing", False):
            return False  # it is executing in another thread, and is taken up when it has
        known = self.detached.of_module(module)
        file = known.record.file if known is not None else module.__dict__.get("__file__")
        same = [record.data for record in self.records_of(file)] if isinstance(file, str) else []
        # Of another text: it was swapped since. Its functions followed, its data did not.
        if known is not None and known.record.name == before.name and known.record.data in (same or [known.record.data]):
            self._enter(attrs.evolve(known.record, module=module, source=None, summary=None), fresh=False)
        elif file == before.file:
            self.adopt(module, before.file, before.data, name=before.name, fresh=False)
        else:
            return False
        return True

    def discard(self, name: str) -> bool:
        """Forget a module that the program has never had; gives whether there was one."""
        with self.lock:
            return self.records.pop(name, None) is not None

    def live_texts(self) -> dict[str, bytes]:
        """What is live, by file: of all that is managed, and of what is not any more but may be in use."""
        with self.lock:
            return {**self.detached.texts(), **{record.file: record.data for record in self.records.values()}}

    def importer_finder(self) -> Callable[[str], list[str]]:
        """Finds, as things stand now, the managed modules whose text names a module in an import; a superset."""
        users: dict[str, list[str]] = {}
        with self.lock:
            records = list(self.records.values())
        for record in records:
            for target in record.imports:
                users.setdefault(target, []).append(record.name)
        anything = users.get(ANY_MODULE, [])
        return lambda name: users.get(name, []) + anything

    # ---- facts for the plan stage, in plain words ----

    def kind_of(self, symbol: Symbol) -> str:
        record = self.records.get(symbol[0])
        if record is None or symbol[1] not in record.module.__dict__:
            return "missing"
        value = record.module.__dict__[symbol[1]]
        kind = kind_of_value(value, self.is_managed)
        if kind not in ("data", "instance", "holder", "shared", "opaque"):
            return kind
        said = self.ask_kind(value)
        return "data" if said == "keeper" else said or kind

    def is_keeper(self, symbol: Symbol) -> bool:
        """True for an object that a plugin knows to call what it is filled with only later, never while it is filled."""
        record = self.records.get(symbol[0])
        value = record.module.__dict__.get(symbol[1]) if record is not None else None
        return value is not None and self.ask_kind(value) == "keeper"

    def look_up(self, symbol: Symbol) -> Any:
        """What a symbol is bound to in a loaded module, managed or not; None where it is bound to nothing."""
        record = self.records.get(symbol[0])
        value: Any = record.module if record is not None else sys.modules.get(symbol[0])
        for part in symbol[1].split("."):
            value = namespace_of(value).get(part) if is_a(value, (ModuleType, type)) else None
        return value

    def type_of(self, symbol: Symbol) -> Symbol | None:
        record = self.records.get(symbol[0])
        value = record.module.__dict__.get(symbol[1]) if record is not None else None
        cls = type(value)
        if value is None or is_a(value, (type, FunctionType)) or not self.is_managed(cls):
            return None
        return (cls.__module__, cls.__qualname__)

    def kind_of_object(self, symbol: Symbol) -> type | None:
        """The type of the object that a symbol is bound to; None where it is bound to nothing."""
        record = self.records.get(symbol[0])
        return type(record.module.__dict__[symbol[1]]) if record and symbol[1] in record.module.__dict__ else None

    def classes_in(self, symbol: Symbol) -> frozenset[Symbol] | None:
        """The managed classes of all objects that can be reached from what a symbol is bound to; None for too many."""
        record = self.records.get(symbol[0])
        value = record.module.__dict__.get(symbol[1]) if record is not None else None
        seen, pending = {id(value)}, [value]
        classes: set[type] = set()
        while pending:
            value = pending.pop()
            classes.add(type(value))
            for item in _led_to(value):
                if id(item) not in seen and not is_a(item, (type, ModuleType, FunctionType, CodeType, FrameType)):
                    seen.add(id(item))
                    pending.append(item)
            if len(seen) > _MOST_OBJECTS:
                return None
        return frozenset((cls.__module__, cls.__qualname__) for cls in classes if self.is_managed(cls))

    def callables_in(self, symbol: Symbol) -> frozenset[Symbol] | None:
        """The managed functions and classes that can be reached from what a symbol is bound to, to be called by whoever has it;
        None for too many objects."""
        record = self.records.get(symbol[0])
        value = record.module.__dict__.get(symbol[1]) if record is not None else None
        spaces = {id(each.module.__dict__): name for name, each in list(self.records.items())}
        seen, pending = {id(value)}, [value]
        found: set[Symbol] = set()
        while pending:
            value = pending.pop()
            if type(value) is FunctionType:
                if (home := spaces.get(id(value.__globals__))) is not None:
                    found.add((home, value.__qualname__))
                inside = [*(value.__closure__ or ()), *value.__dict__.values()]  # what a decorator has put something around
            elif is_a(value, type):
                if not self.is_managed(value):
                    continue
                found.add((value.__module__, value.__qualname__))
                kinds = (staticmethod, classmethod, functools.partial, *CONTAINERS, tuple)
                inside = [part for part in vars_of(value).values() if is_a(part, kinds)]
            elif is_a(value, (ModuleType, CodeType, FrameType)):
                continue
            else:
                inside = [part for part in _led_to(value) if part is not type(value)]
            for part in inside:
                if id(part) not in seen:
                    seen.add(id(part))
                    pending.append(part)
            if len(seen) > _MOST_OBJECTS:
                return None
        return frozenset(found)

    def contributors(self, symbol: Symbol) -> Collection[str]:
        record = self.records.get(symbol[0])
        return record.contributors.get(symbol[1], ()) if record is not None else ()

    def module_of(self, symbol: Symbol) -> str | None:
        record = self.records.get(symbol[0])
        value = record.module.__dict__.get(symbol[1]) if record is not None else None
        return value.__name__ if is_a(value, ModuleType) and value.__name__ in self.records else None

    def places(self) -> dict[str, int]:
        """The managed modules, counted in the order in which they were loaded."""
        with self.lock:
            return {name: place for place, name in enumerate(self.records)}

    def owner_of(self, space: dict[Any, Any]) -> str | None:
        """The managed module of which a dict is the namespace."""
        with self.lock:
            return next((name for name, record in self.records.items() if record.module.__dict__ is space), None)

    def file_of(self, module: str) -> str:
        record = self.records.get(module)
        return record.file if record is not None else ""

    # ---- for tests ----

    def check_invariants(self) -> None:
        """Raise AssertionError where the tables contradict each other."""
        with self.lock:
            for name, record in self.records.items():
                assert record.name == name, f"{name} is filed as {record.name}"
                assert record.source is None or record.source.data == record.data, f"{name}: source is not the live text"
            numbers = [applied.report.number for applied in self.history]
            assert numbers == sorted(set(numbers)), f"swap numbers out of order: {numbers}"
            assert all(applied.report.applied for applied in self.history), "a refused swap is in the history"


def print_namespace(world: World, record: ModuleRecord) -> dict[str, Print]:
    """Fingerprints of a module's data and of the data in its classes."""
    found: dict[str, Print] = {}
    for name, value in list(record.module.__dict__.items()):
        if name.startswith("__") and name.endswith("__") and name not in ("__all__", "__version__"):
            continue
        found.update(print_value(world, record, name, value))
    return found


def print_value(
    world: World, record: ModuleRecord, name: str, value: Any, made: Mapping[int, type] = MappingProxyType({})
) -> dict[str, Print]:
    """Fingerprints of what a module binds to a name, and of what it carries: see ``ModuleRecord.base``.

    Args:
        made: classes that were made aside, by the id of the live class to which everything refers instead.
    """
    found = _print_one(world, record.name, name, value)
    if _has_class(world, record, value):
        found.update(_print_class(world, record.name, name, value, made))
    return found


def _has_class(world: World, record: ModuleRecord, value: Any) -> bool:
    """True for a class that is the module's own: by its text, or because no name leads to it where a call has made it."""
    if not is_a(value, type):
        return False
    return value.__module__ == record.module.__name__ or _is_made_by_call(world, value)


def _is_made_by_call(world: World, cls: type) -> bool:
    return world.is_managed(cls) and world.look_up((cls.__module__, cls.__qualname__)) is not cls


def _print_one(world: World, module: str, path: str, value: Any, *, in_class: bool = False) -> dict[str, Print]:
    carried = {f"{path}{key}": item for key, item in function_data(bare(value)).items()}
    found = {key: fingerprint(item, world.is_managed, f"{module}.{key}") for key, item in carried.items()}
    return {path: fingerprint(value, world.is_managed, f"{module}.{path}", in_class=in_class), **found}


def _print_class(world: World, module: str, path: str, cls: type, made: Mapping[int, type]) -> dict[str, Print]:
    found: dict[str, Print] = {}
    for name, value in _own_members(cls):
        printed = _print_one(world, module, f"{path}.{name}", value, in_class=True)
        if name.startswith("__") and name.endswith("__"):
            del printed[f"{path}.{name}"]  # the interpreter and decorators write these, too
        found.update(printed)
        if _is_inside(world, path, cls, value):
            found.update(_print_class(world, module, f"{path}.{name}", made.get(id(value), value), made))
    return found


def _is_inside(world: World, path: str, cls: type, value: Any) -> bool:
    """True for a class that another one has, by its text or because a call has made both; those may be in a circle."""
    if not is_a(value, type):
        return False
    nested = value.__qualname__.startswith(f"{cls.__qualname__}.")
    return nested or (path.count(".") < _DEEPEST and _is_made_by_call(world, value))


def walk_functions(world: World, record: ModuleRecord) -> Iterator[tuple[str, Any]]:
    """The functions and caches of a module and of its classes, under the names that their fingerprints have."""
    for name, value in list(record.module.__dict__.items()):
        yield name, bare(value)
        if _has_class(world, record, value):
            yield from _walk_class(world, name, value)


def _walk_class(world: World, path: str, cls: type) -> Iterator[tuple[str, Any]]:
    for name, value in _own_members(cls):
        yield f"{path}.{name}", bare(value)
        if _is_inside(world, path, cls, value):
            yield from _walk_class(world, f"{path}.{name}", value)


def _own_members(cls: type) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name, value in list(vars_of(cls).items())
        if (type(value) is FunctionType and not is_own(value)) or not (name.startswith("__") and name.endswith("__"))
    ]


def bare(value: Any) -> Any:
    """The function in a static or class method."""
    return value.__func__ if is_a(value, (staticmethod, classmethod)) else value
