"""The text form of a scenario."""

from __future__ import annotations

import pytest

from hotswap.testing import ScenarioError, parse_scenario

GOOD = """A sentence
in two lines.

=== v1/a.py
X = 1

=== v2/a.py
X = 2

=== every/pkg/b.py

=== take
import a

=== take v2
import a as other

=== probe
print(1)

=== expect
1

=== may refuse
HS201 why
HS202 why not
"""


def test_sections_become_versions() -> None:
    """Files of ``every/`` belong to all versions, ``take vN`` overrides ``take``, codes belong to the last version."""
    scenario = parse_scenario(GOOD, name="area/good")
    assert scenario.doc == "A sentence in two lines."
    assert scenario.versions == (
        (("a.py", b"X = 1\n"), ("pkg/b.py", b"")),
        (("a.py", b"X = 2\n"), ("pkg/b.py", b"")),
    )
    assert [take.strip() for take in scenario.takes] == ["import a", "import a as other"]
    assert scenario.expects[0] is None
    assert (scenario.expects[1] or "").strip() == "1"
    assert scenario.may_refuse == (frozenset(), frozenset({"HS201", "HS202"}))


def test_a_file_in_another_encoding_is_written_in_it() -> None:
    """``[latin-1]`` behind the path chooses the bytes on disk."""
    scenario = parse_scenario(GOOD.replace("v2/a.py", "v2/a.py [latin-1]").replace("X = 2", "X = 'ä'"), name="n")
    assert (b"X = '\xe4'\n") == dict(scenario.versions[1])["a.py"]


def test_a_version_that_must_be_refused_leaves_the_one_before_in_service() -> None:
    """``served`` names the version that answers."""
    scenario = parse_scenario(GOOD.replace("may refuse", "must refuse"), name="n")
    assert [scenario.served(0), scenario.served(1)] == [0, 0]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (GOOD.replace("=== may refuse", "=== may refuze"), "unknown section 'may refuze'"),
        (GOOD + "=== probe\n", "stands there twice"),
        (GOOD.replace("=== v2/a.py", "=== v1/c.py"), "v1 and v2"),
        (GOOD.replace("=== probe", "=== may refuse late"), "take and probe are needed"),
        (GOOD[len("A sentence\nin two lines.") :], "docstring"),
    ],
)
def test_a_malformed_text_says_what_is_wrong(broken: str, message: str) -> None:
    """An error names the section, so that a misspelt one never silently checks nothing."""
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(broken, name="n")
