"""Drops results that old code computed: lru_cache, cached_property, and the answers that ABCs remember.

    cache                              dropped when
    functools.lru_cache, cache         what is behind it may give something else: a function, a bound method, a partial
    functools.cached_property          the same, on every instance
    isinstance answers of an ABC       a class that it has judged was rebuilt, or any ABC, or one's hook gives something else
    the choices of a singledispatch    a class got other bases, or isinstance answers are dropped
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterator

from hotswap.collector import with_subclasses
from hotswap.commit import Write
from hotswap.kinds import is_a, vars_of
from hotswap.plugin.specs import hookimpl
from hotswap.plugin.values import Stale


@hookimpl
def hotswap_stale_caches(stale: Stale) -> Iterator[Write]:
    yield from _drop_lru(stale)
    yield from _drop_cached_properties(stale)
    forgotten = list(_drop_abc_answers(stale))
    yield from forgotten
    if stale.rebased or forgotten:
        yield from _drop_choices(stale)


def _drop_lru(stale: Stale) -> Iterator[Write]:
    for cache in stale.lru_caches:
        function = getattr(cache, "__wrapped__", None)
        if stale.may_differ(function):
            name = getattr(function, "__qualname__", repr(type(function)))
            yield Write((cache.cache_clear,), (cache.cache_clear,), f"results of {name}")


def _drop_cached_properties(stale: Stale) -> Iterator[Write]:
    for cls, name in stale.members(functools.cached_property):
        if stale.may_differ(vars_of(cls)[name]) or _is_exchanged(stale, cls, name):
            yield from stale.drop_attribute(cls, name)
    for module, qualname in sorted(stale.functions):
        owner, _, name = qualname.rpartition(".")
        found = stale.find((module, owner)) if owner and "<locals>" not in owner else None
        if not is_a(found, type) or is_a(vars_of(found).get(name), functools.cached_property):
            continue
        if is_a(stale.becomes((module, qualname)), functools.cached_property):
            yield from stale.drop_attribute_on_rollback(found, name)  # what was there before would be hidden by the results


def _is_exchanged(stale: Stale, cls: type, name: str) -> bool:
    """True for ``size = cached_property(one)`` that is made from another function, where no function is another one."""
    new = stale.becomes((cls.__module__, f"{cls.__qualname__}.{name}"))
    return is_a(new, functools.cached_property) and new.func is not vars_of(cls)[name].func


# ---- what ABCs remember ----


def _drop_abc_answers(stale: Stale) -> Iterator[Write]:
    """An ABC notes per class whether it is a subclass: that depends on the class's contents by ``__subclasshook__``, and on
    other ABCs that are registered with it.
    """
    hooked = any(name.endswith(("__subclasshook__", "__subclasscheck__")) for _, name in stale.functions)
    if not stale.rebuilt and not hooked:
        return
    all_of_them = hooked or any(isinstance(cls, abc.ABCMeta) for cls in stale.rebuilt)
    rebuilt = {id(cls) for cls in stale.rebuilt}
    for known in _abstract_classes():
        if id(known) not in stale.aside and (all_of_them or _has_judged(known, rebuilt)):
            forget = (abc._reset_caches, known)  # type: ignore[attr-defined]  # private: nothing public tells or drops what was answered
            yield Write(forget, forget, f"isinstance answers of {known.__qualname__}")


def _abstract_classes() -> list[type]:
    return [cls for cls in with_subclasses(object) if is_a(cls, abc.ABCMeta)]


def _has_judged(known: type, classes: set[int]) -> bool:
    _, positive, negative, _ = abc._get_dump(known)  # type: ignore[attr-defined]  # private: nothing public tells or drops what was answered
    return any(id(ref()) in classes for answers in (positive, negative) for ref in answers)


def _drop_choices(stale: Stale) -> Iterator[Write]:
    """A generic function notes per class which function it chose, by the class's bases and by what ABCs answer."""
    for function in stale.generic:
        if clear := getattr(function, "_clear_cache", None):  # set last; another thread may be making this one
            # The dict inside of the weak one, whose own clear() is Python and would let other threads run.
            forget = (clear.__self__.data.clear,)
            yield Write(forget, forget, f"choices of {function.__qualname__}")
