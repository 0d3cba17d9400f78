"""A headless Chromium, and the shop of ``examples/`` that it looks at, with the plugin installed as an installer would do it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.django.bakery import Bakery
from tests.examples.shop import PATIENCE

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
INSTALL = "apt-get install -y chromium chromium-driver"

#: What chromium needs in a container and as root, and what keeps it from talking to anybody but the server.
FLAGS = ("--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync --disable-dev-shm-usage").split()  # fmt: skip

STYLE = "body { margin: 2rem auto; max-width: 44rem; font: 16px/1.5 system-ui, sans-serif; color: rgb(20, 30, 40); }\n"


def is_installed() -> bool:
    return os.path.exists(CHROMIUM) and os.path.exists(DRIVER)


def is_root() -> bool:
    return os.geteuid() == 0


class Browser(webdriver.Chrome):
    """One window; waits are for conditions, and end."""

    def __init__(self, folder: Path, width: int = 1000, height: int = 800) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Both paths are said, so nothing is looked up or downloaded.
        super().__init__(options=options, service=Service(DRIVER))
        self.set_page_load_timeout(PATIENCE)

    def wait_until(self, condition: Callable[[], object], what: str) -> Any:
        """What the condition gives when that is true; while a page is exchanged it may fail."""
        deadline, error = time.monotonic() + PATIENCE, None
        while time.monotonic() < deadline:
            try:
                if found := condition():
                    return found
            except Exception as failure:  # a page that goes away under the question
                error = failure
            time.sleep(0.02)
        raise AssertionError(f"never came true: {what}; {error!r}\n{self.page_source}\n{self.get_log('browser')}")

    def wait_for_text(self, text: str) -> None:
        self.wait_until(lambda: text in self.find_element(By.TAG_NAME, "body").text, f"the page shows {text!r}")

    def message(self) -> WebElement | None:
        """The message of hotswap in the page, None where there is none."""
        hosts = self.find_elements(By.TAG_NAME, "hotswap-message")
        return hosts[0].shadow_root.find_element(By.CSS_SELECTOR, "section") if hosts else None

    def wait_for_message(self, text: str) -> WebElement:
        found: WebElement = self.wait_until(
            lambda: (section := self.message()) is not None and text in section.text and section, f"a message says {text!r}"
        )
        return found

    def wait_for_silence(self) -> None:
        self.wait_until(lambda: self.message() is None, "the message goes")

    def mark(self) -> None:
        """Leave something in the page that a load takes away, once the page listens."""
        self.wait_until(lambda: self.execute_script("return document.readyState") == "complete", "the page is loaded")
        self.execute_script("window.marked = true")

    def is_marked(self) -> bool:
        """Whether it is the same page still."""
        return bool(self.execute_script("return window.marked === true"))

    def press(self, element: WebElement) -> None:
        """Press a button, wherever it is on the page."""
        self.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()


class Shop(Bakery):
    """The example, running."""

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get("/status/").text)
        return answer

    def url(self, path: str) -> str:
        return self._url(path)


def make_shop(migrated: Path, target: Path, *, listed: bool = False) -> Path:
    """A copy with a style sheet; with the plugin among its applications where that is wanted."""
    shutil.copytree(migrated, target)
    style = target / "shop/static/shop/style.css"
    style.parent.mkdir(parents=True)
    style.write_text(STYLE)
    base = target / "shop/templates/shop/base.html"
    base.write_text(base.read_text().replace("<nav>", '<link rel="stylesheet" href="/static/shop/style.css">\n<nav>'))
    if listed:
        settings = target / "shopsite/settings.py"
        settings.write_text(settings.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "hotswap_django",'))
    return target


@contextmanager
def running(folder: Path, site: Path, way: str) -> Iterator[Shop]:
    """A shop that serves, and that is stopped at the end whatever happened."""
    shop = Shop(folder, site, way)
    try:
        shop.wait_until(shop.answers, "the server answers")
        yield shop
    finally:
        shop.stop()
