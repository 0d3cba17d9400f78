"""The Django example, edited on disk while its server runs: same process, same carts, same counting thread, new code.

Most tests share one server, as a working day does: a test that breaks the promise for the next ones fails itself,
because the fixture compares the process before and after each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.examples.shop import EXAMPLE, ROOT, SERVE, Shop, Visitor, running

pytestmark = pytest.mark.once  # a real server, much the same on every interpreter

FreshCopy = Callable[[], Path]

# -- the shop itself -------------------------------------------------------------------------------------------------


def test_the_shop_works_without_hotswap(fresh_copy: FreshCopy) -> None:
    """The example is a plain Django program: catalogue, cart, order, journal, admin."""
    with running(fresh_copy(), f"python {EXAMPLE}/manage.py runserver --noreload") as shop:
        assert "Rye bread (food)</a>: 3.42 EUR" in shop.get("/").text
        shop.put_into_cart("lamp", 2)
        assert "2 x Desk lamp (goods): 99.96 EUR" in shop.get("/cart/").text
        shop.place_order("Ada")
        assert shop.status()["journal"] == ["placed: order 1 of Ada"]
        assert "Nothing yet." in shop.get("/cart/").text
        assert shop.get("/admin/").status == 200
        ticks = shop.status()["ticks"]
        shop.wait_until(lambda: shop.status()["ticks"] > ticks, "the stock feed goes on")
        assert shop.stop() == 0


# -- one server, many saves ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(fresh_copy: FreshCopy) -> Iterator[Shop]:
    with running(fresh_copy()) as shop:
        yield shop
        assert shop.stop() == 0


@pytest.fixture
def shop(server: Shop) -> Iterator[Shop]:
    """The shared server with something in the cart; afterwards it is still that process, with that cart."""
    server.put_into_cart("bread", 1)
    before = server.status()
    yield server
    after = server.status()
    assert after["pid"] == before["pid"], server.story()
    assert after["carts"] >= before["carts"] > 0, server.story()
    server.wait_until(lambda: server.status()["ticks"] > before["ticks"], "the feed's counter went on from where it was")


def wait_for_page(shop: Shop, path: str, text: str) -> None:
    shop.wait_until(lambda: text in shop.get(path).text, f"{path} shows {text!r}")


def test_view_class_with_super(shop: Shop) -> None:
    """A method of a class-based view, called through the function that ``as_view()`` made at the start."""
    shop.edit("shop/views.py", 'title="Everything we have"', 'title="Fresh today"')
    wait_for_page(shop, "/", "<h1>Fresh today</h1>")


def test_attribute_of_a_view_class(shop: Shop) -> None:
    """A class attribute: ``as_view()`` holds the class since the start, each request makes an object of it."""
    page = shop.read("shop/templates/shop/product_detail.html")
    shop.write("shop/templates/shop/shelf.html", page.replace("</h1>", ", on the shelf</h1>"))
    shop.edit("shop/views.py", '"shop/product_detail.html"', '"shop/shelf.html"')
    wait_for_page(shop, "/product/lamp/", ", on the shelf</h1>")


def test_view_function(shop: Shop) -> None:
    """A view function, held by the URL resolver."""
    shop.edit("shop/views.py", '"pid": os.getpid(),', '"pid": os.getpid(),\n            "edited": True,')
    shop.wait_until(lambda: shop.status().get("edited"), "/status/ has the new key")


def test_helper_taken_with_from_import(shop: Shop) -> None:
    """``from shop.pricing import shipping`` in another module runs the new body."""
    assert "shipping 4.90" in shop.get("/cart/").text
    shop.edit("shop/pricing.py", "else 490", "else 590")
    wait_for_page(shop, "/cart/", "shipping 5.90")


def test_model_method(shop: Shop) -> None:
    """A method of a model, called from a template on objects that Django makes."""
    shop.edit("shop/models.py", '{self.name} ({self.kind})"', '{self.name} [{self.kind}]"')
    wait_for_page(shop, "/", "Rye bread [food]")


def test_constant_that_others_imported(shop: Shop) -> None:
    """``CURRENCY`` is bound in two more modules by ``from … import``; both follow."""
    shop.edit("shop/pricing.py", 'CURRENCY = "EUR"', 'CURRENCY = "CHF"')
    wait_for_page(shop, "/cart/", "all prices in CHF")  # shop.views
    wait_for_page(shop, "/", "CHF, ")  # shop.templatetags.shop_tags


def test_derived_table(shop: Shop) -> None:
    """``FACTORS`` did not change its text but is made from what changed: it, and its importer, have the new values."""
    shop.edit("shop/pricing.py", '{"food": 7,', '{"food": 10,')
    shop.wait_until(lambda: shop.status()["factors"] == {"food": 1.1, "goods": 1.19}, "the importer has the new factors")
    assert "3.52" in shop.get("/product/bread/").text  # and the model's method computes with them


def test_form_method(shop: Shop) -> None:
    """A form's ``clean_…`` method."""
    shop.edit(
        "shop/forms.py",
        'return self.cleaned_data["quantity"]',
        'if self.cleaned_data["quantity"] == 7:\n            raise forms.ValidationError("seven is sold out")\n'
        '        return self.cleaned_data["quantity"]',
    )
    shop.wait_until(
        lambda: "seven is sold out" in shop.post("/cart/add/bread/", quantity=7).text, "the form refuses seven"
    )


def test_middleware_class(shop: Shop) -> None:
    """A method of a middleware of which Django holds the one instance; what that has counted is kept."""
    served = int(shop.get("/").headers["X-Served"])
    shop.edit("shopsite/middleware.py", "corner shop, tick", "corner store, tick")
    shop.wait_until(lambda: "corner store" in shop.get("/").headers["X-Shop"], "the header has the new text")
    assert int(shop.get("/").headers["X-Served"]) > served


def test_middleware_function(shop: Shop) -> None:
    """The inner function of a middleware: a closure that Django holds since the start."""
    shop.edit(
        "shopsite/middleware.py",
        "        return response\n\n    return middleware",
        '        response["X-Closure"] = "new"\n        return response\n\n    return middleware',
    )
    shop.wait_until(lambda: shop.get("/").headers["X-Closure"] == "new", "the closure sets its new header")
    assert float(shop.get("/").headers["X-Elapsed-Ms"]) >= 0


def test_template_filter(shop: Shop) -> None:
    """A function in Django's library of filters, whose templates are compiled anew or not."""
    shop.edit("shop/templatetags/shop_tags.py", '{cents / 100:.2f} {CURRENCY}"', '{CURRENCY} {cents / 100:.2f}"')
    shop.wait_until(lambda: re.search(r"[A-Z]{3} \d+\.\d\d, \d+ left", shop.get("/").text), "prices start with the currency")


def test_template_tag(shop: Shop) -> None:
    """A simple tag: the function is inside a closure that its decorator made."""
    shop.edit("shop/templatetags/shop_tags.py", ' left"', ' in stock"')
    wait_for_page(shop, "/", " in stock")


def test_signal_receiver(shop: Shop) -> None:
    """A receiver runs its new body, and once for each order: it was not connected a second time."""
    before, customer = shop.status()["journal"], Visitor(shop.port)
    shop.edit("shop/signals.py", 'f"placed: {instance}"', 'f"noted: {instance}"')

    def order_is_noted() -> bool:
        customer.put_into_cart("honey", 1)
        customer.place_order("Grace")
        return bool(shop.status()["journal"][-1].startswith("noted: "))

    shop.wait_until(order_is_noted, "an order is noted in the new words")
    journal = shop.status()["journal"]
    assert journal[: len(before)] == before
    numbers = [int(re.findall(r"order (\d+)", line)[0]) for line in journal]
    assert numbers == sorted(set(numbers)), "an order was written down twice"


def test_running_thread(shop: Shop) -> None:
    """The thread's loop stays in its frame; what it calls is new at the next tick, and its counter goes on."""
    shop.get("/")  # every product has a level now
    shop.edit("shop/stock.py", "return 20 if level <= 1 else level - 1", "return 777")
    wait_for_page(shop, "/", "777 ")


def test_decorator_removed(shop: Shop) -> None:
    """The resolver holds what ``@require_POST`` made; without the decorator that reference runs the bare function."""
    assert shop.get("/cart/add/bread/").status == 405
    shop.edit("shop/views.py", "@require_POST\ndef add_to_cart", "def add_to_cart")
    shop.wait_until(lambda: shop.get("/cart/add/bread/").status == 400, "GET reaches the view")


def test_view_becomes_async(shop: Shop) -> None:
    """A view becomes a coroutine function; Django asks that at each request."""
    shop.edit("shop/views.py", "def status(request):", "async def status(request):")
    shop.edit("shop/views.py", '"ticks": feed.ticks,', '"ticks": feed.ticks,\n            "async": True,')
    shop.wait_until(lambda: shop.status().get("async"), "the coroutine answers")


def test_two_files_in_one_save(shop: Shop) -> None:
    """A new module and the edit that imports it arrive together, in either order."""
    shop.write("shop/offers.py", 'def offer_of_the_day():\n    return "honey at half price"\n')
    text = shop.read("shop/views.py")
    taken = "from shop.stock import feed\n"
    text = text.replace(taken, f"from shop.offers import offer_of_the_day\n{taken}")
    text = text.replace('"shipping": shipping(goods),', '"shipping": shipping(goods), "offer": offer_of_the_day(),')
    shop.write("shop/views.py", text)
    shop.edit("shop/templates/shop/cart.html", "<h1>Your cart</h1>", "<h1>Your cart</h1>\n<p>Today: {{ offer }}</p>")
    wait_for_page(shop, "/cart/", "Today: honey at half price")
    shop.edit("shop/offers.py", "half price", "full price")
    wait_for_page(shop, "/cart/", "Today: honey at full price")


def test_traceback_has_the_new_lines(shop: Shop) -> None:
    """An error in new code, below inserted lines, is shown at the line where it stands in the new file."""
    text = shop.read("shop/views.py")
    broken = text.replace('"""The cart with its products: (product, quantity, cents)."""', "# one\n    # two\n    oops = 1 / 0")
    shop.write("shop/views.py", broken)
    line = broken[: broken.index("oops")].count("\n") + 1
    shop.wait_until(lambda: shop.get("/cart/").status == 500, "the error shows")
    page = shop.get("/cart/").text
    assert "division by zero" in page
    assert re.search(rf"views\.py[^\n]*, line {line}\b", page)
    shop.write("shop/views.py", text)
    shop.wait_until(lambda: shop.get("/cart/").status == 200, "the next save heals it")


def test_syntax_error_serves_on_and_heals(shop: Shop) -> None:
    """A half-typed file changes nothing: the old code serves, the line is shown, the next good save is live."""
    shown = len(shop.output())
    text = shop.read("shop/pricing.py")
    broken = text.replace("def shipping(total_cents):", "def shipping(total_cents:")
    shop.write("shop/pricing.py", broken)
    block = shop.wait_for_output("SyntaxError", after=shown)
    assert "HS101" in block
    assert "pricing.py" in block
    assert "def shipping(total_cents:" in block
    assert shop.get("/cart/").status == 200
    shop.write("shop/pricing.py", text.replace("    return 0 if", "    return 77700\n    return 0 if"))
    shop.wait_until(lambda: re.search(r"shipping\D+777\.00", shop.get("/cart/").text), "the good save is live")


def test_the_picture_in_readme_is_real(fresh_copy: FreshCopy) -> None:
    """README.md shows what this very save prints; only the milliseconds and the folder differ."""
    readme = (ROOT / "README.md").read_text("utf-8")
    picture = re.findall(r"^```text\n(hotswap  swap 1 .*?)^```$", readme, re.DOTALL | re.MULTILINE)
    with running(fresh_copy()) as shop:
        text = shop.read("shop/pricing.py").replace('"goods": 19', '"goods": 21').replace("else 490", "else 590")
        shop.write("shop/pricing.py", text)
        shop.wait_until(lambda: shop.status()["factors"]["goods"] == 1.21, "the save is live")
        shop.wait_for_output(r"hotswap .*\n( .*\n)+")
        shop.get("/status/")  # a line that is not the block's ends it
        block = re.search(r"^hotswap .*\n( +\S.*\n)+", shop.output(), re.MULTILINE)
    assert block
    assert [timeless(block[0])] == [timeless(text.replace(EXAMPLE, "django_app")) for text in picture]


def timeless(block: str) -> str:
    return re.sub(r"\d+\.\d ms", "… ms", block)


# -- what cannot be done in place ------------------------------------------------------------------------------------

NEW_VIEW = '''

def about(request):
    return JsonResponse({"about": "a corner shop"})
'''


def add_view_and_url(shop: Shop) -> None:
    shop.write("shop/views.py", shop.read("shop/views.py") + NEW_VIEW)
    shop.edit(
        "shop/urls.py",
        '    path("status/"',
        '    path("about/", views.about, name="about"),\n    path("status/"',
    )


def test_new_url_is_served_after_a_restart_that_says_why(fresh_copy: FreshCopy) -> None:
    """Django has copied the list of URLs: hotswap cannot see into that, says so, and starts the program again."""
    with running(fresh_copy()) as shop:
        shop.put_into_cart("bread", 1)
        assert shop.get("/about/").status == 404
        shown = len(shop.output())
        add_view_and_url(shop)
        shop.wait_until(lambda: shop.answers("/about/"), "the new address is served")
        block = shop.output()[shown:]
        assert "restart" in block
        assert re.search(r"HS2\d\d", block)
        assert "urls.py" in block
        assert shop.status()["carts"] == 0  # a restart is what it says


def basket_is_live(shop: Shop) -> bool:
    """Both ways through Django's URLs: from the address to the view, and from the name to the address."""
    links = shop.get("/").text
    return shop.get("/basket/").status == 200 and shop.get("/cart/").status == 404 and 'href="/basket/"' in links


def office_is_live(shop: Shop) -> bool:
    """The admin answers at its new address, and its own pages point there."""
    return shop.get("/admin/").status == 404 and 'action="/office/login/' in shop.get("/office/").text


def debug_is_off(shop: Shop) -> bool:
    """Django explains a wrong address only while DEBUG is on."""
    return "Using the URLconf" not in shop.get("/nowhere/").text


def two_is_the_most(shop: Shop) -> bool:
    """The form says so to the browser, and holds to it."""
    says = 'max="2"' in shop.get("/product/bread/").text
    return says and shop.post("/cart/add/bread/", quantity=3).status == 400


def never(shop: Shop) -> bool:
    return False


@pytest.mark.parametrize(
    ("file", "old", "new", "is_live"),
    [
        pytest.param("shop/urls.py", '"cart/", views', '"basket/", views', basket_is_live, id="url"),
        pytest.param("shopsite/urls.py", '"admin/"', '"office/"', office_is_live, id="url-of-an-include"),
        pytest.param("shopsite/settings.py", "DEBUG = True", "DEBUG = False", debug_is_off, id="setting"),
        pytest.param("shop/forms.py", "max_value=9", "max_value=2", two_is_the_most, id="form-field"),
        pytest.param(
            "shop/models.py",
            "    net_cents = models.PositiveIntegerField()",
            "    net_cents = models.PositiveIntegerField()\n    grams = models.PositiveIntegerField(default=0)",
            never,  # the table has no such column
            id="model-field",
        ),
    ],
)
def test_what_django_has_copied_is_live_or_refused(
    fresh_copy: FreshCopy, file: str, old: str, new: str, is_live: Callable[[Shop], bool]
) -> None:
    """Django keeps copies of URLs, settings and fields of its own: the change is live in all of them, or in none and said so.

    With ``--no-restart`` a refused change is held; the process serves on as it was, and a later edit works.
    """
    with running(fresh_copy(), SERVE.replace("hotswap run", "hotswap run --no-restart")) as shop:
        shop.put_into_cart("bread", 1)
        before, shown = shop.status(), len(shop.output())
        pages = {path: shop.get(path).text for path in ("/", "/cart/", "/nowhere/", "/product/lamp/")}
        shop.edit(file, old, new)
        block = shop.wait_for_output(r"hotswap +(swap 1 live|held|not applied)", after=shown)
        if re.search(r"swap 1 live", block):
            assert is_live(shop), f"said to be live, but it is not\n{shop.story()}"
        else:
            shop.wait_for_output(r"HS[23]\d\d", after=shown)
            assert Path(file).name in block
            for path, text in pages.items():
                assert without_what_changes(shop.get(path).text) == without_what_changes(text)
        after = shop.status()
        assert (after["pid"], after["carts"]) == (before["pid"], before["carts"])
        shown = len(shop.output())
        shop.edit("shop/signals.py", "placed: ", "noted: ")
        shop.place_order("Edsger")
        shop.wait_for_output(r"swap \d+ live", after=shown)
        shop.put_into_cart("honey", 1)
        shop.place_order("Barbara")
        assert shop.status()["journal"][-1].startswith("noted: ")


def without_what_changes(page: str) -> str:
    """A page without tokens and without the numbers of the stock feed."""
    return re.sub(r'value="[A-Za-z0-9]{20,}"|\d+ left', "", page)
