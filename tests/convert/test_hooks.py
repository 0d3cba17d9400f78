"""What a user writes, and what becomes of objects that existed before."""

from __future__ import annotations

import pytest

from hotswap.errors import DeclarationError, MigrationError, RollbackError
from hotswap.migrations import migrate
from hotswap.model import Report
from tests.convert.barriers import finish
from tests.link.program import Program

pytestmark = pytest.mark.once  # much the same on every interpreter

CART = """
class Cart:
    def __init__(self, name):
        self.name = name
        self.items = []

    def label(self):
        return self.name
"""
SPLIT = """
from hotswap import migrate


class Cart:
    def __init__(self, first, last):
        self.first = first
        self.last = last
        self.items = []
        self.total = 0

    def label(self):
        return f"{self.last}, {self.first}"


@migrate("shop:Cart")
def split_name(state):
    state.first, state.last = state.pop("name").split(" ", 1)


@split_name.down
def _(state):
    state.name = f"{state.pop('first')} {state.pop('last')}"
"""
BODY = 'state.first, state.last = state.pop("name").split(" ", 1)'
THIRD = SPLIT.replace("self.total = 0", "self.total = 0\n        self.currency = currency").replace(
    "first, last)", "first, last, currency)"
) + """

@migrate("shop:Cart", 2)
def add_currency(state):
    state.currency = "EUR"


@add_currency.down
def _(state):
    del state.currency
"""


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_object_is_converted_on_first_access_and_keeps_its_identity(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    items, held = cart.items, cart.label
    report = program.edit("shop", SPLIT)
    assert report.applied and "HS304" in codes(report)
    assert held() == "Lovelace, Ada"
    assert cart.items is items and type(cart) is shop.Cart
    assert vars(cart) == {"first": "Ada", "last": "Lovelace", "items": [], "total": 0}


def test_class_is_as_it_was_when_nothing_waits(program: Program) -> None:
    shop = program.load("shop", CART)
    carts = [shop.Cart(f"{n} x") for n in range(50)]
    names = set(vars(shop.Cart))
    program.edit("shop", SPLIT)
    assert program.engine.converter.wait(shop.Cart, 10)
    finish(program)
    assert set(vars(shop.Cart)) == names | {"__getstate__", "__setstate__"}  # which stamp its pickles
    assert not program.engine.converter.conversions.pending
    assert [cart.first for cart in carts] == [str(n) for n in range(50)]


def test_new_objects_of_the_new_code_need_nothing(program: Program) -> None:
    shop = program.load("shop", CART)
    shop.keep = shop.Cart("Ada Lovelace")
    program.edit("shop", SPLIT)
    new = shop.Cart("Grace", "Hopper")
    assert new.label() == "Hopper, Grace" and shop.keep.label() == "Lovelace, Ada"


def test_rollback_converts_back_and_keeps_what_was_changed_meanwhile(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    program.edit("shop", SPLIT)
    cart.first = "Augusta"
    young = shop.Cart("Grace", "Hopper")
    untouched = shop.Cart("Alan", "Turing")
    program.engine.rollback()
    assert cart.label() == "Augusta Lovelace"
    assert vars(cart) == {"name": "Augusta Lovelace", "items": []}
    assert young.label() == "Grace Hopper" and untouched.name == "Alan Turing"


RENAMED = """
from hotswap import migrate


class Cart:
    def __init__(self, owner):
        self.owner = owner


@migrate("shop:Cart")
def rename(state):
    state.owner = state.pop("name")


@rename.down
def _(state):
    state.name = state.pop("owner")
"""


def test_rollback_of_an_object_that_its_module_has_made_anew(program: Program) -> None:
    """An object of a statement that is evaluated again takes the new state at the commit, and the old one at the rollback.

    It is not converted back once more, which would fail. Others are converted, as always.
    """
    shop = program.load("shop", RENAMED.split("@migrate")[0].replace("owner", "name"))
    made = program.load("made", "import shop\nheld, cart = [1], shop.Cart('Ada')\n")
    other = shop.Cart("Bob")
    cart = made.cart
    assert program.edit("shop", RENAMED).applied
    finish(program)
    assert (made.cart is cart, vars(cart), vars(other)) == (True, {"owner": "Ada"}, {"owner": "Bob"})
    program.engine.rollback()
    finish(program)
    assert (made.cart is cart, vars(cart), vars(other)) == (True, {"name": "Ada"}, {"name": "Bob"})


def test_rollback_of_untouched_objects_runs_no_hook(program: Program) -> None:
    """An object that nobody accessed has nothing to undo."""
    shop = program.load("shop", CART)
    cart = shop.Cart("nosurname")  # the hook would fail
    assert program.edit("shop", SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="on_access")')).applied
    program.engine.rollback()
    assert cart.label() == "nosurname"


def test_fields_that_are_lost_return_as_the_same_objects(program: Program) -> None:
    shop = program.load("shop", CART + "        self.note = note\n".replace("self.note = note", "pass"))
    program.edit("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    name = cart.name = "".join(["Ada", " Lovelace"])
    dropping = """
    from hotswap import migrate


    class Cart:
        def __init__(self):
            self.items = []

        def label(self):
            return "none"


    @migrate("shop:Cart")
    def forget(state):
        pass


    @forget.down
    def _(state):
        pass
    """
    assert program.edit("shop", dropping).applied
    assert cart.label() == "none" and not hasattr(cart, "name")
    program.engine.rollback()
    assert cart.name is name


def test_without_a_way_back_it_is_said_before_and_refused_after(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    one_way = SPLIT[: SPLIT.index("@split_name.down")]
    report = program.edit("shop", one_way)
    assert "HS307" in codes(report)
    with pytest.raises(RollbackError, match="split_name.*no way back"):
        program.engine.rollback()
    assert cart.label() == "Lovelace, Ada"


def test_two_versions_are_gone_through_in_order_each_hook_once(program: Program) -> None:
    shop = program.load("shop", CART)
    asleep = shop.Cart("Ada Lovelace")
    slow = SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", 1, when="on_access")')
    assert program.edit("shop", slow).applied
    awake = shop.Cart("Grace", "Hopper")
    third = THIRD.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", 1, when="on_access")')
    assert program.edit("shop", third).applied
    version_of = program.engine.converter.version_of
    assert version_of(asleep) == 1
    assert (asleep.first, asleep.currency) == ("Ada", "EUR")
    assert (awake.first, awake.currency) == ("Grace", "EUR")
    assert version_of(asleep) == version_of(awake) == 3


def test_two_steps_in_one_swap_and_their_way_back(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    report = program.edit("shop", THIRD.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", 1)'))
    assert report.applied, str(report)
    version_of = program.engine.converter.version_of
    assert (cart.first, cart.currency, version_of(cart)) == ("Ada", "EUR", 3)
    program.engine.rollback()
    assert (cart.name, version_of(cart)) == ("Ada Lovelace", 1)


def test_version_is_read_without_converting(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    version_of = program.engine.converter.version_of
    assert version_of(cart) == 1
    program.edit("shop", SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="on_access")'))
    assert version_of(cart) == 1 and id(cart) in program.engine.converter.conversions.pending
    assert cart.first == "Ada" and version_of(cart) == 2


def test_failing_hook_leaves_the_object_and_says_where(program: Program) -> None:
    shop = program.load("shop", CART)
    bad, good = shop.Cart("Plato"), shop.Cart("Ada Lovelace")
    assert program.edit("shop", SPLIT).applied
    assert good.label() == "Lovelace, Ada"
    for _ in range(2):
        where = r"shop\.Cart object .* version 1.* to 2, split_name \(.*shop\.py:18\)"
        with pytest.raises(MigrationError, match=where) as caught:
            bad.label()
        assert isinstance(caught.value.__cause__, ValueError)
    program.engine.converter.wait(None, 5)
    (status,) = program.engine.status().classes
    assert (status.failed, status.left, status.barrier) == (1, ((1, 1),), True)
    mended = SPLIT.replace(BODY, 'state.first, _, state.last = state.pop("name").partition(" ")')
    assert program.edit("shop", mended).applied
    assert bad.label() == ", Plato"


def test_retry_runs_a_failed_hook_again(program: Program) -> None:
    shop = program.load("shop", CART)
    bad = shop.Cart("Plato")
    shop.SEPARATOR = " "
    program.edit("shop", SPLIT.replace('split(" ", 1)', "split(SEPARATOR, 1)"))
    with pytest.raises(MigrationError):
        bad.label()
    shop.SEPARATOR = "a"
    assert program.engine.converter.retry(None) == 1
    assert bad.label() == "to, Pl"


def test_hook_that_forgets_a_field_fails_for_its_object(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    program.edit("shop", SPLIT.replace(BODY, "state.first = state.pop('name')"))
    with pytest.raises(MigrationError, match="did not set last"):
        cart.label()


def test_change_without_a_hook_is_held_and_saving_the_hook_releases_it(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    without = SPLIT[: SPLIT.index("@migrate")]
    report = program.edit("shop", without)
    assert not report.applied and {f.code for f in report.held} <= {"HS301", "HS303"}
    assert cart.label() == "Ada Lovelace"
    assert program.edit("shop", SPLIT).applied
    assert cart.label() == "Lovelace, Ada"


def test_stub_is_shown_and_has_to_be_finished(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    without = SPLIT[: SPLIT.index("@migrate")].replace("from hotswap import migrate", "")
    (held,) = [finding for finding in program.edit("shop", without).held if finding.excerpt]
    assert "state['first'] = ...  # from state['name']?" in held.excerpt and "state['name'] = ..." in held.excerpt
    report = program.edit("shop", without + held.excerpt + "\n")
    assert not report.applied and {f.code for f in report.held} == {"HS309"}, str(report)
    finished = held.excerpt.replace("...  # from state['name']?", "state.pop('name')", 1).replace("...  # from", "'L'  # from")
    assert program.edit("shop", without + finished.replace("...", "state.pop('first')") + "\n").applied
    assert cart.label() == "L, Ada Lovelace"
    program.engine.rollback()
    assert cart.label() == "Ada Lovelace"


def test_hook_in_a_module_of_its_own_releases_a_held_class(program: Program) -> None:
    shop = program.load("shop", CART)
    program.load("moves", "from hotswap import migrate\n")
    cart = shop.Cart("Ada Lovelace")
    assert not program.edit("shop", SPLIT[: SPLIT.index("@migrate")]).applied
    hook = "from hotswap import migrate\n" + SPLIT[SPLIT.index("@migrate") :]
    report = program.edit("moves", hook)
    assert report.applied, str(report)
    assert cart.label() == "Lovelace, Ada"


def test_edited_hook_counts_from_its_save_on(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    lazy = SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="on_access")')
    program.edit("shop", lazy)
    assert program.edit("shop", lazy.replace("state.first, state.last =", "state.last, state.first =")).applied
    assert cart.label() == "Ada, Lovelace"


def test_hook_that_was_applied_is_not_applied_again_by_another_name(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    program.edit("shop", SPLIT)
    assert cart.label() == "Lovelace, Ada"
    for text in (SPLIT.replace("split_name", "cut_name"), SPLIT.replace('"shop:Cart"', '"shop:Cart", 1'), "\n\n" + SPLIT):
        report = program.edit("shop", text)
        assert report.applied and "HS304" not in codes(report), str(report)
        assert cart.label() == "Lovelace, Ada" and program.engine.converter.version_of(cart) == 2


def test_subclasses_go_with_their_base(program: Program) -> None:
    sub = "\n\nclass Special(Cart):\n    def __init__(self, *names):\n        super().__init__(*names)\n        self.level = 1\n"
    shop = program.load("shop", CART + sub)
    special = shop.Special("Ada Lovelace")
    report = program.edit("shop", SPLIT + sub)
    assert report.applied, str(report)
    assert vars(special) == {"first": "Ada", "last": "Lovelace", "items": [], "level": 1, "total": 0}


def test_hook_changes_a_container_in_place_for_all_who_hold_it(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    held = cart.items
    program.edit("shop", SPLIT.replace("state.first, state.last =", "state['items'].append(1)\n    state.first, state.last ="))
    assert cart.items is held and held == [1]


def test_container_is_untouched_by_a_hook_that_fails(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Plato")
    held = cart.items
    program.edit("shop", SPLIT.replace("state.first, state.last =", "state['items'].append(1)\n    state.first, state.last ="))
    with pytest.raises(MigrationError):
        cart.label()
    assert held == []


def test_after_hook_sees_the_object_with_its_new_state(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    program.edit("shop", SPLIT + "\n\nSEEN = []\n\n\n@split_name.after\ndef _(obj):\n    SEEN.append(obj.last)\n")
    assert cart.first == "Ada" and shop.SEEN == ["Lovelace"]


def test_after_hook_that_raises_is_shown_and_the_object_is_converted(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    text = SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="on_access")')
    program.edit("shop", text + "\n\n@split_name.after\ndef _(obj):\n    raise ValueError('after')\n")
    assert cart.first == "Ada"
    assert "ValueError: after" in capsys.readouterr().err


def test_subclass_without_migrations_has_the_version_of_its_base(program: Program) -> None:
    sub = "\n\nclass Special(Cart):\n    pass\n"
    shop = program.load("shop", CART + sub)
    special = shop.Special("Ada Lovelace")
    version_of = program.engine.converter.version_of
    assert version_of(special) == 1
    program.edit("shop", SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="on_access")') + sub)
    assert version_of(special) == 1 and special.first == "Ada" and version_of(special) == 2


def test_eager_objects_are_converted_when_the_swap_returns(program: Program) -> None:
    shop = program.load("shop", CART)
    good, bad = shop.Cart("Ada Lovelace"), shop.Cart("Plato")
    report = program.edit("shop", SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="eager")'))
    assert "HS308" in codes(report)
    assert set(program.engine.converter.conversions.pending) == {id(bad)}
    assert good.first == "Ada"


def test_steps_are_declared_and_lead_both_ways(program: Program) -> None:
    shop = program.load("shop", CART)
    cart = shop.Cart("Ada Lovelace")
    text = SPLIT[: SPLIT.index("@migrate")] + (
        "from hotswap.migrations import add, split\n\n"
        'migrate("shop:Cart", 1, steps=[\n'
        '    split("name", ["first", "last"], lambda name: name.split(" "), lambda *names: " ".join(names)),\n'
        '    add("total", 7),\n])\n'
    )
    report = program.edit("shop", text)
    assert report.applied, str(report)
    assert vars(cart) == {"first": "Ada", "last": "Lovelace", "items": [], "total": 7}
    program.engine.rollback()
    assert vars(cart) == {"name": "Ada Lovelace", "items": []}


def test_migration_that_leads_nowhere_is_held(program: Program) -> None:
    program.load("shop", CART)
    report = program.edit("shop", SPLIT.replace('"shop:Cart"', '"shop:Card"'))
    assert not report.applied and "HS305" in {f.code for f in report.held}
    report = program.edit("shop", SPLIT.replace('"shop:Cart"', '"shop:Cart", 4'))
    assert not report.applied and "HS305" in {f.code for f in report.held}


def test_two_migrations_for_one_step_are_held(program: Program) -> None:
    program.load("shop", CART)
    again = '\n\n@migrate("shop:Cart", 1)\ndef other(state):\n    pass\n'
    report = program.edit("shop", SPLIT.replace('"shop:Cart"', '"shop:Cart", 1') + again)
    assert not report.applied and "HS306" in {f.code for f in report.held}


@pytest.mark.parametrize("arguments", [("shop",), ("shop:C", 0), ("shop:C", 1, 3), ("shop:C", None, 2), (3,)])
def test_declaration_that_makes_no_sense_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(DeclarationError):
        migrate(*arguments)  # type: ignore[call-overload]


def test_hook_that_does_not_run_when_it_is_called_is_refused() -> None:
    async def later(state: object) -> None: ...

    with pytest.raises(DeclarationError, match="cannot be async"):
        migrate("shop:C", 1)(later)


def test_eager_hooks_run_without_a_lock_of_ours(program: Program) -> None:
    """One may wait for a thread that asks for a swap."""
    shop = program.load("shop", CART)
    shop.keep = shop.Cart("Ada Lovelace")
    shop.ASKED = []

    def ask() -> None:
        with program.engine.lock:
            shop.ASKED.append("had it")

    shop.ASK = ask
    body = f"import threading\n    thread = threading.Thread(target=ASK)\n    thread.start()\n    thread.join(20)\n    {BODY}"
    text = SPLIT.replace('@migrate("shop:Cart")', '@migrate("shop:Cart", when="eager")').replace(BODY, body)
    assert program.edit("shop", text).applied
    assert "had it" in shop.ASKED and shop.keep.last == "Lovelace"  # the sweep may have run it on a copy as well


def test_order_of_attributes_is_taken_back_when_the_barrier_is_gone(program: Program) -> None:
    """It stood when the second swap was linked, and what was linked is used again by the rollback."""
    text = "from hotswap import migrate\nclass A:\n    {one}\n    {two}\n    def __init__(self):\n        self.x = 1\n{hook}"
    hook = "@migrate('m:A', when='on_access')\ndef up(state):\n    state.x += 1\n@up.down\ndef _(state):\n    state.x -= 1\n"
    m = program.load("m", text.format(one="a = 1", two="b = 2", hook=""))
    item = m.A()
    assert program.edit("m", text.format(one="a = 1", two="b = 2", hook=hook)).applied
    assert program.edit("m", text.format(one="b = 2", two="a = 1", hook=hook)).applied and "__getattribute__" in vars(m.A)
    assert item.x == 2
    finish(program)
    assert "__getattribute__" not in vars(m.A)
    program.engine.rollback()
    assert [name for name in vars(m.A) if name in ("a", "b")] == ["a", "b"]
    program.engine.rollback()
    assert item.x == 1


def test_way_back_finds_what_came_with_it_after_the_rollback(program: Program) -> None:
    """Imports, constants and functions beside it are gone from the module then, or have their old values."""
    first = 'PREFIX = "q"\n\n\nclass Price:\n    def __init__(self):\n        self.amount = 1\n'
    second = """
import json

from hotswap import migrate
from hotswap.migrations import convert

PREFIX = "p"


def decode(text):
    return strip(text)


def strip(text):
    return json.loads(text[len(PREFIX):])


class Price:
    def __init__(self):
        self.amount = "p1"


@migrate("shop:Price", 1)
def encode(state):
    state.amount = PREFIX + json.dumps(state.amount)


@encode.down
def _(state):
    state.amount = (lambda text: decode(text))(state.amount)


migrate("shop:Price", 2, steps=[convert("amount", lambda text: PREFIX + text, lambda text: text.removeprefix(PREFIX))])
"""
    shop = program.load("shop", first)
    price = shop.Price()
    assert program.edit("shop", second).applied
    assert price.amount == "pp1"
    program.engine.rollback()
    assert price.amount == 1 and not hasattr(shop, "decode")


@pytest.mark.parametrize("when", ["eager", "on_access", "lazy"])
def test_object_without_an_attribute_of_its_own(when: str, program: Program) -> None:
    """A class that gives the default, and objects that only hold what differs."""
    text = """
{head}class Session:
    timeout = {timeout}

    def __init__(self, timeout=None):
        if timeout is not None:
            self.timeout = timeout
"""
    m = program.load("m", text.format(head="", timeout=30))
    m.ALL = [m.Session(), m.Session(5), m.Session()]
    m.ROW = {"in a row": (m.Session(),)}
    bare, own, other = m.ALL
    hook = f"""
@migrate("m:Session", when="{when}")
def up(state):
    state.timeout = state.get("timeout", 30) * 1000
"""
    assert program.edit("m", text.format(head="from hotswap import migrate\n", timeout=30_000) + hook).applied
    bare.timeout = 5000
    assert (bare.timeout, own.timeout, other.timeout, m.ROW["in a row"][0].timeout) == (5000, 5000, 30_000, 30_000)


def test_dataclass_whose_objects_hold_something_else_that_is_the_default(program: Program) -> None:
    text = """
from dataclasses import dataclass
from hotswap import migrate
from hotswap.migrations import add, rename

@dataclass
class Offer:
    price: int
"""
    m = program.load("m", text)
    offers = [m.Offer(n) for n in range(5)]
    for offer in offers[:3]:
        offer.seller = None
    one = text + '    source: str | None = None\n\nmigrate("m:Offer", 1, steps=[add("source", "legacy")])\n'
    assert program.edit("m", one).applied
    assert [offer.source for offer in offers] == ["legacy"] * 5
    for offer in offers:
        offer.source = None
    two = one.replace("source:", "origin:") + 'migrate("m:Offer", 2, steps=[rename("source", "origin")])\n'
    assert program.edit("m", two).applied
    assert [vars(offer) for offer in offers[2:4]] == [{"price": 2, "seller": None, "origin": None}, {"price": 3, "origin": None}]
    program.engine.rollback()
    assert [vars(offer) for offer in offers[2:4]] == [{"price": 2, "seller": None, "source": None}, {"price": 3, "source": None}]
