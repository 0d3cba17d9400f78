# ruff: noqa: E501  (texts of a program stand as they do there)
"""Models edited at random in one process, and what Django knows of them beside what a fresh start makes of each state.

``python -m tests.django.fuzz --runs 20 --edits 12 --seed 1`` prints each state that differs, with the edit that made it, and the
share of edits that were live, asked about or refused. Ends with 1 where a state differs.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs

from tests.django.bakery import install, make_project
from tests.django.described import describe_afresh, differences
from tests.django.test_inside import run

ROOT = Path(__file__).parent.parent.parent
NAMES = ("Mill", "Sack", "Grain", "Bag")
HEAD = "from django.db import models\n\n\ndef flat():\n    return 3\n\n\nclass Best(models.QuerySet):\n    def best(self):\n        return self\n\n\nclass Plain(models.Manager):\n    pass\n\n\n"

#: Columns that take no other model.
COLUMNS: tuple[str, ...] = (
    "models.CharField(max_length={n}, default='a')", "models.CharField(max_length={n}, null=True, db_index=True)", "models.IntegerField(default={n})",
    "models.IntegerField(default=flat, verbose_name='n{n}')", "models.BooleanField(default=True)", "models.DateTimeField(auto_now=True)", "models.TextField(blank=True)",
    "models.CharField(max_length=9, choices=[('a', 'A{n}'), ('b', 'B')], default='a')", "models.JSONField(default=dict)", "models.FileField(upload_to='x', blank=True)",
    "models.DecimalField(max_digits={n}, decimal_places=1, default=0)", "models.SlugField(unique=True, null=True)", "models.DateField(null=True, help_text='h{n}')",
)  # fmt: skip
RELATIONS: tuple[str, ...] = (
    "models.ForeignKey('{to}', models.CASCADE, null=True, related_name='{name}_of_{own}')", "models.ForeignKey('{to}', models.SET_NULL, null=True, related_name='+')",
    "models.OneToOneField('{to}', models.CASCADE, null=True, related_name='{name}_one_of_{own}')", "models.ManyToManyField('{to}', related_name='{name}_many_of_{own}')",
    "models.ForeignKey('auth.User', models.CASCADE, null=True, related_name='{name}_of_{own}')", "models.ManyToManyField('{to}', related_name='+')",
    "models.ForeignKey('{to}', models.CASCADE, null=True, related_name='{name}_limited_{own}', limit_choices_to={{'id': {n}}})",
)  # fmt: skip
OPTIONS: tuple[str, ...] = (
    "ordering = ['id']", "ordering = ['-id']", "verbose_name = 'v{n}'", "db_table = 't_{own}_{n}'", "get_latest_by = 'id'", "managed = False",
    "permissions = [('p{n}', 'P')]", "default_permissions = ()", "indexes = [models.Index(fields=['id'], name='i_{own}_{n}')]", "default_related_name = 'rel{n}_{own}'",
    "constraints = [models.CheckConstraint({check}=models.Q(id__gt={n}), name='c_{own}_{n}')]", "base_manager_name = 'objects'",
)  # fmt: skip
MANAGERS = ("", "objects = Plain()", "objects = Best.as_manager()", "objects = Plain.from_queryset(Best)()", "every = models.Manager()\n    objects = Plain()")


@attrs.define
class Model:
    """One class statement."""

    name: str
    base: str = "models.Model"
    kind: str = "concrete"
    fields: dict[str, str] = attrs.Factory(dict)
    options: list[str] = attrs.Factory(list)
    manager: str = ""
    method: int = 0

    def text(self) -> str:
        meta = [*self.options, *({"abstract": ["abstract = True"], "proxy": ["proxy = True"]}.get(self.kind, []))]
        body = [f"{name} = {field}" for name, field in self.fields.items()] + ([self.manager] if self.manager else [])
        body += ["class Meta:\n" + "\n".join(f"        {line}" for line in meta) + "\n"] if meta else []
        body += [f"def method(self):\n        return {self.method}\n"]
        return f"class {self.name}({self.base}):\n" + "".join(f"    {line}\n" for line in body) + "\n\n"


@attrs.define
class Project:
    """The models of the moment; edits change them so that a fresh start accepts most of what comes of it."""

    random: random.Random
    models: list[Model] = attrs.Factory(list)
    count: int = 0

    def text(self) -> str:
        return HEAD + "".join(model.text() for model in self.models)

    def edit(self) -> str:
        """Make one random edit; gives its name."""
        edits: list[Callable[[], str]] = [self.add_model, self.add_field, self.add_field, self.add_relation, self.add_relation, self.change_field,
                                          self.change_field, self.drop_field, self.change_option, self.change_manager, self.change_method, self.drop_model, self.rename_field]  # fmt: skip
        while not (name := self.random.choice(edits)()):
            pass
        return name

    def _next(self) -> int:
        self.count += 1
        return self.count % 7 + 3

    def _pick(self, *kinds: str) -> Model | None:
        found = [model for model in self.models if not kinds or model.kind in kinds]
        return self.random.choice(found) if found else None

    def _fill(self, pattern: str, own: Model, name: str) -> str:
        targets = [model.name for model in self.models if model.kind == "concrete"]
        to = self.random.choice(targets) if targets else ""
        if "{to}" in pattern and (not to or own.kind == "proxy"):
            return ""
        import django

        check = "condition" if django.VERSION >= (5, 1) else "check"
        return pattern.format(n=self._next(), to=to, own="%(class)s" if own.kind == "abstract" and "related_name" in pattern else own.name.lower(), name=name, check=check)

    def add_model(self) -> str:
        free = [name for name in NAMES if all(model.name != name for model in self.models)]
        if not free:
            return ""
        parents = [model for model in self.models if model.kind in ("abstract", "concrete")]
        base = self.random.choice([None, None, *parents])
        kind = self.random.choice(["concrete", "concrete", "abstract" if base is None else "concrete", "proxy" if base is not None and base.kind == "concrete" else "concrete"])
        self.models.append(Model(self.random.choice(free), base.name if base is not None else "models.Model", kind))
        return f"new {kind} model"

    def _add(self, patterns: tuple[str, ...]) -> str:
        own = self._pick("concrete", "abstract")
        if own is None:
            return ""
        name = f"f{self.count}_{own.name.lower()}"
        field = self._fill(self.random.choice(patterns), own, name)
        if not field:
            return ""
        items = list(own.fields.items())
        items.insert(self.random.randrange(len(items) + 1), (name, field))
        own.fields = dict(items)
        return f"new field {own.name}.{name} = {field}"

    def add_field(self) -> str:
        return self._add(COLUMNS)

    def add_relation(self) -> str:
        return self._add(RELATIONS)

    def change_field(self) -> str:
        own = self._pick("concrete", "abstract")
        if own is None or not own.fields:
            return ""
        name = self.random.choice(list(own.fields))
        field = self._fill(self.random.choice((*COLUMNS, *RELATIONS)), own, name)
        own.fields[name] = field or own.fields[name]
        return f"other field {own.name}.{name} = {field}" if field else ""

    def drop_field(self) -> str:
        own = self._pick("concrete", "abstract")
        if own is None or not own.fields:
            return ""
        name = self.random.choice(list(own.fields))
        del own.fields[name]
        return f"field {own.name}.{name} goes"

    def rename_field(self) -> str:
        own = self._pick("concrete", "abstract")
        if own is None or not own.fields:
            return ""
        name = self.random.choice(list(own.fields))
        self.count += 1
        own.fields = {(f"r{self.count}_{own.name.lower()}" if key == name else key): value for key, value in own.fields.items()}
        return f"field {own.name}.{name} renamed"

    def change_option(self) -> str:
        own = self._pick()
        if own is None:
            return ""
        if own.options and self.random.random() < 0.5:
            return f"option {own.options.pop()} of {own.name} goes"
        option = self._fill(self.random.choice(OPTIONS), own, "")
        own.options = [each for each in own.options if each.split(" = ")[0] != option.split(" = ")[0]]
        own.options.append(option)
        return f"option {option} of {own.name}"

    def change_manager(self) -> str:
        own = self._pick()
        if own is None:
            return ""
        own.manager = self.random.choice(MANAGERS)
        return f"manager {own.manager!r} of {own.name}"

    def change_method(self) -> str:
        own = self._pick()
        if own is None:
            return ""
        own.method += 1
        return f"method of {own.name}"

    def drop_model(self) -> str:
        own = self._pick()
        named = own is not None and any(own.name in f"{model.base} {model.fields}" for model in self.models if model is not own)
        if own is None or named:
            return ""
        self.models.remove(own)
        return f"{own.kind} model {own.name} goes"


PROGRAM = """
import json, shutil, sys
sys.path.insert(0, {root!r})
from tests.django.described import describe_bakery, differences
import bakery.urls
import bakery.grain
for number, (what, text) in enumerate({edits!r}):
    before = describe_bakery()
    kept = pathlib.Path("bakery/grain.py").read_text()
    pathlib.Path("bakery/grain.py").write_text(text)
    report = hotswap.swap()
    found = {{"what": what, "verdict": str(report.verdict), "report": str(report), "wrong": []}}
    place = os.path.abspath(f"../state{{number}}")
    shutil.copytree(".", place)
    if report.applied:
        now = found["now"] = describe_bakery()
        hotswap.rollback()
        found["wrong"] += [f"taken back: {{each}}" for each in differences(describe_bakery(), before)]
        assert hotswap.swap().applied
        found["wrong"] += [f"saved again: {{each}}" for each in differences(describe_bakery(), now)]
    else:
        found["wrong"] += [f"refused: {{each}}" for each in differences(describe_bakery(), before)]
        pathlib.Path("bakery/grain.py").write_text(kept)
        hotswap.swap()
    print("FOUND", json.dumps({{**found, "place": place}}))
"""


def play(seed: int, edits: int, site: Path, original: Path, folder: Path) -> tuple[Counter[str], list[str]]:
    """One process and its edits; gives how many were live, and what is wrong."""
    project = Project(random.Random(seed))
    states = [(project.edit(), project.text()) for _ in range(edits)]
    place = Path(shutil.copytree(original, folder / "project"))
    (place / "bakery" / "grain.py").write_text(HEAD)
    models = place / "bakery" / "models.py"
    models.write_text(models.read_text().replace("from django.db import models\n", "from django.db import models\n\nfrom bakery import grain\n"))
    out = run(place, site, PROGRAM.format(root=str(ROOT), edits=states), timeout=600)
    found = [json.loads(line.removeprefix("FOUND ")) for line in out.splitlines() if line.startswith("FOUND ")]
    wrong = [f"seed {seed}, {each['what']}: {text}" for each in found for text in each["wrong"][:3]]
    for each, fresh in zip(found, describe_afresh([each["place"] for each in found], timeout=600), strict=True):
        if "now" in each:
            wrong += [f"seed {seed}, {each['what']}: {text[:500]}" for text in differences(each["now"], fresh)[:3]]
        elif "refused" not in fresh and each["verdict"] != "nothing":
            each["verdict"] += ", although it starts"
            print(f"seed {seed}, {each['what']}: refused, and starts: {each['report'][:700]}")
    return Counter(each["verdict"] for each in found), wrong


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--edits", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    total: Counter[str] = Counter()
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        site = Path(name) / "site-packages"
        site.mkdir()
        install(site)
        original = make_project(Path(name) / "original")
        for seed in range(given.seed, given.seed + given.runs):
            folder = Path(name) / str(seed)
            folder.mkdir()
            verdicts, wrong = play(seed, given.edits, site, original, folder)
            total += verdicts
            bad += wrong
            print(*wrong, sep="\n", end="\n" if wrong else "", flush=True)
            shutil.rmtree(folder)
    print(f"{sum(total.values())} edits: {dict(total)}; {len(bad)} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
