from django.core.management.base import BaseCommand

from bakery.models import Loaf


class Command(BaseCommand):
    help = "Counts."

    def handle(self, *args, **options):
        self.stdout.write(f"{Loaf.objects.count()} loaves")
