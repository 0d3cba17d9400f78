"""Receivers."""

from django.db.models.signals import post_save
from django.dispatch import receiver

from bakery.models import Oven
from bakery.state import BAKED


@receiver(post_save, sender=Oven)
def note_oven(sender, instance, **kwargs):
    BAKED.append(f"oven {instance.name}")
