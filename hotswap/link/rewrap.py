"""Function wrappers of wrapt that the program made: the live one stays and takes over what a new one wraps and does.

    live          new                     what is done
    wrapper       wrapper of its type     the live one gets the state of the new one, bound ones get its wrapper function
    wrapper       another callable        the live one passes all calls on
    wrapper       no callable             the live one says that the definition is gone

A wrapper's class is written in C and can be initialised again, which is one write that cannot be seen in parts.
"""

from __future__ import annotations

from typing import Any

import wrapt

from hotswap.collector import nothing_hidden, referrers
from hotswap.commit import Swap, Write
from hotswap.kinds import is_a
from hotswap.model import Mechanism, Redirect

#: The class that keeps the state, of bound wrappers, too.
_BASE: Any = wrapt.FunctionWrapper.__mro__[1]
_STATE = ("instance", "wrapper", "enabled", "binding", "parent", "owner")
#: What the classes of :func:`wrapt.decorator` keep besides.
_EXTRAS = ("_self_adapter", "_self_surrogate")

State = tuple[Any, ...]


def is_wrapper(value: Any) -> bool:
    return is_a(value, wrapt.FunctionWrapper)


def state_of(wrapper: Any) -> State:
    """What a wrapper, bound or not, is initialised with; ``owner`` came with wrapt 2."""
    return (
        wrapper.__wrapped__,
        *(getattr(wrapper, f"_self_{name}") for name in _STATE if hasattr(_BASE, f"_self_{name}")),
    )


def set_state(wrapper: Any, state: State) -> None:
    """Give a wrapper that nobody in the program knows yet another state."""
    _BASE.__init__(wrapper, *state)


def rewrap(swap: Swap, live: Any, new: Any, module: str, qualname: str) -> None:
    """Give the live wrapper the state of a new one that refers to live objects only."""
    old, state = state_of(live), state_of(new)
    extras = {name: _extra(new, name) for name in _EXTRAS if _extra(new, name) is not _extra(live, name)}
    if all(mine is theirs for mine, theirs in zip(old, state, strict=True)) and not extras:
        return
    _write(swap, live, state)
    for name, value in extras.items():
        swap.add(Write((setattr, live, name, value), (setattr, live, name, _extra(live, name))))
    swap.redirects.append(Redirect(module=module, qualname=qualname, mechanism=Mechanism.PROXY))


def lead_wrapper(swap: Swap, live: Any, new: Any, module: str, qualname: str) -> bool:
    """Let a live wrapper do what a new callable does; True where it can stay in its place."""
    if type(new) is type(live):
        rewrap(swap, live, new, module, qualname)
        return True
    pass_on(swap, live, new, module, qualname)
    return False


def pass_on(swap: Swap, live: Any, target: Any, module: str, qualname: str) -> None:
    """Let a live wrapper do nothing but call another callable."""
    _, instance, wrapper, _, *rest = state_of(live)
    _write(swap, live, (target, instance, wrapper, False, *rest))
    swap.redirects.append(Redirect(module=module, qualname=qualname, mechanism=Mechanism.PROXY))


def rewrap_bound(swap: Swap) -> None:
    """Wrappers that were bound to an object before do what their parent will do: one pass over the heap.

    One that is bound between this pass and the commit does for its single call what the old one did.
    """
    changed = {id(write.do[1]): write.do for write in swap.writes if write.do[0] is _BASE.__init__}
    if not changed:
        return
    with nothing_hidden():
        holders = referrers(*(do[1] for do in changed.values()))
    for bound in holders:
        if not is_a(bound, wrapt.BoundFunctionWrapper):
            continue
        wrapped, instance, wrapper, enabled, *rest = state_of(bound)
        do = changed.get(id(bound._self_parent))
        if do is not None and (do[4] is not wrapper or do[5] is not enabled):
            _write(swap, bound, (wrapped, instance, do[4], do[5], *rest))


def _write(swap: Swap, wrapper: Any, state: State) -> None:
    swap.add(Write((_BASE.__init__, wrapper, *state), (_BASE.__init__, wrapper, *state_of(wrapper))))


def _extra(wrapper: Any, name: str) -> Any:
    return getattr(wrapper, name, None)
