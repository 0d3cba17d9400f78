"""Hot reload for Python that takes the data along."""

from hotswap.convert import stamps as _stamps  # noqa: F401 - classes with migrations stamp their states from now on
from hotswap.convert.upgrade import upgrade, upgrade_state
from hotswap.errors import (
    ConfigError,
    DeclarationError,
    FileError,
    HotswapError,
    MigrationError,
    NotStartedError,
    PatchError,
    RemovedError,
    RollbackError,
    UnsupportedError,
)
from hotswap.hooks import load_migrations
from hotswap.hotfix.entry import agent, applied
from hotswap.link import defaults as _defaults  # noqa: F401 - states of earlier versions get what the texts give
from hotswap.migrations import migrate, owner
from hotswap.model import Finding, Plan, Preflight, Report, Status, Verdict
from hotswap.requests.safe import safe_point
from hotswap.requests.work import asgi, task, wsgi
from hotswap.session import confirm, preflight, preview, retry, rollback, start, status, stop, swap, version_of, wait_converted

__all__ = [
    "ConfigError",
    "DeclarationError",
    "FileError",
    "Finding",
    "HotswapError",
    "MigrationError",
    "NotStartedError",
    "PatchError",
    "Plan",
    "Preflight",
    "RemovedError",
    "Report",
    "RollbackError",
    "Status",
    "UnsupportedError",
    "Verdict",
    "agent",
    "applied",
    "asgi",
    "confirm",
    "load_migrations",
    "migrate",
    "owner",
    "preflight",
    "preview",
    "retry",
    "rollback",
    "safe_point",
    "start",
    "status",
    "stop",
    "swap",
    "task",
    "upgrade",
    "upgrade_state",
    "version_of",
    "wait_converted",
    "wsgi",
]
