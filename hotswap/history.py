"""What fields the versions of a package's classes had: a file in the package, written by ``hotswap makemigrations``.

    shop/hotswap_migrations/history.json      {"format": 1, "classes": {"shop.cart:Cart": {"1": {"name": "str"}, ...}}}

It is committed with the package, so that a working tree can be compared with it, and so that a state without a stamp is known
by its fields.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import attrs

from hotswap.errors import FileError

FILE = "history.json"
_FORMAT = 1

#: The names of the fields of a class by version, from all histories that were read; by ``module:name``.
RECORDED: dict[str, dict[int, frozenset[str]]] = {}


@attrs.define
class History:
    """The versions of classes.

    Attributes:
        classes: by ``module:name`` and version: the fields, with the kind of each, empty where it is not known.
    """

    classes: dict[str, dict[int, dict[str, str]]] = attrs.Factory(dict)

    def newest(self, target: str) -> int:
        """The newest version of a class; 0 where it is not recorded."""
        return max(self.classes.get(target, ()), default=0)

    def record(self) -> None:
        """Let states without a stamp be known by their fields."""
        for target, versions in self.classes.items():
            for version, fields in versions.items():
                RECORDED.setdefault(target, {})[version] = frozenset(fields)


def read_history(folder: str) -> History:
    """The history in a folder; an empty one where there is none.

    Raises:
        FileError: it is not what :func:`write_history` writes; the message says where.
    """
    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8") as stream:
            held = json.load(stream)
    except FileNotFoundError:
        return History()
    except ValueError as error:
        raise FileError(f"{path}: {error}; take the committed file, or remove it and run hotswap makemigrations") from error
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}; make it readable") from error
    if not isinstance(held, dict) or held.get("format") != _FORMAT:
        raise FileError(f"{path}: this is no history of format {_FORMAT}; update hotswap, or take the committed file")
    try:
        return History(
            {
                target: {int(version): {str(k): str(v) for k, v in fields.items()} for version, fields in versions.items()}
                for target, versions in held["classes"].items()
            }
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path}: its classes cannot be read ({error!r}); take the committed file") from error


def write_history(folder: str, history: History) -> None:
    """Write it whole or not at all."""
    classes: Mapping[str, object] = {
        target: {str(version): fields for version, fields in sorted(versions.items())}
        for target, versions in sorted(history.classes.items())
    }
    path = os.path.join(folder, FILE)
    with open(f"{path}.new", "w", encoding="utf-8") as stream:
        json.dump({"format": _FORMAT, "classes": classes}, stream, indent=1)
        stream.write("\n")
    os.replace(f"{path}.new", path)
