"""Classes that keep their identity while their contents change: enums, bases, and what a library takes part in making."""

from __future__ import annotations

import gc
import sys

import pytest

from hotswap.plugin import hookimpl
from hotswap.testing import Judge, Outcome, Scenario
from tests.link.judged import require, scenario
from tests.link.program import Program

# ---- enums ----

COLOR = """
import enum
class Color(enum.Enum):
    RED = 1
    GREEN = 2
"""
TAKE = "import lib\nred, green = lib.Color.RED, lib.Color.GREEN\ntable = {red: 'r', green: 'g'}"
SHOW = """
C = lib.Color
print(list(C), C.__members__, red is C.RED, green is C["GREEN"], green is C(green.value), table[C.RED], red in C)
print([m.name for m in C], isinstance(red, C), type(red) is C, repr(green), hash(red) == hash(C.RED))
"""


def enum_case(name: str, v2: str, v1: str = COLOR, *, take: str = TAKE, probe: str = SHOW, **sections: str) -> Scenario:
    return scenario(v1, v2, take, probe, name=name, **sections)


ENUMS = [
    enum_case("auto_renumbers", """
import enum
class Color(enum.Enum):
    BLUE = enum.auto()
    RED = enum.auto()
    GREEN = enum.auto()
""", """
import enum
class Color(enum.Enum):
    RED = enum.auto()
    GREEN = enum.auto()
"""),
    enum_case("alias_comes", COLOR + "    ROT = 1\n"),
    enum_case("order_changes", """
import enum
class Color(enum.Enum):
    GREEN = 2
    RED = 1
"""),
    enum_case("members_with_attributes", """
import enum
class Color(enum.Enum):
    RED = (1, "rot")
    GREEN = (2, "grün")
    BLUE = (3, "blau")
    def __init__(self, number, word):
        self.number, self.word = number, word
    def show(self):
        return self.word.upper()
""", """
import enum
class Color(enum.Enum):
    RED = (1, "red")
    GREEN = (2, "green")
    def __init__(self, number, word):
        self.number, self.word = number, word
    def show(self):
        return self.word
""", probe=SHOW + "print(red.show(), green.word, [m.show() for m in C])"),
    enum_case("what_makes_the_members_changes", """
import enum
class Named(enum.Enum):
    def __init__(self, number):
        self.word = f"new {number}"
        self.more = number * 2
class Color(Named):
    RED = 1
    GREEN = 2
""", """
import enum
class Named(enum.Enum):
    def __init__(self, number):
        self.word = f"old {number}"
class Color(Named):
    RED = 1
    GREEN = 2
""", probe=SHOW + "print([m.word for m in C], [getattr(m, 'more', 0) for m in (red, green)])"),
    enum_case("auto_counts_otherwise", """
import enum
class Color(enum.Enum):
    def _generate_next_value_(name, start, count, last):
        return name.lower()
    RED = enum.auto()
    GREEN = enum.auto()
""", """
import enum
class Color(enum.Enum):
    def _generate_next_value_(name, start, count, last):
        return name
    RED = enum.auto()
    GREEN = enum.auto()
"""),
    enum_case("unhashable_values", """
import enum
class Color(enum.Enum):
    RED = [1]
    GREEN = 2
    BLUE = {"a": 3}
""", probe=SHOW + "print(C([1]) is red, C({'a': 3}).name if 'BLUE' in C.__members__ else 0)" , v1="""
import enum
class Color(enum.Enum):
    RED = [1]
    GREEN = 2
"""),
    enum_case("int_enum_gains_a_member", """
import enum
class Color(enum.IntEnum):
    RED = 1
    GREEN = 2
    BLUE = 3
""", """
import enum
class Color(enum.IntEnum):
    RED = 1
    GREEN = 2
""", probe=SHOW + "print([m + 1 for m in C], max(C) >= 2)"),
    enum_case("str_enum_gains_a_member", """
import enum
class Color(enum.StrEnum):
    RED = "r"
    GREEN = enum.auto()
    BLUE = enum.auto()
""", """
import enum
class Color(enum.StrEnum):
    RED = "r"
    GREEN = enum.auto()
""", probe=SHOW + "print([m.upper() for m in C])"),
    enum_case("flag_gains_a_member", """
import enum
class Color(enum.Flag):
    RED = 1
    GREEN = 2
    BLUE = 4
""", """
import enum
class Color(enum.Flag):
    RED = 1
    GREEN = 2
""", take="import lib\nred, green = lib.Color.RED, lib.Color.GREEN\nboth = red | green\nrest = ~red\ntable = {red: 'r'}",
         probe=SHOW + "print(both is C.RED | C.GREEN, both, list(both), red in both, C(3) is both)\n"
                      "print(~red, ~both, C(0), list(~red))"),
    enum_case("member_used_in_a_default", COLOR + """    BLUE = 3
def f(c=Color.GREEN, d=Color.BLUE):
    return c, d
""", COLOR + """
def f(c=Color.GREEN):
    return c
""", probe="print(lib.f(), green in (lib.f() if isinstance(lib.f(), tuple) else (lib.f(),)))"),
    enum_case("functional", """
import enum
Color = enum.Enum("Color", "BLUE RED GREEN")
""", """
import enum
Color = enum.Enum("Color", "RED GREEN")
"""),
    enum_case("member_becomes_a_method", """
import enum
class Color(enum.Enum):
    RED = 1
    GREEN = 2
    def blue(self):
        return "b"
""", COLOR + "    blue = 3\n", probe=SHOW + "print(callable(C.blue) and red.blue())"),
]


@pytest.mark.parametrize("case", ENUMS, ids=lambda case: case.name)
def test_enum_follows(case: Scenario, judge: Judge) -> None:
    """Members that are held are the members of the class, by name; all look-ups answer as a fresh class does."""
    require(judge, case, Outcome.EQUAL)


NUMBERS, BITS = COLOR.replace("enum.Enum", "enum.IntEnum"), COLOR.replace("enum.Enum", "enum.Flag")
ALIVE = "print('alive')"
ENUMS_HELD = [
    enum_case("value_of_an_int_enum", NUMBERS.replace("2", "3"), NUMBERS,
              probe=ALIVE, must_refuse="HS302 the object is the number"),
    enum_case("alias_becomes_a_member", COLOR + "    ROT = 3\n", COLOR + "    ROT = 1\n",
              probe=ALIVE, must_refuse="HS302 one is two"),
    enum_case("member_becomes_an_alias", COLOR + "    ROT = 1\n", COLOR + "    ROT = 3\n",
              probe=ALIVE, must_refuse="HS302 two are one"),
    enum_case("flag_value_with_combinations", BITS.replace("2", "4"), BITS,
              take="import lib\nboth = lib.Color.RED | lib.Color.GREEN", probe=ALIVE, must_refuse="HS302 other bits"),
]


@pytest.mark.parametrize("case", ENUMS_HELD, ids=lambda case: case.name)
def test_enum_is_held(case: Scenario, judge: Judge) -> None:
    """What would make one held object two, or two one, is refused."""
    require(judge, case, Outcome.REFUSED)


# ---- bases and rows ----


def test_row_of_a_subclass_that_would_contradict_itself_is_refused(program: Program) -> None:
    """New bases are tried on every subclass before the commit."""
    text = "class A: pass\nclass B: pass\nclass C(A): pass\nclass D(A, C): pass\n".replace("D(A, C)", "D(C, B)")
    lib = program.load("lib", text)
    row = lib.D.__mro__
    report = program.edit("lib", text.replace("class C(A): pass", "class C(B, A): pass").replace("D(C, B)", "D(B, C)"))
    assert [finding.code for finding in report.held] in (["HS202"], ["HS110"])
    assert lib.D.__mro__ == row


def test_trial_of_bases_runs_no_hook_of_the_program(program: Program) -> None:
    """``__init_subclass__`` runs once for the class made aside, and not for a trial."""
    text = "class A:\n    seen = []\n    def __init_subclass__(cls):\n        A.seen.append(cls.__name__)\n"
    text += "class M: pass\nclass C(A): pass\n"
    lib = program.load("lib", text)
    held = lib.C()
    assert program.edit("lib", text.replace("class C(A)", "class C(M, A)")).applied
    assert lib.A.seen == ["C"]
    assert isinstance(held, lib.M)


def test_generic_function_chooses_by_the_new_bases(judge: Judge) -> None:
    """A singledispatch function forgets what it chose for a class whose bases changed."""
    v1 = """
import functools
class A: pass
class B(A): pass
class C(A): pass
@functools.singledispatch
def f(x): return "any"
f.register(A, lambda x: "A")
f.register(B, lambda x: "B")
"""
    v2 = v1.replace("class C(A)", "class C(B)")
    case = scenario(v1, v2, "import lib\nc = lib.C()\nlib.f(c)", "print(lib.f(c), isinstance(c, lib.B))")
    require(judge, case, Outcome.EQUAL)


# ---- no class made aside stays ----


def names_below(base: type) -> list[str]:
    return sorted(cls.__qualname__ for cls in type.__subclasses__(base))


CLASSES = """
import abc, attrs, dataclasses, typing
T = typing.TypeVar("T")
class Base: pass
class Plain(Base):
    x = 1
class Abstract(Base, abc.ABC):
    x = 1
@dataclasses.dataclass
class Data(Base):
    x: int = 1
class Box(Base, typing.Generic[T]):
    x = 1
class IntBox(Box[int]):
    x = 1
def f(box: "Box[str]" = None, n=1): return n
"""


def test_class_made_aside_leaves_the_subclasses(program: Program) -> None:
    """After a swap, and with the collector off, ``__subclasses__`` lists what a fresh start would."""
    lib = program.load("lib", CLASSES)
    gc.collect()
    gc.disable()
    try:
        for number in range(2, 5):
            assert program.edit("lib", CLASSES.replace("= 1", f"= {number}")).applied
            assert names_below(lib.Base) == ["Abstract", "Box", "Data", "Plain"]
            assert names_below(lib.Box) == ["IntBox"]
    finally:
        gc.enable()


def test_class_made_aside_leaves_after_a_refusal(program: Program) -> None:
    """The same where the swap was refused."""
    lib = program.load("lib", CLASSES)
    gc.collect()
    gc.disable()
    try:
        report = program.edit("lib", CLASSES.replace("= 1", "= 2") + "\nclass Wrong(Base):\n    y = 1 / 0\n")
        assert [finding.code for finding in report.held] == ["HS110"]
        assert names_below(lib.Base) == ["Abstract", "Box", "Data", "Plain"]
    finally:
        gc.enable()


# ---- classes that a library takes part in making ----

LIBRARY = """
made = []
class Meta(type):
    def __new__(mcls, name, bases, space, **options):
        made.append(name)
        cls = super().__new__(mcls, name, bases, space, **options)
        cls.columns = [key for key, value in space.items() if isinstance(value, Column)]
        return cls
class Column:
    def __init__(self, choices=()):
        self.choices = choices
class Model(metaclass=Meta):
    pass
class Hooked:
    def __init_subclass__(cls):
        made.append(cls.__name__)
def register(cls):
    made.append(cls.__name__)
    return cls
def wrapping(cls):
    made.append(cls.__name__)
    for key, value in list(vars(cls).items()):
        if callable(value) and not key.startswith("__"):
            def led(*args, value=value):
                return "led " + value(*args)
            setattr(cls, key, led)
    return cls
"""
MODEL = """
from library import Column, Hooked, Model, register, wrapping
class Order(Model):
    number = Column()
    limit = 5
    def show(self):
        return "old"
    @property
    def size(self):
        return self.limit
class Quiet(Hooked):
    def show(self):
        return "old"
@register
class Noted:
    def show(self):
        return "old"
"""


@pytest.fixture
def shop(program: Program) -> Program:
    program.library("library", LIBRARY)
    program.load("shop", MODEL)
    return program


def made(program: Program) -> list[str]:
    return list(sys.modules["library"].__dict__["made"])


@pytest.mark.parametrize(("old", "new", "question", "answer"), [
    ('return "old"', 'return "new"', "order.show()", "new"),
    ("def show(self)", "def show(self, n=2)", "order.show.__defaults__", (2,)),
    ("    def show(self)", "    def more(self):\n        return super().__repr__()[:1]\n    def show(self)", "order.more()", "<"),
    ("    @property\n    def size(self):\n        return self.limit\n", "", "hasattr(order, 'size')", False),
    ("return self.limit", "return self.limit * 2", "order.size", 10),
    ("        return self.limit\n",
     "        return self.limit\n    @size.setter\n    def size(self, v):\n        self.limit = v\n",
     "[setattr(order, 'size', 8), order.size, delattr(order, 'limit')][1]", 8),
    ("limit = 5", "limit = 6", "(order.limit, order.size)", (6, 6)),
    ("limit = 5", "limit = 5\n    other = {'a': limit + 1}", "order.other", {"a": 6}),
    ("    def show(self)",
     "    @staticmethod\n    def make(n=3):\n        return n\n"
     "    @classmethod\n    def name(cls):\n        return cls.__name__\n    def show(self)",
     "(order.make(), order.name())", (3, "Order")),
    ("    number = Column()", "    '''Says more.'''\n    number = Column()", "shop.Order.__doc__", "Says more."),
])  # fmt: skip
def test_members_change_without_the_class_statement(shop: Program, old: str, new: str, question: str, answer: object) -> None:
    """Methods and simple attributes are exchanged; what makes the class does not run again."""
    module = sys.modules["shop"]
    order, before = module.Order(), made(shop)
    report = shop.edit("shop", MODEL.replace(old, new, 1))
    assert report.applied, str(report)
    assert eval(question, {"order": order, "shop": module}) == answer
    assert made(shop) == before
    assert module.Order.columns == ["number"]
    assert type(order) is module.Order
    shop.engine.rollback()
    assert order.show() == "old"
    assert order.size == 5


@pytest.mark.parametrize("name", ["Quiet", "Noted"])
def test_hook_and_decorator_of_a_library_do_not_run_again(shop: Program, name: str) -> None:
    """The same for ``__init_subclass__`` of a library and for its class decorators."""
    thing, before = vars(sys.modules["shop"])[name](), made(shop)
    head, _, tail = MODEL.partition(f"class {name}")
    report = shop.edit("shop", f"{head}class {name}{tail.replace('def show(self)', 'def show(self, mark=1)', 1)}")
    assert report.applied, str(report)
    assert thing.show.__defaults__ == (1,)
    assert made(shop) == before


@pytest.mark.parametrize(("old", "new"), [
    ("number = Column()", "number = Column((1,))"),
    ("number = Column()", "number = Column()\n    second = Column()"),
    ("    number = Column()\n", ""),
    ("class Order(Model)", "class Order(Model, table='x')"),
    ("class Order(Model)", "class Order(Hooked, Model)"),
    ("limit = 5", "limit = 5\n    class Meta:\n        pass"),
    ("limit = 5", "limit: int = 5"),
    ("limit = 5", "limit = 5\n    __slots__ = ()"),
    ("class Quiet(Hooked)", "class Quiet(Model)"),
    ("@register", "@wrapping"),
])  # fmt: skip
def test_more_than_members_asks_for_a_restart(shop: Program, old: str, new: str) -> None:
    """A change that the metaclass has to see is refused before anything of it runs."""
    before = made(shop)
    report = shop.edit("shop", MODEL.replace(old, new, 1))
    assert [finding.code for finding in report.held] == ["HS206"]
    assert made(shop) == before


def test_attribute_that_a_column_was_made_from_asks_for_a_restart(program: Program) -> None:
    """``number = Column(KINDS)`` has taken the old list; setting the new one would change nothing there."""
    program.library("library", LIBRARY)
    text = "from library import Column, Model\nclass Order(Model):\n    KINDS = (1, 2)\n    number = Column(KINDS)\n"
    lib = program.load("lib", text)
    report = program.edit("lib", text.replace("(1, 2)", "(1, 2, 3)"))
    assert [finding.code for finding in report.held] == ["HS206"]
    assert lib.Order.KINDS == (1, 2)


def test_column_made_from_a_module_constant_is_named(program: Program) -> None:
    """The class's own text did not change: it is kept, and named as possibly stale."""
    program.library("library", LIBRARY)
    text = "from library import Column, Model\nKINDS = (1, 2)\nclass Order(Model):\n    number = Column(KINDS)\n"
    lib = program.load("lib", text)
    report = program.edit("lib", text.replace("(1, 2)", "(3, 4)"))
    assert report.applied
    assert lib.KINDS == (3, 4)
    assert [(finding.code, "Order" in finding.message) for finding in report.kept] == [("HS402", True)]


def test_member_made_from_a_module_constant_follows(program: Program) -> None:
    """A simple attribute that reads a changed constant is evaluated again, without the class statement."""
    program.library("library", LIBRARY)
    text = "from library import Column, Model\nRATE = 2\nclass Order(Model):\n    number = Column()\n    rate = RATE * 10\n"
    lib = program.load("lib", text)
    order = lib.Order()
    report = program.edit("lib", text.replace("RATE = 2", "RATE = 3"))
    assert report.applied, str(report)
    assert order.rate == 30
    assert made(program) == ["Model", "Order"]


def test_reader_of_a_changed_member_is_not_given_the_old_one(program: Program) -> None:
    """While statements are evaluated aside the class is still the old one: what reads a changed member is named."""
    program.library("library", LIBRARY)
    text = "from library import Model\nclass Order(Model):\n    KINDS = (1, 2)\nTABLE = [kind * 2 for kind in Order.KINDS]\n"
    lib = program.load("lib", text)
    report = program.edit("lib", text.replace("(1, 2)", "(3, 4)"))
    assert lib.Order.KINDS == (3, 4)
    assert lib.TABLE == [2, 4]
    assert {"HS402"} == {finding.code for finding in report.kept}
    assert any("TABLE" in finding.message for finding in report.kept)


def test_methods_that_the_maker_wraps_are_not_moved(program: Program) -> None:
    """A decorator that wraps methods would be lost by moving a bare one."""
    program.library("library", LIBRARY)
    text = "from library import wrapping\n@wrapping\nclass Order:\n    def show(self):\n        return 'old'\n"
    lib = program.load("lib", text)
    assert program.edit("lib", text.replace("'old'", "'new'")).applied  # a body is a jump, inside the wrapper
    assert lib.Order().show() == "led new"
    report = program.edit("lib", text.replace("def show(self)", "def show(self, n=1)"))
    assert [finding.code for finding in report.held] == ["HS206"]
    assert lib.Order().show() == "led new"


def test_abstract_methods_of_a_class_made_by_a_library(program: Program) -> None:
    """A moved member that is abstract makes the class abstract, one that is not completes it."""
    program.library("library", "import abc\nclass Meta(abc.ABCMeta):\n    pass\nclass Model(metaclass=Meta):\n    pass\n")
    text = "import abc\nfrom library import Model\nclass Order(Model):\n    @abc.abstractmethod\n    def show(self): pass\n"
    lib = program.load("lib", text)
    with pytest.raises(TypeError):
        lib.Order()
    report = program.edit("lib", text.replace("    @abc.abstractmethod\n", ""))
    assert report.applied, str(report)
    lib.Order()
    program.engine.rollback()
    with pytest.raises(TypeError):
        lib.Order()


@pytest.mark.parametrize("text", [
    MODEL.replace("class Quiet(Hooked):\n    def show(self):\n        return \"old\"\n", ""),
    MODEL.replace("class Quiet", "class Silent"),
])  # fmt: skip
def test_removed_class_that_a_library_may_still_know_asks_for_a_restart(shop: Program, text: str) -> None:
    """Removed or renamed: what took part in making it may hold it by its name."""
    report = shop.edit("shop", text)
    assert [finding.code for finding in report.held] == ["HS206"]


def test_class_under_a_condition_is_not_made_again(program: Program) -> None:
    """A block is executed as a whole, so a changed class in it is refused where a library takes part in making it."""
    program.library("library", LIBRARY)
    text = "from library import Model\nif True:\n    class Order(Model):\n        limit = 1\n"
    lib = program.load("lib", text)
    report = program.edit("lib", text.replace("limit = 1", "limit = 2"))
    assert [finding.code for finding in report.held] == ["HS206"]
    assert lib.Order.limit == 1
    assert made(program) == ["Model", "Order"]


class Claims:
    """Knows the library: its metaclass may run again."""

    @hookimpl
    def hotswap_can_rebuild(self, cls: type) -> bool | None:
        return True if type(cls).__name__ == "Meta" else None


def test_plugin_may_claim_a_metaclass(shop: Program) -> None:
    """Then the class statement is executed aside, and all that it makes is moved into the live class."""
    module = sys.modules["shop"]
    order = module.Order()
    shop.engine.plugins.register(Claims(), "claims")
    report = shop.edit("shop", MODEL.replace("number = Column()", "number = Column((1,))\n    second = Column()"))
    assert report.applied, str(report)
    assert module.Order.columns == ["number", "second"]
    assert order.number.choices == (1,)
    assert type(order) is module.Order
    assert made(shop).count("Order") == 2


def test_a_class_whose_foreign_maker_may_have_copied_from_a_base_is_named(program: Program) -> None:
    """It is not made a second time, so what the maker has copied from a class of the program stays as it was (HS402)."""
    maker = "def __init__(cls, name, bases, space):\n        super().__init__(name, bases, space)\n        cls.copied = cls.x"
    program.library("lib", f"class Meta(type):\n    {maker}\nclass Model(metaclass=Meta):\n    x = 0\n")
    program.load("mix", "class Mixin:\n    x = 1\n    def f(self): return 1\n")
    m = program.load("m", "import lib, mix\nclass Made(mix.Mixin, lib.Model):\n    pass\n")
    report = program.edit("mix", "class Mixin:\n    x = 2\n    def f(self): return 1\n")
    assert report.applied and [finding.code for finding in report.findings] == ["HS402"]
    assert "lib.Meta takes part in making it" in report.findings[0].message
    assert (m.Made.x, m.Made.copied) == (2, 1)
    report = program.edit("mix", "class Mixin:\n    x = 2\n    def f(self): return 2\n")
    assert report.applied and not report.findings and m.Made().f() == 2
