"""Addresses of the bakery."""

from django.urls import include, path, re_path, register_converter

from bakery import converters, views

register_converter(converters.Grams, "grams")

api = ([path("pieces/", views.pieces, name="pieces")], "api")

urlpatterns = [
    path("", views.Shelf.as_view(), name="shelf"),
    path("state/", views.state, name="state"),
    path("slow/", views.slow, name="slow"),
    path("asks/", views.asks, name="asks"),
    path("stream/", views.stream, name="stream"),
    path("async/", views.asynchronous, name="asynchronous"),
    path("slow-async/", views.slow_async, name="slow_async"),
    path("swap-async/", views.swap_async, name="swap_async"),
    path("forms/", views.forms_page, name="forms"),
    path("bake/", views.bake, name="bake"),
    path("command/", views.command, name="command"),
    path("swap/", views.swap_now, name="swap"),
    path("links/", views.links, name="links"),
    path("heavier/<grams:grams>/", views.heavier, name="heavier"),
    path("api/", include(api, namespace="api")),
    re_path(r"^old/(?P<name>\w+)/$", views.old, name="old"),
]
