"""The version gate: which Flask and Werkzeug this plugin knows from the inside.

What an application consists of is no public interface. It is touched only in the series with which the tests have run; with any
other one an application is opaque, as it is without this plugin, and what needs it restarts.
"""

from __future__ import annotations

import functools
import importlib.metadata

#: The series that the tests have run with.
TESTED = {"flask": ((3, 0), (3, 1)), "werkzeug": ((3, 0), (3, 1))}


@functools.cache
def why_unknown() -> str:
    """Why the inside of an application is not touched; empty where it may be."""
    for name, known in TESTED.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "of no distribution"
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) not in known:
            series = ", ".join(f"{major}.{minor}" for major, minor in known)
            return f"hotswap-flask knows the inside of {name} {series}, this is {version}"
    return ""
