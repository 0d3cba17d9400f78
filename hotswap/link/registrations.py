"""Which classes are registered with an abstract class (``P.register(X)``), where its recipe is evaluated again.

    the new text registers another one                          registered
    the live one has others, and a statement that may have      HS204: whether the text or the program
      registered them is gone or has another text                registered them is not known
    the live one has others otherwise                           the program's own, kept
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from hotswap.commit import Swap, set_class
from hotswap.model import Finding, Severity
from hotswap.plugin.values import ClassPair, Refusal


def follow_registrations(swap: Swap, pair: ClassPair, resolve: Callable[[Any], Any], *, is_unset: bool) -> None:
    """Add the write that registers with a live abstract class what its new text registers.

    Args:
        is_unset: a statement that contributed to the class is gone, or has another text.

    Raises:
        Refusal: HS204.
    """
    if not (isinstance(pair.live, abc.ABCMeta) and isinstance(pair.staged, abc.ABCMeta)):
        return
    held, new = _registered(pair.live), [resolve(cls) for cls in _registered(pair.staged)]
    if is_unset and (gone := [cls for cls in held if not _is_in(cls, new)]):
        message = f"{gone[0].__qualname__} is registered with {pair.module}.{pair.path}, and the new text does not register it"
        raise Refusal(
            Finding(code="HS204", severity=Severity.HELD, message=message, file=pair.file, line=pair.line, next_step="restart")
        )
    added = [cls for cls in new if not _is_in(cls, held)]
    if added:
        # Registering asks issubclass, and that the program, so it is not done inside of the commit: the registry of
        # another class is filled here, and given to the live one there.
        other = abc.ABCMeta(pair.live.__name__, (), {})
        for cls in (*held, *added):
            other.register(cls)
        abc._reset_caches(other)  # type: ignore[attr-defined]
        swap.add(set_class(pair.live, "_abc_impl", other.__dict__["_abc_impl"], f"classes registered with {pair.path}"))


def _registered(cls: type) -> list[type]:
    registry, *_ = abc._get_dump(cls)  # type: ignore[attr-defined]
    return [found for ref in registry if (found := ref()) is not None]


def _is_in(cls: type, classes: list[type]) -> bool:
    return any(cls is other for other in classes)  # a metaclass may have an __eq__ of its own
