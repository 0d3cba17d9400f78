"""What evaluating a statement does outside of managed data by the code that it runs, beyond what its text names.

A statement may be evaluated aside only where all that it may do lands in managed data or in objects made aside. Code is
followed through what runs for sure: a call of a class runs its constructor, not its other methods.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hotswap.plan.acts import OUTGOING_METHODS, REGISTERING_CALLS, REGISTERING_METHODS, STARTED_LATER, Act, is_builtin_method
from hotswap.plan.mutations import note_mutations
from hotswap.plan.units import Unit, UnitKind
from hotswap.plan.uses import Uses

if TYPE_CHECKING:
    from hotswap.plan.graph import Graph, Symbol

CONSTRUCTORS = ("__new__", "__init__", "__post_init__", "__attrs_post_init__")
#: Modules, besides those without effects, whose objects do nothing outside of themselves until they are given away.
_PLAIN_MODULES = frozenset("argparse configparser csv io array queue random ast threading asyncio secrets string".split())
#: Of these modules, those objects that do.
_ACTIVE = frozenset(
    "threading.Thread threading.Timer io.open io.FileIO asyncio.get_event_loop asyncio.get_running_loop "
    "asyncio.new_event_loop".split()
)

_GIVES = re.compile(
    "|".join(sorted({*STARTED_LATER, *REGISTERING_METHODS, *(name.rpartition(".")[2] for name in REGISTERING_CALLS)})).encode()
)
#: ``setup_route`` adds something.
_SETTER = re.compile(r"set(_(?!up)|(?!Up)[A-Z])")


def find_acts_outside(graph: Graph, module: str, unit: Unit) -> list[str]:
    """Methods that the statement, or code that it runs, calls on objects that are not the program's."""
    return [
        act.name
        for owner, uses in running(graph, module, unit)
        for act in uses.acts
        if act.is_statement and is_outside(graph, owner, act)
    ]


def find_registrations(graph: Graph, module: str, unit: Unit) -> list[str]:
    """Calls by which something outside of the program gets to know what the statement, or code that it runs, gives it."""
    found = set()
    for owner, uses in running(graph, module, unit) if not unit.is_inert else ():
        found |= {act.name for act in uses.acts if act.method in REGISTERING_METHODS and is_outside(graph, owner, act)}
        for chain in uses.calls:
            symbol = graph.resolve(owner, chain)
            if symbol is None and graph.foreign(owner, chain) in REGISTERING_CALLS:
                found.add(graph.foreign(owner, chain))
            elif symbol is not None and chain.rpartition(".")[2] in REGISTERING_METHODS:
                top = (symbol[0], symbol[1].partition(".")[0])
                found |= {f"{symbol[0]}.{symbol[1]}"} if graph.is_lasting(top) and top[1] != symbol[1] else set()
    return sorted(found)


def effects_of(graph: Graph, module: str, unit: Unit) -> list[str]:
    """Why a statement must not be evaluated aside: effects that would be had a second time. Output does not count."""
    if unit.kind in (UnitKind.EFFECT, UnitKind.BLOCK):
        return [name for name in graph.foreign_effects(module, unit) if not graph.is_output(name)]
    return find_registrations(graph, module, unit)


def sets_only(graph: Graph, module: str, unit: Unit) -> bool:
    """True for ``get(x).set_level(3)``: done again with another argument, it leaves nothing of what was set before."""
    acts = [act for act in unit.analysis.now.acts if act.is_statement] if unit.kind is UnitKind.EFFECT else []
    call = unit.node.value if isinstance(unit.node, ast.Expr) else None
    has_one = isinstance(call, ast.Call) and len(call.args) + len(call.keywords) == 1  # of two, one may be a key
    is_setter = has_one and len(acts) == 1 and _SETTER.match(acts[0].method) is not None
    return is_setter and effects_of(graph, module, unit) == [acts[0].name]


def filled_later(graph: Graph, modules: Iterable[str]) -> set[Symbol]:
    """What functions fill that somebody outside calls, maybe at once: a thread, a timer, a handler."""
    found: set[Symbol] = set()
    for module in modules:
        for unit in graph.summaries[module].units:
            if _GIVES.search(unit.text):
                own = unit.analysis.functions
                given = {name for uses in (unit.analysis.now, *own.values()) for name in uses.later}
                for symbol in graph.reach(graph.uses_symbols(module, unit.analysis.now, given)):
                    for owner, uses in graph.functions(symbol):
                        note_mutations(graph, owner, uses.mutates | uses.writes, found)
                for name, uses in own.items():
                    note_mutations(graph, module, uses.mutates | uses.writes if "<lambda>" in name else (), found)
    return found


def running(graph: Graph, module: str, unit: Unit) -> Iterator[tuple[str, Uses]]:
    """The code that evaluating a statement runs: itself, the functions that it calls, and those that these call."""
    now = unit.analysis.now
    yield module, now
    seen: set[Symbol] = set()
    pending = list(_called(graph, module, now))
    while pending:
        symbol = pending.pop()
        if symbol in seen:
            continue
        seen.add(symbol)
        for owner, uses in _bodies(graph, symbol):
            yield owner, uses
            pending += _called(graph, owner, uses)


def _called(graph: Graph, module: str, uses: Uses) -> Iterator[Symbol]:
    own = {chain for chain in uses.reads - uses.later.keys() if "." in chain}  # ``self.run()`` stands there as ``W.run``
    for chain in uses.calls | own:
        symbol = graph.resolve(module, chain)
        if symbol is not None and symbol[1] and (chain in uses.calls or graph.functions(symbol)):
            yield graph.member_of(symbol) or symbol
    for act in uses.acts:
        maker = graph.resolve(module, act.root) if act.is_made and act.root else None
        if maker is not None and act.method:
            yield maker[0], f"{maker[1]}.{act.method}"


def _bodies(graph: Graph, symbol: Symbol) -> Iterator[tuple[str, Uses]]:
    """What runs when a function, a method or a class is called."""
    for module, name in _definitions(graph, symbol):
        names = {name, *(f"{name}.{constructor}" for constructor in CONSTRUCTORS)}
        for unit in graph.binders(module).get(name.partition(".")[0], ()):
            if not names.isdisjoint(unit.function_names):
                yield from ((module, uses) for own, uses in unit.analysis.shallow.items() if own in names)


def _definitions(graph: Graph, symbol: Symbol) -> Iterator[Symbol]:
    """The symbol itself, and what it may be in the bases of its class."""
    module, name = symbol
    if module not in graph.summaries:
        return
    yield symbol
    head, _, method = name.partition(".")
    is_class = any(unit.kind is UnitKind.CLASS for unit in graph.binders(module).get(head, ()))
    for owner, base in graph.ancestors((module, head))[1:] if is_class else ():
        yield owner, f"{base}.{method}".rstrip(".")


def is_outside(graph: Graph, module: str, act: Act) -> bool:
    """See the table in :mod:`hotswap.plan.acts`."""
    if act.method.startswith("__"):
        return False
    symbol = graph.resolve(module, act.root) if act.root else None
    if symbol is None and act.root:
        return _is_foreign(graph, graph.foreign(module, act.root), act)
    if symbol is None or act.is_local:
        return act.method in OUTGOING_METHODS and act.method not in graph.methods()
    if act.is_made:
        return _is_strange(graph, act.method)
    kind = graph.kind_of((symbol[0], symbol[1].partition(".")[0]))
    return kind in ("opaque", "shared") or (kind == "holder" and _is_strange(graph, act.method))


def _is_foreign(graph: Graph, name: str, act: Act) -> bool:
    """The same for what somebody else makes; a name that begins with a capital letter is a class."""
    owner, _, last = name.rpartition(".")
    if owner == "builtins" and last != "open":
        return last != "super" and not act.is_local and _is_strange(graph, act.method)
    if owner in _PLAIN_MODULES and name not in _ACTIVE:
        return False
    if graph.is_harmless(owner) and owner != "pathlib":
        return False
    if not act.is_local:
        return bool(act.method) or not graph.is_harmless(owner)
    return act.method in OUTGOING_METHODS or (last[:1].islower() and _is_strange(graph, act.method))


def _is_strange(graph: Graph, method: str) -> bool:
    return not is_builtin_method(method) and method not in graph.methods()
