"""What else an object is known by: who changes ``row`` in ``for row in ROWS`` changes what is in ``ROWS``.

A *source* of an expression is a dotted chain of the text that its value is, or is a part of. ``TABLE["a"]``, ``TABLE.get("a")``
and the elements of ``TABLE.values()`` are parts of ``TABLE``; ``[TABLE]`` and ``list(TABLE)`` are new objects that have such
parts, so who appends to them changes nothing else, and who changes an element of them does. All is told from the text, and
nothing about order: a name has the sources of all that it is bound to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hotswap.plan.bindings import bound_names, dotted
from hotswap.plan.trees import FUNCTION_NODES, children

#: A chain; True where the value only contains it, or parts of it. ``get()`` is what a function returns.
Source = tuple[str, bool]

#: Stands in a chain for an element or an attribute that has no name.
PART = ".*"
CALL = "()"

#: What may have a ``return`` in it.
_STATEMENTS = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match, ast.Return),
    *(ast.ExceptHandler, ast.match_case),
)

#: Methods that give something that is in their object.
_GIVE_PART = frozenset("get setdefault pop popitem popleft __getitem__ __next__".split())
#: Methods that give a new container of what is in their object.
_GIVE_COPY = frozenset("values items keys copy union difference intersection elements most_common __iter__ __reversed__".split())
#: Functions that give something that is in an argument.
_TAKE_PART = frozenset("next min max getattr reduce functools.reduce choice random.choice".split())
#: Functions that give a new container, or an iterator, of what is in their arguments.
_TAKE_COPY = frozenset(
    "list tuple set frozenset dict sorted reversed iter enumerate zip map filter copy.copy deque collections.deque chain "
    "itertools.chain itertools.chain.from_iterable chain.from_iterable islice itertools.islice zip_longest vars".split()
)
#: Functions that give an argument itself.
_GIVE_BACK = frozenset("cast typing.cast nullcontext contextlib.nullcontext closing contextlib.closing".split())


def find_sources(node: ast.expr) -> frozenset[Source]:
    """What the value of an expression is, or has in it."""
    return frozenset(_sources(node))


def part_of(sources: Iterable[Source]) -> Iterator[Source]:
    """Of an element or an attribute of a value with these sources."""
    for chain, is_contained in sources:
        yield (chain if is_contained or chain.endswith(PART) else chain + PART, False)


def _container_of(sources: Iterable[Source]) -> Iterator[Source]:
    return ((chain, True) for chain, _ in sources)


def _sources(node: ast.expr) -> Iterable[Source]:
    if (chain := dotted(node)) is not None:
        return [(chain, False)]
    match node:
        case ast.Subscript(ast.Call(ast.Name("globals" | "vars" | "locals"), args=[]), ast.Constant(str() as name)):
            return [(name, False)]
        case ast.Subscript(value=value) | ast.Attribute(value=value):
            return part_of(_sources(value))
        case ast.Call():
            return _sources_of_call(node)
        case ast.BoolOp(values=values):
            return _all(values)
        case ast.IfExp(body=body, orelse=orelse):
            return _all([body, orelse])
        case ast.NamedExpr(value=value) | ast.Await(value=value) | ast.Starred(value=value):
            return _sources(value)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return _container_of(_all(elements))
        case ast.Dict(keys=keys, values=values):
            return _container_of(_all([*(key for key in keys if key is not None), *values]))
        case ast.BinOp(left=left, right=right):
            return _container_of(_all([left, right]))
        case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
            return _container_of(_sources(element))
        case ast.DictComp(key=key, value=value):
            return _container_of(_all([key, value]))
    return ()


def _all(nodes: Iterable[ast.expr]) -> list[Source]:
    return [source for node in nodes for source in _sources(node)]


def _sources_of_call(node: ast.Call) -> Iterable[Source]:
    chain = dotted(node.func)
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    if chain in _GIVE_BACK:
        return _all(arguments)
    if chain in _TAKE_PART:
        return part_of(_all(arguments))
    if chain in _TAKE_COPY:
        return _container_of(_all(arguments))
    if isinstance(node.func, ast.Attribute):
        if node.func.attr in _GIVE_PART:
            return [*part_of(_sources(node.func.value)), *_all(arguments)]
        if node.func.attr in _GIVE_COPY:
            return _container_of(_sources(node.func.value))
    return [(chain + CALL, False)] if chain is not None else ()


def find_flows(nodes: Sequence[ast.AST]) -> dict[str, set[Source]]:
    """What the names are bound to in the statements of one scope, and in the comprehensions in it."""
    flows: dict[str, set[Source]] = {}
    pending = list(nodes)
    while pending:
        node = pending.pop()
        for target, sources in _bindings(node):
            _bind(target, sources, flows)
        pending += [child for child in children(node) if not isinstance(child, (*FUNCTION_NODES, ast.ClassDef))]
    return flows


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr | str, ast.expr | list[Source]]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            yield from ((name, [(other, False)]) for name in names for other in names if name != other)  # A = B = []
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=iterated) | ast.AsyncFor(target=target, iter=iterated):
            yield target, list(part_of(_sources(iterated)))
        case ast.With(items=items) | ast.AsyncWith(items=items):
            yield from ((item.optional_vars, item.context_expr) for item in items if item.optional_vars is not None)
        case ast.Match(subject=subject, cases=cases):
            sources = [*_sources(subject), *part_of(_sources(subject))]
            yield from ((name, sources) for name in bound_names([case.pattern for case in cases]))
        case ast.comprehension(target=target, iter=iterated):
            yield target, list(part_of(_sources(iterated)))


def _bind(target: ast.expr | str, value: ast.expr | list[Source], flows: dict[str, set[Source]]) -> None:
    if isinstance(target, (ast.Tuple, ast.List)):
        elements = value.elts if isinstance(value, (ast.Tuple, ast.List)) else ()
        if len(elements) == len(target.elts) and not any(isinstance(each, ast.Starred) for each in (*elements, *target.elts)):
            for inner, element in zip(target.elts, elements, strict=True):
                _bind(inner, element, flows)
            return
        parts = list(part_of(value if isinstance(value, list) else _sources(value)))
        for inner in target.elts:
            _bind(inner, list(_container_of(parts)) if isinstance(inner, ast.Starred) else parts, flows)
        return
    for name in [target] if isinstance(target, str) else bound_names([target]):
        flows.setdefault(name, set()).update(value if isinstance(value, list) else _sources(value))


def follow_flows(chains: Iterable[str], flows: Mapping[str, set[Source]]) -> set[str]:
    """The chains, and those that change with them, by what the names of a scope are bound to."""
    seen: set[str] = set()
    pending = list(chains)
    while pending:
        chain = pending.pop()
        if chain in seen:
            continue
        seen.add(chain)
        head, _, rest = chain.partition(".")
        for source, is_contained in flows.get(head, ()):
            if rest or not is_contained:
                pending.append(source if not rest or is_contained or source.endswith(PART) else source + PART)
    return seen


def find_returned(body: Sequence[ast.AST]) -> frozenset[Source]:
    """What a function gives back, by the names of its text; of a lambda its expression is given."""
    found = {source for node in body if isinstance(node, ast.expr) for source in _sources(node)}
    pending = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            found.update(_sources(node.value))
        pending += [child for child in children(node) if isinstance(child, _STATEMENTS)]
    if found:
        flows = find_flows(body)
        found |= {(other, is_contained) for chain, is_contained in tuple(found) for other in follow_flows([chain], flows)}
    return frozenset(found)
