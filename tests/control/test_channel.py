"""The local socket: who may talk, what may be said, and what is found."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hotswap.control import channel
from hotswap.control.client import ask, find_process
from hotswap.control.commands import COMMANDS
from hotswap.control.server import ControlServer, answer
from hotswap.errors import RollbackError
from hotswap.model import ChangeSet, Edit, EditKind, ModulePlan, Plan, Report, Status, Verdict


class FakeEngine:
    """Knows one file and remembers what it was asked."""

    def __init__(self, file: Path) -> None:
        record = SimpleNamespace(name="m", file=str(file), data=file.read_bytes())
        self.world = SimpleNamespace(
            lock=threading.Lock(), records={"m": record}, held={}, live_texts=lambda: {record.file: record.data}
        )
        self.scope = SimpleNamespace(exclusion=lambda path: "an installed package" if "site-packages" in path else "")
        self.asked: list[Any] = []
        edit = Edit(module="m", qualname="f", kind=EditKind.BODY, line=3)
        self.plan = Plan(verdict=Verdict.SWAP, modules=(ModulePlan(module="m", file=str(file), edits=(edit,)),))

    def preview(self, changes: ChangeSet) -> Plan:
        self.asked.append(changes)
        return self.plan

    def swap(self, changes: ChangeSet) -> Report:
        self.asked.append(changes)
        return Report(number=1, applied=True, plan=self.plan, verdict=Verdict.SWAP)

    def rollback(self) -> Report:
        raise RollbackError("there is no swap to take back")

    def status(self) -> Status:
        return Status(modules=(("m", "m.py"),))


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    (tmp_path / "m.py").write_text("live\n")
    return FakeEngine(tmp_path / "m.py")


@pytest.fixture(autouse=True)
def runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("rt")
    monkeypatch.setenv("HOTSWAP_RUNTIME_DIR", str(folder))
    return folder / "hotswap"


@pytest.fixture
def server(engine: FakeEngine) -> Iterator[ControlServer]:
    server = ControlServer(engine)
    server.start()
    yield server
    server.stop()


def say(engine: FakeEngine, **request: Any) -> dict[str, Any]:
    return answer(engine, json.dumps(request).encode())


# -- what may be said -------------------------------------------------------------------------------------------------


def test_a_verb_of_the_table_is_carried_out(engine: FakeEngine, tmp_path: Path) -> None:
    """preview reads the file from disk and gives the plan, for machines and for people."""
    (tmp_path / "m.py").write_text("new\n")
    reply = say(engine, verb="preview", args={"files": [str(tmp_path / "m.py")], "cwd": str(tmp_path)})
    assert reply["ok"]
    assert reply["result"]["plan"]["verdict"] == "swap"
    assert ["m.py", "code"] in json.loads(json.dumps(reply["result"]["lines"]))[1]
    assert engine.asked[0].files[0].data == b"new\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"verb": "eval", "args": {"code": "1"}}\n', f"no such verb; there are: {', '.join(COMMANDS)}"),
        (b'{"verb": ["status"]}\n', "no such verb"),
        (b'{"verb": "status", "args": {"files": []}}\n', "arguments that the verb does not take"),
        (b'{"verb": "preview", "args": {"files": ["relative.py"]}}\n', "absolute paths"),
        (b'{"verb": "preview", "args": {"files": "/etc/passwd"}}\n', "absolute paths"),
        (b'{"verb": "preview", "args": {"files": ["/a\\u0000b"]}}\n', "absolute paths"),
        (b'{"verb": "preview", "args": {"cwd": 1}}\n', "absolute paths"),
        (b'{"verb": "preview", "args": []}\n', "arguments that the verb does not take"),
        (b"[1]\n", "an object with a verb"),
        (b"import os\n", "not a line of JSON"),
        (b"\xff\xfe\n", "not a line of JSON"),
        (b'{"verb": "rollback"}\n', "there is no swap to take back"),
    ],
)
def test_everything_else_is_refused_with_the_reason(engine: FakeEngine, line: bytes, says: str) -> None:
    """No verb outside the table, no argument outside its form; a failure is an answer."""
    reply = answer(engine, line)
    assert not reply["ok"]
    assert says in reply["error"]
    assert engine.asked == []


def test_an_error_inside_is_an_answer_too(engine: FakeEngine) -> None:
    """The thread goes on; who asked gets the traceback."""
    engine.status = lambda: 1 / 0
    reply = say(engine, verb="status")
    assert (reply["ok"], reply["error"]) == (False, "internal error")
    assert "ZeroDivisionError" in reply["excerpt"]


def test_a_file_that_is_not_managed_is_refused_with_the_reason(engine: FakeEngine, tmp_path: Path) -> None:
    """Installed, not loaded, or not there at all."""
    (tmp_path / "site-packages").mkdir()
    for name in ("site-packages/a.py", "b.py"):
        (tmp_path / name).write_text("")
    errors = [say(engine, verb="swap", args={"files": [str(tmp_path / name)]})["error"]
              for name in ("site-packages/a.py", "b.py", "c.py")]  # fmt: skip
    assert "not managed: an installed package" in errors[0]
    assert "not managed: the program has not loaded it" in errors[1]
    assert "no such file" in errors[2]


def test_a_file_is_found_under_another_spelling(engine: FakeEngine, tmp_path: Path) -> None:
    """Through a symlink, and gone from the disk."""
    (tmp_path / "link.py").symlink_to("m.py")
    say(engine, verb="swap", args={"files": [str(tmp_path / "link.py")]})
    (tmp_path / "m.py").unlink()
    say(engine, verb="swap", args={"files": [str(tmp_path / "m.py")]})
    assert [[(file.path, file.data) for file in asked.files] for asked in engine.asked] == [
        [(str(tmp_path / "m.py"), b"live\n")], [(str(tmp_path / "m.py"), None)]]  # fmt: skip


def test_without_files_all_that_differ_are_taken(engine: FakeEngine, tmp_path: Path) -> None:
    """And none where nothing does."""
    say(engine, verb="preview")
    (tmp_path / "m.py").write_text("new\n")
    say(engine, verb="preview")
    assert [len(asked.files) for asked in engine.asked] == [0, 1]


def test_a_token_is_demanded_where_there_is_one(engine: FakeEngine) -> None:
    """Loopback TCP, where the system has no Unix sockets."""
    line = json.dumps({"verb": "about"}).encode()
    assert answer(engine, line, "secret")["error"] == "the token is wrong"
    assert answer(engine, json.dumps({"verb": "about", "token": "secret"}).encode(), "secret")["ok"]


# -- who may talk -----------------------------------------------------------------------------------------------------


def test_the_socket_is_private(server: ControlServer, runtime: Path) -> None:
    """Directory 0700, socket 0600, and the umask as before."""
    assert stat.S_IMODE(os.stat(runtime).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(server.address).st_mode) == 0o600
    mask = os.umask(0)
    os.umask(mask)
    assert mask != 0o177


def test_ask_reaches_this_process(
    server: ControlServer, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: find the process, connect, ask, answer; relative files count from here."""
    monkeypatch.chdir(tmp_path)
    assert find_process() == os.getpid()
    assert ask(os.getpid(), "about")["pid"] == os.getpid()
    ask(os.getpid(), "preview", files=["m.py"])
    assert engine.asked[0].files[0].path == str(tmp_path / "m.py")
    with pytest.raises(channel.ChannelError, match="no swap to take back"):
        ask(os.getpid(), "rollback")


def test_other_users_are_turned_away(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's credentials decide, should the directory's mode ever be widened."""
    monkeypatch.setattr(channel, "_find_peer_uid", lambda peer: os.geteuid() + 1)
    with pytest.raises(channel.ChannelError, match="closed the connection|does not answer"):
        ask(os.getpid(), "about")


def test_the_peers_user_is_the_systems_word() -> None:
    """SO_PEERCRED of a real pair."""
    one, two = socket.socketpair(socket.AF_UNIX)
    with one, two:
        assert channel._find_peer_uid(one) == os.geteuid()
        assert channel.is_peer_allowed(two)


def test_a_directory_that_others_may_enter_is_refused(runtime: Path) -> None:
    """In a shared /tmp somebody may have made it first."""
    runtime.mkdir(mode=0o755)
    with pytest.raises(channel.ChannelError, match="others may enter"):
        channel.runtime_folder()
    runtime.chmod(0o700)
    assert channel.runtime_folder() == str(runtime)


def test_a_link_in_place_of_the_directory_is_refused(runtime: Path, tmp_path: Path) -> None:
    """It could lead to a directory of this user's that means something else."""
    runtime.symlink_to(tmp_path)
    with pytest.raises(channel.ChannelError, match="not a directory of this user"):
        channel.runtime_folder(create=True)


def test_silent_peers_do_not_keep_others_waiting(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sends nothing, one that sends half a line, one that leaves at once."""
    import hotswap.control.server as module

    monkeypatch.setattr(module, "PATIENCE", 0.05)
    peers = [channel.connect(server.address, 5.0)[0] for _ in range(3)]
    peers[1].sendall(b'{"verb"')
    peers[2].close()
    assert ask(os.getpid(), "about", timeout=10.0)["pid"] == os.getpid()
    for peer in peers:
        peer.close()


# -- what is found ----------------------------------------------------------------------------------------------------


def test_nothing_runs() -> None:
    """Said so, with the way to start; the directory is not made by asking."""
    with pytest.raises(channel.ChannelError, match="nothing runs under hotswap"):
        find_process()
    with pytest.raises(channel.ChannelError, match="process 1 does not run under hotswap"):
        find_process(1)


def test_addresses_of_the_dead_are_removed(runtime: Path, server: ControlServer) -> None:
    """A crash leaves a socket; the next look takes it away, and other files stay."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    stale = runtime / f"{dead.stdout.strip()}.sock"
    stale.touch()
    (runtime / "note.txt").touch()
    assert channel.list_pids(str(runtime)) == [os.getpid()]
    assert not stale.exists()
    assert (runtime / "note.txt").exists()


def test_a_process_that_does_not_answer_is_passed_over(runtime: Path, server: ControlServer) -> None:
    """Its number is alive, but belongs to a program without hotswap now."""
    (runtime / f"{os.getppid()}.sock").touch()
    assert find_process() == os.getpid()


def test_the_address_is_reused_after_an_exec(engine: FakeEngine, runtime: Path) -> None:
    """A restart keeps the pid, and finds the socket of its former self."""
    runtime.mkdir(mode=0o700)
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(runtime / f"{os.getpid()}.sock"))
    old.close()
    server = ControlServer(engine)
    server.start()
    try:
        assert find_process() == os.getpid()
    finally:
        server.stop()
    assert os.listdir(runtime) == []


def test_a_forked_child_leaves_the_address_to_its_parent(server: ControlServer) -> None:
    """Its end must not unlink what its parent serves."""
    with warnings.catch_warnings(action="ignore") if sys.version_info >= (3, 12) else warnings.catch_warnings():
        child = os.fork()
    if child == 0:
        server.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert ask(os.getpid(), "about")["pid"] == os.getpid()


def test_stop_ends_the_thread(engine: FakeEngine) -> None:
    """accept() is woken."""
    server = ControlServer(engine)
    server.start()
    thread = next(thread for thread in threading.enumerate() if thread.name == "hotswap-control")
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_tcp_with_a_token_where_there_are_no_unix_sockets(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fallback for Windows, as far as it can be tried here."""
    monkeypatch.setattr(channel, "_HAS_UNIX", False)
    server = ControlServer(engine)
    server.start()
    try:
        assert server.address.endswith(f"{os.getpid()}.port")
        assert stat.S_IMODE(os.stat(server.address).st_mode) == 0o600
        assert ask(os.getpid(), "about")["pid"] == os.getpid()
        known = json.loads(Path(server.address).read_text())
        with socket.create_connection(("127.0.0.1", known["port"])) as peer:
            peer.sendall(b'{"verb": "about"}\n')
            assert json.loads(peer.makefile().readline())["error"] == "the token is wrong"
    finally:
        server.stop()


def test_every_verb_is_in_the_table_with_its_help() -> None:
    """The socket and the terminal read the same one."""
    assert list(COMMANDS) == ["about", "status", "preview", "preflight", "swap", "rollback", "retry", "confirm"]
    assert all(command.help.endswith(".") for command in COMMANDS.values())
