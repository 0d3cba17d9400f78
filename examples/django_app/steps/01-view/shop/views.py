"""Pages: functions and classes."""

import os

from django.http import HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST
from django.views.generic import DetailView, FormView, ListView

from shop.cart import CARTS, cart_of
from shop.forms import AddToCartForm, CheckoutForm, NameForm
from shop.models import Order, OrderLine, Product
from shop.pricing import CURRENCY, FACTORS, shipping
from shop.signals import JOURNAL
from shop.stock import feed


class ProductList(ListView):
    model = Product
    template_name = "shop/product_list.html"
    context_object_name = "products"

    def get_context_data(self, **kwargs):
        return super().get_context_data(title="Fresh this morning", **kwargs)


class ProductDetail(DetailView):
    model = Product
    template_name = "shop/product_detail.html"

    def get_context_data(self, **kwargs):
        return super().get_context_data(form=AddToCartForm(), **kwargs)


@require_POST
def add_to_cart(request, slug):
    product = get_object_or_404(Product, slug=slug)
    form = AddToCartForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest(form.errors.as_text())
    cart_of(request.session).add(product.slug, form.cleaned_data["quantity"])
    return redirect("cart")


def read_lines(cart):
    """The cart with its products: (product, quantity, cents)."""
    products = Product.objects.in_bulk([line.slug for line in cart], field_name="slug")
    lines = [(products[line.slug], line.qty) for line in cart if line.slug in products]
    return [(product, quantity, product.gross_cents() * quantity) for product, quantity in lines]


def cart_page(request):
    cart = cart_of(request.session)
    lines = read_lines(cart)
    goods = sum(cents for _, _, cents in lines)
    context = {"lines": lines, "goods": goods, "shipping": shipping(goods), "currency": CURRENCY}
    return render(request, "shop/cart.html", {**context, "name": cart.name(), "form": NameForm()})


@require_POST
def sign_cart(request):
    form = NameForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest(form.errors.as_text())
    cart_of(request.session).sign(form.cleaned_data["name"])
    return redirect("cart")


class Checkout(FormView):
    form_class = CheckoutForm
    template_name = "shop/checkout.html"
    success_url = reverse_lazy("catalogue")

    def get_initial(self):
        return {"customer": cart_of(self.request.session).name()}

    def form_valid(self, form):
        cart = cart_of(self.request.session)
        lines = read_lines(cart)
        order = Order.objects.create(
            customer=form.cleaned_data["customer"], total_cents=sum(cents for _, _, cents in lines)
        )
        OrderLine.objects.bulk_create(OrderLine(order=order, product=p, quantity=n) for p, n, _ in lines)
        cart.clear()
        return super().form_valid(form)


def status(request):
    """What this process has in memory; the pid stays the same for as long as nothing had to restart."""
    return JsonResponse(
        {
            "pid": os.getpid(),
            "ticks": feed.ticks,
            "carts": sum(len(cart) for cart in CARTS.values()),
            "factors": FACTORS,
            "journal": JOURNAL,
            "in_memory": list(CARTS.values()),
        },
        json_dumps_params={"default": vars},  # carts and their lines as they are, field by field
    )
