"""Changes at collective safe points: all ranks of a computation have the same change, or none has any.

The other ranks are played by what the barrier says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from hotswap.errors import RollbackError
from hotswap.model import Consistency
from hotswap.requests.safe import SafePoints
from tests.transition.moving import NEW, NEW_SHOP, OLD, SHOP, Patched, in_thread, said, wait_until

pytestmark = pytest.mark.once

IMMEDIATE, TASK, QUIESCENT = Consistency


@attrs.define
class Others:
    """The loop of this rank, and the barrier at which the others say what they do.

    Attributes:
        agree: whether they say the same.
        said: what this one has said, other than nothing.
    """

    points: SafePoints = attrs.Factory(SafePoints)
    agree: Callable[[str], bool] = lambda text: False
    said: list[str] = attrs.Factory(list)
    stop: threading.Event = attrs.Factory(threading.Event)

    def loop(self) -> None:
        while not self.stop.wait(0.001):
            self.points.reach(self._barrier)

    def _barrier(self, text: str) -> bool:
        if text and text not in self.said:
            self.said.append(text)
        return bool(text) and self.agree(text)


@pytest.fixture
def others(program: Patched) -> Iterator[Others]:
    made = Others()
    program.engine.mover.points = made.points
    thread, _ = in_thread(made.loop)
    wait_until(lambda: made.points.is_collective)
    yield made
    made.stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_ranks_say_which_change_they_are_ready_for(program: Patched, others: Others) -> None:
    """By its texts where nobody has given it a name: another one is something else, and so is the way back."""
    shop: Any = program.load("shop", SHOP)
    other = NEW_SHOP.replace("* extra()", "* 3")
    for text in (NEW_SHOP, other, NEW_SHOP):
        report = program.patch(deadline=0.2, shop=text)
        assert "not all ranks were ready" in said(report, "HS624")
        assert shop.two(lambda: None) == OLD
    assert len(others.said) == 2
    one, another = others.said
    others.agree = lambda text: another in text
    assert said(program.patch(deadline=0.2, shop=NEW_SHOP), "HS624")
    others.agree = lambda text: one in text
    assert program.patch(shop=NEW_SHOP).applied
    assert shop.two(lambda: None) == NEW
    others.agree = lambda text: one in text or another in text
    with pytest.raises(RollbackError, match="HS624"):
        program.back(deadline=0.2)


@pytest.mark.parametrize("consistency", [IMMEDIATE, TASK, QUIESCENT])
def test_a_change_that_another_rank_has_not_made_is_taken_back(
    program: Patched, others: Others, consistency: Consistency
) -> None:
    """All were ready, and one could not: the loop goes on in the old code."""
    shop: Any = program.load("shop", SHOP)
    others.agree = lambda text: not text.startswith("done")
    report = program.patch(consistency, force=True, shop=NEW_SHOP)
    assert "another rank could not make the change" in said(report, "HS624")
    assert not report.applied
    assert (shop.two(lambda: None), hasattr(shop, "extra")) == (OLD, False)


@pytest.mark.parametrize("consistency", [TASK, QUIESCENT])
def test_a_rollback_that_another_rank_has_not_made_is_none_here_either(
    program: Patched, others: Others, consistency: Consistency
) -> None:
    """The change is live again before the loop goes on, and can be taken back when all can."""
    shop: Any = program.load("shop", SHOP)
    others.agree = bool
    assert program.patch(consistency, shop=NEW_SHOP).applied
    others.agree = lambda text: not text.startswith("done")
    with pytest.raises(RollbackError, match="another rank could not, so it is live here, too"):
        program.back()
    assert shop.two(lambda: None) == NEW
    assert [f.__kwdefaults__ for f in (shop.one, shop.two, shop.Cart.size)] == [None] * 3
    assert len(program.engine.world.history) == 1
    others.agree = bool
    assert program.back().rolled_back
    assert (shop.two(lambda: None), hasattr(shop, "extra")) == (OLD, False)
