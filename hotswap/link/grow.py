"""Slots that come and go. CPython fixes the size of objects when their class is made, so the live class cannot have others.

    a slot comes    a descriptor takes its place that keeps the values beside the objects, see ``shadow.py``
    a slot goes     the class loses it; its values stay in the objects until the change is confirmed
    it comes back   by a rollback or by another save: the class gets the same slot, with the values that are there

Objects without weak references have to be kept apart from others that get their id later: their class gets a ``__del__``. Where
one of the row or a derived class has its own, which need not call another, and may let an object live on: HS201.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hotswap.collector import with_subclasses
from hotswap.commit import NOTHING, Swap, Write, del_class, set_class
from hotswap.fingerprint import slot_values
from hotswap.kinds import is_a, is_own, setter_of, vars_of
from hotswap.peek import class_value, own_dict, static_base
from hotswap.plugin.values import ClassPair
from hotswap.shadow import FINALIZER, Shadow, announce, can_forget, coming_slots, is_slot, spare_slots

_REMEMBERED = "__slotnames__"
_HAVE_GC = 1 << 14


def why_not(live: type, staged: type) -> str:
    """Why objects of the live class cannot be what those of the staged one are; empty where they can."""
    if static_base(live) is not static_base(staged):
        return f"it derives from {static_base(staged).__qualname__} and not from {static_base(live).__qualname__} any more"
    for what, offset in (("a dict", "__dictoffset__"), ("weak references", "__weakrefoffset__")):
        if bool(getattr(live, offset)) != bool(getattr(staged, offset)):
            return f"its objects {'have' if getattr(live, offset) else 'do not have'} {what}"
    comes = _slots_of(staged) - _slots_of(live) - spare_slots(live).keys()
    kept = comes or any(type(value) is Shadow for value in vars_of(live).values())
    if kept and not live.__dictoffset__ and not live.__weakrefoffset__:
        names = ", ".join(sorted(comes)) or "a field"
        if (finalizer := _finalizer_of(live, staged)) is not None:
            return f"{names} would be a new slot, and its objects have no weak references to keep it by, but {finalizer}"
        if not live.__flags__ & _HAVE_GC:
            return f"{names} would be a new slot, and its objects cannot be found"
    return ""


def _finalizer_of(live: type, staged: type) -> str | None:
    """The first ``__del__`` of the program in the row of a class or in one that is derived from it."""
    row = [*with_subclasses(live), *live.__mro__, staged]
    return next((f"{cls.__qualname__}.__del__" for cls in row if not is_own(vars_of(cls).get("__del__", FINALIZER))), None)


def announce_slots(pairs: Iterable[tuple[type, type]]) -> None:
    """Say which slots live classes will have: objects of the staged ones are made again as theirs, and have values there.

    Args:
        pairs: staged class, live class.
    """
    for staged, live in pairs:
        comes = _slots_of(staged) - _slots_of(live)
        if live.__dictoffset__ and not live.__weakrefoffset__:
            comes &= spare_slots(live).keys()  # others are in the objects' dicts
        if comes:
            announce(live, sorted(comes))


def make_again(item: Any, live: type) -> Any:
    """An object as a live class makes them, with the state of one of a staged class whose slots are others.

    Raises:
        TypeError: there is no place for a value.
    """
    made: Any = _make_empty(item, live)
    coming = coming_slots(live)
    for name, value in [*slot_values(type(item), item), *(own_dict(item) or {}).items()]:
        slot = coming.get(name, class_value(live, name))
        if is_slot(slot):
            slot.__set__(made, value)
        elif (state := own_dict(made)) is not None:  # not through the class: it may have a property of that name
            state[name] = value
        else:
            raise TypeError(f"{live.__qualname__!r} object has no place for {name!r}")
    return made


#: What fills an object of a builtin kind with the contents of another one.
_FILLS: dict[type, Callable[[Any, Any], None]] = {dict: dict.update, list: list.extend, set: set.update}
_OF_EXCEPTIONS = ("args", "__cause__", "__context__", "__suppress_context__", "__traceback__")


def _make_empty(item: Any, live: type) -> Any:
    """An object of a class without the attributes of another one, but with what that is as a builtin.

    Raises:
        TypeError: that cannot be copied.
    """
    base: Any = static_base(live)
    if is_a(item, BaseException):
        made = base.__new__(live, *item.args)
        for name in _OF_EXCEPTIONS:
            setting: Any = vars(BaseException)[name]
            setting.__set__(made, setting.__get__(item))
        return made
    fill = next((_FILLS[kind] for kind in base.__mro__ if kind in _FILLS), None)
    made = (base if fill is not None else object).__new__(live)
    if fill is not None:
        fill(made, item)
    return made


def change_slots(swap: Swap, pair: ClassPair, twins: Mapping[int, type]) -> None:
    """Add the writes that give the live class the slots that the staged one has.

    Args:
        twins: staged classes by the id of the live one, all those of the swap.
    """
    live, mine, theirs = pair.live, _slots_of(pair.live), _slots_of(pair.staged)
    if mine == theirs and vars_of(live).get("__slots__") == vars_of(pair.staged).get("__slots__"):
        return
    spare, coming = spare_slots(live), coming_slots(live)
    for name in sorted(mine - theirs):
        swap.add(del_class(live, name, f"{pair.path}.{name} removed"), _setting(spare, name, vars_of(live)[name]))
    if not live.__weakrefoffset__ and any(type(slot) is Shadow for slot in coming.values()) and not can_forget(live):
        setter = setter_of(live)  # it stays after a rollback: there are values then
        swap.add(Write((setter, live, "__del__", FINALIZER), NOTHING, f"{pair.path}.__del__"))
    for name in sorted((theirs - mine) & coming.keys()):  # others are in the objects' dicts
        swap.add(set_class(live, name, coming[name], f"{pair.path}.{name} added"))
        swap.add(Write((dict.pop, spare, name, None), (dict.__setitem__, spare, name, coming[name])))
    if "__slots__" in vars_of(pair.staged):
        swap.add(set_class(live, "__slots__", vars_of(pair.staged)["__slots__"]))
    for cls in with_subclasses(live):
        _remember_slots(swap, cls, twins)


def _remember_slots(swap: Swap, cls: type, twins: Mapping[int, type]) -> None:
    """What ``copyreg`` remembers. It counts: an object that is larger than its slots could not be copied nor pickled."""
    names: list[str] = []
    is_larger = False
    for base in cls.__mro__:
        theirs = _slots_of(twins.get(id(base), base))
        held = {name for name in _slots_of(base) if type(vars_of(base)[name]) is not Shadow}
        held |= {name for name, slot in spare_slots(base).items() if type(slot) is not Shadow} if base is not object else set()
        names += sorted(theirs)
        names += [f"{name} (gone)" for name in sorted(held - theirs)]
        is_larger |= bool(held - theirs)
    known = any(len(w.do) == 4 and w.do[1] is cls and type(w.do[2]) is str and w.do[2] == _REMEMBERED for w in swap.writes)
    if not known and (is_larger or _REMEMBERED in vars_of(cls)):  # once: the way back of a second write would find nothing
        swap.add(set_class(cls, _REMEMBERED, names))


def _setting(spare: dict[str, Any], name: str, slot: Any) -> Write:
    return Write((dict.__setitem__, spare, name, slot), (dict.pop, spare, name, None))


def _slots_of(cls: type) -> set[str]:
    return {name for name, value in vars_of(cls).items() if is_slot(value)}
