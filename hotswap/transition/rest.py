"""Whether the program is at rest: no stack holds a function that changes.

Looked at twice. First patiently, in Python, so that a person can be told whom a change waits for. Then once more inside of the
commit, as its first write, in one row of calls in C: whoever has come in between makes that write fail, and nothing is written.

    stacks of threads                    followed from the innermost frame outwards; threads at a safe point are left out
    suspended coroutines, generators     the collector lists them, where a function that changes is of such a kind
    suspended greenlets                  the collector lists them, where the library is loaded

The list of frames is walked while it grows, which an iterator over a list does, so all stacks are followed without a loop in
Python.
"""

from __future__ import annotations

import gc
import operator
import sys
from collections.abc import Callable, Collection, Iterator
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import chain, compress, repeat, starmap
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

import attrs

from hotswap.collector import consume, hidden_objects, nothing_hidden, objects_of, with_subclasses
from hotswap.commit import NOTHING, Write
from hotswap.frames import Place, frame_of, thread_frames
from hotswap.requests.gate import Visit

#: The write that fails where somebody is in what changes.
AT_WORK = "somebody is at work"
_SUSPENDS = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_KINDS: tuple[tuple[type, str], ...] = (
    (GeneratorType, "gi_frame"),
    (CoroutineType, "cr_frame"),
    (AsyncGeneratorType, "ag_frame"),
)


@attrs.frozen(kw_only=True)
class Blocker:
    """Somebody for whom a change waits.

    Attributes:
        who: a thread, a task, a unit of work, with its name.
        where: the function.
        file, line: where it is.
    """

    who: str
    where: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.where} ({self.file}:{self.line})" if self.where else ""
        return f"{self.who} is in {place}" if place else self.who


# ---- told to a person ----


def find_blockers(is_changed: Callable[[CodeType], bool], parked: Collection[int], *, suspends: bool = True) -> list[Blocker]:
    """Who has a frame of what changes.

    Args:
        is_changed: tells it of a code object.
        parked: threads that stay at a safe point.
        suspends: whether suspended frames are looked for, too, which takes a pass over the heap.
    """
    found = [_blocker(who, frame) for who, frame in thread_frames(parked) if is_changed(frame.f_code)]
    if suspends:
        running = {id(frame) for _, frame in thread_frames()}
        with nothing_hidden():
            items = objects_of([kind for kind, _ in _KINDS])
        waiting = [(item, frame) for item in items if (frame := frame_of(item)) is not None and id(frame) not in running]
        hits = [(item, frame) for item, frame in waiting if is_changed(frame.f_code)]
        names = _name_tasks() if hits else {}
        for item, frame in hits:
            kind = f"a suspended {type(item).__name__.replace('_', ' ')}"
            found.append(_blocker(f"task {names[id(item)]}" if id(item) in names else kind, frame))
        waiting.clear()
        hits.clear()
    return list(dict.fromkeys(found))


def describe_unit(visit: Visit) -> Blocker:
    """A unit of work that has not ended, with the place where it is."""
    task = visit.carrier() if visit.carrier is not None else None
    work = task.get_coro() if task is not None else None
    # One that runs just now is on the stack of its thread.
    frames = [frame for item in _awaited(work) if (frame := frame_of(item))] if not getattr(work, "cr_running", False) else []
    if not frames:
        frame = sys._current_frames().get(visit.thread)
        frames = list(_outwards(frame))[::-1]
    own = [frame for frame in frames if not _is_of_python(frame)] or frames
    if not own:
        return Blocker(who=str(visit))
    return _blocker(str(visit), own[-1])


def _blocker(who: str, frame: FrameType) -> Blocker:
    code = frame.f_code
    module = frame.f_globals.get("__name__", "")
    line = frame.f_lineno or code.co_firstlineno
    return Blocker(who=who, where=f"{module}.{code.co_qualname}", file=code.co_filename, line=line)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_of_python(frame: FrameType) -> bool:
    """True for frames of the standard library, which name no place of the program."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in sys.stdlib_module_names - {"__main__"}


def _awaited(item: Any) -> Iterator[Any]:
    """A coroutine and what it waits for, inwards."""
    while item is not None:
        yield item
        names = ("cr_await", "gi_yieldfrom", "ag_await")
        item = next((held for name in names if (held := getattr(item, name, None)) is not None), None)


def _name_tasks() -> dict[int, str]:
    """The names of asyncio tasks, by the id of each coroutine that one of them is in."""
    asyncio = sys.modules.get("asyncio")
    kind = getattr(asyncio, "Task", None)
    if not isinstance(kind, type):
        return {}
    tasks = objects_of(with_subclasses(kind))
    return {id(item): task.get_name() for task in tasks if not task.done() for item in _awaited(task.get_coro())}


# ---- inside of the commit ----


@attrs.define(eq=False)
class Guard:
    """The look at all stacks as a write.

    Attributes:
        changed: code that must not be on a stack. Compared by value, with its file: the text is compiled anew.
        parked: threads that stay at a safe point.
    """

    changed: Collection[Place]
    parked: Collection[int] = ()
    _stacks: list[dict[int, FrameType]] = attrs.field(factory=list, init=False)
    _frames: list[Any] = attrs.field(factory=list, init=False)
    _lists: list[list[Any]] = attrs.field(factory=list, init=False)
    _thawed: bool = attrs.field(default=False, init=False)

    def write(self) -> Write:
        """What fails, as the first write of a commit, where the program is not at rest."""
        frames, changed = self._frames, set(self.changed)
        tops = chain.from_iterable(map(dict.values, self._stacks))
        threads = map(operator.getitem, repeat(self._stacks), [0] * len(self.parked))
        codes = map(operator.attrgetter("f_code.co_filename", "f_code"), frames)
        calls: list[tuple[Any, ...]] = [
            (self._stacks.extend, starmap(sys._current_frames, [()])),
            (consume, map(dict.pop, threads, self.parked, repeat(None))),
            (frames.extend, tops),
            *self._suspended(),
            (consume, map(frames.append, filter(None, map(operator.attrgetter("f_back"), frames)))),
            # Nothing else raises from C by what it is given.
            (consume, map(operator.getitem, [{True: None}], map(changed.isdisjoint, [codes]))),
            (frames.clear,),
            (consume, map(dict.clear, self._stacks)),
        ]
        return Write((consume, starmap(operator.call, calls)), NOTHING, AT_WORK)

    def _suspended(self) -> Iterator[tuple[Any, ...]]:
        """Frames of what is suspended; the pass over the heap is made where there can be some."""
        suspends = any(code.co_flags & _SUSPENDS for _, code in self.changed)
        kinds = [(kind, vars(kind)[name].__get__) for kind, name in _KINDS if suspends]
        greenlet = getattr(sys.modules.get("greenlet"), "greenlet", None)
        if isinstance(greenlet, type):
            kinds += [(kind, vars(greenlet)["gr_frame"].__get__) for kind in with_subclasses(greenlet)]
        if not kinds:
            return
        self._thawed = hidden_objects() > 0
        if self._thawed:
            yield (gc.unfreeze,)
        yield (self._lists.extend, starmap(gc.get_objects, [()]))
        for kind, frame_of_item in kinds:
            # By identity: a metaclass of the program may have an equality of its own.
            are_kind = map(operator.is_, map(type, chain.from_iterable(self._lists)), repeat(kind))
            items = compress(chain.from_iterable(self._lists), are_kind)
            yield (self._frames.extend, filter(None, map(frame_of_item, items)))
        yield (consume, map(list.clear, self._lists))

    def end(self) -> None:
        """Let go of what was looked at; outside of the commit, whether it was made or not."""
        for stacks in self._stacks:
            stacks.clear()
        self._stacks.clear()
        self._frames.clear()
        for listed in self._lists:
            listed.clear()
        self._lists.clear()
        if self._thawed:
            gc.freeze()
            self._thawed = False

