"""From the engine's status to what the status page shows: plain values, no HTML."""

from __future__ import annotations

import enum
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import attrs

from hotswap.errors import CODES
from hotswap.model import ClassStatus, Entry, Finding, Severity, Status, Verdict
from hotswap.page.sampler import Point

__all__ = ["Blocker", "Card", "ClassRow", "Guest", "Rest", "Row", "Server", "StatusView", "shorten_below", "view_status"]

#: Width and height of a chart, in its own units.
CHART_SIZE = (160.0, 36.0)


class Guest(enum.Enum):
    """Who looks at the status page."""

    HOST = "host"  # a browser on this machine: may give commands
    OTHER = "other"  # a browser elsewhere: reads


@attrs.frozen(kw_only=True)
class Server:
    """Where the page gets its events, and where its forms go.

    Attributes:
        base: origin of the event server.
        token: that it wants.
        nonce: of the page's own styles and scripts.
        run, number, code, styles: of the board when the page was made.
        home: address that the browser is led back to.
        said: what came of the last command that was given by a form.
    """

    base: str
    token: str
    nonce: str
    run: str
    code: int
    styles: int
    home: str
    number: int = 0
    said: str = ""


@attrs.frozen(kw_only=True)
class Blocker:
    """A request or job that is inside.

    Attributes:
        label: what it is.
        thread: name of the thread that serves it; empty where the label says all.
        seconds: how long it has been inside.
    """

    label: str
    thread: str
    seconds: float


@attrs.frozen(kw_only=True)
class Rest:
    """Whether the program is at rest for a swap, as far as a plugin knows.

    Attributes:
        state: ``"open"`` (requests come and go), ``"draining"`` (a swap waits for those inside), ``"closed"`` (it is being
            made); empty where nobody knows.
        inside: those that have begun and not ended, oldest first.
    """

    state: str = ""
    inside: tuple[Blocker, ...] = ()


@attrs.frozen(kw_only=True)
class Card:
    """A finding as it is shown."""

    code: str
    title: str
    severity: str
    message: str
    where: str
    next_step: str
    excerpt: str


@attrs.frozen(kw_only=True)
class Row:
    """One entry of the timeline.

    Attributes:
        key: tells it from the others, for what a person has unfolded.
        iso, clock: when.
        state: ``live``, ``back``, ``held``, ``restart`` or ``nothing``; ``past`` for a swap that was taken back later.
        headline: one line.
        note: why it is held, while that is folded.
        is_open: unfolded until a person says otherwise: the newest that was made. What is held stands above.
        bars: stage, milliseconds, and share of the whole in percent.
    """

    key: str
    iso: str
    clock: str
    state: str
    headline: str
    files: str
    milliseconds: float
    bars: tuple[tuple[str, float, float], ...]
    edits: tuple[tuple[str, str, int, str], ...]
    more: int
    by: str
    cards: tuple[Card, ...]
    more_cards: int
    can_take_back: bool
    number: int
    note: str
    is_open: bool


@attrs.frozen(kw_only=True)
class Chart:
    """How many objects were left, over the time.

    Attributes:
        path, area: the line and what is below it, as SVG paths in a box of :data:`CHART_SIZE`.
        span: seconds that it covers.
        most: objects at its highest point.
    """

    path: str
    area: str
    span: float
    most: int


@attrs.frozen(kw_only=True)
class ClassRow:
    """One class with versions.

    Attributes:
        left: objects that wait, with their version.
        total: of these.
        converted, failed, rate: as in the status.
    """

    name: str
    version: int
    left: tuple[tuple[int, int], ...] = ()
    total: int = 0
    converted: int = 0
    failed: int = 0
    rate: float = 0.0
    chart: Chart | None = None


@attrs.frozen(kw_only=True)
class StatusView:
    """All that the status page shows."""

    title: str
    pid: int
    python: str
    since: str
    since_iso: str
    state: str
    state_words: str
    held: tuple[Card, ...]
    noticed: tuple[Card, ...]
    restarts: bool
    follows_disk: bool
    rest: Rest
    classes: tuple[ClassRow, ...]
    failed: int
    rows: tuple[Row, ...]
    newest: int
    live: int
    modules: tuple[tuple[str, str], ...]
    mechanisms: tuple[tuple[str, int], ...]


def shorten_below(base: str) -> Callable[[str], str]:
    """Gives paths relative to a folder, where that is shorter."""

    def shorten(path: str) -> str:
        try:
            relative = os.path.relpath(path, base)
        except ValueError:  # another drive
            return path
        return relative if len(relative) < len(path) else path

    return shorten


def shorten_excerpt(finding: Finding, shorten: Callable[[str], str]) -> str:
    """A traceback or the like that names the finding's own file as a person does."""
    return finding.excerpt.replace(finding.file, shorten(finding.file)) if finding.file else finding.excerpt


def view_status(
    status: Status, *, held: tuple[Finding, ...], rest: Rest, samples: Mapping[str, tuple[Point, ...]],
    shorten: Callable[[str], str], title: str, began: float, noticed: tuple[Finding, ...] = (), follows_disk: bool = True,
) -> StatusView:  # fmt: skip
    """What there is to see, in the order in which it is shown.

    Args:
        follows_disk: False for a service, whose changes are patches.
    """
    live = {report.number for report in status.swaps}
    newest = status.swaps[-1].number if status.swaps else 0
    is_wrong = any(each.severity is Severity.ERROR for each in noticed)
    state, words = _state(len(held), rest, status, is_wrong=is_wrong, follows_disk=follows_disk)
    counts: dict[str, int] = {}
    for _, _, mechanism in status.mechanisms:
        counts[str(mechanism)] = counts.get(str(mechanism), 0) + 1
    return StatusView(
        title=title, pid=os.getpid(), python=sys.version.split()[0], since=_clock(began), since_iso=_iso(began),
        state=state, state_words=words, held=tuple(_card(finding, shorten) for finding in held),
        noticed=tuple(_card(finding, shorten) for finding in noticed), restarts=status.restarts, rest=rest,
        follows_disk=follows_disk,
        classes=tuple(_class_rows(status, samples)), failed=sum(each.failed for each in status.classes),
        rows=tuple(_rows(status.past, live, newest, shorten)), newest=newest, live=len(live),
        modules=tuple((name, shorten(file)) for name, file in status.modules), mechanisms=tuple(sorted(counts.items())),
    )  # fmt: skip


def _state(held: int, rest: Rest, status: Status, *, is_wrong: bool, follows_disk: bool) -> tuple[str, str]:
    if rest.state == "draining":
        return "waits", f"Waiting for {_count(len(rest.inside), 'request' if follows_disk else 'task')} to end"
    if held:
        return "held", "Not all is live: the last good code serves on" if follows_disk else "Not all that is wanted is live"
    if is_wrong:
        return "held", "Live, but the program would not start with it"
    applied = [entry for entry in status.past if entry.applied]
    if applied and applied[-1].rolled_back and follows_disk:
        return "back", f"Swap {applied[-1].number} is taken back: the text on disk is another one"
    if any(count for each in status.classes for _, count in each.left):
        return "converts", "Live; objects are being converted"
    return "live", "What is on disk is live" if follows_disk else "What is wanted is live"


# ---- the timeline ----


def _rows(past: tuple[Entry, ...], live: set[int], newest: int, shorten: Callable[[str], str]) -> Iterable[Row]:
    """Newest first."""
    named = False  # the swap that can be taken back is offered once, at its own row
    opened = False
    for entry in reversed(past):
        state, headline = _headline(entry, live)
        can = state == "live" and entry.number == newest and not named
        named |= can
        is_open = entry.applied and not opened
        opened |= is_open
        note = next((finding.message for finding in entry.findings if finding.severity is Severity.HELD), "")
        yield Row(
            key=f"{entry.at:.3f}-{entry.number}", iso=_iso(entry.at), clock=_clock(entry.at), state=state, headline=headline,
            files=_name_files(tuple(dict.fromkeys(map(shorten, entry.files)))), milliseconds=_milliseconds(entry),
            bars=tuple(_bars(entry)),
            edits=tuple((str(edit.kind), edit.name, edit.line if edit.qualname else 0, edit.detail) for edit in entry.edits),
            more=entry.more_edits, by=_by(entry), cards=tuple(_card(finding, shorten) for finding in _ordered(entry.findings)),
            more_cards=entry.more_findings, can_take_back=can, number=entry.number,
            note=note if not entry.applied else "", is_open=is_open,
        )  # fmt: skip


def _headline(entry: Entry, live: set[int]) -> tuple[str, str]:
    if entry.rolled_back:
        return "back", f"Swap {entry.number} taken back"
    if entry.applied:
        return ("live", f"Swap {entry.number}") if entry.number in live else ("past", f"Swap {entry.number}")
    if entry.verdict is Verdict.RESTART:
        return "restart", "Needs a restart"
    if entry.verdict is Verdict.NOTHING:
        return "nothing", "Mended" if any(finding.code == "HS105" for finding in entry.findings) else "Nothing to swap"
    return "held", "Held"


def _milliseconds(entry: Entry) -> float:
    return entry.timing.total if entry.timing.live is None else entry.timing.live


def _bars(entry: Entry) -> Iterable[tuple[str, float, float]]:
    """The stages of a swap; what is left is the watcher's wait for the editor, and the telling."""
    timing = entry.timing
    if not entry.applied or entry.rolled_back or timing.total <= 0:
        return
    parts = [("plan", timing.plan), ("link", timing.link), ("commit", timing.commit)]
    rest = max(_milliseconds(entry) - sum(spent for _, spent in parts), 0.0)
    whole = sum(spent for _, spent in parts) + rest
    for name, spent in [*parts, ("rest", rest)]:
        yield name, spent, 100 * spent / whole


def _by(entry: Entry) -> str:
    parts = [f"{count} {mechanism}" for mechanism, count in entry.mechanisms]
    return ", ".join([*parts, _count(entry.writes, "write")]) if entry.applied and (parts or entry.writes) else ""


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    order = list(Severity)[::-1]
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def _name_files(files: tuple[str, ...]) -> str:
    return ", ".join(files) if len(files) <= 3 else f"{', '.join(files[:2])} and {len(files) - 2} more"


def _card(finding: Finding, shorten: Callable[[str], str]) -> Card:
    code = CODES.get(finding.code)
    line = f":{finding.line}" if finding.line else ""
    return Card(
        code=finding.code, title=code.title if code is not None else "", severity=str(finding.severity),
        message=finding.message, where=f"{shorten(finding.file)}{line}" if finding.file else "", next_step=finding.next_step,
        excerpt=shorten_excerpt(finding, shorten).rstrip(),
    )  # fmt: skip


# ---- classes ----


def _class_rows(status: Status, samples: Mapping[str, tuple[Point, ...]]) -> Iterable[ClassRow]:
    rows = {name.replace(":", "."): ClassRow(name=name.replace(":", "."), version=version) for name, version in status.versions}
    for each in status.classes:
        rows[each.name] = _converting(each)
    for name, points in samples.items():
        if name in rows:
            rows[name] = attrs.evolve(rows[name], chart=_chart(points))
    return [rows[name] for name in sorted(rows)]


def _converting(each: ClassStatus) -> ClassRow:
    return ClassRow(
        name=each.name, version=each.version, left=each.left, total=sum(count for _, count in each.left),
        converted=each.converted, failed=each.failed, rate=each.rate,
    )  # fmt: skip


def _chart(points: tuple[Point, ...]) -> Chart | None:
    """A falling line: seconds to the right, objects left upwards from zero; none before there are two points."""
    width, height = CHART_SIZE
    span, most = points[-1][0], max(count for _, count in points)
    if len(points) < 2 or span <= 0 or not most:
        return None
    places = [(at / span * width, height - count / most * height) for at, count in points]
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return Chart(path=path, area=f"{path} L{width:.1f} {height:.1f} L0 {height:.1f} Z", span=span, most=most)


# ---- words ----


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")
