"""Structures whose data is converted whole, under their own lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hotswap.applying import Applier
from hotswap.convert.owners import Holding
from hotswap.errors import DeclarationError, RollbackError
from hotswap.migrations import OWNERS, owner
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter

STOCK = """
import dataclasses, threading
from collections import OrderedDict
import hotswap
from hotswap import migrate

@dataclasses.dataclass({how})
class Key:
    name: str
    {more}

    @property
    def shown(self):
        return {shown}

class Stock:
    def __init__(self):
        self.lock = threading.RLock()
        self.counts = {{}}
        self.keys = set()
        self.ordered = OrderedDict()
        self.rows = [({{}},)]

    def add(self, key, count):
        self.counts[key] = count
        self.keys.add(key)
        self.ordered[key, 1] = count
        self.rows[0][0][count] = [key]

STOCK = globals().get("STOCK") or Stock()
hotswap.owner("lib:STOCK", lock="lock", limit={limit})
{hook}
"""
HOOK = """
@migrate("lib:Key")
def change(state):
    {body}
@change.down
def _(state):
    {down}
"""
OLD = STOCK.format(how="frozen=True", more="", shown="self.name", hook="", limit=5)
UPPER = HOOK.format(body="state.name = state.name.upper()", down="state.name = state.name.lower()")
NEW = STOCK.format(how="frozen=True", more="size: int = 0", shown="self.name + '!'", hook=UPPER, limit=5)


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    yield
    OWNERS.clear()


def fill(lib: Any, count: int = 50) -> list[Any]:
    keys = [lib.Key(f"k{n}") for n in range(count)]
    for n, key in enumerate(keys):
        lib.STOCK.add(key, n)
    return keys


def check(lib: Any, name: str, *more: Any, count: int = 50) -> None:
    stock = lib.STOCK
    for n in range(count):
        key = lib.Key(name.format(n), *more)
        assert stock.counts[key] == n and key in stock.keys and stock.ordered[key, 1] == n and stock.rows[0][0][n] == [key]
    assert list(stock.counts.values()) == list(range(count)) and len(stock.keys) == len(stock.ordered) == count


def test_keys_are_found_by_their_new_hashes_and_again_after_a_rollback(program: Program) -> None:
    lib = program.load("lib", OLD)
    keys = fill(lib)
    check(lib, "k{}")
    report = program.edit("lib", NEW)
    assert report.applied, str(report)
    check(lib, "K{}", 0)
    assert keys[3].shown == "K3!" and all(key in lib.STOCK.counts for key in keys)
    program.engine.rollback()
    check(lib, "k{}")
    assert keys[3].shown == "k3"


def test_a_hook_finds_what_its_module_has(program: Program) -> None:
    """Imports, constants and helpers, as the text says that is being saved, also while it is tried before the commit."""
    helped = "import time\nEND = '{0}'\n\ndef ended(name):\n    time.monotonic()\n    return name + END\n"
    hook = HOOK.format(body="state.name = ended(state.name)", down="state.name = state.name.removesuffix('?').removesuffix(END)")
    lib = program.load("lib", helped.format("?") + OLD)
    fill(lib)
    text = STOCK.format(how="frozen=True", more="size: int = 0", shown="self.name", hook=hook, limit=5)
    report = program.edit("lib", helped.format("!") + text)
    assert report.applied, str(report)
    check(lib, "k{}!", 0)
    program.engine.rollback()
    check(lib, "k{}")


def test_without_an_owner_it_is_held(program: Program) -> None:
    lib = program.load("lib", OLD.replace("hotswap.owner(", "(lambda *a, **k: None)("))
    OWNERS.clear()
    fill(lib)
    for text in (NEW, NEW.replace("    size: int = 0\n", "")):
        report = program.edit("lib", text.replace("hotswap.owner(", "(lambda *a, **k: None)("))
        assert not report.applied and {finding.code for finding in report.held} == {"HS302"}, "they would not be found again"
    lib.elsewhere = {next(iter(lib.STOCK.keys)): 1}
    report = program.edit("lib", NEW)
    assert not report.applied and "1 object" in str(report), "one is a key outside of what the owner holds"
    check(lib, "k{}")
    lib.elsewhere = None
    assert program.edit("lib", NEW).applied
    check(lib, "K{}", 0)


@pytest.mark.parametrize(("body", "why"), [
    ("state.name = {'k7': 1}.get(state.name) or state.name", ""),
    ("if state.name == 'k7': raise ValueError('seven')", "ValueError: seven"),
    ("state.name = 'same' if state.name in ('k1', 'k2') else state.name", "equal to others now"),
    ("state.name = [state.name]", "no hash"),
    ("import time; time.sleep(0.02)", "longer than 0.3 s"),
])
def test_all_or_nothing(program: Program, body: str, why: str) -> None:  # fmt: skip
    lib = program.load("lib", OLD)
    keys = fill(lib)
    hook = HOOK.format(body=body, down="state.setdefault('name', '')")
    text = STOCK.format(how="frozen=True", more="size: int = 0", shown="self.name", hook=hook, limit=0.3)
    OWNERS["lib:STOCK"] = type(OWNERS["lib:STOCK"])("lib:STOCK", "lock", 0.3, "lib.py", 1)
    report = program.edit("lib", text)
    if not why:
        assert report.applied and lib.Key(1, 0) in lib.STOCK.counts
        return
    assert not report.applied and [finding.code for finding in report.held] == ["HS311"] and why in str(report)
    check(lib, "k{}")
    assert all(key in lib.STOCK.counts for key in keys) and not hasattr(keys[0], "size")
    assert lib.STOCK.lock.acquire(blocking=False)
    lib.STOCK.lock.release()


def test_who_takes_the_lock_sees_all_before_or_all_after(program: Program) -> None:
    lib = program.load("lib", OLD)
    fill(lib)
    seen: set[str] = set()
    wrong: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                with lib.STOCK.lock:
                    shown = {key.shown[-1] == "!" for key in lib.STOCK.counts}
                    assert len(shown) == 1 and all(key in lib.STOCK.counts for key in lib.STOCK.keys)
                    seen.add(str(shown))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        assert program.edit("lib", NEW).applied
        time.sleep(0.01)
        program.engine.rollback()
    done.set()
    for thread in threads:
        thread.join(30)
    assert not wrong and len(seen) == 2


def test_lock_that_somebody_holds(program: Program) -> None:
    lib = program.load("lib", OLD)
    fill(lib)
    OWNERS["lib:STOCK"] = type(OWNERS["lib:STOCK"])("lib:STOCK", "lock", 0.1, "lib.py", 1)
    held, end = threading.Event(), threading.Event()

    def hold() -> None:
        with lib.STOCK.lock:
            held.set()
            end.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    report = program.edit("lib", NEW.replace("limit=5", "limit=0.1"))
    assert not report.applied and "within 0.1 s" in str(report)
    end.set()
    thread.join(30)
    check(lib, "k{}")
    assert program.edit("lib", NEW).applied
    held.clear(), end.clear()
    OWNERS["lib:STOCK"] = type(OWNERS["lib:STOCK"])("lib:STOCK", "lock", 0.1, "lib.py", 1)
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    with pytest.raises(RollbackError, match=r"within 0\.1 s"):
        program.engine.rollback()
    end.set()
    thread.join(30)
    check(lib, "K{}", 0)


def test_all_objects_of_a_class_and_locks_of_their_own(program: Program) -> None:
    lib = program.load("lib", OLD.replace('"lib:STOCK", lock="lock"', '"lib:Stock", lock=lambda stock: stock.lock'))
    fill(lib)
    other = lib.Stock()
    other.add(lib.Key("x"), 1)
    assert program.edit("lib", NEW.replace('"lib:STOCK", lock="lock"', '"lib:Stock", lock=lambda stock: stock.lock')).applied
    check(lib, "K{}", 0)
    assert other.counts == {lib.Key("X"): 1}


def test_declarations_that_make_no_sense(program: Program) -> None:
    for target, limit in (("nothing", 1.0), ("m:X", 0.0)):
        with pytest.raises(DeclarationError):
            owner(target, limit=limit)
    lib = program.load("lib", OLD.replace('lock="lock"', 'lock="counts"'))
    fill(lib)
    report = program.edit("lib", NEW.replace('lock="lock"', 'lock="counts"'))
    assert not report.applied and "no lock" in str(report)


def test_whatever_is_raised_takes_the_swap_back(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is reported and what is live agree, also for what is no error of a hook."""
    lib = program.load("lib", OLD)
    fill(lib)
    before = Applier._convert_held

    def interrupt(applier: Applier, holding: Holding) -> None:
        before(applier, holding)
        raise KeyboardInterrupt  # as a signal would

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Applier, "_convert_held", interrupt)
        program.edit("lib", NEW)
    assert not program.engine.status().swaps and lib.Key("k1").shown == "k1"
    check(lib, "k{}")
    assert program.edit("lib", NEW).applied
    check(lib, "K{}", 0)


def test_rollback_that_leaves_keys_equal_is_done_and_says_so(program: Program) -> None:
    lib = program.load("lib", OLD)
    fill(lib)
    hook = HOOK.format(body="state.size = int(state.name[1:])", down="del state['size']; state.name = 'same'")
    text = STOCK.format(how="frozen=True", more="size: int = 0", shown="self.name", hook=hook, limit=5)
    assert program.edit("lib", text).applied
    report = program.engine.rollback()
    assert report.rolled_back and "HS311" in {finding.code for finding in report.findings} and not program.engine.status().swaps
    assert not hasattr(next(iter(lib.STOCK.keys)), "size")
