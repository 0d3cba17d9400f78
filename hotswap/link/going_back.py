"""A save that takes a migration away by which this process has converted objects.

    texts are those of before    class changes    other code goes back    what becomes of the objects
    yes                          yes, or the other code                   they go back, as with a rollback
    yes                          no               no                      they stay: it is tidied away
    no                           no               any                     they stay: it is tidied away
    no                           yes              any                     HS312: it cannot be told

Where another migration leads on, they stay and are led on. A save that gives a class its text from before, where the migration
was tidied away by an earlier one, is HS312, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hotswap.convert.leap import Leap
from hotswap.convert.lineage import LEAPS
from hotswap.link.names import look_up
from hotswap.migrations import Key, Migration, name_of
from hotswap.plan.build import Draft
from hotswap.plan.source import parse_source
from hotswap.plan.units import Summary, summarise
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
    if not steps:
        return {}
    is_edited = any(_is_edited(draft, cls) for cls in {*rows, *(step.cls for step in steps)})
    what = f"{lost[steps[-1].cls, steps[-1].frm].describe()} goes while a class changes, and objects were converted by it"
    swaps = [_swap_taken_back(draft, world, cls, row, lost) for cls, row in rows.items()]
    if not all(swaps):
        if is_edited:
            raise GoingError(what)
        return {}
    if not (is_edited or any(_takes_more_back(draft, applied) for applied in swaps if applied is not None)):
        return {}
    if lacking := [migration for step in steps if not (migration := lost[step.cls, step.frm]).is_reversible]:
        raise GoingError(f"{what}; the text is that from before, and {lacking[0].describe()} has no way back")
    return {cls: row[-1].back(lost) for cls, row in rows.items()}


def _swap_taken_back(
    draft: Draft, world: World, cls: type, row: list[Leap], lost: Collection[tuple[type, int]]
) -> AppliedSwap | None:  # fmt: skip
    """The swap that a save takes back whole, as far as the objects of a class are concerned; None where there is none."""
    last, applied = row[-1], _swap_of(row[-1], world)
    is_whole = all((step.cls, step.frm) in lost for step in last.steps) and LEAPS[cls][-1] is last and len(row) == 1
    classes = {cls, *(step.cls for step in last.steps)}
    is_back = is_whole and applied is not None and _is_text_of_before(draft, applied, classes, last)
    return applied if is_back else None


def went_before(draft: Draft, world: World, table: Collection[Key]) -> Migration | None:
    """A migration that was tidied away by an earlier save, where the class has now the text from before it.

    Args:
        table: the migrations that are left.
    """
    for row in list(LEAPS.values()):
        for step in row[-1].steps if row else ():
            if (name_of(step.cls), step.frm) not in table and _is_edited(draft, step.cls):
                applied, module = _swap_of(row[-1], world), step.cls.__module__
                if applied is not None and module in applied.records and _is_live(world, step.cls):
                    later = world.history[world.history.index(applied) + 1 :]
                    after = next((each.records[module].data for each in later if module in each.records), None)
                    before = _texts(_parsed(draft, module, applied.records[module].data), step.cls)
                    now = draft.edited[module].old_summary if after is None else _parsed(draft, module, after)
                    if before == _texts(draft.summaries[module], step.cls) and before != _texts(now, step.cls):
                        return step.migration
    return None


def _is_live(world: World, cls: type) -> bool:
    """True for what the name of a class means now: its module may have been imported anew."""
    record = world.records.get(cls.__module__)
    return record is not None and look_up(record.module.__dict__, cls.__qualname__) is cls


def _swap_of(leap: Leap, world: World) -> AppliedSwap | None:
    return next((each for each in world.history if each.swap.request and leap in each.swap.request.leaps.values()), None)


def _parsed(draft: Draft, module: str, data: bytes) -> Summary:
    edited = draft.edited[module]
    source = parse_source(edited.file, data)
    return summarise(module, source.tree, source.utf8, edited.is_package)


def _is_of(leap: Leap, lost: Collection[tuple[type, int]]) -> bool:
    return any((step.cls, step.frm) in lost for step in leap.steps)


def _is_text_of_before(draft: Draft, applied: AppliedSwap, classes: Iterable[type], leap: Leap) -> bool:
    """True where the modules of classes and of what converted them are again what they were before a swap."""
    modules = {cls.__module__ for cls in classes} | {step.migration.module for step in leap.steps}
    changed = [(name, before.data) for name, before in applied.records.items() if name in modules]
    left = [(name, data) for name, data in changed if name not in draft.gone]
    is_before = all(name in draft.edited and draft.edited[name].new.data == data for name, data in left)
    return is_before and modules - applied.records.keys() <= {*draft.gone, *(cls.__module__ for cls in classes)}


def _takes_more_back(draft: Draft, applied: AppliedSwap) -> bool:
    """True where a save brings statements that were there before a swap, and not only takes some away that came with it."""
    restored = [name for name, was in applied.records.items() if name in draft.edited and draft.edited[name].new.data == was.data]
    return any(
        {unit.text for unit in draft.summaries[name].units} - {unit.text for unit in draft.edited[name].old_summary.units}
        for name in restored
    )


def _is_edited(draft: Draft, cls: type) -> bool:
    """True where the statement of a class gets another text."""
    edited = draft.edited.get(cls.__module__)
    if edited is None:
        return False
    return _texts(edited.old_summary, cls) != _texts(draft.summaries[cls.__module__], cls)


def _texts(summary: Summary, cls: type) -> list[bytes]:
    """The statements that bind the name of a class, or of the one around it."""
    head = cls.__qualname__.partition(".")[0]
    return [unit.text for unit in summary.units if head in unit.names]
