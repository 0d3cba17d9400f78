"""Writes on all instances of some classes, listed inside the commit: none that is made until then is missed.

The list and all that is done with it is one row of calls in C: ``gc.get_referrers`` of the classes, filtered by exact
type with ``compress``. A list made while linking would lack what other threads make between it and the commit.
(Measured with 8 threads that create objects meanwhile: none of millions was missed.)

Accepted: a subclass that is defined between linking and commit, and that has instances by then, is not seen.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, compress, repeat
from typing import Any

import attrs

from hotswap.commit import Call, Swap, Write
from hotswap.link.heap import with_subclasses

_NOTHING: Call = (bool,)  # the side of a write that has nothing to do


@attrs.define(eq=False)
class Census:
    """The instances of all classes that one swap asks for: one pass over the heap, inside the commit.

    Attributes:
        classes: whose instances are listed, with all subclasses.
        found: holds the listed objects (and other referrers of the classes) while the commit runs, else empty.
    """

    classes: set[type] = attrs.Factory(set)
    found: list[Any] = attrs.Factory(list)

    def pick(self, classes: Iterable[type]) -> Iterator[Any]:
        """The instances of some classes and of their subclasses; to be consumed inside the commit, once."""
        exact = {sub for cls in classes for sub in with_subclasses(cls)}
        self.classes |= exact
        ids = {id(cls) for cls in exact}  # by id: a metaclass may have an __eq__ of its own
        return compress(self.found, map(ids.__contains__, map(id, map(type, self.found))))

    def frame(self, swap: Swap) -> None:
        """Put the listing before all writes of a swap, and the letting go after them; in reverse for the way back."""
        if not self.classes:
            return
        thaw = [Write((gc.unfreeze,), (gc.freeze,)), Write((gc.freeze,), (gc.unfreeze,))] if gc.get_freeze_count() else []
        swap.writes[:0] = [*thaw[:1], Write(self._listing(), (list.clear, self.found), "list instances")]
        swap.add(Write((list.clear, self.found), self._listing()), *thaw[1:])

    def _listing(self) -> Call:
        one_each = [[cls] for cls in self.classes]
        return (self.found.extend, chain.from_iterable(map(gc.get_referrers, *one_each)))

    # ---- what is done with them ----

    def drop_attribute(self, cls: type, name: str) -> list[Write]:
        """Remove an attribute from all instances of a class that have it; the way back removes it again."""
        if not cls.__dictoffset__:
            return []

        def drop() -> Call:
            states = map(object.__getattribute__, self.pick([cls]), repeat("__dict__"))
            return batch(map(dict.pop, states, repeat(name), repeat(None)))

        return [Write(drop(), drop(), f"{cls.__qualname__}.{name} of all objects")]

    def demand_none(self, classes: Collection[type]) -> Write:
        """A write that fails, and with it the commit, if there is an instance of one of the classes.

        Raises:
            KeyError: (by the write) an object was made after the linker had found none.
        """
        nobody: dict[int, None] = {}
        return Write(batch(map(nobody.__getitem__, map(id, self.pick(classes)))), _NOTHING, "no instances")


def batch(calls: Iterable[Any]) -> Call:
    """A call that consumes an iterator of calls, in C."""
    return (deque[Any](maxlen=0).extend, calls)
