"""Plugins are found, asked in turn, and left out where they are broken; the program and the swap go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotswap.commit import Swap, Write, set_item
from hotswap.engine import Engine
from hotswap.errors import RollbackError
from hotswap.model import ChangeSet, Finding, Plan, Report, Severity, Verdict
from hotswap.plugin import Refusal, Stale, hookimpl
from hotswap.plugin.manager import BUILTIN, Plugins
from hotswap.plugin.specs import Specs
from tests.link.program import Program

V1 = "RATE = 1\ndef f():\n    return 1\n"
V2 = "RATE = 2\ndef f():\n    return 2\n"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as one:
        yield one


def held(code: str) -> Finding:
    return Finding(code=code, severity=Severity.HELD, message="not now", next_step="wait")


# ---- finding them ----


def install(directory: Path, name: str, body: str, target: str | None = None) -> None:
    """A distribution as an installer leaves it: a module, and metadata with an entry point."""
    (directory / f"{name}.py").write_text(body)
    info = directory / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[hotswap]\n{name} = {target or name}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    before = set(sys.modules)
    yield directory
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_entry_points_may_name_modules_objects_and_classes(site: Path) -> None:
    """Each form is loaded, once, and asked."""
    head = "from hotswap.plugin import hookimpl\n"
    hook = "@hookimpl\ndef hotswap_value_kind(value):\n    return 'data' if value == 'module' else None\n"
    install(site, "as_module", head + hook)
    install(site, "as_class", head + "class P:\n    @hookimpl\n    def hotswap_value_kind(self, value):\n"
            "        return 'opaque' if value == 'class' else None\n", "as_class:P")  # fmt: skip
    plugins = Plugins()
    plugins.discover()
    plugins.discover()
    assert plugins.value_kind("module") == "data"
    assert plugins.value_kind("class") == "opaque"
    assert plugins.value_kind("nobody's") is None
    assert plugins.take_findings() == []


@pytest.mark.parametrize(("body", "word"), [
    ("import nowhere_at_all", "could not be loaded"),
    ("raise SystemExit(3)", "could not be loaded"),
    ("def (", "could not be loaded"),
    ("from hotswap.plugin import hookimpl\n@hookimpl\ndef hotswap_comited(report): pass", "there is no hook hotswap_comited"),
    ("from hotswap.plugin import hookimpl\n@hookimpl\ndef hotswap_plan(plan, wish): pass", "was not taken in"),
    ("from hotswap.plugin import hookimpl\n@hookimpl(wrapper=True)\ndef hotswap_plan(plan):\n    return (yield)", "is a wrapper"),
])  # fmt: skip
def test_broken_plugin_becomes_a_finding(site: Path, body: str, word: str) -> None:
    """Whatever is wrong with it, the others are loaded and the reason is named."""
    install(site, "a_broken", body)
    install(site, "b_good", "from hotswap.plugin import hookimpl\n@hookimpl\ndef hotswap_value_kind(value): return 'data'\n")
    plugins = Plugins()
    plugins.discover()
    findings = plugins.take_findings()
    assert [finding.code for finding in findings] == ["HS503"]
    assert word in findings[0].message
    assert "a_broken" in findings[0].message
    assert plugins.value_kind(1) == "data"
    assert plugins.take_findings() == []


def test_builtin_plugins_are_sound() -> None:
    """All built-in plugins are taken in."""
    plugins = Plugins()
    assert plugins.take_findings() == []
    assert {name for name, _ in plugins.manager.list_name_plugin()} == set(BUILTIN)


def test_every_hook_is_documented() -> None:
    """plugins/README.md has every hook of the specifications."""
    text = (Path(__file__).resolve().parents[2] / "plugins" / "README.md").read_text()
    hooks = [name for name in vars(Specs) if name.startswith("hotswap_")]
    assert len(hooks) >= 10
    assert [name for name in hooks if name not in text] == []


# ---- one swap ----


class Recorder:
    """Notes which hooks a swap calls, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl
    def hotswap_attach(self, engine: Engine) -> None:
        self.calls.append("attach")

    @hookimpl
    def hotswap_plan(self, plan: Plan) -> None:
        self.calls.append(f"plan {plan.verdict}")

    @hookimpl
    def hotswap_quiesce(self, plan: Plan) -> None:
        self.calls.append("quiesce")

    @hookimpl
    def hotswap_prepare(self, plan: Plan) -> None:
        self.calls.append("prepare")

    @hookimpl
    def hotswap_release(self) -> None:
        self.calls.append("release")

    @hookimpl
    def hotswap_pair_members(self, live: type, staged: type) -> None:
        self.calls.append(f"pair {live.__name__}")

    @hookimpl
    def hotswap_class_shape(self, cls: type) -> None:
        if "shape" not in self.calls[-1]:
            self.calls.append("shape")

    @hookimpl
    def hotswap_rebuild_class(self, pair: Any, swap: Swap) -> None:
        self.calls.append(f"rebuild {pair.path}")

    @hookimpl
    def hotswap_stale_caches(self, stale: Stale) -> None:
        self.calls.append("caches")

    @hookimpl
    def hotswap_before_commit(self, swap: Swap) -> None:
        self.calls.append("before")

    @hookimpl
    def hotswap_settle(self, plan: Plan) -> None:
        self.calls.append("settle")

    @hookimpl
    def hotswap_after_commit(self, report: Report) -> None:
        self.calls.append(f"after {report.number}")

    @hookimpl
    def hotswap_after_rollback(self, report: Report) -> None:
        self.calls.append(f"back {report.number}")

    @hookimpl
    def hotswap_detach(self) -> None:
        self.calls.append("detach")


def test_hooks_are_called_in_the_order_of_the_specifications(program: Program) -> None:
    """A swap of a class and its rollback call the hooks in life-cycle order."""
    program.load("lib", "class C:\n    x = 1\n")
    recorder = Recorder()
    program.engine.plugins.register(recorder, "recorder")
    program.engine.plugins.attach(program.engine)
    assert program.edit("lib", "class C:\n    x = 2\n").applied
    program.engine.rollback()
    program.engine.plugins.detach()
    assert recorder.calls == [
        "attach", "plan swap", "quiesce", "prepare", "pair C", "rebuild C", "shape", "caches", "before", "settle", "after 1",
        "release", "quiesce", "prepare", "settle", "back 1", "release", "detach",
    ]  # fmt: skip


class Broken:
    """Raises in every hook that it has."""

    @hookimpl
    def hotswap_plan(self, plan: Plan) -> list[Finding]:
        raise RuntimeError("in plan")

    @hookimpl
    def hotswap_value_kind(self, value: object) -> str:
        raise SystemExit("in kind")

    @hookimpl
    def hotswap_rebuild_class(self, pair: Any, swap: Swap) -> set[str]:
        swap.add(Write((int,), (int,), "half of something"))
        raise RuntimeError("in rebuild")

    @hookimpl
    def hotswap_stale_caches(self, stale: Stale) -> Iterator[Write]:
        yield Write((int,), (int,), "half of something")
        raise RuntimeError("in caches")

    @hookimpl
    def hotswap_before_commit(self, swap: Swap) -> int:
        return 3

    @hookimpl
    def hotswap_after_commit(self, report: Report) -> None:
        raise RuntimeError("in after")


def test_plugin_that_raises_is_left_out_and_named(program: Program) -> None:
    """The swap is applied, nothing that the plugin had prepared is among the writes, each failure is a finding."""
    lib = program.load("lib", V1 + "class C:\n    x = 1\n")
    program.engine.plugins.register(Broken(), "broken")
    report = program.edit("lib", V2 + "class C:\n    x = 2\n")
    assert report.applied, str(report)
    assert (lib.RATE, lib.f(), lib.C.x) == (2, 2, 2)
    found = [finding for finding in report.findings if finding.code == "HS503"]
    for word in ("in plan", "in kind", "in rebuild", "in caches", "gave 3", "in after"):
        assert any(word in finding.message for finding in found), word
    assert all("plugin broken" in finding.message for finding in found)
    assert "half of something" not in [write.what for write in program.engine.world.history[-1].swap.writes]


class Veto:
    def __init__(self, finding: Finding, where: str) -> None:
        self.finding, self.where = finding, where

    @hookimpl
    def hotswap_plan(self) -> list[Finding]:
        return [self.finding] if self.where == "plan" else []

    @hookimpl
    def hotswap_rebuild_class(self) -> None:
        if self.where == "rebuild":
            raise Refusal(self.finding)

    @hookimpl
    def hotswap_before_commit(self) -> list[Finding]:
        return [self.finding] if self.where == "before" else []


@pytest.mark.parametrize("where", ["plan", "rebuild", "before"])
@pytest.mark.parametrize(("code", "verdict"), [("HS212", Verdict.RESTART), ("HS301", Verdict.ASK)])
def test_plugin_may_refuse_at_each_stage(program: Program, where: str, code: str, verdict: Verdict) -> None:
    """A held finding, or a Refusal, stops the swap before anything is written; the code says what is asked for."""
    lib = program.load("lib", V1 + "class C:\n    x = 1\n")
    program.engine.plugins.register(Veto(held(code), where), "veto")
    report = program.edit("lib", V2 + "class C:\n    x = 2\n")
    assert not report.applied
    assert report.verdict is verdict
    assert report.held == (held(code),)
    assert (lib.RATE, lib.f(), lib.C.x) == (1, 1, 1)


class Busy:
    """A program that cannot be brought to rest, for so many times."""

    def __init__(self, times: int) -> None:
        self.times, self.calls = times, 0

    @hookimpl
    def hotswap_quiesce(self, plan: Plan) -> list[Finding]:
        self.calls += 1
        return [held("HS510")] if self.calls <= self.times else []

    @hookimpl
    def hotswap_release(self) -> None:
        self.calls += 100


def test_a_program_that_is_busy_holds_a_swap_and_a_rollback(program: Program) -> None:
    """Nothing is changed, no restart is asked for, it is let go each time; an empty swap tries again what is held."""
    lib = program.load("lib", V1)
    busy = Busy(1)
    program.engine.plugins.register(busy, "busy")
    report = program.edit("lib", V2)
    assert (report.applied, report.verdict, report.held) == (False, Verdict.ASK, (held("HS510"),))
    assert (lib.RATE, busy.calls) == (1, 101)
    assert program.engine.swap(ChangeSet(files=())).applied
    assert (lib.RATE, busy.calls) == (2, 202)
    busy.times = 300
    with pytest.raises(RollbackError, match="HS510 not now"):
        program.engine.rollback()
    assert (lib.RATE, busy.calls) == (2, 303)


class Unsettled:
    """Something outside that follows what is live, or does not."""

    def __init__(self, lib: Any) -> None:
        self.lib, self.seen, self.fails = lib, [], True

    @hookimpl
    def hotswap_settle(self, plan: Plan) -> list[Finding]:
        self.seen.append(self.lib.RATE)
        return [held("HS212")] if self.fails else []


def test_what_cannot_follow_takes_the_swap_back(program: Program) -> None:
    """It is asked again when the swap is taken back, follows a rollback, and the next save is tried as ever."""
    lib = program.load("lib", V1)
    unsettled = Unsettled(lib)
    program.engine.plugins.register(unsettled, "unsettled")
    report = program.edit("lib", V2)
    assert (report.applied, report.verdict, report.held) == (False, Verdict.ASK, (held("HS212"),))
    assert (lib.RATE, lib.f(), unsettled.seen) == (1, 1, [2, 1])
    assert program.engine.status().swaps == ()
    unsettled.fails = False
    assert program.edit("lib", V2 + "# again\n").applied
    assert program.engine.rollback().rolled_back
    assert (lib.RATE, unsettled.seen) == (1, [2, 1, 2, 1])


def test_a_refused_plan_does_not_bring_the_program_to_rest(program: Program) -> None:
    """Nobody has to wait for what is not going to be linked."""
    program.load("lib", V1)
    busy = Busy(0)
    program.engine.plugins.register(busy, "busy")
    assert not program.edit("lib", "def f(:\n").applied
    assert busy.calls == 0


def test_a_plugin_may_stand_for_another(program: Program) -> None:
    """One that is named in REPLACES is asked no more, be it registered before or afterwards."""
    program.load("lib", V1)

    class Better:
        REPLACES = ("veto", "late")

    plugins = program.engine.plugins
    plugins.register(Veto(held("HS212"), "plan"), "veto")
    plugins.register(Better(), "better")
    plugins.register(Veto(held("HS212"), "plan"), "late")
    assert program.edit("lib", V2).applied
    assert program.engine.plugins.take_findings() == []


class Follow:
    """Adds a write of its own."""

    def __init__(self, table: dict[str, int]) -> None:
        self.table = table

    @hookimpl
    def hotswap_before_commit(self, swap: Swap) -> list[Finding]:
        swap.add(set_item(self.table, "swaps", 1))
        return [Finding(code="HS407", severity=Severity.NOTE, message="noted")]


def test_writes_of_a_plugin_are_part_of_the_commit(program: Program) -> None:
    """They are made with all others and taken back with them."""
    program.load("lib", V1)
    table: dict[str, int] = {}
    program.engine.plugins.register(Follow(table), "follow")
    report = program.edit("lib", V2)
    assert table == {"swaps": 1}
    assert "noted" in [finding.message for finding in report.findings]
    program.engine.rollback()
    assert table == {}


class Connection:
    """A class outside of managed modules."""

    made = 0

    def __init__(self, size: int) -> None:
        self.size = size


class Kinds:
    def __init__(self, kind: str | None) -> None:
        self.kind = kind

    @hookimpl
    def hotswap_value_kind(self, value: object) -> str | None:
        return self.kind if isinstance(value, Connection) else None


@pytest.mark.parametrize(("kind", "codes", "size"), [(None, ["HS205"], 1), ("opaque", ["HS205"], 1), ("data", [], 2)])
def test_plugin_says_what_a_value_is(program: Program, kind: str | None, codes: list[str], size: int) -> None:
    """An object of an unknown class is kept; a plugin may declare it plain data, which is made anew."""
    program.library("foreign", "").__dict__["Connection"] = Connection
    lib = program.load("lib", "from foreign import Connection\nLINK = Connection(1)\n")
    program.engine.plugins.register(Kinds(kind), "kinds")
    report = program.edit("lib", "from foreign import Connection\nLINK = Connection(2)\n")
    assert [finding.code for finding in report.held] == codes
    assert lib.LINK.size == size
