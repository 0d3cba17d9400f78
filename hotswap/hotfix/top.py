"""``hotswap top``: services with an agent as they are just now, in the terminal, until it is stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from hotswap.hotfix import orders
from hotswap.hotfix.commands import transition_lines
from hotswap.hotfix.words import group_option, guarded

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["top"]


@click.command()
@group_option
@click.option("--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Look once; so it is where there is no terminal, too.")
def top(group: str | None, interval: float, once: bool) -> None:
    """Show patches, processes, what is under way and whom it waits for, and objects that are left, until Ctrl-C."""

    def act() -> None:
        from rich.console import Console  # late: no other command needs it
        from rich.live import Live

        console = Console()
        if once or not sys.stdout.isatty():
            console.print(build_frame(look(group), time.time()))
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(build_frame(look(group), time.time()), refresh=True)
                time.sleep(interval)

    try:
        guarded("top", act)
    except KeyboardInterrupt:
        pass  # that is how it ends


def look(group: str | None) -> list[dict[str, Any]]:
    """What :func:`hotswap.hotfix.orders.describe` gives for each group that is meant, said anew by its processes.

    Raises:
        PatchError: HS611, there is none.
    """
    spools = [orders.find_spool(group)] if group is not None else orders.running_spools()
    for spool in spools:
        orders.refresh(spool)
    return [orders.describe(spool) for spool in spools]


def build_frame(groups: Iterable[Mapping[str, Any]], now: float) -> RenderableType:
    """What is shown.

    Args:
        now: Unix time in seconds.
    """
    from rich.console import Group

    return Group(*(part for each in groups for part in (_title(each), _list_patches(each, now), _list_processes(each))))


def _title(each: Mapping[str, Any]) -> RenderableType:
    from rich.text import Text

    title = Text(f"\n{each['group']}", style="bold")
    title.append(f"  {len(each['processes'])} processes", style="default")
    if each["paused"]:
        title.append("  paused", style="yellow")
    if not each["same"]:
        title.append("  not all processes have what is wanted", style="red")
    return title


def _list_patches(each: Mapping[str, Any], now: float) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("patch", "digest", "ordered by", "state"):
        table.add_column(name)
    for order in each["wanted"]:
        left = None if order["confirm_by"] is None else order["confirm_by"] - now
        state = "stays" if left is None else f"taken back in {max(left, 0):.0f} s unless it is confirmed"
        if order["replaces"]:
            state += f", in place of {', '.join(old['id'] for old in order['replaces'])}"
        table.add_row(order["id"], order["digest"][:12], order["by"], state)
    if not each["wanted"]:
        table.add_row("none")
    return table


def _list_processes(each: Mapping[str, Any]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("process", justify="right")
    table.add_column("has")
    table.add_column("objects left", justify="right")
    table.add_column("failed", justify="right")
    table.add_column("says")
    for held in each["processes"]:
        live = ", ".join(known["id"] + (" (deployed)" if known["contained"] else "") for known in held["applied"])
        left, failed = (sum(item[name] for item in held["left"]) for name in ("left", "failed"))
        says = "; ".join(f"{found['code']} {found['message']}" for found_ in held["refused"].values() for found in found_)
        table.add_row(str(held["pid"]), live or "no patch", f"{left:,}", f"{failed:,}", says, style="red" if says else "")
        for line in transition_lines(held):
            table.add_row("", Text(line, style="yellow"))
    return table
