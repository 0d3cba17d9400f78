"""Prices. Other modules take these names with ``from shop.pricing import …``."""

CURRENCY = "EUR"
TAX_PERCENT = {"food": 7, "goods": 19}


def build_factors(percents):
    """Turn percents into factors, once, when the module is loaded."""
    return {kind: 1 + percent / 100 for kind, percent in percents.items()}


FACTORS = build_factors(TAX_PERCENT)


def gross(net_cents, kind):
    """The price with tax, in cents."""
    return round(net_cents * FACTORS[kind])


def shipping(total_cents:
    """What sending costs, in cents."""
    return 0 if total_cents >= 5000 else 490
