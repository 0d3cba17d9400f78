"""Carts, kept in the memory of this process: a restart loses them all, a swap must not lose one."""

import threading

CARTS = {}  # by session key
LIMIT = 9  # pieces of one product that we send
_lock = threading.Lock()


class Line:
    """One product in a cart, by its slug."""

    def __init__(self, slug, qty):
        self.slug = slug
        self.qty = qty
        self.refused = 0

    def add(self, quantity):
        taken = max(0, min(quantity, LIMIT - self.qty))
        self.qty += taken
        self.refused += quantity - taken


class Cart:
    """What one visitor wants to buy, and who that is."""

    def __init__(self):
        self.customer = ""
        self.lines = []

    def sign(self, name):
        self.customer = name

    def name(self):
        return self.customer

    def add(self, slug, quantity):
        for line in self:
            if line.slug == slug:
                line.add(quantity)
                return
        self.lines.append(Line(slug, quantity))

    def clear(self):
        self.lines.clear()

    def __iter__(self):
        return iter(self.lines)

    def __len__(self):
        return sum(line.qty for line in self)


def cart_of(session):
    """The cart of a visitor, made at the first use."""
    if session.session_key is None:
        session.create()
    with _lock:
        return CARTS.setdefault(session.session_key, Cart())
