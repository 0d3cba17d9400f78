"""Where migrations are found by name: the module or package ``hotswap_migrations`` inside of a package.

    shop/__init__.py
    shop/cart.py
    shop/hotswap_migrations/__init__.py
    shop/hotswap_migrations/cart_2.py          each module in it is imported, in alphabetical order

A session imports them with the package, and new files when they are saved. Elsewhere :func:`load_migrations` does.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping

from hotswap.errors import DeclarationError
from hotswap.history import read_history

NAME = "hotswap_migrations"

# Those that live patches bring, by name: the file, which is not on the disk, and its text; None for one that goes. It is replaced
# and never changed.
_brought: Mapping[str, tuple[str, bytes | None]] = {}


def set_brought(modules: Mapping[str, tuple[str, bytes | None]]) -> None:
    """Say which modules are brought, or taken away, without being on the disk.

    Args:
        modules: by name: the file and its text; None for one that goes. Those that are not below ``NAME`` are passed over.
    """
    global _brought
    _brought = {name: known for name, known in modules.items() if NAME in name.split(".")}


def hook_modules(package: str, file: str) -> Iterator[tuple[str, str]]:
    """The names and files of the modules with migrations of a package.

    Args:
        package: its name.
        file: its ``__init__.py``.
    """
    found = dict(_modules_on_disk(package, file))
    prefix = f"{package}.{NAME}"
    brought = {name: known for name, known in _brought.items() if name == prefix or name.startswith(f"{prefix}.")}
    found |= {name: path for name, (path, text) in brought.items() if text is not None}
    yield from sorted((name, path) for name, path in found.items() if name not in brought or brought[name][1] is not None)


def read_module(name: str, file: str) -> bytes:
    """The text of one of these modules.

    Raises:
        OSError: it cannot be read.
    """
    path, text = _brought.get(name, ("", None))
    if path == file and text is not None:
        return text
    with open(file, "rb") as stream:
        return stream.read()


def _modules_on_disk(package: str, file: str) -> Iterator[tuple[str, str]]:
    folder = os.path.join(os.path.dirname(file), NAME)
    if os.path.exists(f"{folder}.py"):
        yield f"{package}.{NAME}", f"{folder}.py"
    elif os.path.exists(init := os.path.join(folder, "__init__.py")):
        yield f"{package}.{NAME}", init
        for entry in sorted(os.listdir(folder)):
            stem, suffix = os.path.splitext(entry)
            if suffix == ".py" and stem.isidentifier() and stem != "__init__":
                yield f"{package}.{NAME}.{stem}", os.path.join(folder, entry)


def new_hook_modules(packages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Those that are not loaded yet, with their files.

    Args:
        packages: name and file of ``__init__.py`` of each.
    """
    found = [each for package, file in packages for each in hook_modules(package, file)]
    return {name: file for name, file in found if name not in sys.modules}


def read_recorded(file: str) -> None:
    """Read the history of a package, where it has one; see ``history.py``.

    Args:
        file: its ``__init__.py``.

    Raises:
        FileError: the history cannot be read.
    """
    read_history(os.path.join(os.path.dirname(file), NAME)).record()


def load_migrations(package: str) -> list[str]:
    """Import the migrations of a package that are found by name; for programs that read old pickles without a session.

    Args:
        package: the name of the package, which is imported as well.

    Returns:
        The names of the modules, in the order in which they were imported.

    Raises:
        DeclarationError: it is no package.
        FileError: its history cannot be read.
    """
    module = importlib.import_module(package)
    file = getattr(module, "__file__", None)
    if not hasattr(module, "__path__") or file is None:
        raise DeclarationError(f"{package} is no package with an __init__.py; {NAME} is looked for in such")
    read_recorded(file)
    names = [name for name, _ in hook_modules(package, file)]
    for name in names:
        importlib.import_module(name)
    return names
