"""Django's reloader, replaced by one that swaps.

    started as                          who watches Python            what a restart is
    hotswap run manage.py runserver     hotswap                       hotswap's: the process executes itself again
    manage.py runserver                 hotswap, in the child; this   Django's: the child ends with 3, the parent starts
                                        reloader what it leaves out   another one

In both cases this reloader watches what is no Python: templates and translations, and whatever the program has asked for
by ``autoreload_started``. Django's own signals are used for it (``file_changed``), with Django's own meaning: what nobody takes
care of restarts.

    a folder of the project      by the system's events, as soon as a file is written
    all that is watched          by a look in intervals: what is elsewhere, and what the system has not told
"""

from __future__ import annotations

import importlib
import importlib.machinery
import signal
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from django.apps import apps
from django.utils import autoreload

from hotswap.model import Finding, Severity
from hotswap.plugin import EngineView
from hotswap.requests.gate import Busy, Gate
from hotswap.watch.folders import FolderWatch, Heard, is_left_by_editor
from hotswap_django.versions import why_unknown

#: Seconds between two looks at the files, where some are found by looking only.
INTERVAL = 0.25
#: The same where the system's events have told of all changes until now; as long as Django's own reloader takes.
LONG_INTERVAL = 1.0
#: Seconds in which the system may tell what a look has found first.
_DELAY = 0.1

#: Endings of files that are imported: an extension in C may be loaded late, too.
_MODULES = frozenset(Path(f"module{suffix}").suffix for suffix in importlib.machinery.all_suffixes())

_Sign = tuple[int, int, int]


class SwapReloader(autoreload.BaseReloader):  # type: ignore[misc]  # Django has no types
    """Watches what hotswap does not, as one of Django's reloaders.

    Args:
        engine: told of what cannot be made live.
        gate: closed while Django drops what it has read.
        managed: gives the files that hotswap watches.
        modules: also watch Python modules that hotswap leaves out (installed packages), as Django's reloader does.
    """

    def __init__(self, engine: EngineView, gate: Gate, managed: Callable[[], Collection[str]], *, modules: bool) -> None:
        super().__init__()
        self._engine = engine
        self._gate = gate
        self._managed = managed
        self._modules = modules
        self._server: threading.Thread | None = None
        self._known: dict[Path, _Sign] = {}
        self._folders = FolderWatch(lambda path: Path(path) in self._known, lambda path: self._is_wanted(Path(path)))
        self._looked_at = 0.0  # when all files were looked at last, as time.monotonic() has it
        self._is_deaf = False  # the system has not told of a change
        self._waiting: set[Path] = set()  # changed files that requests have kept from being told of
        self._is_barred = False  # such requests are inside still
        self._is_to_forget = False  # requests may have read files before they were known
        self._restart = threading.Event()
        self._said = ""  # the error that was told of last

    # ---- what Django's start of a reloader calls ----

    def run(self, django_main_thread: threading.Thread) -> None:
        self._server = django_main_thread
        super().run(django_main_thread)

    @classmethod
    def check_availability(cls) -> bool:
        return True

    def tick(self) -> Iterator[None]:
        self.begin()
        self._try(self.look)
        while True:
            if not self._restart.is_set():
                self._try(self.step)
            if self._restart.is_set():
                sys.exit(3)  # Django's word to the parent for: start me again
            yield

    def request_restart(self) -> None:
        """Have the process started again by its parent; from any thread."""
        self._restart.set()
        self._folders.wake()

    def stop(self) -> None:
        super().stop()
        self._folders.wake()

    # ---- one step ----

    def register(self) -> None:
        """Ask Django and the program what is to be watched besides modules."""
        autoreload.autoreload_started.send(sender=self)

    def begin(self) -> None:
        """Remember the files as they are. What requests have read of them until now may be older, and is read again."""
        for folder, patterns in list(self.directory_globs.items()):
            if "**/*.mo" in patterns:  # where Django looks for catalogues
                self.watch_dir(folder, "**/*.po")
        self._known = dict(self._sign(self._files()))
        self._is_to_forget = True

    def step(self) -> None:
        """Wait for the system to tell of changed files, a while, and look at these; or at all of them."""
        self._folders.cover(map(str, self._list_folders()))
        interval = INTERVAL if self._is_deaf or not self._folders.is_complete else LONG_INTERVAL
        heard = self._folders.wait(interval)
        if self._restart.is_set() or self.should_stop:
            return
        # Or what is found by looking only would wait for as long as anything else is being written.
        is_due = time.monotonic() >= self._looked_at + interval
        if heard.files and not (heard.is_folder or is_due or self._has_server_ended()):
            self.look_at(map(Path, heard.files))
            return
        changed = self.look()
        if not heard and not self._is_deaf and changed:
            self._is_deaf = self._has_missed(changed)

    def _has_missed(self, changed: set[Path]) -> bool:
        """Whether the system says nothing of what a look has found in folders that it is to watch."""
        missed = {str(path) for path in changed if not is_left_by_editor(str(path)) and self._is_in_folders(path)}
        return bool(missed) and not self._listen(_DELAY).files & missed

    def _listen(self, seconds: float) -> Heard:
        heard = self._folders.wait(seconds)
        if heard:
            self.look()
        return heard

    def _is_in_folders(self, path: Path) -> bool:
        return any(folder in path.parents for folder in self._list_folders())

    def look(self) -> set[Path]:
        """Compare all files with what is known of them, and tell of those that changed, came or went, which it gives."""
        self._looked_at = time.monotonic()
        now = dict(self._sign(self._files()))
        changed = {path for path in now.keys() | self._known.keys() if _differs(path, self._known.get(path), now.get(path))}
        self._known = now
        self._take_up(changed)
        return changed

    def look_at(self, paths: Iterable[Path]) -> None:
        """The same for some files only."""
        managed = set(self._managed())
        asked = {path for path in paths if _is_of_libraries(path) or (str(path) not in managed and self._is_asked_for(path))}
        now = dict(self._sign(asked))
        changed = {path for path in asked if _differs(path, self._known.get(path), now.get(path))}
        self._known = {path: sign for path, sign in self._known.items() if path not in asked} | now
        self._take_up(changed)

    def _take_up(self, changed: set[Path]) -> None:
        self._waiting |= changed
        if (self._waiting or self._is_to_forget) and not self._is_barred:
            try:
                self._tell()
            except Busy:
                pass  # a swap is being made: the next look tells of them

    def _sign(self, paths: Iterable[Path]) -> Iterator[tuple[Path, _Sign]]:
        for path in set(paths):
            try:
                found = path.stat()
            except OSError:
                continue
            if not stat.S_ISDIR(found.st_mode):  # each file in it is looked at by itself
                yield path, (found.st_mtime_ns, found.st_size, found.st_ino)

    def _has_server_ended(self) -> bool:
        return self._modules and self._server is not None and not self._server.is_alive()

    def _files(self) -> Iterable[Path]:
        if self._has_server_ended():
            yield from self.watched_files()  # it ended with an error: swapping would bring nothing back, so all restarts
            return
        managed = set(self._managed())
        files = self.watched_files() if self._modules else self._watched_besides_modules()
        yield from (path for path in files if str(path) not in managed)
        # Managed ones too: a name that has come is what counts here, the text is hotswap's.
        yield from _list_libraries()

    def _watched_besides_modules(self) -> Iterator[Path]:
        yield from self.extra_files
        for directory, patterns in list(self.directory_globs.items()):
            for pattern in patterns:
                yield from directory.glob(pattern)

    def _list_folders(self) -> Iterator[Path]:
        """Where files of the project are; those of installed packages are nobody's to edit."""
        folders = [*self.directory_globs, *(path.parent for path in self.extra_files), *_list_library_folders()]
        yield from (folder for folder in folders if not {"site-packages", "dist-packages"}.intersection(folder.parts))

    def _is_wanted(self, path: Path) -> bool:
        """Whether it is worth while to end the waiting for it; of a server that has ended any file is."""
        return self._has_server_ended() or _is_of_libraries(path) or self._is_asked_for(path)

    def _is_asked_for(self, path: Path) -> bool:
        """Whether a look would come upon this file."""
        if path in self.extra_files or (self._modules and path in self._known):
            return True
        found = [(folder, pattern) for folder, patterns in list(self.directory_globs.items()) for pattern in patterns
                 if folder in path.parents]  # fmt: skip
        return any(_matches(path.relative_to(folder), pattern, folder) for folder, pattern in found)

    # ---- telling ----

    def _tell(self) -> None:
        """Have what Django has read of these files dropped while no request is inside."""
        if blockers := self._gate.close():
            self._is_barred = True
            self._gate.when_left(blockers, self._unbar)
            if self._waiting:
                self._engine.tell(Finding(
                    code="HS510", severity=Severity.KEPT, file=str(min(self._waiting)),
                    message=f"a changed file waits for {', '.join(map(str, blockers))} to end",
                    next_step="it counts when that has ended",
                ))  # fmt: skip
            return
        try:
            paths, self._waiting = sorted(self._waiting), set()
            self._name_streams(paths)
            for path in paths:
                if not _is_library(path):
                    self.notify_file_changed(path)
            is_to_forget, self._is_to_forget = self._is_to_forget, False
            self._refresh(paths, languages=is_to_forget)
        finally:
            self._gate.open()

    def _name_streams(self, paths: list[Path]) -> None:
        """A page that is being sent may be of two versions of its templates."""
        streams = self._gate.streams()
        if not streams:
            return
        from django.template.autoreload import get_template_directories  # not at the top: Django is being imported then

        if not any(folder in path.parents for folder in get_template_directories() for path in paths):
            return
        self._engine.tell(Finding(
            code="HS415", severity=Severity.KEPT, file=str(paths[0]), next_step="open them again, where all of it is to be new",
            message=f"streams go on that began before templates changed: {', '.join(map(str, streams))}",
        ))  # fmt: skip

    def _refresh(self, paths: list[Path], *, languages: bool) -> None:
        """What Django's own receivers leave: libraries of tags that are new, addresses in other languages."""
        if why_unknown():
            return
        from hotswap_django.refresh import refresh_templates, refresh_translations, refresh_urls

        importlib.invalidate_caches()  # importers remember the names in a directory
        try:
            refresh_templates()
            if languages:
                refresh_translations()
            if languages or any(path.suffix == ".mo" for path in paths):
                refresh_urls()
        except Exception as error:  # noqa: BLE001 - border to code of the program: a new library is imported
            self._engine.tell(Finding(
                code="HS212", severity=Severity.KEPT, file=str(paths[0]) if paths else "",
                message=f"template tags cannot be looked for: {error}",
                next_step="mend the library and save it again", excerpt=traceback.format_exc(),
            ))  # fmt: skip

    def _unbar(self) -> None:
        self._is_barred = False
        self._folders.wake()

    def notify_file_changed(self, path: Path) -> None:
        """Ask Django's receivers; what none of them has taken care of asks for a restart."""
        if path.suffix == ".po":
            self._name_source(path)
            return
        answers = autoreload.file_changed.send_robust(sender=self, file_path=path)
        for _, answer in answers:
            if isinstance(answer, Exception):
                self._refuse(path, f"a receiver of file_changed failed on it: {answer!r}")
                return
        if not any(answer for _, answer in answers):
            self._refuse(path, "the program has read it, and nothing takes its new content over")

    def _name_source(self, path: Path) -> None:
        """A catalogue is edited in one file, and read from another one that a tool makes of it."""
        if path.exists():
            self._engine.tell(Finding(
                code="HS212", severity=Severity.KEPT, file=str(path),
                message="translations were saved, and Django reads the .mo file",
                next_step="python manage.py compilemessages; what that writes is live at once",
            ))  # fmt: skip

    def _refuse(self, path: Path, why: str) -> None:
        self._engine.refuse(
            Finding(code="HS213", severity=Severity.HELD, message=why, file=str(path), line=0, next_step="restart")
        )

    # ---- without a loop of Django's ----

    def watch_in_thread(self) -> None:
        """Look at the files for as long as the process lives."""
        self.register()
        self.begin()
        threading.Thread(target=self._watch, name="hotswap-django-files", daemon=True).start()

    def _watch(self) -> None:
        while not self.should_stop:
            self._try(self.step)
        self._folders.stop()

    def _try(self, step: Callable[[], object]) -> None:
        """Look, and go on whatever comes of it: an error in here must neither end the server nor the watching without a word."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - border to the file system and to the program's template loaders
            if repr(error) != self._said:
                self._said = repr(error)
                self._engine.tell(Finding(
                    code="HS212", severity=Severity.KEPT, message=f"templates and the like cannot be looked at: {error!r}",
                    next_step="mend that; what changes meanwhile is found afterwards", excerpt=traceback.format_exc(),
                ))  # fmt: skip
            self._restart.wait(INTERVAL)  # not again at once: it may fail before it has waited for anything


def _differs(path: Path, was: _Sign | None, now: _Sign | None) -> bool:
    if _is_library(path):  # a name that comes or goes is what counts
        return (was is None) is not (now is None)
    if was is None or now is None:
        # A module that is imported later is no change; a template that comes may stand before another, or be missed by now.
        return was is not now and path.suffix not in _MODULES
    return was != now


def _matches(path: Path, pattern: str, folder: Path) -> bool:
    """As ``folder.glob(pattern)`` finds it; asked for it where the pattern is none of the usual ones."""
    if pattern == "**/*":
        return True
    rest = pattern.removeprefix("**/")
    if "/" in rest or "**" in rest:
        return folder / path in folder.glob(pattern)
    return (rest != pattern or len(path.parts) == 1) and fnmatchcase(path.name, rest)


def _is_library(path: Path) -> bool:
    """True for a module of template tags: it comes and goes by its name alone."""
    return path.suffix == ".py" and path.parent.name == "templatetags"


def _list_library_folders() -> Iterator[Path]:
    for config in apps.get_app_configs() if apps.ready else ():
        yield Path(config.path) / "templatetags"


def _list_libraries() -> Iterator[Path]:
    for folder in _list_library_folders():
        yield from folder.glob("*.py")


def _is_of_libraries(path: Path) -> bool:
    return _is_library(path) and path.parent in set(_list_library_folders())


def run_in_place(main: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Stands for ``run_with_reloader`` in a process that ``hotswap run`` can start again: no child is needed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        main(*args, **kwargs)
    except KeyboardInterrupt:
        pass


def replace_run(module: Any) -> Callable[[], None]:
    """Put :func:`run_in_place` into ``django.utils.autoreload``; gives what takes it out again."""
    original = module.run_with_reloader
    module.run_with_reloader = run_in_place

    def put_back() -> None:
        module.run_with_reloader = original

    return put_back
