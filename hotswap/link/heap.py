"""One pass over the collector's objects for a whole batch: every live function, cache and object concerned.

The pass is linear in the heap and does not grow with the number of swaps. Looking referrers up per function, as
other tools do, takes seconds for a module of a thousand functions.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import compress
from types import AsyncGeneratorType, CodeType, CoroutineType, FunctionType, GeneratorType
from typing import Any

import attrs

from hotswap.fingerprint import LRU
from hotswap.link.trampoline import target_of

_OWN_FROZEN = 1000  # more than the interpreter freezes by itself, less than the smallest program has
_WANTED = frozenset({FunctionType, LRU, GeneratorType, CoroutineType, AsyncGeneratorType})


@attrs.define(eq=False)
class Heap:
    """What a pass found.

    Attributes:
        functions: live functions compiled from the files asked for, by file and code object: equal functions of
            different files have equal code.
        caches: ``lru_cache`` wrappers of the whole program.
        trampolines: functions that lead to another one.
        suspended: generators, coroutines and async generators.
        frozen: how many objects ``gc.freeze()`` had hidden; they were brought back for the pass.
    """

    functions: dict[tuple[str, CodeType], list[FunctionType]] = attrs.Factory(dict)
    caches: list[Any] = attrs.Factory(list)
    trampolines: list[FunctionType] = attrs.Factory(list)
    suspended: list[Any] = attrs.Factory(list)
    frozen: int = 0

    def of(self, code: CodeType) -> list[FunctionType]:
        """The live functions of a code object."""
        return self.functions.get((code.co_filename, code), [])


def hidden_objects() -> int:
    """How many objects ``gc.freeze()`` hides from the collector, those of the interpreter itself left out.

    CPython 3.12 starts with 375 frozen ones of its own; thawing and freezing for these would freeze the whole program.
    """
    count = gc.get_freeze_count()
    return count if count > _OWN_FROZEN else 0


@contextmanager
def nothing_hidden() -> Iterator[None]:
    """Bring frozen objects back for a look at the heap, and freeze again."""
    hidden = hidden_objects()
    if hidden:
        gc.unfreeze()
    try:
        yield
    finally:
        if hidden:
            gc.freeze()


def scan_heap(files: Collection[str]) -> Heap:
    """List the live functions of some files, whoever imported them and whenever hotswap was attached.

    Args:
        files: values of ``co_filename``.
    """
    frozen = hidden_objects()
    with nothing_hidden():
        found = _of_types(_WANTED)
    heap = Heap(frozen=frozen)
    wanted = set(files)
    for item in found:
        if type(item) is FunctionType:
            code = item.__code__
            if code.co_filename in wanted:
                heap.functions.setdefault((code.co_filename, code), []).append(item)
            elif item.__kwdefaults__ and target_of(item) is not None:
                heap.trampolines.append(item)
        elif type(item) is LRU:
            heap.caches.append(item)
        else:
            heap.suspended.append(item)
    return heap


def _of_types(kinds: Collection[type]) -> list[Any]:
    """The collector's objects of exactly some types; by id, since the types of others may not even have a hash."""
    items = gc.get_objects()
    return list(compress(items, map({id(kind) for kind in kinds}.__contains__, map(id, map(type, items)))))


def list_instances(classes: Collection[type]) -> dict[type, list[Any]]:
    """List the live instances of some classes and of their subclasses, by exact class."""
    wanted = [sub for cls in classes for sub in with_subclasses(cls)]
    if not wanted:
        return {}
    with nothing_hidden():
        found = _of_types(wanted)
    grouped: dict[type, list[Any]] = {}
    for item in found:
        grouped.setdefault(type(item), []).append(item)
    return grouped


def with_subclasses(cls: type) -> list[type]:
    found: dict[int, type] = {id(cls): cls}  # by id: a metaclass may have an __eq__ of its own
    pending = [cls]
    while pending:
        below: list[type] = type.__subclasses__(pending.pop())
        subclasses = [sub for sub in below if id(sub) not in found]
        found.update((id(sub), sub) for sub in subclasses)
        pending += subclasses
    return list(found.values())
