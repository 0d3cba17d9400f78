"""The event server: a loopback port of its own for browsers on this machine.

    GET  /page.js                 the script for pages of the program; nothing secret in it, needs no token
    GET  /run                     which process this is; needs no token
    GET  /events?token=           the board's states as server-sent events
    GET  /part?token=             what is inside of the status page's ``main``
    GET  /?token=                 the whole status page, for a program without a web framework
    POST /do/COMMAND  token=      one of :data:`COMMANDS_HERE`

Whoever asks has to name this address as ``Host`` (else another site could lead its name here), and come from an origin that was
allowed, if it comes from one at all: browsers say so for each request from a page of another origin, and for each POST.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs

from hotswap.control.commands import COMMANDS, CommandError, ControlledEngine
from hotswap.errors import HotswapError
from hotswap.page.board import Board
from hotswap.page.render import read_asset
from hotswap.page.view import Server

#: The commands that a page may give.
COMMANDS_HERE = ("rollback", "swap", "retry")
#: So many browsers may be connected; each has a thread.
CLIENTS = 32
#: So many origins are remembered.
ORIGINS = 16
#: Seconds that a peer gets for its request, and to take what it is sent.
PATIENCE = 5.0
#: Seconds after which a stream says something, so that one who is gone is noticed.
HEARTBEAT = 15.0
#: Bytes of a form.
MAX_FORM = 4_096


@attrs.frozen
class Reply:
    """An answer that is sent whole."""

    status: int
    body: str
    kind: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()


class EventServer:
    """Serves one board.

    Args:
        board: whose states are told.
        do: carries out a command with the fields of its form; gives whether it was done, and a sentence for a person.
        render: makes the status page.
    """

    def __init__(
        self, board: Board, do: Callable[[str, Mapping[str, str]], tuple[bool, str]], render: Callable[..., str]
    ) -> None:
        self.board, self.do, self.render = board, do, render
        self.token = secrets.token_urlsafe(24)
        self.port = 0
        #: What came of the last command that was given by a form, for the page to which the browser is led back.
        self.said = ""
        self._socket: socket.socket | None = None
        # Guards the three tables below; innermost, held for moments.
        self._lock = threading.Lock()
        self._homes: dict[str, str] = {}  # origin -> address of the status page there
        self._peers: set[socket.socket] = set()
        self._children = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on a daemon thread.

        Raises:
            OSError: there is no port.
        """
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.allow(self.base, f"{self.base}/?token={self.token}")
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.abandon)
        threading.Thread(target=self._accept, args=(self._socket,), name="hotswap-page", daemon=True).start()

    def stop(self) -> None:
        """Close the port and all connections; waits for nobody."""
        listening, self._socket = self._socket, None
        if listening is None:
            return
        with self._lock:
            peers = [listening, *self._peers]
        for each in peers:
            try:
                each.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept() or send(); closing alone does not
            except OSError:
                pass
        listening.close()

    def abandon(self) -> None:
        """In a forked child: its copies must not keep the parent's connections open. No lock: its holder may not exist here."""
        listening, self._socket = self._socket, None
        for each in [listening, *self._peers]:
            if each is not None and (handle := each.detach()) >= 0:
                os.close(handle)  # close() would wait for the file that the handler of a thread of the parent has made of it

    def allow(self, origin: str, home: str) -> None:
        """Let pages of an origin listen and give commands.

        Args:
            origin: as ``http://localhost:8000``; of a page that was given the token.
            home: address of the status page there.
        """
        with self._lock:
            self._homes.pop(origin, None)
            self._homes[origin] = home
            while len(self._homes) > ORIGINS:
                del self._homes[next(iter(self._homes))]

    def home_of(self, origin: str) -> str | None:
        """The status page of an origin; None for one that is not allowed."""
        with self._lock:
            return self._homes.get(origin)

    def describe(self, home: str) -> Server:
        """What a page at this address needs to know."""
        code, styles, number = self.board.counts
        return Server(base=self.base, token=self.token, nonce=secrets.token_urlsafe(12), run=self.board.run, code=code,
                      styles=styles, home=home, number=number)  # fmt: skip

    def take_said(self) -> str:
        """What came of the last command, once."""
        said, self.said = self.said, ""
        return said

    # ---- connections ----

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                peer, address = listening.accept()
            except OSError:
                if self._socket is not listening:
                    return  # closed
                threading.Event().wait(0.1)  # the process has no file descriptor left, for now
                continue
            with self._lock:
                is_room = len(self._peers) < CLIENTS
                if is_room:
                    self._peers.add(peer)
            if not is_room:
                peer.close()
                continue
            try:
                threading.Thread(target=self._serve, args=(peer, address), name="hotswap-page-client", daemon=True).start()
            except RuntimeError:  # the interpreter is ending
                self._forget(peer)

    def _serve(self, peer: socket.socket, address: Any) -> None:
        try:
            Handler(peer, address, self)  # type: ignore[arg-type]  # it asks nothing of a server of socketserver's
        except (OSError, ValueError):
            pass  # the peer has gone, or the interpreter is ending
        finally:
            self._forget(peer)

    def _forget(self, peer: socket.socket) -> None:
        with self._lock:
            self._peers.discard(peer)
        peer.close()


class Handler(BaseHTTPRequestHandler):
    """One request, and the end of its connection."""

    timeout = PATIENCE  # of the socket: a peer that is silent, or takes nothing, does not keep its thread
    server_version = "hotswap"
    sys_version = ""
    server: EventServer  # type: ignore[assignment]  # given by EventServer itself

    def log_message(self, *args: Any) -> None:
        """Nothing: the terminal is the program's."""

    # ---- who asks ----

    def _origin(self) -> str:
        return self.headers.get("Origin", "")

    def _why_not(self, token: str) -> str:
        """Why somebody gets nothing; empty for who may."""
        host = self.headers.get("Host", "")
        if host not in (f"127.0.0.1:{self.server.port}", f"localhost:{self.server.port}"):
            return "ask for this server by its address"
        if self._origin() and self.server.home_of(self._origin()) is None:
            return "pages of that origin are not served"
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            return "the token is wrong: load the page again"
        return ""

    # ---- what is asked ----

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        token = parse_qs(url.query).get("token", [""])[0]
        if url.path == "/page.js":
            headers = (("Cross-Origin-Resource-Policy", "cross-origin"),)
            self._send(Reply(200, read_asset("page.js"), "text/javascript", headers))
        elif url.path == "/run" and not (why := self._why_not(self.server.token)):
            self._send(Reply(200, json.dumps({"run": self.server.board.run}), "application/json"))
        elif why := self._why_not(token):
            self._send(Reply(403, f"{why}\n"))
        elif url.path == "/events":
            self._stream()
        elif url.path == "/part":
            self._send(Reply(200, self.server.render(self._describe(), whole=False), "text/html"))
        elif url.path == "/":
            described = self._describe()
            self._send(Reply(200, self.server.render(described), "text/html", page_headers(described)))
        else:
            self._send(Reply(404, "there is no such page\n"))

    def _describe(self) -> Server:
        return self.server.describe(self.server.home_of(self._origin()) or self.server.home_of(self.server.base) or "/")

    def do_POST(self) -> None:
        form = self._read_form()
        verb = urlsplit(self.path).path.removeprefix("/do/")
        why = self._why_not(form.get("token", "")) or ("" if self._origin() else "a form says where it comes from")
        if why:
            self._send(Reply(403, f"{why}\n"))
        elif verb not in COMMANDS_HERE:
            self._send(Reply(404, f"there is no such command; there are: {', '.join(COMMANDS_HERE)}\n"))
        else:
            self._answer(*self.server.do(verb, form))

    def _read_form(self) -> Mapping[str, str]:
        try:
            length = int(self.headers.get("Content-Length", "0"))
        except ValueError:
            length = 0
        text = self.rfile.read(min(max(length, 0), MAX_FORM)).decode("utf-8", "replace")
        return {name: values[0] for name, values in parse_qs(text).items()}

    def _answer(self, done: bool, said: str) -> None:
        """JSON for the script; a form's browser is led back to its page, which says it."""
        if "application/json" in self.headers.get("Accept", ""):
            self._send(Reply(200, json.dumps({"done": done, "said": said}), "application/json"))
            return
        self.server.said = said
        self.server.board.note()
        self._send(Reply(303, "", headers=(("Location", self.server.home_of(self._origin()) or "/"),)))

    # ---- how it is answered ----

    def _send(self, reply: Reply) -> None:
        body = reply.body.encode()
        self._begin(reply.status, f"{reply.kind}; charset=utf-8", *reply.headers, ("Content-Length", str(len(body))))
        self.wfile.write(body)

    def _begin(self, status: int, kind: str, *headers: tuple[str, str]) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if self._origin() and self.server.home_of(self._origin()) is not None:
            self.send_header("Access-Control-Allow-Origin", self._origin())
        for name, value in (*headers, ("Vary", "Origin"), ("Cache-Control", "no-store"), ("Connection", "close"),
                            ("X-Content-Type-Options", "nosniff")):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        self._begin(200, "text/event-stream; charset=utf-8")
        self.wfile.write(b"retry: 500\n\n")
        board, number = self.server.board, -1
        while not board.is_closed:
            state = board.wait(number, HEARTBEAT)
            if state is None:
                self.wfile.write(b": still here\n\n")
                continue
            number = state["number"]
            self.wfile.write(f"data: {json.dumps(state)}\n\n".encode())


def carry_out(engine: ControlledEngine, verb: str, form: Mapping[str, str]) -> tuple[bool, str]:
    """Give a command; whether it was done, and a sentence for a person.

    Args:
        form: ``swap`` may name the swap that is to be taken back, so that a page that is not the newest takes back none else.
    """
    try:
        if verb == "rollback" and (meant := form.get("swap")):
            swaps = engine.status().swaps
            if not swaps or str(swaps[-1].number) != meant:
                raise CommandError(f"swap {meant} is not the newest any more; nothing was taken back")
        result = COMMANDS[verb].run(engine, {})
    except (CommandError, HotswapError) as error:
        return False, str(error)
    except Exception:  # noqa: BLE001 - an error in here goes to who asked, it must not end the thread
        return False, f"internal error\n{traceback.format_exc()}"
    first = "".join(text for text, _ in result["lines"][0])
    return bool(result.get("done", True)), first.removeprefix("hotswap  ")


def page_headers(server: Server | None) -> tuple[tuple[str, str], ...]:
    """What a browser is to keep the status page from: foreign scripts, frames, caches; forms say where they come from."""
    allowed = ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "img-src data:"]
    if server is None:
        allowed.append("style-src 'unsafe-inline'")
    else:
        allowed += [f"style-src 'nonce-{server.nonce}'", f"script-src 'nonce-{server.nonce}'",
                    f"connect-src 'self' {server.base}", f"form-action 'self' {server.base}"]  # fmt: skip
    return (
        ("Content-Security-Policy", "; ".join(allowed)), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"), ("Referrer-Policy", "strict-origin"),
    )  # fmt: skip
