"""A patch as one file: a manifest, its signature, and the new texts.

The file is a zip archive that any tool can list, but it is written and read here, in one form only: stored, in a fixed order,
without times. Who reads one rebuilds it and compares the bytes, so there is no place in it that a signature does not cover:

    manifest.json         canonical JSON; names the SHA-256 of all that follows
    manifest.json.sig     an SSH signature of these bytes; missing while the patch is unsigned
    files/shop/cart.py    the new texts, by path
    hooks.py              asked before and after; mostly missing
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import attrs

from hotswap.errors import PatchError

__all__ = ["Change", "Manifest", "Patch", "PatchedFile", "Sealed", "make_patch", "read_sealed", "sha256"]

#: Bounds, in bytes but for the number of files.
MAX_PATCH, MAX_MANIFEST, MAX_SIGNATURE, MAX_FILES = 16 * 2**20, 2**20, 16 * 2**10, 1000
FORMAT = 1

_MANIFEST, _SIGNATURE, _FILES, _HOOKS = "manifest.json", "manifest.json.sig", "files/", "hooks.py"
#: No dots but the last, so no way leads out of the root; ASCII, so two spellings of one name cannot differ.
_PATH = re.compile(r"(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+\.py", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def sha256(data: bytes) -> str:
    """The digest of some bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _refuse(why: str) -> NoReturn:
    raise PatchError("HS601", f"this is no patch that can be trusted to be whole: {why}")


# ---------------------------------------------------------------------------------------------------------------------
# The nouns
# ---------------------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class PatchedFile:
    """One text.

    Attributes:
        path: relative to the root of imports, with slashes.
        base: SHA-256 of the text that it replaces; empty for a file that comes.
        digest: SHA-256 of the new text; empty for a file that goes.
        size: bytes of the new text.
    """

    path: str
    base: str
    digest: str
    size: int

    @property
    def module(self) -> str:
        """The name under which the file is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@attrs.frozen(kw_only=True)
class Change:
    """One difference that the builder found in the texts: see :class:`hotswap.model.Edit`."""

    module: str
    qualname: str
    kind: str
    line: int


@attrs.frozen(kw_only=True)
class Manifest:
    """What a patch is.

    Attributes:
        id: for people; unique by the number, exact is only the digest.
        number: counts the patches of a target; an older one than was applied is refused.
        target, versions: the distribution it is for, and its versions; empty for any (the digests decide).
        expires: ``2026-12-31T00:00:00Z``; empty for never. It may not be ordered afterwards.
        needs: digests of patches that have to be live.
        supersedes: digests of patches in whose place it stands.
        hooks: SHA-256 of the module that is asked before and after; empty for none.
        files: by path.
        changes: what the builder found.
    """

    id: str
    number: int
    description: str
    author: str
    target: str
    versions: tuple[str, ...] = ()
    expires: str = ""
    needs: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    hooks: str = ""
    files: tuple[PatchedFile, ...] = ()
    changes: tuple[Change, ...] = ()

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same manifest gives the same bytes."""
        return _dump({"format": FORMAT, **attrs.asdict(self)})

    def is_expired(self, at: float) -> bool:
        """Whether it may not be ordered any more.

        Args:
            at: Unix time in seconds.
        """
        return bool(self.expires) and at >= _parse_time(self.expires)


@attrs.frozen(kw_only=True)
class Patch:
    """A patch that was read whole.

    Attributes:
        manifest: what it is.
        texts: the new texts by path, with the digests that the manifest names; without those of files that go.
        hooks: the module that is asked before and after; empty for none.
        signature: armoured; empty while it is unsigned.
    """

    manifest: Manifest
    texts: Mapping[str, bytes] = attrs.field(repr=False)
    hooks: bytes = attrs.field(default=b"", repr=False)
    signature: bytes = attrs.field(default=b"", repr=False)

    @property
    def digest(self) -> str:
        """What identifies it: of the manifest, which names all else; the same before and after it is signed."""
        return sha256(self.manifest.to_bytes())

    def to_bytes(self) -> bytes:
        """The file."""
        signed = {_SIGNATURE: self.signature} if self.signature else {}
        texts = {_FILES + path: text for path, text in sorted(self.texts.items())}
        hooks = {_HOOKS: self.hooks} if self.hooks else {}
        return _pack({_MANIFEST: self.manifest.to_bytes(), **signed, **texts, **hooks})


@attrs.frozen(kw_only=True)
class Sealed:
    """A patch as it came, of which only the container was looked at.

    Attributes:
        manifest, signature: bytes, not looked at.
        members: the other members by name.
    """

    manifest: bytes = attrs.field(repr=False)
    signature: bytes = attrs.field(repr=False)
    members: Mapping[str, bytes] = attrs.field(repr=False)

    def open(self) -> Patch:
        """Read the manifest and check that all else is what it names; the signature has been verified before.

        Raises:
            PatchError: HS601, anything in it is not as a builder would have written it.
        """
        manifest = _parse_manifest(self.manifest)
        texts: dict[str, bytes] = {}
        hooks = self.members.get(_HOOKS, b"")
        if (sha256(hooks) if hooks else "") != manifest.hooks:
            _refuse("its hooks are not those that the manifest names")
        for file in manifest.files:
            if not file.digest:
                continue
            text = self.members.get(_FILES + file.path)
            if text is None or len(text) != file.size or sha256(text) != file.digest:
                _refuse(f"{file.path} is not the text that the manifest names")
            texts[file.path] = text
        if len(texts) + bool(hooks) != len(self.members):
            _refuse("it has members that the manifest does not name")
        return Patch(manifest=manifest, texts=texts, hooks=hooks, signature=self.signature)


def make_patch(manifest: Manifest, texts: Mapping[str, bytes], hooks: bytes = b"") -> Patch:
    """An unsigned patch, by the same checks as one that is read.

    Raises:
        PatchError: HS601, a value is not allowed or a bound is exceeded.
    """
    data = Patch(manifest=manifest, texts=texts, hooks=hooks).to_bytes()
    return read_sealed(data).open()


# ---------------------------------------------------------------------------------------------------------------------
# The container
# ---------------------------------------------------------------------------------------------------------------------

# A zip archive has a header before each member, the same again in a directory at the end, and an end record.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DATE = 0x21  # the first of January 1980, the earliest that the format knows


def _pack(members: Mapping[str, bytes]) -> bytes:
    body, directory = b"", b""
    for name, data in members.items():
        key, crc = name.encode("ascii"), zlib.crc32(data)
        sizes = (len(data), len(data), len(key))
        directory += _CENTRAL.pack(b"PK\1\2", 20, 20, 0, 0, 0, _DATE, crc, *sizes, 0, 0, 0, 0, 0, len(body)) + key
        body += _LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, _DATE, crc, *sizes, 0) + key + data
    end = _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + end


def _unpack(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while data[at : at + 4] == b"PK\3\4" and len(data) >= at + _LOCAL.size:
        header = _LOCAL.unpack_from(data, at)
        size, name_size = header[8], header[9]
        at += _LOCAL.size
        name, body = data[at : at + name_size], data[at + name_size : at + name_size + size]
        at += name_size + size
        yield name.decode("ascii", "replace"), body


def read_sealed(data: bytes) -> Sealed:
    """Take a file apart, without a look into its members.

    Raises:
        PatchError: HS601, it is larger than allowed, or not in the one form that is written.
    """
    if len(data) > MAX_PATCH:
        _refuse(f"it is larger than {MAX_PATCH:,} bytes")
    members: dict[str, bytes] = {}
    for name, body in _unpack(data):
        if name in members:
            _refuse("a member is there twice")
        if len(members) > MAX_FILES + 2:
            _refuse(f"it has more than {MAX_FILES} files")
        members[name] = body
    manifest, signature = members.pop(_MANIFEST, b""), members.pop(_SIGNATURE, b"")
    if len(manifest) > MAX_MANIFEST or len(signature) > MAX_SIGNATURE:
        _refuse("its manifest or its signature is larger than allowed")
    for name in members:
        if name != _HOOKS and (not name.startswith(_FILES) or not _PATH.fullmatch(name.removeprefix(_FILES))):
            _refuse(f"it has a member {name[:80]!a}, which is no path of a source file")
    signed = {_SIGNATURE: signature} if signature else {}
    if not manifest or _pack({_MANIFEST: manifest, **signed, **dict(sorted(members.items()))}) != data:
        _refuse("its bytes are not those that hotswap writes")
    return Sealed(manifest=manifest, signature=signature, members=members)


# ---------------------------------------------------------------------------------------------------------------------
# The manifest
# ---------------------------------------------------------------------------------------------------------------------


def _dump(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode() + b"\n"


def _parse_manifest(data: bytes) -> Manifest:
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        _refuse("its manifest is no JSON")
    if not isinstance(held, dict) or held.pop("format", None) != FORMAT:
        _refuse(f"its manifest is not of format {FORMAT}; another version of hotswap has written it")
    known = _exactly(Manifest, held)
    known["files"] = tuple(PatchedFile(**_exactly(PatchedFile, item)) for item in _items(known["files"]))
    known["changes"] = tuple(Change(**_exactly(Change, item)) for item in _items(known["changes"]))
    for name in ("versions", "needs", "supersedes"):
        known[name] = tuple(_items(known[name]))
    manifest = Manifest(**known)
    _check(manifest)
    if manifest.to_bytes() != data:  # a key that is there twice, another spelling of a number
        _refuse("its manifest is not in the form that hotswap writes")
    return manifest


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > 100_000:
        _refuse("its manifest has something else than a list")
    return value


def _exactly(cls: type[Any], value: Any) -> dict[str, Any]:
    names = {field.name for field in attrs.fields(cls)}
    if not isinstance(value, dict) or value.keys() != names:
        extra = sorted(set(value) ^ names) if isinstance(value, dict) else ["all"]
        _refuse(f"its manifest has fields that are unknown, or lacks some: {', '.join(map(ascii, extra))[:200]}")
    return value


def _check(manifest: Manifest) -> None:
    texts: list[Any] = [manifest.description, manifest.author, manifest.target, *manifest.versions, manifest.expires]
    texts += [part for change in manifest.changes for part in (change.module, change.qualname, change.kind)]
    if not all(type(text) is str and text.isprintable() for text in texts):  # what a terminal shows comes from here
        _refuse("its manifest has a text that is none, or not one line of printable characters")
    numbers: list[Any] = [manifest.number, *(file.size for file in manifest.files), *(each.line for each in manifest.changes)]
    if not all(type(number) is int and 0 <= number < 2**53 for number in numbers) or manifest.number == 0:
        _refuse("its manifest has a number that is none")
    if not _fits(_ID, [manifest.id]):
        _refuse("its id is not made of a to z, 0 to 9, dot, dash and underscore, 64 at most")
    if not _fits(_TARGET, [manifest.target]):
        _refuse("its target is no name of a distribution")
    optional: list[Any] = [manifest.hooks, *(digest for file in manifest.files for digest in (file.base, file.digest))]
    if not _fits(_DIGEST, [*manifest.needs, *manifest.supersedes, *(digest for digest in optional if digest != "")]):
        _refuse("its manifest has a digest that is none")
    if any((not file.base and not file.digest) or (not file.digest and file.size) for file in manifest.files):
        _refuse("it has a file that neither comes nor goes")
    paths = [file.path for file in manifest.files]
    if not paths or len(paths) > MAX_FILES or not _fits(_PATH, paths):
        _refuse(f"it has no files, or more than {MAX_FILES}, or one whose path is none of a source file")
    if paths != sorted(set(paths)):
        _refuse("a file is there twice, or the files are not in order")
    if manifest.expires:
        _parse_time(manifest.expires)


def _fits(pattern: re.Pattern[str], texts: list[Any]) -> bool:
    return all(type(text) is str and pattern.fullmatch(text) for text in texts)


def _parse_time(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        _refuse("its expiry is no time as 2026-12-31T00:00:00Z")
