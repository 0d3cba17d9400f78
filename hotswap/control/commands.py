"""The one table of commands: what the socket serves and what the terminal offers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from hotswap.changes import read_changes
from hotswap.control.layout import Layout
from hotswap.model import ChangeSet, Finding, Plan, Preflight, Report, Status, Verdict, Wish, to_json

__all__ = ["COMMANDS", "Command", "CommandError", "ControlledEngine"]


class CommandError(Exception):
    """A command cannot be carried out as it was given; the message says why and what it takes."""


class ControlledEngine(Protocol):
    """What the commands need of the engine."""

    @property
    def scope(self) -> Any: ...
    @property
    def world(self) -> Any: ...
    def swap(self, changes: ChangeSet) -> Report: ...
    def preview(self, changes: ChangeSet) -> Plan: ...
    def rollback(self, *, wish: Wish | None = None) -> Report: ...
    def preflight(self, changes: ChangeSet) -> Preflight: ...
    def status(self) -> Status: ...
    def held(self) -> tuple[Finding, ...]: ...
    def confirm(self) -> int: ...
    @property
    def converter(self) -> Any: ...


@attrs.frozen(kw_only=True)
class Command:
    """One verb.

    Attributes:
        name: as typed and as sent.
        run: takes the engine and the arguments, gives what ``json.dumps`` takes; ``lines`` in it are for people, and
            ``done`` False means that the change was not applied.
        help: one line.
        takes_files: whether ``files`` may be among the arguments.
        takes_wish: whether ``deadline`` (seconds) and ``force`` may be among them, both or none.
    """

    name: str
    run: Callable[[ControlledEngine, Mapping[str, Any]], dict[str, Any]]
    help: str
    takes_files: bool = False
    takes_wish: bool = False


# ---------------------------------------------------------------------------------------------------------------------
# The verbs
# ---------------------------------------------------------------------------------------------------------------------


def _about(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    about = {"pid": os.getpid(), "argv": list(sys.argv), "cwd": os.getcwd(), "python": sys.version.split()[0]}
    line = f"{about['pid']}  {' '.join(sys.argv)}  ({about['cwd']}, Python {about['python']})"
    return {**about, "lines": [[(line, "plain")]]}


def _status(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    status = engine.status()
    return {"status": to_json(status), "lines": _layout(args).status(status)}


def _preview(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    plan = engine.preview(read_changes(engine, args.get("files") or None))
    return {"plan": to_json(plan), "lines": _layout(args).plan(plan)}


def _preflight(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    result = engine.preflight(read_changes(engine, args.get("files") or None))
    return {"preflight": to_json(result), "done": result.ok, "lines": _layout(args).preflight(result)}


def _swap(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    return _reported(engine.swap(read_changes(engine, args.get("files") or None)), args)


def _rollback(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    if "force" not in args:
        return _reported(engine.rollback(), args)
    return _reported(engine.rollback(wish=Wish(deadline=args["deadline"], force=args["force"])), args)


def _retry(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    count = engine.converter.retry(None)
    return {"count": count, "lines": [[(f"{count:,} objects are tried again", "plain")]]}


def _confirm(engine: ControlledEngine, args: Mapping[str, Any]) -> dict[str, Any]:
    count = engine.confirm()
    return {"count": count, "lines": [[(f"the lost fields of {count:,} objects are let go of", "plain")]]}


def _reported(report: Report, args: Mapping[str, Any]) -> dict[str, Any]:
    done = report.applied or report.verdict is Verdict.NOTHING
    return {"report": to_json(report), "done": done, "lines": _layout(args).report(report)}


def _layout(args: Mapping[str, Any]) -> Layout:
    return Layout(args.get("cwd") or os.getcwd())


#: Invariant: nothing but these verbs can be asked for from outside.
COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(name="about", run=_about, help="Say which process this is."),
        Command(name="status", run=_status, help="Show what is managed, swapped and held."),
        Command(name="preview", run=_preview, takes_files=True,
                help="Show what saving the files would do; nothing is changed or executed."),
        Command(name="preflight", run=_preflight, takes_files=True,
                help="Try the migrations on copies of live objects; nothing is changed."),
        Command(name="swap", run=_swap, takes_files=True, help="Swap the files as they are on disk now."),
        Command(name="rollback", run=_rollback, takes_wish=True, help="Take the newest swap back."),
        Command(name="retry", run=_retry, help="Try objects again whose migration has failed."),
        Command(name="confirm", run=_confirm, help="Let go of the fields that are kept for a rollback."),
    )
}
