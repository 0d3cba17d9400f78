"""A program under ``hotswap run`` follows its files: same process, data kept, every way to save."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.runner.programs import HOTSWAP, PATIENCE, Running, run, write_files

pytestmark = pytest.mark.once  # much the same on every interpreter

LOOP = """
import os
import sys
import time

import lib

count = 0
while True:
    count += 1
    sys.stdout.write(f"{os.getpid()} {lib.word()} {count}\\n")
    time.sleep(0.01)
"""
# One write a line: a print() that Ctrl-C interrupts leaves half a line, which the next output continues.


def word(text: str) -> str:
    return f"def word():\n    return {text!r}\n"


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path / "work", {"app.py": LOOP, "lib.py": word("one")})
    return tmp_path / "work"


def in_thread(text: str, start: str) -> str:
    """The program as the work of a thread."""
    return "import sys, threading\n\ndef work():\n" + textwrap.indent(text, "    ") + start


def wait_word(running: Running, text: str) -> tuple[int, int]:
    """Wait for a line with this word; returns its pid and count."""
    pid, _, count = running.wait_out(rf"\d+ {text} \d+").split()
    return int(pid), int(count)


def test_a_save_is_live_in_the_same_process(folder: Path, runtime: Path) -> None:
    """The running loop calls the new code; pid and data are the same; the block names what was done."""
    with Running(folder, runtime, "app.py") as running:
        pid, count = wait_word(running, "one")
        (folder / "lib.py").write_text(word("two"))
        running.wait_err(r"hotswap  swap 1 live after [\d.]+ ms: lib\.py")
        running.wait_err(r"body +lib\.word \(line 1\)")
        running.wait_err(r"by +1 jump, 1 write")
        later_pid, later = wait_word(running, "two")
        assert later_pid == pid == running.process.pid
        assert later > count
        assert running.stop() == -signal.SIGTERM


def test_a_syntax_error_is_held_and_the_next_good_save_heals(folder: Path, runtime: Path) -> None:
    """The old code serves on, the error is shown as Python shows it with its line."""
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text("def word(:\n    return 'bad'\n")
        running.wait_err("held, the old code serves on: lib.py")
        running.wait_err(r"HS101 .*lib\.py:1")
        running.wait_err("def word\\(:")
        running.wait_err("SyntaxError: invalid syntax")
        wait_word(running, "one")
        assert "HS101" in running.ask("status").out
        (folder / "lib.py").write_text(word("two"))
        wait_word(running, "two")
        assert "held: 0" in running.ask("status").out


def save_in_place(path: Path, text: str) -> None:
    path.write_text(text)


def save_by_rename(path: Path, text: str) -> None:
    beside = path.with_name(".lib.py.tmp")
    beside.write_text(text)
    os.replace(beside, path)


def save_with_backup(path: Path, text: str) -> None:
    """vim with backups: the old file moves away, a new one is written, the backup is deleted."""
    backup = path.with_name("lib.py~")
    path.rename(backup)
    path.write_text(text)
    backup.unlink()


def save_by_delete(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def save_in_pieces(path: Path, text: str) -> None:
    with path.open("w") as file:
        for letter in text:
            file.write(letter)
            file.flush()


def save_from_elsewhere(path: Path, text: str) -> None:
    """A temporary file in a folder that nobody watches, renamed over."""
    other = path.parent.parent / "elsewhere.py"
    other.write_text(text)
    os.replace(other, path)


SAVES = [save_in_place, save_by_rename, save_with_backup, save_by_delete, save_in_pieces, save_from_elsewhere]


@pytest.mark.parametrize("poll", [(), ("--poll",)], ids=["events", "poll"])
def test_every_way_to_save_is_seen(folder: Path, runtime: Path, poll: tuple[str, ...]) -> None:
    """Editors write in place, rename, move away, delete first, write in pieces; each save is one swap."""
    with Running(folder, runtime, *poll, "app.py") as running:
        wait_word(running, "one")
        for number, save in enumerate(SAVES, 1):
            save(folder / "lib.py", word(save.__name__))
            wait_word(running, save.__name__)
            running.wait_err(rf"swap {number} live")
        assert not [line for line in running.seen if "held" in line]


def test_a_symlinked_source_follows_its_target_and_its_link(folder: Path, runtime: Path) -> None:
    """The file is edited where it lies, and then the link is led elsewhere."""
    write_files(folder.parent, {"real/a.py": word("one"), "real/b.py": word("three")})
    (folder / "lib.py").unlink()
    (folder / "lib.py").symlink_to(folder.parent / "real" / "a.py")
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        (folder.parent / "real" / "a.py").write_text(word("two"))
        wait_word(running, "two")
        (folder / "next").symlink_to(folder.parent / "real" / "b.py")
        os.replace(folder / "next", folder / "lib.py")
        wait_word(running, "three")


def test_a_folder_that_vanishes_and_returns(folder: Path, runtime: Path) -> None:
    """The code serves on while its folder is away; what comes back with other content is swapped."""
    text = LOOP.replace("import lib", "import p.lib as lib")
    write_files(folder, {"app.py": text, "p/__init__.py": "", "p/lib.py": word("one")})
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        (folder / "p").rename(folder / "away")
        running.wait_err("HS103")
        wait_word(running, "one")
        (folder / "away" / "lib.py").write_text(word("two"))
        (folder / "away").rename(folder / "p")
        wait_word(running, "two")
        (folder / "p" / "lib.py").write_text(word("three"))
        wait_word(running, "three")


def test_a_checkout_of_many_files_is_one_swap(folder: Path, runtime: Path) -> None:
    """git holds its lock from the first file to the last: all of them are one batch."""

    def git(*words: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.fsync=none"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, timeout=PATIENCE)

    def text(version: int) -> str:
        body = f"    a = {version}\n    def m(self):\n        return X\n"
        return f"X = {version}\n\nclass C:\n{body}\ndef value():\n    return {version}\n"

    names = [f"m{number:03}" for number in range(500)]
    files = {f"p/{name}.py": text(1) for name in names}
    imports = "".join(f"from p import {name}\n" for name in names)
    total = f"def word():\n    return sum(m.value() + m.C().m() + m.C.a + m.X for m in ({', '.join(names)}))\n"
    write_files(folder, {**files, "p/__init__.py": "", "lib.py": imports + total})
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "other")
    for name in names:
        (folder / f"p/{name}.py").write_text(text(2))
    git("commit", "-qam", "two")
    git("checkout", "-q", "-")
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "2000")
        git("checkout", "-q", "other")
        running.wait_err("swap 1 live after .*: 500 files")
        wait_word(running, "4000")


def test_preview_rollback_swap_and_status_from_another_terminal(folder: Path, runtime: Path) -> None:
    """preview changes nothing, rollback takes the newest swap back, swap applies what is on disk."""
    with Running(folder, runtime, "--ignore", "nothing", "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text(word("two"))
        wait_word(running, "two")
        back = running.ask("rollback")
        assert (back.code, back.out.splitlines()[0]) == (0, "hotswap  swap 1 taken back: lib.py")
        wait_word(running, "one")
        plan = running.ask("preview", "lib.py")
        assert plan.code == 0
        assert plan.out.splitlines()[:2] == ["verdict: swap", "lib.py (lib)"]
        wait_word(running, "one")
        assert running.ask("swap", "lib.py").code == 0
        wait_word(running, "two")
        state = json.loads(running.ask("status", "--json").out)["status"]
        assert [module for module, _ in state["modules"]] == ["__main__", "lib"]
        assert state["mechanisms"] == [["lib", "word", "jump"]]
        again = running.ask("rollback", "--deadline", "5"), running.ask("rollback", "--force")
        assert [ending.code for ending in again] == [0, 1], again[0]
        assert "no swap to take back" in again[1].err
        refused = running.ask("preview", os.__file__)
        assert refused.code == 1
        assert "in the standard library" in refused.err


def test_several_programs_are_listed_and_chosen_by_pid(folder: Path, runtime: Path) -> None:
    """Without --pid the commands refuse to guess."""
    with Running(folder, runtime, "app.py") as one, Running(folder, runtime, "-m", "app") as two:
        wait_word(one, "one")
        wait_word(two, "one")
        refused = one.ask("status")
        assert refused.code == 1
        assert all(str(running.process.pid) in refused.err for running in (one, two))
        assert one.ask("status", "--pid", str(two.process.pid)).code == 0
        one.process.kill()  # leaves its socket behind
        one.process.wait(PATIENCE)
        assert two.ask("status").code == 0
        assert two.ask("status", "--pid", str(one.process.pid)).code == 1
        assert os.listdir(runtime / "hotswap") == [f"{two.process.pid}.sock"]


def test_json_reports_are_one_line_each(folder: Path, runtime: Path) -> None:
    """--json is for machines: every line on stderr parses."""
    with Running(folder, runtime, "--json", "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text(word("two"))
        report = json.loads(running.wait_err("{"))
        assert (report["applied"], report["number"], report["plan"]["modules"][0]["module"]) == (True, 1, "lib")
        (folder / "lib.py").write_text("(")
        assert json.loads(running.wait_err("{"))["findings"][0]["code"] == "HS101"


def test_quiet_prints_only_what_was_not_applied(folder: Path, runtime: Path) -> None:
    """--quiet."""
    with Running(folder, runtime, "--quiet", "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text(word("two"))
        wait_word(running, "two")
        (folder / "lib.py").write_text("(")
        assert running.wait_err("hotswap") == "hotswap  held, the old code serves on: lib.py"


def test_ignored_files_are_left_alone(folder: Path, runtime: Path) -> None:
    """--ignore, and preview says why."""
    with Running(folder, runtime, "--ignore", "lib.py", "app.py") as running:
        wait_word(running, "one")
        refused = running.ask("preview", "lib.py")
        assert "matches an ignore pattern" in refused.err
        assert [name for name, _ in json.loads(running.ask("status", "--json").out)["status"]["modules"]] == ["__main__"]


def test_a_program_that_lives_on_in_threads_is_followed(folder: Path, runtime: Path) -> None:
    """Its main module has returned, and modules that its threads import later are watched too."""
    write_files(folder, {"app.py": in_thread(LOOP, "threading.Thread(target=work).start()\n")})
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        for text in ("two", "three"):
            (folder / "lib.py").write_text(word(text))
            wait_word(running, text)


CHILD = """
import os, sys, time
import lib
pid = os.fork()
if not pid:
    for line in sys.stdin:
        print('child', lib.word(), flush=True)
    os._exit(0)
while True:
    print('parent', lib.word(), flush=True)
    time.sleep(0.01)
"""


def test_a_forked_child_keeps_its_code_and_leaves_the_swapping_to_its_parent(folder: Path, runtime: Path) -> None:
    """One swap, printed once; the child answers with what it was forked with, and its end does not close the socket."""
    write_files(folder, {"app.py": CHILD})
    with Running(folder, runtime, "app.py") as running:
        running.wait_out("parent one")
        (folder / "lib.py").write_text(word("two"))
        running.wait_out("parent two")
        running.process.stdin.write("go\n")
        running.process.stdin.flush()
        running.wait_out("child one")
        running.process.stdin.close()
        assert running.ask("status").code == 0
        assert len([line for line in running.seen if "swap 1" in line]) == 1


# -- restart --------------------------------------------------------------------------------------------------------

# A metaclass cannot be exchanged in a live class, nor is a class replaced whose metaclass lines bases up: the surest restart
# there is.
PLAIN = "class Meta(type):\n    def mro(cls):\n        return super().mro()\n\n\nclass C:\n    pass\n\n\n" + word("one")
META = PLAIN.replace("class C:", "class C(metaclass=Meta):").replace("'one'", "'two'")


def test_a_change_that_needs_a_restart_restarts_in_place(folder: Path, runtime: Path) -> None:
    """Same pid, fresh data, the reason is printed; finally blocks and atexit functions of the program have run."""
    spoil = "import atexit\natexit.register(print, 'atexit ran', flush=True)\nos.environ['X'] = 'changed'\nos.chdir('/')\n"
    text = LOOP.replace("count = 0\n", "count = 0\n" + spoil)
    text = text.replace("import lib\n", "import lib\nprint('start', sys.argv, os.environ.get('X'), os.getcwd(), flush=True)\n")
    write_files(folder, {"app.py": text, "lib.py": PLAIN})
    with Running(folder, runtime, "app.py", "an", "arg") as running:
        started = running.wait_out("start .*")
        pid, _ = wait_word(running, "one")
        (folder / "lib.py").write_text(META)
        running.wait_err(r"hotswap  restarting: lib\.py")
        running.wait_err("HS203")
        running.wait_out("atexit ran")
        assert running.wait_out("start .*") == started
        later, count = wait_word(running, "two")
        assert later == pid == running.process.pid
        assert count < 100
        assert running.ask("status").code == 0
        (folder / "lib.py").write_text(META.replace("two", "three"))
        wait_word(running, "three")


#: Another kind of lock needs a restart, whatever else is in the text.
LOCKS = {kind: f"import threading\n\nLOCK = threading.{kind}()\n\n\n" for kind in ("Lock", "RLock")}


def test_a_mended_text_is_told(folder: Path, runtime: Path) -> None:
    """Who has seen that a save is held sees that it is held no longer, also where nothing has to be swapped."""
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text("def word(:\n")
        running.wait_err("HS101")
        (folder / "lib.py").write_text(word("one"))
        running.wait_err(r"hotswap  nothing to swap: lib\.py")
        running.wait_err(r"HS105 lib\.py is what is live again")
        assert "held: 0" in running.ask("status").out


@pytest.mark.parametrize("broken", ["UNKNOWN\n", "raise SystemExit('no')\n"])
def test_a_restart_into_a_broken_text_waits_for_the_next_save(folder: Path, runtime: Path, broken: str) -> None:
    """The error is shown, and the save that mends it starts the program, with the same pid."""
    write_files(folder, {"lib.py": LOCKS["Lock"] + word("one")})
    with Running(folder, runtime, "app.py") as running:
        pid, _ = wait_word(running, "one")
        (folder / "lib.py").write_text(LOCKS["RLock"] + word("two") + broken)
        running.wait_err("hotswap  HS508")
        (folder / "unrelated.txt").write_text("no source")
        (folder / "lib.py").write_text(LOCKS["RLock"] + word("three"))
        assert wait_word(running, "three")[0] == pid
        (folder / "lib.py").write_text(LOCKS["RLock"] + word("four"))
        assert wait_word(running, "four")[0] == pid


def test_ctrl_c_ends_a_program_that_waits_for_a_save(folder: Path, runtime: Path) -> None:
    """It was started again on a text that fails, and nobody mends it."""
    write_files(folder, {"lib.py": LOCKS["Lock"] + word("one")})
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text(LOCKS["RLock"] + "UNKNOWN\n")
        running.wait_err("hotswap  HS508")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE) == -signal.SIGINT


def test_without_restart_the_change_is_held(folder: Path, runtime: Path) -> None:
    """--no-restart: the old code serves on, and it says so."""
    write_files(folder, {"lib.py": PLAIN})
    with Running(folder, runtime, "--no-restart", "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text(META)
        running.wait_err("held, the old code serves on: lib.py")
        running.wait_err("HS203")
        running.wait_err("held by --no-restart")
        wait_word(running, "one")


STUBBORN = {
    "that ignores ctrl-c": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + LOOP,
    "whose main has ended": in_thread(LOOP, "threading.Thread(target=work).start()\n"),
    "that waits in a blocking call": in_thread(LOOP, "threading.Thread(target=work, daemon=True).start()\nsys.stdin.read()\n"),
}


def test_daemon_children_end_with_the_program_that_is_replaced(folder: Path, runtime: Path) -> None:
    """Also where atexit does not run: the next program has the same pid and would never wait for them."""
    text = "import multiprocessing, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" \
           "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,), daemon=True)\n" \
           "child.start()\nprint('child', child.pid, flush=True)\n" + LOOP  # fmt: skip
    write_files(folder, {"app.py": text, "lib.py": PLAIN})
    with Running(folder, runtime, "app.py") as running:
        child = int(running.wait_out("child .*").split()[1])
        wait_word(running, "one")
        (folder / "lib.py").write_text(META)
        wait_word(running, "two")
        status = Path(f"/proc/{child}/status")
        assert not status.exists() or "(zombie)" in status.read_text()


@pytest.mark.parametrize("kind", STUBBORN)
def test_a_stubborn_program_is_restarted_too(folder: Path, runtime: Path, kind: str) -> None:
    """Whatever the main thread does, the process becomes the new program."""
    write_files(folder, {"app.py": STUBBORN[kind], "lib.py": PLAIN})
    with Running(folder, runtime, "app.py") as running:
        pid, _ = wait_word(running, "one")
        (folder / "lib.py").write_text(META)
        assert wait_word(running, "two")[0] == pid


def test_a_restart_hands_on_nothing_that_the_program_opened(folder: Path, runtime: Path) -> None:
    """Inheritable descriptors, ignored signals, the file mode mask: as at the first start, however often."""
    show = """
links = []
for name in os.listdir('/proc/self/fd'):
    try:
        links.append(os.readlink('/proc/self/fd/' + name))
    except OSError:
        pass  # another thread has closed it since it was listed
print('state', len([link for link in links if 'lib.py' in link]), signal.getsignal(signal.SIGUSR1), os.umask(0o22), flush=True)
"""
    spoil = """
os.set_inheritable(os.open('lib.py', os.O_RDONLY), True)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.umask(0o77)
"""
    write_files(folder, {"app.py": "import os, signal\n" + show + spoil + LOOP, "lib.py": PLAIN})
    with Running(folder, runtime, "app.py") as running:
        state = running.wait_out("state .*")
        wait_word(running, "one")
        (folder / "lib.py").write_text(META)
        assert running.wait_out("state .*") == state


def test_structlog_events_reach_a_program_that_has_configured_it(folder: Path, runtime: Path) -> None:
    """hotswap.swap and hotswap.held, through the program's own processors."""
    configure = """
import structlog

events = []

def keep(logger, name, event):
    events.append(event)
    raise structlog.DropEvent

structlog.configure(processors=[structlog.processors.JSONRenderer(), keep])
"""
    show = "    while events:\n        print(events.pop(0), flush=True)\n"
    write_files(folder, {"app.py": configure + LOOP + show})
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text(word("two"))
        event = json.loads(running.wait_out("{.*"))
        assert (event["event"], event["number"], event["files"]) == ("hotswap.swap", 1, [str(folder / "lib.py")])
        (folder / "lib.py").write_text("(")
        assert json.loads(running.wait_out("{.*"))["codes"] == ["HS101"]


def test_an_unconfigured_structlog_is_left_alone(folder: Path, runtime: Path) -> None:
    """Unconfigured it would print to stdout, which is the program's."""
    write_files(folder, {"app.py": "import structlog\n" + LOOP.replace('f"', 'f"{structlog.is_configured()} ')})
    with Running(folder, runtime, "app.py") as running:
        running.wait_out(r"False \d+ one \d+")
        (folder / "lib.py").write_text(word("two"))
        running.wait_out(r"False \d+ two \d+")
        assert not [line for line in running.seen if "hotswap.swap" in line]


def test_a_wrong_setting_runs_nothing(folder: Path, runtime: Path) -> None:
    """The message names the setting, and the program is not started."""
    ending = run(folder, runtime, [*HOTSWAP, "run", "--watch", "nowhere", "app.py"])
    assert (ending.code, ending.out) == (2, "")
    assert "nowhere does not exist" in ending.err


def test_the_command_line_library_is_not_in_the_programs_process(folder: Path, runtime: Path) -> None:
    """What the program does not import is not there because of hotswap."""
    text = "import sys\nprint([n for n in ('click', 'rich', 'structlog', 'tomllib') if n in sys.modules])\n"
    write_files(folder, {"x.py": text})
    assert run(folder, runtime, [*HOTSWAP, "run", "x.py"]).out == "[]\n"


# -- the main module while it executes ------------------------------------------------------------------------------


def save_and_read(running: Running, path: Path, text: str) -> list[dict[str, Any]]:
    """Save, wait until it is live and the loop has called it, and give what the report says."""
    path.write_text(word(text))
    report = json.loads(running.wait_err('"applied"'))
    wait_word(running, text)
    assert report["applied"], report
    return list(report["findings"])


SILENT = """
import itertools, os, sys, time
import lib

def tell(text, count):
    sys.stdout.write(f"{os.getpid()} {text} {count}\\n")
    time.sleep(0.01)
    return text

"""
FOREVER = "for count in itertools.count():\n    tell(lib.word(), count)\n"
IN_FUNCTION = "def loop():\n" + textwrap.indent(FOREVER, "    ")
LOOPS = {
    "with effects": LOOP,
    "without effects of its own": SILENT + "count = 0\nwhile True:\n    count += 1\n    last = tell(lib.word(), count)\n",
    "in try": SILENT + "try:\n" + textwrap.indent(FOREVER, "    ") + "except KeyboardInterrupt:\n    pass\n",
    "as a call": SILENT + IN_FUNCTION + "loop()\n",
    "whose result is bound": SILENT + IN_FUNCTION + "end = loop()\n",
    "after a statement of the same kind": SILENT + "tell(lib.word(), 0)\n" + FOREVER,
}


@pytest.mark.parametrize("kind", LOOPS)
def test_the_loop_of_the_main_module_is_not_named_at_every_save(folder: Path, runtime: Path, kind: str) -> None:
    """It calls the new functions by itself, so there is nothing to say; what had run before it is still named."""
    write_files(folder, {"app.py": LOOPS[kind]})
    with Running(folder, runtime, "--json", "app.py") as running:
        wait_word(running, "one")
        for text in ("two", "three"):
            named = [(f["code"], f["line"]) for f in save_and_read(running, folder / "lib.py", text)]
            assert named == ([("HS405", 10)] if kind == "after a statement of the same kind" else [])


def test_the_loop_is_found_after_lines_above_it_moved(folder: Path, runtime: Path) -> None:
    """The frame goes on with the lines of the text that it was started from."""
    with Running(folder, runtime, "--json", "app.py") as running:
        wait_word(running, "one")
        (folder / "app.py").write_text("# a comment\n\n\ndef more():\n    return 1\n" + LOOP)
        running.wait_err('"applied": ?true')
        assert save_and_read(running, folder / "lib.py", "two") == []


def test_a_loop_over_a_table_that_changed_is_named(folder: Path, runtime: Path) -> None:
    """It goes on through the old table until it ends, which nobody sees otherwise (HS403)."""
    text = SILENT + "for entry in lib.TABLE:\n    for count in range(10 ** 9):\n        tell(lib.word(), count)\n"
    write_files(folder, {"app.py": text, "lib.py": "TABLE = ('a', 'b')\n" + word("one")})
    with Running(folder, runtime, "app.py") as running:
        wait_word(running, "one")
        (folder / "lib.py").write_text("TABLE = ('a', 'b', 'c')\n" + word("two"))
        running.wait_err(r"HS403 .*__main__ .*lib\.TABLE.*app\.py:10")
        wait_word(running, "two")


def test_a_held_class_is_released_by_the_first_file_of_a_package_of_migrations(folder: Path, runtime: Path) -> None:
    """What ``hotswap makemigrations`` writes while the program runs."""
    cart = "class Cart:\n    def __init__(self, {0}):\n        self.{0} = {0}\n"
    app = LOOP.replace("lib.word()", "vars(HELD)").replace("import lib\n", "import shop.cart\nHELD = shop.cart.Cart(3)\n")
    write_files(folder, {"app.py": app, "shop/__init__.py": "", "shop/cart.py": cart.format("n")})
    with Running(folder, runtime, "app.py") as running:
        running.wait_out(r"\d+ \{'n': 3\} \d+")
        write_files(folder, {"shop/cart.py": cart.format("count")})
        running.wait_err("HS301")
        hooks = "from hotswap import migrate\nfrom hotswap.migrations import rename\n"
        hooks += "migrate('shop.cart:Cart', 1, steps=[rename('n', 'count')])\n"
        write_files(folder, {"shop/hotswap_migrations/__init__.py": "", "shop/hotswap_migrations/cart_2.py": hooks})
        running.wait_out(r"\d+ \{'count': 3\} \d+")


def test_wait_ends_when_all_objects_are_converted_or_says_which_are_not(folder: Path, runtime: Path) -> None:
    box = "class Box:\n    def __init__(self, {0}):\n        self.{0} = {0}\n"
    hook = "from hotswap import migrate\n@migrate('shelf:Box')\ndef up(state):\n    {0}state.m = state.pop('n')\n"
    hook += "@up.down\ndef _(state):\n    state.n = state.pop('m')\n"
    keep = "import shelf\nKEEP = [shelf.Box(n) for n in range(500)]\n"
    app = LOOP.replace("lib.word()", "len(KEEP)").replace("import lib\n", keep)
    write_files(folder, {"app.py": app, "shelf.py": box.format("n")})
    with Running(folder, runtime, "app.py") as running:
        running.wait_out(r"\d+ 500 \d+")
        write_files(folder, {"shelf.py": box.format("m") + hook.format("if state.n == 7: raise ValueError(7)\n    ")})
        running.wait_err("swap 1")
        ending = running.ask("wait", "--timeout", "20")
        assert ending.code == 1 and ending.out == "shelf.Box: 499 converted, 1 left, 1 failed\n" and not ending.err
        write_files(folder, {"shelf.py": box.format("m") + hook.format("")})
        running.wait_err("swap 2")
        ending = running.ask("wait")
        assert ending.code == 0 and ending.out in ("all objects are converted\n", "shelf.Box: 500 converted, 0 left, 0 failed\n")
