"""A browser's requests to the event server, and its stream of states, without a browser."""

from __future__ import annotations

import http.client
import json
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from hotswap.page.server import EventServer

#: Seconds until something that should come counts as missing.
PATIENCE = 20


def ask(server: EventServer, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str, Any]:
    """One request; gives status, body and headers. ``Host`` is as a browser has it unless given."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body=urlencode(form) if form is not None else None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


class Stream:
    """The states, one at a time; use it as a context manager."""

    def __init__(self, server: EventServer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self._connection.request("GET", f"/events?token={server.token}")
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._answer.close()
        self._connection.close()

    def read(self) -> dict[str, Any]:
        """The next state."""
        while line := self._answer.readline():
            if line.startswith(b"data: "):
                state: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return state
        raise EOFError("the stream has ended")

    def ends(self) -> bool:
        """Read to the end, which has to come."""
        while self._answer.readline():
            pass
        return True
