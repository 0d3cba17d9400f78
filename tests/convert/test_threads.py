"""Many threads at once: each object is published once, no update is lost, nobody waits for ever."""

from __future__ import annotations

import copy
import functools
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hotswap.errors import MigrationError
from tests.link.program import Program

OLD = """
class Box:
    def __init__(self, n):
        self.n = n
        self.count = 0

    def bump(self):
        self.count += 1
"""
NEW = """
from hotswap import migrate


class Box:
    def __init__(self, n, label):
        self.n = n
        self.label = label
        self.count = 0

    def bump(self):
        self.count += 1


@migrate("lib:Box"OPTIONS)
def give_label(state):
    RAN.append(state.n)
    state.label = f"box {state.n}"


@give_label.down
def _(state):
    del state.label
"""


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def run(*functions: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("once", [False, True])
def test_each_object_is_published_once(once: bool, program: Program) -> None:
    lib = program.load("lib", OLD)
    lib.RAN = []
    text = NEW.replace("OPTIONS", ', when="on_access", once=True' if once else "")
    text += "\n\nDONE = []\n\n\n@give_label.after\ndef _(box):\n    DONE.append(box.n)\n"
    errors: list[BaseException] = []
    for first in range(0, 4000, 2000):
        numbers = range(first, first + 2000)  # those of the round before may still be alive
        boxes = [lib.Box(n) for n in numbers]
        lib.DONE = []
        assert program.edit("lib", text).applied

        def read(boxes: list[Any] = boxes) -> None:
            for box in boxes:
                if box.label != f"box {box.n}":
                    errors.append(AssertionError(box.label))

        join(run(*[read] * 16))
        assert program.engine.converter.wait(None, 10)
        assert not errors
        assert Counter(n for n in lib.DONE if n >= first) == Counter(numbers)
        if once:
            assert Counter(n for n in lib.RAN if n >= first) == Counter(numbers)
        lib.RAN.clear()
        program.engine.rollback()
        assert all(not hasattr(box, "label") for box in boxes)
        del read, boxes


def test_object_converted_and_class_forgotten_while_another_thread_looks(program: Program) -> None:
    """It had found the object waiting; by the time it looks up what to do, nothing of the class waits any more."""
    lib = program.load("lib", OLD)
    lib.RAN = []
    box = lib.Box(1)
    assert program.edit("lib", NEW.replace("OPTIONS", ', when="on_access"')).applied
    conversions = program.engine.converter.conversions

    class Slow(dict[type, Any]):
        def __missing__(self, cls: type) -> Any:
            conversions._routes = {}
            join(run(lambda: setattr(lib, "SEEN", box.label)))
            conversions.forget(cls)
            raise KeyError(cls)

    conversions._routes = Slow()
    assert box.label == lib.SEEN == "box 1" and lib.RAN == [1]


@pytest.mark.once  # much the same on every interpreter
def test_no_update_is_lost_while_versions_go_forth_and_back(program: Program) -> None:
    lib = program.load("lib", OLD)
    lib.RAN = []
    boxes = [lib.Box(n) for n in range(8)]
    done = threading.Event()
    counted = [0] * 8
    raised: list[BaseException] = []

    def write(at: int) -> None:
        box = boxes[at]
        try:
            while not done.is_set():
                for _ in range(200):
                    box.count += 1
                    box.bump()
                counted[at] += 400
        except BaseException as error:
            raised.append(error)

    threads = run(*(functools.partial(write, at) for at in range(8)))
    try:
        for _ in range(4):
            assert program.edit("lib", NEW.replace("OPTIONS", "")).applied
            program.engine.rollback()
    finally:
        done.set()
        join(threads)
    assert not raised
    assert [box.count for box in boxes] == counted and sum(counted) > 10_000


def test_hook_that_takes_a_lock_which_another_thread_holds(program: Program) -> None:
    """Who holds the lock touches an object whose hook waits for the lock in another thread: it converts the object itself."""
    lib = program.load("lib", OLD)
    lib.RAN, lib.LOCK, lib.INSIDE = [], threading.RLock(), threading.Event()
    box = lib.Box(1)
    waits = "    INSIDE.set()\n    with LOCK:\n        pass\n"
    hook = NEW.replace("OPTIONS", ', when="on_access"').replace("    RAN.append(state.n)\n", waits)
    assert program.edit("lib", hook).applied
    with lib.LOCK:
        threads = run(lambda: box.label)
        assert lib.INSIDE.wait(10)
        assert box.label == "box 1"
    join(threads)


def test_two_threads_whose_hooks_need_each_others_object_end(program: Program) -> None:
    lib = program.load("lib", OLD)
    one, two = lib.Box(1), lib.Box(2)
    one.other, two.other = two, one
    barrier = lib.MEET = threading.Barrier(2)
    meets = "    try:\n        MEET.wait(0.5)\n    except Exception:\n        pass\n    state.other.label\n"
    hook = NEW.replace("OPTIONS", ', when="on_access"').replace("    RAN.append(state.n)\n", meets)
    assert program.edit("lib", hook).applied
    raised: list[str] = []

    def read(box: Any) -> None:
        try:
            _ = box.label
        except Exception as error:
            raised.append(type(error).__name__)

    join(run(lambda: read(one), lambda: read(two)))
    assert raised and set(raised) == {"MigrationError"}
    barrier.abort()


def test_objects_made_and_copied_at_the_moment_of_the_swap_are_right(program: Program) -> None:
    lib = program.load("lib", OLD + "\n\ndef make(n):\n    return Box(n)\n")
    lib.RAN = []
    done = threading.Event()
    made: list[list[Any]] = [[], [], []]
    source = lib.Box(-1)

    def keep(at: int, make: Callable[[int], Any]) -> None:
        n = 0
        while not done.is_set() and n < 5_000:
            made[at].append(make(n))
            n += 1

    text = (NEW + "\n\ndef make(n):\n    return Box(n, f'box {n}')\n").replace("OPTIONS", "")
    threads = run(
        lambda: keep(0, lambda n: lib.make(n)),
        lambda: keep(1, lambda n: copy.copy(source)),
        lambda: keep(2, lambda n: pickle.loads(pickle.dumps(source))),
    )
    try:
        for _ in range(3):
            assert program.edit("lib", text).applied
            program.engine.rollback()
        assert program.edit("lib", text).applied
    finally:
        done.set()
        join(threads)
    conversions = program.engine.converter.conversions
    is_done = program.engine.converter.wait(None, 20)
    print(*(failure.message for failure in conversions.failures.values()))  # shown where it fails
    assert is_done
    wrong = [vars(box) for row in made for box in row if getattr(box, "label", None) != f"box {box.n}"]
    assert not wrong and all(made)


def test_hooks_that_need_other_objects_of_their_class(program: Program) -> None:
    """These are published first."""
    text = """
{head}class Node:
    def __init__(self, n, other):
        self.n, self.other = n, other
{hook}
"""
    hook = """
COUNT = []
@migrate("m:Node")
def up(state):
    COUNT.append(state.n)
    state.total = state.n + (state.other.total if state.other is not None else 0)
    if state.n == 77:
        raise ValueError("it is left, and the others are not")
"""
    m = program.load("m", text.format(head="", hook=""))
    nodes: list[Any] = []
    for n in range(300):
        nodes.append(m.Node(n, nodes[n - 3] if n >= 3 and n % 50 else None))
    nodes.reverse()  # so that each needs one that comes later
    assert program.edit("m", text.format(head="from hotswap import migrate\n", hook=hook)).applied
    assert program.engine.converter.wait(None, 20) is False

    def total(node: Any) -> int:
        return node.n + (total(node.other) if node.other is not None else 0)

    def is_left(node: Any) -> bool:
        fields = object.__getattribute__(node, "__dict__") if node is not None else {}
        return bool(fields) and (fields["n"] == 77 or is_left(fields["other"]))

    left = [node for node in nodes if is_left(node)]
    assert 0 < len(left) == len(program.engine.converter.conversions.failures) < 100
    for node in nodes:
        if node not in left:
            assert node.total == total(node)


QUICK = """
{head}class Node:
    def __init__(self, n):
        self.n = n
{hook}
"""
QUICK_HOOK = """
HAPPENS = dict()
@migrate("m:Node"{options})
def up(state):
    before = state.n
    state.n += 1
    state.label = str(before)
    HAPPENS.pop(before, int)()
"""


@pytest.mark.parametrize("change", ["", "    del state.n\n", "    state.n -= 1\n"])
def test_what_comes_while_a_hook_runs_on_the_quick_way(program: Program, change: str) -> None:
    """A commit, or another thread that is first: what was worked out does not count, and nothing is written twice."""
    m = program.load("m", QUICK.format(head="", hook=""))
    nodes = [m.Node(n) for n in range(30)]
    hook = QUICK_HOOK.format(options=", when='on_access'") + change
    assert program.edit("m", QUICK.format(head="from hotswap import migrate\n", hook=hook)).applied
    conversions = program.engine.converter.conversions
    assert nodes[0].label == "0" and conversions.quick
    reads = []

    def read_elsewhere(n: int) -> None:
        join(run(lambda: reads.append(nodes[n].label)))

    m.HAPPENS[10] = conversions.release
    m.HAPPENS[11] = lambda: read_elsewhere(11)
    m.HAPPENS[12] = lambda: (read_elsewhere(12), conversions.release())
    assert [node.label for node in nodes] == [str(n) for n in range(30)]
    assert reads == ["11", "12"]
    expected = {"": lambda n: n + 1, "    state.n -= 1\n": lambda n: n}.get(change)
    if expected is not None:
        assert [node.n for node in nodes] == [expected(n) for n in range(30)]
    assert not conversions.pending and not conversions.running


def test_hook_that_fails_on_the_quick_way(program: Program) -> None:
    m = program.load("m", QUICK.format(head="", hook=""))
    nodes = [m.Node(n) for n in range(30)]
    hook = QUICK_HOOK.format(options="") + "    if before == 20:\n        raise ValueError('no twenty')\n"
    assert program.edit("m", QUICK.format(head="from hotswap import migrate\n", hook=hook)).applied
    assert program.engine.converter.wait(None, 20) is False
    with pytest.raises(MigrationError, match=r"Node object .* up .*m\.py:\d+\), raised ValueError: no twenty") as raised:
        _ = nodes[20].n
    assert isinstance(raised.value.__cause__, ValueError)
    del nodes[20]
    assert [node.label for node in nodes] == [str(n) for n in range(30) if n != 20]


@pytest.mark.parametrize("way", ["ordinary", "quick"])
@pytest.mark.parametrize("undo", ["save", "rollback"])
def test_hook_that_goes_while_a_reader_is_in_it(
    program: Program, monkeypatch: pytest.MonkeyPatch, undo: str, way: str
) -> None:  # fmt: skip
    """1. A reader is in the hook. 2. A save or a rollback takes the hook and what it calls away, and is over. 3. The hook goes
    on, and fails. The reader gets the object as it is now, and so does everybody else."""
    lib = program.load("lib", OLD)
    lib.RAN = []
    text = NEW.replace("OPTIONS", ', when="on_access"').replace("RAN.append(state.n)", "GATE(state.n)\n    name()")
    text += "\n\ndef name():\n    pass\n"
    inside, over = threading.Event(), threading.Event()

    def gate(n: int) -> None:
        if n == 1:
            inside.set()
            assert over.wait(20)

    lib.GATE = gate
    first, second = lib.Box(0), lib.Box(1)
    assert program.edit("lib", text).applied
    if way == "quick":
        assert first.label == "box 0"
    found: list[Any] = []

    def read() -> None:
        try:
            found.append((second.n, vars(second)))
        except MigrationError as error:
            found.append(error)

    threads = run(read)
    assert inside.wait(20)
    monkeypatch.setattr(type(program.engine.converter.conversions), "sweep", lambda self, keys: 0)  # it would be the first
    if undo == "save":
        assert program.edit("lib", OLD).applied
    else:
        program.engine.rollback()
    over.set()
    join(threads)
    assert found == [(1, {"n": 1, "count": 0})]
    assert second.count == 0 and not program.engine.converter.conversions.failures


def test_hook_that_is_exchanged_while_a_reader_is_in_it(program: Program) -> None:
    """The same for a hook that is mended: the reader runs the new one."""
    lib = program.load("lib", OLD)
    lib.RAN = []
    text = NEW.replace("OPTIONS", ', 1, when="on_access"').replace("RAN.append(state.n)", "GATE()\n    name()")
    inside, over = threading.Event(), threading.Event()

    def gate() -> None:
        inside.set()
        assert over.wait(20)

    lib.GATE = gate
    box = lib.Box(1)
    assert program.edit("lib", text + "\n\ndef name():\n    pass\n").applied
    found: list[Any] = []
    threads = run(lambda: found.append(box.label))
    assert inside.wait(20)
    other = text.replace("GATE()\n    name()", "pass").replace("box {", "other {")
    assert program.edit("lib", other).applied
    over.set()
    join(threads)
    assert found == ["other 1"]
