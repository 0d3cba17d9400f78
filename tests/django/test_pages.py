# ruff: noqa: E501  (programs and passages of files stand as they do there)
"""Which answers get the script, who sees the status page, and that there is nothing of it where it is not wanted."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.django.bakery import PLUGIN, Bakery, environment, running
from tests.django.test_inside import run as run_inside

pytestmark = pytest.mark.once  # much the same on every interpreter

sys.path.insert(0, str(PLUGIN))

from hotswap_django.policy import find_nonce  # noqa: E402

FreshCopy = Callable[[], Path]
BASE = "http://127.0.0.1:4321"


# -- the policy of a page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "nonce"), [
    ("", ""),
    ("img-src 'none'", ""),
    ("script-src 'nonce-abc'; connect-src *", "abc"),
    ("default-src 'self'; script-src 'self' 'nonce-a+/=' 'strict-dynamic'; connect-src 'self' http://127.0.0.1:*", "a+/="),
    ("script-src 'self' http://127.0.0.1:*; connect-src http://127.0.0.1:4321", ""),
    ("script-src-elem 'nonce-e'; script-src 'none'; connect-src http:", "e"),
    ("default-src 'nonce-d' 127.0.0.1:*", "d"),
    ("script-src 'nonce-a'; connect-src *, img-src *", "a"),
])  # fmt: skip
def test_a_policy_that_lets_the_script_in(policy: str, nonce: str) -> None:
    """By its nonce, or by the address."""
    assert find_nonce(policy, BASE) == (nonce, "")


@pytest.mark.parametrize(("policy", "why"), [
    ("default-src 'self'", "script-src"),
    ("script-src 'self'", "script-src"),
    ("script-src 'strict-dynamic' http://127.0.0.1:*", "script-src"),
    ("script-src http://127.0.0.1:80; connect-src *", "script-src"),
    ("script-src http://127.0.0.1.evil.example:*; connect-src *", "script-src"),
    ("script-src 'nonce-a'; connect-src 'self'", "connect-src"),
    ("default-src 'self'; script-src 'nonce-a'", "connect-src"),
    ("script-src 'nonce-a'; connect-src *, script-src 'self'", "script-src"),
    ("sandbox allow-forms", "sandbox"),
])  # fmt: skip
def test_a_policy_that_does_not_says_which_rule(policy: str, why: str) -> None:
    """The policy of the project is never touched, so the person is told what it lacks."""
    assert why in find_nonce(policy, BASE)[1]


# -- which answers, in a process of its own -----------------------------------------------------------------------------

PROLOGUE = """
import re, sys, threading
from django.conf import settings
settings.configure(DEBUG=True, ALLOWED_HOSTS=["127.0.0.1", "localhost", "192.168.1.5"], ROOT_URLCONF="nowhere")
import django
django.setup()
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import RequestFactory
from hotswap.engine import Engine
from hotswap.requests.gate import Gate
from hotswap_django.pages import Pages

told = []
pages = Pages(Gate())
pages.attach(Engine(scope=None, on_finding=told.append))
PAGE = b"<!doctype html><html><body><p>Hi</p></body></html>"

def take(response, path="/x/", method="GET", **meta):
    meta = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8000", **meta}
    request = RequestFactory().generic(method, path, **meta)
    return pages.take_response(request, response)

def has_script(response, **more):
    before = response.content
    response = take(response, **more)
    assert (response.content == before) is (b"page.js" not in response.content)
    return b"page.js" in response.content
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + program], env={**environment(), "PYTHONPATH": f"{PLUGIN}:{environment()['PYTHONPATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_script_stands_before_the_end_of_the_body_and_the_length_is_right() -> None:
    """Once, also where the end is not written, or is written in a script before it."""
    run("""
response = HttpResponse(PAGE, headers={"Content-Length": str(len(PAGE)), "ETag": '"a"', "Last-Modified": "x"})
text = take(response).content.decode()
assert re.fullmatch(r"<!doctype html><html><body><p>Hi</p><script src=\\"http://127\\.0\\.0\\.1:\\d+/page\\.js\\"[^<>]*></script></body></html>", text), text
assert response["Content-Length"] == str(len(response.content))
assert not response.has_header("ETag") and not response.has_header("Last-Modified")
for page, tail in ((b"<!DOCTYPE html><p>x", b""), (b"<html><p>x</html>", b"</html>"), (b"<body><script>'</body>'</script></BODY >", b"</BODY >")):
    assert take(HttpResponse(page)).content.endswith(b"defer></script>" + tail), page
""")


def test_answers_that_are_no_pages_stay_as_they_are() -> None:
    """Data, parts of pages, streams, compressed ones, downloads, what a script has asked for."""
    run("""
assert has_script(HttpResponse(PAGE)) and has_script(HttpResponse(PAGE, status=500)), "or nothing below means anything"
assert has_script(HttpResponse(PAGE), HTTP_SEC_FETCH_DEST="iframe")
for other in (JsonResponse({"a": PAGE.decode()}), HttpResponse(PAGE, content_type="text/plain"), HttpResponse(b"<p>a part</p>"), HttpResponse(b""),
              HttpResponse(PAGE, headers={"Content-Encoding": "gzip"}), HttpResponse(PAGE, headers={"Content-Disposition": "attachment"})):
    assert not has_script(other)
assert not has_script(HttpResponse(PAGE), HTTP_SEC_FETCH_DEST="empty")
assert not has_script(HttpResponse(PAGE), HTTP_X_REQUESTED_WITH="XMLHttpRequest")
stream = StreamingHttpResponse([PAGE])
assert b"".join(take(stream).streaming_content) == PAGE
""")


def test_browsers_elsewhere_get_no_script_and_no_token() -> None:
    """Another machine, a proxy or tunnel from elsewhere, a name that leads here; the status page is theirs to read, if Django's hosts allow it."""
    run("""
def status(**meta):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/__hotswap__/", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8000", **meta}
    application = pages.answer_wsgi(environ)
    return application and b"".join(application(environ, lambda status, headers: None)).decode()

for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
    assert has_script(HttpResponse(PAGE), HTTP_HOST=host)
    assert "data-token" in status(HTTP_HOST=host)
for meta in ({"REMOTE_ADDR": "192.168.1.9"}, {"HTTP_HOST": "192.168.1.5:8000", "REMOTE_ADDR": "192.168.1.9"}, {"REMOTE_ADDR": ""}):
    assert not has_script(HttpResponse(PAGE), **meta)
    assert "Saves" in status(**meta) and "token" not in status(**meta).lower()
assert status(HTTP_HOST="evil.example") is None, "a name that is led here"
assert status(HTTP_HOST="localhost.evil.example") is None
assert status(PATH_INFO="/__hotswap__/other") is None and status(REQUEST_METHOD="POST") is None
""")


def test_a_policy_is_followed_or_named_once() -> None:
    """With the page's nonce; or the terminal says why not and what to do."""
    run("""
response = take(HttpResponse(PAGE, headers={"Content-Security-Policy": "script-src 'nonce-n1'; connect-src *"}))
assert b' nonce="n1"' in response.content
for _ in range(2):
    assert not has_script(HttpResponse(PAGE, headers={"Content-Security-Policy": "default-src 'self'"}), path="/strict/")
(finding,) = told
assert finding.code == "HS212" and "/strict/" in finding.message and "script-src" in finding.message and "127.0.0.1:*" in finding.next_step
""")


@pytest.mark.parametrize("setting", ["settings.DEBUG = False", "settings.HOTSWAP = {'PAGE': False}"])
def test_nothing_is_there_where_it_is_not_wanted(setting: str) -> None:
    """No script, no address, no thread, and not even the modules."""
    run(f"""
{setting}
assert not has_script(HttpResponse(PAGE))
assert pages.answer_wsgi({{"REQUEST_METHOD": "GET", "PATH_INFO": "/__hotswap__/", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1"}}) is None
assert pages.find_page() is None
assert [thread.name for thread in threading.enumerate() if "hotswap" in thread.name] == []
assert [name for name in sys.modules if name.startswith("hotswap.page")] == []
""")


@pytest.mark.once
def test_asgi_has_the_script_and_the_page_too(fresh_copy: FreshCopy, site: Path) -> None:
    """The page beside the gate: while that is closed it is answered, and other requests wait."""
    run_inside(fresh_copy(), site, """
async def ask(path, **more):
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"127.0.0.1:8000")],
             "client": ("127.0.0.1", 5), **more}
    sent, over = [], asyncio.Event()
    messages = [{"type": "http.request", "body": b"", "more_body": False}]
    async def receive():
        if messages:
            return messages.pop()
        await over.wait()
    async def send(message):
        sent.append(message)
    await asgi(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])

status, headers, body = asyncio.run(ask("/"))
assert status == 200 and b"/page.js" in body
assert {name.lower(): value for name, value in headers.items()}.get(b"content-length", str(len(body)).encode()) == str(len(body)).encode()
assert b"page.js" not in asyncio.run(ask("/", client=("192.168.1.9", 5)))[2]
import hotswap.session
plugin = hotswap.session.current().engine.plugins.manager.get_plugin("django")
assert plugin.gate.close() == []
asyncio_thread = threading.Thread(target=lambda: asyncio.run(ask("/")), daemon=True)
asyncio_thread.start()
status, headers, body = asyncio.run(ask("/__hotswap__/"))
assert status == 200 and b"Saves" in body and headers[b"content-length"] == str(len(body)).encode()
assert b"default-src 'none'" in headers[b"content-security-policy"]
assert asyncio.run(ask("/__hotswap__/", method="HEAD"))[2] == b""
assert asyncio.run(ask("/prefix/__hotswap__/", root_path="/prefix"))[0] == 200
assert asyncio_thread.is_alive()
plugin.gate.open()
asyncio_thread.join(20)
assert not asyncio_thread.is_alive()
""")


# -- a real server -----------------------------------------------------------------------------------------------------


def listening(pid: int) -> set[str]:
    """Addresses at which a process listens, as the system writes them."""
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


@pytest.mark.once
@pytest.mark.parametrize("debug", [True, False])
def test_a_server_without_debug_has_no_port_and_no_address_of_it(fresh_copy: FreshCopy, site: Path, debug: bool) -> None:
    """One port more with DEBUG, on loopback; without it what the project itself says of the address."""
    folder = fresh_copy()
    settings = folder / "bakery_site/settings.py"
    settings.write_text(settings.read_text().replace("DEBUG = True", f"DEBUG = {debug}"))
    with running(folder, site, "hotswap run") as bakery:
        page = bakery.get("/")
        assert ("page.js" in page.text) is debug
        assert bakery.get("/__hotswap__/").status == (200 if debug else 404)
        ports = listening(bakery.process.pid)
        assert len(ports) == (2 if debug else 1)
        assert {port.partition(":")[0] for port in ports} == {"0100007F"}


@pytest.mark.once
def test_the_status_page_is_there_while_a_swap_waits(fresh_copy: FreshCopy, site: Path) -> None:
    """1 a request is inside, 2 a save waits for it, 3 the page is answered and names the request, 4 it ends, the save is live."""
    folder = fresh_copy()
    with (folder / "bakery_site/settings.py").open("a") as settings:
        settings.write('HOTSWAP = {"REQUEST_LIMIT": 20}\n')
    with running(folder, site) as bakery:
        marker = folder / "go-on"
        slow = threading.Thread(target=bakery.get, args=(f"/slow/?file={marker}",))
        slow.start()
        bakery.wait_until(lambda: "GET /slow/" in status_page(bakery), "the request is inside")
        bakery.edit("bakery/recipe.py", "flour 1", "flour 2")
        bakery.wait_until(lambda: "Waiting for 1 request to end" in status_page(bakery), "the page says what is waited for")
        assert re.search(r"GET /slow/</code> <span class=\"dim\">for \d+\.\d s, in ", status_page(bakery))
        marker.touch()
        slow.join(20)
        bakery.wait_until(lambda: "What is on disk is live" in status_page(bakery), "the save is live")


def status_page(bakery: Bakery) -> str:
    return bakery.get("/__hotswap__/").text
