"""Which paths concern which files, and where they are watched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotswap.watch.paths import MAX_TREE, Interest, find_watch_root, list_hops
from hotswap.watch.source import Unstable, read_source, sign


def make(path: Path, text: str = "") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_plain_file_is_its_own_only_hop(tmp_path: Path) -> None:
    """Most files: one path, nothing else to watch."""
    file = make(tmp_path / "a.py")
    assert list_hops(file) == (file,)
    assert list_hops(str(tmp_path / "x" / ".." / "a.py")) == (file,)


def test_every_link_on_the_way_is_a_hop(tmp_path: Path) -> None:
    """current/pkg/a.py -> ../shared/a.py, with current itself a link: three paths can change what is read."""
    real = make(tmp_path / "shared" / "a.py")
    (tmp_path / "v1" / "pkg").mkdir(parents=True)
    (tmp_path / "v1" / "pkg" / "a.py").symlink_to("../../shared/a.py")
    (tmp_path / "current").symlink_to("v1")
    file = str(tmp_path / "current" / "pkg" / "a.py")
    assert list_hops(file) == (str(tmp_path / "current"), str(tmp_path / "v1" / "pkg" / "a.py"), real)


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    """A link to itself reads as nothing, and does not hang."""
    (tmp_path / "a.py").symlink_to("a.py")
    assert str(tmp_path / "a.py") in list_hops(str(tmp_path / "a.py"))


def test_an_event_finds_the_files_under_their_loaded_spelling(tmp_path: Path) -> None:
    """The engine knows a file by the spelling in its code objects."""
    real = make(tmp_path / "real" / "a.py")
    (tmp_path / "link").symlink_to("real")
    linked = str(tmp_path / "link" / "a.py")
    interest = Interest()
    interest.add(linked)
    interest.add(real)
    assert interest.find(real) == {linked, real}
    assert interest.find(str(tmp_path / "link")) == {linked}
    assert interest.find(str(tmp_path / "real" / "b.py")) == set()
    assert interest.find_below(str(tmp_path / "real")) == {linked, real}


def test_a_link_that_was_led_elsewhere_is_followed_anew(tmp_path: Path) -> None:
    """After a look at its links, the new target concerns the file and the old one does not."""
    old, new = make(tmp_path / "old.py"), make(tmp_path / "new.py")
    link = tmp_path / "a.py"
    link.symlink_to("old.py")
    interest = Interest()
    interest.add(str(link))
    link.unlink()
    link.symlink_to("new.py")
    interest.add(str(link))
    assert (interest.find(old), interest.find(new)) == (frozenset(), {str(link)})


def test_a_package_is_watched_as_one_tree(tmp_path: Path) -> None:
    """One watch from the outermost package down, for every module in it."""
    for name in ("p/__init__.py", "p/q/__init__.py", "p/q/m.py"):
        make(tmp_path / name)
    assert find_watch_root(str(tmp_path / "p/q/m.py")) == (str(tmp_path / "p"), True)


def test_a_folder_of_scripts_is_watched_alone(tmp_path: Path) -> None:
    """A project's root has more in it than sources."""
    make(tmp_path / "node_modules" / "x" / "y.js")
    assert find_watch_root(make(tmp_path / "manage.py")) == (str(tmp_path), False)


def test_a_package_with_a_huge_tree_is_watched_folder_by_folder(tmp_path: Path) -> None:
    """Somebody keeps node_modules inside the package."""
    file = make(tmp_path / "p" / "m.py")
    make(tmp_path / "p" / "__init__.py")
    for number in range(MAX_TREE):
        (tmp_path / "p" / "node_modules" / str(number)).mkdir(parents=True)
    assert find_watch_root(file) == (str(tmp_path / "p"), False)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_missing_file_reads_as_nothing(tmp_path: Path) -> None:
    """Deleted, a folder in its place, or its folder is a file now."""
    assert read_source(str(tmp_path / "a.py")) == (None, None)
    assert read_source(str(tmp_path)) == (None, None)
    assert read_source(make(tmp_path / "b.py") + "/c.py") == (None, None)


def test_a_pipe_in_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    """Opening it would wait for a writer."""
    os.mkfifo(tmp_path / "a.py")
    assert read_source(str(tmp_path / "a.py")) == (None, None)


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the old text and half of the new one would be neither."""
    file = make(tmp_path / "a.py", "one\n")
    stats = iter([os.stat(file), os.stat(file)])
    real = os.fstat

    def fstat(handle: int) -> os.stat_result:
        result = real(handle)
        if next(stats, None) is not None:
            with open(file, "a") as writer:
                writer.write("more\n")
        return result

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(Unstable):
        read_source(file)


def test_the_signature_changes_with_the_permissions(tmp_path: Path) -> None:
    """A file that becomes readable is looked at again, though its content is as old as before."""
    file = make(tmp_path / "a.py", "x")
    before = sign(file)
    os.chmod(file, 0o600 if os.stat(file).st_mode & 0o077 else 0o644)
    assert sign(file) != before
    assert sign(str(tmp_path / "none")) is None
