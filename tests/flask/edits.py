# ruff: noqa: E501  (passages of files stand as they do there)
"""What people save while they write such a program: a name, then changes as file, old passage, new passage; no old one: a new file.

All of these are live, and answered as a fresh start answers: see :mod:`tests.web.driving`.
"""

from __future__ import annotations

#: Live, in the same process.
LIVE: list[tuple[str, tuple[tuple[str, str, str], ...]]] = []


def live(name: str, *changes: tuple[str, str, str]) -> None:
    LIVE.append((name, changes))


_ERROR = '@app.get("/error")\ndef error():\n    return 1 / 0\n\n\n'
_ONE = '@bp.route("/<int:number>")\ndef one(number):\n    if number > 90:\n        abort(404)\n    return f"part {number}"\n\n\n'
# ---- views ----
live("body", ("parts.py", 'f"part {number}"', 'f"piece {number}"'))
live("body of a decorated view", ("main.py", 'return f"hello {name}"', 'return f"good day {name}"'))
live("body of a decorator", ("main.py", 'f"please: {answer}"', 'f"if you please: {answer}"'))
live("body of an async view", ("main.py", 'return "later"', 'return "much later"'))
live("body of a method view", ("parts.py", 'f"{self.title} filled"', 'f"{self.title} filled up"'))
live("attribute of a method view", ("parts.py", 'title = "bins"', 'title = "boxes"'))
live("method of a method view comes", ("parts.py", '    def post(self):\n        return f"{self.title} filled"\n', '    def post(self):\n        return f"{self.title} filled"\n\n    def put(self):\n        return "put"\n'))
live("method of a method view goes", ("parts.py", '\n    def post(self):\n        return f"{self.title} filled"\n', ""))
live("decorator goes", ("main.py", '@app.route("/hello/<name>")\n@polite\n', '@app.route("/hello/<name>")\n'))
live("decorator comes", ("main.py", '@app.route("/async")\n', '@app.route("/async")\n@polite_later\n'), ("main.py", "def polite(function):", 'def polite_later(function):\n    @functools.wraps(function)\n    async def inner():\n        return "please: " + await function()\n\n    return inner\n\n\ndef polite(function):'))
live("function becomes a coroutine", ("parts.py", "def tiny():", "async def tiny():"))
live("coroutine becomes a function", ("main.py", "async def later():", "def later():"))
live("body of a stream", ("main.py", '        yield "b"\n', '        yield "b"\n        yield "c"\n'))
live("parameter is renamed", ("main.py", '@app.route("/hello/<name>")\n@polite\ndef hello(name):\n    return f"hello {name}"', '@app.route("/hello/<who>")\n@polite\ndef hello(who):\n    return f"hello {who}"'), ("main.py", "url_for('hello', name='x')", "url_for('hello', who='x')"))
# ---- routes ----
live("path", ("main.py", '@app.route("/hello/<name>")', '@app.route("/hi/<name>")'))
live("path of a blueprint", ("parts.py", '@bp.get("/short")', '@bp.get("/scarce")'))
live("converter in a path", ("parts.py", "/<int:number>", "/<float:number>"))
live("two paths", ("main.py", '@app.route("/hello/<name>")', '@app.route("/hello/<name>")\n@app.route("/hi/<name>")'))
live("default in a path", ("main.py", '@app.route("/hello/<name>")', '@app.route("/extra", defaults={"name": "nobody"})\n@app.route("/hello/<name>")'))
live("route comes", ("main.py", '@app.get("/error")', '@app.get("/extra")\ndef extra():\n    return "extra"\n\n\n@app.get("/error")'))
live("route comes at the beginning", ("main.py", '@app.route("/")', '@app.get("/some/<what>")\ndef some(what):\n    return what\n\n\n@app.route("/")'))
live("route goes", ("main.py", _ERROR, ""))
live("route of a blueprint comes", ("parts.py", '@bp.get("/short")', '@bp.get("/x")\ndef extra():\n    return "extra"\n\n\n@bp.get("/short")'))
live("route of a blueprint goes", ("parts.py", _ONE, ""))
live("two routes change places", ("parts.py", _ONE, ""), ("parts.py", "class Bins", _ONE + "class Bins"))
live("methods", ("main.py", 'methods=["GET", "PUT"]', 'methods=["GET", "DELETE"]'))
live("get becomes post", ("main.py", '@app.get("/stream")', '@app.post("/stream")'))
live("endpoint is named", ("main.py", '@app.route("/hello/<name>")', '@app.route("/hello/<name>", endpoint="greet")'), ("main.py", "url_for('hello'", "url_for('greet'"))
live("view is renamed", ("main.py", "def hello(name):", "def greet(name):"), ("main.py", "url_for('hello'", "url_for('greet'"))
live("slashes", ("parts.py", '@bp.route("/")', '@bp.route("")'))
live("redirect", ("main.py", '@app.get("/error")', '@app.get("/error", redirect_to="/any")'))
live("rule by a call", ("main.py", "app.register_blueprint(bp)", 'app.register_blueprint(bp)\napp.add_url_rule("/extra", "extra", lambda: "extra", methods=["GET", "POST"])'))
live("two routes exchange views", ("main.py", '@app.route("/async")', '@app.route("/config")'), ("main.py", '@app.route("/config")\ndef config', '@app.route("/async")\ndef config'))
# ---- blueprints ----
live("prefix where it is made", ("parts.py", 'url_prefix="/parts"', 'url_prefix="/goods"'))
live("prefix where it is registered", ("main.py", "app.register_blueprint(bp)", 'app.register_blueprint(bp, url_prefix="/goods")'))
live("prefix of an inner blueprint", ("parts.py", 'bp.register_blueprint(small, url_prefix="/small")', 'bp.register_blueprint(small, url_prefix="/little")'))
live("name of a blueprint", ("parts.py", 'Blueprint("parts", __name__', 'Blueprint("pieces", __name__'), ("templates/index.html", "parts.index", "pieces.index"))
live("blueprint is registered twice", ("main.py", "app.register_blueprint(bp)", 'app.register_blueprint(bp)\napp.register_blueprint(bp, url_prefix="/goods", name="goods")'))
live("inner blueprint goes elsewhere", ("parts.py", 'bp.register_blueprint(small, url_prefix="/small")\n', ""), ("main.py", "from depot.parts import bp\n", "from depot.parts import bp, small\n"), ("main.py", "app.register_blueprint(bp)", "app.register_blueprint(bp)\napp.register_blueprint(small)"))
live("new module with a blueprint", ("extra.py", "", 'from flask import Blueprint\n\nbp = Blueprint("extra", __name__)\n\n\n@bp.get("/extra")\ndef extra():\n    return "from the new module"\n'), ("main.py", "from depot.parts import bp\n", "from depot import extra\nfrom depot.parts import bp\n"), ("main.py", "app.register_blueprint(bp)", "app.register_blueprint(bp)\napp.register_blueprint(extra.bp)"))
# ---- around requests ----
live("body of before_request", ("main.py", 'g.steps = ["begin"]', 'g.steps = ["begin", "go on"]'))
live("before_request comes", ("main.py", "@app.after_request", '@app.before_request\ndef more():\n    g.steps.append("more")\n\n\n@app.after_request'))
live("before_request comes in front", ("main.py", "@app.before_request", '@app.before_request\ndef first():\n    g.steps = ["first"]\n\n\n@app.before_request'))
live("before_request goes", ("parts.py", "@bp.before_request\ndef", "def"), ("parts.py", "noted=g.noted, ", ""))
live("before_request answers", ("parts.py", 'g.noted = "parts"', 'g.noted = "parts"\n    return "no parts today", 503'))
live("body of after_request", ("main.py", '"depot"\n    return response', '"new depot"\n    return response'))
live("after_request comes", ("main.py", "@app.teardown_request", '@app.after_request\ndef more(response):\n    response.headers["X-More"] = "more"\n    return response\n\n\n@app.teardown_request'))
live("body of an error handler", ("main.py", 'f"nothing at {request.path}", 404', 'f"not even something at {request.path}", 404'))
live("error handler of a blueprint", ("parts.py", 'f"shortage: {error}", 409', 'f"shortage: {error}", 410'))
live("error handler comes", ("main.py", "@app.errorhandler(404)", '@app.errorhandler(ZeroDivisionError)\ndef infinite(error):\n    return "infinite", 500\n\n\n@app.errorhandler(404)'))
live("error handler goes", ("parts.py", "@bp.errorhandler(Shortage)\n", ""))
live("error handler is for another error", ("main.py", "@app.errorhandler(404)", "@app.errorhandler(405)"))
# ---- templates ----
live("body of a filter", ("main.py", "text.upper()", "text.title()"))
live("filter of a blueprint", ("parts.py", "value / 2", "value / 4"))
live("filter comes", ("main.py", '@app.template_filter("loud")', '@app.template_filter()\ndef quiet(text):\n    return text.lower()\n\n\n@app.template_filter("loud")'), ("templates/index.html", "name|loud", "name|quiet"))
live("filter is renamed", ("main.py", '@app.template_filter("loud")', '@app.template_filter("shout")'), ("templates/index.html", "name|loud", "name|shout"))
live("test comes", ("main.py", '@app.template_filter("loud")', '@app.template_test()\ndef great(number):\n    return number > 3\n\n\n@app.template_filter("loud")'), ("templates/index.html", "{{ owner }}", "{{ 4 is great }}"))
live("body of a template global", ("main.py", "number * 2", "number * 3"))
live("body of a context processor", ("main.py", '{"owner": app.config["OWNER"]}', '{"owner": "nobody"}'))
live("template", ("templates/index.html", "<h1>", "<h1 class='big'>"))
live("included template", ("templates/foot.html", "foot", "feet"))
# ---- configuration and commands ----
live("configuration", ("main.py", 'app.config["OWNER"] = "Ann"', 'app.config["OWNER"] = "Bea"'))
live("configuration from a module", ("settings.py", 'COLOUR = "blue"', 'COLOUR = "red"'))
live("configuration that comes", ("main.py", 'app.config["OWNER"] = "Ann"', 'app.config["OWNER"] = "Ann"\napp.config["PAGE_SIZE"] = 20'))
live("static files go", ("main.py", "app = Flask(__name__)", "app = Flask(__name__, static_folder=None)"))
live("keys in order", ("main.py", "app.json.sort_keys = False", "app.json.sort_keys = True"))
live("body of a command", ("main.py", 'f"counted by {by}"', 'f"counted in steps of {by}"'))
live("option of a command", ("main.py", '"--by", default=1', '"--by", default=2'))
live("name of a command", ("main.py", '@app.cli.command("count")', '@app.cli.command("tally")'), ("main.py", 'args=["count"]', 'args=["tally"]'))
