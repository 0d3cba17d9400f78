"""Other processes, as ``/proc`` shows them: whether they live, and whether a signal would end them."""

from __future__ import annotations

import hashlib
import os

import attrs

__all__ = ["Process", "birth_of", "find_process", "image_of", "is_own"]


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
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            text = stream.read()
    except OSError:
        return 0
    fields = text[text.rindex(b")") + 2 :].split()  # a program may have spaces and brackets in its name
    return int(fields[19]) if fields[0] not in (b"Z", b"X") else 0


def image_of(pid: int) -> str:
    """What tells the program that a process has executed from one that it executes later; empty where that cannot be read."""
    try:
        with open(f"/proc/{pid}/auxv", "rb") as stream:  # has addresses that are random for each exec, and kept by a fork
            return hashlib.sha256(stream.read()).hexdigest()[:16]
    except OSError:
        return ""


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
