"""Models that refer to each other in many ways, with the routes that take and give them."""

import enum
from typing import Annotated, Generic, Literal, Optional, TypeVar, Union

from fastapi import APIRouter, Body, Cookie, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field, field_serializer, field_validator, model_validator

T = TypeVar("T")


class Kind(str, enum.Enum):
    A = "a"
    B = "b"


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid")
    created: int = 0


class Address(BaseModel):
    street: str
    zip: str = "000"


class User(Base):
    name: str
    age: Optional[int] = None
    address: Optional[Address] = None
    marks: list[str] = Field(default_factory=list)
    kind: Kind = Kind.A

    @field_validator("name")
    @classmethod
    def check_name(cls, value):
        if not value:
            raise ValueError("empty name")
        return value

    @model_validator(mode="after")
    def check_all(self):
        if self.age == 13:
            raise ValueError("unlucky")
        return self

    @computed_field
    @property
    def label(self) -> str:
        return f"user {self.name}"


class Admin(User):
    level: int = 1


class Cat(BaseModel):
    type: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    type: Literal["dog"] = "dog"
    bark: str = "wow"

    @field_serializer("bark")
    def loud(self, value):
        return f"{value}!"


Pet = Annotated[Union[Cat, Dog], Field(discriminator="type")]


class Owner(BaseModel):
    pet: Pet
    friends: "list[Owner]" = []


class Page(BaseModel, Generic[T]):
    rows: list[T]
    total: int = 0


class Names(RootModel[list[str]]):
    pass


class Filter(BaseModel):
    limit: int = 10
    order: str = "name"


class Late(BaseModel):
    other: "Optional[Later]" = None


class Later(BaseModel):
    count: int = 1


router = APIRouter(prefix="/people")


def common(limit: int = 5, user: Optional[str] = None):
    return {"limit": limit, "user": user}


def posted(address: Address):
    return address


Common = Annotated[dict, Depends(common)]


@router.post("/both")
def both(user: User, address: Address, n: Annotated[int, Body()] = 1):
    return {"user": user, "address": address, "n": n}


@router.get("/users", response_model=list[User])
def users(given: Annotated[Filter, Query()], page: Common):
    return [User(name=f"{number} {given.limit} {sorted(page)}") for number in range(2)]


@router.get("/page")
def page_of_addresses() -> Page[Address]:
    return Page[Address](rows=[Address(street="s")], total=1)


@router.post("/owner")
def own(owner: Owner) -> Owner:
    return owner


@router.post("/names")
def call(names: Names) -> Names:
    return names


@router.post("/posted")
def post(address: Annotated[Address, Depends(posted)]):
    return address


@router.get("/cookie")
def bake(given: Annotated[Filter, Cookie()]):
    return given


@router.get("/late")
def late() -> Late:
    return Late(other=Later())


@router.get("/error", responses={404: {"model": Address}})
def error():
    return 1


@router.post("/admin", response_model_exclude_unset=True)
def admin(given: Admin) -> Admin:
    return given
