"""References that stay with what a name meant before, since that is alive and goes on under another name.

    from impl import a as run   ->   from impl import b as run
    make = dict                 ->   make = list
    RULES = [Rule(1)]           ->   RULES = [Rule(2)]           who took ``RULES[0]``, where rules have a hash of their own

Whoever took ``run`` holds ``impl.a``, which has other users and must not be led anywhere: it is named. For functions and
objects of the program the holders are looked for, so that a move that concerns nobody is silent.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Iterator
from types import FrameType, ModuleType
from typing import Any

import attrs

from hotswap.collector import nothing_hidden, referred_by_tuples, referrers, young_ids
from hotswap.commit import COPIES, Swap, Write
from hotswap.frames import stack_tops
from hotswap.kinds import is_a
from hotswap.link.handles import is_handle, needs_handle
from hotswap.link.names import look_up
from hotswap.model import Finding, Severity
from hotswap.world import AppliedSwap

_OWN = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


@attrs.define(eq=False)
class Left:
    """What references taken before may keep, to be named when all writes are prepared.

    Attributes:
        own: what hotswap itself holds objects in that were there before this swap.
        collected: True once what was made aside is not young any more.
    """

    swap: Swap
    history: Iterable[AppliedSwap]
    own: list[Any]
    collected: bool = False
    _found: dict[int, tuple[Any, Finding]] = attrs.Factory(dict)
    _inner: list[Any] = attrs.Factory(list)
    _young: set[int] = attrs.Factory(set)

    def add(self, live: Any, name: str, where: tuple[str, int], severity: Severity) -> None:
        """Note an object that a name means no more; the first of its names is named."""
        self._found.setdefault(id(live), (live, left_finding(live, name, where, severity)))

    def add_led(self, live: Any, name: str, where: tuple[str, int]) -> None:
        """Note a function that a name means no more, and whose calls lead to what that means now."""
        message = f"{name} is another object now; calls of references taken before lead to it, comparisons with it fail"
        found = Finding(
            code="HS409", severity=Severity.NOTE, message=message, file=where[0], line=where[1],
            next_step="take it from its module again where it is compared or pickled",
        )  # fmt: skip
        self._found.setdefault(id(live), (live, found))

    def add_inner(self, live: Any, name: str, where: tuple[str, int]) -> None:
        """Note an object in whose place, in a container, there is another one; names of modules that keep it count as holders."""
        self._found.setdefault(id(live), (live, left_finding(live, name, where)))
        self._inner.append(live)

    def note(self) -> None:
        """Add the findings."""
        inner = set(map(id, self._inner))
        sought = [live for live, _ in self._found.values() if not _is_everywhere(live) and id(live) not in inner]
        held = self.held_outside(sought) if sought else set()
        if inner:
            held |= self.held_outside(self._inner, self._modules_without(inner))
        self._inner.clear()
        self.swap.findings += [found for live, found in self._found.values() if _is_everywhere(live) or id(live) in held]
        self._found.clear()

    def _modules_without(self, items: set[int]) -> list[ModuleType]:
        """The modules that bind none of some objects to a name, but to those that this swap binds anew."""
        bound = {(id(write.do[1]), write.do[2]) for write in self.swap.writes if write.do[0] is dict.__setitem__}
        modules = [module for module in list(sys.modules.values()) if is_a(module, ModuleType)]
        return [
            module
            for module in modules
            if not any(id(v) in items and (id(vars(module)), name) not in bound for name, v in vars(module).copy().items())
        ]

    def held_outside(self, values: list[Any], modules: Iterable[Any] | None = None) -> set[int]:
        """Ids of those values to which something refers besides modules, the class where one is at home, and hotswap.

        What this swap itself made is young, since the collector is off and all that was there before has been made old.

        Args:
            modules: those that do not count as holders; all, where it is left out.
        """
        sought = tuple(values)  # a list would be made a tuple in each call, which then is a holder
        self._young |= young_ids()
        ours = self._young | {id(item) for item in self.own}
        ours |= {id(vars(m)) for m in (list(sys.modules.values()) if modules is None else modules) if is_a(m, ModuleType)}
        ours |= {id(values), id(sought), *(id(home) for value in values for home in _homes(value))}
        ours |= {id(part) for applied in self.history for write in applied.swap.writes for part in _parts(write)}
        found = _find_held(sought, ours)
        if found:
            gc.collect()  # what has died in a circle of references does not count
            self.collected = True
            found = _find_held(sought, ours)
        return found


def _is_everywhere(live: Any) -> bool:
    """True for builtins and classes, which have holders by the hundred: who of them took it from this name cannot be told."""
    return is_a(live, type) or is_handle(live) or needs_handle(live)


def left_finding(live: Any, name: str, where: tuple[str, int], severity: Severity = Severity.KEPT) -> Finding:
    """Says that references keep an object."""
    return Finding(
        code="HS409",
        severity=severity,
        message=f"{name} means another object now; references taken before keep {describe(live)}",
        file=where[0],
        line=where[1],
        next_step="take it from its module again",
    )


def describe(live: Any) -> str:
    """The full name of an object, or how it shows itself."""
    module, name = getattr(live, "__module__", None), getattr(live, "__qualname__", None)
    return f"{module}.{name}" if module and name else str(name) if name else f"the {type(live).__qualname__} of before"


def _find_held(values: tuple[Any, ...], ours: set[int]) -> set[int]:
    wanted = {id(value) for value in values}
    frames = list(_running_frames())  # a running frame is no object for the collector before somebody asks for it
    found = {id(item) for frame in frames for item in gc.get_referents(frame)} & wanted
    with nothing_hidden():
        holders = referrers(*values)
        found |= referred_by_tuples(*values, besides=ours | {id(values)}) & wanted
    for holder in holders:
        if id(holder) not in ours and not is_a(holder, FrameType):
            found |= {id(item) for item in gc.get_referents(holder)} & wanted
    return found


def _parts(write: Write) -> Iterator[Any]:
    """What is kept for a rollback: the calls, and the copies of contents in them."""
    for call in (write.do, write.undo):
        yield call
        if call[0] in COPIES:
            yield call[-1]


def _homes(value: Any) -> Iterator[Any]:
    """The dict of the class in which a function stands."""
    owner = getattr(value, "__qualname__", "").rpartition(".")[0]
    cls = look_up(getattr(value, "__globals__", {}), owner) if owner else None
    if is_a(cls, type):
        yield from (item for item in gc.get_referents(cls) if type(item) is dict)


def _running_frames() -> Iterator[FrameType]:
    for frame in stack_tops():
        while frame is not None:
            if not frame.f_code.co_filename.startswith(_OWN):
                yield frame
            frame = frame.f_back
