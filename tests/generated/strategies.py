"""What is drawn: pieces of programs, whole programs, and edits. Simple things first, so that failures shrink to them."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st

from tests.generated.program import (
    Choose,
    Class,
    Comment,
    Comp,
    Data,
    Decorator,
    Effect,
    Field,
    Function,
    Lambda,
    Lit,
    Local,
    Many,
    Module,
    New,
    Own,
    Param,
    Partial,
    Program,
    Ref,
    Registry,
    Special,
    Step,
    Use,
    Wrapper,
)
from tests.generated.scope import settle

PICK = st.integers(0, 5)
literals = st.sampled_from(["1", "2", "3", "'s'", "'t'", "None", "True", "2.5", "(1, 2)", "b'b'", "-1", "''"]).map(Lit)
hashable = st.one_of(literals, st.just(Local()), st.lists(literals, max_size=2).map(lambda items: Many("tuple", tuple(items))))
refs = st.builds(Ref, PICK)
member_numbers = st.integers(0, 4)


def _numbers(found: set[int]) -> Many:
    return Many("set", tuple(Lit(str(number)) for number in sorted(found)))


def _wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few = st.lists(inner, max_size=2).map(tuple)
    return st.one_of(
        st.builds(Many, st.sampled_from(["tuple", "list", "dict"]), few),
        st.builds(Comp, st.sampled_from(["list", "dict", "tuple"]), inner, st.integers(1, 2)),
        st.builds(Choose, inner, inner, inner),
        st.builds(Lambda, inner, inner),
    )


leaves = st.one_of(
    literals, refs, st.builds(Use, refs, hashable, member_numbers), st.just(Local()), st.builds(New, refs, hashable),
    st.builds(Partial, refs, hashable), st.sets(st.integers(0, 3), max_size=3).map(_numbers),
    st.builds(Own, member_numbers, st.booleans()), st.sampled_from(["p", "q"]).map(Local),
)  # fmt: skip
expressions = st.recursive(leaves, _wider, max_leaves=4)
uses = st.builds(Use, refs, hashable, member_numbers)
values = st.one_of(literals, expressions)
docs = st.sampled_from(["", "doc", "other doc"])

# -- definitions ------------------------------------------------------------------------------------------------

params = st.builds(Param, st.sampled_from(["p", "q"]), values, st.sampled_from(["", "int", "'later'"]), st.booleans())
keys = st.one_of(literals.filter(lambda lit: "[" not in lit.text), st.builds(Lit, st.sampled_from(["'k'", "'l'"])))
own_decorators = st.builds(Decorator, refs, keys)
library_decorators = st.sampled_from(["functools.lru_cache", "functools.lru_cache(maxsize=2)", "functools.cache"]).map(
    lambda text: Decorator(library=text)
)
decorators = st.lists(st.one_of(own_decorators, library_decorators), max_size=2).map(tuple)
steps = st.builds(Step, st.sampled_from(["assign", "inner", "guard", "with", "import"]), values, refs)
FLAVOURS = ("func", "gen", "coro", "agen", "cm", "factory")
METHOD_FLAVOURS = ("func", "static", "class", "property", "cached", "gen", "coro", "factory")


def functions(
    name: st.SearchStrategy[str], flavours: tuple[str, ...], results: st.SearchStrategy[Any]
) -> st.SearchStrategy[Function]:
    return st.builds(
        Function, name, st.lists(params, max_size=2).map(tuple), st.sampled_from(flavours), st.one_of(st.just(()), decorators),
        st.lists(steps, max_size=2).map(tuple), results, docs,
    )  # fmt: skip


results = st.one_of(values, uses)
own = st.builds(Own, member_numbers, st.booleans())
methods = functions(st.sampled_from(["a", "b", "c"]), METHOD_FLAVOURS, st.one_of(values, own, own, uses))
attributes = st.builds(Field, st.sampled_from(["p", "q"]), values)
fields = st.builds(Field, st.sampled_from(["r", "s"]), hashable)


def _unique(found: list[Any]) -> tuple[Any, ...]:
    return tuple({item.name: item for item in found}.values())


no_name = st.just("")
SPECIAL_KINDS = ("enum", "error", "tuple", "pattern", "dispatch", "nested", "slots", "method")
FORMS = ("plain", "annotated", "unpack", "if", "loop", "fill", "try", "augment")
classes = st.builds(
    Class, no_name, st.sampled_from(["plain", "dataclass", "hook"]), st.none() | refs, st.none() | keys,
    st.lists(attributes, max_size=2).map(_unique), st.lists(fields, max_size=2).map(_unique),
    st.lists(methods, max_size=3).map(_unique), st.lists(own_decorators, max_size=1).map(tuple), docs,
)  # fmt: skip
statements = st.one_of(
    st.builds(Data, no_name, literals),
    functions(no_name, ("func",), results),
    st.builds(Data, no_name, values, st.sampled_from(FORMS), values),
    st.builds(Data, no_name, uses),
    st.builds(Data, no_name, expressions),
    functions(no_name, FLAVOURS, results),
    classes,
    classes,
    st.builds(Wrapper, no_name, st.sampled_from(["wraps", "plain", "args", "class", "attribute"]), values),
    st.builds(Registry, no_name, st.sampled_from(["dict", "list", "nested"])),
    st.builds(Special, no_name, st.sampled_from(SPECIAL_KINDS), values, values),
    st.builds(Effect, no_name, st.sampled_from(["append", "item", "attribute"]), refs, values),
)
PREFIXES = {Data: "D", Function: "f", Class: "K", Wrapper: "w", Registry: "R", Effect: "e", Special: "S", Comment: "c"}


def named(program: Program, statement: Any) -> tuple[Program, Any]:
    """Give a new statement a name of its own."""
    name = f"{PREFIXES[type(statement)]}{program.counter}"
    return attrs.evolve(program, counter=program.counter + 1), attrs.evolve(statement, name=name)


STYLES = ("module", "from", "as", "star")
placed = st.tuples(st.integers(0, 2), statements)


def _assemble(found: list[tuple[int, Any]], styles: tuple[str, ...]) -> Program:
    count = max((module for module, _ in found), default=0) + 1
    pairs = [(f"m{b + 1}", f"m{a + 1}") for b in range(count) for a in range(b)]
    program = Program(
        modules=tuple(Module(f"m{index + 1}") for index in range(count)),
        styles=tuple((*pair, style) for pair, style in zip(pairs, styles, strict=False)),
    )
    for index, statement in found:
        program, statement = named(program, statement)
        module = program.modules[index]
        program = program.with_module(attrs.evolve(module, statements=(*module.statements, statement)))
    return settle(program)


programs = st.builds(
    _assemble, st.lists(placed, min_size=1, max_size=6) | st.lists(placed, min_size=5, max_size=14),
    st.tuples(*[st.sampled_from(STYLES)] * 3),
)  # fmt: skip
