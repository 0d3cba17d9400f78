"""What is in an application or a router of Starlette's, in plain words: to tell what the program itself has put there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hotswap.plugin.keepers import Description, is_known, name_of, plain

#: With this the entries begin that stand in ``app.state``.
STATE = "state."
#: What an application keeps for itself.
_COMPUTED = frozenset({"openapi_schema", "_openapi_routes_version", "middleware_stack", "_native_telemetry"})
#: What is registered, or whose parts are made anew whatever they are.
_CONTENTS = frozenset(
    "routes _low_priority_routes user_middleware exception_handlers on_startup on_shutdown dependency_overrides".split()
)
_ATOMS = (type(None), bool, int, float, str, bytes)


def describe(keeper: Any) -> Description:
    """An application, or a router."""
    router = getattr(keeper, "router", keeper)
    lines = [*_routes(router), *_middleware(keeper), *_handlers(keeper), *_events(router)]
    return Description(made=tuple(lines), entries=dict(_settings(keeper)))


def _settings(keeper: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that are plain values, as a title, a prefix, tags; and what is noted in ``app.state``."""
    for name, value in list(vars(keeper).items()):
        is_plain = type(value) in _ATOMS or (type(value) in (list, dict) and name not in _CONTENTS and is_known(plain(value)))
        if is_plain and name not in _COMPUTED and not name.endswith("_version"):
            yield name, plain(value)
    state = getattr(getattr(keeper, "state", None), "_state", {})
    yield from ((f"{STATE}{name}", plain(value)) for name, value in list(state.items()))


def middleware_of(keeper: Any) -> list[Any]:
    """What the stack of middleware is made from, to tell whether it has to be made anew."""
    rows = [plain([item.cls, list(item.args), dict(item.kwargs)]) for item in getattr(keeper, "user_middleware", ())]
    return [rows, list(_handlers(keeper)), getattr(keeper, "debug", None), getattr(keeper, "max_body_size", None)]


def _routes(router: Any, prefix: str = "", depth: int = 8) -> Iterator[str]:
    for route in list(getattr(router, "routes", None) or ()):
        yield from _route(route, prefix, depth)


def _route(route: Any, prefix: str, depth: int) -> Iterator[str]:
    kind = type(route).__name__
    inner = getattr(route, "original_router", None)  # FastAPI includes a router as one route
    if inner is not None and depth:
        yield from _routes(inner, f"{prefix}{getattr(route.include_context, 'prefix', '')}", depth - 1)
        return
    path = f"{prefix}{getattr(route, 'path', getattr(route, 'host', ''))}"
    app = getattr(route, "app", None)
    if hasattr(route, "endpoint"):
        methods = ",".join(sorted(getattr(route, "methods", None) or ()))
        yield " ".join(filter(None, (kind, methods, path, f"({name_of(route.endpoint)})")))
    else:
        yield f"{kind} {path} ({name_of(type(app))})"
        yield from _routes(getattr(app, "router", app), path, depth - 1) if depth else ()


def _middleware(keeper: Any) -> Iterator[str]:
    for item in getattr(keeper, "user_middleware", ()):
        yield f"middleware {name_of(item.cls)} {plain(item.kwargs.get('dispatch')) or ''}".rstrip()


def _handlers(keeper: Any) -> Iterator[str]:
    for key, handler in list(getattr(keeper, "exception_handlers", {}).items()):
        yield f"handler of {plain(key)} ({name_of(handler)})"


def _events(router: Any) -> Iterator[str]:
    for name in ("on_startup", "on_shutdown"):
        yield from (f"{name} ({name_of(function)})" for function in getattr(router, name, None) or ())
