"""Whether a result that was kept may be another one after a swap: the question of caches, answered on the safe side.

The plan follows names that a text resolves. A cached function also calls what it is given: ``s.area()``, ``f(x)``,
``TABLE[key]()``. For derived values that would evaluate far too much; a cache that is dropped for nothing costs one
computation, one that is kept wrongly is a wrong answer. So here, for functions of the program:

    uses an attribute, or a string, of the name of something affected     may differ
    a special method is affected (``len(s)``, ``s + t`` name none)        may differ
    calls what it was given, found in a container, or set in __init__     may differ, if anything is affected
    asks what an object is, or calls super(), and a class gets a base     may differ
    names a function, a class, a method of any class                      asks the same of that one

Of functions outside of the managed modules only what they wrap or close over is asked. Nothing is called here.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

import attrs

from hotswap.fingerprint import LRU
from hotswap.kinds import PROXY, is_a, vars_of
from hotswap.link.trampoline import target_of
from hotswap.plan.dirt import Dirt
from hotswap.world import ModuleRecord, Symbol

#: Special methods that run where a class or an object is called, which is seen in another way.
_BY_CALL = frozenset(
    "__init__ __new__ __post_init__ __attrs_post_init__ __init_subclass__ __set_name__ __class_getitem__ __call__ __del__".split()
)
#: Builtin functions and the like that call what they are given.
_CALLERS = frozenset("map filter reduce starmap accumulate eval exec import_module".split())

#: What tells of what a class derives from.
_ASKING = frozenset("isinstance issubclass type super __class__ __bases__ __base__ __mro__ mro dispatch".split())
_MATCHING = frozenset(dis.opmap[n] for n in ("MATCH_CLASS", "CHECK_EXC_MATCH") if n in dis.opmap)

_PUSH_NULL, _EXTENDED = dis.opmap["PUSH_NULL"], dis.opmap["EXTENDED_ARG"]
_LOAD_METHOD = dis.opmap.get("LOAD_METHOD") if sys.version_info < (3, 12) else None  # later: LOAD_ATTR with a bit
_LOAD_ATTR, _LOAD_GLOBAL = dis.opmap["LOAD_ATTR"], dis.opmap["LOAD_GLOBAL"]
_NULL_COMES_LAST: bool = sys.version_info >= (3, 13)  # PUSH_NULL after what is called, and before it earlier
# Loads of something that can be looked up, and what may follow without making it something else.
_KNOWN = frozenset(dis.opmap[n] for n in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_GLOBAL", "LOAD_NAME") if n in dis.opmap)
_QUIET = frozenset(dis.opmap[n] for n in ("LOAD_ATTR", "PRECALL", "KW_NAMES", "NOP") if n in dis.opmap)


@attrs.frozen
class _Facts:
    """What the code of a function tells, with that of the functions in it."""

    names: frozenset[str]  # globals, attributes, and strings that look like names
    methods: frozenset[str]  # attributes that are called
    calls_unknown: bool
    asks_for_class: bool  # what an object is, or what a class derives from


class Memory:
    """Answers for one swap.

    Args:
        records: the managed modules.
        known: their classes.
        dirt: what the plan found affected.
        classes: staged and live classes whose contents are exchanged.
        staged: ids of objects that were made aside: a write to such a class would keep it alive.
    """

    def __init__(
        self, records: Collection[ModuleRecord], known: Iterable[type], dirt: Dirt, classes: Iterable[tuple[type, type]],
        staged: Collection[int] = (),
    ) -> None:  # fmt: skip
        self._records = records
        self._classes = [cls for cls in known if id(cls) not in staged]
        self._spaces = {id(record.module.__dict__): record.name for record in records}
        # What a member of a class that is made anew uses is looked at where it is; its class alone changes nothing for it.
        self._affected = {(module, name.partition("#")[0]) for module, name in dirt.affected - dirt.alike} | dirt.values
        self._hot = {name.rpartition(".")[2] for _, name in self._affected | dirt.classes}
        pairs = tuple(classes)
        self._hot |= {name for pair in pairs for cls in pair for name in self._exchanged_in(cls, dirt.alike)}
        inherited = {name for pair in pairs for name in _inherited_otherwise(*pair, pairs)}
        self._hot |= inherited
        self._is_rebased = any(_ancestors(staged, pairs) != live.__mro__ for staged, live in pairs)
        self._hot_special = any(_is_special(name) and name not in _BY_CALL for name in self._hot)
        self._hot_special = self._hot_special or self._special_differs(dirt.alike)

    def may_differ(self, item: Any) -> bool:
        """True for a callable that may give something else after the swap, through any number of calls."""
        if not self._hot:
            return False
        seen: dict[int, Any] = {}
        pending = [item]
        while pending:
            current = pending.pop()
            if id(current) in seen:
                continue
            seen[id(current)] = current  # held, so that its id stays its own
            if type(current) is FunctionType:
                if self._is_hit(current):
                    return True
                pending += self._mentioned(current)
            pending += self._parts(current)
        return False

    def members(self, kind: type) -> list[tuple[type, str]]:
        """The attributes of a kind in the classes of the managed modules, local classes included."""
        return [(cls, name) for cls in self._classes for name, value in vars_of(cls).items() if issubclass(type(value), kind)]

    # ---- what is hot: the names of what is another one after the swap ----

    def _exchanged_in(self, cls: type, alike: Collection[Symbol]) -> Iterator[str]:
        """Attributes of a class that is made anew, without those that are as before."""
        module = next((record.name for record in self._records if record.module.__name__ == cls.__module__), "")
        return (n for n in vars_of(cls) if not _is_special(n) and (module, f"{cls.__qualname__}.{n}") not in alike)

    def _special_differs(self, alike: Collection[Symbol]) -> bool:
        """True where a special method does something else that stands in the text as before."""
        names = {last for _, name in alike if _is_special(last := name.rpartition(".")[2])} - _BY_CALL
        found = (item for name in names for item in self._by_name.get(name, ()) if type(item) is FunctionType)
        methods = (item for item in found if self._is_managed(item) and not self._symbols(item).isdisjoint(alike))
        return any(map(self.may_differ, methods))

    # ---- one function ----

    def _is_managed(self, function: FunctionType) -> bool:
        return id(function.__globals__) in self._spaces

    def _is_hit(self, function: FunctionType) -> bool:
        if not self._is_managed(function):
            return False
        if self._symbols(function) & self._affected:
            return True
        facts = _facts(function.__code__)
        return (
            self._hot_special
            or facts.calls_unknown
            or (self._is_rebased and facts.asks_for_class)
            or bool(facts.names & self._hot)
            or any(name in self._fields and name not in self._by_name for name in facts.methods)
        )

    def _symbols(self, function: FunctionType) -> set[Symbol]:
        module = self._spaces[id(function.__globals__)]
        return {(module, name) for full in (function.__code__.co_qualname, function.__qualname__)
                for name in (full, full.partition(".<locals>")[0])}  # fmt: skip

    def _mentioned(self, function: FunctionType) -> Iterator[Any]:
        """What the names in a function may stand for."""
        if self._is_managed(function):
            for name in _facts(function.__code__).names:
                yield function.__globals__.get(name)
                yield from self._by_name.get(name, ())

    def _parts(self, item: Any) -> Iterator[Any]:
        """What a callable or a descriptor leads on to."""
        if is_a(item, PROXY):
            yield item.__wrapped__
        elif type(item) is FunctionType:
            yield target_of(item)
            yield item.__dict__.get("__wrapped__")
            for cell in item.__closure__ or ():
                yield from _contents(cell)
        elif type(item) is LRU:
            yield item.__dict__.get("__wrapped__")
        elif is_a(item, (MethodType, staticmethod, classmethod)):
            yield item.__func__
        elif is_a(item, property):
            yield from (item.fget, item.fset, item.fdel)
        elif is_a(item, functools.cached_property):
            yield item.func
        elif is_a(item, (functools.partial, functools.partialmethod)):
            yield from (item.func, *item.args, *item.keywords.values())
        elif is_a(item, type):
            if item.__module__ in self._names:
                yield from item.__dict__.values()
                yield from item.__bases__
        elif type(item).__module__ in self._names:
            yield type(item)

    # ---- the program; listed when first asked ----

    @functools.cached_property
    def _names(self) -> set[str]:
        return {record.module.__name__ for record in self._records}

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Any]]:
        """Functions and descriptors by the last part of their name."""
        found: dict[str, list[Any]] = {}
        spaces = [record.module.__dict__ for record in self._records] + [cls.__dict__ for cls in self._classes]
        for space in spaces:
            for name, value in list(space.items()):
                if callable(value) or hasattr(type(value), "__get__"):
                    found.setdefault(name, []).append(value)
        return found

    @functools.cached_property
    def _fields(self) -> set[str]:
        """Names that objects of the program may have, and their classes not: a superset."""
        found: set[str] = set()
        for cls in self._classes:
            # Not inspect.get_annotations: it may run code of the program.
            found |= {name for name in vars_of(cls).get("__annotations__", ()) if isinstance(name, str)}
            start = vars_of(cls).get("__init__")
            if type(start) is FunctionType:
                found |= set(start.__code__.co_names)
        return found


def _ancestors(cls: type, pairs: Collection[tuple[type, type]]) -> tuple[type, ...]:
    """What a class derives from, with itself, where for each class that was made aside the live one is put."""
    return tuple(next((live for staged, live in pairs if staged is each), each) for each in cls.__mro__)


def _inherited_otherwise(staged: type, live: type, pairs: Collection[tuple[type, type]]) -> Iterator[str]:
    """The attributes that a class has from other bases than before, or that its bases may give it in another order."""
    before, after = live.__mro__[1:-1], _ancestors(staged, pairs)[1:-1]
    if before == after:
        return
    count = Counter(name for cls in {*before, *after} for name in vars_of(cls))
    others = {name for cls in {*before}.symmetric_difference(after) for name in vars_of(cls)}
    for name in others | {name for name, owners in count.items() if owners > 1}:
        if not _is_special(name) or any(callable(vars_of(cls).get(name)) for cls in (*before, *after)):
            yield name


def _contents(cell: CellType) -> Iterator[Any]:
    try:
        held = cell.cell_contents
    except ValueError:  # empty
        return
    yield held
    if type(held) in (list, tuple, set, frozenset):
        yield from list(held)
    elif type(held) is dict:
        yield from list(held.values())


def _facts(code: CodeType) -> _Facts:
    names, unknown = set(code.co_names), False
    steps = list(_steps(code))
    asks = any(op in _MATCHING for op, _ in steps)
    methods: set[str] = set()
    for const in code.co_consts:
        if isinstance(const, CodeType):
            inner = _facts(const)
            names |= inner.names
            methods |= inner.methods
            unknown |= inner.calls_unknown
            asks |= inner.asks_for_class
        elif isinstance(const, str) and const.isidentifier():
            names.add(const)
        elif isinstance(const, tuple) and "key" in const:  # sorted(s, key=f)
            unknown = True
    unknown |= bool(names & _CALLERS) or ("getattr" in names and names <= set(code.co_names))
    asks |= not _ASKING.isdisjoint((*names, *code.co_freevars))
    for index, (op, argument) in enumerate(steps):
        if op == _PUSH_NULL:
            unknown |= not _calls_known(steps, index)
        elif op == _LOAD_GLOBAL and sys.version_info < (3, 13) and argument & 1:  # with a NULL of its own
            unknown |= not _is_called(steps[index + 1 :])
        elif op == _LOAD_METHOD:
            methods.add(code.co_names[argument])
        elif op == _LOAD_ATTR and _LOAD_METHOD is None and argument & 1:
            methods.add(code.co_names[argument >> 1])
    return _Facts(frozenset(names), frozenset(methods), unknown, asks)


def _steps(code: CodeType) -> Iterator[tuple[int, int]]:
    """The instructions with their arguments, as ``dis`` gives them and twenty times as fast."""
    raw, high = code.co_code, 0
    for op, low in zip(raw[::2], raw[1::2], strict=True):
        argument, high = high | low, (high | low) << 8 if op == _EXTENDED else 0
        if op and op != _EXTENDED:  # 0 is CACHE
            yield op, argument


def _calls_known(steps: list[tuple[int, int]], index: int) -> bool:
    """True when what is called beside a PUSH_NULL is a name, and not what an expression gives."""
    if _NULL_COMES_LAST:
        return index > 0 and steps[index - 1][0] in _KNOWN
    return steps[index + 1][0] in _KNOWN and _is_called(steps[index + 2 :])


def _is_called(steps: list[tuple[int, int]]) -> bool:
    """True when a name that was loaded with a NULL is called itself, and not what a subscript or the like gives."""
    depth = 2  # NULL and the name; the call takes both and leaves one
    for op, argument in steps:
        depth += dis.stack_effect(op, argument if op >= dis.HAVE_ARGUMENT else None, jump=False)
        if depth < 2:
            return True
        if depth == 2 and op not in _QUIET:
            return False
    return False


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
