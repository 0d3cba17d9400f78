"""The event server: who may ask, what is told, what may be asked for, and that it holds nobody up."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hotswap.model import Finding, Severity
from hotswap.page import Page
from hotswap.page.server import CLIENTS, ORIGINS
from tests.link.program import Program
from tests.page.http import PATIENCE, Stream, ask

pytestmark = pytest.mark.once  # much the same on every interpreter

ROOT = Path(__file__).resolve().parent.parent.parent
ORIGIN = "http://localhost:8000"


@pytest.fixture
def host(page: Page) -> str:
    return f"127.0.0.1:{page.server.port}"


# -- who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/events", "/part", "/"])
def test_nothing_without_the_token(page: Page, path: str) -> None:
    """A stranger on this machine knows the port, not the token."""
    for token in ("", "?token=", "?token=wrong", f"?token={page.server.token}x"):
        status, body, headers = ask(page.server, "GET", path + token)
        assert (status, body) == (403, "the token is wrong: load the page again\n")
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("name", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_site_that_leads_its_name_here_gets_nothing(page: Page, name: str) -> None:
    """DNS rebinding: the browser sends the name of the site, even with the token that somebody has lost."""
    host = name.format(port=page.server.port)
    for path in (f"/events?token={page.server.token}", f"/?token={page.server.token}", "/run"):
        assert ask(page.server, "GET", path, Host=host)[0] == 403


def test_only_pages_that_were_given_the_token_may_listen(page: Page) -> None:
    """An origin is a scheme, a name and a port; the answer allows that one and no other."""
    path = f"/part?token={page.server.token}"
    page.server.allow(ORIGIN, f"{ORIGIN}/__hotswap__/")
    status, _, headers = ask(page.server, "GET", path, Origin=ORIGIN)
    assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (200, ORIGIN, "Origin")
    for other in ("http://localhost:8001", "https://localhost:8000", "http://evil.example", "null"):
        status, _, headers = ask(page.server, "GET", path, Origin=other)
        assert (status, headers["Access-Control-Allow-Origin"]) == (403, None)


def test_so_many_origins_are_remembered_and_no_more(page: Page) -> None:
    """The one that was used last stays."""
    for number in range(ORIGINS + 3):
        page.server.allow(f"http://localhost:{number}", "home")
    assert page.server.home_of(f"http://localhost:{ORIGINS + 2}") == "home"
    assert page.server.home_of("http://localhost:0") is None


def test_a_command_needs_token_and_origin(page: Page, program: Program, host: str) -> None:
    """A form on another site sends its own origin, and a program that has no browser sends none."""
    page.server.allow(ORIGIN, "home")
    program.edit("m", "def f():\n    return 2\n")
    token = page.server.token
    for form, headers in (
        ({"token": token}, {}), ({"token": token}, {"Origin": "http://evil.example"}), ({}, {"Origin": ORIGIN}),
        ({"token": "x"}, {"Origin": ORIGIN}), ({"token": token}, {"Origin": "null"}),
        ({"token": token}, {"Origin": ORIGIN, "Host": "evil.example"}),
    ):  # fmt: skip
        assert ask(page.server, "POST", "/do/rollback", form, **headers)[0] == 403
    assert ask(page.server, "GET", f"/do/rollback?token={token}")[0] == 404, "a link or a picture gives no command"
    assert [report.number for report in program.engine.status().swaps] == [1]


@pytest.mark.parametrize("verb", ["confirm", "status", "about", "preview", "__class__", ""])
def test_no_other_command(page: Page, verb: str) -> None:
    """The table of the socket has more than a page may ask for."""
    status, body, _ = ask(page.server, "POST", f"/do/{verb}", {"token": page.server.token}, Origin=page.server.base)
    assert (status, body) == (404, "there is no such command; there are: rollback, swap, retry\n")


def test_it_listens_on_this_machine_only(page: Page) -> None:
    """No address of another network, whatever the program itself listens on."""
    assert page.server._socket is not None
    assert page.server._socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("request_", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x00\xff" * 99, b"POST /do/swap HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
])  # fmt: skip
def test_what_is_no_request_changes_nothing(page: Page, request_: bytes) -> None:
    """Another protocol, half a line, too many headers: the connection ends, the next one is served."""
    with socket.create_connection(("127.0.0.1", page.server.port), PATIENCE) as peer:
        peer.sendall(request_)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass
    assert ask(page.server, "GET", "/run")[0] == 200


# -- what is told ----------------------------------------------------------------------------------------------------


def test_who_connects_is_told_how_things_are_and_then_what_is_new(page: Page, program: Program) -> None:
    """1 nothing has happened, 2 a swap, 3 a save that is held, 4 it is mended."""
    with Stream(page.server) as stream:
        first = stream.read()
        assert (first["run"], first["code"], first["held"]) == (page.board.run, 0, [])
        program.edit("m", "def f():\n    return 2\n")
        while (state := stream.read())["code"] == 0:
            pass
        assert state["code"] == 1
        program.edit("m", "def f(:\n    return 3\n")
        while not (state := stream.read())["held"]:
            pass
        (held,) = state["held"]
        assert (held["code"], held["title"]) == ("HS101", "syntax error")
        assert held["where"].endswith("m.py:1")
        assert held["next"]
        assert "def f(:" in held["excerpt"]
        program.edit("m", "def f():\n    return 2\n")
        while (state := stream.read())["held"]:
            pass
        assert state["code"] == 1, "nothing was swapped, so no page has to be loaded again"


def test_who_connects_late_is_told_what_is_held(page: Page, program: Program) -> None:
    """A page that is loaded while the text is broken."""
    program.edit("m", "def f(:\n")
    with Stream(page.server) as stream:
        assert [each["code"] for each in stream.read()["held"]] == ["HS101"]


def test_a_slow_reader_gets_the_newest_state_only(page: Page) -> None:
    """Nothing queues up for a browser that sleeps."""
    with Stream(page.server) as stream:
        stream.read()
        for _ in range(1000):
            page.board.note_styles()
        reads = 1
        while stream.read()["styles"] < 1000:
            reads += 1
        assert reads < 1000


def test_a_swap_with_a_page_that_nobody_reads_is_not_held_up(page: Page, program: Program) -> None:
    """A browser that takes nothing has a thread of its own that waits for it; the swap does not."""
    with socket.create_connection(("127.0.0.1", page.server.port), PATIENCE) as peer:
        peer.sendall(f"GET /events?token={page.server.token} HTTP/1.1\r\nHost: 127.0.0.1:{page.server.port}\r\n\r\n".encode())
        for number in range(2, 12):
            assert program.edit("m", f"def f():\n    return {number}\n").applied
    assert ask(page.server, "GET", "/run")[0] == 200


def test_so_many_browsers_and_no_more(page: Page) -> None:
    """One too many is turned away; when somebody goes there is room again."""
    streams = [Stream(page.server) for _ in range(CLIENTS)]
    with pytest.raises((ConnectionError, EOFError)):
        ask(page.server, "GET", "/run")
    streams.pop().__exit__(None, None, None)
    page.board.note()  # the one who has gone is noticed when something is sent
    for _ in range(2000):
        page.board.note()
        try:
            assert ask(page.server, "GET", "/run")[0] == 200
            break
        except (ConnectionError, EOFError):
            threading.Event().wait(0.01)
    else:
        raise AssertionError("there is no room")
    for stream in streams:
        stream.__exit__(None, None, None)


SETTING = Finding(code="HS213", severity=Severity.HELD, message="settings are read once", file="/w/s.ini", next_step="restart")


def test_a_restart_is_announced_and_what_failed_to_restart_goes_on(page: Page, program: Program) -> None:
    """A report after it comes from a program that is here still."""
    program.engine.restarts = True
    with Stream(page.server) as stream:
        assert stream.read()["restarting"] == ""
        program.engine.refuse(SETTING)
        while not (state := stream.read())["restarting"]:
            pass
        assert state["restarting"] == "settings are read once"
        program.edit("m", "def f():\n    return 2\n")
        while stream.read()["restarting"]:
            pass


def test_what_only_a_restart_brings_is_held_where_there_is_none(page: Page, program: Program) -> None:
    """No table of the engine has it; it is said once for each file, until the program is started again."""
    for _ in range(2):
        program.engine.refuse(SETTING)
    with Stream(page.server) as stream:
        state = stream.read()
    assert state["restarting"] == ""
    assert [(each["code"], each["where"]) for each in state["held"]] == [("HS213", "/w/s.ini")]
    assert "until the program is started again" in ask(page.server, "GET", f"/?token={page.server.token}")[1]


# -- commands --------------------------------------------------------------------------------------------------------


def give(page: Page, verb: str, **form: str) -> tuple[int, str]:
    headers = {"Origin": page.server.base, "Accept": "application/json"}
    return ask(page.server, "POST", f"/do/{verb}", {"token": page.server.token, **form}, **headers)[:2]


def test_rollback_takes_the_swap_back_that_was_meant(page: Page, program: Program) -> None:
    """A button of a page that was loaded before another swap takes back nothing."""
    module = program.load("n", "def f():\n    return 1\n")
    program.edit("n", "def f():\n    return 2\n")
    program.edit("n", "def f():\n    return 3\n")
    assert give(page, "rollback", swap="1") == (
        200, '{"done": false, "said": "swap 1 is not the newest any more; nothing was taken back"}')
    assert module.f() == 3
    status, body = give(page, "rollback", swap="2")
    assert (status, module.f()) == (200, 2)
    assert '"done": true' in body
    assert "swap 2 taken back" in body


def test_a_command_that_cannot_be_carried_out_says_why(page: Page) -> None:
    """And the page goes on."""
    assert give(page, "rollback") == (200, '{"done": false, "said": "there is no swap to take back"}')


def test_a_form_leads_back_to_its_page_which_says_what_came_of_it(page: Page) -> None:
    """Without a script: 303 to the address of the page's own origin, and the sentence stands there once."""
    page.server.allow(ORIGIN, f"{ORIGIN}/__hotswap__/")
    status, _, headers = ask(page.server, "POST", "/do/rollback", {"token": page.server.token}, Origin=ORIGIN)
    assert (status, headers["Location"]) == (303, f"{ORIGIN}/__hotswap__/")
    shown = [ask(page.server, "GET", f"/?token={page.server.token}")[1] for _ in range(2)]
    assert ["there is no swap to take back" in each for each in shown] == [True, False]


def test_the_page_stands_by_itself_too(page: Page, program: Program) -> None:
    """A program without a web framework has it on the event server's own address, with a policy that lets nothing else in."""
    program.edit("m", "def f():\n    return 2\n")
    status, body, headers = ask(page.server, "GET", f"/?token={page.server.token}")
    assert status == 200
    assert "Take swap 1 back" in body
    nonces = set(re.findall(r'nonce="([^"]+)"', body))
    assert len(nonces) == 1
    assert f"script-src 'nonce-{nonces.pop()}'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_a_path_that_is_no_text_is_shown(program: Program) -> None:
    """Linux has such names: they come from ``sys.argv`` and file names, with signs that UTF-8 cannot write."""
    one = Page.of_engine(program.engine, title=lambda: "caf\udce9.py")
    one.start()
    for path in ("/", "/part"):
        status, body, _ = ask(one.server, "GET", f"{path}?token={one.server.token}")
        assert status == 200
        assert r"caf\udce9.py" in body or path != "/"
    one.stop()


# -- the end ---------------------------------------------------------------------------------------------------------


def test_stop_ends_threads_and_streams(page: Page) -> None:
    """At once, with a browser that listens and one that says nothing."""
    with Stream(page.server) as stream, socket.create_connection(("127.0.0.1", page.server.port), PATIENCE):
        stream.read()
        page.stop()
        assert stream.ends()
    for thread in threading.enumerate():
        if thread.name.startswith("hotswap-page"):
            thread.join(PATIENCE)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("hotswap-page")] == []
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", page.server.port), PATIENCE)


PROGRAM = """
import os, sys
from hotswap.engine import Engine
from hotswap.page import Page
page = Page.of_engine(Engine(scope=None))
page.start()
print(page.server.port, page.server.token, flush=True)
"""


def start(rest: str) -> tuple[subprocess.Popen[str], Stream]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + rest], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    port, token = process.stdout.readline().split()

    class Address:
        pass

    address = Address()
    address.port, address.token = int(port), token  # type: ignore[attr-defined]
    return process, Stream(address)  # type: ignore[arg-type]


def test_a_program_ends_though_a_browser_listens() -> None:
    """Its last line is its end: no thread of the page keeps it."""
    process, stream = start("sys.stdin.readline()")
    with process, stream:
        stream.read()
        process.communicate("\n", timeout=PATIENCE)
        assert process.returncode == 0
        assert stream.ends()


def test_a_forked_child_keeps_no_connection_of_its_parent() -> None:
    """The browser notices when the parent ends, and the port is free."""
    process, stream = start(
        "pid = os.fork()\nif pid == 0:\n    os.read(0, 1)\n    os._exit(0)\nprint(pid, flush=True)\nos.read(0, 1)\nos._exit(0)"
    )
    with process, stream:
        stream.read()
        assert process.stdout is not None
        child = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        assert stream.ends(), "the child holds the connection"
        os.kill(child, signal.SIGKILL)
