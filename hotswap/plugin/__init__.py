"""Plugins: pluggy hook specifications, found by entry points.

Takes: questions of the stages, with the live classes and functions that they are about. Gives: answers; what is
broken in a plugin becomes a finding. May touch: nothing itself, it prepares :class:`hotswap.commit.Write` only.
Must not: import a stage, or let an exception of a plugin through.

A plugin imports all that it needs from here: ``from hotswap.plugin import hookimpl, Refusal, ...``.
"""

from hotswap.plugin.defaults import copies_of, field_of_factory, field_of_value
from hotswap.plugin.specs import ENTRY_POINTS, EngineView, hookimpl
from hotswap.plugin.values import ClassPair, Field, Kept, Refusal, Shape, Stale

__all__ = [
    "ENTRY_POINTS", "ClassPair", "EngineView", "Field",
    "Kept", "Refusal", "Shape", "Stale", "copies_of", "field_of_factory",
    "field_of_value", "hookimpl",
]  # fmt: skip
