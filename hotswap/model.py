"""The nouns: every value that passes between stages, frozen.

    ChangeSet -> Plan -> Swap -> Report

Takes: nothing. Gives: values that print, compare with ``==`` and turn into JSON. Must not: import another
module of hotswap, or hold a live object of the program (only :class:`hotswap.commit.Swap` does).
"""

from __future__ import annotations

import enum
from typing import Any

import attrs


class Verdict(enum.StrEnum):
    """What is to be done with a change, from least to most; a plan has the strongest of its parts."""

    NOTHING = "nothing"  # same text, or a file that is not loaded
    SWAP = "swap"  # applied in place
    ASK = "ask"  # held: a person has to decide something first
    RESTART = "restart"  # cannot be done in place; the reason is in the findings


class EditKind(enum.StrEnum):
    """What happened to one definition or statement between two texts of a module."""

    BODY = "body"  # code of a function or method only: a jump
    SIGNATURE = "signature"  # parameters, defaults, annotations, async/generator kind
    DECORATOR = "decorator"
    CLASS = "class"  # class body, bases or keywords
    DATA = "data"  # an assignment
    IMPORT = "import"
    EFFECT = "effect"  # a statement that is run for its effect
    BLOCK = "block"  # a compound statement at the top level: if, try, for, with
    DERIVED = "derived"  # same text, but computed from something that changed
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    MOVED = "moved"  # now lives in another module, with an import left behind
    LINES = "lines"  # only line numbers, comments or docstrings moved


class Severity(enum.StrEnum):
    """How much a finding matters."""

    NOTE = "note"  # worth knowing; nothing is wrong
    KEPT = "kept"  # a live value was kept where a fresh start might have another one
    ERROR = "error"  # it is live, and a fresh start would end with this
    HELD = "held"  # this is why the change was not applied


class Mechanism(enum.StrEnum):
    """How references taken before reach the new code."""

    JUMP = "jump"  # same function object, new ``__code__``
    TRAMPOLINE = "trampoline"  # old function forwards to a new callable
    PROXY = "proxy"  # a wrapt proxy put in place while the module executed
    REBIND = "rebind"  # names in modules were bound anew (data, importers)
    TRANSPLANT = "transplant"  # contents of a rebuilt class moved into the same class object
    REPLACEMENT = "replacement"  # all references to a class lead to another class object, its objects are of that


class Consistency(enum.StrEnum):
    """Who moves when, from least to most; a change has the least that is safe for it, or more."""

    IMMEDIATE = "immediate"  # at the commit all calls take the new code
    TASK = "task"  # a unit of work that has begun ends in the old code, new ones take the new
    QUIESCENT = "quiescent"  # no unit is inside and no stack holds what changes, then all switch at once

    @property
    def rank(self) -> int:
        """Grows with what is promised."""
        return list(Consistency).index(self)


@attrs.frozen(kw_only=True)
class Wish:
    """How a change is to come into a running service.

    Attributes:
        consistency: None for the least that is safe.
        deadline: seconds in which it has to be over, else it is reversed.
        force: True: what the rules refuse is done all the same, and named.
        token: says what is changed, for the ranks of a parallel computation; empty where the texts are to say it.
    """

    consistency: Consistency | None = None
    deadline: float = 10.0
    force: bool = False
    token: str = ""


#: What is wished for where nobody says anything.
USUAL = Wish()


@attrs.frozen(kw_only=True)
class SourceFile:
    """One edited file, with the bytes that were read.

    Attributes:
        path: absolute path, as the watcher saw it.
        data: the bytes on disk, or None when the file is gone.
    """

    path: str
    data: bytes | None = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class ChangeSet:
    """A debounced batch of saves.

    Attributes:
        files: the edited files, in order of path.
        seen_at: ``time.monotonic()`` of the first file event, in seconds; None where no watcher was involved.
    """

    files: tuple[SourceFile, ...]
    seen_at: float | None = None


@attrs.frozen(kw_only=True)
class Edit:
    """One difference between the loaded text and the new one.

    Attributes:
        module: name in ``sys.modules``.
        qualname: dotted name inside the module, or ``<line N>`` for an unnamed statement.
        kind: what happened.
        line: first line in the new file (in the old one where it was removed).
        detail: a few words for a person, may be empty.
    """

    module: str
    qualname: str
    kind: EditKind
    line: int
    detail: str = ""

    @property
    def name(self) -> str:
        """What is edited, by its full name: that of the module where all of it is meant."""
        return f"{self.module}.{self.qualname}" if self.qualname else self.module

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        tail = f"  {self.detail}" if self.detail else ""
        return f"{self.kind:<10} {self.name}{where}{tail}"


@attrs.frozen(kw_only=True)
class Finding:
    """Something a person should know about a change, with a stable code (``hotswap explain CODE``).

    Attributes:
        code: ``HS`` and three digits, see :mod:`hotswap.errors`.
        severity: ``held`` refuses the change, the others accompany it, or tell of what is live.
        message: one sentence with the names in it.
        file, line: where, in the new text if there is one; line 0 when the whole file is meant.
        next_step: what to do about it.
        excerpt: several lines to show as they are (a traceback, a syntax error), may be empty.
    """

    code: str
    severity: Severity
    message: str
    file: str = ""
    line: int = 0
    next_step: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        where = f" ({self.file}:{self.line})" if self.line else f" ({self.file})" if self.file else ""
        step = f"; {self.next_step}" if self.next_step else ""
        return f"{self.code} {self.message}{where}{step}"


@attrs.frozen(kw_only=True)
class ModulePlan:
    """What will be done to one module.

    Attributes:
        module: name in ``sys.modules``.
        file: its source file.
        edits: what a person reads.
        execute: index and first line of the new text's top-level statements that will be evaluated aside, in order.
        removed: names that the new text does not bind any more.
    """

    module: str
    file: str
    edits: tuple[Edit, ...] = ()
    execute: tuple[tuple[int, int], ...] = ()
    removed: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Plan:
    """A pure value: what a change means, before any live object is touched.

    Attributes:
        verdict: the strongest verdict of its parts.
        modules: in the order in which they will be evaluated (imported modules before importers).
        findings: reasons and remarks.
    """

    verdict: Verdict
    modules: tuple[ModulePlan, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        return tuple(edit for module in self.modules for edit in module.edits)

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}"]
        for module in self.modules:
            lines.append(f"{module.file} ({module.module})")
            lines += [f"  {edit}" for edit in module.edits]
            if module.execute:
                lines.append("  evaluates line " + ", ".join(str(line) for _, line in module.execute))
        lines += [f"{finding.severity}: {finding}" for finding in self.findings]
        return "\n".join(lines)


@attrs.frozen(kw_only=True)
class Redirect:
    """One callable whose earlier references now run new code, and by which mechanism."""

    module: str
    qualname: str
    mechanism: Mechanism


@attrs.frozen(kw_only=True)
class Timing:
    """Milliseconds of one swap.

    Attributes:
        plan, link: spent in these stages, while the program runs on.
        commit: the instant in which no other thread runs.
        total: from the start of the swap.
        live: from the file event, None without a watcher.
    """

    plan: float = 0.0
    link: float = 0.0
    commit: float = 0.0
    total: float = 0.0
    live: float | None = None


@attrs.frozen(kw_only=True)
class Report:
    """What was done, or why not.

    Attributes:
        number: counts the swaps of this process from 1; 0 when nothing was applied.
        applied: True when all of the plan is live, False when none of it is.
        plan: what was asked for.
        findings: all remarks of all stages (the plan's are among them).
        redirects: callables whose held references were moved, with the mechanism.
        writes: how many writes the commit made.
        timing: milliseconds.
        rolled_back: True for the report of a rollback of this swap.
        consistency: who moved when, where somebody asked for that; None where changes follow saves.
    """

    number: int
    applied: bool
    plan: Plan
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    writes: int = 0
    timing: Timing = Timing()
    rolled_back: bool = False
    consistency: Consistency | None = None

    @property
    def held(self) -> tuple[Finding, ...]:
        """The reasons why the change was not applied; empty when it was."""
        return tuple(f for f in self.findings if f.severity is Severity.HELD)

    @property
    def kept(self) -> tuple[Finding, ...]:
        """Live values that a fresh start might give differently."""
        return tuple(f for f in self.findings if f.severity is Severity.KEPT)

    def __str__(self) -> str:
        state = f"swap {self.number}" if self.applied else f"not applied ({self.verdict})"
        lines = [f"{state}: {len(self.plan.edits)} edits, {self.writes} writes, {self.timing.total:.1f} ms"]
        lines += [f"  {edit}" for edit in self.plan.edits]
        lines += [f"  {finding.severity}: {finding}" for finding in self.findings]
        return "\n".join(lines)


@attrs.frozen(kw_only=True)
class ClassStatus:
    """The objects of one class that is being converted.

    Attributes:
        name: dotted, with its module.
        version: of the class.
        left: objects that wait, by their version.
        converted, failed: how many have been converted since the class began to change, and how many could not be.
        rate: objects per second, since the conversion began.
        barrier: True while accesses are looked at.
    """

    name: str
    version: int
    left: tuple[tuple[int, int], ...]
    converted: int
    failed: int
    rate: float
    barrier: bool

    def __str__(self) -> str:
        waiting = ", ".join(f"{count:,} at version {version}" for version, count in self.left) or "none left"
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.name} version {self.version}: {waiting}, {self.converted:,} converted{failed}, {self.rate:,.0f}/s"


@attrs.frozen(kw_only=True)
class ClassPreflight:
    """How the migrations of a swap went with copies of the states of live objects.

    Attributes:
        name: of the class, dotted, with its module.
        frm, to: versions, of the class itself or of the base that has the migrations.
        population: objects that exist.
        tried: of these, objects whose state was converted.
        failures: how many could not be converted, by the reason.
        lossy: how many did not come back as they were, by the field.
        shared: how many objects hold containers that a hook changed in place, for all who hold them.
        frames: places in functions that are still running and name fields that go, as ``file:line function field``.
        microseconds: for one object, on this machine, now.
        untried: why some hooks were not run.
    """

    name: str
    frm: int
    to: int
    population: int
    tried: int
    failures: tuple[tuple[str, int], ...] = ()
    lossy: tuple[tuple[str, int], ...] = ()
    shared: int = 0
    frames: tuple[str, ...] = ()
    microseconds: float = 0.0
    untried: str = ""

    @property
    def ok(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        lines = [f"{self.name} {self.frm} to {self.to}: {self.population:,} objects, {self.tried:,} tried, "
                 f"{self.microseconds:.1f} µs each"]  # fmt: skip
        lines += [f"  {count:,} fail: {why}" for why, count in self.failures]
        lines += [f"  {count:,} lose {field} on the way back" for field, count in self.lossy]
        lines += [f"  {self.shared:,} hold containers that are changed in place"] if self.shared else []
        lines += [f"  still running: {place}" for place in self.frames]
        return "\n".join([*lines, *([f"  not tried: {self.untried}"] if self.untried else [])])


@attrs.frozen(kw_only=True)
class Preflight:
    """What a swap would do to live objects, tried on copies; nothing was changed.

    Attributes:
        plan: of the texts.
        findings: as a swap would report them; held ones say why there would be none.
        classes: those whose objects would be converted.
    """

    plan: Plan
    findings: tuple[Finding, ...] = ()
    classes: tuple[ClassPreflight, ...] = ()

    @property
    def ok(self) -> bool:
        """True where the swap would be applied, and every object converted."""
        return not any(f.severity is Severity.HELD for f in self.findings) and all(each.ok for each in self.classes)

    def __str__(self) -> str:
        lines = [f"{finding.severity}: {finding}" for finding in self.findings]
        return "\n".join([*map(str, self.classes), *lines]) or "nothing to convert"


@attrs.frozen(kw_only=True)
class Entry:
    """A report as the history keeps it: bounded, however large the swap was.

    Attributes:
        at: when it was told, in seconds since the epoch.
        number, applied, verdict, rolled_back, writes, timing: as in the report.
        files: of the modules that took part, or what the findings are about.
        edits, findings: the first of them.
        more_edits, more_findings: how many there were besides.
        mechanisms: how many callables were redirected by which.
    """

    at: float
    number: int
    applied: bool
    verdict: Verdict
    rolled_back: bool = False
    files: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    more_edits: int = 0
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    mechanisms: tuple[tuple[Mechanism, int], ...] = ()
    writes: int = 0
    timing: Timing = Timing()


@attrs.frozen(kw_only=True)
class Status:
    """The state of the engine.

    Attributes:
        modules: managed modules, name and file.
        swaps: reports of the swaps that are live, oldest first.
        mechanisms: module, qualified name and mechanism of each redirected callable.
        held: reasons why newer texts on disk are not live.
        classes: those whose objects are being converted.
        versions: of the classes whose objects swaps of this process have converted, by ``module:name``.
        past: what was told last, oldest first: also what was held, and what was taken back.
        restarts: True where a change that needs a restart has the program started again, False where it is held.
    """

    modules: tuple[tuple[str, str], ...] = ()
    swaps: tuple[Report, ...] = ()
    mechanisms: tuple[tuple[str, str, Mechanism], ...] = ()
    held: tuple[Finding, ...] = ()
    classes: tuple[ClassStatus, ...] = ()
    versions: tuple[tuple[str, int], ...] = ()
    past: tuple[Entry, ...] = ()
    restarts: bool = False


def to_json(value: Any) -> Any:
    """Turn a model value into what ``json.dumps`` takes."""
    if attrs.has(type(value)):
        return {field.name: to_json(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value
