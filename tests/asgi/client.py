"""Asks an ASGI application as a server does, without one; run as a program it answers for fresh starts.

    python client.py MODULE:APP    reads folders from stdin, a line each; prints what an application that is started in
                                   each of them shows, as a line of JSON

The frameworks are imported once; each fresh start is a fork of that, in which nothing of the project has been imported.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

#: What is asked for; a body makes it a POST. All of it is answered the same by a process that has just started and by one that
#: has served for long.
QUESTIONS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/", None), ("GET", "/items/", None), ("GET", "/items/?number=3&size=2", None), ("GET", "/items/newest", None),
    ("GET", "/items/7", None), ("GET", "/items/x", None), ("POST", "/items/", {"name": " tea "}),
    ("POST", "/items/", {"price": -1}),
    ("POST", "/items/?name=Eva", {"name": "a", "price": 2, "size": "large", "maker": {"name": "Jan", "country": 1}, "weight": 3}),
    ("POST", "/items/basket", {"items": [{"name": "a", "number": 1}, {"name": "b", "maker": {"name": "Ida"}}]}),
    ("POST", "/items/voucher", {"code": "X"}), ("POST", "/items/prices", {"tea": "1.5"}), ("POST", "/items/order?what=milk", {}),
    ("GET", "/items/special/offer", None), ("GET", "/goods/", None), ("GET", "/offers/offer", None), ("GET", "/trouble", None),
    ("GET", "/counted", None), ("GET", "/any", None), ("PUT", "/any", None), ("DELETE", "/any", None),
    ("GET", "/plain/hello", None),
    ("GET", "/plain/deep/bye", None), ("GET", "/simple/hello", None), ("GET", "/private", None), ("GET", "/extra", None),
    ("POST", "/staff", {"name": "a"}), ("POST", "/staff", {"name": "", "kind": "c"}),
    ("POST", "/staff", {"name": "a", "age": 13}),
    ("POST", "/staff", {"name": "a", "x": 1}), ("POST", "/staff", {"user": {"name": "b"}}),
    ("POST", "/people/both", {"user": {"name": "a"}, "address": {"street": "s", "zip": "1"}}), ("POST", "/people/both", {}),
    ("POST", "/people/both", {"user": {"name": "a", "age": "q"}, "address": {"street": 3}, "N": -1}),
    ("GET", "/people/users", None), ("GET", "/people/users?limit=0&offset=x&start=y", None), ("GET", "/people/page", None),
    ("POST", "/people/owner", {"pet": {"type": "cat", "lives": 12}}), ("POST", "/people/owner", {"pet": {"type": "bird"}}),
    ("POST", "/people/owner", {"pet": {"type": "dog", "y": 1}, "friends": [{"pet": {"type": "cat"}}]}),
    ("POST", "/people/names", ["a", "b"]), ("POST", "/people/names", [1]), ("POST", "/people/posted", {"street": "abc"}),
    ("POST", "/people/posted", {}), ("GET", "/people/cookie", None), ("GET", "/people/late", None),
    ("GET", "/people/error", None),
    ("POST", "/people/admin", {"name": "a", "level": 5}), ("POST", "/people/admin", {}),
    ("GET", "/some/where", None), ("GET", "/openapi.json", None), ("GET", "/docs", None), ("WS", "/talk", ["one", "bye"]),
)  # fmt: skip
#: Headers that are shown.
_SHOWN = ("content-type", "x-polite", "x-stamp", "x-ordered", "allow", "location", "x-more")


async def ask(app: Any, method: str, path: str, body: Any) -> list[Any]:
    """One answer: status, headers, text."""
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "websocket" if method == "WS" else "http", "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http", "server": ("shop", 80),
        "client": ("visitor", 1), "headers": [(b"host", b"shop"), (b"content-type", b"application/json")], "state": {},
        "subprotocols": [],
    }  # fmt: skip
    if method == "WS":
        scope["scheme"] = "ws"
        coming = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "text": text} for text in body)]
        over = {"type": "websocket.disconnect", "code": 1000}
    else:
        data = json.dumps(body).encode() if body is not None else b""
        coming, over = [{"type": "http.request", "body": data, "more_body": False}], {"type": "http.disconnect"}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0) if coming else over

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        return ["raised", type(error).__name__]
    if method == "WS":
        return [[message["type"], message.get("text")] for message in sent]
    if not sent:
        return ["nothing"]
    # Sorted: the methods of a route are a set, whose order is another one in each process.
    shown = {name.decode(): value.decode() for name, value in sent[0]["headers"] if name.decode() in _SHOWN}
    headers = {name: ", ".join(sorted(value.split(", "))) if name == "allow" else value for name, value in shown.items()}
    return [sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]).decode()]


def ask_all(app: Any) -> dict[str, list[Any]]:
    """All answers, by question."""

    async def run() -> dict[str, list[Any]]:
        found = {}
        for number, (method, path, body) in enumerate(QUESTIONS):
            found[f"{number} {method} {path}"] = await ask(app, method, path, body)
        return found

    return asyncio.run(run())


if __name__ == "__main__":
    for name in ("fastapi.openapi.docs", "fastapi.responses", "starlette.staticfiles"):
        importlib.import_module(name)
    sys.path.append(__file__.rpartition("/tests/")[0])
    importlib.import_module("tests.web.fresh").answer_fresh(ask_all, *sys.argv[1].split(":"))
