"""Two middlewares, one of each kind: Django holds the closure of the first and an instance of the second."""

import time

from shop.stock import feed


def timing(get_response):
    """Say in a header how long the answer took."""

    def middleware(request):
        started = time.perf_counter()
        response = get_response(request)
        response["X-Elapsed-Ms"] = f"{(time.perf_counter() - started) * 1000:.1f}"
        return response

    return middleware


class ShopHeaders:
    """Sign every answer with the name of the shop, and count them."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.served = 0

    def __call__(self, request):
        self.served += 1
        response = self.get_response(request)
        response["X-Shop"] = self.signature()
        response["X-Served"] = str(self.served)
        return response

    def signature(self):
        return f"corner shop, tick {feed.ticks}"
