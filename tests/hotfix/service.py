"""A service with an agent, its sources, keys and spool: real processes that the tests talk to through their pipes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from hotswap.control.verbs import cli

PRICING = """\
RATE = 2
TABLE = {pieces: pieces * RATE for pieces in range(4)}


def total(pieces):
    return pieces * 2
"""

CART = """\
class Cart:
    def __init__(self, owner):
        self.owner = owner

    def title(self):
        return self.owner
"""

LATER = """\
def late():
    return "old"
"""

SERVER = """\
import json, os, sys
import shop.pricing
from shop.pricing import total
from shop.cart import Cart
import hotswap

carts = []
print(json.dumps(os.getpid()), flush=True)
for line in sys.stdin:
    try:
        said = eval(line)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps(said), flush=True)
"""

FILES = {"shop/__init__.py": "", "shop/pricing.py": PRICING, "shop/cart.py": CART, "shop/later.py": LATER}
#: Seconds until something that has to happen counts as not happening.
PATIENCE = 60.0


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait for a condition, bounded."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.01)


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return root


class Shop:
    """A place with deployed sources, keys and a spool, in which the commands of the terminal are given."""

    def __init__(self, root: Path, at: str = "deployed") -> None:
        self.root = root
        self.deployed = write_tree(root / at, FILES)
        self.trust = root / "allowed_signers"
        self.key = root / "key"
        self.make_key(self.key)
        self.allow('ops@example.org namespaces="hotswap" ', self.key)
        self.environment = {**os.environ, "HOTSWAP_SPOOL": str(root / "spool"), "HOTSWAP_TRUST": str(self.trust),
                            "HOTSWAP_RUNTIME_DIR": str(root)}  # fmt: skip
        self.environment.pop("HOTSWAP_SIGNAL", None)
        self.processes: list[subprocess.Popen[str]] = []
        self.errors = root / "errors"
        self._made = 0

    @staticmethod
    def make_key(path: Path) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)

    def allow(self, principal: str, key: Path) -> None:
        self.trust.write_text(principal + key.with_suffix(".pub").read_text())
        self.trust.chmod(0o644)

    def hotswap(self, *words: object) -> Result:
        """Give a command, in this process, which is faster; ``test_readme`` runs the real one."""
        return CliRunner().invoke(cli, [str(word) for word in words], env=self.environment, catch_exceptions=False)

    def ask_json(self, *words: object) -> Any:
        return json.loads(self.hotswap(*words, "--json").stdout)

    def build(self, changes: Mapping[str, str], *, number: int = 0, base: Path | None = None, sign: bool = True,
              key: Path | None = None, words: tuple[str, ...] = (), gone: tuple[str, ...] = ()) -> Path:  # fmt: skip
        """A patch of what is deployed (or of another base) to the same with some texts changed."""
        self._made += 1
        new = self.root / f"new{self._made}"
        shutil.copytree(base or self.deployed, new, ignore=shutil.ignore_patterns("__pycache__"))
        write_tree(new, changes)
        for path in gone:
            (new / path).unlink()
        file = self.root / f"{self._made}.hotpatch"
        given = ["--from", base or self.deployed, "--to", new, "--number", number or self._made, "--target", "shop", "-o", file]
        self.done("patch", "build", *given, *words)
        if sign:
            self.done("patch", "sign", file, "--key", key or self.key)
        return file

    def done(self, *words: object) -> str:
        """Give a command that has to succeed."""
        result = self.hotswap(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, code: str, *words: object, exit_code: int = 1) -> str:
        """Give a command that has to be refused with a code."""
        result = self.hotswap(*words)
        assert result.exit_code == exit_code, result.output
        assert code in result.output, result.output
        return result.output

    def start(self, *command: object, group: str = "web", door: bool = False, page: bool = False) -> subprocess.Popen[str]:
        """Start a command with an agent in the folder of what is deployed."""
        more = [*["--door"] * door, *["--page"] * page]
        return self.start_plain("-m", "hotswap", "agent", "--group", group, *more, "--", *command)

    def start_plain(self, *arguments: object) -> subprocess.Popen[str]:
        """Start python in the folder of what is deployed."""
        words = [sys.executable, *map(str, arguments)]
        self.processes.append(subprocess.Popen(
            words, cwd=self.deployed, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors.open("ab"), text=True,
        ))  # fmt: skip
        return self.processes[-1]

    def serve(self, *, group: str = "web", server: str = SERVER, door: bool = False, page: bool = False) -> Service:
        """Start a service that evaluates what it is sent."""
        (self.deployed / "server.py").write_text(server)
        return Service(self.start("python", "server.py", group=group, door=door, page=page))

    def serve_by_itself(self, words: str, before: str = "") -> Service:
        """Start a service that calls ``hotswap.agent`` with these words, after some lines."""
        first = f"import hotswap\n{before}\nhotswap.agent({words})\n"
        (self.deployed / "server.py").write_text(first + SERVER)
        return Service(self.start_plain("server.py"))

    def processes_of(self, group: str = "web") -> list[dict[str, Any]]:
        """What the living processes of a group say of themselves."""
        result = self.hotswap("status", "--group", group, "--json")
        groups = json.loads(result.stdout or "{}").get("groups", [])  # none before the spool is there
        return groups[0]["processes"] if groups else []

    def journal(self, group: str = "web") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.done("history", "--group", group, "--json").splitlines()]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


class Service:
    """A process of the service: what is written to it is evaluated there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = self.read()

    def read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the service has ended"
        return json.loads(line)

    def ask(self, expression: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        return self.read()
