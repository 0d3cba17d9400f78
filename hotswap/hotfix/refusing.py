"""Why a patch is not put on, or not taken off."""

from __future__ import annotations

from typing import NoReturn

from hotswap.errors import PatchError
from hotswap.model import Finding, Severity

__all__ = ["Refusal", "held", "refuse"]


class Refusal(Exception):
    """A patch is not applied, or not taken back.

    Attributes:
        findings: why.
    """

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings


def held(code: str, message: str, file: str, next_step: str = "") -> Finding:
    """A reason, with the next step that belongs to its code unless there is a better one."""
    step = next_step or PatchError(code, message).next_step
    return Finding(code=code, severity=Severity.HELD, message=message, file=file, next_step=step)


def refuse(code: str, message: str, file: str, next_step: str = "") -> NoReturn:
    """Refuse for one reason.

    Raises:
        Refusal: always.
    """
    raise Refusal((held(code, message, file, next_step),))
