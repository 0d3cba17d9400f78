"""The hooks: what hotswap asks about a program with Django, and what is done about it in Django.

Imports nothing of Django: without it in the program nothing of this costs anything.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs
import wrapt

from hotswap.commit import Swap, set_class
from hotswap.model import Finding, ModulePlan, Plan, Report, Severity
from hotswap.plugin import ClassPair, EngineView, Refusal, Shape, hookimpl
from hotswap.plugin.builtin import django_guard
from hotswap.requests.gate import GATE
from hotswap_django.judging import find_models, judge, middleware_to_call
from hotswap_django.live_settings import check_settings
from hotswap_django.options import read_options
from hotswap_django.pages import Pages
from hotswap_django.serving import Serving
from hotswap_django.versions import why_unknown

if TYPE_CHECKING:
    from hotswap_django.checking import Checking
    from hotswap_django.model_forms import Touch
    from hotswap_django.refresh import Router
    from hotswap_django.remaking import Remaking

#: So many plans are remembered, at least as many as swaps can be taken back.
_REMEMBERED = 40
#: What the metaclass of forms of models makes, and nobody else writes to.
_OF_FORMS = ("_meta", "base_fields")
#: The same of serializers of djangorestframework, each of which copies its fields.
_OF_SERIALIZERS = ("_declared_fields",)


class DjangoPlugin:
    """Django under hotswap; the entry point of this distribution.

    Attributes:
        gate: through which all requests go; the one of the process.
        watches_files: True where Django's own loop watches what is no Python.
    """

    #: Refuses what Django reads once. Here that is live, or refused in the same words.
    REPLACES = ("django_guard",)

    def __init__(self) -> None:
        self.gate = GATE
        self.watches_files = False
        self._engine: EngineView | None = None
        self._pages = Pages(self.gate)
        self._serving = Serving(self.gate, self._watch_files, self._pages)
        self.gate.on_wait = self._pages.note
        self._put_back: list[Callable[[], None]] = []
        # The modules of the last plans that want middleware to be made again, when they are live and when they are taken back.
        self._again: list[tuple[ModulePlan, ...]] = []
        self._with_models: list[tuple[ModulePlan, ...]] = []  # of the last plans that change models
        self._plan: Plan | None = None  # that is being made live
        self._is_new = False  # models are about to change, and not to be taken back
        self._explains = False
        self._checking: Checking | None = None
        self._shown: set[Finding] = set()  # what Django's checks have said at the start
        self._errors: frozenset[str] = frozenset()  # what Django's checks have found before the last of them
        self._touched: Mapping[Any, Touch] = {}  # what the program has done to forms of models before the last of them
        self._routers: list[Router] = []  # of djangorestframework, as they were
        self._remaking: Remaking | None = None  # what the swap that is being linked does to models

    # ---- beginning and end ----

    @hookimpl
    def hotswap_attach(self, engine: EngineView) -> None:
        self._engine = engine
        self._pages.attach(engine)
        self._when_imported("django.core.servers.basehttp", self._serving.take_server)
        self._when_imported("django.core.handlers.wsgi", self._serving.take_wsgi)
        self._when_imported("django.core.handlers.asgi", self._serving.take_asgi)
        self._when_imported("django.utils.autoreload", lambda module: self._put_back.append(self._pages.watch(module)))
        self._when_imported("django.core.checks", self._note_checks)
        if "hotswap.runner" in sys.modules:  # hotswap run: it can start the program again, so no child of Django's is needed
            self._when_imported("django.utils.autoreload", self._take_reloader)

    @hookimpl
    def hotswap_detach(self) -> None:
        self._engine = None
        if self._checking is not None:
            self._checking.stop()
            self._checking = None
        self._serving.stop()
        self._pages.stop()
        while self._put_back:
            self._put_back.pop()()

    def _when_imported(self, name: str, take: Callable[[ModuleType], None]) -> None:
        def take_if_attached(module: ModuleType) -> None:
            if self._engine is not None:
                take(module)

        wrapt.register_post_import_hook(take_if_attached, name)

    def _take_reloader(self, module: ModuleType) -> None:
        from hotswap_django.reloader import replace_run

        self._put_back.append(replace_run(module))

    def _note_checks(self, module: ModuleType) -> None:
        from hotswap_django.checking import note_shown

        self._put_back.append(note_shown(module, self._shown))

    def _watch_files(self) -> None:
        """Inside of the first request: from now on templates and translations are read and kept."""
        engine = self._engine
        if self.watches_files or engine is None or why_unknown():
            return
        from hotswap_django.reloader import SwapReloader

        self.watches_files = True
        reloader = SwapReloader(engine, self.gate, lambda: [file for _, file in engine.status().modules], modules=False)
        self._put_back.append(reloader.stop)
        try:
            reloader.watch_in_thread()
        except Exception as error:  # noqa: BLE001 - border to receivers of autoreload_started; the request goes on
            engine.tell(Finding(
                code="HS212", severity=Severity.KEPT, excerpt=traceback.format_exc(),
                message=f"templates and translations are not watched: {error!r}", next_step="mend that, and restart",
            ))  # fmt: skip

    # ---- what a change means ----

    @hookimpl
    def hotswap_value_kind(self, value: object) -> str | None:
        """A library of template tags is what its module has put into it: it is filled anew, in place. A query is asked when it is
        used, and a manager makes them: another one does for it."""
        library = getattr(sys.modules.get("django.template.library"), "Library", None)
        if library is not None and type(value) is library:
            return "data"
        made: Any = sys.modules.get("django.db.models")
        lazy = (made.manager.BaseManager, made.QuerySet) if hasattr(made, "Model") else ()
        return "data" if isinstance(value, lazy) else None

    @hookimpl
    def hotswap_can_rebuild(self, cls: type) -> bool | None:
        """Forms and the like only collect; managers mark their own methods; models are made aside, in a registry of their own."""
        if _is_serializer(cls):
            return True
        made = sys.modules.get("django.db.models")
        if made is None or not hasattr(made, "Model") or why_unknown():
            return django_guard.hotswap_can_rebuild(cls)
        managers = (made.manager.BaseManager, made.QuerySet)
        if type(cls) is type(made.Model) or (type(cls) is type and issubclass(cls, managers)):
            return True
        return django_guard.hotswap_can_rebuild(cls)

    # ---- models ----

    @hookimpl
    def hotswap_stands_alone(self, cls: type) -> bool | None:
        """Django asks a model at each use; forms that keep fields of it are led to it in :mod:`hotswap_django.refresh`."""
        return True if _is_model(cls) and not why_unknown() else None

    @hookimpl
    def hotswap_aside(self, plan: Plan) -> AbstractContextManager[object] | None:
        return self._make_aside(plan) if _are_models_ready() else None

    def _note_models(self, plan: Plan) -> None:
        """Models are going to change: what Django's checks find now is no matter of this swap."""
        from hotswap_django.model_forms import note_touched
        from hotswap_django.refresh import find_errors

        if not self._explains:
            from hotswap_django.database import explain_errors

            self._explains = True
            self._put_back.append(explain_errors())
        self._errors, self._touched, self._is_new = find_errors(), note_touched(), True
        self._with_models = [*self._with_models, plan.modules][-_REMEMBERED:]

    @contextmanager
    def _make_aside(self, plan: Plan) -> Iterator[None]:
        from hotswap_django.aside import making_aside
        from hotswap_django.remaking import Remaking

        hidden, gone = find_models(plan)
        with making_aside(hidden, gone) as registry:
            try:
                self._remaking = Remaking(registry, gone, plan)
                yield
            except BaseException:  # raised again: a statement failed, and nothing that was made aside is needed
                self._remaking = None
                raise

    @hookimpl
    def hotswap_pair_members(self, live: type, staged: type) -> Iterable[tuple[object, object]]:
        if self._remaking is None or not (_is_model(live) and _is_model(staged)):
            return ()
        with self._or_refuse():
            return list(self._remaking.pair(live, staged))

    @hookimpl
    def hotswap_class_shape(self, cls: type) -> Shape | None:
        if self._remaking is None or not _is_model(cls):
            return None
        with self._or_refuse():
            return self._remaking.shape(cls)

    @hookimpl
    def hotswap_before_commit(self, swap: Swap) -> Iterable[Finding]:
        if self._remaking is None and self._plan is not None and _are_models_ready() and find_models(self._plan)[1]:
            with self._make_aside(self._plan):
                pass  # the statement of a model has gone, and nothing had to be evaluated
        if self._remaking is not None:
            with self._or_refuse():
                if self._remaking.finish(swap):
                    self._note_models(self._remaking.plan)
            self._remaking = None  # it holds what was made aside, which is to go now
        return ()

    @hookimpl
    def hotswap_rebuild_class(self, pair: ClassPair, swap: Swap, resolve: Callable[[Any], Any]) -> Iterable[str]:
        """A class that a factory of Django's forms has made is what its arguments are; nobody else has written to it."""
        if self._remaking is not None and _is_model(pair.live):
            with self._or_refuse():
                return self._remaking.rebuild(pair, swap, resolve)
        if not pair.live.__module__.startswith("django.forms.") or type(pair.live) is not type(pair.staged):
            made = _OF_FORMS if _is_form(pair.live) else _OF_SERIALIZERS if _is_serializer(pair.live) else ()
            names = [name for name in made if name in vars(pair.staged)]
            swap.add(*(set_class(pair.live, name, resolve(vars(pair.staged)[name])) for name in names))
            return names
        names = [name for name in vars(pair.staged) if name not in ("__dict__", "__weakref__", "__module__", "__qualname__")]
        swap.add(*(set_class(pair.live, name, resolve(vars(pair.staged)[name])) for name in names))
        return names

    @hookimpl
    def hotswap_plan(self, plan: Plan) -> Iterable[Finding]:
        if "django" not in sys.modules:
            return ()
        if why := why_unknown():
            return [attrs.evolve(f, message=f"{why}. {f.message}") for f in django_guard.hotswap_plan(plan)]
        try:
            if middleware_to_call(plan):
                self._again = [*self._again, plan.modules][-_REMEMBERED:]
            files = self._list_files()
            return (*check_settings(plan, files), *judge(plan, files), *django_guard.name_ready(plan))
        except Exception as error:  # noqa: BLE001 - a mistake of this plugin must not let a change through that nobody has judged
            return [Finding(
                code="HS212", severity=Severity.HELD, excerpt=traceback.format_exc(), next_step="restart, and please report this",
                message=f"hotswap-django failed to judge this change: {type(error).__name__}: {error}",
            )]  # fmt: skip

    def _list_files(self) -> list[str]:
        return [file for _, file in self._engine.status().modules] if self._engine is not None else []

    @contextmanager
    def _or_refuse(self) -> Iterator[None]:
        """A mistake of this plugin must not leave a model half made: the swap is refused."""
        try:
            yield
        except Refusal:
            self._remaking = None
            raise
        except Exception as error:  # raised again, as what the engine takes for a refusal
            self._remaking = None
            message = f"hotswap-django failed to make a model anew: {type(error).__name__}: {error}"
            raise Refusal(Finding(
                code="HS206", severity=Severity.HELD, message=message, next_step="restart, and please report this",
                excerpt=traceback.format_exc(),
            )) from error  # fmt: skip

    # ---- it is live ----

    @hookimpl
    def hotswap_leads(self) -> bool:
        """A service without Django has nothing that is led, though the plugin is installed."""
        return _are_models_ready()

    @hookimpl
    def hotswap_settle(self, plan: Plan) -> Iterable[Finding]:
        """Django drops what it has computed. Middleware and admin sites are made by code of the program, which may fail."""
        if not _are_models_ready():
            return ()
        from hotswap_django.refresh import OnlyAtStart, refresh

        try:
            models = self._has_models(plan)
            again = any(modules is plan.modules for modules in self._again)
            refresh(plan, middleware=again, known=self._errors, touched=self._touched if models else None, routers=self._routers)
        except OnlyAtStart as error:
            return [Finding(code="HS213", severity=Severity.HELD, message=str(error), next_step="restart")]
        except Exception as error:  # noqa: BLE001 - border to code of the program
            return [Finding(
                code="HS212", severity=Severity.HELD, excerpt=traceback.format_exc(),
                message=f"Django cannot be brought to what was saved: {type(error).__name__}: {error}",
                next_step="mend it and save it again; the old code serves on",
            )]  # fmt: skip
        if not models:
            return ()
        from hotswap_django.database import follow_models
        from hotswap_django.model_forms import name_unknown

        # Taken back, the models may lack what a migration has made by now: that is told, and left to a person.
        mode, self._is_new = read_options().migrate if self._is_new else "tell", False
        return [*name_unknown(self._touched), *follow_models(mode)]

    def _has_models(self, plan: Plan) -> bool:
        return any(modules is plan.modules for modules in self._with_models)

    @hookimpl
    def hotswap_after_commit(self, report: Report) -> None:
        self._pages.note_swapped(report)

    @hookimpl
    def hotswap_after_rollback(self, report: Report) -> None:
        self._pages.note_swapped(report)

    @hookimpl
    def hotswap_told(self, report: Report) -> None:
        self._pages.note_report(report)
        engine = self._engine
        if report.applied and engine is not None and _are_models_ready():
            from hotswap_django.checking import Checking

            self._checking = self._checking or Checking(engine.tell, self._pages.note_checks, self.gate, self._shown)
            self._checking.ask()

    # ---- requests in flight ----

    @hookimpl
    def hotswap_quiesce(self, plan: Plan) -> Iterable[Finding]:
        """How long requests are waited for; the waiting is :mod:`hotswap.plugin.builtin.requests`."""
        options = read_options()
        self.gate.limit = options.request_limit
        return [_kept(f"{options.wrong}; the default counts")] if options.wrong else []

    @hookimpl
    def hotswap_prepare(self, plan: Plan) -> None:
        self._plan = plan
        if _are_models_ready():
            from hotswap_django.model_forms import note_touched
            from hotswap_django.refresh import note_routers

            self._routers = note_routers()
            self._touched = note_touched() if self._has_models(plan) else {}  # it is going to be taken back

    @hookimpl
    def hotswap_release(self) -> None:
        self._remaking, self._plan, self._is_new, self._touched, self._routers = None, None, False, {}, []


def _are_models_ready() -> bool:
    """True where Django has started, in a series that is known from the inside."""
    apps = sys.modules.get("django.apps")
    return apps is not None and apps.apps.ready and not why_unknown()


def _is_form(cls: type) -> bool:
    """True for a form of a model: its fields have been made again with each change of the model."""
    made: type | None = getattr(sys.modules.get("django.forms.models"), "ModelFormMetaclass", None)
    return made is not None and isinstance(cls, made)


def _is_serializer(cls: type) -> bool:
    """True for a serializer of djangorestframework: its metaclass collects fields, and notes nothing elsewhere."""
    made: type | None = getattr(sys.modules.get("rest_framework.serializers"), "SerializerMetaclass", None)
    return made is not None and type(cls) is made and not why_unknown()


def _is_model(cls: type) -> bool:
    """True for a model that is not ``Model`` itself."""
    base = getattr(sys.modules.get("django.db.models.base"), "ModelBase", None)
    return base is not None and isinstance(cls, base) and "_meta" in vars(cls)


def _kept(message: str) -> Finding:
    return Finding(code="HS212", severity=Severity.KEPT, message=message)
