"""Who moves when, as it is ordered, written down and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import attrs
import click

from hotswap.model import Consistency, Finding, Wish

__all__ = ["DEADLINE", "about_forced", "moving_options", "read_wish", "unforced", "wish_for", "write_wish"]

#: Seconds that a change gets to come into a process, where nobody says otherwise.
DEADLINE = 10.0

_Called = TypeVar("_Called", bound=Callable[..., Any])


def read_wish(held: dict[str, Any] | None) -> Wish:
    """A wish as it lies in the spool; the usual one where none does.

    Raises:
        ValueError, TypeError: it is not what is written there.
    """
    if not held:
        return Wish(deadline=DEADLINE)
    name = held["consistency"]
    return Wish(consistency=Consistency(name) if name else None, deadline=float(held["deadline"]), force=bool(held["force"]))


def write_wish(wish: Wish) -> dict[str, Any]:
    """What :func:`read_wish` reads."""
    return {"consistency": wish.consistency and wish.consistency.value, "deadline": wish.deadline, "force": wish.force}


def unforced(held: dict[str, Any] | None) -> dict[str, Any] | None:
    """How a patch is taken back by itself: within the time that it had to come in, by what is safe, never by force."""
    return held and {**held, "consistency": None, "force": False}


def wish_for(held: dict[str, Any] | None, digest: str, verb: str) -> Wish:
    """The wish of an order, of which all ranks of a program know whether they mean the same.

    Args:
        digest: of the patch.
        verb: what is done with it.
    """
    return attrs.evolve(read_wish(held), token=f"{verb} {digest}")


def about_forced(findings: Iterable[Finding]) -> dict[str, Any]:
    """What the journal keeps of a change that was forced; nothing of any other."""
    forced = [finding.message for finding in findings if finding.code == "HS623"]
    return {"forced": forced} if forced else {}


def moving_options(call: _Called, deadline: float | None = DEADLINE) -> _Called:
    """Options of a command that has running processes change their code; for its function, or the command itself.

    Args:
        deadline: where nobody says otherwise; None where that tells something.
    """
    force = click.option("--force", is_flag=True, help="Do it against the rules, at the deadline at the latest; kept for ever.")
    seconds = click.option("--deadline", type=click.FloatRange(0.0), default=deadline, show_default=str(DEADLINE),
                           metavar="SECONDS", help="How long units of work and calls are waited for, before it is reversed.",
                           )  # fmt: skip
    return seconds(force(call))
