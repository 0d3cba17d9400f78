"""The order of a class's attributes: ``vars(cls)``, and all that goes through it, gives them in the order of the body.

A dict keeps the place of a key that is set again, so what has another place now is taken out and put back, with the
value that it has in the instant of the commit.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import repeat
from types import GetSetDescriptorType
from typing import Any

from hotswap.commit import NOTHING, Call, Swap, Write
from hotswap.kinds import deleter_of, is_a, is_own, setter_of, vars_of
from hotswap.link.instances import batch
from hotswap.shadow import is_slot


def put_in_order(swap: Swap, live: type, wanted: Sequence[str], start: int) -> None:
    """Add the writes that give the attributes of a live class their order, behind those that set and delete them.

    Args:
        wanted: the names in their new order; others come behind them.
        start: where the writes of the class begin in the swap.
    """
    before, after = _names(swap, live, start)
    target = [name for name in wanted if name in after]
    target += [name for name in after if name not in target]
    if after == target:
        return
    swap.writes[start:start] = [Write(NOTHING, call) for call in reversed(_to_the_end(live, _from_difference(before, target)))]
    swap.add(*(Write(call, NOTHING) for call in _to_the_end(live, _from_difference(target, after))))


def follow_text(swap: Swap, live: type, old: Sequence[str], new: Sequence[str], start: int) -> None:
    """The same for a class that a library takes part in making: what its text names changes places, all else stays.

    Args:
        old, new: the names that the class statement binds, in the order of the two texts.
    """
    if [name for name in old if name in new] == list(new):
        return  # what is only removed leaves no other order
    _, after = _names(swap, live, start)
    in_text = iter([name for name in new if name in after])
    put_in_order(swap, live, [next(in_text) if name in new else name for name in after], start)


def _names(swap: Swap, live: type, start: int) -> tuple[list[str], list[str]]:
    """The attributes of a live class that can be moved, before the writes from ``start`` on and after them."""
    before = [name for name, value in vars_of(live).items() if _is_movable(live, name, value)]
    after = dict.fromkeys(before)
    setter, deleter = setter_of(live), deleter_of(live)
    for write in swap.writes[start:]:
        call, *arguments = write.do
        if call is setter and arguments[0] is live and _is_movable(live, arguments[1], arguments[2]):
            after.setdefault(arguments[1])
        elif call is deleter and arguments[0] is live:
            after.pop(arguments[1], None)
    return before, list(after)


def _is_movable(cls: type, name: str, value: Any) -> bool:
    """False for what the interpreter keeps beside the body: slots, ``__doc__`` and the like, which the metaclass guards; and for
    what hotswap has put there, which may be gone when the order is taken back."""
    if is_own(value):
        return False
    metaclass: type = type(cls)
    guard = next((vars_of(base)[name] for base in metaclass.__mro__ if name in vars_of(base)), None)
    return not hasattr(type(guard), "__set__") and not is_a(value, GetSetDescriptorType) and not is_slot(value)


def _from_difference(names: list[str], others: list[str]) -> list[str]:
    same = next((at for at, pair in enumerate(zip(names, others, strict=False)) if pair[0] != pair[1]), len(others))
    return names[same:]


def _to_the_end(cls: type, names: list[str]) -> list[Call]:
    """Calls in C that put some attributes behind all others, in this order, whatever they are by then."""
    values: list[Any] = []
    return [
        (values.extend, map(operator.getitem, repeat(vars_of(cls)), names)),
        batch(map(deleter_of(cls), repeat(cls), names)),
        batch(map(setter_of(cls), repeat(cls), names, values)),
        (values.clear,),
    ]
