"""Settings from three places, and the scope that they describe."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import hotswap
from hotswap.config import OPTIONS, RunRequest, Settings, load_settings, make_scope, parse_run
from hotswap.errors import ConfigError
from hotswap.scope import Scope

# -- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["x.py"], RunRequest(kind="script", target="x.py")),
        (["x.py", "--poll", "-m", "y"], RunRequest(kind="script", target="x.py", args=("--poll", "-m", "y"))),
        (["-m", "p.q", "--json", "a"], RunRequest(kind="module", target="p.q", args=("--json", "a"))),
        (["-mp.q", "a"], RunRequest(kind="module", target="p.q", args=("a",))),
        (["--", "--strange.py", "a"], RunRequest(kind="script", target="--strange.py", args=("a",))),
        (
            ["--watch", "a", "--watch=b", "--ignore", "*.x", "--no-restart", "--site-packages", "--poll", "x.py"],
            RunRequest(kind="script", target="x.py", given={
                "watch": ("a", "b"), "ignore": ("*.x",), "restart": False, "site_packages": True, "poll": True}),
        ),
    ],
)  # fmt: skip
def test_the_command_line_is_read(words: list[str], expected: RunRequest) -> None:
    """Options before the program are ours, all behind it are its own."""
    assert parse_run(words) == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to run"),
        (["--poll"], "nothing to run"),
        (["--foo", "x.py"], "no such option: --foo"),
        (["-x", "x.py"], "no such option: -x"),
        (["--watch"], "--watch needs a value: --watch PATH"),
        (["--poll=1", "x.py"], "--poll takes no value"),
        (["-m"], "-m needs the name of a module"),
        (["-"], "stdin"),
    ],
)
def test_a_wrong_command_line_is_refused(words: list[str], says: str) -> None:
    """With what is wrong and what it takes."""
    with pytest.raises(ConfigError, match=says):
        parse_run(words)


# -- three places -----------------------------------------------------------------------------------------------------


def load(folder: Path, given: dict[str, Any] | None = None, **environ: str) -> Settings:
    return load_settings(given, cwd=str(folder), environ=environ)


def test_the_nearest_place_decides(tmp_path: Path) -> None:
    """Command line before environment before pyproject.toml before the default."""
    table = "[tool.hotswap]\npoll = true\njson = true\nsite-packages = true\n[tool.hotswap.django]\nx = 1\n"
    (tmp_path / "pyproject.toml").write_text(table)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    settings = load(inner, {"site_packages": False}, HOTSWAP_JSON="0", HOTSWAP_QUIET="yes")
    assert (settings.poll, settings.json, settings.site_packages, settings.quiet) == (True, False, False, True)
    assert settings.restart is True


def test_paths_count_from_where_they_are_written(tmp_path: Path) -> None:
    """Those of pyproject.toml from its directory, the others from the working directory."""
    inner = tmp_path / "a"
    for folder in (tmp_path / "src", inner / "src"):
        folder.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.hotswap]\nwatch = ["src"]\nignore = ["x"]\n')
    assert load(inner).watch == (str(tmp_path / "src"),)
    assert load(inner).base == str(tmp_path)
    assert load(inner, HOTSWAP_WATCH=f"src{os.pathsep}..").watch == (str(inner / "src"), str(inner / ".."))
    assert load(inner, {"watch": ("src",), "ignore": ("y",)}).watch == (str(inner / "src"),)
    assert load(inner, {"ignore": ("y",)}).base == str(inner)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[tool.hotswap]\npol = true", "no setting 'pol'; it knows failure-budget, ignore, json, poll"),
        ("[tool.hotswap]\npoll = 1", "poll takes true or false"),
        ("[tool.hotswap]\nwatch = 'src'", "watch takes a list of strings"),
        ("[tool.hotswap\n", "pyproject.toml"),
    ],
)
def test_a_wrong_pyproject_is_refused(tmp_path: Path, table: str, says: str) -> None:
    """Naming the file, the setting and what it takes."""
    (tmp_path / "pyproject.toml").write_text(table)
    with pytest.raises(ConfigError, match=says):
        load(tmp_path)


def test_a_wrong_variable_and_a_path_that_is_not_there_are_refused(tmp_path: Path) -> None:
    """Instead of watching nothing."""
    with pytest.raises(ConfigError, match="HOTSWAP_POLL=maybe: takes 1 or 0"):
        load(tmp_path, HOTSWAP_POLL="maybe")
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path, {"watch": ("nowhere",)})


def test_a_pyproject_without_the_table_is_not_parsed(tmp_path: Path) -> None:
    """Whatever is in it belongs to others."""
    (tmp_path / "pyproject.toml").write_text("this is [not toml")
    assert load(tmp_path) == Settings(base=str(tmp_path))


def test_every_option_is_a_setting() -> None:
    """The table and the value have the same names."""
    assert {option.name for option in OPTIONS} | {"base"} == set(Settings.__annotations__)


# -- the scope --------------------------------------------------------------------------------------------------------


def make(path: Path, text: str = "") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_the_programs_own_files_are_in(tmp_path: Path) -> None:
    """The default: all that is not installed, not python's own and not hotswap's."""
    scope = Scope(base=str(tmp_path))
    assert scope.includes(make(tmp_path / "a.py"))
    assert scope.exclusion(os.__file__) == "in the standard library"
    assert scope.exclusion(hotswap.__file__) == "a part of hotswap"
    assert "installed package" in scope.exclusion(str(Path(sysconfig.get_path("purelib")) / "attr" / "__init__.py"))
    assert "installed package" in scope.exclusion(make(tmp_path / "venv/lib/python3/site-packages/p.py"))


def test_installed_packages_are_in_when_asked_for(tmp_path: Path) -> None:
    """All of them, or the one that is named; python's own and hotswap stay out."""
    inside = make(tmp_path / "lib" / "site-packages" / "p" / "m.py")
    other = make(tmp_path / "lib" / "site-packages" / "q.py")
    assert Scope(site_packages=True).includes(inside)
    assert Scope(site_packages=True).exclusion(os.__file__)
    named = Scope(watch=[str(tmp_path / "lib" / "site-packages" / "p")])
    assert named.includes(inside)
    assert named.exclusion(other) == "not below a watched path"
    whole = Scope(watch=[str(tmp_path)])
    assert "installed package" in whole.exclusion(inside)


def test_watch_narrows(tmp_path: Path) -> None:
    """A directory or a file; a name that only begins alike is another one."""
    scope = Scope(watch=[str(tmp_path / "src"), make(tmp_path / "one.py")])
    assert scope.includes(make(tmp_path / "src" / "a.py"))
    assert scope.includes(str(tmp_path / "one.py"))
    assert not scope.includes(make(tmp_path / "src2" / "a.py"))
    assert not scope.includes(make(tmp_path / "one.pyx"))


def test_a_file_is_in_under_either_spelling(tmp_path: Path) -> None:
    """Watched through a symlink, loaded by the real path, and the reverse."""
    real = make(tmp_path / "real" / "a.py")
    (tmp_path / "link").symlink_to("real")
    linked = str(tmp_path / "link" / "a.py")
    assert all(Scope(watch=[str(tmp_path / folder)]).includes(path) for folder in ("real", "link") for path in (real, linked))
    (tmp_path / "venv" / "site-packages").mkdir(parents=True)
    (tmp_path / "venv" / "site-packages" / "dev").symlink_to(tmp_path / "real")
    assert Scope().includes(str(tmp_path / "venv" / "site-packages" / "dev" / "a.py"))  # a development install by link


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [("*.gen.py", "a/x.gen.py"), ("migrations/", "a/migrations/0001.py"), ("/a/x.py", "a/x.py"), ("a/**/z.py", "a/b/c/z.py")],
)
def test_ignore_patterns(tmp_path: Path, pattern: str, matched: str) -> None:
    """In the syntax of .gitignore, from the directory where they were written."""
    scope = Scope(ignore=[pattern], base=str(tmp_path))
    assert scope.exclusion(make(tmp_path / matched)) == "matches an ignore pattern"
    assert scope.includes(make(tmp_path / "b" / "x.py"))


def repository(folder: Path, ignore: str) -> None:
    (folder / ".git").mkdir(parents=True)
    make(folder / ".gitignore", ignore)


def test_gitignore_is_respected(tmp_path: Path) -> None:
    """Up to the repository's root, deeper ones first, and not beyond the root."""
    make(tmp_path / ".gitignore", "*.py\n")
    repo = tmp_path / "repo"
    repository(repo, "*_gen.py\nbuild/\n")
    make(repo / "pkg" / ".gitignore", "!keep_gen.py\n")
    scope = Scope(base=str(repo))
    assert scope.includes(make(repo / "pkg" / "a.py"))
    assert scope.exclusion(make(repo / "pkg" / "a_gen.py")) == f"ignored by {repo}/.gitignore"
    assert scope.includes(make(repo / "pkg" / "keep_gen.py"))
    assert scope.exclusion(make(repo / "build" / "a.py"))
    make(repo / "build" / ".gitignore", "!a.py\n")
    assert Scope().exclusion(str(repo / "build" / "a.py"))  # nothing is taken back below an ignored directory


def test_what_is_run_is_in_though_it_is_ignored(tmp_path: Path) -> None:
    """The main file, and all of its directory where that is ignored as a whole: running it asks for it."""
    repository(tmp_path, "scratch/\nlocal.py\n")
    main = make(tmp_path / "scratch" / "main.py")
    lib = make(tmp_path / "scratch" / "lib.py")
    scope = Scope()
    assert scope.exclusion(lib)
    scope.set_program(main)
    assert scope.includes(main)
    assert scope.includes(lib)
    own = Scope()
    own.set_program(make(tmp_path / "local.py"))
    assert own.includes(str(tmp_path / "local.py"))
    assert own.exclusion(make(tmp_path / "sub" / "local.py"))


def test_watching_an_ignored_directory_asks_for_it(tmp_path: Path) -> None:
    """--watch build."""
    repository(tmp_path, "build/\n")
    make(tmp_path / "build" / ".gitignore", "*.tmp.py\n")
    file = make(tmp_path / "build" / "a.py")
    assert Scope(watch=[str(tmp_path)]).exclusion(file)
    assert Scope(watch=[str(tmp_path / "build")]).includes(file)
    assert Scope(watch=[str(tmp_path / "build")]).exclusion(make(tmp_path / "build" / "a.tmp.py"))


def test_without_a_repository_only_the_projects_own_gitignore_counts(tmp_path: Path) -> None:
    """One in the home directory, kept for other purposes, is not about this project."""
    make(tmp_path / ".gitignore", "*\n")
    main = make(tmp_path / "project" / "main.py")
    make(tmp_path / "project" / ".gitignore", "gen/\n")
    scope = Scope()
    scope.set_program(main)
    assert scope.includes(make(tmp_path / "project" / "lib.py"))
    assert scope.exclusion(make(tmp_path / "project" / "gen" / "a.py"))


def test_settings_make_the_scope(tmp_path: Path) -> None:
    """All that is in them."""
    settings = Settings(watch=(str(tmp_path),), ignore=("x.py",), base=str(tmp_path))
    scope = make_scope(settings)
    assert scope.includes(make(tmp_path / "a.py"))
    assert not scope.includes(make(tmp_path / "x.py"))
    assert not scope.includes(sys.executable)


def test_a_name_that_looks_like_the_flag_is_refused() -> None:
    """``HOTSWAP_NO_RESTART=1`` would be passed over; the name is HOTSWAP_RESTART."""
    with pytest.raises(ConfigError, match="HOTSWAP_RESTART=0"):
        load_settings(environ={"HOTSWAP_NO_RESTART": "1"})
