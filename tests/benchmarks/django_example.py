"""The Django example: from a save to the first answer that shows it, by a swap and by starting the server again."""

from __future__ import annotations

import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.examples.shop import EXAMPLE, SERVE, Shop, make_copy

FILE = "shopsite/middleware.py"
PLAIN = f"python {EXAMPLE}/manage.py runserver --noreload"
PATIENCE = 30.0


def measure_example(rounds: int) -> tuple[float, float, list[float]]:
    """Seconds from a save to an answer with the new text: the median of swaps, and of restarts; and all swaps."""
    with tempfile.TemporaryDirectory() as name:
        folder = make_copy(Path(name) / "shop")
        swaps = _measure(Shop(folder, SERVE), rounds, lambda shop: shop)
        restarts = _measure(Shop(folder, PLAIN), rounds, lambda shop: _restart(shop, folder))
        return statistics.median(swaps), statistics.median(restarts), swaps


def _restart(shop: Shop, folder: Path) -> Shop:
    shop.process.kill()  # the fastest end that there is
    shop.process.wait()
    return Shop(folder, PLAIN)


def _measure(shop: Shop, rounds: int, after_save: Callable[[Shop], Shop]) -> list[float]:
    times = []
    try:
        shop.wait_until_served()
        text = shop.read(FILE)
        for number in range(rounds + 1):
            time.sleep(0.5)  # saves are apart, as a person's are
            mark = f"mark {number}"
            start = time.perf_counter()
            shop.write(FILE, text.replace("corner shop", mark))
            shop = after_save(shop)
            while not _shows(shop, mark):
                if time.perf_counter() - start > PATIENCE:
                    raise SystemExit(f"the change was never served\n{shop.story()}")
            times.append(time.perf_counter() - start)
        shop.write(FILE, text)
    finally:
        shop.process.kill()
        shop.process.wait()
    return times[1:]  # the first one loads what is needed


def _shows(shop: Shop, mark: str) -> bool:
    try:
        return mark in shop.get("/status/").headers.get("X-Shop", "")
    except (OSError, http.client.HTTPException):
        return False
