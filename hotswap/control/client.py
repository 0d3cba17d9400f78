"""The terminal's side of the socket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from hotswap.control import channel
from hotswap.control.channel import ChannelError

__all__ = ["ask", "find_process"]


def find_process(pid: int | None = None) -> int:
    """The process that is meant: the one given, or the only one that runs.

    Raises:
        ChannelError: there is none, or there are several; the message lists them.
    """
    folder = channel.runtime_folder()
    pids = channel.list_pids(folder)
    if pid is not None:
        if pid in pids:
            return pid
        raise ChannelError(f"process {pid} does not run under hotswap, or belongs to another user{_list(pids)}")
    reachable = {known: about for known in pids if (about := _find_about(known))}
    if len(reachable) == 1:
        return min(reachable)
    if not reachable:
        raise ChannelError("nothing runs under hotswap for this user; start it with: hotswap run script.py")
    lines = (f"  {known}  {' '.join(about['argv'])}  ({about['cwd']})" for known, about in reachable.items())
    raise ChannelError("several programs run under hotswap; choose one with --pid:\n" + "\n".join(lines))


def _find_about(pid: int) -> dict[str, Any] | None:
    try:
        return ask(pid, "about", timeout=5.0)
    except ChannelError:
        return None


def _list(pids: Iterable[int]) -> str:
    known = ", ".join(map(str, pids))
    return f"; these do: {known}" if known else ""


def ask(
    pid: int, verb: str, *, files: Iterable[str] = (), more: Mapping[str, Any] = MappingProxyType({}),
    timeout: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Have a running program carry out one command.

    Args:
        files: made absolute here, since the program has a working directory of its own.
        more: arguments of the verb.
        timeout: seconds for each step of the exchange; None waits for as long as the command takes.

    Raises:
        ChannelError: it cannot be reached, or says no; the message is for a person.
    """
    paths = [os.path.abspath(file) for file in files]
    request: dict[str, Any] = {"verb": verb, "args": {"cwd": os.getcwd(), **more, **({"files": paths} if paths else {})}}
    try:
        peer, token = channel.connect(channel.address_of(pid, channel.runtime_folder()), timeout or 5.0)
        with peer:
            peer.settimeout(timeout)
            peer.sendall(json.dumps({**request, **({"token": token} if token else {})}).encode() + b"\n")
            with peer.makefile("rb") as lines:
                line = lines.readline(channel.MAX_MESSAGE)
    except OSError as exc:
        raise ChannelError(f"process {pid} does not answer: {exc}") from exc
    if not line:
        raise ChannelError(f"process {pid} closed the connection; it may be restarting, try again")
    reply: dict[str, Any] = json.loads(line)
    if not reply["ok"]:
        raise ChannelError(reply["error"] + ("\n" + reply["excerpt"] if "excerpt" in reply else ""))
    result: dict[str, Any] = reply["result"]
    return result
