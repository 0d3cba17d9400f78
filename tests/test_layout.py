"""The shape of the package, read from its sources: who imports whom, what lies where, which codes exist.

The order of the pipeline is worth something only while no stage reaches around it, so an upward or sideways import
fails here and not in a review.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswap.errors import CODES

pytestmark = pytest.mark.once  # much the same on every interpreter

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hotswap"

TOP_LEVEL = {"pyproject.toml", "LICENSE", "CHANGELOG.md", "README.md", "hotswap", "plugins", "examples", "tests"}
BUILT = {"build", "dist"}  # what packaging leaves behind; ignored by git

STAGES = {"watch", "plan", "link", "transition", "convert", "journal", "patch", "plugin"}
VALUES = {"model", "errors", "scope", "config", "log", "kinds", "fingerprint", "versions"}
VALUES |= {"detached", "migrations", "peek", "shadow", "hooks", "history", "collector", "frames", "green"}
STATE = {"commit", "world", "contributions"}
PROCESS = {"loader", "fork", "restart"}
WAYS_IN = {"__init__", "changes", "__main__", "session", "runner", "runtime", "control", "page", "hotfix", "testing"}
FOR_PLUGINS = {"requests"}
PARTS = {"texts", "applying", "pending", "effects", "clock", "past"}
EVERYTHING = VALUES | STATE | PROCESS | STAGES | PARTS | FOR_PLUGINS | {"engine"} | WAYS_IN

# Who may import whom, besides itself. From the bottom up:
#
#   values      model; errors <- scope <- config, log; collector <- frames; kinds <- peek, shadow <- fingerprint
#   state       commit (writes and their inverses) <- world (what is loaded) <- contributions
#   process     the import hook, forking, starting again: each knows values and the world, none knows a stage
#   stages      data flows in one direction, so a stage may know the values of the stages before it, never those after:
#               plan is pure and knows values only; link binds a plan to live objects and asks plugins; transition looks
#               at what a plan changes, and leads units of work to old and new code by what link has prepared; convert takes
#               what link fills in, the leap that each class makes. link prepares the writes, and a plugin may add some, so these
#               two know commit, and transition, which makes them in steps
#   for plugins requests (units of work, the gate, safe points), which knows nothing but itself
#   parts       texts (what is read and live), applying (a swap committed with its objects), pending (what is held), effects:
#               what the engine consists of
#   engine      the order of the stages
#   ways in     everything
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "kinds": set(),
    "peek": {"kinds"},
    "shadow": {"kinds"},
    "fingerprint": {"kinds", "peek", "shadow"},
    "versions": set(),
    "collector": set(),
    "detached": set(),
    "frames": {"collector"},
    "green": set(),
    "errors": set(),
    "scope": {"model", "errors"},
    "config": {"model", "errors", "scope"},
    "log": {"model", "errors"},
    "commit": VALUES,
    "world": VALUES | {"commit"},
    "contributions": VALUES | {"world"},
    **{part: VALUES | {"world"} for part in PROCESS | STAGES},
    "plan": VALUES,
    "migrations": {"errors"},
    "history": {"errors"},
    "hooks": {"errors", "history"},
    "convert": VALUES | {"commit"},
    "link": VALUES | {"world", "commit", "plan", "plugin", "convert"},
    "transition": VALUES | FOR_PLUGINS | {"world", "commit", "plan", "link"},
    "requests": set(),
    "plugin": VALUES | FOR_PLUGINS | {"world", "commit"},
    **dict.fromkeys(PARTS, VALUES | STATE | STAGES),
    "engine": VALUES | STATE | STAGES | PARTS,
    **dict.fromkeys(WAYS_IN, EVERYTHING),
}


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    """The part of the package that a file belongs to: ``link/handles.py`` -> link, ``model.py`` -> model."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_units(path: Path) -> Iterator[tuple[int, str]]:
    """Every part of the package that a file imports, wherever in it the import stands, with the line."""
    here = ("hotswap", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            dotted = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in dotted:
            parts = name.split(".")
            if parts[0] == "hotswap":
                unit = parts[1] if len(parts) > 1 else "__init__"
                yield node.lineno, unit if unit in EVERYTHING else "__init__"


def test_the_reader_of_imports_sees_them() -> None:
    """The rule below would hold for an empty list too, so known imports have to be found."""
    assert "model" in {unit for _, unit in imported_units(PACKAGE / "log.py")}
    assert {unit for _, unit in imported_units(PACKAGE / "engine.py")} & STAGES


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    """No file imports a part of the package that stands above or beside its own."""
    mine = unit_of(path)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {unit}"
        for line, unit in sorted(set(imported_units(path)))
        if unit != mine and unit not in MAY_IMPORT[mine]
    ]
    assert not wrong


def test_every_part_of_the_package_is_known() -> None:
    """A new file or folder at the top of the package gets its place in the order first."""
    found = {entry.name for entry in PACKAGE.iterdir() if entry.name != "__pycache__"}
    assert found <= {"py.typed", "README.md"} | {f"{unit}.py" for unit in EVERYTHING} | STAGES | FOR_PLUGINS | WAYS_IN


def test_every_stage_says_what_it_takes_and_gives() -> None:
    """A stage's ``__init__`` opens with what it takes, gives, may touch and must not do."""
    for stage in sorted(STAGES | FOR_PLUGINS | {"control", "page", "testing"}):
        init = PACKAGE / stage / "__init__.py"
        if init.parent.is_dir():
            doc = (ast.get_docstring(ast.parse(init.read_text("utf-8"))) or "").lower()
            missing = [word for word in ("takes", "gives", "touch", "must not") if word not in doc]
            assert not missing, f"{init.relative_to(ROOT)} does not say: {', '.join(missing)}"


def test_top_level_of_the_checkout_is_the_agreed_one() -> None:
    """The checkout's first page stays short; dot-files are free."""
    found = {entry.name for entry in ROOT.iterdir() if not entry.name.startswith(".")}
    assert found - BUILT - {name for name in found if name.endswith(".egg-info")} <= TOP_LEVEL


RESERVED = {"HS212", "HS414", "HS416", "HS417"}  # emitted by plugins that are not part of the package


def codes_in_use() -> dict[str, str]:
    """Every code that a text in the package carries, with the file; docstrings may speak of ranges."""
    used: dict[str, str] = {}
    for path in source_files():
        if path.name == "errors.py":
            continue  # the table itself
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                for code in re.findall(r"\bHS\d{3}\b", node.value):
                    used.setdefault(code, str(path.relative_to(ROOT)))
    return used


def test_every_code_in_use_is_explained() -> None:
    """``hotswap explain`` knows every code that any message can carry."""
    used = codes_in_use()
    assert used, "no code was found at all"
    assert {code: where for code, where in used.items() if code not in CODES} == {}


def test_every_code_that_is_explained_is_in_use() -> None:
    """A code that nothing can emit promises a check that is not there."""
    assert set(CODES) - set(codes_in_use()) == RESERVED


def test_codes_stand_in_order_and_say_something() -> None:
    """The table is sorted and every code has a title and a meaning that ends like a sentence."""
    assert list(CODES) == sorted(CODES)
    assert [code.code for code in CODES.values() if not (code.title and code.meaning.endswith("."))] == []


def public_names() -> tuple[set[str], set[str]]:
    """``__all__`` and the public names of a fresh ``import hotswap``; submodules are not names of the API."""
    program = (
        "import hotswap, types, __future__\n"
        "shown = {n for n in dir(hotswap) if not n.startswith('_')\n"
        "         and not isinstance(getattr(hotswap, n), (types.ModuleType, __future__._Feature))}\n"
        "print(sorted(hotswap.__all__), sorted(shown), sep='|')"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    declared, shown = answer.split("|")
    return set(ast.literal_eval(declared)), set(ast.literal_eval(shown))


def test_public_api_is_what_it_says() -> None:
    """``__all__`` lists every public name and no other."""
    declared, shown = public_names()
    assert {name for name in declared if not name.startswith("_")} == shown


def test_no_folder_hides_a_public_function() -> None:
    """``hotswap.swap`` would stop being a function with the first ``import hotswap.swap``."""
    declared, _ = public_names()
    submodules = {entry.name.removesuffix(".py") for entry in PACKAGE.iterdir()}
    assert declared & submodules == set()
