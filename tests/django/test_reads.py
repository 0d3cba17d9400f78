"""Who reads a setting, and when: told from texts, too often rather than too seldom."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.django.bakery import PLUGIN

sys.path.insert(0, str(PLUGIN))

from hotswap_django.reads import find_reads  # noqa: E402

HEAD = "from django.conf import settings\n"
LATER = {
    "in a view": "def view(request):\n    return settings.COLOUR\n",
    "by getattr": "def view(request):\n    return getattr(settings, 'COLOUR', 1)\n",
    "through a function": "def colour():\n    return settings.COLOUR\n\ndef view(request):\n    return colour()\n",
    "in a method": "class View:\n    def get(self, request):\n        return settings.COLOUR\n",
    "in a lambda that is kept": "TABLE = {'c': lambda: settings.COLOUR}\n",
}
EARLY = {
    "at the top": "COLOUR = settings.COLOUR\n",
    "in a class body": "class View:\n    colour = settings.COLOUR\n",
    "as a default": "def view(request, colour=settings.COLOUR):\n    pass\n",
    "in a decorator": "@paint(settings.COLOUR)\ndef view(request):\n    pass\n",
    "by a call at the top": "def colour():\n    return settings.COLOUR\n\nCOLOUR = colour()\n",
    "by a chain of calls": "def a():\n    return settings.COLOUR\n\ndef b():\n    return a()\n\nCOLOUR = b()\n",
    "in a constructor": "class Feed:\n    def __init__(self):\n        self.colour = settings.COLOUR\n",
    "by a constructor": "def a():\n    return settings.COLOUR\n\nclass Feed:\n    def __init__(self):\n        self.c = a()\n",
    "in a cached function": "@functools.lru_cache\ndef colour():\n    return settings.COLOUR\n",
    "in a cached property": "class View:\n    @cached_property\n    def colour(self):\n        return settings.COLOUR\n",
    "when the application is ready": "class App:\n    def ready(self):\n        start(settings.COLOUR)\n",
}


@pytest.mark.parametrize("text", LATER.values(), ids=LATER)
def test_who_reads_each_time(tmp_path: Path, text: str) -> None:
    """A change is seen at the next call."""
    (tmp_path / "a.py").write_text(HEAD + text)
    found = find_reads("COLOUR", [str(tmp_path / "a.py")])
    assert (found.at_import, found.in_functions) == ("", True)


@pytest.mark.parametrize("text", EARLY.values(), ids=EARLY)
def test_who_has_read_it_and_keeps_what_came_of_it(tmp_path: Path, text: str) -> None:
    """The place is named; another file may hold the call."""
    (tmp_path / "a.py").write_text(HEAD + text)
    assert find_reads("COLOUR", [str(tmp_path / "a.py")]).at_import.startswith(f"{tmp_path / 'a.py'}:")


def test_a_call_in_another_file_counts(tmp_path: Path) -> None:
    """Names are followed through all files; texts that do not parse have no readers."""
    (tmp_path / "a.py").write_text(HEAD + "def colour():\n    return settings.COLOUR\n")
    (tmp_path / "b.py").write_text("from a import colour\n\nCOLOUR = colour()\n")
    (tmp_path / "c.py").write_text("def (:\n")
    files = [str(tmp_path / name) for name in ("a.py", "b.py", "c.py", "gone.py")]
    assert find_reads("COLOUR", files).at_import == f"{tmp_path / 'b.py'}:3"
    assert find_reads("OTHER", files) == find_reads("COLOUR", [])
