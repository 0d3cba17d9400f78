"""Configuration that an application has read by a text: ``app.config.from_object("depot.settings.Live")``.

Nobody sees in the text of the program what such a call depends on: so what was read is noted, and a change of that asks for a
restart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import attrs

from hotswap.model import Edit, EditKind, Finding, Plan, Severity

_QUIET = frozenset({EditKind.BODY, EditKind.SIGNATURE, EditKind.LINES})


@attrs.define(eq=False)
class ReadByName:
    """What has been read: the dotted names that were given."""

    _names: set[str] = attrs.field(factory=set, init=False)

    def noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``Config.from_object``, which notes what it is given; for :meth:`hotswap.requests.Passage.replace`."""

        def from_object(config: Any, obj: object) -> Any:
            if isinstance(obj, str):
                self._names.add(obj)
            return original(config, obj)

        return from_object

    def judge(self, plan: Plan) -> Iterator[Finding]:
        """What a plan changes of that, itself or in the bases of a class."""
        places = {(module, name): given for given in sorted(self._names) for module, name in _find_places(given)}
        for module in plan.modules if places else ():
            for edit in module.edits:
                if (given := _read_from(edit, places)) is not None:
                    message = f"{edit.name} changes, and an application has read its configuration from {given!r}, by name"
                    yield Finding(
                        code="HS213", severity=Severity.HELD, message=message, file=module.file, line=edit.line,
                        next_step="restart",
                    )  # fmt: skip


def _read_from(edit: Edit, places: dict[tuple[str, str], str]) -> str | None:
    if edit.kind in _QUIET:
        return None
    tops = (name.partition(".")[0] for name in edit.qualname.split(", "))
    found = (places.get((edit.module, top)) or (places.get((edit.module, "*")) if top.isupper() else None) for top in tops)
    return next((given for given in found if given is not None), None)


def _find_places(given: str) -> Iterator[tuple[str, str]]:
    """The module and the name in it, of an object and of the classes that it is made from; ``*`` for a module as a whole."""
    value, name = _follow(given.replace(":", "."))
    if isinstance(value, ModuleType):
        yield value.__name__, "*"
    elif isinstance(value, type):
        yield from ((cls.__module__, cls.__qualname__.partition(".")[0]) for cls in value.__mro__[:-1])
    if name:
        yield name


def _follow(path: str) -> tuple[Any, tuple[str, str] | None]:
    """What a dotted name leads to, and the name in a module by which it does."""
    module, names = path, list[str]()
    while module and module not in sys.modules:
        module, _, name = module.rpartition(".")
        names.insert(0, name)
    value: Any = sys.modules.get(module)
    for name in names:
        value = getattr(value, name, None)
    return value, (module, names[0]) if module and names else None
