"""Tables in which a program keeps results by itself, of functions that give others now: see :mod:`hotswap.plan.memos`.

They are emptied where all that is in them is plain: whoever asks next gets what the new code gives, as with an ``lru_cache``. An
object in such a table may be known elsewhere, and have a state; then the table is kept, and named (HS402).
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from hotswap.collector import objects_of, with_subclasses
from hotswap.commit import set_contents
from hotswap.kinds import is_a
from hotswap.link.linking import Linking
from hotswap.link.names import look_up
from hotswap.model import Severity
from hotswap.peek import own_dict
from hotswap.plan.memos import StaleMemo

#: Objects of exactly these types are nothing but their value.
_PLAIN = frozenset({
    *(str, bytes, int, float, complex, bool, type(None), range, re.Pattern, decimal.Decimal, fractions.Fraction, uuid.UUID),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, pathlib.PurePosixPath, pathlib.PosixPath),
})  # fmt: skip


def empty_memos(linking: Linking) -> None:
    """Empty them in the commit, and fill them again where it is taken back."""
    for stale in linking.draft.memos:
        tables = [table for table in _tables_of(linking, stale) if table]
        if stale.is_only_memo and all(map(_is_plain, (value for table in tables for value in table.values()))):
            for table in tables:
                linking.swap.add(*set_contents(table, {}))
        elif tables or not stale.is_only_memo:
            message = f"{stale.module}: {stale.memo.table} may hold results of {stale.computed}, which gives others now; kept"
            where = linking.world.file_of(stale.module), stale.memo.line
            linking.note("HS402", message, *where, severity=Severity.KEPT, next_step="empty it in the program, or restart")


def _tables_of(linking: Linking, stale: StaleMemo) -> Iterator[dict[Any, Any]]:
    """The dicts that the text may mean: of a name, of a class and those below it, of their objects."""
    owner, _, name = stale.memo.table.rpartition(".")
    space = linking.world.records[stale.module].module.__dict__
    cls = look_up(space, stale.memo.owner if owner in ("self", "cls") else owner) if owner else None
    holders: list[Mapping[str, Any]] = [space]
    if is_a(cls, type):
        classes = with_subclasses(cls)
        objects = (own_dict(item) for item in objects_of(classes)) if owner == "self" else ()
        holders = [*(vars(each) for each in (*cls.__mro__, *classes)), *(state for state in objects if state is not None)]
    elif owner:
        return
    found = {id(table): table for holder in holders if type(table := holder.get(name)) is dict}
    yield from found.values()


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, frozenset):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN
