"""Generated programs and edits before the judge: a swapped process answers as a fresh one, or the swap was refused.

In the suite this takes half a minute, always with the same examples as far as it gets. It fails where more of the swaps are
wrong than are known to be (see :data:`ALLOWED`), and the summary prints how many were. Longer, with other examples
each time, and ending at the first swap that is wrong:

    HOTSWAP_GENERATE_SECONDS=600 pytest tests/generated

That one is made as small as possible and printed as a scenario; put it in ``tests/scenarios`` when it is mended.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.generated.changing import KINDS
from tests.generated.edits import chains
from tests.generated.judging import Court, Example, Judgement
from tests.generated.shrinking import shrink
from tests.generated.telling import tell

BY_HAND = "HOTSWAP_GENERATE_SECONDS" in os.environ
SECONDS = float(os.environ.get("HOTSWAP_GENERATE_SECONDS", "12"))
TESTS = 3  # that share the time
BATCH = 50
#: The share of wrong swaps that the suite puts up with; the goal is none. Measured: 0.1 to 0.8 %, by the seed. A
#: kind that is known: a class used as a decorator that becomes a function.
ALLOWED = 0.02
pytestmark = pytest.mark.timeout(SECONDS + 900)  # making a failure small takes its time

LIMITS = settings(
    max_examples=BATCH, deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
changes = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 9)), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "0")  # the order of sets is no difference
        with Court(tmp_path_factory.mktemp("generated")) as one:
            yield one


class Found(Exception):
    """Ends the search: an example that fails."""

    def __init__(self, example: Example, judgement: Judgement) -> None:
        super().__init__(judgement.problem)
        self.example, self.judgement = example, judgement


@pytest.fixture
def explore(court: Court, record_property: Callable[[str, object], None]) -> Iterator[Callable[..., None]]:
    """Judges batches of examples until this test's share of the time is spent; counts what became of the swaps."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []

    def check(example: Example) -> None:
        judgement = court.judge(example)
        counts.update({"examples": 1, "swaps": judgement.swaps, "cannot start": judgement.broken, **Counter(judgement.refused)})
        if judgement.problem and BY_HAND:
            raise Found(example, judgement)
        if judgement.problem:
            wrong.append("\n".join([judgement.problem, *judgement.difference[:4]]))

    def run(examples: st.SearchStrategy[Example]) -> None:
        end = time.monotonic() + SECONDS / TESTS
        for number in itertools.count(random.randrange(10**9) if BY_HAND else 0):
            seed(number)(LIMITS(given(examples)(check)))()
            if time.monotonic() > end:
                return

    def run_and_tell(examples: st.SearchStrategy[Example]) -> None:
        try:
            run(examples)
        except Found as found:
            small = shrink(court.judge, found.example, found.judgement)
        else:
            return
        pytest.fail(tell(*small), pytrace=False)

    yield run_and_tell
    counts["wrong"] = len(wrong)
    record_property("generated", dict(counts))
    assert len(wrong) <= max(1, ALLOWED * counts["swaps"]), "\n\n".join(wrong)


@pytest.mark.once
def test_swapped_process_answers_as_fresh_one(explore: Callable[..., None]) -> None:
    """One save, then the way back."""
    explore(st.builds(lambda versions, warm: Example.of(versions, warm=warm), chains(1, 1), st.booleans()))


@pytest.mark.once
def test_several_saves_and_the_way_back(explore: Callable[..., None]) -> None:
    """Version 1 to 2 to 3, and taken back step by step: each time all is as on a fresh start of that version."""
    explore(st.builds(Example.of, chains(2, 3)))


@pytest.mark.once
def test_what_the_program_changed_is_kept(explore: Callable[..., None]) -> None:
    """The program changes some of its data before the swap: that is kept, the rest is as on a fresh start."""
    explore(st.builds(lambda versions, drawn: Example.of(versions, drawn=drawn), chains(1, 1), changes))
