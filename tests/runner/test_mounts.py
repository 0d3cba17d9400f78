"""A source that is mounted from elsewhere, as containers do it, in a mount namespace of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.runner.programs import HOTSWAP, Running, write_files
from tests.runner.test_live import LOOP, save_by_rename, save_in_place, wait_word, word

pytestmark = pytest.mark.once  # much the same on every interpreter

MOUNT = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


@pytest.fixture(scope="module")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs another one in a namespace where it may mount; not every machine allows that."""
    folder = tmp_path_factory.mktemp("mounts")
    (folder / "a").mkdir(), (folder / "b").mkdir()
    said = []
    if sys.platform == "linux" and shutil.which("unshare"):
        for command in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
            trial = [*command, "sh", "-c", MOUNT, "sh", str(folder / "a"), str(folder / "b"), "true"]
            done = subprocess.run(trial, capture_output=True, text=True)
            if not done.returncode:
                return command
            said.append(f"{' '.join(command)}: {done.stderr.strip()}")
    reason = f"NOT TESTED: bind mounts, since this machine lets the tests mount nothing ({'; '.join(said) or 'no unshare'})"
    warnings.warn(pytest.PytestWarning(reason), stacklevel=1)  # stands in the summary of every run; a skip alone does not
    pytest.skip(reason)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path, {"work/app.py": LOOP.replace("import lib", "import p.lib as lib"), "real/lib.py": word("one")})
    (tmp_path / "work" / "p").mkdir()
    return tmp_path / "work"


@pytest.mark.parametrize("poll", [(), ("--poll",)], ids=["events", "poll"])
def test_a_mounted_folder_follows(folder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
                                  namespace: list[str], poll: tuple[str, ...]) -> None:  # fmt: skip
    """The files are edited where they lie, in place and by rename, outside of the namespace."""
    launcher = [*namespace, "sh", "-c", MOUNT, "sh", str(tmp_path / "real"), str(folder / "p"), *HOTSWAP]
    with Running(folder, tmp_path_factory.mktemp("rt"), *poll, "app.py", launcher=launcher) as running:
        wait_word(running, "one")
        assert not (folder / "p" / "lib.py").exists(), "the mount is seen outside of the namespace"
        for number, save in enumerate((save_in_place, save_by_rename, save_in_place), 1):
            save(tmp_path / "real" / "lib.py", word(f"w{number}"))
            wait_word(running, f"w{number}")
            running.wait_err(rf"swap {number} live .*p/lib\.py")


@pytest.mark.parametrize("poll", [(), ("--poll",)], ids=["events", "poll"])
def test_a_mounted_file_follows(folder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
                                namespace: list[str], poll: tuple[str, ...]) -> None:  # fmt: skip
    """A single file, edited in place. (A save by rename is seen by nobody in the namespace: the mount goes on showing the
    file that was mounted.)"""
    write_files(folder, {"p/lib.py": word("hidden")})
    launcher = [*namespace, "sh", "-c", MOUNT, "sh", str(tmp_path / "real" / "lib.py"), str(folder / "p" / "lib.py"), *HOTSWAP]
    with Running(folder, tmp_path_factory.mktemp("rt"), *poll, "app.py", launcher=launcher) as running:
        wait_word(running, "one")
        save_in_place(tmp_path / "real" / "lib.py", word("two"))
        wait_word(running, "two")
        running.wait_err(r"swap 1 live .*p/lib\.py")
