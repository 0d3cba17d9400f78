"""A save that takes a migration away by which this process has converted objects.

    its class stays as it is, or another migration leads on    it is tidied away; the objects stay as they are
    the texts are those from before it                          the data goes back, as with a rollback
    the class changes otherwise                                 HS312: it cannot be told what the objects are to be
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hotswap.convert.leap import Leap
from hotswap.convert.lineage import LEAPS
from hotswap.migrations import Migration
from hotswap.plan.build import Draft
from hotswap.world import AppliedSwap, World


class GoingError(Exception):
    """What is to become of the objects cannot be told."""


def leaps_back(draft: Draft, world: World, lost: Mapping[tuple[type, int], Migration]) -> dict[type, Leap]:
    """The ways back of what converted objects by migrations that go; empty for none.

    Args:
        lost: the migrations that go, with nothing in their place, by class and by the version that they lead from.

    Raises:
        GoingError: objects may or may not have to go back, or they cannot.
    """
    rows = {cls: [leap for leap in row if _is_of(leap, lost)] for cls, row in list(LEAPS.items())}
    rows = {cls: row for cls, row in rows.items() if row}
    steps = [step for row in rows.values() for leap in row for step in leap.steps if (step.cls, step.frm) in lost]
    if not any(_is_edited(draft, cls) for cls in {*rows, *(step.cls for step in steps)}):
        return {}
    what = f"{lost[steps[-1].cls, steps[-1].frm].describe()} goes while a class changes, and objects were converted by it"
    for cls, (*before, last) in rows.items():
        applied = next((each for each in world.history if each.swap.request and last in each.swap.request.leaps.values()), None)
        is_whole = all((step.cls, step.frm) in lost for step in last.steps) and LEAPS[cls][-1] is last and not before
        classes = {cls, *(step.cls for step in last.steps)}
        if not (is_whole and applied is not None and _is_text_of_before(draft, applied, classes, last)):
            raise GoingError(what)
        if lacking := last.irreversible:
            raise GoingError(f"{what}; the text is that from before, and {lacking[0].migration.describe()} has no way back")
    return {cls: row[-1].back() for cls, row in rows.items()}


def _is_of(leap: Leap, lost: Collection[tuple[type, int]]) -> bool:
    return any((step.cls, step.frm) in lost for step in leap.steps)


def _is_text_of_before(draft: Draft, applied: AppliedSwap, classes: Iterable[type], leap: Leap) -> bool:
    """True where the modules of classes and of what converted them are again what they were before a swap."""
    modules = {cls.__module__ for cls in classes} | {step.migration.module for step in leap.steps}
    changed = [(name, before.data) for name, before in applied.records.items() if name in modules]
    return all(name in draft.edited and draft.edited[name].new.data == data for name, data in changed)


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
