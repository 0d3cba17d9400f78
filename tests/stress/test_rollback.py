"""A rollback restores code, module data and classes exactly; a refused swap has touched nothing."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hotswap
from hotswap.session import current
from tests.stress.garden import Choice, choose_first, edit, make_texts
from tests.stress.snapshot import Fact, Snapshot

pytestmark = pytest.mark.once  # much the same on every interpreter

NAMES = ("garden", "soil")


class Plot:
    """The loaded program, with references that others hold to what is in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.choice = choose_first()
        self.write(self.choice)
        hotswap.start([directory], watch=False)
        import garden

        plant = garden.Plant()
        self.held = {
            "plain": garden.plain, "decorated": garden.decorated, "inner": garden.decorated.__wrapped__, "step": garden.step,
            "counter": garden.make_counter(3), "plant": plant, "who": plant.who, "static": garden.Plant.s, "class": garden.Plant,
            "record": garden.Record(4, 5), "red": garden.Colour.RED, "first": garden.first, "second": garden.second,
            "cached": garden.cached, "shown": garden.shown, "size": garden.size, "table": garden.TABLE, "row": garden.ROW,
            "helper": garden.helper,
        }  # fmt: skip

    def write(self, choice: Choice) -> None:
        for name, text in make_texts(choice).items():
            (self.directory / name).write_text(text)

    def swap(self, choice: Choice) -> Any:
        self.write(choice)
        return hotswap.swap()

    def look(self) -> Snapshot:
        records = current().engine.world.records
        known: dict[str, Any] = {f"text of {name}": records[name].data for name in NAMES}
        known |= {f"base of {name}": {key: Fact(value) for key, value in (records[name].base or {}).items()} for name in NAMES}
        known |= {f"mechanism of {module}.{name}": Fact(mechanism) for module, name, mechanism in hotswap.status().mechanisms}
        return Snapshot([sys.modules[name] for name in NAMES], {"held": self.held} | known)


@pytest.fixture
def plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plot]:
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        yield Plot(tmp_path)
    finally:
        hotswap.stop()
        for name in NAMES:
            sys.modules.pop(name, None)


def marked(first: int, last: int) -> Iterator[Any]:
    """Seeds for runs by hand."""
    yield from (pytest.param(seed, marks=pytest.mark.slow) for seed in range(first, last))


@pytest.mark.parametrize("seed", list(marked(0, 8)))
def test_series_is_taken_back_step_by_step(plot: Plot, seed: int) -> None:
    """Rollbacks of a series of edits pass the states between them backwards, to the very beginning."""
    chance = random.Random(seed)
    _live(plot, chance)
    taken: list[tuple[Choice, Snapshot]] = []
    for _ in range(6):
        before, old = plot.look(), plot.choice
        if _edit(plot, chance).applied:
            taken.append((old, before))
    assert taken, "every edit was refused: this proves nothing"
    while taken:
        plot.choice, before = taken.pop()
        _take_back(before, plot)


@pytest.mark.parametrize("seed", [100, *marked(101, 108)])
def test_each_swap_is_taken_back_and_made_again(plot: Plot, seed: int) -> None:
    """Whatever the program did to its data before a swap is there again after its rollback, and the swap can be repeated."""
    chance = random.Random(seed)
    for _ in range(5):
        _live(plot, chance)
        before, old = plot.look(), plot.choice
        if _edit(plot, chance).applied:
            new, plot.choice = plot.choice, old
            _take_back(before, plot)
            again = plot.swap(new)
            assert again.applied, f"refused after it had been taken back: {again}"
            plot.choice = new


def _edit(plot: Plot, chance: random.Random) -> Any:
    """Swap to another version; where that is refused, check that nothing was touched."""
    new = edit(plot.choice, chance, chance.randint(1, 4))
    before = plot.look()
    report = plot.swap(new)
    if report.applied:
        plot.choice = new
        return report
    changed = before.compare(plot.look())
    assert not changed, f"refused, and yet changed\n{report}\n" + "\n".join(changed[:20])
    plot.write(plot.choice)
    hotswap.swap()  # the old text again: what was held is held no more
    return report


def _take_back(before: Snapshot, plot: Plot) -> None:
    changed_by_swap = before.compare(plot.look())
    report = hotswap.rollback()
    changed = before.compare(plot.look())
    assert not changed, f"not as before after taking back\n{report}\n" + "\n".join(changed[:20])
    assert changed_by_swap or not report.writes, "the snapshot does not see what the swap changed"
    current().engine.world.check_invariants()


def _live(plot: Plot, chance: random.Random) -> None:
    """The program changes its data, as programs do."""
    garden = sys.modules["garden"]
    chance.choice([
        lambda: plot.held["table"].update(added=chance.random()),
        lambda: plot.held["row"].append(chance.random()),
        lambda: plot.held["plant"].leaves.append(1),
        lambda: setattr(plot.held["plant"], "size", 9),
        lambda: setattr(garden.Plant, "size", chance.random()),
        lambda: plot.held["step"](),
        lambda: plot.held["counter"](),
        lambda: None,
    ])()  # fmt: skip
