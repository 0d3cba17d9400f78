"""The tests of the plugin with each Django that it says it knows: ``python -m tests.django.versions``.

Each series is installed into a folder of its own, beside the packages of this environment, from the package index that pip is
configured for; the environment stays as it is. Names of series, as ``5.2``, may be given; further arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.django.bakery import PLUGIN, ROOT

sys.path.insert(0, str(PLUGIN))

from hotswap_django.versions import TESTED  # noqa: E402


def install(series: str, folder: Path) -> Path:
    """Put the newest release of a series into a folder; its name makes hotswap take it for an installed package."""
    target = folder / series / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*command, f"django~={series}.0"], check=True, timeout=600)
    return target


def run(series: str, folder: Path, arguments: list[str]) -> bool:
    path = os.pathsep.join([str(install(series, folder)), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "tests/django", *arguments]
    print(f"== Django {series}", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, timeout=1800).returncode == 0


def main(arguments: list[str]) -> int:
    known = [f"{major}.{minor}" for major, minor in TESTED]
    wanted = [word for word in arguments if word in known] or known
    rest = [word for word in arguments if word not in known]
    with tempfile.TemporaryDirectory() as folder:
        failed = [series for series in wanted if not run(series, Path(folder), rest)]
    print(f"failed with Django {', '.join(failed)}" if failed else f"all passed with Django {', '.join(wanted)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
