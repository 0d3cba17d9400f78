"""The least consistency that is safe for a change, told from its plan, and why.

    what changes                                              least
    lines, comments, new names; the body of one function      immediate: each call is of one version as a whole
    several function bodies, methods too; module constants    task: two versions can be there side by side
    all else: parameters, decorators, class bodies, module    quiescent: there is one of it, and who has begun with the old one
    data, statements run for an effect, names that go; any    would meet the new one
    change where a plugin leads its framework along

Whether data is a constant, and whether all who read it can be led, shows only at the live objects (:mod:`.moving`).
"""

from __future__ import annotations

import attrs

from hotswap.model import Consistency, Edit, EditKind
from hotswap.plan.build import Draft

_HARMLESS = frozenset({EditKind.LINES, EditKind.ADDED})
_TWO_VERSIONS = _HARMLESS | {EditKind.BODY, EditKind.DATA, EditKind.DERIVED, EditKind.IMPORT}
_WHY = {
    EditKind.SIGNATURE: "the parameters of {} change",
    EditKind.DECORATOR: "{} is decorated otherwise",
    EditKind.CLASS: "the body of class {} changes",
    EditKind.EFFECT: "a statement that is run for its effect changes, {}",
    EditKind.REMOVED: "{} goes",
    EditKind.RENAMED: "{} gets another name",
    EditKind.MOVED: "{} changes places",
}


@attrs.frozen(kw_only=True)
class Need:
    """What a change needs.

    Attributes:
        consistency: the least that is safe.
        why: half a sentence.
    """

    consistency: Consistency
    why: str


def find_need(draft: Draft, settler: str = "") -> Need:
    """The least consistency for a plan that is going to be linked.

    Args:
        settler: the plugin that leads a framework to what is live, if there is one: it counts on that no request is inside.
    """
    if settler:
        return Need(consistency=Consistency.QUIESCENT, why=f"plugin {settler} leads its framework to what is live")
    if why := _why_rest(draft):
        return Need(consistency=Consistency.QUIESCENT, why=why)
    edits = [edit for edit in draft.plan.edits if edit.kind not in _HARMLESS]
    if not edits:
        return Need(consistency=Consistency.IMMEDIATE, why="nothing that runs already changes")
    if len(edits) == 1 and edits[0].kind is EditKind.BODY:
        return Need(consistency=Consistency.IMMEDIATE, why=f"the body of {edits[0].name} alone changes")
    names = ", ".join(edit.name for edit in edits[:3]) + (" and others" if len(edits) > 3 else "")
    return Need(consistency=Consistency.TASK, why=f"{names} change together")


def _why_rest(draft: Draft) -> str:
    """Why the program has to be at rest; empty where two versions can be there at once."""
    other = next((edit for edit in draft.plan.edits if edit.kind not in _TWO_VERSIONS), None)
    if other is not None:
        return _describe(other)
    if draft.after:
        return "a statement is run for its effect"
    if draft.hooks:
        return "migrations come with it"
    if draft.gone or draft.arrived:
        return "modules come or go"
    if draft.memos:
        return "the program keeps results of what changes"
    return ""


def _describe(edit: Edit) -> str:
    return _WHY.get(edit.kind, "{} changes").format(edit.name)
