"""Which settings can change in a running process, and how they do.

    a setting                               is                why
    that Django reads at each use           live              nothing of it is kept, or what is kept is dropped here
    that middleware reads when it is made   live              the handlers' chain is made anew
    of the project's own                    live              where the program reads it in functions that run per request
    that two parts of the settings bind     restart           which of them made the value is not kept
    of the project's own                    restart           where it is read while modules are imported, or a library
                                                              reads it, or nobody is seen to
    any other                               restart           Django has opened, registered or computed something by it
    statement that is no assignment         restart           nobody can tell from its text what it sets

Modules from which the settings module takes everything (``from base import *``) count as parts of it.

The values go from the settings module into Django's settings object after the commit, while the request gate is closed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from hotswap.model import Edit, EditKind, Finding, ModulePlan, Plan, Severity
from hotswap_django.reads import find_reads, mentions

#: Read at each use.
_AT_USE = frozenset(
    """
    ADMINS ALLOWED_HOSTS APPEND_SLASH AUTHENTICATION_BACKENDS CSRF_COOKIE_AGE CSRF_COOKIE_DOMAIN CSRF_COOKIE_HTTPONLY
    CSRF_COOKIE_NAME CSRF_COOKIE_PATH CSRF_COOKIE_SAMESITE CSRF_COOKIE_SECURE CSRF_HEADER_NAME DATA_UPLOAD_MAX_MEMORY_SIZE
    DATA_UPLOAD_MAX_NUMBER_FIELDS DATA_UPLOAD_MAX_NUMBER_FILES DATE_FORMAT DATE_INPUT_FORMATS DATETIME_FORMAT
    DATETIME_INPUT_FORMATS DECIMAL_SEPARATOR DEFAULT_CHARSET DEFAULT_FROM_EMAIL DISALLOWED_USER_AGENTS EMAIL_SUBJECT_PREFIX
    FILE_UPLOAD_HANDLERS FILE_UPLOAD_MAX_MEMORY_SIZE FIRST_DAY_OF_WEEK IGNORABLE_404_URLS INTERNAL_IPS
    LANGUAGE_CODE LANGUAGE_COOKIE_AGE LANGUAGE_COOKIE_DOMAIN LANGUAGE_COOKIE_HTTPONLY LANGUAGE_COOKIE_NAME
    LANGUAGE_COOKIE_PATH LANGUAGE_COOKIE_SAMESITE LANGUAGE_COOKIE_SECURE LANGUAGES LOCALE_PATHS LOGIN_REDIRECT_URL LOGIN_URL
    LOGOUT_REDIRECT_URL MANAGERS MONTH_DAY_FORMAT NUMBER_GROUPING PASSWORD_RESET_TIMEOUT PREPEND_WWW ROOT_URLCONF
    SECURE_PROXY_SSL_HEADER SERVER_EMAIL SESSION_COOKIE_AGE SESSION_COOKIE_DOMAIN SESSION_COOKIE_HTTPONLY SESSION_COOKIE_NAME
    SESSION_COOKIE_PATH SESSION_COOKIE_SAMESITE SESSION_COOKIE_SECURE SESSION_EXPIRE_AT_BROWSER_CLOSE
    SESSION_SAVE_EVERY_REQUEST SHORT_DATE_FORMAT SHORT_DATETIME_FORMAT THOUSAND_SEPARATOR TIME_FORMAT TIME_INPUT_FORMATS
    USE_THOUSAND_SEPARATOR USE_X_FORWARDED_HOST USE_X_FORWARDED_PORT X_FRAME_OPTIONS YEAR_MONTH_FORMAT HOTSWAP
    """.split()
)
#: Read when middleware is made, by Django's own.
OF_MIDDLEWARE = frozenset(
    """
    CACHE_MIDDLEWARE_ALIAS CACHE_MIDDLEWARE_KEY_PREFIX CACHE_MIDDLEWARE_SECONDS CSRF_TRUSTED_ORIGINS MIDDLEWARE
    SECURE_CONTENT_TYPE_NOSNIFF SECURE_CROSS_ORIGIN_OPENER_POLICY SECURE_HSTS_INCLUDE_SUBDOMAINS SECURE_HSTS_PRELOAD
    SECURE_HSTS_SECONDS SECURE_REDIRECT_EXEMPT SECURE_REFERRER_POLICY SECURE_SSL_HOST SECURE_SSL_REDIRECT
    """.split()
)
#: Why not, where more is known than that somebody has read it.
_WHY = {
    "INSTALLED_APPS": "the registry of applications was filled at the start",
    "DATABASES": "connections were made by it",
    "CACHES": "connections were made by it",
    "AUTH_USER_MODEL": "models refer to it since they were made",
    "TEMPLATES": "the template engines were made by it",
    "LOGGING": "logging was configured by it at the start",
    "DEBUG": "templates, error pages and static files were set up by it",
    "SECRET_KEY": "keys were derived from it",
    "FORCE_SCRIPT_NAME": "storages and addresses of static files were made by it",
    "STATIC_URL": "storages and addresses were made by it",
    "MEDIA_URL": "storages and addresses were made by it",
    "TIME_ZONE": "the process and its connections have this time zone",
    "USE_TZ": "connections were made by it",
}
_NO_CHANGE = frozenset({EditKind.LINES, EditKind.BODY, EditKind.SIGNATURE})


def settings_module() -> str:
    """The name of the settings module that Django has read; empty where it has not read any."""
    conf = sys.modules.get("django.conf")
    if conf is None or not conf.settings.configured:
        return ""
    return str(getattr(conf.settings._wrapped, "SETTINGS_MODULE", "") or "")


def check_settings(plan: Plan, files: Iterable[str]) -> Iterator[Finding]:
    """Why a plan cannot be made live because of settings.

    Args:
        files: the source files of the program, in which readers are looked for.
    """
    parts = _settings_parts()
    for module in plan.modules:
        if module.module in parts:
            yield from _check_module(module, parts[module.module], files)


def _settings_parts() -> dict[str, set[int]]:
    """The settings module and those that it takes everything from (``from base import *``), with the lines of such imports."""
    found: dict[str, set[int]] = {}
    pending = [settings_module()]
    while pending:
        name = pending.pop()
        module = sys.modules.get(name)
        if module is None or name in found:
            continue
        found[name] = set()
        for node in _parse(getattr(module, "__file__", None) or ""):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                found[name].add(node.lineno)
                pending.append(resolve_name("." * node.level + (node.module or ""), module.__package__ or ""))
    return found


def _parse(file: str) -> list[ast.stmt]:
    try:
        return ast.parse(Path(file).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []  # the plan says so


def _check_module(module: ModulePlan, stars: set[int], files: Iterable[str]) -> Iterator[Finding]:
    for edit in module.edits:
        if edit.kind is EditKind.DERIVED and edit.line in stars:
            continue  # what it brings is edited in its own module, and looked at there
        names = changed_names(edit)
        why = "" if names or edit.kind in _NO_CHANGE or not _is_statement(edit) else "a statement of the settings has run"
        for name in names:
            why = why or _why_shared(name) or _why_not(name, files)
        if why:
            what = edit.qualname or "it"
            yield Finding(
                code="HS213", severity=Severity.HELD, file=module.file, line=edit.line, next_step="restart",
                message=f"{module.module}: {why}; {what} ({edit.kind}) counts from the next start on",
            )  # fmt: skip


def changed_names(edit: Edit) -> list[str]:
    """The settings that an edit of the settings module changes: names in capitals, as Django takes them."""
    if edit.kind in _NO_CHANGE:
        return []
    return [name for name in edit.qualname.split(", ") if name.isidentifier() and name.isupper()]


def _is_statement(edit: Edit) -> bool:
    """True for a loop, a call and the like; helpers with small letters count by the settings that are derived from them."""
    return edit.qualname.startswith("<line") or edit.kind in (EditKind.EFFECT, EditKind.BLOCK)


def _why_shared(name: str) -> str:
    """Why a name that several parts bind cannot change: which of them made the value is not kept."""
    owners = [part for part in _settings_parts() if name in _bound(getattr(sys.modules[part], "__file__", None) or "")]
    return f"{' and '.join(sorted(owners))} both bind {name}" if len(owners) > 1 else ""


def _bound(file: str) -> set[str]:
    """The names that a text assigns, wherever in it."""
    nodes = (node for statement in _parse(file) for node in ast.walk(statement))
    return {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}


def _why_not(name: str, files: Iterable[str]) -> str:
    """Why a setting cannot change now; empty where it can."""
    from django.conf import global_settings

    known = name in _AT_USE or name in OF_MIDDLEWARE
    if not known and hasattr(global_settings, name):
        return _WHY.get(name, "Django may have computed something from it")
    libraries = [file for file in _list_libraries(files) if mentions(name, file)]
    if not known and libraries:
        return f"{libraries[0]} reads {name}, and may have kept what it read"
    reads = find_reads(name, [*files, *libraries])
    if reads.at_import:
        return f"{reads.at_import} reads {name} when it is imported or made"
    if not known and not reads.in_functions:
        return f"nobody is seen to read {name}, so something that has read it by another way may have kept it"
    return ""


def _list_libraries(files: Iterable[str]) -> list[str]:
    """The source files of loaded modules that are neither the program's nor Django's own."""
    own = {"django", "hotswap", "hotswap_django", *sys.stdlib_module_names}
    loaded = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] not in own]
    found = {file for module in loaded if isinstance(file := getattr(module, "__file__", None), str) and file.endswith(".py")}
    return sorted(found.difference(files))


def take_over(plan: Plan) -> set[str]:
    """Bring what a plan has changed in the settings module into Django's settings; gives the names."""
    module = sys.modules.get(settings_module())
    parts = _settings_parts()
    edits = [edit for part in plan.modules if part.module in parts for edit in part.edits]
    names = {name for edit in edits for name in changed_names(edit)}
    if module is None:
        return set()
    for name in names:
        _take(name, module)
    return names


def _take(name: str, module: ModuleType) -> None:
    from django.conf import global_settings, settings

    holder: Any = settings._wrapped
    if hasattr(module, name):
        setattr(holder, name, getattr(module, name))
        holder._explicit_settings.add(name)
    else:
        holder._explicit_settings.discard(name)
        if hasattr(global_settings, name):
            setattr(holder, name, getattr(global_settings, name))
        else:
            vars(holder).pop(name, None)
    vars(settings).pop(name, None)  # Django keeps what was asked for there
