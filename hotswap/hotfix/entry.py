"""The line that a service has in its program, and what it can ask afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from hotswap.errors import ConfigError
from hotswap.green import patched_by
from hotswap.session import check_interpreter, is_started

if TYPE_CHECKING:
    from hotswap.hotfix.agent import Agent

__all__ = ["agent", "applied", "patched_text"]

SIGNAL = "SIGRTMIN+7"

_agent: Agent | None = None


def agent(
    group: str, *, trust: str | None = None, signal: str | None = None, door: bool = False, page: bool = False,
    error_rate: Callable[[], float] | None = None,
) -> None:  # fmt: skip
    """Let signed patches into this process from now on; those that are wanted already are live when it returns.

    It costs a thread that sleeps. Call it once, in the main thread, before the program's own modules are imported: a patch of a
    module that is just being imported is refused (HS606), so the line stands in the main script, or around the command. Where
    gevent or eventlet replaces threads by greenlets, call it after that.

    Args:
        group: the name of the service: letters, digits, dash and underscore. Its processes are patched together.
        trust: the file of keys whose signatures count, as ssh-keygen's allowed signers; by default ``HOTSWAP_TRUST``, or
            ``/etc/hotswap/allowed_signers``.
        signal: the doorbell; by default ``HOTSWAP_SIGNAL``, or ``SIGRTMIN+7``.
        door: take orders at a socket in the spool, too, where the kernel says who gives them; a second thread sleeps for that.
        page: serve a status page at a loopback port of each process, for browsers on this machine; ``hotswap status`` gives its
            address, which has a token. Needs ``pip install 'hotswap[page]'``.
        error_rate: gives the share of what has failed lately, from 0 to 1. It is called each second in the agent's thread, only
            while a patch that was ordered with ``--max-errors`` waits to be confirmed: too many errors take that back.

    Raises:
        ConfigError: it cannot be: not in the main thread, the signal is taken, an agent or a session runs already.
        PatchError: HS608, the name is none.
        UnsupportedError: this interpreter cannot be served.
    """
    global _agent
    check_interpreter()
    if not hasattr(os, "memfd_create"):
        raise ConfigError("patches for running services are for Linux only")
    if _agent is not None:
        raise ConfigError(f"this process has an agent already, for group {_agent.spool.group}")
    if is_started():
        raise ConfigError("hotswap.start() was called in this process: a service has an agent or a session, not both")
    # Late: most programs that import hotswap have no agent.
    from hotswap.hotfix.agent import Agent
    from hotswap.hotfix.doorbell import Doorbell, GreenDoorbell, parse_signal
    from hotswap.hotfix.signing import default_trust
    from hotswap.hotfix.spool import Spool

    if page and patched_by():
        raise ConfigError("a status page needs threads, and they are greenlets here; leave it out")
    number = parse_signal(signal or os.environ.get("HOTSWAP_SIGNAL") or SIGNAL)
    where = os.path.abspath(trust or default_trust())
    doorbell = GreenDoorbell(number) if patched_by() else Doorbell(number)
    made = Agent(Spool.of(group), where, doorbell, error_rate=error_rate, has_door=door, has_page=page)
    made.start()
    _agent = made


def applied() -> tuple[str, ...]:
    """The ids of the patches that are live in this process, the oldest first; none without an agent."""
    return tuple(live.patch.manifest.id for live in _agent.stack.live) if _agent is not None else ()


def patched_text(path: str) -> bytes | None:
    """The text that a live patch has for a file; None where none has."""
    return _agent.stack.overlay.texts.get(path) if _agent is not None else None
