"""``hotswap run X`` is ``python X``: same output, same traceback, same exit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.programs import HOTSWAP, PATIENCE, Ending, environment, run, write_files
from tests.sample import some

pytestmark = pytest.mark.once  # real processes, much the same on every interpreter


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def compare(folder: Path, runtime: Path, files: dict[str, str], args: list[str], stdin: str = "", **more: str) -> Ending:
    """Run under both and demand that they end alike; returns that ending."""
    write_files(folder, files)
    expected = run(folder, runtime, [sys.executable, *args], stdin, **more)
    assert run(folder, runtime, [*HOTSWAP, "run", *args], stdin, **more) == expected
    return expected


SHOW = """
import sys
print(__name__, __file__, __package__, __spec__, __loader__, __cached__, __doc__, type(__builtins__).__name__)
print(sys.argv, sys.path)
print(sys.modules["__main__"].__dict__ is globals())
"""
NAMES = "print(sorted(globals()))\n"
FAIL = "def fail(x):\n    return 1 / x\n\n\nfail(0)\n"

SCRIPTS: dict[str, tuple[dict[str, str], list[str]]] = {
    "a script": ({"x.py": SHOW}, ["x.py", "--its", "-m", "own"]),
    "names in main": ({"x.py": NAMES}, ["x.py"]),
    "path with dots": ({"a/x.py": SHOW}, ["./a/../a/x.py"]),
    "without suffix": ({"tool": SHOW}, ["tool"]),
    "in a folder": ({"a/x.py": SHOW + "import y", "a/y.py": "print(__name__, __file__, __spec__, __loader__)"}, ["a/x.py"]),
    "no such file": ({}, ["nothing.py"]),
    "a folder with main": ({"app/__main__.py": SHOW, "app/y.py": ""}, ["app", "arg"]),
    "a folder without main": ({"app/y.py": ""}, ["app"]),
    "a module": ({"x.py": SHOW}, ["-m", "x", "arg"]),
    "a module, joined": ({"x.py": SHOW}, ["-mx", "arg"]),
    "a module in a package": (
        {"p/__init__.py": "print('init')", "p/x.py": SHOW + "from . import y", "p/y.py": ""}, ["-m", "p.x"]),
    "a package": ({"p/__init__.py": "", "p/__main__.py": SHOW + "from .y import z", "p/y.py": "z = 1"}, ["-m", "p", "-v"]),
    "a package without main": ({"p/__init__.py": ""}, ["-m", "p"]),
    "a namespace package": ({"p/x.py": SHOW}, ["-m", "p.x"]),
    "a module that was imported already": ({"p/__init__.py": "import p.x", "p/x.py": "print(__name__)"}, ["-m", "p.x"]),
    "no such module": ({}, ["-m", "nothing.here"]),
    "a module of the standard library": ({}, ["-m", "json.tool", "--help"]),
    "relative import in a script": ({"p/__init__.py": "", "p/x.py": "from . import y"}, ["p/x.py"]),
    "exit code": ({"x.py": "import sys; sys.exit(7)"}, ["x.py"]),
    "exit without code": ({"x.py": "raise SystemExit"}, ["x.py"]),
    "exit with text": ({"x.py": "raise SystemExit('sorry')"}, ["x.py"]),
    "exit in a module": ({"x.py": "import sys; sys.exit(3)"}, ["-m", "x"]),
    "an exception": ({"x.py": FAIL}, ["x.py"]),
    "an exception in a module": ({"x.py": FAIL}, ["-m", "x"]),
    "an exception in a folder": ({"app/__main__.py": FAIL}, ["app"]),
    "an exception in an import": ({"x.py": "def f():\n    import y\n\nf()\n", "y.py": "import z\n", "z.py": FAIL}, ["x.py"]),
    "an import that fails": ({"x.py": "import y\n", "y.py": "import nothing_there\n"}, ["x.py"]),
    "chained exceptions": ({"x.py": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('v') from e\n"}, ["x.py"]),
    "an exception group": ({"x.py": "raise ExceptionGroup('g', [ValueError(1), KeyError(2)])\n"}, ["x.py"]),
    "a syntax error": ({"x.py": "print('a')\ndef f(:\n    pass\n"}, ["x.py"]),
    "a syntax error found late": ({"x.py": "def f():\n    pass\n\nreturn 1\n"}, ["x.py"]),
    "a syntax error in a module": ({"x.py": "def f(:\n    pass\n"}, ["-m", "x"]),
    "a syntax error in an import": ({"x.py": "import y\n", "y.py": "x = (\n"}, ["x.py"]),
    "a syntax error in an import of a module": ({"x.py": "import y\n", "y.py": "x = (\n"}, ["-m", "x"]),
    "a null byte": ({"x.py": "import y", "y.py": "a = 1\0\n"}, ["x.py"]),
    "an indentation error": ({"x.py": "if 1:\npass\n"}, ["x.py"]),
    "declared encoding": (
        {"x.py": "# -*- coding: latin-1 -*-\nimport y\nprint(ascii('é'))\n", "y.py": "print(ascii('ü'))\n"}, ["x.py"]),
    "a warning that names the importer": (
        {"x.py": "import y\n", "y.py": "import warnings\nwarnings.warn('old', stacklevel=2)\n"}, ["x.py"]),
    "an excepthook of the program": (
        {"x.py": "import sys\n"
                 "sys.excepthook = lambda k, v, t: print('hook', k, t.tb_frame.f_code.co_name, sys.excepthook)\n1/0\n"},
        ["x.py"]),
    "last exception at exit": (
        {"x.py": "import atexit, sys, traceback\n"
                 "atexit.register(lambda: traceback.print_tb(sys.last_traceback, file=sys.stdout))\n" + FAIL}, ["x.py"]),
    "atexit and threads end in order": (
        {"x.py": "import atexit, threading\n"
                 "atexit.register(print, 'first registered')\natexit.register(print, 'last registered')\n"
                 "go = threading.Event()\ndef work():\n    go.wait()\n    print('thread done')\n"
                 "threading.Thread(target=work).start()\nprint('main done')\ngo.set()\n"}, ["x.py"]),
    "an exception with a thread left": (
        {"x.py": "import threading, time\nthreading.Timer(0.1, print, ['thread done']).start()\n1/0\n"}, ["x.py"]),
    "a thread's exception": (
        {"x.py": "import threading\nt = threading.Thread(target=lambda: 1/0, name='T')\nt.start(); t.join()\n"}, ["x.py"]),
    "sigterm": ({"x.py": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nsignal.pause()\n"}, ["x.py"]),
    "sigterm handled": (
        {"x.py": "import os, signal, sys\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(5))\n"
                 "os.kill(os.getpid(), signal.SIGTERM)\nsignal.pause()\n"}, ["x.py"]),
    "ctrl-c": ({"x.py": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()\n"}, ["x.py"]),
    "ctrl-c in a module": ({"x.py": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()\n"}, ["-m", "x"]),
    "signal handlers at the start": (
        {"x.py": "import signal\nprint({s.name: str(signal.getsignal(s)) for s in signal.Signals})\n"}, ["x.py"]),
    "flags and hooks": (
        {"x.py": "import sys\nprint(sys.flags, sys.excepthook is sys.__excepthook__, sys.gettrace(), sys.warnoptions)\n"},
        ["x.py"]),
    "source and resources": (
        {"x.py": "import inspect, y, pickle\n"
                 "print(inspect.getsource(y.f), inspect.getsource(inspect.getmodule(y.f)))\n"
                 "print(type(y.__loader__), y.__spec__.loader is y.__loader__, y.__loader__.__dict__, y.__cached__ is None)\n"
                 "print(pickle.loads(pickle.dumps(y.f)) is y.f, y.__loader__ == type(y.__loader__)('y', y.__file__))\n",
         "y.py": "def f():\n    return 1\n"}, ["x.py"]),
    "reload": (
        {"x.py": "import importlib, y\nprint(y.n)\nimportlib.reload(y)\nprint(y.n)\n",
         "y.py": "try:\n    n += 1\nexcept NameError:\n    n = 0\n"}, ["x.py"]),
    "a lazy loader": (
        {"x.py": "import importlib.util, sys\nspec = importlib.util.find_spec('y')\n"
                 "loader = importlib.util.LazyLoader(spec.loader)\nspec.loader = loader\n"
                 "m = importlib.util.module_from_spec(spec)\nsys.modules['y'] = m\nloader.exec_module(m)\n"
                 "print('lazy')\nprint(m.n, type(m.__loader__))\n", "y.py": "print('now')\nn = 1\n"}, ["x.py"]),
    "circular imports": (
        {"x.py": "import a\nprint(a.n, a.b.n)\n", "a.py": "import b\nn = 1\n",
         "b.py": "import a\nn = 2\nprint(hasattr(a, 'n'))\n"}, ["x.py"]),
    "a module that replaces itself": (
        {"x.py": "import y\nprint(y)\n", "y.py": "import sys\nsys.modules[__name__] = 'me'\n"}, ["x.py"]),
    "os._exit": ({"x.py": "import os\nprint('a', flush=True)\nos._exit(9)\n"}, ["x.py"]),
    "an expression deeper than a tree of objects": (
        {"x.py": "import y\nprint(y.n)\n", "y.py": f"n = {'+'.join(['1'] * 2500)}\n"}, ["x.py"]),
}  # fmt: skip


@pytest.mark.parametrize("name", some(SCRIPTS, 5))
def test_ends_as_under_python(name: str, folder: Path, runtime: Path) -> None:
    """Output, traceback and exit code are those of python."""
    files, args = SCRIPTS[name]
    compare(folder, runtime, files, args)


def test_stdin_belongs_to_the_program(folder: Path, runtime: Path) -> None:
    """All of stdin arrives, also what is read by descriptor."""
    files = {"x.py": "import os, sys\nprint(sys.stdin.readline(), os.read(0, 100))\nprint(sys.stdin.isatty())\n"}
    assert compare(folder, runtime, files, ["x.py"], stdin="one\n" * 5000).code == 0


def test_a_symlinked_script_imports_from_its_own_folder(folder: Path, runtime: Path) -> None:
    """sys.path[0] is the folder of the file that the link leads to, __file__ the link."""
    write_files(folder, {"real/x.py": SHOW + "import y", "real/y.py": "print(__file__)"})
    (folder / "link.py").symlink_to("real/x.py")
    assert compare(folder, runtime, {}, ["link.py"]).code == 0


def test_a_zip_file_runs(folder: Path, runtime: Path) -> None:
    """python app.pyz."""
    write_files(folder, {"app/__main__.py": "import sys, y\nprint(sys.argv, sys.path[0], y.n, __file__)", "app/y.py": "n = 3"})
    subprocess.run([sys.executable, "-m", "zipapp", "app"], cwd=folder, check=True, timeout=PATIENCE)
    assert compare(folder, runtime, {}, ["app.pyz", "a"]).code == 0


def test_a_compiled_script_runs(folder: Path, runtime: Path) -> None:
    """python x.pyc; there is no source to manage."""
    write_files(folder, {"x.py": SHOW})
    subprocess.run(
        [sys.executable, "-c", "import py_compile; py_compile.compile('x.py', 'x.pyc')"], cwd=folder, check=True, timeout=PATIENCE
    )
    assert compare(folder, runtime, {}, ["x.pyc", "a"]).code == 0


def test_safe_path_is_respected(folder: Path, runtime: Path) -> None:
    """With PYTHONSAFEPATH nothing is put in front of sys.path."""
    assert "''" not in compare(folder, runtime, {"x.py": SHOW}, ["x.py"], PYTHONSAFEPATH="1").out


@pytest.mark.parametrize(
    "options", [["-X", "dev", "-W", "error"], ["-OO"], ["-bb"], ["-X", "frozen_modules=off"], ["-X", "utf8"]], ids=" ".join
)
def test_options_of_the_interpreter_are_the_programs(folder: Path, runtime: Path, options: list[str]) -> None:
    """python -X dev -m hotswap run: no warning of ours among its own, asserts and docstrings as asked for."""
    library = "def f():\n    'doc'\n    assert 0\n"
    write_files(folder, {"x.py": "import sys, y\nprint(sys.flags, y.f.__doc__)\ny.f()\n", "y.py": library})
    expected = run(folder, runtime, [sys.executable, *options, "x.py"])
    assert run(folder, runtime, [sys.executable, *options, *HOTSWAP[1:], "run", "x.py"]) == expected


def test_an_error_of_hotswap_in_the_program_is_the_programs(folder: Path, runtime: Path) -> None:
    """A program that uses the API wrongly gets its own traceback, not the usage of the command."""
    write_files(folder, {"x.py": "import hotswap\n\nhotswap.start(['nowhere'])\n"})
    ending = run(folder, runtime, [*HOTSWAP, "run", "x.py"])
    assert ending.code == 1
    assert ending.err.splitlines()[:2] == ["Traceback (most recent call last):", f'  File "{folder}/x.py", line 3, in <module>']
    assert "ConfigError" in ending.err


def test_an_installed_command_runs_like_the_module(folder: Path, runtime: Path) -> None:
    """A console script as launcher leaves no frame and no path entry behind either."""
    write_files(folder, {"bin/hotswap": "from hotswap.control.cli import main\nmain()\n", "x.py": SHOW + FAIL})
    expected = run(folder, runtime, [sys.executable, "x.py", "a"])
    assert run(folder, runtime, [sys.executable, "bin/hotswap", "run", "x.py", "a"]) == expected
    assert expected.code == 1


MULTI = """
import multiprocessing as mp, sys

def square(n):
    return n * n, __name__, __spec__ and __spec__.name

def main():
    mp.set_start_method(METHOD)
    with mp.Pool(2) as pool:
        print(pool.map(square, range(4)))
    p = mp.Process(target=sys.exit, args=(3,))
    p.start(); p.join()
    print(p.exitcode)

METHOD = sys.argv[1]
if __name__ == "__main__":
    main()
"""


KINDS = [(args, method) for args in (["m.py"], ["-m", "m"]) for method in ("fork", "spawn", "forkserver")]
KINDS.append((["-m", "p"], "fork"))  # python itself does not import a package's __main__ in other children


@pytest.mark.parametrize(
    ("args", "method"), some(KINDS, 2), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_multiprocessing_works(folder: Path, runtime: Path, args: list[str], method: str) -> None:
    """Children of every kind find the main module, end, and do not disturb their parent."""
    files = {"m.py": MULTI, "p/__init__.py": "", "p/__main__.py": MULTI}
    assert compare(folder, runtime, files, [*args, method]).code == 0


def test_a_forked_child_that_returns_ends_by_itself(folder: Path, runtime: Path) -> None:
    """os.fork without exec: the child leaves main too, runs atexit, and the parent's socket survives it."""
    files = {
        "x.py": "import atexit, os, sys\natexit.register(lambda: print('bye', flush=True))\npid = os.fork()\n"
        "if pid:\n    print(os.waitpid(pid, 0)[1])\nelse:\n    print('child', flush=True)\n"
    }
    assert compare(folder, runtime, files, ["x.py"]).out == "child\nbye\n0\nbye\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="python 3.11 does not warn")
def test_a_program_with_threads_is_still_warned_when_it_forks(folder: Path, runtime: Path) -> None:
    """Only the warning that hotswap's own threads would cause is silenced."""
    text = "import os, threading\ngo = threading.Event()\nthreading.Thread(target=go.wait).start()\n" \
           "pid = os.fork()\nif not pid:\n    os._exit(0)\nos.waitpid(pid, 0)\ngo.set()\n"  # fmt: skip
    write_files(folder, {"x.py": text})
    assert "multi-threaded" in run(folder, runtime, [*HOTSWAP, "run", "x.py"]).err


def test_ctrl_c_from_the_terminal_ends_a_sleeping_program(folder: Path, runtime: Path) -> None:
    """SIGINT to the process: the program's cleanup runs, the shell sees death by SIGINT."""
    # Not in one piece: a signal that comes when sleep is entered, and before the system call, is looked at after it.
    sleep = "for _ in range(600): time.sleep(0.1)"
    text = f"import time\ntry:\n    print('ready', flush=True)\n    {sleep}\nfinally:\n    print('clean')\n"
    write_files(folder, {"x.py": text})
    ends = []
    for head in ([sys.executable], [*HOTSWAP, "run"]):
        process = subprocess.Popen([*head, "x.py"], cwd=folder, env=environment(runtime), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        # In between there may stand the line of print or of sleep: the signal may be that fast.
        ends.append((process.returncode, out, err.splitlines()[0], err.splitlines()[-1], "hotswap" in err))
    assert ends[0] == ends[1]
    assert ends[0][:2] == (-signal.SIGINT, "clean\n")


def test_nothing_stays_in_the_runtime_folder(folder: Path, runtime: Path) -> None:
    """The socket is gone when the program has ended."""
    write_files(folder, {"x.py": "import os\nprint(os.listdir(os.environ['HOTSWAP_RUNTIME_DIR'] + '/hotswap'))\n"})
    assert ".sock" in run(folder, runtime, [*HOTSWAP, "run", "x.py"]).out
    assert os.listdir(runtime / "hotswap") == []
