"""The edits of the web plugins with each version that they say they know: ``python -m tests.web.versions``.

Each is installed into a folder of its own, beside the packages of this environment, from the package index that pip is configured
for; the environment stays as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.web.driving import ROOT

SETS = {
    "flask": (("flask~=3.0.0", "werkzeug~=3.0.0"), ("flask~=3.1.0", "werkzeug~=3.1.0")),
    "asgi": (
        ("fastapi~=0.115.0", "starlette~=0.46.0"),
        ("fastapi~=0.128.0", "starlette~=0.52.0"),
        ("fastapi~=0.165.0", "starlette~=1.10.0"),
    ),
}


def run(framework: str, wanted: tuple[str, ...], folder: Path) -> bool:
    target = folder / "".join(wanted).replace("~=", "-") / "site-packages"  # the name makes it an installed one
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(target), *wanted]
    subprocess.run(command, check=True, timeout=600)
    path = os.pathsep.join([str(target), str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    print(f"== {' '.join(wanted)}", flush=True)
    command = [sys.executable, "-W", "ignore", "-m", "tests.web.driving", framework]
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, cwd=ROOT, env=env, timeout=600).returncode == 0


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        failed = [wanted for framework, sets in SETS.items() for wanted in sets if not run(framework, wanted, Path(folder))]
    print(f"failed: {failed}" if failed else "all are equal")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
