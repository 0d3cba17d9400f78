"""The shop's addresses."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.ProductList.as_view(), name="catalogue"),
    path("product/<slug:slug>/", views.ProductDetail.as_view(), name="product"),
    path("cart/", views.cart_page, name="cart"),
    path("cart/add/<slug:slug>/", views.add_to_cart, name="add_to_cart"),
    path("cart/sign/", views.sign_cart, name="sign_cart"),
    path("cart/checkout/", views.Checkout.as_view(), name="checkout"),
    path("status/", views.status, name="status"),
]
