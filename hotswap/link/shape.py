"""Live objects of classes that change shape: which fields they lack, and whether these can be given to them.

    migrations convert its objects                 nothing is asked here
    a class gains a field                          objects that lack it
    a function passes it from now on               HS301: those that it has made may have to have that
    literal, empty container, settled constant     get it inside the commit, a fresh container each
    what follows from defaults that nobody gave    the same, see ``folding.py``
    from an argument, or code has to run           HS301: a person is asked; nothing is applied
    while one of like kind goes                    HS303: it may have been renamed; not where objects hold the same either way
    and its objects cannot grow (tuples)           HS302
    one whose name cannot be known                 HS301, where what sets it has another text
    one from a function that makes objects         named (HS301): it is not known which of them that function made
    a container of another kind than before        HS301: the new methods cannot work on what they hold
    a new object begins with another value         keep theirs, which is named (HS401)
    a property comes before a field, or goes       HS301: objects hold it in the other place
    another hash, objects are in a dict or set     HS302: they would not be found again

Fields that a class loses stay on its objects until the change is confirmed. Without live objects nothing is asked; the
commit fails, and is tried again, if one is made until then.
"""

from __future__ import annotations

import ast
import collections
import enum
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import Any

import attrs

from hotswap.collector import list_instances, objects_of, with_subclasses
from hotswap.commit import MISSING
from hotswap.convert.copies import Copies
from hotswap.convert.leap import HookError, Leap
from hotswap.convert.owners import contents_of, structures_of
from hotswap.convert.state import Layout, State
from hotswap.fingerprint import same_value
from hotswap.kinds import is_a
from hotswap.link.fields import class_nodes, read_factories
from hotswap.link.holders import class_attribute, hash_names, in_hash_containers, own_attribute, reads_bare, runs_code, without
from hotswap.link.instances import Census
from hotswap.link.names import look_up
from hotswap.link.passing import Parameter, find_passing
from hotswap.link.stub import write_stub
from hotswap.link.views import Texts, View, Views
from hotswap.migrations import OWNERS, name_of
from hotswap.model import Finding, Severity
from hotswap.peek import reader_of, static_base
from hotswap.plan.build import Draft
from hotswap.plan.units import Summary, Unit
from hotswap.plugin.defaults import is_immutable
from hotswap.plugin.manager import Plugins
from hotswap.plugin.values import Field
from hotswap.shadow import Shadow, coming_slots, is_slot
from hotswap.world import World

#: Containers whose truth runs no code of the program.
_EMPTY = (list, dict, set, bytearray, collections.deque)
#: A text that no function with an assignment to an attribute can be without.
_SETS_ATTRIBUTE = re.compile(rb"\.\s*\w+\s*(?:=(?!=)|:)|setattr|__dict__|vars")


def make_views(
    draft: Draft, world: World, plugins: Plugins, classes: list[tuple[type, type]],
    resolve: Callable[[Any], Any], lookup: Callable[[str, str], Any],
) -> Views:  # fmt: skip
    """What objects hold by the old text and by the new one.

    Args:
        classes: staged class, live class.
        resolve: the live twin of a staged object.
        lookup: what a dotted name means in a module after the swap, MISSING for nothing.
    """
    return Views(
        old=Texts(lambda module: _old_summary(draft, module)),
        new=Texts(draft.summaries.get),
        names={record.module.__name__: name for name, record in world.records.items()},
        staged={id(live): staged for staged, live in classes},
        resolve=resolve,
        shape_of=plugins.class_shape,
        lookup=lookup,
        changed=draft.dirt.values,
        renamed={name_of(staged): live for staged, live in classes if name_of(staged) != name_of(live)},
    )


def prepare_shapes(
    draft: Draft, world: World, census: Census, views: Views, rebuilt: list[type], migrated: Mapping[type, Leap],
    lost: list[tuple[type, tuple[str, ...]]], rehashed: list[type], anew: set[int], whole: set[int],
) -> list[Finding]:  # fmt: skip
    """Compare the views of live objects, and prepare the writes that they need.

    Args:
        census: takes the writes.
        rebuilt: live classes that were built anew.
        migrated: classes whose objects are converted by migrations, with what is done to them, as it can be tried aside.
        lost: takes the fields that objects lose by themselves.
        rehashed: takes the classes whose objects get another hash where owners hold them.
        anew: ids of objects that were made by the new code, or take the state of such.
        whole: those of them that hold nothing else after the swap.

    Returns:
        Findings; held ones stop the swap.
    """
    by_id = {id(cls): (cls, leap) for cls, leap in migrated.items()}  # a metaclass may have an __eq__ of its own
    return _Shapes(draft, world, census, views, rebuilt, by_id, lost, rehashed, anew, whole).prepare()


def _old_summary(draft: Draft, module: str) -> Summary | None:
    edited = draft.edited.get(module)
    return edited.old_summary if edited is not None else draft.summaries.get(module)


@attrs.define(eq=False)
class _Change:
    """A class whose objects hold something else, with the objects that there are."""

    cls: type
    old: View
    new: View
    objects: list[Any]

    @property
    def name(self) -> str:
        return f"{self.cls.__module__}.{self.cls.__qualname__}"

    @property
    def gone(self) -> dict[str, Field]:
        return {name: field for name, field in self.old.fields.items() if name not in self.new.fields}

    @property
    def asks(self) -> bool:
        """True where an object that appears until the commit would have to be asked about."""
        if self.old.fixed != self.new.fixed or self.new.foreign.keys() - self.old.foreign.keys():
            return True
        if self.new.unknown.keys() - self.old.unknown.keys():
            return True
        return any(not self.new.fields[name].is_safe for name in self.new.added(self.old))


@attrs.define(eq=False)
class _Shapes:
    draft: Draft
    world: World
    census: Census
    views: Views
    rebuilt: list[type]
    migrated: Mapping[int, tuple[type, Leap]]
    lost: list[tuple[type, tuple[str, ...]]]
    rehashed: list[type]
    anew: set[int]
    whole: set[int]
    findings: list[Finding] = attrs.Factory(list)

    def prepare(self) -> list[Finding]:
        concerned = {id(sub): sub for cls in self._edited_classes() for sub in with_subclasses(cls)}
        concerned |= {number: cls for number, (cls, _) in self.migrated.items()}
        # Members of an enum are made by its class statement, which is executed whenever what makes them changes.
        concerned = {number: cls for number, cls in concerned.items() if not is_a(cls, enum.EnumType)}
        changes = [_Change(cls, self.views.before(cls), self.views.after(cls), []) for cls in concerned.values()]
        for change in changes:
            self.views.settle(change.cls, change.old, change.new)
        changes = [change for change in changes if change.new.differs(change.old) or self._hash_names(change.cls)]
        if changes:
            found = list_instances([change.cls for change in changes if not self._is_left_to_migrations(change)])
            for change in changes:
                change.objects = found.get(change.cls, [])
                known = len(self.findings)
                self._judge(change)
                self._offer_stub(change, known)
            asking = [change for change in changes if change.asks and id(change.cls) not in self.migrated]
            if nobody := [change.cls for change in asking if not change.objects]:
                self.census.demand_none(nobody)
        self._name_factories()
        return self.findings

    def _is_left_to_migrations(self, change: _Change) -> bool:
        """True where nothing is asked about the objects, so that they need not be listed."""
        same = change.old.fixed == change.new.fixed and change.old.hashing == change.new.hashing
        return id(change.cls) in self.migrated and same and not self._hash_names(change.cls)

    def _hash_names(self, cls: type) -> frozenset[str]:
        """What the objects of a class that migrations change are hashed by; empty for their identity."""
        return hash_names(self.views.staged.get(id(cls), cls)) if id(cls) in self.migrated else frozenset()

    def _name_factories(self) -> None:
        """Fields that functions begin to give to the objects that they make, and that objects from before lack."""
        for module, diff in self.draft.diffs.items():
            for old, new in diff.pairs:
                if old.text == new.text or not _SETS_ATTRIBUTE.search(new.text):
                    continue
                before = read_factories(ast.Module([old.node], []), module, self.views.old.function)
                for (qualname, chain), fields in read_factories(
                    ast.Module([new.node], []), module, self.views.new.function
                ).items():
                    added = {name: line for name, line in fields.items() if name not in before.get((qualname, chain), {})}
                    if added and (qualname, chain) in before:
                        self._name_factory(module, qualname, chain, added)

    def _name_factory(self, module: str, qualname: str, chain: str, added: Mapping[str, int]) -> None:
        named = qualname.rpartition(".")[0] if chain == "cls" else chain
        cls = self.views.lookup(module, named)
        if not isinstance(cls, type) or cls.__module__ not in self.views.names:
            return
        fields = self.views.after(cls).fields
        objects = [item for items in list_instances([cls]).values() for item in items]
        for name, line in added.items():
            lacking = [] if name in fields else [item for item in objects if own_attribute(item, name) is MISSING]
            if lacking and class_attribute(cls, name) is MISSING:
                self.findings.append(Finding(
                    code="HS301", severity=Severity.KEPT, file=self.world.file_of(module), line=line,
                    message=f"{_who(lacking, cls)} {_verb(lacking, 'exist')} without {name}, which {qualname} "
                    "sets on those that it makes from now on", next_step="make them again, or set it by hand",
                ))  # fmt: skip

    def _edited_classes(self) -> Iterator[type]:
        """Live classes that were built anew, or whose methods were edited; those made in functions too."""
        yield from self.rebuilt
        known = {id(cls) for cls in self.rebuilt}
        local: set[tuple[str, str]] = set()
        for module, diff in self.draft.diffs.items():
            space = self.world.records[module].module.__dict__
            for old in [old for old, new in diff.pairs if old.text != new.text and b"class" in old.text]:
                for qualname in class_nodes(ast.Module([old.node], [])):
                    if "<locals>" in qualname:
                        local.add((space.get("__name__", ""), qualname))
                    elif is_a(cls := look_up(space, qualname), type) and id(cls) not in known:
                        known.add(id(cls))
                        yield cls
        for module, qualname in self.draft.dirt.affected:  # what its methods call behaves differently
            owner = qualname.rpartition(".")[0]
            if module in self.world.records and owner and "<locals>" not in owner:
                cls = look_up(self.world.records[module].module.__dict__, owner)
                if isinstance(cls, type) and id(cls) not in known:
                    known.add(id(cls))
                    yield cls
        if local:
            yield from (o for o in objects_of(with_subclasses(type)) if (o.__module__, o.__qualname__) in local)

    # ---- one class ----

    def _judge(self, change: _Change) -> None:
        objects = change.objects
        exist = f"{_who(objects, change.cls)} {_verb(objects, 'exist')}"
        if change.old.fixed != change.new.fixed:
            if objects:
                self._hold("HS302", change, "", self._fixed_message(change))
            return
        if change.new.fixed is not None:
            return
        is_rehashed = bool(objects) and (change.old.hashing != change.new.hashing or self._changes_hash(change))
        owned = self._owned(change.cls) if is_rehashed else set()
        if owned:
            self.rehashed.append(change.cls)
        if is_rehashed and (held := in_hash_containers(objects, owned)):
            are = f"{_who(held, change.cls)} {'is' if len(held) == 1 else 'are'}"
            self._hold("HS302", change, "", f"{are} in a dict or a set, and would get another hash")
        if id(change.cls) in self.migrated:
            return
        for base in change.new.foreign.keys() - change.old.foreign.keys() if objects else ():
            self._hold("HS301", change, "", f"{exist} without having run {base}.__init__")
        for text in change.new.unknown.keys() - change.old.unknown.keys() if objects else ():
            change.new.origin[""] = change.new.unknown[text]
            self._hold("HS301", change, "", f"{exist}, and it cannot be known which fields new ones get")
        if issubclass(change.cls, threading.local) and change.new.added(change.old):  # which are not found on the heap
            self._hold("HS302", change, "", f"objects of {change.name} may exist, and have other fields in each thread")
            return
        if objects and change.gone:
            self.lost.append((change.cls, tuple(change.gone)))
        for name, field in change.gone.items():
            if field.is_safe and reads_bare(change.cls, name):
                self.census.fill_on_rollback(change.cls, name, field)
        for name in change.new.added(change.old):
            self._add_field(change, name)
        for name in change.new.fields.keys() & change.old.fields.keys():
            self._keep_field(change, name)
            self._ask_for_guarded(change, name)

    def _fixed_message(self, change: _Change) -> str:
        known = [item for item in change.objects if id(item) not in self.anew] or change.objects
        return f"{_who(known, change.cls)} {_verb(known, 'exist')}, which cannot get other fields"

    def _changes_hash(self, change: _Change) -> bool:
        """True where migrations change fields by which objects are hashed; tried on copies of those that are keys."""
        names = self._hash_names(change.cls)
        if not names or (leap := self.migrated[id(change.cls)][1]).is_once:
            return False
        layout = Layout(change.cls, reader_of(change.cls).candidates(), leap.lost)
        for item in in_hash_containers(change.objects):
            before = layout.read(item)[0]
            state = State(before)
            Copies.of(state)
            try:
                leap.run(state, item)
            except HookError:
                continue  # it stays as it is
            if any(not same_value(before.get(name, MISSING), state.get(name, MISSING)) for name in names):
                return True
        return False

    def _owned(self, cls: type) -> set[int]:
        """The dicts and sets with objects of a class for keys that are filled anew under the locks of their owners."""
        found = [contents_of(each, {id(cls)})[1] for owner in OWNERS.values() for each in structures_of(owner)]
        return {id(container) for containers in found for container in containers}

    def _add_field(self, change: _Change, name: str) -> None:
        cls, field = change.cls, change.new.fields[name]
        held = class_attribute(cls, name)
        slot = coming_slots(cls).get(name) or (held if type(held) is Shadow else None)
        if not cls.__dictoffset__ and slot is None and not is_slot(held):
            return  # the new __init__ raises for new objects too, or the layout is refused
        is_bare = slot is None and reads_bare(cls, name)
        owners = None if is_bare else [o for o in change.objects if own_attribute(o, name) is not MISSING]
        if owners is None:
            lacking = [o for o in change.objects if getattr(o, name, MISSING) is MISSING]
        else:
            lacking = without(change.objects, owners)
        why = self._why_not(cls, name, field)
        if lacking and why:
            self._hold("HS301", change, name, f"{_who(lacking, cls)} {_verb(lacking, 'exist')} without {name}: {why}",
                       f"save a migration for it, give {name} a literal default, or restart")  # fmt: skip
        elif lacking and (twin := next(self._renamed(change, field, lacking, is_bare), "")):
            message = (
                f"{_who(lacking, cls)} {'has' if len(lacking) == 1 else 'have'} {twin}, which goes, and "
                f"{_verb(lacking, 'lack')} {name}, which comes; is it the same?"
            )
            step = "say so with a migration; if it is not, save the removal first and the addition after; or restart"
            self._hold("HS303", change, name, message, step)
        elif self._is_passed(change, name, lacking):
            return
        elif not why:
            default = self.views.resolve(field.default)
            self.census.fill(cls, name, attrs.evolve(field, default=default), owners, slot)

    def _renamed(self, change: _Change, field: Field, lacking: list[Any], is_bare: bool) -> Iterator[str]:
        """Fields that go, and of which one may be that which comes: of like kind, as far as that is known.

        Not those that all objects still hold as the one that comes begins: whichever is meant, they get the same.
        """
        for name, was in change.gone.items():
            held = _held_in(lacking[:100], name)
            kind = type(held[0]).__name__ if held else ""
            if not held or not (field.kind in ("", was.kind, kind) or "NoneType" in (field.kind, kind)):
                continue
            can_tell = is_bare and reads_bare(change.cls, name) and len(lacking) == len(change.objects)
            if not can_tell or not _all_begin_so(held := _held_in(lacking, name), field):
                yield name
            else:
                self.census.demand_held(change.cls, name, held, is_empty=field.factory is not None)

    def _is_passed(self, change: _Change, name: str, lacking: list[Any]) -> bool:
        """True where it is asked whether objects are to have the default of a parameter that their makers pass from now on."""
        known = [item for item in lacking if id(item) not in self.anew]
        parameters = self.views.new_parameters(change.cls, change.new, name) if known else []
        return any(self._asks_for_passed(change, name, known, parameter) for parameter in parameters)

    def _asks_for_passed(self, change: _Change, name: str, known: list[Any], parameter: Parameter) -> bool:
        for module, diff in self.draft.diffs.items():

            def is_class(unit: Unit, chain: str, module: str = module) -> bool:
                own = chain == "cls" and (change.cls.__module__, *unit.names) == (module, change.cls.__qualname__)
                return own or self.views.lookup(module, chain) is change.cls

            if (found := find_passing(diff.pairs, is_class, parameter)) is not None:
                unit, line = found
                message = (
                    f"{_who(known, change.cls)} {_verb(known, 'exist')} without {name}, and {module}.{unit.label} passes another "
                    f"value than its default from now on (line {line})"
                )
                step = "say with a migration what they are to have, or restart"
                self._hold("HS301", change, name, message, step)
                return True
        return False

    def _why_not(self, cls: type, name: str, field: Field) -> str:
        """Why objects cannot be given a field without asking; empty where they can."""
        if not field.is_safe:
            return field.why or "it has no default that is safe"
        static = static_base(cls)
        plain = static.__setattr__ is object.__setattr__ or issubclass(static, BaseException)
        if issubclass(cls, type) or not plain:
            return "its objects cannot be written to past their class"
        for owner in (cls, self.views.staged.get(id(cls), cls)):
            value = class_attribute(owner, name)
            if runs_code(value) and not field.is_bare:
                return "it is a property, whose code would have to run"
        return ""

    def _keep_field(self, change: _Change, name: str) -> None:
        """A field that stays: what objects hold is theirs, but it has to be of a kind that the new code can use."""
        was, will = (view.texts[name].container() if name in view.texts else "" for view in (change.old, change.new))
        if was != will and was and will and will != "NoneType":
            stuck = [item for item in change.objects if type(own_attribute(item, name)).__name__ == was]
            if stuck:
                hold = f"{_who(stuck, change.cls)} {_verb(stuck, 'hold')}"
                message = f"{hold} a {was} as {name}, and a new one begins with a {will}"
                self._hold("HS301", change, name, message, "restart, or give it another name")
            return
        objects = [item for item in change.objects if id(item) not in self.anew]
        if not objects or not change.new.makes_otherwise(change.old, name):
            return
        after = change.new.fields[name].default
        begins = f"begins with {after!r}" if is_immutable(after) else "gets it otherwise"
        keep = f"{_who(objects, change.cls)} {_verb(objects, 'keep')} {'its' if len(objects) == 1 else 'their'}"
        message = f"{keep} {name}; a new one {begins}"
        # The default of a generated constructor is for who leaves the argument out: that objects keep theirs is but a note.
        severity = Severity.KEPT if name in change.new.texts else Severity.NOTE
        self._find("HS401", severity, change, name, message, "assign it by hand if it is wanted there too")

    def _ask_for_guarded(self, change: _Change, name: str) -> None:
        """A field that a property begins or ceases to stand before: what objects hold is not where it is looked for."""
        was, will = change.old.guards.get(name), change.new.guards.get(name)
        if (was is None) == (will is None) or (will is not None and will.looks_inside):
            return
        held = [item for item in change.objects if id(item) not in self.whole]
        stuck = [item for item in held if (own_attribute(item, name) is MISSING) == (will is None)]
        if not stuck:
            return
        who = _who(stuck, change.cls)
        if will is not None:
            message = f"{who} {_verb(stuck, 'hold')} {name}, which becomes a property that does not look there"
        else:
            message = f"{who} {_verb(stuck, 'exist')} without {name}: a property gave it, which goes"
        self._hold("HS301", change, name, message, "save a migration that puts it where the new code looks, or restart")

    # ---- words ----

    def _offer_stub(self, change: _Change, known: int) -> None:
        """Where a question is asked that a migration answers, its first finding shows how to write it."""
        asked = [at for at in range(known, len(self.findings)) if self.findings[at].code in ("HS301", "HS303")]
        held = [at for at in asked if self.findings[at].severity is Severity.HELD]
        if held and change.objects:
            bare = {name: Field() for name in change.old.guards.keys() - change.new.guards.keys() if name in change.new.fields}
            hidden = sorted((change.new.guards.keys() - change.old.guards.keys()) & change.old.fields.keys())
            added = [*change.new.added(change.old), *sorted(bare)]
            excerpt = write_stub(change.cls, added, list(change.gone), {**change.new.fields, **bare}, hidden)
            self.findings[held[0]] = attrs.evolve(self.findings[held[0]], excerpt=excerpt)

    def _hold(self, code: str, change: _Change, name: str, message: str, step: str = "restart") -> None:
        self._find(code, Severity.HELD, change, name, message, step)

    def _find(self, code: str, severity: Severity, change: _Change, name: str, message: str, step: str) -> None:
        own = (self.views.names.get(change.cls.__module__, ""), self.views.line(change.cls))
        module, line = change.new.origin.get(name, own)
        file = self.world.file_of(module)
        self.findings.append(Finding(code=code, severity=severity, message=message, file=file, line=line, next_step=step))


def _held_in(items: list[Any], name: str) -> list[Any]:
    """What some objects hold under a name; nothing else refers to it by this."""
    return list(filter(lambda value: value is not MISSING, map(own_attribute, items, repeat(name))))


def _all_begin_so(held: list[Any], field: Field) -> bool:
    """True where all values are as a new field begins: equal atoms, or empty containers that nothing but its object holds."""
    begin = field.default if field.factory is None else field.factory()
    if any(type(value) is not type(begin) for value in held):
        return False
    if field.factory is None:
        return is_immutable(begin) and all(is_immutable(value) and repr(value) == repr(begin) for value in held)
    alone = sys.getrefcount([begin][0]) + 1  # in a list, as these are; by ``begin`` there, by the object here
    is_empty = type(begin) in _EMPTY and not begin and not any(held)
    return is_empty and all(sys.getrefcount(held[at]) <= alone for at in range(len(held)))


def _who(items: list[Any], cls: type) -> str:
    return f"{len(items):,} object{'s' if len(items) != 1 else ''} of {cls.__module__}.{cls.__qualname__}"


def _verb(items: list[Any], word: str) -> str:
    return f"{word}s" if len(items) == 1 else word
