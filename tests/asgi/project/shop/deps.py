"""Dependencies, some of which depend on others."""

from fastapi import Depends, Header, HTTPException

from shop.state import SEEN


def page(number: int = 1, size: int = 10):
    return {"number": number, "size": size}


def token(x_token: str = Header(default="none")):
    if x_token == "bad":
        raise HTTPException(403, "bad token")
    return x_token


def visitor(name: str = "guest", given: str = Depends(token)):
    return f"{name}/{given}"


def counted():
    SEEN.append("open")
    try:
        yield len(SEEN)
    finally:
        SEEN.append("close")
