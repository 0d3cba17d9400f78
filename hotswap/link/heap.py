"""One pass over the collector's objects for a whole batch: every live function, cache and object concerned.

The pass is linear in the heap and does not grow with the number of swaps. Looking referrers up per function, as
other tools do, takes seconds for a module of a thousand functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from types import AsyncGeneratorType, CodeType, CoroutineType, FunctionType, GeneratorType
from typing import Any, cast

import attrs

from hotswap.collector import hidden_objects, nothing_hidden, objects_of
from hotswap.fingerprint import LRU
from hotswap.link.trampoline import target_of

_WANTED = frozenset({FunctionType, LRU, GeneratorType, CoroutineType, AsyncGeneratorType})
#: All generic functions of ``singledispatch`` are closures of one function.
DISPATCHER = cast(FunctionType, functools.singledispatch(len)).__code__


@attrs.define(eq=False)
class Heap:
    """What a pass found.

    Attributes:
        functions: live functions compiled from the files asked for, by file and code object: equal functions of
            different files have equal code.
        caches: ``lru_cache`` wrappers of the whole program.
        generic: generic functions of ``singledispatch``, of the whole program.
        trampolines: functions that lead to another one.
        suspended: generators, coroutines and async generators.
        frozen: how many objects ``gc.freeze()`` had hidden; they were brought back for the pass.
    """

    functions: dict[tuple[str, CodeType], list[FunctionType]] = attrs.Factory(dict)
    caches: list[Any] = attrs.Factory(list)
    generic: list[FunctionType] = attrs.Factory(list)
    trampolines: list[FunctionType] = attrs.Factory(list)
    suspended: list[Any] = attrs.Factory(list)
    frozen: int = 0

    def of(self, code: CodeType) -> list[FunctionType]:
        """The live functions of a code object."""
        return self.functions.get((code.co_filename, code), [])


def scan_heap(files: Collection[str], now: Callable[[CodeType], CodeType] = lambda code: code) -> Heap:
    """List the live functions of some files, whoever imported them and whenever hotswap was attached.

    Args:
        files: values of ``co_filename``.
        now: what code of earlier texts is now; its functions are listed under that.
    """
    frozen = hidden_objects()
    with nothing_hidden():
        found = objects_of(_WANTED)
    heap = Heap(frozen=frozen)
    wanted = set(files)
    for item in found:
        if type(item) is FunctionType:
            code = item.__code__
            if code.co_filename in wanted:
                heap.functions.setdefault((code.co_filename, now(code)), []).append(item)
            elif item.__kwdefaults__ and target_of(item) is not None:
                heap.trampolines.append(item)
            elif code is DISPATCHER:
                heap.generic.append(item)
        elif type(item) is LRU:
            heap.caches.append(item)
        else:
            heap.suspended.append(item)
    return heap
