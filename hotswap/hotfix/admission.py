"""Whether a process may follow an order: who has signed the patch, and whether it goes together with what is here."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hotswap.errors import PatchError
from hotswap.green import patched_by
from hotswap.hotfix.patch import Manifest, Patch, read_sealed
from hotswap.hotfix.signing import Signer, verify
from hotswap.hotfix.spool import Desired, Order

__all__ = ["check_threads", "check_version", "find_depth", "open_order"]


def open_order(data: bytes, trust: str, at: float) -> tuple[Patch, Signer]:
    """Read a patch, in the one order that is safe: container, signature, manifest, digests, expiry.

    Args:
        data: the file.
        trust: the file of allowed signers.
        at: when it was ordered, Unix time in seconds.

    Raises:
        PatchError: it is refused.
    """
    sealed = read_sealed(data)
    signer = verify(sealed.manifest, sealed.signature, trust, at)
    patch = sealed.open()
    if patch.manifest.is_expired(at):
        raise PatchError("HS603", f"{patch.manifest.id} expired at {patch.manifest.expires}")
    return patch, signer


def find_depth(manifest: Manifest, order: Order, live: Sequence[Patch], desired: Desired, has_rate: bool) -> int:
    """How many of the live patches one would stand on; it replaces those above.

    Args:
        live: the oldest first.
        has_rate: whether the program gives its error rate.

    Raises:
        PatchError: HS604, HS606, HS607: it does not go together with what is here.
    """
    for each in live:
        if each.manifest.target == manifest.target and each.manifest.number >= manifest.number:
            raise PatchError("HS604", f"{manifest.id} has number {manifest.number}, {each.manifest.id} is live with "
                                      f"{each.manifest.number}")  # fmt: skip
    depth = next((at for at, each in enumerate(live) if each.digest in manifest.supersedes), len(live))
    for each in live[depth:]:
        if each.digest not in manifest.supersedes:
            raise PatchError("HS607", f"{manifest.id} replaces a patch on which {each.manifest.id} stands, and not that one")
    lacking = set(manifest.needs) - {each.digest for each in live[:depth]} - set(desired.deployed)
    if lacking:
        names = ", ".join(digest[:12] for digest in sorted(lacking))
        raise PatchError("HS607", f"{manifest.id} needs {names}, which is not live here")
    if order.max_errors is not None and not has_rate:
        raise PatchError("HS615", "the order asks for the error rate, and the program does not give one to its agent",
                         "hotswap.agent(..., error_rate=...) in the program, or leave out --max-errors")  # fmt: skip
    check_version(manifest.target, manifest.versions)
    return depth


def check_threads(made_under: str) -> None:
    """Make sure that threads are what they were when the agent was made: a server may replace them after a fork.

    Args:
        made_under: what :func:`hotswap.green.patched_by` said then.

    Raises:
        PatchError: HS619, they are greenlets by now.
    """
    if (library := patched_by()) != made_under:
        why = f"{library} has replaced threads by greenlets in process {os.getpid()}, after its agent had been started"
        raise PatchError("HS619", why)


def check_version(target: str, versions: tuple[str, ...]) -> None:
    """Whether the installed version is one that a patch is for.

    Raises:
        PatchError: HS606, it is not.
    """
    from importlib.metadata import PackageNotFoundError, version

    if not versions:
        return
    try:
        found = version(target)
    except PackageNotFoundError:
        raise PatchError("HS606", f"{target} is not installed as a distribution, so its version is not known") from None
    if found not in versions:
        raise PatchError("HS606", f"{target} is here in version {found}, the patch is for {', '.join(versions)}")
