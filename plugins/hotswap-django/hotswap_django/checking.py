"""Django's system checks after a swap, as ``runserver`` makes them at each start: on a thread of their own, behind the page.

What they find holds nothing: where models change, what Django would not start with is refused before that
(:mod:`hotswap_django.refresh`).

    found                                        in the terminal                        in open pages
    a warning                                    once; not what a command has shown     until it is found no more
                                                 at its start
    an error, with which runserver would not     after each save, all in one block,     the same, as an error
    start; a check that fails itself             and when there is none any more

Checks read what Django computes and keeps, addresses above all, and have it computed. So they go through the gate as a request
does: what they would put there while a swap empties it would stay.
"""

from __future__ import annotations

import functools
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
from django.core.checks import CheckMessage
from django.core.checks.registry import run_checks  # itself, not what :func:`note_shown` puts before it

from hotswap.model import Finding, Severity
from hotswap.requests.gate import Busy, Gate

#: Seconds after a swap: the page that is loaded again comes first, and saves that follow each other are checked once.
DELAY = 0.3
#: So many are told, of warnings and of errors.
MOST = 10
_CHECK = "python manage.py check shows all"


@attrs.define(eq=False)
class Checking:
    """Makes the checks when it is asked to.

    Attributes:
        tell: told what is found and was not found before.
        show: given all that is found, each time.
        gate: they are made inside of it.
        shown: what :func:`note_shown` has noted.
    """

    tell: Callable[[Finding], None]
    show: Callable[[tuple[Finding, ...]], None]
    gate: Gate
    shown: set[Finding] = attrs.Factory(set)
    _wanted: threading.Event = attrs.field(factory=threading.Event, init=False, repr=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)
    _told: frozenset[Finding] = attrs.field(default=frozenset(), init=False)
    _is_wrong: bool = attrs.field(default=False, init=False)
    _is_over: bool = attrs.field(default=False, init=False)

    def ask(self) -> None:
        """Something is live; returns at once. Under the engine's lock or none, by one thread at a time."""
        if "--skip-checks" in sys.argv or self._is_over:  # as runserver would not make them
            return
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hotswap-django-checks", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """No more checks; one that is being made goes on to its end, and is not told."""
        self._is_over = True
        self._wanted.set()

    def _run(self) -> None:
        while self._wanted.wait() and not self._is_over:
            self._wanted.clear()
            if not self._wanted.wait(DELAY):
                self.step()

    def step(self) -> None:
        """Make the checks once, and tell of them; not where something else has become live meanwhile, which is checked anew."""
        try:
            visit = self.gate.enter("Django's system checks")
        except Busy:
            self._wanted.set()  # later, then
            return
        try:
            findings = find()
        finally:
            self.gate.leave(visit)
        if self._wanted.is_set():
            return
        known = self._told | self.shown
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        new = [finding for finding in findings if finding not in known and finding not in errors]
        self._told = frozenset(findings)
        self.shown.clear()  # what is still found is told by now
        self.show((*errors, *(finding for finding in findings if finding not in errors)))
        for finding in new[:MOST]:
            self.tell(finding)
        if len(new) > MOST:
            self.tell(_finding(f"and {len(new) - MOST} more of Django's system checks", _CHECK))
        if errors or self._is_wrong:
            self.tell(_sum_up(errors))
        self._is_wrong = bool(errors)


def find() -> list[Finding]:
    """What Django's checks find now; that one of them fails is an error, too."""
    try:
        return [*_describe_all(run_checks())]
    except Exception as error:  # noqa: BLE001 - border to checks of the program
        text = f"Django's system checks failed: {type(error).__name__}: {error}"
        return [_finding(text, "mend the check, or what it looks at", traceback.format_exc(), is_error=True)]


def note_shown(module: Any, shown: set[Finding]) -> Callable[[], None]:
    """Have checks note what they find for whoever calls them, as commands do at their start, and show it.

    Args:
        module: ``django.core.checks``.
        shown: takes it.

    Returns:
        What ends that.
    """
    original = module.run_checks

    @functools.wraps(original)
    def run_and_note(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        shown.update(_describe_all(found))
        return found

    def put_back() -> None:
        module.run_checks = original

    module.run_checks = run_and_note
    return put_back


def _describe_all(messages: Iterable[CheckMessage]) -> Iterator[Finding]:
    return (_describe(each) for each in messages if not each.is_silenced())


def _describe(found: CheckMessage) -> Finding:
    what = "error" if found.is_serious() else "warning"
    message = f"{what} of Django's system checks: {found}".partition("\n\tHINT:")[0]
    return _finding(message, found.hint or "", is_error=found.is_serious())


def _sum_up(errors: list[Finding]) -> Finding:
    """All errors in one block, as runserver shows them."""
    if not errors:
        return Finding(code="HS417", severity=Severity.NOTE, message="mended: runserver would start with what is live")
    lines = [line for finding in errors[:MOST] for line in _lines_of(finding)]
    lines += [f"and {len(errors) - MOST} more: {_CHECK}"] if len(errors) > MOST else []
    step = "mend it and save; this process serves on, and a start of it would end here"
    return _finding("runserver would not start with what is live", step, "\n".join(lines), is_error=True)


def _lines_of(finding: Finding) -> Iterator[str]:
    yield finding.message
    yield from (f"  {line}" for line in finding.excerpt.splitlines())
    if finding.next_step:
        yield f"  HINT: {finding.next_step}"


def _finding(message: str, step: str, excerpt: str = "", *, is_error: bool = False) -> Finding:
    code, severity = ("HS417", Severity.ERROR) if is_error else ("HS416", Severity.KEPT)
    return Finding(code=code, severity=severity, message=message, next_step=step, excerpt=excerpt)
