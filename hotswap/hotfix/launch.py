"""``hotswap agent``: a command run as it is, with an agent in its process."""

from __future__ import annotations

import os
import re
import shutil
import sys
import types
from collections.abc import Callable, Sequence

from hotswap.config import RunRequest
from hotswap.errors import ConfigError
from hotswap.hotfix.entry import agent, patched_text
from hotswap.loader import LoadedModule
from hotswap.runner import run_request

__all__ = ["prepare"]

USAGE = "hotswap agent --group NAME [--trust FILE] [--signal SIGNAL] [--door] [--page] -- COMMAND [ARGS]..."
_PYTHON = re.compile(r"python(3(\.\d+)?)?")


class _Plain:
    """What the runner asks about the main module: it is the program's own, unless a live patch has a text for it."""

    class scope:
        @staticmethod
        def includes(path: str) -> bool:
            return patched_text(path) is not None

        @staticmethod
        def set_program(path: str) -> None:
            pass

    @staticmethod
    def compile_main(module: types.ModuleType, file: str, data: bytes) -> types.CodeType:
        text = patched_text(file)
        return compile(data if text is None else text, file, "exec", dont_inherit=True)

    @staticmethod
    def adopt_main(loaded: LoadedModule) -> None:
        pass


def prepare(words: Sequence[str]) -> Callable[[], None]:
    """Start an agent in this process.

    Returns:
        What runs the command until it ends, and leaves as it does.

    Raises:
        ConfigError: the command line is wrong, or what it names is no Python program; nothing has been run.
        PatchError: HS608, the group has no name that can be used.
        UnsupportedError: this interpreter cannot be served.
    """
    options, command = _parse(list(words))
    request = _find_program(command)
    sys.argv[:] = command
    agent(
        options["--group"], trust=options.get("--trust"), signal=options.get("--signal"), door="--door" in options,
        page="--page" in options,
    )  # fmt: skip
    return lambda: run_request(request, _Plain())


def _parse(words: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        if word in ("--door", "--page"):
            options[word] = "yes"
            continue
        flag, equals, value = word.partition("=")
        if flag not in ("--group", "--trust", "--signal") or not (equals or words):
            raise ConfigError(f"{word} is not known here, or lacks its value: {USAGE}")
        options[flag] = value if equals else words.pop(0)
    if "--group" not in options or not words:
        raise ConfigError(f"a group and a command are needed: {USAGE}")
    return options, words


def _find_program(command: list[str]) -> RunRequest:
    """The Python program that a command is: ``python script.py``, ``python -m module``, or an installed command of Python."""
    first, *rest = command
    if _PYTHON.fullmatch(os.path.basename(first)):
        if rest[:1] == ["-m"] and len(rest) > 1:
            return RunRequest(kind="module", target=rest[1], args=tuple(rest[2:]))
        if not rest or rest[0].startswith("-"):
            raise ConfigError("after python a script or -m and a module is needed; options go into PYTHON… variables")
        return RunRequest(kind="script", target=rest[0], args=tuple(rest[1:]))
    path = first if os.sep in first else shutil.which(first)
    path = path or (first if first.endswith(".py") else None)
    if path is None:
        raise ConfigError(f"there is no command {first}")
    if not path.endswith(".py") and not _is_python_script(path):
        raise ConfigError(f"{path} is no Python program, so no agent can be put around it: call hotswap.agent() in the program")
    return RunRequest(kind="script", target=path, args=tuple(rest))


def _is_python_script(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            head = stream.read(2048)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    first = head.split(b"\n")[0]
    # Installers write a script for sh, which hands itself to python, where the path of that is too long or has spaces.
    return first.startswith(b"#!") and (b"python" in first or (b"'''exec'" in head and b"python" in head))
