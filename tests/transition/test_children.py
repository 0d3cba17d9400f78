"""Children that run old code are named with what can be done; nothing is waited for. Each test is a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("this system has no fork", allow_module_level=True)

PROGRAM = r"""
import itertools, multiprocessing, os, pathlib, subprocess, sys, time
import hotswap

path = pathlib.Path("lib.py")
numbers = itertools.count()


def codes():
    '''Swap, and give what was said about children.'''
    path.write_text(f"def f():\n    return {next(numbers)}\n")
    report = hotswap.swap([path])
    assert report.applied, str(report)
    return [(f.message, f.next_step) for f in report.findings if f.code == "HS408"]


def child(pipe):
    import lib
    pipe.send("ready")
    pipe.recv()
    pipe.send(lib.f())


if __name__ == "__main__":
    path.write_text("def f():\n    return 'old'\n")
    sys.path.insert(0, ".")
    hotswap.start(["lib.py"], watch=False)
    import lib
"""


def run(folder: Path, body: str) -> list[str]:
    text = PROGRAM + "".join(f"    {line}\n" for line in body.strip().splitlines())
    (folder / "main.py").write_text(text)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "main.py"], cwd=folder, env=env, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_is_named(tmp_path: Path, method: str) -> None:
    """With name and pid, once, and only while it lives; it does answer with the old code; started again it is new."""
    body = f"""
context = multiprocessing.get_context("{method}")
def start():
    mine, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs,), name="worker")
    process.start()
    assert mine.recv() == "ready"
    return process, mine
def end(process, pipe):
    pipe.send("go")
    print(pipe.recv())
    process.join()
process, pipe = start()
print(codes() == [(f"child process worker (pid {{process.pid}}) runs the code that it started with", "start it again")])
end(process, pipe)
print(codes())
end(*start())
"""
    assert run(tmp_path, body) == ["True", "old", "[]", "1"]


def test_a_child_of_fork_is_named(tmp_path: Path) -> None:
    """By its pid, while it lives; and the program can wait for it as ever."""
    body = """
reader, writer = os.pipe()
pid = os.fork()
if not pid:
    os.read(reader, 1)
    os._exit(7)
print(codes() == [(f"child process {pid} runs the code that it was forked with", "start it again")])
print(len(codes()))
os.write(writer, b"x")
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(codes() if sys.platform == "linux" else [])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(codes())
"""
    assert run(tmp_path, body) == ["True", "1", "[]", "7", "[]"]


def test_another_program_is_no_child_with_old_code(tmp_path: Path) -> None:
    """Neither one that subprocess starts, nor one that a forked child has become."""
    body = """
one = subprocess.Popen(["sleep", "60"])
two = os.fork()
if not two:
    os.execvp("sleep", ["sleep", "60"])
while open(f"/proc/{two}/comm").read() != "sleep\\n":
    time.sleep(0.01)
print(codes())
one.kill(), os.kill(two, 9)
"""
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("without /proc nobody can tell what a child runs")
    assert run(tmp_path, body) == ["[]"]


def test_a_forked_child_that_swaps_itself_names_no_siblings(tmp_path: Path) -> None:
    """The children of the parent are none of the child's."""
    body = """
reader, writer = os.pipe()
sibling = os.fork()
if not sibling:
    os.read(reader, 1)
    os._exit(0)
pid = os.fork()
if not pid:
    print(codes(), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
os.write(writer, b"x")
os.waitpid(sibling, 0)
"""
    assert run(tmp_path, body) == ["[]"]


def test_a_fork_server_that_has_loaded_the_program_is_named(tmp_path: Path) -> None:
    """What it starts afterwards has the old code too, so starting the child again would not help."""
    body = """
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["lib"])
process = context.Process(target=print)
process.start()
process.join()
(message, step), = codes()
print(message.startswith("the fork server of multiprocessing (pid "), step)
"""
    assert run(tmp_path, body) == ["", "True restart, if its children need the change"]
