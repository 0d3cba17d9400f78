"""The settings of this plugin: the dict ``HOTSWAP`` in Django's settings.

    REQUEST_LIMIT    seconds that a swap waits for requests to end, 3.0 by default
    MIGRATE          what is done about the database when models have changed: "tell" (the default), "make" or "run"
    PAGE             False: no script in pages, and no status page
"""

from __future__ import annotations

import sys

import attrs

#: Seconds; what a page takes at most that is waited for without a thought.
REQUEST_LIMIT = 3.0
MIGRATE = ("tell", "make", "run")


@attrs.frozen(kw_only=True)
class Options:
    """What a project may say.

    Attributes:
        request_limit: seconds that a swap waits for requests to end.
        migrate: one of :data:`MIGRATE`, see :mod:`hotswap_django.database`.
        page: whether pages follow saves, and there is a status page, in DEBUG.
        wrong: what was said and makes no sense, with the next step; empty where all is well.
    """

    request_limit: float = REQUEST_LIMIT
    migrate: str = MIGRATE[0]
    page: bool = True
    wrong: str = ""


def read_options() -> Options:
    """What the project's settings say now; the defaults as long as there are none."""
    settings = getattr(sys.modules.get("django.conf"), "settings", None)  # none while that is being imported
    if settings is None or not settings.configured:
        return Options()
    given = getattr(settings, "HOTSWAP", {})
    if not isinstance(given, dict):
        return Options(wrong=f"HOTSWAP in the settings is {given!r}; make it a dict, as {{'REQUEST_LIMIT': 3.0}}")
    if unknown := sorted(map(str, given.keys() - {"REQUEST_LIMIT", "MIGRATE", "PAGE"})):
        return Options(wrong=f"HOTSWAP in the settings has {', '.join(unknown)}; it knows REQUEST_LIMIT, MIGRATE and PAGE")
    limit = given.get("REQUEST_LIMIT", REQUEST_LIMIT)
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit < 0:
        return Options(wrong=f"HOTSWAP['REQUEST_LIMIT'] in the settings is {limit!r}; make it a number of seconds")
    if (migrate := given.get("MIGRATE", MIGRATE[0])) not in MIGRATE:
        return Options(wrong=f"HOTSWAP['MIGRATE'] in the settings is {migrate!r}; make it one of {', '.join(MIGRATE)}")
    page = given.get("PAGE", True)
    if not isinstance(page, bool):
        return Options(wrong=f"HOTSWAP['PAGE'] in the settings is {page!r}; make it True or False")
    return Options(request_limit=float(limit), migrate=migrate, page=page)
