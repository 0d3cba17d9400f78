"""For plugins that know a ``"keeper"``: what is in one, in plain values, and what the program has done to the live one.

    the live one, beside what the old text makes       then
    has something registered that the text has not     refused (HS206): it would be lost
    lacks something that the text has                  refused (HS206): it would come back
    has another value for an entry                     kept; where the text changes it too, in another way, refused
    has an entry that nobody can look into             kept, and named (HS402)
"""

from __future__ import annotations

import datetime
import enum
import functools
import re
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import attrs

from hotswap.commit import Swap
from hotswap.model import Finding, Severity
from hotswap.plugin.values import Refusal

_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
_BY_TEXT = (datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, PurePath, re.Pattern, enum.Enum, range, slice)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, type)
#: So deep an object is looked into.
_DEPTH = 5


@attrs.frozen
class Unknown:
    """A value that cannot be looked into; no two are equal by it."""

    kind: str


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """A value as plain values, so that one that another evaluation of the same text gives is equal; the value is not kept."""
    if isinstance(value, enum.Enum):
        return f"{name_of(type(value))}.{value.name}"
    if type(value) in _ATOMS:
        return value
    if isinstance(value, _BY_TEXT):
        return repr(value)
    if isinstance(value, _FUNCTIONS):
        return name_of(value)
    if depth == 0:
        return Unknown(name_of(type(value)))
    if isinstance(value, types.MethodType):
        return (name_of(value.__func__), type(value.__self__).__qualname__)
    if isinstance(value, functools.partial):
        return ("partial", *(plain(part, depth - 1) for part in (value.func, value.args, value.keywords)))
    if isinstance(value, Mapping):
        return {repr(plain(key, depth - 1)): plain(item, depth - 1) for key, item in list(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth - 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(plain(item, depth - 1)) for item in value)
    inside = getattr(value, "__dict__", None)
    if type(inside) is not dict:
        return Unknown(name_of(type(value)))
    return {"": name_of(type(value)), **{key: plain(item, depth - 1) for key, item in list(inside.items())}}


def name_of(value: Any) -> str:
    """A function or class, by module and qualified name."""
    return f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


def is_known(value: Any) -> bool:
    """False where something in a value, as :func:`plain` gives it, cannot be looked into."""
    if isinstance(value, Unknown):
        return False
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return all(map(is_known, parts))


@attrs.frozen(kw_only=True)
class Description:
    """What is in a keeper.

    Attributes:
        made: what is registered with it, a line each for a person; how often counts, the order does not.
        entries: what is noted in it under a name (settings), as :func:`plain` gives it.
    """

    made: tuple[str, ...]
    entries: Mapping[str, Any]


def check_registered(what: str, live: Description, before: object | None) -> Description:
    """Make sure that the texts make all that is registered with a live keeper, and nothing else.

    Args:
        what: the keeper, for a person.
        before: what the old texts make.

    Returns:
        ``before``, for :func:`merge_entries`.

    Raises:
        Refusal: HS206.
    """
    if not isinstance(before, Description):
        raise Refusal(_held("HS206", f"{what} would be filled anew, but what the program itself has put into it is not known"))
    own = list((Counter(live.made) - Counter(before.made)).elements())
    gone = list((Counter(before.made) - Counter(live.made)).elements())
    if own:
        raise Refusal(_held("HS206", f"{what} would be filled anew, and lose what its text does not make: {_some(own)}"))
    if gone:
        raise Refusal(_held("HS206", f"{what} would be filled anew, with what the program has taken out of it: {_some(gone)}"))
    return before


def merge_entries(
    what: str, live: Mapping[str, Any], before: Mapping[str, Any], new: Mapping[str, Any], swap: Swap
) -> tuple[list[str], list[str]]:
    """Which entries the new text changes, and which of the live ones stay.

    Args:
        what: for a person.
        live, before, new: of the live keeper, of what the old texts make, of what the new ones make.
        swap: gets the findings.

    Returns:
        Names of entries that are taken from the new one, or go as there; names of those that are kept.

    Raises:
        Refusal: HS206, the program and the text have both changed one.
    """
    taken, kept = [], []
    for name in {**live, **before, **new}:
        was, now, then = (entries.get(name, _MISSING) for entries in (before, live, new))
        if not (is_known(was) and is_known(then)):
            kept.append(name)
            swap.findings.append(Finding(
                code="HS402", severity=Severity.KEPT, message=f"{what}[{name!r}] cannot be looked into and was kept",
                next_step="restart, if it was changed",
            ))  # fmt: skip
        elif was == then:
            kept.append(name)
        elif now == was:
            taken.append(name)
        elif now == then:
            kept.append(name)
        else:
            raise Refusal(_held("HS206", f"{what}[{name!r}] was changed by the program, and by the text in another way"))
    return taken, kept


_MISSING = object()


def _some(lines: Iterable[str]) -> str:
    found = sorted(lines)
    return "; ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _held(code: str, message: str) -> Finding:
    return Finding(code=code, severity=Severity.HELD, message=message, next_step="restart")
