"""What open pages have to know, as one state with a number.

Browsers are not sent what happened but how things are: whoever connects late, again, or slowly gets the newest state and compares
it with what it has. So nothing queues up, and nothing is missed.

    code       counts swaps, rollbacks and changed templates: a page of before is loaded again
    styles     counts changed style sheets: they are exchanged in the page
    held       why newer texts are not live: a message
    noticed    what is to be looked at in what is live, errors among it: another message, where there is none of these
    restarting why the program is about to be started again
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any

import attrs

from hotswap.errors import CODES
from hotswap.model import Finding
from hotswap.page.view import shorten_excerpt

#: So many findings are told to a page; the rest is counted.
MOST_HELD = 5
#: Characters of a finding's excerpt.
EXCERPT = 4_000


@attrs.define(eq=False)
class Board:
    """The state, and who waits for a newer one.

    Attributes:
        read_held: gives why newer texts are not live.
        shorten: gives a path as a person reads it.
        read_noticed: gives what is to be looked at in what is live.
        run: tells this process from the one before it.
    """

    read_held: Callable[[], tuple[Finding, ...]]
    shorten: Callable[[str], str] = str
    read_noticed: Callable[[], tuple[Finding, ...]] = tuple
    run: str = attrs.field(factory=lambda: secrets.token_hex(8))
    # Guards the fields below; innermost: nothing is called while it is held.
    _newer: threading.Condition = attrs.field(factory=threading.Condition, init=False, repr=False)
    _number: int = attrs.field(default=0, init=False)
    _code: int = attrs.field(default=0, init=False)
    _styles: int = attrs.field(default=0, init=False)
    _restarting: str = attrs.field(default="", init=False)
    _is_closed: bool = attrs.field(default=False, init=False)

    # ---- what happens ----

    def note_code(self) -> None:
        """What pages are made by has changed."""
        self._move(code=1)

    def note_styles(self) -> None:
        """Style sheets have changed, and nothing else."""
        self._move(styles=1)

    def note_restart(self, why: str) -> None:
        """The program is about to be started again."""
        with self._newer:
            self._restarting = why
        self._move()

    def note(self) -> None:
        """Something else has changed: what is held, or what the status page shows."""
        self._move()

    def close(self) -> None:
        """Nobody is to wait any more."""
        with self._newer:
            self._is_closed = True
            self._newer.notify_all()

    def _move(self, *, code: int = 0, styles: int = 0) -> None:
        with self._newer:
            self._number += 1
            self._code += code
            self._styles += styles
            self._newer.notify_all()

    # ---- who looks ----

    @property
    def counts(self) -> tuple[int, int, int]:
        """``code``, ``styles`` and the number as they are now, for a page that is being made."""
        with self._newer:
            return self._code, self._styles, self._number

    def wait(self, number: int, timeout: float) -> dict[str, Any] | None:
        """Wait for a state with another number than this.

        Args:
            number: of the state that is known, -1 for none.
            timeout: seconds.

        Returns:
            What ``json.dumps`` takes; None where time is over, or the board is closed (:attr:`is_closed`).
        """
        with self._newer:
            self._newer.wait_for(lambda: self._is_closed or self._number != number, timeout)
            if self._is_closed or self._number == number:
                return None
            state = {"run": self.run, "number": self._number, "code": self._code, "styles": self._styles,
                     "restarting": self._restarting}  # fmt: skip
        held, noticed = self.read_held(), self.read_noticed()
        return {**state, **self._describe_all("held", "more", held), **self._describe_all("noticed", "more_noticed", noticed)}

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def _describe_all(self, name: str, more: str, findings: tuple[Finding, ...]) -> dict[str, Any]:
        return {name: [self._describe(finding) for finding in findings[:MOST_HELD]], more: max(len(findings) - MOST_HELD, 0)}

    def _describe(self, finding: Finding) -> dict[str, str]:
        code = CODES.get(finding.code)
        line = f":{finding.line}" if finding.line else ""
        return {
            "code": finding.code, "title": code.title if code is not None else "", "message": finding.message,
            "where": f"{self.shorten(finding.file)}{line}" if finding.file else "", "next": finding.next_step,
            "excerpt": shorten_excerpt(finding, self.shorten)[:EXCERPT], "severity": str(finding.severity),
        }  # fmt: skip
