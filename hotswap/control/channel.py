"""Where running programs can be reached: one address per process, in a directory of this user's own."""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
import struct
import sys
import tempfile

from hotswap.errors import HotswapError

__all__ = ["ChannelError", "address_of", "connect", "is_peer_allowed", "list_pids", "listen", "runtime_folder"]

#: Longest request or answer, in bytes.
MAX_MESSAGE = 16 * 1024 * 1024

_HAS_UNIX = hasattr(socket, "AF_UNIX") and sys.platform != "win32"


class ChannelError(HotswapError):
    """The running program cannot be reached, or not safely; the message says why and what to do."""


def runtime_folder(*, create: bool = False) -> str:
    """The directory of this user's sockets; only its owner can enter it.

    Raises:
        ChannelError: the directory belongs to somebody else, or others may enter it.
    """
    given = os.environ.get("HOTSWAP_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR")
    if sys.platform == "win32":
        folder = os.path.join(given or os.environ.get("LOCALAPPDATA") or tempfile.gettempdir(), "hotswap")
        os.makedirs(folder, exist_ok=True)
        return folder
    if given and os.path.isdir(given):
        folder = os.path.join(given, "hotswap")
    else:
        folder = os.path.join(tempfile.gettempdir(), f"hotswap-{os.getuid()}")
    if create:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
    _check_folder(folder)
    return folder


def _check_folder(folder: str) -> None:
    # In a shared /tmp anybody can make a directory of this name first, or a link to one of ours: lstat, owner and mode.
    try:
        info = os.lstat(folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise ChannelError(f"{folder} is not a directory of this user; remove it, or set HOTSWAP_RUNTIME_DIR")
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise ChannelError(f"others may enter {folder}; chmod 700 it, or set HOTSWAP_RUNTIME_DIR")


def address_of(pid: int, folder: str) -> str:
    """The file that stands for a process: its socket, or on Windows the file with its port and token."""
    return os.path.join(folder, f"{pid}.sock" if _HAS_UNIX else f"{pid}.port")


def list_pids(folder: str) -> list[int]:
    """The processes that have an address; those that are gone lose theirs."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    pids = sorted(int(stem) for stem, _, kind in (name.partition(".") for name in names)
                  if stem.isdigit() and kind in ("sock", "port"))
    alive = []
    for pid in pids:
        if _is_alive(pid):
            alive.append(pid)
        else:
            remove_address(address_of(pid, folder))
    return alive


def remove_address(address: str) -> None:
    try:
        os.unlink(address)
    except FileNotFoundError:
        pass


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill(pid, 0) would end the process there; connecting tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number went to a process of another user; ours is gone
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Both ends
# ---------------------------------------------------------------------------------------------------------------------


def listen(address: str) -> tuple[socket.socket, str]:
    """Open the address for this process; gives the socket and the token that peers must send ("" for a Unix socket)."""
    remove_address(address)  # left by an earlier process with this number, or by this one before it restarted
    if not _HAS_UNIX:
        return _listen_tcp(address)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # the socket is born private; chmod after bind would leave a moment
    try:
        server.bind(address)
    except OSError as exc:
        server.close()
        raise ChannelError(f"{address}: {exc}; set HOTSWAP_RUNTIME_DIR to a short path") from exc
    finally:
        os.umask(mask)
    server.listen(8)
    return server, ""


def _listen_tcp(address: str) -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0))
    token = secrets.token_hex(32)
    handle = os.open(address, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="ascii") as file:
        json.dump({"port": server.getsockname()[1], "token": token}, file)
    return server, token


def connect(address: str, timeout: float) -> tuple[socket.socket, str]:
    """Open a connection; gives the socket and the token to send.

    Raises:
        OSError: nobody listens there.
    """
    if _HAS_UNIX:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(timeout)
        try:
            client.connect(address)
        except OSError:
            client.close()
            raise
        return client, ""
    with open(address, encoding="ascii") as file:
        known = json.load(file)
    return socket.create_connection(("127.0.0.1", known["port"]), timeout), known["token"]


def is_peer_allowed(peer: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user (or to root, who may do anything anyway).

    The directory's mode already keeps others out; this holds too where its mode is changed later.
    """
    if not _HAS_UNIX:
        return True  # the token decides
    uid = _find_peer_uid(peer)
    return uid is not None and uid in (os.geteuid(), 0)


def _find_peer_uid(peer: socket.socket) -> int | None:
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return int(uid)
    # macOS and the BSDs, not tried: struct xucred { u_int version; uid_t uid; … } by LOCAL_PEERCRED (1) at level 0.
    try:
        _, uid = struct.unpack_from("Ii", peer.getsockopt(0, 1, 76))
    except OSError:
        return None
    return int(uid)
