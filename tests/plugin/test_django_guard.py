"""Edits of a real Django program that Django would not notice: refused with a reason, or live where they can be."""

from __future__ import annotations

import enum
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotswap.plugin.builtin import django_guard

pytestmark = pytest.mark.once  # much the same on every interpreter

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "django_app"

PROGRAM = """
import json, os, sys
sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "shopsite.settings"
import hotswap
hotswap.start([os.getcwd()], watch=False)
import django
django.setup()
from django.apps import apps
from django.contrib import admin as site_admin
from django.urls import reverse
reverse("product", args=["x"])
from shop import admin, apps as shop_apps, cart, forms, models, pricing, urls, views
from shopsite import settings, urls as site_urls
product = models.Product(slug="a", name="Apple", net_cents=100)
for line in sys.stdin:
    file, old, new, question = json.loads(line)
    with open(file) as source:
        text = source.read()
    assert old in text, (file, old)
    with open(file, "w") as target:
        target.write(text.replace(old, new, 1))
    report = hotswap.swap([file])
    answer = repr(eval(question)) if question else ""
    found = [[f.code, f.severity, f.message, f.next_step] for f in report.findings]
    print(json.dumps([report.applied, report.verdict, found, answer]), flush=True)
    with open(file, "w") as target:
        target.write(text)
    back = hotswap.swap([file])
    assert back.applied or back.verdict == "nothing", str(back)
"""


class Shop:
    """The example running under hotswap; one edit after the other, each put back afterwards."""

    def __init__(self, directory: Path) -> None:
        shutil.copytree(EXAMPLE, directory, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def edit(self, file: str, old: str, new: str, question: str = "") -> tuple[bool, str, list[list[str]], Any]:
        """Save a file with one place changed and swap; gives applied, verdict, findings, and the answer to a question."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([file, old, new, question]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the program ended"
        applied, verdict, found, answer = json.loads(line)
        return applied, verdict, found, answer


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    pytest.importorskip("django")
    one = Shop(tmp_path_factory.mktemp("django") / "shop")
    yield one
    one.process.communicate()


RESTART = [
    ("shopsite/settings.py", "DEBUG = True", "DEBUG = False"),
    ("shopsite/settings.py", '    "shop",\n]', '    "shop",\n    "django.contrib.humanize",\n]'),
    ("shop/urls.py", "urlpatterns = [", 'urlpatterns = [\n    path("new/", views.status, name="new"),'),
    ("shopsite/urls.py", 'path("admin/"', 'path("back/"'),
    (
        "shop/admin.py",
        "@admin.register(Order)",
        "@admin.register(OrderLine)\nclass LineAdmin(admin.ModelAdmin):\n    pass\n\n\n@admin.register(Order)",
    ),
]


@pytest.mark.parametrize(("file", "old", "new"), RESTART)
def test_what_django_reads_once_asks_for_a_restart(shop: Shop, file: str, old: str, new: str) -> None:
    """Settings, URLs and registrations with the admin site are refused with HS213, before anything is executed."""
    applied, verdict, found, answer = shop.edit(file, old, new, "len(site_admin.site._registry)")
    assert (applied, verdict) == (False, "restart")
    assert ["HS213", "held"] in [finding[:2] for finding in found]
    assert all(finding[3] for finding in found if finding[1] == "held")
    assert answer == "4"


def test_model_field_asks_for_a_restart(shop: Shop) -> None:
    """A field belongs to the metaclass and to the database."""
    applied, verdict, found, answer = shop.edit(
        "shop/models.py", "name = models.CharField(max_length=80)", "name = models.CharField(max_length=90)",
        "models.Product._meta.get_field('name').max_length",
    )  # fmt: skip
    assert (applied, verdict, answer) == (False, "restart", "80")
    assert [finding[0] for finding in found] == ["HS206"]
    assert "max_length=90" in found[0][2]


LIVE = [
    ("shop/models.py", "    def label(self):", "    def shout(self, n=2):\n        return self.name.upper()\n\n    def label(self):",  # noqa: E501
     "product.shout()", "'APPLE'"),
    ("shop/models.py", "def label(self):", "def label(self, mark='!'):",
     "(product.label.__defaults__, type(product) is models.Product)",
     "(('!',), True)"),
    ("shop/models.py", "    def label(self):",
     "    @property\n    def size(self):\n        return len(self.name)\n\n    def label(self):",
     "(product.size, apps.get_model('shop', 'Product') is models.Product)", "(5, True)"),
    ("shop/models.py", "    slug = ", "    LIMIT = 5\n    slug = ",
     "product.LIMIT", "5"),
    ("shop/forms.py", "max_value=9", "max_value=7", "forms.AddToCartForm({'quantity': '8'}).is_valid()", "False"),
    ("shop/forms.py", "    def clean_quantity", "    note = forms.CharField(required=False)\n\n    def clean_quantity",
     "list(forms.AddToCartForm({}).fields)", "['quantity', 'note']"),
    ("shop/admin.py", '("name", "kind", "price")', '("name", "price")',
     "(site_admin.site._registry[models.Product].list_display, len(site_admin.site._registry))", "(('name', 'price'), 4)"),
    ("shop/views.py", 'template_name = "shop/product_list.html"', 'template_name = "shop/other.html"',
     "(views.ProductList.template_name, urls.urlpatterns[0].callback.view_class is views.ProductList)",
     "('shop/other.html', True)"),
    ("shop/views.py", 'title="Everything we have"', 'title="All"', "len(urls.urlpatterns)", "7"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "question", "answer"), LIVE)
def test_live_without_a_restart(shop: Shop, file: str, old: str, new: str, question: str, answer: str) -> None:
    """Methods and simple attributes of models, forms with all their fields, admin options, views."""
    applied, _, found, answered = shop.edit(file, old, new, question)
    assert applied, found
    assert answered == answer
    assert "HS503" not in [finding[0] for finding in found]


def test_ready_is_named_as_run_at_the_start(shop: Shop) -> None:
    """``AppConfig.ready`` has run; its new body waits for the next start, and the report says so."""
    applied, _, found, _ = shop.edit("shop/apps.py", "def ready(self):", "def ready(self):\n        self.extra = 1")
    assert applied
    assert ["HS406", "kept"] in [finding[:2] for finding in found]


@pytest.mark.parametrize(("name", "answer"), [("ChoicesType", True), ("ChoicesMeta", True), ("OtherMeta", None)])
def test_choices_may_be_built_again_in_each_series_of_django(name: str, answer: bool | None) -> None:
    """Their metaclass has another name in 4.2."""
    made = type(name, (enum.EnumType,), {"__module__": "django.db.models.enums"})

    class Size(enum.Enum, metaclass=made):
        SMALL = 1

    assert django_guard.hotswap_can_rebuild(Size) is answer
