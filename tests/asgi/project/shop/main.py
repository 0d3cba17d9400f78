"""The application."""

import asyncio
import os
import time
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from shop import items, people, state
from shop.deps import counted, token
from shop.middleware import Stamp


class Trouble(Exception):
    pass


@asynccontextmanager
async def lifespan(app):
    state.STARTED.append(1)
    app.state.opened = True
    yield
    state.STARTED.append(-1)


app = FastAPI(title="Shop", version="1", lifespan=lifespan)
app.state.currency = "EUR"
app.add_middleware(Stamp, text="shop")


@app.middleware("http")
async def polite(request: Request, call_next):
    response = await call_next(request)
    response.headers["X-Polite"] = "please"
    return response


@app.exception_handler(Trouble)
async def on_trouble(request: Request, error: Trouble):
    return JSONResponse({"trouble": str(error)}, status_code=418)


@app.get("/")
def index():
    return {"shop": "open", "currency": app.state.currency}


app.include_router(items.router)
app.include_router(people.router)


@app.post("/staff", response_model=people.Admin)
def add_staff(user: people.User):
    return {**user.model_dump(exclude={"label"}), "level": 3}


@app.get("/trouble")
def trouble():
    raise Trouble("spilt")


@app.get("/counted")
async def count(number: int = Depends(counted)):
    return {"is": number % 2}


@app.api_route("/any", methods=["GET", "PUT"])
def anything(request: Request):
    return PlainTextResponse(f"{request.method} {request.url_for('index').path}")


@app.websocket("/talk")
async def talk(socket: WebSocket):
    await socket.accept()
    while (text := await socket.receive_text()) != "bye":
        await socket.send_text(answer(text))
    await socket.close()


def answer(text):
    return f"you said {text}"


def hello(request):
    return PlainTextResponse("hello")


async def bye(request):
    return PlainTextResponse("bye")


plain = Starlette(routes=[Route("/hello", hello), Mount("/deep", routes=[Route("/bye", bye, name="bye")])])
app.mount("/plain", plain)


@app.get("/state", include_in_schema=False)
def show_state():
    """What a fresh start does not have."""
    return {"pid": state.PID, "visits": state.visit(), "started": state.STARTED, "currency": app.state.currency}


@app.get("/pair", include_in_schema=False)
async def pair():
    """Two steps with a short pause."""
    first = one()
    await asyncio.sleep(0.002)
    return PlainTextResponse(f"{first}, {two()}")


def one():
    return "one 0"


def two():
    return "two 0"


@app.get("/slow", include_in_schema=False)
def slow(file: str):
    """Two steps with a pause between them, until a file appears."""
    first = step()
    open(f"{file}.inside", "w").close()
    while not os.path.exists(file):
        time.sleep(0.01)
    return PlainTextResponse(f"{first} and {step()}")


@app.get("/flow", include_in_schema=False)
async def flow(file: str):
    """The same as a stream."""

    async def parts():
        yield step()
        open(f"{file}.inside", "w").close()
        while not os.path.exists(file):
            await asyncio.sleep(0.01)
        yield f" and {step()}"

    return StreamingResponse(parts())


def step():
    return "step 1"


@app.get("/private", dependencies=[Depends(token)])
def private():
    return "private"


@app.get("/{rest:path}", include_in_schema=False)
def everything(rest: str):
    return {"rest": rest}
