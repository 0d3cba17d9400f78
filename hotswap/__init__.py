"""Hot reload for Python that takes the data along."""

from hotswap.errors import (
    ConfigError,
    HotswapError,
    NotStartedError,
    RefusedError,
    RemovedError,
    RollbackError,
    UnsupportedError,
)
from hotswap.model import Finding, Plan, Report, Status, Verdict
from hotswap.session import preview, rollback, start, status, stop, swap

__all__ = [
    "ConfigError",
    "Finding",
    "HotswapError",
    "NotStartedError",
    "Plan",
    "RefusedError",
    "RemovedError",
    "Report",
    "RollbackError",
    "Status",
    "UnsupportedError",
    "Verdict",
    "preview",
    "rollback",
    "start",
    "status",
    "stop",
    "swap",
]
