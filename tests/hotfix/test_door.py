"""The socket at which a service takes orders: the kernel says who gives them, and only a known verb does anything."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotswap.errors import PatchError
from hotswap.hotfix.door import MAX_HEADER, Door, Request, ask, parse_request
from hotswap.hotfix.patch import MAX_PATCH
from hotswap.hotfix.spool import Spool
from tests.hotfix.service import PRICING, Service, Shop, wait_until

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Service]]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.root.chmod(0o755)
    yield shop, shop.serve(door=True)
    shop.close()


@pytest.fixture
def shop(running: tuple[Shop, Service]) -> Shop:
    return running[0]


@pytest.fixture
def service(running: tuple[Shop, Service]) -> Service:
    return running[1]


def spool_of(shop: Shop) -> Spool:
    return Spool("web", str(shop.root / "spool" / "web"))


def test_orders_through_the_door(shop: Shop, service: Service) -> None:
    """They do what those through the spool do; the journal has the peer, as the kernel knows it."""
    patch = shop.build({"shop/pricing.py": TRIPLE})
    door = ("--group", "web", "--door")
    shop.done("apply", patch, "--check", *door)
    assert service.ask("hotswap.applied()") == []
    shop.done("apply", patch, "--confirm-within", 3600, *door)
    assert service.ask("total(5)") == 15
    shop.done("confirm", *door)
    shop.done("pause", *door)
    shop.refused("HS616", "rollback", *door)
    shop.done("resume", *door)
    [group] = shop.ask_json("status", *door)["groups"]
    assert ([order["id"] for order in group["wanted"]], group["same"]) == (["shop-1"], True)
    shop.done("rollback", *door)
    assert service.ask("total(5)") == 10
    by = {entry["by"] for entry in shop.journal() if entry["event"] == "ordered"}
    assert len(by) == 1
    assert f"uid {os.getuid()}, process {os.getpid()}" in by.pop()
    for words in (("rollback", "--door"), ("apply", patch, "--door"), ("apply", patch, "--watch", 1, "--canary", 1, *door)):
        assert shop.hotswap(*words).exit_code == 2


def test_a_patch_at_the_door_is_verified(shop: Shop, service: Service) -> None:
    """By the process, before it is put anywhere."""
    before = set(os.listdir(shop.root / "spool" / "web" / "patches"))
    shop.refused("HS602", "apply", shop.build({"shop/pricing.py": TRIPLE}, sign=False), "--group", "web", "--door")
    assert set(os.listdir(shop.root / "spool" / "web" / "patches")) == before
    assert service.ask("hotswap.applied()") == []


def test_who_may_come_to_the_door(shop: Shop, service: Service) -> None:
    """Only the service's user can reach the socket; another one that does all the same is refused by what the kernel says."""
    doors = shop.root / "spool" / "web" / "doors"
    [path] = doors.iterdir()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (doors, path)] == [0o700, 0o700]
    if os.getuid() != 0:
        return  # only root can be another user; the next lines are about that
    as_nobody = (
        "import json, os, socket, struct, sys\n"
        "connection = socket.socket(socket.AF_UNIX)\n"
        "os.setuid(65534)\n"
        "try: connection.connect(sys.argv[1])\n"
        "except PermissionError: print('closed'); sys.exit()\n"
        "head = json.dumps({'verb': 'rollback'}).encode()\n"
        "connection.sendall(struct.pack('>I', len(head)) + head)\n"
        "print(connection.makefile('rb').read()[4:].decode())\n"
    )

    def come() -> str:
        words = [sys.executable, "-c", as_nobody, path.name]
        return subprocess.run(words, cwd=doors, capture_output=True, text=True, timeout=60, check=True).stdout

    assert come() == "closed\n"
    try:
        for each in (doors, path):
            each.chmod(0o777)  # as an administrator might by mistake
        error = json.loads(come())["error"]
    finally:
        for each in (doors, path):
            each.chmod(0o700)
    assert error["code"] == "HS617"
    assert "user 65534 may not give orders" in error["message"]
    with pytest.raises(PatchError, match="belongs to somebody else"):
        doors.chmod(0o777)
        try:
            ask(spool_of(shop), Request(verb="status"))
        finally:
            doors.chmod(0o700)


def test_the_door_outlives_what_the_program_runs_out_of(shop: Shop, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor left nobody is let in; afterwards somebody is."""
    limit = "__import__('resource').setrlimit(__import__('resource').RLIMIT_NOFILE, ({}, 4096))"
    low = service.ask("len(__import__('os').listdir('/proc/self/fd'))")
    service.ask(limit.format(low - 1))
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(0.5)
            [path] = (shop.root / "spool" / "web" / "doors").iterdir()
            monkeypatch.chdir(path.parent)  # its path may be too long for a socket
            connection.connect(path.name)
            connection.sendall(b"x")
            with pytest.raises(TimeoutError):
                connection.recv(1)
    finally:
        service.ask(limit.format(1024))
    shop.done("status", "--group", "web", "--door")


def test_a_child_has_no_door_and_no_lock_of_its_parent(shop: Shop) -> None:
    """Forked while the parent gives an order, it neither answers at its door nor keeps others from orders when that is killed."""
    parent = shop.serve(group="second", door=True)
    parent.ask("globals().update(signal=__import__('signal'))")
    parent.ask("globals().update(order=__import__('hotswap.hotfix.entry').hotfix.entry._agent.spool.ordering())")
    parent.ask("order.__enter__()")
    child = parent.ask("os.fork() or signal.pause()")
    try:
        shop.refused("HS612", "rollback", "--group", "second")
        parent.process.kill()
        parent.process.wait()
        wait_until(lambda: child in {held["pid"] for held in shop.processes_of("second")}, "the child is known")
        shop.refused("HS607", "rollback", "--group", "second")
        shop.refused("HS611", "rollback", "--group", "second", "--door")
    finally:
        os.kill(child, signal.SIGKILL)


# ---- whatever comes ----


def fail(*_: Any) -> Any:
    raise AssertionError("nothing was to be ordered")


def open_nothing(data: bytes) -> Any:
    raise PatchError("HS602", f"{len(data)} bytes are no patch")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """A door whose orders would be noticed."""
    return Door(Spool("web", str(tmp_path_factory.mktemp("spool"))), open_nothing, fail)


def converse(door: Door, data: bytes) -> Any:
    """What is answered to some bytes, behind which nothing comes."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(30)
        here.sendall(data[: 2**16])
        here.shutdown(socket.SHUT_WR)
        door.answer(there)
        there.close()
        with here.makefile("rb") as stream:
            answer = stream.read()
    (size,) = struct.unpack(">I", answer[:4])
    assert size == len(answer) - 4
    return json.loads(answer[4:])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from([field.name for field in attrs.fields(Request)] + ["__class__", "other"])
HEADS = st.dictionaries(NAMES, JSON | st.sampled_from(["rollback", "apply", "status", "eval"]), max_size=6)
BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@BOUNDED
@given(data=st.binary(max_size=200) | st.builds(lambda head, rest: struct.pack(">I", len(head)) + head + rest,
                                                 HEADS.map(lambda head: json.dumps(head).encode()), st.binary(max_size=20)))
def test_any_bytes_are_answered_with_one_sentence(closed: Door, data: bytes) -> None:
    """Nothing is ordered, and the process goes on. (A spool that is empty: what is a request finds nothing to do.)"""
    answer = converse(closed, data)
    assert set(answer) in ({"error"}, {"status"})
    if "error" in answer:
        assert answer["error"]["code"].startswith("HS6")
        assert "\n" not in answer["error"]["message"]


@BOUNDED
@given(head=HEADS)
def test_what_passes_is_a_request(head: dict[str, Any]) -> None:
    """Each field of what is let through has its type and its bounds."""
    try:
        request = parse_request(json.dumps(head).encode())
    except PatchError:
        return
    assert type(request.verb) is str
    assert 0 <= request.size <= MAX_PATCH
    assert all(type(pid) is int for pid in request.pids)
    assert 0 <= request.timeout <= 600


@pytest.mark.parametrize(
    "head",
    [
        b"", b"{", b"[]", b"1", b"{}", b'{"verb": "eval"}', b'{"verb": ["apply"]}', b'{"verb": "apply", "size": -1}',
        b'{"verb": "apply", "size": 1e400}', b'{"verb": "apply", "size": true}', b'{"verb": "rollback", "timeout": 1e9}',
        b'{"verb": "rollback", "pids": "all"}', b'{"verb": "apply", "terms": {"budget": "much"}}', b"[" * 60_000,
        b'{"verb": "rollback", "terms": {"wish": {"consistency": null, "force": false, "deadline": 1%s}}}' % (b"0" * 400),
        b'{"verb": "apply", "terms": {"confirm_within": "soon"}}', b'{"verb": "apply", "terms": 7}',
    ],
)  # fmt: skip
def test_requests_that_are_none(closed: Door, head: bytes) -> None:
    """Each is refused with the same code."""
    assert converse(closed, struct.pack(">I", len(head)) + head)["error"]["code"] == "HS617"


def test_requests_that_are_too_large_or_too_slow(closed: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of them is kept, and who says nothing is not waited for without end."""
    assert "larger than" in converse(closed, struct.pack(">I", MAX_HEADER + 1))["error"]["message"]
    monkeypatch.setattr("hotswap.hotfix.door.PATIENCE", 0.05)
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(30)
        here.sendall(b"\0")
        closed.answer(there)
        assert b"did not come in time" in here.recv(1000)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_ours_closes_the_connection_and_not_the_door(closed: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has asked hears that nothing came; the next one is answered."""
    carry_out = Door._carry_out

    def fail_once(self: Door, connection: socket.socket) -> dict[str, Any]:
        monkeypatch.setattr(Door, "_carry_out", carry_out)
        raise RuntimeError("a bug")

    monkeypatch.setattr(Door, "_carry_out", fail_once)
    closed.open()
    try:
        with pytest.raises(PatchError, match="HS6"):
            ask(closed.spool, Request(verb="status"))
        assert ask(closed.spool, Request(verb="status"))["status"]["group"] == "web"
    finally:
        closed.after_fork()  # which closes it
