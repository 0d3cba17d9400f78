"""One pass over the collector's objects for a whole batch: every live function, cache and object concerned.

The pass is linear in the heap and does not grow with the number of swaps. Looking referrers up per function, as
other tools do, takes seconds for a module of a thousand functions.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Collection
from types import AsyncGeneratorType, CodeType, CoroutineType, FunctionType, GeneratorType
from typing import Any, cast

import attrs

from hotswap.collector import hidden_objects, objects_beside, with_subclasses
from hotswap.fingerprint import LRU
from hotswap.kinds import vars_of
from hotswap.link.trampoline import target_of

_WANTED = frozenset({FunctionType, LRU, GeneratorType, CoroutineType, AsyncGeneratorType})
#: All generic functions of ``singledispatch`` are closures of one function.
DISPATCHER = cast(FunctionType, functools.singledispatch(len)).__code__
#: Where generic functions and trampolines have their code from, whatever they stand for.
_FILES = frozenset({DISPATCHER.co_filename, target_of.__code__.co_filename})


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
        classes: those of the modules asked for; weak, so that nobody counts as having them by this.
        frozen: how many objects ``gc.freeze()`` had hidden; they were brought back for the pass.
    """

    functions: dict[tuple[str, CodeType], list[FunctionType]] = attrs.Factory(dict)
    caches: list[Any] = attrs.Factory(list)
    generic: list[FunctionType] = attrs.Factory(list)
    trampolines: list[FunctionType] = attrs.Factory(list)
    suspended: list[Any] = attrs.Factory(list)
    classes: list[weakref.ref[type]] = attrs.Factory(list)
    frozen: int = 0

    def of(self, code: CodeType) -> list[FunctionType]:
        """The live functions of a code object."""
        return self.functions.get((code.co_filename, code), [])


def scan_heap(
    files: Collection[str], now: Callable[[CodeType], CodeType] = lambda code: code, modules: Collection[str] = ()
) -> Heap:
    """List the live functions of some files, whoever imported them and whenever hotswap was attached.

    Args:
        files: values of ``co_filename``.
        now: what code of earlier texts is now; its functions are listed under that.
        modules: names of modules whose classes are listed, too.
    """
    heap = Heap(frozen=hidden_objects())
    metaclasses = with_subclasses(type) if modules else []
    found, note, beside = objects_beside({*_WANTED, *metaclasses})
    asked, wanted, classes = set(files), {*files, *_FILES}, set(map(id, metaclasses))
    later: list[Any] = []
    for item in found:
        kind = type(item)
        if kind is FunctionType:  # most are, and of other files
            if (code := item.__code__).co_filename not in wanted:
                continue
            if code.co_filename in asked:
                heap.functions.setdefault((code.co_filename, now(code)), []).append(item)
            elif target_of(item) is not None:
                heap.trampolines.append(item)
            elif code is DISPATCHER:
                heap.generic.append(item)
        elif id(kind) in classes:
            if type(name := vars_of(item).get("__module__")) is str and name in modules:
                heap.classes.append(weakref.ref(item))
        elif kind is LRU:
            heap.caches.append(item)
        elif id(kind) in beside:
            later.append(item)
        else:
            heap.suspended.append(item)
    note(later)
    return heap
