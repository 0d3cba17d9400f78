"""Inside of the process that is swapped: what is held from before, the swap, and whether what is held follows."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import attrs


@attrs.frozen(eq=False)
class _Held:
    """What the program has from before the swap, by whatever way."""

    functions: list[tuple[FunctionType, CodeType]]
    classes: list[tuple[str, str, type]]


def swap(folder: str, edited: str, start: bool) -> dict[str, Any]:
    """Write the edited texts in place of those that are live, swap, and say what came of it."""
    import hotswap

    if start:
        hotswap.start([folder], watch=False)
    texts = dict(_read_folder(edited))
    managed = {file for _, file in hotswap.status().modules}
    held = _hold(folder)
    for name, data in texts.items():
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(data)
    report = hotswap.swap()
    found = {
        "applied": report.applied,
        "managed": len(managed),
        "held": [str(finding) + finding.excerpt for finding in report.held],
        "findings": [str(finding) for finding in report.findings if finding not in report.held],
        "milliseconds": report.timing.total,
        "functions": len(held.functions),
        "classes": len(held.classes),
    }
    wanted = {path: _codes(path) for path in (os.path.join(folder, name) for name in texts)} if report.applied else {}
    found["left"] = sorted(_left(held, wanted))
    found["exchanged"] = sorted(
        f"{module}.{name}" for module, name, cls in held.classes if _look_up(module, name) is not cls
    )
    return found


def _read_folder(folder: str) -> Iterator[tuple[str, bytes]]:
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            with open(file, "rb") as stream:
                yield os.path.relpath(file, folder), stream.read()


def _hold(folder: str) -> _Held:
    """Every function of the files, and every class that a module binds."""
    inside = folder + os.sep
    functions = [
        (item, item.__code__)
        for item in gc.get_objects()
        if type(item) is FunctionType and item.__code__.co_filename.startswith(inside)
    ]
    classes = [
        (key, name, value)
        for key, module in list(sys.modules.items())  # the key: some give themselves another name, for pickles
        if (getattr(module, "__file__", None) or "").startswith(inside)
        for name, value in list(vars(module).items())
        if isinstance(value, type)
    ]
    return _Held(functions, classes)


def _codes(path: str) -> set[tuple[str, int, tuple[str, ...]]]:
    """What tells the functions of a text from each other, and from those of another text."""
    with open(path, "rb") as stream:
        found, pending = set(), [compile(stream.read(), path, "exec", dont_inherit=True)]
    while pending:
        code = pending.pop()
        found.add(_tell(code))
        pending += [item for item in code.co_consts if isinstance(item, CodeType)]
    return found


def _tell(code: CodeType) -> tuple[str, int, tuple[str, ...]]:
    return code.co_qualname, code.co_firstlineno, tuple(item for item in code.co_consts if isinstance(item, str))


def _left(held: _Held, wanted: dict[str, set[Any]]) -> Iterator[str]:
    """Functions that do not have the code that they should: the new text's, or without a swap their own."""
    for function, before in held.functions:
        code, file = function.__code__, before.co_filename
        follows = _tell(code) in wanted[file] if file in wanted else code is before
        if not follows:
            yield f"{function.__module__}.{before.co_qualname} (line {before.co_firstlineno})"


def _look_up(module: str, name: str) -> Any:
    return vars(sys.modules[module]).get(name) if module in sys.modules else None
