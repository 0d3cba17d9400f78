# ruff: noqa: E501  (programs and passages of files stand as they do there)
"""What cannot be seen from outside: handlers called directly, in a process that swaps when the test says so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.django.bakery import environment

pytestmark = pytest.mark.once  # much the same on every interpreter; with each Django by tests.django.versions

FreshCopy = Callable[[], Path]

PROLOGUE = """
import asyncio, io, os, pathlib, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "bakery_site.settings"
import hotswap
hotswap.start(["bakery", "bakery_site"], watch=False)
import django
django.setup()
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
plain = WSGIHandler.__call__.__wrapped__
wsgi, asgi = WSGIHandler(), ASGIHandler()

heads = {}

def get(path):
    path, _, query = path.partition("?")
    body = wsgi({"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
                 "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}, lambda status, headers: heads.update(headers))
    try:
        return b"".join(body).decode()
    finally:
        getattr(body, "close", int)()

async def get_async(path):
    path, _, query = path.partition("?")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": [(b"host", b"127.0.0.1")]}
    sent, over = [], asyncio.Event()
    messages = [{"type": "http.request", "body": b"", "more_body": False}]
    async def receive():
        if messages:
            return messages.pop()
        await over.wait()
    async def send(message):
        sent.append(message.get("body", b""))
    await asgi(scope, receive, send)
    return b"".join(sent).decode()

def edit(file, *pairs):
    text = pathlib.Path(file).read_text()
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    pathlib.Path(file).write_text(text)

def settings(**given):
    from django.conf import settings
    for name, value in given.items():
        setattr(settings, name, value)

assert get("/slow/?file=.") == "flour 1, water 1"
RECIPE = ("bakery/recipe.py", ("flour 1", "flour 2"), ("water 1", "water 2"))
"""


def run(folder: Path, site: Path, program: str, timeout: float = 60) -> str:
    kept = environment()
    env = {**kept, "PYTHONPATH": os.pathsep.join([str(site), str(folder), kept.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", PROLOGUE + program]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_request_that_asks_for_the_swap_is_told_to_ask_elsewhere(fresh_copy: FreshCopy, site: Path) -> None:
    """It would be answered by both codes, or wait for its own end; a person or another thread gets the swap."""
    run(fresh_copy(), site, """
edit(*RECIPE)
answer = get("/swap/")
assert "not applied (ask)" in answer and "HS510" in answer and "GET /swap/" in answer, answer
assert get("/slow/?file=.") == "flour 1, water 1"
assert hotswap.swap().applied
assert get("/slow/?file=.") == "flour 2, water 2"
""")  # fmt: skip


def test_asgi_requests_go_through_the_gate(fresh_copy: FreshCopy, site: Path) -> None:
    """1 a coroutine has run the first step, 2 a thread swaps and waits, 3 another coroutine comes and waits, 4 the first ends, in
    the old code, 5 the swap is made, 6 the second is served, by the new code. No thread stands still meanwhile."""
    run(fresh_copy(), site, """
settings(HOTSWAP={"REQUEST_LIMIT": 20})
reports = []

async def play():
    first = asyncio.create_task(get_async("/slow-async/?file=go"))
    await asyncio.sleep(0.2)
    edit(*RECIPE)
    thread = threading.Thread(target=lambda: reports.append(hotswap.swap()))
    thread.start()
    while not first.done() and gate._keeper != thread.ident:  # not who watches templates, who closes it for a first look
        await asyncio.sleep(0.005)
    second = asyncio.create_task(get_async("/slow-async/?file=."))
    await asyncio.sleep(0.05)
    assert not second.done() and not reports
    pathlib.Path("go").touch()
    assert await first == "flour 1, water 1"
    assert await second == "flour 2, water 2"
    thread.join()

from hotswap.session import current
gate = current().engine.plugins.manager.get_plugin("django").gate
asyncio.run(play())
assert reports[0].applied, str(reports[0])
""")  # fmt: skip


def test_a_coroutine_cannot_swap_what_its_own_loop_serves(fresh_copy: FreshCopy, site: Path) -> None:
    """The loop would stand still until the limit, for requests that only the loop can end: held at once."""
    run(fresh_copy(), site, """
import time
edit(*RECIPE)
began = time.monotonic()
answer = asyncio.run(get_async("/swap-async/"))
assert "HS510" in answer and "not applied (ask)" in answer, answer
assert time.monotonic() - began < 2
assert hotswap.swap().applied
""")  # fmt: skip


def test_a_gate_that_stays_closed_answers_503(fresh_copy: FreshCopy, site: Path) -> None:
    """What a swap runs does not return: requests are turned away, and served when it has returned."""
    run(fresh_copy(), site, """
from hotswap.session import current
gate = current().engine.plugins.manager.get_plugin("django").gate
gate.patience = 0.05
go, closed, waiting = threading.Event(), threading.Event(), []
thread = threading.Thread(target=lambda: (gate.close(), closed.set(), go.wait(), gate.open()))
thread.start()
closed.wait()
assert "not begun" in get("/slow/?file=.")
assert "not begun" in asyncio.run(get_async("/slow-async/?file=."))
go.set()
thread.join()
assert get("/slow/?file=.") == "flour 1, water 1"
""")  # fmt: skip


def test_a_rollback_leads_django_back(fresh_copy: FreshCopy, site: Path) -> None:
    """Addresses, the chain of middleware and settings are as before the swap."""
    run(fresh_copy(), site, """
assert get("/links/") == "/ /api/pieces/"
edit("bakery/urls.py", ('path("api/"', 'path("interface/"'))
assert hotswap.swap().applied
assert get("/links/") == "/ /interface/pieces/"
hotswap.rollback()
assert get("/links/") == "/ /api/pieces/"
from django.conf import settings as conf
edit("bakery_site/settings.py", ('"bakery_site.middleware.Sign",', '"bakery_site.middleware.Sign", "bakery_site.middleware.polite",'),
     ("fresh every day", "fresh today"))
assert hotswap.swap(["bakery_site/settings.py"]).applied
assert conf.BAKERY_SLOGAN == "fresh today" and "polite" in str(conf.MIDDLEWARE)
hotswap.rollback()
assert conf.BAKERY_SLOGAN == "fresh every day" and "polite" not in str(conf.MIDDLEWARE)
""")  # fmt: skip


def test_middleware_that_is_called_again_is_so_after_a_rollback(fresh_copy: FreshCopy, site: Path) -> None:
    """The outer part of a middleware function: Django calls it again, on the way there and on the way back."""
    run(fresh_copy(), site, """
edit("bakery_site/settings.py", ('"bakery_site.middleware.Sign",', '"bakery_site.middleware.Sign", "bakery_site.middleware.polite",'))
edit("bakery_site/middleware.py", ("def polite(get_response):\\n", "def polite(get_response):\\n    word = 'bitte'\\n\\n"), ('"please"', "word"))
assert hotswap.swap().applied
get("/links/")
assert heads["X-Polite"] == "bitte", heads
edit("bakery_site/middleware.py", ("'bitte'", "'danke'"))
report = hotswap.swap()
assert report.applied and "is called again" in str(report), str(report)
edit("bakery/views.py", ("async 1", "async 2"))
hotswap.preview()
get("/links/")
assert heads["X-Polite"] == "danke", heads
hotswap.rollback()
get("/links/")
assert heads["X-Polite"] == "bitte", heads
""")  # fmt: skip


def test_hooks_that_middleware_gains_are_called(fresh_copy: FreshCopy, site: Path) -> None:
    """Django has collected ``process_view`` and the like when the chain was made; sync and async handlers, state stays."""
    run(fresh_copy(), site, """
from hotswap_django.handlers import _walk, has_other_hooks
from bakery_site.middleware import Sign
old = [item for handler in (wsgi, asgi) for item in _walk(handler._middleware_chain) if type(item) is Sign]
assert len(old) == 2 and not has_other_hooks([wsgi, asgi])
asyncio.run(get_async("/links/"))
edit("bakery_site/middleware.py", ("    def name(self):", "    def process_view(self, request, view, args, kwargs):\\n"
     "        from django.http import HttpResponse\\n\\n        return HttpResponse('viewed')\\n\\n    def name(self):"))
assert hotswap.swap().applied
assert get("/links/") == "viewed"
assert asyncio.run(get_async("/links/")) == "viewed"
assert int(heads["X-Served"]) == old[0].served + 1
""")  # fmt: skip


def test_what_cannot_be_judged_is_refused(fresh_copy: FreshCopy, site: Path) -> None:
    """A mistake of the plugin lets no change through."""
    run(fresh_copy(), site, """
from hotswap_django import plugin
plugin.judge = lambda plan: 1 / 0
edit(*RECIPE)
report = hotswap.swap()
assert report.verdict == "restart" and "hotswap-django failed to judge" in str(report.held), str(report)
assert get("/slow/?file=.") == "flour 1, water 1"
""")  # fmt: skip


def test_addresses_that_cannot_be_imported_are_taken_back(fresh_copy: FreshCopy, site: Path) -> None:
    """Another module of addresses that is not there would answer each request with an error; a start would not begin."""
    run(fresh_copy(), site, """
edit("bakery_site/settings.py", ('ROOT_URLCONF = "bakery_site.urls"', 'ROOT_URLCONF = "bakery_site.nowhere"'))
report = hotswap.swap()
assert not report.applied and "HS212" in str(report) and "No module named 'bakery_site.nowhere'" in str(report), str(report)
from django.conf import settings as conf
assert conf.ROOT_URLCONF == "bakery_site.urls" and get("/slow/?file=.") == "flour 1, water 1"
pathlib.Path("bakery_site/nowhere.py").write_text("from bakery_site.urls import urlpatterns\\n")
assert hotswap.swap().applied
assert conf.ROOT_URLCONF == "bakery_site.nowhere" and get("/slow/?file=.") == "flour 1, water 1"
""")


def test_settings_that_come_by_a_star_are_followed(fresh_copy: FreshCopy, site: Path) -> None:
    """``from base import *``: the part that is edited counts; what both bind restarts."""
    folder = fresh_copy()
    text = (folder / "bakery_site" / "settings.py").read_text()
    (folder / "bakery_site" / "base.py").write_text(text)
    (folder / "bakery_site" / "settings.py").write_text("from bakery_site.base import *\n\nAPPEND_SLASH = False\n")
    run(folder, site, """
from django.conf import settings as conf
edit("bakery_site/base.py", ("fresh every day", "fresh today"))
assert hotswap.swap().applied
assert conf.BAKERY_SLOGAN == "fresh today"
edit("bakery_site/base.py", ("APPEND_SLASH = True", "APPEND_SLASH = bool(1)"))
report = hotswap.swap()
assert report.verdict == "restart" and "both bind APPEND_SLASH" in str(report), str(report)
""")  # fmt: skip


REFUSED = (
    ("bakery/models.py", "class Oven(models.Model):\n    name", "class Oven(Loaf):\n    kind", "bakery.models.Oven: its parents are other models"),
    ("bakery_site/settings.py", "DEBUG = True", "DEBUG = False", "error pages and static files were set up by it"),
    ("bakery_site/settings.py", "USE_TZ = True", "USE_TZ = True\nUNREAD = 1", "nobody is seen to read UNREAD"),
    ("bakery_site/settings.py", "USE_TZ = True", "USE_TZ = True\nFORCE_SCRIPT_NAME = '/x'", "addresses of static files were made by it"),
    ("bakery_site/settings.py", "USE_TZ = True", "USE_TZ = True\nMIDDLEWARE.append('x')", "a statement of the settings has run"),
)


def test_what_would_be_left_behind_restarts(fresh_copy: FreshCopy, site: Path) -> None:
    """Each of these is refused before anything is executed, with the true reason."""
    run(fresh_copy(), site, f"""
from django.apps import apps
for file, old, new, why in {REFUSED!r}:
    edit(file, (old, new))
    report = hotswap.swap([file])
    assert report.verdict == "restart" and why in str(report.held), (why, str(report))
    edit(file, (new, old))
    report = hotswap.swap([file])
    assert report.verdict == "nothing", str(report)
pathlib.Path("../library.py").write_text("def f(settings):\\n    return settings.BAKERY_SLOGAN\\n")
import sys
sys.path.append("..")
import library
edit("bakery_site/settings.py", ("fresh every day", "fresh now"))
report = hotswap.swap()
assert report.verdict == "restart" and "library.py reads BAKERY_SLOGAN, and may have kept" in str(report.held), str(report)
edit("bakery_site/settings.py", ("fresh now", "fresh every day"))
hotswap.swap()
del sys.modules["library"]
assert sorted(apps.all_models["bakery"]) == ["loaf", "oven"]
edit("bakery/views.py", ("GOES_ON = ", "SLOGAN = settings.BAKERY_SLOGAN\\nGOES_ON = "))
assert hotswap.swap().applied
edit("bakery_site/settings.py", ("fresh every day", "fresh today"))
report = hotswap.swap()
assert "views.py:" in str(report.held) and "reads BAKERY_SLOGAN when it is imported" in str(report.held), str(report)
""")  # fmt: skip


def test_a_django_that_is_not_known_inside_restarts_and_says_so(fresh_copy: FreshCopy, site: Path) -> None:
    """The version gate: nothing private is touched, methods of views are live as without the plugin."""
    run(fresh_copy(), site, """
django.VERSION = (99, 0, 0, "final", 0)
edit("bakery/urls.py", ('path("api/"', 'path("interface/"'))
report = hotswap.swap()
assert report.verdict == "restart", str(report)
assert "hotswap-django knows the inside of Django 4.2, 5.0, 5.1, 5.2, 6.0, 6.1, this is 99.0" in str(report.held), str(report)
edit("bakery/urls.py", ('path("interface/"', 'path("api/"'))
edit(*RECIPE)
assert hotswap.swap().applied
""")  # fmt: skip


def test_wrong_options_are_said(fresh_copy: FreshCopy, site: Path) -> None:
    """What HOTSWAP in the settings says and makes no sense is named with what it takes; the default counts."""
    run(fresh_copy(), site, """
wrong = (({"REQUEST_LIMIT": "x"}, "make it a number of seconds"), ([], "make it a dict"), ({"LIMIT": 1}, "it knows REQUEST_LIMIT"))
for number, (given, word) in enumerate(wrong, 1):
    settings(HOTSWAP=given)
    edit("bakery/recipe.py", (f"flour {number}", f"flour {number + 1}"))
    report = hotswap.swap()
    assert report.applied and word in str(report), str(report)
""")  # fmt: skip


def test_nothing_of_django_is_changed_when_hotswap_has_stopped(fresh_copy: FreshCopy, site: Path) -> None:
    """The handlers are those of Django again."""
    run(fresh_copy(), site, """
assert WSGIHandler.__call__ is not plain
hotswap.stop()
assert WSGIHandler.__call__ is plain
assert get("/slow/?file=.") == "flour 1, water 1"
""")  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("words", ["check", "count_loaves"])
def test_other_commands_are_as_ever(fresh_copy: FreshCopy, site: Path, words: str) -> None:
    """A project that lists the plugin, and a command that serves nothing: no thread, no output of hotswap."""
    kept = environment()
    env = {**kept, "PYTHONPATH": os.pathsep.join([str(site), kept.get("PYTHONPATH", "")]), "BAKERY_LISTS_HOTSWAP": "1"}
    done = subprocess.run(
        [sys.executable, "manage.py", words], cwd=fresh_copy(), env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "hotswap" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr


def test_system_checks_are_made_after_a_swap(fresh_copy: FreshCopy, site: Path) -> None:
    """1 an address begins with a slash: it is live, and Django's warning is told once and shown until it is mended, 2 a check that
    fails is told too, 3 what is superseded by another save is not told."""
    run(fresh_copy(), site, """
from hotswap_django import checking
from hotswap.requests.gate import GATE
from hotswap_django.checking import Checking
told, shown = [], []
checks = Checking(told.append, shown.append, GATE)
checks.step()
assert (told, shown) == ([], [()])
edit("bakery/urls.py", ('path("links/"', 'path("/links/"'))
assert hotswap.swap().applied
checks.step()
checks.step()
assert [finding.code for finding in told] == ["HS416"] and "urls.W002" in told[0].message, told
assert [len(findings) for findings in shown] == [0, 1, 1]
edit("bakery/urls.py", ('path("/links/"', 'path("links/"'))
assert hotswap.swap().applied
checks._wanted.set()
checks.step()
assert len(shown) == 3
checks._wanted.clear()
checks.step()
assert len(told) == 1 and shown[-1] == ()
checking.run_checks = lambda: 1 / 0
checks.step()
assert "failed: ZeroDivisionError" in told[-1].excerpt and "in <lambda>" in told[-1].excerpt, told
assert (told[-1].code, shown[-1][0].code, shown[-1][0].severity) == ("HS417", "HS417", "error"), told
""")  # fmt: skip


#: With none of these would ``runserver`` start: file, old and new passage, Django's name for the error.
ERRORS = (
    ("bakery/admin.py", '    list_display = ("name",)', '    list_display = ("nothing",)', "admin.E108"),
    ("bakery/admin.py", '    list_display = ("name",)', '    list_display = ("name",)\n    list_filter = ("nothing",)', "admin.E116"),
    ("bakery/admin.py", '    list_display = ("name",)', '    list_display = ("name",)\n    readonly_fields = ("nothing",)', "admin.E035"),
    ("bakery/admin.py", '    list_display = ("name",)', '    list_display = ("name",)\n    search_fields = "name"', "admin.E126"),
    ("bakery/admin.py", '    list_display = ("name",)', '    list_display = ("name",)\n    inlines = (Loaf,)', "admin.E104"),
    ("bakery/urls.py", 'path("links/", views.links', 'path("links/", views.Shelf', "urls.E009"),
    ("bakery/urls.py", 'path("links/", views.links, name="links"),', 'path("links/", views.links, name="links"), "x",', "urls.E004"),
)


def test_what_runserver_would_not_start_with_is_an_error_until_it_is_mended(fresh_copy: FreshCopy, site: Path) -> None:
    """1 it is live, and told as an error with what Django says, 2 so it is with the next save, 3 it is mended, and that is told;
    each of these ends a command with checks, in a process of its own."""
    run(fresh_copy(), site, f"""
import subprocess, sys
from hotswap_django.checking import Checking
from hotswap.requests.gate import GATE
told, shown = [], []
checks = Checking(told.append, shown.append, GATE)
for number, (file, old, new, name) in enumerate({ERRORS!r}):
    text = pathlib.Path(file).read_text()
    edit(file, (old, new))
    assert hotswap.swap().applied
    checks.step()
    found = [each for each in shown[-1] if name in each.message]
    assert [(each.code, each.severity) for each in found] == [("HS417", "error")], (name, shown[-1])
    assert (told[-1].code, told[-1].severity) == ("HS417", "error") and name in told[-1].excerpt, told
    edit("bakery/recipe.py", (f"flour {{number + 1}}", f"flour {{number + 2}}"))
    assert hotswap.swap().applied
    count = len(told)
    checks.step()
    assert len(told) == count + 1 and name in told[-1].excerpt, told
    if number < 1:
        done = subprocess.run([sys.executable, "manage.py", "check"], capture_output=True, text=True)
        assert done.returncode and name in done.stderr, done.stderr
    pathlib.Path(file).write_text(text)
    assert hotswap.swap().applied
    checks.step()
    assert told[-1].message.startswith("mended") and shown[-1] == (), (name, told[-1], shown[-1])
    checks.step()
    assert len(told) == count + 2
""")  # fmt: skip


def test_system_checks_compute_nothing_while_a_swap_empties_it(fresh_copy: FreshCopy, site: Path) -> None:
    """1 the gate is closed: they wait, and come again when it stays so, 2 it is open: they are inside, a swap waits for them."""
    run(fresh_copy(), site, """
from hotswap.requests.gate import GATE
from hotswap_django import checking
made, shown = [], []
checking.run_checks = lambda: made.append([str(visit.label) for visit in GATE._inside]) or []
checks = checking.Checking(print, shown.append, GATE)
GATE.patience = 0.0
GATE.close()
thread = threading.Thread(target=checks.step)
thread.start()
thread.join(20)
assert checks._wanted.is_set() and (made, shown) == ([], [])
GATE.open()
checks._wanted.clear()
checks.step()
assert (made, shown) == ([["Django's system checks"]], [()]) and GATE.look() == ("open", [])
""")  # fmt: skip


def test_what_checks_have_shown_at_the_start_is_not_told_again(fresh_copy: FreshCopy, site: Path) -> None:
    """1 a command shows a warning, 2 it stands after a save: in pages only, 3 it is mended and comes back: told."""
    folder = fresh_copy()
    urls = folder / "bakery" / "urls.py"
    urls.write_text(urls.read_text().replace('path("links/"', 'path("/links/"'))
    run(folder, site, """
from django.core.management import call_command
from hotswap_django.checking import Checking
from hotswap_django.plugin import DjangoPlugin
from hotswap.session import current
(plugin,) = [plugin for plugin in current().engine.plugins.manager.get_plugins() if isinstance(plugin, DjangoPlugin)]
call_command("check")
told, shown = [], []
checks = Checking(told.append, shown.append, plugin.gate, plugin._shown)
checks.step()
assert told == [] and "urls.W002" in shown[0][0].message, (told, shown)
for old, new in (('"/links/"', '"links/"'), ('"links/"', '"/links/"')):
    edit("bakery/urls.py", (old, new))
    assert hotswap.swap().applied
    checks.step()
assert [len(found) for found in shown] == [1, 0, 1] and len(told) == 1, (told, shown)
hotswap.stop()
from django.core import checks
assert not hasattr(checks.run_checks, "__wrapped__")
""")  # fmt: skip


def test_system_checks_are_asked_for_by_a_save_that_is_live(fresh_copy: FreshCopy, site: Path) -> None:
    """On a thread of their own, that ends with hotswap; not by a save that is held, and not where runserver would make none."""
    run(fresh_copy(), site, """
import sys
from hotswap_django import checking
made = threading.Event()
checking.DELAY = 0.0
checking.run_checks = lambda: made.set() or []
edit("bakery/recipe.py", ("flour 1", "flour ("), ('water 1"', 'water 1" ('))
assert not hotswap.swap().applied
assert "hotswap-django-checks" not in [thread.name for thread in threading.enumerate()]
edit("bakery/recipe.py", ("flour (", "flour 2"), ('water 1" (', 'water 2"'))
sys.argv.append("--skip-checks")
assert hotswap.swap().applied
assert "hotswap-django-checks" not in [thread.name for thread in threading.enumerate()]
sys.argv.pop()
edit("bakery/recipe.py", ("flour 2", "flour 3"))
assert hotswap.swap().applied
assert made.wait(20)
(thread,) = [thread for thread in threading.enumerate() if thread.name == "hotswap-django-checks"]
hotswap.stop()
thread.join(20)
assert not thread.is_alive()
""")  # fmt: skip
