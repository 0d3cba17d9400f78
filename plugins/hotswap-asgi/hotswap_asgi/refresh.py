"""What applications have computed and keep: brought to what is live after each swap and each rollback.

    kept by                                computed from                              here
    routes of FastAPI                      signatures, models, docstrings             computed again, each in its place
    routers that are included              routes, prefixes                           forgotten
    FastAPI's schema                       all routes                                 forgotten
    FastAPI's caches by function           whether that is a coroutine, a generator   emptied
    stacks of middleware                   the list                                   see :mod:`hotswap_asgi.stacks`

Each step leads from any state to that of the program as it is, so it is the same for the way there and back.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import attrs

from hotswap.collector import list_objects
from hotswap.fingerprint import LRU

#: What is looked for, all in one pass over the heap.
_CLASSES = (
    ("fastapi.applications", "FastAPI"),
    ("fastapi.routing", "_IncludedRouter"),
    ("starlette.routing", "Router"),
)  # fmt: skip


class _Nothing:
    """Stands for a class that there is not."""


@attrs.define(eq=False)
class Live:
    """The objects of the frameworks that are alive.

    Attributes:
        applications: of FastAPI.
        included: FastAPI's places where a router is included.
        routers: of Starlette and of FastAPI.
    """

    applications: list[Any] = attrs.Factory(list)
    included: list[Any] = attrs.Factory(list)
    routers: list[Any] = attrs.Factory(list)

    def routes(self) -> Iterator[Any]:
        """The routes of FastAPI."""
        seen: set[int] = set()
        for route in [route for router in self.routers for route in router.routes]:
            if hasattr(route, "dependant") and id(route) not in seen:
                seen.add(id(route))
                yield route


def find_live() -> Live:
    """All of these."""
    classes = [getattr(sys.modules.get(module), name, _Nothing) for module, name in _CLASSES]
    return Live(*list_objects(*classes))


def forget_kinds() -> None:
    """Empty FastAPI's caches by function: whether it is a coroutine function may be another now, and they keep it alive."""
    for name, module in list(sys.modules.items()):
        if name.startswith("fastapi."):
            for value in list(vars(module).values()):
                if type(value) is LRU and getattr(value, "__module__", "") == name:
                    value.cache_clear()  # type: ignore[attr-defined]  # LRU is typed as any type


def forget_computed(live: Live) -> None:
    """Drop what is computed when it is asked for."""
    forget_kinds()
    for app in live.applications:
        app.openapi_schema = None
    for included in live.included:
        included._effective_candidates_version = None
        included._effective_low_priority_routes_version = None


def derived_descriptions() -> list[Any]:
    """Routes that describe themselves by the docstring of their endpoint; to be asked before that changes."""
    return [route for route in find_live().routes() if _is_described_by_docstring(route)]


def _is_described_by_docstring(route: Any) -> bool:
    return getattr(route, "description", None) == _description(route.endpoint)


def _description(endpoint: Any) -> str:
    return inspect.cleandoc(endpoint.__doc__ or "").split("\f")[0].strip()


def describe_again(described: list[Any]) -> None:
    """Give these routes the description that their endpoint has now."""
    for route in described:
        route.description = _description(route.endpoint)


def compute_routes(live: Live) -> None:
    """Have each route find out again what its endpoint takes and gives.

    Raises:
        Exception: FastAPI's, where that makes no sense.
    """
    forget_kinds()
    for route in list(live.routes()):
        parameters = list(inspect.signature(type(route).__init__).parameters)[1:]
        given = {name: getattr(route, name) for name in parameters if hasattr(route, name)}
        route.__init__(**given)
