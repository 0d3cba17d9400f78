"""SSH signatures by Ed25519 keys verified in this process, for machines without ssh-keygen, as small containers are.

Needs the library ``cryptography`` (``pip install 'hotswap[hotfix]'``). The formats are OpenSSH's, ``PROTOCOL.sshsig`` and the
section on allowed signers of ssh-keygen(1). What is not understood of the trust file does not count: authorities, other kinds of
keys, options that are unknown. So who is trusted here is trusted by ssh-keygen, too.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import attrs

__all__ = ["SignatureError", "is_there", "verify_here"]

_LINE = re.compile(
    r'(?P<principals>"[^"]+"|[^\s"#]\S*)\s+'
    r'(?:(?P<options>[a-z-]+(?:="[^"]*")?(?:,[a-z-]+(?:="[^"]*")?)*)\s+)?'
    r"ssh-ed25519\s+(?P<key>[A-Za-z0-9+/=]+)(?:\s.*)?"
)
_OPTION = re.compile(r'([a-z-]+)(?:="([^"]*)")?')
_KIND = b"ssh-ed25519"
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


class SignatureError(Exception):
    """The signature does not hold, or nobody who may has made it."""


@attrs.frozen
class _Signature:
    key: bytes
    namespace: bytes
    hash: str
    raw: bytes


def is_there() -> bool:
    """Whether the library is installed."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 - late: only who has no ssh-keygen needs it
    except ImportError:
        return False
    return True


def verify_here(data: bytes, armoured: bytes, trust: str, namespace: str, at: float, revoked: bytes = b"") -> tuple[str, str]:
    """The principal and the fingerprint of who has signed.

    Args:
        data: what was signed.
        trust: the text of the file of allowed signers.
        at: Unix time in seconds, by which keys are judged to be valid.
        revoked: public keys that do not count, a line each.

    Raises:
        SignatureError: it does not hold.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = _parse(armoured)
    if signature.namespace != namespace.encode():
        raise SignatureError("it was signed for something else")
    principal = next(_principals(trust, signature.key, namespace, at), None)
    if principal is None:
        raise SignatureError("no principal matched")
    if signature.key in _parse_keys(revoked):
        raise SignatureError("the key was revoked")
    digest = hashlib.new(signature.hash, data).digest()
    signed = b"SSHSIG" + b"".join(map(_string, (signature.namespace, b"", signature.hash.encode(), digest)))
    try:
        Ed25519PublicKey.from_public_bytes(_strings(signature.key, 2)[1]).verify(signature.raw, signed)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("incorrect signature") from error
    fingerprint = base64.b64encode(hashlib.sha256(signature.key).digest()).decode().rstrip("=")
    return principal, f"SHA256:{fingerprint}"


def _parse(armoured: bytes) -> _Signature:
    try:
        blob = base64.b64decode(b"".join(armoured.split(b"\n")[1:-2]), validate=True)
    except ValueError as error:
        raise SignatureError("it is no signature") from error
    if blob[:10] != b"SSHSIG\0\0\0\1":
        raise SignatureError("it is no signature of version 1")
    key, namespace, reserved, hash_name, signature = _strings(blob[10:], 5)
    kind, raw = _strings(signature, 2)
    if _strings(key, 2)[0] != _KIND or kind != _KIND or reserved or hash_name not in (b"sha256", b"sha512"):
        raise SignatureError("it is not by an Ed25519 key, and others need ssh-keygen")
    return _Signature(key, namespace, hash_name.decode(), raw)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _strings(data: bytes, count: int) -> list[bytes]:
    """So many strings with their lengths before them, and nothing else."""
    found: list[bytes] = []
    while len(data) >= 4 and len(found) < count:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        if len(found[-1]) != size:
            break
        data = data[4 + size :]
    if len(found) != count or data:
        raise SignatureError("it is no signature")
    return found


def _principals(trust: str, key: bytes, namespace: str, at: float) -> Iterator[str]:
    wanted = base64.b64encode(key).decode()
    for line in trust.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is not None and match["key"] == wanted and _allows(match["options"] or "", namespace, at):
            yield match["principals"].strip('"')


def _parse_keys(revoked: bytes) -> set[bytes]:
    """The keys of a list; one that cannot be understood as a whole counts for nobody's good."""
    keys = set()
    for line in revoked.splitlines():
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        try:
            keys.add(base64.b64decode(words[1], validate=True))
        except (IndexError, ValueError) as error:  # also what ssh-keygen -k makes
            raise SignatureError("the file of revoked keys is no list of public keys, which needs ssh-keygen") from error
    return keys


def _allows(options: str, namespace: str, at: float) -> bool:
    for name, value in _OPTION.findall(options):
        if name == "namespaces":
            patterns = value.split(",")
            if not {"!", "["}.isdisjoint(value) or not any(fnmatch.fnmatchcase(namespace, pattern) for pattern in patterns):
                return False
        elif name in ("valid-before", "valid-after"):
            limit = _parse_time(value)
            if limit is None or (at > limit if name == "valid-before" else at < limit):
                return False
        else:
            return False
    return True


def _parse_time(text: str) -> float | None:
    digits = text.removesuffix("Z")
    if len(digits) not in _TIMES:
        return None
    try:
        moment = datetime.strptime(digits, _TIMES[len(digits)])  # without a zone: local, as OpenSSH has it
    except ValueError:
        return None
    return (moment.replace(tzinfo=UTC) if text.endswith("Z") else moment).timestamp()
