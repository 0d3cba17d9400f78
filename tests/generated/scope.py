"""Make a program valid: give numbers their names, and take out what refers to something that is not there.

A statement sees what stands above it in its module and everything in earlier modules. A function calls only what it
sees, so nothing is recursive. After an edit the same pass mends the users of what was removed, as a person would.
"""

from __future__ import annotations

from typing import Any

import attrs

from tests.generated.program import (
    Choose,
    Class,
    Comp,
    Data,
    Decorator,
    Effect,
    Function,
    Lambda,
    Lit,
    Local,
    Many,
    New,
    Own,
    Partial,
    Program,
    Ref,
    Registry,
    Special,
    Step,
    Use,
    Wrapper,
)

NOTHING = Lit("0")
EXPRESSIONS = (Lit, Local, Use, New, Partial, Many, Comp, Choose, Lambda, Own)
PLAIN_FLAVOURS = ("func", "static", "class", "property", "cached")


@attrs.frozen
class Place:
    """Where an expression stands: what ``x`` and ``self`` mean there."""

    locals: frozenset[str] = frozenset()
    owner: Class | None = None
    method: Function | None = None
    nested: bool = False


def settle(program: Program) -> Program:
    """The program with every reference resolved and valid."""
    seen: list[Any] = []
    modules = []
    for module in program.modules:
        earlier = {statement.name for statement in seen}
        statements = []
        for statement in module.statements:
            fixed = _Settler(seen).statement(statement)
            if fixed is not None:
                statements.append(fixed)
                seen.append(fixed)
        kept = tuple(name for name in module.kept if name in earlier)
        modules.append(attrs.evolve(module, statements=tuple(statements), kept=kept))
    return attrs.evolve(program, modules=tuple(modules))


def ancestors(cls: Class, classes: dict[str, Class]) -> list[Class]:
    """The bases of a class, nearest first."""
    found = []
    while cls.base is not None and cls.base.name in classes:
        cls = classes[cls.base.name]
        found.append(cls)
    return found


def members(cls: Class, classes: dict[str, Class]) -> dict[str, Any]:
    """Members that a class answers for, by name: fields, attributes, methods; its own before those of its bases."""
    found: dict[str, Any] = {}
    for current in [cls, *ancestors(cls, classes)]:
        own = [*current.attributes, *(current.fields if current.style == "dataclass" else ()), *current.methods]
        for member in reversed(own):
            found.setdefault(member.name, member)
    return found


def fields_of(cls: Class, classes: dict[str, Class]) -> list[str]:
    """What ``__init__`` takes besides ``x``."""
    chain = [cls, *ancestors(cls, classes)]
    return sorted({field.name for current in chain if current.style == "dataclass" for field in current.fields})


def is_hooked(cls: Class, classes: dict[str, Class]) -> bool:
    """True where a base of the class notes its subclasses."""
    return any(base.style == "hook" for base in ancestors(cls, classes))


class _Settler:
    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen
        self.classes = {statement.name: statement for statement in seen if isinstance(statement, Class)}

    # -- references -----------------------------------------------------------------------------------------

    def pick(self, ref: Ref, *kinds: type, flavours: tuple[str, ...] = ()) -> Ref | None:
        fits = [s for s in reversed(self.seen) if isinstance(s, kinds) and (not flavours or s.flavour in flavours)]
        if ref.name:
            return ref if any(s.name == ref.name for s in fits) else None
        return Ref(name=fits[ref.pick % len(fits)].name) if fits else None

    def target_of_effect(self, effect: Effect) -> Ref | None:
        if effect.kind == "attribute":
            return self.pick(effect.target, Function)
        wanted = {"append": "list", "item": "dict"}[effect.kind]
        fits = [s.name for s in reversed(self.seen) if container(s) == wanted]
        if effect.target.name:
            return effect.target if effect.target.name in fits else None
        return Ref(name=fits[effect.target.pick % len(fits)]) if fits else None

    # -- statements -----------------------------------------------------------------------------------------

    def statement(self, node: Any) -> Any:
        place = Place()
        if isinstance(node, Function):
            return self.function(node, place)
        if isinstance(node, Class):
            return self.cls(node)
        if isinstance(node, Effect):
            target = self.target_of_effect(node)
            return None if target is None else attrs.evolve(node, target=target, value=self.fix(node.value, place))
        if isinstance(node, Wrapper):
            return attrs.evolve(node, tag=self.fix(node.tag, place))
        if isinstance(node, Special) and node.kind == "pattern" and not isinstance(node.value, Lit):
            node = attrs.evolve(node, value=NOTHING)
        if isinstance(node, (Data, Special)):
            return attrs.evolve(node, value=self.fix(node.value, place), extra=self.fix(node.extra, place))
        return node

    def cls(self, node: Class) -> Class:
        base = self.pick(node.base, Class) if node.base is not None else None
        place = Place()
        node = attrs.evolve(
            node, base=base, keyword=self.fix(node.keyword, place), attributes=self.fix(node.attributes, place),
            fields=self.fix(node.fields, place), decorators=self.decorators(node.decorators, "attribute"),
        )  # fmt: skip
        return attrs.evolve(node, methods=tuple(self.function(method, Place(owner=node)) for method in node.methods))

    def decorators(self, found: tuple[Decorator, ...], *styles: str) -> tuple[Decorator, ...]:
        """Those that fit; ``styles`` limits the program's own ones."""
        done = []
        for decorator in found:
            if decorator.library:
                done.append(decorator)
            elif (target := self.pick(decorator.target, Wrapper, Registry)) is not None:
                definition = next(s for s in self.seen if s.name == target.name)
                if isinstance(definition, Registry) or not styles or definition.style in styles:
                    done.append(attrs.evolve(decorator, target=target, key=self.fix(decorator.key, Place())))
        return tuple(done)

    def function(self, node: Function, place: Place) -> Function:
        params = () if node.flavour in ("property", "cached") else node.params
        params = tuple({param.name: param for param in params}.values())
        names = frozenset(param.name for param in params)
        if node.flavour not in ("property", "cached"):
            names |= {"x"}
        inside = Place(locals=names, owner=place.owner, method=node)
        return attrs.evolve(
            node,
            params=tuple(attrs.evolve(param, default=self.fix(param.default, Place())) for param in params),
            decorators=self.decorators_of(node, place),
            steps=tuple(step for step in (self.step(step, inside) for step in node.steps) if step is not None),
            result=self.fix(node.result, inside),
        )

    def decorators_of(self, node: Function, place: Place) -> tuple[Decorator, ...]:
        own = node.decorators
        if node.flavour != "func" or place.owner is not None:
            own = tuple(decorator for decorator in own if not decorator.library)
        if node.flavour not in PLAIN_FLAVOURS:
            return self.decorators(own, "attribute")
        if place.owner is not None:  # a callable object is no function: inside a class it would have to be a descriptor
            return self.decorators(own, "plain", "wraps", "args", "attribute")
        return self.decorators(own)

    def step(self, node: Step, place: Place) -> Step | None:
        if node.kind == "with":
            target = self.pick(node.target, Function, flavours=("cm",))
            return None if target is None else attrs.evolve(node, target=target)
        if node.kind in ("guard", "inner") and "x" not in place.locals:
            return None
        nested = attrs.evolve(place, nested=node.kind == "inner" or place.nested)
        return attrs.evolve(node, value=self.fix(node.value, nested))

    # -- expressions ----------------------------------------------------------------------------------------

    def fix(self, node: Any, place: Place) -> Any:
        if isinstance(node, tuple):
            return tuple(self.fix(item, place) for item in node)
        if isinstance(node, Local):
            return node if node.name in place.locals else NOTHING
        if isinstance(node, Ref):
            return self.pick(node, Data, Function, Class, Registry, Special) or NOTHING
        if isinstance(node, Own):
            return self.own(node, place)
        if isinstance(node, (Use, New, Partial)):
            return self.use(node, place)
        if isinstance(node, (Lambda, Comp)):
            place = attrs.evolve(place, nested=True, locals=place.locals | ({"x"} if isinstance(node, Lambda) else set()))
        if isinstance(node, Lambda):
            outside = attrs.evolve(place, locals=place.locals - {"x"})
            return Lambda(default=self.fix(node.default, outside), body=self.fix(node.body, place))
        if not attrs.has(type(node)):
            return node
        values = {field.name: getattr(node, field.name) for field in type(node).__attrs_attrs__}
        return attrs.evolve(node, **{name: self.fix(value, place) for name, value in values.items()})

    def use(self, node: Use | New | Partial, place: Place) -> Any:
        if isinstance(node, New):
            target = self.pick(node.target, Class)
        elif isinstance(node, Partial):
            target = self.pick(node.target, Function, flavours=("func", "gen"))
        else:
            target = self.pick(node.target, Data, Function, Class, Registry, Special)
        if target is None:
            return NOTHING
        node = attrs.evolve(node, target=target, arg=self.fix(node.arg, place))
        if isinstance(node, Use):
            node = attrs.evolve(node, member=self.member(node.member, target))
        return node

    def member(self, member: int | str, target: Ref) -> str:
        cls = self.classes.get(target.name)
        names = sorted(members(cls, self.classes)) if cls is not None else []
        if isinstance(member, str):
            return member if member in names else ""
        return names[member % len(names)] if names else ""

    def own(self, node: Own, place: Place) -> Any:
        """Members are asked for only in the order of their names, so that no two methods call one another."""
        cls, method = place.owner, place.method
        if cls is None or method is None or method.flavour == "static":
            return NOTHING
        if node.by_super:
            base = self.classes.get(cls.base.name) if cls.base is not None else None
            same = members(base, self.classes).get(method.name) if base is not None else None
            fits = same is not None and getattr(same, "flavour", "") == method.flavour and not place.nested
            return Own(method.name, by_super=True) if fits and method.flavour in ("func", "property", "class") else NOTHING
        names = sorted(
            name for name, found in members(cls, self.classes).items()
            if not isinstance(found, Function)
            or (name < method.name and found.flavour in (("class", "static") if method.flavour == "class" else PLAIN_FLAVOURS))
        )  # fmt: skip
        if isinstance(node.member, str):
            return node if node.member in names else NOTHING
        return Own(names[node.member % len(names)]) if names else NOTHING


def container(statement: Any) -> str:
    """list or dict where the name of a statement is surely bound to one."""
    if isinstance(statement, Registry):
        return "dict" if statement.style == "nested" else statement.style
    if isinstance(statement, Data) and statement.form in ("plain", "annotated") and isinstance(statement.value, (Many, Comp)):
        return statement.value.kind
    return ""
