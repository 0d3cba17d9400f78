"""What happens when an order was placed."""

from django.db.models.signals import post_save
from django.dispatch import receiver

from shop.models import Order

JOURNAL = []  # newest last; in memory, like the carts


@receiver(post_save, sender=Order, dispatch_uid="shop.write_journal")
def write_journal(sender, instance, created, **kwargs):
    if created:
        JOURNAL.append(f"placed: {instance}")
