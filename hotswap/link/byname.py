"""Statements that find what they make by its name in ``sys.modules``, as pickle does, while they are evaluated aside.

There it is the live class until the commit, whatever this thread has made: another thread may look at the same moment. The
program is right, so to mend it is no way out.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from types import FunctionType, ModuleType

import attrs

from hotswap.kinds import is_a
from hotswap.link.names import look_up
from hotswap.model import Finding

#: ``Can't pickle <class 'm.A'>: it's not the same object as m.A``; ``...: attribute lookup A on m failed``.
_PICKLING = re.compile(
    r"it's not the same object as (?P<whole>[\w.]+)|attribute lookup (?P<name>[\w.]+) on (?P<module>[\w.]+) failed"
)
#: ``Can't get attribute 'A' on <module 'm' from '...'>``
_UNPICKLING = re.compile(r"Can't get attribute '(?P<name>[\w.]+)' on <module '(?P<module>[\w.]+)'(?P<whole>)")


def explain(finding: Finding, error: BaseException, staged: Mapping[str, ModuleType]) -> Finding:
    """The finding of a statement that raised, or one with the true reason where it has looked for what was made aside.

    Args:
        staged: the namespaces in which statements are evaluated, by module name.
    """
    whole = _looked_for(error)
    module = max((name for name in staged if whole.startswith(f"{name}.")), key=len, default="")
    name = whole[len(module) + 1 :]
    made = look_up(staged[module].__dict__, name) if module else None
    if not is_a(made, (type, FunctionType)) or made.__qualname__ != name:
        return finding  # it is not found in a fresh process either
    message = (
        f"{module} line {finding.line} looks for {whole} by its name, as pickle does, while it is evaluated aside, and what is "
        "made there has no name before it is live"
    )
    return attrs.evolve(finding, code="HS215", message=message, next_step="restart")


def _looked_for(error: BaseException) -> str:
    """The dotted name that an error of pickle is about, with its module; empty for other errors."""
    pattern = _PICKLING if isinstance(error, pickle.PicklingError) else _UNPICKLING if type(error) is AttributeError else None
    found = pattern.search(str(error)) if pattern is not None else None
    return (found["whole"] or f"{found['module']}.{found['name']}") if found is not None else ""
