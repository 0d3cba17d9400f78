"""What the status page shows, as text and as HTML: everything that happened, and nothing as markup."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest

from hotswap.model import (
    ClassStatus,
    Edit,
    EditKind,
    Entry,
    Finding,
    Plan,
    Report,
    Severity,
    Status,
    Timing,
    Verdict,
)  # fmt: skip
from hotswap.page.render import render
from hotswap.page.sampler import POINTS, Sampler
from hotswap.page.view import Blocker, Rest, Server, StatusView, view_status
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter

EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
SERVER = Server(base="http://127.0.0.1:9", token="secret", nonce="n", run="r", code=0, styles=0, home="http://localhost:8000/h/")


def view(status: Status, rest: Rest = Rest(), **more: object) -> StatusView:
    given = {"held": status.held, "samples": {}, "title": "manage.py", "began": 0.0, **more}
    return view_status(status, rest=rest, shorten=str, **given)  # type: ignore[arg-type]


def entry(number: int, **more: object) -> Entry:
    given = {"at": 1e9 + number, "number": number, "applied": True, "verdict": Verdict.SWAP, **more}
    return Entry(**given)  # type: ignore[arg-type]


def live(number: int) -> Report:
    return Report(number=number, applied=True, plan=Plan(verdict=Verdict.SWAP), verdict=Verdict.SWAP)


class Reader(HTMLParser):
    """Elements and text of a page, as a browser takes them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile() -> StatusView:
    """Each text of it could end its element."""
    edit = Edit(module=EVIL, qualname=EVIL, kind=EditKind.BODY, line=1, detail=EVIL)
    held = Finding(code=EVIL, severity=Severity.HELD, message=EVIL, file=EVIL, line=3, next_step=EVIL, excerpt=EVIL)
    status = Status(
        modules=((EVIL, EVIL),), held=(held,), versions=((EVIL, 2),), swaps=(live(1),),
        past=(entry(1, files=(EVIL,), edits=(edit,), findings=(held,), timing=Timing(plan=1, total=4)),),
        classes=(ClassStatus(name=EVIL, version=2, left=((1, 5),), converted=1, failed=1, rate=1.0, barrier=True),),
    )  # fmt: skip
    inside = Rest(state="draining", inside=(Blocker(label=EVIL, thread=EVIL, seconds=1.0),))
    return view(status, inside, title=EVIL, samples={EVIL: ((0.0, 6), (1.0, 5))})


@pytest.mark.parametrize("whole", [True, False])
def test_everything_is_escaped(whole: bool) -> None:
    """File names, excerpts, messages, names of classes, requests and threads, and what a command has said."""
    server = Server(base="http://127.0.0.1:9", token="t", nonce="n", run="r", code=0, styles=0, home="/h/", said=EVIL)
    page = Reader(render(hostile(), server, whole=whole))
    assert "img" not in page.names
    assert page.names.count("script") == (2 if whole else 0)
    assert [name for name in page.attributes if name.startswith("on")] == []
    assert page.text.count("<img src=x onerror=alert(2)>") >= 15


def test_it_says_what_happened_newest_first() -> None:
    """Live, taken back later, taken back, held, mended, restart."""
    held = Finding(code="HS101", severity=Severity.HELD, message="no")
    mended = Finding(code="HS105", severity=Severity.NOTE, message="again")
    status = Status(swaps=(live(1),), past=(
        entry(1), entry(2), entry(2, rolled_back=True), entry(0, applied=False, verdict=Verdict.ASK, findings=(held,)),
        entry(0, applied=False, verdict=Verdict.NOTHING, findings=(mended,)),
        entry(0, applied=False, verdict=Verdict.RESTART, findings=(held,)),
    ))  # fmt: skip
    assert [(row.state, row.headline, row.can_take_back) for row in view(status).rows] == [
        ("restart", "Needs a restart", False), ("nothing", "Mended", False), ("held", "Held", False),
        ("back", "Swap 2 taken back", False), ("past", "Swap 2", False), ("live", "Swap 1", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "rest", "state"), [
    (Status(), Rest(), "live"),
    (Status(held=(Finding(code="HS101", severity=Severity.HELD, message="no"),)), Rest(), "held"),
    (Status(past=(entry(1), entry(1, rolled_back=True))), Rest(), "back"),
    (Status(past=(entry(1), entry(1, rolled_back=True), entry(2)), swaps=(live(2),)), Rest(state="open"), "live"),
    (Status(classes=(ClassStatus(name="C", version=2, left=((1, 5),), converted=0, failed=0, rate=0, barrier=True),)), Rest(),
     "converts"),
    (Status(), Rest(state="draining", inside=(Blocker(label="GET /", thread="t", seconds=1),)), "waits"),
])  # fmt: skip
def test_the_first_line_says_how_things_are(status: Status, rest: Rest, state: str) -> None:
    """Also after a rollback, when what is on disk is not what runs."""
    assert view(status, rest).state == state


def test_a_guest_from_another_machine_gets_no_token_and_no_button() -> None:
    """What it shows is the same."""
    status = Status(swaps=(live(1),), past=(entry(1),))
    host, guest = (render(view(status), server, whole=True) for server in (SERVER, None))
    assert "secret" in host
    assert "Take swap 1 back" in host
    assert "secret" not in guest
    assert {"form", "button", "script"}.isdisjoint(Reader(guest).names)
    assert "Swap 1" in Reader(guest).text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No font, picture or script of another host; styles and its own script stand in it."""
    html = render(hostile(), SERVER, whole=True)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', html)) == {"data:,", "#content", "http://127.0.0.1:9/page.js", SERVER.home}


def test_stages_fill_their_bar() -> None:
    """Plan, link, commit and what is left are shares of the whole."""
    status = Status(swaps=(live(1),), past=(entry(1, timing=Timing(plan=10, link=5, commit=1, total=17, live=40)),))
    (row,) = view(status).rows
    assert [(name, spent) for name, spent, _ in row.bars] == [("plan", 10), ("link", 5), ("commit", 1), ("rest", 24)]
    assert sum(share for _, _, share in row.bars) == pytest.approx(100)


# -- how many are left ------------------------------------------------------------------------------------------------


def waiting(count: int, failed: int = 0) -> tuple[ClassStatus, ...]:
    return (ClassStatus(name="m.C", version=2, left=((1, count),), converted=9 - count, failed=failed, rate=1.0, barrier=True),)


def test_points_are_taken_until_nothing_is_left() -> None:
    """The last one is zero, also where the class is listed no more."""
    rows = [waiting(9), waiting(4), ()]
    sampler = Sampler(lambda: rows.pop(0), lambda: None)
    assert [sampler.look(), sampler.look(), sampler.look()] == [True, True, False]
    assert [count for _, count in sampler.samples()["m.C"]] == [9, 4, 0]


def test_what_has_failed_is_not_looked_at_for_ever() -> None:
    """Only a save or a person goes on with it."""
    assert Sampler(lambda: waiting(2, failed=2), lambda: None).look() is False


def test_points_are_bounded() -> None:
    """A conversion that waits for accesses may take days; its first point and its last stay."""
    rows = iter(range(5 * POINTS, 0, -1))
    sampler = Sampler(lambda: waiting(next(rows)), lambda: None)
    for _ in range(5 * POINTS):
        sampler.look()
    points = [count for _, count in sampler.samples()["m.C"]]
    assert len(points) <= POINTS
    assert (points[0], points[-1]) == (5 * POINTS, 1)
    assert points == sorted(points, reverse=True)


MIGRATED = """
from hotswap import migrate

class Loaf:
    def __init__(self, kind):
        self.grams, self.kind = 1, kind

@migrate("shelf:Loaf", 1, when="on_access")
def add(state):
    state.kind = "rye"

LOAVES = []
"""


def test_a_conversion_is_counted_to_its_end(program: Program) -> None:
    """The thread of the sampler ends by itself."""
    module = program.load("shelf", "class Loaf:\n    def __init__(self):\n        self.grams = 1\nLOAVES = []\n")
    module.LOAVES += [module.Loaf() for _ in range(300)]
    report = program.edit("shelf", MIGRATED)
    assert report.applied, report
    told: list[float] = []
    sampler = Sampler(program.engine.converter.status, lambda: told.append(time.monotonic()))
    sampler.start()
    assert [loaf.kind for loaf in module.LOAVES] == ["rye"] * 300
    thread = sampler._thread
    assert thread is not None
    thread.join(20)
    assert not thread.is_alive()
    assert told
    assert [count for _, count in sampler.samples()["shelf.Loaf"]][:1] == [300]
    assert sampler.samples()["shelf.Loaf"][-1][1] == 0
