"""Reading a source file that somebody may be writing to."""

from __future__ import annotations

import os
import stat

__all__ = ["Signature", "Unstable", "read_source", "sign"]

#: Which content a file has, as far as ``stat`` can tell: times of content and of attributes in ns, size, inode.
Signature = tuple[int, int, int, int]


class Unstable(Exception):
    """The file changed while it was read; read it again when its writer has finished."""


def sign(path: str) -> Signature | None:
    """The file's signature now; None when there is no such file."""
    try:
        return make_signature(os.stat(path))
    except OSError:
        return None


def make_signature(info: os.stat_result) -> Signature:
    # st_ctime_ns is in it so that a change of permissions is seen too: a file may become readable.
    return info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino


def read_source(path: str) -> tuple[bytes | None, Signature | None]:
    """The bytes of a file and the signature they go with; None and None when there is no such file.

    Raises:
        Unstable: somebody wrote to it in between.
        OSError: it cannot be read.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None, None  # a pipe in its place: opening it could block for ever
        with open(path, "rb") as file:
            before = os.fstat(file.fileno())
            data = file.read()
            after = make_signature(os.fstat(file.fileno()))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None, None
    if make_signature(before) != after or len(data) != after[2]:
        raise Unstable(path)
    return data, after
