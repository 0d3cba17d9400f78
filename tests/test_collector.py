"""Objects are listed by their type, and nothing of the listing is left."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from hotswap import collector
from hotswap.collector import list_instances, objects_of, with_subclasses
from hotswap.link.heap import scan_heap


class Kept:
    pass


class Below(Kept):
    pass


def test_listed_objects_are_let_go_of_at_once() -> None:
    """What was listed dies with its last reference, without any collection: also the iterators of the listing."""
    item = Kept()
    ref = weakref.ref(item)
    gc.disable()
    try:
        assert objects_of([Kept]) == [item]
        before = len(gc.get_objects())
        for _ in range(5):
            objects_of([Kept])
        assert len(gc.get_objects()) < before + 50
        del item
        assert ref() is None
    finally:
        gc.enable()


def test_only_exact_types_are_listed_and_never_a_tuple() -> None:
    """A subclass is another type."""
    items: list[Any] = [Kept(), Below(), (Kept,)]
    assert objects_of([Kept, tuple]) == items[:1]
    assert list_instances([Kept]) == {Kept: items[:1], Below: items[1:2]}


@pytest.mark.parametrize("name", ["__hash__", "__eq__"])
@pytest.mark.parametrize("is_mixin", [False, True])
def test_methods_of_a_metaclass_are_not_called(name: str, is_mixin: bool) -> None:
    """Types are told by their identity, whatever a metaclass says; one with an equality only has no hash at all."""

    def fail(*args: object) -> Any:
        raise AssertionError("a type was asked")

    mixin = type("Mixin", (), {name: fail})
    meta: Any = type("Meta", (mixin, type), {}) if is_mixin else type("Meta", (type,), {name: fail})
    cls = meta("Odd", (), {})
    odd, plain = cls(), Kept()
    assert objects_of([Kept]) == [plain]
    assert [type(item) is cls for item in objects_of([cls])] == [True]
    del odd, cls, meta
    gc.collect()  # a metaclass that is gone slows no further listing down


def test_subclasses_are_found_once_each() -> None:
    """Also where several ways lead to one."""

    class Left(Kept):
        pass

    class Right(Kept):
        pass

    class Both(Left, Right):
        pass

    found = with_subclasses(Kept)
    assert found[0] is Kept
    assert {*found} == {Kept, Below, Left, Right, Both}
    assert len(found) == 5
    every = with_subclasses(object)
    assert len(every) == len({id(cls) for cls in every})
    assert Both in every
    assert type in every


class Listed:
    pass


def test_what_was_asked_for_before_is_listed_with_the_next_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass over the heap for both, also for what came and went since; where that is not known, another pass."""
    passes: list[int] = []
    look = collector.referrers
    monkeypatch.setattr(collector, "referrers", lambda *items: passes.append(1) or look(*items))

    def listed(*classes: type) -> list[set[int]]:
        return [{id(item) for item in row} for row in collector.list_objects(*classes)]

    one, other = Listed(), Listed()
    gc.disable()
    try:
        assert listed(Listed) == [{id(one), id(other)}]
        assert len(passes) == 1
        scan_heap(())
        del other
        late = type("Late", (Listed,), {})()
        assert listed(Listed) == [{id(one), id(late)}]
        assert listed(Listed, type(late))[1] == {id(late)}  # it was not asked for before that pass
        assert len(passes) == 2

        for forget in (gc.collect, gc.freeze, collector.thaw_once):
            scan_heap(())
            newest = Listed()
            forget()
            assert listed(Listed) == [{id(one), id(late), id(newest)}]
            del newest
            gc.unfreeze()
        assert len(passes) == 5
    finally:
        gc.unfreeze()
        gc.enable()


class Many:
    pass


def test_too_many_to_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then each question has a pass of its own, and nothing is kept for it."""
    monkeypatch.setattr(collector, "MOST_NOTED", 2)
    items = [Many() for _ in range(3)]
    for _ in range(2):
        assert len(collector.list_objects(Many)[0]) == 3
        scan_heap(())
    assert collector._noted is None
    assert len(items) == 3


@pytest.mark.parametrize("look", [collector.objects, collector.young_objects, lambda: collector.objects(generation=0)])
def test_a_list_of_all_objects_is_not_in_itself(look: Callable[[], list[Any]]) -> None:
    """It would be a circle that holds all of them until the next collection."""
    item = Kept()
    ref = weakref.ref(item)
    gc.disable()
    try:
        assert any(each is item for each in look())
        del item
        assert ref() is None
    finally:
        gc.enable()
