"""All addresses."""

from django.urls import include, path

from bakery.admin import office

urlpatterns = [
    path("", include("bakery.urls")),
    path("office/", office.urls),
]
