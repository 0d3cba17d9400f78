"""What is read of a process: memory, objects, live code, threads, files, and the tables that hotswap keeps."""

from __future__ import annotations

import gc
import os
import resource
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import attrs

from hotswap.link.trampoline import target_of

_PAGE = resource.getpagesize()
_TABLES = (dict, list, set, deque, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)


def resident() -> int:
    """Bytes of memory that the process has."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE


@attrs.frozen
class Sample:
    """A process at one moment, after a collection.

    Attributes:
        memory: bytes.
        objects: that the collector knows.
        blocks: of memory that the interpreter has handed out: what the collector does not know is counted, too.
        codes: code objects that are alive, of those that were ever live in the program.
        proxies, trampolines, barriers: that stand.
        tables: how long each table of hotswap is, by the way to it.
    """

    number: int
    memory: int
    objects: int
    blocks: int
    codes: int
    proxies: int
    trampolines: int
    barriers: int
    threads: int
    files: int
    tables: dict[str, int] = attrs.field(factory=dict, repr=False)


class Codes:
    """The code objects of a program, known as long as they live."""

    def __init__(self) -> None:
        self._refs: list[weakref.ref[CodeType]] = []
        self._known: set[int] = set()

    def note(self, modules: Iterable[ModuleType]) -> None:
        """Note what is live now."""
        for code in _codes_of(modules):
            if id(code) not in self._known:
                self._known.add(id(code))
                self._refs.append(weakref.ref(code))

    def alive(self) -> int:
        self._refs = [ref for ref in self._refs if ref() is not None]
        self._known = {id(ref()) for ref in self._refs}
        return len(self._refs)


def _codes_of(modules: Iterable[ModuleType]) -> Iterator[CodeType]:
    spaces = [module.__dict__ for module in modules]
    files = {module.__file__ for module in modules}
    for space in spaces:
        for value in list(space.values()):
            members = list(value.__dict__.values()) if isinstance(value, type) else [value]
            for member in members:
                code = getattr(getattr(member, "__wrapped__", member), "__code__", None)
                if isinstance(code, CodeType) and code.co_filename in files:
                    yield from _nested(code)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _nested(const)


def take_sample(number: int, codes: Codes) -> Sample:
    """Look at this process."""
    from hotswap.session import current

    gc.collect()
    alive = codes.alive()
    blocks = sys.getallocatedblocks()
    found = gc.get_objects()
    count = len(found)
    proxies = sum(type(item).__module__ == "wrapt" or "Proxy" in type(item).__name__ for item in found)
    trampolines = sum(type(item) is FunctionType and target_of(item) is not None for item in found)
    del found
    engine = current().engine
    return Sample(
        number, resident(), count, blocks, alive, proxies, trampolines, len(engine.converter.barriers),
        threading.active_count(), len(os.listdir("/proc/self/fd")), measure_tables(engine),
    )  # fmt: skip


def measure_tables(*roots: Any) -> dict[str, int]:
    """The lengths of the tables that can be reached from some objects and from the globals of hotswap's modules."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    pending: list[tuple[str, Any]] = [(type(root).__name__, root) for root in roots]
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] == "hotswap" and module is not None:
            pending += [(f"{name}.{key}", value) for key, value in vars(module).items() if not key.startswith("__")]
    while pending:
        path, value = pending.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, _TABLES):
            found[path] = found.get(path, 0) + len(value)
            inside = list(value.values() if isinstance(value, Mapping) else value)
            pending += [(f"{path}[]", item) for item in inside if isinstance(item, _TABLES)]
        elif hasattr(value, "cache_info") and getattr(value, "__module__", "").startswith("hotswap"):
            found[path] = value.cache_info().currsize
        elif type(value).__module__.startswith("hotswap"):
            pending += [(f"{path}.{name}", item) for name, item in _attributes(value)]
    return found


def _attributes(value: Any) -> list[tuple[str, Any]]:
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ()) if isinstance(name, str)]
    own = {name: getattr(value, name) for name in slots if not name.startswith("__") and hasattr(value, name)}
    return list({**own, **getattr(value, "__dict__", {})}.items())
