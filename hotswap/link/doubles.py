"""Modules of an edited file besides the managed one, or after it: imported twice, taken out of ``sys.modules``.

Functions are found by their file, so those of another copy get their new code as well. What they use (data, classes, imports)
is that copy's own and stays as it is: that is named. Where no module of a file is managed any more its save is refused.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from inspect import CO_OPTIMIZED
from itertools import chain
from types import CodeType, FunctionType, GetSetDescriptorType, ModuleType
from typing import Any

from hotswap.collector import objects_of, with_subclasses
from hotswap.commit import Swap
from hotswap.convert.kept import COPIES
from hotswap.errors import CODES
from hotswap.kinds import is_a, vars_of
from hotswap.link.heap import Heap, scan_heap
from hotswap.link.trampoline import target_of
from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft
from hotswap.world import World

#: What a copy consists of, each with the finding to make while it is alive.
Doubles = list[tuple["weakref.ref[Any]", Finding]]


def find_doubles(draft: Draft, world: World, heap: Heap) -> Doubles:
    """Other copies of modules of which more changes than the code of functions, and functions that have another text's code.

    Call it before anything is evaluated aside.
    """
    managed = _spaces_of(world)
    kept = {id(copy.__globals__) for copy in list(COPIES)}  # of ways back, which are to be as they were
    found: Doubles = []
    for name, pairing in draft.pairings.items():
        file = world.records[name].file
        copies: list[Any] = [module for each in world.detached.of(file) if (module := each.module()) is not None]
        copies = [module for module in copies if id(module.__dict__) not in managed]
        for code, function in _functions_of(heap, file):
            if id(function.__globals__) in kept:
                continue
            if code not in pairing.new_of and code not in pairing.removed:
                message = f"{name}.{code.co_qualname} has the code of a text that {name} had earlier, and keeps it"
                found += _name_each([function], message, file)
            elif id(function.__globals__) not in managed:
                copies.append(function)
        if _changes_more_than_code(draft, name):
            message = (
                f"another copy of {name}, imported before, is in use; its functions have their new code, but its data, classes "
                "and imports are as they were"
            )
            found += _name_each(copies, message, file)
    replaced = [each for applied in world.history for each in applied.swap.replaced]
    put_aside = {id(each.live) for each in replaced} | {id(each.staged) for each in replaced}
    for symbol in sorted(draft.dirt.classes):
        found += _other_classes(world, *symbol, put_aside)
    return found


def _other_classes(world: World, module: str, name: str, put_aside: set[int]) -> Doubles:
    """Classes that a module has made before it was reloaded.

    Args:
        put_aside: ids of those in whose place a swap has put another one, which are kept for a rollback.
    """
    record = world.records.get(module)
    live = record.module.__dict__.get(name) if record is not None else None
    if record is None or not is_a(live, type):
        return []
    place = (live.__module__, live.__qualname__)
    derived: list[type] = list(chain.from_iterable(map(type.__subclasses__, live.__bases__)))
    near: dict[int, type] = {id(cls): cls for cls in derived if cls is not live}
    others = [cls for cls in near.values() if (cls.__module__, cls.__qualname__) == place and id(cls) not in put_aside]
    origin = "from before a reload"
    if others and world.look_up(place) is not live:  # a call has made it, and others for other names
        others = [cls for cls in others if world.is_managed(cls) and not _has_name(world, cls)]
        origin = "from another call or from before a reload"
    message = f"another {module}.{name}, {origin}, is in use; its methods have their new code, all else is as it was"
    return _name_each(others, message, record.file)


def _has_name(world: World, cls: type) -> bool:
    """True for what a managed module has under any name."""
    return any(cls is value for record in list(world.records.values()) for value in list(record.module.__dict__.values()))


def _functions_of(heap: Heap, file: str) -> Iterator[tuple[CodeType, FunctionType]]:
    for (path, code), functions in heap.functions.items():
        if path == file and code.co_flags & CO_OPTIMIZED:  # a module that is executing is a function too, of its own code
            yield from ((code, function) for function in functions if target_of(function) is None)


def _name_each(copies: Iterable[Any], message: str, file: str) -> Doubles:
    finding = Finding(code="HS412", severity=Severity.KEPT, message=message, file=file, next_step=CODES["HS412"].remedy)
    return [(weakref.ref(copy), finding) for copy in copies]


def _changes_more_than_code(draft: Draft, name: str) -> bool:
    evaluated = draft.dirt.changed | draft.dirt.derived.keys() | set(draft.after)
    diff = draft.diffs.get(name)
    return any(module == name for module, _ in evaluated) or (diff is not None and bool(diff.removed))


def find_alive(swap: Swap, world: World) -> list[Finding]:
    """The findings of what is in use of other copies, once a swap is made."""
    doubles: Doubles = swap.doubles
    if all(ref() is None for ref, _ in doubles):
        return []
    gc.collect()  # what has died in a circle of references does not count
    functions = [function for function in [ref() for ref, _ in doubles] if type(function) is FunctionType]
    used = _find_used(functions, [*(applied.swap for applied in world.history), swap], _spaces_of(world))
    return list(dict.fromkeys(found for ref, found in doubles if is_a(ref(), (ModuleType, type)) or id(ref()) in used))


def _spaces_of(world: World) -> set[int]:
    """The ids of the namespaces of managed modules."""
    return {id(record.module.__dict__) for record in list(world.records.values())}


def _find_used(functions: list[FunctionType], swaps: Iterable[Swap], managed: Collection[int]) -> set[int]:
    """Ids of those that something refers to besides each other, and besides what is kept for a rollback.

    Of a function also its class and its namespace count: an object of the class, a module object. (A managed module is in use
    whether or not a function of an earlier text is: of that one only what stands in it counts.) By numbers of references:
    what a running frame has is in no container. Caller has collected, and has the functions in this list alone, which is emptied.
    What stands in a container of the module counts as used: too often rather than too seldom.
    """
    items: list[Any] = list({id(function): function for function in functions}.values())
    homes = _add_homes(items, managed)
    functions.clear()
    known = _count_known(items, swaps)
    items.append(lambda: None)  # which this list alone has
    counts = {id(item): count for item, count in zip(items, map(sys.getrefcount, items), strict=True)}
    alone = counts.pop(id(items.pop()))
    used = {key for key, count in counts.items() if count - known[key] > alone}
    return used.union(*(inside for home, inside in homes.items() if home in used))


def _add_homes(items: list[Any], managed: Collection[int]) -> dict[int, set[int]]:
    """Add the namespaces and classes in which functions stand; gives the ids of their functions by theirs."""
    homes: dict[int, set[int]] = {}
    owners = _owners_of(items)
    for function in items.copy():
        spaces = [function.__globals__] if id(function.__globals__) not in managed else []
        for home in (*spaces, *owners.pop(id(function))):
            items += [home] if id(home) not in homes else []
            homes.setdefault(id(home), set()).add(id(function))
    return homes


def _owners_of(functions: list[Any]) -> dict[int, list[type]]:
    """The classes that have functions as they are, or in a property and the like, by the ids of these. The one that has the
    name of such a class now may be another one, which was made since."""
    found: dict[int, list[type]] = {id(function): [] for function in functions}
    names = {name for function in functions for name in function.__qualname__.split(".")[:-1]}
    for cls in objects_of(with_subclasses(type)) if names else ():
        for value in list(vars_of(cls).values()) if cls.__name__ in names else ():
            inside = () if is_a(value, (type, ModuleType)) else (value, *gc.get_referents(value))
            for number in {id(part) for part in inside} & found.keys():
                found[number].append(cls)
    return found


def _count_known(items: list[Any], swaps: Iterable[Swap]) -> Counter[int]:
    """How often functions, classes and namespaces are referred to without being in use, by their ids."""
    holders: list[Any] = [call for swap in swaps for write in swap.writes for call in (write.do, write.undo)]
    holders += [pair for swap in swaps for pair in swap.removed]
    for item in items:
        if type(item) is FunctionType:
            holders += [item, *(item.__closure__ or ())]
        elif type(item) is dict:
            holders.append(item)
        else:
            holders += [part for part in gc.get_referents(item) if type(part) in (dict, tuple)]
            holders += [part for part in vars_of(item).values() if type(part) is GetSetDescriptorType]
    return Counter(id(part) for holder in {id(each): each for each in holders}.values() for part in gc.get_referents(holder))


def find_unmanaged(world: World, file: str, data: bytes | None) -> Finding | None:
    """Why a new text of a file cannot be applied: what the program uses of it is not managed any more; None for nothing."""
    known = world.detached.of(file)
    if not known or data is None or data == known[-1].record.data:
        return None
    name = known[-1].record.name
    if not (used := _describe_used(world, file, [each.module for each in known])):
        world.detached.forget(file)
        return None
    other = world.records.get(name)
    why = f"the name is another module's ({other.file})" if other is not None else "it was taken out of sys.modules"
    return Finding(
        code="HS214", severity=Severity.HELD, file=file, next_step=CODES["HS214"].remedy,
        message=f"{name} is not managed any more, since {why}; in use of it is still: {used}",
    )  # fmt: skip


def _describe_used(world: World, file: str, modules: Iterable[weakref.ref[ModuleType]]) -> str:
    """What the program has of a file, in words; nothing for nothing."""
    gc.collect()  # what has died in a circle of references does not count
    if any(ref() is not None for ref in modules):
        return "the module"
    functions = [function for some in scan_heap([file]).functions.values() for function in some]
    names = {id(function): function.__qualname__ for function in functions}
    swaps = [applied.swap for applied in world.history]
    used = sorted(names[key] for key in _find_used(functions, swaps, _spaces_of(world)) & names.keys())
    return f"function {used[0]}" if used else _name_importer(world, file)


def _name_importer(world: World, file: str) -> str:
    """Values have no file; a module that imports from it may have some."""
    find = world.importer_finder()
    names = {each.record.name for each in world.detached.of(file)} - world.records.keys()
    users = sorted(user for name in names for user in find(name))
    return f"what {users[0]} imports of it" if users else ""
