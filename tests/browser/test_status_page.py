"""The status page in a real browser, with scripts and without."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By

from tests.browser.browsing import Browser, Shop

pytestmark = pytest.mark.once  # a real server and a browser


def set_title(shop: Shop, browser: Browser, title: str) -> int:
    """Another swap; gives its number."""
    text = shop.read("shop/views.py")
    now = text.partition('title="')[2].partition('"')[0]
    before = len(shop.output())
    shop.write("shop/views.py", text.replace(now, title))
    story = shop.wait_for_output(r"hotswap  swap \d+ live", before)
    return int(story.partition("hotswap  swap ")[2].split()[0])


def shows(shop: Shop, title: str) -> bool:
    return f"<h1>{title}</h1>" in shop.get("/").text


def test_it_follows_by_itself_and_takes_a_swap_back(browser: Browser, shop: Shop) -> None:
    """1 the page is open, 2 a swap stands in it, 3 a broken save, 4 its button takes the swap back."""
    set_title(shop, browser, "First title")
    browser.get(shop.url("/__hotswap__/"))
    browser.mark()
    number = set_title(shop, browser, "Second title")
    browser.wait_for_text(f"Swap {number}")
    browser.wait_for_text("shop.views.ProductList.get_context_data")
    good = shop.read("shop/views.py")
    shop.write("shop/views.py", good + "def (\n")
    browser.wait_for_text("Not all is live: the last good code serves on")
    assert browser.title == "hotswap: Not all is live: the last good code serves on"
    assert browser.message() is None, "the page itself says it"
    shop.write("shop/views.py", good)
    browser.wait_for_text("What is on disk is live")
    assert shows(shop, "Second title")
    entry = browser.find_element(By.XPATH, f"//li[.//button[.='Take swap {number} back']]")
    if not entry.find_element(By.TAG_NAME, "details").get_attribute("open"):
        browser.press(entry.find_element(By.TAG_NAME, "summary"))
    browser.press(entry.find_element(By.TAG_NAME, "button"))
    browser.wait_until(lambda: f"swap {number} taken back" in browser.find_element(By.ID, "said").text, "it says what it did")
    browser.wait_for_text(f"Swap {number} is taken back: the text on disk is another one")
    assert shows(shop, "First title")
    assert browser.is_marked(), "all of it without a load"
    browser.press(browser.find_element(By.ID, "do-swap"))
    browser.wait_for_text("What is on disk is live")
    assert shows(shop, "Second title")


def test_what_is_unfolded_stays_so(browser: Browser, shop: Shop) -> None:
    """While the page follows, for whoever reads in it."""
    set_title(shop, browser, "To be read")
    browser.get(shop.url("/__hotswap__/"))
    browser.find_element(By.CSS_SELECTOR, "#modules summary").click()
    number = set_title(shop, browser, "Another one")
    browser.wait_for_text(f"Swap {number}")
    assert browser.find_element(By.ID, "modules").get_attribute("open")
    assert browser.execute_script("return document.activeElement.closest('details')?.id") in (None, "modules")


def test_without_scripts_all_of_it_can_be_read_and_used(browser: Browser, shop: Shop) -> None:
    """A form leads back to the page, which says what came of it."""
    set_title(shop, browser, "Third title")
    number = set_title(shop, browser, "Fourth title")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(shop.url("/__hotswap__/"))
    text = browser.find_element(By.TAG_NAME, "body").text
    assert f"Swap {number}" in text
    assert "Load again to see what has changed." in text
    assert "shop.views.ProductList.get_context_data" in text
    browser.find_element(By.XPATH, f"//button[.='Take swap {number} back']").click()
    browser.wait_for_text("taken back: shop/views.py")
    assert browser.current_url == shop.url("/__hotswap__/")
    assert shows(shop, "Third title")
    browser.find_element(By.LINK_TEXT, "Load again").click()
    browser.wait_until(lambda: not browser.find_element(By.ID, "said").is_displayed(), "it is said once")


def test_nothing_is_blocked_or_missing(browser: Browser, shop: Shop) -> None:
    """The page's own policy lets all of it in: the browser has nothing to complain of."""
    browser.get_log("browser")
    browser.get(shop.url("/__hotswap__/"))
    number = set_title(shop, browser, "For the log")
    browser.wait_for_text(f"Swap {number}")
    assert [line for line in browser.get_log("browser") if "__hotswap__" in str(line) or "127.0.0.1" in str(line)] == []


@pytest.mark.parametrize("width", [320, 390, 1400])
def test_it_fits_any_width(browser: Browser, shop: Shop, width: int) -> None:
    """Nothing stands out to the right, on a phone either."""
    set_title(shop, browser, f"Title for {width}")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600})  # fmt: skip
    try:
        browser.get(shop.url("/__hotswap__/"))
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
