"""A program of Flask, edited on disk while the development server serves it: same process, same memory."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sample import some
from tests.web.running import Server, edit_in, make_site, run_program, serving

pytestmark = pytest.mark.once  # real servers, much the same on every interpreter

PROJECT = Path(__file__).parent / "project"
FLASK = "-m hotswap run -m flask --app depot.main run --port PORT"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site("hotswap-flask", tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Iterator[Server]:
    folder = Path(shutil.copytree(PROJECT, tmp_path_factory.mktemp("copy") / "project"))
    with serving(folder, site, FLASK, "/state") as one:
        yield one


def state(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.text("/state"))
    return found


def save_some(server: Server) -> None:
    """A body, a path, a blueprint's prefix, a template, configuration: all live, in the same process."""
    before = state(server)
    server.edit("depot/parts.py", 'f"part {number}"', 'f"piece {number}"')
    server.wait_for("/parts/7", "piece 7")
    error = '@app.get("/error")\ndef error():\n    return 1 / 0'
    server.edit("depot/main.py", error, '@app.get("/extra")\ndef extra():\n    return "extra"')
    server.wait_for("/extra", "extra")
    server.edit("depot/parts.py", 'url_prefix="/parts"', 'url_prefix="/goods"')
    server.wait_for("/goods/7", "piece 7")
    assert "/goods/" in server.text("/")
    server.edit("depot/templates/foot.html", "foot", "feet")
    server.wait_for("/", "feet")
    server.edit("depot/main.py", 'app.config["OWNER"] = "Ann"', 'app.config["OWNER"] = "Bea"')
    server.wait_for("/config", "Bea")
    after = state(server)
    assert (after["pid"], after["visits"]) == (before["pid"], before["visits"] + 1), server.output()


def test_flask_run_needs_nothing_in_the_project(server: Server) -> None:
    save_some(server)
    assert server.process.pid == state(server)["pid"]


@pytest.mark.slow
def test_a_stream_that_goes_on_is_named(server: Server, tmp_path: Path) -> None:
    """1 a stream has sent its first step, 2 the step is saved, 3 it is live after the limit, 4 the stream calls the new one, as
    was said."""
    given: list[str] = []
    marker, shown = tmp_path / "go", len(server.output())
    thread = threading.Thread(target=lambda: given.append(server.text(f"/slow?file={marker}")))
    thread.start()
    server.wait_until((tmp_path / "go.inside").exists, "the request is inside")
    server.edit("depot/main.py", '"step 1"', '"step 2"')
    story = server.wait_for_output("HS415(.|\n)*->", shown)
    assert "GET /slow?file=" in story
    marker.touch()
    thread.join(20)
    assert given == ["step 1 and step 2"]
    assert server.text(f"/slow?file={marker}") == "step 2 and step 2"


@pytest.mark.slow
def test_no_answer_is_mixed_under_load(tmp_path: Path, site: Path) -> None:
    """Requests that run two steps with a pause between them, while these are saved again and again: none fails, none is mixed."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    with serving(folder, site, FLASK, "/state") as one:
        before = state(one)
        answers = one.ask_while("/pair", lambda: one.save_steps("depot/main.py", rounds=8), least=1500)
        assert one.mixed(answers) == []
        assert state(one)["pid"] == before["pid"]


@pytest.mark.parametrize("command", some(["-m hotswap run serve.py", "plain.py"], 2))
def test_app_run_with_debug(command: str, tmp_path: Path, site: Path) -> None:
    """``app.run(debug=True)``: under ``hotswap run`` without a child, with ``hotswap_flask.start()`` in Werkzeug's child."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    with serving(folder, site, command, "/state") as one:
        save_some(one)
        before, shown = state(one), len(one.output())
        one.edit("depot/main.py", "app = Flask(__name__)", "class Depot(Flask):\n    pass\n\n\napp = Depot(__name__)")
        assert "HS205" in one.wait_for_output("restarting(.|\n)*HS205|HS205(.|\n)*restarting", shown)
        one.wait_until(lambda: (text := one.text("/state")) and json.loads(text)["visits"] <= before["visits"], "started again")
        one.wait_for("/config", "Bea")


def test_what_cannot_be_live_says_why(tmp_path: Path, site: Path) -> None:
    """A registration of the program's own, configuration that both have changed or that was read by name, a factory whose
    application a server has."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    (folder / "depot/made.py").write_text(
        "from flask import Flask\n\nfrom depot.parts import bp\n\n\ndef create_app():\n    app = Flask(__name__)\n"
        "    app.register_blueprint(bp)\n\n    @app.get('/')\n    def index():\n        return 'made'\n\n    return app\n"
    )
    (folder / "depot/kinds.py").write_text(
        "class Base:\n    MODE = 1\n\n\nclass Live(Base):\n    def tell(self):\n        return 1\n"
    )
    program = """
import pathlib, hotswap
hotswap.start(["depot"], watch=False)
from depot import main
""" + edit_in("depot") + """main.app.config["OWNER"] = "Cleo"
edit("main.py", '"/config"', '"/settings"')
print(main.app.config["OWNER"])
edit("main.py", '"OWNER"] = "Ann"', '"OWNER"] = "Bea"')
main.app.before_request_funcs[None].append(print)
edit("main.py", '"/config"', '"/settings"')
del main.app.before_request_funcs[None][-1]
from depot import made
app = made.create_app()
edit("made.py", "'made'", "'made anew'")
edit("made.py", "get('/')", "get('/other')")
edit("parts.py", '"/short"', '"/scarce"')
for given in ("depot.settings", "depot.kinds:Live"):
    app.config.from_object(given)
edit("settings.py", 'COLOUR = "blue"', 'COLOUR = "red"')
edit("kinds.py", "MODE = 1", "MODE = 2")
edit("kinds.py", "return 1", "return 2")
"""
    lines = run_program(folder, site, program).splitlines()
    assert lines[:2] == ["swap", "Cleo"]
    assert "restart; HS206 the Flask depot.main['config.OWNER'] was changed by the program, and by the text" in lines[2]
    assert "lose what its text does not make: before_request_funcs" in lines[3]
    assert lines[4] == "swap"
    assert lines[5].startswith("restart; HS213 depot.made.create_app has made an application")
    assert lines[6].startswith("restart; HS213 depot.parts.bp is used by a function that has made an application")
    assert lines[7].startswith("restart; HS213 depot.settings.COLOUR changes, and an application has read its configuration from")
    assert lines[8].startswith("restart; HS213 depot.kinds.Base changes, and an application has read its configuration from")
    assert lines[9] == "swap"


def test_all_that_was_read_by_name_is_followed_to_where_it_stands(tmp_path: Path, site: Path) -> None:
    """Names that a module has by ``*``, from modules of modules; objects, whose class and its bases have the values."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    for name, text in {
        "far": "OWNER = 'Ann'\nhidden = 1\n", "near": "from .far import *\n\nCITY = 'Rome'\n",
        "live": "from depot.near import *\n\nSIZE = 1\nhelper = 1\n",
        "kinds": "class Base:\n    MODE = 1\n\n\nclass Kind(Base):\n    RATE = 1\n\n\nkind = Kind()\n",
    }.items():  # fmt: skip
        (folder / f"depot/{name}.py").write_text(text)
    program = """
import pathlib, hotswap
hotswap.start(["depot"], watch=False)
from flask import Flask
app = Flask(__name__)
for given in ("depot.live", "depot.kinds.kind"):
    app.config.from_object(given)
assert (app.config["OWNER"], app.config["CITY"], app.config["MODE"]) == ("Ann", "Rome", 1)
""" + edit_in("depot") + """edit("far.py", "'Ann'", "'Bea'")
edit("near.py", "'Rome'", "'Oslo'")
edit("near.py", "from .far import *\\n", "")
edit("kinds.py", "MODE = 1", "MODE = 2")
edit("kinds.py", "RATE = 1", "RATE = 2")
edit("far.py", "hidden = 1", "hidden = 2")
edit("live.py", "helper = 1", "helper = 2")
"""
    lines = run_program(folder, site, program).splitlines()
    changed = ("depot.far.OWNER", "depot.near.CITY", "", "depot.kinds.Base", "depot.kinds.Kind")
    for line, what in zip(lines, changed, strict=False):
        assert line.startswith("restart; HS213"), line
        assert what in line
        assert "has read its configuration from" in line
    assert lines[5:] == ["swap", "swap"]


@pytest.mark.slow
def test_routes_that_a_loop_has_made_outlive_a_collection(tmp_path: Path, site: Path) -> None:
    """The collector turns round the order of what it looks at; each route keeps its own function all the same."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    loop = "for number in range(4):\n    app.add_url_rule(f'/n/{number}', f'n{number}', lambda n=number: f'number {n}')\n"
    with (folder / "depot/main.py").open("a") as text:
        text.write(f"\n\n{loop}")
    program = """
import gc, pathlib, hotswap
hotswap.start(["depot"], watch=False)
from depot import main
path = pathlib.Path("depot/main.py")
client = main.app.test_client()
saves = (('"/config"', '"/settings"'), ('"/settings"', '"/values"'), ("'number {n}'", "'no {n}'"), ('"/values"', '"/config"'))
for old, new in saves:
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
    report = hotswap.swap()
    print(report.verdict, *report.held, *(client.get(f"/n/{number}").text for number in range(4)), sep=", ")
    gc.collect()
"""
    lines = run_program(folder, site, program).splitlines()
    assert lines == ["swap, number 0, number 1, number 2, number 3"] * 2 + ["swap, no 0, no 1, no 2, no 3"] * 2


@pytest.mark.slow
def test_an_application_is_not_touched_by_what_is_evaluated_aside(tmp_path: Path, site: Path) -> None:
    """Blocks and functions that fill it are followed; what fills it by a way that nobody sees in the text is refused."""
    head = "import types\n\nfrom flask import Flask\n\napp = Flask(__name__)\n\n\ndef index():\n    return 'index'\n\n\n"
    loop = "for number in range(2):\n    app.add_url_rule(f'/a/{number}', f'l{number}', index)\n\n\n"
    call = "def more():\n    app.add_url_rule('/a', 'f', index)\n\n\nmore()\n"
    (tmp_path / "seen.py").write_text(head + loop + call)
    (tmp_path / "held.py").write_text(f"{head}box = types.SimpleNamespace(app=app)\nbox.app.add_url_rule('/a', 'b', index)\n")
    unseen = "for n in range(2):\n    getattr(app, 'get')(f'/a/{n}', endpoint=str(n))(index)\n"
    (tmp_path / "called.py").write_text(head + unseen)
    program = """
import pathlib, hotswap
hotswap.start(["."], watch=False)
import called, held, seen
for module in (called, held, seen):
    path = pathlib.Path(module.__file__)
    path.write_text(path.read_text().replace("/a", "/b"))
    report = hotswap.swap([path])
    print(report.verdict, *report.held, *sorted(str(rule) for rule in module.app.url_map.iter_rules())[:-1], sep=", ")
"""
    why = "restart, HS206 this statement fills the Flask of the program by a way that its text does not show"
    called, held, seen = run_program(tmp_path, site, program).splitlines()
    assert called.startswith(why)
    assert called.endswith(", /a/0, /a/1")
    assert held.startswith(why)
    assert held.endswith(", /a")
    assert seen == "swap, /b, /b/0, /b/1"
