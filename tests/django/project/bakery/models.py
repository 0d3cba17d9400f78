"""Loaves, in SQLite."""

from django.db import models


class LoafManager(models.Manager):
    def heavy(self):
        return self.filter(grams__gte=800)


class Loaf(models.Model):
    name = models.CharField(max_length=40)
    grams = models.PositiveIntegerField(default=500)

    objects = LoafManager()

    class Meta:
        ordering = ("name",)

    def __str__(self):
        return self.name

    def label(self):
        return f"{self.name}, {self.grams} g"


KINDS = [("stone", "Stone oven")]


class Oven(models.Model):
    name = models.CharField(max_length=40, choices=KINDS)

    def __str__(self):
        return self.name
