"""Other processes, as ``/proc`` shows them: whether they live, and whether a signal would end them."""

from __future__ import annotations

import os

import attrs

__all__ = ["Process", "birth_of", "find_process", "is_own", "stack_of"]


@attrs.frozen(kw_only=True)
class Process:
    """A process that lives.

    Attributes:
        pid: its number.
        uid: its effective user.
        birth: when it started, in clock ticks since the machine did; with ``pid`` it is unique.
        caught: the signals that it handles.
    """

    pid: int
    uid: int
    birth: int
    caught: frozenset[int]


def birth_of(pid: int) -> int:
    """When a process started, in clock ticks; 0 where it has ended."""
    fields = _read_stat(pid)
    return int(fields[19]) if fields else 0


def stack_of(pid: int) -> int:
    """Where its stack starts: another address for each program that it executes, kept by a fork; 0 where we may not see it."""
    fields = _read_stat(pid)
    return int(fields[25]) if fields else 0


def _read_stat(pid: int) -> list[bytes]:
    """The fields of ``/proc/PID/stat`` behind the name; none where the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()  # the name may contain anything
    except OSError:
        return []
    return fields if fields and fields[0] not in (b"Z", b"X") else []


def find_process(pid: int) -> Process | None:
    """A process, or None where it has ended."""
    birth = birth_of(pid)
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
            held = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
    except OSError:
        return None
    if not birth or not held:
        return None
    mask = int(held["SigCgt"], 16)
    caught = frozenset(number for number in range(1, 65) if mask >> (number - 1) & 1)
    return Process(pid=pid, uid=int(held["Uid"].split()[1]), birth=birth, caught=caught)


def is_own(process: Process) -> bool:
    """Whether it belongs to this user."""
    return process.uid == os.geteuid()
