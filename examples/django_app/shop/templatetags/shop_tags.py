"""``{% load shop_tags %}``: a filter and a tag."""

from django import template

from shop.pricing import CURRENCY
from shop.stock import feed

register = template.Library()


@register.filter
def money(cents):
    """Cents as people write them."""
    return f"{cents / 100:.2f} {CURRENCY}"


@register.simple_tag
def stock_badge(product):
    """How many pieces the feed says are left."""
    return f"{feed.level(product.slug)} left"
