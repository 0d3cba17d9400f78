"""Texts that are held, effects that have run, swaps that cannot be taken back: what is told is what is so."""

from __future__ import annotations

import importlib.util
import sys
import threading
from typing import Any

import pytest

from hotswap.model import ChangeSet, Finding, SourceFile
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def test_swap_that_cannot_be_taken_back_stands_and_says_so(program: Program) -> None:
    """An added statement has changed what the swap wrote, and then failed."""
    lib = program.library("strange", "import sys\n\ndef boom():\n    del sys.modules['lib'].C.x\n    1 / 0\n")
    one = program.load("lib", "import strange\n\nclass C:\n    def f(self):\n        return 1\n")
    new = "import strange\n\nclass C:\n    x = 1\n    def f(self):\n        return 2\n\nstrange.boom()\n"
    report = program.edit("lib", new)
    assert report.applied and one.C().f() == 2, str(report)
    assert "HS110" in codes(report.findings) and "it stands" in str(report)
    assert [swap.number for swap in program.engine.status().swaps] == [report.number]
    assert lib is not None


def test_deletion_that_was_held_ends_with_the_save_that_applies_it(program: Program) -> None:
    program.load("mod", "X = 1\n")
    program.load("other", "Y = 1\n")
    assert not program.save(mod=None, other="Y = = 2\n").applied
    assert program.edit("other", "Y = 2\n").applied
    assert "mod" not in sys.modules and program.engine.status().held == ()
    again = program.load("mod", "X = 1\n")
    assert program.edit("other", "Y = 3\n").applied
    assert sys.modules["mod"] is again, "its file is there again"


def test_deletion_that_was_held_and_is_undone(program: Program) -> None:
    mod = program.load("mod", "X = 1\n")
    program.load("other", "Y = 1\n")
    program.save(mod=None, other="Y = = 2\n")
    (program.directory / "mod.py").write_text("X = 1\n")
    assert program.edit("other", "Y = 2\n").applied
    assert sys.modules["mod"] is mod


def test_equal_effects_run_as_often_as_they_stand_there(program: Program) -> None:
    far = program.library("far", "CALLS = []\n\ndef act(x):\n    CALLS.append(x)\n")
    program.load("lib", "import far\n")
    twice = "import far\nfar.act(1)\nfar.act(1)\n"
    assert program.edit("lib", twice).applied and far.CALLS == [1, 1]
    program.engine.rollback()
    report = program.edit("lib", twice)
    assert far.CALLS == [1, 1], "an effect that a rollback has left is not had again"
    assert ["not run again" in f.message for f in report.findings if f.code == "HS407"] == [True, True]
    assert program.edit("lib", twice + "far.act(1)\n").applied and far.CALLS == [1, 1, 1]


@pytest.mark.parametrize("base", ["dict", "ValueError", "Base", "object"])
def test_class_that_was_a_function_is_made_as_before(program: Program, base: str) -> None:
    text = f"""
    class Base:
        def __new__(cls, *args):
            item = super().__new__(cls)
            item.made = args
            return item

    class C({base}):
        pass
    """
    lib = program.load("lib", text)
    arguments: list[tuple[Any, ...]] = [(), ("a",), ([(1, 2)],)]

    def make(args: tuple[Any, ...]) -> Any:
        try:
            item = lib.C(*args)
        except Exception as error:
            return type(error), str(error)
        return type(item), vars(item), item.args if base == "ValueError" else dict(item) if base == "dict" else None

    before = list(map(make, arguments))
    assert program.edit("lib", text[: text.index("class C")] + "def C(*args):\n        return 5\n").applied
    assert lib.C() == 5
    program.engine.rollback()
    assert list(map(make, arguments)) == before


def test_module_that_another_thread_executes_is_not_taken_up_before_it_has(program: Program) -> None:
    """It was thrown out of sys.modules; its new text is what counts, and runs once."""
    far = program.library("far", "import threading\nGO, IN, CALLS = threading.Event(), threading.Event(), []\n")
    program.load("lib", "import far\nX = 1\n")
    path = program.directory / "lib.py"
    path.write_text("import far\nX = 2\nfar.CALLS.append(2)\nfar.IN.set()\nfar.GO.wait(20)\n")

    def load() -> None:
        spec = importlib.util.spec_from_file_location("lib", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec._initializing = True  # type: ignore[attr-defined]
        sys.modules["lib"] = module
        try:
            spec.loader.exec_module(module)
        finally:
            spec._initializing = False  # type: ignore[attr-defined]

    thread = threading.Thread(target=load)
    thread.start()
    assert far.IN.wait(20)
    program.engine.swap(ChangeSet(files=(SourceFile(path=str(path), data=path.read_bytes()),)))
    far.GO.set()
    thread.join()
    assert far.CALLS == [2]


@pytest.mark.parametrize("way", ["preview", "preflight"])
def test_looking_ahead_is_refused_where_a_swap_would_be(program: Program, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    lib = program.load("lib", "X = 1\n")
    monkeypatch.setattr("hotswap.engine.has_other_interpreters", lambda: True)
    path = program.directory / "lib.py"
    found = getattr(program.engine, way)(ChangeSet(files=(SourceFile(path=str(path), data=b"X = 2\n"),)))
    assert codes(found.findings) == ["HS509"] and lib.X == 1


def test_look_that_fails_is_told_and_ends_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Finding] = []
    program.engine.on_finding = told.append

    def fail(*_: object) -> list[Any]:
        raise RuntimeError("no")

    monkeypatch.setattr("hotswap.engine.lead_latecomers", fail)
    program.engine._look_at_ended()
    assert codes(tuple(told)) == ["HS599"] and "no" in told[0].excerpt


OPAQUE = "import itertools\nids = itertools.count({start})\n"


_NEW, _BODY = "def new():\n    return 'new'\n", "def fb():\n    return 1\n"
_CLASS, _MORE = "class C:\n    pass\n", "class C:\n    def new(self):\n        return 'new'\n"
_EMPTY = "class C:\n    def __init__(self):\n        pass\n"
_FIELD = _EMPTY.replace("pass", "self.new = 'new'")
_F, _G = "def f(x):\n    return x\n", "def f(x, more):\n    return more\n"


@pytest.mark.parametrize(
    ("live", "held", "old", "new"),
    [
        ("", _NEW, f"import a\n{_BODY}", "import a\ndef fb():\n    return a.new()\n"),
        ("", _NEW, _BODY, "def fb():\n    from a import new\n    return new()\n"),
        ("", _NEW, f"from a import *\n{_BODY}", "from a import *\ndef fb():\n    return new()\n"),
        (_CLASS, _MORE, f"import a\n{_BODY}", "import a\ndef fb():\n    return a.C().new()\n"),
        (_EMPTY, _FIELD, f"import a\n{_BODY}", "import a\ndef fb():\n    return a.C().new\n"),
        (_F, _G, "import a\ndef fb():\n    return a.f(1)\n", "import a\ndef fb():\n    return a.f(1, more='new')\n"),
    ],
    ids=["module", "import", "star", "method", "field", "parameter"],
)
def test_save_that_uses_what_only_a_held_text_brings_waits_for_it(
    program: Program, live: str, held: str, old: str, new: str
) -> None:
    """Applied alone it would be a program that nobody has written; with the held one, once that is mended, it is whole."""
    program.load("a", OPAQUE.format(start=1) + live)
    b = program.load("b", old)
    before = b.fb()
    assert codes(program.edit("a", OPAQUE.format(start=5) + held).held) == ["HS205"]
    plan = program.engine.preview(ChangeSet(files=(SourceFile(path=str(program.directory / "b.py"), data=new.encode()),)))
    assert "HS106" in codes(plan.findings)
    report = program.edit("b", new)
    assert codes(report.held) == ["HS205", "HS106"] and "a.py" in report.held[1].next_step
    assert b.fb() == before and len(program.engine.status().held) == 2
    assert program.edit("a", OPAQUE.format(start=1) + held).applied
    assert b.fb() == "new" and program.engine.status().held == ()


def test_a_field_of_the_own_classes_is_not_what_a_held_text_brings(program: Program) -> None:
    program.load("a", OPAQUE.format(start=1) + _EMPTY)
    b = program.load("b", f"import a\n{_BODY}")
    assert codes(program.edit("a", OPAQUE.format(start=5) + _FIELD).held) == ["HS205"]
    own = _FIELD.replace("class C", "class Own") + "    def get(self):\n        return self.new\n"
    assert program.edit("b", f"import a\n{own}\ndef fb():\n    return Own().get()\n").applied
    assert b.fb() == "new"


def test_save_that_uses_what_a_text_has_that_cannot_be_read_waits_for_it(program: Program) -> None:
    program.load("a", "X = 1\n")
    b = program.load("b", "import a\ndef fb():\n    return 1\n")
    assert codes(program.edit("a", "X = 1\ndef new():\n    return = 2\n").held) == ["HS101"]
    assert codes(program.edit("b", "import a\ndef fb():\n    return a.new()\n").held) == ["HS101", "HS106"]
    assert program.edit("b", "import a\ndef fb():\n    return a.X + 1\n").applied and b.fb() == 2


def test_save_that_goes_without_a_held_text_does_not_wait(program: Program) -> None:
    """Also where it uses what the held text changes, in a way that fits what is live."""
    program.load("a", OPAQUE.format(start=1) + "def f(x):\n    return x\nclass C:\n    pass\n")
    b = program.load("b", "import a\ndef fb():\n    return 1\n")
    more = "def f(x, more=1):\n    return more\nclass C:\n    def items(self):\n        return 1\ndef new():\n    return 2\n"
    assert not program.edit("a", OPAQUE.format(start=5) + more).applied
    assert program.edit("b", "import a\ndef fb():\n    return a.f(3), dict(new=1).items()\n").applied
    assert b.fb()[0] == 3 and len(program.engine.status().held) == 1
