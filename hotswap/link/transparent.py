"""Wrappers that pretend to be what they wrap, as ``wrapt.decorator`` makes them: ``isinstance`` takes them for functions.

    what a new wrapper holds      where it is put
    the function that it wraps    a wrapper over the live function stands for it
    other arguments of the        the live wrapper's own closure is led to the new one, where there is one
      decorator
    another decorator             the new wrapper is bound; references taken before keep the old one, and that is said
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import wrapt

from hotswap.commit import Swap
from hotswap.link.redirect import redirect
from hotswap.model import Finding, Severity

_KINDS = (wrapt.FunctionWrapper,)


def is_transparent(value: Any) -> bool:
    return type(value) in _KINDS


def remake(wrapper: Any, resolve: Callable[[Any], Any]) -> Any:
    """The same wrapper around what stands for its parts; they cannot be exchanged in it."""
    return type(wrapper)(resolve(wrapper.__wrapped__), resolve(wrapper._self_wrapper), wrapper._self_enabled)


def parts_of(wrapper: Any) -> tuple[Any, Any, Any]:
    return wrapper.__wrapped__, wrapper._self_wrapper, wrapper._self_enabled


def is_same(live: Any, new: Any) -> bool:
    """True for two wrappers of one kind around the same objects: the live one stays."""
    return all(one is other for one, other in zip(parts_of(live), parts_of(new), strict=True))


def lead_wrapper(swap: Swap, live: Any, new: Any, module: str, qualname: str) -> bool:
    """Let a live wrapper do what a new one does; False where it cannot."""
    if is_same(live, new):
        return True
    (wrapped, old, enabled), (fresh, other, also) = parts_of(live), parts_of(new)
    if wrapped is not fresh or enabled is not also or type(old) is not FunctionType or type(other) is not FunctionType:
        return False
    own = "<locals>" in old.__qualname__ and old.__code__.co_qualname == other.__code__.co_qualname
    return own and redirect(swap, old, other, module, qualname)


def name_left(swap: Swap, module: str, qualname: str, where: tuple[str, int]) -> None:
    """Say that references to a wrapper that were taken before stay with it."""
    message = f"{module}.{qualname} is in another wrapper now, or in none: references taken before keep the old one"
    step = "take it from its module or class again"
    swap.findings.append(
        Finding(code="HS409", severity=Severity.KEPT, message=message, file=where[0], line=where[1], next_step=step)
    )
