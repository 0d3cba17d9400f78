"""What an agent costs a service while nothing is asked, and how long a patch of ten functions takes in a group of workers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.hotfix.service import Shop
from tests.hotfix.test_agent import switches

__all__ = ["measure_hotfix"]

FUNCTIONS = "".join(f"def f{index}(x):\n    return x + 0\n\n" for index in range(10))
WORKERS = """\
import json, os, signal, sys
import shop.pricing
import shop.ten
for _ in range({count}):
    if not os.fork():
        signal.pause()
print(json.dumps(os.getpid()), flush=True)
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""
CALLS = """\
import sys, timeit
{first}
from shop.pricing import total
print(min(timeit.repeat("total(5)", globals={{"total": total}}, number={number}, repeat={rounds})) / {number})
"""


def count_wakes(pid: int) -> int:
    """How often the threads of a process but the main one wake up in a second, once they have come to rest."""
    before: dict[str, int] = {}
    while before != (now := switches(pid)):
        before = now
        time.sleep(0.3)
    time.sleep(1.0)
    return sum(switches(pid).values()) - sum(before.values())


def measure_hotfix(folder: Path, *, workers: int, rounds: int, number: int) -> dict[str, float]:
    """Measure it.

    Args:
        workers: so many are forked by a master.
        rounds: of calls, of which the best counts, and of patches, of which the median does.
        number: calls in a round.

    Returns:
        ``plain`` and ``agent``: seconds a call; ``wakes``: how often the idle agent has woken up in a second; ``apply`` and
        ``rollback``: seconds from the order to the last worker's answer.
    """
    shop = Shop(folder)
    try:
        (shop.deployed / "shop" / "ten.py").write_text(FUNCTIONS)
        found = {name: float("inf") for name in ("plain", "agent")}
        for _ in range(2):  # in turns
            for name, first in (("plain", ""), ("agent", "import hotswap; hotswap.agent('idle')")):
                (shop.deployed / "calls.py").write_text(CALLS.format(first=first, number=number, rounds=rounds))
                done = subprocess.run([sys.executable, "calls.py"], cwd=shop.deployed, env=shop.environment, capture_output=True,
                                      text=True, check=True, timeout=300)  # fmt: skip
                found[name] = min(found[name], float(done.stdout))
        service = shop.serve(server=WORKERS.format(count=workers))
        while len(shop.processes_of()) < workers + 1:
            time.sleep(0.05)
        found["wakes"] = count_wakes(service.pid)
        patch = shop.build({"shop/ten.py": FUNCTIONS.replace("+ 0", "+ 1")})
        times: dict[str, list[float]] = {"apply": [], "rollback": []}
        for _ in range(rounds):
            for name, words in (("apply", ["apply", patch]), ("rollback", ["rollback"])):
                began = time.perf_counter()
                shop.done(*words)
                times[name].append(time.perf_counter() - began)
        return found | {name: statistics.median(each) for name, each in times.items()}
    finally:
        for held in shop.processes_of():
            subprocess.run(["kill", "-9", str(held["pid"])], check=False)
        shop.close()
