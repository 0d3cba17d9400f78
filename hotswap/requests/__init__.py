"""Requests in flight, for plugins of frameworks that serve some: each is answered by one version of the code.

Takes: requests, from where a framework begins and ends one. Gives: a gate that a swap closes
(:mod:`hotswap.plugin.builtin.requests`). May touch: what leads a framework's requests through it. Must not: know a framework.
"""

from hotswap.requests.gate import GATE, Busy, Gate, Visit
from hotswap.requests.serving import Passage, answer_busy, send_busy

__all__ = ["GATE", "Busy", "Gate", "Passage", "Visit", "answer_busy", "send_busy"]
