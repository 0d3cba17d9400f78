"""Orders given from the terminal: put into the spool, rung for, and waited for until each process has said what came of them.

An order is carried out by all processes that it is for, or by none: where one refuses, those that have followed take it back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix import journal
from hotswap.hotfix.doorbell import ring
from hotswap.hotfix.patch import Patch
from hotswap.hotfix.processes import find_process, is_own, stack_of
from hotswap.hotfix.spool import Desired, Order, Spool, list_groups
from hotswap.hotfix.wishes import unforced, write_wish
from hotswap.model import USUAL, Wish

__all__ = [
    "Answer", "Outcome", "Terms", "apply", "check", "confirm", "describe", "find_spool", "living", "pause", "refresh",
    "resume", "rollback", "running_spools",
    "withdraw",
]  # fmt: skip

#: Seconds between two looks at the results, while an order is waited for.
INTERVAL = 0.02
#: How many digests of the past are kept.
REMEMBERED = 100


@attrs.frozen(kw_only=True)
class Terms:
    """On which terms a patch is to be live.

    Attributes:
        confirm_within: seconds until it is taken back unless it is confirmed; None for never.
        max_errors, budget: see :class:`hotswap.hotfix.spool.Order`.
        wish: who is to move when.
    """

    confirm_within: float | None = None
    max_errors: float | None = None
    budget: str = "0"
    wish: Wish = USUAL


PLAIN = Terms()


@attrs.frozen(kw_only=True)
class Answer:
    """What one process has made of an order.

    Attributes:
        pid: its number.
        state: ``done``, ``ready`` (it would be), ``refused``, ``silent``, ``ended`` or ``passed over``.
        reasons: findings, as JSON.
        kept: what is not as a fresh start would make it, of the newest patch, and who has moved when; findings, as JSON.
        applied: ids of the patches that are live in it.
    """

    pid: int
    state: str
    reasons: tuple[Mapping[str, Any], ...] = ()
    kept: tuple[Mapping[str, Any], ...] = ()
    applied: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of an order.

    Attributes:
        done: True where every process has followed it.
        mixed: True where nobody knows for sure that all processes have the same.
        answers: by process.
        reasons: why it was not followed, where no single process says so; findings, as JSON.
    """

    done: bool
    answers: tuple[Answer, ...]
    mixed: bool = False
    reasons: tuple[Mapping[str, Any], ...] = ()


def living(spool: Spool) -> dict[int, dict[str, Any]]:
    """The processes of a group that are alive, with what they said last; what those that have ended said is dropped."""
    found = {}
    for pid, held in spool.read_results().items():
        process = find_process(pid)
        if process is None or process.birth != held["birth"]:
            spool.drop_result(pid)
        elif held["signal"] not in process.caught and held["stack"] != stack_of(pid):
            spool.drop_result(pid)  # it executes another program by now
        else:
            found[pid] = held
    return found


def find_spool(group: str | None, pids: Iterable[int] = ()) -> Spool:
    """The spool that is meant: of a group, of some processes, or the only one of which processes run.

    Raises:
        PatchError: HS611, there is none, or several.
    """
    if group is not None:
        spool = Spool.of(group)
        if not os.path.lexists(spool.folder):
            known = ", ".join(list_groups())
            step = f"choose one of {known}" if known else f"start a process with hotswap agent --group {group}"
            raise PatchError("HS611", f"no group {group} of this user is known on this machine", step)
        spool.check()
        return spool
    wanted, found = set(pids), []
    for name in list_groups():
        spool = Spool.of(name)
        spool.check()
        if (alive := living(spool).keys()) and wanted <= alive:
            found.append(spool)
    if len(found) == 1:
        return found[0]
    if not found:
        whom = f"process {', '.join(map(str, sorted(wanted)))}" if wanted else "no process of this user"
        what = "no agent of one group" if wanted else "an agent"
        raise PatchError("HS611", f"{whom} has {what}", "start it with hotswap agent")
    names = ", ".join(spool.group for spool in found)
    raise PatchError("HS611", f"several groups have processes: {names}", "name one with --group")


def running_spools() -> list[Spool]:
    """The spools of all groups of which processes run.

    Raises:
        PatchError: HS611, there is none.
    """
    found = [spool for name in list_groups() if living(spool := Spool.of(name))]
    if not found:
        raise PatchError("HS611", "no process of this user has an agent", "start it with hotswap agent")
    return found


def describe(spool: Spool, pid: int | None = None) -> dict[str, Any]:
    """What is wanted of a group and what its processes have.

    Args:
        pid: only this process; by default all.
    """
    desired, now = spool.read_desired(), time.time()
    alive = {each: held for each, held in living(spool).items() if pid in (None, each)}
    wanted = {each: [order.digest for order in desired.wanted(each, now)] for each in alive}
    has = {each: [known["digest"] for known in held["applied"]] for each, held in alive.items()}
    return {
        "group": spool.group,
        "wanted": [attrs.asdict(order) for order in desired.standing(now)],
        "processes": list(alive.values()),
        "paused": desired.paused_at is not None,
        "same": wanted == has,
    }


def refresh(spool: Spool, timeout: float = 1.0) -> None:
    """Have all processes say anew what they have, as how many objects are left; nothing is changed."""
    before = {pid: held["said_at"] for pid, held in living(spool).items()}
    for pid, held in living(spool).items():
        _ring(pid, held["signal"])
    for alive in _looks(spool, time.monotonic() + timeout):
        if all(held["said_at"] != before.get(pid) for pid, held in alive.items()):
            return


# ---------------------------------------------------------------------------------------------------------------------
# The orders
# ---------------------------------------------------------------------------------------------------------------------


def apply(spool: Spool, patch: Patch, *, pids: Iterable[int] = (), terms: Terms = PLAIN, timeout: float = 30.0) -> Outcome:
    """Have a patch applied.

    Args:
        patch: whose signature was verified.
        pids: only these processes; by default all of the group, those that start later too.
        terms: how long it stays, and who is to move when.
        timeout: seconds until a process counts as silent, besides those that the change may take.

    Raises:
        PatchError: it is not ordered: HS604, HS607, HS611, HS612, HS616.
    """
    with spool.ordering():
        before = _read(spool)
        now = time.time()
        timeout += terms.wish.deadline
        order = _make_order(patch, spool.by, now, pids, terms)
        orders = before.standing(now)
        if (again := next((each for each in orders if each.digest == order.digest), None)) is not None:
            if again.only == order.only:
                return _order_again(spool, before, again, order, timeout)
            if again is not orders[-1]:
                raise PatchError("HS607", f"{again.id} is wanted already, and others stand on it", "take these back first")
            # Ordered for some processes, and now for others, mostly for all.
            orders = attrs.evolve(before, orders=orders).without(len(orders) - 1)
        _check_number(before, order)
        _require_processes(spool, order.only)
        spool.add_patch(order.digest, patch.to_bytes())
        orders = _stack(orders, order, patch.manifest.supersedes)
        wanted = attrs.evolve(
            before, revision=before.revision + 1, orders=orders, numbers=before.with_number(order), check=None,
            withdrawn=tuple(each for each in before.withdrawn if each[0] != order.digest),  # it gets another chance
        )  # fmt: skip
        # Where others refuse, who has followed has to go back by the same means.
        back = {order.digest: write_wish(attrs.evolve(terms.wish, consistency=None))}
        return _carry_out(spool, before, wanted, timeout, back, verb="apply", id=order.id, digest=order.digest)


def _order_again(spool: Spool, before: Desired, wanted: Order, order: Order, timeout: float) -> Outcome:
    """Order a patch that is wanted already: who has not heard of it, or has refused it, hears now.

    Raises:
        PatchError: HS607, it is wanted on other terms.
    """
    terms = [(each.confirm_by is None, each.max_errors, each.budget) for each in (wanted, order)]
    if terms[0] != terms[1]:
        how = "stays" if wanted.confirm_by is None else "waits to be confirmed"
        how += "" if terms[0][0] != terms[1][0] else f", with --failure-budget {wanted.budget}, --max-errors {wanted.max_errors}"
        raise PatchError("HS607", f"{wanted.id} is wanted already, on other terms: it {how}",
                         "hotswap confirm lets it stay; to have other terms, take it back first")  # fmt: skip
    orders = tuple(attrs.evolve(each, wish=order.wish) if each is wanted else each for each in before.orders)
    again = attrs.evolve(before, revision=before.revision + 1, orders=orders, check=None)
    return _carry_out(spool, None, again, timeout, verb="apply", id=order.id, digest=order.digest)


def _stack(orders: tuple[Order, ...], order: Order, supersedes: Iterable[str]) -> tuple[Order, ...]:
    """The orders with one more, which takes the place of those that it supersedes.

    Raises:
        PatchError: HS607, others stand on one of these, or they are for other processes.
    """
    superseded = set(supersedes)
    first = next((at for at, each in enumerate(orders) if each.digest in superseded), len(orders))
    for each in orders[first:]:
        if each.digest not in superseded:
            why = f"{order.id} is to replace {orders[first].id}, on which {each.id} stands, which it does not replace"
            raise PatchError("HS607", why, f"take {each.id} back first, or build the patch with --supersedes for it, too")
        if each.only != order.only:
            why = f"{order.id} is to replace {each.id}, which was ordered for other processes"
            raise PatchError("HS607", why, "order it for the same ones")
    return (*orders[:first], attrs.evolve(order, replaces=orders[first:]))


def _read(spool: Spool) -> Desired:
    """What is wanted, without the patches that are deployed by now.

    Raises:
        PatchError: HS616, nothing may be ordered; HS608.
    """
    desired = spool.read_desired()
    if desired.paused_at is not None:
        raise PatchError("HS616", f"group {spool.group} was paused")
    alive = living(spool).values()
    has = [{each["digest"] for each in held["applied"] if each["contained"]} for held in alive]
    is_deployed = [bool(has) and all(order.digest in each for each in has) for order in desired.orders]
    count = is_deployed.index(False) if False in is_deployed else len(is_deployed)
    if not count:
        return desired
    gone = [order.digest for order in desired.orders[:count]]
    for order in desired.orders[:count]:
        journal.append(spool.journal, "dropped", id=order.id, digest=order.digest, because="what is deployed has it")
    return attrs.evolve(desired, orders=desired.orders[count:], deployed=(*desired.deployed, *gone)[-REMEMBERED:])


def check(
    spool: Spool, patch: Patch, *, pids: Iterable[int] = (), timeout: float = 30.0, wish: Wish = USUAL
) -> Outcome:
    """Ask the processes whether they would apply a patch; nothing is changed.

    Raises:
        PatchError: it would not be ordered: HS604, HS607, HS611, HS612, HS616.
    """
    with spool.ordering():
        before = _read(spool)
        now = time.time()
        order = _make_order(patch, spool.by, now, pids, attrs.evolve(PLAIN, wish=wish))
        _stack(before.standing(now), order, patch.manifest.supersedes)
        _check_number(before, order)
        _require_processes(spool, order.only)
        spool.add_patch(order.digest, patch.to_bytes())
        asked = attrs.evolve(before, revision=before.revision + 1, orders=before.standing(now), check=order)
        spool.write_desired(asked)
        outcome = _ring_and_wait(spool, asked, timeout)
        spool.write_desired(attrs.evolve(asked, check=None))
        return outcome


def _make_order(patch: Patch, by: str, now: float, pids: Iterable[int], terms: Terms) -> Order:
    manifest, within = patch.manifest, terms.confirm_within
    return Order(
        digest=patch.digest, id=manifest.id, number=manifest.number, target=manifest.target, by=by, at=now,
        confirm_by=None if within is None else now + within, only=tuple(sorted(pids)), max_errors=terms.max_errors,
        budget=terms.budget, wish=write_wish(terms.wish),
    )  # fmt: skip


def _check_number(desired: Desired, order: Order) -> None:
    number, digest = desired.number_of(order.target)
    if order.number < number or (order.number == number and order.digest != digest):
        raise PatchError("HS604", f"{order.id} has number {order.number}, and {order.target} has accepted {number} before")


def _require_processes(spool: Spool, pids: Iterable[int]) -> None:
    alive = living(spool)
    missing = sorted(set(pids) - alive.keys())
    if missing or not alive:
        whom = f"process {', '.join(map(str, missing))}" if missing else "no process"
        raise PatchError("HS611", f"{whom} of group {spool.group} is running with an agent", "look at hotswap status")


def rollback(spool: Spool, timeout: float = 30.0, wish: Wish = USUAL, digest: str = "") -> Outcome:
    """Have the newest patch taken back, with the consistency with which it was applied; what it had replaced is live again.

    Args:
        wish: how long that may take, and whether it is forced.
        digest: of the patch that is meant, with those that stand on it; empty for the newest.

    Raises:
        PatchError: HS607, there is none; HS612, HS616.
    """
    with spool.ordering():
        before = _read(spool)
        orders = before.standing(time.time())
        # One that could not be taken back before, by a blocker, is not wanted any more and is live all the same.
        live = [each for held in living(spool).values() for each in held["applied"] if not each["contained"]]
        at = next((at for at, each in enumerate(orders) if each.digest == digest), None) if digest else len(orders) - 1
        if at is None or (not orders and not live):
            raise PatchError("HS607", f"group {spool.group} has no such patch to take back", "look at hotswap history")
        name, digest = (orders[at].id, orders[at].digest) if orders else (live[-1]["id"], live[-1]["digest"])
        lower = attrs.evolve(before, orders=orders).without(at) if orders else ()
        kept = {each.digest for each in lower}
        goes = {each.digest for each in before.orders} | {each["digest"] for each in live} - kept
        wanted = attrs.evolve(before, revision=before.revision + 1, orders=lower, ways_back=dict.fromkeys(goes, write_wish(wish)))
        # It stays wanted-for-nobody even where a process cannot take it out: that one says so, and a restart helps.
        return _carry_out(spool, None, wanted, timeout + wish.deadline, verb="rollback", id=name, digest=digest)


def withdraw(spool: Spool, digest: str, why: str) -> bool:
    """Take an order away because the patch does not do well, with those that stand on it; nobody is waited for.

    A process calls it for all of its group.

    Returns:
        Whether that is settled; False during a pause, so ask again.

    Raises:
        PatchError: HS612, an order is being carried out, so ask again.
    """
    with spool.ordering():
        before = spool.read_desired()
        at = next((at for at, order in enumerate(before.orders) if order.digest == digest), None)
        if at is None:
            return True
        if before.paused_at is not None:
            return False
        withdrawn = (*before.withdrawn, (digest, why))[-REMEMBERED:]
        journal.append(spool.journal, "withdrawn", id=before.orders[at].id, digest=digest, because=why)
        ways_back = {each.digest: unforced(each.wish) for each in before.orders[at:]}
        spool.write_desired(attrs.evolve(
            before, revision=before.revision + 1, orders=before.without(at), withdrawn=withdrawn, check=None, ways_back=ways_back,
        ))  # fmt: skip
        for pid, held in living(spool).items():
            _ring(pid, held["signal"])
    return True


def confirm(spool: Spool, timeout: float = 30.0, digest: str = "") -> Outcome:
    """Say that patches stay.

    Args:
        digest: of the one that is meant; empty for all.

    Raises:
        PatchError: HS609, the time of one is over; HS607, there is nothing to confirm; HS612, HS616.
    """
    with spool.ordering():
        before, now = _read(spool), time.time()
        waiting = [order for order in before.orders if order.confirm_by is not None and digest in ("", order.digest)]
        if not waiting:
            raise PatchError("HS607", f"no patch of group {spool.group} waits to be confirmed", "look at hotswap status")
        for order in waiting:
            if order.confirm_by is not None and order.confirm_by <= now:
                raise PatchError("HS609", f"the time to confirm {order.id} is over, it was taken back")
        orders = tuple(attrs.evolve(order, confirm_by=None) if order in waiting else order for order in before.orders)
        wanted = attrs.evolve(before, revision=before.revision + 1, orders=orders)
        return _carry_out(spool, None, wanted, timeout, verb="confirm", id=waiting[-1].id, digest=waiting[-1].digest)


def pause(spool: Spool, timeout: float = 30.0) -> Outcome:
    """Have nothing put on or taken off until :func:`resume`: each process keeps what it has, and so do those that start.

    Raises:
        PatchError: HS612; HS616, it is so already.
    """
    with spool.ordering():
        before = _read(spool)
        wanted = attrs.evolve(before, revision=before.revision + 1, paused_at=time.time())
        return _carry_out(spool, before, wanted, timeout, verb="pause")


def resume(spool: Spool, timeout: float = 30.0) -> Outcome:
    """End a pause; what became due meanwhile is taken back now.

    Raises:
        PatchError: HS607, there is none; HS612.
    """
    with spool.ordering():
        before = spool.read_desired()
        if before.paused_at is None:
            raise PatchError("HS607", f"group {spool.group} is not paused", "look at hotswap status")
        ended = attrs.evolve(before, revision=before.revision + 1, paused_at=None)
        wanted = attrs.evolve(ended, orders=ended.standing(time.time()))
        return _carry_out(spool, None, wanted, timeout, verb="resume")


# ---------------------------------------------------------------------------------------------------------------------
# Ringing and waiting
# ---------------------------------------------------------------------------------------------------------------------


def _carry_out(
    spool: Spool, before: Desired | None, wanted: Desired, timeout: float,
    ways_back: Mapping[str, dict[str, Any] | None] = MappingProxyType({}), **about: Any,
) -> Outcome:  # fmt: skip
    """Write what is wanted, ring, wait; where a process refuses, what was wanted before is wanted again."""
    journal.append(spool.journal, "ordered", by=spool.by, revision=wanted.revision, **about)
    spool.write_desired(wanted)
    outcome = _ring_and_wait(spool, wanted, timeout)
    if not outcome.done and before is not None:
        again = attrs.evolve(before, revision=wanted.revision + 1, ways_back=ways_back)
        spool.write_desired(again)
        back = _ring_and_wait(spool, again, timeout)
        outcome = attrs.evolve(outcome, mixed=any(answer.state in ("refused", "silent") for answer in back.answers))
    else:
        outcome = attrs.evolve(outcome, mixed=not outcome.done)
    states = {str(answer.pid): answer.state for answer in outcome.answers}
    journal.append(spool.journal, "carried out" if outcome.done else "not carried out", revision=wanted.revision,
                   states=states, **about)  # fmt: skip
    return outcome


def _ring_and_wait(spool: Spool, wanted: Desired, timeout: float) -> Outcome:
    rung = {pid: _ring(pid, held["signal"]) for pid, held in living(spool).items()}
    end = time.monotonic() + timeout
    for alive in _looks(spool, end):
        # Who came meanwhile has read what is wanted at its start.
        waiting = [pid for pid, held in alive.items() if held["seen"] < wanted.revision and rung.get(pid, "") == ""]
        if not waiting:
            break
    answers = [_answer(pid, alive.get(pid), wanted, why) for pid, why in sorted({**dict.fromkeys(alive, ""), **rung}.items())]
    states = {answer.state for answer in answers}
    good = {"done", "ready"}
    return Outcome(done=states <= good | {"ended", "passed over"} and bool(states & good), answers=tuple(answers))


def _looks(spool: Spool, end: float) -> Iterator[dict[int, dict[str, Any]]]:
    while True:
        yield living(spool)
        if time.monotonic() > end:
            return
        time.sleep(INTERVAL)


def _ring(pid: int, number: int) -> str:
    """Ring at a process; gives why not."""
    process = find_process(pid)
    if process is None:
        return ""
    if not is_own(process):
        return f"process {pid} belongs to another user"
    if number not in process.caught:  # it would end by it
        return f"process {pid} does not handle signal {number} any more"
    try:
        ring(pid, number)
    except ProcessLookupError:  # ended meanwhile
        pass
    return ""


def _answer(pid: int, held: Mapping[str, Any] | None, wanted: Desired, why: str) -> Answer:
    if held is None:
        return Answer(pid=pid, state="ended")
    applied = tuple(each["id"] for each in held["applied"])
    if why or held["seen"] < wanted.revision:
        found = make_finding("HS611", why or f"process {pid} has not answered in time")
        return Answer(pid=pid, state="silent", reasons=(found,), applied=applied)
    reasons = tuple(finding for found in held["refused"].values() for finding in found)
    if reasons:
        return Answer(pid=pid, state="refused", reasons=reasons, applied=applied)
    ordered = [each.digest for each in wanted.orders if not each.only or pid in each.only]
    if ordered != [each["digest"] for each in held["applied"]]:  # the time to confirm was shorter than all this took
        found = make_finding("HS609", f"process {pid} has taken back by now what was ordered")
        return Answer(pid=pid, state="refused", reasons=(found,), applied=applied)
    order = wanted.check or (wanted.orders[-1] if wanted.orders else None)
    is_meant = order is None or not order.only or pid in order.only
    done = "ready" if wanted.check else "done"
    newest = held["applied"][-1:] if is_meant and not wanted.check else []
    said = [*held["found"], *(finding for each in newest for finding in each["findings"])]
    kept = tuple(finding for finding in said if finding["severity"] == "kept" or finding["code"] == "HS620")
    return Answer(pid=pid, state=done if is_meant else "passed over", kept=kept, applied=applied)


def make_finding(code: str, message: str, next_step: str = "") -> dict[str, str]:
    """Why an order was not followed, where the process does not say so itself."""
    return {"code": code, "severity": "held", "message": message, "next_step": PatchError(code, message, next_step).next_step}
