"""A program with units of work, into which changes come by a wish."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from hotswap.model import ChangeSet, Consistency, Report, SourceFile, Wish
from tests.link.program import Program

#: Two functions, one constant and one class, which all say which version they are of.
SHOP = """
RATE = 1

class Cart:
    def size(self):
        return 1

def one():
    return RATE * 1

def two(wait):
    found = [RATE, 1, Cart().size()]
    wait()
    return [*found, one(), Cart().size(), sum(RATE for _ in range(1))]
"""
NEW_SHOP = SHOP.replace("RATE = 1", "RATE = 2").replace("return 1", "return 2").replace("RATE * 1", "RATE")
NEW_SHOP = NEW_SHOP.replace("RATE, 1,", "RATE, 2,").replace("return RATE\n", "return RATE * extra()\n")
NEW_SHOP += "\ndef extra():\n    return 1\n"  # goes with a rollback, which new units may still ask for
OLD, NEW = [1] * 6, [2] * 6


def wait_until(holds: Callable[[], object], what: str = "") -> None:
    """Wait for a condition, bounded."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.002)


def in_thread(call: Callable[..., Any], *args: Any, name: str = "worker") -> tuple[threading.Thread, list[Any]]:
    """Run something in a thread of its own; what it gives is in the list afterwards."""
    given: list[Any] = []
    thread = threading.Thread(target=lambda: given.append(call(*args)), daemon=True, name=name)
    thread.start()
    return thread, given


class Pause:
    """A place where a call waits until it may go on."""

    def __init__(self) -> None:
        self.is_there, self.may_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.is_there.set()
        assert self.may_go.wait(30)


class Patched(Program):
    """Modules that change by a wish."""

    def patch(
        self, consistency: Consistency | None = None, /, deadline: float = 20.0, force: bool = False, **texts: str
    ) -> Report:
        """Have texts applied, without saving them."""
        files = []
        for name, text in texts.items():
            path, data = self._write(name, text)
            files.append(SourceFile(path=str(path), data=data))
        wish = Wish(consistency=consistency, deadline=deadline, force=force)
        return self.engine.swap(ChangeSet(files=tuple(files)), wish)

    def back(self, deadline: float = 20.0, force: bool = False) -> Report:
        """Have the newest change taken back, as it was applied."""
        return self.engine.rollback(wish=Wish(deadline=deadline, force=force))


def said(report: Report, code: str) -> str:
    """The one message with a code."""
    [finding] = [finding for finding in report.findings if finding.code == code]
    return str(finding)
