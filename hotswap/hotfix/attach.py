"""``hotswap attach``: an agent brought into a process that was started without one.

CPython can execute a file in another process since 3.14 (PEP 768, ``sys.remote_exec``). Before that there is no way that is safe
at any point of a program: a debugger may stop it while it holds a lock, or in the middle of an allocation.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from hotswap.errors import PatchError
from hotswap.hotfix.orders import INTERVAL, living
from hotswap.hotfix.processes import find_process, is_own
from hotswap.hotfix.signing import default_trust
from hotswap.hotfix.spool import Spool, spool_folder
from hotswap.hotfix.words import guarded, timeout_option, trust_option

__all__ = ["attach"]

# Executed in the main thread of the other process, between two of its instructions. What goes wrong is written beside it, since
# an exception would only be printed there: that program's own, at the border to it. Its Ctrl-C stays its own.
SCRIPT = """\
def _hotswap_attach():
    import os, sys, traceback
    os.environ["HOTSWAP_SPOOL"] = {spool!r}
    sys.path.append({path!r})
    try:
        import hotswap
        hotswap.agent({group!r}, trust={trust!r})
    except (Exception, SystemExit) as error:
        with open({errors!r}, "w", encoding="utf-8") as stream:
            stream.write(f"{{type(error).__name__}}: {{error}}")
    finally:
        # The last one: the program may have the same further in front.
        del sys.path[max(at for at, each in enumerate(sys.path) if each == {path!r})]

_hotswap_attach()
del _hotswap_attach
"""


@click.command()
@click.argument("pid", type=int)
@click.option("--group", required=True, metavar="NAME", help="The name that the service gets.")
@trust_option
@timeout_option
def attach(pid: int, group: str, trust: str | None, timeout: float) -> None:
    """Bring an agent into a running process that was started without one; needs CPython 3.14 on both sides."""

    def act() -> None:
        bring_agent(pid, Spool.of(group), os.path.abspath(trust or default_trust()), timeout)
        click.echo(f"process {pid} has an agent of group {group}")

    guarded("attach", act)


def bring_agent(pid: int, spool: Spool, trust: str, timeout: float) -> None:
    """Have another process start an agent, and wait until that has answered.

    Args:
        trust: the file of allowed signers.
        timeout: seconds.

    Raises:
        PatchError: HS625, it cannot be; HS611, the process has not come to execute it in time.
    """
    remote_exec: Callable[[int, str], Any] | None = getattr(sys, "remote_exec", None)
    if remote_exec is None:
        version = ".".join(map(str, sys.version_info[:2]))
        raise PatchError("HS625", f"an agent can be brought into a running process by CPython 3.14 and later; this is {version}")
    process = find_process(pid)
    if process is None or not is_own(process):
        raise PatchError("HS625", f"there is no process {pid} of this user")
    spool.check(create=True)
    if pid in living(spool):
        raise PatchError("HS625", f"process {pid} has an agent already", "hotswap status")
    script, errors = (os.path.join(spool.folder, f"attach-{pid}.{kind}") for kind in ("py", "errors"))
    path = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    text = SCRIPT.format(spool=spool_folder(), path=path, group=spool.group, trust=trust, errors=errors)
    with open(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    try:
        try:
            remote_exec(pid, script)
        except (OSError, RuntimeError) as error:  # another version of Python, or a process that does not let it
            raise PatchError("HS625", f"process {pid} cannot be entered: {error}") from error
        _wait_for_agent(pid, spool, errors, timeout)
    finally:
        for each in (script, errors):
            if os.path.exists(each):
                os.unlink(each)


def _wait_for_agent(pid: int, spool: Spool, errors: str, timeout: float) -> None:
    end = time.monotonic() + timeout
    while pid not in living(spool):
        if os.path.exists(errors):
            with open(errors, encoding="utf-8") as stream:
                raise PatchError("HS625", f"process {pid} has started no agent: {stream.read()}")
        if time.monotonic() > end:
            why = f"process {pid} has not come to start an agent in time: its main thread waits in C, or executes nothing"
            raise PatchError("HS611", why, "ask again when it has something to do; or start it with hotswap agent")
        time.sleep(INTERVAL)
