"""The migration that a change needs, written as far as hotswap can: what a person has to say is ``...``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hotswap.migrations import name_of
from hotswap.plugin.values import Field


def write_stub(
    cls: type, added: Sequence[str], gone: Sequence[str], fields: Mapping[str, Field], hidden: Sequence[str] = ()
) -> str:
    """The text of a migration for a class.

    Args:
        added, gone: names of the fields that come and go.
        fields: of the new class; those that have a default need no line.
        hidden: fields that go on under another name, which only the code of a property tells.
    """
    target = name_of(cls)
    lines = ["from hotswap import migrate", "", ""]
    if len(added) == len(gone) == 1:
        lines += [
            f"# if {gone[0]} is called {added[0]} from now on:",
            f'migrate("{target}", steps=[rename("{gone[0]}", "{added[0]}")])  # from hotswap.migrations import rename',
            "# else:",
        ]
    name = "migrate_" + re.sub(r"\W", "_", cls.__qualname__).lower()
    asked = [each for each in added if not fields[each].is_safe]
    lines += [f'@migrate("{target}")', f"def {name}(state):"]
    lines += [f"    state[{each!r}] = ...{_from(gone)}" for each in asked]
    lines += [f"    state[...] = state.pop({each!r})  # where the property looks" for each in hidden]
    lines += [] if asked or hidden else ["    pass"]
    lines += ["", "", f"@{name}.down", "def _(state):"]
    lines += [f"    state[{each!r}] = ..." for each in gone]
    lines += [f"    state[{each!r}] = state.pop(...)" for each in hidden]
    lines += [] if gone or hidden else ["    pass"]
    return "\n".join(lines)


def _from(gone: Sequence[str]) -> str:
    return f"  # from {', '.join(f'state[{each!r}]' for each in gone)}?" if gone else ""
