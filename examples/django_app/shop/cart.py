"""Carts, kept in the memory of this process: a restart loses them all, a swap must not lose one."""

import threading

CARTS = {}
_lock = threading.Lock()


class Cart:
    """What one visitor wants to buy: slug -> quantity."""

    def __init__(self):
        self.quantities = {}

    def add(self, slug, quantity):
        self.quantities[slug] = self.quantities.get(slug, 0) + quantity

    def clear(self):
        self.quantities.clear()

    def __len__(self):
        return sum(self.quantities.values())


def cart_of(session):
    """The cart of a visitor, made at the first use."""
    if session.session_key is None:
        session.create()
    with _lock:
        return CARTS.setdefault(session.session_key, Cart())
