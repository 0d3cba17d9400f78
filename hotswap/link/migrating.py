"""Which objects a swap converts: the migrations that count afterwards, and the leap that each class makes.

    a migration leads from the live version      its class and all its subclasses leap, base classes first
    it is new and leads from an earlier one      it counts for old pickles only
    it is new and leads from a later one         HS305: nothing is applied
    two declare the same step                    HS306
    it sets a field to ...                       HS309: a stub that is not finished
    one that objects have come by goes           see ``going_back.py``
    the class is not there                       HS305

A migration that a statement declares while it is evaluated aside counts from the commit on. Those of a statement that
goes or changes are taken out with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs

from hotswap.collector import with_subclasses
from hotswap.commit import MISSING, Swap, Write
from hotswap.convert.barrier import NAMES, own_of
from hotswap.convert.converter import Converter, Request
from hotswap.convert.leap import Aside, Leap, Step
from hotswap.convert.lineage import LEAPS
from hotswap.convert.old import OldClass
from hotswap.convert.stamps import equipping
from hotswap.convert.state import Layout, State
from hotswap.errors import DeclarationError
from hotswap.kinds import vars_of
from hotswap.link.defaults import fill_of
from hotswap.link.going_back import GoingError, leaps_back, went_before
from hotswap.link.holders import class_attribute
from hotswap.link.names import look_up
from hotswap.link.numbering import digest, has_same_body, same_steps
from hotswap.link.rows import class_row
from hotswap.link.views import Views
from hotswap.migrations import REGISTRY, Key, Migration, checked, migrations_of, name_of
from hotswap.model import Finding, Severity
from hotswap.peek import reader_of
from hotswap.plan.build import Draft
from hotswap.plan.units import Unit, unit_at
from hotswap.world import World


def prepare_migrations(
    draft: Draft, world: World, converter: Converter, views: Views, declared: list[tuple[Migration, Migration]],
    resolve: Callable[[Any], Any], swap: Swap,
) -> tuple[Request | None, list[Finding]]:  # fmt: skip
    """Decide what is converted, and add the write that makes new migrations count.

    Args:
        views: what objects hold by the old text and by the new one.
        declared: migrations that were declared by what was evaluated aside, with the same as they were then.
        resolve: the live twin of a staged object.

    Returns:
        What the convert stage does, None for nothing, and findings; held ones stop the swap.
    """
    planner = _Planner(draft, world, converter, views, resolve)
    planner.imported = frozenset(swap.imported)
    planner.aside = {id(migration): aside for migration, aside in declared}
    planner.enter([migration for migration, _ in declared])
    request = planner.request()
    swap.add(*planner.writes)
    if planner.differs:
        swap.add(Write((setattr, REGISTRY, "table", planner.table), (setattr, REGISTRY, "table", REGISTRY.table), "migrations"))
    return request, planner.findings


@attrs.define(eq=False)
class _Planner:
    draft: Draft
    world: World
    converter: Converter
    views: Views
    resolve: Callable[[Any], Any]
    table: dict[Key, Migration] = attrs.Factory(dict)
    findings: list[Finding] = attrs.Factory(list)
    added: list[Migration] = attrs.Factory(list)
    gone: list[Migration] = attrs.Factory(list)
    imported: frozenset[str] = frozenset()  # modules that came while statements were evaluated aside
    aside: dict[int, Migration] = attrs.Factory(dict)  # by id: the same with functions that can run before the commit
    writes: list[Write] = attrs.Factory(list)

    @property
    def differs(self) -> bool:
        return self.table != REGISTRY.table

    # ---- the table ----

    def enter(self, declared: list[Migration]) -> None:
        """The table as it is to be after the swap."""
        self.table = {key: m for key, m in REGISTRY.table.items() if not self._goes(m)}
        going = [m for key, m in REGISTRY.table.items() if key not in self.table]
        counting = [migration for migration in declared if self._counts(migration)]
        try:
            same = same_steps([m for m in counting if m.frm is None], going, self.aside)
        except DeclarationError as error:
            self._hold("HS306", counting[0], str(error), "give them names")
            return
        kept = {id(migration) for migration in same.values()}
        kept |= {id(m) for m in going for other in counting if other.frm == m.frm and other.target == m.target}
        self.gone = [m for m in going if id(m) not in kept]
        for migration in counting:
            self._check_replaced(migration, going)
        # What they did, to know them again: the code of a function that goes only says so.
        self.writes += [Write((setattr, m, "digest", digest(m)), (setattr, m, "digest", None)) for m in self.gone]
        for migration in counting:
            for name in ("up", "down", "after"):
                setattr(migration, name, self.resolve(getattr(migration, name)))
            if (known := same.get(id(migration))) is not None:
                self._lead(known, migration)
            if known is None and (twin := self._twin(migration, same.values())) is not None:
                message = f"{migration.describe()} does the same as {twin.describe()}, which leads from version {twin.frm}"
                self._hold("HS306", migration, message, f"if it is the same, save both places at once, or write the versions "
                           f"{twin.frm}, {twin.to}; if it is to be done once more, write later ones")  # fmt: skip
            self._number(migration, known)
            if (hook := _unfinished(migration)) is not None:
                message = f"{migration.describe()} is not finished: {hook} has a ... for a value"
                self._hold("HS309", migration, message, "put in the value, and save again")
            try:
                self.table.update(checked(self.table, migration))
            except DeclarationError as error:
                self._hold("HS306", migration, str(error), "give them versions in a row, or remove one")
            else:
                self.added.append(migration)

    def _goes(self, migration: Migration) -> bool:
        """True where the statement that declared a migration goes or is evaluated again; else its line is kept up to date."""
        if migration.module in self.draft.gone:
            return True
        diff, edited = self.draft.diffs.get(migration.module), self.draft.edited.get(migration.module)
        if diff is None or edited is None or migration.file != edited.file:
            unit = self._unit(migration)
            return unit is not None and self._is_evaluated(migration.module, unit)
        old = unit_at(edited.old_summary, migration.line)
        new = next((new for before, new in diff.pairs if before is old), None)
        if old is None or new is None or self._is_evaluated(migration.module, new):
            return True
        if old.line != new.line:
            line = migration.line + new.line - old.line
            self.writes.append(Write((setattr, migration, "line", line), (setattr, migration, "line", migration.line)))
        return False

    def _is_evaluated(self, module: str, unit: Unit) -> bool:
        """True for a statement whose results count; others are evaluated because something else needs them."""
        return (module, unit.index) in self.draft.dirt.changed or (module, unit.index) in self.draft.dirt.derived

    def _unit(self, migration: Migration) -> Unit | None:
        summary = self.draft.summaries.get(migration.module)
        return unit_at(summary, migration.line) if summary is not None else None

    def _number(self, migration: Migration, same: Migration | None) -> None:
        """One without numbers leads from the version that is live; saved again it is the same step."""
        if migration.frm is None:
            mine = migrations_of(self.table, migration.target).values()
            there = [other for other in mine if other.place == migration.place]
            same = same or next((other for other in there if self._is_same(migration, other)), None)
            cls = self._class(migration.target)
            live = self.converter.version_of_class(cls) if cls is not None else REGISTRY.newest(migration.target)
            later = [other.frm for other in self.added if other.target == migration.target and other.frm is not None]
            migration.frm = same.frm if same is not None and same.frm is not None else max([live, *(frm + 1 for frm in later)])
            migration.to = migration.frm + 1

    def _check_replaced(self, migration: Migration, going: list[Migration]) -> None:
        """A numbered migration in another place, which does something else, is not the one that has converted objects."""
        ran = self._that_ran(migration.target)
        for other in going:
            is_step = migration.frm == other.frm and any(other is each for each in ran)
            if is_step and other.place != migration.place and not self._is_same(migration, other):
                message = f"{migration.describe()} takes the place of {other.describe()}, by which objects were converted already"
                self._hold("HS306", migration, message, "roll that swap back and save again, or let it lead on")

    def _twin(self, migration: Migration, same: Collection[Migration]) -> Migration | None:
        """Another migration that does what one without versions does, which may be the same in another place: its old place is
        there still, or went in a save before."""
        if migration.frm is not None:
            return None
        there = [m for m in REGISTRY.of(migration.target).values() if m.module != migration.module]
        gone = [m for m in self._that_ran(migration.target) if m.frm is not None and (m.target, m.frm) not in REGISTRY.table]
        found = (m for m in (*there, *gone) if all(m is not other for other in same))
        return next((m for m in found if self._is_same(migration, m)), None)

    def _that_ran(self, target: str) -> list[Migration]:
        """The migrations by which objects of a class were converted; not of one that had its name before a new import."""
        steps = [step for row in list(LEAPS.values()) for leap in row for step in leap.steps]
        cls = self._class(target)
        return [step.migration for step in steps if step.cls is cls and step.migration.target == target]

    def _hold_waiting(self, back: Mapping[type, Leap]) -> None:
        """Objects that wait for a migration need its functions, which must not be removed; but for those that go back."""
        left = self.converter.conversions.left() if self.gone else {}
        for migration in self.gone if not back else ():
            rows = [row for cls, row in self.converter.conversions.leaps.items() if left.get(cls)]
            if any(step.migration is migration for row in rows for leap in row for step in leap.steps):
                self._hold("HS312", migration, f"{migration.describe()} goes, and objects still wait for it",
                           "wait with hotswap.wait_converted(), or access them, and save again")  # fmt: skip

    def _lead(self, old: Migration, new: Migration) -> None:
        """Objects that wait for a migration get what it is now."""
        for name in ("up", "down", "after", "steps"):
            if getattr(old, name) is not getattr(new, name):
                self.writes.append(Write((setattr, old, name, getattr(new, name)), (setattr, old, name, getattr(old, name))))
        self.writes += self.converter.conversions.looking_anew()

    def _counts(self, migration: Migration) -> bool:
        """True for a migration that was declared by a statement whose results count, or in a module that comes, and for one that
        is not known: a function declares it, which is called somewhere else."""
        unit = self._unit(migration)
        if migration.module in self.imported or (unit is not None and self._is_evaluated(migration.module, unit)):
            return True
        return not any(self._is_same(migration, other) for other in REGISTRY.of(migration.target).values())

    def _is_same(self, migration: Migration, other: Migration) -> bool:
        """True where a migration without versions, or with these, does the same as another one."""
        return migration.frm in (None, other.frm) and has_same_body(self.aside.get(id(migration), migration), other)

    # ---- the leaps ----

    def request(self) -> Request | None:
        steps: dict[type, list[Step]] = {}
        versions: dict[str, int] = {}
        for target in dict.fromkeys(name for name, _ in self.table):
            cls = self._class(target)
            mine = [migration for migration in self.added if migration.target == target]
            if cls is None:
                coming = self._coming(target)
                for migration in mine if coming is not None else ():
                    if migration.renamed_from:
                        message = f"{migration.describe()}: there is no class {migration.renamed_from}, or it does not go"
                        self._hold("HS305", migration, message, "mend the name, and rename the class in the same save")
                self.writes += equipping(coming) if coming is not None and mine else []
                for migration in mine if coming is None else ():
                    message = f"{migration.describe()}: there is no class {target} in a managed module"
                    self._hold("HS305", migration, message, "mend its name")
                continue
            live = self.converter.version_of_class(cls)
            found = list(self._chain(cls, target, live))
            goal = found[-1].to if found else live
            for migration in mine:
                if (migration.frm or 0) > goal:
                    self._hold("HS305", migration, f"{migration.describe()}, but {target} is at version {goal}",
                               f"let it lead from {goal}, or leave the versions out")  # fmt: skip
            if found and (other := self._exchanged(cls)) is not None:
                message = f"{name_of(other)} gets or loses the base {target}, and {found[0].migration.describe()} comes with it"
                self._hold("HS305", found[0].migration, message, "exchange the base in a save of its own")
            elif found and issubclass(cls, threading.local):
                message = f"objects of {target} have other fields in each thread, so they cannot be converted"
                self._hold("HS302", found[0].migration, message, "restart")
            elif found:
                steps[cls] = found
                versions[target] = goal
        back = self._back(steps, versions)
        self._hold_waiting(back)
        further = self._waiting()
        if any(finding.severity is Severity.HELD for finding in self.findings) or not (steps or back or further):
            return None
        classes = {sub: None for cls in steps for sub in with_subclasses(cls)}
        leaps = {cls: self._with_old(cls, self._leap(cls, steps)) for cls in classes} | back
        classes.update(dict.fromkeys(back))
        self._tell(steps)
        owns = {cls: future_own(cls, self.views, self.converter) for cls in classes}
        shapes = {name_of(cls): self._shapes(cls, row) for cls, row in steps.items()}
        return Request(
            leaps, versions, owns, shapes=shapes, aside={cls: self._aside(leap) for cls, leap in leaps.items()},
            further={cls: leap for cls, leap in further.items() if cls not in leaps},
        )  # fmt: skip

    def _exchanged(self, cls: type) -> type | None:
        """A class that derives from another one either before the swap or after it."""
        rows = [(sub, class_row(sub, self.views.new_bases)) for sub in self._with_new_bases()]
        return next((sub for sub, row in rows if (cls in row) is not issubclass(sub, cls)), None)

    def _with_new_bases(self) -> list[type]:
        """Live classes whose bases change, with those that derive from them."""
        live = [self.resolve(staged) for staged in self.views.staged.values()]
        return [sub for cls in live if self.views.new_bases(cls) != cls.__bases__ for sub in with_subclasses(cls)]

    def _waiting(self) -> dict[type, Leap]:
        """Classes whose objects may wait for a migration, and that get fields by themselves now: the migration may make the
        state anew, so the objects get these fields after it."""
        found = {cls: self._leap(cls, {}) for cls in list(self.converter.conversions.leaps)}
        return {cls: attrs.evolve(leap, required=frozenset()) for cls, leap in found.items() if leap.fills}

    def _back(self, steps: dict[type, list[Step]], versions: dict[str, int]) -> dict[type, Leap]:
        """The way back of what is taken out of the texts together with its migration."""
        lost: dict[tuple[type, int], Migration] = {}
        for migration in self.gone:
            cls = self._class(migration.target)
            if cls is not None and migration.frm is not None and cls not in steps:  # else another one leads on
                lost[cls, migration.frm] = migration
        if not lost:
            before = went_before(self.draft, self.world, self.table)
            if before is not None:
                message = f"{before.describe()} has converted objects and has gone; now their class gets the text it had before"
                self._hold("HS312", before, message, "put it in again and take both out at once, or write one that leads on")
            return {}
        m = next(iter(lost.values()))
        try:
            found = leaps_back(self.draft, self.world, lost)
            if both := {sub for cls in steps for sub in with_subclasses(cls)} & found.keys():
                raise GoingError(f"{m.describe()} goes, and the same save converts objects of {name_of(both.pop())} forth")
        except GoingError as error:
            self._hold("HS312", m, str(error), "take the migration out in a save of its own, or roll the swap back")
            return {}
        for step in (step for leap in found.values() for step in leap.steps):
            name = name_of(step.cls)
            versions[name] = min(step.frm, versions.get(name, step.frm))
        for name in {name_of(step.cls) for leap in found.values() for step in leap.steps}:
            message = f"objects of {name.replace(':', '.')} are converted back to version {versions[name]}"
            self.findings.append(
                Finding(code="HS304", severity=Severity.NOTE, message=message, file=m.file, line=m.line)
            )
        return found

    def _with_old(self, cls: type, leap: Leap) -> Leap:
        if not leap.serves_old:
            return leap
        names = reader_of(cls).candidates()

        def read(item: Any) -> State:  # by what the class is then: it may lose slots, and get others with a later swap
            return Layout(cls, names, leap.gone).read(item)[0]

        return attrs.evolve(leap, old=OldClass.of(cls, self.world.is_managed, read))

    def _aside(self, leap: Leap) -> Leap:
        """A leap that can be tried before the commit."""
        steps = tuple(
            attrs.evolve(step, migration=self.aside.get(id(step.migration), step.migration)) for step in leap.steps
        )  # fmt: skip
        return attrs.evolve(leap, steps=steps)

    def _shapes(self, cls: type, steps: list[Step]) -> dict[int, frozenset[str]]:
        before, after = self.views.before(cls), self.views.after(cls)
        return {steps[0].frm: frozenset(before.fields), steps[-1].to: frozenset(after.fields)}

    def _chain(self, cls: type, target: str, live: int) -> Iterator[Step]:
        mine = migrations_of(self.table, target)
        while (migration := mine.get(live)) is not None:
            yield Step(cls, live, live + 1, migration)
            live += 1

    def _leap(self, cls: type, steps: dict[type, list[Step]]) -> Leap:
        old, new = self.views.before(cls), self.views.after(cls)
        self.views.settle(cls, old, new)
        added = new.added(old)
        safe = {name: field for name in added if (field := new.fields[name]).is_safe}
        gone = [name for name in old.fields if name not in new.fields]
        back = {name: field for name in gone if (field := old.fields[name]).is_safe}
        required = {n for n in added if n not in safe and class_attribute(cls, n) is MISSING and not new.foreign}
        row = self.converter.conversions.leaps.get(cls)
        again = row[-1] if row and row[-1].undoes is not None and self._redoes(row[-1].undoes, steps) else None
        return Leap(
            steps=tuple(step for base in reversed(cls.__mro__) for step in steps.get(base, ())),
            lacking={name: fill_of(field) for name, field in old.fields.items() if field.is_safe and name in _declared(cls)},
            fills={name: fill_of(attrs.evolve(field, default=self.resolve(field.default))) for name, field in safe.items()},
            required=frozenset(required),
            added=frozenset(added),
            gone=frozenset(gone),
            returns={name: fill_of(field) for name, field in back.items()},
            has_fields=bool(old.fields),
            redoes=again,
            aside=again.undoes.aside if again is not None and again.undoes is not None else Aside(),
            previous=next(reversed(LEAPS.get(cls, ())), None),
        )

    def _redoes(self, leap: Leap, steps: dict[type, list[Step]]) -> bool:
        """True where the same as by a leap is done once more, after that was taken back."""
        new = {(step.cls, step.frm): step.migration for row in steps.values() for step in row}
        return all(
            (migration := new.get((step.cls, step.frm))) is not None
            and has_same_body(self.aside.get(id(migration), migration), step.migration)
            for step in leap.steps
        )

    def _coming(self, target: str) -> type | None:
        """A class that is only there after the swap."""
        module, _, qualname = target.partition(":")
        found = self.views.lookup(module, qualname) if module in self.world.records else MISSING
        return found if isinstance(found, type) else None

    def _class(self, target: str) -> type | None:
        if target in self.views.renamed:
            return self.views.renamed[target]
        module, _, qualname = target.partition(":")
        name = self.views.names.get(module)
        found = look_up(self.world.records[name].module.__dict__, qualname) if name is not None else None
        if not isinstance(found, type) or name_of(found) != target:
            return None
        return found

    # ---- words ----

    def _tell(self, steps: dict[type, list[Step]]) -> None:
        for row in steps.values():
            for step in row:
                m = step.migration
                message = f"objects of {step.name} are converted from version {step.frm} to {step.to} by {m.name}"
                self.findings.append(
                    Finding(code="HS304", severity=Severity.NOTE, message=message, file=m.file, line=m.line)
                )
                if not m.is_reversible:
                    self.findings.append(Finding(
                        code="HS307", severity=Severity.KEPT, file=m.file, line=m.line,
                        message=f"this swap cannot be taken back: {m.name} of {step.name} has no way back",
                        next_step=f"add one with @{m.name}.down",
                    ))  # fmt: skip

    def _hold(self, code: str, migration: Migration, message: str, step: str) -> None:
        self.findings.append(Finding(
            code=code, severity=Severity.HELD, message=message, file=migration.file, line=migration.line, next_step=step
        ))  # fmt: skip


def _declared(cls: type) -> set[str]:
    """The fields of a dataclass or an attrs class."""
    return {*getattr(cls, "__dataclass_fields__", ()), *(field.name for field in getattr(cls, "__attrs_attrs__", ()))}


def _unfinished(migration: Migration) -> str | None:
    """The hook of a stub in which a person has not said yet what a field is to be."""
    for step in migration.steps:
        if not step.is_finished:
            return step.text
    for hook in (migration.up, migration.down):
        code = getattr(hook, "__code__", None)
        if code is not None and any(const is ... for const in code.co_consts):
            return str(code.co_qualname)
    return None


def future_own(cls: type, views: Views, converter: Converter) -> dict[str, Any]:
    """What a class itself will have under the names of a barrier after the swap; MISSING for what it inherits."""
    staged = views.staged.get(id(cls))
    if staged is None:
        return own_of(cls, converter.barriers)
    return {name: views.resolve(vars_of(staged)[name]) if name in vars_of(staged) else MISSING for name in NAMES}
