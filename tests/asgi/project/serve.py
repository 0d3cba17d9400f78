"""``python serve.py``: the shop as many start it while they write it."""

import os

import uvicorn

if __name__ == "__main__":
    uvicorn.run("shop.main:app", port=int(os.environ["PORT"]), reload=True)
