"""A patch that proves itself: on a few processes before all have it, and under the eyes of health checks.

Who watches may be killed. So what is watched is ordered with a time to be confirmed, and confirmed at the end: without that the
processes take it back by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix.health import Health
from hotswap.hotfix.orders import (
    INTERVAL,
    PLAIN,
    Answer,
    Outcome,
    Terms,
    apply,
    confirm,
    living,
    make_finding,
    rollback,
)
from hotswap.hotfix.patch import Patch
from hotswap.hotfix.spool import Spool

__all__ = ["Trial", "roll_out"]

#: Seconds between two health checks.
BETWEEN = 0.5


@attrs.frozen(kw_only=True)
class Trial:
    """How a patch proves itself.

    Attributes:
        seconds: how long it is watched.
        canary: so many processes have it first; None for all at once.
        health: what is asked meanwhile.
    """

    seconds: float
    canary: int | None = None
    health: Health = attrs.field(factory=Health)


def roll_out(spool: Spool, patch: Patch, trial: Trial, *, terms: Terms = PLAIN, timeout: float = 30.0) -> Outcome:
    """Have a patch applied, watch it, and have it taken back where the service is not well with it.

    Args:
        terms: on which it is live for all; with a time to be confirmed a person has to do that, else it is done at the end.
        timeout: see :func:`hotswap.hotfix.orders.apply`.

    Raises:
        PatchError: it is not ordered; HS615, the service is not well before it has the patch.
    """
    if why := trial.health.find_failure():
        raise PatchError("HS615", f"the service is not well before it has the patch: {why}", "mend that first, or the check")
    asks_health = trial.health != Health() or terms.max_errors is not None
    # It is ordered, watched, asked for a last time and confirmed within it.
    guarded = attrs.evolve(
        terms, confirm_within=trial.seconds + trial.health.longest + 2 * (timeout + terms.wish.deadline)
    )
    if trial.canary is not None:
        chosen = _choose(spool, trial.canary)
        outcome = _prove(spool, patch, trial, chosen, terms=guarded, timeout=timeout)
        if not outcome.done or not asks_health:
            return outcome if not outcome.done else apply(spool, patch, terms=terms, timeout=timeout)
    is_confirmed_here = terms.confirm_within is None
    outcome = _prove(spool, patch, trial, (), terms=guarded if is_confirmed_here else terms, timeout=timeout)
    if not outcome.done or not is_confirmed_here:
        return outcome
    confirmed = _insist(lambda: confirm(spool, timeout, patch.digest), timeout)
    return outcome if confirmed.done else confirmed


def _prove(spool: Spool, patch: Patch, trial: Trial, pids: Collection[int], *, terms: Terms, timeout: float) -> Outcome:
    """Have it applied by some processes, or by all, and watch these; where they do not do well it is taken back."""
    outcome = apply(spool, patch, pids=pids, terms=terms, timeout=timeout)
    if not outcome.done:
        ended = [answer.pid for answer in outcome.answers if answer.state == "ended" and answer.pid in pids]
        return _name_ended(outcome, ended)
    ended, why = _watch(spool, patch.digest, pids, trial)
    if not ended and not why:
        return outcome
    if spool.read_desired().why_withdrawn(patch.digest):  # a process has done that already, for all
        back = attrs.evolve(outcome, answers=())
    else:
        back = _take_back(spool, patch, terms, timeout)
    is_mixed = back.mixed or any(answer.state in ("refused", "silent") for answer in back.answers)
    reasons = (make_finding("HS615", why),) if why else ()
    return _name_ended(attrs.evolve(back, done=False, mixed=is_mixed, reasons=(*reasons, *back.reasons)), ended)


def _take_back(spool: Spool, patch: Patch, terms: Terms, timeout: float) -> Outcome:
    wish = attrs.evolve(terms.wish, consistency=None)
    try:
        return _insist(lambda: rollback(spool, timeout, wish, patch.digest), timeout)
    except PatchError as error:
        found = make_finding(error.code, error.message, error.next_step)
        # With HS607 somebody else has taken it back. Else it is live until its time to be confirmed is over.
        return Outcome(done=False, mixed=error.code != "HS607", answers=(), reasons=(found,))


def _insist(give: Callable[[], Outcome], timeout: float) -> Outcome:
    """Give an order, also where somebody else gives one just now: that is waited for."""
    end = time.monotonic() + timeout
    while True:
        try:
            return give()
        except PatchError as error:
            if error.code != "HS612" or time.monotonic() > end:
                raise
        time.sleep(INTERVAL)


def _name_ended(outcome: Outcome, ended: list[int]) -> Outcome:
    others = (answer for answer in outcome.answers if answer.pid not in ended)
    return attrs.evolve(outcome, answers=(*map(_describe, ended), *others))


def _choose(spool: Spool, count: int) -> list[int]:
    alive = living(spool)
    if count >= len(alive):
        raise PatchError("HS611", f"group {spool.group} has {len(alive)} processes, so {count} are no canary", "apply it to all")
    workers_first = sorted(alive, key=lambda pid: (alive[pid]["parent"] not in alive, pid))
    return workers_first[:count]


def _watch(spool: Spool, digest: str, pids: Collection[int], trial: Trial) -> tuple[list[int], str]:
    """Which processes have ended, and why the service is not well, as soon as something is the case."""
    end = time.monotonic() + trial.seconds
    asked = time.monotonic()
    while True:
        alive = living(spool)
        if ended := [pid for pid in pids if pid not in alive]:
            return ended, ""
        if why := spool.read_desired().why_withdrawn(digest):
            return [], why
        is_over = time.monotonic() > end
        if is_over or time.monotonic() > asked + BETWEEN:
            if why := trial.health.find_failure():
                return [], why
            asked = time.monotonic()
        if is_over:
            return [], ""
        time.sleep(INTERVAL)


def _describe(pid: int) -> Answer:
    return Answer(pid=pid, state="ended", reasons=(make_finding("HS614", f"process {pid} ended while it was watched"),))
