"""Swaps and rollbacks while threads and tasks call through every kind of reference; run as a process of its own.

    python -m tests.stress.storm DIRECTORY --swaps 2000 --threads 8 --tasks 1000

Prints one line of JSON. A call fails that gives two versions at once, an error, or, where no swap ran during the call,
another version than the one that is live. What a call may mix depends on its kind:

    instant   one operation in C over several objects        never mixed
    frame     code, defaults and keyword defaults of a call   never mixed
    span      several calls or reads, one after the other     mixed only if a swap ran meanwhile
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import json
import operator
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from operator import attrgetter
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from tests.stress.program import FIRST, write_version

#: Callers rest up to so many seconds after each round, a task 25 times as long, or swaps would wait for the processor only.
PAUSE = 0.004

NEVER, MEANWHILE = False, True
Check = tuple[str, bool, Callable[[], Iterable[int]]]


class Torn(Exception):
    """One instant showed two versions."""


class Clock:
    """Which version is live. A swap in progress has a state of its own, so a call can tell that none ran meanwhile."""

    def __init__(self) -> None:
        self.state: tuple[int | None, object] = (0, object())

    def begin(self) -> None:
        self.state = (None, object())

    def end(self, version: int) -> None:
        self.state = (version, object())


class Storm:
    """The callers, what they hold, and what went wrong."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stop = threading.Event()
        self.failures: list[str] = []
        self.calls: Counter[str] = Counter()
        self.mixed: Counter[str] = Counter()  # calls that a swap met: the interesting ones

    def judge(self, name: str, may_mix: bool, before: tuple[int | None, object], found: Iterable[int]) -> None:
        """Judge what a call gave."""
        numbers = set(found)
        version, _ = before
        quiet = before is self.clock.state and version is not None
        self.calls[name] += 1
        if not quiet:
            self.mixed[name] += 1
        if len(numbers) != 1 and (quiet or not may_mix):
            self.fail(f"{name} gave {sorted(numbers)} at once, {'with no swap meanwhile' if quiet else 'during a swap'}")
        elif quiet and version not in numbers:
            self.fail(f"{name} gave {sorted(numbers)} while {version} was live")

    def fail(self, message: str) -> None:
        if len(self.failures) < 50:
            self.failures.append(message)

    def try_check(self, check: Check) -> None:
        name, may_mix, call = check
        before = self.clock.state
        try:
            found = list(call())
        except Exception as error:  # noqa: BLE001 - whatever the program raises is a failure to be told
            self.fail(f"{name} raised {type(error).__name__}: {error}")
        else:
            self.judge(name, may_mix, before, found)

    def run_thread(self, checks: list[Check], seed: int) -> None:
        order = random.Random(seed)
        while not self.stop.is_set():
            for check in order.sample(checks, len(checks)):
                self.try_check(check)
            self.stop.wait(order.random() * PAUSE)

    async def run_task(self, checks: list[tuple[str, Callable[[], Any]]], seed: int) -> None:
        order = random.Random(seed)
        while not self.stop.is_set():
            name, call = order.choice(checks)
            before = self.clock.state
            try:
                self.judge(name, NEVER if name.endswith("frame") else MEANWHILE, before, await call())
            except Exception as error:  # noqa: BLE001 - as above
                self.fail(f"{name} raised {type(error).__name__}: {error}")
            await asyncio.sleep(order.random() * PAUSE * 25)

    async def run_tasks(self, checks: list[tuple[str, Callable[[], Any]]], count: int) -> None:
        await asyncio.gather(*(self.run_task(checks, seed) for seed in range(count)))


# ---- what is called -------------------------------------------------------------------------------------------------


def hold_references() -> tuple[list[Check], list[tuple[str, Callable[[], Any]]]]:
    """Take references of every kind, once, before the first swap."""
    import base
    import stage
    from stage import decorated, plain, rated

    shape, jumper = stage.Shape(), stage.Jumper()
    inner = stage.make(7)
    frames: dict[str, Callable[[], Iterable[int]]] = {
        "module attribute": lambda: stage.plain(),
        "from import": plain,
        "from import, derived default": rated,
        "list": [plain].__getitem__(0),
        "dict": {"f": plain}["f"],
        "tuple": (plain,)[0],
        "set": next(iter({plain})),
        "partial in the program": lambda: stage.part(),
        "partial held": stage.part,
        "bound method": jumper.method,
        "function of a class": lambda method=stage.Jumper.method: method(jumper),
        "class method": stage.Jumper.of_class,
        "static method": stage.Jumper.of_nothing,
        "bound method of a transplanted class": shape.method,
        "method looked up": lambda: shape.method(),
        "class method of a transplanted class": stage.Shape.of_class,
        "static method of a transplanted class": stage.Shape.of_nothing,
        "instance called": shape,
        "inner function": lambda: inner()[:1],
        "inner function made anew": lambda: stage.make(7)()[:1],
        "wrapped by a decorator": decorated.__wrapped__,
        "singledispatch": lambda: stage.show(1.5),
        "singledispatch, registered": lambda: stage.show(1),
        "context manager": lambda: _enter(stage.opened),
        "generator": lambda: (n for pair in stage.produce() for n in pair),
        "generator function held": lambda produce=stage.produce: (n for pair in produce() for n in pair),
        "sort key": lambda key=stage.plain: key(),
    }
    spans: dict[str, Callable[[], Iterable[int]]] = {
        "calls of several": lambda: stage.spanning(),
        "several held": lambda spanning=stage.spanning: spanning(),
        "decorated": decorated,
        "decorated, looked up": lambda: stage.decorated(),
        "property": lambda: shape.size,
        "two modules": lambda: (base.RATE, stage.RATE, stage.VERSION),
    }
    caches: dict[str, Callable[[], Iterable[int]]] = {
        "lru_cache": lambda cached=stage.cached: cached(),
        "cached_property": lambda: shape.kept,
    }
    instants: dict[str, Callable[[], Iterable[int]]] = {
        "instant: functions, data and classes": _snapshot(base, stage),
        "instant: two handles": _two_handles(stage),
    }
    checks: list[Check] = [(f"frame: {name}", NEVER, call) for name, call in frames.items()]
    checks += [(f"span: {name}", MEANWHILE, call) for name, call in (spans | caches).items()]
    checks += [(name, NEVER, call) for name, call in instants.items()]
    return checks, _hold_async()


def _enter(manager: Callable[[], contextlib.AbstractContextManager[Any]]) -> Iterable[int]:
    with manager() as found:
        return tuple(found)


def _hold_async() -> list[tuple[str, Callable[[], Any]]]:
    import stage

    wait, stream, produce = stage.wait, stage.stream, stage.produce

    async def from_stream(make: Callable[[], Any]) -> list[int]:
        return [number async for pair in make() for number in pair]

    async def from_generator() -> list[int]:
        found: list[int] = []
        for pair in produce():
            found += pair
            await asyncio.sleep(0)
        return found

    async def from_call() -> Iterable[int]:
        return stage.plain()

    return [
        ("coroutine held: frame", wait),
        ("coroutine: frame", lambda: stage.wait()),
        ("task: frame", lambda: asyncio.ensure_future(stage.wait())),
        ("async generator held: frame", lambda: from_stream(stream)),
        ("async generator: frame", lambda: from_stream(stage.stream)),
        ("generator in a task: frame", from_generator),
        ("function in a task: frame", from_call),
    ]


# attrgetter reads all its names in C, and none of these attributes runs code of Python: what it gives is one instant.
_READ = (
    "base.RATE", "base.helper.__code__", "base.helper.__defaults__", "stage.RATE", "stage.VERSION", "stage.plain.__code__",
    "stage.plain.__defaults__", "stage.plain.__kwdefaults__", "stage.rated.__defaults__", "stage.Shape.number",
    "stage.Shape.of_class.__code__", "stage.Jumper.method.__code__", "held.plain.__code__", "held.plain.__defaults__",
    "held.part.keywords", "held.cell.cell_contents", "held.wrapped.__code__", "held.wrapped.__defaults__",
)  # fmt: skip


def _snapshot(base: Any, stage: Any) -> Callable[[], Iterable[int]]:
    wrapper = stage.with_label
    cell = dict(zip(wrapper.__code__.co_freevars, wrapper.__closure__, strict=True))["label"]
    held = SimpleNamespace(plain=stage.plain, part=stage.part, cell=cell, wrapped=wrapper.__wrapped__)
    everything = SimpleNamespace(base=base, stage=stage, held=held)
    read = attrgetter(*_READ)


    def see() -> Iterable[int]:
        found = {name: set(_numbers(value)) for name, value in zip(_READ, read(everything), strict=True)}
        numbers = set().union(*found.values())
        if len(numbers) != 1:
            raise Torn(", ".join(f"{name}: {sorted(seen)}" for name, seen in found.items()))
        return numbers

    return see


def _numbers(value: Any) -> Iterable[int]:
    """The version numbers in a value of the snapshot."""
    if isinstance(value, CodeType):
        # A number stands among the constants or, where nothing but constants is returned, in a tuple there.
        parts = [part for const in value.co_consts for part in (const if isinstance(const, tuple) else (const,))]
        return {part for part in parts if type(part) is int and part >= FIRST}
    if isinstance(value, dict):
        return [part for part in value.values() if part is not None]
    return value if isinstance(value, tuple) else [value]


def _two_handles(stage: Any) -> Callable[[], Iterable[int]]:
    handles = stage.index, stage.other
    # map, call, the proxies and what they lead to are all implemented in C.
    return lambda: tuple(map(operator.call, handles))


# ---- the swaps ------------------------------------------------------------------------------------------------------


def swap_often(directory: Path, clock: Clock, storm: Storm, count: int, seed: int) -> Counter[str]:
    """Swap forth to new versions and roll back, checking the engine after each step."""
    import hotswap

    chance = random.Random(seed)
    engine = hotswap.session.current().engine
    versions, newest, done = [FIRST], FIRST, Counter[str]()
    while done.total() < count and not storm.failures:
        sys.setswitchinterval(chance.choice((1e-6, 1e-5, 1e-4, 5e-3)))
        back = len(versions) > 1 and chance.random() < len(versions) / DEPTH
        if not back:
            newest += 1
            write_version(directory, newest)
        clock.begin()
        report = hotswap.rollback() if back else hotswap.swap()
        if report.applied:
            versions = versions[:-1] if back else [*versions, newest]
        if not report.applied or report.kept:
            storm.fail(f"version {newest} is not wholly live: {report}")
        clock.end(versions[-1])
        engine.world.check_invariants()
        done["rollbacks" if back else "swaps"] += 1
    while len(versions) > 1:
        clock.begin()
        hotswap.rollback()
        versions.pop()
        clock.end(versions[-1])
        done["rollbacks"] += 1
    sys.setswitchinterval(5e-3)
    return done


#: How deep the history gets before rollbacks are as good as certain.
DEPTH = 24


def run_storm(directory: Path, swaps: int, threads: int, tasks: int, seed: int) -> dict[str, Any]:
    """Run everything; gives what is printed."""
    import hotswap

    write_version(directory, FIRST)
    sys.path.insert(0, str(directory))
    hotswap.start([directory], watch=False)
    clock = Clock()
    clock.end(FIRST)
    storm = Storm(clock)
    checks, awaitables = hold_references()
    callers = [threading.Thread(target=storm.run_thread, args=(checks, number)) for number in range(threads)]
    callers.append(threading.Thread(target=lambda: asyncio.run(storm.run_tasks(awaitables, tasks))))
    for caller in callers:
        caller.start()
    try:
        done = swap_often(directory, clock, storm, swaps, seed)
    finally:
        storm.stop.set()
        for caller in callers:
            caller.join()
    for check in checks:  # all is quiet: everything gives the first version again
        storm.try_check(check)
    return {"done": done, "failures": storm.failures, "calls": storm.calls, "mixed": storm.mixed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--swaps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--give-up", type=float, default=3600.0, help="seconds until the stacks are printed and the process ends")
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.dump_traceback_later(options.give_up, exit=True)
    print(json.dumps(run_storm(options.directory, options.swaps, options.threads, options.tasks, options.seed)))


if __name__ == "__main__":
    main()
