"""Patches built from two trees of sources, each a directory or a git revision.

Both trees are only read: nothing of them is imported or executed, so a patch can be built anywhere. What is listed as changed
comes from the texts alone. Whether a process can take it depends on what lives in that process, so the verdict is given there,
by the plan of the running program: ``hotswap apply --check``.
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

import attrs

from hotswap.errors import PatchError
from hotswap.hotfix.hooks import check_hooks
from hotswap.hotfix.patch import Change, Manifest, Patch, PatchedFile, make_patch, sha256
from hotswap.plan.diff import diff_units
from hotswap.plan.source import SourceError, parse_source
from hotswap.plan.units import summarise

__all__ = ["Tree", "build", "diff_patches", "read_tree"]

_IGNORED = frozenset({"__pycache__", ".git", ".hg", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


@attrs.frozen(kw_only=True)
class Tree:
    """The files of one side.

    Attributes:
        name: as it was given.
        files: what identifies the content of each, by path.
        read: gives the content for a path.
    """

    name: str
    files: Mapping[str, str]
    read: Callable[[str], bytes]


def _refuse(why: str, next_step: str = "") -> NoReturn:
    raise PatchError("HS613", why, next_step)


def read_tree(source: str, root: str = "") -> Tree:
    """One side of a patch.

    Args:
        source: a directory, or else a git revision of the repository around the working directory.
        root: the directory in it from which modules are imported, as ``src``.

    Raises:
        PatchError: HS613, it is neither.
    """
    if os.path.isdir(source):
        return _read_folder(source, os.path.join(source, root))
    return _read_revision(source, root.strip("/"))


def _read_folder(name: str, root: str) -> Tree:
    files: dict[str, str] = {}

    def read(path: str) -> bytes:
        with open(os.path.join(root, *path.split("/")), "rb") as stream:
            return stream.read()

    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _IGNORED)
        for each in names:
            path = os.path.relpath(os.path.join(folder, each), root).replace(os.sep, "/")
            if not each.endswith(".pyc"):
                files[path] = sha256(read(path))
    return Tree(name=name, files=files, read=read)


def _read_revision(revision: str, root: str) -> Tree:
    listed = _git("ls-tree", "-r", "-z", "--full-tree", f"{revision}^{{commit}}").decode("utf-8", "surrogateescape")
    blobs: dict[str, str] = {}
    for line in filter(None, listed.split("\0")):
        about, _, path = line.partition("\t")
        if not root or path.startswith(f"{root}/"):
            blobs[path.removeprefix(f"{root}/") if root else path] = about.split(" ")[2]
    return Tree(name=revision, files=blobs, read=lambda path: _git("cat-file", "blob", blobs[path]))


def _git(*words: str) -> bytes:
    try:
        done = subprocess.run(["git", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        _refuse(f"git could not be run: {error}", "install git, or name directories")
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1] if said else "it gives no reason"
        _refuse(f"git {words[0]}: {why}", "name a directory, or a revision of this repository")
    return done.stdout


def build(
    old: Tree,
    new: Tree,
    *,
    number: int,
    target: str,
    name: str = "",
    description: str = "",
    author: str = "",
    versions: Iterable[str] = (),
    expires: str = "",
    needs: Iterable[str] = (),
    supersedes: Iterable[str] = (),
    hooks: bytes = b"",
    only: Iterable[str] = (),
    leave_out: Iterable[str] = (),
) -> Patch:
    """An unsigned patch; the same trees and words give the same bytes.

    Args:
        number, target, versions, expires, needs, supersedes, description, author: see :class:`hotswap.hotfix.patch.Manifest`.
        name: the id; by default of target and number.
        hooks: the text of the module that is asked before and after; empty for none.
        only: directories or files that count; by default all.
        leave_out: patterns of paths whose differences are not carried.

    Raises:
        PatchError: HS613, the difference cannot be carried; or HS601, a value is not allowed.
    """
    needs, supersedes = frozenset(needs), frozenset(supersedes)
    if needs & supersedes:
        _refuse("it cannot need a patch that it replaces", "name it once, with --needs or with --supersedes")
    changed = _find_changed(old, new, tuple(only), tuple(leave_out))
    texts = {path: new.read(path) if path in new.files else None for path in changed}
    bases = {path: old.read(path) if path in old.files else None for path in changed}
    files = tuple(
        PatchedFile(path=path, base=_digest(bases[path]), digest=_digest(text), size=len(text or b""))
        for path, text in texts.items()
    )
    check_hooks(hooks)
    changes = [change for file in files for change in _describe(file, bases[file.path], texts[file.path])]
    manifest = Manifest(
        id=name or f"{target.lower()}-{number}", number=number, description=description, author=author, target=target,
        versions=tuple(versions), expires=expires, needs=tuple(sorted(needs)), supersedes=tuple(sorted(supersedes)),
        hooks=_digest(hooks or None), files=files, changes=tuple(changes),
    )  # fmt: skip
    return make_patch(manifest, {path: text for path, text in texts.items() if text is not None}, hooks)


def _digest(text: bytes | None) -> str:
    return "" if text is None else sha256(text)


def _find_changed(old: Tree, new: Tree, only: tuple[str, ...], leave_out: tuple[str, ...]) -> list[str]:
    def counts(path: str) -> bool:
        inside = not only or any(path == each or path.startswith(each.rstrip("/") + "/") for each in only)
        return inside and not any(fnmatch.fnmatch(path, pattern) for pattern in leave_out)

    # The names of contents of a revision and of a directory are of two kinds, so contents decide.
    paths = [path for path in sorted({*old.files, *new.files}) if counts(path) and old.files.get(path) != new.files.get(path)]
    paths = [path for path in paths if path not in old.files or path not in new.files or old.read(path) != new.read(path)]
    step = "name the directories that count with --only, or leave it out with --leave-out if what is deployed may stay as it is"
    for path in paths:
        if not path.endswith(".py"):
            _refuse(f"{path} differs, and a patch carries Python sources only", step)
    if not paths:
        _refuse(f"nothing differs between {old.name} and {new.name}", "name two trees that do")
    return paths


def _describe(file: PatchedFile, base: bytes | None, text: bytes | None) -> list[Change]:
    try:
        new = parse_source(file.path, text if text is not None else b"")
        old = parse_source(file.path, base if base is not None else b"")
    except SourceError as error:
        _refuse(f"{file.path} cannot be read: {error.finding.message}", "mend it")
    is_package, module = file.path.endswith("__init__.py"), file.module
    before = summarise(module, old.tree, old.utf8, is_package)
    after = summarise(module, new.tree, new.utf8, is_package, before)
    before.module = after.module = module
    edits = diff_units(before, after).edits
    return [
        Change(module=module, qualname=edit.qualname, kind=edit.kind.value, line=edit.line)
        for edit in sorted(edits, key=lambda edit: (edit.line, edit.qualname, edit.kind))
    ]


def diff_patches(one: Patch, other: Patch) -> list[str]:
    """What differs between two patches, a line each; empty where nothing does."""
    lines = []
    for field in attrs.fields(Manifest):
        mine, theirs = getattr(one.manifest, field.name), getattr(other.manifest, field.name)
        if mine != theirs and field.name not in ("files", "changes"):
            lines.append(f"{field.name}: {_words(mine)} -> {_words(theirs)}")
    mine, theirs = ({file.path: file for file in patch.manifest.files} for patch in (one, other))
    for path in sorted({*mine, *theirs}):
        if path not in theirs or path not in mine:
            lines.append(f"{path}: only in {'the first' if path in mine else 'the second'}")
        elif mine[path] != theirs[path]:
            what = [name for name in ("base", "digest") if getattr(mine[path], name) != getattr(theirs[path], name)]
            lines.append(f"{path}: another {' and another '.join(what).replace('digest', 'text')}")
    return lines


def _words(value: object) -> str:
    return (", ".join(map(str, value)) if isinstance(value, tuple) else str(value)) or "none"
