"""Pages of a running shop in a real browser, while its files are edited on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.browsing import Browser, Shop, running
from tests.sample import some

pytestmark = pytest.mark.once  # real servers and a browser


def put_into_cart(browser: Browser, shop: Shop) -> None:
    browser.get(shop.url("/product/bread/"))
    field = browser.find_element(By.NAME, "quantity")
    field.clear()
    field.send_keys("3")
    browser.find_element(By.TAG_NAME, "button").click()
    browser.wait_for_text("3 x Rye bread")


# -- a save that is live ---------------------------------------------------------------------------------------------


def test_an_open_page_follows_and_the_cart_is_kept(browser: Browser, shop: Shop) -> None:
    """1 a cart is filled, 2 a function that the page is made by is edited, 3 the page is loaded anew, 4 the cart is there."""
    put_into_cart(browser, shop)
    pid = shop.state()["pid"]
    for old, new in (("490", "590"), ("590", "490")):  # the second one finds a page that was loaded by a script
        browser.mark()
        shop.edit("shop/pricing.py", f"else {old}", f"else {new}")
        browser.wait_for_text(f"shipping {new[0]}.90")
        assert not browser.is_marked()
        assert "3 x Rye bread" in browser.find_element(By.TAG_NAME, "body").text
    assert shop.state()["pid"] == pid


@pytest.mark.parametrize(("file", "old", "new"), [
    ("shop/templates/shop/product_list.html", "<h1>{{ title }}</h1>", "<h1>{{ title }}, from a template</h1>"),
    ("shop/urls.py", 'path("cart/", views', 'path("trolley/", views'),
    ("shop/views.py", "Everything we have", "Everything there is"),
])  # fmt: skip
def test_what_pages_are_made_by_loads_them_anew(browser: Browser, shop: Shop, file: str, old: str, new: str) -> None:
    """Templates, addresses, views."""
    browser.get(shop.url("/"))
    for before, after in ((old, new), (new, old)):
        browser.mark()
        shop.edit(file, before, after)
        browser.wait_until(lambda: not browser.is_marked(), "the page is loaded anew")


def test_only_styles_are_exchanged_where_only_styles_changed(browser: Browser, shop: Shop) -> None:
    """Without a load: what was typed, how far it was scrolled and what scripts have in memory stay."""
    browser.get(shop.url("/product/lamp/"))
    browser.mark()
    browser.execute_script("document.querySelector('main').style.height = '4000px'")
    field = browser.find_element(By.NAME, "quantity")
    field.clear()
    field.send_keys("17")
    browser.execute_script("scrollTo(0, 333)")

    def colour() -> str:
        return str(browser.execute_script("return getComputedStyle(document.body).color"))

    for number in (90, 91):
        shop.edit("shop/static/shop/style.css", colour(), f"rgb(1, 2, {number})")
        browser.wait_until(lambda number=number: colour() == f"rgb(1, 2, {number})", "the new style counts")
    browser.wait_until(lambda: len(browser.find_elements(By.CSS_SELECTOR, "link[rel=stylesheet]")) == 1, "the old one is gone")
    assert browser.is_marked()
    assert browser.execute_script("return scrollY") == 333
    assert field.get_attribute("value") == "17"
    assert browser.message() is None


def test_what_was_typed_in_is_not_thrown_away(browser: Browser, shop: Shop) -> None:
    """The page says that there is newer code, and is loaded when it is told to."""
    browser.get(shop.url("/product/bread/"))
    browser.mark()
    browser.find_element(By.NAME, "quantity").send_keys("0")
    shop.edit("shop/pricing.py", '"goods": 19', '"goods": 20')
    message = browser.wait_for_message("The code has changed")
    assert message.get_attribute("role") == "status"
    assert browser.is_marked()
    message.find_element(By.CSS_SELECTOR, "footer button").click()
    browser.wait_until(lambda: not browser.is_marked(), "the page is loaded anew")
    browser.wait_for_silence()


def test_a_page_that_answers_a_form_is_not_sent_again(browser: Browser, shop: Shop) -> None:
    """To load it would be to order twice, or to be asked by the browser."""
    browser.get(shop.url("/cart/checkout/"))
    browser.execute_script("document.querySelector('form').noValidate = true")
    browser.find_element(By.TAG_NAME, "button").click()
    browser.wait_for_text("This field is required")
    browser.mark()
    shop.edit("shop/pricing.py", '"food": 7', '"food": 8')
    browser.wait_for_message("This page answers a form")
    assert browser.is_marked()


# -- a save that is not ----------------------------------------------------------------------------------------------

BROKEN = 'EVIL = "<img src=x onerror=\'window.hacked = 1\'>" = (\n'


def break_views(shop: Shop, line: str) -> str:
    good = shop.read("shop/views.py")
    shop.write("shop/views.py", good + line)
    return good


def test_a_broken_save_is_shown_until_it_is_mended(browser: Browser, shop: Shop) -> None:
    """Error, place, next step; as text, whatever stands in the line; also in a page that is loaded meanwhile."""
    browser.get(shop.url("/"))
    browser.mark()
    good = break_views(shop, BROKEN)
    message = browser.wait_for_message("SyntaxError")
    line = good.count("\n") + 1
    for _ in range(2):
        assert message.get_attribute("role") == "alert"
        assert f"HS101 · shop/views.py:{line}" in message.text
        assert "save the file again when it is mended" in message.text
        assert "<img src=x onerror='window.hacked = 1'>" in message.text
        assert message.find_elements(By.TAG_NAME, "img") == []
        assert "Rye bread" in browser.find_element(By.TAG_NAME, "main").text  # the last good code serves
        browser.refresh()
        message = browser.wait_for_message("SyntaxError")
    assert browser.execute_script("return window.hacked") is None
    browser.mark()
    shop.write("shop/views.py", good)
    browser.wait_for_silence()
    assert browser.is_marked(), "what is live has not changed, so nothing is to be loaded"


def test_what_djangos_checks_find_is_shown_until_it_is_mended(browser: Browser, shop: Shop) -> None:
    """The save is live, and the page is loaded; then it says what a start of the server would have said."""
    browser.get(shop.url("/"))
    browser.mark()
    shop.edit("shop/urls.py", 'path("cart/checkout/"', 'path("/cart/checkout/"')
    message = browser.wait_for_message("(urls.W002)")
    assert "Live, and to be looked at" in message.text
    assert not browser.is_marked()
    assert "HS416" in shop.output()
    shop.edit("shop/urls.py", 'path("/cart/checkout/"', 'path("cart/checkout/"')
    browser.wait_for_silence()


def test_what_the_server_would_not_start_with_is_an_error_until_it_is_mended(browser: Browser, shop: Shop) -> None:
    """The page says so, the status page too, and the terminal has what Django says."""
    browser.get(shop.url("/"))
    shop.edit("shop/admin.py", '("name", "kind", "price")', '("nothing", "kind", "price")')
    message = browser.wait_for_message("(admin.E108)")
    assert "Live, but the program would not start with it" in message.text
    assert message.get_attribute("role") == "alert"
    assert "admin.E108" in shop.output()
    browser.get(shop.url("/__hotswap__/"))
    assert "(admin.E108)" in browser.find_element(By.TAG_NAME, "main").text
    browser.get(shop.url("/"))
    browser.wait_for_message("(admin.E108)")
    shop.edit("shop/admin.py", '("nothing", "kind", "price")', '("name", "kind", "price")')
    browser.wait_for_silence()


def test_a_message_is_dismissed_and_stays_so_until_another_one_comes(browser: Browser, shop: Shop) -> None:
    """With the button or the Escape key, for this error; it does not come again with each page."""
    browser.get(shop.url("/"))
    good = break_views(shop, "def (\n")
    browser.wait_for_message("SyntaxError").find_element(By.CSS_SELECTOR, "button[aria-label=Dismiss]").click()
    browser.wait_for_silence()
    browser.get(shop.url("/cart/"))
    browser.wait_until(lambda: browser.execute_script("return document.readyState") == "complete", "it is loaded")
    browser.execute_async_script("setTimeout(arguments[0], 300)")  # longer than it takes to be told
    assert browser.message() is None
    shop.write("shop/views.py", good + "1 +\n")
    message = browser.wait_for_message("SyntaxError")
    link = message.find_element(By.TAG_NAME, "a")
    assert link.get_attribute("href") == shop.url("/__hotswap__/")
    link.send_keys(Keys.ESCAPE)
    browser.wait_for_silence()
    shop.write("shop/views.py", good)
    shop.wait_for_output("is what is live again")


def test_styles_of_the_page_and_of_the_message_do_not_meet(browser: Browser, shop: Shop) -> None:
    """A page that hides and paints all that it does not know; and a page that looks as before."""
    browser.get(shop.url("/"))
    look = "const s = getComputedStyle(document.querySelector('h1')); return [s.color, s.font, s.margin]"
    before = browser.execute_script(look)
    sheet = shop.read("shop/static/shop/style.css")
    rude = "html > *:not(body) { display: none !important; color: red !important; position: static !important }\n* { zoom: 3 }\n"
    good = break_views(shop, "def (\n")
    section = browser.wait_for_message("SyntaxError")
    assert browser.execute_script(look) == before
    shop.write("shop/static/shop/style.css", sheet + rude)
    browser.wait_until(lambda: browser.execute_script("return getComputedStyle(document.body).zoom") == "3", "it counts")
    assert section.is_displayed()
    assert section.value_of_css_property("color") != "rgba(255, 0, 0, 1)"
    shop.write("shop/static/shop/style.css", sheet)
    browser.wait_until(lambda: browser.execute_script("return getComputedStyle(document.body).zoom") == "1", "it is gone")
    shop.write("shop/views.py", good)
    browser.wait_for_silence()


# -- a restart -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "listed"), some([("hotswap run", False), ("runserver", True)], 2))
def test_a_page_comes_back_after_a_restart(
    browser: Browser, fresh_copy: Callable[..., Path], site: Path, way: str, listed: bool
) -> None:
    """What cannot be live restarts: the page says so, and is loaded when the server is back; and then follows as before."""
    with running(fresh_copy(listed=listed), site, way) as shop:
        browser.get(shop.url("/"))
        browser.mark()
        browser.execute_script(
            "window.said = sessionStorage; new MutationObserver(() => {"
            "  const host = document.querySelector('hotswap-message');"
            "  if (host) sessionStorage.setItem('said', (sessionStorage.getItem('said') || '') + host.shadowRoot.textContent);"
            "}).observe(document.documentElement, {childList: true})"
        )
        run = browser.find_element(By.CSS_SELECTOR, "script[data-run]").get_attribute("data-run")
        shop.edit("shopsite/settings.py", '    "shop",\n', '    "shop",\n    "django.contrib.humanize",\n')
        browser.wait_until(lambda: not browser.is_marked(), "the page is loaded anew")
        assert browser.find_element(By.CSS_SELECTOR, "script[data-run]").get_attribute("data-run") != run
        said = browser.execute_script("return sessionStorage.getItem('said')")
        assert "Restarting" in said, said
        assert "INSTALLED_APPS" in said, said
        assert browser.message() is None
        browser.mark()
        shop.edit("shop/views.py", "Everything we have", "Everything again")
        browser.wait_for_text("Everything again")
