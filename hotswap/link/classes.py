"""Moves the contents of a class that was built aside into the live class, which keeps its identity.

    difference                              what is done
    method with the same place              the live function jumps; wrappers around it stay
    attribute that the program changed      kept and named, as module data is
    attribute added, removed, other         set, deleted, set
    bases                                   exchanged where CPython can, else the class is replaced, or HS202
    metaclass                               the class is replaced, or HS203
    slots                                   kept beside, see ``grow.py``, where objects have weak references; else as below
    builtin base                            the class is replaced, or HS201
    enum members, dataclass fields          by plugins

isinstance, except clauses, registries and pickles depend on the identity of the class. So it is replaced only where its contents
cannot be moved, and everything that refers to it can be led over in the same instant: see ``replacing.py``.
"""

from __future__ import annotations

import abc
import collections
import functools
import types
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from hotswap.collector import with_subclasses
from hotswap.commit import MISSING, Swap, Write, del_class, set_class
from hotswap.convert.barrier import NAMES as BARRIER
from hotswap.convert.stamps import rewritten
from hotswap.fingerprint import LRU, fingerprint, gives_the_same, is_untouched, kind_of_value, numbers_of_state, same_value
from hotswap.kinds import is_a, is_own, vars_of
from hotswap.link.borrowed import is_borrowed
from hotswap.link.data import REPLACED, Merger, is_synchroniser
from hotswap.link.grow import change_slots, why_not
from hotswap.link.handles import needs_handle
from hotswap.link.left import left_finding
from hotswap.link.names import kind_of_method
from hotswap.link.order import put_in_order
from hotswap.link.redirect import lead, redirect, repoint_partial
from hotswap.link.replacing import begin, fill
from hotswap.link.rewrap import is_wrapper, lead_wrapper
from hotswap.link.rows import NoRow, class_row
from hotswap.link.twins import Twins
from hotswap.model import Finding, Mechanism, Redirect, Severity
from hotswap.plan.members import MemberEdit
from hotswap.plugin.values import ClassPair, Refusal
from hotswap.shadow import is_slot

#: Made by the interpreter for each class, never moved.
_OWN = frozenset(
    {"__dict__", "__weakref__", "__module__", "__qualname__", "__slots__", "__slotnames__", "_abc_impl", "__hotswap__"}
)
#: Written by the interpreter, dataclasses and attrs from the class body: the new ones always win.
_GENERATED = frozenset(
    {
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__doc__",
        "__firstlineno__",
        "__static_attributes__",
        "__match_args__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__attrs_attrs__",
        "__attrs_props__",
        "__attrs_own_setattr__",
        "__orig_bases__",
        "__parameters__",
        "__type_params__",
        "__abstractmethods__",
        "__classcell__",
        "__protocol_attrs__",
        "__non_callable_proto_members__",
        "_is_protocol",
        "_is_runtime_protocol",
        "__callable_proto_members_only__",
        "_fields",
        "_field_defaults",
    }
)

#: Nobody takes a function from the first two; what is in a cache is led on by its own name.
_FOLLOWED = (property, functools.cached_property, LRU)
#: What nobody takes from a class: an empty ``__hash__``, and the getters of named tuples.
_NOT_TAKEN = (type(None), type(vars(collections.namedtuple("_One", "one"))["one"]))


#: Asks plugins to take part; gives the names that they have taken care of.
Handle = Callable[[Swap, ClassPair, Callable[[Any], Any]], set[str]]


def transplant(swap: Swap, pair: ClassPair, twins: Twins, merger: Merger, handle: Handle) -> None:
    """Add the writes that make the live class what the staged one is.

    Raises:
        Refusal: HS201, HS202, HS203, or a plugin's.
    """
    bases = _future_bases(pair, twins)
    if (refused := _why_not_transplanted(pair, bases)) is not None:
        _move_into_new(swap, pair, twins, merger, refused)
        return
    _exchange_bases(swap, pair, bases)
    change_slots(swap, pair, {id(live): staged for staged, live in twins.classes})
    start = len(swap.writes)
    done = handle(swap, pair, twins.resolve) | _OWN
    live, staged = pair.live, pair.staged
    done |= {name for name in BARRIER if is_own(vars_of(live).get(name))}  # see reroute()
    for name, value in vars_of(staged).items():
        if name not in done and not is_a(value, types.GetSetDescriptorType) and not is_slot(value):
            _move(swap, pair, twins, merger, name, twins.resolve(value))
    for name, value in list(vars_of(live).items()):
        if name in vars_of(staged) or name in done or is_own(value):
            continue
        if is_a(value, types.GetSetDescriptorType) or is_slot(value):
            continue
        if _goes(pair, name, value) and not _stays(pair, merger, name, value):
            swap.add(del_class(live, name, f"{pair.path}.{name} removed"))
    put_in_order(swap, live, list(vars_of(staged)), start)
    _set_abstract(swap, live, staged)
    if live.__module__ != staged.__module__:
        swap.add(set_class(live, "__module__", staged.__module__))
    for name in ("__name__", "__qualname__"):
        old, new = getattr(live, name), getattr(staged, name)
        if old != new:
            swap.add(Write((type.__setattr__, live, name, new), (type.__setattr__, live, name, old)))
    swap.redirects.append(Redirect(module=pair.module, qualname=pair.path, mechanism=Mechanism.TRANSPLANT))


def _move_into_new(swap: Swap, pair: ClassPair, twins: Twins, merger: Merger, refused: Finding) -> None:
    """The live class cannot have what its text makes of it: the new one is given what would have been moved, and takes its
    place, see ``replacing.py``."""
    begin(swap, pair, refused)
    live, staged = pair.live, pair.staged
    start = len(swap.writes)
    for name, value in list(vars_of(staged).items()):
        if not _is_made_for_class(name, value) and not _is_made_for_class(name, vars_of(live).get(name)):
            _move(swap, pair, twins, merger, name, twins.resolve(value))
    for name, value in list(vars_of(live).items()):
        if name not in vars_of(staged) and not _is_made_for_class(name, value) and _goes(pair, name, value):
            swap.add(del_class(live, name))
    mine = [write for write in swap.writes[start:] if len(write.do) > 1 and write.do[1] is live]
    swap.writes[start:] = [write for write in swap.writes[start:] if not (len(write.do) > 1 and write.do[1] is live)]
    fill(pair, mine, lambda name, value: _is_made_for_class(name, value) or name in _GENERATED)


def _is_made_for_class(name: str, value: Any) -> bool:
    return name in _OWN or is_a(value, types.GetSetDescriptorType) or is_slot(value)


def _goes(pair: ClassPair, name: str, value: Any) -> bool:
    """True for what the text had in a class and has no more, or what was made of it; False for what the program has put there."""
    loaded = pair.base is not None and f"{pair.path}.{name}" in pair.base
    written = name.startswith("__") and type(value) is FunctionType
    generated = name in _GENERATED or (name == "__hash__" and _is_hash_of_eq(pair.live))
    return name != "__abstractmethods__" and (name in pair.old_body or loaded or generated or written)


def _stays(pair: ClassPair, merger: Merger, name: str, value: Any) -> bool:
    base = (pair.base or {}).get(f"{pair.path}.{name}")
    return merger.stays(f"{pair.module}.{pair.path}.{name}", value, base, (pair.file, pair.line))


#: Methods that CPython wraps by itself where a class body has a plain function.
_KINDS_BY_NAME = {"__new__": staticmethod, "__init_subclass__": classmethod, "__class_getitem__": classmethod}


def move_members(swap: Swap, pair: ClassPair, twins: Twins, merger: Merger, edit: MemberEdit) -> None:
    """Add the writes that exchange some members of a class that a library takes part in making.

    Args:
        pair: the staged class is a plain one with these members and nothing else.

    Raises:
        Refusal: HS206, the live class does not hold its members as the text says.
    """
    live, staged = pair.live, pair.staged
    for name in sorted(edit.methods):
        held = vars_of(live).get(name)
        if isinstance(held, (staticmethod, classmethod)) and type(held) is _KINDS_BY_NAME.get(name):
            held = held.__func__
        if type(held) is not FunctionType or held.__globals__.get("__name__") != live.__module__:
            raise _refused(pair, "HS206", f"{pair.path}.{name} is not the function of its text: the class's maker wraps methods")
    for name in sorted(edit.names & vars_of(staged).keys()):
        if name in pair.old_body and name not in vars_of(live):
            raise _refused(pair, "HS206", f"{pair.path}.{name} is not in the class: what makes the class has taken it")
        _move(swap, pair, twins, merger, name, twins.resolve(vars_of(staged)[name]))
        if name in edit.values:
            swap.findings.append(_maybe_read(pair, name))
    for name in sorted(edit.removed & vars_of(live).keys()):
        if not _stays(pair, merger, name, vars_of(live)[name]):
            swap.add(del_class(live, name, f"{pair.path}.{name} removed"))
    _move_hash(swap, pair, edit)
    if edit.docstring:
        swap.add(set_class(live, "__doc__", staged.__doc__))
    if is_a(live, abc.ABCMeta):
        _write_abstract(swap, live, _abstract_after(live, staged, edit))
    swap.redirects.append(Redirect(module=pair.module, qualname=pair.path, mechanism=Mechanism.TRANSPLANT))


def _is_hash_of_eq(cls: type) -> bool:
    """True where the interpreter has written ``__hash__ = None``, because the body has an ``__eq__`` and no ``__hash__``."""
    return "__eq__" in vars_of(cls) and vars_of(cls).get("__hash__", MISSING) is None


def _move_hash(swap: Swap, pair: ClassPair, edit: MemberEdit) -> None:
    """The hash that follows from an ``__eq__`` which comes or goes as a member; a body with a ``__hash__`` says it itself."""
    live = pair.live
    if "__hash__" in pair.new_body:
        return
    if "__eq__" in edit.names and vars_of(live).get("__hash__", MISSING) is not None:
        swap.add(set_class(live, "__hash__", None))
    elif "__eq__" in edit.removed and "__hash__" not in pair.old_body and _is_hash_of_eq(live):
        swap.add(del_class(live, "__hash__"))


def _maybe_read(pair: ClassPair, name: str) -> Finding:
    return Finding(
        code="HS402",
        severity=Severity.KEPT,
        message=f"{pair.module}.{pair.path}.{name} is set, but what made the class may have read the old value",
        file=pair.file,
        line=pair.line,
        next_step="restart if it is used when the class is made",
    )


def _abstract_after(live: type, staged: type, edit: MemberEdit) -> frozenset[str]:
    """The names that are abstract once the members are moved."""
    own = {**vars_of(live), **{name: vars_of(staged)[name] for name in edit.names & vars_of(staged).keys()}}
    inherited = {name for base in live.__mro__[1:] for name in getattr(base, "__abstractmethods__", ())}
    found = set()
    for name in inherited | own.keys():
        if name in own and name not in edit.removed:
            value = own[name]
        else:
            value = next((vars_of(base)[name] for base in live.__mro__[1:] if name in vars_of(base)), None)
        if getattr(value, "__isabstractmethod__", False):
            found.add(name)
    return frozenset(found)


def _move(swap: Swap, pair: ClassPair, twins: Twins, merger: Merger, name: str, new: Any) -> None:
    live = pair.live
    old = vars_of(live).get(name, MISSING)
    if new is old or name == "__abstractmethods__":
        return
    if is_own(old):  # it stamps states; what the class says itself, or what is written for it, takes its place
        swap.add(set_class(live, name, rewritten(name, new)))
    elif old is MISSING:
        swap.add(set_class(live, name, new, f"{pair.path}.{name} added"))
    elif name in _GENERATED:
        swap.add(set_class(live, name, new))
    elif _was_replaced(pair, name, old, merger):
        merger.keep(f"{pair.module}.{pair.path}.{name}", (pair.file, pair.line), REPLACED)
    elif _belongs_elsewhere(pair, twins, name, old, new):
        _let_go(swap, pair, name, old)
        swap.add(set_class(live, name, new))
    elif type(old) is FunctionType and is_a(new, staticmethod):
        _lead_past_object(swap, pair, name, old, new)
        swap.add(set_class(live, name, new))
    elif _same_wrapper(old, new):
        return
    elif is_wrapper(old) and callable(new):
        if not lead_wrapper(swap, old, new, pair.module, f"{pair.path}.{name}"):
            swap.add(set_class(live, name, new))
    elif is_a(old, staticmethod) and type(new) is FunctionType:
        message = (
            f"{pair.module}.{pair.path}.{name} was static and takes its object now; references taken before have none to give"
        )
        raise _refused(pair, "HS208", message)
    elif type(old) is FunctionType and callable(new):
        if is_borrowed(pair, name, new):  # its own jump is prepared, not done: its code is still the old one
            lead(swap, old, new, pair.module, f"{pair.path}.{name}")
            swap.add(set_class(live, name, new))
        elif type(new) is not FunctionType:
            _lead_by_name(swap, pair, name, old, old)
            swap.add(set_class(live, name, new))
        elif not redirect(swap, old, new, pair.module, f"{pair.path}.{name}"):
            swap.add(set_class(live, name, new))
    elif type(old) is type(new) is functools.partial:
        if not is_borrowed(pair, name, old):
            repoint_partial(swap, old, new)
        elif not same_value((old.func, old.args, old.keywords), (new.func, new.args, new.keywords)):
            _let_go(swap, pair, name, old)
            swap.add(set_class(live, name, new))
    elif (is_a(old, type) and is_a(new, type)) or (needs_handle(old) and old != new):
        swap.findings.append(left_finding(old, f"{pair.module}.{pair.path}.{name}", (pair.file, pair.line)))
        swap.add(set_class(live, name, new))
    elif not _is_own(merger, old, new) and (_is_wrapper(old) or _is_wrapper(new) or type(new) is FunctionType):
        swap.add(set_class(live, name, _lead_wrapped(swap, pair, name, old, new)))
    elif name in pair.same_text and type(old) is type(new) and fingerprint(old, merger.is_managed).opaque:
        return  # a lock, a connection: it is never made again behind the program's back
    elif type(old) is type(new) and not _is_own(merger, old, new) and _is_plainly_opaque(merger, old):
        _replace_opaque(swap, pair, merger, name, old, new)
    else:
        own = f"{pair.module}.{pair.path}.{name}"
        base = None if pair.base is None else pair.base.get(f"{pair.path}.{name}")
        if pair.base is not None and base is None and (name in pair.old_body or name.startswith("__")):
            base = fingerprint(old, merger.is_managed, own)  # not noted, so it is as the text made it
        kept = merger.merge(own, old, base, new, (pair.file, pair.line))
        if kept is not old:
            swap.add(set_class(live, name, kept))


def _replace_opaque(swap: Swap, pair: ClassPair, merger: Merger, name: str, old: Any, new: Any) -> None:
    """An opaque object whose own text changed, or what it is made of: the new one goes in, and the old one is named."""
    path, where = f"{pair.module}.{pair.path}.{name}", (pair.file, pair.line)
    base = (pair.base or {}).get(f"{pair.path}.{name}")
    if gives_the_same(new, base, merger.is_managed):
        return
    state = base.state if base is not None else None
    if is_synchroniser(old):
        merger.keep(path, where, "it may be in use")
    elif is_untouched(numbers_of_state(old, merger.is_managed), state) or (
        base is not None and fingerprint(old, merger.is_managed).same(base)
    ):
        swap.findings.append(left_finding(old, path, where))
        swap.add(set_class(pair.live, name, new))
    else:
        merger.keep(path, where, "it is not known whether the program changed it" if state is None else "the program changed it")


def _is_plainly_opaque(merger: Merger, value: Any) -> bool:
    """True for an object that nobody can look into, and that no plugin knows to be data."""
    return kind_of_value(value, merger.is_managed) == "opaque" and fingerprint(value, merger.is_managed).opaque


def _is_own(merger: Merger, old: Any, new: Any) -> bool:
    """True for two objects of one class of the program, descriptors included: they are merged as those of a module are."""
    return type(old) is type(new) and merger.is_managed(type(old)) and not is_a(old, type)


def _was_replaced(pair: ClassPair, name: str, old: Any, merger: Merger) -> bool:
    """True for what the program put in the place of a method that the text defines, or for a method in the place of another."""
    base = (pair.base or {}).get(f"{pair.path}.{name}")
    if base is None or not (type(old) is FunctionType or base.origin):
        return False
    return base.origin != fingerprint(old, merger.is_managed).origin


def _belongs_elsewhere(pair: ClassPair, twins: Twins, name: str, old: Any, new: Any) -> bool:
    """True for a function, bare or in a wrapper of Python's own, that goes on under another name."""
    function, other = (item if type(item) is FunctionType else _inner_function(item) for item in (old, new))
    if function is None or function is other:
        return False
    return id(function) in twins.lasting or is_borrowed(pair, name, function)


def _let_go(swap: Swap, pair: ClassPair, name: str, old: Any) -> None:
    """Name what references that were taken from the class keep."""
    held = old.__func__ if is_a(old, (staticmethod, classmethod)) else old
    if not is_a(held, (*_FOLLOWED, *_NOT_TAKEN)):
        swap.findings.append(left_finding(held, f"{pair.module}.{pair.path}.{name}", (pair.file, pair.line)))


def _lead_past_object(swap: Swap, pair: ClassPair, name: str, old: FunctionType, new: Any) -> None:
    """A method became static: bound methods taken before go on passing their object, which the new one does not take."""
    cls, target = pair.live, new.__func__

    def without_object(*args: Any, **kwargs: Any) -> Any:
        return target(*(args[1:] if args and isinstance(args[0], cls) else args), **kwargs)

    redirect(swap, old, functools.wraps(target)(without_object), pair.module, f"{pair.path}.{name}")


def _lead_wrapped(swap: Swap, pair: ClassPair, name: str, old: Any, new: Any) -> Any:
    """A function held from inside an old wrapper follows to what the attribute is now; gives what the attribute is set to."""
    mine, theirs = _inner_function(old), _inner_function(new)
    if _holds_own_partial(pair, name, old) and type(new) is type(old) and type(new.__func__) is functools.partial:
        repoint_partial(swap, old.__func__, new.__func__)
        return old
    if mine is None:
        _let_go(swap, pair, name, old)
    elif theirs is None or (mine is not theirs and not is_a(new, property) and kind_of_method(old) is not kind_of_method(new)):
        _lead_by_name(swap, pair, name, mine, old)
    elif mine is not theirs and is_wrapper(mine):
        lead_wrapper(swap, mine, theirs, pair.module, f"{pair.path}.{name}")
    elif mine is not theirs:
        jumped = redirect(swap, mine, theirs, pair.module, f"{pair.path}.{name}")
        if jumped and type(new) in (staticmethod, classmethod):
            return _around(mine, new)  # it is as the new one then, and the next swap leads on whoever holds it
    return new


def _holds_own_partial(pair: ClassPair, name: str, method: Any) -> bool:
    inner = method.__func__ if is_a(method, (staticmethod, classmethod)) else None
    return type(inner) is functools.partial and not is_borrowed(pair, name, inner)


def _lead_by_name(swap: Swap, pair: ClassPair, name: str, function: Any, old: Any) -> None:
    """Lead a function on to what stands under its name in the class of its object, whatever that is: the attribute is a
    descriptor of the program's now, or its function is given something else than the one of before."""
    cls = pair.live

    def by_object(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, name)(*args, **kwargs)

    def by_class(*args: Any, **kwargs: Any) -> Any:
        return getattr(cls, name)(*args, **kwargs)

    target = by_class if is_a(old, staticmethod) else by_object
    if target is by_class and type.__subclasses__(cls):
        path = f"{pair.module}.{pair.path}.{name}"
        message = f"{path} was static; references taken before do not know a derived class, and mean {pair.path}.{name}"
        swap.findings.append(
            Finding(
                code="HS409", severity=Severity.KEPT, message=message, file=pair.file, line=pair.line,
                next_step="take it from its class again",
            )
        )  # fmt: skip
    if type(function) is FunctionType:
        redirect(swap, function, target, pair.module, f"{pair.path}.{name}")
    else:
        lead_wrapper(swap, function, target, pair.module, f"{pair.path}.{name}")


def _around(function: FunctionType, method: Any) -> Any:
    """A static or class method like another one around a function that will be as the one in that."""
    made = type(method)(function)
    made.__dict__.update({key: value for key, value in method.__dict__.items() if key != "__wrapped__"})
    return made


def _inner_function(value: Any) -> Any:
    """The function in a wrapper of Python's own, or what wrapt made of it; None for nothing."""
    if is_a(value, (staticmethod, classmethod)):
        value = value.__func__
    elif is_a(value, property):
        value = value.fget
    elif is_a(value, functools.cached_property):
        value = value.func
    return value if type(value) is FunctionType or is_wrapper(value) else None


def _is_wrapper(value: Any) -> bool:
    kinds = (
        staticmethod,
        classmethod,
        property,
        functools.cached_property,
        functools.partialmethod,
        functools.singledispatchmethod,
        LRU,
    )
    return is_a(value, kinds) or (hasattr(type(value), "__get__") and not is_a(value, (FunctionType, type)))


def _same_wrapper(old: Any, new: Any) -> bool:
    """True for two wrappers of the same kind around the same live functions: the live one stays."""
    if type(old) is not type(new):
        return False
    if is_a(old, (staticmethod, classmethod)):
        return old.__func__ is new.__func__
    if is_a(old, property):
        return same_value((old.fget, old.fset, old.fdel), (new.fget, new.fset, new.fdel))
    if is_a(old, functools.cached_property):
        return old.func is new.func
    if is_a(old, functools.partialmethod):
        return same_value((old.func, old.args, old.keywords), (new.func, new.args, new.keywords))
    if is_a(old, functools.singledispatchmethod):
        return old.func is new.func and same_value(dict(old.dispatcher.registry), dict(new.dispatcher.registry))
    return False


#: Gives the bases that a live class will have.
_Bases = Callable[[type], tuple[type, ...]]


def _why_not_transplanted(pair: ClassPair, bases_of: _Bases) -> Finding | None:
    """Why the contents of the new class cannot be moved into the live one; None where they can."""
    live, staged = pair.live, pair.staged
    if type(live) is not type(staged) and type(staged) is not type(live):
        mine, theirs = type(live).__qualname__, type(staged).__qualname__
        if mine != theirs:
            return _held(pair, "HS203", f"{pair.module}.{pair.path} has metaclass {mine} and would get {theirs}")
    if why := why_not(live, staged):
        return _held(pair, "HS201", f"the memory layout of {pair.module}.{pair.path} changed: {why}")
    if bases_of(live) == live.__bases__:
        return None
    try:
        _try_bases(pair)
        for cls in with_subclasses(live):
            class_row(cls, bases_of)
    except (TypeError, NoRow) as error:
        return _held(pair, "HS202", f"the bases of {pair.module}.{pair.path} cannot be exchanged: {error}")
    return None


def _future_bases(pair: ClassPair, twins: Twins) -> _Bases:
    def bases_of(cls: type) -> tuple[type, ...]:
        place = twins.places.get(id(cls))
        return cls.__bases__ if place is None else tuple(twins.resolve(base) for base in twins.classes[place][0].__bases__)

    return bases_of


def _exchange_bases(swap: Swap, pair: ClassPair, bases_of: _Bases) -> None:
    live, bases = pair.live, bases_of(pair.live)
    if bases != live.__bases__:
        swap.add(Write((type.__setattr__, live, "__bases__", bases), (type.__setattr__, live, "__bases__", live.__bases__)))


def _try_bases(pair: ClassPair) -> None:
    """Exchange the other way round first, on the class that nobody sees: an assignment that fails must not be met
    inside the commit. (A class made for the trial would run ``__init_subclass__`` of the program.)

    Raises:
        TypeError: CPython does not exchange these bases.
    """
    bases = pair.staged.__bases__
    pair.staged.__bases__ = pair.live.__bases__
    pair.staged.__bases__ = bases


def _set_abstract(swap: Swap, live: type, staged: type) -> None:
    if (new := getattr(staged, "__abstractmethods__", None)) is not None:
        _write_abstract(swap, live, new)


def follow_abstract(swap: Swap, pairs: Sequence[tuple[type, type]]) -> None:
    """Add the writes by which classes that derive from changed ones are abstract or not: each class notes that when it is made.

    Args:
        pairs: staged class, live class.
    """
    twins = {id(live): staged for staged, live in pairs}
    known: dict[int, frozenset[str]] = {}
    for _, live in pairs:
        for cls in with_subclasses(live):
            if is_a(cls, abc.ABCMeta) and id(cls) not in known:
                new = _future_abstract(cls, twins, known)
                if new != getattr(twins.get(id(cls), cls), "__abstractmethods__", frozenset()):
                    _write_abstract(swap, cls, new)


def _future_abstract(cls: type, twins: Mapping[int, type], known: dict[int, frozenset[str]]) -> frozenset[str]:
    """The names that will be abstract in a class, by what it and its bases will have."""
    if id(cls) not in known:
        row = [twins.get(id(base), base) for base in cls.__mro__]
        names = {name for name in vars_of(row[0]) if _is_abstract(row[0], name, staged=row[0] is not cls)}
        names.update(*(_future_abstract(base, twins, known) for base in cls.__bases__ if is_a(base, abc.ABCMeta)))
        owners = {name: next((at for at, each in enumerate(row) if name in vars_of(each)), None) for name in names}
        found = [(name, row[at], row[at] is not cls.__mro__[at]) for name, at in owners.items() if at is not None]
        known[id(cls)] = frozenset(name for name, owner, staged in found if _is_abstract(owner, name, staged=staged))
    return known[id(cls)]


def _is_abstract(cls: type, name: str, *, staged: bool) -> bool:
    """True for an attribute of the class itself that is abstract. What is staged leads to live functions by now, which are not
    marked before the commit, but its metaclass has noted it."""
    if staged and is_a(cls, abc.ABCMeta):
        return name in getattr(cls, "__abstractmethods__", ())
    return bool(getattr(vars_of(cls)[name], "__isabstractmethod__", False))


def _write_abstract(swap: Swap, live: type, new: frozenset[str]) -> None:
    if (old := getattr(live, "__abstractmethods__", None)) != new:
        # type's own: a metaclass may have a __setattr__, and no code of the program runs inside of the commit.
        undo = (type.__setattr__, live, "__abstractmethods__", old if old is not None else frozenset())
        swap.add(Write((type.__setattr__, live, "__abstractmethods__", new), undo))


def _refused(pair: ClassPair, code: str, message: str) -> Refusal:
    return Refusal(_held(pair, code, message))


def _held(pair: ClassPair, code: str, message: str) -> Finding:
    return Finding(code=code, severity=Severity.HELD, message=message, file=pair.file, line=pair.line, next_step="restart")
