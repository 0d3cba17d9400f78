"""Child processes that run the code that they started with (HS408): of multiprocessing, and forked by hand.

Nothing here waits for a child, and no child is reaped: that is the program's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import attrs

from hotswap.model import Finding, Severity


def find_children(forked: Iterable[int] = ()) -> list[Finding]:
    """Name the children that live.

    Args:
        forked: pids that forks of this process have had; those that ended, or run another program, are left out.
    """
    known = dict(_of_multiprocessing())
    found = [_finding(f"child process {name} (pid {pid}) runs the code that it started with", "start it again")
             for pid, name in known.items() if is_alive(pid)]  # fmt: skip
    found += [
        _finding(f"child process {pid} runs the code that it was forked with", "start it again")
        for pid in forked
        if pid not in known and is_own_fork(pid)
    ]
    if (server := _fork_server()) is not None and is_alive(server):
        found.append(
            _finding(f"the fork server of multiprocessing (pid {server}) has modules loaded; what it starts has their old code",
                     "restart, if its children need the change"))  # fmt: skip
    return found


def _finding(message: str, step: str) -> Finding:
    return Finding(code="HS408", severity=Severity.KEPT, message=message, next_step=step)


def _of_multiprocessing() -> list[tuple[int, str]]:
    # Not active_children(): it reaps those that have ended, which a program may want to do itself.
    processes = getattr(sys.modules.get("multiprocessing.process"), "_children", ())
    return [(process.pid, process.name) for process in list(processes) if process.pid is not None]


def _fork_server() -> int | None:
    """The pid of a fork server that was told to load modules of the program."""
    server = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    preloaded = set(getattr(server, "_preload_modules", ()))
    if sys.version_info < (3, 14):
        preloaded.discard("__main__")  # the default, which these versions do not heed
    return getattr(server, "_forkserver_pid", None) if preloaded else None


# ---- is it there? ----

_HAS_PROC = os.path.exists("/proc/self/stat")


@attrs.frozen
class _Stat:
    """Of ``/proc/PID/stat``: state, pid of the parent, where the stack starts."""

    state: str
    parent: int
    stack: int


def is_alive(pid: int) -> bool:
    """True for a process that has not ended; one that nobody has waited for yet has."""
    if _HAS_PROC:
        stat = _read_stat(pid)
        return stat is not None and stat.state not in "ZX"
    return _answers(pid)


def is_own_fork(pid: int) -> bool:
    """True for a living child of this process that still runs its program.

    A pid may have been given to somebody else since: then its parent is another, or it runs another program. A program
    that is started gets a stack at another address; a fork keeps it, and keeps it when it gives itself another title.
    Accepted: without ``/proc`` a child that ended unwaited for, or that runs another program, is named too.
    """
    if not _HAS_PROC:
        return _answers(pid)
    stat, own = _read_stat(pid), _read_stat(os.getpid())
    if stat is None or own is None or stat.state in "ZX" or stat.parent != os.getpid():
        return False
    return stat.stack in (0, own.stack)  # 0: we may not see it


def _read_stat(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before it may contain anything
    except OSError:
        return None
    return _Stat(fields[0].decode(), int(fields[1]), int(fields[25]))


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is there and belongs to somebody else
    return True
