"""The ``hotswap`` command.

``hotswap run`` becomes the program, so nothing is imported for it that the program does not need: the library that
parses the other commands is not.
"""

from __future__ import annotations

import sys

from hotswap.errors import HotswapError

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process."""
    words = sys.argv[1:]
    if words[:1] == ["run"] and not _asks_for_help(words[1:]):
        _run(words[1:])
    elif words[:1] == ["agent"] and words[1:] and words[1] not in ("-h", "--help"):
        _launch(words[1:])
    else:
        from hotswap.control.verbs import cli

        cli(prog_name="hotswap")


def _asks_for_help(words: list[str]) -> bool:
    """Whether ``--help`` stands among our options, and not among those of the program."""
    before_program = []
    for word in words:
        if not word.startswith("-") or word.startswith("-m"):
            break
        before_program.append(word)
    return not words or "--help" in before_program or "-h" in before_program


def _run(words: list[str]) -> None:
    from hotswap.config import parse_run
    from hotswap.runner import prepare

    try:
        run = prepare(parse_run(words))
    except HotswapError as exc:
        sys.stderr.write(f"hotswap run: {exc}\nTry: hotswap run --help\n")
        sys.exit(2)
    run()  # outside: the program may raise errors of hotswap of its own


def _launch(words: list[str]) -> None:
    from hotswap.hotfix.launch import prepare

    try:
        run = prepare(words)
    except HotswapError as exc:
        sys.stderr.write(f"hotswap agent: {exc}\n")
        sys.exit(2)
    run()
