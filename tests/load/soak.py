"""The program of the endurance run: three modules whose texts follow from a state, and the edits that change it in turn.

Each edit bumps a number or turns a structure over: no two texts of a run are equal, and the program stays as large as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

import hotswap
from hotswap.model import Report

RATES = '''\
RATE = {rate}
FACTOR = RATE * 2


def rate():
    return RATE
'''

SHOP = '''\
import functools

from soak.rates import FACTOR, RATE, rate

TABLE = {{"rate": RATE, "factor": FACTOR}}
size = ({size}).{method}


def body(x=1):
    return x + {body}


def signed({signature}):
    return b


{extra}
@functools.lru_cache
def cached(x):
    return body(x)


def label(text):
    mark = text

    def wrap(function):
        @functools.wraps(function)
        def inner(*args):
            return {captured}, function(*args)

        return inner

    return wrap


@label({label})
def decorated():
    return {label}


def make(n):
    def inner():
        return n, {closure}

    return inner


class Plain:
    limit = {cls}

    def method(self):
        return {cls}, self.limit


class Derived(Plain):
    doubled = Plain.limit * 2
'''

DATA = '''\
from hotswap import migrate


class Cart:
    def __init__(self):
        self.owner = "Ada"
{field}

    def tell(self):
        return {cart}


class Account:
    def __init__(self):
        self.total = {account}

{migration}'''

FIELD = "        self.items = {number}"
MIGRATION = '''
@migrate("soak.data:Account")
def lead(state):
    state.total = {account}
    state.seen = state.pop("seen", 0) + 1


@lead.down
def _(state):
    state.total = {before}
    state.seen -= 1
'''


@attrs.define
class State:
    """Numbers and turns that the texts are made of."""

    rate: int = 0
    size: int = 0
    body: int = 0
    signature: int = 0
    extra: int = 0
    label: int = 0
    wrapper: int = 0
    closure: int = 0
    cls: int = 0
    cart: int = 0
    field: int = 0
    account: int = 0
    before: int = 0
    migrates: bool = False

    def texts(self) -> dict[str, str]:
        """The three modules, by file name."""
        signatures = (f"b={self.signature}", f"a=0, *, b={self.signature}")
        shop = SHOP.format(
            size=self.size, method=("__index__", "conjugate")[self.size % 2], body=self.body,
            signature=signatures[self.signature % 2], label=self.label, closure=self.closure, cls=self.cls,
            extra=f"def extra_{self.extra}():\n    return {self.extra}\n\n\n" if self.extra % 2 else "",
            captured=("text", "text + mark - mark")[self.wrapper % 2],
        )  # fmt: skip
        data = DATA.format(
            cart=self.cart, account=self.account,
            field=FIELD.format(number=self.field) if self.field % 2 else "",
            migration=MIGRATION.format(account=self.account, before=self.before) if self.migrates else "",
        )  # fmt: skip
        return {"rates.py": RATES.format(rate=self.rate), "shop.py": shop, "data.py": data}


def _set(name: str) -> Callable[[State, int], None]:
    return lambda state, number: setattr(state, name, number)


def _turn(name: str) -> Callable[[State, int], None]:
    """The number counts turns here: odd is one structure, even the other."""
    return lambda state, number: setattr(state, name, getattr(state, name) + 1)


def _migrate(state: State, number: int) -> None:
    state.before, state.account, state.migrates = state.account, number, True


def _tidy(state: State, number: int) -> None:
    state.migrates = False


#: The edits in their order, by name.
EDITS: dict[str, Callable[[State, int], None]] = {
    "body": _set("body"),
    "signature": _turn("signature"),
    "function comes or goes": _turn("extra"),
    "constant with derived values": _set("rate"),
    "class body": _set("cls"),
    "decorated": _set("label"),
    "wrapper": _turn("wrapper"),
    "closure": _set("closure"),
    "method": _set("cart"),
    "field comes or goes": _turn("field"),
    "migration": _migrate,
    "migration tidied away": _tidy,
    "builtin behind a proxy": _turn("size"),
    "syntax error": _set("body"),
    "rollback": _set("body"),
}


class Soak:
    """The running program, with references that were taken at its beginning.

    Args:
        folder: where its package is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "soak"
        self.folder.mkdir()
        self.state = State()
        (self.folder / "__init__.py").touch()
        self.write(self.state.texts())
        sys.path.insert(0, str(folder))
        hotswap.start([folder], watch=False)
        from soak import data, rates, shop

        self.modules = (rates, shop, data)
        self.carts = [data.Cart() for _ in range(20)]
        self.accounts = [data.Account() for _ in range(20)]
        self.plain, self.derived = shop.Plain(), shop.Derived()
        self.held = {
            name: getattr(shop, name) for name in ("body", "signed", "cached", "decorated", "rate", "size", "TABLE")
        } | {"closure": shop.make(3), "method": self.plain.method}  # fmt: skip

    def write(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            path = self.folder / name
            if not path.exists() or path.read_text() != text:
                path.write_text(text)

    def prepare(self, kind: str, number: int) -> Callable[[], Report]:
        """Save one edit; gives what makes it live, and the swap that is counted."""
        before = attrs.evolve(self.state)
        EDITS[kind](self.state, number)
        texts = self.state.texts()
        if kind == "syntax error":
            self.write({"shop.py": texts["shop.py"] + "def broken(:\n"})
            held = hotswap.swap()
            assert [f.code for f in held.held] == ["HS101"], str(held)
        self.write(texts)
        if kind == "rollback":
            assert hotswap.swap().applied
            self.state = before
            self.write(before.texts())
            return hotswap.rollback
        return hotswap.swap

    def settle(self) -> None:
        """Until nothing waits for its conversion, and nothing is kept aside for a way back."""
        assert hotswap.wait_converted(timeout=60)
        if not self.state.field % 2:
            hotswap.confirm()  # until then objects keep the field that went

    def probe(self) -> dict[str, Any]:
        """What the program gives, through the references of its beginning."""
        held, shop = self.held, self.modules[1]
        return {
            "body": held["body"](1), "signed": held["signed"](), "cached": held["cached"](1), "rate": held["rate"](),
            "decorated": held["decorated"](), "decorated by name": shop.decorated(), "closure": held["closure"](),
            "table": dict(held["TABLE"]), "size": held["size"](), "method": held["method"](),
            "derived": self.derived.doubled, "carts": {cart.tell() for cart in self.carts},
            "fields": {getattr(cart, "items", None) is not None for cart in self.carts},
            "totals": {account.total for account in self.accounts},
            "extra": [name for name in vars(shop) if name.startswith("extra_")],
        }  # fmt: skip

    def expect(self) -> dict[str, Any]:
        """What it has to give."""
        state = self.state
        return {
            "body": 1 + state.body, "signed": state.signature, "cached": 1 + state.body, "rate": state.rate,
            "decorated": (state.label, state.label), "decorated by name": (state.label, state.label),
            "closure": (3, state.closure), "table": {"rate": state.rate, "factor": state.rate * 2}, "size": state.size,
            "method": (state.cls, state.cls), "derived": state.cls * 2, "carts": {state.cart},
            "fields": {bool(state.field % 2)}, "totals": {state.account},
            "extra": [f"extra_{state.extra}"] if state.extra % 2 else [],
        }  # fmt: skip
