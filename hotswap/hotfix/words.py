"""What the commands around patches share: how they end, and the options that several have.

Exit codes, for scripts: 0 done; 1 refused, and nothing is changed; 2 the command line is wrong; 3 not all processes have the same
now, look at ``hotswap status``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from hotswap.errors import HotswapError, PatchError
from hotswap.hotfix.patch import MAX_PATCH

__all__ = [
    "MIXED", "REFUSED", "door_option", "group_option", "guarded", "json_option", "read_file", "timeout_option",
    "trust_option", "write_file",
]  # fmt: skip

REFUSED, MIXED = 1, 3


def _fail(command: str, error: HotswapError, as_json: bool = False) -> None:
    if as_json:
        code = error.code if isinstance(error, PatchError) else ""
        click.echo(json.dumps({"done": False, "error": {"code": code, "message": str(error)}}))
    click.echo(f"hotswap {command}: {error}", err=True)
    sys.exit(REFUSED)


def guarded(command: str, act: Callable[[], None], as_json: bool = False) -> None:
    try:
        act()
    except HotswapError as error:
        _fail(command, error, as_json)
    except OSError as error:
        _fail(command, PatchError("HS601", f"{error.filename or ''}: {error.strerror or error}", "name another file"), as_json)


def read_file(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(MAX_PATCH + 1)


def write_file(path: str, data: bytes) -> None:
    fresh = Path(f"{path}.{os.getpid()}.new")
    fresh.write_bytes(data)
    fresh.replace(path)


json_option = click.option("as_json", "--json", is_flag=True, help="Print the answer as JSON.")
trust_option = click.option("--trust", help="Allowed signers; by default HOTSWAP_TRUST or /etc/hotswap/allowed_signers.")
group_option = click.option("--group", metavar="NAME", help="The service, where agents of several run.")
door_option = click.option("--door", is_flag=True, help="Ask at the socket of the service (hotswap agent --door).")
timeout_option = click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds to answer in.")
