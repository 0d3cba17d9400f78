"""The pictures in the plugin's README, taken from a real run: ``python -m tests.browser.pictures``.

The shop of ``examples/`` is started with a hundred thousand carts in memory, edited, and looked at with a real browser.
"""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from tests.browser.browsing import INSTALL, Browser, Shop, is_installed, make_shop, running
from tests.django.bakery import PLUGIN, install
from tests.examples.shop import make_copy

PICTURES = PLUGIN / "pictures"
CARTS = 120_000

#: Carts of visitors who have been here before: made by a function, so no swap makes them again.
FILL = f"""
        from shop import cart

        cart.CARTS.update({{f"visitor-{{number}}": cart.Cart() for number in range({CARTS})}})
"""

MIGRATION = '''

@migrate("shop.cart:Cart")
def add_history(state):
    state.history = [(slug, quantity) for slug, quantity in sorted(state.quantities.items()) for _ in range(40)]
    state.opened = sum(number % 7 for number in range(250))


@add_history.down
def _(state):
    del state.history, state.opened
'''


MIGRATED = (
    ("import threading\n", "import threading\n\nfrom hotswap import migrate\n"),
    ("        self.quantities = {}\n", "        self.quantities = {}\n        self.history, self.opened = [], opened\n"),
    ("def __init__(self):", "def __init__(self, opened=0.0):"),
    ("\n\ndef cart_of", MIGRATION + "\n\ndef cart_of"),
)


def edit_shop(shop: Shop, browser: Browser) -> str:
    """A working day: swaps, a migration of all carts, a question, a text that does not compile.

    Returns:
        The text of ``shop/cart.py`` from before the question.
    """
    browser.get(shop.url("/__hotswap__/"))  # the page listens from the beginning, so its chart has all points
    shop.edit("shop/views.py", "Everything we have", "Everything we have today")
    browser.wait_for_text("Swap 1")
    shop.edit("shop/pricing.py", '"goods": 19', '"goods": 21')
    browser.wait_for_text("Swap 2")
    text = shop.read("shop/cart.py")
    for old, new in MIGRATED:
        text = text.replace(old, new)
    shop.write("shop/cart.py", text)
    browser.wait_for_text("Swap 3")
    browser.wait_for_text("no object is left to convert")
    shop.edit("shop/cart.py", "        self.history, self.opened = [], opened\n",
              "        self.history, self.opened, self.owner = [], opened, owner\n")  # fmt: skip
    shop.edit("shop/cart.py", "def __init__(self, opened=0.0):", "def __init__(self, owner, opened=0.0):")
    browser.wait_for_text("Not all is live")
    shop.edit("shop/forms.py", "class AddToCartForm(forms.Form):", "class AddToCartForm(forms.Form:")
    browser.wait_for_text("forms.py")
    return text


def take(browser: Browser, name: str, *, width: int, height: int = 0, dark: bool = False) -> None:
    """One picture; as high as the page where no height is given."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def resize(to: int) -> None:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": to, "deviceScaleFactor": 1, "mobile": width < 600})  # fmt: skip

    resize(height or 400)
    if not height:
        resize(browser.execute_script("return document.documentElement.scrollHeight"))
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    (PICTURES / f"{name}.png").write_bytes(base64.b64decode(shot))
    print(f"{name}.png  {(PICTURES / f'{name}.png').stat().st_size // 1024} kB")


def main() -> None:
    if not is_installed():
        raise SystemExit(f"no browser is installed; as root: {INSTALL}")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site-packages"
        site.mkdir()
        install(site)
        target = make_shop(make_copy(Path(folder) / "original"), Path(folder) / "shop")
        config = target / "shop/apps.py"
        config.write_text(config.read_text() + FILL)
        browser = Browser(Path(folder) / "browser")
        try:
            with running(target, site, "hotswap run") as shop:
                migrated = edit_shop(shop, browser)
                take(browser, "status", width=1000)
                take(browser, "status-dark", width=1000, dark=True)
                take(browser, "status-phone", width=390, height=780)
                shop.write("shop/cart.py", migrated)
                browser.get(shop.url("/"))
                browser.wait_until(lambda: "HS301" not in browser.wait_for_message("SyntaxError").text, "one is answered")
                take(browser, "message", width=1000, height=560)
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
