"""Signatures by SSH keys, made and verified by ``ssh-keygen -Y``; where that is not there, verified by ``sshsig.py``.

The trust file is one of allowed signers, as ssh-keygen has it: ``principal options keytype key``, with ``namespaces="hotswap"``
and, where a key ends, ``valid-before="20270101"``. Keys that do not count any more, whenever they have signed, stand in a file of
revoked keys beside it: public keys, a line each, or what ``ssh-keygen -k`` makes.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NoReturn

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix.sshsig import SignatureError, is_there, verify_here

__all__ = ["Signer", "default_trust", "revoked_keys", "sign", "verify"]

NAMESPACE = "hotswap"
#: Seconds that ssh-keygen gets; it takes some ten milliseconds.
PATIENCE = 30.0
MAX_TRUST = 2**20

_GOOD = re.compile(rf'Good "{NAMESPACE}" signature for (?P<principal>.+) with (?P<kind>\S+) key (?P<key>SHA256:\S+)\s*')


@attrs.frozen(kw_only=True)
class Signer:
    """Who has signed: the principal of the trust file, and the fingerprint of the key."""

    principal: str
    key: str


def default_trust() -> str:
    """The trust file of this machine, or the one that ``HOTSWAP_TRUST`` names."""
    return os.environ.get("HOTSWAP_TRUST") or "/etc/hotswap/allowed_signers"


def revoked_keys(trust: str) -> str:
    """The file of revoked keys that belongs to a trust file, or the one that ``HOTSWAP_REVOKED`` names."""
    return os.environ.get("HOTSWAP_REVOKED") or os.path.join(os.path.dirname(trust), "revoked_keys")


def sign(data: bytes, key: str) -> bytes:
    """The armoured signature of some bytes.

    Args:
        key: the file of a private key, or of a public one whose private key an ssh-agent has.

    Raises:
        PatchError: HS602, ssh-keygen says no.
    """
    done = _run(["-Y", "sign", "-n", NAMESPACE, "-f", key], data)
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        _refuse(f"it cannot be signed with {key}: {_last_line(done.stderr)}")
    return done.stdout


def verify(data: bytes, signature: bytes, trust: str, at: float) -> Signer:
    """Who has signed some bytes, where that is somebody who may.

    Args:
        trust: the file of allowed signers.
        at: Unix time, in seconds, by which keys are judged to be valid.

    Raises:
        PatchError: HS602, nobody who may has signed them; or it cannot be found out.
    """
    if not signature:
        _refuse("it is not signed")
    _check_armour(signature)
    allowed_signers = _read_trust("trust file", trust)
    revoked = _read_revoked(revoked_keys(trust))
    if not is_program_there() and is_there():
        try:
            principal, key = verify_here(data, signature, allowed_signers.decode("utf-8", "replace"), NAMESPACE, at, revoked)
        except SignatureError as error:
            _refuse(f"its signature does not hold by {trust}: {error}")
        return Signer(principal=principal, key=key)
    return _verify_by_program(data, signature, allowed_signers, revoked, trust, at)


def _verify_by_program(
    data: bytes, signature: bytes, allowed_signers: bytes, revoked: bytes, trust: str, at: float
) -> Signer:
    when = f"verify-time={time.strftime('%Y%m%d%H%M%S', time.localtime(at))}"
    with ExitStack() as stack:
        allowed = stack.enter_context(_in_memory(allowed_signers))
        armoured = stack.enter_context(_in_memory(signature))
        ended = stack.enter_context(_in_memory(revoked))
        files, fds = ["-s", f"/dev/fd/{armoured}", "-f", f"/dev/fd/{allowed}"], (allowed, armoured, ended)
        found = _run(["-Y", "find-principals", "-O", when, *files], b"", fds)
        principal = found.stdout.decode("utf-8", "replace").split("\n")[0].strip()
        if not principal:
            why = _last_line(found.stderr)
            _refuse(f"the key that signed it is not one of {trust}, or not valid at this time ({why})")
        words = ["-Y", "verify", "-n", NAMESPACE, "-I", principal, "-r", f"/dev/fd/{ended}", "-O", when, *files]
        done = _run(words, data, fds)
    # By what it has printed, not by its exit code: a program that waits for all children may take that away from subprocess,
    # which then says 0.
    good = _GOOD.fullmatch(done.stdout.decode("utf-8", "replace"))
    if good is None or good["principal"] != principal or done.returncode:
        _refuse(f"its signature does not hold: {_last_line(done.stderr + done.stdout)}")
    return Signer(principal=principal, key=good["key"])


def is_program_there() -> bool:
    """Whether there is an ssh-keygen."""
    return shutil.which("ssh-keygen") is not None


def _check_armour(signature: bytes) -> None:
    """Refuse what ssh-keygen would read as the same signature: a patch is in one form, to the last byte."""
    lines = signature.split(b"\n")
    body = b"".join(lines[1:-2])
    try:
        raw = base64.b64decode(body, validate=True)
    except ValueError:
        raw = b""
    wrapped = base64.b64encode(raw)
    folded = b"\n".join(wrapped[at : at + 70] for at in range(0, len(wrapped), 70))
    if signature != b"-----BEGIN SSH SIGNATURE-----\n" + folded + b"\n-----END SSH SIGNATURE-----\n":
        _refuse("its signature is not written as ssh-keygen does")


def _read_revoked(path: str) -> bytes:
    """The revoked keys; none where there is no file, unless it was asked for."""
    if not os.path.lexists(path) and "HOTSWAP_REVOKED" not in os.environ:
        return b""
    return _read_trust("file of revoked keys", path)


def _read_trust(what: str, path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            info = os.fstat(stream.fileno())
            data = stream.read(MAX_TRUST + 1)
    except OSError as error:
        _refuse(f"there is no {what} {path} to verify it by ({error.strerror or error})")
    if info.st_uid not in (0, os.geteuid()) or stat.S_IMODE(info.st_mode) & 0o022:
        _refuse(f"the {what} {path} belongs to somebody else, or others may write to it")
    if len(data) > MAX_TRUST:
        _refuse(f"the {what} {path} is larger than {MAX_TRUST:,} bytes")
    return data


@contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """A descriptor with some bytes: nothing is written to a disk, which may be read-only, and nobody can exchange it."""
    if sys.platform != "linux":
        _refuse("signatures are verified on Linux only")
    descriptor = os.memfd_create("hotswap")
    try:
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _run(words: Sequence[str], data: bytes, fds: Sequence[int] = ()) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        _refuse("there is neither ssh-keygen nor the library cryptography to verify it with; install one of them")
    try:
        return subprocess.run(
            [program, *words], input=data, capture_output=True, pass_fds=fds, timeout=PATIENCE, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError) as error:
        _refuse(f"ssh-keygen could not be run: {error}")


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else "ssh-keygen gives no reason"


def _refuse(why: str) -> NoReturn:
    raise PatchError("HS602", why)
