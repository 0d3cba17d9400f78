"""Hot reload for Python that takes the data along."""

from __future__ import annotations

import importlib
import typing

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

if typing.TYPE_CHECKING:
    from hotswap.convert.upgrade import upgrade, upgrade_state
    from hotswap.hooks import load_migrations
    from hotswap.hotfix.entry import agent, applied
    from hotswap.migrations import migrate, owner
    from hotswap.model import Finding, Plan, Preflight, Report, Status, Verdict
    from hotswap.requests.safe import safe_point
    from hotswap.requests.work import asgi, task, wsgi
    from hotswap.session import (
        confirm,
        preflight,
        preview,
        retry,
        rollback,
        start,
        status,
        stop,
        swap,
        version_of,
        wait_converted,
    )

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

#: Where each name is defined. A program that declares migrations, or a command that speaks to one, needs a fraction of the
#: package; all of it takes as long to load as a web framework.
_HOMES = {
    "hotswap.convert.upgrade": ("upgrade", "upgrade_state"),
    "hotswap.hooks": ("load_migrations",),
    "hotswap.hotfix.entry": ("agent", "applied"),
    "hotswap.migrations": ("migrate", "owner"),
    "hotswap.model": ("Finding", "Plan", "Preflight", "Report", "Status", "Verdict"),
    "hotswap.requests.safe": ("safe_point",),
    "hotswap.requests.work": ("asgi", "task", "wsgi"),
    "hotswap.session": (
        "confirm", "preflight", "preview", "retry", "rollback", "start", "status", "stop", "swap", "version_of", "wait_converted",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> typing.Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "migrate":  # classes with migrations stamp their states from their first declaration on
        importlib.import_module("hotswap.convert.stamps")
    found = globals()[name] = getattr(importlib.import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
