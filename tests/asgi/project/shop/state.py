"""What the process remembers, and a fresh start does not."""

import os

SEEN: list[str] = []
LOG: list[str] = []
STORE: dict[int, str] = {}
STARTED: list[int] = []
PID = os.getpid()
_VISITS = [0]


def visit():
    """Count one more."""
    _VISITS[0] += 1
    return _VISITS[0]
