# ruff: noqa: E501  (passages of files stand as they do there)
"""An extension that is no part of the program has put functions into an application: routes of the text follow all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sample import some
from tests.web.running import make_site, run_program

pytestmark = pytest.mark.once  # much the same on every interpreter

EXTENSION = """
import click

class Shelf:
    def __init__(self, app=None):
        self.asked = 0
        if app is not None:
            self.init_app(app)

    def init_app(self, app):
        app.extensions["shelf"] = self
        app.shelf = self
        app.jinja_env.filters["shout"] = shout
        app.jinja_env.globals["shelf"] = self
        app.before_request(self.count)
        app.after_request(sign)
        app.context_processor(lambda: {"shelves": 3})
        app.register_error_handler(405, lambda error: ("not so", 405))
        app.add_url_rule("/shelf", "shelf", self.show)
        app.config.setdefault("SHELVES", 3)
        app.cli.add_command(click.Command("tidy", callback=shout))

    def count(self):
        from flask import g

        self.asked += 1
        g.steps = [*getattr(g, "steps", []), "shelf"]

    def show(self):
        return "the shelf"


def shout(text="x"):
    return text.upper()


def sign(response):
    response.headers["X-Shelf"] = "1"
    return response
"""
HEAD = """
from flask import Flask, g, render_template_string
from shelf_of_library import Shelf
"""
BODY = """

@app.before_request
def begin():
    g.steps = [*getattr(g, "steps", []), "own"]


@app.get("/")
def index():
    return render_template_string("{{ 'a'|shout }} {{ shelves }} {{ config.SHELVES }} {{ g.steps }}")
"""
WAYS = {
    "given": HEAD + "app = Flask(__name__)\nshelf = Shelf(app)\n" + BODY,
    "later": HEAD + "app = Flask(__name__)\nshelf = Shelf()\nshelf.init_app(app)\n" + BODY,
    "elsewhere": HEAD.replace("from shelf_of_library import Shelf", "from depot.more import shelf") + "app = Flask(__name__)\nshelf.init_app(app)\n" + BODY,
    "jinja too": HEAD + "app = Flask(__name__)\nshelf = Shelf(app)\n\n\n@app.template_filter()\ndef low(text):\n    return text.lower()\n" + BODY,
}  # fmt: skip
#: Name, old passage, new passage; why it is refused, empty where it is live.
EDITS = (
    ("route comes", '@app.get("/")', '@app.get("/new")\ndef new():\n    return "new"\n\n\n@app.get("/")', ""),
    ("path", '@app.get("/")', '@app.get("/other")', ""),
    ("filter comes", '@app.get("/")', '@app.template_filter("same")\ndef same(text):\n    return text\n\n\n@app.get("/")', ""),
    ("handler comes", '@app.get("/")', '@app.errorhandler(404)\ndef missing(error):\n    return "nothing", 404\n\n\n@app.get("/")', ""),
    ("body", "{{ shelves }}", "{{ shelves }}!", ""),
    ("hook goes", '@app.before_request\ndef', "def", ""),
    ("hook comes", '@app.get("/")', '@app.before_request\ndef more():\n    g.steps.append("more")\n\n\n@app.get("/")', "before_request_funcs  (shelf_of_library.Shelf.count) is in a row"),
    ("rule of the same shape", '@app.get("/")', '@app.get("/shelf")\ndef mine():\n    return "mine"\n\n\n@app.get("/")', "rule /shelf GET,HEAD,OPTIONS shelf fits as well"),
    ("handler of the same error", '@app.get("/")', '@app.errorhandler(405)\ndef wrong(error):\n    return "wrong", 405\n\n\n@app.get("/")', "has the place of what the text makes"),
    ("attribute of the same name", "\n@app.before_request", "\napp.shelf = len\n\n\n@app.before_request", "has the place of what the text makes"),
)  # fmt: skip
ASK = """
import json, pathlib
from depot.main import app
def ask():
    client = app.test_client()
    answers = {path: (answer := client.get(path)) for path in ("/", "/other", "/new", "/shelf", "/nowhere")}
    found = {path: (answer.status_code, answer.headers.get("X-Shelf"), answer.text) for path, answer in answers.items()}
    return [found, client.post("/shelf").text, sorted(app.cli.commands), app.extensions["shelf"] is app.shelf, sorted(map(str, app.url_map.iter_rules()))]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_site("hotswap-flask", tmp_path_factory.mktemp("plugin"))
    (folder / "shelf_of_library.py").write_text(EXTENSION)
    return folder


@pytest.mark.parametrize("way", some(WAYS, 4))
def test_what_an_extension_has_put_there_stays_and_the_text_is_followed(way: str, tmp_path: Path, site: Path) -> None:
    """Each edit by itself: all answers are those of a fresh start and the extension is the same object, or it says why not."""
    package = tmp_path / "depot"
    package.mkdir()
    (package / "more.py").write_text("from shelf_of_library import Shelf\n\nshelf = Shelf()\n")
    main = package / "main.py"
    main.write_text(WAYS[way])
    program = f"""
import hotswap
hotswap.start(["depot"], watch=False)
{ASK}
shelf, text, told = app.shelf, pathlib.Path("depot/main.py").read_text(), []
ask()
for name, old, new, why in {EDITS!r}:
    assert text.count(old) == 1, old
    pathlib.Path("depot/main.py").write_text(text.replace(old, new))
    report = hotswap.swap()
    if why:
        assert report.verdict == "restart" and why in str(report), f"{{name}}: {{report}}"
    else:
        assert report.applied and app.shelf is shelf, f"{{name}}: {{report}}"
        told.append([name, ask()])
        assert hotswap.rollback().applied
    pathlib.Path("depot/main.py").write_text(text)
    assert hotswap.swap().verdict == "nothing", f"back from {{name}}: {{report}}"
print(json.dumps([told, ask(), shelf.asked > 30]))
"""
    told, back, goes_on = json.loads(run_program(tmp_path, site, program).splitlines()[-1])
    assert goes_on
    ask = ASK + "print(json.dumps(ask()))"
    assert back == json.loads(run_program(tmp_path, site, ask))
    for name, shown in told:
        (change,) = [edit for edit in EDITS if edit[0] == name]
        main.write_text(WAYS[way].replace(change[1], change[2]))
        assert shown == json.loads(run_program(tmp_path, site, ask)), name
