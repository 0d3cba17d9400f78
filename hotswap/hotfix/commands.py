"""The commands of the terminal around running services; ``words.py`` says how they end."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import attrs
import click

from hotswap.config import Budget
from hotswap.errors import ConfigError, PatchError
from hotswap.hotfix import journal, orders
from hotswap.hotfix.admission import open_order
from hotswap.hotfix.door import Request, ask, read_outcome
from hotswap.hotfix.health import Health, parse_share
from hotswap.hotfix.orders import Outcome, Terms, describe, make_finding
from hotswap.hotfix.rollout import Trial, roll_out
from hotswap.hotfix.signing import default_trust
from hotswap.hotfix.spool import Spool, list_groups
from hotswap.hotfix.wishes import moving_options
from hotswap.hotfix.words import (
    MIXED,
    REFUSED,
    door_option,
    group_option,
    guarded,
    json_option,
    read_file,
    timeout_option,
    trust_option,
)
from hotswap.model import USUAL, Consistency, Wish

__all__ = ["agents_running", "apply", "history", "order", "pause", "resume", "show_status", "transition_lines"]


# ---------------------------------------------------------------------------------------------------------------------
# Orders
# ---------------------------------------------------------------------------------------------------------------------


def _check_share(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else parse_share(value)
    except ValueError as error:
        raise click.BadParameter(f"{value} is no share as 5% or 0.05") from error


def _check_budget(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        Budget.parse(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error
    return value


@click.command()
@click.argument("file", type=click.Path())
@click.option("--pid", "pids", type=int, multiple=True, help="Only this process (may be repeated); by default the whole group.")
@group_option
@click.option("--all", "everywhere", is_flag=True, help="All groups of which processes run.")
@click.option("--check", is_flag=True, help="Only say whether it would be applied; nothing is changed.")
@click.option("--canary", type=click.IntRange(1), metavar="N", help="Apply it to N processes first, and see whether they live.")
@click.option("--health-url", "urls", multiple=True, metavar="URL", help="Has to answer while it is watched (may be repeated).")
@click.option("--health-command", "commands", multiple=True, metavar="COMMAND", help="Has to end with 0 while it is watched (may "
              "be repeated).")  # fmt: skip
@click.option("--max-errors", callback=_check_share, metavar="SHARE", help="Take it back when the program says that more fails: "
              "5%.")  # fmt: skip
@click.option("--watch", type=float, default=30.0, show_default=True, metavar="SECONDS", help="How long canaries and health are "
              "watched.")  # fmt: skip
@click.option("--confirm-within", type=float, metavar="SECONDS", help="Take it back after that time unless it is confirmed.")
@click.option("--failure-budget", "budget", default="0", show_default=True, metavar="N", callback=_check_budget,
              help="Take it back when more than N objects (or N%) cannot be converted.")  # fmt: skip
@click.option("--consistency", type=click.Choice([str(each) for each in Consistency]),
              help="Who moves when; by default the least that is safe.")  # fmt: skip
@moving_options
@trust_option
@timeout_option
@door_option
@json_option
def apply(
    file: str, pids: tuple[int, ...], group: str | None, everywhere: bool, check: bool, canary: int | None,
    urls: tuple[str, ...], commands: tuple[str, ...], max_errors: float | None, watch: float, confirm_within: float | None,
    budget: str, consistency: str | None, deadline: float, force: bool, trust: str | None, timeout: float, door: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Apply a signed patch to the running processes of a service, to all of them or to none."""
    is_watched = canary is not None or urls or commands or max_errors is not None
    if everywhere and (group or pids):
        raise click.UsageError("--all stands without --group and --pid")
    if is_watched and (check or pids):
        raise click.UsageError("what is watched (--canary, --health-…, --max-errors) stands without --check and --pid")
    if door and (is_watched or not group):
        raise click.UsageError("--door needs --group, and stands without what is watched")
    if is_watched and confirm_within is not None and confirm_within < watch:
        raise click.UsageError("--confirm-within ends before --watch does")
    trial = Trial(seconds=watch, canary=canary, health=Health(urls=urls, commands=commands))
    wish = Wish(consistency=Consistency(consistency) if consistency else None, deadline=deadline, force=force)
    terms = Terms(confirm_within=confirm_within, max_errors=max_errors, budget=budget, wish=wish)

    def act() -> None:
        data = read_file(file)
        if door:
            request = Request(verb="check" if check else "apply", size=len(data), pids=pids, timeout=timeout, terms=terms)
            _finish({group or "": read_outcome(ask(Spool.of(group or ""), request, data)["outcome"])}, as_json)
        made, signer = open_order(data, trust or default_trust(), time.time())
        found = orders.running_spools() if everywhere else [orders.find_spool(group, pids)]
        if not as_json:
            click.echo(f"{made.manifest.id} is whole, signed by {signer.principal}")

        def give(spool: Spool) -> Outcome:
            if check:
                return orders.check(spool, made, pids=pids, timeout=timeout, wish=wish)
            if is_watched:
                return roll_out(spool, made, trial, terms=terms, timeout=timeout)
            return orders.apply(spool, made, pids=pids, terms=terms, timeout=timeout)

        def try_give(spool: Spool) -> Outcome:
            try:
                return give(spool)
            except PatchError as error:  # what the other groups have made of it has to be said
                return Outcome(done=False, answers=(), reasons=(make_finding(error.code, error.message, error.next_step),))

        _finish({spool.group: (try_give if everywhere else give)(spool) for spool in found}, as_json)

    guarded("apply", act, as_json)


@click.command()
@group_option
@timeout_option
@door_option
@json_option
def pause(group: str | None, timeout: float, door: bool, as_json: bool) -> None:
    """Have nothing put on or taken off until hotswap resume."""
    order("pause", group, None, timeout, as_json, door)


@click.command()
@group_option
@timeout_option
@door_option
@json_option
def resume(group: str | None, timeout: float, door: bool, as_json: bool) -> None:
    """End a pause; what became due meanwhile is taken back."""
    order("resume", group, None, timeout, as_json, door)


def order(
    verb: str, group: str | None, pid: int | None, timeout: float, as_json: bool, door: bool = False, wish: Wish | None = None
) -> None:
    """Carry out an order that has no patch for a group, and end this process with its exit code."""
    give: Callable[..., Outcome]
    if verb == "rollback":
        give = functools.partial(orders.rollback, wish=wish or USUAL)
    else:
        give = {"confirm": orders.confirm, "pause": orders.pause, "resume": orders.resume}[verb]
    if pid is not None:
        raise click.UsageError(f"{verb} is for all processes of a service: name it with --group")
    if door and group is None:
        raise click.UsageError("--door needs --group")

    def act() -> None:
        if door:
            request = Request(verb=verb, timeout=timeout, terms=Terms(wish=wish or USUAL))
            answer = ask(Spool.of(group or ""), request)
            _finish({group or "": read_outcome(answer["outcome"])}, as_json)
        spool = orders.find_spool(group)
        _finish({spool.group: give(spool, timeout=timeout)}, as_json)

    guarded(verb, act, as_json)


def _finish(outcomes: Mapping[str, Outcome], as_json: bool) -> NoReturn:
    if as_json:
        done = all(outcome.done for outcome in outcomes.values())
        click.echo(json.dumps({"done": done, "groups": {group: attrs.asdict(each) for group, each in outcomes.items()}}))
    else:
        for group, outcome in outcomes.items():
            _print_outcome(group, outcome)
    each_done = [outcome.done for outcome in outcomes.values()]
    if any(outcome.mixed for outcome in outcomes.values()) or (any(each_done) and not all(each_done)):
        sys.exit(MIXED)
    sys.exit(0 if all(each_done) else REFUSED)


def _print_outcome(group: str, outcome: Outcome) -> None:
    for answer in outcome.answers:
        click.echo(f"{group} {answer.pid}  {answer.state:<11} {', '.join(answer.applied) or 'no patch'}")
        for line in _reason_lines((*answer.reasons, *answer.kept)):
            click.echo(f"    {line}")
    for line in _reason_lines(outcome.reasons):
        click.echo(line)
    if not outcome.done:
        mixed = "not all processes have the same now: hotswap status"
        click.echo(mixed if outcome.mixed else f"nothing is changed: each process of {group} is as it was before")


def _reason_lines(reasons: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for finding in reasons:
        where = f" ({finding['file']}:{finding['line']})" if finding.get("file") and finding.get("line") else ""
        yield f"{finding['code']} {finding['message']}{where}"
        if finding.get("next_step"):
            yield f"-> {finding['next_step']}"


# ---------------------------------------------------------------------------------------------------------------------
# What there is
# ---------------------------------------------------------------------------------------------------------------------


def agents_running(pid: int | None = None) -> bool:
    """Whether a process of this user, or this one, has an agent."""
    for name in list_groups():
        spool = Spool.of(name)
        try:
            spool.check()
        except PatchError:
            return True  # it will be said
        alive = orders.living(spool)
        if alive and (pid is None or pid in alive):
            return True
    return False


def show_status(group: str | None, pid: int | None, as_json: bool, door: bool = False) -> None:
    """Print what is wanted of each group and what its processes have; ends with 3 where these differ."""
    found: list[dict[str, Any]] = []

    def act() -> None:
        if door:
            found.append(ask(Spool.of(group or ""), Request(verb="status"))["status"])
            return
        for spool in [orders.find_spool(group)] if group is not None else orders.running_spools():
            found.append(describe(spool, pid))

    guarded("status", act, as_json)
    if as_json:
        click.echo(json.dumps({"groups": found}))
    else:
        for each in found:
            _print_group(each)
    sys.exit(0 if all(each["same"] for each in found) else MIXED)


def _print_group(each: Mapping[str, Any]) -> None:
    paused = ", paused: hotswap resume ends it" if each["paused"] else ""
    click.echo(f"group {each['group']}: {len(each['processes'])} processes{paused}")
    for wanted in each["wanted"]:
        left = "" if wanted["confirm_by"] is None else f", to be confirmed within {wanted['confirm_by'] - time.time():.0f} s"
        left += f", in place of {', '.join(old['id'] for old in wanted['replaces'])}" if wanted["replaces"] else ""
        only = f", only process {', '.join(map(str, wanted['only']))}" if wanted["only"] else ""
        click.echo(f"  wanted  {wanted['id']} ({wanted['digest'][:12]}) by {wanted['by']}{only}{left}")
    for held in each["processes"]:
        live = ", ".join(known["id"] + (" (deployed)" if known["contained"] else "") for known in held["applied"])
        click.echo(f"  {held['pid']:<7} {live or 'no patch'}  {' '.join(held['argv'])}")
        if held["page"]:
            click.echo(f"          {held['page']}")
        for line in transition_lines(held):
            click.echo(f"          {line}")
        for found in held["refused"].values():
            for line in _reason_lines(found):
                click.echo(f"          {line}")
    if not each["same"]:
        click.echo("  not all processes have what is wanted")


def transition_lines(held: Mapping[str, Any]) -> list[str]:
    """What is under way in a process, and whom it waits for."""
    way = held["transition"]
    if way is None:
        return []
    left = "" if way["left"] is None else f", {way['left']:.1f} s are left"
    how = f" ({way['consistency']})" if way["consistency"] else ""
    first = f"{way['verb']} of {way['id']}{how} is under way for {way['seconds']:.1f} s{left}"
    return [first, *(f"waits for {blocker}" for blocker in way["blockers"])]


@click.command()
@group_option
@json_option
def history(group: str | None, as_json: bool) -> None:
    """Show what was ordered for a service and what came of it, from its journal."""

    def act() -> None:
        for name in [group] if group is not None else list_groups():
            for entry in journal.read(orders.find_spool(name).journal):
                click.echo(json.dumps({"group": name, **entry}) if as_json else _entry_line(name, entry))

    guarded("history", act)


def _entry_line(group: str, entry: Mapping[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.get("at", 0)))
    words = [str(entry[key]) for key in ("verb", "id") if entry.get(key)]
    titles = (("by", "by"), ("signer", "signed by"), ("replaces", "in place of"), ("because", "because"))
    words += [f"{title} {entry[key]}" for key, title in titles if entry.get(key)]
    reasons = "".join(f"\n    {reason}" for reason in entry.get("reasons", ()))
    return f"{when}  {group} {entry.get('pid', '')}  {entry.get('event', '')}  {', '.join(words)}{reasons}"
