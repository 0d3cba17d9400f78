"""The worked example of plugins/README.md, installed as a distribution and found by its entry point."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.once  # much the same on every interpreter

EXAMPLE = Path(__file__).resolve().parents[2] / "plugins" / "hotswap-example-pagecache"

VIEWS = """
from pagecache import page
import prices

@page
def index(user):
    return f"Hello {user}, all for {prices.total()}"

@page
def about():
    return "about us"
"""
PROGRAM = """
import sys
import hotswap
hotswap.start([sys.argv[1]], watch=False)
import pagecache, prices, views
print(views.index("ann"), views.about(), sep=" | ")
open(prices.__file__, "w").write(PRICES.replace("1", "2"))
report = hotswap.swap()
print(report.applied, sorted(f.code for f in report.findings))
print(views.index("ann"), len(views.about.kept), pagecache.generation, sep=" | ")
hotswap.rollback()
print(views.index("ann"), pagecache.generation, sep=" | ")
"""
PRICES = "def total():\n    return 1\n"


def install(directory: Path) -> None:
    """Do what an installer does with the example: copy its modules, write down its entry points."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
    for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]:
        shutil.copy(EXAMPLE / name, directory / name)
    name, version = project["project"]["name"], project["project"]["version"]
    info = directory / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = project["project"]["entry-points"]["hotswap"]
    (info / "entry_points.txt").write_text("[hotswap]\n" + "".join(f"{key} = {value}\n" for key, value in points.items()))


def run(tmp_path: Path, *, announced: bool) -> list[str]:
    site, app = tmp_path / "site", tmp_path / "app"
    site.mkdir()
    app.mkdir()
    install(site)
    if not announced:
        shutil.rmtree(next(site.glob("*.dist-info")))
    (app / "views.py").write_text(VIEWS)
    (app / "prices.py").write_text(PRICES)
    program = f"import sys; sys.path[:0] = [{str(site)!r}, sys.argv[1]]\nPRICES = {PRICES!r}\n" + PROGRAM
    done = subprocess.run([sys.executable, "-c", program, str(app)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("announced", [True, False])
def test_pages_follow_the_code_behind_them(tmp_path: Path, announced: bool) -> None:
    """With the plugin a page is computed anew when a function below it changed, and others are kept; without, it is stale."""
    lines = run(tmp_path, announced=announced)
    assert lines[0] == "Hello ann, all for 1 | about us"
    assert lines[1].startswith("True")
    assert "HS503" not in lines[1]
    if announced:
        assert lines[2:] == ["Hello ann, all for 2 | 1 | 2", "Hello ann, all for 1 | 3"]
    else:
        assert lines[2:] == ["Hello ann, all for 1 | 1 | 1", "Hello ann, all for 1 | 1"]
