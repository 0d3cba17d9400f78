"""Pickles, copies, shelves and mappings of earlier versions."""

from __future__ import annotations

import copy
import pickle
import shelve
import subprocess
import sys
from pathlib import Path

import pytest

import hotswap
from hotswap.errors import MigrationError
from tests.convert.test_hooks import BODY, CART, SPLIT, THIRD
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter


def test_pickle_of_version_one_gives_what_a_live_conversion_gives(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    cart.items.append(3)
    blobs = [pickle.dumps(cart, protocol) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    assert program.edit("shop", SPLIT).applied
    assert program.edit("shop", THIRD).applied
    for blob in blobs:
        assert vars(pickle.loads(blob)) == vars(cart) == {
            "first": "Ada", "last": "Lovelace", "items": [3], "total": 0, "currency": "EUR"
        }  # fmt: skip


def test_stamped_pickle_runs_only_the_hooks_after_its_version(program: Program) -> None:
    shop = program.load("shop", CART)
    shop.keep = shop.Cart("Ada Lovelace")
    program.edit("shop", SPLIT)
    blob = pickle.dumps(shop.Cart("Grace", "Hopper"))
    program.edit("shop", THIRD)
    assert vars(pickle.loads(blob)) == {"first": "Grace", "last": "Hopper", "items": [], "total": 0, "currency": "EUR"}


def test_state_that_was_taken_before_the_swap_and_is_given_after_it(program: Program) -> None:
    """What copy does in another thread at the moment of the swap."""
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    make, args, state = cart.__reduce_ex__(4)[:3]
    bare = make(*args)
    state = copy.copy(state)
    assert program.edit("shop", SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="on_access")')).applied
    late = make(*args)
    for twin in (bare, late):
        twin.__setstate__(state)
        assert vars(twin) == {"first": "Ada", "last": "Lovelace", "items": [], "total": 0}


def test_shelf_of_an_earlier_version(program: Program, tmp_path: Path) -> None:
    shop = program.load("shop", CART)
    with shelve.open(str(tmp_path / "shelf")) as shelf:
        shelf["cart"] = shop.Cart("Ada Lovelace")
        program.edit("shop", SPLIT)
        shelf["new"] = shelf["cart"]
        assert shelf["cart"].label() == shelf["new"].label() == "Lovelace, Ada"


def test_mapping_is_upgraded_and_not_changed(program: Program) -> None:
    shop = program.load("shop", CART)
    shop.keep = shop.Cart("Ada Lovelace")
    program.edit("shop", SPLIT)
    row = {"name": "Ada Lovelace", "items": [1]}
    assert hotswap.upgrade(row, shop.Cart) == {"first": "Ada", "last": "Lovelace", "items": [1], "total": 0}
    assert row == {"name": "Ada Lovelace", "items": [1]}
    assert hotswap.upgrade({"name": "A B"}, shop.Cart, version=1)["last"] == "B"
    with pytest.raises(MigrationError, match="fits no version.*give its version"):
        hotswap.upgrade({"title": "x"}, shop.Cart)
    with pytest.raises(MigrationError, match="split_name"):
        hotswap.upgrade({"name": "Plato"}, shop.Cart, version=1)


def test_a_mapping_gets_what_its_class_has_gained_by_itself(program: Program) -> None:
    """No migration was needed for these fields, so no hook gives them to a row of before."""
    old = "import dataclasses\n@dataclasses.dataclass\nclass D:\n    x: int\n"
    old += "class P:\n    def __init__(self):\n        self.x = 1\n"
    lib = program.load("rows", old)
    new = old.replace("x: int\n", "x: int\n    tags: list = dataclasses.field(default_factory=list)\n")
    assert program.edit("rows", new + "        self.seen = {}\n").applied
    first, second = hotswap.upgrade({"x": 5}, lib.D), hotswap.upgrade({"x": 5}, lib.D)
    assert first == {"x": 5, "tags": []} and first["tags"] is not second["tags"]
    assert hotswap.upgrade({"x": 5, "seen": 1}, lib.P) == {"x": 5, "seen": 1}
    assert hotswap.upgrade({"x": 5}, lib.P) == {"x": 5, "seen": {}}



def test_class_that_says_itself_what_its_state_is_keeps_it(program: Program) -> None:
    own = """
    def __getstate__(self):
        return [self.label()]

    def __setstate__(self, state):
        self.state = state
"""
    shop = program.load("shop", CART + "\n" + own)
    shop.keep = shop.Cart("Ada Lovelace")
    head, _, tail = SPLIT.partition("\n\n@migrate")
    assert program.edit("shop", head.rstrip() + "\n\n" + own + "\n\n@migrate" + tail).applied
    assert pickle.loads(pickle.dumps(shop.Cart("Grace", "Hopper"))).state == ["Hopper, Grace"]


def test_stamp_of_a_class_with_slots_only_needs_no_hotswap(program: Program) -> None:
    slotted = "\nclass Cart:\n    __slots__ = ('name', 'first')\n\n    def __init__(self, %s):\n        self.%s = %s\n"
    shop = program.load("shop", slotted % (("name",) * 3))
    cart = shop.Cart("Ada Lovelace")
    blob = pickle.dumps(cart)
    hook = """

@migrate("shop:Cart")
def cut(state):
    state.first = state.pop("name").split()[0]


@cut.down
def _(state):
    state["name"] = state.pop("first")
"""
    report = program.edit("shop", "from hotswap import migrate\n\n" + slotted % (("first",) * 3) + hook)
    assert report.applied, str(report)
    assert cart.first == pickle.loads(blob).first == pickle.loads(pickle.dumps(cart)).first == "Ada"
    assert b"hotswap" not in pickle.dumps(cart)


SCRIPT = """
import pickle, sys
{load}
import shop
if sys.argv[1] == "dump":
    sys.stdout.buffer.write(pickle.dumps(shop.Cart(*sys.argv[2:])))
else:
    cart = pickle.loads(sys.stdin.buffer.read())
    print(cart.label(), sorted(vars(cart)))
"""
BLOCKED = "sys.modules['hotswap'] = None"


@pytest.mark.parametrize("written_with", ["", BLOCKED])
def test_blob_goes_through_processes_with_and_without_hotswap(written_with: str, tmp_path: Path) -> None:
    """Written by version 1 without any migration, read by a process that has just been started on version 3."""

    def play(text: str, load: str, *args: str, blob: bytes = b"") -> bytes:
        (tmp_path / "shop.py").write_text(text)
        script = SCRIPT.format(load=load)
        return subprocess.run(
            [sys.executable, "-B", "-c", script, *args], cwd=tmp_path, input=blob, capture_output=True, check=True
        ).stdout  # fmt: skip

    without = "def migrate(*args):\n    def keep(f):\n        f.down = lambda g: g\n        return f\n    return keep"
    tolerant = SPLIT.replace("from hotswap import migrate", without)
    one = play(CART, written_with, "dump", "Ada Lovelace")
    hooked = SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", 1)').replace(BODY, f"state.total = 0\n    {BODY}")
    assert play(hooked, "", "load", blob=one) == b"Lovelace, Ada ['first', 'items', 'last', 'total']\n"
    two = play(hooked, "", "dump", "Grace", "Hopper")
    assert play(tolerant, BLOCKED, "load", blob=two).startswith(b"Hopper, Grace ['__hotswap_version__', 'first'")
    assert play(hooked, "", "load", blob=two) == b"Hopper, Grace ['first', 'items', 'last', 'total']\n"


@pytest.mark.parametrize("order", ["hooks first", "class first", "in the middle"])
def test_class_stamps_its_states_whenever_its_migration_is_declared(order: str, tmp_path: Path) -> None:
    hooks = "from hotswap import migrate\n@migrate('cart:Cart', 1)\ndef up(state):\n    state.b = state.pop('a')\n"
    (tmp_path / "cart_hooks.py").write_text(hooks)
    middle = "import cart_hooks\n" if order == "in the middle" else ""
    (tmp_path / "cart.py").write_text(f"{middle}class Cart:\n    pass\n")
    imports = "cart_hooks, cart" if order == "hooks first" else "cart, cart_hooks"
    script = f"import {imports}, sys; c = cart.Cart(); c.__setstate__({{'a': 5}}); print(vars(c), type(cart.__spec__).__name__, "
    script += "len([f for f in sys.meta_path if 'hotswap' in type(f).__module__]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{'b': 5} ModuleSpec 0\n", done.stderr


def test_class_that_gets_a_state_of_its_own_later_leaves_others_alone(program: Program) -> None:
    text = """
from hotswap import migrate
class A:
    def __init__(self):
        self.x = 1
{own}
class B(object):
    def __init__(self):
        self.x = 2
@migrate("m:A", 1)
def up(state):
    pass
@migrate("m:B", 1)
def up_b(state):
    pass
"""
    m = program.load("m", text.format(own=""))
    assert pickle.loads(pickle.dumps(m.A())).x == 1 and b"hotswap" in pickle.dumps(m.B())
    own = "    def __getstate__(self):\n        return {'x': 10}\n"
    assert program.edit("m", text.format(own=own)).applied
    assert pickle.loads(pickle.dumps(m.A())).x == 10
    assert pickle.loads(pickle.dumps(m.B())).x == 2 and b"hotswap" in pickle.dumps(m.B())
    program.engine.rollback()
    assert pickle.loads(pickle.dumps(m.A())).x == 1 and b"hotswap" in pickle.dumps(m.A())


def test_subclass_with_its_own_getstate_only_is_copied_as_before(program: Program) -> None:
    """It gives no version, so nothing is known of its states."""
    text = """
from hotswap import migrate
class Base:
    def __init__(self):
        self.x = 1
class Sub(Base):
    def __getstate__(self):
        return {'x': self.x}
@migrate("m:Base", 1)
def up(state):
    state.x += 100
"""
    m = program.load("m", text)
    assert copy.copy(m.Sub()).x == pickle.loads(pickle.dumps(m.Sub())).x == 1
    assert copy.copy(m.Base()).x == 1


STEPS = """
from hotswap import migrate
class Cart:
    def __init__(self):
        self.a = 1
{more}
"""
TWO = STEPS.format(more="        self.b = 10\n@migrate('m:Cart', 1)\ndef one(state):\n    state.a += 1")
THREE = TWO.replace("self.b = 10", "self.b = 10\n        self.c = []") + """
@migrate('m:Cart', 2)
def two(state):
    state.b += state.a
"""


def test_state_goes_through_fills_and_hooks_in_the_order_of_the_versions(program: Program) -> None:
    """A hook of a later version finds the fields that an earlier one brought by itself."""
    m = program.load("m", STEPS.format(more=""))
    cart = m.Cart()
    blob = pickle.dumps(cart)
    assert program.edit("m", TWO).applied
    assert program.edit("m", THREE).applied
    assert vars(cart) == vars(pickle.loads(blob)) == {"a": 2, "b": 12, "c": []}


def test_state_that_a_process_on_a_later_version_reads_gets_the_defaults_of_the_text(tmp_path: Path) -> None:
    """The same as a live conversion, though this process has never swapped anything."""
    text = TWO.replace("self.b = 10", "self.b = {}\n        self.c = self.d = 5")
    (tmp_path / "m.py").write_text(text)
    script = "import m, hotswap; print(*(hotswap.upgrade({'a': 1}, m.Cart, version=version) for version in (1, 2)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{'a': 2, 'b': {}, 'c': 5, 'd': 5} {'a': 1}\n", done.stderr


BASES = """
from hotswap import migrate
class Base:
    def __init__(self):
        self.x = 1
class Sub(Base):
    def __init__(self):
        super().__init__()
        self.y = 1
"""
HOOKS = """
@migrate("m:Base", 1)
def one(state):
    state.x += 1
@one.down
def _(state):
    state.x -= 1
@migrate("m:Sub", 1)
def two(state):
    state.y += 1
@two.down
def _(state):
    {down}
"""


def test_state_of_a_swap_that_was_taken_back_goes_back_once(program: Program) -> None:
    m = program.load("m", BASES)
    m.keep = m.Sub()
    assert program.edit("m", BASES + HOOKS.format(down="state.y -= 1")).applied
    assert (m.keep.x, m.keep.y) == (2, 2)
    blob = pickle.dumps(m.keep)
    program.engine.rollback()
    assert (m.keep.x, m.keep.y) == (1, 1)
    assert vars(pickle.loads(blob)) == {"x": 1, "y": 1}


def test_way_back_of_a_state_that_fails_says_so(program: Program) -> None:
    m = program.load("m", BASES)
    assert program.edit("m", BASES + HOOKS.format(down="raise ValueError('no way')")).applied
    m.keep = m.Sub()
    blob = pickle.dumps(m.keep)
    program.engine.rollback()
    with pytest.raises(MigrationError, match="cannot be brought from version 2 to 1.*two.*no way"):
        pickle.loads(blob)


def test_versions_that_have_the_same_number_are_told_apart(program: Program) -> None:
    """A swap is taken back, and another one leads to a version of the same number."""
    m = program.load("m", BASES)
    m.keep = m.Base()
    assert program.edit("m", BASES + HOOKS.format(down="state.y -= 1").partition('@migrate("m:Sub"')[0]).applied
    blob = pickle.dumps(m.keep)
    program.engine.rollback()
    other = "\n@migrate('m:Base', 1)\ndef other(state):\n    state.x += 1000\n@other.down\ndef _(state): state.x -= 1000\n"
    assert program.edit("m", BASES + other).applied
    assert m.keep.x == pickle.loads(blob).x == pickle.loads(pickle.dumps(m.keep)).x == 1001


def test_field_under_a_property_goes_into_the_dict_of_the_object(program: Program) -> None:
    text = """
from hotswap import migrate
class Cart:
    def __init__(self):
        self.__dict__["total"] = 5
    total = property(lambda self: self.__dict__["total"])
@migrate("m:Cart", 1)
def up(state):
    pass
"""
    m = program.load("m", text)
    assert copy.copy(m.Cart()).total == pickle.loads(pickle.dumps(m.Cart())).total == 5


SLOTS = {
    "plain": "class C:\n    __slots__ = ('n',)\n    def __init__(self, n):\n        self.n = n\n",
    "dataclass": "from dataclasses import dataclass\n@dataclass(slots=True)\nclass C:\n    n: int\n",
    "attrs": "import attrs\n@attrs.define\nclass C:\n    n: int\n",
    "with a dict": "class C:\n    __slots__ = ('n', '__dict__')\n    def __init__(self, n):\n        self.n = n\n",
}
HUNDREDFOLD = """
from hotswap import migrate

@migrate("m:C"{number})
def up(state):
    state.n *= 100

@up.down
def _(state):
    state.n //= 100
"""


def run_script(folder: Path, script: str) -> str:
    found = subprocess.run([sys.executable, "-B", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("kind", SLOTS)
def test_objects_with_slots_are_copied_as_they_are(kind: str, program: Program) -> None:
    m = program.load("m", SLOTS[kind])
    old = m.C(5)
    blob = pickle.dumps(old)
    report = program.edit("m", SLOTS[kind] + HUNDREDFOLD.format(number=", 1"))
    assert report.applied, str(report)
    assert old.n == 500
    copies = [copy.copy(old), copy.deepcopy(old), pickle.loads(pickle.dumps(old)), pickle.loads(pickle.dumps(m.C(500)))]
    assert [each.n for each in copies] == [500] * 4
    assert pickle.loads(blob).n == 500  # without a stamp it is from before the migrations
    (program.directory / "blob").write_bytes(pickle.dumps(old))
    script = "import m, copy, pickle; o = m.C(5); print(copy.copy(o).n, copy.deepcopy(o).n, pickle.loads(pickle.dumps(o)).n)"
    script += "; print(pickle.load(open('blob', 'rb')).n)"
    assert run_script(program.directory, script).split() == ["5", "5", "5", "500"]
    (program.directory / "m.py").write_text(SLOTS[kind])  # the migrations were tidied away
    assert run_script(program.directory, script).split() == ["5", "5", "5", "500"]


def test_state_with_an_optional_field_is_from_before_the_migrations(program: Program) -> None:
    text = "class C:\n    def __init__(self, n, note=None):\n        self.n = n\n        if note:\n            self.note = note\n"
    m = program.load("m", text)
    blobs = [pickle.dumps(m.C(5)), pickle.dumps(m.C(6, "x"))]
    hook = HUNDREDFOLD.format(number="").replace("*= 100", "*= 100\n    state.pop('note', None)")
    new = "class C:\n    def __init__(self, n):\n        self.n = n\n" + hook
    m.keep = m.C(1)
    assert program.edit("m", new).applied
    assert [pickle.loads(blob).n for blob in blobs] == [500, 600]


@pytest.mark.parametrize("order", ["a above", "b above"])
def test_state_of_a_step_that_has_another_number_elsewhere(order: str, program: Program) -> None:
    """Migrations without numbers count by the order of the swaps here, and by that of the text in a new process."""
    head = "from hotswap import migrate\nclass C:\n    def __init__(self, n):\n        self.l = [n]\n    k = {}\n"
    step = '\n@migrate("m:C")\ndef {0}(s):\n    s.l = s.l + ["{0}"]\n\n@{0}.down\ndef _(s):\n    s.l = s.l[:-1]\n'
    m = program.load("m", head.format(0))
    item = m.C(7)
    assert program.edit("m", head.format(1) + step.format("a")).applied
    (program.directory / "blob").write_bytes(pickle.dumps(item))
    steps = [step.format("a"), step.format("b")]
    assert program.edit("m", head.format(2) + "".join(steps if order == "a above" else steps[::-1])).applied
    assert pickle.loads((program.directory / "blob").read_bytes()).l == item.l == [7, "a", "b"]
    script = "import m, pickle\ntry:\n    print(pickle.load(open('blob', 'rb')).l)\nexcept Exception as e:\n    print(e)"
    said = run_script(program.directory, script)
    if order == "a above":
        assert said == "[7, 'a', 'b']\n"
    else:
        assert "a led to version 2" in said and "b" in said and "number" in said


def test_state_of_a_step_that_was_tidied_away_is_not_taken_for_another(program: Program) -> None:
    text = "class C:\n    k = {}\n    def __init__(self, n):\n        self.n = n\n"
    m = program.load("m", text.format(0))
    m.keep = m.C(7)
    assert program.edit("m", text.format(1) + HUNDREDFOLD.format(number="")).applied
    (program.directory / "blob").write_bytes(pickle.dumps(m.keep))
    assert program.edit("m", text.format(1)).applied
    later = HUNDREDFOLD.format(number="").replace("up", "later").replace("100", "10")
    assert program.edit("m", text.format(2) + later).applied
    assert pickle.loads((program.directory / "blob").read_bytes()).n == m.keep.n == 7000
    script = "import m, pickle\ntry:\n    print(pickle.load(open('blob', 'rb')).n)\nexcept Exception as e:\n    print(e)"
    assert "up led to version 2" in run_script(program.directory, script)


def test_row_that_has_the_fields_of_now_may_be_of_any_version(program: Program) -> None:
    text = "class C:\n    def __init__(self, n):\n        self.n = n\n        self.unit = 'c'\n"
    adds = HUNDREDFOLD.format(number=", 1").replace("*= 100", "*= 100\n    state.unit = 'c'")
    (program.directory / "m.py").write_text(text + adds)
    script = "import m, hotswap\ntry:\n    print(hotswap.upgrade({}, m.C))\nexcept Exception as e:\n    print(e)"
    assert run_script(program.directory, script.format({"n": 3})) == "{'n': 300, 'unit': 'c'}\n"
    assert "version=" in run_script(program.directory, script.format({"n": 300, "unit": "c"}))
    known = script.replace("m.C)", "m.C, version=2)").format({"n": 300, "unit": "c"})
    assert run_script(program.directory, known) == "{'n': 300, 'unit': 'c'}\n"


def test_object_that_lacks_a_field_that_came_by_itself(program: Program) -> None:
    """Unpickled from before the field, and converted by a migration that renames it."""
    head = "from dataclasses import dataclass\nfrom hotswap import migrate\nfrom hotswap.migrations import rename\n"
    text = head + "@dataclass\nclass Offer:\n    price: int\n"
    m = program.load("m", text)
    blob = pickle.dumps(m.Offer(9))
    assert program.edit("m", text + "    source: str | None = None\n").applied
    late = pickle.loads(blob)
    renamed = text + "    origin: str | None = None\n\nmigrate('m:Offer', steps=[rename('source', 'origin')])\n"
    assert program.edit("m", renamed).applied
    assert vars(late) == vars(pickle.loads(blob)) == {"price": 9, "origin": None}


@pytest.mark.parametrize(
    "base", ["Exception", "OSError", "ImportError", "ExceptionGroup", "set", "deque", "OrderedDict", "bytearray"]
)
def test_states_of_exceptions_and_of_containers_go_through_the_hooks(base: str, program: Program) -> None:
    """The builtins write their states in ways of their own; what they hold besides goes on as it is."""
    empty = base in ("OSError", "ImportError", "OrderedDict")
    argument = "'text', [ValueError(1)]" if base == "ExceptionGroup" else "" if empty else "[1, 2]"
    text = """
from collections import OrderedDict, deque
from hotswap import migrate
class A({base}):
    def __init__(self, *args):
        super().__init__(*args)
        {field}
"""
    first, second, third = [text.format(base=base, field=f"self.{each}") for each in ("a = 1", "b = 5", "c = 6")]
    second += "@migrate('m:A', 1)\ndef up(state):\n    state.b = state.pop('a') * 100\n"
    third += second.partition("@")[1] + second.partition("@")[2]
    third += "@migrate('m:A', 2)\ndef again(state):\n    state.c = state.pop('b') + 1\n"
    m = program.load("m", first)
    old = eval(f"m.A({argument})", {"m": m})
    if base == "ImportError":
        old.name = "name"
    blobs = [pickle.dumps(old, protocol) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    assert program.edit("m", second).applied
    new = pickle.dumps(old)
    copies = [copy.deepcopy(old)] + ([copy.copy(old)] if base != "deque" else [])  # that makes a new one, without attributes
    for item in (*map(pickle.loads, [*blobs, new]), *copies):
        assert vars(item) == vars(old) == {"b": 100}
        if issubclass(m.A, BaseException):
            assert [str(each) for each in item.args] == [str(each) for each in old.args]
            assert getattr(item, "name", None) == getattr(old, "name", None)
        else:
            assert item == old
    assert program.edit("m", third).applied
    assert vars(pickle.loads(new)) == vars(pickle.loads(blobs[0])) == vars(old) == {"c": 101}


def test_exception_that_says_itself_what_its_state_is_keeps_it(program: Program) -> None:
    text = """
class A(Exception):
    def __reduce__(self):
        return A, (), {"own": 1}
"""
    m = program.load("m", text)
    old = m.A()
    hooks = "from hotswap import migrate\n@migrate('m:A', 1)\ndef up(state):\n    state.b = 1\n"
    assert program.edit("m", text + hooks).applied
    assert old.__reduce__()[2] == {"own": 1}
    assert vars(pickle.loads(pickle.dumps(old))) == {"own": 1}
