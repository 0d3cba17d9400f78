"""Caches whose results were computed by code that changed."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from hotswap.link.heap import DISPATCHER
from hotswap.link.linking import Linking
from hotswap.link.memo import Memory
from hotswap.link.names import look_up, look_up_function
from hotswap.plugin.values import Stale


def drop_stale_caches(linking: Linking) -> None:
    """Results computed by code that changed are dropped; last of all writes, since finalisers may run."""
    affected = linking.draft.dirt.affected
    names = {record.module.__name__: name for name, record in linking.world.records.items()}

    def find(symbol: tuple[str, str]) -> Any:
        record = linking.world.records.get(symbol[0])
        return look_up_function(record.module.__dict__, symbol[1]) if record is not None else None

    def find_new(symbol: tuple[str, str]) -> Any:
        module = linking.staging.modules.get(symbol[0])
        found = look_up(module.__dict__, symbol[1]) if module is not None else None
        return made_anew.get(id(found), found)  # a live object that gets the state of a new one

    made_anew = {id(made.live): made.staged for made in linking.twins.objects}
    pairs = linking.twins.classes
    staged = {id(item) for item in linking.staging.young}
    classes = [cls for ref in linking.heap.classes if (cls := ref()) is not None]
    memory = Memory(tuple(linking.world.records.values()), classes, linking.draft.dirt, pairs, staged)
    stale = Stale(
        functions=frozenset(affected),
        rebuilt=tuple(live for _, live in pairs),
        aside=frozenset(id(staged) for staged, live in pairs if staged is not live),
        rebased=tuple(live for staged, live in pairs if tuple(map(linking.twins.resolve, staged.__bases__)) != live.__bases__),
        lru_caches=tuple(linking.heap.caches),
        generic=(*linking.heap.generic, *(item for item in linking.staging.young if _is_generic(item))),
        find=find,
        becomes=find_new,
        is_stale=lambda function: _is_affected(affected, names.get(function.__module__, ""), function.__qualname__),
        may_differ=memory.may_differ,
        members=memory.members,
        drop_attribute=linking.census.drop_attribute,
        drop_attribute_on_rollback=linking.census.drop_attribute_on_rollback,
    )
    linking.swap.add(*linking.plugins.stale_caches(stale))


def _is_generic(item: Any) -> bool:
    return type(item) is FunctionType and item.__code__ is DISPATCHER


def _is_affected(affected: set[tuple[str, str]], module: str, qualname: str) -> bool:
    return (module, qualname) in affected or (module, qualname.partition(".<locals>")[0]) in affected
