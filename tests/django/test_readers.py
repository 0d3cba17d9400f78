# ruff: noqa: E501  (programs and passages of files stand as they do there)
"""What reads models, forms, choices and addresses once and keeps it: after a save it is what a fresh start would make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.django.model_edits import GRAMS
from tests.django.test_inside import run

pytestmark = pytest.mark.once  # much the same on every interpreter; with each Django by tests.django.versions

FreshCopy = Callable[[], Path]

FORMS = """
import functools

from django.core.validators import RegexValidator


def make_field(field, **given):
    return field.formfield(**given, initial=functools.partial(int))


class MadeForm(forms.ModelForm):
    class Meta:
        model = Loaf
        fields = ["grams"]
        formfield_callback = make_field


class WholeForm(forms.ModelForm):
    class Meta:
        model = Loaf
        fields = "__all__"


class PlainForm(forms.ModelForm):
    class Meta:
        model = Loaf
        exclude = ["name"]


LoafForm.base_fields["name"].label = "What"
LoafForm.base_fields["name"].widget.attrs["class"] = "wide"
LoafForm.base_fields["name"].widget.format = "%s"
LoafForm.base_fields["name"].error_messages["required"] = "say what"
LoafForm.base_fields["name"].validators.append(RegexValidator("^a"))
WholeForm.base_fields["extra"] = forms.IntegerField()
del PlainForm.base_fields["grams"]
"""


def test_forms_of_models_follow_and_keep_what_the_program_did_to_them(fresh_copy: FreshCopy, site: Path) -> None:
    """``fields = "__all__"`` gets the new field; labels, attributes, messages, validators and fields that the module has set or
    deleted stay, beside what the model gives now; what nobody can compare is named."""
    folder = fresh_copy()
    forms = folder / "bakery" / "forms.py"
    forms.write_text(forms.read_text() + FORMS)
    run(folder, site, f"""
GRAMS = {GRAMS!r}
from bakery.forms import LoafForm, PlainForm, WholeForm

def check(flour):
    assert list(WholeForm.base_fields) == ["name", "grams", "flour", "extra"], list(WholeForm.base_fields)
    assert list(PlainForm.base_fields) == ["flour"] and WholeForm.base_fields["flour"].initial == flour
    name = LoafForm.base_fields["name"]
    assert (name.label, name.widget.attrs["class"], name.max_length, name.widget.attrs["maxlength"]) == ("What", "wide", 41, "41")
    assert (name.widget.format, name.error_messages["required"]) == ("%s", "say what")
    assert [getattr(each, "limit_value", None) for each in name.validators[:1]] == [41] and len(name.validators) == 3, name.validators
    assert name.validators[-1].regex.pattern == "^a"

edit("bakery/models.py", (GRAMS, GRAMS + "    flour = models.CharField(max_length=9, default='rye')\\n"),
     ("max_length=40)\\n    grams", "max_length=41)\\n    grams"))
from hotswap_django import model_forms
makes, make = [], model_forms._fields_of
model_forms._fields_of = lambda form, **given: makes.append(form) or make(form, **given)
report = hotswap.swap()
assert report.applied and makes.count(LoafForm) == 2, "one to compare with, and one that is used"
(kept,) = [finding for finding in report.findings if finding.code == "HS212"]
assert "bakery.forms.MadeForm: grams.initial cannot be compared" in kept.message, str(report)
check("rye")
edit("bakery/models.py", ("default='rye'", "default='oat'"))
assert hotswap.swap().applied
check("oat")
hotswap.rollback()
hotswap.rollback()
assert list(WholeForm.base_fields) == ["name", "grams", "extra"] and not PlainForm.base_fields
assert LoafForm.base_fields["name"].label == "What" and LoafForm.base_fields["name"].max_length == 40
""")  # fmt: skip


def test_a_form_that_an_inline_formset_has_used_has_no_field_more(fresh_copy: FreshCopy, site: Path) -> None:
    """Django adds the foreign key to the form's ``_meta`` when the first formset is made, after its fields were made."""
    folder = fresh_copy()
    models = folder / "bakery" / "models.py"
    models.write_text(models.read_text().replace(GRAMS, GRAMS + "    oven = models.ForeignKey('Oven', models.CASCADE, null=True)\n"))
    run(folder, site, """
from django.forms import inlineformset_factory
from bakery.forms import LoafForm
from bakery.models import Loaf, Oven
formset = inlineformset_factory(Oven, Loaf, form=LoafForm, fields=["name"])
formset(instance=Oven(pk=1))
edit("bakery/models.py", ("default=500", "default=501"))
assert hotswap.swap().applied
assert list(formset.form.base_fields) == ["name"], list(formset.form.base_fields)
""")  # fmt: skip


def test_forms_of_requests_that_have_ended_refuse_nothing(fresh_copy: FreshCopy, site: Path) -> None:
    """The admin makes a form class for each request; those that nobody has any more wait for the collector only."""
    run(fresh_copy(), site, f"""
import gc
from django.test import RequestFactory
from bakery.admin import office
from bakery.models import Loaf
gc.disable()
form = office._registry[Loaf].get_form(RequestFactory().get("/"), change=False, fields=["name", "grams"])
del form
edit("bakery/models.py", ({GRAMS!r}, ""), (", {{self.grams}} g", ""))
report = hotswap.swap()
assert report.applied, str(report)
""")  # fmt: skip


def test_choices_follow_in_models_and_forms(fresh_copy: FreshCopy, site: Path) -> None:
    """Labels and members of ``TextChoices`` and ``IntegerChoices``; the members stay the same objects."""
    folder = fresh_copy()
    (folder / "bakery" / "kinds.py").write_text(
        "from django.db import models\n\n\nclass Size(models.IntegerChoices):\n    SMALL = 1, 'Small'\n    LARGE = 2, 'Large'\n\n\n"
        "class Grain(models.TextChoices):\n    RYE = 'rye', 'Rye'\n"
    )
    models = folder / "bakery" / "models.py"
    field = "    size = models.IntegerField(choices=Size.choices, default=Size.SMALL)\n    grain = models.CharField(max_length=9, choices=Grain.choices)\n"
    text = models.read_text().replace(GRAMS, GRAMS + field)
    models.write_text(text.replace("from django.db import models\n", "from django.db import models\n\nfrom bakery.kinds import Grain, Size\n"))
    run(folder, site, """
from bakery.kinds import Grain, Size
from bakery.models import Loaf
small, loaf = Size.SMALL, Loaf(size=2)
edit("bakery/kinds.py", ("'Large'", "'Big'\\n    HUGE = 3, 'Huge'"), ("'Rye'", "'Dark'\\n    OAT = 'oat', 'Oat'"))
report = hotswap.swap()
assert report.applied and "what made the class" not in str(report), str(report)
assert Size.choices == [(1, "Small"), (2, "Big"), (3, "Huge")] and Grain.choices == [("rye", "Dark"), ("oat", "Oat")]
assert Size.SMALL is small and Size(3) is Size.HUGE and isinstance(Size.HUGE, Size) and Size.HUGE.label == "Huge"
assert Loaf._meta.get_field("size").choices == Size.choices and loaf.get_size_display() == "Big"
hotswap.rollback()
assert Size.choices == [(1, "Small"), (2, "Large")] and loaf.get_size_display() == "Large" and not hasattr(Size, "HUGE")
edit("bakery/kinds.py", ("SMALL = 1", "SMALL = 7"))
report = hotswap.swap()
assert not report.applied and "HS302" in str(report) and Size.SMALL.value == 1, str(report)
""")  # fmt: skip


def test_another_name_of_an_application_of_addresses_restarts(fresh_copy: FreshCopy, site: Path) -> None:
    """``include("shop.urls")`` reads ``app_name`` when the address is made, and takes it for the namespace too."""
    folder = fresh_copy()
    (folder / "bakery" / "more.py").write_text(
        "from django.urls import path\n\nfrom bakery import views\n\napp_name = 'more'\nurlpatterns = [path('', views.state, name='state')]\n"
    )
    urls = folder / "bakery" / "urls.py"
    urls.write_text(urls.read_text().replace("urlpatterns = [\n", "urlpatterns = [\n    path('more/', include('bakery.more')),\n"))
    run(folder, site, """
from django.urls import reverse
assert reverse("more:state") == "/more/"
edit("bakery/more.py", ("'more'", "'other'"))
report = hotswap.swap()
assert report.verdict == "restart" and "HS213" in str(report) and "app_name" in str(report), str(report)
assert reverse("more:state") == "/more/"
""")  # fmt: skip


API = """
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet


class LoafViews(ViewSet):
    authentication_classes = permission_classes = []

    def list(self, request):
        return Response("all")

    @action(detail=False)
    def short(self, request):
        return Response("short")


router = SimpleRouter()
router.register("loaves", LoafViews, basename="loaf")
"""


def test_actions_of_view_sets_have_the_addresses_of_a_fresh_start(fresh_copy: FreshCopy, site: Path) -> None:
    """A router of djangorestframework makes addresses of the methods of a class, once."""
    folder = fresh_copy()
    (folder / "bakery" / "rest.py").write_text(API)
    urls = folder / "bakery" / "urls.py"
    text = urls.read_text().replace("urlpatterns = [\n", "urlpatterns = [\n    path('rest/', include(rest.router.urls)),\n")
    urls.write_text(text.replace("import converters, views", "import converters, rest, views"))
    run(folder, site, """
from django.test import Client
from django.urls import NoReverseMatch, reverse
from hotswap.model import ChangeSet, Consistency, SourceFile, Wish
from hotswap.session import current
client = Client(HTTP_HOST="127.0.0.1", HTTP_ACCEPT="application/json")

def answers(*paths):
    return [client.get(f"/rest/loaves/{path}").status_code for path in paths]

assert answers("", "short/", "brief/") == [200, 200, 404]
edit("bakery/rest.py", ("def short", "def brief"))
from hotswap_django import refresh
looks, look = [], refresh.list_objects
refresh.list_objects = lambda *kinds: looks.append(kinds) or look(*kinds)
path = os.path.abspath("bakery/rest.py")  # forced: a change that waits for nobody
files = (SourceFile(path=path, data=open(path, "rb").read()),)
report = current().engine.swap(ChangeSet(files=files), Wish(consistency=Consistency.IMMEDIATE, force=True))
assert report.applied and report.consistency is Consistency.IMMEDIATE, str(report)
assert len(looks) == 2, "one for routers, and one for all that is dropped"
assert answers("", "short/", "brief/") == [200, 404, 200] and reverse("loaf-brief") == "/rest/loaves/brief/"
edit("bakery/rest.py", ("@action(detail=False)", "@action(detail=False, url_path='tiny')"))
assert hotswap.swap().applied
assert answers("", "brief/", "tiny/") == [200, 404, 200]
hotswap.rollback()
hotswap.rollback()
assert answers("", "short/", "brief/", "tiny/") == [200, 200, 404, 404]
from bakery import rest, urls
copied = [*rest.router.urls]
urls.api[0].extend(copied)
edit("bakery/rest.py", ("url_path='tiny'", "url_path='mini'"))
report = hotswap.swap()
assert not report.applied and "has a copy of the addresses of a router" in str(report), str(report)
assert answers("short/", "mini/") == [200, 404]
del urls.api[0][-len(copied):]
with open("bakery/rest.py", "a") as text:
    text.write("router.register('more', LoafViews, basename='more')\\n")
assert hotswap.swap().applied
assert answers("mini/") == [200] and client.get("/rest/more/mini/").status_code == 200
""")  # fmt: skip


def test_queries_that_a_changed_method_has_made_at_the_start_are_named(fresh_copy: FreshCopy, site: Path) -> None:
    """Managers call the methods of query sets through functions that Django makes, so the texts do not lead there; of several
    methods of one name any may have been called."""
    folder = fresh_copy()
    models = folder / "bakery" / "models.py"
    light = "class Loaves(models.QuerySet):\n    def light(self):\n        return self.filter(grams__lt=800)\n\n\n"
    light += light.replace("Loaves", "Rolls").replace("800", "90") + "class Loaf("
    models.write_text(models.read_text().replace("class Loaf(", light).replace("= LoafManager()", "= LoafManager.from_queryset(Loaves)()"))
    views = folder / "bakery" / "views.py"
    views.write_text(views.read_text() + "\n\nclass Light(Shelf):\n    queryset = Loaf.objects.light()\n\n\ndef later():\n    return Loaf.objects.light()\n")
    run(folder, site, """
from bakery import views
where = pathlib.Path("bakery/views.py").read_text().splitlines().index("    queryset = Loaf.objects.light()") + 1
edit("bakery/models.py", ("grams__lt=800", "grams__lt=5"), ("grams__lt=90", "grams__lt=6"))
report = hotswap.swap()
both = "bakery.models.Loaves.light or bakery.models.Rolls.light"
told = [(finding.code, finding.line) for finding in report.findings if both in finding.message]
assert report.applied and told == [("HS402", where)], str(report)
assert not views.later() and "800" in str(views.Light.queryset.query)
""")  # fmt: skip


def test_queries_that_are_held_have_the_table_of_a_fresh_start_and_are_led_back(fresh_copy: FreshCopy, site: Path) -> None:
    """They note a table by its name, also those that are joined; answers come from the new table, and from the old one again."""
    run(fresh_copy(), site, """
from django.db import connection
from bakery.models import Loaf
held, joined = Loaf.objects.filter(grams__gt=1), Loaf.objects.filter(grams__in=Loaf.objects.filter(name="Rye").values("grams"))
before = [str(held.query), str(joined.query)]
connection.cursor().execute("CREATE TABLE bread AS SELECT id, name || '!' AS name, grams FROM bakery_loaf")
edit("bakery/models.py", ('        ordering = ("name",)', '        ordering = ("name",)\\n        db_table = "bread"'))
assert hotswap.swap().applied
assert str(held.query) == str(Loaf.objects.filter(grams__gt=1).query) and "bakery_loaf" not in str(joined.query), str(joined.query)
assert [loaf.name for loaf in held.all()] == ["Rye!", "Spelt!"] and not joined.exists()
assert hotswap.rollback().applied
assert [str(held.query), str(joined.query)] == before
assert [loaf.name for loaf in held.all()] == ["Rye", "Spelt"] and joined.count() == 1
""")  # fmt: skip
