"""The public functions where something goes wrong: nothing is lost, nothing is half done, and the message says what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once  # much the same on every interpreter

PRELUDE = """
import pathlib, sys
sys.path.insert(0, ".")
import hotswap
from hotswap import session

def write(name, text):
    pathlib.Path(name).write_text(text)

def show(report):
    print(report.applied, report.verdict, [f.code for f in report.held])
    return report
"""


@pytest.fixture
def play(tmp_path: Path):
    """Runs a program in a directory of its own; gives the lines that it prints."""

    def run(script: str, **files: str) -> list[str]:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + script], cwd=tmp_path, text=True, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_a_rollback_that_the_program_has_made_impossible_changes_nothing(play) -> None:
    """RollbackError names the write, the swap stays live and can be taken back when the cause is gone."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import lib
write("lib.py", "class C:\\n    a = 1\\n    b = 2\\n\\ndef f():\\n    return 'new'\\n")
show(hotswap.swap())
del lib.C.b
try:
    hotswap.rollback()
except hotswap.RollbackError as error:
    print("cannot be taken back" in str(error), "C.b" in str(error))
print(lib.f(), lib.C.a, len(hotswap.status().swaps))
lib.C.b = 3
hotswap.rollback()
print(lib.f(), hasattr(lib.C, "b"), len(hotswap.status().swaps))
""",
        lib="class C:\n    a = 1\n\ndef f():\n    return 'old'\n",
    )
    assert lines == ["True swap []", "True True", "new 1 1", "old False 0"]


def test_a_statement_added_for_its_effect_that_exits_is_a_refusal(play) -> None:
    """sys.exit() in it ends neither the swap nor the thread: the commit is taken back and the old code serves on."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import lib
write("lib.py", "import sys\\n\\ndef f():\\n    return 'new'\\n\\nsys.exit(3)\\n")
report = show(hotswap.swap())
print("taken back" in report.held[0].message, lib.f(), len(hotswap.status().swaps))
""",
        lib="import sys\n\ndef f():\n    return 'old'\n",
    )
    assert lines == ["False ask ['HS110']", "True old 0"]


def test_a_statement_that_raises_generator_exit_is_a_refusal(play) -> None:
    """Whatever a top-level line raises, short of Ctrl-C, does not leave swap()."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import lib
write("lib.py", "x = 2\\nraise GeneratorExit\\n")
show(hotswap.swap())
print(lib.x)
""",
        lib="x = 1\n",
    )
    assert lines[0].startswith("False") and lines[1] == "1"


def test_effects_that_ran_before_a_failure_are_named_and_not_repeated(play) -> None:
    """The first of two added statements has run when the second fails; the next save runs only what is left."""
    text = "import os\\n\\nos.environ['X'] = os.environ.get('X', '') + '1'\\nos.chdir({!r})\\n"
    lines = play(
        f"""
import os
hotswap.start(["."], watch=False)
import lib
write("lib.py", "{text.format("/nowhere/at/all")}")
report = show(hotswap.swap())
print("line 3 had run before" in report.held[0].message, os.environ["X"])
write("lib.py", "{text.format(".")}")
show(hotswap.swap())
print(os.environ["X"])
""",
        lib="import os\n",
    )
    assert lines == ["False ask ['HS110']", "True 1", "True swap []", "1"]


def test_a_rollback_names_the_effects_that_it_leaves(play) -> None:
    """What was run after the commit has run: the report says where it stands, and the same swap does not run it again."""
    lines = play(
        """
import os
hotswap.start(["."], watch=False)
import lib
text = "import os\\n\\nos.environ['X'] = os.environ.get('X', '') + '1'\\nx = 2\\n"
write("lib.py", text)
hotswap.swap()
back = hotswap.rollback()
print(lib.x, os.environ["X"], [(f.code, str(f.severity), os.path.basename(f.file), f.line) for f in back.findings])
write("lib.py", "import os\\nx = 3\\n")
hotswap.swap()
write("lib.py", text)
hotswap.swap()
print(lib.x, os.environ["X"], [(f.code, f.line) for f in hotswap.rollback().findings])
print([f.code for f in hotswap.rollback().findings])
""",
        lib="import os\nx = 1\n",
    )
    assert lines == ["1 1 [('HS411', 'kept', 'lib.py', 3)]", "2 1 [('HS411', 3)]", "[]"]


def test_definitions_come_back_after_removals_and_rollbacks(play) -> None:
    """A held reference follows its definition however often that went and came."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import lib
held = lib.f
for _ in range(3):
    write("lib.py", "")
    hotswap.swap()
    hotswap.rollback()
    print(held())
write("lib.py", "")
hotswap.swap()
write("lib.py", "def f():\\n    return 'back'\\n")
hotswap.swap()
print(held(), held is lib.f)
""",
        lib="def f():\n    return 'old'\n",
    )
    assert lines == ["old", "old", "old", "back True"]


def test_a_swap_inside_of_a_swap_is_refused(play) -> None:
    """HS505 for the inner one; the outer one goes on."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import lib
write("lib.py", "import hotswap\\n\\nINNER = hotswap.swap().held[0].code\\n")
show(hotswap.swap())
print(lib.INNER)
""",
        lib="INNER = ''\n",
    )
    assert lines == ["True swap []", "HS505"]


def test_a_report_callback_that_raises_is_shown_and_changes_nothing(play) -> None:
    """What is live stays live, and the exception is shown as an uncaught one is."""
    lines = play(
        """
sys.excepthook = lambda kind, error, trace: print("shown:", error)
def complain(report):
    raise ValueError("no")
hotswap.start(["."], watch=False, on_report=complain)
import lib
write("lib.py", "x = 2\\n")
print(hotswap.swap().applied, lib.x)
""",
        lib="x = 1\n",
    )
    assert lines == ["shown: no", "True 2"]


def test_a_file_that_is_not_managed_or_not_there_is_named(play) -> None:
    """FileError, whichever function was asked; a name that is mistyped is no empty swap."""
    lines = play(
        """
import os
hotswap.start(["."], watch=False)
import lib
for ask in (lambda: hotswap.swap(["typo.py"]), lambda: hotswap.preview(os.__file__)):
    try:
        ask()
    except hotswap.FileError as error:
        print(str(error).rpartition(": ")[2])
""",
        lib="x = 1\n",
    )
    assert lines == ["there is no such file, and the program has not loaded it", "not below a watched path"]

def test_a_file_that_cannot_be_read_is_not_taken_for_deleted(play) -> None:
    """The module stays, and the message says why nothing was done."""
    lines = play(
        """
import hotswap.changes as changes
hotswap.start(["."], watch=False)
import lib
def refuse(*args):
    raise PermissionError(13, "Permission denied")
changes.open = refuse
try:
    hotswap.swap()
except hotswap.FileError as error:
    print("Permission denied" in str(error), "lib" in sys.modules)
""",
        lib="x = 1\n",
    )
    assert lines == ["True True"]


def test_a_rollback_names_effects_that_it_cannot_undo(play) -> None:
    """A handler that the swap has connected stays connected, and the report says which statement did it."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import app, lib
write("app.py", "from lib import signal\\n\\ndef f():\\n    return 1\\n\\nsignal.connect(f)\\nsignal.connect(len)\\n")
show(hotswap.swap())
report = hotswap.rollback()
print([(f.code, f.line, "app.<line 7>" in f.message) for f in report.findings], len(lib.signal.handlers))
print([f.code for f in show(hotswap.swap()).findings])
""",
        lib="import threading\n\nclass Signal:\n    def __init__(self):\n        self.lock = threading.Lock()\n"
        "        self.handlers = []\n    def connect(self, f):\n        self.handlers.append(f)\n\nsignal = Signal()\n",
        app="from lib import signal\n\ndef f():\n    return 1\n\nsignal.connect(f)\n",
    )
    assert lines[0] == "True swap []"
    assert lines[1] == "[('HS411', 7, True)] 2"


def test_what_was_edited_while_hotswap_was_stopped_is_swapped_at_the_next_start(play) -> None:
    """Data too: the text that is live is known from before, so the file is not taken for it."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import lib
hotswap.stop()
write("lib.py", "RATE = 2\\nLIMIT = RATE * 10\\n\\ndef f():\\n    return RATE\\n")
hotswap.start(["."], watch=False)
show(hotswap.swap())
print(lib.RATE, lib.LIMIT, lib.f())
hotswap.stop()
write("lib.py", "RATE = 3\\nLIMIT = RATE * 10\\n\\ndef f():\\n    return RATE\\n")
hotswap.start(["."], on_report=show)
print(lib.RATE, lib.LIMIT, lib.f())
hotswap.stop()
""",
        lib="RATE = 1\nLIMIT = RATE * 10\n\ndef f():\n    return RATE\n",
    )
    assert lines == ["True swap []", "2 20 2", "True swap []", "3 30 3"]


def test_a_file_that_changed_between_its_import_and_the_start_is_refused(play) -> None:
    """What Python has noted in its cache tells: the text on disk never ran, so nothing can be compared with it."""
    lines = play(
        """
sys.dont_write_bytecode = False
import lib
write("lib.py", "RATE = 20\\n\\ndef f():\\n    return RATE\\n")
hotswap.start(["."], watch=False)
write("lib.py", "RATE = 300\\n\\ndef f():\\n    return RATE\\n")
report = show(hotswap.swap())
print(report.held[0].message, lib.RATE)
""",
        lib="RATE = 1\n\ndef f():\n    return RATE\n",
    )
    assert lines[0] == "False restart ['HS210']"
    assert lines[1] == "the file of lib changed after it was imported and before hotswap was attached 1"


def test_a_module_that_was_reloaded_while_hotswap_was_stopped_is_taken_as_it_is(play) -> None:
    """What was known of it is not true any more: nothing is swapped from a text that is not live."""
    lines = play(
        """
import importlib
hotswap.start(["."], watch=False)
import lib
hotswap.stop()
write("lib.py", "RATE = 20\\n\\ndef f():\\n    return RATE, 'b'\\n")
importlib.invalidate_caches()
importlib.reload(lib)
lib.RATE = 7
hotswap.start(["."], watch=False)
print(hotswap.swap().verdict, lib.RATE, lib.f())
write("lib.py", "RATE = 20\\n\\ndef f():\\n    return RATE, 'c'\\n")
show(hotswap.swap())
print(lib.RATE, lib.f())
""",
        lib="RATE = 1\n\ndef f():\n    return RATE, 'a'\n",
    )
    assert lines == ["nothing 7 (7, 'b')", "True swap []", "7 (7, 'c')"]


def test_a_swap_of_all_that_differs_sees_a_module_that_has_died(play) -> None:
    """A function of it is in use, so its file is not the same as one that was never loaded; nor is it when it is named."""
    lines = play(
        """
hotswap.start(["."], watch=False)
import lib
f = lib.f
del lib, sys.modules["lib"]
write("lib.py", "RATE = 20\\n\\ndef f():\\n    return RATE\\n")
show(hotswap.swap())
show(hotswap.swap())
show(hotswap.swap(["lib.py"]))
print(f())
import lib
print(hotswap.swap().verdict, lib.f(), f())
""",
        lib="RATE = 1\n\ndef f():\n    return RATE\n",
    )
    assert lines == ["False restart ['HS214']"] * 3 + ["1", "nothing 20 1"]
