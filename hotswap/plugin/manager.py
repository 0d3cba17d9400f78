"""Asks plugins; a plugin that raises becomes a finding and is left out of that step, never a dead program."""

from __future__ import annotations

from typing import Any


class Plugins:
    """Placeholder until the hook specifications stand."""

    def link(self, draft: Any, swap: Any) -> None:
        pass

    def rebuild_class(self, swap: Any, pair: Any, twins: Any) -> set[str]:
        return set()
