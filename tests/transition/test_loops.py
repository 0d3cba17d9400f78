"""Other event loops than asyncio's: a task that waits ends in its old code and is named, the next call is new."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once  # much the same on every interpreter

CODE = """
def step():
    return {version}
{work}
class Cart:
    def __init__(self):
        self.owner = "Ada"
{more}"""
MIGRATED = '''        self.total = 0

from hotswap import migrate

@migrate("served:Cart")
def _(state):
    state.total = len(state.owner)
'''
# What each loop is: the function that waits, how the program runs, and what it imports before anything else.
ASYNC = "async def work(wait):\n    await wait()\n    return {version}\n"
PLAIN = "def work(wait):\n    wait()\n    return {version}\n"
ASYNCIO = """
async def main():
    go = asyncio.Event()
    task = asyncio.create_task(served.work(go.wait))
    await asyncio.sleep(0)
    found = await asyncio.to_thread(save)
    go.set()
    return found, await task
"""
LOOPS = {
    "asyncio": (ASYNC, "import asyncio", ASYNCIO + "\nresult = asyncio.run(main())"),
    "uvloop": (ASYNC, "import asyncio, uvloop", ASYNCIO + "\nresult = uvloop.run(main())"),
    "trio": (ASYNC, "import trio", """
async def main():
    go, given = trio.Event(), []
    async def task():
        given.append(await served.work(go.wait))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)
        await trio.testing.wait_all_tasks_blocked()
        found = await trio.to_thread.run_sync(save)
        go.set()
    return found, given[0]

import trio.testing
result = trio.run(main)
"""),
    "gevent": (PLAIN, "from gevent import monkey\nmonkey.patch_all()\nimport gevent, gevent.event", """
go = gevent.event.Event()
task = gevent.spawn(served.work, go.wait)
gevent.sleep(0)
found = save()
go.set()
result = found, task.get()
"""),
    "eventlet": (PLAIN, "import eventlet\neventlet.monkey_patch()\nimport eventlet.event", """
go = eventlet.event.Event()
task = eventlet.spawn(served.work, go.wait)
eventlet.sleep(0)
found = save()
go.send(True)
result = found, task.wait()
"""),
}  # fmt: skip
PROGRAM = """
{first}
import json, pathlib, sys, time
sys.path.insert(0, ".")
import hotswap

reports, findings = [], []
hotswap.start(["served.py"], watch={watch}, on_report=reports.append, on_finding=findings.append)
import served

def save():
    pathlib.Path("served.py").write_text({new!r})
    if not {watch}:
        return hotswap.swap()
    while not reports:
        time.sleep(0.01)
    return reports[0]

carts = [served.Cart() for _ in range(5)]
{main}
report, given = result
waited = hotswap.wait_converted(timeout=60)
while "__getattribute__" in vars(served.Cart):  # the barrier is taken away behind that
    time.sleep(0.01)
print(json.dumps({{
    "applied": report.applied, "given": given, "next": served.step(), "waited": waited,
    "totals": [cart.total for cart in carts],
    "running": [[f.message, f.line] for f in report.findings if f.code == "HS403"], "said": [f.code for f in findings],
}}))
hotswap.stop()
"""


def run(folder: Path, program: str) -> dict[str, Any]:
    (folder / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], cwd=folder, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(("loop", "watch"), [*((loop, True) for loop in LOOPS), ("gevent", False)])
def test_a_swap_while_a_task_waits(loop: str, watch: bool, tmp_path: Path) -> None:
    """Made by hand or on save; the task is named with its line, and objects are converted in the background."""
    work, first, main = LOOPS[loop]
    old, new = (CODE.replace("{work}", work).replace("{version}", version) for version in ("1", "2"))
    (tmp_path / "served.py").write_text(old.replace("{more}", ""))
    found = run(tmp_path, PROGRAM.format(first=first, watch=watch, main=main, new=new.replace("{more}", MIGRATED)))
    who = "greenlet" if work is PLAIN else "coroutine"
    assert found == {
        "applied": True, "given": 1, "next": 2, "waited": True, "totals": [3] * 5,
        "running": [[f"a suspended {who} is in served.work, which changed; it is live at its next call", 5]],
        "said": ["HS501"] if watch and work is PLAIN else [],
    }  # fmt: skip


def test_threads_that_are_replaced_after_the_start_are_refused(tmp_path: Path) -> None:
    """Hotswap's own threads and locks are real ones then, and would wait for greenlets for ever."""
    (tmp_path / "served.py").write_text("def step():\n    return 1\n")
    found = run(tmp_path, """
import json, pathlib, sys
sys.path.insert(0, ".")
import hotswap
hotswap.start(["served.py"], watch=False)
import served
from gevent import monkey
monkey.patch_all()
pathlib.Path("served.py").write_text("def step():\\n    return 2\\n")
report = hotswap.swap()
print(json.dumps({"applied": report.applied, "verdict": report.verdict, "held": [f.code for f in report.held],
                  "next": served.step(), "step": report.held[0].next_step}))
""")
    assert found.pop("step").startswith("Patch first: monkey.patch_all() before hotswap.start()")
    assert found == {"applied": False, "verdict": "restart", "held": ["HS506"], "next": 1}
