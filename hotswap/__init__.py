"""Hot reload for Python that takes the data along."""

from hotswap.errors import (
    ConfigError,
    FileError,
    HotswapError,
    NotStartedError,
    RemovedError,
    RollbackError,
    UnsupportedError,
)
from hotswap.model import Finding, Plan, Report, Status, Verdict
from hotswap.session import preview, rollback, start, status, stop, swap

__all__ = [
    "ConfigError",
    "FileError",
    "Finding",
    "HotswapError",
    "NotStartedError",
    "Plan",
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
