"""Board, server and status page of one engine, wired together."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from hotswap.control.commands import ControlledEngine
from hotswap.model import Finding, Report, Severity, Status, Verdict
from hotswap.page.board import Board
from hotswap.page.render import render
from hotswap.page.sampler import Sampler
from hotswap.page.server import EventServer, carry_out
from hotswap.page.view import Guest, Rest, Server, shorten_below, view_status

__all__ = ["Page"]

#: So many changes that only a restart brings are remembered, each by its file.
_MOST_REFUSED = 20


class Watched(Protocol):
    """What a page shows of an engine, or of what stands for one."""

    def status(self) -> Status: ...
    def held(self) -> tuple[Finding, ...]: ...
    @property
    def converter(self) -> Any: ...


class Page:
    """What browsers see of one engine.

    Args:
        engine: whose reports are told by :meth:`note_report`.
        do: carries out a command that is given here, with the fields of its form; gives whether it was done, and a sentence for
            a person.
        rest: what is known of the program's requests and jobs.
        title: gives the program, for a person.
        follows_disk: False for a service, whose changes are patches.
    """

    def __init__(
        self, engine: Watched, do: Callable[[str, Mapping[str, str]], tuple[bool, str]], *, rest: Callable[[], Rest] = Rest,
        title: Callable[[], str] | None = None, follows_disk: bool = True,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._rest = rest
        self._title = title or (lambda: " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]))
        self._follows_disk = follows_disk
        self._began = time.time()
        self._shorten = shorten_below(os.getcwd())
        # Refusals of what is no managed text are in no table of the engine. The last of each file counts, until a restart.
        self._refused: dict[str, Finding] = {}
        self._noticed: tuple[Finding, ...] = ()
        self.board = Board(self._read_held, self._shorten, lambda: self._noticed)
        self.sampler = Sampler(engine.converter.status, self.board.note)
        self.server = EventServer(self.board, do, render=self._render_for_host)

    @classmethod
    def of_engine(
        cls, engine: ControlledEngine, *, rest: Callable[[], Rest] = Rest, title: Callable[[], str] | None = None
    ) -> Page:
        """The page of an engine that follows what is on disk, and carries commands out itself."""
        return cls(engine, functools.partial(carry_out, engine), rest=rest, title=title)

    def start(self) -> None:
        """Listen on a loopback port.

        Raises:
            OSError: there is none.
        """
        self.server.start()

    def stop(self) -> None:
        """End the threads and close the port; returns at once."""
        self.board.close()
        self.sampler.stop()
        self.server.stop()

    def note_report(self, report: Report) -> None:
        """Tell pages what came of a save: called with each report."""
        if report.verdict is Verdict.RESTART and not report.applied:
            self._note_restart(report)
        else:
            self.board.note_restart("")  # one that was announced has failed: the program is here still
        self.sampler.start()
        self.board.note()

    def note_noticed(self, findings: tuple[Finding, ...]) -> None:
        """Tell pages what is to be looked at in what is live, until the next call."""
        if findings != self._noticed:
            self._noticed = findings
            self.board.note()

    def _note_restart(self, report: Report) -> None:
        if not report.plan.modules:
            for finding in report.held:
                self._refused[finding.file] = finding
            while len(self._refused) > _MOST_REFUSED:
                self._refused.pop(next(iter(self._refused)), None)
        if self._engine.status().restarts:
            self.board.note_restart(next((finding.message for finding in report.held), "a change needs a restart"))

    def _read_held(self) -> tuple[Finding, ...]:
        held = self._engine.held()
        refused = [each for each in list(self._refused.values()) if each.severity is Severity.HELD]
        return tuple(dict.fromkeys((*held, *refused)))

    def _render_for_host(self, server: Server, *, whole: bool = True) -> str:
        return self.render(Guest.HOST, server, whole=whole)

    def render(self, guest: Guest, server: Server | None = None, *, whole: bool = True) -> str:
        """The status page.

        Args:
            guest: who looks.
            server: where commands go; None where there are none.
            whole: the page; else what is inside of its ``main``.
        """
        if guest is Guest.OTHER:
            server = None
        elif server is not None and whole:
            server = attrs.evolve(server, said=self.server.take_said())
        status = self._engine.status()
        view = view_status(
            status, held=self._read_held(), noticed=self._noticed, rest=self._rest(), samples=self.sampler.samples(),
            shorten=self._shorten, title=self._title(), began=self._began,
            follows_disk=self._follows_disk,
        )  # fmt: skip
        return render(view, server, whole=whole)
