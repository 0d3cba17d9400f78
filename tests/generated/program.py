"""Small programs as values: what the strategies draw, what the edits change, what is rendered to text.

A :class:`Program` is a tuple of modules, a module a tuple of statements. Names are unique in the whole program, so a
reference is a name alone; :mod:`render` finds out how its module imports it. A reference that is not resolved yet
carries a number instead of a name (:mod:`scope` turns one into the other), so that a drawn piece fits anywhere and a
smaller program is still a valid one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

frozen = attrs.frozen

# -- expressions ------------------------------------------------------------------------------------------------


@frozen
class Lit:
    """A literal, as its text."""

    text: str


@frozen
class Local:
    """A parameter of the function around; ``x`` exists in every one."""

    name: str = "x"


@frozen
class Ref:
    """A bare name of the program; ``pick`` counts back from the newest fitting name while ``name`` is empty."""

    pick: int = 0
    name: str = ""


@frozen
class Use:
    """A name used for its value: data is read, a function called, a member of a class asked for.

    ``member`` of a class: a number until it is resolved, then a name, or empty for ``__name__``.
    """

    target: Ref
    arg: Any
    member: int | str = 0


@frozen
class New:
    """An instance of a class of the program."""

    target: Ref
    arg: Any


@frozen
class Partial:
    """``functools.partial`` of a function of the program; the argument goes to ``x``."""

    target: Ref
    arg: Any


@frozen
class Many:
    """A display: tuple, list, dict (keys are numbered) or set (of literals)."""

    kind: str
    items: tuple[Any, ...]


@frozen
class Comp:
    """A comprehension over ``range(count)``: list, dict, tuple (a generator inside a call)."""

    kind: str
    item: Any
    count: int


@frozen
class Choose:
    """``then if test else other``."""

    test: Any
    then: Any
    other: Any


@frozen
class Lambda:
    """``lambda x, d=default: (body, d)``."""

    default: Any
    body: Any


@frozen
class Own:
    """Inside a method: another member of ``self``, or of ``super()``; a number until it is resolved."""

    member: int | str
    by_super: bool = False


# -- parts of definitions ---------------------------------------------------------------------------------------


@frozen
class Param:
    """A parameter after ``x``; all have defaults, so every call with one argument is valid."""

    name: str
    default: Any
    annotation: str = ""
    keyword: bool = False


@frozen
class Decorator:
    """A use of a decorator of the program, or of a library's (``library`` is then its text)."""

    target: Ref = Ref()
    key: Any = Lit("'k'")
    library: str = ""


@frozen
class Step:
    """A statement in a body: ``assign`` a local, ``inner`` function called at once, ``guard`` that raises on 'boom',
    ``with`` a context manager of the program, ``import`` (names of other modules are imported inside)."""

    kind: str
    value: Any = Lit("0")
    target: Ref = Ref()


@frozen
class Function:
    """A function or method.

    ``flavour``: func, gen, coro, agen, cm (contextmanager), factory (gives a closure over its parameters); for a method
    also static, class, property, cached.
    """

    name: str
    params: tuple[Param, ...]
    flavour: str
    decorators: tuple[Decorator, ...]
    steps: tuple[Step, ...]
    result: Any
    doc: str = ""


@frozen
class Field:
    """A field of a dataclass after ``x``, or a plain class attribute."""

    name: str
    value: Any


# -- statements -------------------------------------------------------------------------------------------------


@frozen
class Data:
    """Module data. ``form``: plain, annotated, unpack, if, loop, fill, try, augment, with ``extra`` as second value."""

    name: str
    value: Any
    form: str = "plain"
    extra: Any = Lit("0")


@frozen
class Wrapper:
    """The definition of a decorator. ``style``: plain, wraps, args (takes ``tag``), class, attribute (sets ``tag``)."""

    name: str
    style: str
    tag: Any


@frozen
class Registry:
    """A container and the decorator that fills it. ``style``: list, dict, nested (dict of lists)."""

    name: str
    style: str


@frozen
class Class:
    """A class. ``style``: plain, dataclass, hook (its subclasses are noted by ``__init_subclass__``)."""

    name: str
    style: str
    base: Ref | None
    keyword: Any
    attributes: tuple[Field, ...]
    fields: tuple[Field, ...]
    methods: tuple[Function, ...]
    decorators: tuple[Decorator, ...] = ()
    doc: str = ""


@frozen
class Effect:
    """A statement run for its effect on data of the program: ``append``, ``item``, ``attribute`` (of a function)."""

    name: str  # never bound; it makes the statement findable
    kind: str
    target: Ref
    value: Any


@frozen
class Special:
    """A definition of a kind of its own, with two values in it. ``kind``: enum, error, tuple (a NamedTuple), pattern,
    dispatch (``singledispatch`` with one implementation), nested (a class in a class), slots, method (``partialmethod``)."""

    name: str
    kind: str
    value: Any
    extra: Any


@frozen
class Comment:
    """Lines that mean nothing, an import that is not used, or a docstring."""

    name: str
    text: str


# -- the whole --------------------------------------------------------------------------------------------------


@frozen
class Module:
    """Its statements; ``kept`` names are imported though nothing in it uses them (left behind by a move)."""

    name: str
    statements: tuple[Any, ...] = ()
    kept: tuple[str, ...] = ()


@frozen
class Program:
    """Modules in the order of import; ``styles`` says how a module imports an earlier one."""

    modules: tuple[Module, ...]
    styles: tuple[tuple[str, str, str], ...] = ()  # importer, imported, style
    counter: int = 0  # of the names given so far

    def statements(self) -> Iterator[tuple[Module, int, Any]]:
        for module in self.modules:
            for index, statement in enumerate(module.statements):
                yield module, index, statement

    def find(self, name: str) -> Any | None:
        return next((statement for _, _, statement in self.statements() if statement.name == name), None)

    def owner(self, name: str) -> str:
        return next((module.name for module, _, statement in self.statements() if statement.name == name), "")

    def module(self, name: str) -> Module:
        return next(module for module in self.modules if module.name == name)

    def with_module(self, new: Module) -> Program:
        return attrs.evolve(self, modules=tuple(new if old.name == new.name else old for old in self.modules))

    def style(self, importer: str, imported: str) -> str:
        return next((style for a, b, style in self.styles if (a, b) == (importer, imported)), "module")


# -- walking ----------------------------------------------------------------------------------------------------


def walk(node: Any) -> Iterator[Any]:
    """The node and all below it, in order of their text."""
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif attrs.has(type(node)):
        yield node
        for field in type(node).__attrs_attrs__:
            yield from walk(getattr(node, field.name))


def rewrite(node: Any, change: Callable[[Any], Any]) -> Any:
    """Ask ``change`` for each node from the top; where it gives the node itself, go on below.

    A ``None`` given for an element of a tuple takes the element out.
    """
    if isinstance(node, tuple):
        items = [(item, rewrite(item, change)) for item in node]
        return tuple(new for old, new in items if new is not None or old is None)
    if not attrs.has(type(node)):
        return node
    new = change(node)
    if new is not node:
        return new
    values = {field.name: getattr(node, field.name) for field in type(node).__attrs_attrs__}
    fresh = {name: rewrite(value, change) for name, value in values.items()}
    changed = {name: value for name, value in fresh.items() if value is not values[name] and value != values[name]}
    return attrs.evolve(node, **changed) if changed else node


def names_in(node: Any) -> set[str]:
    """Names of the program that a piece of it refers to."""
    return {part.name for part in walk(node) if isinstance(part, Ref) and part.name}
