"""Carries a draft of the plan over to live objects: evaluates aside, leads over, prepares every write.

Order: list the heap, evaluate, lead over, jump functions, bind names, remove names, drop stale caches. All that can
fail is here, before the commit.
"""

from __future__ import annotations

import builtins
import functools
import gc
from collections.abc import Callable, Mapping
from inspect import CO_OPTIMIZED
from types import CodeType, ModuleType
from typing import Any

import attrs

from hotswap.collector import forget_noted
from hotswap.commit import MISSING, Swap
from hotswap.convert.barrier import reroute
from hotswap.convert.converter import Converter, Request
from hotswap.errors import CODES
from hotswap.fingerprint import is_untouched, numbers_of_state
from hotswap.kinds import is_a, namespace_of
from hotswap.link.binding import bind_names, rebind_importers
from hotswap.link.classes import follow_abstract
from hotswap.link.doubles import find_doubles
from hotswap.link.functions import finish_functions, link_functions
from hotswap.link.heap import scan_heap
from hotswap.link.late import describe_known, evaluate_bases
from hotswap.link.limbo import collect_staged
from hotswap.link.linking import Linking, LinkRefused
from hotswap.link.memos import empty_memos
from hotswap.link.migrating import future_own, prepare_migrations
from hotswap.link.objects import Made, take_state
from hotswap.link.removing import note_imported, remove_modules, remove_names
from hotswap.link.replacing import finish_replaced
from hotswap.link.shape import make_views, prepare_shapes
from hotswap.link.staging import Staging, StagingError, forget_imported
from hotswap.link.stale import drop_stale_caches
from hotswap.link.standins import lead_inner, pair_data
from hotswap.link.trampoline import target_of
from hotswap.link.transplanting import move_reduced, transplant_moved
from hotswap.link.twins import EscapeError
from hotswap.link.unstage import lead_over
from hotswap.model import Finding, Severity
from hotswap.plan.build import Draft
from hotswap.plan.graph import Symbol
from hotswap.plan.pairing import walk
from hotswap.plan.source import parse_source
from hotswap.plugin.manager import Plugins
from hotswap.plugin.values import Kept, Refusal
from hotswap.shadow import coming_slots
from hotswap.world import ModuleRecord, World


def link(
    draft: Draft, world: World, plugins: Plugins, converter: Converter, look: Callable[[Request], None] | None = None,
    last: Callable[[Swap], None] | None = None,
) -> Swap:  # fmt: skip
    """Prepare all writes of a plan.

    Args:
        look: is shown what would be done to objects, while what was evaluated aside can still run.
        last: is given the swap when all is prepared, still while that can run.

    Raises:
        LinkRefused: a statement raised, or live objects do not allow it.
    """
    linking = Linking(draft, world, plugins, converter, look)
    enabled = gc.isenabled()
    gc.disable()  # what is staged stays young until it is let go of, so that it can be collected at once
    try:
        swap = _run(linking)
        if last is not None:
            last(swap)
        if look is not None:
            forget_imported(swap.imported, world)
        return swap
    except BaseException:  # raised again: whatever it was, what was loaded aside is not the program's
        forget_imported(linking.swap.imported, world)
        raise
    finally:
        aged = linking.left.collected
        linking.dispose()
        if enabled:
            gc.enable()
        if draft.needs_staging:
            del linking
            collect_staged(aged=aged)  # a class made aside leaves Base.__subclasses__() now, not some day


def _run(linking: Linking) -> Swap:
    files = {linking.world.records[name].file for name in linking.draft.order}
    modules = {record.module.__name__ for record in linking.world.records.values()}
    linking.heap = scan_heap(files, linking.world.outdated.now, modules)
    linking.left.own += linking.heap.functions.values()
    linking.swap.suspended, linking.swap.trampolines = linking.heap.suspended, linking.heap.trampolines
    if linking.heap.frozen:
        linking.note("HS504", f"gc.freeze() hides {linking.heap.frozen} objects; they were listed and frozen again")
    linking.live_functions = {id(f) for functions in linking.heap.functions.values() for f in functions}
    _check_ambiguous(linking)
    _check_attached_late(linking)
    linking.swap.doubles = find_doubles(linking.draft, linking.world, linking.heap)
    linking.bases = evaluate_bases(linking.draft, linking.world, linking.plugins, linking.heap, linking.alive)
    described = describe_known(linking.draft, linking.world, linking.plugins)
    if linking.bases or described:
        collect_staged()  # before the next staging makes all that is there old
    linking.staging = staging = Staging(linking.draft, linking.world, linking.plugins)
    try:
        staging.run()
        # Led over to live functions below; what can run before the commit is the staged ones.
        linking.swap.imported = staging.imported
        linking.declared = [(migration, attrs.evolve(migration)) for migration in staging.declared]
        linking.made_aside = _objects_of_staged_classes(staging.young)
        linking.twins = lead_over(
            staging,
            linking.heap,
            linking.plugins.pair_members,
            functools.partial(_may_take, linking),
            functools.partial(_kept_state, linking, described),
        )
        if linking.twins.classes:
            forget_noted()  # objects may get another class
        pair_data(linking, linking.draft.dirt.changed | set(linking.draft.dirt.derived))
        link_functions(linking)
        bind_names(linking)
        move_reduced(linking)
        transplant_moved(linking)
        follow_abstract(linking.swap, linking.twins.classes)
        rebind_importers(linking)
        _exchange_objects(linking)
        remove_names(linking)
        remove_modules(linking)
        note_imported(linking)
        lead_inner(linking)
        _prepare_shapes(linking)
        finish_functions(linking)
        drop_stale_caches(linking)
        empty_memos(linking)
        finish_replaced(linking)
        _ask_before_commit(linking)
    except (StagingError, EscapeError, Refusal) as refusal:
        raise LinkRefused(refusal.finding) from refusal
    _check_metaclasses(linking)
    linking.census.frame(linking.swap)
    linking.swap.held += [item for item in linking.twins.made if coming_slots(type(item))]
    return linking.swap


def _check_attached_late(linking: Linking) -> None:
    """A module that was loaded earlier must run what its text says, or nothing can be told from its text."""
    for name in linking.draft.edited:
        if (record := linking.world.records[name]).is_stale:
            message = f"the file of {name} changed after it was imported and before hotswap was attached"
            finding = Finding(code="HS210", severity=Severity.HELD, file=record.file, message=message, next_step="restart")
            raise LinkRefused(finding)
    late = {linking.world.records[name].file: name for name in linking.draft.edited if linking.world.records[name].base is None}
    # A migration of a patch that was taken back is held by who has been converted by it, and is called by nobody else.
    taken_back = functools.cache(lambda name: _codes_taken_back(linking.world.records[name]))
    for (file, code), functions in linking.heap.functions.items():
        if file not in late or "<locals>" in code.co_qualname or not code.co_flags & CO_OPTIMIZED:
            continue  # a module that is executing is a function too, of its own code
        name = late[file]
        pairing, namespace = linking.draft.pairings[name], linking.world.records[name].module.__dict__
        if code in pairing.new_of or code in pairing.removed or code in taken_back(name):
            continue
        if any(f.__globals__ is namespace and target_of(f) is None for f in functions):
            raise LinkRefused(
                Finding(
                    code="HS210",
                    severity=Severity.HELD,
                    file=file,
                    line=code.co_firstlineno,
                    message=f"{name}.{code.co_qualname} runs code that the file did not have when hotswap was attached",
                    next_step="restart",
                )
            )


def _codes_taken_back(record: ModuleRecord) -> set[CodeType]:
    """The code of all functions of texts that a module had and gave up again."""
    codes = [parse_source(record.file, text).code for text in record.taken_back]
    return {nested for code in codes for nested in walk(code)}


def _check_ambiguous(linking: Linking) -> None:
    """Definitions that cannot be paired matter where functions of them are alive: of inner ones mostly none is."""
    for name, pairing in linking.draft.pairings.items():
        for code in pairing.ambiguous:
            if linking.heap.of(code):
                message = f"several definitions of {name}.{code.co_qualname} changed at once"
                found = Finding(code="HS209", severity=Severity.HELD, message=message, file=linking.world.records[name].file)
                raise LinkRefused(attrs.evolve(found, line=code.co_firstlineno, next_step=CODES["HS209"].remedy))


def _check_metaclasses(linking: Linking) -> None:
    """A class attribute behind a property of the metaclass cannot be written to without running that."""
    for write in linking.swap.writes:
        _, *arguments = write.do
        if len(arguments) < 2 or not is_a(arguments[0], type) or type(arguments[0]) is type or type(arguments[1]) is not str:
            continue
        cls, name = arguments[:2]
        if linking.is_guarded(type(cls), name):
            message = (
                f"{cls.__module__}.{cls.__qualname__}.{name} stands behind a property of the metaclass {type(cls).__qualname__}, "
                "whose code would have to run"
            )
            file = linking.world.file_of(cls.__module__)
            raise LinkRefused(Finding(code="HS208", severity=Severity.HELD, message=message, file=file, next_step="restart"))


def _prepare_shapes(linking: Linking) -> None:
    """Live objects of classes that change shape get what they lack, or the swap is held."""
    classes = linking.twins.classes
    views = make_views(
        linking.draft, linking.world, linking.plugins, classes, linking.twins.resolve, functools.partial(_look_up, linking)
    )
    request, found = prepare_migrations(
        linking.draft, linking.world, linking.converter, views, linking.declared, linking.twins.resolve, linking.swap
    )
    if held := [finding for finding in found if finding.severity is Severity.HELD]:
        raise LinkRefused(*held)
    if linking.look is not None and request is not None:
        linking.look(request)
    migrated = request.aside if request is not None else {}
    lives = [live for _, live in classes]
    found += prepare_shapes(
        linking.draft,
        linking.world,
        linking.census,
        views,
        lives,
        migrated,
        linking.swap.lost,
        linking.swap.rehashed,
        _made_anew(linking),
        {*map(id, linking.made_aside), *linking.merger.taken},
    )
    held = [finding for finding in found if finding.severity is Severity.HELD]
    if held:
        raise LinkRefused(*held)
    linking.swap.findings += found
    for live in [live for _, live in classes]:
        linking.swap.add(*reroute(live, future_own(live, views, linking.converter), linking.converter.barriers))
    if request is not None:
        linking.swap.request = request
        _leave_to_migrations(linking, request)
        made_anew = {id(item) for item in linking.twins.made}
        lead = [(item, linking.twins.resolve(item)) for item in linking.made_aside]
        lived = [live for item, live in lead if live is not item and id(live) not in made_anew]
        request.fresh += _of_leaping(linking, request, [*(live for _, live in lead), *linking.merger.taken.values()])
        request.exchanged += _of_leaping(linking, request, [*lived, *linking.merger.taken.values()])
        linking.converter.arm(request, linking.swap, linking.census)


def _leave_to_migrations(linking: Linking, request: Request) -> None:
    """An object that the program has changed is converted like any other: what its new fields are, the migrations say."""
    partly = [writes for live, writes in linking.merger.partly.values() if type(live) in request.leaps]
    left_out = {id(write) for writes in partly for write in writes}
    linking.swap.writes = [write for write in linking.swap.writes if id(write) not in left_out]


def _of_leaping(linking: Linking, request: Request, items: list[Any]) -> list[Any]:
    return [item for item in items if type(item) in request.leaps and id(item) not in linking.merger.partly]


def _made_anew(linking: Linking) -> set[int]:
    """Ids of the objects that new code has made, and of the live ones that take the contents of such."""
    live = [linking.world.records[module].module.__dict__.get(name) for module, name in linking.fresh]
    return {id(item) for item in (*linking.made_aside, *live, *(kept for _, kept in linking.merger.inner.values()))}


def _look_up(linking: Linking, module: str, chain: str) -> Any:
    """What a dotted name means in a module after the swap, running no code; MISSING for nothing that is known."""
    space = linking.staging.modules.get(module, linking.world.records[module].module).__dict__
    head, *rest = chain.split(".")
    value = space.get(head, vars(builtins).get(head, MISSING))
    for name in rest:
        owner = namespace_of(value) if is_a(value, (ModuleType, type)) else {}
        value = owner.get(name, MISSING)
    return linking.twins.resolve(value)


def _ask_before_commit(linking: Linking) -> None:
    """Plugins look at all prepared writes; a held finding of theirs stops the swap."""
    found = linking.plugins.before_commit(linking.swap)
    if any(finding.severity is Severity.HELD for finding in found):
        raise LinkRefused(*found)
    linking.swap.findings += found


def _kept_state(linking: Linking, described: Mapping[Symbol, object], made: Made) -> Kept | None:
    """How a live object that a plugin knows becomes the one that was made aside."""
    if not made.counts:  # it stays as it is, so it loses nothing: only what is in it stands for what is in the other one
        return linking.plugins.kept_state(made.live, made.staged, linking.plugins.describe(made.live), Swap())
    return linking.plugins.kept_state(made.live, made.staged, described.get((made.module, made.path)), linking.swap)


def _may_take(linking: Linking, made: Made) -> bool:
    """True for an object of a library that is as it was when it was made."""
    base = linking.base(made.module).get(made.path)
    return base is not None and is_untouched(numbers_of_state(made.live, linking.world.is_managed), base.state)


def _exchange_objects(linking: Linking) -> None:
    for made in linking.twins.objects:
        if made.counts:
            take_state(linking.swap, made, linking.world.is_managed)


def _objects_of_staged_classes(young: list[Any]) -> list[Any]:
    """The objects that the new code has made already; others that are young have been made by the program meanwhile."""
    classes = {id(item) for item in young if is_a(item, type)}
    return [item for item in young if id(type(item)) in classes and not is_a(item, type)] if classes else []
