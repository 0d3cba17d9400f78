"""What cannot be seen from outside of the process: the objects in Django's own registries after a swap or a refusal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.shop import environment

pytestmark = pytest.mark.once  # much the same on every interpreter

FreshCopy = Callable[[], Path]

# Managed is the shop alone, so that this program is not followed itself. It is Django's set-up and one edit that swaps.
PROLOGUE = """
import os, pathlib
os.environ["DJANGO_SETTINGS_MODULE"] = "shopsite.settings"
import hotswap
hotswap.start(["shop", "shopsite"], watch=False)
import django
django.setup()
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import resolve
import shop.models, shop.views
client = Client(headers={"host": "localhost"})
assert client.get("/").status_code == 200

def swap(file, old, new):
    text = pathlib.Path(file).read_text()
    assert text.count(old) == 1, old
    pathlib.Path(file).write_text(text.replace(old, new))
    report = hotswap.swap([file])
    print(report)
    return report
"""


def run_inside(folder: Path, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + program],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_refused_model_leaves_the_registries_alone(fresh_copy: FreshCopy) -> None:
    """Looking at a new text of a model class must not register a second model of that name with Django."""
    run_inside(
        fresh_copy(),
        """
Product = shop.models.Product
field = "    net_cents = models.PositiveIntegerField()"
report = swap("shop/models.py", field, field + "\\n    grams = models.PositiveIntegerField(default=0)")
assert not report.applied
assert shop.models.Product is Product
assert apps.get_model("shop", "Product") is Product, "another class is registered as shop.Product"
assert [model for model in admin.site._registry if model.__name__ == "Product"] == [Product]
assert [f.name for f in Product._meta.get_fields()] == ["orderline", "id", "slug", "name", "kind", "net_cents"]
assert client.get("/").status_code == 200
""",
    )


def test_the_resolver_holds_the_functions_of_the_module(fresh_copy: FreshCopy) -> None:
    """URLs that are made again, since a view class changed, lead to the very functions that the module has."""
    run_inside(
        fresh_copy(),
        """
assert swap("shop/views.py", '"shop/product_detail.html"', '"shop/product_list.html"').applied
assert resolve("/cart/").func is shop.views.cart_page
assert resolve("/cart/add/bread/").func is shop.views.add_to_cart, "a copy of the function is in the resolver"
assert swap("shop/views.py", "@require_POST\\ndef add_to_cart", "def add_to_cart").applied
assert client.get("/cart/add/bread/").status_code == 400, "the removed decorator still decides"
""",
    )


def test_rollback_gives_back_what_was(fresh_copy: FreshCopy) -> None:
    """After a rollback pages, classes and data are those from before, also where Django holds them."""
    run_inside(
        fresh_copy(),
        """
before = client.get("/product/lamp/").content.count(b"9.98 EUR"), shop.views.FACTORS, shop.views.ProductDetail
assert swap("shop/pricing.py", '"goods": 19', '"goods": 21').applied
assert shop.views.FACTORS["goods"] == 1.21 and client.get("/product/lamp/").content.count(b"9.98 EUR") == 0
assert swap("shop/views.py", '"shop/product_detail.html"', '"shop/product_list.html"').applied
hotswap.rollback()
hotswap.rollback()
after = client.get("/product/lamp/").content.count(b"9.98 EUR"), shop.views.FACTORS, shop.views.ProductDetail
assert after == before, (before, after)
assert resolve("/product/lamp/").func.view_class is shop.views.ProductDetail
assert resolve("/cart/add/bread/").func is shop.views.add_to_cart
""",
    )


def test_an_edit_of_addresses_names_nothing_that_views_use(fresh_copy: FreshCopy) -> None:
    """Tables in which views count are not computed from the addresses that lead to these views."""
    run_inside(
        fresh_copy(),
        """
for old, new in (('"cart/", views', '"basket/", views'), ('views.cart_page', 'views.require_POST(views.cart_page)'),
                 ('urlpatterns = [', 'urlpatterns = [path("more/", views.status), ')):
    plan = swap("shop/urls.py", old, new).plan
    assert [(edit.module, edit.qualname) for edit in plan.edits] == [("shop.urls", "urlpatterns")], plan
""",
    )
