"""Defects of the engine that are known and not mended: what the generator leaves out meanwhile, in this one place.

An entry is the name of an edit or of a piece, with the defect that it finds. The table has to be empty.
"""

from __future__ import annotations

DEFECTS: dict[str, str] = {}


def is_open(name: str) -> bool:
    """True for what the generator may draw."""
    return name not in DEFECTS
