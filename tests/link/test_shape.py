"""Live objects of classes that change shape, before the judge: they hold what a fresh start would give them, or the
change is held with a question."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotswap.testing import Judge, Outcome, Scenario
from tests.link.judged import require, scenario
from tests.link.program import Program
from tests.sample import some

TAKE = "import lib\nlib.thing = lib.Thing('old')"
SHOW = "print([sorted(vars(t).items()) for t in (lib.thing, lib.Thing('new'))])"
THING = """
class Thing:
    def __init__(self, name):
        self.name = name
"""


def gains(name: str, v2: str, v1: str = THING, *, probe: str = SHOW, take: str = TAKE) -> Scenario:
    return scenario(v1, v2, take, probe, name=name)


FILLED = [
    gains("literals", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.count, self.flag = 0, False
        self.ratio: float = 60 * 60 / 2
        self.nothing = None
        self.row = (1, "a", (2,))
        setattr(self, "minus", -1)
"""),
    gains("fresh_containers", """
import collections
class Thing:
    def __init__(self, name):
        self.name = name
        self.items = []
        self.table = {"a": [1, {"b": 2}]}
        self.seen = set()
        self.queue = collections.deque()
        self.groups = collections.defaultdict(list)
""", probe="""
other = lib.Thing("other")
lib.thing.table["a"].append(3); lib.thing.items.append(4); lib.thing.groups["x"].append(5)
print(*(sorted(vars(t).items(), key=str) for t in (lib.thing, other, lib.twin)))
del lib.thing.table["a"][2:], lib.thing.items[:]; lib.thing.groups.clear()
""", take="import lib\nlib.thing, lib.twin = lib.Thing('old'), lib.Thing('twin')"),
    gains("constants", """
import enum
class State(enum.Enum):
    NEW = 1
RATE = 7
class Thing:
    def __init__(self, name):
        self.name = name
        self.rate = RATE
        self.kind = Thing
        self.state = State.NEW
""", probe="for t in (lib.thing, lib.Thing('x')): print(t.rate, t.kind is lib.Thing, t.state is lib.State.NEW, sorted(vars(t)))"),
    gains("set_by_a_method_that_init_calls", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.reset()

    def reset(self):
        self.hits = 0
"""),
    gains("subclass_that_calls_super", """
class Base:
    def __init__(self):
        self.base = []
class Thing(Base):
    def __init__(self, name):
        super().__init__()
        self.name = name
""", """
class Base:
    def __init__(self):
        pass
class Thing(Base):
    def __init__(self, name):
        super().__init__()
        self.name = name
"""),
    gains("subclass_that_does_not_call_super", """
class Base:
    def __init__(self):
        self.base = []
class Thing(Base):
    def __init__(self, name):
        self.name = name
""", """
class Base:
    def __init__(self):
        pass
class Thing(Base):
    def __init__(self, name):
        self.name = name
"""),
    gains("super_is_called_from_now_on", """
class Base:
    def __init__(self):
        self.base = 1
class Thing(Base):
    def __init__(self, name):
        super().__init__()
        self.name = name
""", """
class Base:
    def __init__(self):
        self.base = 1
class Thing(Base):
    def __init__(self, name):
        self.name = name
"""),
    gains("dataclass_with_slots_and_without_weak_references", """
import dataclasses
@dataclasses.dataclass(slots=True)
class Thing:
    name: str
    port: int = 1
""", """
import dataclasses
@dataclasses.dataclass(slots=True)
class Thing:
    name: str
"""),
    gains("a_mixin_comes_with_fields", """
class Base:
    pass
class Counted:
    def __init__(self):
        self.count = 0
class Thing(Counted, Base):
    def __init__(self, name):
        super().__init__()
        self.name = name
""", """
class Base:
    pass
class Counted:
    def __init__(self):
        self.count = 0
class Thing(Base):
    def __init__(self, name):
        self.name = name
"""),
    gains("moved_up_to_a_base", """
class Base:
    def __init__(self, name):
        self.name = name
class Thing(Base):
    pass
""", """
class Base:
    pass
class Thing(Base):
    def __init__(self, name):
        self.name = name
"""),
    gains("class_attribute_becomes_a_field", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.limit = 9
""", """
class Thing:
    limit = 5
    def __init__(self, name):
        self.name = name
"""),
    gains("getattr_hook_is_not_asked", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.count = 0
    def __getattr__(self, name):
        raise SystemExit(name)
""", """
class Thing:
    def __init__(self, name):
        self.name = name
    def __getattr__(self, name):
        raise SystemExit(name)
"""),
    gains("setattr_hook_is_not_run", """
class Thing:
    def __init__(self, name):
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "count", 0)
    def __setattr__(self, name, value):
        raise TypeError("frozen")
""", """
class Thing:
    def __init__(self, name):
        object.__setattr__(self, "name", name)
    def __setattr__(self, name, value):
        raise TypeError("frozen")
"""),
    gains("empty_slot_is_filled", """
class Thing:
    __slots__ = ("name", "count", "__weakref__")
    def __init__(self, name):
        self.name = name
        self.count = 0
""", """
class Thing:
    __slots__ = ("name", "count", "__weakref__")
    def __init__(self, name):
        self.name = name
""", probe="print([hasattr(t, 'count') and t.count for t in (lib.thing, lib.Thing('new'))])"),
    gains("local_class", """
def make():
    class Thing:
        def __init__(self, name):
            self.name = name
            self.count = 0
        def show(self):
            return self.name, self.count
    return Thing
""", """
def make():
    class Thing:
        def __init__(self, name):
            self.name = name
        def show(self):
            return self.name
    return Thing
""", take="import lib\nlib.thing = lib.make()('old')", probe="print(lib.thing.show(), lib.make()('new').show())"),
    gains("removed_field_stays_on_objects", """
class Thing:
    def __init__(self, name):
        pass
    def show(self):
        return "nameless"
""", """
class Thing:
    def __init__(self, name):
        self.name = name
    def show(self):
        return self.name
""", probe="print(lib.thing.show(), lib.Thing('new').show())"),
    gains("field_goes_and_one_of_another_kind_comes", """
class Thing:
    def __init__(self, name):
        self.tags = []
""", probe="print(lib.thing.tags, lib.Thing('new').tags)"),
    gains("nothing_is_asked_without_objects", """
import time
class Thing:
    def __init__(self, name, more):
        self.name, self.more = name, more
        self.since = time.time()
""", take="import lib", probe="print(sorted(vars(lib.Thing('a', 'b'))))", v1="""
class Thing:
    def __init__(self, name, more):
        self.name = name
"""),
    gains("dataclass_fields", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str
    count: int = 3
    tags: list = dataclasses.field(default_factory=list)
    table: dict = dataclasses.field(default_factory=lambda: {"a": [1]})
@dataclasses.dataclass
class Sub(Thing):
    extra: int = 0
""", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str
@dataclasses.dataclass
class Sub(Thing):
    extra: int = 0
""", take="import lib\nlib.thing, lib.sub = lib.Thing('old'), lib.Sub('sub')", probe="""
print(lib.thing, lib.sub, sorted(vars(lib.sub).items(), key=str), lib.thing == lib.Thing("old"))
print(lib.thing.table is not lib.sub.table, lib.thing.tags is not lib.sub.tags)
"""),
    gains("frozen_dataclass", """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Thing:
    name: str
    count: int = 3
""", """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Thing:
    name: str
"""),
    gains("dataclass_field_of_post_init", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str
    cache: dict = dataclasses.field(init=False)
    def __post_init__(self):
        self.cache = {}
        self.hits = 0
""", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str
    def __post_init__(self):
        pass
"""),
    gains("attrs_fields", """
import attrs
@attrs.define(slots=False)
class Thing:
    name: str
    count: int = 3
    tags: list = attrs.Factory(list)
    _table: dict = attrs.field(factory=dict)
    size: int = attrs.field(default="3", converter=int)
    row: list = attrs.field(default=(1, 2), converter=list)
""", """
import attrs
@attrs.define(slots=False)
class Thing:
    name: str
"""),
    gains("named_tuple_without_objects", """
import typing
class Thing(typing.NamedTuple):
    name: str
    more: int = 1
""", """
import typing
class Thing(typing.NamedTuple):
    name: str
""", take="import lib\nThing = lib.Thing", probe="""
t = Thing('a')
print(t, t._fields, t._asdict(), Thing._make('a' * len(t)), isinstance(t, lib.Thing))
t = None
"""),
    gains("named_tuple_with_methods_changed", """
import typing
class Thing(typing.NamedTuple):
    name: str
    def show(self):
        return "new " + self.name
""", """
import typing
class Thing(typing.NamedTuple):
    name: str
    def show(self):
        return "old " + self.name
""", probe="print(lib.thing.show(), lib.thing)"),
    gains("hash_changes_of_objects_in_no_container", """
class Thing:
    def __init__(self, name):
        self.name = name
    def __hash__(self):
        return 2
""", """
class Thing:
    def __init__(self, name):
        self.name = name
    def __hash__(self):
        return 1
""", probe="print(hash(lib.thing))"),
]


@pytest.mark.once  # much the same on every interpreter
@pytest.mark.parametrize("case", some(FILLED), ids=lambda case: case.name)
def test_objects_hold_what_a_fresh_start_gives(case: Scenario, judge: Judge) -> None:
    """Objects that exist get the fields that they lack, once and for all; a rollback takes them away again."""
    require(judge, case, Outcome.EQUAL)


def asks(name: str, code: str, v2: str, v1: str = THING, *, take: str = TAKE) -> Scenario:
    return scenario(v1, v2, take, "print('alive')", name=name, must_refuse=f"{code} nobody knows")


HELD = [
    asks("from_an_argument", "HS301", """
class Thing:
    def __init__(self, name, port):
        self.name, self.port = name, port
"""),
    asks("from_a_call", "HS301", """
import time
class Thing:
    def __init__(self, name):
        self.name = name
        self.since = time.time()
"""),
    asks("under_a_condition", "HS301", """
class Thing:
    def __init__(self, name):
        self.name = name
        if name:
            self.long = True
"""),
    asks("set_twice", "HS301", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.size = 0
        self.size = len(name)
"""),
    asks("counted_up", "HS301", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.size = 0
        self.size += len(name)
"""),
    asks("container_that_is_filled", "HS301", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.names = []
        self.names.append(name)
"""),
    asks("container_that_a_method_fills", "HS301", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.names = []
        self.note()
    def note(self):
        self.names.append(self.name)
"""),
    asks("container_under_two_names", "HS301", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.names = rows = []
        rows.append(name)
"""),
    asks("lock", "HS301", """
import threading
class Thing:
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
"""),
    asks("property_in_the_way", "HS301", """
class Thing:
    def __init__(self, name):
        self.name = name
        self.size = 0
    @property
    def size(self):
        return self._size
    @size.setter
    def size(self, value):
        self._size = value
"""),
    asks("object_of_a_subclass", "HS301", """
class Thing:
    def __init__(self, name, port):
        self.name, self.port = name, port
class Sub(Thing):
    pass
""", THING + "class Sub(Thing):\n    pass\n", take="import lib\nlib.thing = lib.Sub('old')"),
    asks("init_of_a_library_comes_in", "HS301", """
import queue
class Thing(queue.Queue):
    def __init__(self, name):
        super().__init__()
        self.name = name
class Other:
    pass
""", """
import queue
class Thing(queue.Queue):
    def __init__(self, name):
        self.name = name
class Other:
    pass
"""),
    asks("dict_becomes_a_list", "HS301", """
class Thing:
    def __init__(self, name):
        self.rows = []
""", """
class Thing:
    def __init__(self, name):
        self.rows = {}
"""),
    asks("none_becomes_a_list", "HS301", """
class Thing:
    def __init__(self, name):
        self.rows = []
""", """
class Thing:
    def __init__(self, name):
        self.rows = None
"""),
    asks("renamed", "HS303", """
class Thing:
    def __init__(self, name):
        self.title = ""
"""),
    asks("dataclass_renamed", "HS303", """
import dataclasses
@dataclasses.dataclass
class Thing:
    title: str = ""
""", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str = ""
"""),
    asks("dataclass_without_default", "HS301", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str
    port: int
""", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str
"""),
    asks("dataclass_factory_with_a_call", "HS301", """
import dataclasses, time
@dataclasses.dataclass
class Thing:
    name: str
    since: float = dataclasses.field(default_factory=lambda: time.time())
""", """
import dataclasses
@dataclasses.dataclass
class Thing:
    name: str
"""),
    asks("attrs_default_from_self", "HS301", """
import attrs
@attrs.define(slots=False)
class Thing:
    name: str
    size: int = attrs.field()
    @size.default
    def _(self):
        return len(self.name)
""", """
import attrs
@attrs.define(slots=False)
class Thing:
    name: str
"""),
    asks("attrs_converter", "HS301", """
import attrs
@attrs.define(slots=False)
class Thing:
    name: str
    size: int = attrs.field(default="3", converter=lambda text: len(text))
""", """
import attrs
@attrs.define(slots=False)
class Thing:
    name: str
"""),
    asks("named_tuple", "HS302", """
import typing
class Thing(typing.NamedTuple):
    name: str
    more: int = 1
""", """
import typing
class Thing(typing.NamedTuple):
    name: str
"""),
    asks("named_tuple_in_another_order", "HS302", """
import collections
class Thing(collections.namedtuple("Thing", "more name")):
    pass
""", """
import collections
class Thing(collections.namedtuple("Thing", "name more")):
    pass
""", take="import lib\nlib.thing = lib.Thing('a', 'b')"),
    asks("hash_of_a_key", "HS302", """
class Thing:
    def __init__(self, name):
        self.name = name
    def __eq__(self, other):
        return self.name == other.name
    def __hash__(self):
        return self.key()
    def key(self):
        return hash(self.name + "x")
""", """
class Thing:
    def __init__(self, name):
        self.name = name
    def __eq__(self, other):
        return self.name == other.name
    def __hash__(self):
        return self.key()
    def key(self):
        return hash(self.name)
""", take="import lib\nlib.table = {('a', lib.Thing('x')): 1}"),
    asks("hash_of_a_weak_key", "HS302", """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Thing:
    name: str
    more: int = 1
""", """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Thing:
    name: str
""", take="import lib, weakref\nlib.thing = lib.Thing('x')\nlib.table = weakref.WeakKeyDictionary({lib.thing: 1})"),
]


@pytest.mark.once  # much the same on every interpreter
@pytest.mark.parametrize("case", HELD, ids=lambda case: case.name)
def test_what_nobody_knows_is_asked(case: Scenario, judge: Judge) -> None:
    """The change is held by its code while objects exist, and nothing of it is applied."""
    require(judge, case, Outcome.REFUSED)


def test_field_that_goes_stays_until_the_change_is_confirmed(tmp_path: Path) -> None:
    text = "class Cart:\n    def __init__(self):\n        self.items = []{more}\n    def use(self):\n        return {use}\n"
    with Program(tmp_path) as program:
        m = program.load("m", text.format(more="; self.note = {}; self.late = 1", use="self.note"))
        carts = [m.Cart(), m.Cart()]
        note = carts[0].note
        assert program.edit("m", text.format(more="", use="self.late")).applied
        program.engine.rollback()
        assert carts[0].note is note and carts[0].use() is note
        assert program.edit("m", text.format(more="", use="self.late")).applied
        assert program.engine.confirm() == 2 and program.engine.confirm() == 0
        assert [vars(cart) for cart in carts] == [{"items": [], "late": 1}] * 2, "a function of the class names what is left"
