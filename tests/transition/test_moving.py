"""What old and new code side by side rely on in CPython; on every interpreter, unlike the rest (``test_consistency.py``)."""

from __future__ import annotations

import gc
from pathlib import Path
from types import FunctionType
from typing import Any

import hotswap
from hotswap.commit import NOTHING, Write, WriteError, run
from hotswap.frames import place_of_code
from hotswap.transition.moving import OldNames
from hotswap.transition.rest import AT_WORK, Guard
from tests.transition.moving import NEW, NEW_SHOP, OLD, SHOP, Patched, Pause, in_thread, wait_until


def test_names_of_before_are_seen_by_a_copy_of_a_function() -> None:
    """What a transition by ``task`` relies on: CPython asks ``__missing__`` of a namespace that is no exact dict, also from code
    that has been specialised for another one, and assigns past it."""
    space: dict[str, Any] = {"RATE": 1, "other": 5}
    exec("def f(): return RATE + other + len([RATE for _ in 'ab'])\ndef put():\n    global other\n    other = 7", space)
    for _ in range(100):
        assert space["f"]() == 8
    old = OldNames(space, {"RATE": 1})
    copy = FunctionType(space["f"].__code__.replace(), old)
    space["RATE"], space["other"] = 10, 6
    for _ in range(100):
        assert (copy(), space["f"]()) == (9, 18)
    FunctionType(space["put"].__code__, old)()
    assert (old["other"], space["other"]) == (7, 6)  # so such code is refused


def test_old_and_new_units_side_by_side(tmp_path: Path) -> None:
    """1 an old unit is inside, 2 new ones are answered by the new code, 3 the old one calls on, and ends: all is plain."""
    with Patched(tmp_path) as program:
        shop: Any = program.load("shop", SHOP)
        pause = Pause()

        def unit() -> list[Any]:
            with hotswap.task("old unit"):
                pause()
                return [shop.two(lambda: None) for _ in range(50)]

        old, answers = in_thread(unit)
        assert pause.is_there.wait(20)
        switching, _ = in_thread(lambda: program.patch(shop=NEW_SHOP))
        wait_until(lambda: shop.one() == 2)
        assert [shop.two(lambda: None) for _ in range(50)] == [NEW] * 50
        pause.may_go.set()
        old.join(20)
        switching.join(20)
        assert answers == [[OLD] * 50]
        assert [f.__kwdefaults__ for f in (shop.one, shop.two, shop.Cart.size)] == [None] * 3


def _suspend() -> Any:
    yield 1


def test_a_commit_meets_who_is_at_work() -> None:
    """Threads and what is suspended, in the commit itself; those that stay at a safe point do not count."""
    pause, done = Pause(), []
    thread, _ = in_thread(pause)
    assert pause.is_there.wait(20)

    def attempt(changed: Any, parked: Any = ()) -> bool:
        guard = Guard({place_of_code(changed)}, parked)
        done.clear()
        try:
            run([guard.write(), _note(done)])
        except WriteError as error:
            assert error.what == AT_WORK
            assert not done
            return False
        finally:
            guard.end()
        return done == [1]

    assert not attempt(Pause.__call__.__code__)
    assert attempt(Pause.__call__.__code__, {thread.ident})
    pause.may_go.set()
    thread.join(20)
    assert attempt(Pause.__call__.__code__)
    suspended = _suspend()
    next(suspended)
    assert not attempt(_suspend.__code__)
    suspended.close()
    assert attempt(_suspend.__code__)
    assert gc.isenabled()


def _note(done: list[int]) -> Write:
    return Write((done.append, 1), NOTHING)
