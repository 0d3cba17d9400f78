"""Leads staged objects over into the live program: every reference to one becomes a reference to its live twin.

    staged                                      live twin
    function of a definition that was there     the live function object, which will be jumped
    any other function of a staging module      a copy with the same cells over the live namespace
    class of a definition that was there        the live class object, whose contents will be exchanged
    staging module                              the module
    new class, container, instance              itself, with what it refers to led over

Only young objects are touched: nothing in the program refers to them yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

from hotswap.fingerprint import LRU
from hotswap.kinds import is_a, vars_of
from hotswap.link.escapes import check_escapes
from hotswap.link.exchanging import exchange, exchange_overloads, finish_copies, pair_cache
from hotswap.link.grow import announce_slots
from hotswap.link.heap import Heap
from hotswap.link.loops import goes_as_before, is_in_loop, pair_rounds
from hotswap.link.names import kind_of_method, look_up, look_up_function
from hotswap.link.objects import KeptState, MayTake, find_known, find_made
from hotswap.link.rewrap import is_wrapper
from hotswap.link.staging import Staging
from hotswap.link.twins import EscapeError, Twins
from hotswap.model import Finding, Severity
from hotswap.plan.pairing import walk
from hotswap.plan.units import UnitKind, index_at

#: Gives, for a live class and a staged one, further pairs of a staged object and the live one that stands for it.
PairMembers = Callable[[type, type], Iterable[tuple[object, object]]]


def lead_over(
    staging: Staging,
    heap: Heap,
    pair_members: PairMembers = lambda live, staged: (),
    may_take: MayTake = lambda made: False,
    kept_state: KeptState = lambda made: None,
) -> Twins:
    """Find a twin for each staged object and exchange all references among the young.

    Raises:
        EscapeError: HS207.
    """
    twins = Twins()
    for name, module in staging.modules.items():
        twins.put(module, staging.world.records[name].module)
    _pair_classes(staging, twins)
    _pair_reduced(staging, twins)
    _pair_members(twins, pair_members)
    _pair_functions(staging, heap, twins)
    _pair_wrappers(staging, twins)
    _pair_methods(twins)
    _pair_known(staging, twins, kept_state)
    pair_made(staging, twins, may_take)
    announce_slots(twins.classes)
    exchange(staging, twins)
    finish_copies(twins)
    exchange_overloads(twins)
    check_escapes(staging, twins)
    return twins


# ---- finding twins ----


def _pair_classes(staging: Staging, twins: Twins) -> None:
    young = {id(o) for o in staging.young if is_a(o, type)}
    found = [
        (name, key, value)
        for name, module in staging.modules.items()
        for key, value in list(module.__dict__.items())
        if is_a(value, type) and id(value) in young
    ]
    # By the name that it has at home first: after a reload, who imported it before has the one of before.
    for name, key, value in sorted(found, key=lambda each: each[2].__module__ != each[0]):
        record = staging.world.records[name]
        diff = staging.draft.diffs.get(name)
        live = record.module.__dict__.get(key)
        if live is None and diff is not None:
            old = next((o for o, n in diff.renamed.items() if n == key), None)
            live = record.module.__dict__.get(old) if old else None
        said = _renamed_from(staging, name, key)
        live = live if live is not None else said
        if not is_a(live, type) or live is value:
            continue
        same_place = live.__module__ == value.__module__
        file_gone = live.__module__ in staging.draft.gone and live.__qualname__ == value.__qualname__
        if same_place or file_gone or live is said or _has_moved(staging, live, value):
            _pair_class(twins, value, live)
    for staged, live in list(twins.classes):
        _pair_inner(twins, staged, live)


def _renamed_from(staging: Staging, module: str, name: str) -> Any:
    """The live class that a migration says to be the one of this name; None for none."""
    for old, new in staging.draft.renames.items():
        if new == (module, name) and old[0] in staging.world.records:
            return staging.world.records[old[0]].module.__dict__.get(old[1])
    return None


def _has_moved(staging: Staging, live: type, value: type) -> bool:
    """True for a class whose statement went to another module."""
    diff, name = staging.draft.diffs.get(live.__module__), live.__qualname__
    if diff is None or live.__qualname__ != value.__qualname__:
        return False
    was_class = any(name in old.names and old.kind is UnitKind.CLASS for old in [o for o, _ in diff.pairs] + diff.removed)
    is_class = any(name in new.names and new.kind is UnitKind.CLASS for new in [n for _, n in diff.pairs] + diff.added)
    return was_class and not is_class


def _pair_class(twins: Twins, staged: type, live: type) -> None:
    if id(staged) in twins.of:
        return
    twins.put(staged, live)
    twins.places[id(live)] = len(twins.classes)
    twins.classes.append((staged, live))


def _pair_inner(twins: Twins, staged: type, live: type) -> None:
    """Classes in a class: by its text, or because the call that made the one has made the other."""
    for name, value in vars_of(staged).items():
        old = vars_of(live).get(name)
        if not is_a(value, type) or not is_a(old, type) or value.__qualname__ != old.__qualname__ or value is old:
            continue
        if id(value) not in twins.of and id(old) not in twins.places:  # else it is known by its own name, or another one is
            twins.inner.add(id(old))
            _pair_class(twins, value, old)
            _pair_inner(twins, value, old)


def _pair_reduced(staging: Staging, twins: Twins) -> None:
    for staged, live, _ in staging.reduced:
        twins.put(staged, live)


def _pair_members(twins: Twins, pair_members: PairMembers) -> None:
    for staged, live in twins.classes:
        twins.members[id(live)] = tuple(pair_members(live, staged))
        for mine, theirs in twins.members[id(live)]:
            twins.put(mine, theirs)


def _pair_functions(staging: Staging, heap: Heap, twins: Twins) -> None:
    spaces = {id(module.__dict__): name for name, module in staging.modules.items()}
    lambdas = _named_lambdas(staging)
    places = _pair_by_place(staging)
    made = [o for o in staging.young if type(o) is FunctionType and id(o.__globals__) in spaces]
    rounds = _pair_loops(staging, heap, twins, [(spaces[id(function.__globals__)], function) for function in made], places)
    for staged in made:
        name = spaces[id(staged.__globals__)]
        live = rounds[id(staged)] if id(staged) in rounds else _live_function(staging, heap, name, staged, places)
        wrapped = staged is not lambdas.get(id(live), staged)
        if live is not None and not wrapped:
            twins.put(staged, live)
            twins.functions.append((staged, live))
            twins.lasting.add(id(live))
            if places.get(id(staged)) is live:
                twins.rounds.add(id(live))
        elif id(staged) in staging.clones and _has_no_definition(staging, heap, staged):
            twins.put(*staging.clones[id(staged)])
        else:
            _copy(staging, twins, name, staged)


def _has_no_definition(staging: Staging, heap: Heap, clone: FunctionType) -> bool:
    """True for a function by whose definition its live twin is not found: made by a call, as wrappers are, or in a file that
    is only read."""
    _, live = staging.clones[id(clone)]
    return "<locals>" in clone.__code__.co_qualname or not heap.of(live.__code__)


def _pair_loops(
    staging: Staging, heap: Heap, twins: Twins, made: list[tuple[str, FunctionType]], places: dict[int, FunctionType]
) -> dict[int, FunctionType | None]:
    """The live function, or None, for each of those that loops have made aside, and that have no place in a table.

    Raises:
        EscapeError: HS209, it is not known which follows which.
    """
    groups: dict[tuple[str, CodeType], list[FunctionType]] = {}
    for name, function in made:
        code = function.__code__
        is_placed = id(function) in places or "<locals>" in code.co_qualname
        if not is_placed and is_in_loop(staging.draft.summaries[name], code.co_firstlineno):
            groups.setdefault((name, code), []).append(function)
    found: dict[int, FunctionType | None] = {}
    placed = {id(live) for live in places.values()}
    for (name, code), functions in groups.items():
        pairing = staging.draft.pairings.get(name)
        old = pairing.old_of.get(code) if pairing is not None else code
        space = staging.world.records[name].module.__dict__
        live = [f for f in heap.of(old) if f.__globals__ is space and id(f) not in placed] if old is not None else []
        if max(len(live), len(functions)) < 2:
            continue
        in_order = not goes_as_before(staging.draft, name, code.co_firstlineno)
        paired = pair_rounds(functions, live, twins.resolve, staging.world.is_managed, in_order=in_order)
        if paired is None and _counts(staging, name, code.co_firstlineno):
            message = f"a loop has made several of {name}.{code.co_qualname}; which of them follows which new one is not known"
            raise EscapeError(
                Finding(
                    code="HS209", severity=Severity.HELD, message=message, next_step="restart",
                    file=code.co_filename, line=code.co_firstlineno,
                )
            )  # fmt: skip
        found |= {id(function): (paired or {}).get(id(function)) for function in functions}
        twins.rounds |= {id(function) for function in (paired or {}).values()}
    return found


def _counts(staging: Staging, module: str, line: int) -> bool:
    """True for a statement whose results are not only made because others need them."""
    index = index_at(staging.draft.summaries[module], line)
    return index is not None and (module, index) not in staging.draft.dirt.support


def _named_lambdas(staging: Staging) -> dict[int, Any]:
    """What callable the name of a live lambda has now. A lambda that goes into a wrapper is led to that, as a function
    is, so another one must do the work inside."""
    found: dict[int, Any] = {}
    for name, module in staging.modules.items():
        for key, value in staging.world.records[name].module.__dict__.items():
            if type(value) is FunctionType and value.__qualname__ == "<lambda>" and callable(module.__dict__.get(key)):
                found.setdefault(id(value), module.__dict__[key])
    return found


def _pair_wrappers(staging: Staging, twins: Twins) -> None:
    """What a decorator made anew stands for the live wrapper, so that whoever refers to it means the live one.

    A wrapper of a statement that was evaluated as support is dropped; one whose result counts is what the live one is
    jumped to.
    """
    dirt = staging.draft.dirt
    copies = {id(copy) for _, copy in twins.copies}
    for module, index in dirt.evaluated():
        unit = staging.draft.summaries[module].units[index]
        if unit.kind is not UnitKind.FUNCTION or module not in staging.modules:
            continue
        name = unit.names[0]
        last = staging.draft.graph.binders(module)[name][-1].index
        if last != index and (module, last) in dirt.evaluated() - dirt.support:
            continue  # what has the name is what a later statement made, ``f = traced(f)``
        home = _home(staging, module, name)
        staged, live = staging.modules[module].__dict__.get(name), staging.world.records[home].module.__dict__.get(name)
        if is_wrapper(staged) and type(staged) is type(live) and staged is not live:
            twins.put(staged, live)
            if (module, index) not in dirt.support:
                twins.wrappers[module, name] = staged
            continue
        if type(staged) is not FunctionType or type(live) is not FunctionType or twins.resolve(staged) is live:
            continue
        made = twins.resolve(staged)
        if (module, index) in dirt.support:
            twins.put(staged, live)
        elif (made is staged or id(made) in copies) and _fits(staging, home, name, live, made):
            twins.wrappers[module, name] = made
            twins.put(staged, live)


def _home(staging: Staging, module: str, name: str) -> str:
    """The module in which the live function of a definition stands: another one where the statement has moved."""
    if name in staging.world.records[module].module.__dict__:
        return module
    for other, diff in staging.draft.diffs.items():
        was = [old for old, _ in diff.pairs if name in old.names] + [old for old in diff.removed if name in old.names]
        now = [new for _, new in diff.pairs if name in new.names] + [new for new in diff.added if name in new.names]
        if any(u.kind is UnitKind.FUNCTION for u in was) and not any(u.kind is UnitKind.FUNCTION for u in now):
            return other
    return module


def _fits(staging: Staging, module: str, name: str, live: FunctionType, made: FunctionType) -> bool:
    """True where the live wrapper can be jumped to the new one, and is still what the text made."""
    base = (staging.world.records[module].base or {}).get(name)
    origin = hash((live.__code__.co_filename, live.__qualname__))
    same_cells = live.__code__.co_freevars == made.__code__.co_freevars and bool(live.__closure__)
    return live.__globals__ is made.__globals__ and same_cells and (base is None or base.origin == origin)


def _copy(staging: Staging, twins: Twins, name: str, staged: FunctionType) -> None:
    live_globals = staging.world.records[name].module.__dict__
    copy = FunctionType(staged.__code__, live_globals, staged.__name__, None, staged.__closure__)
    twins.put(staged, copy)
    twins.copies.append((staged, copy))


def _pair_by_place(staging: Staging) -> dict[int, FunctionType]:
    """The live functions by id of the new one that stands in the same place, in the data that both texts make."""
    found: dict[int, FunctionType] = {}
    for module, index in sorted(staging.draft.dirt.changed | set(staging.draft.dirt.derived)):
        space = staging.modules[module].__dict__ if module in staging.modules else {}
        live = staging.world.records[module].module.__dict__
        for name in staging.draft.summaries[module].units[index].names:
            for mine, theirs in _same_places(space.get(name), live.get(name)):
                if type(mine) is FunctionType and type(theirs) is FunctionType:
                    found.setdefault(id(mine), theirs)
    return found


def _same_places(new: Any, live: Any) -> Iterable[tuple[Any, Any]]:
    if type(new) is dict and type(live) is dict:  # keys that are compared without any code of the program
        return [(value, live[key]) for key, value in new.items() if type(key) in (str, int) and key in live]
    return zip(new, live, strict=False) if type(new) is type(live) and type(new) in (list, tuple) else ()


def _is_one_of_several(staging: Staging, name: str, code: CodeType) -> bool:
    """True where the new text of a module has further functions of that name, as hooks that are all called ``_``."""
    edited = staging.draft.edited.get(name)
    return edited is not None and sum(each.co_qualname == code.co_qualname for each in walk(edited.new.code)) > 1


def _live_function(
    staging: Staging, heap: Heap, name: str, staged: FunctionType, places: dict[int, FunctionType]
) -> FunctionType | None:
    """The one live function of the definition that a staged function was made by, if it can be told from others."""
    code = staged.__code__
    if "<locals>" in code.co_qualname:
        return None
    pairing = staging.draft.pairings.get(name)
    live_globals = staging.world.records[name].module.__dict__
    old = pairing.old_of.get(code) if pairing is not None else code
    if old is None:
        back = staging.world.removed_function(name, code.co_qualname)
        fits = back is not None and not back.__closure__ and not code.co_freevars and code.co_qualname not in live_globals
        return back if fits and not _is_one_of_several(staging, name, code) else None
    if any(f is places.get(id(staged)) for f in heap.of(old)):  # one of several that a loop has made, kept in a table
        return places[id(staged)]
    if _gets_wrapped(staging, name, staged):
        return None
    found = [f for f in heap.of(old) if f.__globals__ is live_globals]
    if len(found) > 1:  # the definition in its place counts; copies made of it elsewhere do not
        taken = {id(live) for live in places.values()}
        found = [f for f in found if look_up_function(live_globals, f.__qualname__) is f and id(f) not in taken]
    return found[0] if len(found) == 1 else None


def _gets_wrapped(staging: Staging, name: str, staged: FunctionType) -> bool:
    """A function that stood bare and now goes into a wrapper: the bare one has to lead to the wrapper, so another
    function must do the work inside, or it would call itself."""
    qualname = staged.__code__.co_qualname
    old_space, new_space = staging.world.records[name].module.__dict__, staging.modules[name].__dict__
    live, new = look_up_function(old_space, qualname), look_up_function(new_space, qualname)
    if type(live) is not FunctionType or live.__code__.co_qualname != qualname or is_a(new, property):
        return False
    # A static method is not given what a class method is: who holds the old one passes other arguments.
    return new is not staged or kind_of_method(look_up(old_space, qualname)) is not kind_of_method(look_up(new_space, qualname))


def _pair_methods(twins: Twins) -> None:
    """Caches around functions: the live cache stays, if it is made with the same arguments."""
    for staged, live in twins.classes:
        for name, value in vars_of(staged).items():
            old = vars_of(live).get(name)
            if old is not None and type(value) is type(old) and is_a(value, (staticmethod, classmethod)):
                value, old = value.__func__, old.__func__
            if type(value) is LRU and type(old) is LRU:
                pair_cache(twins, value, old)


def _pair_known(staging: Staging, twins: Twins, kept_state: KeptState) -> None:
    """What a plugin knows goes on living."""
    for made in find_known(staging, kept_state):
        if id(made.staged) not in twins.of:
            twins.put(made.staged, made.live)
            twins.objects.append(made)


def pair_made(staging: Staging, twins: Twins, may_take: MayTake) -> None:
    """What a library's decorator made anew stands for the live object, where that may be given the new state."""
    for made in find_made(staging, twins.classes):
        if id(made.staged) not in twins.of and may_take(made):
            twins.put(made.staged, made.live)
            twins.objects.append(made)
