"""Middleware of the site."""


class Sign:
    """Signs every answer, and counts them."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.served = 0

    def __call__(self, request):
        self.served += 1
        response = self.get_response(request)
        response["X-Baker"] = self.name()
        response["X-Served"] = str(self.served)
        return response

    def name(self):
        return "Ada"


def polite(get_response):
    """Not in MIDDLEWARE yet."""

    def middleware(request):
        response = get_response(request)
        response["X-Polite"] = "please"
        return response

    return middleware
