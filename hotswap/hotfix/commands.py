"""The commands of the terminal around patches.

Exit codes, for scripts: 0 done; 1 refused, and nothing is changed; 2 the command line is wrong; 3 not all processes have the same
now, look at ``hotswap status``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from hotswap.errors import HotswapError, PatchError
from hotswap.hotfix import journal, orders
from hotswap.hotfix.agent import open_order
from hotswap.hotfix.build import build, diff_patches, read_tree
from hotswap.hotfix.canary import apply_with_canary
from hotswap.hotfix.orders import Outcome
from hotswap.hotfix.patch import MAX_PATCH, Patch, read_sealed
from hotswap.hotfix.signing import default_trust, sign
from hotswap.hotfix.spool import Spool, list_groups
from hotswap.model import to_json

__all__ = ["agents_running", "apply", "history", "order", "patch", "show_status"]

REFUSED, MIXED = 1, 3


def _fail(command: str, error: HotswapError, as_json: bool = False) -> None:
    if as_json:
        code = error.code if isinstance(error, PatchError) else ""
        click.echo(json.dumps({"done": False, "error": {"code": code, "message": str(error)}}))
    click.echo(f"hotswap {command}: {error}", err=True)
    sys.exit(REFUSED)


def _guarded(command: str, act: Callable[[], None], as_json: bool = False) -> None:
    try:
        act()
    except HotswapError as error:
        _fail(command, error, as_json)
    except OSError as error:
        _fail(command, PatchError("HS601", f"{error.filename or ''}: {error.strerror or error}", "name another file"), as_json)


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(MAX_PATCH + 1)


def _write(path: str, data: bytes) -> None:
    fresh = Path(f"{path}.{os.getpid()}.new")
    fresh.write_bytes(data)
    fresh.replace(path)


_json_option = click.option("as_json", "--json", is_flag=True, help="Print the answer as JSON.")
_trust_option = click.option("--trust", help="Allowed signers; by default HOTSWAP_TRUST or /etc/hotswap/allowed_signers.")
_group_option = click.option("--group", metavar="NAME", help="The service, where agents of several run.")
_timeout_option = click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds to answer in.")


# ---------------------------------------------------------------------------------------------------------------------
# Patch files
# ---------------------------------------------------------------------------------------------------------------------


@click.group()
def patch() -> None:
    """Build, sign and look at patches for running services."""


@patch.command("build")
@click.option("--from", "old", required=True, metavar="REV|DIR", help="What is deployed: a git revision or a directory.")
@click.option("--to", "new", required=True, metavar="REV|DIR", help="What is to be live.")
@click.option("--number", type=click.IntRange(1), required=True, help="Counts the patches of a target; each has a higher one.")
@click.option("--target", required=True, metavar="NAME", help="The distribution that it is for.")
@click.option("--version", "versions", multiple=True, help="A version of it that it is for (may be repeated).")
@click.option("--root", default="", metavar="DIR", help="The directory in both from which modules are imported, as src.")
@click.option("--only", multiple=True, metavar="PATH", help="A directory or file below the root that counts (may be repeated).")
@click.option("--leave-out", multiple=True, metavar="GLOB", help="Paths whose differences are not carried (may be repeated).")
@click.option("--needs", multiple=True, metavar="FILE", type=click.Path(), help="A patch that has to be live (may be repeated).")
@click.option("--expires", default="", metavar="TIME", help="2026-12-31T00:00:00Z: it may not be ordered afterwards.")
@click.option("--id", "name", default="", help="By default target-number.")
@click.option("--description", "-d", default="", help="One line.")
@click.option("--author", default="", help="Who has made it.")
@click.option("--output", "-o", metavar="FILE", help="By default ID.hotpatch.")
def _build(old: str, new: str, root: str, name: str, output: str | None, needs: tuple[str, ...], **words: Any) -> None:
    """Make a patch of the difference between two trees; both are only read."""

    def act() -> None:
        needed = [read_sealed(_read(path)).open().digest for path in needs]
        made = build(read_tree(old, root), read_tree(new, root), name=name, needs=needed, **words)
        path = output or f"{made.manifest.id}.hotpatch"
        _write(path, made.to_bytes())
        _print_patch(made, path)

    _guarded("patch build", act)


def _print_patch(made: Patch, path: str) -> None:
    manifest = made.manifest
    versions = " or ".join(manifest.versions)
    click.echo(f"{path}: {manifest.id}, number {manifest.number}, for {manifest.target} {versions}".rstrip())
    for title, value in (("what", manifest.description), ("author", manifest.author), ("expires", manifest.expires)):
        if value:
            click.echo(f"  {title:<9} {value}")
    for digest in manifest.needs:
        click.echo(f"  {'needs':<9} {digest}")
    click.echo(f"  {'digest':<9} {made.digest}")
    for file in manifest.files:
        click.echo(f"  {'file':<9} {file.path}  {file.base[:12] or 'new'} -> {file.digest[:12]}")
    for change in manifest.changes:
        where = ".".join(filter(None, (change.module, change.qualname)))
        click.echo(f"  {change.kind:<9} {where}" + (f" (line {change.line})" if change.line else ""))
    click.echo("  told from the texts; whether a process can take it, that process says: hotswap apply --check")


@patch.command("sign")
@click.argument("file", type=click.Path())
@click.option("--key", required=True, metavar="FILE", help="An SSH private key, or a public one whose private key an agent has.")
def _sign(file: str, key: str) -> None:
    """Sign a patch, in its file."""

    def act() -> None:
        sealed = read_sealed(_read(file))
        made = sealed.open()
        _write(file, attrs.evolve(made, signature=sign(sealed.manifest, key)).to_bytes())
        click.echo(f"{file}: {made.manifest.id} is signed with {key}")

    _guarded("patch sign", act)


@patch.command("show")
@click.argument("file", type=click.Path())
@_json_option
def _show(file: str, as_json: bool) -> None:
    """Show what is in a patch; its signature is not verified."""

    def act() -> None:
        made = read_sealed(_read(file)).open()
        if as_json:
            click.echo(json.dumps({"digest": made.digest, "signed": bool(made.signature), "manifest": to_json(made.manifest)}))
            return
        _print_patch(made, file)
        click.echo("  signed; hotswap patch verify says by whom" if made.signature else "  not signed")

    _guarded("patch show", act, as_json)


@patch.command("verify")
@click.argument("file", type=click.Path())
@_trust_option
def _verify(file: str, trust: str | None) -> None:
    """Verify signature, digests and expiry."""

    def act() -> None:
        made, signer = open_order(_read(file), trust or default_trust(), time.time())
        click.echo(f"{file}: {made.manifest.id} is whole, signed by {signer.principal} ({signer.key})")

    _guarded("patch verify", act)


@patch.command("diff")
@click.argument("one", type=click.Path())
@click.argument("other", type=click.Path())
def _diff(one: str, other: str) -> None:
    """Say what differs between two patches; ends with 1 where something does."""
    lines: list[str] = []
    _guarded("patch diff", lambda: lines.extend(diff_patches(*(read_sealed(_read(path)).open() for path in (one, other)))))
    for line in lines:
        click.echo(line)
    sys.exit(1 if lines else 0)


# ---------------------------------------------------------------------------------------------------------------------
# Orders
# ---------------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("file", type=click.Path())
@click.option("--pid", "pids", type=int, multiple=True, help="Only this process (may be repeated); by default the whole group.")
@_group_option
@click.option("--all", "everywhere", is_flag=True, help="All groups of which processes run.")
@click.option("--check", is_flag=True, help="Only say whether it would be applied; nothing is changed.")
@click.option("--canary", type=click.IntRange(1), metavar="N", help="Apply it to N processes first, and see whether they live.")
@click.option("--watch", type=float, default=30.0, show_default=True, metavar="SECONDS", help="How long canaries are watched.")
@click.option("--confirm-within", type=float, metavar="SECONDS", help="Take it back after that time unless it is confirmed.")
@_trust_option
@_timeout_option
@_json_option
def apply(
    file: str, pids: tuple[int, ...], group: str | None, everywhere: bool, check: bool, canary: int | None, watch: float,
    confirm_within: float | None, trust: str | None, timeout: float, as_json: bool,
) -> None:  # fmt: skip
    """Apply a signed patch to the running processes of a service, to all of them or to none."""
    if everywhere and (group or pids):
        raise click.UsageError("--all stands without --group and --pid")
    if canary and (check or pids):
        raise click.UsageError("--canary stands without --check and --pid")

    def act() -> None:
        made, signer = open_order(_read(file), trust or default_trust(), time.time())
        found = _running_groups() if everywhere else [orders.find_spool(group, pids)]
        if not as_json:
            click.echo(f"{made.manifest.id} is whole, signed by {signer.principal}")

        def give(spool: Spool) -> Outcome:
            if check:
                return orders.check(spool, made, pids=pids, timeout=timeout)
            within: dict[str, Any] = {"confirm_within": confirm_within, "timeout": timeout}
            if canary:
                return apply_with_canary(spool, made, count=canary, watch=watch, **within)
            return orders.apply(spool, made, pids=pids, **within)

        _finish({spool.group: give(spool) for spool in found}, as_json)

    _guarded("apply", act, as_json)


def _running_groups() -> list[Spool]:
    found = [spool for name in list_groups() if orders.living(spool := Spool.of(name))]
    if not found:
        raise PatchError("HS611", "no process of this user has an agent", "start it with hotswap agent")
    return found


def order(verb: str, group: str | None, pid: int | None, timeout: float, as_json: bool) -> None:
    """Carry out ``rollback`` or ``confirm`` for a group, and end this process with its exit code."""
    give = {"rollback": orders.rollback, "confirm": orders.confirm}[verb]
    if pid is not None:
        raise click.UsageError(f"{verb} is for all processes of a service: name it with --group")

    def act() -> None:
        spool = orders.find_spool(group)
        _finish({spool.group: give(spool, timeout=timeout)}, as_json)

    _guarded(verb, act, as_json)


def _finish(outcomes: Mapping[str, Outcome], as_json: bool) -> None:
    if as_json:
        done = all(outcome.done for outcome in outcomes.values())
        click.echo(json.dumps({"done": done, "groups": {group: attrs.asdict(each) for group, each in outcomes.items()}}))
    else:
        for group, outcome in outcomes.items():
            _print_outcome(group, outcome)
    if any(outcome.mixed for outcome in outcomes.values()):
        sys.exit(MIXED)
    sys.exit(0 if all(outcome.done for outcome in outcomes.values()) else REFUSED)


def _print_outcome(group: str, outcome: Outcome) -> None:
    for answer in outcome.answers:
        click.echo(f"{group} {answer.pid}  {answer.state:<11} {', '.join(answer.applied) or 'no patch'}")
        for line in _reason_lines((*answer.reasons, *answer.kept)):
            click.echo(f"    {line}")
    if not outcome.done:
        mixed = "not all processes have the same now: hotswap status"
        click.echo(mixed if outcome.mixed else "nothing is changed: each process is as it was before")


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


def show_status(group: str | None, pid: int | None, as_json: bool) -> None:
    """Print what is wanted of each group and what its processes have; ends with 3 where these differ."""
    found: list[dict[str, Any]] = []

    def act() -> None:
        for spool in [orders.find_spool(group)] if group is not None else _running_groups():
            found.append(_describe(spool, pid))

    _guarded("status", act, as_json)
    if as_json:
        click.echo(json.dumps({"groups": found}))
    else:
        for each in found:
            _print_group(each)
    sys.exit(0 if all(each["same"] for each in found) else MIXED)


def _describe(spool: Spool, pid: int | None) -> dict[str, Any]:
    desired, now = spool.read_desired(), time.time()
    alive = {each: held for each, held in orders.living(spool).items() if pid in (None, each)}
    wanted = {each: [order.digest for order in desired.wanted(each, now)] for each in alive}
    has = {each: [known["digest"] for known in held["applied"]] for each, held in alive.items()}
    return {
        "group": spool.group,
        "wanted": [attrs.asdict(order) for order in desired.standing(now)],
        "processes": list(alive.values()),
        "same": wanted == has,
    }


def _print_group(each: Mapping[str, Any]) -> None:
    click.echo(f"group {each['group']}: {len(each['processes'])} processes")
    for wanted in each["wanted"]:
        left = "" if wanted["confirm_by"] is None else f", to be confirmed within {wanted['confirm_by'] - time.time():.0f} s"
        only = f", only process {', '.join(map(str, wanted['only']))}" if wanted["only"] else ""
        click.echo(f"  wanted  {wanted['id']} ({wanted['digest'][:12]}) by {wanted['by']}{only}{left}")
    for held in each["processes"]:
        live = ", ".join(known["id"] + (" (deployed)" if known["contained"] else "") for known in held["applied"])
        click.echo(f"  {held['pid']:<7} {live or 'no patch'}  {' '.join(held['argv'])}")
        for found in held["refused"].values():
            for line in _reason_lines(found):
                click.echo(f"          {line}")
    if not each["same"]:
        click.echo("  not all processes have what is wanted")


@click.command()
@_group_option
@_json_option
def history(group: str | None, as_json: bool) -> None:
    """Show what was ordered for a service and what came of it, from its journal."""

    def act() -> None:
        names = [group] if group is not None else list_groups()
        for name in names:
            spool = Spool.of(name)
            spool.check()
            for entry in journal.read(spool.journal):
                click.echo(json.dumps({"group": name, **entry}) if as_json else _entry_line(name, entry))

    _guarded("history", act)


def _entry_line(group: str, entry: Mapping[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.get("at", 0)))
    words = [str(entry[key]) for key in ("verb", "id") if entry.get(key)]
    titles = (("by", "by"), ("signer", "signed by"), ("because", "because"))
    words += [f"{title} {entry[key]}" for key, title in titles if entry.get(key)]
    reasons = "".join(f"\n    {reason}" for reason in entry.get("reasons", ()))
    return f"{when}  {group} {entry.get('pid', '')}  {entry.get('event', '')}  {', '.join(words)}{reasons}"
