"""A class that cannot become what its text makes of it gives its place to the one that was made aside.

    contents          what the live class would get goes into the new one: values that the program changed, the same functions
    objects           get the new class inside of the commit, where CPython lets them; else there may be none
    references        all of them are exchanged inside of the commit, see ``references.py``; where one cannot be, HS201 to HS203
    the class before  is kept for the way back; no class of the program lists it meanwhile

All else is prepared as if the live class stayed. So until the commit everything refers to that, also what was made aside, and
one exchange leads all over.
"""

from __future__ import annotations

import abc
import enum
import operator
import re
import types
import weakref
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import starmap
from types import FunctionType
from typing import Any

import attrs

from hotswap.collector import with_subclasses
from hotswap.commit import MISSING, NOTHING, Call, Swap, Write, del_class, set_class
from hotswap.convert.lineage import LEAPS
from hotswap.errors import CODES
from hotswap.kinds import is_a, is_own, setter_of, vars_of
from hotswap.link.instances import batch
from hotswap.link.layout import bases_aside, mro_is_plain, why_not_converted
from hotswap.link.linking import Linking
from hotswap.link.references import HELD, MADE_AGAIN, Exchange, Move, UnfollowedError, lead_write, prepare_exchange
from hotswap.link.registrations import registered
from hotswap.migrations import REGISTRY, name_of
from hotswap.model import Finding, Mechanism, Redirect, Severity
from hotswap.plugin.values import ClassPair, Refusal
from hotswap.shadow import Shadow

_LISTS_SUBCLASSES = re.compile(rb"\b__subclasses__\b")
_HOLDS_CLASS = "__class__"


class ReplaceError(Exception):
    """A class cannot be replaced now; nothing was changed. ``finding`` says why it would have to be, and who holds it."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@attrs.define(eq=False)
class Replaced:
    """A class that gives its place to another one.

    Attributes:
        live: the class before the swap.
        staged: the class after it.
        module, path: where it is.
        finding: why the live one cannot become what its text makes of it.
        bases: of the live one.
        came: classes that the same swap brings, and that derive from the new one; none of the text before knows them.
        names, kept: what the new class had when it was ready; what of that the live one has as well.
        live_aside, staged_aside: bases by which no class of the program lists it while it is not in use; None for those that
            it has.
    """

    live: type
    staged: type
    module: str
    path: str
    finding: Finding
    bases: tuple[type, ...]
    came: list[weakref.ref[type]] = attrs.Factory(list)
    names: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    live_aside: tuple[type, ...] | None = None
    staged_aside: tuple[type, ...] | None = None

    def refuse(self, why: str) -> Finding:
        message = f"{self.finding.message}; nor can another class take its place: {why}"
        return attrs.evolve(self.finding, message=message)


# ---- while it is linked ----


def begin(swap: Swap, pair: ClassPair, finding: Finding) -> None:
    """Note that a class has to be replaced.

    Raises:
        Refusal: it has objects that cannot be of the new class.
    """
    replaced = Replaced(pair.live, pair.staged, pair.module, pair.path, finding, pair.live.__bases__)
    # Frozen ones are asked about at the commit: to bring them back here would freeze what is made aside with them.
    if why := why_not_converted(pair.live, pair.staged):
        raise Refusal(replaced.refuse(why))
    swap.replaced.append(replaced)


def fill(pair: ClassPair, writes: Iterable[Write], skipped: Callable[[str, Any], bool]) -> None:
    """Give the new class, which nobody has yet, what the live one would have.

    Args:
        writes: to the live class, not made.
        skipped: True for what the interpreter or a decorator made for the class itself.
    """
    live, staged = pair.live, pair.staged
    coming = {write.do[2]: write.do[3:] for write in writes}
    for name, value in list(vars_of(live).items()):
        if not skipped(name, value) and not skipped(name, vars_of(staged).get(name)):
            given = coming.pop(name, (value,))
            if given and vars_of(staged).get(name) is not given[0]:
                setter_of(staged)(staged, name, given[0])
    for name, given in coming.items():
        if given and vars_of(staged).get(name) is not given[0]:
            setter_of(staged)(staged, name, given[0])


def finish_replaced(linking: Linking) -> None:
    """Make ready what takes the place of live classes. All other writes are prepared.

    Raises:
        Refusal: it cannot be told that nobody would notice.
    """
    replaced: list[Replaced] = linking.swap.replaced
    taking = {id(each.live): each.staged for each in replaced}
    for live, refused in linking.twins.left:
        if id(live) not in taking:
            raise refused
    if not replaced:
        return
    for each in replaced:
        if why := _why_kept(linking, each, taking):
            raise Refusal(each.refuse(why))
    for each in replaced:
        _settle_bases(linking, each, taking)
        each.names = frozenset(vars_of(each.staged))
        same = ((name, value) for name, value in vars_of(each.live).items() if vars_of(each.staged).get(name) is value)
        each.kept = frozenset(name for name, value in same if not _is_exchanged(value, taking))
    _retarget(linking.swap, taking)
    _take_lost(linking, taking)
    for each in replaced:
        message = f"{each.module}.{each.path} is another class object now, to which all references and objects were led over"
        linking.swap.findings.append(
            attrs.evolve(each.finding, code="HS413", severity=Severity.NOTE, message=message, next_step=CODES["HS413"].remedy)
        )
        linking.swap.redirects.append(Redirect(module=each.module, qualname=each.path, mechanism=Mechanism.REPLACEMENT))


def _why_kept(linking: Linking, each: Replaced, taking: dict[int, type]) -> str:
    """Why somebody might notice; empty for nothing."""
    live, staged = each.live, each.staged
    if is_a(live, enum.EnumType) or issubclass(live, type):
        return "it is an enum or a metaclass"
    if linking.world.look_up((live.__module__, live.__qualname__)) is not live:
        return "it is not what its own name is bound to"
    if not (mro_is_plain(live) and mro_is_plain(staged)):
        return "its metaclass lines bases up in a way of its own"
    if id(live) in map(id, linking.swap.rehashed) or _is_migrated(linking, live):
        return "its objects are converted by migrations"
    if any(is_own(value) or type(value) is Shadow for value in vars_of(live).values()):
        return "an earlier swap has put something into it"
    if any(is_a(cls, abc.ABCMeta) and registered(cls) for cls in (live, staged)):
        return "classes are registered with it"
    if _has_other_cell(linking, each):
        return "super() in it means another class than the one that its name is bound to"
    if linking.twins.resolve(type(staged)) is not type(staged):
        return "its new metaclass cannot be led to the live one"
    derived = [cls for cls in with_subclasses(live) if id(cls) not in taking and cls is not live]
    if derived and getattr(live, "__abstractmethods__", None) != getattr(staged, "__abstractmethods__", None):
        return f"{derived[0].__qualname__} derives from it, and its abstract methods are others"
    if derived and _announced(linking, live) is not _announced(linking, staged):
        return f"{derived[0].__qualname__} derives from it, and another __init_subclass__ would be told of that"
    listing = next((r.name for r in linking.world.records.values() if _LISTS_SUBCLASSES.search(r.data)), None)
    listing = listing or next((name for name, e in linking.draft.edited.items() if _LISTS_SUBCLASSES.search(e.new.data)), None)
    return f"{listing} may ask for subclasses, which would be listed in another order" if listing else ""


def _announced(linking: Linking, cls: type) -> Any:
    """What is called for each class that derives from one."""
    found = next((vars_of(base)["__init_subclass__"] for base in cls.__mro__[:-1] if "__init_subclass__" in vars_of(base)), None)
    return linking.twins.resolve(getattr(found, "__func__", found))


def _is_migrated(linking: Linking, live: type) -> bool:
    request = linking.swap.request
    converted = list(request.leaps) if request is not None else []
    named = any(REGISTRY.of(name_of(cls)) for cls in live.__mro__)
    return named or any(issubclass(cls, live) for cls in (*converted, *LEAPS))


def _has_other_cell(linking: Linking, each: Replaced) -> bool:
    """True where a decorator made a second class (``slots=True``): ``super()`` goes on to mean the first."""
    for made, _ in (*linking.twins.functions, *linking.twins.copies):
        for name, cell in zip(made.__code__.co_freevars, made.__closure__ or (), strict=True):
            if name == _HOLDS_CLASS and _is_of(made, each.live) and _content(cell) is not each.live:
                return True
    return False


def _is_of(function: FunctionType, cls: type) -> bool:
    return function.__module__ == cls.__module__ and function.__qualname__.rpartition(".")[0] == cls.__qualname__


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _settle_bases(linking: Linking, each: Replaced, taking: dict[int, type]) -> None:
    """Let the new class derive from live classes, and from new ones where these take places."""

    def live_or_new(base: type) -> type:
        live: type = linking.twins.resolve(base)
        return taking.get(id(live), live)

    bases = tuple(map(live_or_new, each.staged.__bases__))
    try:
        if any(mine is not base for mine, base in zip(bases, each.staged.__bases__, strict=True)):
            each.staged.__bases__ = bases
        each.came += [weakref.ref(cls) for cls in with_subclasses(each.staged) if id(cls) not in {*map(id, taking.values())}]
        each.live_aside, each.staged_aside = bases_aside(each.live), None if each.came else bases_aside(each.staged)
    except TypeError as error:
        raise Refusal(each.refuse(str(error).rpartition("assignment: ")[2])) from None


def _is_exchanged(value: Any, classes: Container[int]) -> bool:
    """True for a class that is replaced, and for what may be made again because of it."""
    return id(value) in classes or type(value) in MADE_AGAIN


def _retarget(swap: Swap, taking: dict[int, type]) -> None:
    """What the writes give is what refers to the new class; what the new one has is in it already, with its abstract methods."""
    def is_left(write: Write) -> bool:
        return len(write.do) > 2 and id(write.do[1]) in taking and write.do[2] == "__abstractmethods__"

    kept = [write for write in swap.writes if not is_left(write)]
    swap.writes[:] = [lead_write(write, taking) for write in kept]


def _take_lost(linking: Linking, taking: dict[int, type]) -> None:
    """The fields that objects are to lose are looked for in objects of the new class."""
    earlier = [lost for applied in linking.world.history for lost in applied.swap.lost if id(lost[0]) in taking]
    own = [(taking.get(id(cls), cls), names) for cls, names in linking.swap.lost]
    linking.swap.lost[:] = [*own, *((taking[id(cls)], names) for cls, names in earlier)]


# ---- at the commit ----


def exchange(swap: Swap, kept: Iterable[Swap]) -> Exchange:
    """The writes that let the classes of a swap take their places.

    Args:
        kept: the swaps that can be taken back.

    Raises:
        ReplaceError: a reference cannot be exchanged.
    """
    moves = (Move(each.live, each.staged, each.live_aside) for each in swap.replaced)
    return _exchange(swap, moves, kept, swap)


def exchange_back(swap: Swap, kept: Iterable[Swap]) -> Exchange:
    """The same for the way back.

    Raises:
        ReplaceError: a reference cannot be exchanged.
    """
    moves = (
        Move(
            each.staged, each.live, each.staged_aside, each.bases if each.live_aside is not None else None,
            frozenset(id(cls) for ref in each.came if (cls := ref()) is not None),
        )
        for each in swap.replaced
    )
    around = _exchange(swap, moves, kept)
    for each in swap.replaced:
        checks, writes = _carry_back(each)
        around.first[:0] = checks
        around.last.extend(writes)
    return around


def _carry_back(each: Replaced) -> tuple[list[Write], list[Write]]:
    """What the program has done meanwhile with attributes that no text has changed: checks that it is still so, and writes."""
    mine, theirs = vars_of(each.staged), vars_of(each.live)
    both = {id(each.live), id(each.staged)}
    names = [*each.kept, *(name for name in mine if name not in each.names)]
    changed = [(name, mine.get(name, MISSING)) for name in names if mine.get(name, MISSING) is not theirs.get(name, MISSING)]
    changed = [(name, value) for name, value in changed if not _is_exchanged(value, both) and name not in _BY_INTERPRETER]
    reads: list[Call] = [(types.MappingProxyType.get, mine, name, MISSING) for name, _ in changed]
    found = {(at, id(value)): None for at, (_, value) in enumerate(changed)}
    check = map(found.__getitem__, zip(range(len(reads)), map(id, starmap(operator.call, reads)), strict=True))
    writes = [
        del_class(each.live, name) if value is MISSING else set_class(each.live, name, value) for name, value in changed
    ]
    return [Write(batch(check), NOTHING, HELD)], writes


#: What the interpreter notes in a class by itself.
_BY_INTERPRETER = frozenset({"__slotnames__", "__annotations_cache__", "__abstractmethods__", "_abc_impl"})


def _exchange(swap: Swap, moves: Iterator[Move], kept: Iterable[Swap], coming: Swap | None = None) -> Exchange:
    if not swap.replaced:
        return Exchange([], [])
    swaps = {id(each): each for each in (*kept, swap)}
    try:
        return prepare_exchange(moves, swaps.values(), coming)
    except UnfollowedError as error:
        raise ReplaceError(swap.replaced[0].refuse(str(error))) from None
