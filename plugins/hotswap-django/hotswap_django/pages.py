"""The page beside Django: a script in the pages of a DEBUG server, and the status page at ``/__hotswap__/``.

    settings                     what there is
    DEBUG off                    nothing: no thread, no port, no script, no address
    DEBUG on                     all of it, from the first request on
    HOTSWAP = {"PAGE": False}    nothing

    the browser                  the script     the status page
    on this machine              yes            with commands, follows by itself
    elsewhere                    no             to read only, where ALLOWED_HOSTS has the name

On this machine means that the connection comes from a loopback address and that the page was asked for by a loopback name: what
is led here by a proxy or a tunnel is seen by others. The status page is answered outside of the request gate, before anything of
the project runs, so that it can be read while a swap waits.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from hotswap.model import EditKind, Finding, Report, Severity
from hotswap.plugin import EngineView
from hotswap.requests.gate import Gate
from hotswap_django.options import read_options
from hotswap_django.policy import find_nonce

if TYPE_CHECKING:
    from hotswap.page import Page, Rest

#: Where the status page is, below the project's own prefix.
HOME = "/__hotswap__/"
#: What a browser gets anew when it loads a page again; other files among the static ones (swap files of editors) mean nothing.
_LOADED = frozenset(
    ".js .mjs .json .svg .png .jpg .jpeg .gif .webp .avif .ico .woff .woff2 .ttf .otf .map .html .htm".split()
)


@attrs.frozen(kw_only=True)
class Asker:
    """Who asks for a page, as far as it can be told before Django has looked.

    Attributes:
        path: without the prefix.
        prefix: of the whole project (``SCRIPT_NAME``).
        host: name and port that the page was asked for by.
        remote: address of the other end; empty where the server does not say.
    """

    method: str
    path: str
    prefix: str
    scheme: str
    host: str
    remote: str

    @classmethod
    def of_wsgi(cls, environ: Mapping[str, Any]) -> Asker:
        return cls(
            method=environ.get("REQUEST_METHOD", ""), path=environ.get("PATH_INFO", ""), prefix=environ.get("SCRIPT_NAME", ""),
            scheme=environ.get("wsgi.url_scheme", "http"), host=environ.get("HTTP_HOST", ""),
            remote=environ.get("REMOTE_ADDR", ""),
        )  # fmt: skip

    @classmethod
    def of_asgi(cls, scope: Mapping[str, Any]) -> Asker:
        headers = dict(scope["headers"])
        prefix = scope.get("root_path", "")
        return cls(
            method=scope["method"], path=scope["path"].removeprefix(prefix), prefix=prefix, scheme=scope.get("scheme", "http"),
            host=headers.get(b"host", b"").decode("latin-1"), remote=(scope.get("client") or ("",))[0],
        )  # fmt: skip

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def is_here(self) -> bool:
        """Whether a browser on this machine asks, and by a name that means this machine."""
        return _is_loopback(self.remote) and _is_loopback(_name_in(self.host))


@attrs.define(eq=False)
class Pages:
    """What browsers are told of one Django.

    Attributes:
        gate: whose requests the status page lists.
    """

    gate: Gate
    _engine: EngineView | None = attrs.field(default=None, init=False)
    _page: Page | None = attrs.field(default=None, init=False)
    _said: set[str] = attrs.field(factory=set, init=False)
    # Guards the start, which is asked for by each of the first requests.
    _starting: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def attach(self, engine: EngineView) -> None:
        self._engine = engine

    def stop(self) -> None:
        """All is as with DEBUG off, at once."""
        with self._starting:
            self._engine = None
            page, self._page = self._page, None
        if page is not None:
            page.stop()

    def find_page(self) -> Page | None:
        """The page, started when it is first asked for; None where there is to be none."""
        if not _is_wanted():
            return None
        return self._page or self._start_once()

    def _start_once(self) -> Page | None:
        with self._starting:
            if self._page is None and self._engine is not None:
                self._page = self._start(self._engine)
            return self._page

    def _start(self, engine: EngineView) -> Page | None:
        from hotswap.control.commands import ControlledEngine
        from hotswap.page import Page

        # A plugin sees a part of the engine only, but its commands are those of the terminal.
        page = Page.of_engine(cast(ControlledEngine, engine), rest=self._look_at_gate)
        try:
            page.start()
        except OSError as error:
            self._tell(f"pages do not follow saves, since there is no port for their events: {error}", "load them again by hand")
            return None
        return page

    def _tell(self, message: str, step: str) -> None:
        """Once for each message."""
        if message not in self._said and self._engine is not None:
            self._said.add(message)
            self._engine.tell(Finding(code="HS212", severity=Severity.KEPT, message=message, next_step=step))

    def _look_at_gate(self) -> Rest:
        from hotswap.page import Blocker, Rest

        state, visits = self.gate.look()
        return Rest(state=state, inside=tuple(
            Blocker(label=visit.label, thread=visit.thread_name, seconds=visit.seconds) for visit in visits
        ))  # fmt: skip

    # ---- what happens ----

    def note_swapped(self, report: Report) -> None:
        """A swap or a rollback is made, and the requests that will see it still wait at the gate."""
        if self._page is not None and any(edit.kind is not EditKind.LINES for edit in report.plan.edits):
            self._page.board.note_code()

    def note_report(self, report: Report) -> None:
        if self._page is not None:
            self._page.note_report(report)

    def note_checks(self, findings: tuple[Finding, ...]) -> None:
        """What Django's system checks find in what is live."""
        if self._page is not None:
            self._page.note_noticed(findings)

    def note(self) -> None:
        """What the status page shows is another thing now."""
        if self._page is not None:
            self._page.board.note()

    def watch(self, autoreload: Any) -> Callable[[], None]:
        """Have Django's reloader look at static files too; gives what ends that.

        Args:
            autoreload: Django's module.
        """
        autoreload.autoreload_started.connect(self._watch_static, weak=False, dispatch_uid="hotswap-pages")
        autoreload.file_changed.connect(self._take_file, weak=False, dispatch_uid="hotswap-pages")

        def end() -> None:
            autoreload.autoreload_started.disconnect(dispatch_uid="hotswap-pages")
            autoreload.file_changed.disconnect(dispatch_uid="hotswap-pages")

        return end

    def _watch_static(self, sender: Any, **kwargs: Any) -> None:
        for folder in _static_folders() if _is_wanted() else ():
            sender.watch_dir(folder, "**/*")

    def _take_file(self, sender: Any, file_path: Path, **kwargs: Any) -> bool:
        """A file that is no Python has changed, and no request is inside; whether that is all there is to do about it."""
        is_static = any(folder in file_path.parents for folder in _static_folders()) if _is_wanted() else False
        if self._page is None or file_path.name.startswith(".") or file_path.name.endswith("~"):
            return is_static
        if is_static and file_path.suffix == ".css":
            self._page.board.note_styles()
        elif file_path.suffix in _LOADED if is_static else file_path.suffix not in (".py", "") and not file_path.is_dir():
            self._page.board.note_code()
        return is_static

    # ---- the status page ----

    def answer_wsgi(self, environ: Mapping[str, Any]) -> Callable[..., Iterable[bytes]] | None:
        """What answers a request for the status page; None for any other."""
        if not environ.get("PATH_INFO", "").startswith(HOME) or (reply := self._answer(Asker.of_wsgi(environ))) is None:
            return None
        status, headers, body = reply

        def application(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            start_response(status, [*headers, ("Content-Length", str(len(body)))])
            return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

        return application

    def answer_asgi(self, scope: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The two messages that answer a request for the status page; None for any other."""
        if HOME not in scope["path"] or (reply := self._answer(Asker.of_asgi(scope))) is None:
            return None
        status, headers, body = reply
        coded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        coded.append((b"content-length", str(len(body)).encode()))
        start = {"type": "http.response.start", "status": int(status.split()[0]), "headers": coded}
        return start, {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body}

    def _answer(self, asker: Asker) -> tuple[str, list[tuple[str, str]], bytes] | None:
        if asker.path not in (HOME, f"{HOME}run") or not (asker.is_here or _is_host_allowed(asker.host)):
            return None
        page = self.find_page()
        if page is None or asker.method not in ("GET", "HEAD"):
            return None
        if asker.path != HOME:
            headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
            return "200 OK", headers, json.dumps({"run": page.board.run}).encode()
        from hotswap.page import Guest
        from hotswap.page.server import page_headers

        server = None
        if asker.is_here:
            home = f"{asker.origin}{_prefix_in_settings() or asker.prefix}{HOME}"
            page.server.allow(asker.origin, home)
            server = page.server.describe(home)
        body = page.render(Guest.HOST if server is not None else Guest.OTHER, server).encode()
        return "200 OK", [("Content-Type", "text/html; charset=utf-8"), *page_headers(server)], body

    # ---- the script in pages ----

    def take_response(self, request: Any, response: Any) -> Any:
        """Put the script into a page of the program, where it is one; gives the response.

        Runs inside of the gate: what the page is told to have is what it was made by.
        """
        if not _is_wanted() or not _is_page(request, response) or (page := self.find_page()) is None:
            return response
        asker = Asker.of_wsgi({**request.META, "wsgi.url_scheme": request.scheme})
        if not asker.is_here:
            return response
        nonce, why = find_nonce(response.get("Content-Security-Policy", ""), page.server.base)
        if why:
            self._tell(
                f"pages with the Content-Security-Policy of {request.path} do not follow saves by themselves: {why}",
                "allow http://127.0.0.1:* in script-src and connect-src while developing, or load them again by hand",
            )
            return response
        prefix = request.path.removesuffix(request.path_info)
        page.server.allow(asker.origin, f"{asker.origin}{prefix}{HOME}")
        self._insert(page, response, f"{prefix}{HOME}", request.method, nonce)
        return response

    @staticmethod
    def _insert(page: Page, response: Any, home: str, method: str, nonce: str) -> None:
        from html import escape

        code, styles, _ = page.board.counts
        values = {"src": f"{page.server.base}/page.js", "data-token": page.server.token, "data-home": home, "data-method": method,
                  "data-run": page.board.run, "data-code": str(code), "data-styles": str(styles)}  # fmt: skip
        values |= {"nonce": nonce} if nonce else {}
        written = "".join(f' {name}="{escape(value)}"' for name, value in values.items())
        at = _end_of_body(response.content)
        # Not by parts: the content of a page that Django has made is whole.
        response.content = response.content[:at] + f"<script{written} defer></script>".encode() + response.content[at:]
        if response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        for name in ("ETag", "Last-Modified"):  # of the page without the script: it would be shown again with an old one
            if response.has_header(name):
                del response[name]


def _is_wanted() -> bool:
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    return settings is not None and settings.configured and settings.DEBUG and read_options().page


def _is_page(request: Any, response: Any) -> bool:
    """Whether a browser shows this as a page of its own; parts that scripts ask for stay as they are."""
    return bool(
        not response.streaming
        and response.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html"
        and not response.has_header("Content-Encoding")
        and not response.get("Content-Disposition", "").startswith("attachment")
        and request.META.get("HTTP_SEC_FETCH_DEST", "document") in ("document", "iframe", "frame")
        and request.META.get("HTTP_X_REQUESTED_WITH") != "XMLHttpRequest"
        and re.search(rb"<!doctype html|<html|<body|</body", response.content[:2000] + response.content[-200:], re.IGNORECASE)
    )


def _end_of_body(content: bytes) -> int:
    """Where the script goes: before the last ``</body>``, else ``</html>`` (both may be left out), else at the end."""
    lowered = content.lower()
    found = [at for mark in (b"</body", b"</html") if (at := lowered.rfind(mark)) >= 0]
    return found[0] if found else len(content)


def _static_folders() -> list[Path]:
    """Where the project's own static files are; those of installed packages are nobody's to edit."""
    apps = sys.modules.get("django.apps")
    if apps is None or not apps.apps.ready or not apps.apps.is_installed("django.contrib.staticfiles"):
        return []
    from django.contrib.staticfiles import finders

    storages = [each for finder in finders.get_finders() for each in getattr(finder, "storages", {}).values()]
    folders = [Path(each.location) for each in storages if getattr(each, "location", None)]
    return [folder for folder in folders if not {"site-packages", "dist-packages"}.intersection(folder.parts)]


def _prefix_in_settings() -> str:
    return (sys.modules["django.conf"].settings.FORCE_SCRIPT_NAME or "").rstrip("/")


def _is_host_allowed(host: str) -> bool:
    """As Django decides it, without a request."""
    from django.conf import settings
    from django.http.request import split_domain_port, validate_host

    domain, _ = split_domain_port(host)
    return bool(domain and validate_host(domain, settings.ALLOWED_HOSTS or [".localhost", "127.0.0.1", "[::1]"]))


def _name_in(host: str) -> str:
    """``localhost:8000`` -> ``localhost``, ``[::1]:8000`` -> ``::1``."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    if name.lower() == "localhost" or name.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
