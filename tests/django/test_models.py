# ruff: noqa: E501  (programs stand as they do there)
"""Models that are edited in a process that lives: all that Django knows of them is what a fresh start on the same files makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.django.described import describe_afresh, differences
from tests.django.model_edits import EDITS, GRAMS, REFUSED
from tests.django.test_inside import run

pytestmark = pytest.mark.once  # much the same on every interpreter; with each Django by tests.django.versions

FreshCopy = Callable[[], Path]
ROOT = Path(__file__).parent.parent.parent

HEAD = f"""
import json, shutil, sys
sys.path.insert(0, {str(ROOT)!r})
from django.apps import apps
from django.db import connection
from tests.django.described import describe_bakery, differences
import bakery.urls
from bakery.models import Loaf, Oven
MODELS = "bakery/models.py"
GRAMS = {GRAMS!r}
"""


@pytest.mark.slow  # half a minute
def test_after_each_edit_models_are_those_of_a_fresh_start(fresh_copy: FreshCopy, site: Path) -> None:
    """Fields, relations, accessors on the other side, ``Meta``, managers, queries, forms and the admin; the classes stay.

    Each third state is compared, each seventh edit is taken back and saved again; ``tests.django.fuzz`` compares all.
    """
    folder = fresh_copy()
    program = f"""
loaf, meta, name = Loaf, Loaf._meta, Loaf._meta.get_field("name")
shown = []
for number, (what, changes) in enumerate({EDITS!r}):
    before = describe_bakery() if number % 7 == 0 else None
    for file, old, new in changes:
        edit(file, (old, new))
    report = hotswap.swap()
    assert report.applied, f"{{what}}: {{report}}"
    if before is not None:
        assert hotswap.rollback().applied
        assert not (found := differences(describe_bakery(), before)), f"taken back: {{what}}: {{found}}"
        assert hotswap.swap().applied
    if number % 3 == 0:
        place = os.path.abspath(f"../state{{number}}")
        shutil.copytree(".", place)
        shown.append((what, place, describe_bakery()))
import bakery.models
assert bakery.models.Loaf is loaf is apps.get_model("bakery.loaf")
assert loaf._meta is meta and meta.get_field("name") is name
assert isinstance(Loaf(), Loaf) and Loaf in bakery.admin.office._registry
print(json.dumps(shown))
"""
    shown = json.loads(run(folder, site, HEAD + program, timeout=400).splitlines()[-1])
    afresh = describe_afresh([place for _, place, _ in shown], timeout=300)
    wrong = {what: differences(live, fresh) for (what, _, live), fresh in zip(shown, afresh, strict=True)}
    assert not {what: found[:3] for what, found in wrong.items() if found}


def test_what_cannot_be_had_changes_nothing(fresh_copy: FreshCopy, site: Path) -> None:
    """Each of these says why, and the models, forms and the registry are as before; so is a save after it."""
    run(fresh_copy(), site, HEAD + f"""
before = describe_bakery()
for what, old, new, code, why in {REFUSED!r}:
    text = pathlib.Path(MODELS).read_text()
    edit(MODELS, (old, new))
    report = hotswap.swap()
    held = " ".join(f"{{finding}}" for finding in report.held)
    assert not report.applied and code in held and why in held, (what, str(report))
    assert not (found := differences(describe_bakery(), before)), (what, found)
    pathlib.Path(MODELS).write_text(text)
    assert hotswap.swap().verdict == "nothing"
from django.db.models.signals import class_prepared
told = []
def tell(sender, **kwargs):
    told.append(sender)
class_prepared.connect(tell)
edit(MODELS, ("default=500", "default=501"))
report = hotswap.swap()
assert report.verdict == "restart" and "receivers of class_prepared" in str(report) and "tell" in str(report), str(report)
assert not told and not differences(describe_bakery(), before)
class_prepared.disconnect(tell)
assert hotswap.swap().applied and Loaf._meta.get_field("grams").default == 501
""")  # fmt: skip


def test_objects_get_what_a_migration_of_the_table_gives_its_rows(fresh_copy: FreshCopy, site: Path) -> None:
    """Defaults, a fresh container for each, null, the time: no query is made for what the table does not have yet."""
    run(fresh_copy(), site, HEAD + """
rye, new, some = Loaf.objects.get(name="Rye"), Loaf(name="New"), Loaf.objects.only("name").first()
edit(MODELS, (GRAMS, GRAMS + "    flour = models.CharField(max_length=9, default='wheat')\\n    data = models.JSONField(default=dict)\\n"
    "    at = models.DateTimeField(auto_now_add=True)\\n    note = models.TextField(null=True)\\n    paper = models.FileField(blank=True)\\n"
    "    oven = models.ForeignKey('Oven', models.CASCADE, null=True)\\n"))
assert hotswap.swap().applied
with connection.execute_wrapper(lambda *_: 1 / 0):
    for item in (rye, new, some):
        assert (item.flour, item.data, item.note, item.oven_id, item.oven, item.paper.name) == ("wheat", {}, None, None, None, "")
    assert rye.data is not new.data and rye.at is not None
assert (rye.grams, new.grams, rye.get_deferred_fields(), some.get_deferred_fields()) == (1000, 500, set(), {"grams"})
hotswap.rollback()
assert not {"flour", "oven_id"} & vars(rye).keys() and (rye.grams, some.grams) == (1000, 1000)
""")  # fmt: skip


def test_objects_follow_migrations_as_all_do(fresh_copy: FreshCopy, site: Path) -> None:
    """A field without default or null is asked about, a rename too; a migration answers, and leads back."""
    run(fresh_copy(), site, HEAD + """
rye = Loaf(name="Rye", grams=7)
edit(MODELS, (GRAMS, GRAMS + "    must = models.IntegerField()\\n"))
report = hotswap.swap()
assert report.verdict == "ask" and "HS301" in str(report) and "neither a default nor null=True" in str(report), str(report)
edit(MODELS, ("    must = models.IntegerField()\\n", ""), ("grams = models", "weight = models"), ("self.grams", "self.weight"))
report = hotswap.swap()
assert report.verdict == "ask" and "HS303" in str(report), str(report)
edit(MODELS, ("from django.db import models\\n", "from django.db import models\\nfrom hotswap import migrate\\nfrom hotswap.migrations import rename\\n"))
pathlib.Path(MODELS).write_text(pathlib.Path(MODELS).read_text() + "\\n\\nmigrate('bakery.models:Loaf', steps=[rename('grams', 'weight')])\\n")
assert hotswap.swap().applied
assert (rye.weight, rye.label()) == (7, "Rye, 7 g") and "grams" not in vars(rye)
assert hotswap.rollback().applied
assert rye.grams == 7
""")  # fmt: skip


def test_what_a_relation_has_led_to_is_forgotten_with_it(fresh_copy: FreshCopy, site: Path) -> None:
    """An object that knows the oven of a loaf does not give it for a user, when the relation leads to users."""
    run(fresh_copy(), site, HEAD + """
edit(MODELS, (GRAMS, GRAMS + "    by = models.ForeignKey('Oven', models.CASCADE, null=True)\\n"))
assert hotswap.swap().applied
loaf = Loaf(name="Rye", by=Oven(id=1, name="stone"))
assert loaf.by.name == "stone"
edit(MODELS, ("ForeignKey('Oven'", "ForeignKey('auth.User'"))
assert hotswap.swap().applied
from django.contrib.auth.models import User
with connection.execute_wrapper(lambda *_: 1 / 0):
    try:
        loaf.by
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError("the oven was given")
assert hotswap.rollback().applied
assert loaf.by.name == "stone"
""")  # fmt: skip


def test_a_migration_that_is_due_is_told_and_errors_say_so(fresh_copy: FreshCopy, site: Path) -> None:
    """The operations in Django's words, with the commands; a query that fails for want of a column has them as a note."""
    run(fresh_copy(), site, HEAD + """
from django.db.utils import OperationalError
edit(MODELS, (GRAMS, GRAMS + "    flour = models.CharField(max_length=9, default='wheat')\\n"))
report = hotswap.swap()
assert report.applied and "a database migration is due for bakery: Add field flour to loaf" in str(report), str(report)
assert "makemigrations" in str(report)
try:
    list(Loaf.objects.all())
except OperationalError as error:
    assert "Add field flour to loaf" in error.__notes__[0] and "manage.py migrate" in error.__notes__[0]
else:
    raise AssertionError("there is no such column")
try:
    connection.cursor().execute("SELECT nonsense(")
except OperationalError as error:
    assert not getattr(error, "__notes__", None)
assert "due" not in str(hotswap.rollback())
assert Loaf.objects.count() == 2
edit(MODELS, ("default='wheat'", "default='rye'"), (GRAMS, ""), ("{self.grams}", ""))
report = hotswap.swap()
assert "a person has to say" in str(report) and "may go" in str(report), str(report)
""")  # fmt: skip


def test_a_migration_is_made_and_run_where_the_project_wants_that(fresh_copy: FreshCopy, site: Path) -> None:
    """In the process, before requests go in again; what Django would ask, and what takes data away, is left to a person."""
    run(fresh_copy(), site, HEAD + """
settings(HOTSWAP={"MIGRATE": "make"})
edit(MODELS, (GRAMS, GRAMS + "    flour = models.CharField(max_length=9, default='wheat')\\n"))
report = hotswap.swap()
assert "a migration was made for bakery: Add field flour to loaf" in str(report), str(report)
assert pathlib.Path("bakery/migrations/0002_loaf_flour.py").exists()
settings(HOTSWAP={"MIGRATE": "run"})
edit(MODELS, ("    flour = ", "    ovens = models.ManyToManyField('Oven')\\n    flour = "), ("class Oven(", "class Salt(models.Model):\\n    pass\\n\\n\\nclass Oven("))
report = hotswap.swap()
assert "a migration was made and run for bakery: " in str(report), str(report)
assert [loaf.flour for loaf in Loaf.objects.all()] == ["wheat", "wheat"]
Loaf.objects.first().ovens.add(Oven.objects.create(name="stone"))
assert Oven.objects.get().loaf_set.count() == 1
from bakery.models import Salt
Salt.objects.create()
made = sorted(os.listdir("bakery/migrations"))
edit(MODELS, ("    flour = ", "    meal = "))
report = hotswap.swap()
assert report.applied and "whether loaf.flour was renamed to meal" in str(report), str(report)
assert sorted(os.listdir("bakery/migrations")) == made
settings(HOTSWAP={"MIGRATE": "never"})
edit(MODELS, ("    meal = ", "    flour = "))
assert "make it one of tell, make, run" in str(hotswap.swap())
assert [loaf.flour for loaf in Loaf.objects.all()] == ["wheat", "wheat"]
""")  # fmt: skip
