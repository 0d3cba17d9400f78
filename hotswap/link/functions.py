"""Functions of edited files get their new code, at their own entry."""

from __future__ import annotations

import bisect
import functools
from inspect import CO_ITERABLE_COROUTINE
from types import CellType, CodeType, FunctionType
from typing import Any

from hotswap.commit import set_function, set_item
from hotswap.kinds import is_a, vars_of
from hotswap.link.linking import Linking
from hotswap.link.names import look_up, look_up_function
from hotswap.link.redirect import drop_wrapped, jump_code, settle_trampolines, take_over
from hotswap.link.rewrap import rewrap_bound
from hotswap.link.trampoline import target_of
from hotswap.link.wrappers import follow_wrappers
from hotswap.model import Mechanism, Redirect
from hotswap.plan.pairing import awaitable
from hotswap.plan.units import UnitKind
from hotswap.world import ModuleRecord


def link_functions(linking: Linking) -> None:
    """Every function of an edited file gets its new code, the unchanged ones too: their line numbers moved."""
    paired = {id(live): staged for staged, live in linking.twins.functions}
    rebound = _find_rebound(linking)
    for name, pairing in linking.draft.pairings.items():
        record = linking.world.records[name]
        changed = _changed_names(linking, name)
        for old, new in pairing.new_of.items():
            functions = linking.heap.of(old)
            is_marked = old.co_flags & CO_ITERABLE_COROUTINE  # the other one of a pair
            if not functions and old.co_qualname in linking.draft.diffs[name].bodies and not is_marked:
                _note_replaced(linking, record, old, new.co_firstlineno)
            for function in functions:
                if id(function) in rebound:
                    continue  # it is led to another object when its name is bound
                # A file that is loaded twice, as main and by name, has functions of the same code in two namespaces.
                if function.__globals__ is record.module.__dict__ or id(function.__globals__) not in linking.owners:
                    _jump(linking, record, function, new, paired.get(id(function)), changed)
    _take_over_derived(linking, paired)


def _note_replaced(linking: Linking, record: ModuleRecord, old: CodeType, line: int) -> None:
    """A function of the text is not alive any more, and its name stands for something else that goes on being it."""
    qualname = old.co_qualname
    head = qualname.partition(".")[0]
    units = linking.draft.summaries[record.name].units
    evaluated = linking.draft.dirt.changed | set(linking.draft.dirt.derived)
    made_again = any(head in units[index].names for owner, index in evaluated if owner == record.name)
    held = look_up_function(record.module.__dict__, qualname)
    if type(held) is not FunctionType or awaitable(held.__code__) == awaitable(old):
        return
    if "<" not in qualname and not made_again and target_of(held) is None:
        why = "the function of its text is not alive, the program or a decorator has put another one in its place"
        linking.merger.keep(f"{record.name}.{qualname}", (record.file, line), why)


def _find_rebound(linking: Linking) -> set[int]:
    """Live functions whose name gets another callable, because a decorator made it anew."""
    found = set()
    for module, index in linking.draft.dirt.changed | set(linking.draft.dirt.derived):
        if module not in linking.staging.modules:
            continue
        space, live = linking.staging.modules[module].__dict__, linking.world.records[module].module.__dict__
        for name in linking.draft.summaries[module].units[index].names:
            held = live.get(name)
            if type(held) is not FunctionType or not callable(space.get(name)) or id(held) in linking.twins.rounds:
                continue
            own = not linking.is_foreign(module, name, held) and not linking.was_replaced(module, name, held)
            own = own and not linking.is_changed_closure(module, name, held, linking.draft.summaries[module].units[index])
            if own and (linking.twins.resolve(space[name]) is not held or (module, name) in linking.twins.wrappers):
                found.add(id(held))
    return found


def _changed_names(linking: Linking, name: str) -> set[str]:
    diff = linking.draft.diffs[name]
    return set(diff.bodies) | {unit.names[0] for _, unit in diff.changed if unit.kind is UnitKind.FUNCTION and unit.names}


def _jump(
    linking: Linking, record: ModuleRecord, function: FunctionType, code: Any, staged: FunctionType | None, changed: set[str]
) -> None:
    qualname = function.__code__.co_qualname
    heir = function  # what runs the new code and so needs the new defaults
    if function.__code__ != code or qualname != code.co_qualname:  # equal code may have another qualified name
        cells = _class_cell(linking, record, function, code)
        direct = jump_code(linking.swap, function, code, cells, record.name)
        if direct is not function:
            heir = direct
            _replace_in_place(linking, record, function, direct)
            linking.twins.put(staged, direct) if staged is not None else None
        elif qualname.partition(".<locals>")[0] in changed:
            linking.swap.redirects.append(Redirect(module=record.name, qualname=qualname, mechanism=Mechanism.JUMP))
    if staged is not None and id(function) not in linking.done:
        linking.done.add(id(function))
        if _is_committed(linking, record.name, staged):
            take_over(linking.swap, heir, _resolved(linking, staged, record))


def _take_over_derived(linking: Linking, paired: dict[int, FunctionType]) -> None:
    """Functions whose text did not change but whose defaults or decorators did (DERIVED)."""
    for staged, live in linking.twins.functions:
        if id(live) in linking.done:
            continue
        if live.__code__ != staged.__code__ and target_of(live) is not None:  # it was removed once and is back
            linking.swap.add(set_function(live, "__code__", staged.__code__), *drop_wrapped(live))
            linking.swap.led.add(id(live))
        name = linking.owners.get(id(live.__globals__))
        if name is not None and _is_committed(linking, name, staged):
            linking.done.add(id(live))
            take_over(linking.swap, live, _resolved(linking, staged, linking.world.records[name]))


def _is_committed(linking: Linking, module: str, staged: FunctionType) -> bool:
    """True for functions of statements whose results count, not of those evaluated as support."""
    head, line = staged.__code__.co_qualname.partition(".")[0], staged.__code__.co_firstlineno
    names, kept = linking.committed.get(module, (set(), []))
    if head in names or (kept and head.startswith("<")):
        return True
    after = bisect.bisect_right(kept, line, key=lambda unit: unit.line)
    return after > 0 and line <= (kept[after - 1].node.end_lineno or line)


def _resolved(linking: Linking, staged: FunctionType, record: ModuleRecord) -> FunctionType:
    """The staged function with everything that it refers to led over."""
    resolve = linking.twins.resolve
    twin = FunctionType(staged.__code__, record.module.__dict__, staged.__name__, None, staged.__closure__)
    twin.__defaults__ = tuple(map(resolve, staged.__defaults__)) if staged.__defaults__ else staged.__defaults__
    if staged.__kwdefaults__:
        twin.__kwdefaults__ = {k: resolve(v) for k, v in staged.__kwdefaults__.items()}
    twin.__doc__ = staged.__doc__
    twin.__annotations__ = {k: resolve(v) for k, v in staged.__annotations__.items()}
    twin.__dict__.update({k: resolve(v) for k, v in staged.__dict__.items()})
    if hasattr(staged, "__type_params__"):
        setattr(twin, "__type_params__", staged.__type_params__)  # noqa: B010 - 3.12 and newer
    return twin


def _is_bare(linking: Linking, function: FunctionType) -> bool:
    """True for a function that its module or class holds itself, and not in a wrapper."""
    return look_up(function.__globals__, function.__qualname__) is function


def _class_cell(linking: Linking, record: ModuleRecord, function: FunctionType, code: Any) -> dict[str, CellType]:
    """A method that gains ``super()`` needs the cell that holds its class."""
    if "__class__" not in code.co_freevars or "__class__" in function.__code__.co_freevars:
        return {}
    owner: Any = record.module.__dict__
    for part in code.co_qualname.split(".")[:-1]:
        owner = owner.get(part) if is_a(owner, dict) else getattr(owner, "__dict__", {}).get(part)
    return {"__class__": CellType(owner)} if is_a(owner, type) else {}


def _replace_in_place(linking: Linking, record: ModuleRecord, function: FunctionType, direct: FunctionType) -> None:
    """The name that was bound to the function gets the direct one; held references pass the trampoline."""
    parts = function.__qualname__.split(".")
    owner: Any = record.module.__dict__
    for part in parts[:-1]:
        owner = owner.get(part) if is_a(owner, dict) else getattr(owner, "__dict__", {}).get(part)
    if is_a(owner, dict) and owner.get(parts[-1]) is function:
        linking.swap.add(set_item(owner, parts[-1], direct))
    elif is_a(owner, type):
        _replace_method(linking, owner, parts[-1], function, direct)


def _replace_method(linking: Linking, owner: type, name: str, function: FunctionType, direct: FunctionType) -> None:
    from hotswap.commit import set_class

    held = vars_of(owner).get(name)
    if held is function:
        linking.swap.add(set_class(owner, name, direct))
    elif is_a(held, (staticmethod, classmethod)) and held.__func__ is function:
        linking.swap.add(set_class(owner, name, type(held)(direct)))


def finish_functions(linking: Linking) -> None:
    # What a frame from before an earlier commit has made is looked at when that has ended: most of it is gone then.
    followed, now = linking.swap.led, linking.world.outdated.now
    left = [(f, found) for f, found in linking.swap.unfollowed if id(f) not in followed and now(f.__code__) is f.__code__]
    linking.swap.findings += [finding for _, finding in left]
    rewrap_bound(linking.swap)
    settle_trampolines(linking.swap)
    follow_wrappers(linking.swap, functools.partial(_is_bare, linking), {id(item) for item in linking.staging.young})
    linking.left.note()
