# ruff: noqa: E501  (passages of files stand as they do there)
"""What models, managers and queries are after a save is what a fresh start makes of them, or the save restarts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.django.beside import Case, look, wrong_in
from tests.django.model_edits import GRAMS, MODELS

pytestmark = pytest.mark.once  # much the same on every interpreter; with each Django by tests.django.versions

FreshCopy = Callable[[], Path]

VIEWS, FORMS, URLS = "bakery/views.py", "bakery/forms.py", "bakery/urls.py"
MANAGER = "    objects = LoafManager()\n"
#: Queries that are made while modules are loaded, wherever a program has them.
QUERIES = """

ALL = Loaf.objects.all()
HEAVY = [Loaf.objects.filter(grams__gt=900)]


def ready():
    return Loaf.objects.exclude(name="")


READY = ready()


class Loaves(ListView):
    queryset = Loaf.objects.filter(grams=1)


class Nested(Loaves):
    class Inner:
        manager = Loaf.objects

    default = Loaf._default_manager.all()
    base = Loaf._base_manager.filter(name="x")


def given(queryset=Loaf.objects.filter(name="given")):
    return queryset


class OvenLoaves(ListView):
    queryset = Oven.objects.filter(name="stone")


class Through(ListView):
    queryset = Oven.objects.filter(loaf__grams=3)


LABEL = Loaf._meta.verbose_name
"""
CHOICE = """

class PickForm(forms.Form):
    loaf = forms.ModelChoiceField(queryset=Loaf.objects.filter(grams=2))
"""
OVEN = "    oven = models.ForeignKey('Oven', models.CASCADE, null=True)\n"
PROBE = """
from bakery import forms, views
from bakery.models import Loaf, Oven
from bakery.urls import urlpatterns
listed = next(pattern for pattern in urlpatterns if pattern.name == "listed")
found = [views.ALL, views.HEAVY[0], views.READY, views.Loaves.queryset, views.Nested.Inner.manager.all(), views.Nested.default, views.Nested.base,
         views.given(), views.OvenLoaves.queryset, forms.PickForm.base_fields["loaf"].queryset, forms.PickForm().fields["loaf"].queryset,
         listed.callback.view_initkwargs["queryset"], views.Through.queryset, Loaf.objects.all(), Loaf._default_manager.all(), Loaf._base_manager.all(),
         Oven(pk=1).loaf_set.all()]
show = lambda queryset: str(queryset.query)
shown = [*map(show, found), views.LABEL, str(views.Loaves().get_queryset().query),
         type(views.ALL).__qualname__, type(views.Nested.Inner.manager).__qualname__]
"""
LISTED = ("urlpatterns = [\n", "urlpatterns = [\n    path('listed/', views.Loaves.as_view(queryset=views.Loaf.objects.order_by('grams')), name='listed'),\n")
BEFORE = (
    (MODELS, GRAMS, GRAMS + OVEN), (VIEWS, '    return HttpResponse(f"old {name}")\n', '    return HttpResponse(f"old {name}")\n' + QUERIES),
    (FORMS, "OrderFormSet =", CHOICE.strip() + "\n\n\nOrderFormSet ="), (URLS, *LISTED),
)  # fmt: skip


def queries(name: str, *changes: tuple[str, str, str], **given: str) -> Case:
    return Case(name=name, before=BEFORE, saves=(changes,), probe=PROBE, **given)


LIGHT = "class Light(models.Manager):\n    def get_queryset(self):\n        return super().get_queryset().filter(grams__lt=7)\n\n\nclass Loaf("
OVEN_NAME = "    name = models.CharField(max_length=40, choices=KINDS)\n"
GROUP_QUERIES = [
    queries("another manager", (MODELS, "class Loaf(", LIGHT), (MODELS, MANAGER, "    objects = Light()\n")),
    queries("default manager by name", (MODELS, "class Loaf(", LIGHT), (MODELS, MANAGER, MANAGER + "    light = Light()\n"), (MODELS, '        ordering = ("name",)', '        ordering = ("name",)\n        default_manager_name = "light"')),
    queries("base manager by name", (MODELS, "class Loaf(", LIGHT), (MODELS, MANAGER, MANAGER + "    light = Light()\n"), (MODELS, '        ordering = ("name",)', '        ordering = ("name",)\n        base_manager_name = "light"')),
    queries("get_queryset of a manager comes", (MODELS, "class LoafManager(models.Manager):\n", "class LoafManager(models.Manager):\n    def get_queryset(self):\n        return super().get_queryset().filter(grams__lt=7)\n\n")),
    queries("manager where there was none", (MODELS, "class Loaf(", LIGHT), (MODELS, OVEN_NAME, OVEN_NAME + "    objects = models.Manager.from_queryset(models.QuerySet)()\n")),
    queries("table", (MODELS, '        ordering = ("name",)', '        ordering = ("name",)\n        db_table = "bread"')),
    queries("table of a model without a manager of its own", (MODELS, OVEN_NAME, OVEN_NAME + "\n    class Meta:\n        db_table = 'hearth'\n")),
    queries("column", (MODELS, "grams = models.PositiveIntegerField(", "grams = models.PositiveIntegerField(db_column='g', ")),
    queries("another kind of field", (MODELS, "grams = models.PositiveIntegerField(default=500)", "grams = models.CharField(max_length=9, default='500')")),
    queries("ordering", (MODELS, 'ordering = ("name",)', 'ordering = ("-grams",)')),
    queries("name of a model", (MODELS, 'ordering = ("name",)', 'ordering = ("name",)\n        verbose_name = "bread"')),
    queries("query of a view", (VIEWS, "    queryset = Loaf.objects.filter(grams=1)", "    queryset = Loaf.objects.filter(grams=2)")),
    queries("query of a module", (VIEWS, "ALL = Loaf.objects.all()", "ALL = Loaf.objects.heavy()")),
    queries("query in a list", (VIEWS, "grams__gt=900", "grams__gt=800")),
    queries("query of a function that ran", (VIEWS, '.exclude(name="")', '.exclude(name="x")')),
    queries("query of a parameter", (VIEWS, 'name="given"', 'name="taken"')),
    queries("query of a form", (FORMS, "Loaf.objects.filter(grams=2)", "Loaf.objects.filter(grams=3)")),
    queries("query of an address", (URLS, "order_by('grams')", "order_by('-grams')")),
    queries("query becomes another model's", (VIEWS, "    queryset = Loaf.objects.filter(grams=1)", "    queryset = Oven.objects.all()")),
]

HELD = """
from bakery import forms, views
held = [views.ALL, views.Loaves.queryset, forms.PickForm().fields["loaf"].queryset, views.Through.queryset.select_related(), views.Loaf.objects.filter(oven__name="x")]
"""
GROUP_QUERIES.append(Case(
    name="table of queries that somebody holds", before=BEFORE, hold=HELD, saves=(((MODELS, '        ordering = ("name",)', '        ordering = ("name",)\n        db_table = "bread"'),),),
    probe=PROBE + "shown = [*map(show, held), *(sorted(queryset.query.table_map) for queryset in held)]",
))  # fmt: skip

# ---- models that come and go ----

KNOWN = """
import gc
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import models
from tests.django.described import describe_bakery
gc.collect()
known = describe_bakery()
for model in known["models"].values():
    model.pop("children", None) if isinstance(model, dict) else None  # a class that has gone is alive as long as its swap can be taken back
shown = [known, sorted(model._meta.label for model in apps.get_models(include_auto_created=True, include_swapped=True)),
         sorted(f"{label} {name}" for label, table in apps.all_models.items() for name in table), sorted(map(str, apps._pending_operations)),
         sorted(field.name for field in apps.get_model("auth.User")._meta.get_fields()),
         sorted(name for name in vars(apps.get_model("auth.User")) if "seed" in name or "flour" in name),
         sorted(field.name for field in ContentType._meta.get_fields())]
"""
SEED = "class Seed(models.Model):\n    name = models.CharField(max_length=9)\n    loaf = models.ForeignKey(Loaf, models.CASCADE, null=True)\n    by = models.ManyToManyField('auth.User')\n\n\n"
COMES, GOES = (MODELS, "KINDS = [", SEED + "KINDS = ["), (MODELS, SEED, "")
OTHER = SEED.replace("max_length=9", "max_length=10").replace("    loaf = models.ForeignKey(Loaf, models.CASCADE, null=True)\n", "    oven = models.ForeignKey('Oven', models.CASCADE, null=True)\n")
ITS_FIELD = (MODELS, GRAMS, GRAMS + "    grain = models.ForeignKey('Seed', models.SET_NULL, null=True, related_name='loaves')\n")
ITS_MODULE = "from django.db import models\n\nfrom bakery.models import Loaf\n\n\n" + SEED.strip() + "\n"
ITS_ADMIN = (("bakery/admin.py", "from bakery.models import Loaf\n", "from bakery.models import Loaf, Seed\n"), ("bakery/admin.py", "@admin.register(Loaf, site=office)", "office.register(Seed)\n\n\n@admin.register(Loaf, site=office)"))


def known(name: str, *saves: tuple[tuple[str, str, str], ...], **given: str) -> Case:
    return Case(name=name, saves=saves, probe=KNOWN, **given)


GROUP_MODELS = [
    known("a model comes", (COMES,)),
    known("a model comes and goes", (COMES,), (GOES,)),
    known("a model comes, goes and comes again", (COMES,), (GOES,), (COMES,)),
    known("a model comes, goes and comes as another one", (COMES,), (GOES,), ((MODELS, "KINDS = [", OTHER + "KINDS = ["),)),
    known("a model comes, goes, comes, and changes", (COMES,), (GOES,), (COMES,), ((MODELS, SEED, OTHER),)),
    known("a model with a field to it comes and goes", (COMES, ITS_FIELD), ((MODELS, ITS_FIELD[2], GRAMS), GOES)),
    known("a model with a field to it comes, goes and comes", (COMES, ITS_FIELD), ((MODELS, ITS_FIELD[2], GRAMS), GOES), (COMES, ITS_FIELD)),
    known("a model in a module of its own comes and goes", (("bakery/seeds.py", "", ITS_MODULE), (VIEWS, "from bakery.models import Loaf, Oven", "from bakery.models import Loaf, Oven\nfrom bakery.seeds import Seed")), (("bakery/seeds.py", "", ""), (VIEWS, "\nfrom bakery.seeds import Seed", "")), refused="bakery.seeds is imported by nobody any more"),
    known("a model goes to a module of its own", (COMES,), (GOES, ("bakery/seeds.py", "", ITS_MODULE), (VIEWS, "from bakery.models import Loaf, Oven", "from bakery.models import Loaf, Oven\nfrom bakery.seeds import Seed"))),
    known("nobody imports the module of a model any more", (("bakery/seeds.py", "", ITS_MODULE), (VIEWS, "from bakery.models import Loaf, Oven", "from bakery.models import Loaf, Oven\nfrom bakery.seeds import Seed")), ((VIEWS, "\nfrom bakery.seeds import Seed", ""),), refused="bakery.seeds is imported by nobody any more"),
    known("a model without relations is renamed", ((MODELS, "KINDS = [", "class Salt(models.Model):\n    pass\n\n\nKINDS = ["),), ((MODELS, "class Salt(", "class Pepper("),), told="DoesNotExist means another object now"),
    known("a model with relations is renamed", (COMES,), ((MODELS, "class Seed(", "class Grain("),), told="DoesNotExist means another object now"),
    known("a model is renamed to which another one leads by its name", (COMES, ITS_FIELD), ((MODELS, "class Seed(", "class Grain("),), refused="bakery.models.Loaf leads to it by its name"),
    known("a model of the start goes", ((MODELS, "class Oven(models.Model):\n    name = models.CharField(max_length=40, choices=KINDS)\n\n    def __str__(self):\n        return self.name\n", ""), ("bakery/views.py", "import Loaf, Oven", "import Loaf"), ("bakery/views.py", "oven = Oven(", "oven = Loaf("), ("bakery/signals.py", "import Oven", "import Loaf"), ("bakery/signals.py", "sender=Oven", "sender=Loaf")), refused="called a second time"),
    known("a model is renamed", ((MODELS, "class Oven(", "class Stove("), ("bakery/views.py", "import Loaf, Oven", "import Loaf, Stove"), ("bakery/views.py", "oven = Oven(", "oven = Stove("), ("bakery/signals.py", "import Oven", "import Stove"), ("bakery/signals.py", "sender=Oven", "sender=Stove")), refused="called a second time"),
    known("a child of a model comes and goes", ((MODELS, "KINDS = [", "class Cake(Loaf):\n    sugar = models.IntegerField(default=1)\n\n\nKINDS = ["),), ((MODELS, "class Cake(Loaf):\n    sugar = models.IntegerField(default=1)\n\n\n", ""),)),
    known("a proxy comes and goes", ((MODELS, "KINDS = [", "class Rye(Loaf):\n    class Meta:\n        proxy = True\n\n\nKINDS = ["),), ((MODELS, "class Rye(Loaf):\n    class Meta:\n        proxy = True\n\n\n", ""),)),
]

# ---- djangorestframework ----

REST = """
from rest_framework import serializers, viewsets
from rest_framework.routers import DefaultRouter

from bakery.models import Loaf, Oven


class LoafSerializer(serializers.ModelSerializer):
    class Meta:
        model = Loaf
        fields = ["id", "name"]


class LoafViews(viewsets.ModelViewSet):
    queryset = Loaf.objects.all()
    serializer_class = LoafSerializer
    authentication_classes = permission_classes = []


router = DefaultRouter()
router.register("loaves", LoafViews)
"""
API = """
from django.test import Client
from django.db import transaction
from django.urls import get_resolver, reverse, NoReverseMatch
from bakery import rest
client = Client(HTTP_HOST="127.0.0.1", HTTP_ACCEPT="application/json", raise_request_exception=False)
def name_of(name, *args):
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return None
transaction.set_autocommit(False)  # what is posted here is no matter of the other process
shown = [(method, path, (answer := client.generic(method, f"/rest/{path}", data, content_type="application/json")).status_code, answer.get("Allow"),
          answer.content.decode() if answer.status_code < 500 and "json" in answer["Content-Type"] else "") for method, path, data in [
    ("GET", "", ""), ("GET", "loaves/", ""), ("POST", "loaves/", '{"name": "x"}'), ("POST", "loaves/", '{"grams": -1}'), ("OPTIONS", "loaves/", ""), ("GET", "loaves/1/", ""), ("DELETE", "loaves/77/", ""),
    ("PUT", "loaves/1/", '{"name": "y"}'), ("GET", "loaves/short/", ""), ("GET", "loaves/?page=1", ""), ("GET", "loaves/Rye/", ""), ("GET", "ovens/", ""), ("GET", "loaves.json", "")]]
shown += [name_of("loaf-list"), name_of("loaf-detail", "1"), name_of("oven-list"), str(rest.router.get_urls()), str(rest.LoafViews.queryset.query)]
transaction.rollback()
"""
RESTFUL = (("bakery/rest.py", "", REST), (URLS, "urlpatterns = [\n", "urlpatterns = [\n    path('rest/', include(rest.router.urls)),\n"), (URLS, "import converters, views", "import converters, rest, views"))


def rest(name: str, *changes: tuple[str, str], **given: str) -> Case:
    return Case(name=f"rest: {name}", before=RESTFUL, saves=(tuple(("bakery/rest.py", *change) for change in changes),), probe=API, hold="import bakery.rest", **given)


GROUP_REST = [
    rest("read only", ("viewsets.ModelViewSet", "viewsets.ReadOnlyModelViewSet")),
    rest("bare view set", ("viewsets.ModelViewSet", "viewsets.GenericViewSet")),
    rest("another queryset", ("Loaf.objects.all()", "Loaf.objects.filter(grams=3)")),
    rest("another model", ("queryset = Loaf.objects.all()", "queryset = Oven.objects.all()"), ("model = Loaf", "model = Oven"), refused="would choose 'oven' now"),
    rest("another field to look it up by", ("    serializer_class", "    lookup_field = 'name'\n    serializer_class")),
    rest("pattern of a look-up", ("    serializer_class", "    lookup_value_regex = '[a-z]+'\n    serializer_class")),
    rest("fields of a serializer", ('"id", "name"', '"id", "grams"')),
    rest("a field of a serializer of its own", ("    class Meta:", "    grams = serializers.IntegerField(min_value=0)\n\n    class Meta:"), ('"id", "name"', '"id", "name", "grams"')),
    rest("a model of a serializer", ("model = Loaf", "model = Oven"), told="Meta.model means another object now"),
    rest("another prefix", ('"loaves", LoafViews', '"ovens", LoafViews'), refused="router.register"),
    rest("a registration goes", ('router.register("loaves", LoafViews)\n', ""), refused="router.register"),
    rest("another router", ("router = DefaultRouter()", "router = SimpleRouter()"), ("import DefaultRouter", "import DefaultRouter, SimpleRouter"), refused="opaque object"),
    rest("a mixin goes", ("viewsets.ModelViewSet", "mixins.ListModelMixin, viewsets.GenericViewSet"), ("import serializers, viewsets", "import mixins, serializers, viewsets")),
    rest("methods that are let in", ("    serializer_class", "    http_method_names = ['get', 'options']\n    serializer_class")),
    rest("pages", ("    serializer_class", "    pagination_class = PageNumberPagination\n    serializer_class"), ("from rest_framework.routers", "from rest_framework.pagination import PageNumberPagination\nfrom rest_framework.routers")),
    Case(name="rest: a field of the model", before=RESTFUL, hold="import bakery.rest", probe=API, saves=(((MODELS, "max_length=40)\n    grams", "max_length=3)\n    grams"), (MODELS, GRAMS, "    grams = models.FloatField(default=1)\n")),)),
]


@pytest.mark.parametrize("group", [
    pytest.param(GROUP_QUERIES, marks=pytest.mark.slow, id="queries"),
    pytest.param(GROUP_MODELS, marks=pytest.mark.slow, id="models"),
    pytest.param(GROUP_REST, marks=pytest.mark.slow, id="rest"),
])  # fmt: skip
def test_a_save_shows_what_a_fresh_start_shows(group: list[Case], fresh_copy: FreshCopy, site: Path) -> None:
    """Or it is refused, with the reason that is expected."""
    found = look([(case, fresh_copy()) for case in group], site)
    wrong = {case.name: wrong_in(case, *both) for case, both in zip(group, found, strict=True)}
    assert not {name: text[:2000] for name, text in wrong.items() if text}
