"""The status page as HTML. Everything that is put in is escaped: names, excerpts and reprs are hostile."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotswap.page.view import CHART_SIZE, Server, StatusView

if TYPE_CHECKING:
    import jinja2

__all__ = ["read_asset", "render"]

_ASSETS = Path(__file__).parent / "assets"


@functools.cache
def read_asset(name: str) -> str:
    """A file of this package, as it is."""
    return (_ASSETS / name).read_text("utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2  # here: only who looks at the page pays for it, and hotswap itself does not need it

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    found.filters["thousands"] = lambda number: f"{number:,}"
    found.filters["short"] = _shorten_number
    return found


def _shorten_number(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def render(view: StatusView, server: Server | None, *, whole: bool) -> str:
    """The page, or what is inside of its ``main``.

    Args:
        server: where commands go; None for a page that only reads.
    """
    try:
        environment = _environment()
    except ImportError:
        return "<!doctype html><title>hotswap</title><p>The status page needs Jinja2: pip install 'hotswap[page]', and restart."
    context: dict[str, Any] = {"view": view, "server": server, "size": CHART_SIZE}
    if not whole:
        return _encodable(environment.get_template("main.html").render(context))
    assets = {"css": read_asset("status.css"), "js": read_asset("status.js")}
    return _encodable(environment.get_template("status.html").render(context, **assets))


def _encodable(text: str) -> str:
    """A path that is no text in the file system's encoding has signs in it that no page can carry; they are written out."""
    return text.encode("utf-8", "backslashreplace").decode()
