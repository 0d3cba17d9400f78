"""The hook specifications, in the order in which one swap calls them.

    attach     plan      value_kind, can_rebuild, stands_alone, leads    (planning: nothing is executed)
               quiesce   the program is brought to rest, from here to release; not where a change is forced
               prepare   what settle needs to know is noted
               link      describe, aside, kept_state, pair_members, class_shape, rebuild_class, stale_caches, before_commit
               commit    settle, after_commit, after_rollback
               release
    told       what came of it, also where nothing was applied      (no lock is held)
    detach

Every hook is optional. Hooks run in the thread that swaps, while the engine's swap lock is held and no other lock; a
hook may call the engine, but must not wait for another thread that does. A hook that raises becomes finding HS503
and is left out of that step. What a hook changes in the program it changes by the writes that it gives or adds to the
swap, never by itself: a swap that is refused afterwards must have changed nothing.

A plugin module may have ``REPLACES``, names of plugins that it stands for: they are left out where it is taken in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pluggy

from hotswap.commit import Swap, Write
from hotswap.model import ChangeSet, Finding, Plan, Report, Status
from hotswap.plugin.values import ClassPair, Kept, Shape, Stale

#: Group of the entry points that name plugins: a module, an object, or a class that is called without arguments.
ENTRY_POINTS = "hotswap"

hookspec = pluggy.HookspecMarker("hotswap")
hookimpl = pluggy.HookimplMarker("hotswap")


class EngineView(Protocol):
    """What a plugin may ask of the engine."""

    def swap(self, changes: ChangeSet) -> Report: ...

    def preview(self, changes: ChangeSet) -> Plan: ...

    def rollback(self) -> Report: ...

    def status(self) -> Status: ...

    def refuse(self, finding: Finding) -> Report: ...

    def tell(self, finding: Finding) -> None: ...


class Specs:
    """All hooks; a plugin defines those that it wants, with any of the parameters, by name."""

    # ---- beginning ----

    @hookspec
    def hotswap_attach(self, engine: EngineView) -> None:
        """The engine manages the program from now on.

        Args:
            engine: may be kept until ``hotswap_detach``.
        """

    # ---- planning: nothing is executed, nothing is changed ----

    @hookspec(firstresult=True)
    def hotswap_value_kind(self, value: object) -> str | None:
        """Say what may be done with a value that a module name or an attribute of a class is bound to, or that is in such a one.

        Called for values whose class is not known to hotswap, often; it must be quick.

        Returns:
            ``"data"``: plain data, which is made anew when what it was computed from changes;
            ``"keeper"``: the same, and what it is filled with (an application, with routes) it calls later, not at once: a
            changed body of a function is no reason to fill it anew;
            ``"opaque"``: has a life of its own (a connection, a pool): it is kept and named, a changed initialiser
            asks for a restart; None: not mine.
        """

    @hookspec(firstresult=True)
    def hotswap_can_rebuild(self, cls: type) -> bool | None:
        """Say whether the statement of a class with a foreign maker may be executed a second time, aside.

        The maker is a metaclass, an ``__init_subclass__`` or a decorator of a library. Without an answer, only methods
        and simple attributes of such a class are exchanged, which runs none of them; other changes ask for a restart.

        Args:
            cls: the live class, or one that it is to get as a base.

        Returns:
            True: making the class again leaves nothing behind, and what it makes can be moved; else None.
        """

    @hookspec(firstresult=True)
    def hotswap_stands_alone(self, cls: type) -> bool | None:
        """Say whether those who have read a class need not be evaluated again when its statement is.

        For classes of a library that are read at each use. Without an answer, a decorator that gets the class, and whatever
        else may have copied from it, is called again, or the change asks for a restart. What reads an attribute of the class,
        and what inherits from it, is evaluated again in any case.

        Returns:
            True: nobody keeps anything of it, or ``hotswap_settle`` leads those who do to what is live.
        """

    @hookspec
    def hotswap_plan(self, plan: Plan) -> Iterable[Finding] | None:
        """Look at a plan. A finding with severity ``held`` stops it, others accompany it."""

    @hookspec
    def hotswap_leads(self) -> bool | None:
        """Say whether ``hotswap_settle`` has something to do in this program: its framework is loaded.

        Where it has, a hotfix waits until no request is inside. Without an answer it counts as having.
        """

    # ---- at rest: no task of the program that began in the old code is inside, and none begins ----

    @hookspec
    def hotswap_quiesce(self, plan: Plan) -> Iterable[Finding] | None:
        """Let tasks (requests, jobs) that have begun end, within a limit of time, and keep new ones waiting.

        Called once a swap or rollback that is going to be linked, before it looks at live data: what tasks change while they
        are waited for is seen by it. A finding with severity ``held`` stops it; its code should be HS510, which asks for no
        restart.

        Not called where a change is forced, or ordered with less consistency: what has to be noted in any case is noted in
        ``hotswap_prepare``. Where a change turns out to need rest only when it has been linked, it is called then, before it is
        linked anew.

        Args:
            plan: what is about to be made live, or taken back.
        """

    @hookspec
    def hotswap_prepare(self, plan: Plan) -> None:
        """Note what ``hotswap_settle`` will have to know of the program as it is before the change; nothing is changed.

        Called for each swap that is going to be linked, and for each rollback, when the program is as much at rest as it will
        be; again where another plan is tried in the place of one that was refused, and where it has come to rest only after it
        had been linked.

        Args:
            plan: what is about to be made live, or taken back.
        """

    @hookspec
    def hotswap_release(self) -> None:
        """The swap is live and told to the plugins, or is not made; called after ``hotswap_quiesce`` and ``hotswap_prepare``.

        Also where they have refused, or were not asked.
        """

    # ---- linking: the new text is evaluated, writes are prepared ----

    @hookspec(firstresult=True)
    def hotswap_describe(self, value: object) -> object | None:
        """Say what is in a ``"keeper"`` that the old texts have made again, aside, to be compared with the live one.

        Returns:
            Plain values only, nothing of the object itself, which is dropped; None: not mine.
        """

    @hookspec(firstresult=True)
    def hotswap_kept_state(self, live: object, staged: object, before: object | None, swap: Swap) -> Kept | None:
        """Say that a ``"keeper"`` goes on living as what the new text makes of it (an application with its routes).

        Called when the statements that make and fill it have been evaluated aside. The live object then gets the attributes
        of the new one, in the commit, and whoever refers to it follows.

        Args:
            live, staged: objects of one class, under one name; what the staged one holds may be staged too.
            before: what :meth:`hotswap_describe` has said of what the old texts make; None where they could not be evaluated.
            swap: takes further writes.

        Returns:
            What the live object keeps; None: not mine.

        Raises:
            Refusal: it cannot become that, as something of it that the texts do not make would be lost.
        """

    @hookspec
    def hotswap_aside(self, plan: Plan) -> AbstractContextManager[object] | None:
        """Give what surrounds the evaluation of statements aside.

        For makers of classes that note each class in a table: inside, what this thread makes goes into another one. Objects
        that are made on entering count as made aside: references among them to staged objects become ones to the live twins.
        What was entered is left before anything is paired, also where a statement raises.

        Args:
            plan: what is evaluated; for a module that was loaded before hotswap the old text is evaluated first.
        """

    @hookspec
    def hotswap_pair_members(self, live: type, staged: type) -> Iterable[tuple[object, object]] | None:
        """Name objects that the new class statement made and that live on as objects of the old one (enum members).

        Called before references among the new objects are exchanged: each one to the first of a pair becomes one to
        the second.

        Returns:
            Pairs of staged object and live object.

        Raises:
            Refusal: the live objects cannot stand for the new ones.
        """

    @hookspec(firstresult=True)
    def hotswap_class_shape(self, cls: type) -> Shape | None:
        """Say what the objects of a class hold; None for a class that is not made by what the plugin knows.

        Called for the live class and for the staged one; live objects are given the fields that they lack.
        """

    @hookspec
    def hotswap_rebuild_class(
        self, pair: ClassPair, swap: Swap, resolve: Callable[[Any], Any]
    ) -> Collection[str] | None:
        """Prepare the contents of a live class that is to become what the staged one is.

        Args:
            swap: takes the writes.
            resolve: gives the live twin of a staged object, or the object itself.

        Returns:
            Names in the class dict that have been taken care of; all others are moved in the usual way.

        Raises:
            Refusal: it cannot be done in place.
        """

    @hookspec
    def hotswap_stale_caches(self, stale: Stale) -> Iterable[Write] | None:
        """Give writes that drop results which the old code computed."""

    @hookspec
    def hotswap_before_commit(self, swap: Swap) -> Iterable[Finding] | None:
        """Look at all prepared writes; the last moment to stop (a finding with severity ``held``) or to add writes."""

    # ---- done ----

    @hookspec
    def hotswap_settle(self, plan: Plan) -> Iterable[Finding] | None:
        """Bring what is kept elsewhere, and is computed from the program, to what is live now.

        Called when all writes are made and statements that are new have run, when they have been taken back, and after a
        rollback: so it has to lead from any state to that of the program as it is. Here a plugin may write by itself. A
        finding with severity ``held`` takes the swap back, and is asked about as one of the text; after that, and after a
        rollback, it can only be named.

        Args:
            plan: what was made live, or taken back.
        """

    @hookspec
    def hotswap_after_commit(self, report: Report) -> None:
        """A swap is live. Exceptions are reported with it; it stays."""

    @hookspec
    def hotswap_after_rollback(self, report: Report) -> None:
        """A swap was taken back."""

    @hookspec
    def hotswap_told(self, report: Report) -> None:
        """A report is handed on, also that of a change that was not applied; no lock is held.

        Called before whoever has started the engine gets it, who may end the program in order to start it again.
        """

    @hookspec
    def hotswap_detach(self) -> None:
        """The engine manages the program no more; give back what ``hotswap_attach`` took."""
