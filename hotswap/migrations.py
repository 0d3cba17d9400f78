"""What a user writes about data: how the state of an object of one version becomes that of the next.

    @migrate("shop.cart:Cart", 1)              # from version 1 to 2; a class works too
    def add_currency(state):                   # a private copy: state.x or state["x"]
        state.currency = "EUR"

    @add_currency.down                         # the way back
    def _(state):
        del state.currency

A migration is known by the qualified name of its class, so it survives the class. Registered while the program runs it
counts at once; registered by a statement that a swap evaluates aside it counts from the commit on, and a rollback takes
it out again.

Takes: declarations. Gives: :class:`Migration` values. Must not: know the engine, or touch an object.
"""

from __future__ import annotations

import enum
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FunctionType
from typing import Any, TypeVar, overload

import attrs

from hotswap.errors import DeclarationError

#: Takes the state, a private copy, and changes it; what it returns is not looked at.
Hook = Callable[[Any], None]
_F = TypeVar("_F", bound=Callable[..., Any])
_E = TypeVar("_E", bound=enum.StrEnum)


class When(enum.StrEnum):
    """When objects are converted that are not accessed by anybody."""

    LAZY = "lazy"  # a sweep in the background finds them
    EAGER = "eager"  # before the swap returns
    ON_ACCESS = "on_access"  # never: each waits for its first access


class OnFailure(enum.StrEnum):
    """What becomes of an object that could not be converted."""

    RAISE = "raise"  # each access raises MigrationError
    SERVE_OLD = "serve_old"  # it goes on with the old methods and the old state


@attrs.define(eq=False)
class Migration:
    """One declared step of one class.

    Attributes:
        target: ``module:qualified name`` of the class.
        frm, to: versions; None until the version that is live is known.
        up, down: change the state, forth and back.
        after: called with the object when its new state has been published.
        once: ``up`` has effects: it runs once for each object, whatever happens.
        when: see :class:`When`.
        steps: declarative steps, see :func:`rename` and its like; they run before ``up``.
        renamed_from: what ``target`` was called before.
        on_failure: see :class:`OnFailure`.
        module, file, line: where it is declared.
        is_numbered: its versions stand in the text, and mean the same in each process.
        digest: what it did, for one that was taken out of its text; see ``link/numbering.py``.
    """

    target: str
    frm: int | None
    to: int | None
    module: str
    file: str
    line: int
    once: bool = False
    when: When = When.LAZY
    steps: tuple[TwoWay, ...] = ()
    up: Hook | None = None
    down: Hook | None = None
    after: Callable[[Any], None] | None = None
    renamed_from: str = ""
    on_failure: OnFailure = OnFailure.RAISE
    is_numbered: bool = True
    digest: Any = None

    @property
    def name(self) -> str:
        return getattr(self.up, "__qualname__", "") or "steps"

    @property
    def place(self) -> tuple[str, str | int]:
        """What tells it from others, also when its lines move: a function by its name, a statement by its line."""
        return self.module, self.line if self.up is None or self.name == "_" else self.name

    @property
    def is_reversible(self) -> bool:
        """True where there is a way back for everything that it does."""
        return (self.up is None or self.down is not None) and all(step.is_reversible for step in self.steps)

    def describe(self) -> str:
        versions = f" from {self.frm} to {self.to}" if self.frm is not None else ""
        return f"{self.name} ({self.target}{versions}, {self.file}:{self.line})"


# ---- declarative steps ----


@attrs.frozen
class TwoWay:
    """A step that knows its way back.

    Attributes:
        up, down: change the state; ``down`` is None where there is no way back.
        text: how it was written, for reports.
        is_finished: False for a stub in which a person has still to say something.
    """

    up: Hook
    down: Hook | None
    text: str
    is_finished: bool = True

    @property
    def is_reversible(self) -> bool:
        return self.down is not None


def rename(old: str, new: str) -> TwoWay:
    """The field ``old`` is called ``new`` from now on; the value is the same object."""
    return TwoWay(lambda s: s.update({new: s.pop(old)}), lambda s: s.update({old: s.pop(new)}), f"rename({old!r}, {new!r})")


def add(name: str, default: Any = None, *, factory: Callable[[], Any] | None = None) -> TwoWay:
    """A new field, with an immutable default or a factory that is called for each object; ``...`` stands for a value that a
    person has still to give."""
    if factory is None and type(default) in (list, dict, set, bytearray):
        raise DeclarationError(f"add({name!r}) would give all objects one {type(default).__name__}; pass factory= instead")
    if default is ...:
        return TwoWay(_raise_unfinished, lambda s: s.pop(name, None), f"add({name!r}, ...)", is_finished=False)
    give = factory if factory is not None else lambda: default
    return TwoWay(lambda s: s.setdefault(name, give()), lambda s: s.pop(name, None), f"add({name!r})")


def _raise_unfinished(state: Any) -> None:
    raise DeclarationError("it is not finished: put the value in the place of ...")


def drop(name: str) -> TwoWay:
    """The field goes; it is kept aside, and returns with a rollback."""
    return TwoWay(lambda s: s.pop(name, None), lambda s: None, f"drop({name!r})")


def convert(name: str, up: Callable[[Any], Any], down: Callable[[Any], Any] | None = None) -> TwoWay:
    """The value of a field becomes ``up(value)``; ``down`` gives the old one back."""

    def through(function: Callable[[Any], Any]) -> Hook:
        return lambda s: s.update({name: function(s[name])})

    return TwoWay(through(up), through(down) if down is not None else None, f"convert({name!r})")


def split(
    name: str, into: Iterable[str], up: Callable[[Any], Iterable[Any]], down: Callable[..., Any] | None = None
) -> TwoWay:
    """One field becomes several: ``up(value)`` gives their values in order, ``down(*values)`` the old one."""
    names = tuple(into)

    def part(state: Any) -> None:
        state.update(zip(names, up(state.pop(name)), strict=True))

    def merge(state: Any) -> None:
        assert down is not None
        state[name] = down(*[state.pop(each) for each in names])

    return TwoWay(part, merge if down is not None else None, f"split({name!r}, {names!r})")


def join(
    names: Iterable[str], into: str, up: Callable[..., Any], down: Callable[[Any], Iterable[Any]] | None = None
) -> TwoWay:
    """Several fields become one: ``up(*values)`` gives its value, ``down(value)`` those of the old ones in order."""
    old = tuple(names)

    def merge(state: Any) -> None:
        state[into] = up(*[state.pop(each) for each in old])

    def part(state: Any) -> None:
        assert down is not None
        state.update(zip(old, down(state.pop(into)), strict=True))

    return TwoWay(merge, part if down is not None else None, f"join({old!r}, {into!r})")


# ---- the registry ----

Key = tuple[str, int]


@attrs.define(eq=False)
class Registry:
    """The migrations that count, by class and by the version that they lead from.

    Attributes:
        table: exchanged as a whole by a swap: in one write, with one inverse.
    """

    table: dict[Key, Migration] = attrs.Factory(dict)

    def add(self, migration: Migration) -> None:
        """Take a declaration of the running program; one without numbers leads on from the newest.

        Raises:
            DeclarationError: another definition declares the same step.
        """
        if migration.frm is None:
            known = [m for m in self.of(migration.target).values() if m.place == migration.place]
            migration.frm = known[0].frm if known else self.newest(migration.target)
            migration.to = (migration.frm or 1) + 1
        self.table = {**self.table, **checked(self.table, migration)}

    def of(self, target: str) -> dict[int, Migration]:
        """The migrations of a class by the version that they lead from."""
        return migrations_of(self.table, target)

    def names_of(self, target: str) -> set[str]:
        """All names that a class has and had."""
        return names_of(self.table, target)

    def newest(self, target: str) -> int:
        """The version that the migrations of a class lead to; 1 where there is none."""
        return max(self.of(target), default=0) + 1


def migrations_of(table: Mapping[Key, Migration], target: str) -> dict[int, Migration]:
    """The migrations of one class, by the version that they lead from; also those that name it as it was called before."""
    names = names_of(table, target)
    return {frm: migration for (name, frm), migration in table.items() if name in names}


def names_of(table: Mapping[Key, Migration], target: str) -> set[str]:
    """All names that a class has and had."""
    names = {target}
    before = 0
    while before != (before := len(names)):
        names |= {m.renamed_from for m in table.values() if m.target in names and m.renamed_from}
    return names


def checked(table: Mapping[Key, Migration], migration: Migration) -> dict[Key, Migration]:
    """The entry of a migration that has its numbers.

    Raises:
        DeclarationError: another definition declares the same step.
    """
    assert migration.frm is not None, "a migration is numbered before it is entered"
    known = table.get((migration.target, migration.frm))
    if known is not None and known.place != migration.place:
        raise DeclarationError(
            f"{migration.describe()} and {known.describe()} declare the same step; remove one, or number them in a row"
        )
    return {(migration.target, migration.frm): migration}


REGISTRY = Registry()
#: Told of each migration that the running program declares.
LISTENERS: list[Callable[[Migration], None]] = []
_lock = threading.Lock()
_aside: ContextVar[list[Migration] | None] = ContextVar("hotswap_migrations_aside", default=None)


@contextmanager
def collecting() -> Iterator[list[Migration]]:
    """Where statements are evaluated aside: what they declare is given, and does not count yet."""
    found: list[Migration] = []
    token = _aside.set(found)
    try:
        yield found
    finally:
        _aside.reset(token)


def _declare(migration: Migration) -> None:
    found = _aside.get()
    if found is not None:
        found.append(migration)
        return
    with _lock:
        REGISTRY.add(migration)
    for listener in LISTENERS:
        listener(migration)


@attrs.frozen(eq=False)
class Owner:
    """A structure that holds data, and its lock; see ``convert/owners.py``.

    Attributes:
        target: ``module:name`` of an object, or of a class, which stands for all of its objects.
        lock: the name of an attribute of the structure, ``module:name``, or a function that takes it; None for no lock.
        limit: so many seconds the lock is waited for and what it holds is converted.
        file, line: where it is declared.
    """

    target: str
    lock: str | Callable[[Any], Any] | None
    limit: float
    file: str
    line: int


#: By target.
OWNERS: dict[str, Owner] = {}


def owner(target: type | str, *, lock: str | Callable[[Any], Any] | None = None, limit: float = 5.0) -> None:
    """Declare that what a structure holds is converted whole, while the structure's own lock is held.

    Its dicts and sets are filled anew where their keys get another hash. It counts at once, also for the save that brings it.

    Args:
        target: ``"module:name"`` of the structure, or a class, which stands for all of its objects.
        lock: the name of the attribute that is the lock, ``"module:name"`` of one, or a function that gives the lock of a
            structure. It needs ``acquire(timeout=...)`` and ``release()``.
        limit: seconds until the swap gives up, with nothing changed.

    Raises:
        DeclarationError: the target or the limit makes no sense.
    """
    if limit <= 0:
        raise DeclarationError(f"limit is a number of seconds, not {limit!r}")
    caller = sys._getframe(1)
    name = name_of(target)
    OWNERS[name] = Owner(name, lock, float(limit), caller.f_code.co_filename, caller.f_lineno)


class Attach:
    """``hook.down`` and ``hook.after``: decorators that add a further function to a migration."""

    __slots__ = ("field", "migration")

    def __init__(self, migration: Migration, field: str) -> None:
        self.migration, self.field = migration, field

    def __call__(self, function: _F) -> _F:
        setattr(self.migration, self.field, function)
        return function

    def __repr__(self) -> str:
        return f"<{self.field} of {self.migration.describe()}>"


@overload
def migrate(
    target: type | str, frm: int | None = None, to: int | None = None, *, once: bool = False, when: str = "lazy",
    renamed_from: type | str | None = None, on_failure: str = "raise",
) -> Callable[[_F], _F]: ...  # fmt: skip
@overload
def migrate(
    target: type | str, frm: int | None = None, to: int | None = None, *, once: bool = False, when: str = "lazy",
    steps: Iterable[TwoWay], renamed_from: type | str | None = None, on_failure: str = "raise",
) -> None: ...  # fmt: skip
def migrate(
    target: type | str,
    frm: int | None = None,
    to: int | None = None,
    *,
    once: bool = False,
    when: str = "lazy",
    steps: Iterable[TwoWay] | None = None,
    renamed_from: type | str | None = None,
    on_failure: str = "raise",
) -> Any:
    """Declare how objects of a class become objects of its next version.

    As a decorator it takes a function that gets the state of one object, a private copy, and changes it. With ``steps``
    it is a statement of its own and takes declarative steps, which know their way back.

    Args:
        target: the class, or ``"module:Qualified.Name"``.
        frm: the version that it leads from; by default the one that is live when the migration is saved.
        to: the version that it leads to; by default the next one.
        once: the function has effects (it sends, counts, writes): it runs once for each object.
        when: ``lazy``, ``eager`` or ``on_access``, see :class:`When`.
        steps: :func:`rename`, :func:`add`, :func:`drop`, :func:`convert`, :func:`split`, :func:`join`.
        renamed_from: ``"module:Name"`` that the class had before: the live class gets the new name, with its objects. It is
            read in the text, so it has to be written there as it is, and has to come with the new name in one save.
        on_failure: what an object does that could not be converted: ``raise``, or ``serve_old``, see :class:`OnFailure`.

    Raises:
        DeclarationError: the target or the versions make no sense, or another migration leads from the same version.
    """
    caller = sys._getframe(1)
    migration = Migration(
        target=name_of(target),
        frm=frm,
        to=_next(frm, to),
        is_numbered=frm is not None,
        module=caller.f_globals.get("__name__", ""),
        file=caller.f_code.co_filename,
        line=caller.f_lineno,
        once=once,
        when=_choice(When, "when", when),
        on_failure=_choice(OnFailure, "on_failure", on_failure),
        steps=tuple(steps or ()),
        renamed_from=name_of(renamed_from) if renamed_from is not None else "",
    )
    if steps is not None:
        _declare(migration)
        return None

    def declare(function: Any) -> Any:
        if type(function) is not FunctionType:
            raise DeclarationError(f"migrate takes a plain function, not {function!r}; put it above other decorators")
        if function.__code__.co_flags & (CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR):
            raise DeclarationError(f"{function.__qualname__} changes a state when it is called; it cannot be async or yield")
        migration.up = function
        _declare(migration)
        vars(function).update(down=Attach(migration, "down"), after=Attach(migration, "after"))
        return function

    return declare


def name_of(target: Any) -> str:
    """``module:Qualified.Name`` of a class.

    Raises:
        DeclarationError: the text has no colon, or it is neither a class nor a text.
    """
    if isinstance(target, type):
        return f"{target.__module__}:{target.__qualname__}"
    if not isinstance(target, str) or target.count(":") != 1 or not all(target.split(":")):
        raise DeclarationError(f'migrate takes a class or "module:Name", not {target!r}')
    return target


def find_target(target: str) -> Any:
    """What ``module:Qualified.Name`` means in the modules that are loaded, running no code; None for nothing."""
    module, _, qualname = target.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def _next(frm: int | None, to: int | None) -> int | None:
    if frm is None:
        if to is not None:
            raise DeclarationError(f"a migration to version {to} needs the version that it leads from; give both")
        return None
    if type(frm) is not int or frm < 1 or (to is not None and (type(to) is not int or to != frm + 1)):
        raise DeclarationError(f"versions are counted from 1 in steps of one; {frm!r} to {to!r} is none")
    return frm + 1


def _choice(kind: type[_E], name: str, given: str) -> _E:
    try:
        return kind(given)
    except ValueError:
        raise DeclarationError(f"{name} is one of {', '.join(kind)}, not {given!r}") from None
