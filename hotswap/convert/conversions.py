"""Objects that wait for their conversion, and the one way to convert them.

``pending`` holds each old object with its place in the row of leaps of its class, by id; it holds the object, so no id is
given again, and an object that is not in it is converted or was made by the new code. One call in C takes an object out
and writes its state: no thread sees one without the other, and who comes second takes nothing out and writes nothing.

    thread A            thread B             what happens
    reads, runs hook    reads, runs hook     both work on copies; the second to publish finds nothing to take out
    publishes           between read and     B sees that the entry is gone, and its result or its error does not count
                        publication
    publishes           about to write       B's write asks the barrier first, so it lands on the new state
    commits a swap      publishes            the epoch is over, so B's result does not count: it begins anew, with more leaps
    commits a swap      is in a hook that    neither does B's error, for the same reason
                        goes with it

No lock is held while hooks run, and nobody waits for another thread, but for hooks that may run only once, and that wait
ends. So hooks that need each other's objects, or a lock of the program, cannot block each other.
"""

from __future__ import annotations

import gc
import itertools
import operator
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import starmap
from threading import get_ident
from types import CodeType
from typing import Any

import attrs

from hotswap.collector import COLLECTS_WITHIN_CALLS, consume, held_by_program
from hotswap.commit import NOTHING, Call, Write
from hotswap.convert.copies import Copies
from hotswap.convert.leap import HookError, Leap, Step, cancel, failed
from hotswap.convert.old import OldClass
from hotswap.convert.quick import Quick, compile_quick, is_simple
from hotswap.convert.route import Progress, Route
from hotswap.convert.state import Layout, PlaceError, State
from hotswap.errors import MigrationError
from hotswap.frames import stack_tops
from hotswap.peek import reader_of

#: So long an access waits for a hook that may run only once and runs in another thread.
ONCE_LIMIT = 5.0
#: So long an access waits for a swap to enter the objects that it has listed; a million take a fraction of a second.
SETTLE_LIMIT = 30.0
#: So many seconds after a commit an object without any field is taken for one that is being made.
YOUNG = 5.0
#: So often the hooks of an object run again, as others change its containers meanwhile.
CLASH_LIMIT = 100
#: References to a dict that one object alone has: its own, a name's, and one of the call that counts them.
ALONE = 3
#: Functions in which an object is being made.
_MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__attrs_init__", "__attrs_post_init__", "__setstate__"})


class ClashError(Exception):
    """Others changed what was to be published."""


@attrs.frozen(eq=False)
class Failure:
    """Why an object is not converted; it is tried again after the next swap, or when somebody asks for it.

    Attributes:
        old: serves the object meanwhile; None where each access raises.
        step: whose migration has failed; None where it was something else.
    """

    message: str
    cause: BaseException | None
    old: OldClass | None = None
    step: Step | None = None


@attrs.define(eq=False)
class Conversions:
    """All objects that wait.

    Attributes:
        pending: by id: the object, and the index of the first leap that it needs.
        leaps: the row of leaps of each class, oldest first.
        failures: by id of the object.
        entered: how many objects of a class have been entered since its row began.
        unsettled: not empty from a commit until its objects are in ``pending``.
        epoch: what was worked out before a commit must not be published after it.
    """

    pending: dict[int, tuple[Any, int]] = attrs.Factory(dict)
    leaps: dict[type, list[Leap]] = attrs.Factory(dict)
    failures: dict[int, Failure] = attrs.Factory(dict)
    entered: Counter[type] = attrs.Factory(Counter)
    began: dict[type, float] = attrs.Factory(dict)  # time.perf_counter() of the last leap in the row
    unsettled: list[Any] = attrs.Factory(list)
    telling: set[tuple[int, int]] = attrs.Factory(set)  # thread and id of objects whose hooks are being told of it
    epoch: dict[int, bool] = attrs.Factory(lambda: {0: True})  # holds the number of the present one; emptied by a commit
    _layouts: dict[type, Layout] = attrs.Factory(dict)
    _names: dict[type, tuple[str, ...]] = attrs.Factory(dict)  # that objects may have had before a commit
    _sure: dict[type, frozenset[str]] = attrs.Factory(dict)  # those that the class had before each commit
    _held: dict[type, set[int]] = attrs.Factory(dict)  # ids of objects without any field that containers of the program hold
    _looking: Any = attrs.Factory(threading.RLock)  # innermost; a finaliser may come back to it
    _settled: threading.Event = attrs.Factory(threading.Event)
    _settler: int = 0
    running: dict[int, Any] = attrs.Factory(dict)  # by thread: the object whose hooks run, and the same for those around it
    _routes: dict[type, dict[int, Route]] = attrs.Factory(dict)
    _claims: dict[int, tuple[int, threading.Event]] = attrs.Factory(dict)
    progress: dict[int, Progress] = attrs.Factory(dict)
    quick: dict[type, Quick] = attrs.Factory(dict)  # by exact class: the way for what needs its last leap
    _swept: dict[type, Quick] = attrs.Factory(dict)  # the same, for classes whose objects the sweep converts
    clashes: dict[int, int] = attrs.Factory(dict)  # how often others changed a container of an object while hooks ran
    unmade: dict[int, Any] = attrs.Factory(dict)  # objects whose old __init__ runs
    _shared: dict[int, tuple[Any, Leap | None]] = attrs.Factory(dict)  # by id: dicts that others hold, too, with their last leap
    _alone: dict[int, bool] = attrs.Factory(dict)  # by id: those of them that nobody has changed since they were read
    _fresh_codes: frozenset[CodeType] = frozenset()
    _number: int = 0
    _numbers: Iterator[int] = attrs.Factory(lambda: itertools.count(1))
    is_epoch: Callable[[int], bool] = attrs.field(init=False)
    take_out: Callable[[int], None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.is_epoch, self.take_out = self.epoch.__getitem__, self.pending.__delitem__

    # ---- taking objects in ----

    def begin(self, classes: Iterable[type]) -> None:
        """Before a commit: the barrier that it puts up lets nobody through until :meth:`settle`."""
        for cls in classes:
            self._layouts.pop(cls, None)
            now = reader_of(cls).candidates()
            self._names[cls] = tuple(dict.fromkeys((*now, *self._names.get(cls, ()))))
            self._sure[cls] = self._sure.get(cls, frozenset(now)).intersection(now)
        self._routes = {}
        self._settled.clear()
        self._settler = get_ident()
        self.unsettled.append(True)

    def settle(
        self, items: list[Any], leaps: dict[type, Leap], fresh_codes: frozenset[CodeType], further: dict[type, Leap]
    ) -> None:  # fmt: skip
        """After a commit: enter its objects, and let everybody through.

        Args:
            items: those that were listed in the instant of the commit.
            leaps: what they need, by class.
            fresh_codes: code objects that the commit has put in place.
            further: for classes whose objects wait already, what these need after that.
        """
        try:
            places = {}
            for cls, leap in leaps.items():
                row = self.leaps.setdefault(cls, [])
                places[cls] = len(row)
                self.began[cls] = time.perf_counter()
                row.append(leap)
            for cls, leap in further.items():
                if cls in self.leaps:
                    self.leaps[cls].append(leap)
            pending, known = self.pending, bool(self.pending)
            for start in range(0, len(items), 5000):  # in slices: other threads run in between
                part = items[start : start + 5000]
                if known:
                    part = [item for item in part if id(item) not in pending]
                self.entered.update(map(type, part))
                pending.update(zip(map(id, part), zip(part, map(places.__getitem__, map(type, part)), strict=True), strict=True))
            self._forgive(leaps)
            self._note_unmade(leaps, fresh_codes)
        finally:
            self.release()

    def release(self) -> None:
        """Let everybody through, in a new epoch.

        The tables are exchanged and not emptied: who works one entry out just now from what was before puts it into the old
        table. And they are before the number is, so that who reads the new number finds the new tables.
        """
        self._routes, self._layouts, self.quick, self._swept, self._held = {}, {}, {}, {}, {}
        self._number = next(self._numbers)
        self.epoch.clear()
        self.epoch[self._number] = True
        self.unsettled.clear()
        self._settler = 0
        self._settled.set()

    def _forgive(self, leaps: dict[type, Leap]) -> None:
        """Objects whose way back failed are what they have to be, where the same is done once more."""
        for key in list(self.failures):
            entry = self.pending.get(key)
            leap = leaps.get(type(entry[0])) if entry is not None else None
            if entry is not None and leap is not None and self.leaps[type(entry[0])][entry[1]] is leap.redoes:
                self._drop(key)
                self.failures.pop(key)

    def looking_anew(self) -> list[Write]:
        """What lets hooks be looked up once more from a commit on, in a new epoch: those of before may be taken away by it."""
        ways: list[list[Call]] = []
        for number in (next(self._numbers), next(self._numbers)):  # one for the way there, one for the way back
            begin: list[Call] = [(setattr, self, "_number", number), (self.epoch.clear,), (self.epoch.__setitem__, number, True)]
            ways.append([(setattr, self, name, {}) for name in ("_routes", "quick", "_swept")] + begin)
        there, back = ways
        return [*(Write(call, NOTHING) for call in there), *(Write(NOTHING, call) for call in reversed(back))]

    def _note_unmade(self, leaps: dict[type, Leap], fresh_codes: frozenset[CodeType]) -> None:
        self._fresh_codes = fresh_codes
        for code, item in _find_makers(set(leaps)):
            if id(item) in self.pending:
                if code in fresh_codes:  # the new code makes it, so it needs nothing
                    self._drop(id(item))
                else:
                    self.unmade[id(item)] = item

    # ---- one object ----

    def convert(self, item: Any) -> OldClass | None:
        """Make an object what its class is now. Called at each access while the object may have to be converted.

        Returns:
            What stands in for the class where the object cannot be converted and is served as before; else None.

        Raises:
            MigrationError: a hook failed, or cannot be waited for; the object is as it was.
        """
        if (quick := self.quick.get(type(item))) is not None and quick(item):
            return None
        if self.unsettled:
            self._wait(item)
        key = id(item)
        if self.running and (running := self.running.get(get_ident())) is not None:
            if running[0] is item:
                return None  # its own hook looks at it, and sees it as it was
            while running is not None:
                if running[0] is item:
                    raise self._error(item, "its migration needs an object whose migration needs it")
                running = running[1]
        if self.unmade and key in self.unmade and self._is_unmade(item):
            return None
        while (entry := self.pending.get(key)) is not None:
            if self.failures and (failure := self.failures.get(key)) is not None:
                if failure.old is not None:
                    return failure.old
                raise MigrationError(failure.message) from failure.cause
            epoch = self._number
            try:
                route = self._routes[type(item)][entry[1]]
            except KeyError:
                if (found := self._route(type(item), entry[1])) is None:
                    assert self.pending.get(key) is not entry, "a class is forgotten when nothing of it waits"
                    continue  # converted by another thread, and forgotten by the sweep
                route = found
            if route.is_once:
                if not self._claim(key, item):
                    continue
                try:
                    goes_on = self._convert(item, key, entry, route, epoch)
                finally:
                    self._claims.pop(key)[1].set()
            else:
                goes_on = self._convert(item, key, entry, route, epoch)
            if not goes_on:
                return None
            if self.unsettled:
                self._wait(item)
        return None

    def give(self, item: Any, state: State) -> None:
        """Let an object have a state that is known, instead of what its migrations make of it, or the sweep has made just now."""
        if id(item) in self.pending:
            self.progress[id(item)] = Progress(item, None, len(self.leaps[type(item)]), state, None)
            self.convert(item)
        layout = self._layouts.get(type(item)) or self._layout(type(item))
        now, own = layout.read(item)
        layout.check(state, state)
        consume(starmap(operator.call, layout.write(item, own, now, state)))

    def restore(self, item: Any) -> None:
        """Somebody is about to give an object the state of another: a bare one needs nothing, as that state is upgraded."""
        if self.unsettled:
            self._wait(item)
        layout = self._layouts.get(type(item)) or self._layout(type(item))
        if id(item) in self.pending and layout.upgrades and not layout.read(item)[0]:
            self._drop(id(item))
        else:
            self.convert(item)

    def _convert(self, item: Any, key: int, entry: tuple[Any, int], route: Route, epoch: int) -> bool:
        """Read, run the hooks, publish. False where the object has to be left as it is."""
        progress: Progress | None = None
        guards: Sequence[Call] = ()  # raise where something is not as it was read
        calls: Sequence[Call] = ()
        notes: Sequence[Call] = ()
        quick_ways = self.quick  # of this epoch, see release()
        thread = get_ident()
        outer = self.running.get(thread)
        self.running[thread] = (item, outer)
        try:
            layout = route.layout
            state, own = layout.read(item)
            if self.pending.get(key) is not entry:
                return True  # what was read may be of two versions
            if not state and route.has_fields:
                if self._is_young(item, layout):
                    self._note_maker(item)
                    return False  # it is about to get its state, from ``__init__``, ``copy`` or ``pickle``
                state, own = layout.read(item)  # that may have come while this was found out
                if self.pending.get(key) is not entry:
                    return True
            if own is not None and sys.getrefcount(own) > ALONE:
                self._alone.setdefault(id(own), True)
                row = self.leaps[type(item)]
                done = self._shared.get(id(own), (own, None))[1]
                if done in row[entry[1] :]:
                    return self._follow(item, key, row.index(done) + 1)
                state, own = layout.read(item)
                guards = [(self._alone.__delitem__, id(own))]
                notes = [(self._shared.__setitem__, id(own), (own, row[-1]))]
            before = dict(state)
            copies = None if layout.is_flat(before) or not route.leaps else Copies.of(state)
            lost: Sequence[tuple[Leap, dict[str, Any]]] = ()
            if route.hooks is None or key in self.progress:
                progress = self.progress.get(key) or Progress(item, before, entry[1], state, copies)
                if not (progress.has_clashed or _is_as_read(before, progress.read)):
                    raise ClashError
                progress.run(self.leaps[type(item)], item)
                state, copies, lost = progress.state, progress.copies, progress.lost
            else:
                route.run(state)
                if names := before.keys() - state.keys():
                    lost = [(route.leaps[0], {name: before[name] for name in names})]
            if not layout.fit.issuperset(state):
                layout.check(before, state)
            if copies is not None:
                [after, *kept], held, calls = copies.put_back([state, *(fields for _, fields in lost)])
                guards = [*(held if progress is None or not progress.has_clashed else ()), *guards]
                lost = [(leap, fields) for (leap, _), fields in zip(lost, kept, strict=True)]
            else:
                after = state
            own_calls = [*layout.write(item, own, before, after), *notes]
        except Exception as error:  # noqa: BLE001 - border to hooks and hashes of the program: the object is as it was
            if self.pending.get(key) is entry:
                if progress is not None and progress.is_kept:
                    self.progress[key] = progress
                if isinstance(error, ClashError):
                    self._note_clash(item, key, progress, route, epoch)
                else:
                    self.fail(item, key, error, route, epoch)
            return True
        finally:
            if outer is None:
                del self.running[thread]
            else:
                self.running[thread] = outer
        for leap, fields in lost:
            leap.aside.put(item, fields)
        if route.tells:
            self.telling.add((thread, key))

        def undo() -> list[Call]:
            return [*layout.write(item, own, after, before), *(copies.undoing() if copies is not None else ())]

        if not self.publish(item, key, entry, epoch, route, guards, [*calls, *own_calls], undo):
            self.telling.discard((thread, key))
            if self.pending.get(key) is entry and key not in self.failures:  # a swap was, or a container has changed
                if progress is not None and progress.is_kept:
                    self.progress[key] = progress
                if epoch in self.epoch:
                    self._note_clash(item, key, progress, route, epoch)
            return True  # what comes next is worked out anew
        self.clashes.pop(key, None)
        self.progress.pop(key, None)
        if type(item) not in quick_ways and is_simple(route) and entry[1] == len(self.leaps.get(type(item), ())) - 1:
            self._compile(quick_ways, route, entry[1], epoch, after)
        if route.tells:
            try:
                for leap in route.leaps:
                    leap.published(item)
            finally:
                self.telling.discard((thread, key))
        return True

    def _follow(self, item: Any, key: int, place: int) -> bool:
        """Another object has the same dict, and has come to a place in the row already."""
        if place < len(self.leaps[type(item)]):
            self.pending[key] = (item, place)
            return True
        self._drop(key)
        return False

    def _drop(self, key: int) -> None:
        """An object needs nothing any more."""
        for table in (self.progress, self.unmade, self.clashes, self.pending):
            table.pop(key, None)

    def publish(
        self, item: Any, key: int, entry: tuple[Any, int], epoch: int, route: Route,
        guards: Sequence[Call], calls: Sequence[Call], undo: Callable[[], list[Call]],
    ) -> bool:  # fmt: skip
        """Take an object out and write its state, if nothing has happened since that was worked out; True where it is done.

        A row of calls in C: nobody sees an object that is taken out and not yet written, or written and not yet out. The
        caller holds what it drops, so no finaliser runs in between.
        """
        quiet = COLLECTS_WITHIN_CALLS and gc.isenabled()
        around: tuple[list[Call], list[Call]] = ([(gc.disable,)], [(gc.enable,)]) if quiet else ([], [])
        doing = iter((*around[0], (self.is_epoch, epoch), *guards, (self.take_out, key), *calls, *around[1]))
        try:
            consume(starmap(operator.call, doing))
        except Exception as error:  # noqa: BLE001 - which call it was decides: a check, the one that takes out, or one that writes
            if quiet:
                gc.enable()
            if operator.length_hint(doing) < len(calls) + len(around[1]):
                self.put_back(entry, undo(), error, route)
            return False
        return True

    def _compile(self, table: dict[type, Quick], route: Route, place: int, epoch: int, after: Mapping[str, Any]) -> None:
        """From now on objects like one that was converted go the quick way."""
        cls = route.layout.cls
        if epoch in self.epoch and (quick := compile_quick(self, route, place, epoch, after)) is not None:
            swept = self._swept
            table[cls] = quick
            if not route.waits and table is self.quick:
                swept[cls] = quick

    def put_back(self, entry: tuple[Any, int], calls: Iterable[Call], error: Exception, route: Route) -> None:
        """Publishing an object has failed half way, which nothing that is foreseen does: memory is short."""
        for call in calls:
            with suppress(AttributeError):  # it is not there yet
                operator.call(*call)
        self.pending[id(entry[0])] = entry
        self.fail(entry[0], id(entry[0]), error, route, self._number)

    def _note_clash(self, item: Any, key: int, progress: Progress | None, route: Route, epoch: int) -> None:
        """Others changed a container that the hooks changed: these run again, some times."""
        self.clashes[key] = self.clashes.get(key, 0) + 1
        what = "it, or a container in it, was changed by others while its migration ran"
        if progress is not None and progress.is_kept:
            progress.has_clashed = True
            why = f"{what}, which runs only once; hotswap.retry() publishes what the migration made, without these changes"
            self.fail(item, key, ClashError(why), route, epoch)
        elif self.clashes[key] >= CLASH_LIMIT:
            del self.clashes[key]
            self.fail(item, key, ClashError(f"{what}, {CLASH_LIMIT} times; hotswap.retry() tries it again"), route, epoch)

    def _route(self, cls: type, at: int) -> Route | None:
        """What objects of a class need from a place on, worked out once an epoch; None where nothing of the class waits."""
        table = self._routes  # before the row is read, see release()
        if (row := self.leaps.get(cls)) is None:
            return None
        route = Route.of(cancel(row[at:]), self._layouts.get(cls) or self._layout(cls))
        table.setdefault(cls, {})[at] = route
        return route

    def sweep(self, keys: Iterable[int]) -> int:
        """Convert objects that nobody accesses, but for those that wait for it or have failed; gives how many were tried."""
        pending, failures, swept = self.pending, self.failures, self._swept
        tried = 0
        for key in keys:
            if (entry := pending.get(key)) is None or key in failures:
                continue
            item, epoch = entry[0], self._number
            try:
                if (quick := swept.get(type(item))) is None or not quick(item):
                    route = self._routes.get(type(item), {}).get(entry[1]) or self._route(type(item), entry[1])
                    if route is None or route.waits:
                        continue
                    self.convert(item)
                    swept = self._swept
            except MigrationError:
                pass  # it is noted, and raised at the next access
            except BaseException as error:  # noqa: BLE001 - border to hooks of the program: the sweep goes on with the others
                self._note_other(item, error, epoch)
            tried += 1
        return tried

    def _is_young(self, item: Any, layout: Layout) -> bool:
        """True while an object without any field may be one that is just being made: nobody but a frame has it. Objects
        that get their states by code of the program may be put somewhere before."""
        cls = type(item)
        if time.perf_counter() - self.began.get(cls, 0.0) >= YOUNG:
            return False
        if not layout.upgrades:
            return True
        table = self._held  # of this epoch, see release()
        with self._looking:  # or the lists of one thread would be holders for another
            if cls not in table:
                bare = [each for each, _ in list(self.pending.values()) if type(each) is cls and len(gc.get_referents(each)) == 1]
                table[cls] = held_by_program(bare, (self.pending, self.unmade, self.running))
                bare.clear()
        return id(item) not in table[cls]

    def _layout(self, cls: type) -> Layout:
        table = self._layouts
        lost = {name for leap in self.leaps.get(cls, ()) for name in leap.lost}
        found = table[cls] = Layout(cls, self._names.get(cls, ()), lost, self._sure.get(cls))
        return found

    def fail_hook(
        self, item: Any, key: int, entry: tuple[Any, int], route: Route, epoch: int, at: int | None, error: Exception
    ) -> None:  # fmt: skip
        """Note that one of the hooks of a route has raised, unless another thread has published the object.

        Args:
            at: which one; None for the factory of a default.
        """
        if self.pending.get(key) is not entry:
            return
        told = error
        if at is not None and route.hooks is not None:
            _, step, text = route.hooks[at]
            told = failed(step, text, error)
            told.__cause__ = error
        self.fail(item, key, told, route, epoch)

    def fail(self, item: Any, key: int, error: BaseException, route: Route, epoch: int) -> None:
        """Note why an object could not be converted: a hook raised, or its state cannot be read, copied, or written."""
        old = next((leap.old for leap in route.leaps if leap.old is not None), None)
        if isinstance(error, PlaceError) and (steps := [step for leap in route.leaps for step in leap.steps]):
            error = HookError(steps[-1], str(error))
        if isinstance(error, HookError):
            step, cause = error.step, error.__cause__
            frm, to = (step.frm, step.to) if error.is_forth else (step.to, step.frm)
            way = "" if error.is_forth else "the way back of "
            place = _place(step.migration.file, step.migration.line, cause)
            remedy = "mend the migration and save it" if error.is_forth else "save the version with the migration again, mended"
            message = (
                f"{step.name} object at {id(item):#x} stays at version {frm}: its migration to {to}, {way}{step.migration.name} "
                f"({place}), {error}; {remedy}, or call hotswap.retry()"
            )
            self._note(key, Failure(message, cause, old, step), epoch)
        else:
            self._note_other(item, error, epoch, old)

    def _note_other(self, item: Any, error: BaseException, epoch: int, old: OldClass | None = None) -> None:
        """Something else than a hook raised while an object was converted: another thread that changed what was read, a hash."""
        why = f"{type(error).__name__}: {error}; hotswap.retry() tries it again"
        why = str(error) if isinstance(error, ClashError) else why
        self._note(id(item), Failure(str(self._error(item, why)), error, old), epoch)

    def _note(self, key: int, failure: Failure, epoch: int) -> None:
        """Note a failure of an object that waits, unless a swap was committed since its conversion began: its hooks are others
        now, and those of before may have been taken away while they were called. In one call in C, as a result is published."""
        noting = ((self.is_epoch, epoch), (self.pending.__getitem__, key), (self.failures.__setitem__, key, failure))
        with suppress(KeyError):
            consume(starmap(operator.call, noting))

    def _error(self, item: Any, why: str) -> MigrationError:
        cls = type(item)
        return MigrationError(f"{cls.__module__}.{cls.__qualname__} object at {id(item):#x} cannot be converted: {why}")

    # ---- who waits ----

    def _claim(self, key: int, item: Any) -> bool:
        """True where this thread may run hooks that may run only once; else it has waited for the one that does."""
        thread = get_ident()
        owner, done = self._claims.setdefault(key, (thread, threading.Event()))
        if owner == thread:
            return True
        if not done.wait(ONCE_LIMIT):
            raise self._error(item, f"a migration that runs once for it has been running elsewhere for {ONCE_LIMIT:g} s")
        return False

    def _wait(self, item: Any) -> None:
        """Until the objects of a commit are entered nobody can tell old from new."""
        if self._settler == get_ident():
            return  # a finaliser or a signal handler of the thread that enters them
        if not self._settled.wait(SETTLE_LIMIT):
            raise self._error(item, f"the swap that changed its class has been listing objects for {SETTLE_LIMIT:g} s")

    def _note_maker(self, item: Any) -> None:
        """An object was made before a commit, and what gives it its state may have begun after it."""
        code = next((code for code, other in _find_makers({type(item)}) if other is item), None)
        if code in self._fresh_codes:
            self._drop(id(item))
        elif code is not None:
            self.unmade[id(item)] = item

    def _is_unmade(self, item: Any) -> bool:
        """True while a frame makes the object that has begun before the commit."""
        for code, other in _find_makers({type(item)}):
            if other is item:
                if code in self._fresh_codes:
                    self._drop(id(item))
                    break
                return True
        self.unmade.pop(id(item), None)
        return False

    # ---- looking ----

    def left(self) -> Counter[type]:
        """How many objects wait, by exact class."""
        return Counter(type(item) for item, _ in list(self.pending.values()))

    def position(self, item: Any) -> int | None:
        """The index of the first leap that an object needs; None for an object that needs none."""
        entry = self.pending.get(id(item))
        return entry[1] if entry is not None and entry[0] is item else None

    def is_running(self) -> bool:
        """True in a hook."""
        return get_ident() in self.running

    def is_telling(self) -> bool:
        """True while another thread tells hooks of an object that it has published."""
        return any(thread != get_ident() for thread, _ in self.telling.copy())

    def retry(self, classes: Callable[[type], bool] = lambda cls: True) -> int:
        """Let objects be tried again that could not be converted; gives how many."""
        found = [key for key in list(self.failures) if (e := self.pending.get(key)) is not None and classes(type(e[0]))]
        for key in found:
            self.failures.pop(key, None)
        return len(found)

    def forget_threads(self) -> None:
        """The other threads are gone, and what they had begun."""
        self.telling.clear()
        self._looking = threading.RLock()
        mine = self.running.get(get_ident())
        self.running.clear()
        if mine is not None:
            self.running[get_ident()] = mine
        self._claims = {key: claim for key, claim in self._claims.items() if claim[0] == get_ident()}

    def forget(self, cls: type) -> None:
        """Nothing of a class waits any more."""
        self.leaps.pop(cls, None)
        self.entered.pop(cls, None)
        self.began.pop(cls, None)
        self._routes.pop(cls, None)
        self.quick.pop(cls, None)
        self._swept.pop(cls, None)
        self._names.pop(cls, None)
        self._sure.pop(cls, None)
        self._layouts.pop(cls, None)
        if not self.leaps:
            for table in (self._shared, self._alone, self.unmade, self.clashes):
                table.clear()


def _is_as_read(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    return before is None or (now.keys() == before.keys() and all(now[name] is value for name, value in before.items()))


def _place(file: str, line: int, cause: BaseException | None) -> str:
    """Where a hook raised, or where it is declared."""
    tb = cause.__traceback__ if cause is not None else None
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == file:
            line = tb.tb_lineno
        tb = tb.tb_next
    return f"{file}:{line}"


def _find_makers(classes: set[type]) -> list[tuple[CodeType, Any]]:
    """The frames that make objects of some classes, with the object; innermost first."""
    found = []
    frames = stack_tops()
    while frames:  # emptied, and no name left on a frame: one that leads to its own frame would be left to the collector
        if (frame := frames.pop()) is not None:
            code = frame.f_code
            if code.co_name in _MAKERS:
                found += [(code, value) for value in list(frame.f_locals.values()) if type(value) in classes]
            frames.append(frame.f_back)
    frame = None
    return found
