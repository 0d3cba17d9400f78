"""The signal that says: look into the spool.

A thread waits for it in ``sigwait``, which costs nothing until it rings: no handler runs in the program's main thread, no call
of the program is interrupted, no descriptor is needed, and ``signal.set_wakeup_fd``, which belongs to asyncio, is left alone.
For that the signal is blocked in the main thread, and so in all threads that it starts from then on. A thread that was there
before does not block it; then the handler runs, and passes the signal on to the thread that waits.

Where threads are greenlets, ``sigwait`` would stop all of them. There the handler writes into a descriptor, for which the loop of
gevent or eventlet waits beside those of the program.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from types import FrameType

from hotswap.errors import ConfigError

__all__ = ["Doorbell", "GreenDoorbell", "parse_signal", "ring"]


def parse_signal(text: str) -> int:
    """The number of a signal: ``SIGRTMIN+7``, ``SIGUSR2``, ``41``.

    Raises:
        ConfigError: it is none that can be waited for.
    """
    name, plus, more = text.partition("+")
    try:
        base = int(name) if name.isdigit() else int(getattr(signal, name))
        number = base + (int(more) if plus else 0)
    except (AttributeError, ValueError):
        number = 0
    if number not in signal.valid_signals() or number in (signal.SIGKILL, signal.SIGSTOP):
        raise ConfigError(f"{text} is no signal that can be waited for; say SIGRTMIN+7 or the like")
    return number


class Doorbell:
    """A signal of this process.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._waiting: int | None = None  # the thread that waits; None in a child until one waits there

    def arm(self) -> None:
        """Catch the signal and leave it to :meth:`wait`.

        Raises:
            ConfigError: this is not the main thread, or the program handles the signal itself.
        """
        if threading.get_native_id() != os.getpid():  # eventlet has another idea of which thread is the main one
            raise ConfigError("hotswap.agent() is to be called in the main thread, where signals are set up")
        if signal.getsignal(self.number) not in (signal.SIG_DFL, signal.SIG_IGN):
            raise ConfigError(f"the program handles signal {self.number} itself; name another one with HOTSWAP_SIGNAL")
        signal.signal(self.number, self._pass_on)
        self.block()

    def block(self) -> None:
        """Block the signal in this thread and in those that it starts."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {self.number})

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        # Takes no lock: it may have interrupted whoever holds one.
        if (waiting := self._waiting) is not None:
            signal.pthread_kill(waiting, number)

    def wait(self, seconds: float | None) -> None:
        """Wait until it rings.

        Args:
            seconds: at most; None for as long as it takes.
        """
        self._waiting = threading.get_ident()
        if seconds is None:
            signal.sigwait({self.number})
        else:
            signal.sigtimedwait({self.number}, max(seconds, 0.0))

    def after_fork(self) -> None:
        """In a child: nobody waits yet."""
        self._waiting = None
        self.block()


class GreenDoorbell(Doorbell):
    """The same for a program whose threads are greenlets.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def block(self) -> None:
        """Leave the signal unblocked: its handler has to run, in the one thread that there is."""

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        os.eventfd_write(self._bell, 1)

    def wait(self, seconds: float | None) -> None:
        """Wait until it rings; the other greenlets go on.

        Args:
            seconds: at most; None for as long as it takes.
        """
        # Looked up now: gevent and eventlet have replaced it by one that leaves the thread to others.
        if select.select([self._bell], [], [], None if seconds is None else max(seconds, 0.0))[0]:
            os.eventfd_read(self._bell)

    def after_fork(self) -> None:
        """In a child: another descriptor under the same number, since a ring would reach the parent otherwise.

        Greenlets live on in a child: the one that waits goes on there, on this descriptor, in which it has been rung already.
        """
        own = os.eventfd(1, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        os.dup2(own, self._bell, inheritable=False)
        os.close(own)


def ring(pid: int, number: int) -> None:
    """Ring at a process, of which is known that it handles the signal."""
    os.kill(pid, number)
