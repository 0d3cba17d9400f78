"""The hooks: what hotswap asks about a program with Flask, and what is done about it.

Imports nothing of Flask: without it in the program nothing of this costs anything.
"""

from __future__ import annotations

import functools
import sys
import traceback
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import attrs
import wrapt

from hotswap.collector import list_objects
from hotswap.commit import Swap, Write, del_item, set_item
from hotswap.model import Finding, Plan, Severity
from hotswap.plugin import EngineView, Kept, Refusal, hookimpl
from hotswap.plugin.factories import Factories, find_going
from hotswap.plugin.keepers import Description, check_registered, merge_entries
from hotswap.requests import Passage
from hotswap_flask.by_name import ReadByName
from hotswap_flask.carrying import Carrying
from hotswap_flask.describe import COMPUTED, CONFIG, JSON, describe
from hotswap_flask.serving import lead_application, lead_handler, never_reload
from hotswap_flask.versions import why_unknown

_KEEPERS = (("flask.sansio.app", "App"), ("flask.sansio.blueprints", "Blueprint"))


class FlaskPlugin:
    """Flask under hotswap; the entry point of this distribution."""

    def __init__(self) -> None:
        self._engine: EngineView | None = None
        self._passage = Passage()
        self._put_back: list[Callable[[], None]] = []
        self._factories = Factories()
        self._read_by_name = ReadByName()

    # ---- beginning and end ----

    @hookimpl
    def hotswap_attach(self, engine: EngineView) -> None:
        self._engine = engine
        self._when_imported("werkzeug.serving", lambda module: lead_handler(self._passage, module))
        self._when_imported("flask.app", lambda module: lead_application(self._passage, module))
        self._when_imported(
            "flask.config", lambda module: self._passage.replace(module.Config, "from_object", self._read_by_name.noting)
        )
        for module_name, cls in _KEEPERS:
            self._when_imported(module_name, functools.partial(self._note_makers, cls))
        if "hotswap.runner" in sys.modules:  # hotswap run: it can start the program again
            self._when_imported("werkzeug._reloader", lambda module: self._put_back.append(never_reload(module)))

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

    def _note_makers(self, cls: str, module: ModuleType) -> None:
        for name in ("__init__", "_check_setup_finished"):  # the second one is called whenever something is registered
            self._passage.replace(getattr(module, cls), name, self._factories.noting)

    # ---- what a change means ----

    @hookimpl
    def hotswap_value_kind(self, value: object) -> str | None:
        return "keeper" if is_keeper(value) else None

    @hookimpl
    def hotswap_can_rebuild(self, cls: type) -> bool | None:
        """A class of views notes its methods when it is made, and nobody else notes the class."""
        view = getattr(sys.modules.get("flask.views"), "View", None)
        return True if view is not None and issubclass(cls, view) and not why_unknown() else None

    @hookimpl
    def hotswap_plan(self, plan: Plan) -> Iterable[Finding]:
        if "flask" not in sys.modules or self._engine is None:
            return ()
        try:
            return [
                *self._read_by_name.judge(plan),
                *self._factories.judge(plan, self._engine),
                *find_going(plan, self._engine, _is_application),
            ]
        except Exception as error:  # noqa: BLE001 - a mistake of this plugin must not let a change through that nobody has judged
            return [Finding(
                code="HS212", severity=Severity.HELD, excerpt=traceback.format_exc(), next_step="restart, and please report this",
                message=f"hotswap-flask failed to judge this change: {type(error).__name__}: {error}",
            )]  # fmt: skip

    # ---- linking ----

    @hookimpl
    def hotswap_aside(self, plan: Plan) -> AbstractContextManager[object]:
        return self._factories.aside()

    @hookimpl
    def hotswap_describe(self, value: object) -> object | None:
        return describe(value) if is_keeper(value) else None

    @hookimpl
    def hotswap_kept_state(self, live: Any, staged: Any, before: object | None, swap: Swap) -> Kept | None:
        if not is_keeper(live):
            return None
        what = f"the {type(live).__name__} {live.name}"
        now, new = describe(live), describe(staged)
        carried: set[str] = set()
        if hasattr(live, "url_map") and isinstance(before, Description):
            carrying = Carrying(what, live, staged, before, self._is_managed)
            carrying.carry()
            now, carried = attrs.evolve(now, made=_without(now.made, carrying.lines)), carrying.kept
        then = check_registered(what, now, before)
        taken, kept = merge_entries(what, now.entries, then.entries, new.entries, swap)
        names = {*COMPUTED, *(name for name in kept if "." not in name)}
        inside = {"cli": Kept()}
        if hasattr(live, "config"):
            swap.add(*_take_entries(live.config, staged.config, CONFIG, taken))
            swap.add(*_take_entries(vars(live.json), vars(staged.json), JSON, taken))
            if type(live.json) is not type(staged.json):
                raise Refusal(_held("HS205", f"{what} gets another JSON provider, which has to know its application"))
            names |= {"config", "extensions", *carried, *_kept_environment(then, staged)}
            inside["json"] = Kept(names=frozenset(vars(live.json)))  # it refers to its application weakly
            _lead_static(live, staged)
            _lead_templates(live, staged)
        return Kept(names=frozenset(names), inside=inside)

    def _is_managed(self, module: str) -> bool:
        return self._engine is not None and module in {name for name, _ in self._engine.status().modules}

    # ---- it is live ----

    @hookimpl
    def hotswap_leads(self) -> bool:
        """Templates are compiled by Jinja alone; a service without it has nothing that is led, though the plugin is installed."""
        return "jinja2.environment" in sys.modules

    @hookimpl
    def hotswap_settle(self, plan: Plan) -> Iterable[Finding]:
        """Compiled templates are dropped: what filters and tests give for constants is computed when they are compiled."""
        environment = getattr(sys.modules.get("jinja2.environment"), "Environment", None)
        for item in list_objects(environment)[0] if environment is not None else ():
            if item.cache is not None:
                item.cache.clear()
        return ()


def is_keeper(value: object) -> bool:
    """True for an application or a blueprint, of a version that is known from the inside."""
    classes = (getattr(sys.modules.get(module), name, None) for module, name in _KEEPERS)
    return any(cls is not None and isinstance(value, cls) for cls in classes) and not why_unknown()


def _is_application(value: object) -> bool:
    return is_keeper(value) and hasattr(value, "url_map")


def _without(lines: tuple[str, ...], others: Iterable[str]) -> tuple[str, ...]:
    return tuple((Counter(lines) - Counter(others)).elements())


def _take_entries(live: Any, staged: Any, prefix: str, names: list[str]) -> Iterable[Write]:
    for name in (name.removeprefix(prefix) for name in names if name.startswith(prefix)):
        if name in staged:
            yield set_item(live, name, staged[name])
        elif name in live:
            yield del_item(live, name)


def _kept_environment(before: Description, staged: Any) -> Iterable[str]:
    """The environment of Jinja stays where neither text has put anything into it: it is made when it is first used."""
    is_ours = any(line.startswith("jinja ") for line in before.made) or "jinja_env" in vars(staged)
    return () if is_ours else ("jinja_env",)


def _lead_static(live: Any, staged: Any) -> None:
    """The view of static files refers to its application weakly; that of the one that was made aside has to mean the live one."""
    if "static" in live.view_functions and "static" in staged.view_functions:
        staged.view_functions["static"] = live.view_functions["static"]
        return
    for cell in getattr(staged.view_functions.get("static"), "__closure__", None) or ():
        if cell.cell_contents == weakref.ref(staged):
            cell.cell_contents = weakref.ref(live)


def _lead_templates(live: Any, staged: Any) -> None:
    """Templates read the configuration by its own name, and the live one stays."""
    table = vars(staged)["jinja_env"].globals if "jinja_env" in vars(staged) else {}
    if table.get("config") is staged.config:
        table["config"] = live.config


def _held(code: str, message: str) -> Finding:
    return Finding(code=code, severity=Severity.HELD, message=message, next_step="restart")
