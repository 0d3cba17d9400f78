"""A save that takes a migration away by which this process has converted objects.

    its class stays as it is, or another migration leads on    it is tidied away; the objects stay as they are
    the texts are those from before it                          the data goes back, as with a rollback
    the class changes otherwise                                 HS312: it cannot be told what the objects are to be
"""

from __future__ import annotations

from collections.abc import Iterable

from hotswap.convert.leap import Leap
from hotswap.convert.lineage import LEAPS, version_of_class
from hotswap.link.heap import with_subclasses
from hotswap.migrations import Migration
from hotswap.plan.build import Draft
from hotswap.world import World


class GoingError(Exception):
    """What is to become of the objects cannot be told."""


def leaps_back(draft: Draft, world: World, cls: type, gone: Iterable[Migration]) -> dict[type, Leap]:
    """The ways back of what converted the objects of a class and of those derived from it; empty for none.

    Args:
        gone: the migrations of the class that go.

    Raises:
        GoingError: the objects may or may not have to go back, or they cannot.
    """
    row = LEAPS.get(cls, [])
    lost = set(map(id, gone))
    if not row or not _is_edited(draft, cls):
        return {}
    leap = row[-1]
    mine = [step for step in leap.steps if step.cls is cls]
    taken = [step for step in mine if id(step.migration) in lost]
    if not taken or mine[-1].to != version_of_class(cls):
        return {}
    what = f"{taken[-1].migration.describe()} goes while its class changes, and objects have come to version {mine[-1].to} by it"
    applied = next((each for each in world.history if each.swap.request and leap in each.swap.request.leaps.values()), None)
    modules = {cls.__module__, *(step.migration.module for step in leap.steps)}
    is_back = applied is not None and all(
        name in draft.edited and draft.edited[name].new.data == before.data
        for name, before in applied.records.items() if name in modules
    )  # fmt: skip
    if not is_back or len(taken) < len(leap.steps):
        raise GoingError(what)
    if lacking := leap.irreversible:
        raise GoingError(f"{what}; the text is that of the version before, and {lacking[0].migration.describe()} has no way back")
    last = {sub: LEAPS[sub][-1] for sub in with_subclasses(cls) if LEAPS.get(sub)}
    made = {(step.cls, step.frm) for step in taken}
    return {sub: each.back() for sub, each in last.items() if made & {(step.cls, step.frm) for step in each.steps}}


def _is_edited(draft: Draft, cls: type) -> bool:
    """True where the statement of a class gets another text."""
    edited, head = draft.edited.get(cls.__module__), cls.__qualname__.partition(".")[0]
    if edited is None:
        return False
    texts = [
        [unit.text for unit in summary.units if head in unit.names]
        for summary in (edited.old_summary, draft.summaries[cls.__module__])
    ]  # fmt: skip
    return texts[0] != texts[1]
