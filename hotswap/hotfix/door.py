"""A socket at which a process takes orders itself: the kernel says who gives them.

It is there where the service was started with it. It lies in the spool, so only the service's user and root can reach it, and who
connects is asked for once more. What can be asked for is a table of verbs; a patch is verified before it is put into the spool,
and nothing that comes is evaluated or unpickled.

    request     length (4 bytes), JSON: {"verb": ..., "size": bytes of the patch, ...}, patch
    answer      length (4 bytes), JSON: {"outcome": ...}, {"status": ...} or {"error": ...}
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from hotswap.config import Budget
from hotswap.errors import ConfigError, PatchError
from hotswap.hotfix import orders
from hotswap.hotfix.orders import Answer, Outcome, Terms, describe
from hotswap.hotfix.patch import MAX_PATCH, Patch
from hotswap.hotfix.processes import birth_of
from hotswap.hotfix.spool import Spool
from hotswap.hotfix.wishes import read_wish

__all__ = ["Door", "Request", "ask", "read_outcome"]

#: Bytes of a header and of an answer, seconds that a peer gets to say what it wants, and seconds that an order may take.
MAX_HEADER, MAX_ANSWER, PATIENCE, LONGEST = 64 * 2**10, 16 * 2**20, 5.0, 600.0
#: What keeps a connection from being taken for a while, and seconds until that is tried again.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ECONNABORTED, errno.EINTR, errno.EPERM})
PAUSE = 0.2
_LENGTH = struct.Struct(">I")
_CREDENTIALS = struct.Struct("3i")

#: Reads a patch of which nothing was looked at; gives it when its signature holds.
OpenPatch = Callable[[bytes], Patch]


@attrs.frozen(kw_only=True)
class Request:
    """What was asked for.

    Attributes:
        verb: of the table.
        size: bytes of the patch that follows.
        pids: only these processes.
        timeout: seconds until a process counts as silent.
        terms: on which a patch is to be live; for a rollback how long it may take, and whether it is forced.
    """

    verb: str
    size: int = 0
    pids: tuple[int, ...] = ()
    timeout: float = 30.0
    terms: Terms = orders.PLAIN


def _refuse(why: str) -> PatchError:
    return PatchError("HS617", f"this is no request: {why}")


def parse_request(data: bytes) -> Request:
    """Read a request.

    Raises:
        PatchError: HS617, it is none.
    """
    try:
        held = json.loads(data)
        terms = held.pop("terms", {})
        terms["wish"] = read_wish(terms.pop("wish", None))
        request = Request(**{**held, "pids": tuple(held.pop("pids", ()))}, terms=Terms(**terms))
    except (ArithmeticError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refuse("it is no JSON with the fields that are known") from error
    if type(request.verb) is not str or request.verb not in _VERBS:
        raise _refuse(f"there is no such verb; there are {', '.join(_VERBS)}")
    within, most = request.terms.confirm_within, request.terms.max_errors
    sizes = [request.size, *request.pids]
    times = [request.timeout, request.terms.wish.deadline, *(number for number in (within, most) if number is not None)]
    if not all(type(number) is int and 0 <= number < 2**31 for number in sizes) or request.size > MAX_PATCH:
        raise _refuse("a number is none, or the patch is too large")
    if not all(type(number) in (int, float) and 0 <= number < 10**9 for number in times) or max(times[:2]) > LONGEST:
        raise _refuse("a time is none, or too long")
    try:
        Budget.parse(request.terms.budget)
    except ConfigError as error:
        raise _refuse(str(error)) from error
    return request


# ---------------------------------------------------------------------------------------------------------------------
# What can be asked for
# ---------------------------------------------------------------------------------------------------------------------


def _apply(spool: Spool, request: Request, patch: Patch) -> Outcome:
    return orders.apply(spool, patch, pids=request.pids, terms=request.terms, timeout=request.timeout)


def _check(spool: Spool, request: Request, patch: Patch) -> Outcome:
    return orders.check(spool, patch, pids=request.pids, timeout=request.timeout, wish=request.terms.wish)


_WITH_PATCH: dict[str, Callable[[Spool, Request, Patch], Outcome]] = {"apply": _apply, "check": _check}
_PLAIN: dict[str, Callable[[Spool, float], Outcome]] = {
    "confirm": orders.confirm, "pause": orders.pause, "resume": orders.resume,
}  # fmt: skip
_VERBS = (*_WITH_PATCH, *_PLAIN, "rollback", "status")


def carry_out(spool: Spool, open_patch: OpenPatch, request: Request, patch: bytes) -> dict[str, Any]:
    """Do what was asked for; gives the answer.

    Raises:
        PatchError: it is refused.
    """
    if request.verb == "status":
        return {"status": describe(spool)}
    if request.verb == "rollback":
        return {"outcome": attrs.asdict(orders.rollback(spool, request.timeout, request.terms.wish))}
    if request.verb in _PLAIN:
        return {"outcome": attrs.asdict(_PLAIN[request.verb](spool, request.timeout))}
    return {"outcome": attrs.asdict(_WITH_PATCH[request.verb](spool, request, open_patch(patch)))}


# ---------------------------------------------------------------------------------------------------------------------
# The side of the service
# ---------------------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Door:
    """The socket of this process.

    Attributes:
        spool: of the group.
        open_patch: verifies a patch.
        say: tells a person what cannot be told otherwise.
    """

    spool: Spool
    open_patch: OpenPatch
    say: Callable[[str], None]
    _socket: socket.socket | None = None

    def open(self) -> None:
        """Listen, in a thread that sleeps until somebody connects.

        Raises:
            PatchError: HS608, the spool cannot be used.
        """
        self.spool.check(create=True)
        _clean(self.spool)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Of this process, so of other threads, too, for that moment; there is no other way that is none too late.
            before = os.umask(0o077)
            try:
                with _short(self.spool) as folder:
                    listening.bind(f"{folder}/{os.getpid()}.sock")
            finally:
                os.umask(before)
            listening.listen(8)
        except OSError as error:
            listening.close()
            raise PatchError("HS608", f"no socket can be made in {self.spool.folder}: {error.strerror or error}") from error
        self._socket = listening
        threading.Thread(target=self._serve, args=(listening,), name="hotswap-door", daemon=True).start()

    def after_fork(self) -> None:
        """In a child: the door is its parent's."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError as error:
                if error.errno in _PASSING:  # the program has used up what it may have, just now
                    time.sleep(PAUSE)
                    continue
                self.say(f"the socket of {self.spool.group} is closed: {error}")
                return
            with connection:  # one after the other: so are orders
                # In a thread of its own: whatever goes wrong in it, the next one is listened to.
                answering = threading.Thread(target=self.answer, args=(connection,), name="hotswap-door-answer", daemon=True)
                answering.start()
                answering.join()

    def answer(self, connection: socket.socket) -> None:
        """Read one request and answer it; what is wrong with it is the answer."""
        try:
            told = self._carry_out(connection)
        except PatchError as error:
            told = {"error": {"code": error.code, "message": error.message, "next_step": error.next_step}}
        except TimeoutError:
            told = {"error": {"code": "HS617", "message": "the request did not come in time", "next_step": ""}}
        except OSError as error:
            told = {"error": {"code": "HS608", "message": f"{error.strerror or error}", "next_step": ""}}
        try:
            connection.settimeout(PATIENCE)
            _send(connection, json.dumps(told).encode())
            connection.shutdown(socket.SHUT_WR)
            _drain(connection, time.monotonic() + PATIENCE)
        except OSError:
            pass  # who has asked has gone; the journal has what was done

    def _carry_out(self, connection: socket.socket) -> dict[str, Any]:
        pid, uid = _peer(connection)
        if uid not in (0, os.geteuid()):
            raise PatchError("HS617", f"user {uid} may not give orders to a process of user {os.geteuid()}")
        end = time.monotonic() + PATIENCE
        request = parse_request(_receive(connection, MAX_HEADER, end))
        patch = _receive_exactly(connection, request.size, end)
        return carry_out(attrs.evolve(self.spool, by=f"{_name(uid)}, uid {uid}, process {pid}"), self.open_patch, request, patch)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a user without an entry, as in containers
        return "?"


def _peer(connection: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end, as the kernel knows them."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


@contextmanager
def _short(spool: Spool) -> Iterator[str]:
    """The folder of the sockets under a short name: the path of a socket may have 107 bytes only."""
    descriptor = os.open(os.path.join(spool.folder, "doors"), os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _clean(spool: Spool) -> None:
    """Take away the sockets of processes that have ended, and one of an earlier process with our number."""
    folder = os.path.join(spool.folder, "doors")
    for name in os.listdir(folder):
        pid = name.removesuffix(".sock")
        if pid.isdigit() and (int(pid) == os.getpid() or not birth_of(int(pid))):
            try:
                os.unlink(os.path.join(folder, name))
            except FileNotFoundError:  # another one was first
                pass


# ---------------------------------------------------------------------------------------------------------------------
# The side of the terminal
# ---------------------------------------------------------------------------------------------------------------------


def ask(spool: Spool, request: Request, patch: bytes = b"") -> dict[str, Any]:
    """Ask a process of a group that has a door.

    Args:
        request: with the size of the patch.

    Raises:
        PatchError: HS611, there is none; HS608, it is somebody else's; or as the process answers.
    """
    folder = os.path.join(spool.folder, "doors")
    try:
        info = os.lstat(folder)
        names = sorted(name for name in os.listdir(folder) if name.endswith(".sock"))
    except OSError as error:
        raise PatchError("HS611", f"group {spool.group} has no door: {error.strerror or error}", _NEXT) from error
    is_trusted = info.st_uid == os.geteuid() or os.geteuid() == 0  # root may ask anybody, and believes what it is told
    if not stat.S_ISDIR(info.st_mode) or not is_trusted or stat.S_IMODE(info.st_mode) & 0o022:
        raise PatchError("HS608", f"{folder} belongs to somebody else, or others may write to it")
    for name in names:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                with _short(spool) as short:
                    connection.connect(f"{short}/{name}")
            except OSError:  # its process has ended
                continue
            if _peer(connection)[1] != info.st_uid:
                raise PatchError("HS608", f"{folder}/{name} is the socket of another user")
            return _converse(connection, request, patch)
    raise PatchError("HS611", f"no process of group {spool.group} listens at its door", _NEXT)


_NEXT = "start it with hotswap agent --door, or leave out --door"


def _converse(connection: socket.socket, request: Request, patch: bytes) -> dict[str, Any]:
    try:
        connection.settimeout(PATIENCE)
        _send(connection, json.dumps(attrs.asdict(request)).encode(), patch)
        answer = json.loads(_receive(connection, MAX_ANSWER, time.monotonic() + _longest(request)))
    except (OSError, ValueError) as error:
        raise PatchError("HS611", f"the process at the door does not answer: {error}") from error
    if not isinstance(answer, dict):
        raise PatchError("HS611", "the process at the door answers with something else")
    if (error_ := answer.get("error")) is not None:
        raise PatchError(error_["code"], error_["message"], error_["next_step"])
    return answer


def _longest(request: Request) -> float:
    """Seconds until the answer has to be there: an order may be given, refused by one process, and taken back by the others."""
    return 3 * (request.timeout + request.terms.wish.deadline) + PATIENCE


def read_outcome(held: Mapping[str, Any]) -> Outcome:
    """What came of an order, from an answer."""
    answers = tuple(Answer(**{**each, **{name: tuple(each[name]) for name in ("reasons", "kept", "applied")}})
                    for each in held["answers"])  # fmt: skip
    return Outcome(done=held["done"], mixed=held["mixed"], answers=answers, reasons=tuple(held["reasons"]))


# ---------------------------------------------------------------------------------------------------------------------
# Bytes
# ---------------------------------------------------------------------------------------------------------------------


def _send(connection: socket.socket, head: bytes, rest: bytes = b"") -> None:
    connection.sendall(_LENGTH.pack(len(head)) + head + rest)


def _drain(connection: socket.socket, end: float) -> None:
    """Read what is still to come: closed before that, the kernel would throw away the answer, too."""
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(2**16):
            return


def _receive(connection: socket.socket, limit: int, end: float) -> bytes:
    (size,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size, end))
    if size > limit:
        raise _refuse(f"it is larger than {limit:,} bytes")
    return _receive_exactly(connection, size, end)


def _receive_exactly(connection: socket.socket, size: int, end: float) -> bytes:
    """So many bytes, by a time of ``time.monotonic()``."""
    found = bytearray()
    while len(found) < size:
        connection.settimeout(max(end - time.monotonic(), 0.001))
        part = connection.recv(min(size - len(found), 2**16))
        if not part:
            raise _refuse("it ends in the middle")
        found += part
    return bytes(found)
