"""Carts, kept in the memory of this process: a restart loses them all, a swap must not lose one."""

import threading

from hotswap import migrate
from hotswap.migrations import rename, split

CARTS = {}  # by session key
_lock = threading.Lock()


def part(name):
    """A name as first and last one; the last one may be empty."""
    first, _, last = name.partition(" ")
    return first, last


def whole(first, last):
    return f"{first} {last}".strip()


class Line:
    """One product in a cart, by its slug."""

    def __init__(self, slug, quantity):
        self.slug = slug
        self.quantity = quantity


class Cart:
    """What one visitor wants to buy, and who that is."""

    def __init__(self):
        self.first = self.last = ""
        self.lines = []

    def sign(self, name):
        self.first, self.last = part(name)

    def name(self):
        return f"{self.last}, {self.first}" if self.last else self.first

    def add(self, slug, quantity):
        for line in self:
            if line.slug == slug:
                line.quantity += quantity
                return
        self.lines.append(Line(slug, quantity))

    def clear(self):
        self.lines.clear()

    def __iter__(self):
        return iter(self.lines)

    def __len__(self):
        return sum(line.quantity for line in self)


migrate("shop.cart:Line", 1, steps=[rename("qty", "quantity")])
migrate("shop.cart:Cart", 1, steps=[split("customer", ["first", "last"], part, whole)])


def cart_of(session):
    """The cart of a visitor, made at the first use."""
    if session.session_key is None:
        session.create()
    with _lock:
        return CARTS.setdefault(session.session_key, Cart())
