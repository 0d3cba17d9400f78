"""What a name is bound to: the live object, led on to the new one where that is possible, else the new one."""

from __future__ import annotations

import functools
import sys
from types import FunctionType
from typing import Any

from hotswap.commit import MISSING, Write
from hotswap.fingerprint import LRU, fingerprint, gives_the_same, kind_of_value
from hotswap.kinds import is_a, vars_of
from hotswap.link.data import CHANGED, REPLACED
from hotswap.link.handles import as_handle, bare, is_handle, names_with_handles, needs_handle, set_wrapped
from hotswap.link.linking import Linking, LinkRefused
from hotswap.link.redirect import lead, redirect, repoint_partial
from hotswap.link.rewrap import is_wrapper, lead_wrapper, rewrap
from hotswap.link.trampoline import removed_stub
from hotswap.link.transplanting import exchange_class
from hotswap.model import Finding, Mechanism, Redirect, Severity
from hotswap.plan.units import Unit, UnitKind


def choose(linking: Linking, module: str, name: str, live: Any, staged: Any, new: Any, where: tuple[str, int], unit: Unit) -> Any:
    """What a name is bound to: the live object led on to the new one where that is possible, else the new one."""
    if (wrapper := linking.twins.wrappers.get((module, name))) is not None and new is not wrapper:
        if is_wrapper(new):
            rewrap(linking.swap, new, wrapper, module, name)
        else:
            redirect(linking.swap, new, wrapper, module, new.__qualname__)
    if (new is live and not is_a(new, type)) or id(live) in linking.twins.rounds:
        return new  # the live one is what a table has it for, and not what its name is bound to in the end
    if is_a(live, type) and is_a(staged, type) and new is live:
        if staged is not live:
            exchange_class(linking, live, staged, where, module, name)
        return live
    if is_handle(live):
        return _repoint(linking, module, name, live, new, unit)
    if needs_handle(live) and new == live:  # bound once more to the same object
        return live
    if needs_handle(live):
        if unit.kind is UnitKind.IMPORT:
            return new
        raise _refused(
            "HS208", f"{module}.{name} was bound bare, {_why_bare(linking, module)}, so references to it cannot follow", where
        )
    if needs_handle(new) and name in names_with_handles(unit.node):
        return _into_handle(linking, module, name, live, new)
    own = linking.slots.owns(module, name, live)  # what belongs to another name has other users, who must not be led anywhere
    if is_wrapper(live) and own:
        return _rewrap(linking, module, name, live, new)
    if type(live) is FunctionType:
        if unit.kind is not UnitKind.IMPORT and linking.was_replaced(module, name, live):
            linking.merger.keep(f"{module}.{name}", where, REPLACED)
            return live
        if unit.kind is not UnitKind.IMPORT and linking.is_changed_closure(module, name, live, unit):
            if not fingerprint(new, linking.world.is_managed).same(linking.base(module)[name]):
                linking.merger.keep(f"{module}.{name}", where, CHANGED)
            return live
        return _redirect(linking, module, name, live, new, where)
    if type(live) is LRU and type(new) is LRU and own:
        _lead_cache(linking, module, name, live, new)
        return new
    if is_a(live, functools.partial) and callable(new) and own:
        same_kind = type(live) is type(new)
        return (_repoint_partial if same_kind else _lead_partial)(linking, module, name, live, new)
    if is_a(live, type) and not is_a(new, type) and callable(new) and own:
        return _class_to_callable(linking, module, name, live, new, where)
    if live is not MISSING and unit.kind in (UnitKind.FUNCTION, UnitKind.BLOCK) and _is_opaque(linking, live):
        return _replace_object(linking, module, name, live, new, where, unit)
    if live is MISSING or is_a(new, type) or (callable(new) and not linking.world.is_managed(type(new))):
        return new
    if unit.kind is UnitKind.IMPORT:
        return _rebind_import(linking, module, name, live, new, unit)
    return _choose_data(linking, module, name, live, new, where)


def _choose_data(linking: Linking, module: str, name: str, live: Any, new: Any, where: tuple[str, int]) -> Any:
    """The three-way merge, between an object of the name's own and another one; else the name is bound anew."""
    base, own = linking.base(module).get(name), f"{module}.{name}"
    owned = linking.slots.owns(module, name, live) or not linking.merger.is_filled(live)
    taken = (module, name) not in linking.fresh and type(new) is type(live) and linking.merger.is_filled(new)
    if owned and not taken:  # what has other names may not go into the live object, who reads those would miss it
        return linking.merger.merge(own, live, base, new, where)
    # By the name that it belongs to, or, where the base was evaluated aside and belonged to none, by what is in it.
    prints = [fingerprint(live, linking.world.is_managed, name) for name in (own, None)] if base is not None else []
    if base is not None and not any(now.same(base) for now in prints):
        linking.merger.keep(own, where, CHANGED)
        return live
    return new


def _is_opaque(linking: Linking, value: Any) -> bool:
    return kind_of_value(value, linking.world.is_managed) == "opaque" and not linking.world.is_managed(type(value))


def _replace_object(linking: Linking, module: str, name: str, live: Any, new: Any, where: tuple[str, int], unit: Unit) -> Any:
    """An object of a library that cannot take over: the new one goes where modules hold the old one."""
    if gives_the_same(new, linking.base(module).get(name), linking.world.is_managed):
        return live
    if linking.draft.dirt.derived.get((module, unit.index)) == (module, name):
        message = f"{module}.{name} was made from a function whose docstring changed; it is an opaque object and was kept"
        linking.note("HS402", message, *where, severity=Severity.KEPT)
        return live
    managed = [record.module for record in linking.world.records.values()]
    if id(live) in linking.left.held_outside([live], managed):
        message = f"{module}.{name} would be another {type(new).__qualname__}, but references taken before hold the one of before"
        raise _refused("HS206", f"{message}, which cannot take over: {_why_not(linking, module, name)}", where)
    return new


def _why_not(linking: Linking, module: str, name: str) -> str:
    base = linking.base(module).get(name)
    known = base is not None and base.state is not None
    return "the program changed it" if known else "there is something in it that cannot be looked into"


def _rebind_import(linking: Linking, module: str, name: str, live: Any, new: Any, unit: Unit) -> Any:
    """An imported value follows unless the program has bound the name to something else since."""
    base = linking.base(module)
    unknown = name not in base and linking.world.records[module].base is not None
    if unknown or (name in base and fingerprint(live, linking.world.is_managed, f"{module}.{name}").same(base[name])):
        return new
    if linking.world.records[module].base is None and name in linking.staging.starred.get(module, ((), ()))[0]:
        return new  # it is what a star import of the old text brought
    edited = linking.draft.edited.get(module)
    old = edited.old_summary if edited else linking.draft.summaries[module]
    for binding in (*unit.imports, *(binding for u in old.units for binding in u.imports)):
        origin = getattr(sys.modules.get(binding.module), "__dict__", {})
        if binding.local == "*" and origin.get(name, MISSING) is live:
            return new
        known = binding.module in linking.world.records
        if binding.local == name and (not known or origin.get(binding.attr or "", live) is live):
            return new
    linking.merger.keep(f"{module}.{name}", (linking.world.file_of(module), unit.line), CHANGED)
    return live


def _rewrap(linking: Linking, module: str, name: str, live: Any, new: Any) -> Any:
    target = new if callable(new) else removed_stub(module, name)
    return live if lead_wrapper(linking.swap, live, target, module, name) else new


def _redirect(linking: Linking, module: str, name: str, live: FunctionType, new: Any, where: tuple[str, int]) -> Any:
    if linking.is_foreign(module, name, live) or id(live) in linking.twins.rounds:
        return new
    if not callable(new):
        if _lives_on(linking, live):
            return new
        lead(linking.swap, live, removed_stub(module, live.__qualname__), module, live.__qualname__)
        return new
    if id(new) in linking.live_functions:  # its own jump is prepared, not done: its code is still the old one
        lead(linking.swap, live, new, module, live.__qualname__)
        return new
    if redirect(linking.swap, live, new, module, live.__qualname__):
        return live
    if is_a(new, type):
        linking.note(
            "HS409",
            f"{module}.{name} was a function and is a class now: calls follow, isinstance with held references does not",
            *where,
            severity=Severity.NOTE,
        )
    return new


def _lives_on(linking: Linking, function: FunctionType) -> bool:
    """True where the definition of a function is still there, though no name leads to it."""
    pairing = linking.draft.pairings.get(linking.owners.get(id(function.__globals__), ""))
    return pairing is not None and "<locals>" not in function.__qualname__ and function.__code__ in pairing.new_of


def _why_bare(linking: Linking, module: str) -> str:
    late = linking.world.records[module].base is None
    return "before hotswap was attached" if late else "in a statement that makes no proxy around it, or as another name's"


def _repoint(linking: Linking, module: str, name: str, live: Any, new: Any, unit: Unit) -> Any:
    """Point the proxy of a name elsewhere; one that belongs to another name is left to that."""
    if new is live or new is live.__wrapped__:
        return live
    if live._self_owner != (module, name):
        if bare(_after(linking, live)) is bare(new):
            return live
        return as_handle(module, name, new) if name in names_with_handles(unit.node) else new
    target = new if callable(new) else removed_stub(module, name)
    linking.swap.add(set_wrapped(live, target))
    linking.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.PROXY))
    return live if needs_handle(new) else new


def _after(linking: Linking, handle: Any) -> Any:
    """What the name that a proxy belongs to means after the swap."""
    owner, name = handle._self_owner
    record = linking.world.records.get(owner)
    space = linking.staging.modules.get(owner, record.module if record is not None else None)
    return linking.twins.resolve(getattr(space, "__dict__", {}).get(name, handle))


def _into_handle(linking: Linking, module: str, name: str, live: Any, new: Any) -> Any:
    handle = as_handle(module, name, new)
    if type(live) is FunctionType and not linking.is_foreign(module, name, live):
        lead(linking.swap, live, handle, module, name)
    elif is_wrapper(live) and linking.slots.owns(module, name, live):
        lead_wrapper(linking.swap, live, handle, module, name)
    elif type(live) is functools.partial and linking.slots.owns(module, name, live):
        _lead_partial(linking, module, name, live, handle)
    return handle


def _repoint_partial(linking: Linking, module: str, name: str, live: Any, new: Any) -> Any:
    if repoint_partial(linking.swap, live, new):
        linking.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.JUMP))
    return live


def _lead_partial(linking: Linking, module: str, name: str, live: Any, new: Any) -> Any:
    """A partial became another callable: held references to it pass all arguments on."""
    state = (live.func, live.args, live.keywords, live.__dict__ or None)
    linking.swap.add(Write((live.__setstate__, (new, (), {}, live.__dict__ or None)), (live.__setstate__, state)))
    linking.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.TRAMPOLINE))
    return new


def _lead_cache(linking: Linking, module: str, name: str, live: Any, new: Any) -> None:
    """A cache made with other arguments: held references to the old one reach the new code without its results."""
    linking.swap.add(Write((live.cache_clear,), (live.cache_clear,)))
    caches, old = _inside_caches(live.__wrapped__)
    linking.swap.add(*(Write((cache.cache_clear,), (cache.cache_clear,)) for cache in caches))
    fresh = _inside_caches(new.__wrapped__)[1]
    if type(old) is FunctionType and type(fresh) is FunctionType and old is not fresh:
        redirect(linking.swap, old, fresh, module, name)


def _class_to_callable(linking: Linking, module: str, name: str, live: type, new: Any, where: tuple[str, int]) -> Any:
    """A class became a function: calls of the held class are led on by its ``__new__``."""
    if type(live) is not type:
        raise _refused("HS208", f"{module}.{name} was a class with a metaclass", where)

    def led(cls: type, *args: Any, **kwargs: Any) -> Any:
        return new(*args, **kwargs)

    def plain(cls: Any, *args: Any, **kwargs: Any) -> Any:
        row = cls.__mro__
        inherited = next(vars_of(base)["__new__"] for base in row[row.index(live) + 1 :] if "__new__" in vars_of(base))
        inherited = getattr(inherited, "__func__", inherited)
        if inherited is not object.__new__:
            return inherited(cls, *args, **kwargs)
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments")
        return inherited(cls)

    # A deleted __new__ leaves a trace in CPython's slots: object.__new__ then rejects arguments. So the way back is
    # one that does what the inherited one did before.
    before = live.__dict__.get("__new__") or staticmethod(plain)
    linking.swap.add(Write((type.__setattr__, live, "__new__", staticmethod(led)), (type.__setattr__, live, "__new__", before)))
    linking.swap.redirects.append(Redirect(module=module, qualname=name, mechanism=Mechanism.TRAMPOLINE))
    linking.note(
        "HS409",
        f"{module}.{name} was a class and is a function now: calls of the held class follow, isinstance with it does not",
        *where,
    )
    return new


def _inside_caches(item: Any) -> tuple[list[Any], Any]:
    """The caches that stand around something, and what they stand around."""
    caches = []
    while type(item) is LRU:
        caches.append(item)
        item = item.__dict__["__wrapped__"]
    return caches, item


def _refused(code: str, message: str, where: tuple[str, int]) -> LinkRefused:
    """A name that cannot be bound to what its text says, so that references to it follow."""
    file, line = where
    return LinkRefused(Finding(code=code, severity=Severity.HELD, message=message, file=file, line=line, next_step="restart"))
