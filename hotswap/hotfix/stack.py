"""The patches that are live in this process, the newest on top: put on, and taken off again.

Takes: patches whose signature was verified. Gives: what was done, or the findings why not. May touch: the program, through the
engine. Must not: be used by two threads at once (the agent's lock is held by who calls).

1. Each base is compared with the text that is live, or that would be imported.
2. The new texts are put where imports look, so that a module that is imported from now on has them.
3. What was loaded before that is swapped by the engine, whole or not at all. If it is not, the texts are taken away again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any

import attrs

from hotswap.config import load_settings, make_scope
from hotswap.errors import PatchError, RollbackError
from hotswap.hotfix.hooks import Hooks, load_hooks
from hotswap.hotfix.matching import find_replaced
from hotswap.hotfix.overlay import Overlay, loaded_text
from hotswap.hotfix.patch import Patch, sha256
from hotswap.hotfix.places import digests_by_path, find_paths, has_digest, loaded_modules
from hotswap.hotfix.refusing import Refusal, held, refuse
from hotswap.model import ChangeSet, Consistency, Finding, Report, Severity, SourceFile, Verdict, Wish

__all__ = ["Live", "PatchScope", "Refusal", "Stack"]


#: By the path of the file; None for one that is not there.
Texts = Mapping[str, bytes | None]


_NONE: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Live:
    """A patch that is live.

    Attributes:
        patch: with its texts.
        hooks: asked before and after.
        bases: the texts before it, by the path of the file; None for a file that was not there.
        paths: the path of the file by the name of its module.
        replaced: the patches in whose place it was put, the oldest first; they are live again when it is taken back.
        restored: the texts that files of these get back which it does not have itself, by the path of the file.
        swapped: the files of modules that were loaded when it was applied.
        number: of the engine's swap; 0 where nothing had to be swapped.
        findings: what the engine has to say.
        contained: True where the deployed code has it already, so nothing is done for it.
        consistency: who moved when; empty where nothing had to be swapped.
    """

    patch: Patch
    hooks: Hooks = attrs.field(factory=Hooks, repr=False)
    bases: Texts = attrs.field(factory=dict, repr=False)
    paths: Mapping[str, str] = attrs.field(factory=dict)
    replaced: tuple[Live, ...] = ()
    restored: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    swapped: frozenset[str] = frozenset()
    number: int = 0
    findings: tuple[Finding, ...] = ()
    contained: bool = False
    consistency: str = ""

    def texts(self) -> dict[str, bytes | None]:
        """The patch's texts by the path of the file; None for one that goes."""
        files = () if self.contained else self.patch.manifest.files
        return {self.paths[file.module]: self.patch.texts.get(file.path) for file in files}

    def targets(self) -> dict[str, bytes | None]:
        """The texts that files have when it is live, by the path of the file."""
        return {**self.restored, **self.texts()}


class PatchScope:
    """What the engine manages in a service: what ``hotswap.start()`` would, and what patches are for, installed or not."""

    def __init__(self) -> None:
        self._usual = make_scope(load_settings())
        self.targets: set[str] = set()

    def includes(self, path: str) -> bool:
        """Whether a file is managed."""
        return not self.exclusion(path)

    def exclusion(self, path: str) -> str:
        """Why it is not; empty when it is."""
        own = any(path == target or path.startswith(target + os.sep) for target in self.targets)
        return "" if own else self._usual.exclusion(path)


@attrs.define(eq=False)
class Stack:
    """The live patches of this process.

    Attributes:
        open_session: makes an engine without an import hook for a scope; called at the first patch of something that is loaded.
        say: tells a person what cannot be told otherwise.
        live: the oldest first.
    """

    open_session: Callable[[PatchScope], Any]
    say: Callable[[str], None]
    live: list[Live] = attrs.field(factory=list)
    overlay: Overlay = attrs.field(init=False)
    _session: Any = None
    _scope: PatchScope | None = None

    def __attrs_post_init__(self) -> None:
        self.overlay = Overlay(self.say, self._adopt_imported)

    # ---- putting one on ----

    def apply(self, patch: Patch, wish: Wish, depth: int | None = None) -> Live:
        """Make a patch live.

        Args:
            wish: who is to move when.
            depth: how many of the live ones it stands on; those above are replaced by it, in the same instant. By default all.

        Raises:
            Refusal: it is not; nothing was changed.
        """
        live = self._compare(patch, len(self.live) if depth is None else depth)
        if live.contained:
            self.live.append(live)
            return live
        try:
            live = attrs.evolve(live, hooks=load_hooks(patch))
        except PatchError as error:
            refuse(error.code, error.message, "", error.next_step)
        _ask(live, "before_apply")
        below = self.live[: len(self.live) - len(live.replaced)]
        self._put([*below, live])
        try:
            live = self._swap(live, wish)
        except BaseException:  # raised again: what is live and where imports look must agree
            self._put(self.live)
            self._return_early_imports(live)
            raise
        self.live = [*below, live]
        try:
            _ask(live, "after_apply")
        except Refusal as refusal:
            try:
                gone = self._take_off(live, attrs.evolve(wish, consistency=None))
            except Refusal as stays:
                raise Refusal((*refusal.findings, *live.findings, *stays.findings)) from stays
            raise Refusal((*refusal.findings, *live.findings, *gone.findings)) from refusal
        return live

    def find_deployed(self, patches: Sequence[Patch]) -> int:
        """How many of some patches, the oldest first, are in what is deployed: the last one that has a file decides for it.

        Nothing but deployed patches may be live.
        """
        for count in range(len(patches), 0, -1):
            try:
                digests = {path: digest for patch in patches[:count] for path, digest in digests_by_path(patch).items()}
                if all(has_digest(self._text_of(path), digest) for path, digest in digests.items()):
                    return count
            except Refusal:  # it is not here, which will be said when it is to be applied
                continue
        return 0

    def note_deployed(self, patch: Patch) -> Live:
        """Take a patch for live that is in what is deployed."""
        self.live.append(live := Live(patch=patch, paths=find_paths(patch), contained=True))
        return live

    def forget_deployed(self, wanted: Iterable[str]) -> None:
        """Forget patches that are in what is deployed and not wanted any more: there is nothing to take back.

        Args:
            wanted: the digests of those that are.
        """
        digests = set(wanted)
        while self.live and self.live[0].contained and self.live[0].patch.digest not in digests:
            del self.live[0]

    def check(self, patch: Patch, wish: Wish, depth: int | None = None) -> tuple[Finding, ...]:
        """What :meth:`apply` would say, by the same steps up to the commit.

        Raises:
            Refusal: it would not be applied.
        """
        live = self._compare(patch, len(self.live) if depth is None else depth)
        changes = self._changes(live, live.targets())
        if not changes.files:
            return ()
        self._match(live)
        brought = {path: text for path, text in live.texts().items() if live.bases[path] is None}
        self._put(self.live, brought, live.paths)  # nothing that is live knows of them
        try:
            preflight = self._session.engine.preflight(changes, wish=wish)
        finally:
            self._put(self.live)
        failing = tuple(
            Finding(code="HS308", severity=Severity.HELD, message=f"{each.name}: {count:,} objects cannot be converted: {why}")
            for each in preflight.classes
            for why, count in each.failures
        )
        if held := (*(finding for finding in preflight.findings if finding.severity is Severity.HELD), *failing):
            raise Refusal(held)
        return tuple(preflight.findings)

    def _compare(self, patch: Patch, depth: int) -> Live:
        replaced = tuple(self.live[depth:])
        own = find_paths(patch)
        paths = {name: path for live in replaced if not live.contained for name, path in live.paths.items()} | own
        under = {path: self._text_under(path, replaced) for path in paths.values()}
        files = {own[file.module]: file for file in patch.manifest.files}
        if not replaced and all(has_digest(under[path], file.digest) for path, file in files.items()):
            return Live(patch=patch, bases=under, paths=paths, contained=True)
        for path, file in files.items():
            text = under[path]
            if not has_digest(text, file.base):
                found = "there is none" if text is None else f"the live one has SHA-256 {sha256(text)[:12]}"
                wanted = file.base[:12] or "no file there"
                refuse("HS605", f"the patch expects another text of {file.path} than is live: {wanted}, but {found}", path)
        restored = {path: text for path, text in under.items() if path not in files and text is not None}
        bases = {path: self._text_of(path) for path in paths.values()}
        return Live(patch=patch, bases=bases, paths=paths, replaced=replaced, restored=restored)

    def _text_under(self, path: str, lives: Iterable[Live]) -> bytes | None:
        """The text of a file before some patches, the oldest first, were put on."""
        for live in lives:
            if not live.contained and path in live.bases:
                return live.bases[path]
        return self._text_of(path)

    def _text_of(self, path: str) -> bytes | None:
        """The text of a file that is live, or would be if it were imported."""
        for record in self._records(path):
            return bytes(record.data)
        if path in self.overlay.texts:
            return self.overlay.texts[path]
        for _, module in loaded_modules(path):
            if (text := loaded_text(module)) is not None:
                return text
        try:
            with open(path, "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            refuse("HS605", f"the live text cannot be read: {error.strerror or error}", path)

    def _swap(self, live: Live, wish: Wish) -> Live:
        """Swap what was loaded before the texts were put where imports look."""
        changes = self._changes(live, live.targets())
        if not changes.files:
            return live
        self._match(live)
        report = self._hand_over(changes, wish)
        if not report.applied and report.verdict is not Verdict.NOTHING:
            raise Refusal(report.held)
        self.overlay.show()  # the engine has let linecache look at the files again
        swapped = frozenset(file.path for file in changes.files)
        how = report.consistency or ""
        return attrs.evolve(live, number=report.number, swapped=swapped, findings=report.findings, consistency=how)

    def _changes(self, live: Live, texts: Texts) -> ChangeSet:
        """The files of a patch that are loaded with another text than the one that they are to have."""
        if not any(True for path in texts for _ in loaded_modules(path)):
            return ChangeSet(files=())
        self._adopt(live)
        files = []
        for path, text in sorted(texts.items()):
            records = self._records(path)
            for name, module in loaded_modules(path):
                if getattr(module.__spec__, "_initializing", False):
                    refuse("HS606", f"{name} is being imported just now", path, "ask again in a moment")
                if name not in {record.name for record in records}:
                    refuse("HS606", f"{name} is loaded, but cannot be managed", path)
            known = live.bases[path]
            for record in records:
                if record.data not in (known, text, live.targets().get(path)):
                    refuse("HS605", f"{record.name} was loaded from another text than its file has now", path)
            if any(record.data != text for record in records):
                files.append(SourceFile(path=records[0].file, data=text))
        return ChangeSet(files=tuple(files))

    def _match(self, live: Live) -> None:
        """Refuse a patch of functions in whose place the program has put others: it would mend nothing."""
        for path, base in live.bases.items():
            for record in self._records(path):
                names = [change.qualname for change in live.patch.manifest.changes if live.paths[change.module] == path]
                if base is None or record.data != base:
                    continue
                if not (replaced := find_replaced(record.module, record.file, base, names)):
                    continue
                what = ", ".join(f"{record.name}.{name}" for name in replaced)
                step = "restart without what replaces it, or patch that"
                refuse("HS605", f"the program has put something else in the place of {what}, which is to be patched", path, step)

    def _adopt(self, live: Live) -> None:
        """Have the engine know all that is loaded."""
        if self._scope is None:
            self._scope = PatchScope()
        for file in live.patch.manifest.files:
            path = live.paths[file.module]
            for _ in file.path.split("/")[1:]:
                path = os.path.dirname(path)
            self._scope.targets.add(path)  # the folder of the outermost package, or the file itself
        if self._session is None:
            self._session = self.open_session(self._scope)
        else:
            self._session.adopt_loaded()

    def _records(self, path: str) -> list[Any]:
        if self._session is None:
            return []
        found = self._session.engine.world.file_finder()(path)
        return [record for record in found if sys.modules.get(record.name) is record.module]

    def _hand_over(self, changes: ChangeSet, wish: Wish) -> Report:
        report: Report = self._session.engine.swap(changes, wish)
        self._session.engine.forget_held()  # a patch is not tried again by itself
        return report

    # ---- taking one off ----

    def take_back(self, wish: Wish) -> Live:
        """Take the newest patch out, and put in again what it had replaced.

        Args:
            wish: who is to move when.

        Returns:
            What was taken out, with what is to be told of that.

        Raises:
            Refusal: it stays live; nothing was changed.
        """
        live = self.live[-1]
        _ask(live, "before_rollback")
        live = self._take_off(live, wish)
        if why := live.hooks.ask("after_rollback"):
            self.say(f"{live.patch.manifest.id} was taken back, and {why}")
        return live

    def _take_off(self, live: Live, wish: Wish) -> Live:
        left = [*self.live[:-1], *live.replaced]
        if not live.contained:
            self._put(left)
            try:
                live = attrs.evolve(live, findings=self._swap_back(live, wish))
            except BaseException:  # raised again, as above
                self._put(self.live)
                raise
            _drop_brought(live)
        self.live = left
        return live

    def _swap_back(self, live: Live, wish: Wish) -> tuple[Finding, ...]:
        back = {path: text for path, text in live.bases.items() if text is not None}
        changes = self._changes(live, back)
        went = {path for path, text in live.targets().items() if text is None and path in live.swapped}
        if not changes.files and not went:
            return ()
        history = self._session.engine.world.history
        is_newest = live.number and history and history[-1].report.number == live.number
        if is_newest and {file.path for file in changes.files} | went == live.swapped & back.keys():
            try:
                report = self._session.engine.rollback(wish=wish)
            except RollbackError as error:
                refuse("HS610", str(error), "")
        else:  # some of it was imported with the patch's text, of which the engine has no way back but the text before
            report = self._hand_over(changes, wish)
            if not report.applied and report.verdict is not Verdict.NOTHING:
                raise Refusal((held("HS610", "its texts cannot be exchanged for the ones before", ""), *report.held))
        self.overlay.show()
        return tuple(report.findings)

    def _return_early_imports(self, live: Live) -> None:
        """A module that another thread has imported while its patch was tried has the patch's text: it gets the one before."""
        back = {path: text for path, text in live.bases.items() if text is not None}
        changes = self._changes(live, back)
        if changes.files and not self._hand_over(changes, Wish(consistency=Consistency.IMMEDIATE, force=True)).applied:
            names = ", ".join(file.path for file in changes.files)
            refuse("HS610", f"{names} was imported with the text of the patch while that was tried, and keeps it", "")

    # ---- texts where imports look ----

    def _put(self, lives: list[Live], more: Texts = _NONE, names: Mapping[str, str] = _NONE) -> None:
        texts = {path: text for live in lives for path, text in live.texts().items()} | dict(more)
        paths = {name: path for live in lives if not live.contained for name, path in live.paths.items()} | dict(names)
        self.overlay.put(texts, {name: path for name, path in paths.items() if path in texts})

    def _adopt_imported(self, module: ModuleType) -> None:
        """A module was executed from the text of a patch: an engine that there is has to be able to give it up again."""
        if self._session is not None and (text := loaded_text(module)) is not None:
            self._session.engine.world.adopt(module, module.__file__, text, name=module.__name__)


def _drop_brought(live: Live) -> None:
    """Take modules that a patch has brought out of where imports look; who holds one keeps it."""
    for path, text in live.texts().items():
        if text is None or live.bases[path] is not None:
            continue
        for name, module in loaded_modules(path):
            parent, _, leaf = name.rpartition(".")
            if sys.modules.get(name) is module:
                del sys.modules[name]
            if (holder := sys.modules.get(parent)) is not None and holder.__dict__.get(leaf) is module:
                delattr(holder, leaf)


def _ask(live: Live, name: str) -> None:
    """Ask a hook.

    Raises:
        Refusal: HS618, it says no.
    """
    if why := live.hooks.ask(name):
        refuse("HS618", f"{live.patch.manifest.id}: {why}", "")
