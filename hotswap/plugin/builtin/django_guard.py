"""Guards what Django reads once and keeps, until a plugin of its own handles it. Imports nothing of Django.

    changed                                          why it would be stale
    anything in the settings module                  copied when settings are first used: HS213
    urlpatterns and its like in a module of URLs     the resolver keeps its tables: HS213
    something that urlpatterns is computed from      the same, unless it is a function or class, which keep their identity
    a registration in an admin module                the admin site has made its URLs of it: HS213
    AppConfig.ready, middleware settings             run at the start: named (HS406)

Forms, widgets, admin classes and choices may be built again: their metaclasses collect fields, media and labels, and note nothing
elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hotswap.kinds import is_a
from hotswap.model import Edit, EditKind, Finding, ModulePlan, Plan, Severity
from hotswap.plugin.specs import hookimpl

#: What Django reads in a module of URLs.
_URL_NAMES = frozenset({"urlpatterns", "app_name", "handler400", "handler403", "handler404", "handler500"})
#: Metaclasses of Django that only collect.
_COLLECTORS = frozenset(
    {
        "django.forms.widgets.MediaDefiningClass",
        "django.forms.forms.DeclarativeFieldsMetaclass",
        "django.forms.models.ModelFormMetaclass",
        "django.db.models.enums.ChoicesType",
        "django.db.models.enums.ChoicesMeta",  # its name in 4.2
        "enum.EnumType",
    }
)
_QUIET = frozenset({EditKind.LINES, EditKind.BODY, EditKind.SIGNATURE})


@hookimpl
def hotswap_can_rebuild(cls: type) -> bool | None:
    maker: type = type(cls)
    metas = [meta for meta in maker.__mro__ if meta not in (type, object)]
    return True if metas and all(f"{m.__module__}.{m.__qualname__}" in _COLLECTORS for m in metas) else None


@hookimpl
def hotswap_plan(plan: Plan) -> Iterator[Finding]:
    if "django" not in sys.modules:
        return
    settings = _settings_module()
    for module in plan.modules:
        edits = [edit for edit in module.edits if edit.kind is not EditKind.LINES]
        if module.module == settings and edits:
            yield _held(module, edits[0], f"Django has read {settings}")
        yield from _check_urls(module, edits)
        yield from _check_admin(module, edits)
    yield from name_ready(plan)


def name_ready(plan: Plan) -> Iterator[Finding]:
    """Name edits of ``AppConfig`` classes, whose ``ready`` has run."""
    for module in plan.modules:
        yield from _name_ready(module, [edit for edit in module.edits if edit.kind is not EditKind.LINES])


def _settings_module() -> str:
    """The settings module that Django has read; empty where it has not read any yet."""
    conf = sys.modules.get("django.conf")
    lazy = getattr(conf, "__dict__", {}).get("settings")
    wrapped = getattr(lazy, "__dict__", {}).get("_wrapped")
    return str(getattr(wrapped, "__dict__", {}).get("SETTINGS_MODULE", ""))


def _check_urls(module: ModulePlan, edits: list[Edit]) -> Iterator[Finding]:
    loaded = sys.modules.get(module.module)
    if loaded is None or not is_a(loaded.__dict__.get("urlpatterns"), list) or not _has_resolver():
        return
    for edit in edits:
        names = set(edit.qualname.split(", "))
        if edit.kind is EditKind.DERIVED:
            stale = bool(names & _URL_NAMES) and not _keeps_identity(edit.detail)
        else:
            stale = bool(names & _URL_NAMES) or (edit.qualname.startswith("<line") and edit.kind not in _QUIET)
        if stale:
            yield _held(module, edit, f"Django keeps its own tables of the URLs in {module.module}")
            return


def _has_resolver() -> bool:
    """True once Django has looked up a URL: before, nothing of the modules of URLs is kept."""
    resolvers = sys.modules.get("django.urls.resolvers")
    cached = getattr(resolvers, "_get_cached_resolver", None)
    return cached is None or cached.cache_info().currsize > 0


def _keeps_identity(detail: str) -> bool:
    """True where a statement is computed from a function or class: ``computed from shop.views.ProductList``."""
    module, _, name = detail.removeprefix("computed from ").rpartition(".")
    value = getattr(sys.modules.get(module), "__dict__", {}).get(name)
    return is_a(value, type) or hasattr(value, "__code__")


def _check_admin(module: ModulePlan, edits: list[Edit]) -> Iterator[Finding]:
    if "django.contrib.admin" not in sys.modules or module.module.rpartition(".")[2] != "admin":
        return
    for edit in edits:
        comes_or_goes = edit.kind in (EditKind.ADDED, EditKind.REMOVED, EditKind.RENAMED) and _is_admin_class(module, edit)
        if comes_or_goes or (edit.qualname.startswith("<line") and edit.kind not in _QUIET):
            yield _held(module, edit, f"the admin site has made its URLs from {module.module}")
            return


def _is_admin_class(module: ModulePlan, edit: Edit) -> bool:
    """A class that goes can be looked at; one that comes counts as one by its name."""
    value = getattr(sys.modules.get(module.module), "__dict__", {}).get(edit.qualname)
    if is_a(value, type):
        return any(base.__module__.startswith("django.contrib.admin") for base in value.__mro__)
    return value is None and edit.qualname[:1].isupper()


def _name_ready(module: ModulePlan, edits: list[Edit]) -> Iterator[Finding]:
    registry = getattr(sys.modules.get("django.apps"), "apps", None)
    for config in list(getattr(registry, "app_configs", {}).values()):
        cls = type(config)
        for edit in edits if cls.__module__ == module.module else ():
            if edit.qualname.partition(".")[0] == cls.__qualname__:
                yield Finding(
                    code="HS406", severity=Severity.KEPT, message=f"{module.module}.{edit.qualname} ran when the program started",
                    file=module.file, line=edit.line, next_step="restart when it is wanted now",
                )  # fmt: skip
                break


def _held(module: ModulePlan, edit: Edit, why: str) -> Finding:
    message = f"{why}; {edit.qualname or 'it'} ({edit.kind}) counts from the next start on"
    return Finding(code="HS213", severity=Severity.HELD, message=message, file=module.file, line=edit.line, next_step="restart")
