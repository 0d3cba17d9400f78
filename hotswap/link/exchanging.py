"""Every reference of a young object to something that has a twin becomes one to the twin."""

from __future__ import annotations

import functools
import gc
import itertools
import operator
import sys
import types
import typing
from collections import deque
from collections.abc import Callable
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import wrapt

from hotswap.fingerprint import BOUND_BY_C, LRU, same_value
from hotswap.kinds import PROXY, is_a, setter_of, vars_of
from hotswap.link.grow import make_again, why_not
from hotswap.link.rewrap import set_state, state_of
from hotswap.link.staging import Staging
from hotswap.link.twins import EscapeError, Twins, make_escape
from hotswap.peek import own_dict
from hotswap.shadow import is_slot


def exchange(staging: Staging, twins: Twins) -> None:
    """Exchange every reference of a young object to something that has a twin."""
    for name, module in staging.modules.items():
        live = staging.world.records[name].module.__dict__
        for key, value in module.__dict__.items():
            if type(value) is LRU and type(live.get(key)) is LRU and value is not live[key]:
                pair_cache(twins, value, live[key])
    skip = {id(module.__dict__) for module in staging.modules.values()}
    skip |= {id(twins.keep), id(twins.of), id(staging.young), id(staging.modules)}
    skip |= {id(pair) for pair in (*twins.functions, *twins.classes, *twins.copies)}
    skip |= {id(made) for made in twins.objects}
    skip |= {id(twins.functions), id(twins.classes), id(twins.copies), id(twins.made)}
    # The dict of a class is written through the class only: its caches would not notice, and give what has died.
    skip |= {id(own) for item in staging.young if is_a(item, type) for own in gc.get_referents(vars_of(item))}
    before = -1
    while before != (before := len(twins.of)):
        for item in itertools.chain(staging.young, twins.made):
            if id(item) in skip or id(item) in twins.remade or (id(item) in twins.of and _is_remade(item)):
                continue
            if _refers(item, twins):
                _exchange_in(item, twins)


_WITHOUT_DICT = frozenset({FunctionType, ModuleType, MethodType, CellType, tuple, frozenset, list, dict, set, deque})


def _has_fixed_contents(item: Any, twins: Twins) -> bool:
    """True for a named tuple and the like in which something stands that has a twin; its attributes can be exchanged in place."""
    base = tuple if is_a(item, tuple) else frozenset if is_a(item, frozenset) else None
    return base is not None and any(id(value) in twins.of for value in base.__iter__(item))


def _make_row_again(item: Any, twins: Twins) -> Any:
    """A named tuple and the like with other contents, past what its class does where one is made."""
    from hotswap.fingerprint import slot_values

    resolve, cls = twins.resolve, twins.resolve(type(item))
    base: Any = tuple if is_a(item, tuple) else frozenset
    made = base.__new__(cls, map(resolve, base.__iter__(item)))
    for name, value in (own_dict(item) or {}).items():
        own_dict(made)[name] = resolve(value)  # type: ignore[index]  # of the same class, so it has one
    for name, value in slot_values(type(item), item):
        _slot(cls, name).__set__(made, resolve(value))
    return made


def _is_remade(item: Any) -> bool:
    """True for what is not changed but made again, and then stands for itself."""
    kinds = (MethodType, LRU, types.GenericAlias, types.UnionType, *BOUND_BY_C)
    return type(item) in kinds or is_a(item, (tuple, frozenset))


_UNBOUND = (types.MethodDescriptorType, types.WrapperDescriptorType)


def bind_again(method: Any, target: Any) -> Any:
    """A method of C bound to another object; None where it is no such method of its class."""
    for cls in type(target).__mro__:
        descriptor: Any = vars_of(cls).get(method.__name__)
        if type(descriptor) in _UNBOUND and descriptor.__get__(method.__self__) == method:
            return descriptor.__get__(target)
    return None


def _refers(item: Any, twins: Twins) -> bool:
    """True where something that an object refers to has a twin. The dict of an object may have been made after the object
    itself, when somebody asked for it, so it need not be among the young ones."""
    referents = gc.get_referents(item)
    has_no_twin = twins.of.keys().isdisjoint
    if not has_no_twin(map(id, referents)):
        return True
    if is_a(item, type):
        return not has_no_twin(map(id, list(vars_of(item).values())))
    if type(item) in _WITHOUT_DICT:
        return False  # a dict that it refers to is another object
    return any(not has_no_twin(map(id, list(referent.values()))) for referent in referents if type(referent) is dict)


def _exchange_in(item: Any, twins: Twins) -> None:
    """Exchange the references that one young object holds."""
    resolve = twins.resolve
    kind = type(item)
    if kind in (ModuleType, types.FrameType):
        return
    if is_a(item, dict):
        _exchange_dict(item, twins)
    elif is_a(item, (list, deque)):
        for index, value in enumerate(item):
            if id(value) in twins.of:
                item[index] = resolve(value)
    elif is_a(item, set):
        changed = [value for value in item if id(value) in twins.of]
        for value in changed:
            set.discard(item, value)
            set.add(item, resolve(value))
    elif kind is tuple or kind is frozenset:
        twins.put_made(item, kind(resolve(value) for value in item))
    elif _has_fixed_contents(item, twins):
        twins.put_made(item, _make_row_again(item, twins))
    elif kind is CellType:
        item.cell_contents = resolve(item.cell_contents)
    elif kind is MethodType:
        twins.put_made(item, MethodType(resolve(item.__func__), resolve(item.__self__)))
    elif kind in BOUND_BY_C:
        if (bound := bind_again(item, resolve(item.__self__))) is not None:
            twins.put_made(item, bound)
    elif kind is types.GenericAlias:  # list[K]
        made = types.GenericAlias(resolve(item.__origin__), tuple(map(resolve, item.__args__)))
        twins.put_made(item, next(iter(made)) if item.__unpacked__ else made)
    elif kind is types.UnionType:  # K | None
        twins.put_made(item, functools.reduce(operator.or_, map(resolve, item.__args__)))
    elif kind is functools.partial:
        args = tuple(resolve(a) for a in item.args)
        keywords = {k: resolve(v) for k, v in item.keywords.items()}
        item.__setstate__((resolve(item.func), args, keywords, item.__dict__ or None))
    elif kind is LRU:
        _exchange_cache(item, twins)
    elif is_a(item, (staticmethod, classmethod)):
        state = dict(item.__dict__)
        # The builtin's own: a subclass may take other arguments, and is not to run once more.
        kind_of_method: Any = staticmethod if is_a(item, staticmethod) else classmethod
        kind_of_method.__init__(item, resolve(item.__func__))
        item.__dict__.update({k: resolve(v) for k, v in state.items() if k != "__wrapped__"})
    elif is_a(item, property):
        doc = item.__doc__
        property.__init__(item, resolve(item.fget), resolve(item.fset), resolve(item.fdel), doc)
    elif kind is FunctionType:
        _exchange_function(item, twins)
    elif is_a(item, wrapt.FunctionWrapper) or kind is wrapt.BoundFunctionWrapper:
        set_state(item, tuple(map(resolve, state_of(item))))
    elif is_a(item, PROXY):
        item.__wrapped__ = resolve(item.__wrapped__)
    elif is_a(item, type):
        _exchange_class(item, twins)
    else:
        _exchange_instance(item, twins)


def _exchange_dict(item: dict[Any, Any], twins: Twins) -> None:
    if any(id(key) in twins.of for key in item):
        contents = [(twins.resolve(key), twins.resolve(value)) for key, value in dict.items(item)]
        dict.clear(item)
        for key, value in contents:
            dict.__setitem__(item, key, value)
        return
    for key, value in list(dict.items(item)):
        if id(value) in twins.of:
            dict.__setitem__(item, key, twins.resolve(value))


def _exchange_cache(item: Any, twins: Twins) -> None:
    function = item.__wrapped__
    if id(function) in twins.of and id(item) not in twins.of:
        made = functools.lru_cache(**item.cache_parameters())(twins.resolve(function))
        # Its name too: that of the live function inside may only change with the commit.
        own = {key: value for key, value in item.__dict__.items() if key not in ("__wrapped__", "cache_parameters")}
        made.__dict__.update(own)
        twins.put_made(item, made)
        twins.made.append(made.__dict__)


def _exchange_function(item: FunctionType, twins: Twins) -> None:
    if item.__defaults__:
        item.__defaults__ = tuple(twins.resolve(v) for v in item.__defaults__)
    if item.__kwdefaults__:
        item.__kwdefaults__ = {k: twins.resolve(v) for k, v in item.__kwdefaults__.items()}
    if any(id(value) in twins.of for value in item.__annotations__.values()):  # the dict is made when somebody asks for it
        item.__annotations__ = {k: twins.resolve(v) for k, v in item.__annotations__.items()}
    for key, value in list(item.__dict__.items()):
        item.__dict__[key] = twins.resolve(value)


def _exchange_class(item: type, twins: Twins) -> None:
    for name, value in list(vars_of(item).items()):
        if id(value) in twins.of:
            setter_of(item)(item, name, twins.resolve(value))
    if id(item) in twins.of:  # its bases are led over with its contents, when they are moved into the live class
        _lead_metaclass(item, twins)
        return
    bases = tuple(twins.resolve(base) for base in item.__bases__)
    if bases != item.__bases__:
        try:
            item.__bases__ = bases
        except TypeError as error:
            place = (item.__module__, item.__qualname__)
            if any((staged.__module__, staged.__qualname__) == place for staged, _ in twins.classes):
                return  # ``slots=True`` made another class of it, and nobody has this one
            refused = EscapeError(make_escape(f"the new class {item.__qualname__} cannot be led to its live base: {error}", item))
            twins.left += [(live, refused) for live, base in zip(bases, item.__bases__, strict=True) if live is not base]
    if id(type(item)) in twins.of:
        item.__class__ = twins.resolve(type(item))


def _lead_metaclass(item: type, twins: Twins) -> None:
    """A method of the metaclass uses the live one by now (``super()``), so it cannot be called for a class of the other one."""
    if id(type(item)) in twins.of:
        try:
            setter_of(item)(item, "__class__", twins.resolve(type(item)))
        except TypeError:
            pass  # of another layout: the metaclass itself cannot be exchanged, which is found when it is moved


#: Past a property of that name, by which a class says that it is another one.
_SET_CLASS: Callable[[Any, type], None] = vars(object)["__class__"].__set__


def _exchange_instance(item: Any, twins: Twins) -> None:
    from hotswap.fingerprint import slot_values

    state = own_dict(item)
    for name, value in list(state.items()) if state else ():
        if id(value) in twins.of:
            state[name] = twins.resolve(value)  # type: ignore[index]  # a mapping here
    for name, value in slot_values(type(item), item):
        if id(value) in twins.of:
            _slot(type(item), name).__set__(item, twins.resolve(value))
    if id(type(item)) in twins.of:
        live = twins.resolve(type(item))
        try:
            _SET_CLASS(item, live)
        except TypeError:  # other slots, its own or those of a base
            if why := why_not(live, type(item)):
                message = f"a new object of {type(item).__qualname__} cannot be led to the live class: {why}"
                twins.left.append((live, EscapeError(make_escape(message, item))))
                return
            try:
                made = make_again(item, live)
            except TypeError as error:
                raise EscapeError(
                    make_escape(f"a new object of {type(item).__qualname__} cannot be led to the live class: {error}", item)
                ) from error
            twins.remade.add(id(item))
            twins.put_made(item, made)


def _slot(cls: type, name: str) -> Any:
    return next(vars_of(c)[name] for c in cls.__mro__ if is_slot(vars_of(c).get(name)))


def finish_copies(twins: Twins) -> None:
    """Give the copies what has been led over by now."""
    for staged, copy in twins.copies:
        copy.__defaults__ = tuple(map(twins.resolve, staged.__defaults__)) if staged.__defaults__ else staged.__defaults__
        if staged.__kwdefaults__:
            copy.__kwdefaults__ = {k: twins.resolve(v) for k, v in staged.__kwdefaults__.items()}
        copy.__qualname__ = staged.__qualname__
        copy.__module__ = staged.__module__
        copy.__doc__ = staged.__doc__
        copy.__annotations__ = {k: twins.resolve(v) for k, v in staged.__annotations__.items()}
        if sys.version_info >= (3, 12):
            copy.__type_params__ = staged.__type_params__
        copy.__dict__.update({k: twins.resolve(v) for k, v in staged.__dict__.items()})


def exchange_overloads(twins: Twins) -> None:
    """``typing.overload`` notes functions in a table of the library, which is only read by ``get_overloads``."""
    for per_module in getattr(typing, "_overload_registry", {}).values():
        for per_name in list(per_module.values()):
            for line, function in list(per_name.items()):
                if id(function) in twins.of:
                    per_name[line] = twins.resolve(function)


def pair_cache(twins: Twins, staged: Any, live: Any) -> None:
    same = getattr(live, "cache_parameters", None) and same_value(live.cache_parameters(), staged.cache_parameters())
    if same and twins.resolve(staged.__wrapped__) is live.__wrapped__:
        twins.put(staged, live)
