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
from hotswap.link.fields import (
    Code,
    TextClass,
    TextField,
    cannot_be_given,
    defaults_of,
    own_methods,
    placed_classes,
    read_class,
)
from hotswap.link.folding import Folding, Method, is_as_written
from hotswap.link.guards import Guard, find_guards
from hotswap.link.holders import class_attribute
from hotswap.link.literals import evaluate
from hotswap.link.names import kind_of_method
from hotswap.link.passing import Parameter
from hotswap.link.rows import class_row
from hotswap.plan.bindings import bound_names, dotted
from hotswap.plan.units import Summary
from hotswap.plugin.defaults import field_of_value, is_immutable
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
        given: by field, the parameters whose defaults give it its value.
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
    given: dict[str, frozenset[str]] = attrs.Factory(dict)

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
        self._nodes: dict[str, dict[str, tuple[ast.ClassDef, frozenset[str]]]] = {}
        self._methods: dict[tuple[str, str], dict[str, Code]] = {}

    def node(self, module: str, qualname: str) -> ast.ClassDef | None:
        found = self._placed(module, qualname)
        return found[0] if found is not None else None

    def _placed(self, module: str, qualname: str) -> tuple[ast.ClassDef, frozenset[str]] | None:
        if module not in self._nodes:
            summary = self.summary_of(module)
            found = self._nodes[module] = {}
            for unit in summary.units if summary is not None else ():
                if b"class" in unit.text:
                    found.update(placed_classes(ast.Module([unit.node], [])))
        return self._nodes[module].get(qualname)

    def methods(self, module: str, qualname: str) -> dict[str, Code] | None:
        placed, key = self._placed(module, qualname), (module, qualname)
        if placed is None:
            return None
        if key not in self._methods:
            self._methods[key] = own_methods(placed[0], module, placed[1])
        return self._methods[key]

    def sole_function(self, module: str, chain: str) -> Code | None:
        """The same where nothing else binds its name, and no decorator stands before it."""
        code = self.function(module, chain)
        summary = self.summary_of(code.module) if code is not None else None
        if code is None or summary is None or code.node.decorator_list or len(summary.binders().get(code.node.name, ())) != 1:
            return None
        return code

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
        """Give fields of the second view the values that follow from defaults of parameters which are as new as the fields.

        Whoever has made an object of before cannot have given these.
        """
        inits: dict[int, dict[str, ast.expr]] = {}
        for name in after.added(before):
            written = after.texts.get(name)
            init = written.code if written is not None else None
            if written is None or init is None or after.fields[name].is_safe or init.node.name != "__init__":
                continue
            if id(init.node) not in inits:
                inits[id(init.node)] = self._never_given(cls, init)
            defaults = inits[id(init.node)]
            field, given = self._field_by_default(written, init, defaults)
            if not field.is_safe:
                field, given = self._field_by_folding(cls, after, name, init, defaults)
            if field.is_safe:
                after.fields[name] = field if field.kind else attrs.evolve(field, kind=written.annotation)
                after.given[name] = given
            elif isinstance(written.expression, ast.Name) and (other := self._in_whose_place(cls, init, written.expression.id)):
                why = f"it comes from {written.expression.id}, in whose place calls of before may have given {other}"
                after.fields[name] = attrs.evolve(after.fields[name], why=why)

    def _field_by_default(self, written: TextField, init: Code, defaults: Mapping[str, ast.expr]) -> tuple[Field, frozenset[str]]:
        """The field where a parameter is assigned as it comes."""
        if written.default is None or not isinstance(written.expression, ast.Name) or written.expression.id not in defaults:
            return Field(), frozenset()
        field = evaluate(written.default, init.outer | init.body, functools.partial(self.lookup, written.module))
        is_one = field.factory is None  # another default is one object for all
        return (field if is_one else Field()), frozenset({written.expression.id})

    def _field_by_folding(
        self, cls: type, after: View, name: str, init: Code, defaults: Mapping[str, ast.expr]
    ) -> tuple[Field, frozenset[str]]:
        """The field where its value follows from defaults and what the text says; with the parameters of these."""
        if init.node.decorator_list:
            return Field(), frozenset()
        folding = Folding(self.lookup, self.new.sole_function, functools.partial(self._method_of, cls, after))
        found = folding.fields(init, {each: folding.default(init, node) for each, node in defaults.items()})
        if name not in found:
            return Field(), frozenset()
        field, written = field_of_value(found[name]), after.texts[name]
        if field.factory is not None and (written.is_used or written.is_shared):
            return Field(), frozenset()
        return field, frozenset(folding.read)

    def _method_of(self, cls: type, after: View, name: str) -> Method | None:
        """The method that objects of a class will have under a name; None where that is not sure."""
        reader: Any = cls.__getattribute__
        if name in after.fields or reader is not object.__getattribute__:
            return None
        for each in class_row(cls, self.new_bases):
            twin = self.staged.get(id(each), each)
            if name not in vars_of(twin):
                continue
            value, code = vars_of(twin)[name], (self._methods(self.new, twin) or {}).get(name)
            node = self.new.node(self.names.get(twin.__module__, ""), twin.__qualname__)
            kind = kind_of_method(value)
            function = value.__func__ if kind is not None else value
            if code is None or node is None or bound_names(node.body).count(name) != 1 or type(function) is not FunctionType:
                return None
            kinds = [dotted(decorator) for decorator in code.node.decorator_list]
            is_plain = kinds == ([kind.__name__] if kind is not None else [])
            return Method(code, kind is staticmethod) if is_plain and is_as_written(function, code) else None
        return None

    def new_parameters(self, cls: type, after: View, name: str) -> list[Parameter]:
        """The parameters with a default that give a field of the new class its value; none where something else does."""
        if name not in after.texts:  # a library has written the function
            return [Parameter.of_function(class_attribute(self.staged.get(id(cls), cls), "__init__"), name)]
        rows = [self._methods(self.new, each) or {} for each in cls.__mro__]
        init = next((row["__init__"] for row in rows if "__init__" in row), None)
        written = after.texts[name].code
        if init is None or written is None:
            return []
        defaults = defaults_of(written.node.args)
        return [Parameter.of_text(init.node.args, each, defaults[each]) for each in sorted(after.given.get(name, ()))]

    def _never_given(self, cls: type, init: Code) -> dict[str, ast.expr]:
        """The parameters of an ``__init__``, of a class or of a base, that no object of before can have been given; with their
        defaults.

        The functions that stand before that one in the row are the same as before, so they call it as they did. A parameter
        that stands where earlier calls have put another one means that one in a fresh process.
        """
        before, after = self._inits(cls.__mro__, self.old), self._inits(class_row(cls, self.new_bases), self.new)
        place = next((at for at, (_, code) in enumerate(after) if code is not None and code.node is init.node), None)
        if place is None or place > len(before):
            return {}
        earlier = before[place][1] if len(before) > place else None
        if earlier is None and (len(before) > place or any("__new__" in vars_of(each) for each in cls.__mro__[:-1])):
            return {}  # else it is that of ``object``, which takes nothing
        named = defaults_of(init.node.args).items()
        found = {name: node for name, node in named if earlier is None or cannot_be_given(earlier, init, name)}
        for (cls_before, old), (cls_after, new) in zip(before[:place], after[:place], strict=True) if found else ():
            text = ast.dump(old.node) if old is not None else ""
            if cls_before is not cls_after or text != (ast.dump(new.node) if new is not None else ""):
                return {}
            found = {name: node for name, node in found.items() if repr(name) not in text}  # it may take that for itself
        return found

    def _in_whose_place(self, cls: type, init: Code, parameter: str) -> str:
        """The parameter that calls of before have given in the place of a new one with a default; empty for none."""
        owner = next((each for each, code in self._inits(class_row(cls, self.new_bases), self.new) if code is init), None)
        earlier = (self._methods(self.old, owner) or {}).get("__init__") if owner is not None else None
        if earlier is None or parameter not in defaults_of(init.node.args):
            return ""
        before, after = ([arg.arg for arg in (*each.node.args.posonlyargs, *each.node.args.args)] for each in (earlier, init))
        place = after.index(parameter) if parameter in after else len(before)
        return before[place] if place < len(before) and parameter not in before else ""

    def _inits(self, row: Iterable[type], texts: Texts) -> list[tuple[type, Code | None]]:
        """The classes of a row with an ``__init__`` of their own, with its text where it has one."""
        found = []
        for each in row:
            twin = self.staged.get(id(each), each) if texts is self.new else each
            code = (self._methods(texts, twin) or {}).get("__init__")
            if code is not None or (twin is not object and "__init__" in vars_of(twin)):
                found.append((each, code))
        return found

    def _methods(self, texts: Texts, cls: type) -> dict[str, Code] | None:
        return texts.methods(self.names.get(cls.__module__, ""), cls.__qualname__)

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
            elif name in view.texts and view.texts[name].is_early:
                self._set_again(view, name, written)

    def _set_again(self, view: View, name: str, written: TextField) -> None:
        """A field that a class in front has set, maybe before this one does: unless both give the same, it is not known."""
        mine, theirs = view.fields[name], written.evaluate(functools.partial(self.lookup, written.module))
        is_same = is_immutable(mine.default) and is_immutable(theirs.default) and repr(mine.default) == repr(theirs.default)
        if not is_same:
            view.fields[name] = Field(kind=mine.kind, why="it is set in several places, or under a condition")
            view.texts[name].code = None

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
