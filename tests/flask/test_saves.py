"""A program of Flask, edited on disk while the development server serves it: same process, same memory."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.running import Server, make_site, run_program, serving

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


def test_no_answer_is_mixed_under_load(tmp_path: Path, site: Path) -> None:
    """Requests that run two steps with a pause between them, while these are saved again and again: none fails, none is mixed."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    with serving(folder, site, FLASK, "/state") as one:
        before = state(one)
        answers = one.ask_while("/pair", lambda: one.save_steps("depot/main.py", rounds=8), least=1500)
        assert one.mixed(answers) == []
        assert state(one)["pid"] == before["pid"]


@pytest.mark.parametrize("command", ["-m hotswap run serve.py", "plain.py"])
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
def edit(file, old, new):
    path = pathlib.Path("depot", file)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    report = hotswap.swap()
    print(report.verdict, *[f"{f.code} {f.message}" for f in report.held], sep="; ")
    path.write_text(text)
    hotswap.swap()
    return report
main.app.config["OWNER"] = "Cleo"
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
