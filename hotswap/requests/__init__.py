"""Units of work in flight, requests and jobs: each is done by one version of the code.

Takes: requests, from where a framework begins and ends one, and what a program calls a unit of work. Gives: a gate that a swap
closes (:mod:`hotswap.plugin.builtin.requests`, :mod:`hotswap.transition`), safe points. May touch: what leads a framework's
requests through it. Must not: know a framework.
"""

from hotswap.requests.gate import GATE, Busy, Gate, Visit
from hotswap.requests.serving import Passage, answer_busy, note_first_byte, note_sending, send_busy
from hotswap.requests.work import asgi, task, wsgi

__all__ = [
    "GATE", "Busy", "Gate", "Passage", "Visit", "answer_busy", "asgi", "note_first_byte", "note_sending", "send_busy", "task",
    "wsgi",
]  # fmt: skip
