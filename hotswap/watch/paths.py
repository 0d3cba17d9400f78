"""Which paths concern which loaded files, and where to watch for them."""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["Interest", "find_watch_root", "is_small_tree", "list_hops"]

#: A package tree of more directories than this (one with node_modules in it, say) is watched directory by directory.
MAX_TREE = 200

_MAX_LINKS = 40  # as the kernel has it; a loop of links ends here too


class Interest:
    """The paths whose change can change what one of the loaded files reads as.

    A file that is loaded through symbolic links is concerned by each link on the way and by the file at their end.
    Files are named by the spelling they were loaded under, which is the one that code objects carry. A bind mount
    needs nothing here: the system reports events of the file's inode, under the spelling that is watched.
    """

    def __init__(self) -> None:
        self._files_for: dict[str, set[str]] = {}
        self._hops: dict[str, tuple[str, ...]] = {}

    def __contains__(self, file: str) -> bool:
        return file in self._hops

    @property
    def files(self) -> Iterable[str]:
        """The loaded files, by the spelling they were loaded under."""
        return self._hops.keys()

    def add(self, file: str) -> tuple[str, ...]:
        """Take a loaded file in, or look at its links anew; returns the paths that concern it."""
        hops = list_hops(file)
        for hop in self._hops.get(file, ()):
            self._files_for[hop].discard(file)
        self._hops[file] = hops
        for hop in hops:
            self._files_for.setdefault(hop, set()).add(file)
        return hops

    def find(self, path: str) -> frozenset[str]:
        """The loaded files that an event at ``path`` concerns."""
        return frozenset(self._files_for.get(path, ()))

    def find_below(self, folder: str) -> frozenset[str]:
        """The loaded files that are concerned when a whole directory comes, goes or moves."""
        prefix = folder + os.sep
        return frozenset(file for hop, files in self._files_for.items() if hop.startswith(prefix) for file in files)


def list_hops(path: str) -> tuple[str, ...]:
    """Every symbolic link that is followed to read ``path``, and the real file at the end."""
    real = os.path.realpath(path)
    absolute = os.path.abspath(path)
    if real == absolute:
        return (real,)
    hops: list[str] = []
    rest = absolute.split(os.sep)[1:] if os.sep == "/" else []
    current = "/"
    while rest and len(hops) < _MAX_LINKS:
        candidate = os.path.join(current, rest.pop(0))
        try:
            target = os.readlink(candidate)
        except OSError:
            current = candidate
            continue
        hops.append(candidate)
        parts = os.path.normpath(os.path.join(current, target)).split(os.sep)
        rest, current = [part for part in parts if part] + rest, "/"
    return (*dict.fromkeys(hops), real)


def find_watch_root(path: str) -> tuple[str, bool]:
    """Where to watch for one path: a directory, and whether with all below it.

    A package is watched as one tree from its outermost ``__init__.py`` down: that is one watcher thread and one
    registration for all its directories, those that are made later included. A directory that is no package is
    watched alone. Recursive watches of whole project roots would take in .git, node_modules and data directories;
    one watch per directory would take a thread for each (in watchdog every watch has one).
    """
    folder = os.path.dirname(path)
    root = ""
    above = folder
    while os.path.exists(os.path.join(above, "__init__.py")) and above != os.path.dirname(above):
        root, above = above, os.path.dirname(above)
    if root and is_small_tree(root):
        return root, True
    return folder, False


def is_small_tree(root: str) -> bool:
    """Whether a folder and all below are at most :data:`MAX_TREE` directories."""
    count = 0
    stack = [root]
    while stack:
        count += 1
        if count > MAX_TREE:
            return False
        try:
            with os.scandir(stack.pop()) as entries:
                stack += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
    return True
