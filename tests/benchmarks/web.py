"""Development servers, from a save to what is seen of it: those that swap against those that start again.

    python -m tests.benchmarks.web                    ten saves each, a quarter of an hour
    python -m tests.benchmarks.web --saves 1 --only django    one save each, of one framework
    ... --markdown --plot web.svg                     what README.md shows

Two ways of looking: *answer* is the first HTTP answer with the new text, asked for without a pause; *page* is what a page that is
open in a headless Chromium shows, which hotswap-django has loaded by itself, and django-browser-reload where the server starts
again. That one tells templates and style sheets to one of its listeners only, so these are looked at with hotswap alone.

The servers of one framework run side by side and take turns, save by save, with pauses of random length: who looks in intervals
is not caught at one point of them. Each has to show the new text, or this ends with an error.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import itertools
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.benchmarks.__main__ import version_of
from tests.browser.browsing import Browser, is_installed, make_shop
from tests.examples.shop import ROOT, make_copy
from tests.web.running import Server, install

PATIENCE = 60.0  # seconds until a change counts as missed
#: A page tells, by the clock of this machine, when it has shown what for the first time.
WATCH = """
(() => {
  const look = () => {
    const heading = document.querySelector("h1");
    if (heading && document.body) {
      const shown = `${heading.textContent} ${getComputedStyle(document.body).color}`;
      if (!localStorage.getItem(shown)) localStorage.setItem(shown, performance.timeOrigin + performance.now());
    }
    requestAnimationFrame(look);
  };
  look();
})()
"""


@attrs.frozen
class Save:
    """What is edited, and where it is to be seen.

    Attributes:
        file, old: a passage of a file.
        new: what is put there; ``MARK`` stands for a word that is another one each time, ``COLOUR`` for two parts of one.
        path: of the page that shows it.
        seen: what the page shows then.
    """

    what: str
    file: str
    old: str
    new: str
    path: str = "/"
    seen: str = "MARK"


VIEW = Save("a view", "shop/views.py", "Everything we have", "MARK")
TEMPLATE = Save("a template", "shop/templates/shop/product_list.html", "<h1>{{ title }}", "<h1>{{ title }} MARK")
STYLE = Save("a style sheet", "shop/static/shop/style.css", "color: rgb(20, 30, 40)", "color: rgb(0, COLOUR)",
             seen="rgb(0, COLOUR)")  # fmt: skip
ENDPOINT = Save("an endpoint", "shop/items.py", '"item": "newest"', '"item": "MARK"', "/items/newest")


@attrs.frozen
class Contestant:
    """A way to run a server.

    Attributes:
        needs: modules and programs without which it is left out, which is said.
        says: what its terminal has to show, so that it is what it is called.
        apps: further applications of the Django project.
    """

    name: str
    command: str
    needs: tuple[str, ...] = ()
    says: str = ""
    apps: tuple[str, ...] = ()


OURS = "hotswap"
RUNSERVER = "manage.py runserver 127.0.0.1:PORT"
NO_WATCHMAN = " --no-watchman"  # not an option of Django's: :func:`make_project` hides the client of Watchman from it
UVICORN = "uvicorn shop.main:app --port PORT"
DJANGO = (
    Contestant("hotswap-django", f"-m hotswap run {RUNSERVER}"),
    Contestant("runserver", RUNSERVER + NO_WATCHMAN, says="with StatReloader", apps=("django_browser_reload",)),
    Contestant("runserver, Watchman", RUNSERVER, ("watchman", "pywatchman"), "with WatchmanReloader", ("django_browser_reload",)),
    Contestant("runserver, watchfiles", RUNSERVER, ("django_watchfiles",), "with WatchfilesReloader",
               ("django_watchfiles", "django_browser_reload")),
)  # fmt: skip
#: By framework: the plugin, the contestants, saves that are looked at by answers and by pages, a page that is there.
ARENAS = {
    "django": ("hotswap-django", DJANGO, (VIEW,), (VIEW, TEMPLATE, STYLE), "/"),
    "asgi": ("hotswap-asgi", (
        Contestant("hotswap-asgi", f"-m hotswap run -m {UVICORN}"),
        Contestant("uvicorn --reload", f"-m {UVICORN} --reload", ("watchfiles",), "using WatchFiles"),
    ), (ENDPOINT,), (), "/items/newest"),
}  # fmt: skip


@attrs.frozen
class Row:
    """Milliseconds from each save to what was seen.

    Attributes:
        seen: ``answer`` or ``page``.
    """

    framework: str
    seen: str
    what: str
    name: str
    times: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.times)


# ---- one save ----


def change(server: Server, save: Save, number: int) -> str:
    """Save; gives what is to be seen."""
    words = {"MARK": f"mark{number}x", "COLOUR": f"{number // 256}, {number % 256}"}
    old, new, seen = (re.sub("MARK|COLOUR", lambda found: words[found[0]], text) for text in (save.old, save.new, save.seen))
    path = server.folder / save.file
    original = _ORIGINALS.setdefault(path, path.read_text("utf-8"))
    assert original.count(old) == 1, f"{old!r} stands {original.count(old)} times in {path}"
    path.write_text(original.replace(old, new), "utf-8")
    return seen


_ORIGINALS: dict[Path, str] = {}


def time_answer(server: Server, save: Save, number: int) -> float:
    """Milliseconds until an answer has it."""
    began = time.perf_counter()
    seen = change(server, save, number)
    while seen not in server.text(save.path):
        _check(server, began, seen)
        time.sleep(0.002)  # the server gets the processor, too
    return (time.perf_counter() - began) * 1e3


def time_page(browser: Browser, server: Server, save: Save, number: int, pause: float) -> float:
    """Milliseconds until a page that is open shows it."""
    browser.get(server._url(save.path))
    browser.wait_until(lambda: browser.execute_script("return document.readyState") == "complete", "the page is loaded")
    time.sleep(pause)  # it has begun to listen
    began, start = time.time(), time.perf_counter()
    seen = change(server, save, number)
    while True:
        _check(server, start, seen)
        time.sleep(0.1)  # the page notes the time itself
        with contextlib.suppress(Exception):  # a page that is being exchanged
            for shown, at in browser.execute_script("return Object.entries(localStorage)"):
                if seen in shown:
                    return float(at) - began * 1e3


def _check(server: Server, began: float, seen: str) -> None:
    if server.process.poll() is not None or time.perf_counter() - began > PATIENCE:
        raise SystemExit(f"{seen!r} was never shown by {server.process.args}\n{server.output()}")


# ---- the contestants ----


def find_missing(contestant: Contestant) -> list[str]:
    """What is not installed of what it needs."""
    needs = (*contestant.needs, *contestant.apps)
    return [name for name in needs if not (importlib.util.find_spec(name) or shutil.which(name))]


def make_project(framework: str, contestant: Contestant, folder: Path) -> Path:
    """A copy of the example, with the applications that a contestant needs."""
    if framework != "django":
        return Path(shutil.copytree(ROOT / "tests" / framework / "project", folder))
    folder.parent.mkdir()
    make_shop(make_copy(folder.with_name("migrated")), folder)
    settings = folder / "shopsite/settings.py"
    listed = "".join(f'    "{name}",\n' for name in contestant.apps)
    text = settings.read_text().replace("INSTALLED_APPS = [\n", f"INSTALLED_APPS = [\n{listed}")
    if "django_browser_reload" in contestant.apps:
        text = text.replace("MIDDLEWARE = [", 'MIDDLEWARE = [\n    "django_browser_reload.middleware.BrowserReloadMiddleware",')
        base = folder / "shop/templates/shop/base.html"
        base.write_text(base.read_text().replace("</html>", "</body>\n</html>"))  # it looks for that
        urls = folder / "shopsite/urls.py"
        line = '    path("__reload__/", include("django_browser_reload.urls")),'
        urls.write_text(urls.read_text().replace("urlpatterns = [", f"urlpatterns = [\n{line}"))
    settings.write_text(text)
    if contestant.command.endswith(NO_WATCHMAN):  # Django takes Watchman where it finds it
        manage = folder / "manage.py"
        manage.write_text(manage.read_text().replace("import sys\n", 'import sys\n\nsys.modules["pywatchman"] = None\n', 1))
    return folder


@contextlib.contextmanager
def run_watchman(folder: Path) -> Iterator[dict[str, str]]:
    """A Watchman of this run; gives what tells Django where it is."""
    program = shutil.which("watchman")
    if program is None:
        yield {}
        return
    sock = folder / "sock"
    command = [program, "--foreground", f"--sockname={sock}", f"--logfile={folder / 'log'}", f"--statefile={folder / 'state'}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # It goes through the whole installation of Python at first, which takes longer than Django waits by itself.
        yield {"WATCHMAN_SOCK": str(sock), "DJANGO_WATCHMAN_TIMEOUT": "60"}
    finally:
        process.terminate()
        process.wait(10)


def start_servers(framework: str, names: tuple[str, ...], stack: contextlib.ExitStack) -> dict[str, Server]:
    """The contestants of a framework, by their names, each with a copy of the example; they end with the stack."""
    plugin, contestants, _, _, path = ARENAS[framework]
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    site = folder / "plugin" / "site-packages"
    site.mkdir(parents=True)
    install(plugin, site)
    variables = stack.enter_context(run_watchman(folder))
    servers: dict[str, Server] = {}
    for contestant in contestants:
        if names and contestant.name not in names:
            continue
        if missing := find_missing(contestant):
            print(f"left out: {contestant.name}, for want of {', '.join(missing)}", file=sys.stderr)
            continue
        project = make_project(framework, contestant, folder / str(len(servers)) / "project")
        server = servers[contestant.name] = Server(project, site, contestant.command.replace(NO_WATCHMAN, ""), **variables)
        stack.callback(server.stop)
        server.wait_until(functools.partial(server.text, path), "the server answers")
        server.wait_for_output(contestant.says)
    return servers


def measure(framework: str, saves: int, browser: Browser | None, names: tuple[str, ...] = ()) -> list[Row]:
    """All rows of a framework.

    Args:
        names: of the contestants; all of them where there are none.
    """
    chance = random.Random(1)
    found: dict[tuple[str, str, str], list[float]] = {}
    with contextlib.ExitStack() as stack:
        servers = start_servers(framework, names, stack)
        _, _, by_answer, by_page, _ = ARENAS[framework]
        rounds = [("answer", save) for save in by_answer] + [("page", save) for save in by_page if browser is not None]
        for number in range(1, saves + 2):
            for (at, (seen, save)), (name, server) in itertools.product(enumerate(rounds), servers.items()):
                if save in (TEMPLATE, STYLE) and not name.startswith(OURS):
                    continue
                time.sleep(chance.uniform(0.5, 1.5))  # saves are apart, as a person's are
                if seen == "answer" or browser is None:
                    elapsed = time_answer(server, save, number * 10 + at)
                else:
                    elapsed = time_page(browser, server, save, number * 10 + at, chance.uniform(0.7, 1.7))
                if number > 1:  # the first one loads what is needed
                    found.setdefault((seen, save.what, name), []).append(elapsed)
    return [Row(framework, *key, tuple(times)) for key, times in found.items()]


# ---- what came of it ----

#: How many times faster hotswap is to be than the fastest that starts again, and how soon a page is to show a save (ms).
GOAL, GOAL_PAGE = 10.0, 100.0


def tabulate(rows: list[Row]) -> Iterator[tuple[str, ...]]:
    """Lines of a table: for each thing that is looked at hotswap first, and the others as multiples of it."""
    yield "framework", "save of", "seen as", "server", "median", "fastest to slowest", "against hotswap"
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.framework, row.what, row.seen), []).append(row)
    for group in groups.values():
        own = next((row for row in group if row.name.startswith(OURS)), None)
        for row in group:
            ratio = "" if own is None or row is own else f"{row.median / own.median:.1f} times"
            yield (row.framework, row.what, row.seen, row.name, f"{row.median:.0f} ms",
                   f"{min(row.times):.0f} to {max(row.times):.0f}", ratio)  # fmt: skip


def judge(rows: list[Row]) -> Iterator[str]:
    """Whether the goals were met, in words."""
    for framework in dict.fromkeys(row.framework for row in rows):
        answers = [row for row in rows if row.framework == framework and row.seen == "answer"]
        own = next((row.median for row in answers if row.name.startswith(OURS)), None)
        others = [row.median for row in answers if not row.name.startswith(OURS)]
        if own is not None and others:
            ratio = min(others) / own
            yield f"{framework}: {ratio:.1f} times as fast as the fastest restart, goal {GOAL:.0f}: {_mark(ratio >= GOAL)}"
    for row in rows:
        if row.seen == "page" and row.name.startswith(OURS):
            yield f"{row.what} in a page after {row.median:.0f} ms, goal {GOAL_PAGE:.0f}: {_mark(row.median < GOAL_PAGE)}"


def _mark(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def draw(rows: list[Row], target: Path) -> None:
    """A bar for each median, on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "web", "svg.fonttype": "none"}  # the same picture for the same figures, and a small one
    import matplotlib.pyplot as plt

    labels = [f"{row.name}: {row.what} ({row.seen})" for row in rows][::-1]
    colours = ["#2a6fb0" if row.name.startswith(OURS) else "#b9c2cb" for row in rows][::-1]
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(rows) + 1), layout="constrained")
    bars = axes.barh(labels, [row.median for row in rows][::-1], color=colours)
    axes.bar_label(bars, fmt="%.0f ms", padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("from a save to what is seen of it, in ms (median)")
    axes.tick_params(labelsize=8)
    axes.margins(x=0.15)
    figure.savefig(target, metadata={"Date": None})


def describe_load(before: float) -> str:
    peers = "django django-watchfiles django-browser-reload uvicorn watchfiles fastapi".split()
    versions = [f"{name} {version_of(name)}" for name in peers if importlib.util.find_spec(name.replace("-", "_"))]
    load = f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    return f"CPython {', '.join([platform.python_version(), *versions])}; {os.cpu_count()} cores, {load}"


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.web", description="development servers, from a save on")
    parser.add_argument("--saves", type=int, default=10, help="how many count, for each contestant and thing that is saved")
    parser.add_argument("--only", choices=ARENAS, action="append", help="one framework; may be given more than once")
    parser.add_argument("--server", action="append", default=[], help="one contestant, by its name; may be given more than once")
    parser.add_argument("--no-browser", action="store_true", help="look at answers only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--markdown", action="store_true", help="print the table for README.md")
    parser.add_argument("--plot", type=Path, help="draw the medians into this file")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    rows = []
    with contextlib.ExitStack() as stack:
        browser = None
        if is_installed() and not options.no_browser:
            browser = Browser(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            stack.callback(browser.quit)
            browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        for framework in options.only or ARENAS:
            rows += measure(framework, options.saves, browser, tuple(options.server))
    if options.json:
        print(json.dumps({"machine": describe_load(load), "rows": [attrs.asdict(row) for row in rows]}))
        return
    lines = list(tabulate(rows))
    if options.markdown:
        lines.insert(1, ("---",) * len(lines[0]))
        print(describe_load(load), "", *(f"| {' | '.join(line)} |" for line in lines), "", sep="\n")
    else:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        print(describe_load(load), *("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines), sep="\n")
    print(*judge(rows), sep="\n")
    if options.plot:
        draw(rows, options.plot)


if __name__ == "__main__":
    main()
