"""The application."""

import functools
import os
import time

import click
from flask import Flask, Response, g, jsonify, render_template, request, stream_with_context, url_for

from depot import settings, state
from depot.parts import bp

app = Flask(__name__)
app.config.from_object(settings)
app.config["OWNER"] = "Ann"
app.secret_key = "not secret"
app.json.sort_keys = False


def polite(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        answer = function(*args, **kwargs)
        return f"please: {answer}"

    return inner


@app.before_request
def begin():
    g.steps = ["begin"]


@app.after_request
def stamp(response):
    response.headers["X-Stamp"] = "depot"
    return response


@app.teardown_request
def end(error):
    state.LOG.append("end")


@app.errorhandler(404)
def missing(error):
    return f"nothing at {request.path}", 404


@app.template_filter("loud")
def loud(text):
    return text.upper()


@app.context_processor
def common():
    return {"owner": app.config["OWNER"]}


@app.template_global()
def double(number):
    return number * 2


@app.route("/")
def index():
    return render_template("index.html", name="depot")


@app.route("/hello/<name>")
@polite
def hello(name):
    return f"hello {name}"


@app.route("/any", methods=["GET", "PUT"])
def anything():
    return f"{request.method} {url_for('hello', name='x')}"


@app.route("/async")
async def later():
    return "later"


@app.route("/config")
def config():
    return jsonify(owner=app.config["OWNER"], colour=app.config["COLOUR"], size=app.config["PAGE_SIZE"], steps=g.steps)


@app.get("/stream")
def stream():
    def rows():
        yield "a"
        yield "b"

    return Response(stream_with_context(rows()))


@app.get("/error")
def error():
    return 1 / 0


app.register_blueprint(bp)


@app.cli.command("count")
@click.option("--by", default=1)
def count(by):
    click.echo(f"counted by {by}")


@app.get("/command")
def command():
    return app.test_cli_runner().invoke(args=["count"]).output


@app.get("/state")
def show_state():
    """What a fresh start does not have."""
    state.VISITS.append("one more")
    return jsonify(pid=state.PID, visits=len(state.VISITS))


@app.get("/pair")
def pair():
    """Two steps with a short pause."""
    first = one()
    time.sleep(0.002)
    return f"{first}, {two()}"


def one():
    return "one 0"


def two():
    return "two 0"


@app.get("/slow")
def slow():
    """Two steps with a pause between them, until a file appears."""

    def steps():
        yield step()
        open(f"{request.args['file']}.inside", "w").close()
        while not os.path.exists(request.args["file"]):
            time.sleep(0.01)
        yield f" and {step()}"

    return Response(stream_with_context(steps()))


def step():
    return "step 1"


@app.get("/<path:rest>")
def everything(rest):
    return f"rest {rest}", 202
