"""What objects of one class need from one place in its row of leaps on, and how far one object has come on the way."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Container, Sequence
from itertools import starmap
from typing import Any

import attrs

from hotswap.convert.copies import Copies
from hotswap.convert.leap import Leap, Step, call, cancel, failed, fill
from hotswap.convert.state import Layout, State
from hotswap.migrations import Hook, When


@attrs.frozen(eq=False)
class Route:
    """What objects of one class need from one place on.

    Attributes:
        hooks: in order, with their step, where there is one leap forth and nothing that may run only once; else None.
        looks_at: fields that have to be there, or have to go, after the hooks.
        tells: somebody wants to know when an object is published.
        waits: the sweep leaves the objects alone.
        has_fields: objects have fields before it.
    """

    leaps: list[Leap]
    layout: Layout
    hooks: tuple[tuple[Hook, Step, str], ...] | None
    looks_at: tuple[str, ...]
    is_once: bool
    tells: bool
    waits: bool
    has_fields: bool

    @classmethod
    def of(cls, leaps: list[Leap], layout: Layout) -> Route:
        is_once = any(leap.is_once for leap in leaps)
        is_simple = len(leaps) == 1 and leaps[0].undoes is None and not is_once
        return cls(
            leaps=leaps,
            layout=layout,
            hooks=tuple(leaps[0].hooks()) if is_simple else None,
            looks_at=(*leaps[0].gone, *leaps[0].required) if is_simple else (),
            is_once=is_once,
            tells=is_once or any(leap.undoes or step.migration.after for leap in leaps for step in leap.steps),
            waits=any(leap.when is When.ON_ACCESS for leap in leaps),
            has_fields=bool(leaps) and leaps[0].has_fields,
        )

    def run(self, state: State) -> None:
        """The same as :meth:`Leap.run`, for the common case: what it costs is paid for each object."""
        assert self.hooks is not None
        leap = self.leaps[0]
        fill(state, leap.lacking)
        try:
            for hook, step, text in self.hooks:  # noqa: B007 - the failing ones are told
                hook(state)
        except Exception as error:  # border to program code, raised again with its place
            raise failed(step, text, error) from error
        fill(state, leap.fills)
        if not self.is_finished(state):
            leap.finish(state)

    def is_finished(self, names: Container[str]) -> bool:
        """True for a state that has what the new class needs, and nothing that it lost."""
        gone = self.leaps[0].gone if self.looks_at else ()
        return all((name in names) is not (name in gone) for name in self.looks_at)


@attrs.define(eq=False)
class Progress:
    """How far one object has come. It is kept where hooks that may run only once have run and the result is not published.

    Attributes:
        item: the object, held so that no other gets its id.
        read: its fields when the hooks began.
        at: the index of the leap in the row of the class that is next, or has begun.
        state: private, with ``copies`` for containers.
        hooks: so many of that leap's hooks have run.
        before: the fields before that leap.
        lost: what leaps took away.
        is_kept: a hook has run that may run only once.
        has_clashed: a container was changed by others meanwhile.
    """

    item: Any
    read: dict[str, Any] | None
    at: int
    state: State
    copies: Copies | None
    hooks: int = 0
    before: dict[str, Any] = attrs.Factory(dict)
    lost: list[tuple[Leap, dict[str, Any]]] = attrs.Factory(list)
    is_kept: bool = False
    has_clashed: bool = False

    def run(self, row: Sequence[Leap], item: Any) -> None:
        """Go on to the end of a row; raises HookError."""
        end = len(row)
        if self.hooks and self.at < end:  # it has begun, so it cannot cancel out
            begun, *left = row[self.at], *cancel(row[self.at + 1 : end])
            if left and left[0].undoes is begun:
                self._take_back(left.pop(0))
            else:
                left.insert(0, begun)
        else:
            left = cancel(row[self.at : end])
        for leap in left:
            if leap.undoes is not None:
                leap.run(self.state, item)
            else:
                self._forth(leap, row)
            self.at, self.hooks = row.index(leap) + 1, 0
        self.at, self.hooks = end, 0

    def _forth(self, leap: Leap, row: Sequence[Leap]) -> None:
        self.at = row.index(leap)
        if not self.hooks:
            self.before = dict(self.state)
            fill(self.state, leap.lacking)
        for hook, step, text in list(leap.hooks())[self.hooks :]:
            if leap.is_once:
                self._attempt(hook, step, text)
            else:
                call(hook, self.state, step, text)
            self.hooks += 1
            self.is_kept = self.is_kept or step.migration.once
        leap.fill(self.state)
        leap.finish(self.state)
        if names := self.before.keys() - self.state.keys():
            self.lost.append((leap, {name: self.before[name] for name in names}))

    def _attempt(self, hook: Hook, step: Step, text: str) -> None:
        """A hook that fails must leave what those before it did, as these do not run again."""
        attempt = State(self.state)
        copies = Copies.of(attempt)
        call(hook, attempt, step, text)
        [state], _, calls = copies.put_back([attempt])
        deque(starmap(operator.call, calls), maxlen=0)
        self.state = State(state)

    def _take_back(self, back: Leap) -> None:
        """The way back of a leap that has begun."""
        for name, value in self.before.items():
            self.state.setdefault(name, value)
        back.take_back(self.state, self.hooks)
        for name in self.state.keys() - self.before.keys():
            del self.state[name]
        self.hooks = 0
