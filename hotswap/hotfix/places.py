"""Where the files of a patch are in this process, and which modules were executed from them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

from hotswap.hotfix.patch import Patch, sha256
from hotswap.hotfix.refusing import refuse

__all__ = ["digests_by_path", "find_paths", "has_digest", "loaded_modules"]


def has_digest(text: bytes | None, digest: str) -> bool:
    """Whether a text has a digest; there is none of a file that is not there."""
    return (sha256(text) if text is not None else "") == digest


def digests_by_path(patch: Patch) -> dict[str, str]:
    """What the texts of a patch are, by the path of the file."""
    paths = find_paths(patch)
    return {paths[file.module]: file.digest for file in patch.manifest.files}


def find_paths(patch: Patch) -> dict[str, str]:
    """Where the files of a patch are in this process, by the names of their modules.

    Raises:
        Refusal: HS606, its packages are not here, or in several places.
    """
    roots: dict[str, str] = {}
    for file in patch.manifest.files:
        top = file.path.split("/")[0].removesuffix(".py")
        if top not in roots and (root := _find_root(top)) is not None:
            roots[top] = root
    if len(set(roots.values())) != 1:
        names = ", ".join(sorted({file.path.split("/")[0] for file in patch.manifest.files}))
        where = ", ".join(sorted(set(roots.values()))) or "not here"
        refuse("HS606", f"what the patch is for ({names}) has to be in one place of sys.path, it is {where}", "")
    [root] = set(roots.values())
    return {file.module: os.path.join(root, *file.path.split("/")) for file in patch.manifest.files}


def _find_root(top: str) -> str | None:
    """The directory in which a package or module lies."""
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if isinstance(script, str) and getattr(main, "__spec__", None) is None and os.path.basename(script) == f"{top}.py":
        return os.path.dirname(os.path.abspath(script))
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # a module without a spec
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        folders = list(spec.submodule_search_locations)
        return os.path.dirname(os.path.abspath(folders[0])) if len(folders) == 1 else None
    return os.path.dirname(os.path.abspath(spec.origin)) if spec.origin is not None and spec.has_location else None


def loaded_modules(path: str) -> Iterator[tuple[str, ModuleType]]:
    """The modules that were executed from a file."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and name != "__mp_main__" and is_same_file(file, path):
            yield name, module


def is_same_file(file: str, path: str) -> bool:
    """Whether two spellings lead to one file."""
    return file == path or (
        os.path.basename(file) == os.path.basename(path) and os.path.realpath(file) == os.path.realpath(path)
    )
