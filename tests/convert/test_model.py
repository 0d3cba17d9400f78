"""A program that goes through versions of a class, forth and back, with objects of all ages, against a model of dicts.

    version 1    n, tags
    version 2    n, tags, label       a new field, by a hook
    version 3    n, marks, label      a field is renamed, by a declarative step
    version 4    n, marks, first      label is cut, and kept aside for the way back

The class is a plain one, or one of attrs with slots, whose new fields are kept beside its objects.
"""

from __future__ import annotations

import copy
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from hotswap.convert import lineage
from hotswap.migrations import REGISTRY
from tests.convert.barriers import finish
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter

FIELDS = {1: ("n", "tags"), 2: ("n", "tags", "label"), 3: ("n", "marks", "label"), 4: ("n", "marks", "first")}
HOOKS = {
    1: '''
@migrate("lib:Box", 1, when="{when}")
def one(state):
    state.label = f"box {{state.n}}"


@one.down
def _(state):
    del state.label
''',
    2: '''
migrate("lib:Box", 2, when="{when}", steps=[rename("tags", "marks")])
''',
    3: '''
@migrate("lib:Box", 3, when="{when}")
def three(state):
    state.first = state.pop("label")[:3]


@three.down
def _(state):
    first = state.pop("first")
    state.setdefault("label", first)  # of an object that the newer code has made, nothing was kept
''',
}

Fields = dict[str, Any]
KINDS = ["plain", "slots", "slots without weak references"]


def write(version: int, when: str, kind: str) -> str:
    names = FIELDS[version]
    lines = ["import attrs", "from hotswap import migrate", "from hotswap.migrations import rename", "", ""]
    if kind != "plain":
        lines += [f"@attrs.define(eq=False, weakref_slot={kind == 'slots'})", "class Box:"]
        lines += [*(f"    {name}: object" for name in names), ""]
    else:
        lines += ["class Box:", f"    def __init__(self, {', '.join(names)}):"]
        lines += [*(f"        self.{name} = {name}" for name in names), ""]
    return "\n".join(lines) + "".join(HOOKS[k].format(when=when) for k in range(1, version))


def fields_of(box: Any) -> Fields:
    if hasattr(box, "__dict__"):
        return dict(vars(box))
    names = {name for row in FIELDS.values() for name in row}
    return {name: getattr(box, name) for name in names if hasattr(box, name)}


@attrs.define(eq=False)
class Twin:
    """An object, and what it should be: its fields at the version that is live, and what was lost on the way."""

    box: Any
    fields: Fields
    lost: Fields = attrs.Factory(dict)


def up(version: int, twin: Twin) -> None:
    fields = twin.fields
    if version == 1:
        fields["label"] = f"box {fields['n']}"
    elif version == 2:
        fields["marks"] = fields.pop("tags")
    else:
        twin.lost = {"label": fields["label"]}
        fields["first"] = fields.pop("label")[:3]


def down(version: int, twin: Twin) -> None:
    """The way back from the version after this one."""
    fields = twin.fields
    if version == 1:
        del fields["label"]
    elif version == 2:
        fields["tags"] = fields.pop("marks")
    else:
        first = fields.pop("first")
        fields["label"] = twin.lost.get("label", first)
        twin.lost = {}


class Versions(RuleBasedStateMachine):
    """Each rule does the same to the program and to the model."""

    boxes = Bundle("boxes")

    @initialize(when=st.sampled_from(["lazy", "on_access", "eager"]), kind=st.sampled_from(KINDS))
    def begin(self, when: str, kind: str) -> None:
        self.when, self.kind, self.version = when, kind, 1
        self.before = REGISTRY.table
        self.directory = tempfile.TemporaryDirectory()
        self.program = Program(Path(self.directory.name))
        self.lib = self.program.load("lib", write(1, when, kind))
        self.twins: list[Twin] = []

    def teardown(self) -> None:
        for twin in self.twins:
            assert fields_of(twin.box) == twin.fields
        assert self.program.engine.converter.wait(None, 10)
        finish(self.program)
        assert not self.program.engine.converter.barriers and "__getattribute__" not in vars(self.lib.Box)
        self.program.__exit__(None, None, None)
        self.directory.cleanup()
        REGISTRY.table = self.before
        for table in (lineage.VERSIONS, lineage.SHAPES, lineage.LEAPS, lineage.UNDONE):
            table.clear()

    # ---- objects ----

    @rule(target=boxes, n=st.integers(0, 9))
    def make(self, n: int) -> Twin:
        given: Fields = {"n": n, "tags": [n], "marks": [n], "label": "made", "first": "mad"}
        fields = {name: given[name] for name in FIELDS[self.version]}
        twin = Twin(self.lib.Box(**fields), copy.deepcopy(fields))
        self.twins.append(twin)
        return twin

    @rule(twin=boxes, n=st.integers(10, 99))
    def set(self, twin: Twin, n: int) -> None:
        twin.box.n = twin.fields["n"] = n

    @rule(twin=boxes, item=st.integers(10, 99))
    def append(self, twin: Twin, item: int) -> None:
        name = "tags" if "tags" in twin.fields else "marks"
        getattr(twin.box, name).append(item)
        twin.fields[name].append(item)

    @rule(twin=boxes)
    def read(self, twin: Twin) -> None:
        assert fields_of(twin.box) == twin.fields

    @rule(target=boxes, twin=boxes, through=st.sampled_from(["copy", "deepcopy", "pickle"]))
    def clone(self, twin: Twin, through: str) -> Twin:
        ways: dict[str, Callable[[Any], Any]] = {
            "copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda box: pickle.loads(pickle.dumps(box))
        }  # fmt: skip
        box = ways[through](twin.box)
        if through == "copy":  # so that the two do not share a list
            name = "tags" if "tags" in twin.fields else "marks"
            setattr(box, name, list(getattr(box, name)))
        other = Twin(box, copy.deepcopy(twin.fields))
        self.twins.append(other)
        return other

    # ---- versions ----

    @precondition(lambda self: self.version < 4)
    @rule()
    def swap(self) -> None:
        report = self.program.edit("lib", write(self.version + 1, self.when, self.kind))
        assert report.applied, str(report)
        for twin in self.twins:
            up(self.version, twin)
        self.version += 1

    @precondition(lambda self: self.version > 1)
    @rule()
    def rollback(self) -> None:
        self.program.engine.rollback()
        self.version -= 1
        for twin in self.twins:
            down(self.version, twin)

    @rule()
    def take_barriers_away(self) -> None:
        self.program.engine.converter.finish()

    @invariant()
    def no_object_is_newer_than_its_class(self) -> None:
        if hasattr(self, "program"):
            assert all(self.program.engine.converter.version_of(twin.box) <= 4 for twin in self.twins)


TestVersions = Versions.TestCase
TestVersions.settings = settings(
    max_examples=4, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.mark.slow
class TestMoreVersions(Versions.TestCase):
    """The same with more examples."""

    settings = settings(TestVersions.settings, max_examples=60)
