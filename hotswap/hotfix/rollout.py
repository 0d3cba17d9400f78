"""A patch tried on a few processes for a while, before all have it.

What is looked at is whether these go on to live. Whether they also answer well nobody but the service's own monitoring knows:
it has the time of the watch, and ``hotswap rollback``.
"""

from __future__ import annotations

import time

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix.orders import INTERVAL, Answer, Outcome, apply, living, make_finding, rollback
from hotswap.hotfix.patch import Patch
from hotswap.hotfix.spool import Spool

__all__ = ["apply_with_canary"]


def apply_with_canary(
    spool: Spool, patch: Patch, *, count: int, watch: float, confirm_within: float | None = None, timeout: float = 30.0
) -> Outcome:
    """Have a patch applied by some processes, and by all when these have lived on for a while.

    Args:
        count: how many; workers before their master.
        watch: seconds.
        confirm_within, timeout: see :func:`hotswap.hotfix.orders.apply`.

    Raises:
        PatchError: it is not ordered.
    """
    chosen = _choose(spool, count)
    outcome = apply(spool, patch, pids=chosen, timeout=timeout)
    if not outcome.done:
        ended = [answer.pid for answer in outcome.answers if answer.state == "ended" and answer.pid in chosen]
        return _name_ended(outcome, ended)
    ended = _watch(spool, chosen, watch)
    if not ended:
        return apply(spool, patch, confirm_within=confirm_within, timeout=timeout)
    back = rollback(spool, timeout)
    is_mixed = any(answer.state in ("refused", "silent") for answer in back.answers)
    return _name_ended(attrs.evolve(back, done=False, mixed=is_mixed), ended)


def _name_ended(outcome: Outcome, ended: list[int]) -> Outcome:
    others = (answer for answer in outcome.answers if answer.pid not in ended)
    return attrs.evolve(outcome, answers=(*map(_describe, ended), *others))


def _choose(spool: Spool, count: int) -> list[int]:
    alive = living(spool)
    if count >= len(alive):
        raise PatchError("HS611", f"group {spool.group} has {len(alive)} processes, so {count} are no canary", "apply it to all")
    workers_first = sorted(alive, key=lambda pid: (alive[pid]["parent"] not in alive, pid))
    return workers_first[:count]


def _watch(spool: Spool, pids: list[int], seconds: float) -> list[int]:
    """Those that have ended, as soon as one has."""
    end = time.monotonic() + seconds
    while True:
        alive = living(spool)
        if (ended := [pid for pid in pids if pid not in alive]) or time.monotonic() > end:
            return ended
        time.sleep(INTERVAL)


def _describe(pid: int) -> Answer:
    return Answer(pid=pid, state="ended", reasons=(make_finding("HS614", f"process {pid} ended while it was watched"),))
