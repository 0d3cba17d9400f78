"""Frames that were there before a commit: they go on with their old code, and what they define gets old code, too.

So it is noted what such code is now, through any number of swaps and rollbacks:

    a commit                 frames that run code of an edited file are noted, with the code nested in it; what was noted
                             before is led on. All other nested code is noted, too: between the look at the heap and the
                             commit others may have made functions of it
    the next swap            takes functions of noted code for functions of what that is now
    the frames have ended    functions of their code are looked for once more and led over; then it is noted no more
"""

from __future__ import annotations

import importlib
import sys
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from inspect import CO_NESTED
from itertools import starmap
from types import CodeType, FrameType
from typing import Any

import attrs

from hotswap.collector import nothing_hidden, objects_of, with_subclasses

_interpreters: Any = None  # since 3.12 an interpreter can have an allocator of its own
if sys.version_info >= (3, 12):
    try:
        _interpreters = importlib.import_module("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    except ImportError:
        pass  # built without them

#: The file that a code object carries, and the code object: equal functions of different files have equal code.
Place = tuple[str, CodeType]
#: What each code object of an edited file becomes, by file.
Changes = Mapping[str, Mapping[CodeType, CodeType]]


@attrs.define(eq=False)
class _Entry:
    now: CodeType
    makers: set[Place] = attrs.Factory(set)  # of frames that run it, or make functions of it


@attrs.define(eq=False)
class Outdated:
    """Code that is not that of its text any more, while something may run it or make functions of it.

    Called with ``Engine.lock`` held, but for :meth:`now`.
    """

    _entries: dict[Place, _Entry] = attrs.Factory(dict)
    _suspended: list[weakref.ref[Any]] = attrs.Factory(list)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def now(self, code: CodeType) -> CodeType:
        """What a code object is now; itself where nothing is noted."""
        entry = self._entries.get((code.co_filename, code)) if self._entries else None
        return code if entry is None else entry.now

    def follow(self, changes: Changes, suspended: Iterable[Any]) -> None:
        """Note the frames of before a commit.

        Args:
            changes: what each code object of an edited file is after it, by file.
            suspended: the live generators, coroutines and async generators.
        """
        items = [item for item in suspended if (frame := frame_of(item)) is not None and frame.f_code.co_filename in changes]
        running = {place_of(frame) for _, frame in thread_frames()}
        running.update(place_of(frame) for item in items if (frame := frame_of(item)) is not None)
        for (file, code), entry in list(self._entries.items()):
            if file in changes:
                now = changes[file].get(entry.now)
                if now is None or now == code:  # it is gone, or what it was once more
                    self._entries.pop((file, code), None)
                else:
                    entry.now = now
        for file, pairs in changes.items():
            for old in pairs:
                # Who runs code around another may make functions of it, also where it has only begun after the commit.
                self._note(file, old, [each for each in _nested(old) if each.co_flags & CO_NESTED], pairs)
        for file, code in running:
            if file in changes:
                self._note(file, code, _nested(code), changes[file])
        self.note_suspended(items)

    def _note(self, file: str, maker: CodeType, nested: Iterable[CodeType], pairs: Mapping[CodeType, CodeType]) -> None:
        for each in nested:
            now = pairs.get(each)
            if now is not None and now != each:
                self._entries.setdefault((file, each), _Entry(now)).makers.add((file, maker))

    def note_suspended(self, items: Iterable[Any]) -> None:
        """Generators and the like that have been found alive."""
        known = {id(item): item for ref in self._suspended if frame_of(item := ref()) is not None}
        files = {file for file, _ in self._entries}
        known |= {id(item): item for item in items if (frame := frame_of(item)) and frame.f_code.co_filename in files}
        self._suspended = list(map(weakref.ref, known.values()))

    def ended(self) -> dict[Place, CodeType]:
        """The code that no frame runs or makes any more, with what it is now; nothing while that cannot be told."""
        if has_other_interpreters():
            return {}
        running = {place_of(frame) for _, frame in thread_frames()}
        running.update(place_of(frame) for ref in self._suspended if (frame := frame_of(ref())) is not None)
        return {place: entry.now for place, entry in self._entries.items() if running.isdisjoint(entry.makers)}

    def places(self) -> list[Place]:
        """The code that is noted."""
        return list(self._entries)

    def clear(self) -> None:
        """Note nothing any more."""
        self._entries.clear()
        self._suspended.clear()

    def forget(self, places: Iterable[Place]) -> None:
        """Nothing of some code is left."""
        for place in places:
            self._entries.pop(place, None)


def place_of(frame: FrameType) -> Place:
    return place_of_code(frame.f_code)


def place_of_code(code: CodeType) -> Place:
    return code.co_filename, code


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if type(const) is CodeType:
            yield from _nested(const)


def has_other_interpreters() -> bool:
    """True while there is another interpreter in this process, whose frames must not be asked for."""
    return _interpreters is not None and len(_interpreters.list_all()) > 1


def current_frames() -> dict[int, FrameType]:
    """The innermost frames by thread; of the calling thread alone while there are other interpreters.

    ``sys._current_frames()`` makes frame objects for the threads of all interpreters, with the memory of the one that calls:
    an interpreter with an allocator of its own crashes when its frame ends. Accepted race: one that another thread makes
    between the question and the call has hardly begun to run.
    """
    if has_other_interpreters():
        return {threading.get_ident(): sys._getframe(1)}
    return sys._current_frames()


def thread_frames(besides: Collection[int] = ()) -> Iterator[tuple[str, FrameType]]:
    """The frames on the stacks of all threads, with the name of the thread, and those on the stacks of suspended greenlets.

    Args:
        besides: numbers of threads that are left out.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        ("a suspended greenlet" if i is None else f"thread {names.get(i, i)}", top) for i, top in _stacks() if i not in besides
    ]
    # This frame is among them: as long as it refers to one of them it is a cycle through itself, and those that called it
    # would keep the whole plan for the collector. At the end of the loop it refers to none.
    frame: FrameType | None
    while stacks:
        who, frame = stacks.pop()
        while frame is not None:
            yield who, frame
            frame = frame.f_back


def stack_tops() -> list[FrameType | None]:
    """The innermost frame of each thread and of each suspended greenlet; the caller empties the list, see above."""
    return [top for _, top in _stacks()]


def _stacks() -> list[tuple[int | None, FrameType]]:
    """The innermost frame of each thread, with its number, and of each suspended greenlet.

    What gevent and eventlet run are greenlets, and so is what SQLAlchemy runs under asyncio. Each has a stack of its own, and
    the thread has that of the one that runs. All are asked in one instant: one that another thread switches to in between would
    be neither suspended nor running.
    """
    kind = getattr(sys.modules.get("greenlet"), "greenlet", None)
    if not isinstance(kind, type):
        return list(current_frames().items())
    alone: list[list[tuple[int | None, FrameType]]] = [[*current_frames().items()]]
    if not _have_greenlets():  # asked afterwards: one that was suspended in between would be in neither
        return alone.pop()  # taken out of what this frame refers to: it is in it
    alone.clear()
    found: list[Any] = []
    tops: list[FrameType | None] = []
    threads: list[dict[int, FrameType]] = []
    of_threads = current_frames if has_other_interpreters() else sys._current_frames
    asking = map(vars(kind)["gr_frame"].__get__, found)  # past what a subclass says
    with nothing_hidden():
        objects_of(
            with_subclasses(kind), (tops.extend, asking), (threads.extend, starmap(of_threads, [()])), found=found
        )
    return [*threads.pop().items(), *((None, top) for top in tops if top is not None)]


def _have_greenlets() -> bool:
    """False where no thread has ever used one: many programs load the library, as SQLAlchemy does, and use none."""
    count = getattr(sys.modules.get("greenlet._greenlet"), "get_total_main_greenlets", None)  # since greenlet 2.0
    return count is None or count() > 0


def frame_of(item: Any) -> FrameType | None:
    """The frame of a generator, coroutine or async generator; None where it has ended."""
    found = (getattr(item, name, None) for name in ("gi_frame", "cr_frame", "ag_frame"))
    return next((frame for frame in found if frame is not None), None)
