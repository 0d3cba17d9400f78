# ruff: noqa: E501  (passages of files stand as they do there)
"""What people save while they write such a program: a name, then changes as file, old passage, new passage; no old one: a new file.

All of these are live, and answered as a fresh start answers: see :mod:`tests.web.driving`.
"""

from __future__ import annotations

#: Live, in the same process.
LIVE: list[tuple[str, tuple[tuple[str, str, str], ...]]] = []


def live(name: str, *changes: tuple[str, str, str]) -> None:
    LIVE.append((name, changes))


# ---- endpoints ----
live("body", ("main.py", '"open"', '"closed"'))
live("body behind a router", ("items.py", '"milk"', '"bread"'))
live("body of a response model", ("items.py", 'f"item {number}"', 'f"thing {number}"'))
live("body of a helper", ("main.py", "you said {text}", "you told me {text}"))
live("type of a path parameter", ("items.py", "def get_item(number: int)", "def get_item(number: str)"))
live("default of a query parameter", ("items.py", 'what: str = "tea"', 'what: str = "cocoa"'))
live("query parameter comes", ("main.py", "def index():\n    return {", 'def index(lang: str = "en"):\n    return {"lang": lang, '))
live("query parameter goes", ("items.py", ', what: str = "tea"', ""), ("items.py", "    tasks.add_task(note, what)", '    what = "x"\n    tasks.add_task(note, what)'))
live("body parameter comes", ("items.py", "def redeem(voucher: Voucher)", "def redeem(voucher: Voucher, other: Voucher)"))
live("function becomes a coroutine", ("items.py", "def newest()", "async def newest()"))
live("coroutine becomes a function", ("items.py", "async def get_item", "def get_item"))
live("docstring", ("items.py", '"""All items."""', '"""Each and every item."""'))
live("endpoint is renamed", ("items.py", "def newest()", "def latest()"))
live("decorator of its own", ("main.py", '@app.get("/trouble")\ndef', 'def loud(function):\n    def inner():\n        return {"loud": index()}\n\n    return inner\n\n\n@app.get("/trouble")\n@loud\ndef'))
# ---- routes ----
live("path", ("main.py", '@app.get("/trouble")', '@app.get("/extra")'))
live("path behind a router", ("items.py", '@special.get("/offer")', '@special.get("/bargain")'))
live("route comes at the end", ("main.py", '@app.get("/{rest:path}"', '@app.get("/extra")\ndef extra():\n    return "extra"\n\n\n@app.get("/{rest:path}"'))
live("route comes at the beginning", ("main.py", '@app.get("/")', '@app.get("/some/{what}")\ndef some(what: str):\n    return what\n\n\n@app.get("/")'))
live("route goes", ("main.py", '@app.get("/trouble")\ndef trouble():\n    raise Trouble("spilt")\n\n\n', ""))
live("route of a router goes", ("items.py", '@router.get("/newest")\ndef newest():\n    return {"item": "newest"}\n\n\n', ""))
live("two routes change places", ("items.py", '@router.get("/newest")\ndef newest():\n    return {"item": "newest"}\n\n\n', ""), ("items.py", '@router.post("/basket")', '@router.get("/newest")\ndef newest():\n    return {"item": "newest"}\n\n\n@router.post("/basket")'))
live("methods", ("main.py", 'methods=["GET", "PUT"]', 'methods=["GET", "DELETE"]'))
live("get becomes post", ("items.py", '@router.get("/newest")', '@router.post("/newest")'))
live("status code", ("items.py", "status_code=201", "status_code=202"))
live("response model goes", ("items.py", '@router.get("/{number}", response_model=StoredItem)', '@router.get("/{number}")'))
live("response model is another", ("items.py", '@router.get("/{number}", response_model=StoredItem)', '@router.get("/{number}", response_model=Item)'))
live("return annotation", ("items.py", "def fill(basket: Basket) -> Basket:", "def fill(basket: Basket) -> dict:"), ("items.py", "    return basket\n", "    return {'note': basket.note}\n"))
live("tags and names", ("items.py", '@router.get("/newest")', '@router.get("/newest", tags=["new"], name="brand new", summary="New")'))
live("name of a route", ("main.py", "url_for('index')", "url_for('trouble')"))
live("hidden from the schema", ("items.py", '@router.get("/newest")', '@router.get("/newest", include_in_schema=False)'))
# ---- routers and mounts ----
live("prefix where it is made", ("items.py", 'APIRouter(prefix="/items", tags=["items"])', 'APIRouter(prefix="/goods", tags=["goods"])'))
live("prefix where it is included", ("main.py", "app.include_router(items.router)", 'app.include_router(items.router, prefix="/goods")'))
live("included twice", ("main.py", "app.include_router(items.router)", 'app.include_router(items.router)\napp.include_router(items.special, prefix="/offers")'))
live("not included any more", ("main.py", "app.include_router(items.router)\n", ""))
live("inner router is not included any more", ("items.py", "router.include_router(special)\n", ""))
live("dependency of all routes", ("main.py", "app.include_router(items.router)", "app.include_router(items.router, dependencies=[Depends(token)])"))
live("mount is elsewhere", ("main.py", 'app.mount("/plain", plain)', 'app.mount("/simple", plain)'))
live("routes of a mount", ("main.py", 'Route("/hello", hello)', 'Route("/hello", bye), Route("/more", hello)'))
live("body of a mounted endpoint", ("main.py", 'PlainTextResponse("hello")', 'PlainTextResponse("good day")'))
live("new module with a router", ("extra.py", "", 'from fastapi import APIRouter\n\nrouter = APIRouter()\n\n\n@router.get("/extra")\ndef extra():\n    return "from the new module"\n'), ("main.py", "from shop import items, state", "from shop import extra, items, state"), ("main.py", "app.include_router(items.router)", "app.include_router(items.router)\napp.include_router(extra.router)"))
# ---- dependencies ----
live("body of a dependency", ("deps.py", '{"number": number, "size": size}', '{"number": number, "size": size + 1}'))
live("parameters of a dependency", ("deps.py", "size: int = 10", "size: int = 20, order: str = 'name'"))
live("dependency of a dependency", ("deps.py", 'def visitor(name: str = "guest", given: str = Depends(token))', 'def visitor(name: str = "guest", given: dict = Depends(page))'))
live("header of a dependency", ("deps.py", 'Header(default="none")', 'Header(default="empty", alias="X-Other")'))
live("dependency comes", ("main.py", '@app.get("/trouble")', '@app.get("/trouble", dependencies=[Depends(token)])'))
live("generator of a dependency", ("deps.py", "yield len(SEEN)", "yield len(SEEN) * 2"))
# ---- models ----
live("field with a default comes", ("models.py", 'town: str = "Brno"', 'town: str = "Brno"\n    country: str = "CZ"'))
live("field goes", ("models.py", '    town: str = "Brno"\n', ""))
live("default of a field", ("models.py", 'town: str = "Brno"', 'town: str = "Praha"'))
live("type of a field", ("models.py", 'note: str = ""', "note: str | int = 1"))
live("constraint of a field", ("models.py", "ge=0", "ge=-2"))
live("field of a base", ("models.py", "    size: Size = Size.SMALL\n", "    size: Size = Size.SMALL\n    weight: int = 1\n"))
live("body of a validator", ("models.py", "value.strip()", "value.strip().upper()"))
live("validator of another field", ("models.py", 'field_validator("name")', 'field_validator("name", mode="before")'))
live("method of a model", ("models.py", 'f"{self.name} at {self.price}"', 'f"{self.name} for {self.price}"'))
live("docstring of a model", ("models.py", "class Maker(BaseModel):\n", 'class Maker(BaseModel):\n    """Who makes it."""\n\n'))
live("model is new and used", ("models.py", "class Basket(BaseModel):\n", "class Ribbon(BaseModel):\n    colour: str = 'red'\n\n\nclass Basket(BaseModel):\n    ribbon: Ribbon = Ribbon()\n"))
live("dataclass", ("models.py", "percent: int = 10", "percent: int = 20\n    reason: str = ''"))
live("member of an enumeration", ("models.py", '    LARGE = "large"\n', '    LARGE = "large"\n    HUGE = "huge"\n'))
# ---- the application ----
live("title", ("main.py", 'title="Shop"', 'title="Market"'))
live("state of the application", ("main.py", 'app.state.currency = "EUR"', 'app.state.currency = "CZK"'))
live("body of a middleware function", ("main.py", '"please"', '"thank you"'))
live("body of a middleware class", ("middleware.py", "self.text.encode()", "self.text.upper().encode()"))
live("argument of middleware", ("main.py", 'text="shop"', 'text="market"'))
live("middleware comes", ("main.py", '@app.exception_handler(Trouble)', '@app.middleware("http")\nasync def more(request: Request, call_next):\n    response = await call_next(request)\n    response.headers["X-More"] = "more"\n    return response\n\n\n@app.exception_handler(Trouble)'))
live("middleware goes", ("main.py", 'app.add_middleware(Stamp, text="shop")\n', ""))
live("body of an exception handler", ("main.py", 'status_code=418', 'status_code=419'))
live("exception handler comes", ("main.py", "@app.exception_handler(Trouble)", '@app.exception_handler(404)\nasync def on_missing(request, error):\n    return PlainTextResponse("nothing here", 404)\n\n\n@app.exception_handler(Trouble)'))
live("exception handler goes", ("main.py", '@app.exception_handler(Trouble)\nasync def on_trouble', "async def on_trouble"))
live("body of a websocket", ("main.py", "await socket.send_text(answer(text))", 'await socket.send_text("again: " + answer(text))'))
live("path of a websocket", ("main.py", '@app.websocket("/talk")', '@app.websocket("/speak")'))
live("body of a background task", ("items.py", 'f"ordered {what}"', 'f"sent {what}"'))
