"""The differential judge: a swapped process must answer as a freshly started one does.

Takes: a :class:`Scenario` (versions of a program, code that takes references, code that prints a transcript).
Gives: a :class:`Verdict`. May touch: the directory that it is given, and processes of its own. Must not: import
the engine (the processes that it starts do), or run code of a scenario in the calling process.

Plugin authors use it as the project does::

    from hotswap.testing import Judge, read_scenario

    with Judge(tmp_path) as judge:
        verdict = judge.judge(read_scenario(path))
        assert verdict.ok, str(verdict)
"""

from hotswap.testing.judge import Judge
from hotswap.testing.scenario import Scenario, ScenarioError, parse_scenario, read_scenario
from hotswap.testing.verdict import Outcome, Verdict

__all__ = ["Judge", "Outcome", "Scenario", "ScenarioError", "Verdict", "parse_scenario", "read_scenario"]
