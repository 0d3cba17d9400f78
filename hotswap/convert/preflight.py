"""Migrations tried on copies of the states of live objects: nothing is published, no hook with effects runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from types import CoroutineType, GeneratorType
from typing import Any

from hotswap.collector import objects_of
from hotswap.convert.copies import Copies
from hotswap.convert.leap import HookError, Leap
from hotswap.convert.state import Layout, State
from hotswap.fingerprint import same_value
from hotswap.frames import stack_tops
from hotswap.model import ClassPreflight
from hotswap.peek import reader_of

_NOTHING = object()


def try_out(leaps: Mapping[type, Leap], objects: Mapping[type, list[Any]], limit: int) -> list[ClassPreflight]:
    """Try what a swap would do to objects.

    Args:
        leaps: by exact class, with hooks that can run aside.
        objects: by exact class.
        limit: so many objects of a class are tried at most, spread over all.
    """
    return [_try_class(cls, leap, objects.get(cls, []), limit) for cls, leap in leaps.items()]


def _try_class(cls: type, leap: Leap, items: list[Any], limit: int) -> ClassPreflight:
    layout = Layout(cls, reader_of(cls).candidates())
    failures: Counter[str] = Counter()
    lossy: Counter[str] = Counter()
    shared = 0
    took = 0.0
    once = [step.migration.describe() for step in leap.steps if step.migration.once]
    chosen = [] if once else items[:: max(len(items) // limit, 1)][:limit]
    for item in chosen:
        before = layout.read(item)[0]
        state = State(before)
        copies = Copies.of(state)
        start = time.perf_counter()
        try:
            leap.run(state, item)
        except HookError as error:
            failures[f"{error.step.migration.describe()} {error}"] += 1
            continue
        finally:
            took += time.perf_counter() - start
        shared += copies.has_changed()
        if not leap.irreversible and leap.undoes is None:
            lossy.update(_lost(leap, before, state, item))
    return ClassPreflight(
        name=f"{cls.__module__}.{cls.__qualname__}",
        frm=leap.steps[0].frm,
        to=leap.steps[-1].to,
        population=len(items),
        tried=len(chosen),
        failures=tuple(failures.most_common()),
        lossy=tuple(lossy.most_common()),
        shared=shared,
        frames=tuple(sorted(_frames_that_name(leap.gone))),
        microseconds=took / len(chosen) * 1e6 if chosen else 0.0,
        untried=f"{', '.join(once)} runs once for each object, and has effects" if once else "",
    )


def _lost(leap: Leap, before: State, state: State, item: Any) -> Iterable[str]:
    """The fields that are not what they were after the way forth and back."""
    for name, value in before.items():
        state.setdefault(name, value)  # as what was kept aside returns
    try:
        Leap(leap.steps, undoes=leap, has_fields=True).run(state, item)
    except HookError as error:
        return [f"everything ({error.step.migration.describe()} {error})"]
    names = before.keys() | state.keys()
    return [name for name in sorted(names) if not _is_same(before.get(name, _NOTHING), state.get(name, _NOTHING))]


def _is_same(one: Any, other: Any) -> bool:
    return one is other or same_value(one, other)


def _frames_that_name(fields: Iterable[str]) -> set[str]:
    """Where functions that have not ended name some fields."""
    wanted = set(fields)
    found: set[str] = set()
    if not wanted:
        return found
    frames = stack_tops()
    for item in objects_of((GeneratorType, CoroutineType)):
        if type(item) is GeneratorType:
            frames.append(item.gi_frame)
        elif type(item) is CoroutineType:
            frames.append(item.cr_frame)
    while frames:
        if (frame := frames.pop()) is not None:
            for name in wanted.intersection(frame.f_code.co_names):
                found.add(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname} {name}")
            frames.append(frame.f_back)
    frame = None
    return found
