"""The program's side of the socket: a daemon thread that serves the table of commands."""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
import traceback
from typing import Any

from hotswap.control import channel
from hotswap.control.commands import COMMANDS, Command, CommandError, ControlledEngine
from hotswap.errors import HotswapError

__all__ = ["ControlServer", "answer"]

#: Seconds that a peer gets to send its line; one that is silent must not keep the others waiting.
PATIENCE = 5.0


class ControlServer:
    """Serves one process; a line of JSON in, a line of JSON out.

    A request is ``{"verb": "preview", "args": {"files": […]}}``, an answer ``{"ok": true, "result": {…}}`` or
    ``{"ok": false, "error": "…"}``.
    """

    def __init__(self, engine: ControlledEngine) -> None:
        self._engine = engine
        self._socket: socket.socket | None = None
        self._token = ""
        self._owner = 0
        self.address = ""

    def start(self) -> None:
        """Open the address and serve it on a daemon thread.

        Raises:
            ChannelError: there is no safe place for the socket.
        """
        folder = channel.runtime_folder(create=True)
        channel.list_pids(folder)  # removes what crashed processes left
        self.address = channel.address_of(os.getpid(), folder)
        self._socket, self._token = channel.listen(self.address)
        self._owner = os.getpid()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.stop)
        threading.Thread(target=self._serve, args=(self._socket,), name="hotswap-control", daemon=True).start()

    def stop(self) -> None:
        """Close the address; a forked child leaves its parent's alone."""
        server, self._socket = self._socket, None
        if server is None:
            return
        if self._owner == os.getpid():
            channel.remove_address(self.address)
            try:
                server.shutdown(socket.SHUT_RDWR)  # wakes accept(); closing alone does not
            except OSError:
                pass
        server.close()

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return  # closed
            with peer:
                try:
                    self._serve_peer(peer)
                except OSError:
                    pass  # the peer has gone

    def _serve_peer(self, peer: socket.socket) -> None:
        if not channel.is_peer_allowed(peer):
            return
        peer.settimeout(PATIENCE)
        with peer.makefile("rb") as lines:
            line = lines.readline(channel.MAX_MESSAGE)
        if not line.endswith(b"\n"):
            return
        peer.settimeout(None)  # a swap may take as long as it takes
        peer.sendall(json.dumps(answer(self._engine, line, self._token)).encode() + b"\n")


def answer(engine: ControlledEngine, line: bytes, token: str = "") -> dict[str, Any]:
    """Carry out one request; every failure is an answer too."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise CommandError("a request is an object with a verb")
        if token and not hmac.compare_digest(str(request.get("token", "")), token):
            raise CommandError("the token is wrong")
        command = COMMANDS.get(str(request.get("verb", "")))
        if command is None:
            raise CommandError(f"no such verb; there are: {', '.join(COMMANDS)}")
        return {"ok": True, "result": command.run(engine, _check_args(request.get("args", {}), command))}
    except (CommandError, HotswapError) as exc:
        return {"ok": False, "error": str(exc)}
    except ValueError as exc:
        return {"ok": False, "error": f"not a line of JSON: {exc}"}
    except Exception:  # noqa: BLE001 - an error in here goes to who asked, it must not end the thread
        return {"ok": False, "error": "internal error", "excerpt": traceback.format_exc()}


def _check_args(args: Any, command: Command) -> dict[str, Any]:
    known = {"cwd", *(["files"] if command.takes_files else []), *(["deadline", "force"] if command.takes_wish else [])}
    if not isinstance(args, dict) or set(args) - known:
        raise CommandError("arguments that the verb does not take")
    wish = args.keys() & {"deadline", "force"}
    if wish and not (len(wish) == 2 and type(args["force"]) is bool and _is_time(args["deadline"])):
        raise CommandError("deadline is a number of seconds, and stands with force")
    paths = args.get("files", [])
    if not isinstance(paths, list) or not all(_is_absolute(path) for path in [*paths, args.get("cwd", os.sep)]):
        raise CommandError("files is a list of absolute paths, and cwd is one")
    return args


def _is_time(number: Any) -> bool:
    return type(number) in (int, float) and 0 <= number < 10**9


def _is_absolute(path: Any) -> bool:
    return isinstance(path, str) and os.path.isabs(path) and "\0" not in path
