"""The hazards of converting on first access, as they were met in prototypes, each one a test."""

from __future__ import annotations

import copy
import gc
import importlib
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from hotswap.convert.conversions import Conversions
from hotswap.errors import MigrationError
from tests.convert.barriers import finish
from tests.link.program import Program

OLD = """
class Thing:
    def __init__(self, n):
        self.n = n
"""
NEW = """
from hotswap import migrate


class Thing:
    def __init__(self, n, twice):
        self.n = n
        self.twice = twice


@migrate("lib:Thing", when="on_access")
def double(state):
    state.twice = state.n * 2


@double.down
def _(state):
    del state.twice
"""
HOOK = NEW[NEW.index("\n\n@migrate") :]
ON_ACCESS = ', when="on_access"'


def waiting(program: Program) -> int:
    return len(program.engine.converter.conversions.pending)


def with_class(text: str, members: str) -> str:
    """The text with further members at the end of its class."""
    head, _, tail = text.partition("\n\n@")
    return head.rstrip() + "\n" + members + ("\n\n@" + tail if tail else "")


def test_hook_that_reads_its_object_sees_it_as_it_was(program: Program) -> None:
    lib = program.load("lib", OLD + "\nTHINGS = []\n")
    thing = lib.Thing(3)
    lib.THINGS.append(thing)
    hook = NEW.replace("state.twice = state.n * 2", "state.twice = [hasattr(t, 'twice') for t in THINGS]")
    program.edit("lib", hook + "\nTHINGS = []\n")
    lib.THINGS[:] = [thing]
    assert thing.twice == [False]


def test_hooks_that_need_each_other_end_with_an_error(program: Program) -> None:
    lib = program.load("lib", OLD)
    one, two = lib.Thing(1), lib.Thing(2)
    one.other, two.other = two, one
    program.edit("lib", NEW.replace("state.twice = state.n * 2", "state.twice = state.other.twice"))
    with pytest.raises(MigrationError) as caught:
        _ = one.twice
    assert "needs an object whose migration needs it" in str(caught.value) + repr(caught.value.__cause__)


def test_object_whose_old_init_runs_is_converted_when_it_has_ended(program: Program) -> None:
    waits = """
    import threading
    ENTERED, GO = threading.Event(), threading.Event()


    class Thing:
        def __init__(self, n):
            self.early = n
            ENTERED.set()
            GO.wait(10)
            self.n = n
    """
    lib = program.load("lib", waits)
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(lib.Thing(5)))
    thread.start()
    assert lib.ENTERED.wait(10)
    try:
        events = "\nimport threading\nENTERED, GO = threading.Event(), threading.Event()\n\n\nclass"
        report = program.edit("lib", NEW.replace("\n\nclass", events, 1).replace(ON_ACCESS, ""))
        assert report.applied, str(report)
        assert waiting(program) == 1
    finally:
        lib.GO.set()
        thread.join(10)
    assert made[0].twice == 10 and not hasattr(made[0], "early")
    assert program.engine.converter.wait(None, 5)


@pytest.mark.parametrize("greenlets", ["none", "loaded", "used"])
def test_looking_for_frames_leaves_no_cycle(greenlets: str, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = importlib.import_module("greenlet")
    del sys.modules["greenlet"]  # the other tests of this process are to be without it
    if greenlets != "none":
        monkeypatch.setitem(sys.modules, "greenlet", loaded)
    if greenlets == "used":
        loaded.getcurrent()
    lib = program.load("lib", OLD)
    _ = lib.Thing(1)
    program.edit("lib", NEW)
    gc.collect()
    gc.disable()
    try:
        from hotswap.convert.conversions import _find_makers

        _find_makers({lib.Thing})
        ours = ("_find_makers", "stack_tops", "_stacks", "objects_of", "_in_one_call")
        assert not [o for o in gc.get_objects() if type(o).__name__ == "frame" and o.f_code.co_name in ours]
    finally:
        gc.enable()


def test_isinstance_and_class_convert_nothing(program: Program) -> None:
    lib = program.load("lib", OLD)
    thing = lib.Thing(1)
    program.edit("lib", NEW)
    assert isinstance(thing, lib.Thing) and thing.__class__ is lib.Thing and type(thing) is lib.Thing
    assert not isinstance(thing, int) and waiting(program) == 1


def test_dict_key_of_unconverted_object_is_found(program: Program) -> None:
    keyed = """
    def __eq__(self, other):
        return self.n == other.n

    def __hash__(self):
        return hash(self.n)
"""
    lib = program.load("lib", with_class(OLD, keyed))
    thing = lib.Thing(1)
    table = {thing: "x"}
    report = program.edit("lib", with_class(NEW, keyed))
    assert report.applied, str(report)
    assert table[thing] == "x" and thing.twice == 2 and table[lib.Thing(1, 0)] == "x"


def test_finaliser_of_an_object_that_nobody_holds_sees_the_new_state(program: Program) -> None:
    final = "    def __del__(self):\n        SEEN.append(self.twice)\n"
    lib = program.load("lib", OLD)
    lib.SEEN = []
    thing = lib.Thing(4)
    program.edit("lib", with_class(NEW, final).replace(', when="on_access"', ""))
    del thing
    assert program.engine.converter.wait(None, 5)
    gc.collect()
    assert lib.SEEN == [8]


@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_are_made_of_the_converted_object(through: Any, program: Program) -> None:
    lib = program.load("lib", OLD)
    thing = lib.Thing(4)
    program.edit("lib", NEW)
    twin = through(thing)
    assert vars(twin) == {"n": 4, "twice": 8} == vars(thing)


def test_frozen_objects_are_listed(program: Program) -> None:
    lib = program.load("lib", OLD)
    thing = lib.Thing(4)
    gc.freeze()
    try:
        program.edit("lib", NEW)
        assert waiting(program) == 1 and thing.twice == 8
    finally:
        gc.unfreeze()


def test_subclass_with_an_own_getattribute_does_not_go_around(program: Program) -> None:
    own = """

class Sub(Thing):
    def __getattribute__(self, name):
        return object.__getattribute__(self, name)

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
"""
    lib = program.load("lib", OLD + own)
    reads, writes = lib.Sub(1), lib.Sub(2)
    before = set(vars(lib.Sub))
    report = program.edit("lib", NEW + own)
    assert report.applied, str(report)
    assert reads.twice == 2
    writes.n = 10
    assert (writes.n, writes.twice) == (10, 4)
    finish(program)
    assert set(vars(lib.Sub)) == before and lib.Sub(3, 4).twice == 4


def test_held_dict_sees_the_new_state(program: Program) -> None:
    lib = program.load("lib", OLD)
    thing = lib.Thing(3)
    held = thing.__dict__
    program.edit("lib", NEW)
    assert thing.twice == 6 and held == {"n": 3, "twice": 6}


def test_weak_references_and_ids_stay(program: Program) -> None:
    lib = program.load("lib", OLD)
    thing = lib.Thing(3)
    ref, number = weakref.ref(thing), id(thing)
    program.edit("lib", NEW)
    assert ref() is thing and id(thing) == number and ref().twice == 6


def test_special_methods_convert(program: Program) -> None:
    special = "    def __len__(self):\n        return self.twice\n\n    def __iter__(self):\n        return iter([self.twice])\n"
    lib = program.load("lib", OLD)
    one, two = lib.Thing(3), lib.Thing(4)
    program.edit("lib", with_class(NEW, special))
    assert len(one) == 6 and list(two) == [8]


def test_class_with_own_access_methods_keeps_them(program: Program) -> None:
    own = """
    def __getattr__(self, name):
        if name.startswith("any_"):
            return name
        raise AttributeError(name)

    def __setattr__(self, name, value):
        super().__setattr__(name, value if name != "loud" else value.upper())

    def __getattribute__(self, name):
        return "fixed" if name == "fixed" else super().__getattribute__(name)
"""
    lib = program.load("lib", with_class(OLD, own))
    thing = lib.Thing(3)
    report = program.edit("lib", with_class(NEW, own))
    assert report.applied, str(report)
    for _ in range(2):  # behind the barrier, and without it
        thing.loud = "x"
        assert (thing.any_thing, thing.fixed, thing.loud, thing.twice) == ("any_thing", "fixed", "X", 6)
        with pytest.raises(AttributeError):
            _ = thing.nothing
        finish(program)
    assert not program.engine.converter.barriers


def test_class_edited_again_behind_its_barrier(program: Program) -> None:
    own = "    def __getattribute__(self, name):\n        return %s if name == 'fixed' else super().__getattribute__(name)\n"
    lib = program.load("lib", OLD)
    thing, asleep = lib.Thing(3), lib.Thing(4)
    program.edit("lib", NEW)
    assert program.edit("lib", with_class(NEW, own % 1)).applied
    assert (thing.fixed, thing.twice) == (1, 6) and waiting(program) == 1
    assert program.edit("lib", with_class(NEW, own % 2)).applied
    assert thing.fixed == 2
    assert program.edit("lib", NEW).applied
    assert not hasattr(thing, "fixed") and asleep.twice == 8
    finish(program)
    assert "__getattribute__" not in vars(lib.Thing)


DECORATORS = ["dataclass", "dataclass(frozen=True)", "dataclass(kw_only=True)", "attrs.define(slots=False)"]


@pytest.mark.parametrize("decorator", DECORATORS)
def test_generated_classes(decorator: str, program: Program) -> None:
    imports = "from dataclasses import dataclass\nimport attrs\nfrom hotswap import migrate\n"
    head = f"{imports}\n\n@{decorator}\nclass Thing:\n    n: int\n"
    lib = program.load("lib", head)
    thing = lib.Thing(n=4)
    report = program.edit("lib", head + "    twice: int\n    label: str = 'x'\n    rows: list = None\n" + HOOK)
    assert report.applied, str(report)
    assert (thing.n, thing.twice, thing.label) == (4, 8, "x") and thing == lib.Thing(n=4, twice=8)
    program.engine.rollback()
    assert thing == lib.Thing(n=4) and not hasattr(thing, "twice")


def test_exceptions_and_their_args(program: Program) -> None:
    lib = program.load("lib", OLD.replace("class Thing:", "class Thing(Exception):"))
    thing = lib.Thing(4)
    report = program.edit("lib", NEW.replace("class Thing:", "class Thing(Exception):"))
    assert report.applied, str(report)
    assert (thing.twice, thing.args) == (8, (4,))


def test_slots_that_stay_can_be_converted(program: Program) -> None:
    slotted = "\nclass Thing:\n    __slots__ = ('n', 'twice')\n\n    def __init__(self, n%s):\n        self.n = n\n%s"
    lib = program.load("lib", slotted % ("", ""))
    thing = lib.Thing(4)
    report = program.edit("lib", "from hotswap import migrate\n" + slotted % (", twice", "        self.twice = twice\n") + HOOK)
    assert report.applied, str(report)
    assert (thing.n, thing.twice) == (4, 8)


def test_two_old_objects_of_classes_side_by_side(program: Program) -> None:
    """Each class has its own row of leaps; the barrier of one goes while that of the other stands."""
    lib = program.load("lib", OLD + OLD.replace("Thing", "Other"))
    one, other = lib.Thing(1), lib.Other(2)
    second = NEW.replace("Thing", "Other").replace("double", "double_other")
    assert program.edit("lib", NEW + second).applied
    assert one.twice == 2
    finish(program, lib.Thing)
    assert "__getattribute__" not in vars(lib.Thing) and "__getattribute__" in vars(lib.Other)
    assert other.twice == 4


def test_memory_and_names_are_those_of_an_object_that_never_changed(program: Program) -> None:
    """The values stay inside of the object: its dict was not asked for."""
    lib = program.load("lib", OLD)
    things = [lib.Thing(n) for n in range(100)]
    program.edit("lib", NEW)
    assert [thing.twice for thing in things] == [n * 2 for n in range(100)]
    finish(program)
    new = [lib.Thing(n, n) for n in range(100)]
    assert {len(gc.get_referents(thing)) for thing in things} == {len(gc.get_referents(thing)) for thing in new} == {3}
    assert sys.getsizeof(things[0]) == sys.getsizeof(new[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_child_converts_its_own(tmp_path: Path) -> None:
    (tmp_path / "lib.py").write_text(OLD)
    (tmp_path / "new.txt").write_text(NEW.replace(ON_ACCESS, ', when="on_access"'))
    script = """
import os, sys
import hotswap
hotswap.start(["lib.py"], watch=False)
import lib
things = [lib.Thing(n) for n in range(50)]
open("lib.py", "w").write(open("new.txt").read())
assert hotswap.swap().applied
child = os.fork()
if child == 0:
    assert [thing.twice for thing in things] == [n * 2 for n in range(50)]
    assert hotswap.wait_converted(timeout=5)
    while hotswap.session.current().engine.converter.barriers:
        pass
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert hotswap.version_of(things[3]) == 1 and things[3].twice == 6
hotswap.stop()
hotswap.start(["lib.py"], watch=False)
assert hotswap.version_of(things[4]) == 1 and things[4].twice == 8
"""
    done = subprocess.run([sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_objects_that_are_keys_of_each_other(program: Program) -> None:
    """A key whose hash needs the object that is being copied."""
    text = """
from hotswap import migrate
class Node:
    def __init__(self, name):
        self.name = name
        self.edges = {{}}
    def __hash__(self):
        return hash(self.name)
    def __eq__(self, other):
        return self.name == other.name
{hook}
"""
    hook = "@migrate('m:Node')\ndef up(state):\n    state.tag = state.name\n"
    m = program.load("m", text.format(hook=""))
    first, second = m.Node("a"), m.Node("b")
    first.edges[second] = second.edges[first] = 1
    assert program.edit("m", text.format(hook=hook)).applied
    assert program.engine.converter.wait(m.Node, 20)
    assert (first.tag, second.tag) == ("a", "b") and list(first.edges) == [second]


def test_sweep_goes_on_whatever_a_hook_raises(program: Program) -> None:
    text = """
from hotswap import migrate
class Node:
    def __init__(self, name):
        self.name = name
{hook}
"""
    hook = "@migrate('m:Node')\ndef up(state):\n    state.tag = state.name\n    if state.name in 'ab': raise SystemExit\n"
    m = program.load("m", text.format(hook=""))
    plain = [m.Node(str(n)) for n in range(50)]
    ending = [m.Node("a"), m.Node("b")]
    plain += [m.Node(str(n)) for n in range(50)]
    assert program.edit("m", text.format(hook=hook)).applied
    end = time.monotonic() + 20
    while len(program.engine.converter.conversions.failures) < len(ending) and time.monotonic() < end:
        time.sleep(0.005)
    assert program.engine.converter.wait(None, 0) is False
    assert all(vars(node)["tag"] == node.name for node in plain)


def test_object_whose_init_begins_between_the_instant_of_a_rollback_and_its_end(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """It is listed as an object of the new class, and the code that made it is the old one again: it needs nothing."""
    m = program.load("m", "class Box:\n    def __init__(self, wait):\n        wait()\n        self.n = 1\n")
    keep = m.Box(int)
    hook = "\n@migrate('m:Box')\ndef up(state):\n    state.label = 'x'\n@up.down\ndef _(state):\n    del state.label\n"
    new = "from hotswap import migrate\nclass Box:\n    def __init__(self, wait):\n        self.n, self.label = 1, 'x'\n" + hook
    assert program.edit("m", new).applied and keep.label == "x"
    bare = m.Box.__new__(m.Box)
    conversions = program.engine.converter.conversions
    begun, ends = threading.Event(), threading.Event()
    settle = Conversions.settle

    def begin_and_settle(*args: Any) -> None:
        begin = threading.Thread(target=lambda: type(bare).__init__(bare, lambda: (begun.set(), ends.wait())))
        threads.append(begin)
        begin.start()
        assert begun.wait(20)
        settle(*args)

    threads: list[threading.Thread] = []
    monkeypatch.setattr(Conversions, "settle", begin_and_settle)
    try:
        program.engine.rollback()
    finally:
        monkeypatch.undo()
        ends.set()
        for each in threads:
            each.join()
    assert program.engine.converter.wait(None, 20), list(conversions.failures.values())
    assert vars(bare) == {"n": 1} and vars(keep) == {"n": 1}


@pytest.mark.parametrize("way", ["forth", "back"])
def test_object_whose_init_begins_after_a_swap_that_has_listed_it(way: str, program: Program) -> None:
    """It was allocated before the swap, and another thread takes its time."""
    m = program.load("m", "class Box:\n    def __init__(self):\n        self.n = 1\n        self.count = 0\n")
    m.keep = m.Box()
    hook = "\n@migrate('m:Box')\ndef up(state):\n    state.label = 'old'\n@up.down\ndef _(state):\n    del state.label\n"
    init = "    def __init__(self):\n        self.n = 1\n        self.count = 0\n        self.label = 'new'\n"
    new = "from hotswap import migrate\nclass Box:\n" + init + hook
    if way == "forth":
        bare = m.Box.__new__(m.Box)
        assert program.edit("m", new).applied
        bare.__init__()
        assert vars(bare) == {"n": 1, "count": 0, "label": "new"}
    else:
        assert program.edit("m", new).applied and m.keep.label == "old"
        bare = m.Box.__new__(m.Box)
        program.engine.rollback()
        bare.__init__()
        assert vars(bare) == {"n": 1, "count": 0}
    assert program.engine.converter.wait(None, 20)
