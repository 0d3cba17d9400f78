"""What one swap does to the objects of one class: the steps of its migrations, base classes first, and what goes by itself.

    forth   each step's hooks on the state; new fields that have a default; fields that the class lost are kept aside
    back    the same in reverse: what was kept aside returns, as the same objects; each step's way back; new fields go

An object that was not converted when its swap is taken back has nothing to undo: a leap and its inverse cancel out.
"""

from __future__ import annotations

import secrets
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from hotswap.convert.kept import migration_as_now
from hotswap.convert.old import OldClass
from hotswap.convert.state import State
from hotswap.migrations import Hook, Migration, OnFailure, When


@attrs.frozen(eq=False)
class Fill:
    """The default of a new field: a value that all may share, or what makes one for each."""

    value: Any = None
    factory: Callable[[], Any] | None = None

    def give(self) -> Any:
        return self.value if self.factory is None else self.factory()


@attrs.frozen(eq=False)
class Step:
    """One migration of one class, as it was when the swap was made."""

    cls: type
    frm: int
    to: int
    migration: Migration

    @property
    def name(self) -> str:
        return f"{self.cls.__module__}.{self.cls.__qualname__}"


class HookError(Exception):
    """A hook raised; the cause is its exception."""

    def __init__(self, step: Step, what: str, *, is_forth: bool = True) -> None:
        super().__init__(what)
        self.step = step
        self.is_forth = is_forth


@attrs.define(eq=False)
class Aside:
    """Fields that objects have lost, until the change is confirmed; they die with their object."""

    _kept: dict[int, tuple[Any, dict[str, Any]]] = attrs.Factory(dict)

    def put(self, item: Any, fields: dict[str, Any]) -> None:
        key, kept = id(item), self._kept
        try:
            ref: Any = weakref.ref(item, lambda _: kept.pop(key, None))
        except TypeError:
            ref = item  # without weak references it is held: its id must not become that of another object
        kept[key] = (ref, fields)

    def look(self, item: Any) -> dict[str, Any]:
        return self._kept.get(id(item), (None, {}))[1]

    def drop(self, item: Any) -> None:
        self._kept.pop(id(item), None)

    def clear(self) -> None:
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


@attrs.frozen(eq=False)
class Leap:
    """What a swap does to the objects of exactly one class.

    Attributes:
        steps: base classes first.
        fills: the defaults of fields that the class gains.
        lacking: the defaults of fields that it had, for objects that lack one: they were unpickled from before that came.
        required: fields that it gains and that have no default; the hooks have to set them.
        added: all that it gains.
        gone: fields that it loses.
        returns: the defaults that these had, for objects that were made without them.
        undoes: the leap that this one takes back.
        redoes: the way back of what this one does once more: an object for which that failed needs neither.
        has_fields: objects have fields before it, so one without any is just being made.
        old: the class before it, where objects that cannot be converted are served as before.
        previous: the leap before it, if this process has made one.
        token: tells it from others, in what is written down.
    """

    steps: tuple[Step, ...]
    fills: Mapping[str, Fill] = attrs.Factory(dict)
    lacking: Mapping[str, Fill] = attrs.Factory(dict)
    required: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    returns: Mapping[str, Fill] = attrs.Factory(dict)
    undoes: Leap | None = None
    redoes: Leap | None = None
    has_fields: bool = False
    old: OldClass | None = None
    previous: Leap | None = None
    aside: Aside = attrs.Factory(Aside)
    token: str = attrs.Factory(lambda: secrets.token_hex(4))

    @property
    def when(self) -> When:
        """Of several migrations the most urgent one decides."""
        asked = {step.migration.when for step in self.steps}
        return next((when for when in (When.EAGER, When.LAZY, When.ON_ACCESS) if when in asked), When.LAZY)

    @property
    def lost(self) -> frozenset[str]:
        """The fields that the class has no place for any more."""
        return self.gone if self.undoes is None else self.undoes.added

    @property
    def is_once(self) -> bool:
        return self.undoes is None and any(step.migration.once for step in self.steps)

    @property
    def serves_old(self) -> bool:
        return any(step.migration.on_failure is OnFailure.SERVE_OLD for step in self.steps)

    @property
    def irreversible(self) -> list[Step]:
        """Steps that have no way back."""
        return [step for step in self.steps if not step.migration.is_reversible]

    def back(self, declared: Mapping[tuple[type, int], Migration] = MappingProxyType({})) -> Leap:
        """What takes it back, with the ways back as they are now; for what takes another back, that one once more.

        Args:
            declared: migrations that stand for those of the steps now, by class and by the version that they lead from.
        """
        if self.undoes is not None:
            return self.undoes
        now = [declared.get((step.cls, step.frm), step.migration) for step in self.steps]
        steps = tuple(attrs.evolve(step, migration=migration_as_now(m)) for step, m in zip(self.steps, now, strict=True))
        return Leap(steps, undoes=self, has_fields=True)

    def run(self, state: State, item: Any) -> None:
        """Change a private state; raises HookError."""
        if self.undoes is not None:
            self._run_back(state, self.undoes, item)
            return
        fill(state, self.lacking)
        for hook, step, text in self.hooks():
            call(hook, state, step, text)
        self.fill(state)
        self.finish(state)

    def hooks(self) -> Iterator[tuple[Hook, Step, str]]:
        """What is called on the way forth, in order, with its step and how it was written."""
        for step in self.steps:
            for each in step.migration.steps:
                yield each.up, step, each.text
            if step.migration.up is not None:
                yield step.migration.up, step, ""

    def _ways_back(self) -> Iterator[tuple[Hook | None, Step, str]]:
        """The way back of each of :meth:`hooks`, in the same order."""
        for step in self.steps:
            for each in step.migration.steps:
                yield each.down, step, each.text
            if step.migration.up is not None:
                yield step.migration.down, step, ""

    def fill(self, state: State) -> None:
        """After the hooks: new fields get their defaults."""
        fill(state, self.fills)

    def finish(self, state: State) -> None:
        """After that: what the class lost goes, and what it needs has to be there."""
        for name in self.gone & state.keys():
            del state[name]
        if missing := self.required - state.keys():
            names = ", ".join(sorted(missing))
            raise HookError(self.steps[-1], f"did not set {names}, which the new class needs and has no default for")

    def _run_back(self, state: State, forth: Leap, item: Any) -> None:
        for name, value in forth.aside.look(item).items():
            state.setdefault(name, value)
        self.take_back(state)
        for name in forth.added & state.keys():
            del state[name]
        fill(state, forth.returns)

    def take_back(self, state: State, count: int | None = None) -> None:
        """Call the ways back of the first hooks of the leap, or of all of them, the last one first."""
        for hook, step, text in reversed(list(self._ways_back())[:count]):
            if hook is not None:  # one that has no way back, in a swap that is only tried, or that changes nothing
                call(hook, state, step, text, is_forth=False)

    def published(self, item: Any) -> None:
        """After an object got its state: tell the hooks that asked. What they raise is shown as an uncaught exception is:
        the object is converted, and who has accessed it has nothing to do with it."""
        if self.undoes is not None:
            self.undoes.aside.drop(item)
            return
        for step in self.steps:
            if step.migration.after is not None:
                try:
                    step.migration.after(item)
                except Exception:  # noqa: BLE001 - border to program code
                    sys.excepthook(*sys.exc_info())


def fill(state: State, fills: Mapping[str, Fill]) -> None:
    """Give a state the fields that it lacks."""
    for name, each in fills.items():
        if name not in state:
            state[name] = each.give()


def call(hook: Hook, state: State, step: Step, text: str = "", *, is_forth: bool = True) -> None:
    try:
        hook(state)
    except Exception as error:  # border to program code, raised again with its place
        raise failed(step, text, error, is_forth=is_forth) from error


def failed(step: Step, text: str, error: Exception, *, is_forth: bool = True) -> HookError:
    """What a hook raised, in words."""
    return HookError(step, f"raised {type(error).__name__}: {error}" + (f" in {text}" if text else ""), is_forth=is_forth)


def cancel(leaps: Iterable[Leap]) -> list[Leap]:
    """A row of leaps without those that are taken back in it, and without what takes them back."""
    left: list[Leap] = []
    for leap in leaps:
        if left and (leap.undoes is left[-1] or left[-1].undoes is leap):
            left.pop()
        else:
            left.append(leap)
    return left
