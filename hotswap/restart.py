"""Starting the program again in its own process.

Takes: why. Gives: the same command line, run afresh with the same pid, from the same directory, with the environment
that the process was started with. May touch: the main thread, which is asked to leave as Ctrl-C asks it. Must not: be
used where the process is not all the program's (a forked child, a program that has only called ``hotswap.start()``).

The way out, in order:

1. The main thread gets SIGINT, for real: blocking calls return, the program closes what it closes on Ctrl-C. A handler
   that the program has set for SIGINT is its own way to end, so it is used.
2. When the main thread has left the program, non-daemon threads are waited for and atexit functions run.
3. The process executes the command line again.

A program that does not leave within :data:`GRACE` seconds, ignores SIGINT, or whose main function has returned while
threads go on, is replaced where it stands: its ``finally`` blocks and atexit functions do not run. What a program has
read from stdin into Python's buffer is lost. Sockets and files close by themselves, being non-inheritable.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import attrs

__all__ = ["Image", "Restarter"]

#: Seconds that a program gets to leave by itself.
GRACE = 5.0
#: Tells a process that it was started by a restart, by its own id: children that inherit it were not.
_AGAIN = "_HOTSWAP_RESTARTED"


@attrs.frozen(kw_only=True)
class Image:
    """What the process was started with, taken before the program could change it.

    Attributes:
        argv: the interpreter and its arguments, as they were given.
        umask, mask, ignored: file mode mask, blocked and ignored signals, which an exec hands on.
        handles: open file descriptors; those that the program opens and lets children inherit must not leak.
        terminal: the settings of the terminal at stdin, None where there is none.
        blocking: of the three standard streams.
        is_again: the program was started by a restart.
    """

    argv: tuple[str, ...]
    environ: dict[str, str]
    folder: str
    umask: int = 0o022
    mask: frozenset[int] = frozenset()
    ignored: frozenset[int] = frozenset()
    handles: frozenset[int] = frozenset()
    terminal: Any = None
    blocking: tuple[bool, ...] = ()
    is_again: bool = False

    @classmethod
    def take(cls) -> Image:
        """Remember this process as it is; called in the main thread before the program runs."""
        is_again = os.environ.pop(_AGAIN, "") == str(os.getpid())
        umask = os.umask(0o077)
        os.umask(umask)
        posix = sys.platform != "win32"
        return cls(
            argv=(sys.executable, *sys.orig_argv[1:]), environ=dict(os.environ), folder=os.getcwd(), umask=umask,
            mask=frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())) if posix else frozenset(),
            ignored=frozenset(_list_ignored()), handles=frozenset(_list_handles()), terminal=_read_terminal(),
            blocking=tuple(os.get_blocking(handle) for handle in (0, 1, 2) if _is_open(handle)) if posix else (),
            is_again=is_again,
        )

    def restore(self) -> None:
        """Bring back what an exec would hand on as the program has left it."""
        os.chdir(self.folder)
        os.umask(self.umask)
        if sys.platform == "win32":
            return
        for handle in set(_list_handles()) - self.handles - {0, 1, 2}:
            if _is_open(handle):
                os.set_inheritable(handle, False)
        for handle, blocking in zip((h for h in (0, 1, 2) if _is_open(h)), self.blocking, strict=False):
            os.set_blocking(handle, blocking)
        _write_terminal(self.terminal)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if threading.current_thread() is threading.main_thread():
            self._restore_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)

    def _restore_signals(self) -> None:
        for number in _list_ignored() - self.ignored:
            signal.signal(number, signal.SIG_DFL)
        for number in self.ignored:
            signal.signal(number, signal.SIG_IGN)

    def execute(self) -> None:
        """Replace the process; returns only by raising.

        Raises:
            OSError: the interpreter or the directory is gone.
        """
        if sys.platform == "win32":
            # exec is another process there and the shell would not wait for it: the program becomes a child instead.
            os._exit(subprocess.call(self.argv, env=self.environ, cwd=self.folder))
        self.restore()
        os.execve(self.argv[0], self.argv, {**self.environ, _AGAIN: str(os.getpid())})


class Restarter:
    """Restarts the program once, when first asked.

    Args:
        image: what to run.
        before: run right before the process is replaced (closes the socket, ends the watcher).
        on_failure: told why, when the process cannot be replaced; the program then goes on, or ends.
    """

    def __init__(self, image: Image, *, before: Callable[[], None], on_failure: Callable[[str], None]) -> None:
        self._image = image
        self._before = before
        self._on_failure = on_failure
        self._pid = os.getpid()
        # Guards the two flags and the exec itself; held by the thread that replaces the process until it is replaced.
        self._lock = threading.RLock()
        self._is_asked = False
        self._is_main_inside = True

    @property
    def is_again(self) -> bool:
        """Whether this program was started by a restart."""
        return self._image.is_again and os.getpid() == self._pid

    def request(self) -> None:
        """Restart, from any thread; returns at once. A forked child stays as it is."""
        with self._lock:
            if self._is_asked or os.getpid() != self._pid:
                return
            self._is_asked = True
        try:
            threading.Thread(target=self._run, name="hotswap-restart", daemon=True).start()
        except RuntimeError:  # the main thread has ended, so no thread can be started, and nobody needs to be asked
            self._run()

    def leave_main(self) -> bool:
        """The main thread has left the program; whether it has to go on to :meth:`finish`."""
        with self._lock:
            self._is_main_inside = False
            return self._is_asked and os.getpid() == self._pid

    def finish(self) -> None:
        """End the program as the interpreter would, in its order, and replace it; in the main thread."""
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls at its end: it waits for other threads
        except KeyboardInterrupt:  # our own, where the program was about to end by itself when it was sent
            threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls at its end
        atexit._run_exitfuncs()
        self._replace()

    def _run(self) -> None:
        with self._lock:
            asked_main = self._is_main_inside and _interrupt_main()
        if asked_main:
            threading.Event().wait(GRACE)  # the main thread replaces the process meanwhile
        self._replace()

    def _replace(self) -> None:
        with self._lock:
            self._before()
            _end_daemon_children()
            _flush_streams()
            try:
                self._image.execute()
            except OSError as exc:
                self._is_asked = False
                self._on_failure(f"cannot start the program again: {exc}")


def _end_daemon_children() -> None:
    """What multiprocessing does at exit, for a program that is replaced where it stands; the next one has the same pid."""
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing is not None else ():
        if child.daemon:
            child.terminate()


def _interrupt_main() -> bool:
    """Ask the main thread to leave; False where the program has no way to hear it."""
    if not callable(signal.getsignal(signal.SIGINT)):
        return False
    ident = threading.main_thread().ident
    if sys.platform == "win32" or ident is None:
        import _thread

        _thread.interrupt_main()
    else:
        signal.pthread_kill(ident, signal.SIGINT)  # to the thread, so that its blocking call returns
    return True


def _flush_streams() -> None:
    # On a thread: the main thread may hold a stream's lock in a write that nobody reads, and would never give it back.
    flusher = threading.Thread(target=_flush_both, daemon=True)
    try:
        flusher.start()
    except RuntimeError:  # the main thread has ended, and with it what could hold the lock
        _flush_both()
    else:
        flusher.join(1.0)


def _flush_both() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # closed, or replaced by something that cannot


def _list_ignored() -> set[int]:
    return {int(number) for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN}


def _list_handles() -> set[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return {int(name) for name in os.listdir(folder)}
        except OSError:
            continue
    return set()


def _is_open(handle: int) -> bool:
    try:
        os.fstat(handle)
    except OSError:
        return False
    return True


def _read_terminal() -> Any:
    try:
        import termios

        return termios.tcgetattr(0)
    except (ImportError, OSError, termios.error):
        return None


def _write_terminal(settings: Any) -> None:
    if settings is None:
        return
    import termios

    try:
        if os.tcgetpgrp(0) == os.getpgrp():  # in the background it would stop the process
            termios.tcsetattr(0, termios.TCSANOW, settings)
    except (OSError, termios.error):
        pass  # the terminal is gone
