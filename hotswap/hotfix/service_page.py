"""The status page of one process of a service, at a loopback port of its own; its address, with a token, lies in the spool.

It shows what the status page of a development server does. Its commands are orders for the whole group, as from the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix import orders
from hotswap.hotfix.orders import Outcome
from hotswap.model import ClassStatus, Finding, Report, Status
from hotswap.page import Blocker, Page, Rest
from hotswap.requests.gate import GATE

if TYPE_CHECKING:
    from hotswap.hotfix.agent import Agent

__all__ = ["ServicePage"]


@attrs.define(eq=False)
class ServicePage:
    """Shows an agent; what the page asks for as of an engine is answered here, since there is none before the first patch.

    Attributes:
        agent: whose process this is.
        find_engine: gives the engine; None before the first patch of something that is loaded.
    """

    agent: Agent
    find_engine: Callable[[], Any]
    _page: Page = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._page = Page(self, self._carry_out, rest=self._look, title=self._describe, follows_disk=False)

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it."""
        return f"{self._page.server.base}/?token={self._page.server.token}"

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: there is no port.
        """
        self._page.start()

    def note(self) -> None:
        """What there is to be seen is another thing."""
        self._page.board.note()

    def note_report(self, report: Report) -> None:
        """A change was made, or not."""
        self._page.note_report(report)

    # ---- what is shown ----

    def status(self) -> Status:
        """That of the engine; what could not be applied is told by the agent."""
        engine = self.find_engine()
        return engine.status() if engine is not None else Status()

    def held(self) -> tuple[Finding, ...]:
        """Why what is wanted is not live."""
        return tuple(finding for found in list(self.agent.refused.values()) for finding in found)

    @property
    def converter(self) -> ServicePage._Converter:
        return ServicePage._Converter(self.find_engine)

    @attrs.frozen
    class _Converter:
        find_engine: Callable[[], Any]

        def status(self) -> tuple[ClassStatus, ...]:
            engine = self.find_engine()
            return engine.converter.status() if engine is not None else ()

    def _describe(self) -> str:
        live = ", ".join(each.patch.manifest.id for each in list(self.agent.stack.live))
        return f"{self.agent.spool.group}: {live or 'no patch'}"

    def _look(self) -> Rest:
        state, visits = GATE.look()
        inside = [Blocker(label=visit.label, thread=visit.thread_name, seconds=visit.seconds) for visit in visits]
        engine = self.find_engine()
        wait = engine.mover.look() if engine is not None else None
        if wait is None or not wait.blockers:
            return Rest(state=state, inside=tuple(inside))
        return Rest(state="draining", inside=tuple(Blocker(label=name, thread="", seconds=0.0) for name in wait.blockers))

    # ---- what can be asked for ----

    def _carry_out(self, verb: str, form: Mapping[str, str]) -> tuple[bool, str]:
        try:
            return {"rollback": self._roll_back, "retry": self._retry}[verb](form)
        except KeyError:
            return False, "patches come from the terminal: hotswap apply"
        except (PatchError, OSError) as error:
            return False, str(error)

    def _roll_back(self, form: Mapping[str, str]) -> tuple[bool, str]:
        live = list(self.agent.stack.live)
        if not live or (form.get("swap") and str(live[-1].number) != form["swap"]):
            return False, "that patch is not the newest any more; nothing was taken back"
        name, digest = live[-1].patch.manifest.id, live[-1].patch.digest
        spool = attrs.evolve(self.agent.spool, by=f"{self.agent.spool.by}, at the status page of process {os.getpid()}")
        outcome = orders.rollback(spool, digest=digest)
        return outcome.done, _sentence(name, outcome)

    def _retry(self, form: Mapping[str, str]) -> tuple[bool, str]:
        engine = self.find_engine()
        count = engine.converter.retry(None) if engine is not None else 0
        return True, f"{count:,} objects of process {os.getpid()} are tried again"


def _sentence(name: str, outcome: Outcome) -> str:
    if outcome.done:
        return f"{name} is taken back in {len(outcome.answers)} process{'es' * (len(outcome.answers) != 1)}"
    reasons = [reason["message"] for answer in outcome.answers for reason in answer.reasons]
    return f"{name} is not taken back everywhere: {'; '.join(reasons) or 'look at hotswap status'}"
