"""Configuration that an application has read by a text: ``app.config.from_object("depot.settings.Live")``.

Nobody sees in the text of the program what such a call depends on: so what was read is noted, and a change of that asks for a
restart.

    given          read from
    a module       its names in capitals; those of modules that it imports by ``*``, and of theirs
    a class        its text, that of its bases
    an object      the statement that makes it, the text of its class and of that one's bases
"""

from __future__ import annotations

import ast
import importlib.util
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
            stars = {line for line, _ in _find_stars(module.file, module.module)} if (module.module, "*") in places else set()
            for edit in module.edits:
                if (given := _read_from(edit, places, stars)) is not None:
                    message = f"{edit.name} changes, and an application has read its configuration from {given!r}, by name"
                    yield Finding(
                        code="HS213", severity=Severity.HELD, message=message, file=module.file, line=edit.line,
                        next_step="restart",
                    )  # fmt: skip


def _read_from(edit: Edit, places: dict[tuple[str, str], str], stars: set[int]) -> str | None:
    if edit.kind in _QUIET:
        return None
    tops = [name.partition(".")[0] for name in edit.qualname.split(", ")]
    found = next((places[edit.module, top] for top in tops if (edit.module, top) in places), None)
    if found is None and (any(map(str.isupper, tops)) or _may_bind_unseen(edit, stars)):
        return places.get((edit.module, "*"))
    return found


def _may_bind_unseen(edit: Edit, stars: set[int]) -> bool:
    """Whether a statement without a name may bring names in capitals; of a ``*`` that stays, its module's edits say so."""
    return edit.qualname.startswith("<line") and not (edit.kind is EditKind.DERIVED and edit.line in stars)


def _find_places(given: str) -> Iterator[tuple[str, str]]:
    """The module and the name in it, of an object and of the classes that it is made from; ``*`` for a module as a whole."""
    value, name = _follow(given.replace(":", "."))
    if isinstance(value, ModuleType):
        yield from ((module, "*") for module in _list_with_stars(value.__name__))
    else:
        made_from = value if isinstance(value, type) else type(value)
        yield from ((cls.__module__, cls.__qualname__.partition(".")[0]) for cls in made_from.__mro__[:-1])
    if name:
        yield name


def _list_with_stars(name: str) -> list[str]:
    """A module, and those from which it has names by ``*``."""
    found = [name]
    for each in found:  # which grows
        file = getattr(sys.modules.get(each), "__file__", None)
        sources = [source for _, source in _find_stars(file, each)] if file else []
        found += [source for source in dict.fromkeys(sources) if source not in found]
    return found


def _find_stars(file: str, name: str) -> Iterator[tuple[int, str]]:
    """The ``from x import *`` of a module: line, and the name of x."""
    package = getattr(sys.modules.get(name), "__package__", None) or ""
    try:
        with open(file, "rb") as source:
            tree = ast.parse(source.read())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                yield node.lineno, importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    except (OSError, SyntaxError, ValueError, ImportError):
        return  # gone, not to be read, or beyond its package: the plan says so; an extension in C has no text


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
