"""What a running program does to its data between the start and a swap, and what has to become of it.

The three-way rule: what the program changed is kept, what it did not change is as on a fresh start. Both processes get
the same change by the same text, so the fresh one shows the rule, with one exception: a value computed from the old one
(a counter) is written down as what it was on version 1, whatever the new text starts with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from tests.generated.program import Class, Comp, Data, Function, Lit, Many, Program
from tests.generated.scope import container


@attrs.frozen
class Changes:
    """The statements to run after the start, and the names that they change."""

    text: str
    names: frozenset[str]


def _holds(kind: str) -> Callable[[object], bool]:
    return lambda statement: container(statement) == kind


def _is_literal(statement: object) -> bool:
    return isinstance(statement, Data) and statement.form == "plain" and isinstance(statement.value, Lit)


def _is_class(statement: object) -> bool:
    return isinstance(statement, Class) and not statement.decorators


def _is_plain_function(statement: object) -> bool:
    return isinstance(statement, Function) and not statement.decorators and statement.flavour != "cm"


def _first_key(statement: object) -> str:
    """A key that a dict has on version 1: where it had none, one that version 2 brings is not changed by anybody."""
    value = statement.value if isinstance(statement, Data) else None
    if isinstance(value, Many):
        return "'k0'" if value.items else ""
    return "0" if isinstance(value, Comp) and value.count else ""


#: name: what it fits, the statement (``n``: the name with its module, ``was``: the text of its value on version 1, ``key``: one
#: that it has there)
KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "append": (_holds("list"), "{n}.append('p')"),
    "key": (_holds("dict"), "{n}['p'] = 'p'"),
    "overwrite": (_holds("dict"), "{n}[{key}] = 'p'"),
    "delete": (_holds("dict"), "{n}.pop({key}, None)"),
    "pop": (_holds("list"), "{n}[:1] = []"),
    "clear": (_holds("list"), "{n}.clear()"),
    "bind": (_is_literal, "{n} = 'p'"),
    "count": (_is_literal, "{n} = ({was}, 'p')"),
    "attribute": (_is_class, "{n}.p = 'p'"),
    "new attribute": (_is_class, "{n}.other = 'p'"),
    "mark": (_is_plain_function, "{n}.mark = 'p'"),
}


def make_changes(programs: tuple[Program, ...], drawn: Iterable[tuple[str, int]]) -> Changes:
    """Changes of names that are there, and of one kind, in all versions.

    Args:
        programs: the versions.
        drawn: kind of change, and a number that chooses the name.
    """
    lines, names = [], set()
    for kind, pick in drawn:
        fits, text = KINDS[kind]
        found = [
            (module.name, s) for module, _, s in programs[0].statements()
            if fits(s) and all(fits(program.find(s.name)) and program.owner(s.name) == module.name for program in programs)
        ]  # fmt: skip
        if found:
            module, statement = found[pick % len(found)]
            was, key = statement.value.text if _is_literal(statement) else "", _first_key(statement)
            if "{key}" in text and not key:
                continue
            lines.append(text.format(n=f"{module}.{statement.name}", was=was, key=key))
            names.add(statement.name)
    return Changes("\n".join(["CHANGED = True", *lines, ""] if lines else []), frozenset(names))
