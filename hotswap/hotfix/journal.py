"""What was ordered and done, one line of JSON each, on the disk before anybody is told.

A process may be killed at any point: a line that was cut off is passed over when it is read, and the next one begins anew.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["append", "read"]

#: Characters of a finding that are kept.
MAX_TEXT = 4000


def append(path: str, event: str, **fields: Any) -> None:
    """Add a line.

    Args:
        path: the journal.
        event: ``ordered``, ``began``, ``applied``, ``refused``, ``taken back``, …
    """
    entry = {"at": round(time.time(), 3), "event": event, "pid": os.getpid(), **fields}
    line = json.dumps(entry, sort_keys=True).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # whoever wrote before was cut off
        # One write: the lines of several processes do not mix, since the kernel appends each as a whole.
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str) -> Iterator[dict[str, Any]]:
    """The lines, the oldest first; none where there is no journal yet. A line that was cut off is passed over."""
    try:
        with open(path, "rb") as stream:
            lines = stream.read().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
