"""The agent in a program: what it costs, what it leaves alone, what it is called with."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hotswap.errors import ConfigError
from hotswap.hotfix.agent import Agent
from hotswap.hotfix.launch import prepare
from hotswap.hotfix.spool import Desired, Spool
from tests.hotfix.service import PRICING, SERVER, Shop, wait_until

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")


def switches(pid: int) -> dict[str, int]:
    """How often each thread of a process but the main one has gone to sleep."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        text = Path(f"/proc/{pid}/task/{task}/status").read_text()
        if int(task) != pid:
            found[task] = int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return found


def test_an_idle_agent_never_wakes_up(shop: Shop) -> None:
    """Its thread sleeps until the doorbell rings; an import hook or a handler in the main thread's way there is none."""
    service = shop.serve()
    before: dict[str, int] = {}

    def is_asleep() -> bool:
        known = dict(before)
        before.update(switches(service.pid))
        time.sleep(0.2)  # one that wakes up more often than this is never seen asleep
        return before == known

    wait_until(is_asleep, "the thread waits for the doorbell")
    began = time.monotonic()
    assert len(before) == 1
    while time.monotonic() < began + 1.0:  # whatever wakes up by itself does so in a second
        assert service.ask("total(5)") == 10
    assert switches(service.pid) == before
    assert service.ask("[type(finder).__name__ for finder in sys.meta_path if 'hotswap' in type(finder).__module__]") == []
    assert service.ask("__import__('signal').set_wakeup_fd(-1)") == -1

    patch = shop.build({"shop/pricing.py": TRIPLE})
    shop.done("apply", patch)
    shop.done("rollback")
    # The doorbell is heard, and threads that had to do with the patch have ended or sleep.
    assert set(switches(service.pid)) >= set(before)
    assert service.ask("[type(finder).__name__ for finder in sys.meta_path if 'hotswap' in type(finder).__module__]") == []


def test_an_error_of_the_agent_itself_says_what_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch may have been applied before it: that nothing was would not be true."""
    agent = Agent(cast(Any, None), "", cast(Any, None))
    agent.stack.live.append(cast(Any, SimpleNamespace(patch=SimpleNamespace(digest="7", manifest=SimpleNamespace(id="shop-7")))))

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Agent, "_follow", fail)
    monkeypatch.setattr(Agent, "_note", lambda *_, **__: None)
    agent._follow_or_say(Desired())
    assert agent.refused[""][0].code == "HS599"
    assert agent.refused[""][0].message.endswith("live is shop-7")


def test_what_is_ordered_while_a_process_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between what it reads and what it says for the first time nobody rings at it: so it reads once more after that."""
    spool = Spool("web", str(tmp_path / "spool" / "web"))
    agent = Agent(spool, "", cast(Any, SimpleNamespace(number=41)))
    write = Agent.write_result

    def order_first(self: Agent) -> None:
        if spool.read_desired().revision == 0:
            spool.write_desired(Desired(revision=1))
            assert spool.read_results() == {}  # so who has ordered does not know it
        write(self)

    monkeypatch.setattr(Agent, "write_result", order_first)
    agent.look()
    assert spool.read_results()[os.getpid()]["seen"] == 1


def test_main_script_and_tracebacks_have_the_text_of_the_patch(shop: Shop) -> None:
    """Of the script itself too, from its first line, in a process that starts with the patch; nothing is written for it."""
    later = SERVER.replace("carts = []", "carts = ['patched']")
    service = shop.serve()
    shop.done("apply", shop.build({"server.py": later, "shop/pricing.py": TRIPLE.replace("return", "# is more\n    return")}))
    trace = "__import__('traceback').format_exception(hotswap.probe)"
    deployed = {path: path.read_bytes() for path in shop.deployed.rglob("*.py")}
    other = shop.start("python", "server.py")
    assert other.stdout is not None
    assert other.stdin is not None
    other.stdout.readline()

    def ask(expression: str) -> str:
        other.stdin.write(expression + "\n")
        other.stdin.flush()
        return other.stdout.readline()

    assert ask("carts") == '["patched"]\n'
    probe = "exec(\"try: total(None)\\nexcept TypeError as error: hotswap.probe = error\", globals())"
    for each in (ask, lambda text: str(service.ask(text))):
        each(probe)
        assert "return pieces * 3" in each(trace)
    assert deployed == {path: path.read_bytes() for path in shop.deployed.rglob("*.py")}


PROGRAM = """\
import os, signal, sys, threading
{before}
import hotswap
try:
    hotswap.agent({words})
except hotswap.HotswapError as error:
    print(type(error).__name__, error)
else:
    {after}
"""


def run(shop: Shop, words: str = "'web'", before: str = "", after: str = "print(hotswap.applied())") -> str:
    (shop.deployed / "own.py").write_text(PROGRAM.format(words=words, before=before, after=after))
    command = [sys.executable, "own.py"]
    done = subprocess.run(command, cwd=shop.deployed, env=shop.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    return done.stdout


def test_one_line_in_the_program(shop: Shop) -> None:
    """What is imported behind the line is patched; a forked child and what it executes are as the program wants them."""
    shop.serve()
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}))
    after = "from shop.pricing import total; print(total(5), hotswap.applied())"
    assert run(shop, after=after) == "15 ('shop-1',)\n"


@pytest.mark.parametrize(
    ("words", "before", "says"),
    [
        ("'web', signal='SIGKILL'", "", "ConfigError SIGKILL is no signal"),
        ("'web', signal='SIGUSR1'", "signal.signal(signal.SIGUSR1, print)", "ConfigError the program handles signal"),
        ("'no/name'", "", "PatchError HS608"),
        ("'web'", "import hotswap; hotswap.start(watch=False)", "ConfigError hotswap.start()"),
    ],
)
def test_what_cannot_be_is_said(shop: Shop, words: str, before: str, says: str) -> None:
    """Before anything is changed in the program."""
    assert run(shop, words, before).startswith(says)


def test_doorbell_reaches_a_process_with_threads_from_before(shop: Shop) -> None:
    """A thread that was there before the agent does not block the signal; the handler passes it on, the program lives."""
    before = "threading.Thread(target=threading.Event().wait, daemon=True).start()"
    after = """
    from hotswap.hotfix.entry import _agent
    from hotswap.hotfix.spool import Desired
    _agent.spool.write_desired(Desired(revision=5))
    os.kill(os.getpid(), signal.SIGRTMIN + 7)
    while _agent.seen != 5:
        threading.Event().wait(0.01)
    print("heard")
"""
    assert run(shop, before=before, after=after) == "heard\n"


def test_a_command_ends_as_it_does_without_an_agent(shop: Shop) -> None:
    """Arguments, exit code and traceback are python's own."""
    (shop.deployed / "own.py").write_text("import sys\nprint(sys.argv, __name__, sys.path[0])\nraise ValueError(sys.argv[1])\n")
    said = []
    for words in ([], ["-m", "hotswap", "agent", "--group", "web", "--", "python"]):
        command = [sys.executable, *words, "own.py", "--flag"]
        done = subprocess.run(command, cwd=shop.deployed, env=shop.environment, capture_output=True, text=True, timeout=120)
        said.append((done.returncode, done.stdout, done.stderr))
    assert said[0] == said[1]
    assert said[0][0] == 1


def test_a_command_line_that_is_wrong(shop: Shop) -> None:
    """Is refused with a sentence before anything is run; as a command with 2."""
    named = ["--group", "web"]
    for words in (["own.py"], named, [*named, "--", "true"], [*named, "--", "python", "-c", "1"]):
        with pytest.raises(ConfigError):
            prepare(words)
    command = [sys.executable, "-m", "hotswap", "agent", "--nothing", "x", "--", "own.py"]
    done = subprocess.run(command, cwd=shop.deployed, env=shop.environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("hotswap agent: --nothing is not known")
