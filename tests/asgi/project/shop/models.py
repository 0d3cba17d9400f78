"""What goes in and out: models that hold and inherit each other."""

import enum
from dataclasses import dataclass

from pydantic import BaseModel, Field, TypeAdapter, field_validator


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Maker(BaseModel):
    name: str
    town: str = "Brno"


class Item(BaseModel):
    name: str
    price: float = Field(default=1.0, ge=0)
    maker: Maker = Maker(name="nobody")
    size: Size = Size.SMALL

    @field_validator("name")
    @classmethod
    def tidy(cls, value: str) -> str:
        return value.strip()

    def label(self) -> str:
        return f"{self.name} at {self.price}"


class StoredItem(Item):
    number: int = 0


class Basket(BaseModel):
    items: list[StoredItem] = []
    note: str = ""


@dataclass
class Voucher:
    code: str
    percent: int = 10


PRICES = TypeAdapter(dict[str, float])
FIRST = StoredItem(name="first", number=1)
