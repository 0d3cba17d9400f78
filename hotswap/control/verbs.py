"""The commands other than a run itself, with their help, from the tables of settings and commands."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from hotswap.config import OPTIONS
from hotswap.control import channel
from hotswap.control.client import ask, find_process
from hotswap.control.commands import COMMANDS, Command
from hotswap.control.progress import wait
from hotswap.control.terminal import write_lines
from hotswap.errors import CODES, HotswapError
from hotswap.hotfix.attach import attach
from hotswap.hotfix.commands import agents_running, apply, history, order, pause, resume, show_status
from hotswap.hotfix.patch_commands import patch
from hotswap.hotfix.top import top
from hotswap.hotfix.wishes import DEADLINE, moving_options
from hotswap.model import Wish

__all__ = ["cli"]


def _find_version() -> str:
    try:
        return version("hotswap")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "(not installed)"


class _Commands(click.Group):
    """Loads the one command that needs the engine, a third of the time that all others take, when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, "makemigrations"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "makemigrations":
            from hotswap.control.makemigrations import makemigrations

            return makemigrations
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_find_version(), prog_name="hotswap")
def cli() -> None:
    """Run a program and swap its code in place when its source is saved."""


class _RunCommand(click.Command):
    """Shows the options of the table; the arguments themselves go to the parser that a run uses."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] in ("-h", "--help"):
            return super().parse_args(ctx, ["--help"])
        ctx.params = {"words": args}
        return []


def _run(words: list[str]) -> None:
    from hotswap.control.cli import _run as run_program

    run_program(words)


cli.add_command(
    _RunCommand(
        "run",
        callback=_run,
        params=[
            *(click.Option([option.flag], is_flag=not option.metavar, multiple=bool(option.metavar),
                           metavar=option.metavar or None, help=option.help) for option in OPTIONS),
            click.Option(["-m", "module"], metavar="MODULE", help="Run a module, as python -m does."),
        ],
        options_metavar="[OPTIONS] SCRIPT [ARGS]...  |  [OPTIONS] -m MODULE [ARGS]...",
        help="Run a program as python does, and swap its code in place when its source is saved.\n\n"
        "Each option can also stand in [tool.hotswap] of pyproject.toml (site-packages = true), or in the environment "
        "(HOTSWAP_SITE_PACKAGES=1).",
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Commands to a running program
# ---------------------------------------------------------------------------------------------------------------------


#: Those that mean services with an agent, too.
_FOR_AGENTS = ("status", "rollback", "confirm")


def _make_verb(command: Command) -> click.Command:
    def call(
        pid: int | None, as_json: bool, files: tuple[str, ...] = (), group: str | None = None, timeout: float = 30.0,
        door: bool = False, deadline: float | None = None, force: bool = False,
    ) -> None:  # fmt: skip
        try:
            if door and group is None:
                raise click.UsageError("--door needs --group")
            if command.name in _FOR_AGENTS and _means_agent(group, pid):
                if command.name == "status":
                    show_status(group, pid, as_json, door)
                wish = Wish(deadline=DEADLINE if deadline is None else deadline, force=force)
                order(command.name, group, pid, timeout, as_json, door, wish)
            # A program that follows saves waits as it does for these, unless somebody says how.
            moving = {"deadline": DEADLINE if deadline is None else deadline, "force": force}
            more = moving if force or deadline is not None else {}
            result = ask(find_process(pid), command.name, files=files, more=more)
        except HotswapError as exc:
            click.echo(f"hotswap {command.name}: {exc}", err=True)
            sys.exit(1)
        if as_json:
            click.echo(json.dumps({key: value for key, value in result.items() if key != "lines"}))
        else:
            write_lines([tuple((text, style) for text, style in line) for line in result["lines"]], sys.stdout)
        sys.exit(0 if result.get("done", True) else 1)

    params: list[click.Parameter] = [
        click.Option(["--pid"], type=int, help="The process, where several run under hotswap."),
        click.Option(["as_json", "--json"], is_flag=True, help="Print the answer as JSON."),
    ]
    if command.takes_files:
        params.append(click.Argument(["files"], nargs=-1, type=click.Path()))
    if command.name in _FOR_AGENTS:
        params.append(click.Option(["--group"], metavar="NAME", help="The service, where it has an agent."))
        params.append(click.Option(["--timeout"], type=float, default=30.0, help="Seconds that a service gets to answer."))
        params.append(click.Option(["--door"], is_flag=True, help="Ask at the socket of the service (hotswap agent --door)."))
    more = "" if not command.takes_files else "\n\nWithout FILES: every managed file that differs from what is live."
    made = click.Command(command.name, params=params, callback=call, help=command.help + more)
    return moving_options(made, None) if command.name == "rollback" else made


def _means_agent(group: str | None, pid: int | None) -> bool:
    """Whether a service is meant: by its name, by its process, or because nothing runs under ``hotswap run``.

    Raises:
        ChannelError: it could be either; a guess might take back what nobody meant.
    """
    if group is not None:
        return True
    known = channel.list_pids(channel.runtime_folder())
    if not agents_running(pid):
        return False
    if pid is None and known:
        programs = ", ".join(map(str, known))
        raise channel.ChannelError(f"there are services with an agent and programs under hotswap run ({programs}); "
                                   "choose with --group or --pid")  # fmt: skip
    return pid not in known


for _command in COMMANDS.values():
    cli.add_command(_make_verb(_command))


cli.add_command(wait)
for _other in (patch, apply, attach, history, pause, resume, top):
    cli.add_command(_other)


@cli.command("agent", add_help_option=True)
@click.option("--group", metavar="NAME", help="The name of the service.")
@click.option("--trust", metavar="FILE", help="The file of allowed signers; see hotswap apply --help.")
@click.option("--door", is_flag=True, help="Take orders at a socket in the spool, too.")
@click.option("--page", is_flag=True, help="Serve a status page on this machine; hotswap status gives its address.")
@click.option("--signal", "bell", metavar="SIGNAL", help="The doorbell; by default HOTSWAP_SIGNAL or SIGRTMIN+7.")
@click.argument("command", nargs=-1)
def _agent(**_: object) -> None:
    """Run a Python program as it is, with an agent that lets signed patches in."""
    raise click.UsageError("a group and a command are needed: hotswap agent --group NAME -- COMMAND [ARGS]...")


@cli.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what a code (HS203) means and what to do; without CODE, list them all."""
    if code is None:
        for known in CODES.values():
            click.echo(f"{known.code}  {known.title}")
        return
    found = CODES.get(code.upper())
    if found is None:
        click.echo(f"hotswap explain: there is no code {code}; hotswap explain lists them", err=True)
        sys.exit(1)
    write_lines(
        [((found.code + "  ", "code"), (found.title, "plain")), (("", "plain"),), ((found.meaning, "plain"),),
         *([(("-> " + found.remedy, "step"),)] if found.remedy else [])],
        sys.stdout,
    )
