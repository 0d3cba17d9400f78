"""The catalogue and the orders, in SQLite."""

from django.db import models
from django.urls import reverse

from shop.pricing import gross


class Product(models.Model):
    """Something to buy; ``net_cents`` is the price without tax."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=20, default="food")
    net_cents = models.PositiveIntegerField()
    origin = models.CharField(max_length=40, default="around the corner")

    class Meta:
        ordering = ("name",)

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("product", args=[self.slug])

    def gross_cents(self):
        return gross(self.net_cents, self.kind)

    def label(self):
        return f"{self.name} ({self.kind}, from {self.origin})"


class Order(models.Model):
    """What somebody bought, as it was at that moment."""

    customer = models.CharField(max_length=80)
    total_cents = models.PositiveIntegerField()
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-placed_at",)

    def __str__(self):
        return f"order {self.pk} of {self.customer}"


class OrderLine(models.Model):
    """One product in an order."""

    order = models.ForeignKey(Order, related_name="lines", on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveSmallIntegerField()

    def __str__(self):
        return f"{self.quantity} x {self.product}"
