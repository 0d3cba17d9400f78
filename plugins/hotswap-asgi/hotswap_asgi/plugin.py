"""The hooks: what hotswap asks about a program with Starlette, FastAPI or uvicorn, and what is done about it.

Imports nothing of them: without them in the program nothing of this costs anything.
"""

from __future__ import annotations

import functools
import gc
import sys
import traceback
import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import wrapt

from hotswap.commit import Swap, del_item, set_item
from hotswap.model import Edit, EditKind, Finding, Plan, Severity
from hotswap.plugin import ClassPair, EngineView, Kept, Shape, hookimpl
from hotswap.plugin.factories import Factories, find_going
from hotswap.plugin.keepers import check_registered, merge_entries
from hotswap.requests import Passage
from hotswap_asgi import models, refresh
from hotswap_asgi.describe import STATE, describe, middleware_of
from hotswap_asgi.judging import judge
from hotswap_asgi.serving import lead_cycle, never_reload
from hotswap_asgi.stacks import rebuild_stack
from hotswap_asgi.versions import why_unknown

_KEEPERS = (("starlette.applications", "Starlette"), ("starlette.routing", "Router"))
#: By which something gets into an application; what else there is ends in one of these.
_REGISTERING = {
    ("starlette.applications", "Starlette"): ("__init__", "add_middleware", "add_exception_handler"),
    ("starlette.routing", "Router"): ("__init__", "mount", "host", "add_route", "add_websocket_route"),
    ("fastapi.applications", "FastAPI"): ("__init__",),
    ("fastapi.routing", "APIRouter"): ("add_api_route", "add_api_websocket_route", "include_router"),
}
_CYCLES = ("h11_impl", "httptools_impl")
#: Edits that leave what routes and models have computed as it is.
_QUIET = frozenset({EditKind.BODY, EditKind.LINES})


class AsgiPlugin:
    """Starlette, FastAPI and uvicorn under hotswap; the entry point of this distribution."""

    def __init__(self) -> None:
        self._engine: EngineView | None = None
        self._passage = Passage()
        self._put_back: list[Callable[[], None]] = []
        self._factories = Factories(follows=_is_followed)
        # Of the swap that is being made: applications with the stack and the list of middleware that they had.
        self._stacks: list[tuple[Any, Any, list[Any]]] = []
        # Routes that describe themselves by a docstring, by id, since they have no hash.
        self._described: dict[int, weakref.ref[Any]] = {}

    # ---- beginning and end ----

    @hookimpl
    def hotswap_attach(self, engine: EngineView) -> None:
        self._engine = engine
        for name in _CYCLES:
            self._when_imported(f"uvicorn.protocols.http.{name}", lambda module: lead_cycle(self._passage, module))
        self._when_imported(
            "starlette.applications", lambda module: self._passage.replace(module.Starlette, "__call__", self._passage.asgi)
        )
        for (module_name, cls), methods in _REGISTERING.items():
            self._when_imported(module_name, functools.partial(self._note_makers, cls, methods))
        if "hotswap.runner" in sys.modules:  # it swaps, and can start the program again, so no child of uvicorn's is needed
            self._when_imported("uvicorn.config", lambda module: self._put_back.append(never_reload(module.Config)))

    @hookimpl
    def hotswap_detach(self) -> None:
        self._engine = None
        self._passage.stop()
        while self._put_back:
            self._put_back.pop()()

    def _when_imported(self, name: str, take: Callable[[ModuleType], None]) -> None:
        def take_if_attached(module: ModuleType) -> None:
            if self._engine is not None:
                take(module)

        wrapt.register_post_import_hook(take_if_attached, name)

    def _note_makers(self, cls: str, methods: tuple[str, ...], module: ModuleType) -> None:
        for name in methods:
            self._passage.replace(getattr(module, cls), name, self._factories.noting)

    # ---- what a change means ----

    @hookimpl
    def hotswap_value_kind(self, value: object) -> str | None:
        return "keeper" if _is_keeper(value) else None

    @hookimpl
    def hotswap_can_rebuild(self, cls: type) -> bool | None:
        return True if not why_unknown() and models.can_rebuild(cls) else None

    @hookimpl
    def hotswap_class_shape(self, cls: type) -> Shape | None:
        return models.shape_of(cls) if not why_unknown() else None

    @hookimpl
    def hotswap_plan(self, plan: Plan) -> Iterable[Finding]:
        if "starlette" not in sys.modules or self._engine is None:
            return ()
        try:
            return [
                *judge(plan),
                *self._factories.judge(plan, self._engine),
                *find_going(plan, self._engine, _is_application),
            ]
        except Exception as error:  # noqa: BLE001 - a mistake of this plugin must not let a change through that nobody has judged
            return [Finding(
                code="HS212", severity=Severity.HELD, excerpt=traceback.format_exc(), next_step="restart, and please report this",
                message=f"hotswap-asgi failed to judge this change: {type(error).__name__}: {error}",
            )]  # fmt: skip

    # ---- linking ----

    @hookimpl
    def hotswap_aside(self, plan: Plan) -> AbstractContextManager[object]:
        return self._factories.aside()

    @hookimpl
    def hotswap_describe(self, value: object) -> object | None:
        if not _is_keeper(value):
            return None
        refresh.forget_kinds()  # or functions that were made aside stay alive
        return describe(value)

    @hookimpl
    def hotswap_kept_state(self, live: Any, staged: Any, before: object | None, swap: Swap) -> Kept | None:
        if not _is_keeper(live):
            return None
        now, new, what = describe(live), describe(staged), f"the {type(live).__name__}"
        then = check_registered(what, now, before)
        taken, kept = merge_entries(what, now.entries, then.entries, new.entries, swap)
        swap.add(*_state_writes(live, staged, [name.removeprefix(STATE) for name in taken if name.startswith(STATE)]))
        names = {"state", "dependency_overrides", *(name for name in kept if not name.startswith(STATE))}
        if hasattr(live, "user_middleware"):
            if middleware_of(live) == middleware_of(staged):
                names |= {"middleware_stack", "user_middleware"}
            else:
                self._stacks.append((live, live.middleware_stack, list(live.user_middleware)))
        return Kept(names=frozenset(names), inside={"router": Kept()} if hasattr(live, "router") else {})

    @hookimpl
    def hotswap_rebuild_class(self, pair: ClassPair, swap: Swap, resolve: Callable[[Any], Any]) -> Iterable[str]:
        return models.rebuild_class(pair, swap, resolve)

    @hookimpl
    def hotswap_before_commit(self, swap: Swap) -> Iterable[Finding]:
        if "fastapi.routing" in sys.modules and not why_unknown():
            known = {key: ref for key, ref in self._described.items() if ref() is not None}
            self._described = known | {id(route): weakref.ref(route) for route in refresh.derived_descriptions()}
        return ()

    # ---- it is live ----

    @hookimpl
    def hotswap_leads(self) -> bool:
        """A service without Starlette has nothing that is led, though the plugin is installed."""
        return "starlette" in sys.modules and not why_unknown()

    @hookimpl
    def hotswap_settle(self, plan: Plan) -> Iterable[Finding]:
        """What was computed is computed again, and middleware made, by code of the program, which may fail."""
        stacks, self._stacks = self._stacks, []
        if "starlette" not in sys.modules or why_unknown():
            return ()
        try:
            refresh.describe_again([route for ref in self._described.values() if (route := ref()) is not None])
            live = refresh.find_live()
            if any(edit.kind not in _QUIET for edit in plan.edits):
                models.compile_models(self._is_managed)
                refresh.compute_routes(live)
                gc.collect()  # models that were made aside, which what was compiled for them has kept alive until now
            refresh.forget_computed(live)
            for app, stack, rows in stacks:
                if app.middleware_stack is None:
                    rebuild_stack(app, stack, rows, self._is_managed)
        except Exception as error:  # noqa: BLE001 - border to code of the program
            return [Finding(
                code="HS212", severity=Severity.HELD, excerpt=traceback.format_exc(),
                message=f"the application cannot be brought to what was saved: {type(error).__name__}: {error}",
                next_step="mend it and save it again; the old code serves on",
            )]  # fmt: skip
        return ()

    def _is_managed(self, cls: type) -> bool:
        if self._engine is None:
            return False
        return cls.__module__ in {name for name, _ in self._engine.status().modules}


def _is_keeper(value: object) -> bool:
    """True for an application or a router, of a version that is known from the inside."""
    classes = (getattr(sys.modules.get(module), name, None) for module, name in _KEEPERS)
    return any(cls is not None and isinstance(value, cls) for cls in classes) and not why_unknown()


def _is_application(value: object) -> bool:
    return _is_keeper(value) and hasattr(value, "user_middleware")


def _is_followed(edit: Edit) -> bool:
    """FastAPI asks an included router for its routes, where it has not copied them, as earlier ones did; so where a router is
    filled anew, no application needs to be made again."""
    if not hasattr(sys.modules.get("fastapi.routing"), "_IncludedRouter"):
        return False
    value = getattr(sys.modules.get(edit.module), "__dict__", {}).get(edit.qualname)
    return edit.kind is EditKind.DERIVED and hasattr(value, "include_router") and not hasattr(value, "router")


def _state_writes(live: Any, staged: Any, names: Iterable[str]) -> Iterable[Any]:
    """What the new text notes in ``app.state``, where the program has not written to it."""
    mine, theirs = (item.state._state if hasattr(item, "state") else {} for item in (live, staged))
    for name in names:
        if name in theirs:
            yield set_item(mine, name, theirs[name])
        elif name in mine:
            yield del_item(mine, name)
