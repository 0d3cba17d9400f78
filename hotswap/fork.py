"""Forking while hotswap's threads run.

Takes: the engine's locks. Gives: children that start with the locks free and the program whole. Must not: start
anything in a child, but for the sweep where objects wait for their conversion: each process converts its own. A forked
child has the code that was live when it was forked; it does not watch, nor serve, nor swap by itself (a child that forks in
the middle of a request would otherwise swap next to its parent, and print twice); the parent names its children with the
next swap (HS408).

What a fork gives to the caller is not told to anybody else, so each child notes its pid itself, in memory that it shares
with its parent: no descriptor that the program could meet, and nothing to wait for.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["guard_forks", "list_forks", "note_forks"]

#: Seconds that a fork waits for a swap to end. A swap that evaluates a statement which waits for a lock of the forking
#: thread would never end; the child then gets locks that are new, in a program that is half swapped in name only: the
#: commit itself is one instant, so what the child sees of code and data is whole.
PATIENCE = 5.0


class _Lock(Protocol):
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...


_guarded: tuple[_Lock, Any] | None = None  # the locks of the session that is current
_in_child: Callable[[], None] | None = None
_taken: dict[int, _Lock | None] = {}  # by thread: several may fork at once


def guard_forks(swap_lock: _Lock, inner_lock: Any, in_child: Callable[[], None] | None = None) -> None:
    """Let forks wait for a swap that is under way, and free the locks in the child; what was given last counts.

    Args:
        swap_lock: held while a swap is carried out.
        inner_lock: held for moments; made new in the child.
        in_child: called in the child when the locks are free.
    """
    global _guarded, _in_child
    is_first, _guarded, _in_child = _guarded is None, (swap_lock, inner_lock), in_child
    if is_first and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_wait_for_swap, after_in_parent=_free_in_parent, after_in_child=_free_in_child)
        if sys.version_info >= (3, 12):
            _silence_own_warning()


def _wait_for_swap() -> None:
    swap_lock = _guarded[0] if _guarded is not None else None
    _taken[threading.get_ident()] = swap_lock if swap_lock is not None and swap_lock.acquire(timeout=PATIENCE) else None


def _free_in_parent() -> None:
    if (lock := _taken.pop(threading.get_ident(), None)) is not None:
        lock.release()


def _free_in_child() -> None:
    lock = _taken.get(threading.get_ident())
    _taken.clear()
    if lock is not None:
        lock.release()
    if _guarded is not None:
        if lock is None:
            _renew(_guarded[0])
        _renew(_guarded[1])
    if _in_child is not None:
        _in_child()


# ---- who was forked ----

#: So many children are remembered; of more, the earliest are forgotten, which mostly have ended by then.
MAX_FORKS = 1024
_PID = struct.Struct("q")
_pids: mmap.mmap | None = None  # where children note their pids; shared with all that descend from this process
_owner = 0  # the process whose children these are


def note_forks() -> None:
    """Let the children of this process note their pids from now on; there is no way to undo it."""
    global _pids, _owner
    if _pids is not None or not hasattr(os, "register_at_fork"):
        return
    pids = _pids = mmap.mmap(-1, MAX_FORKS * _PID.size)
    _owner = os.getpid()
    numbers = itertools.count()
    reserved: dict[int, int] = {}  # by thread: several may fork at once

    def before() -> None:
        reserved[threading.get_ident()] = next(numbers) % MAX_FORKS

    def in_parent() -> None:
        reserved.pop(threading.get_ident(), None)

    def in_child() -> None:
        # The first child notes itself; what it forks in turn is its own, and would write into the parent's places.
        if os.getppid() == _owner:
            _PID.pack_into(pids, reserved.get(threading.get_ident(), 0) * _PID.size, os.getpid())
        reserved.clear()

    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def list_forks() -> list[int]:
    """The pids that forks of this process have had, the living and the ended; empty in a child."""
    if _pids is None or os.getpid() != _owner:
        return []
    return [pid for (pid,) in _PID.iter_unpack(_pids[:]) if pid]


# ---- locks and warnings ----


def _renew(lock: Any) -> None:
    lock._at_fork_reinit()  # what threading does with its own locks in a child


class _OwnThreadsOnly:
    """Stands for the message pattern of a warning filter: matches where the only other threads are hotswap's."""

    def match(self, text: str) -> bool:
        if "use of fork() may lead to deadlocks" not in text:
            return False
        return all(_is_own(thread) for thread in threading.enumerate() if thread is not threading.current_thread())


def _is_own(thread: threading.Thread) -> bool:
    if thread is threading.main_thread():
        return False
    return thread.name.startswith("hotswap-") or type(thread).__module__.startswith("watchdog.")


def _silence_own_warning() -> None:
    # Python 3.12 warns when a process with several threads forks. A program without threads must not be told so
    # because of ours; one with threads of its own still is.
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.filters[0] = ("ignore", _OwnThreadsOnly(), DeprecationWarning, None, 0)  # type: ignore[index]  # typed as a sequence that cannot change
