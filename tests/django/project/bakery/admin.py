"""The office: open to all, since these are tests."""

from django.contrib import admin

from bakery.models import Loaf


class Office(admin.AdminSite):
    site_header = "Office"

    def has_permission(self, request):
        return True


office = Office(name="office")


@admin.register(Loaf, site=office)
class LoafAdmin(admin.ModelAdmin):
    list_display = ("name",)

    def has_view_permission(self, request, obj=None):
        return True
