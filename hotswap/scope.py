"""Which source files are managed.

Takes: paths. Gives: yes or no, with the reason. May touch: .gitignore files, for reading. Must not: know where the
settings came from.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

__all__ = ["Scope", "upwards"]

_OWN = os.path.dirname(os.path.realpath(__file__))
_STDLIB = os.path.dirname(os.path.realpath(os.__file__))
_INSTALLED = frozenset({"site-packages", "dist-packages"})


class Scope:
    """Which source files are managed.

    A file is asked about under two spellings, as it was given and with its symlinks resolved. The first of these
    that holds decides:

    ==============================================================  =======
    below hotswap itself (any spelling resolved)                    out
    ``watch`` is set and the file is below none of its paths        out
    matches ``ignore`` (any spelling)                               out
    below the standard library                                      out
    below site-packages, and neither asked for                      out
    is the program's own main file                                  in
    ignored by a .gitignore                                         out
    anything else                                                   in
    ==============================================================  =======

    "Asked for" is ``site_packages``, or a path of ``watch`` that lies inside. A .gitignore counts from the file's
    directory up to the repository's root (without a repository: up to a path of ``watch`` or the program's directory);
    where it ignores such a path as a whole it is left out of account, since watching or running it was asked for.
    """

    def __init__(self, *, watch: Iterable[str] = (), ignore: Iterable[str] = (), site_packages: bool = False,
                 base: str | None = None) -> None:
        self._roots = tuple({spelling for path in watch for spelling in _spellings(path)})
        self._ignore = tuple(ignore)
        self._site_packages = site_packages
        self._base = base or os.getcwd()
        self._program = ""
        self._anchors: tuple[str, ...] = self._roots
        self._reasons: dict[str, str] = {}
        self._gitignores: dict[str, _Matcher | None] = {}
        self._folders: dict[str, str] = {}  # with their links resolved
        self._own_matcher: _Matcher | None = None
        self._importing = 0  # the thread that imports the library of patterns: its files are asked about here too

    def set_program(self, path: str) -> None:
        """Name the program's main file; called once, before it runs."""
        self._program = os.path.realpath(path)
        self._anchors = (*self._roots, os.path.dirname(self._program))
        self._reasons.clear()

    def includes(self, path: str) -> bool:
        """Whether the file is managed."""
        return not self.exclusion(path)

    def exclusion(self, path: str) -> str:
        """Why the file is not managed, in a few words; empty when it is."""
        reason = self._reasons.get(path)
        if reason is None and self._importing == threading.get_ident():
            return "a part of hotswap"
        if reason is None:
            # Two threads may both look it up; they find the same, and a dict write is atomic.
            reason = self._reasons[path] = self._find_exclusion(path)
        return reason

    def _find_exclusion(self, path: str) -> str:
        given, real = self._spell(path)
        if _is_below(real, _OWN):
            return "a part of hotswap"
        if self._roots and not any(_is_below(spelling, root) for spelling in (given, real) for root in self._roots):
            return "not below a watched path"
        if self._ignore and (self._matches_ignore(given) or self._matches_ignore(real)):
            return "matches an ignore pattern"
        installed = _installed_root(real)
        if not installed and _is_below(real, _STDLIB):
            return "in the standard library"
        if installed and not self._asks_for(installed, real):
            return "an installed package (--site-packages)"
        if real == self._program:
            return ""
        ignored_by = self._find_gitignore(real)
        return f"ignored by {ignored_by}" if ignored_by else ""

    def _spell(self, path: str) -> tuple[str, str]:
        """As :func:`_spellings`; the modules of a program lie in few directories, whose links are resolved once."""
        given = os.path.abspath(path)
        if os.path.islink(given):
            return _spellings(path)
        folder, name = os.path.split(given)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return _as_compared(given), _as_compared(os.path.join(self._folders[folder], name))

    def _asks_for(self, installed: str, real: str) -> bool:
        inside = (root for root in self._roots if _is_below(root, installed))
        return self._site_packages or real == self._program or any(_is_below(real, root) for root in inside)

    def _matches_ignore(self, path: str) -> bool:
        if self._own_matcher is None:
            self._own_matcher = self._make_matcher(self._ignore)
        relative = path[len(self._base) :] if _is_below(path, self._base) else path
        return bool(self._own_matcher(relative.replace(os.sep, "/").lstrip("/")))

    def _find_gitignore(self, real: str) -> str:
        """The .gitignore that ignores the file, or an empty string."""
        folders = self._ruling_folders(os.path.dirname(real))
        for index, folder in enumerate(folders):
            matcher = self._gitignore_of(folder)
            if matcher is None or not self._ignores(folder, matcher, real):
                continue
            # A deeper .gitignore may take the file back, unless a directory on the way is ignored as a whole.
            deeper = [f for f in folders[:index] if (m := self._gitignore_of(f)) and self._match(f, m, real) is False]
            if not deeper or self._match(folder, matcher, os.path.dirname(real) + os.sep):
                return os.path.join(folder, ".gitignore")
        return ""

    def _ruling_folders(self, folder: str) -> list[str]:
        """The directories whose .gitignore counts, deepest first."""
        folders: list[str] = []
        for above in upwards(folder):
            folders.append(above)
            if os.path.exists(os.path.join(above, ".git")):
                return folders
        # No repository: a .gitignore somewhere above (in the home directory, say) is not about this project.
        known = [index for index, above in enumerate(folders) if above in self._anchors]
        return folders[: known[-1] + 1] if known else folders[:1]

    def _ignores(self, folder: str, matcher: _Matcher, real: str) -> bool:
        if not self._match(folder, matcher, real):
            return False
        anchors = (anchor for anchor in self._anchors if _is_below(real, anchor) and _is_below(anchor, folder))
        return not any(anchor != folder and self._match(folder, matcher, _as_folder(anchor)) for anchor in anchors)

    @staticmethod
    def _match(folder: str, matcher: _Matcher, path: str) -> bool | None:
        relative = path[len(folder) :].replace(os.sep, "/").lstrip("/")
        return matcher(relative) if relative else None

    def _gitignore_of(self, folder: str) -> _Matcher | None:
        if folder not in self._gitignores:
            try:
                with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as file:
                    self._gitignores[folder] = self._make_matcher(file.read().splitlines())
            except OSError:
                self._gitignores[folder] = None
        return self._gitignores[folder]

    def _make_matcher(self, lines: Iterable[str]) -> _Matcher:
        self._importing = threading.get_ident()
        try:
            from pathspec import GitIgnoreSpec  # imported late: many projects have no pattern at all
        finally:
            self._importing = 0
        spec = GitIgnoreSpec.from_lines(lines)
        return lambda relative: spec.check_file(relative).include


#: Takes a path with slashes, relative to where the patterns stand: True ignored, False taken back, None not named.
_Matcher = Callable[[str], "bool | None"]


def _spellings(path: str) -> tuple[str, str]:
    """The path as given, made absolute, and with its symlinks resolved."""
    return _as_compared(os.path.abspath(path)), _as_compared(os.path.realpath(path))


def _as_compared(path: str) -> str:
    return os.path.normcase(path) if sys.platform == "win32" else path  # not tried: the case of letters is ignored there


def _is_below(path: str, root: str) -> bool:
    """Whether ``path`` is ``root`` or lies in it."""
    return path == root or path.startswith(root if root.endswith(os.sep) else root + os.sep)


def _as_folder(path: str) -> str:
    return path + os.sep if os.path.isdir(path) else path


def _installed_root(real: str) -> str:
    """The site-packages directory that the file lies in, or an empty string."""
    parts = real.split(os.sep)
    for index, part in enumerate(parts):
        if part in _INSTALLED:
            return os.sep.join(parts[: index + 1])
    return ""


def upwards(path: str) -> Iterator[str]:
    """``path`` and the directories above it."""
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above
