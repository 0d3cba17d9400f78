"""A blueprint with a blueprint inside."""

from flask import Blueprint, abort, g, jsonify, url_for
from flask.views import MethodView

bp = Blueprint("parts", __name__, url_prefix="/parts")
small = Blueprint("small", __name__)


class Shortage(Exception):
    pass


@bp.before_request
def note_parts():
    g.noted = "parts"


@bp.route("/")
def index():
    return jsonify(parts=["nut", "bolt"], noted=g.noted, here=url_for(".index"))


@bp.route("/<int:number>")
def one(number):
    if number > 90:
        abort(404)
    return f"part {number}"


@bp.get("/short")
def short():
    raise Shortage("no nuts")


@bp.errorhandler(Shortage)
def on_shortage(error):
    return f"shortage: {error}", 409


class Bins(MethodView):
    title = "bins"

    def get(self):
        return self.title

    def post(self):
        return f"{self.title} filled"


bp.add_url_rule("/bins", view_func=Bins.as_view("bins"))


@small.route("/tiny")
def tiny():
    return "tiny"


@small.app_template_filter()
def halved(value):
    return value / 2


bp.register_blueprint(small, url_prefix="/small")
