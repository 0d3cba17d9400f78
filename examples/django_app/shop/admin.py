"""The back office (``python manage.py createsuperuser``, then /admin/)."""

from django.contrib import admin

from shop.models import Order, OrderLine, Product
from shop.templatetags.shop_tags import money


class OrderLineInline(admin.TabularInline):
    model = OrderLine
    extra = 0


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "kind", "price")
    list_filter = ("kind",)
    search_fields = ("name",)

    @admin.display(description="price with tax")
    def price(self, product):
        return money(product.gross_cents())


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("pk", "customer", "total_cents", "placed_at")
    inlines = (OrderLineInline,)
