"""The long storms are run by hand: ``python -m pytest tests/stress -m slow``."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests of this folder out unless ``-m`` says which tests are wanted."""
    if config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow") and "stress" in item.path.parts]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
