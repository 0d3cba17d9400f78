"""The version gate: which Starlette, FastAPI and uvicorn this plugin knows from the inside.

What an application consists of is no public interface. It is touched only in the series with which the tests have run; with any
other one an application is opaque, as it is without this plugin, and what needs it restarts.
"""

from __future__ import annotations

import sys

#: The series that the tests have run with: of Starlette, and of FastAPI.
TESTED = {"starlette": ((0, 46), (0, 52), (1, 10)), "fastapi": ((0, 115), (0, 128), (0, 165))}


def why_unknown() -> str:
    """Why the inside of an application is not touched; empty where it may be."""
    for name, known in TESTED.items():
        module = sys.modules.get(name)
        version = getattr(module, "__version__", "")
        if module is not None and _series(version) not in known:
            series = ", ".join(f"{major}.{minor}" for major, minor in known)
            return f"hotswap-asgi knows the inside of {name} {series}, this is {version}"
    return ""


def _series(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
