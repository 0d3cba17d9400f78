"""Source archives of releases, fetched once from the package index and unpacked beside one another."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import attrs
from pip._internal.models.index import PyPI

from tests.replay.packages import Package

_JSON = "application/vnd.pypi.simple.v1+json"
_PATIENCE = 120  # seconds for one answer of the index


@attrs.frozen(kw_only=True)
class Release:
    """One release, unpacked.

    Attributes:
        version: as the index gives it.
        sources: the files of the program by their place below the import root: modules, data, and what tells its version.
        root: the directory with the rest of the archive, its tests among them; the program is not in there.
    """

    version: str
    sources: dict[str, bytes] = attrs.field(repr=False)
    root: Path


def fetch_release(package: Package, version: str, cache: Path) -> Release:
    """Return one release; what was fetched before is taken from the cache.

    Raises:
        LookupError: the index has no source archive of it.
    """
    archive = cache / "archives" / f"{package.name}-{version}.tar.gz"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(_download(package.name, version))
    root = cache / "unpacked" / f"{package.name}-{version}"
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as unpacked:
        unpacked.extractall(root, filter="data")
    (inner,) = root.iterdir()
    return Release(version=version, sources=_take_sources(package, version, inner), root=inner)


def _download(name: str, version: str) -> bytes:
    request = urllib.request.Request(f"{PyPI.simple_url}/{name}/", headers={"Accept": _JSON})
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
        files: list[dict[str, Any]] = json.load(answer)["files"]
    # Names of archives were normalised differently over the years.
    wanted = re.compile(rf"{re.sub('[-_.]', '[-_.]', name)}-{re.escape(version)}\.tar\.gz", re.IGNORECASE)
    for file in files:
        if wanted.fullmatch(file["filename"]):
            with urllib.request.urlopen(file["url"], timeout=_PATIENCE) as answer:
                data: bytes = answer.read()
            if hashlib.sha256(data).hexdigest() != file["hashes"]["sha256"]:
                raise LookupError(f"{file['filename']} arrived damaged; run this again")
            return data
    raise LookupError(f"no source archive of {name} {version}; name another release in tests/replay/packages.py")


def _take_sources(package: Package, version: str, root: Path) -> dict[str, bytes]:
    """Read the program's files and take them out of the archive, so that its tests cannot import them from there."""
    found = {}
    for module in package.modules:
        for place in (root / "src", root / "lib", root):
            if (folder := place / module).is_dir():
                files = [path for path in folder.rglob("*") if path.is_file()]
            elif (path := place / f"{module}.py").is_file():
                files = [path]
            else:
                continue
            found |= {path.relative_to(place).as_posix(): path.read_bytes() for path in files}
            for path in files:
                path.unlink()
            shutil.rmtree(folder, ignore_errors=True)
            break
        else:
            raise LookupError(f"{package.name} {version} has no {module}")
    return found | _describe(package, version, root)


def _describe(package: Package, version: str, root: Path) -> dict[str, bytes]:
    """Give what ``importlib.metadata`` reads of an installed distribution."""
    folder = f"{package.name.replace('-', '_')}.egg-info"
    described = {f"{folder}/PKG-INFO": (root / "PKG-INFO").read_bytes()}
    if entry_points := sorted(root.rglob("entry_points.txt")):
        described[f"{folder}/entry_points.txt"] = entry_points[0].read_bytes()
    return described
