"""What a person sees of services, and agents that are brought into processes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hotswap
from hotswap.errors import PatchError
from hotswap.hotfix.attach import bring_agent
from hotswap.hotfix.spool import Spool
from tests.hotfix.service import PRICING, SERVER, Service, Shop, wait_until
from tests.hotfix.test_health import MIGRATION

pytestmark = pytest.mark.once

TRIPLE = PRICING.replace("pieces * 2", "pieces * 3")


def test_top_shows_what_is_live_and_what_is_left(shop: Shop) -> None:
    """Patches with their time, processes, objects that cannot be converted; once where there is no terminal."""
    service = shop.serve()
    service.ask("carts.extend(Cart(str(number)) for number in range(7770, 7780))")
    patch = shop.build({"shop/cart.py": MIGRATION})
    shop.done("apply", patch, "--confirm-within", 3600, "--failure-budget", 5)

    def lines() -> list[list[str]]:
        return [line.split() for line in shop.done("top", "--once").splitlines()]

    wait_until(lambda: [str(service.pid), "shop-1", "1", "1"] in lines(), "one is left, and has failed")
    text = shop.done("top")
    assert "unless it is confirmed" in text
    assert "web  1 processes" in text
    shop.done("pause")
    assert "paused" in shop.done("top", "--group", "web")
    shop.refused("HS611", "top", "--group", "nobody")


def test_who_looks_sees_whom_a_change_waits_for(shop: Shop) -> None:
    """While it waits, and nothing of it afterwards; ``status`` tells the same."""
    service = shop.serve()
    service.ask("globals().update(over=__import__('threading').Event())")
    service.ask("setattr(shop.pricing, 'held', hotswap.task('long one')(over.wait))")
    service.ask("__import__('threading').Thread(target=shop.pricing.held, name='busy', daemon=True).start()")
    patch = shop.build({"shop/pricing.py": TRIPLE})
    words = ["-m", "hotswap", "apply", patch, "--consistency", "quiescent", "--deadline", "60"]
    with subprocess.Popen([sys.executable, *words], env=shop.environment, stdout=subprocess.PIPE, text=True) as terminal:
        try:
            wait_until(lambda: "waits for long one" in shop.hotswap("top", "--once").output, "top names it")
            told = shop.hotswap("status").output
            assert "apply of shop-1 (quiescent) is under way for" in told
            assert "in busy" in told
        finally:
            service.ask("over.set()")
        assert "done" in terminal.communicate(timeout=60)[0]
    assert service.ask("total(5)") == 15
    assert "under way" not in shop.done("status") + shop.done("top", "--once")


def test_top_in_a_terminal_until_it_is_stopped(shop: Shop) -> None:
    """It follows what is done, and ends at Ctrl-C without a traceback."""
    shop.serve()
    here, there = pty.openpty()
    environment = {**shop.environment, "TERM": "xterm", "COLUMNS": "200"}
    words = [sys.executable, "-m", "hotswap", "top", "--interval", "0.1"]
    process = subprocess.Popen(words, env=environment, stdin=there, stdout=there, stderr=there)
    os.close(there)
    seen = b""
    try:
        for needle in (b"no patch", b"shop-1"):
            while needle not in seen:
                seen += os.read(here, 65536)  # ends with an error where the process ends
            if needle == b"no patch":
                shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}))
        process.send_signal(signal.SIGINT)
        try:
            while part := os.read(here, 65536):
                seen += part
        except OSError:  # Linux says so when the other side has closed
            pass
        assert process.wait(60) == 0
        assert b"Traceback" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(here)


def plain_service(shop: Shop) -> Service:
    (shop.deployed / "server.py").write_text(SERVER)
    return Service(shop.start_plain("server.py"))


def test_attach_is_refused_where_python_does_not_allow_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before CPython 3.14 there is no way in that is safe; the sentence says what there is."""
    monkeypatch.delattr(sys, "remote_exec", raising=False)
    service = plain_service(shop)
    assert "CPython 3.14" in shop.refused("HS625", "attach", service.pid, "--group", "web")
    assert service.ask("total(5)") == 10


def test_attach_brings_an_agent(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that is handed over starts one, which lets patches in; what goes wrong there is said here.

    How the file gets into the process is the interpreter's part; here the process reads it when it is told to.
    """
    service = plain_service(shop)
    monkeypatch.setattr(sys, "remote_exec", lambda pid, path: service.ask(f"exec(open({path!r}).read(), {{}})"), raising=False)
    monkeypatch.setenv("HOTSWAP_SPOOL", shop.environment["HOTSWAP_SPOOL"])
    service.ask("__import__('signal').signal(__import__('signal').SIGRTMIN + 7, print) and None")
    assert "the program handles signal" in shop.refused("HS625", "attach", service.pid, "--group", "web")
    service.ask("__import__('signal').signal(__import__('signal').SIGRTMIN + 7, __import__('signal').SIG_DFL) and None")
    folder = str(Path(hotswap.__file__).parents[1])
    service.ask(f"__import__('sys').path.insert(0, {folder!r})")
    before = service.ask("__import__('sys').path")
    shop.done("attach", service.pid, "--group", "web")
    assert service.ask("__import__('sys').path") == before
    shop.done("apply", shop.build({"shop/pricing.py": TRIPLE}))
    assert service.ask("(total(5), hotswap.applied())") == [15, ["shop-1"]]
    assert "has an agent already" in shop.refused("HS625", "attach", service.pid, "--group", "web")
    assert [path.name for path in Path(shop.root / "spool" / "web").glob("attach*")] == []


def test_attach_to_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is not there, is not ours, or does not come to it."""
    monkeypatch.setattr(sys, "remote_exec", lambda pid, path: None, raising=False)
    spool = Spool("web", str(shop.root / "spool" / "web"))
    with pytest.raises(PatchError, match="HS625"):
        bring_agent(2**22 + 1, spool, str(shop.trust), 0.1)
    with pytest.raises(PatchError, match="HS611"):
        bring_agent(plain_service(shop).pid, spool, str(shop.trust), 0.1)
