"""Functions that changed while somebody is in them are named with who, what and where (HS403): live at the next call."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hotswap.model import Report
from tests.link.program import Program
from tests.transition import reports

V1 = """
import threading

def work(ready, go):
    ready.set()
    go.wait()
    return "old"

def outer(ready, go):
    return work(ready, go)

def generate():
    yield 1
    yield "old"

async def fetch(awaited):
    await awaited
    return "old"

async def stream(awaited):
    yield 1
    await awaited
    yield "old"

def other():
    return "old"
"""
V2 = "# moved\n" + V1.replace('"old"', '"new"')


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as one:
        yield one


said = functools.partial(reports.said, file="running.py")


@pytest.fixture
def lib(program: Program) -> ModuleType:
    return program.load("running", V1)


def line_of(text: str) -> int:
    """Where a text stands in what the frames run, which is the old version."""
    return V1[: V1.index(text)].count("\n") + 1


def message(who: str, name: str) -> str:
    return f"{who} is in running.{name}, which changed; it is live at its next call"


def in_thread(target: Callable[..., Any], edit: Callable[[], Report], name: str) -> tuple[Report, list[Any]]:
    """1. a thread waits inside; 2. the swap; 3. it goes on and ends. Gives the report and what the call returned."""
    ready, go, results = threading.Event(), threading.Event(), []
    thread = threading.Thread(target=lambda: results.append(target(ready, go)), name=name)
    thread.start()
    assert ready.wait(10)
    try:
        return edit(), results
    finally:
        go.set()
        thread.join()


def test_a_thread_is_named_with_its_function_and_line(program: Program, lib: ModuleType) -> None:
    """It ends in the old code, and its next call is new."""
    report, results = in_thread(lib.work, lambda: program.edit("running", V2), "worker-3")
    assert said(report) == [(message("thread worker-3", "work"), line_of("go.wait()"))]
    assert results == ["old"]
    go = threading.Event()
    go.set()
    assert lib.work(threading.Event(), go) == "new"


def test_an_unchanged_caller_on_the_stack_is_not_named(program: Program, lib: ModuleType) -> None:
    """Only what changed is."""
    report, _ = in_thread(lib.outer, lambda: program.edit("running", V2), "worker")
    assert [text for text, _ in said(report)] == [message("thread worker", "work")]


def test_the_loop_of_the_main_thread_is_named(program: Program) -> None:
    """A loop that never leaves its function stays in the old text."""
    text = "def loop(turn):\n    for number in range(2):\n        turn(number)\n    return 'old'\n"
    module = program.load("running", text)
    reports: list[Report] = []

    def turn(number: int) -> None:
        if not number:
            reports.append(program.edit("running", text.replace("old", "new")))

    assert module.loop(turn) == "old"
    assert said(reports[0]) == [(message("thread MainThread", "loop"), 3)]
    assert module.loop(lambda number: None) == "new"


def test_a_suspended_generator_is_named(program: Program, lib: ModuleType) -> None:
    """One that has begun; it ends in the old code, the next one is new."""
    begun, ended = lib.generate(), lib.generate()
    next(begun), list(ended)
    assert said(program.edit("running", V2)) == [(message("a suspended generator", "generate"), line_of("yield 1"))]
    assert list(begun) == ["old"]
    assert list(lib.generate()) == [1, "new"]


@pytest.mark.parametrize(("kind", "name", "line"), [
    ("coroutine", "fetch", line_of("await awaited\n    return")),
    ("async generator", "stream", line_of("await awaited\n    yield")),
])  # fmt: skip
def test_a_suspended_task_is_named(program: Program, lib: ModuleType, kind: str, name: str, line: int) -> None:
    """A coroutine in a task, and an async generator that one is inside of."""

    async def last(stream: Any) -> Any:
        return [item async for item in stream][-1]

    async def main() -> None:
        awaited = asyncio.get_running_loop().create_future()
        start = (lambda: lib.fetch(awaited)) if name == "fetch" else (lambda: last(lib.stream(awaited)))
        task = asyncio.create_task(start())
        await asyncio.sleep(0)
        assert said(program.edit("running", V2)) == [(message(f"a suspended {kind}", name), line)]
        awaited.set_result(None)
        assert await task == "old"
        assert await start() == "new"

    asyncio.run(main())


def test_an_async_generator_between_two_items_is_named(program: Program, lib: ModuleType) -> None:
    """Nobody is inside, but it goes on in the old code."""

    async def main() -> None:
        awaited = asyncio.get_running_loop().create_future()
        awaited.set_result(None)
        stream = lib.stream(awaited)
        assert await anext(stream) == 1
        wanted = (message("a suspended async generator", "stream"), line_of("yield 1\n    await"))
        assert said(program.edit("running", V2)) == [wanted]
        assert await anext(stream) == "old"
        await stream.aclose()

    asyncio.run(main())


def test_who_is_in_nothing_that_changed_is_not_named(program: Program, lib: ModuleType) -> None:
    """Only ``other`` changes, while a thread and a generator are elsewhere in the file."""
    begun = lib.generate()
    next(begun)
    edited = V1.replace('def other():\n    return "old"', 'def other():\n    return "new"')
    report, _ = in_thread(lib.work, lambda: program.edit("running", edited), "worker")
    assert said(report) == []


def test_a_function_that_was_removed_is_named_too(program: Program, lib: ModuleType) -> None:
    """Its call goes on to its end."""
    removed = V1[: V1.index("def work")] + V1[V1.index("def generate") :]
    report, results = in_thread(lib.work, lambda: program.edit("running", removed), "worker")
    assert ("thread worker", line_of("go.wait()")) in [(text.partition(" is in ")[0], line) for text, line in said(report)]
    assert results == ["old"]
