"""What an object of a class holds, by the old text and by the new one, without making an object.

Along the row of its classes (the MRO), as far as each ``__init__`` runs the next one: what the text of a class sets,
what a plugin says about classes that something generates (dataclass, attrs, named tuple), and which classes outside
of the managed modules take part.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import FunctionType
from typing import Any

import attrs

from hotswap.kinds import vars_of
from hotswap.link.fields import Code, TextClass, TextField, cannot_be_given, class_nodes, own_methods, read_class
from hotswap.link.guards import Guard, find_guards
from hotswap.link.holders import class_attribute
from hotswap.link.literals import evaluate
from hotswap.link.passing import Parameter
from hotswap.link.rows import class_row
from hotswap.plan.units import Summary
from hotswap.plugin.defaults import is_immutable
from hotswap.plugin.values import Field, Shape


@attrs.define(eq=False)
class View:
    """What an object of one class holds, by one of the two texts.

    Attributes:
        fields: by name.
        origin: module and line by which a field comes, for messages.
        foreign: classes outside of the managed modules whose ``__init__`` takes part.
        fixed: the fields in order, for objects that cannot change; None for others.
        texts: fields that come from the text alone.
        sources: the text of all by which these get their values; another one where something in it has another value.
        hashing: what ``__hash__`` does, as text.
        unknown: see :class:`hotswap.link.fields.TextClass`.
        guards: the properties and the like that stand before fields.
    """

    fields: dict[str, Field] = attrs.Factory(dict)
    origin: dict[str, tuple[str, int]] = attrs.Factory(dict)
    foreign: dict[str, type] = attrs.Factory(dict)
    fixed: tuple[str, ...] | None = None
    texts: dict[str, TextField] = attrs.Factory(dict)
    sources: dict[str, str] = attrs.Factory(dict)
    hashing: str = ""
    unknown: dict[str, tuple[str, int]] = attrs.Factory(dict)
    guards: dict[str, Guard] = attrs.Factory(dict)

    def added(self, old: View) -> list[str]:
        return [name for name in self.fields if name not in old.fields]

    def differs(self, old: View) -> bool:
        """True where live objects may be concerned."""
        same = (
            self.fields.keys() == old.fields.keys()
            and self.fixed == old.fixed
            and self.foreign.keys() == old.foreign.keys()
            and self.hashing == old.hashing
            and self.unknown.keys() == old.unknown.keys()
            and self.guards.keys() == old.guards.keys()
        )
        return not same or any(self.makes_otherwise(old, name) for name in self.fields)

    def makes_otherwise(self, old: View, name: str) -> bool:
        """True for a field of both texts that a new object begins with another value of."""
        if name in self.texts and name in old.texts:
            return self.sources[name] != old.sources[name]
        if name not in old.fields or name in self.texts or name in old.texts:
            return False
        before, after = old.fields[name].default, self.fields[name].default
        return is_immutable(before) and is_immutable(after) and repr(before) != repr(after)


class Texts:
    """The class statements of the loaded texts or of the new ones."""

    def __init__(self, summary_of: Callable[[str], Summary | None]) -> None:
        self.summary_of = summary_of
        self._nodes: dict[str, dict[str, ast.ClassDef]] = {}
        self._methods: dict[tuple[str, str], dict[str, Code]] = {}

    def node(self, module: str, qualname: str) -> ast.ClassDef | None:
        if module not in self._nodes:
            summary = self.summary_of(module)
            found = self._nodes[module] = {}
            for unit in summary.units if summary is not None else ():
                if b"class" in unit.text:
                    found.update(class_nodes(ast.Module([unit.node], [])))
        return self._nodes[module].get(qualname)

    def methods(self, module: str, qualname: str) -> dict[str, Code] | None:
        node, key = self.node(module, qualname), (module, qualname)
        if node is None:
            return None
        if key not in self._methods:
            self._methods[key] = own_methods(node, module)
        return self._methods[key]

    def function(self, module: str, chain: str, depth: int = 9) -> Code | None:
        """The function that a dotted name of a module means, by its definition and by imports."""
        summary = self.summary_of(module)
        head, _, rest = chain.partition(".")
        for unit in summary.binders().get(head, ()) if summary is not None else ():
            if isinstance(unit.node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not rest:
                return Code(module, unit.node)
            for binding in unit.imports if depth else ():
                if binding.local == head and (target := ".".join(filter(None, (binding.attr, rest)))):
                    return self.function(binding.module, target, depth - 1)
        return None


@attrs.define(eq=False)
class Views:
    """Makes the views of live classes before and after a swap.

    Attributes:
        old, new: the class statements of both texts.
        names: of the managed modules, by their ``__name__``.
        staged: by id of the live class: the one that was built aside from the new text.
        resolve: the live twin of a staged object.
        shape_of: asks plugins.
        lookup: what a dotted name means in a module after the swap.
        changed: the globals that get another value, with their module.
        renamed: live classes that get another name or module, by the new one as ``module:name``.
    """

    old: Texts
    new: Texts
    names: dict[str, str]
    staged: dict[int, type]
    resolve: Callable[[Any], Any]
    shape_of: Callable[[type], Shape | None]
    lookup: Callable[[str, str], Any]
    changed: Collection[tuple[str, str]] = ()
    renamed: Mapping[str, type] = attrs.Factory(dict)

    def before(self, cls: type) -> View:
        return self._view(cls.__mro__, lambda each: each, self.old)

    def after(self, cls: type) -> View:
        return self._view(class_row(cls, self.new_bases), lambda each: self.staged.get(id(each), each), self.new)

    def settle(self, cls: type, before: View, after: View) -> None:
        """Give a field of the second view the default of the parameter that it comes from, where that is as new as the field.

        Whoever has made an object of before cannot have given it. A class between may give it from now on, so none of these
        may have changed its ``__init__``.
        """
        for name in after.added(before):
            written = after.texts.get(name)
            if after.fields[name].is_safe or written is None or written.default is None:
                continue
            parameter = written.expression.id if isinstance(written.expression, ast.Name) else ""
            if self._is_new_parameter(cls, parameter):
                field = evaluate(written.default, frozenset(), functools.partial(self.lookup, written.module))
                if field.is_safe and field.factory is None:  # another default is one object for all
                    after.fields[name] = field if field.kind else attrs.evolve(field, kind=written.annotation)

    def new_parameter(self, cls: type, after: View, name: str) -> Parameter | None:
        """The parameter with a default that gives a field of the new class; None where something else does."""
        written = after.texts.get(name)
        if written is None:  # a library has written the function
            return Parameter.of_function(class_attribute(self.staged.get(id(cls), cls), "__init__"), name)
        if written.default is None or not isinstance(written.expression, ast.Name):
            return None
        rows = [self.new.methods(self.names.get(each.__module__, ""), each.__qualname__) or {} for each in cls.__mro__]
        init = next((row["__init__"] for row in rows if "__init__" in row), None)
        return Parameter.of_text(init.node.args, written.expression.id, written.default) if init is not None else None

    def _is_new_parameter(self, cls: type, parameter: str) -> bool:
        for each in cls.__mro__:
            place = (self.names.get(each.__module__, ""), each.__qualname__)
            old, new = ((texts.methods(*place) or {}).get("__init__") for texts in (self.old, self.new))
            if new is not None and not cannot_be_given(new, parameter):
                return cannot_be_given(old, parameter)
            if (old is None) != (new is None) or (old and new and ast.dump(old.node) != ast.dump(new.node)):
                return False
        return False

    def new_bases(self, cls: type) -> tuple[type, ...]:
        staged = self.staged.get(id(cls))
        return cls.__bases__ if staged is None else tuple(self.resolve(base) for base in staged.__bases__)

    def line(self, cls: type) -> int:
        """Where the class statement stands, in the new text if it is there; 0 where it is unknown."""
        module = self.names.get(cls.__module__)
        node = None if module is None else self.new.node(module, cls.__qualname__) or self.old.node(module, cls.__qualname__)
        return node.lineno if node is not None else 0

    def _view(self, row: Iterable[type], twin_of: Callable[[type], type], texts: Texts) -> View:
        view = View()
        goes_on = True
        twins = [(cls, twin_of(cls)) for cls in row if cls is not object]
        methods = [texts.methods(self.names.get(twin.__module__, ""), twin.__qualname__) for _, twin in twins]
        known: dict[str, list[Code]] = {}
        for own in methods:
            for name, code in (own or {}).items():
                known.setdefault(name, []).append(code)
        for (cls, twin), own in zip(twins, methods, strict=True):
            module = self.names.get(twin.__module__)
            text = read_class(own, known, texts.function) if own is not None else None
            shape = self.shape_of(twin)
            if shape is not None and shape.is_fixed and view.fixed is None:
                view.fixed = tuple(shape.fields)
            view.hashing += _hashing(twin, text, shape)
            if goes_on:
                self._add_fields(view, cls, module, text, shape, texts)
                goes_on = self._goes_on(view, twin, module, text, shape)
        guarded = [name for name, field in view.fields.items() if not field.is_bare]
        view.guards = find_guards([twin for _, twin in twins], guarded, twin_of)
        return view

    def _add_fields(
        self, view: View, cls: type, module: str | None, text: TextClass | None, shape: Shape | None, texts: Texts
    ) -> None:
        for name, field in shape.fields.items() if shape is not None else ():
            view.fields.setdefault(name, field)
            view.origin.setdefault(name, (module or "", self.line(cls)))
        if text is None or module is None:
            return
        for whole, place in text.unknown.items():
            view.unknown[self._marked(whole, place[0], texts)] = place
        for name, written in text.fields.items():
            if name not in view.fields or (name not in view.texts and not view.fields[name].is_safe):
                view.fields[name] = written.evaluate(functools.partial(self.lookup, written.module))
                view.origin[name] = (written.module, written.line)
                view.texts[name] = written
                view.sources[name] = self._marked(written.sources(), written.module, texts, written.arguments)

    def _marked(self, whole: str, module: str, texts: Texts, local: Collection[str] = ()) -> str:
        """A text, and that something which it names has another value in the new one."""
        names = re.findall(r"Name\(id='(\w+)'", whole) if texts is self.new else []
        differs = any((module, name) in self.changed for name in names if name not in local)
        return f"{whole} otherwise" if differs else whole

    def _goes_on(self, view: View, twin: type, module: str | None, text: TextClass | None, shape: Shape | None) -> bool:
        """True where making an object also runs what the next class in the row says."""
        init = vars_of(twin).get("__init__")
        if text is not None:
            return text.goes_on if text.has_init or shape is None else False
        if type(init) is not FunctionType:
            return shape is None
        if module is None:
            view.foreign[f"{twin.__module__}.{twin.__qualname__}"] = twin
        return "__init__" in init.__code__.co_names


def _hashing(cls: type, text: TextClass | None, shape: Shape | None) -> str:
    """What a class contributes to the hash of its objects."""
    if "__hash__" not in vars_of(cls):
        return ""
    if vars_of(cls)["__hash__"] is None:
        return f"{cls.__qualname__} has none;"
    written = text.hashing if text is not None else ""
    return f"{cls.__qualname__}:{written or (sorted(shape.fields) if shape is not None else '')};"
