"""Forks and swaps at the same time; each in a process of its own, since fork handlers cannot be taken out again."""

from __future__ import annotations

import subprocess
import sys

from tests.runner.programs import PATIENCE

HEAD = """
import os, threading, time
import hotswap.fork as fork

swap, inner = threading.RLock(), threading.RLock()
fork.PATIENCE = {patience}
fork.guard_forks(swap, inner)
held, go = threading.Event(), threading.Event()


def hold():
    with swap, inner:
        held.set()
        go.wait()


def child_can_take():
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    free = []
    taker = threading.Thread(target=lambda: free.append(swap.acquire(timeout=5) and inner.acquire(timeout=5)))
    taker.start()
    taker.join()
    os._exit(0 if free == [True] else 1)


def parent_can_take():
    free = []
    taker = threading.Thread(target=lambda: free.append(swap.acquire(timeout=5) and inner.acquire(timeout=5)))
    taker.start()
    taker.join()
    return free == [True]
"""


def run(body: str, patience: float = 5.0) -> str:
    program = HEAD.replace("{patience}", str(patience)) + body
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], text=True, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fork_without_a_swap_leaves_the_locks_free() -> None:
    """In the child and in the parent."""
    assert run("print(child_can_take(), child_can_take(), parent_can_take())") == "True True True\n"


def test_a_fork_waits_for_the_swap_that_is_under_way() -> None:
    """1. a thread swaps; 2. the main thread forks and waits; 3. the swap ends; 4. the fork is done, all locks are free."""
    body = """
threading.Thread(target=hold).start()
held.wait()
threading.Timer(0.2, go.set).start()
print(child_can_take(), go.is_set(), parent_can_take())
"""
    assert run(body) == "True True True\n"


def test_a_fork_does_not_wait_for_ever() -> None:
    """The swap waits for something that the forking thread holds: the child gets new locks, the swap keeps its own."""
    body = """
swapper = threading.Thread(target=hold)
swapper.start()
held.wait()
print(child_can_take())
go.set()
swapper.join()
print(parent_can_take())
"""
    assert run(body, patience=0.05) == "True\nTrue\n"


def test_the_swapping_thread_may_fork() -> None:
    """A statement that is evaluated during a swap starts a process: both go on inside the lock, and can leave it."""
    body = """
swap.acquire()
child = os.fork()
swap.release()
if not child:
    os._exit(0 if parent_can_take() else 1)
print(os.waitpid(child, 0)[1], parent_can_take())
"""
    assert run(body) == "0 True\n"
