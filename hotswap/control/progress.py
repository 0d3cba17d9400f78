"""``hotswap wait``: until all objects are converted, with a bar where there is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from hotswap.control.client import ask, find_process
from hotswap.errors import HotswapError

__all__ = ["wait"]

#: Seconds between two looks.
INTERVAL = 0.2


@click.command()
@click.option("--pid", type=int, help="The process, where several run under hotswap.")
@click.option("--timeout", type=float, help="Seconds until it gives up; by default it waits for as long as it takes.")
def wait(pid: int | None, timeout: float | None) -> None:
    """Wait until all objects of classes that changed are converted; ends with 1 where some cannot be."""
    try:
        known = find_process(pid)
        found = list(_show(_looks(known, timeout)))[-1]
    except HotswapError as error:
        click.echo(f"hotswap wait: {error}", err=True)
        sys.exit(1)
    for each in found:
        click.echo(f"{each['name']}: {each['converted']:,} converted, {_left(each):,} left, {each['failed']:,} failed")
    if not found:
        click.echo("all objects are converted")
    sys.exit(0 if not any(map(_left, found)) else 1)


def _looks(pid: int, timeout: float | None) -> Iterator[list[Mapping[str, Any]]]:
    """The classes of which objects wait, again and again; the last one when nothing goes on any more."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        classes: list[Mapping[str, Any]] = ask(pid, "status")["status"]["classes"]
        yield classes
        if all(_left(each) <= each["failed"] for each in classes) or (end is not None and time.monotonic() > end):
            return
        time.sleep(INTERVAL)


def _left(each: Mapping[str, Any]) -> int:
    return sum(count for _, count in each["left"])


def _show(looks: Iterator[list[Mapping[str, Any]]]) -> Iterator[list[Mapping[str, Any]]]:
    """The same, with a bar for each class where there is a terminal."""
    from rich.console import Console  # late: no other command needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}
        for classes in looks:
            for each in classes:
                if each["name"] not in tasks:
                    tasks[each["name"]] = progress.add_task(each["name"])
                progress.update(tasks[each["name"]], completed=each["converted"], total=each["converted"] + _left(each))
            for gone in tasks.keys() - {each["name"] for each in classes}:
                progress.update(tasks[gone], completed=progress.tasks[tasks[gone]].total)
            yield classes
