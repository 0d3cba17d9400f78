"""Middleware as a class: it keeps a count, and says it in a header."""


class Stamp:
    def __init__(self, app, text):
        self.app = app
        self.text = text
        self.served = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        self.served += 1

        async def stamped(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-stamp", self.text.encode())]
            await send(message)

        await self.app(scope, receive, stamped)
