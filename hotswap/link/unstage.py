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

import functools
import gc
import itertools
import operator
import sys
import types
import typing
from collections import deque
from collections.abc import Callable, Iterable
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import attrs
import wrapt

from hotswap.collector import referrers
from hotswap.fingerprint import BOUND_BY_C, LRU, same_value
from hotswap.kinds import PROXY, is_a, setter_of, vars_of
from hotswap.link.grow import announce_slots, make_again, why_not
from hotswap.link.heap import Heap
from hotswap.link.loops import is_in_loop, pair_rounds
from hotswap.link.names import kind_of_method, look_up, look_up_function
from hotswap.link.objects import Made, MayTake, find_made
from hotswap.link.rewrap import is_wrapper, set_state, state_of
from hotswap.link.staging import Staging
from hotswap.model import Finding, Severity
from hotswap.peek import own_dict
from hotswap.plan.pairing import walk
from hotswap.plan.units import UnitKind, index_at
from hotswap.shadow import is_slot


class EscapeError(Exception):
    """A staged object is referred to from somewhere where the reference cannot be exchanged."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@attrs.define(eq=False)
class Twins:
    """Staged objects and their live twins.

    Attributes:
        functions: staged function, live function, for definitions that were there before.
        classes: staged class, live class.
        lasting: ids of the live functions in ``functions``: each goes on as a definition of the new text, maybe of another name.
        places: where a live class stands in ``classes``, by its id. (The staged class itself would have one holder more.)
        wrappers: by module and name, what a decorator made anew: the live wrapper will be jumped to it.
    """

    of: dict[int, Any] = attrs.Factory(dict)
    keep: list[Any] = attrs.Factory(list)
    functions: list[tuple[FunctionType, FunctionType]] = attrs.Factory(list)
    lasting: set[int] = attrs.Factory(set)
    classes: list[tuple[type, type]] = attrs.Factory(list)
    places: dict[int, int] = attrs.Factory(dict)
    copies: list[tuple[FunctionType, FunctionType]] = attrs.Factory(list)
    made: list[Any] = attrs.Factory(list)
    wrappers: dict[tuple[str, str], Any] = attrs.Factory(dict)
    objects: list[Made] = attrs.Factory(list)
    members: dict[int, tuple[tuple[object, object], ...]] = attrs.Factory(dict)  # by id of the live class
    remade: set[int] = attrs.Factory(set)  # ids of staged objects that the live class cannot have: a copy stands for each
    # Live classes that what was made aside could not be led to, with what is to be raised where they stay.
    left: list[tuple[type, EscapeError]] = attrs.Factory(list)
    rounds: set[int] = attrs.Factory(set)  # ids of live functions that are one of several, whatever name they have

    def dispose(self) -> None:
        for table in (self.keep, self.functions, self.classes, self.copies, self.made, self.objects, self.left):
            table.clear()
        self.wrappers.clear()
        self.remade.clear()
        self.lasting.clear()
        self.places.clear()
        self.of.clear()

    def put(self, staged: Any, live: Any) -> None:
        self.of[id(staged)] = live
        self.keep.append(staged)  # an id is only good while its object lives

    def put_made(self, staged: Any, made: Any) -> None:
        """A copy of something immutable stands for it; what gets a twin later is exchanged in the copy as well."""
        self.put(staged, made)
        self.made.append(made)

    def resolve(self, value: Any) -> Any:
        """The live twin of a value, or the value itself."""
        seen = 0
        while id(value) in self.of and seen < 10:
            value, seen = self.of[id(value)], seen + 1
        return value


#: Gives, for a live class and a staged one, further pairs of a staged object and the live one that stands for it.
PairMembers = Callable[[type, type], Iterable[tuple[object, object]]]


def lead_over(
    staging: Staging,
    heap: Heap,
    pair_members: PairMembers = lambda live, staged: (),
    may_take: MayTake = lambda made: False,
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
    pair_made(staging, twins, may_take)
    announce_slots(twins.classes)
    exchange(staging, twins)
    finish_copies(twins)
    _exchange_overloads(twins)
    _check_escapes(staging, twins)
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
    for name, value in vars_of(staged).items():
        old = vars_of(live).get(name)
        if is_a(value, type) and is_a(old, type) and value.__qualname__ == old.__qualname__ and value is not old:
            _pair_class(twins, value, old)


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
        paired = pair_rounds(functions, live, twins.resolve, staging.world.is_managed)
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
            if type(value) is LRU and type(old) is LRU:
                _pair_cache(twins, value, old)


def pair_made(staging: Staging, twins: Twins, may_take: MayTake) -> None:
    """What a library's decorator made anew stands for the live object, where that may be given the new state."""
    for made in find_made(staging, twins.classes):
        if id(made.staged) not in twins.of and may_take(made):
            twins.put(made.staged, made.live)
            twins.objects.append(made)


def _pair_cache(twins: Twins, staged: Any, live: Any) -> None:
    same = getattr(live, "cache_parameters", None) and same_value(live.cache_parameters(), staged.cache_parameters())
    if same and twins.resolve(staged.__wrapped__) is live.__wrapped__:
        twins.put(staged, live)


# ---- exchanging references ----


def exchange(staging: Staging, twins: Twins) -> None:
    """Exchange every reference of a young object to something that has a twin."""
    for name, module in staging.modules.items():
        live = staging.world.records[name].module.__dict__
        for key, value in module.__dict__.items():
            if type(value) is LRU and type(live.get(key)) is LRU and value is not live[key]:
                _pair_cache(twins, value, live[key])
    skip = {id(module.__dict__) for module in staging.modules.values()}
    skip |= {id(twins.keep), id(twins.of), id(staging.young), id(staging.modules)}
    skip |= {id(pair) for pair in (*twins.functions, *twins.classes, *twins.copies)}
    skip |= {id(made) for made in twins.objects}
    skip |= {id(twins.functions), id(twins.classes), id(twins.copies), id(twins.made)}
    # The dict of a class is written through the class only: its caches would not notice, and give what has died.
    skip |= {id(own) for item in staging.young if is_a(item, type) for own in gc.get_referents(vars_of(item))}
    before = -1
    while before != (before := len(twins.of)):
        for item in itertools.chain(staging.young, twins.made):
            if id(item) in skip or id(item) in twins.remade or (id(item) in twins.of and _is_remade(item)):
                continue
            if _refers(item, twins):
                _exchange_in(item, twins)


_WITHOUT_DICT = frozenset({FunctionType, ModuleType, MethodType, CellType, tuple, frozenset, list, dict, set, deque})


def _has_fixed_contents(item: Any, twins: Twins) -> bool:
    """True for a named tuple and the like in which something stands that has a twin; its attributes can be exchanged in place."""
    base = tuple if is_a(item, tuple) else frozenset if is_a(item, frozenset) else None
    return base is not None and any(id(value) in twins.of for value in base.__iter__(item))


def _make_row_again(item: Any, twins: Twins) -> Any:
    """A named tuple and the like with other contents, past what its class does where one is made."""
    from hotswap.fingerprint import slot_values

    resolve, cls = twins.resolve, twins.resolve(type(item))
    base: Any = tuple if is_a(item, tuple) else frozenset
    made = base.__new__(cls, map(resolve, base.__iter__(item)))
    for name, value in (own_dict(item) or {}).items():
        own_dict(made)[name] = resolve(value)  # type: ignore[index]  # of the same class, so it has one
    for name, value in slot_values(type(item), item):
        _slot(cls, name).__set__(made, resolve(value))
    return made


def _is_remade(item: Any) -> bool:
    """True for what is not changed but made again, and then stands for itself."""
    kinds = (MethodType, LRU, types.GenericAlias, types.UnionType, *BOUND_BY_C)
    return type(item) in kinds or is_a(item, (tuple, frozenset))


_UNBOUND = (types.MethodDescriptorType, types.WrapperDescriptorType)


def bind_again(method: Any, target: Any) -> Any:
    """A method of C bound to another object; None where it is no such method of its class."""
    for cls in type(target).__mro__:
        descriptor: Any = vars_of(cls).get(method.__name__)
        if type(descriptor) in _UNBOUND and descriptor.__get__(method.__self__) == method:
            return descriptor.__get__(target)
    return None


def _refers(item: Any, twins: Twins) -> bool:
    """True where something that an object refers to has a twin. The dict of an object may have been made after the object
    itself, when somebody asked for it, so it need not be among the young ones."""
    referents = gc.get_referents(item)
    has_no_twin = twins.of.keys().isdisjoint
    if not has_no_twin(map(id, referents)):
        return True
    if is_a(item, type):
        return not has_no_twin(map(id, list(vars_of(item).values())))
    if type(item) in _WITHOUT_DICT:
        return False  # a dict that it refers to is another object
    return any(not has_no_twin(map(id, list(referent.values()))) for referent in referents if type(referent) is dict)


def _exchange_in(item: Any, twins: Twins) -> None:
    """Exchange the references that one young object holds."""
    resolve = twins.resolve
    kind = type(item)
    if kind in (ModuleType, types.FrameType):
        return
    if is_a(item, dict):
        _exchange_dict(item, twins)
    elif is_a(item, (list, deque)):
        for index, value in enumerate(item):
            if id(value) in twins.of:
                item[index] = resolve(value)
    elif is_a(item, set):
        changed = [value for value in item if id(value) in twins.of]
        for value in changed:
            set.discard(item, value)
            set.add(item, resolve(value))
    elif kind is tuple or kind is frozenset:
        twins.put_made(item, kind(resolve(value) for value in item))
    elif _has_fixed_contents(item, twins):
        twins.put_made(item, _make_row_again(item, twins))
    elif kind is CellType:
        item.cell_contents = resolve(item.cell_contents)
    elif kind is MethodType:
        twins.put_made(item, MethodType(resolve(item.__func__), resolve(item.__self__)))
    elif kind in BOUND_BY_C:
        if (bound := bind_again(item, resolve(item.__self__))) is not None:
            twins.put_made(item, bound)
    elif kind is types.GenericAlias:  # list[K]
        made = types.GenericAlias(resolve(item.__origin__), tuple(map(resolve, item.__args__)))
        twins.put_made(item, next(iter(made)) if item.__unpacked__ else made)
    elif kind is types.UnionType:  # K | None
        twins.put_made(item, functools.reduce(operator.or_, map(resolve, item.__args__)))
    elif kind is functools.partial:
        args = tuple(resolve(a) for a in item.args)
        keywords = {k: resolve(v) for k, v in item.keywords.items()}
        item.__setstate__((resolve(item.func), args, keywords, item.__dict__ or None))
    elif kind is LRU:
        _exchange_cache(item, twins)
    elif is_a(item, (staticmethod, classmethod)):
        state = dict(item.__dict__)
        # The builtin's own: a subclass may take other arguments, and is not to run once more.
        kind_of_method: Any = staticmethod if is_a(item, staticmethod) else classmethod
        kind_of_method.__init__(item, resolve(item.__func__))
        item.__dict__.update({k: resolve(v) for k, v in state.items() if k != "__wrapped__"})
    elif is_a(item, property):
        doc = item.__doc__
        property.__init__(item, resolve(item.fget), resolve(item.fset), resolve(item.fdel), doc)
    elif kind is FunctionType:
        _exchange_function(item, twins)
    elif is_a(item, wrapt.FunctionWrapper) or kind is wrapt.BoundFunctionWrapper:
        set_state(item, tuple(map(resolve, state_of(item))))
    elif is_a(item, PROXY):
        item.__wrapped__ = resolve(item.__wrapped__)
    elif is_a(item, type):
        _exchange_class(item, twins)
    else:
        _exchange_instance(item, twins)


def _exchange_dict(item: dict[Any, Any], twins: Twins) -> None:
    if any(id(key) in twins.of for key in item):
        contents = [(twins.resolve(key), twins.resolve(value)) for key, value in dict.items(item)]
        dict.clear(item)
        for key, value in contents:
            dict.__setitem__(item, key, value)
        return
    for key, value in list(dict.items(item)):
        if id(value) in twins.of:
            dict.__setitem__(item, key, twins.resolve(value))


def _exchange_cache(item: Any, twins: Twins) -> None:
    function = item.__wrapped__
    if id(function) in twins.of and id(item) not in twins.of:
        made = functools.lru_cache(**item.cache_parameters())(twins.resolve(function))
        # Its name too: that of the live function inside may only change with the commit.
        own = {key: value for key, value in item.__dict__.items() if key not in ("__wrapped__", "cache_parameters")}
        made.__dict__.update(own)
        twins.put_made(item, made)
        twins.made.append(made.__dict__)


def _exchange_function(item: FunctionType, twins: Twins) -> None:
    if item.__defaults__:
        item.__defaults__ = tuple(twins.resolve(v) for v in item.__defaults__)
    if item.__kwdefaults__:
        item.__kwdefaults__ = {k: twins.resolve(v) for k, v in item.__kwdefaults__.items()}
    if any(id(value) in twins.of for value in item.__annotations__.values()):  # the dict is made when somebody asks for it
        item.__annotations__ = {k: twins.resolve(v) for k, v in item.__annotations__.items()}
    for key, value in list(item.__dict__.items()):
        item.__dict__[key] = twins.resolve(value)


def _exchange_class(item: type, twins: Twins) -> None:
    for name, value in list(vars_of(item).items()):
        if id(value) in twins.of:
            setter_of(item)(item, name, twins.resolve(value))
    if id(item) in twins.of:  # its bases are led over with its contents, when they are moved into the live class
        _lead_metaclass(item, twins)
        return
    bases = tuple(twins.resolve(base) for base in item.__bases__)
    if bases != item.__bases__:
        try:
            item.__bases__ = bases
        except TypeError as error:
            place = (item.__module__, item.__qualname__)
            if any((staged.__module__, staged.__qualname__) == place for staged, _ in twins.classes):
                return  # ``slots=True`` made another class of it, and nobody has this one
            refused = EscapeError(_escape(f"the new class {item.__qualname__} cannot be led to its live base: {error}", item))
            twins.left += [(live, refused) for live, base in zip(bases, item.__bases__, strict=True) if live is not base]
    if id(type(item)) in twins.of:
        item.__class__ = twins.resolve(type(item))


def _lead_metaclass(item: type, twins: Twins) -> None:
    """A method of the metaclass uses the live one by now (``super()``), so it cannot be called for a class of the other one."""
    if id(type(item)) in twins.of:
        try:
            setter_of(item)(item, "__class__", twins.resolve(type(item)))
        except TypeError:
            pass  # of another layout: the metaclass itself cannot be exchanged, which is found when it is moved


#: Past a property of that name, by which a class says that it is another one.
_SET_CLASS: Callable[[Any, type], None] = vars(object)["__class__"].__set__


def _exchange_instance(item: Any, twins: Twins) -> None:
    from hotswap.fingerprint import slot_values

    state = own_dict(item)
    for name, value in list(state.items()) if state else ():
        if id(value) in twins.of:
            state[name] = twins.resolve(value)  # type: ignore[index]  # a mapping here
    for name, value in slot_values(type(item), item):
        if id(value) in twins.of:
            _slot(type(item), name).__set__(item, twins.resolve(value))
    if id(type(item)) in twins.of:
        live = twins.resolve(type(item))
        try:
            _SET_CLASS(item, live)
        except TypeError:  # other slots, its own or those of a base
            if why := why_not(live, type(item)):
                message = f"a new object of {type(item).__qualname__} cannot be led to the live class: {why}"
                twins.left.append((live, EscapeError(_escape(message, item))))
                return
            try:
                made = make_again(item, live)
            except TypeError as error:
                raise EscapeError(
                    _escape(f"a new object of {type(item).__qualname__} cannot be led to the live class: {error}", item)
                ) from error
            twins.remade.add(id(item))
            twins.put_made(item, made)


def _slot(cls: type, name: str) -> Any:
    return next(vars_of(c)[name] for c in cls.__mro__ if is_slot(vars_of(c).get(name)))


def finish_copies(twins: Twins) -> None:
    """Give the copies what has been led over by now."""
    for staged, copy in twins.copies:
        copy.__defaults__ = tuple(map(twins.resolve, staged.__defaults__)) if staged.__defaults__ else staged.__defaults__
        if staged.__kwdefaults__:
            copy.__kwdefaults__ = {k: twins.resolve(v) for k, v in staged.__kwdefaults__.items()}
        copy.__qualname__ = staged.__qualname__
        copy.__module__ = staged.__module__
        copy.__doc__ = staged.__doc__
        copy.__annotations__ = {k: twins.resolve(v) for k, v in staged.__annotations__.items()}
        if sys.version_info >= (3, 12):
            copy.__type_params__ = staged.__type_params__
        copy.__dict__.update({k: twins.resolve(v) for k, v in staged.__dict__.items()})


def _exchange_overloads(twins: Twins) -> None:
    """``typing.overload`` notes functions in a table of the library, which is only read by ``get_overloads``."""
    for per_module in getattr(typing, "_overload_registry", {}).values():
        for per_name in list(per_module.values()):
            for line, function in list(per_name.items()):
                if id(function) in twins.of:
                    per_name[line] = twins.resolve(function)


# ---- nothing may be left behind ----


def _check_escapes(staging: Staging, twins: Twins) -> None:
    """Find staged functions and classes that old objects of the program refer to.

    Counting the references among the young ones first keeps the search off the heap in the normal case.
    """
    pairs = [*twins.functions, *twins.classes, *twins.copies, *((made.staged, made.live) for made in twins.objects)]
    staged = [s for s, _ in pairs]
    if not staged:
        return
    spaces = [module.__dict__ for module in staging.modules.values()]
    own = [staging.young, twins.keep, staged, *pairs, *twins.objects]
    suspects = _held_by_others(staged, [*staging.young, *own])
    if not suspects:
        return
    young = {id(o) for o in (*staging.young, *own, *spaces)}
    wanted = {id(s) for s in suspects}
    for holder in referrers(*suspects):
        if id(holder) in young or holder is suspects or is_a(holder, types.FrameType):
            continue
        if (
            type(holder) in (dict, list, set, deque, CellType, FunctionType)
            or is_a(holder, type)
            or hasattr(holder, "__dict__")
        ):
            item = next(r for r in gc.get_referents(holder) if id(r) in wanted)
            raise EscapeError(_escape(f"{_describe(item)} was put into an existing {type(holder).__name__}", item))


def _held_by_others(items: list[Any], holders: list[Any]) -> list[Any]:
    """The items to which something else than these holders refers; the holders include the list of the items."""
    counted = dict.fromkeys(map(id, items), 0)
    # By id: a variable of the loop would be one more reference to what it held last.
    for key in map(id, itertools.chain.from_iterable(map(gc.get_referents, itertools.chain((holders,), holders)))):
        if key in counted:
            counted[key] += 1
    probe = [object()]
    beside = _count_references(probe)[0] - 1  # what counting itself adds
    return [item for item, count in zip(items, _count_references(items), strict=True) if count - beside > counted[id(item)]]


def _count_references(items: list[Any]) -> list[int]:
    return [sys.getrefcount(item) for item in items]


def _describe(item: Any) -> str:
    return f"{getattr(item, '__module__', '?')}.{getattr(item, '__qualname__', item)}"


def _escape(message: str, item: Any) -> Finding:
    code = item.__code__ if type(item) is FunctionType else None
    return Finding(
        code="HS207",
        severity=Severity.HELD,
        message=message,
        file=code.co_filename if code is not None else "",
        line=code.co_firstlineno if code is not None else 0,
        next_step="restart",
    )
