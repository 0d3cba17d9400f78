"""What Django has computed from the program and keeps: dropped after each swap and each rollback.

Runs after the writes, while the request gate is closed. Each step leaves Django as if it had not computed anything yet, so it is
the same for the way there and for the way back, and doing it once too often costs a little time only. All that is dropped here is
private to Django; :mod:`hotswap_django.versions` says in which series it is known.

    kept by                              computed from                       here
    forms of models                      fields of models                    fields made again
    Django's settings                    the settings module                 taken over again
    resolvers, also of include()         urlpatterns, converters             emptied, compiled again when asked
    admin sites' addresses               what is registered                  made again, in place
    REST framework's addresses           methods of view sets                made again, in place
    loaders of templates                 template files, libraries of tags   emptied
    template engines                     which libraries there are           looked for again
    formats, languages                   settings                            emptied
    handlers                             the list of middleware              chain made again, objects keep their state
"""

from __future__ import annotations

import gettext
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import attrs
from django.core.checks.registry import run_checks
from django.core.exceptions import FieldError
from django.core.handlers.base import BaseHandler
from django.core.management.base import SystemCheckError
from django.template import engines
from django.template.backends.django import DjangoTemplates, get_installed_libraries
from django.urls import clear_url_caches, converters, get_resolver, resolvers
from django.urls.resolvers import RegexPattern, RoutePattern, URLResolver
from django.utils import formats
from django.utils.translation import trans_real

from hotswap.collector import list_objects
from hotswap.model import Plan
from hotswap_django.handlers import has_other_hooks, rebuild_chains
from hotswap_django.live_settings import OF_MIDDLEWARE, take_over
from hotswap_django.model_forms import Touch, refresh_forms

#: What a router of djangorestframework gives to a view by its address.
_OF_VIEWS = ("cls", "actions", "initkwargs")


class OnlyAtStart(Exception):
    """Something was read at the start, and nobody can tell now what a start would make of it: restart."""


@attrs.frozen
class Router:
    """What a router of djangorestframework had given before.

    Attributes:
        urls: the list of ``router.urls``; None where nobody has asked for it.
        named: view sets whose addresses have the name that the router would choose, with that.
    """

    router: Any
    urls: list[Any] | None
    named: list[tuple[Any, str]]


def refresh(
    plan: Plan, *, middleware: bool = False, known: frozenset[str] = frozenset(), touched: Mapping[Any, Touch] | None = None,
    routers: Iterable[Router] = (),
) -> None:  # fmt: skip
    """Drop all of it. Code of the program runs where it makes middleware or addresses of an admin site, as at a start.

    Args:
        plan: what was made live, or taken back.
        middleware: make the chains of middleware anew, whatever the settings say.
        known: errors that Django's checks have found before.
        touched: what the program has done to forms of models; None where no models change.
        routers: what :func:`note_routers` gave before.

    Raises:
        Exception: of that code.
    """
    changed = take_over(plan)
    if touched is not None:
        try:
            refresh_forms(touched)
        except FieldError:
            raise  # it names the form
        except Exception:  # border to the callbacks of forms, raised again
            check_models(known)  # which says more, where it finds something
            raise
        check_models(known)
    forget_converters()
    # One look for all of them: the program waits, and a look goes through its whole heap.
    routes, expressions, found, handlers = list_objects(RoutePattern, RegexPattern, URLResolver, BaseHandler)
    refresh_admin(found)
    refresh_routers(routers, found)
    _forget_addresses(routes, expressions, found)
    if "ROOT_URLCONF" in changed:
        _ = get_resolver().url_patterns  # imported, as at a start, before a request finds that it cannot be
    refresh_templates()
    formats.reset_format_cache()
    if changed & {"LANGUAGES", "LANGUAGE_CODE", "LOCALE_PATHS"}:
        refresh_translations()
    if middleware or changed & OF_MIDDLEWARE or has_other_hooks(handlers):
        rebuild_chains(handlers)


# ---- models ----


def find_errors() -> frozenset[str]:
    """What Django's system checks find, and does not start with."""
    return frozenset(str(error) for error in run_checks() if error.is_serious() and not error.is_silenced())


def check_models(known: frozenset[str]) -> None:
    """Have Django's checks look at models, and at all that uses them, as at a start.

    Raises:
        SystemCheckError: of what was not known.
    """
    if new := sorted(find_errors() - known):
        raise SystemCheckError("; ".join(new))


# ---- addresses ----


def refresh_urls() -> None:
    """Forget the tables of all resolvers, those that ``include()`` has made too, and what routes were compiled to."""
    forget_converters()
    _forget_addresses(*list_objects(RoutePattern, RegexPattern, URLResolver))


def forget_converters() -> None:
    """Routes that are made from now on are compiled by the converters that there are now."""
    converters.get_converters.cache_clear()
    if hasattr(resolvers._route_to_regex, "cache_clear"):  # not in 4.2
        resolvers._route_to_regex.cache_clear()


def _forget_addresses(routes: Iterable[Any], expressions: Iterable[Any], found: Iterable[Any]) -> None:
    for pattern in routes:
        _compile_route(pattern)
    for pattern in expressions:
        _forget_compiled(pattern)
    for resolver in found:
        _empty_resolver(resolver)
    clear_url_caches()


def _compile_route(pattern: Any) -> None:
    """A route as it would be made now: its converters may match something else."""
    compiled, pattern.converters = resolvers._route_to_regex(str(pattern._route), pattern._is_endpoint)
    if hasattr(pattern, "_regex"):  # not in 4.2, which compiles when asked
        pattern._regex = compiled
    _forget_compiled(pattern)


def _forget_compiled(pattern: Any) -> None:
    """By language, where the text of an address is translated."""
    pattern._regex_dict.clear()
    vars(pattern).pop("regex", None)


def _empty_resolver(resolver: Any) -> None:
    for name in ("url_patterns", "urlconf_module"):
        vars(resolver).pop(name, None)
    for table in (resolver._reverse_dict, resolver._namespace_dict, resolver._app_dict, resolver._callback_strs):
        table.clear()
    resolver._populated = False


def refresh_admin(found: Iterable[Any]) -> None:
    """Make the addresses of admin sites again, in the lists that ``site.urls`` has given: what is registered may be another.

    Args:
        found: all resolvers.
    """
    for resolver in found:
        site = _site_of(resolver.urlconf_name)
        if site is not None:
            resolver.urlconf_name[:] = site.get_urls()


def note_routers() -> list[Router]:
    """Routers of djangorestframework with the lists that ``router.urls`` has given; a registration has them forget these."""
    base = getattr(sys.modules.get("rest_framework.routers"), "BaseRouter", None)
    found = list_objects(base)[0] if base is not None else []
    return [Router(each, vars(each).get("_urls"), list(_list_named(each))) for each in found if "registry" in vars(each)]


def _list_named(router: Any) -> Iterator[tuple[Any, str]]:
    for _, view_set, name in list(router.registry):
        if _name_by(router, view_set) == name:
            yield view_set, name


def _name_by(router: Any, view_set: Any) -> str:
    """How a router names a view set for which the program says nothing; empty where it would have to say something."""
    try:
        return str(router.get_default_basename(view_set))
    except Exception:  # noqa: BLE001 - border to routers of the program
        return ""


def refresh_routers(known: Iterable[Router], found: Collection[Any]) -> None:
    """Make the addresses of routers again, in place: for each registration, and for each method that is marked as an action.

    Args:
        known: what :func:`note_routers` gave.
        found: all resolvers.

    Raises:
        OnlyAtStart: somebody has a copy of such a list; or the names of addresses come from what has changed.
    """
    for each in known:
        for view_set, name in each.named:
            if (new := _name_by(each.router, view_set)) != name:
                what = f"{view_set.__module__}.{view_set.__qualname__}"
                raise OnlyAtStart(f"addresses of {what} are named {name!r} by a router, which would choose {new!r} now")
        router, urls = each.router, each.urls
        if urls is None:
            continue
        made = router.get_urls()
        if [*map(_describe, made)] != [*map(_describe, urls)]:
            _check_copies(urls, found)
            urls[:] = made
        router._urls = urls


def _describe(pattern: Any) -> tuple[Any, ...]:
    callback = getattr(pattern, "callback", None)
    return str(pattern.pattern), getattr(pattern, "name", None), *(getattr(callback, name, None) for name in _OF_VIEWS)


def _check_copies(urls: list[Any], found: Iterable[Any]) -> None:
    known = {id(pattern) for pattern in urls}
    for resolver in found:
        named = resolver.urlconf_name
        named = sys.modules.get(named) if isinstance(named, str) else named
        patterns = getattr(named, "urlpatterns", named)
        if patterns is not urls and isinstance(patterns, (list, tuple)) and any(id(pattern) in known for pattern in patterns):
            raise OnlyAtStart(f"{resolver} has a copy of the addresses of a router, which are others now")


def _site_of(patterns: Any) -> Any:
    """The admin site that has made a list of addresses; Django notes it at its views."""
    if type(patterns) is not list or "django.contrib.admin.sites" not in sys.modules:
        return None
    sites = (getattr(getattr(pattern, "callback", None), "admin_site", None) for pattern in patterns)
    return next((site for site in sites if isinstance(site, sys.modules["django.contrib.admin.sites"].AdminSite)), None)


# ---- languages ----


def refresh_translations() -> None:
    """Forget which languages there are and what their catalogues say."""
    trans_real.reset_cache(setting="LANGUAGES")
    gettext._translations.clear()  # type: ignore[attr-defined]  # Python's own, by file; Django's receiver empties it too
    trans_real._translations = {}
    trans_real._default = None


# ---- templates ----


def refresh_templates() -> None:
    """Forget all compiled templates: they hold what tags and filters were when they were compiled."""
    for backend in list(_template_backends()):
        for loader in vars(backend.engine).get("template_loaders", ()):
            loader.reset()
        _find_libraries(backend)


def _template_backends() -> Iterator[Any]:
    from django.forms.renderers import get_default_renderer

    yield from (backend for backend in list(engines._engines.values()) if isinstance(backend, DjangoTemplates))
    if get_default_renderer.cache_info().currsize:
        backend = vars(get_default_renderer()).get("engine")
        if isinstance(backend, DjangoTemplates):
            yield backend


def _find_libraries(backend: Any) -> None:
    """Libraries of tags as their modules have them now, and those in files that have come since the engine was made."""
    engine = backend.engine
    engine.libraries = {**get_installed_libraries(), **engine.libraries}
    engine.template_libraries = engine.get_template_libraries(engine.libraries)
    engine.template_builtins = engine.get_template_builtins(engine.builtins)
    vars(engine).pop("template_context_processors", None)
