"""What has to be evaluated, and why: filled by the follower of derived values."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from hotswap.plan.graph import Symbol
from hotswap.plan.members import MemberEdit
from hotswap.plan.recipes import Key

#: Stands in ``Dirt.values`` for names that nobody spells out: those that a module's star imports bring.
STAR = "*"
#: Stands in ``Dirt.facts`` for all attributes of a function or class.
ANY = "*"


@attrs.define(eq=False)
class Dirt:
    """What has to be evaluated.

    Attributes:
        changed: units whose own text asks for evaluation (added, or another skeleton).
        derived: units with unchanged text that depend on something that changed, with the symbol that made them so.
        support: units that are evaluated only because others need their new definitions; their results are dropped.
        aside: functions and classes that use what is made as support: run over the live module, they would change its
            data, or use the old methods of its classes.
        values: symbols whose value changes.
        classes: classes whose body changes.
        alone: those of them, not among ``classes``, whose readers are not evaluated again, see :mod:`hotswap.plan.alone`.
        facts: by functions and classes, the names of attributes that are others now, though these are the same objects:
            ``__doc__``; ANY where all of them may be, as of a function that is made anew, see :mod:`hotswap.plan.facts`.
        added: names that only the new text binds.
        rebound: names that mean another object, see :mod:`hotswap.plan.rebound`.
        unset: symbols to which a statement contributed that is gone, or has another text.
        lambdas: units that use a changed lambda of their own while they are evaluated.
        affected: functions (by qualified name) that behave differently, through any number of calls.
        shallow: those of them that do so while they run themselves, not only in functions nested in them.
        alike: members of classes that are made anew, by qualified name, whose own statements are as before.
        kept: derived units that are not evaluated, because their live value is opaque.
        skipped: effect statements that are not repeated.
        reduced: classes that a library takes part in making, of which only members are evaluated.
        refused: such classes where that is not enough, with the reason.
    """

    changed: set[Key] = attrs.Factory(set)
    derived: dict[Key, Symbol] = attrs.Factory(dict)
    support: set[Key] = attrs.Factory(set)
    aside: set[Symbol] = attrs.Factory(set)
    values: set[Symbol] = attrs.Factory(set)
    classes: set[Symbol] = attrs.Factory(set)
    alone: set[Symbol] = attrs.Factory(set)
    facts: dict[Symbol, set[str]] = attrs.Factory(dict)
    added: set[Symbol] = attrs.Factory(set)
    rebound: set[Symbol] = attrs.Factory(set)
    lambdas: set[Key] = attrs.Factory(set)
    unset: set[Symbol] = attrs.Factory(set)
    affected: set[Symbol] = attrs.Factory(set)
    shallow: set[Symbol] = attrs.Factory(set)
    alike: set[Symbol] = attrs.Factory(set)
    kept: dict[Key, Symbol] = attrs.Factory(dict)
    skipped: dict[Key, Symbol] = attrs.Factory(dict)
    reduced: dict[Key, MemberEdit] = attrs.Factory(dict)
    refused: dict[Key, str] = attrs.Factory(dict)

    def note_fact(self, symbol: Symbol, name: str) -> None:
        self.facts.setdefault(symbol, set()).add(name)

    def evaluated(self) -> set[Key]:
        return self.changed | set(self.derived) | self.support

    def needs_staging(self) -> bool:
        """False where nothing but function bodies and lines changed."""
        return bool(self.evaluated()) or any(name == STAR for _, name in self.values)


def by_module(keys: Iterable[Key]) -> dict[str, list[int]]:
    """The indexes of some units, sorted, by module."""
    found: dict[str, list[int]] = {}
    for module, index in sorted(keys):
        found.setdefault(module, []).append(index)
    return found
