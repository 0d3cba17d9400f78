"""kill -9 at every step at which something is made durable or told: the next start has the old or the new state, and tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.hotfix.service import PRICING, Shop

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")

# Dies at the so-many-th call of one of these, before it is done; imported once, forked for each try.
COUNTED = """\
import os, signal
def die_at(limit, count=[0]):
    count[0] = 0
    for name in ("fsync", "replace", "kill", "unlink"):
        def counted(*words, real=getattr(os, name)):
            count[0] += 1
            if count[0] == limit: signal.raise_signal(signal.SIGKILL)
            return real(*words)
        setattr(os, name, counted)
"""
TERMINAL = COUNTED + """
import json, sys
from hotswap.control.verbs import cli
for line in sys.stdin:
    limit, words = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        die_at(limit)
        cli(words)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.once
def test_the_terminal_is_killed_at_every_step(shop: Shop) -> None:
    """Nothing is wanted, or it is wanted and the next one who orders it carries it out; and so with the way back."""
    service = shop.serve()
    patch = shop.build({"shop/pricing.py": TRIPLE})
    words = [sys.executable, "-c", TERMINAL]
    terminal = subprocess.Popen(words, env=shop.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    shop.processes.append(terminal)
    assert terminal.stdin is not None
    assert terminal.stdout is not None
    has = {10: [], 15: ["shop-1"]}
    for command, after in ((["apply", str(patch)], 15), (["rollback", "--group", "web"], 10)):
        code, limit = -signal.SIGKILL, 0
        while code == -signal.SIGKILL:
            limit += 1
            assert limit < 40
            print(json.dumps([limit, command]), file=terminal.stdin, flush=True)
            code = int(terminal.stdout.readline())
            result = shop.hotswap("status", "--group", "web", "--json")
            [group] = json.loads(result.stdout)["groups"]
            wanted = [order["id"] for order in group["wanted"]]
            total, applied = service.ask("(total(5), hotswap.applied())")
            assert applied == has[total]
            assert wanted in has.values()
            assert result.exit_code == (0 if wanted == applied else 3)
            if code == -signal.SIGKILL:  # as it was before, for the next try
                if after == 15 and wanted:
                    shop.done(*command)
                    shop.done("rollback")
                elif after == 10 and not wanted:
                    shop.done("apply", patch)
                elif after == 10:
                    shop.done("apply", patch)  # who has heard nothing hears now
        assert (code, service.ask("total(5)")) == (0, after)
        assert limit > 3


@pytest.mark.slow
def test_the_process_is_killed_at_every_step(shop: Shop) -> None:
    """The order was not carried out then, as the journal shows; the next start has the old state. Nothing ends in between.

    ``.venv/bin/python -m pytest -m slow tests/hotfix``
    """
    patch = shop.build({"shop/pricing.py": TRIPLE})
    limit, ended = 0, True
    while ended:
        limit += 1
        assert limit < 20
        service = shop.serve()
        service.ask(f"exec({COUNTED!r}, globals())")
        service.ask(f"die_at({limit})")
        result = shop.hotswap("apply", patch)
        ended = result.exit_code != 0
        if not ended:
            assert service.ask("(total(5), hotswap.applied())") == [15, ["shop-1"]]
            break
        assert service.process.wait(60) == -signal.SIGKILL
        assert [entry["event"] for entry in shop.journal()][-1] == "not carried out"
        status = shop.hotswap("status", "--group", "web", "--json")
        assert status.exit_code in (0, 1)  # nobody lives, or nobody and nothing wanted
    assert limit > 2
    os.kill(service.pid, signal.SIGKILL)  # and with the patch live: the next one has it
    service.process.wait()
    again = shop.serve()
    assert again.ask("(total(5), hotswap.applied())") == [15, ["shop-1"]]
    assert shop.hotswap("status").exit_code == 0
