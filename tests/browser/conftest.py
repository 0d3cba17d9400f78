"""A browser for each worker; where none is installed these tests are skipped, and say what installs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.browsing import INSTALL, Browser, Shop, is_installed, make_shop, running
from tests.django.bakery import install
from tests.examples.shop import make_copy


@pytest.fixture(scope="session")
def open_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not is_installed():
        pytest.skip(f"no browser is installed; as root: {INSTALL}")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(open_browser: Browser) -> Iterator[Browser]:
    """The browser with an empty page before and after; what it complains of in the page is shown by a test that fails."""
    yield open_browser
    open_browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    open_browser.delete_all_cookies()
    open_browser.get("about:blank")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin") / "site-packages"
    folder.mkdir()
    install(folder)
    return folder


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, open_browser: Browser) -> Path:
    return make_copy(tmp_path_factory.mktemp("example") / "django_app")


@pytest.fixture(scope="session")
def fresh_copy(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    return lambda **more: make_shop(migrated, tmp_path_factory.mktemp("shop") / "django_app", **more)


@pytest.fixture(scope="module")
def server(fresh_copy: Callable[..., Path], site: Path) -> Iterator[Shop]:
    """``hotswap run manage.py runserver``: nothing of the project was touched for it."""
    with running(fresh_copy(), site, "hotswap run") as one:
        yield one


@pytest.fixture
def shop(server: Shop) -> Iterator[Shop]:
    """The shared server; afterwards it is still that process."""
    before = server.state()
    yield server
    assert server.state()["pid"] == before["pid"], server.story()
