"""Asks plugins. One that raises becomes finding HS503 and is left out of that step, never a dead program.

pluggy's own call stops at the first exception and cannot tell who raised, after others have acted; so each hook
implementation is called by itself, in pluggy's order.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
import pluggy

from hotswap.commit import Swap, Write
from hotswap.kinds import is_a
from hotswap.model import Finding, Plan, Report, Severity, Verdict
from hotswap.plugin.builders import copies_from_bases, foreign_builder, foreign_builder_below
from hotswap.plugin.specs import ENTRY_POINTS, EngineView, Specs
from hotswap.plugin.values import ClassPair, Kept, Refusal, Shape, Stale

#: The built-in handling, written as plugins. Of several answers the last one registered counts first.
BUILTIN = ("caches", "dataclasses", "attrs", "enums", "namedtuples", "django_guard", "requests")


_KINDS = ("data", "keeper", "opaque")
#: Hooks that are asked while a change can still be refused; elsewhere a refusal is a plugin's mistake.
_MAY_REFUSE = frozenset(
    f"hotswap_{name}"
    for name in ("kept_state", "pair_members", "rebuild_class", "class_shape", "stale_caches", "before_commit")
)


@attrs.define(eq=False)
class Plugins:
    """The plugins of one engine.

    Attributes:
        broken: what plugins did wrong since :meth:`take_findings` was last called.
    """

    manager: pluggy.PluginManager = attrs.field(factory=lambda: pluggy.PluginManager("hotswap"), init=False, repr=False)
    broken: list[Finding] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.manager.add_hookspecs(Specs)
        for name in BUILTIN:
            self.register(importlib.import_module(f"hotswap.plugin.builtin.{name}"), name)

    # ---- finding plugins ----

    def discover(self) -> None:
        """Load the plugins that installed distributions name as entry points of the group ``hotswap``."""
        for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda p: p.name):
            if self.manager.has_plugin(point.name) or self.manager.is_blocked(point.name):
                continue
            try:
                plugin = point.load()
                plugin = plugin() if is_a(plugin, type) else plugin
            except (Exception, SystemExit) as error:  # noqa: BLE001 - border to a plugin
                self._note_broken(point.name, "could not be loaded", error)
            else:
                self.register(plugin, point.name)

    def register(self, plugin: object, name: str) -> None:
        """Take a plugin in; what is wrong with it becomes a finding.

        Args:
            plugin: a module or an object with functions marked by ``hotswap.plugin.hookimpl``.
            name: for people; the entry point's.
        """
        try:
            self.manager.register(plugin, name)
            self._check(plugin)
            self._replace(getattr(plugin, "REPLACES", ()))
        except (pluggy.PluginValidationError, ValueError) as error:
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self._note_broken(name, "was not taken in", error)

    def _check(self, plugin: object) -> None:
        for caller in self.manager.get_hookcallers(plugin) or ():
            if not caller.has_spec():
                raise ValueError(f"there is no hook {caller.name}")
            for impl in caller.get_hookimpls():
                if impl.plugin is plugin and (impl.hookwrapper or impl.wrapper):
                    raise ValueError(f"{caller.name} is a wrapper; a plugin must not hold the others")

    def _replace(self, names: Iterable[str]) -> None:
        """Leave plugins out for which another one stands; also those that are yet to come."""
        for name in names:
            self.manager.set_blocked(name)

    def take_findings(self) -> list[Finding]:
        """What plugins did wrong since the last call, for the next report."""
        found, self.broken[:] = list(self.broken), []
        return found

    # ---- asking ----

    def _ask(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call each plugin's implementation, yielding the plugin's name and its answer where it is not None.

        Raises:
            Refusal: a plugin refuses the change; that is an answer, not a failure.
        """
        caller = getattr(self.manager.hook, hook)
        swap: Swap | None = arguments.get("swap")
        for impl in reversed(caller.get_hookimpls()):
            before = _lengths(swap)
            try:
                answer = impl.function(*[arguments[name] for name in impl.argnames])
                if isinstance(answer, Iterator):  # a generator runs here, where its failure is its own
                    answer = list(answer)
            except (Exception, SystemExit) as error:  # border to a plugin
                if isinstance(error, Refusal) and hook in _MAY_REFUSE:
                    raise
                _shorten(swap, before)  # what it had prepared when it failed is half of something
                self._note_broken(impl.plugin_name, f"{hook} raised", error)
                continue
            if answer is not None:
                yield impl.plugin_name, answer

    def _note_broken(self, name: str, what: str, error: BaseException) -> None:
        self.broken.append(
            Finding(
                code="HS503",
                severity=Severity.KEPT,
                message=f"plugin {name}: {what} ({type(error).__name__}: {error}); it was left out of this step",
                next_step="mend or uninstall the plugin",
                excerpt="".join(traceback.format_exception(error)),
            )
        )

    def _each(self, hook: str, kind: type, **arguments: Any) -> Iterator[Any]:
        """All items of the answers, of one kind; a plugin that answers with something else is broken."""
        for name, answer in self._ask(hook, **arguments):
            try:
                items = list(answer)
            except TypeError as error:
                self._note_broken(name, f"{hook} gave {answer!r}", error)
                continue
            for item in items:
                if isinstance(item, kind):
                    yield item
                else:
                    self._note_broken(name, f"{hook} gave {item!r}", TypeError(f"not a {kind.__name__}"))

    # ---- the hooks, in the order of specs.py ----

    def attach(self, engine: EngineView) -> None:
        for _ in self._ask("hotswap_attach", engine=engine):
            pass

    def detach(self) -> None:
        for _ in self._ask("hotswap_detach"):
            pass

    def value_kind(self, value: object) -> str | None:
        """What a plugin says may be done with a value: ``data``, ``keeper``, ``opaque``, or None where none knows it."""
        return next((kind for _, kind in self._ask("hotswap_value_kind", value=value) if kind in _KINDS), None)

    def builder_of(self, cls: object, is_managed: Callable[[type], bool]) -> str:
        """The foreign code that would run if the statement of a live class were executed again; empty for none."""
        if not is_a(cls, type) or not (builder := foreign_builder(cls, is_managed)):
            return ""
        return "" if self._can_rebuild(cls) else builder

    def builder_of_bases(self, base: object, is_managed: Callable[[type], bool]) -> str:
        """The same for a class that is to get a base, or a metaclass."""
        if not is_a(base, type) or not (builder := foreign_builder_below(base, is_managed)):
            return ""
        return "" if self._can_rebuild(base) else builder

    def copies_bases(self, cls: object, is_managed: Callable[[type], bool]) -> bool:
        """True for a live class that may have copied something from its bases when it was made."""
        return is_a(cls, type) and copies_from_bases(cls, is_managed)

    def _can_rebuild(self, cls: type) -> bool:
        return any(answer is True for _, answer in self._ask("hotswap_can_rebuild", cls=cls))

    def stands_alone(self, cls: object) -> bool:
        """True for a class whose readers need not be evaluated again when its statement is."""
        return is_a(cls, type) and any(answer is True for _, answer in self._ask("hotswap_stands_alone", cls=cls))

    def check_plan(self, plan: Plan) -> Plan:
        """The plan with the plugins' findings; held ones stop it."""
        found = list(self._each("hotswap_plan", Finding, plan=plan))
        if not found:
            return plan
        return attrs.evolve(plan, findings=(*plan.findings, *found), verdict=strongest(plan.verdict, found))

    def quiesce(self, plan: Plan) -> list[Finding]:
        return list(self._each("hotswap_quiesce", Finding, plan=plan))

    def prepare(self, plan: Plan) -> None:
        for _ in self._ask("hotswap_prepare", plan=plan):
            pass

    def settle(self, plan: Plan) -> list[Finding]:
        return list(self._each("hotswap_settle", Finding, plan=plan))

    def find_settler(self) -> str:
        """A plugin that leads a framework to what is live, for which no request may be inside; empty for none."""
        idle = {name for name, leads in self._ask("hotswap_leads") if leads is False}
        names = (impl.plugin_name for impl in self.manager.hook.hotswap_settle.get_hookimpls())
        return next((name for name in names if name not in idle), "")

    def release(self) -> None:
        for _ in self._ask("hotswap_release"):
            pass

    @contextmanager
    def aside(self, plan: Plan) -> Iterator[None]:
        """Inside, statements are evaluated aside."""
        with ExitStack() as stack:
            for _, around in self._ask("hotswap_aside", plan=plan):
                stack.enter_context(around)
            yield

    def describe(self, value: object) -> object | None:
        """What is in an object that a plugin knows; None where none does."""
        return next((answer for _, answer in self._ask("hotswap_describe", value=value)), None)

    def kept_state(self, live: object, staged: object, before: object | None, swap: Swap) -> Kept | None:
        """How a live object becomes another one; None where no plugin knows it."""
        answers = self._ask("hotswap_kept_state", live=live, staged=staged, before=before, swap=swap)
        return next((kept for _, kept in answers if isinstance(kept, Kept)), None)

    def pair_members(self, live: type, staged: type) -> list[tuple[object, object]]:
        return list(self._each("hotswap_pair_members", tuple, live=live, staged=staged))

    def class_shape(self, cls: type) -> Shape | None:
        return next((shape for _, shape in self._ask("hotswap_class_shape", cls=cls) if isinstance(shape, Shape)), None)

    def rebuild_class(self, swap: Swap, pair: ClassPair, resolve: Callable[[Any], Any]) -> set[str]:
        return set(self._each("hotswap_rebuild_class", str, pair=pair, swap=swap, resolve=resolve))

    def stale_caches(self, stale: Stale) -> list[Write]:
        return list(self._each("hotswap_stale_caches", Write, stale=stale))

    def before_commit(self, swap: Swap) -> list[Finding]:
        return list(self._each("hotswap_before_commit", Finding, swap=swap))

    def after_commit(self, report: Report) -> None:
        for _ in self._ask("hotswap_after_commit", report=report):
            pass

    def after_rollback(self, report: Report) -> None:
        for _ in self._ask("hotswap_after_rollback", report=report):
            pass

    def told(self, report: Report) -> None:
        for _ in self._ask("hotswap_told", report=report):
            pass


def _lengths(swap: Swap | None) -> tuple[int, int, int]:
    return (0, 0, 0) if swap is None else (len(swap.writes), len(swap.redirects), len(swap.findings))


def _shorten(swap: Swap | None, lengths: tuple[int, int, int]) -> None:
    if swap is not None:
        del swap.writes[lengths[0] :], swap.redirects[lengths[1] :], swap.findings[lengths[2] :]


_ORDER = (Verdict.NOTHING, Verdict.SWAP, Verdict.ASK, Verdict.RESTART)


def strongest(verdict: Verdict, findings: Iterable[Finding]) -> Verdict:
    """The verdict after some more findings: held ones ask (HS3xx) or want a restart (all others)."""
    asked = [Verdict.ASK if f.code.startswith("HS3") else Verdict.RESTART for f in findings if f.severity is Severity.HELD]
    return max([verdict, *asked], key=_ORDER.index)
