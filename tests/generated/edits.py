"""Edits: each makes another program out of one, as a person at an editor would; see ``EDITS`` for the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import strategies as st

from tests.generated import strategies as draw
from tests.generated.program import (
    Class,
    Comment,
    Data,
    Decorator,
    Effect,
    Field,
    Function,
    Lit,
    Module,
    Program,
    Ref,
    Registry,
    Special,
    Wrapper,
    names_in,
    rewrite,
    walk,
)
from tests.generated.scope import EXPRESSIONS, settle


@attrs.frozen
class Edit:
    """An edit by name; ``pick`` chooses where, ``piece`` is what it brings."""

    kind: str
    pick: int
    piece: Any = None


def apply_edit(program: Program, edit: Edit) -> Program:
    """The program after the edit, valid again; the same one where there is nothing to edit."""
    return settle(EDITS[edit.kind][0](program, edit.pick, edit.piece))


def _change(program: Program, pick: int, fits: Callable[[Any], bool], change: Callable[[Any], Any]) -> Program:
    """Change one of the nodes that fit, counted through the whole program."""
    count = sum(1 for _, _, statement in program.statements() for node in walk(statement) if fits(node))
    if not count:
        return program
    left = [pick % count]

    def visit(node: Any) -> Any:
        if fits(node):
            left[0] -= 1
            if left[0] == -1:
                return change(node)
        return node

    modules = tuple(attrs.evolve(module, statements=rewrite(module.statements, visit)) for module in program.modules)
    return attrs.evolve(program, modules=modules)


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda node: isinstance(node, kinds)


def _has(field: str) -> Callable[[Any], bool]:
    return lambda node: isinstance(node, (Function, Class)) and bool(getattr(node, field, ()))


# -- values -----------------------------------------------------------------------------------------------------


def change_literal(program: Program, pick: int, piece: Lit) -> Program:
    other = Lit("9") if piece.text == "1" else piece
    return _change(program, pick, _is(Lit), lambda node: other if node != other else Lit("8"))


def change_expression(program: Program, pick: int, piece: Any) -> Program:
    return _change(program, pick, _is(*EXPRESSIONS), lambda node: piece)


def change_form(program: Program, pick: int, piece: str) -> Program:
    return _change(program, pick, _is(Data), lambda node: attrs.evolve(node, form=piece))


# -- functions --------------------------------------------------------------------------------------------------


def add_param(program: Program, pick: int, piece: Any) -> Program:
    return _change(program, pick, _is(Function), lambda node: attrs.evolve(node, params=(*node.params, piece)))


def remove_param(program: Program, pick: int, piece: None) -> Program:
    return _change(program, pick, _has("params"), lambda node: attrs.evolve(node, params=node.params[1:]))


def change_doc(program: Program, pick: int, piece: str) -> Program:
    return _change(program, pick, _is(Function, Class), lambda node: attrs.evolve(node, doc=piece))


def change_flavour(program: Program, pick: int, piece: str) -> Program:
    return _change(program, pick, _is(Function), lambda node: attrs.evolve(node, flavour=_flavour(node, piece)))


def _flavour(node: Function, wanted: str) -> str:
    fits = draw.FLAVOURS if node.name not in "abc" else draw.METHOD_FLAVOURS
    return wanted if wanted in fits else "func"


def add_decorator(program: Program, pick: int, piece: Decorator) -> Program:
    return _change(program, pick, _is(Function), lambda node: attrs.evolve(node, decorators=(piece, *node.decorators)))


def remove_decorator(program: Program, pick: int, piece: None) -> Program:
    return _change(program, pick, _has("decorators"), lambda node: attrs.evolve(node, decorators=node.decorators[1:]))


def add_step(program: Program, pick: int, piece: Any) -> Program:
    return _change(program, pick, _is(Function), lambda node: attrs.evolve(node, steps=(piece, *node.steps)))


def remove_step(program: Program, pick: int, piece: None) -> Program:
    return _change(program, pick, _has("steps"), lambda node: attrs.evolve(node, steps=node.steps[1:]))


def change_wrapper(program: Program, pick: int, piece: str) -> Program:
    return _change(program, pick, _is(Wrapper), lambda node: attrs.evolve(node, style=piece))


# -- classes ----------------------------------------------------------------------------------------------------


def add_member(program: Program, pick: int, piece: Any) -> Program:
    """Add a method or an attribute; one of the same name is replaced."""
    place = "methods" if isinstance(piece, Function) else "attributes"

    def change(node: Class) -> Class:
        others = tuple(member for member in getattr(node, place) if member.name != piece.name)
        return attrs.evolve(node, **{place: (*others, piece)})

    return _change(program, pick, _is(Class), change)


def remove_member(program: Program, pick: int, piece: None) -> Program:
    def change(node: Class) -> Class:
        members = [(place, member) for place in ("methods", "attributes", "fields") for member in getattr(node, place)]
        if not members:
            return node
        place, gone = members[pick % len(members)]
        return attrs.evolve(node, **{place: tuple(member for member in getattr(node, place) if member is not gone)})

    return _change(program, pick, _is(Class), change)


def add_field(program: Program, pick: int, piece: Field) -> Program:
    def change(node: Class) -> Class:
        return attrs.evolve(node, fields=(*(field for field in node.fields if field.name != piece.name), piece))

    return _change(program, pick, lambda node: isinstance(node, Class) and node.style == "dataclass", change)


def change_base(program: Program, pick: int, piece: Ref | None) -> Program:
    return _change(program, pick, _is(Class), lambda node: attrs.evolve(node, base=piece))


# -- statements -------------------------------------------------------------------------------------------------


def _at(module: Module, pick: int, statement: Any) -> Module:
    place = pick % (len(module.statements) + 1)
    return attrs.evolve(module, statements=(*module.statements[:place], statement, *module.statements[place:]))


def add_statement(program: Program, pick: int, piece: Any) -> Program:
    program, statement = draw.named(program, piece)
    module = program.modules[pick % len(program.modules)]
    return program.with_module(_at(module, len(module.statements) - pick % 3, statement))


def add_comment(program: Program, pick: int, piece: str) -> Program:
    program, statement = draw.named(program, Comment("", piece))
    return program.with_module(_at(program.modules[pick % len(program.modules)], pick // 2, statement))


def remove_statement(program: Program, pick: int, piece: None) -> Program:
    found = list(program.statements())
    if len(found) < 2:
        return program
    module, index, _ = found[pick % len(found)]
    return program.with_module(attrs.evolve(module, statements=module.statements[:index] + module.statements[index + 1 :]))


def swap_statements(program: Program, pick: int, piece: None) -> Program:
    """Two neighbours change places, where neither needs the other."""
    found = [(module, index) for module, index, _ in program.statements() if index]
    if not found:
        return program
    module, index = found[pick % len(found)]
    first, second = module.statements[index - 1 : index + 1]
    if first.name in names_in(second) or "effect" in {type(s).__name__.lower() for s in (first, second)}:
        return program
    return program.with_module(
        attrs.evolve(module, statements=(*module.statements[: index - 1], second, first, *module.statements[index + 1 :]))
    )


def rename(program: Program, pick: int, piece: None) -> Program:
    found = [s for _, _, s in program.statements() if isinstance(s, (Function, Class, Data, Registry, Special, Wrapper))]
    if not found:
        return program
    old = found[pick % len(found)].name
    new = f"{old}_n"

    def visit(node: Any) -> Any:
        return attrs.evolve(node, name=new) if isinstance(node, Ref) and node.name == old else node

    modules = []
    for module in program.modules:
        statements = tuple(attrs.evolve(s, name=new) if s.name == old else s for s in rewrite(module.statements, visit))
        kept = tuple(new if name == old else name for name in module.kept)
        modules.append(attrs.evolve(module, statements=statements, kept=kept))
    return attrs.evolve(program, modules=tuple(modules))


def move(program: Program, pick: int, piece: None) -> Program:
    """A definition goes to an earlier module; an import is left behind."""
    found = [
        (module, place, s) for place, module in enumerate(program.modules) for s in module.statements
        if place and isinstance(s, (Function, Class))
    ]  # fmt: skip
    if not found:
        return program
    module, place, statement = found[pick % len(found)]
    target = program.modules[(pick // len(found)) % place]
    if names_in(statement) & {s.name for later in program.modules[program.modules.index(target) + 1 :] for s in later.statements}:
        return program
    left = attrs.evolve(
        module, statements=tuple(s for s in module.statements if s is not statement), kept=(*module.kept, statement.name)
    )
    return program.with_module(left).with_module(attrs.evolve(target, statements=(*target.statements, statement)))


def change_style(program: Program, pick: int, piece: str) -> Program:
    if not program.styles:
        return program
    chosen = pick % len(program.styles)
    return attrs.evolve(
        program, styles=tuple((a, b, piece if i == chosen else style) for i, (a, b, style) in enumerate(program.styles))
    )


def change_key(program: Program, pick: int, piece: Any) -> Program:
    """The argument of a decorator, or a class's keyword."""

    def fits(node: Any) -> bool:
        return isinstance(node, Decorator) and not node.library

    return _change(program, pick, fits, lambda node: attrs.evolve(node, key=piece))


def change_effect(program: Program, pick: int, piece: Any) -> Program:
    return _change(program, pick, _is(Effect), lambda node: attrs.evolve(node, value=piece))


def change_special(program: Program, pick: int, piece: Any) -> Program:
    """Another second value: of an enum's member, a field's default, an implementation."""
    return _change(program, pick, _is(Special), lambda node: attrs.evolve(node, extra=piece))


nothing = st.none()
always: Callable[[Any], bool] = _is(object)
in_class = _is(Class)
own_decorator = _is(Decorator)
#: name: what it does, what it brings, what it needs. What comes first is tried first when a failure is made smaller.
EDITS: dict[str, tuple[Callable[[Program, int, Any], Program], st.SearchStrategy[Any], Callable[[Any], bool]]] = {
    "literal": (change_literal, draw.literals, _is(Lit)),
    "expression": (change_expression, draw.values, _is(*EXPRESSIONS)),
    "add": (add_statement, draw.statements, always),
    "remove": (remove_statement, nothing, always),
    "comment": (add_comment, st.sampled_from(["# one line", "# two\n# lines", "import math", '"""A docstring."""', ""]), always),
    "param": (add_param, draw.params, _is(Function)),
    "no param": (remove_param, nothing, _has("params")),
    "doc": (change_doc, draw.docs, _is(Function, Class)),
    "flavour": (change_flavour, st.sampled_from((*draw.FLAVOURS, *draw.METHOD_FLAVOURS)), _is(Function)),
    "decorate": (add_decorator, st.one_of(draw.own_decorators, draw.library_decorators), _is(Function)),
    "undecorate": (remove_decorator, nothing, _has("decorators")),
    "key": (change_key, draw.keys, _is(Decorator)),
    "step": (add_step, draw.steps, _is(Function)),
    "no step": (remove_step, nothing, _has("steps")),
    "wrapper": (change_wrapper, st.sampled_from(["wraps", "plain", "args", "class", "attribute"]), _is(Wrapper)),
    "member": (add_member, st.one_of(draw.methods, draw.attributes), in_class),
    "no member": (remove_member, nothing, in_class),
    "field": (add_field, draw.fields, in_class),
    "base": (change_base, st.none() | draw.refs, in_class),
    "form": (change_form, st.sampled_from(draw.FORMS), _is(Data)),
    "effect": (change_effect, draw.values, _is(Effect)),
    "special": (change_special, draw.values, _is(Special)),
    "swap": (swap_statements, nothing, always),
    "rename": (rename, nothing, always),
    "move": (move, nothing, _is(Function, Class)),
    "style": (change_style, st.sampled_from(draw.STYLES), always),
}


@st.composite
def chains(drawn: st.DrawFn, min_size: int, max_size: int) -> list[Program]:
    """A program and the versions that follow it, each by a save of one to three edits that fit."""
    versions = [drawn(draw.programs)]
    for _ in range(drawn(st.integers(min_size, max_size))):
        program = versions[-1]
        for _ in range(drawn(st.integers(1, 3))):
            nodes = [node for _, _, statement in program.statements() for node in walk(statement)]
            fitting = [kind for kind, (_, _, fits) in EDITS.items() if any(map(fits, nodes))]
            kind = drawn(st.sampled_from(fitting or ["add"]))
            program = apply_edit(program, Edit(kind, drawn(st.integers(0, 30)), drawn(EDITS[kind][1])))
        versions.append(program if program != versions[-1] else apply_edit(program, Edit("add", 0, Data("", Lit("7")))))
    return versions
