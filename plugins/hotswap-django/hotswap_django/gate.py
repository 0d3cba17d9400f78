"""The request gate, which is hotswap's: see :mod:`hotswap.requests.gate`."""

from hotswap.requests.gate import GATE, Busy, Gate, Visit

__all__ = ["GATE", "Busy", "Gate", "Visit"]
