"""Two hundred swaps of a program with classes, decorators, closures and trampolines; what is left of them is counted.

    python -m tests.stress.census DIRECTORY --at 80,140,200

Prints one line of JSON: a row of counts after each of these numbers of swaps, garbage collected before. The structure of
the program repeats every 60 swaps (tests/stress/program.py), so rows that far apart can be compared for equality.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import gc
import json
import os
import sys
import threading
import time
import weakref
from collections import Counter
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from tests.stress.program import FIRST, write_version

LRU: type = type(functools.lru_cache(lambda: None))


class Census:
    """Counts what belongs to the program under stress, and what all the process has."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.codes: list[weakref.ref[CodeType]] = []  # the collector does not track code objects: noted as they come

    def note_codes(self) -> None:
        """Note the code objects that are live now, with those nested in them."""
        known = {id(code) for ref in self.codes if (code := ref()) is not None}
        for function in self.functions():
            for code in _walk(function.__code__):
                if id(code) not in known:
                    known.add(id(code))
                    self.codes.append(weakref.ref(code))

    def functions(self) -> list[FunctionType]:
        return [o for o in gc.get_objects() if type(o) is FunctionType and o.__code__.co_filename.startswith(self.directory)]

    def count(self) -> dict[str, int]:
        """The counts, by what is counted."""
        import stage

        while gc.collect():  # what a finaliser sets free is collected too
            pass
        objects = gc.get_objects()
        kinds = Counter(str(type(o).__dict__.get("__module__", "")).partition(".")[0] for o in objects)
        return {
            "functions": len(self.functions()),
            "all functions": sum(type(o) is FunctionType for o in objects),
            "classes": sum(isinstance(o, type) for o in objects),
            "caches": sum(type(o) is LRU for o in objects),
            "cells": sum(type(o).__name__ == "cell" for o in objects),
            "modules": sum(type(o).__name__ == "module" for o in objects),
            "code objects": sum(ref() is not None for ref in self.codes),
            "objects of hotswap": kinds["hotswap"],
            "syntax trees": kinds["ast"],
            "subclasses of a program's class": len(stage.Root.__subclasses__()) + len(stage.Shape.__subclasses__()),
            "subclasses of object": len(object.__subclasses__()),
            "threads": threading.active_count(),
            "open files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
            "length of the way through trampolines": self.depth(),
        }

    @staticmethod
    def depth() -> int:
        """Frames between a call of a reference held from the start and the decorated function's own code."""
        return int(HELD["deep"](lambda: len(_frames()))[-1])


HELD: dict[str, Any] = {}


def _frames() -> list[Any]:
    frame, found = sys._getframe(), []
    while frame is not None:
        found.append(frame.f_code)
        frame = frame.f_back  # type: ignore[assignment]
    return found


def _walk(code: CodeType) -> list[CodeType]:
    found = [code]
    for item in found:
        found += [const for const in item.co_consts if type(const) is CodeType]
    return found


def wait_for_frames(limit: float = 60.0) -> None:
    """What frames from before a swap may still make is noted for a moment after it, by a thread that ends then."""
    end = time.monotonic() + limit
    while any(thread.name == "hotswap-frames" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.02)


def take_census(directory: Path, at: list[int]) -> dict[str, Any]:
    """Swap often, and count after so many swaps."""
    import hotswap

    write_version(directory, FIRST)
    sys.path.insert(0, str(directory))
    hotswap.start([directory], watch=False)
    import stage

    HELD.update(deep=stage.deep, decorated=stage.decorated, inner=stage.make(3), method=stage.Shape().method, cached=stage.cached)
    census = Census(directory)
    rows = []
    for number in range(1, max(at) + 1):
        write_version(directory, FIRST + number)
        report = hotswap.swap()
        assert report.applied, str(report)
        assert not report.kept, str(report)
        census.note_codes()
        if number in at:
            wait_for_frames()
            rows.append(census.count())
    return {"rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--at", default="80,140,200", help="count after so many swaps")
    parser.add_argument("--give-up", type=float, default=600.0, help="seconds until the stacks are printed and the process ends")
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.dump_traceback_later(options.give_up, exit=True)
    print(json.dumps(take_census(options.directory, [int(part) for part in options.at.split(",")])))


if __name__ == "__main__":
    main()
