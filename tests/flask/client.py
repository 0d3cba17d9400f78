"""Asks a WSGI application as a server does, without one; run as a program it answers for fresh starts (`tests/web/fresh.py`)."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

#: What is asked for: answered the same by a process that has just started and by one that has served for long.
QUESTIONS = (
    "GET /", "GET /hello/Eva", "GET /any", "PUT /any", "DELETE /any", "GET /async", "GET /config", "GET /stream", "GET /error",
    "GET /parts/", "GET /parts/7", "GET /parts/99", "GET /parts/x", "GET /parts/short", "GET /parts/bins", "POST /parts/bins",
    "PUT /parts/bins", "GET /parts/small/tiny", "GET /goods/", "GET /goods/7", "GET /tiny", "GET /command", "GET /extra",
    "POST /extra", "GET /some/where", "GET /static/style.css", "OPTIONS /any", "GET /parts", "GET /hi/Eva",
)  # fmt: skip
_SHOWN = ("Content-Type", "X-Stamp", "Allow", "Location", "X-More")


def ask(app: Any, question: str) -> list[Any]:
    """One answer: status, headers, text."""
    method, _, path = question.partition(" ")
    sent: list[Any] = []
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "depot", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "depot", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http", "CONTENT_LENGTH": "0",
    }  # fmt: skip
    try:
        body = app(environ, lambda status, headers, *_: sent.extend((status, headers)))
        text = b"".join(body).decode()
        getattr(body, "close", int)()
    except Exception as error:
        return ["raised", type(error).__name__]
    headers = {name: ", ".join(sorted(value.split(", "))) for name, value in sent[1] if name in _SHOWN}
    return [sent[0], headers, text]


def ask_all(app: Any) -> dict[str, list[Any]]:
    """All answers, by question."""
    found: dict[str, list[Any]] = {question: ask(app, question) for question in QUESTIONS}
    found["rules"] = [f"{rule.rule} {sorted(rule.methods)} {rule.endpoint}" for rule in app.url_map.iter_rules()]
    return found


if __name__ == "__main__":
    for name in ("flask", "asgiref.sync", "jinja2.ext"):
        importlib.import_module(name)
    importlib.import_module("flask.testing")
    sys.path.append(__file__.rpartition("/tests/")[0])
    importlib.import_module("tests.web.fresh").answer_fresh(ask_all, *sys.argv[1].split(":"))
