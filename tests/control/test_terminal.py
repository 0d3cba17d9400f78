"""What a person reads."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from click.testing import CliRunner

from hotswap.control.layout import MAX_EDITS, Layout, Outlook
from hotswap.control.terminal import Reporter, write_lines
from hotswap.control.verbs import cli
from hotswap.errors import CODES
from hotswap.model import (
    Edit,
    EditKind,
    Finding,
    Mechanism,
    ModulePlan,
    Plan,
    Redirect,
    Report,
    Severity,
    Status,
    Timing,
    Verdict,
)

BODY = Edit(module="shop.cart", qualname="Cart.total", kind=EditKind.BODY, line=41)
DATA = Edit(module="shop.cart", qualname="RATE", kind=EditKind.DATA, line=3, detail="19 -> 20")
KEPT = Finding(code="HS401", severity=Severity.KEPT, message="the program changed shop.cart.RATE", file="/w/shop/cart.py", line=3,
               next_step="assign it by hand")  # fmt: skip
NOTE = Finding(code="HS403", severity=Severity.NOTE, message="worker-3 is in Cart.total", file="/w/shop/cart.py", line=44)
HELD = Finding(code="HS101", severity=Severity.HELD, message="invalid syntax", file="/w/shop/cart.py", line=2,
               next_step="Mend the text.",
               excerpt='  File "/w/shop/cart.py", line 2\n    def f(:\n          ^\nSyntaxError: …\n')  # fmt: skip
NEEDS_RESTART = Finding(code="HS203", severity=Severity.HELD, message="metaclass", file="/w/shop/cart.py", next_step="Restart.")


def plan(*edits: Edit, verdict: Verdict = Verdict.SWAP) -> Plan:
    return Plan(verdict=verdict, modules=(ModulePlan(module="shop.cart", file="/w/shop/cart.py", edits=edits),))


def applied(**more: Any) -> Report:
    redirects = tuple(Redirect(module="m", qualname=str(n), mechanism=Mechanism.JUMP) for n in range(3))
    values: dict[str, Any] = {
        "number": 4, "applied": True, "plan": plan(BODY, DATA), "verdict": Verdict.SWAP, "findings": (NOTE, KEPT), "writes": 14,
        "redirects": (*redirects, Redirect(module="m", qualname="x", mechanism=Mechanism.REBIND)),
        "timing": Timing(total=8.21, live=12.34),
    }  # fmt: skip
    return Report(**{**values, **more})


def refused(verdict: Verdict, *findings: Finding, edits: tuple[Edit, ...] = ()) -> Report:
    return Report(number=0, applied=False, plan=Plan(verdict=verdict) if not edits else plan(*edits, verdict=verdict),
                  verdict=verdict, findings=findings)  # fmt: skip


def text_of(report: Report, outlook: Outlook = "none") -> str:
    out = io.StringIO()
    write_lines(Layout("/w").report(report, outlook), out)
    return out.getvalue()


def test_an_applied_swap_names_everything() -> None:
    """What changed, by which mechanism, what was kept, what to know, and the time to live."""
    assert text_of(applied()) == (
        "hotswap  swap 4 live after 12.3 ms: shop/cart.py\n"
        "         body      shop.cart.Cart.total (line 41)\n"
        "         data      shop.cart.RATE (line 3, 19 -> 20)\n"
        "         by        3 jump, 1 rebind, 14 writes\n"
        "         kept      HS401 the program changed shop.cart.RATE (shop/cart.py:3)\n"
        "           -> assign it by hand\n"
        "         note      HS403 worker-3 is in Cart.total (shop/cart.py:44)\n"
    )


def test_a_refusal_shows_the_error_as_python_does() -> None:
    """Code, place, excerpt, next step."""
    assert text_of(refused(Verdict.ASK, HELD)) == (
        "hotswap  held, the old code serves on: shop/cart.py\n"
        "         held      HS101 invalid syntax (shop/cart.py:2)\n"
        '             File "/w/shop/cart.py", line 2\n'
        "               def f(:\n"
        "                     ^\n"
        "           SyntaxError: …\n"
        "           -> Mend the text.\n"
    )


def test_a_restart_and_a_restart_that_is_held() -> None:
    """The headline says which of the two it is."""
    report = refused(Verdict.RESTART, NEEDS_RESTART, edits=(BODY,))
    assert text_of(report, "restarting").startswith("hotswap  restarting: shop/cart.py\n")
    held = text_of(report, "held").splitlines()
    assert held[0] == "hotswap  held, the old code serves on: shop/cart.py"
    assert "held by --no-restart" in held[-1]


def test_a_rollback_is_called_one() -> None:
    """Not a new swap."""
    assert text_of(applied(rolled_back=True)).splitlines()[0] == "hotswap  swap 4 taken back: shop/cart.py"


def test_hundreds_of_edits_are_summed_up() -> None:
    """A checkout stays readable."""
    edits = tuple(Edit(module="m", qualname=str(n), kind=EditKind.BODY, line=n) for n in range(200))
    lines = text_of(applied(plan=plan(*edits))).splitlines()
    assert f"and {200 - MAX_EDITS} body" in lines[1 + MAX_EDITS]
    assert len(lines) < MAX_EDITS + 10


def test_many_files_are_counted() -> None:
    """In the headline."""
    modules = tuple(ModulePlan(module=f"m{n}", file=f"/w/m{n}.py") for n in range(500))
    assert "500 files" in text_of(applied(plan=Plan(verdict=Verdict.SWAP, modules=modules))).splitlines()[0]


def test_a_plan_and_a_status_are_laid_out() -> None:
    """For preview and status."""
    out = io.StringIO()
    module = ModulePlan(module="m", file="/w/m.py", edits=(DATA,), execute=((2, 3),))
    write_lines(Layout("/w").plan(Plan(verdict=Verdict.SWAP, modules=(module,), findings=(KEPT,))), out)
    write_lines(Layout("/w").status(Status(modules=(("m", "/w/m.py"),), swaps=(applied(),), held=(HELD,),
                                           mechanisms=(("m", "f", Mechanism.PROXY),))), out)  # fmt: skip
    assert out.getvalue().splitlines()[:4] == [
        "verdict: swap",
        "m.py (m)",
        "         data      shop.cart.RATE (line 3, 19 -> 20)",
        "         evaluates line 3",
    ]
    for line in ("modules: 1", "  m  m.py", "swaps: 1", "  4  shop/cart.py  2 edits, 8.2 ms", "  proxy      m.f", "held: 1"):
        assert line in out.getvalue().splitlines()


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_a_file_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source text is never taken for markup."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    tricky = Finding(code="HS110", severity=Severity.HELD, message="[bold]x[/] :smile: [link=1]")
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        Reporter(stream=stream).show(refused(Verdict.ASK, tricky))
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in file.getvalue()
    assert "[bold]x[/] :smile: [link=1]" in terminal.getvalue()
    assert "[bold]x[/] :smile: [link=1]" in file.getvalue()


def test_a_long_line_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path can be copied from the terminal whole."""
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    Reporter(stream=terminal).notice(Finding(code="HS104", severity=Severity.HELD, message="x", file="/w/" + "long" * 60))
    assert "long" * 60 in terminal.getvalue()


def test_what_the_stream_cannot_encode_is_escaped() -> None:
    """An ASCII terminal does not stop the watcher."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Reporter(stream=stream).show(refused(Verdict.ASK, HELD))
    stream.seek(0)
    assert "SyntaxError: \\u2026" in stream.read()


def test_a_closed_stream_is_not_an_error() -> None:
    """The program has closed stderr, or never had one."""
    stream = io.StringIO()
    stream.close()
    Reporter(stream=stream).show(applied())


def test_nothing_to_swap_prints_nothing() -> None:
    """A new file that nobody imports is not worth a block."""
    stream = io.StringIO()
    Reporter(stream=stream).show(refused(Verdict.NOTHING))
    assert stream.getvalue() == ""


def test_json_and_quiet() -> None:
    """One line per report; quiet keeps what was not applied."""
    machine, quiet = io.StringIO(), io.StringIO()
    for report in (applied(), refused(Verdict.ASK, HELD)):
        Reporter(as_json=True, stream=machine).show(report)
        Reporter(quiet=True, stream=quiet).show(report)
    Reporter(as_json=True, stream=machine).notice(NOTE)
    Reporter(quiet=True, stream=quiet).notice(NOTE)
    rows = [json.loads(line) for line in machine.getvalue().splitlines()]
    assert [row.get("number") for row in rows] == [4, 0, None]
    assert rows[2]["finding"]["code"] == "HS403"
    assert quiet.getvalue().splitlines()[0].startswith("hotswap  held")


# -- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    """Title, meaning and remedy as they stand in the table."""
    result = CliRunner().invoke(cli, ["explain", code.lower()])
    assert result.exit_code == 0
    for part in (code, CODES[code].title, CODES[code].meaning, CODES[code].remedy):
        assert part in result.output


def test_an_unknown_code_and_the_list() -> None:
    """explain alone lists all."""
    assert CliRunner().invoke(cli, ["explain", "HS000"]).exit_code == 1
    assert len(CliRunner().invoke(cli, ["explain"]).output.splitlines()) == len(CODES)


def test_the_help_names_every_option_and_command() -> None:
    """From the same tables that the parser and the socket read."""
    from hotswap.config import OPTIONS
    from hotswap.control.commands import COMMANDS

    overview = CliRunner().invoke(cli, ["--help"]).output
    run_help = CliRunner().invoke(cli, ["run", "--help"]).output
    assert all(f"  {name} " in overview for name in (*COMMANDS, "run", "explain"))
    assert all(option.flag in run_help for option in OPTIONS)
    assert "-m MODULE" in run_help
    assert CliRunner().invoke(cli, ["--version"]).exit_code == 0
