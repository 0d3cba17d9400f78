"""Waiting until barriers are gone: the sweep may be the one that takes them away just now."""

from __future__ import annotations

import time

from tests.link.program import Program


def finish(program: Program, *classes: type) -> None:
    """Let the barriers of some classes go, by default all."""
    converter = program.engine.converter
    end = time.monotonic() + 10
    while time.monotonic() < end:
        converter.finish()
        standing = {barrier.cls for barrier in converter.barriers}
        if not standing or (classes and standing.isdisjoint(classes)):
            return
        time.sleep(0.001)
    raise AssertionError(f"barriers stand: {converter.barriers}")
