"""Pages."""

import asyncio
import io
import os
import threading
from urllib.request import urlopen

from django.conf import settings
from django.core.management import call_command
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import escape
from django.views.generic import ListView

from bakery import recipe, state as memory
from bakery.forms import LoafForm, OrderForm, OrderFormSet
from bakery.models import Loaf, Oven

GOES_ON = threading.Event()


class Shelf(ListView):
    model = Loaf
    template_name = "bakery/shelf.html"
    context_object_name = "loaves"

    def get_context_data(self, **kwargs):
        heavy = Loaf.objects.heavy().count()
        return super().get_context_data(title="On the shelf", heavy=heavy, slogan=settings.BAKERY_SLOGAN, **kwargs)


def state(request):
    """Counts each call; what it says tells whether the process is the same."""
    return JsonResponse({"pid": os.getpid(), "visits": memory.visit(), "baked": memory.BAKED})


def slow(request):
    """Begins, waits until a file appears, and goes on: both parts must be of one version."""
    before = recipe.first()
    GOES_ON.wait(0.002)
    wait_for(request.GET["file"])
    return HttpResponse(f"{before}, {recipe.second()}")


def stream(request):
    def parts():
        yield f"{recipe.first()}, "
        wait_for(request.GET["file"])
        yield recipe.second()

    return StreamingHttpResponse(parts())


def asks(request):
    """Asks its own server for another page in the middle, and waits for that."""
    before = recipe.first()
    wait_for(request.GET["file"])
    with urlopen(request.build_absolute_uri("/slow/?file=manage.py"), timeout=15) as other:
        inner = other.read().decode()
    return HttpResponse(f"{before}, {inner}, {recipe.second()}")


def wait_for(file):
    if not os.path.exists(file):
        open(f"{file}.inside", "w").close()
    while not os.path.exists(file):
        GOES_ON.wait(0.01)


async def asynchronous(request):
    return HttpResponse("async 1")


async def slow_async(request):
    before = recipe.first()
    while not os.path.exists(request.GET["file"]):
        await asyncio.sleep(0.005)
    return HttpResponse(f"{before}, {recipe.second()}")


async def swap_async(request):
    import hotswap

    return HttpResponse(str(hotswap.swap()))


def forms_page(request):
    answers = [OrderForm(), OrderForm({"pieces": "8"}).errors.as_json(), LoafForm(), OrderFormSet()]
    return HttpResponse("\n".join(map(str, answers)))


def bake(request):
    known = len(memory.BAKED)
    oven = Oven(name="stone")
    oven.save()
    oven.delete()
    return HttpResponse(", ".join(memory.BAKED[known:]))


def command(request):
    out = io.StringIO()
    call_command("count_loaves", stdout=out)
    return HttpResponse(out.getvalue())


def swap_now(request):
    import hotswap

    return HttpResponse(str(hotswap.swap()))


def links(request):
    return HttpResponse(" ".join(reverse(name) for name in ("shelf", "api:pieces")))


def pieces(request):
    return HttpResponse(f"pieces {request.path}")


def heavier(request, grams):
    return HttpResponse(escape(f"heavier than {grams!r}"))


def old(request, name):
    return HttpResponse(f"old {name}")
