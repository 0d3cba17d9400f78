"""A change by ``task``: units of work that have begun end in the old code, new ones take the new, and nobody waits.

    plain       each function has its old code
    choosing    each function that changes, and each that reads a constant that changes, asks for whom it is called and leads to a
                copy with the old code; constants are as they were
    split       the commit: constants have their new values, who begins is of the next generation; a call by an old unit leads to
                the copy with the old code and the old constants, any other one to the new code
    plain       the last old unit has ended: each function has its new code, and nothing is asked any more

    step                      waits for                                     undone by
    plain -> choosing         -                                             the writes in reverse
    choosing -> split         calls that read a constant and began plain    -
    split -> plain (new)      units of the old generation; where names go,  door held, new units waited for, all writes in reverse
                              calls in old code that use them

Interleavings that the tests force:

1. *A call that began before ``choosing``* runs plain old code. Where it reads a constant it is waited for, since it would meet
   the new value. Others need not be: whatever they call is chosen for their unit. New calls run a copy, so that wait ends.
2. *A unit begins just before the commit*, and asks just after it: it has its generation from before, and gets the old code.
3. *Code outside of any unit* takes the new code from the commit on, as with ``immediate``.
4. *The old units do not end in time*: new ones are held at the door, those of the new generation end, and all goes back. The old
   ones have seen nothing but the old code.
5. *A closure is made by old code* meanwhile: it has the old code, and the engine leads it over when that has ended.

6. *A call outside of any unit runs old code* when names go that it uses, as when a change is taken back: they are there until it
   has ended.

The copy with the old constants has a namespace of its own that looks all else up in the module (:class:`OldNames`). CPython
writes to a function's namespace past any method, so a reader that assigns globals cannot be led; nor can one that hands its
namespace on, to functions that it makes or to ``eval``. Then, and for all writes that are not listed in :func:`sort_writes`, the
change needs ``quiescent``.
"""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import compress
from types import CodeType, FunctionType, NoneType
from typing import Any

import attrs
import wrapt

from hotswap.collector import nothing_hidden, objects_of
from hotswap.commit import Write, set_function, take_back
from hotswap.link.redirect import copy_function
from hotswap.link.trampoline import PARAMETER, flag_of, target_of, trampoline_code
from hotswap.requests.gate import generation_of_unit

__all__ = ["Move", "Unmovable", "sort_writes"]

_CONSTANTS = (int, float, complex, str, bytes, bool, NoneType, Decimal, Fraction, date, datetime, timedelta)
#: Names by which code reads docstrings.
_DOCS = frozenset({"__doc__", "getdoc"})
#: Names by which code hands its namespace on.
_NAMESPACES = frozenset({"globals", "locals", "vars", "eval", "exec", "__import__"})
#: Code that is run at once where it is made.
_AT_ONCE = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_END = 2**62
_MISSING: Any = object()


class Unmovable(Exception):
    """Something of a change cannot be there in two versions at once; the text says what."""


#: Generations of units that take the new code, from and up to but not including, and whether code outside of any unit does. In
#: a list, so that a commit exchanges it by a call in C, and a call reads it as one.
Moment = list[tuple[int, int, bool]]
BEFORE = (0, 0, False)


class Choice(wrapt.CallableObjectProxy):  # type: ignore[type-arg]  # generic in stubs only
    """Stands for the new function and leads the calls of old units to the old one."""

    def __init__(self, new: FunctionType, old: FunctionType, moment: Moment) -> None:
        super().__init__(new)
        self._self_old, self._self_moment = old, moment

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        first, end, outside = self._self_moment[0]
        generation = generation_of_unit()  # its end was waited for, so what goes on behind that is no part of it
        is_new = outside if generation is None else first <= generation < end
        return (self.__wrapped__ if is_new else self._self_old)(*args, **kwargs)


class OldNames(dict[str, Any]):
    """The namespace of a module as it was: some names have their old values, all others are looked up in the module.

    CPython asks ``__missing__`` where the namespace of a function is no exact dict.
    """

    def __init__(self, live: dict[str, Any], old: Mapping[str, Any]) -> None:
        # These the interpreter reads past any method: for builtins, imports and what is made.
        own = ("__builtins__", "__name__", "__package__", "__spec__", "__path__", "__loader__", "__file__")
        super().__init__({name: live[name] for name in own if name in live} | dict(old))
        self._live = live

    def __missing__(self, key: str) -> Any:
        return self._live[key]


@attrs.define(eq=False)
class Move:
    """The writes of a change by what becomes of them.

    Attributes:
        codes: functions that get other code: the function and the code.
        changed: of these, the ids of those that run something else then.
        constants: writes of module constants.
        modules: that have these.
        names: writes of names that come.
        late: writes that take something away which old units may use.
        others: writes that no call notices.
        readers: functions that read a constant which changes, set by :meth:`find_readers`.
        defaults: functions that get other values of arguments, with these.
        docs: functions whose docstring changes.
        moment: what the choices look at.
        made: the writes of :meth:`choosing`.
    """

    codes: dict[int, tuple[FunctionType, CodeType]] = attrs.Factory(dict)
    changed: set[int] = attrs.Factory(set)
    constants: list[Write] = attrs.Factory(list)
    modules: set[str] = attrs.Factory(set)
    names: list[Write] = attrs.Factory(list)
    late: list[Write] = attrs.Factory(list)
    others: list[Write] = attrs.Factory(list)
    defaults: dict[int, tuple[FunctionType, Any]] = attrs.Factory(dict)
    docs: list[FunctionType] = attrs.Factory(list)
    readers: dict[int, FunctionType] = attrs.Factory(dict)
    moment: Moment = attrs.field(factory=lambda: [BEFORE])
    made: list[Write] = attrs.Factory(list)

    # ---- the steps, as writes ----

    def choosing(self) -> list[Write]:
        """Writes that let each function choose."""
        functions = {key: self.codes[key][0] for key in self.changed} | self.readers
        functions |= {key: function for key, (function, _) in self.defaults.items()}
        for key, function in functions.items():
            code = self.codes[key][1] if key in self.codes else function.__code__
            old = self._old_version(function)
            new = copy_function(function, code, function.__closure__)
            if key in self.defaults:
                new.__defaults__ = self.defaults[key][1]
            choice = Choice(new, old, self.moment)
            self.made += [
                set_function(function, "__code__", trampoline_code(function, flag_of(function.__code__))),
                set_function(function, "__kwdefaults__", {PARAMETER: choice}),
            ]
            if "__wrapped__" not in function.__dict__:  # for inspect.signature
                held = function.__dict__
                self.made.append(Write((dict.__setitem__, held, "__wrapped__", new), (dict.pop, held, "__wrapped__", None)))
        return self.made

    def _old_version(self, function: FunctionType) -> FunctionType:
        if id(function) not in self.readers:
            return copy_function(function, function.__code__, function.__closure__)
        space = function.__globals__
        old = {write.do[2]: space[write.do[2]] for write in self.constants if write.do[1] is space and write.do[2] in space}
        # Other code, so that the interpreter caches nothing in it that holds for the module's own namespace.
        return copy_function(function, function.__code__.replace(), function.__closure__, OldNames(space, old))

    def split(self, clock: list[int]) -> list[Write]:
        """Writes of the commit.

        Args:
            clock: the generation of units that begin, of the gate.
        """
        later = clock[0] + 1
        return [
            Write((list.__setitem__, self.moment, 0, (later, _END, True)), (list.__setitem__, self.moment, 0, BEFORE)),
            Write((list.__setitem__, clock, 0, later), (list.__setitem__, clock, 0, later + 1)),
            *self.names,
            *self.constants,
            *self.others,
            *(set_function(function, "__code__", code) for key, (function, code) in self.codes.items() if not self._chooses(key)),
        ]

    def plain(self) -> list[Write]:
        """Writes that make each function plain, with its new code."""
        final = (
            set_function(function, "__code__", code) for key, (function, code) in self.codes.items() if self._chooses(key)
        )
        return [*take_back(self.made), *final, *self.late]

    def _chooses(self, key: int) -> bool:
        return key in self.changed or key in self.readers or key in self.defaults

    # ---- who reads ----

    def reader_codes(self) -> list[CodeType]:
        """What readers run until they choose; to be asked for before :meth:`choosing` is made."""
        return [function.__code__ for function in self.readers.values()]

    def reads(self, code: CodeType) -> bool:
        """Whether code, or what it makes, reads a constant that changes, by its name."""
        names = {write.do[2] for write in self.constants}
        return any(name in names for each in _walk(code) for _, name in _globals_of(each))

    def uses_late(self, code: CodeType) -> bool:
        """Whether code, or what it makes, names something that goes."""
        names = {write.do[2] for write in self.late}
        return any(not names.isdisjoint(each.co_names) for each in _walk(code))

    def find_readers(self) -> None:
        """Find the functions that read a constant which changes.

        Raises:
            Unmovable: one reads it in a way that cannot be led, or reads docstrings where one changes.
        """
        self._check_docs()
        if not self.constants:
            return
        spaces: dict[int, set[str]] = {}
        for write in self.constants:
            spaces.setdefault(id(write.do[1]), set()).add(write.do[2])
        names = frozenset().union(*spaces.values())
        for function in _functions_near(self.modules, spaces):
            own = spaces.get(id(function.__globals__), set())
            for code in _walk(function.__code__):
                if names.isdisjoint(code.co_names) and names.isdisjoint(c for c in code.co_consts if type(c) is str):
                    continue
                _check_other_ways(code, names)
                if own & {name for _, name in _globals_of(code)}:
                    self.readers[id(function)] = function
        for function in self.readers.values():
            _check_reader(function)

    def _check_docs(self) -> None:
        """A docstring is one for old and new code, so nobody may read any."""
        if not self.docs:
            return
        spaces = {id(function.__globals__): str(function.__globals__.get("__name__")) for function in self.docs}
        for function in _functions_near(set(spaces.values()), spaces):
            for code in _walk(function.__code__):
                if not _DOCS.isdisjoint(code.co_names) or not _DOCS.isdisjoint(c for c in code.co_consts if type(c) is str):
                    where = f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
                    raise Unmovable(f"{where} reads docstrings, and that of {self.docs[0].__qualname__} changes")


def _functions_near(names: Collection[str], spaces: Collection[int]) -> list[FunctionType]:
    """The functions that may read something of some modules: their own, and those that have them among their globals or
    import them. Filtered in C: a program has tens of thousands of functions.

    Args:
        names: of the modules.
        spaces: ids of their namespaces.
    """
    packages = {package for name in names for package in _with_packages(name)}
    wanted = {id(sys.modules[name]) for name in packages if name in sys.modules}
    near = set(spaces)
    for module in list(sys.modules.values()):
        space = getattr(module, "__dict__", None)
        if type(space) is dict and not wanted.isdisjoint(map(id, list(space.values()))):
            near.add(id(space))
    with nothing_hidden():
        functions = objects_of([FunctionType])
    are_near = map(near.__contains__, map(id, map(operator.attrgetter("__globals__"), functions)))
    import_none = map(packages.isdisjoint, map(operator.attrgetter("__code__.co_names"), functions))
    found = compress(functions, map(operator.or_, are_near, map(operator.not_, import_none)))
    return [function for function in found if target_of(function) is None]


def _with_packages(module: str) -> Iterator[str]:
    while module:
        yield module
        module = module.rpartition(".")[0]


def sort_writes(
    writes: Iterable[Write], is_changed: Callable[[CodeType], bool], owner_of: Callable[[dict[Any, Any]], str | None]
) -> Move:
    """Sort the writes of a change by what old units need.

    Args:
        writes: of a swap, or of its way back.
        is_changed: tells code of functions whose text changes.
        owner_of: gives the managed module of which a dict is the namespace, else None.

    Raises:
        Unmovable: one of them cannot be made while the program is in two versions.
    """
    move = Move()
    for write in writes:
        function, *arguments = write.do
        if function is setattr and type(arguments[0]) is FunctionType:
            _sort_function(move, write, arguments[0], arguments[1], arguments[2], is_changed)
        elif function in (dict.__setitem__, dict.pop) and (module := owner_of(arguments[0])) is not None:
            _sort_name(move, write, module, arguments[0], arguments[1])
        else:
            what = write.what or getattr(function, "__qualname__", "a write")
            raise Unmovable(f"{_describe(arguments)} is one for old and new code ({what})")
    return move


def _sort_function(
    move: Move, write: Write, function: FunctionType, name: str, value: Any, is_changed: Callable[[CodeType], bool]
) -> None:
    if name == "__code__":
        if target_of(function) is not None or flag_of(function.__code__) != flag_of(value):
            raise Unmovable(f"{function.__qualname__} becomes another kind of function")
        move.codes[id(function)] = function, value
        if is_changed(function.__code__):
            move.changed.add(id(function))
    elif name == "__defaults__":
        if target_of(function) is not None:
            raise Unmovable(f"the defaults of {function.__qualname__} change, which leads to something else")
        move.defaults[id(function)] = function, value
        move.others.append(write)
    elif name == "__doc__":
        move.docs.append(function)
        move.others.append(write)
    else:  # it is an attribute of the one function object that there is
        raise Unmovable(f"{name} of {function.__qualname__} changes")


def _sort_name(move: Move, write: Write, module: str, space: dict[str, Any], name: str) -> None:
    if write.do[0] is dict.pop:
        move.late.append(write)
        return
    old, new = space.get(name, _MISSING), write.do[3]
    if old is _MISSING:
        move.names.append(write)
    elif old is not new:
        if not (_is_constant(old) and _is_constant(new)):
            raise Unmovable(f"{module}.{name} is no constant")
        move.constants.append(write)
        move.modules.add(module)


def _is_constant(value: Any) -> bool:
    if type(value) in (tuple, frozenset):
        return all(map(_is_constant, value))
    return type(value) in _CONSTANTS


def _describe(arguments: list[Any]) -> str:
    target = arguments[0] if arguments else None
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    return f"{name}.{arguments[1]}" if len(arguments) > 1 and isinstance(arguments[1], str) else str(name)


# ---- what code reads ----


def _walk(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if type(const) is CodeType:
            yield from _walk(const)


def _globals_of(code: CodeType) -> Iterator[tuple[str, str]]:
    """What a code object does with globals, and the name."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"):
            yield instruction.opname, instruction.argval


def _check_other_ways(code: CodeType, names: Collection[str]) -> None:
    """Refuse code that may read a constant by something else than its name in its own module."""
    if not (found := set(names) & {*code.co_names, *(const for const in code.co_consts if type(const) is str)}):
        return
    by_name = {name for _, name in _globals_of(code)}
    attributes = {
        i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM", "STORE_ATTR")
    }
    other = sorted(name for name in found if name in attributes or name not in by_name)
    if other:
        where = f"{code.co_filename}:{code.co_firstlineno}"
        raise Unmovable(f"{code.co_qualname} ({where}) may read {other[0]} of another module, or by its text")


def _check_reader(function: FunctionType) -> None:
    for code in _walk(function.__code__):
        where = f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
        if code is not function.__code__ and code.co_name not in _AT_ONCE:
            raise Unmovable(f"{where} is made by a function that reads a constant, and may outlive the old code")
        if any(name.startswith(("STORE", "DELETE")) for name, _ in _globals_of(code)):
            raise Unmovable(f"{where} reads a constant that changes, and assigns globals")
        if handing := sorted(_NAMESPACES.intersection(code.co_names)):
            raise Unmovable(f"{where} reads a constant that changes, and calls {handing[0]}")
