"""A program of FastAPI, edited on disk while uvicorn serves it: same process, same memory, no start again."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.running import Server, edit_in, make_site, run_program, serving

pytestmark = pytest.mark.once  # real servers, much the same on every interpreter

PROJECT = Path(__file__).parent / "project"
UVICORN = "-m hotswap run -m uvicorn shop.main:app --port PORT"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site("hotswap-asgi", tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Iterator[Server]:
    folder = Path(shutil.copytree(PROJECT, tmp_path_factory.mktemp("copy") / "project"))
    with serving(folder, site, UVICORN, "/state") as one:
        yield one


def state(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.text("/state"))
    return found


def test_saves_are_live_in_the_same_process(server: Server) -> None:
    """Body, path, model with the schema, a module that is new; the count goes on and the lifespan has run once."""
    before = state(server)
    server.edit("shop/items.py", '"milk"', '"bread"')
    server.wait_for("/items/", "bread")
    server.edit("shop/main.py", '@app.get("/trouble")', '@app.get("/extra")')
    server.wait_for("/extra", "spilt")
    server.edit("shop/models.py", 'town: str = "Brno"', 'town: str = "Brno"\n    country: str = "CZ"')
    server.wait_for("/items/7", '"country":"CZ"')
    assert '"country":{"type":"string"' in server.text("/openapi.json")
    (server.folder / "shop/more.py").write_text(
        "from fastapi import APIRouter\n\nrouter = APIRouter()\n\n\n@router.get('/more')\ndef more():\n    return 'more'\n"
    )
    included = "app.include_router(items.router)"
    server.edit("shop/main.py", included, f"{included}\napp.include_router(more.router)")
    server.edit("shop/main.py", "from shop import items, people, state", "from shop import items, more, people, state")
    server.wait_for("/more", "more")
    after = state(server)
    assert (after["pid"], after["visits"], after["started"]) == (before["pid"], before["visits"] + 1, [1])


def test_a_lifespan_that_changes_is_named(server: Server) -> None:
    """It has run, and does not run again."""
    before, shown = state(server), len(server.output())
    server.edit("shop/main.py", "state.STARTED.append(1)", "state.STARTED.append(2)")
    assert "shop.main.lifespan is the lifespan of an application" in server.wait_for_output("HS406(.|\n)*->", shown)
    assert state(server)["started"] == before["started"]


def test_a_broken_save_is_refused(server: Server) -> None:
    """A broken save is refused, the old code serves on, and the next save heals it."""
    shown = len(server.output())
    server.edit("shop/main.py", 'Depends(counted)', 'Depends(counted, "x" "y"')
    server.wait_for_output("HS101", shown)
    assert server.text("/counted") == '{"is":1}'
    server.edit("shop/main.py", 'Depends(counted, "x" "y"', "Depends(counted)")
    server.wait_for_output("HS105", shown)


def test_a_request_is_answered_by_one_version(server: Server, tmp_path: Path) -> None:
    """1 a request has run its first step, 2 the step is saved, 3 the request ends in the old code, 4 the next one is new."""
    given: list[str] = []
    marker = tmp_path / "go"
    thread = threading.Thread(target=lambda: given.append(server.text(f"/slow?file={marker}")))
    shown = len(server.output())
    thread.start()
    server.wait_until((tmp_path / "go.inside").exists, "the request is inside")
    server.edit("shop/main.py", '"step 1"', '"step 2"')
    server.wait_until(lambda: "live" in server.output()[shown:] or marker.exists() or _is_closing(server), "the save is seen")
    marker.touch()
    thread.join(20)
    assert given == ["step 1 and step 1"]
    server.wait_until(lambda: server.text(f"/slow?file={marker}") == "step 2 and step 2", "the new code answers")


def test_a_stream_that_goes_on_is_named(server: Server, tmp_path: Path) -> None:
    """1 a stream has sent its first step, 2 the step is saved, 3 it is live after the limit, 4 the stream calls the new one, as
    was said."""
    given: list[str] = []
    marker, shown = tmp_path / "go", len(server.output())
    thread = threading.Thread(target=lambda: given.append(server.text(f"/flow?file={marker}")))
    thread.start()
    server.wait_until((tmp_path / "go.inside").exists, "the stream is inside")
    old = re.findall(r'"(step \d)"', (server.folder / "shop/main.py").read_text())[0]
    server.edit("shop/main.py", f'"{old}"', '"step 7"')
    assert "GET /flow" in server.wait_for_output("HS415(.|\n)*->", shown)
    marker.touch()
    thread.join(20)
    assert given == [f"{old} and step 7"]
    assert server.text(f"/flow?file={marker}") == "step 7 and step 7"


def _is_closing(server: Server) -> bool:
    """True where a request waits at the gate: the swap has been begun."""
    answered = threading.Event()
    threading.Thread(target=lambda: (server.text("/state"), answered.set()), daemon=True).start()
    return not answered.wait(0.3)


def test_no_answer_is_mixed_under_load(tmp_path: Path, site: Path) -> None:
    """Requests that run two steps with a pause between them, while these are saved again and again: none fails, none is mixed."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    with serving(folder, site, UVICORN, "/state") as one:
        before = state(one)
        answers = one.ask_while("/pair", lambda: one.save_steps("shop/main.py", rounds=8), least=1500)
        assert one.mixed(answers) == []
        assert state(one)["pid"] == before["pid"]


@pytest.mark.slow
def test_python_serve_needs_no_child(tmp_path: Path, site: Path) -> None:
    """``hotswap run serve.py`` with ``reload=True`` in it: uvicorn's reloader starts no child, saves are swapped."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    with serving(folder, site, "-m hotswap run serve.py", "/state") as one:
        before = state(one)
        one.edit("shop/items.py", '@router.get("/newest")', '@router.get("/brand-new")')
        one.wait_for("/items/brand-new", "newest")
        after = state(one)
        assert (after["pid"], after["visits"]) == (one.process.pid, before["visits"] + 1)


def test_what_cannot_be_live_says_why(tmp_path: Path, site: Path) -> None:
    """An opaque object, a route of the program's own, state that both have changed, an application of another class."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    program = """
import pathlib, hotswap
hotswap.start(["shop"], watch=False)
from shop import main, models
""" + edit_in("shop") + """edit("models.py", "TypeAdapter(dict[str, float])", "TypeAdapter(dict[str, str])")
main.app.add_api_route("/own", main.index)
edit("main.py", '"/counted"', '"/tally"')
main.app.router.routes.pop()
main.app.state.currency = "USD"
edit("main.py", '"/counted"', '"/tally"')
print(main.app.state.currency)
edit("main.py", 'currency = "EUR"', 'currency = "CZK"')
edit("main.py", 'app = FastAPI(title="Shop"', 'class Shop(FastAPI):\\n    pass\\n\\n\\napp = Shop(title="Shop"')
"""
    lines = run_program(folder, site, program).splitlines()
    assert lines[0] == "restart; HS205 shop.models.PRICES is an opaque object and its initialiser changed"
    assert "restart; HS206 the FastAPI would be filled anew, and lose what its text does not make: APIRoute GET /own" in lines[1]
    assert lines[2:4] == ["swap", "USD"]
    assert lines[4].startswith("restart; HS206 the FastAPI['state.currency'] was changed by the program, and by the text")
    assert lines[5] == "restart; HS205 shop.main.app would be an object of shop.main.Shop, but the one of before serves"
