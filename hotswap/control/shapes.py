"""What the classes of a package hold, compared with their history.

    field added, with a default that can be written down     its text
    field added, without one                                 a person is asked for an expression
    one gone and one added of like kind                      a person is asked whether it was renamed
    class gone and one added that has fields in common       the same
    class that a hand-written migration leads on already     only recorded
"""

from __future__ import annotations

import ast
import enum
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from hotswap.errors import DeclarationError, FileError, HotswapError
from hotswap.history import History
from hotswap.hooks import NAME
from hotswap.kinds import is_a
from hotswap.link.defaults import summary_of, views_of
from hotswap.link.fields import class_nodes
from hotswap.link.names import look_up
from hotswap.link.views import View
from hotswap.migrations import REGISTRY
from hotswap.plan.source import SourceError
from hotswap.plan.units import Summary
from hotswap.plugin.values import Field

__all__ = ["Ask", "Change", "Comparison", "find_views"]

#: Asks a question; gives the answer, empty for none.
Ask = Callable[[str], str]


@attrs.define
class Change:
    """A class whose objects hold something else than in its newest recorded version.

    Attributes:
        target: ``module:name``.
        frm: the version that the change leads from.
        renamed: field that was -> field that is.
        added: fields with the text of their value; None for one that nobody knows.
        gone: fields.
        renamed_from: what the class was called.
    """

    target: str
    frm: int
    renamed: dict[str, str] = attrs.Factory(dict)
    added: dict[str, str | None] = attrs.Factory(dict)
    gone: list[str] = attrs.Factory(list)
    renamed_from: str = ""

    @property
    def is_finished(self) -> bool:
        return None not in self.added.values()

    @property
    def file(self) -> str:
        module, _, qualname = self.target.partition(":")
        stem = re.sub(r"\W", "_", f"{module.rpartition('.')[2]}_{qualname}_{self.frm + 1}").lower()
        return f"{stem}.py"

    def describe(self) -> str:
        parts = [f"{old} -> {new}" for old, new in self.renamed.items()]
        parts += [f"+{name}" + (" (value unknown)" if text is None else "") for name, text in self.added.items()]
        parts += [f"-{name}" for name in self.gone]
        was = f" (was {self.renamed_from})" if self.renamed_from else ""
        return f"{self.target}{was} {self.frm} -> {self.frm + 1}: {', '.join(parts) or 'nothing but its name'}"


# ---- what classes hold ----


def _modules_of(package: str) -> list[str]:
    found = [package]
    module = importlib.import_module(package)
    for info in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{package}."):
        parts = info.name.split(".")
        if NAME not in parts and parts[-1] != "__main__":
            found.append(info.name)
    return found


def _summaries(names: list[str]) -> dict[str, Summary]:
    found = {}
    for name in names:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # border to program code, raised again with what to do
            raise HotswapError(f"{name} cannot be imported: {type(error).__name__}: {error}; mend it first") from error
        try:
            if (summary := summary_of(module)) is not None:
                found[name] = summary
        except SourceError as error:
            raise FileError(str(error.finding)) from error
    return found


def find_views(package: str) -> dict[str, View]:
    """What objects of the classes of a package hold, by ``module:name``. Imports all of its modules.

    Raises:
        HotswapError: a module cannot be imported.
    """
    summaries = _summaries(_modules_of(package))
    views = views_of(summaries)
    found = {}
    for module, qualname in _class_names(summaries):
        cls = look_up(sys.modules[module].__dict__, qualname)
        if is_a(cls, type) and not is_a(cls, enum.EnumType) and (cls.__module__, cls.__qualname__) == (module, qualname):
            view = views.before(cls)
            if view.fixed is None:
                found[f"{module}:{qualname}"] = view
    return found


def _class_names(summaries: Mapping[str, Summary]) -> Iterator[tuple[str, str]]:
    for module, summary in summaries.items():
        for unit in summary.units:
            if b"class" in unit.text:
                for qualname in class_nodes(ast.Module([unit.node], [])):
                    if "<locals>" not in qualname:
                        yield module, qualname


# ---- comparing ----


@attrs.define
class Comparison:
    """Compares what classes hold with their history.

    Attributes:
        ask: asks a person; gives nothing where nobody is there.
        renames: ``module:Class.field`` or ``module:Class`` -> the new name, as given on the command line.
        defaults: ``module:Class.field`` -> the text of an expression.
    """

    history: History
    ask: Ask
    renames: dict[str, str]
    defaults: dict[str, str]
    changes: list[Change] = attrs.Factory(list)
    news: list[str] = attrs.Factory(list)

    def run(self, views: Mapping[str, View]) -> None:
        """Find the changes, and bring the history up to date."""
        classes = self.history.classes
        moved = self._find_renamed(views)
        for target, view in sorted(views.items()):
            was = moved.get(target, target)
            fields = {name: field.kind for name, field in view.fields.items()}
            recorded = self.history.newest(was)
            if not recorded:
                if fields:
                    version = REGISTRY.newest(target)
                    classes[target] = {version: fields}
                    self.news.append(f"{target} is recorded with version {version}")
                continue
            before = classes[was][recorded]
            if was != target:
                classes[target] = classes.pop(was)
            version = REGISTRY.newest(target)
            if version > recorded:
                classes[target][version] = fields
                self.news.append(f"{target}: version {version} is recorded, to which its migrations lead")
            elif before.keys() != fields.keys() or was != target:
                change = self._compare(target, recorded, before, view)
                change.renamed_from = was if was != target else ""
                self.changes.append(change)
                classes[target][recorded + 1] = fields
            else:
                classes[target][recorded] = fields  # kinds may be known better by now
        for target in [target for target in classes if target not in views]:
            del classes[target]
            self.news.append(f"{target} is gone")

    def _find_renamed(self, views: Mapping[str, View]) -> dict[str, str]:
        """New name -> old name of classes."""
        gone = [target for target in self.history.classes if target not in views]
        found: dict[str, str] = {}
        for target in sorted(views):
            if target in self.history.classes:
                continue
            for old in [old for old in gone if old not in found.values()]:
                shared = self.history.classes[old][self.history.newest(old)].keys() & views[target].fields.keys()
                said = self.renames.get(old)
                if said == target or (said is None and shared and self._is_said(f"Was class {old} renamed to {target}?")):
                    found[target] = old
                    break
        return found

    def _compare(self, target: str, frm: int, before: Mapping[str, str], view: View) -> Change:
        change = Change(target, frm)
        added = [name for name in view.fields if name not in before]
        gone = [name for name in before if name not in view.fields]
        for name in list(added):
            for old in list(gone):
                said = self.renames.get(f"{target}.{old}")
                kinds = {before[old], view.fields[name].kind} - {""}
                if said == name or (
                    said is None and len(kinds) < 2 and self._is_said(f"Was {target}.{old} renamed to {target}.{name}?")
                ):
                    change.renamed[old] = name
                    gone.remove(old)
                    added.remove(name)
                    break
        change.gone = gone
        for name in added:
            change.added[name] = self._value(target, name, view.fields[name])
        return change

    def _value(self, target: str, name: str, field: Field) -> str | None:
        """The text of the value that objects from before get."""
        key = f"{target}.{name}"
        if key in self.defaults:
            return _checked(self.defaults[key], key)
        if (text := write_default(field)) is not None:
            return text
        why = ""
        while True:
            answer = self.ask(
                f"{why}{key} is new, and {field.why or 'its default cannot be written down'}. Its value for objects from "
                "before, as an expression in which state is the object's (empty: write a stub):"
            )
            if not answer:
                return None
            try:
                return _checked(answer, key)
            except DeclarationError as error:
                why = f"{error}. "

    def _is_said(self, question: str) -> bool:
        return self.ask(f"{question} [y/N]").strip().lower() in ("y", "yes")


def _checked(text: str, key: str) -> str:
    try:
        return ast.unparse(ast.parse(text.strip(), mode="eval"))
    except SyntaxError as error:
        raise DeclarationError(f"the value of {key}, {text!r}, is no Python expression: {error.msg}") from error


def write_default(field: Field) -> str | None:
    """The text that gives the default of a field at any time; None where there is none."""
    if not field.is_safe:
        return None
    if field.factory is None:
        return _literal(field.default)
    value = field.factory()  # safe ones give an empty container, or a copy of a literal
    kind = type(value)
    if not value and kind in (list, dict, set, bytearray):
        return f"{kind.__name__}()"
    return _literal(value)


def _literal(value: Any) -> str | None:
    text = repr(value)
    try:
        again = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return text if type(again) is type(value) and repr(again) == text else None
