"""The version gate: which Django this plugin knows from the inside.

Tables of URLs, loaders of templates and handlers are no public interface of Django. They are touched only in the series with
which the tests have run; in any other one what needs them is refused, and the verdict is ``restart``.
"""

from __future__ import annotations

import sys

#: The series that ``python -m tests.django.versions`` runs the tests with.
TESTED = ((4, 2), (5, 0), (5, 1), (5, 2), (6, 0), (6, 1))


def why_unknown() -> str:
    """Why Django's inside is not touched; empty where it may be. Django has to be imported."""
    version: tuple[int, ...] = sys.modules["django"].VERSION
    if version[:2] in TESTED:
        return ""
    known = ", ".join(f"{major}.{minor}" for major, minor in TESTED)
    return f"hotswap-django knows the inside of Django {known}, this is {version[0]}.{version[1]}"
