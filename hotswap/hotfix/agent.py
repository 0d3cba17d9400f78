"""What a service has in itself: a thread that sleeps until the doorbell rings, and then does what the spool wants.

The order is always the same: what is not wanted any more is taken back, the newest first; what is wanted and not live is
verified, compared with its base and applied, the oldest first; the result is written. It is the same at the start, at the
doorbell, after a fork and when a time to confirm is over, so there is one way to be right.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import attrs

from hotswap.config import Budget
from hotswap.errors import PatchError
from hotswap.fork import guard_forks
from hotswap.green import patched_by
from hotswap.hotfix import journal
from hotswap.hotfix.admission import check_threads, find_depth, open_order
from hotswap.hotfix.door import Door
from hotswap.hotfix.doorbell import Doorbell, ring
from hotswap.hotfix.health import read_error_rate
from hotswap.hotfix.orders import withdraw
from hotswap.hotfix.overlay import loaded_text
from hotswap.hotfix.patch import Patch
from hotswap.hotfix.processes import birth_of, stack_of
from hotswap.hotfix.signing import Signer
from hotswap.hotfix.spool import Desired, Order, Spool, drop_locks
from hotswap.hotfix.stack import PatchScope, Refusal, Stack
from hotswap.hotfix.waiting import OrderClock, repeating
from hotswap.hotfix.wishes import about_forced, wish_for
from hotswap.model import ClassStatus, Finding, Severity, to_json
from hotswap.session import open_session, use

if TYPE_CHECKING:
    from hotswap.hotfix.service_page import ServicePage

__all__ = ["Agent"]

#: Seconds between two looks at the error rate, while a patch waits to be confirmed.
BETWEEN = 1.0
#: Seconds between two times that a process says whom a change waits for.
TELLING = 0.25
#: Seconds until a patch that could not be taken back is tried again.
AGAIN = 15.0


class _Locks:
    """The agent's lock and the engine's, as one: a fork waits until neither is held."""

    def __init__(self, outer: Any, inner: Any, on_torn: Any) -> None:
        self._locks, self._on_torn = (outer, inner), on_torn

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        outer, inner = self._locks
        if not outer.acquire(blocking, timeout):
            return False
        if inner.acquire(blocking, timeout):
            return True
        outer.release()
        return False

    def release(self) -> None:
        for lock in reversed(self._locks):
            lock.release()

    def _at_fork_reinit(self) -> None:
        for lock in self._locks:
            lock._at_fork_reinit()
        self._on_torn()


@attrs.define(eq=False)
class Agent:
    """The agent of this process.

    Attributes:
        spool: where orders lie.
        trust: the file of allowed signers.
        doorbell: what is waited for.
        stack: what is live.
        has_door: whether it takes orders at a socket, too.
        error_rate: gives the share of what fails in the program, from 0 to 1; None where it does not say.
        seen: the revision of what was wanted that was carried out last.
        found: what would be kept if what was asked about were applied.
        has_page: whether a status page is served.
        transition: the change that is under way, and whom it waits for; None where none is.
        refused: why an order is not live, by digest; by "" where it is not about one of them.
    """

    spool: Spool
    trust: str
    doorbell: Doorbell
    error_rate: Callable[[], float] | None = None
    has_door: bool = False
    has_page: bool = False
    stack: Stack = attrs.field(init=False)
    seen: int = 0
    refused: dict[str, tuple[Finding, ...]] = attrs.field(factory=dict)
    found: tuple[Finding, ...] = ()
    transition: dict[str, Any] | None = None
    # Held while orders are carried out; outermost, before Engine.lock. A fork waits for it.
    lock: Any = attrs.field(factory=threading.RLock, repr=False)
    _known: Desired = attrs.field(factory=Desired)  # what was wanted when the spool was read last
    _followed: Desired | None = None  # what was wanted when that was done, or refused, last; None before that
    _deadline: float | None = None
    _clock: OrderClock = attrs.field(factory=OrderClock)
    # The order that the error rate is looked at for; and why objects of a swap cannot be converted, by its number.
    _watched: Order | None = None
    _exhausted: dict[int, str] = attrs.field(factory=dict)
    _complaint: str = ""  # why what does not do well is still there, as it was said last
    _budget: Budget | None = None
    _is_torn: bool = False
    # Whose threads this was made for, and what starts such a thread, also where they are replaced later.
    _made_under: str = attrs.field(factory=patched_by)
    _start: Callable[..., Any] = attrs.field(factory=lambda: _thread.start_new_thread, repr=False)
    _is_started: bool = False
    _signers: dict[str, Signer] = attrs.field(factory=dict)
    _session: Any = None
    _door: Door | None = None
    _page: ServicePage | None = None

    def __attrs_post_init__(self) -> None:
        self.stack = Stack(self._open_session, _say)

    # ---- life ----

    def start(self) -> None:
        """Arm the doorbell, do what is wanted now, and wait for more in a thread."""
        self.doorbell.arm()
        self._open_page()
        guard_forks(_Locks(self.lock, threading.RLock(), self._note_torn), threading.Lock(), self._after_fork)
        self.look()
        self._is_started = True
        self._wait_in_thread()
        if self.has_door:
            self._door = Door(self.spool, lambda data: open_order(data, self.trust, time.time())[0], _say)
            self._door.open()

    def _open_page(self) -> None:
        if not self.has_page:
            return
        from hotswap.hotfix.service_page import ServicePage  # late: most services have none

        self._page = page = ServicePage(self, lambda: self._session.engine if self._session is not None else None)
        try:
            page.start()
        except OSError as error:
            self._page = None
            _say(f"there is no status page, since there is no port for it: {error}")
        if self._session is not None:
            self._session.engine.on_report = page.note_report

    def _wait_in_thread(self) -> None:
        threading.Thread(target=self._serve, name="hotswap-agent", daemon=True).start()

    def _serve(self) -> None:
        while True:
            times = [] if self._deadline is None else [self._deadline - self._clock.now()]
            times += [] if self._watched is None and not self._exhausted else [BETWEEN]
            self.doorbell.wait(min(times, default=None))
            self.judge()
            self.look()

    def judge(self) -> None:
        """Take what does not do well away from the whole group; by what the program says of itself, and of its objects."""
        order, give = self._watched, self.error_rate
        most = order.max_errors if order is not None else None
        if order is not None and most is not None and give is not None and (why := read_error_rate(give, most)):
            self._withdraw(order.digest, why)
        for number, why in list(self._exhausted.items()):
            if all(self._withdraw(live.patch.digest, why) for live in self.stack.live if live.number == number):
                del self._exhausted[number]

    def _withdraw(self, digest: str, why: str) -> bool:
        """Have the group give up a patch; False where that is to be tried again."""
        try:
            return withdraw(self.spool, digest, f"{why} (process {os.getpid()})")
        except PatchError as error:
            # With HS612 somebody gives an order just now, and waits for this process, too.
            complaint = "" if error.code == "HS612" else f"{why}; {error}"
        except OSError as error:
            complaint = f"{why}; it cannot be taken back, since {self.spool.folder} cannot be written to: {error}"
        if complaint and complaint != self._complaint:
            _say(complaint)
        self._complaint = complaint
        return False

    def _note_exhausted(self, request: Any, why: str) -> None:
        """Too many objects of a swap could not be converted; called in the thread that converts."""
        history = self._session.engine.world.history
        number = next((each.report.number for each in list(history) if each.swap.request is request), None)
        if number is not None:
            self._exhausted[number] = why
            ring(os.getpid(), self.doorbell.number)  # the agent's own thread takes it back, for the whole group

    def _after_fork(self) -> None:
        drop_locks()
        self.doorbell.after_fork()
        if self._door is not None:
            self._door.after_fork()
        if self._session is not None:
            self._session.engine.after_fork()
        self._followed = None  # some orders are for one process only
        # The child may have been forked before an order of which it was not told: so it looks at once, in its own thread.
        # Where threads are greenlets, that one lives on in the child, and has been rung for. Where they have become such since
        # the agent was made, it waits in a real one all the same, to say that.
        if not self._made_under and patched_by():
            self._start(self._serve_child, ())
        elif not self._made_under:
            threading.Thread(target=self._serve_child, name="hotswap-agent", daemon=True).start()

    def _serve_child(self) -> None:
        self._open_page()  # a port of its own
        self.look()
        self._serve()

    def _note_torn(self) -> None:
        self._is_torn = True

    def _open_session(self, scope: PatchScope) -> Any:
        def tell(finding: Finding) -> None:
            _say(str(finding))

        self._session = session = open_session(scope, on_finding=tell, hook_imports=False, text_of=loaded_text)
        engine = session.engine
        engine.converter.budget, engine.converter.on_exhausted = self._budget, self._note_exhausted
        engine.list_forks = tuple  # forked children have an agent of their own, they need not be named
        guard_forks(_Locks(self.lock, engine.lock, self._note_torn), engine.world.lock, self._after_fork)
        engine.on_report = self._page.note_report if self._page is not None else None
        use(session)
        return session

    # ---- orders ----

    def look(self) -> None:
        """Do what the spool wants, and say what came of it. Never raises: the program goes on as it is."""
        with self.lock:
            # Who orders something rings at the processes that have said something. So after that it is looked once more: what
            # was ordered just before would be missed by a process that has come meanwhile.
            while self._look_once():
                pass

    def _look_once(self) -> bool:
        """Gives whether something else is wanted than this process has just said to have."""
        try:
            self.spool.check(create=True)
            self._known = self.spool.read_desired()
        except (PatchError, OSError) as error:
            _say(str(error))  # and who has ordered hears nothing, which counts as a refusal there
            self._follow_or_say(self._known, only_back=True)  # a time to confirm ends all the same
            return False
        self._follow_or_say(self._known)
        self.seen, self.transition = self._known.revision, None
        try:
            self.write_result()
            return self.spool.read_desired().revision != self.seen
        except OSError as error:
            _say(f"what is live cannot be told in {self.spool.folder}: {error.strerror or error}")
        except PatchError:  # it will be said when it rings
            pass
        return False

    def _follow_or_say(self, desired: Desired, *, only_back: bool = False) -> None:
        try:
            self._forget_answers(desired)
            if only_back or not self._is_done(desired):
                self._followed = None  # where it fails by what may pass, as a full disk, it is tried again
                self._follow(desired, only_back)
            self._followed = None if only_back else desired
            self._answer_check(desired)
        except PatchError as error:
            self.refused[""] = (_finding(error),)
            self._followed = desired
        except OSError as error:
            where = error.filename or self.spool.folder
            self.refused[""] = (_finding(PatchError("HS608", f"{where}: {error.strerror or error}")),)
        except Exception as error:  # noqa: BLE001 - border: a bug of ours must not end the program or this thread
            trace = traceback.format_exc()
            # Some of what is wanted may have been applied before it.
            live = ", ".join(each.patch.manifest.id for each in self.stack.live) or "no patch"
            message = f"hotswap failed in itself ({type(error).__name__}: {error}); live is {live}"
            self.refused[""] = (attrs.evolve(_finding(PatchError("HS599", message)), excerpt=trace),)
            _say(f"{message}\n{trace}")
            self._note("failed", reasons=[message])

    def _note(self, event: str, **fields: Any) -> None:
        """Write into the journal what has happened, where that can be: a full disk must not stand in the way back."""
        try:
            journal.append(self.spool.journal, event, **fields)
        except OSError as error:
            _say(f"{event} is not in the journal of {self.spool.folder}: {error.strerror or error}")

    def _is_done(self, desired: Desired) -> bool:
        """Whether the orders were followed or refused already; nothing is tried again by itself, since hooks would be asked."""
        done = self._followed
        if done is None or (self._deadline is not None and self._clock.now() >= self._deadline):
            return False
        if desired.revision != done.revision and desired.check is None:
            return False  # somebody has ordered, perhaps the same once more
        return attrs.evolve(desired, revision=0, check=None) == attrs.evolve(done, revision=0, check=None)

    def _forget_answers(self, desired: Desired) -> None:
        """Forget what was said when it was asked whether a patch would be applied."""
        digests = {"", *(order.digest for order in desired.orders), *(live.patch.digest for live in self.stack.live)}
        self.refused = {digest: found for digest, found in self.refused.items() if digest in digests}
        if desired.revision != self.seen:
            self.found = ()

    def _answer_check(self, desired: Desired) -> None:
        # What was asked before the start has been answered, or nobody waits for it.
        asked = desired.check if self._is_started and desired.revision > self.seen else None
        if asked is not None and (not asked.only or os.getpid() in asked.only):
            self._try(asked, desired)

    def _follow(self, desired: Desired, only_back: bool) -> None:
        self._clock.note(desired)
        now = self._clock.now()
        wanted = desired.wanted(os.getpid(), now)
        self._plan_wakes(desired, wanted)
        self.refused, self.found = {}, ()
        if self._is_torn:
            why = "this process was forked while a patch was being applied, so nobody knows which half it has; restart it"
            raise PatchError("HS610", why)
        self.stack.forget_deployed(order.digest for order in wanted)
        while (kept := self._count_kept(wanted)) < len(self.stack.live):
            if not only_back and self._replaces(wanted[kept:], kept):
                break
            if not self._take_back(desired):
                self._deadline = min(now + AGAIN, self._deadline or now + AGAIN)
                return
        deployed = self._find_deployed(wanted[kept:], desired) if not only_back else frozenset()
        for order in () if only_back else wanted[kept:]:
            if not self._apply(order, desired, order.digest in deployed):
                return  # what follows stands on it

    def _plan_wakes(self, desired: Desired, wanted: Sequence[Order]) -> None:
        times = [order.confirm_by for order in wanted if order.confirm_by is not None and desired.paused_at is None]
        self._deadline = min(times, default=None)
        asking = [order for order in wanted if order.confirm_by is not None and order.max_errors is not None]
        self._watched = asking[-1] if asking and self.error_rate is not None else None

    def _count_kept(self, wanted: Sequence[Order]) -> int:
        """How many of the live patches are those that are wanted, from the oldest on."""
        pairs = zip(self.stack.live, wanted, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0].patch.digest == pair[1].digest, pairs))

    def _replaces(self, wanted: Sequence[Order], depth: int) -> bool:
        """Whether the next order stands in the place of all that is live above a depth."""
        replaced = {each.digest for each in wanted[0].replaces} if wanted else set()
        return all(live.patch.digest in replaced for live in self.stack.live[depth:])

    def _find_deployed(self, orders: Sequence[Order], desired: Desired) -> frozenset[str]:
        """The digests of those orders whose patches, one upon the other, are what is deployed."""
        if len(orders) < 2 or not all(live.contained for live in self.stack.live):
            return frozenset()  # one alone is compared when it is applied
        patches = []
        for order in orders:
            try:
                patches.append(self._open(order)[0])
            except PatchError:  # it will be said when it is to be applied
                break
        return frozenset(patch.digest for patch in patches[: self.stack.find_deployed(patches)])

    def _take_back(self, desired: Desired) -> bool:
        check_threads(self._made_under)
        live = self.stack.live[-1]
        about = {"digest": live.patch.digest, "id": live.patch.manifest.id}
        order = next((each for each in desired.orders if each.digest == live.patch.digest), None)
        why = desired.why_withdrawn(live.patch.digest)
        because = "not confirmed in time (HS609)" if order is not None else f"{why} (HS615)" if why else "asked"
        self._note("takes back", because=because, **about)
        try:
            with self._telling("rollback", live.patch):
                gone = self.stack.take_back(wish_for(desired.way_back(live.patch.digest), live.patch.digest, "take back"))
        except Refusal as refusal:
            self.refused[live.patch.digest] = refusal.findings
            self._note("stays", reasons=_sentences(refusal.findings), **about_forced(refusal.findings), **about)
            return False
        self.found += gone.findings
        self._note("taken back", because=because, findings=_sentences(gone.findings), **about_forced(gone.findings), **about)
        return True

    def _apply(self, order: Order, desired: Desired, is_deployed: bool) -> bool:
        about: dict[str, Any] = {"digest": order.digest, "id": order.id, "by": order.by}
        try:
            check_threads(self._made_under)
            patch, signer = self._open(order)
            depth = self._fit(patch, order, desired)
        except PatchError as error:
            return self._note_refused(order, (_finding(error),), about)
        about.update(signer=signer.principal, key=signer.key)
        journal.append(self.spool.journal, "began", **about)  # or nothing begins
        self._budget = Budget.parse(order.budget)
        if self._session is not None:
            self._session.engine.converter.budget = self._budget
        try:
            wish = wish_for(order.wish, order.digest, "apply")
            with self._telling("apply", patch):
                live = self.stack.note_deployed(patch) if is_deployed else self.stack.apply(patch, wish, depth)
        except Refusal as refusal:
            return self._note_refused(order, refusal.findings, about)
        self._signers[order.digest] = signer
        how = "contained" if live.contained else "swapped" if live.number else "put where imports look"
        about.update({"replaces": [each.patch.manifest.id for each in live.replaced]} if live.replaced else {})
        self._note("applied", how=how, consistency=live.consistency, findings=_sentences(live.findings),
                   **about_forced(live.findings), **about)  # fmt: skip
        return True

    def _telling(self, verb: str, patch: Patch) -> AbstractContextManager[None]:
        """While a change waits, say from time to time whom it waits for: the agent's own thread cannot."""

        def tell(seconds: float) -> None:
            wait = self._session.engine.mover.look() if self._session is not None else None
            self.transition = {
                "verb": verb,
                "id": patch.manifest.id,
                "seconds": seconds,
                "consistency": "" if wait is None else wait.consistency.value,
                "left": None if wait is None else wait.left,
                "blockers": () if wait is None else wait.blockers,
            }
            try:
                self.write_result()
            except OSError:  # it is only about a moment
                pass

        if self._made_under:  # there is one thread for all
            return nullcontext()
        return repeating(tell, TELLING, "hotswap-telling")

    def _try(self, order: Order, desired: Desired) -> None:
        """Find out whether an order would be followed."""
        try:
            check_threads(self._made_under)
            patch, _ = self._open(order)
            wish = wish_for(order.wish, order.digest, "apply")
            self.found = self.stack.check(patch, wish, self._fit(patch, order, desired))
        except PatchError as error:
            self.refused[order.digest] = (_finding(error),)
        except Refusal as refusal:
            self.refused[order.digest] = refusal.findings

    def _open(self, order: Order) -> tuple[Patch, Signer]:
        data = self.spool.read_patch(order.digest)
        # Judged by the time of the order: a worker that starts later has to get what the others have.
        patch, signer = open_order(data, self.trust, min(order.at, time.time()))
        if patch.digest != order.digest:
            raise PatchError("HS608", f"the patch kept as {order.digest[:12]} is another one", "order it again")
        return patch, signer

    def _fit(self, patch: Patch, order: Order, desired: Desired) -> int:
        return find_depth(patch.manifest, order, [live.patch for live in self.stack.live], desired, self.error_rate is not None)

    def _note_refused(self, order: Order, findings: tuple[Finding, ...], about: dict[str, Any]) -> bool:
        self.refused[order.digest] = findings
        self._note("refused", reasons=_sentences(findings), **about_forced(findings), **about)
        _say(f"patch {order.id} was not applied: {findings[0] if findings else 'no reason was given'}")
        return False

    # ---- what came of it ----

    def write_result(self) -> None:
        """Say in the spool what this process has."""
        pid = os.getpid()
        self.spool.write_result(pid, {
            "pid": pid,
            "birth": birth_of(pid),
            "parent": os.getppid(),
            "argv": sys.argv,
            "stack": stack_of(pid),
            "signal": self.doorbell.number,
            "seen": self.seen,
            "said_at": time.time(),
            "applied": [self._describe(live) for live in self.stack.live],
            "left": [self._describe_left(each) for each in self._list_left()],
            "transition": self.transition,
            "page": self._page.address if self._page is not None else "",
            "found": [to_json(finding) for finding in self.found],
            "refused": {digest: [to_json(finding) for finding in found] for digest, found in self.refused.items()},
        })  # fmt: skip
        if self._page is not None:
            self._page.note()

    def _list_left(self) -> Sequence[ClassStatus]:
        return self._session.engine.converter.status() if self._session is not None else ()

    @staticmethod
    def _describe_left(each: ClassStatus) -> dict[str, Any]:
        """How many objects of a class are still to be converted."""
        return {"name": each.name, "left": sum(count for _, count in each.left), "failed": each.failed}

    def _describe(self, live: Any) -> dict[str, Any]:
        manifest = live.patch.manifest
        signer = self._signers.get(live.patch.digest)
        return {
            "id": manifest.id,
            "number": manifest.number,
            "target": manifest.target,
            "digest": live.patch.digest,
            "signer": signer.principal if signer is not None else "",
            "contained": live.contained,
            "consistency": live.consistency,
            "findings": [to_json(finding) for finding in live.findings],
        }


def _finding(error: PatchError) -> Finding:
    return Finding(code=error.code, severity=Severity.HELD, message=error.message, next_step=error.next_step)


def _sentences(findings: tuple[Finding, ...]) -> list[str]:
    return [str(finding)[: journal.MAX_TEXT] for finding in findings]


def _say(text: str) -> None:
    stream = sys.__stderr__
    if stream is not None:
        try:
            stream.write(f"hotswap  {text}\n")
            stream.flush()
        except (OSError, ValueError):
            pass  # the program has closed it
