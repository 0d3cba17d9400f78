"""The commands of README.md, in the order in which they stand there, with a real gunicorn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.hotfix.service import FILES, PRICING, wait_until, write_tree

pytestmark = pytest.mark.once

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
WEB = """\
from shop.pricing import total


def app(environ, start_response):
    start_response("200 OK", [])
    return [str(total(5)).encode()]
"""
GIT = "git -c user.name=t -c user.email=t@example.org -c init.defaultBranch=main"


def test_the_commands_do_what_they_say(tmp_path: Path) -> None:
    """The service is patched, confirmed and led back; the address is another one, since that of the text may be taken."""
    section = README.split("## Hotfix a service\n")[1].split("\n## ")[0]
    terminal, other = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    *first, serve = terminal.replace("127.0.0.1:8000", "127.0.0.1:0").splitlines()
    environment = {**os.environ, "HOTSWAP_SPOOL": str(tmp_path / "spool"), "HOTSWAP_RUNTIME_DIR": str(tmp_path)}
    environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), environment["PATH"]])

    def bash(*lines: str) -> list[str]:
        command = ["bash", "-ec", "\n".join(lines)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150)
        assert done.returncode == 0, done
        return done.stdout.splitlines()

    write_tree(tmp_path, {**FILES, "shop/web.py": WEB})
    bash(f"{GIT} init -q", "git add shop", f"{GIT} commit -qm one", f"{GIT} tag v1.4", f"{GIT} checkout -qb hotfix")
    write_tree(tmp_path, {"shop/pricing.py": PRICING.replace("pieces * 2", "pieces * 3")})
    bash(f"{GIT} commit -qam two", f"{GIT} checkout -q v1.4", *first)
    log = tmp_path / "log"
    words = ["bash", "-ec", "\n".join([first[-1], f"exec {serve}"])]
    server = subprocess.Popen(
        words, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stderr=log.open("wb")
    )
    try:
        wait_until(lambda: log.read_text().count("Booting worker") == 2, "gunicorn has started")
        [url] = set(re.findall(r"Listening at: (\S+)", log.read_text()))

        def total() -> bytes:
            with urllib.request.urlopen(url, timeout=30) as answer:
                held: bytes = answer.read()
            return held

        assert total() == b"10"
        before, after = other.split("hotswap rollback", 1)
        assert any("done" in line and "shop-1" in line for line in bash(before))
        assert total() == b"15"
        assert any("taken back" in line for line in bash("hotswap rollback" + after))
        assert total() == b"10"
    finally:
        server.terminate()
        server.wait(60)
