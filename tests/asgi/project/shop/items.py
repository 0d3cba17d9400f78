"""A router with a router inside."""

from fastapi import APIRouter, BackgroundTasks, Depends, Response

from shop.deps import page, visitor
from shop.models import PRICES, Basket, Item, StoredItem, Voucher
from shop.state import LOG

router = APIRouter(prefix="/items", tags=["items"])
special = APIRouter(prefix="/special")


@router.get("/")
def list_items(where=Depends(page)):
    """All items."""
    return {"items": ["tea", "milk"], "page": where}


@router.get("/newest")
def newest():
    return {"item": "newest"}


@router.get("/{number}", response_model=StoredItem)
async def get_item(number: int):
    return {"name": f"item {number}", "number": number, "secret": "hidden"}


@router.post("/", response_model=StoredItem, status_code=201)
def add_item(item: Item, who: str = Depends(visitor)):
    return StoredItem(**item.model_dump(), number=len(who))


@router.post("/basket")
def fill(basket: Basket) -> Basket:
    basket.note = basket.note or f"{len(basket.items)} items"
    return basket


@router.post("/voucher")
def redeem(voucher: Voucher):
    return {"code": voucher.code, "percent": voucher.percent}


@router.post("/prices")
def prices(raw: dict):
    return PRICES.validate_python(raw)


@router.post("/order")
def order(tasks: BackgroundTasks, response: Response, what: str = "tea"):
    tasks.add_task(note, what)
    response.headers["X-Ordered"] = what
    return {"ordered": what}


def note(what):
    LOG.append(f"ordered {what}")


@special.get("/offer")
def offer():
    return {"offer": 3}


router.include_router(special)
